import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileAll, interpreted, onDuckdb } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'
import { disagreement, worlds } from './arbitrary.ts'

/** Worlds in a run; more by the environment, for a long night. */
const runs = tries(50, 2000)
const seed = process.env['CONVOKE_PQL_SEED'] === undefined ? {} : { seed: Number(process.env['CONVOKE_PQL_SEED']) }

test('the interpreter and DuckDB find the same members', { timeout: patience(600_000) }, async () => {
  await fc.assert(
    fc.asyncProperty(worlds({ people: 40, expressions: 25 }), async (world) => {
      const conditions = compileAll(world.expressions, world.types)
      const found = await onDuckdb(conditions, world.people, world.types, world.now)
      const wanted = interpreted(conditions, world.people, world.types, world.now)
      expect(disagreement(world, wanted, found)).toBe(null)
    }),
    { numRuns: runs, ...seed, interruptAfterTimeLimit: 500_000 },
  )
})

test('a condition and its negation split every audience in two, and `or false` changes nothing', {
  timeout: patience(300_000),
}, async () => {
  await fc.assert(
    fc.asyncProperty(worlds({ people: 30, expressions: 12 }), async ({ expressions, people, types, now }) => {
      const plain = expressions.filter((pql) => !pql.startsWith('(Profile)') && !pql.includes('inSegment'))
      const pairs = plain.slice(1).map((other, index): [string, string] => [plain[index]!, other])
      const derived = pairs.flatMap(([a, b]) => [a, `(${a}) and (${b})`, `(${a}) and not (${b})`, `(${a}) or false`])
      const found = await onDuckdb(compileAll(derived, types), people, types, now)
      for (const [index] of pairs.entries()) {
        const [all, with_, without, same] = found.slice(index * 4, index * 4 + 4)
        expect([...with_!, ...without!].sort(), derived[index * 4]).toEqual(all)
        expect(same, derived[index * 4]).toEqual(all)
      }
    }),
    { numRuns: Math.ceil(runs / 4), ...seed },
  )
})

test('neither the order of the input nor the company of other Segments matters', {
  timeout: patience(300_000),
}, async () => {
  await fc.assert(
    fc.asyncProperty(worlds({ people: 30, expressions: 10 }), async ({ expressions, people, types, now }) => {
      const conditions = compileAll(expressions, types)
      const together = await onDuckdb(conditions, people, types, now)
      const turned = [...people].reverse().map((person) => ({ ...person, events: [...person.events].reverse() }))
      expect(await onDuckdb(conditions, turned, types, now)).toEqual(together)
      expect(interpreted(conditions, turned, types, now)).toEqual(together)
      for (const [index, pql] of expressions.entries()) {
        if (index % 4 === 0 && !pql.includes('inSegment'))
          expect(await onDuckdb([conditions[index]!], people, types, now), pql).toEqual([together[index]])
      }
    }),
    { numRuns: Math.ceil(runs / 4), ...seed },
  )
})
