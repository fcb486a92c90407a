// No rewrite of the query changes who is found: alone, left out, all together, against the reference interpreter.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allRewrites, noRewrites } from '../../compiler/sql/rewrites.ts'
import { disagreement, worlds } from '../pql/arbitrary.ts'
import { compileAll, interpreted, onDuckdb } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'
import { bundles, difference, now, settings, types } from './bundles.ts'

const seed = process.env['CONVOKE_PQL_SEED'] === undefined ? {} : { seed: Number(process.env['CONVOKE_PQL_SEED']) }
const same = (sql: string) => sql

test('over bundles of windows, counts and sequences', { timeout: patience(600_000) }, async () => {
  await fc.assert(
    fc.asyncProperty(bundles, async (bundle) => {
      const conditions = compileAll(bundle.expressions, types)
      const wanted = interpreted(conditions, bundle.people, types, now)
      for (const [name, rewrites] of settings) {
        const found = await onDuckdb(conditions, bundle.people, types, now, same, rewrites)
        expect([name, difference(bundle, wanted, found)]).toEqual([name, null])
      }
    }),
    { numRuns: tries(30, 300), ...seed, interruptAfterTimeLimit: patience(500_000) },
  )
})

test('over whatever the language can say', { timeout: patience(600_000) }, async () => {
  await fc.assert(
    fc.asyncProperty(worlds({ people: 30, expressions: 20 }), async (world) => {
      const conditions = compileAll(world.expressions, world.types)
      const wanted = interpreted(conditions, world.people, world.types, world.now)
      for (const rewrites of [allRewrites, noRewrites])
        expect(
          disagreement(world, wanted, await onDuckdb(conditions, world.people, world.types, world.now, same, rewrites)),
        ).toBe(null)
    }),
    { numRuns: tries(15, 300), ...seed, interruptAfterTimeLimit: patience(500_000) },
  )
})
