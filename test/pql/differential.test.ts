import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileAll, interpreted, onDuckdb } from '../support/pql.ts'
import { disagreement, worlds } from './arbitrary.ts'

/** Worlds in a run; more by the environment, for a long night. */
const runs = Number(process.env['CONVOKE_PQL_RUNS'] ?? 40)
const seed = process.env['CONVOKE_PQL_SEED'] === undefined ? {} : { seed: Number(process.env['CONVOKE_PQL_SEED']) }

test('the interpreter and DuckDB find the same members', { timeout: 600_000 }, async () => {
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
