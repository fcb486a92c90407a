// What `check` lets pass, the engine accepts: an expression that it does not would stop all Segments of its store. Over ten seconds: each
// of a thousand expressions is a query of its own.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { columnsOf } from '../../compiler/schema.ts'
import { streamingQuery } from '../../compiler/sql/flip-query.ts'
import { onDuckdb } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'
import { extremes, now, people, types } from './extremes.ts'

const names = { types, segments: new Set<string>() }
const seed = 20_260_115

/** Longer than the budget of terms lets any query become. */
const longestSql = 8_000_000

test('DuckDB accepts whatever the compiler lets pass, and no query is without bounds', {
  timeout: patience(600_000),
}, async () => {
  let passed = 0
  let refused = 0
  for (let index = 0; index < tries(1000, 10_000); index += 1) {
    const pql = fc.sample(extremes, { seed: seed + index, numRuns: 1 })[0]!
    const { condition, faults } = checkPql(pql, names)
    expect(faults.length, pql.slice(0, 300)).toBeLessThanOrEqual(20)
    if (!condition) {
      refused += 1
      continue
    }
    passed += 1
    const query = streamingQuery([{ name: 's0', condition }], columnsOf(types.event!))
    expect((query.duckdb.length + (query.flips ?? '').length) / 2, pql.slice(0, 300)).toBeLessThan(longestSql)
    await expect(onDuckdb([condition], people, types, now), pql.slice(0, 2000)).resolves.toBeDefined()
  }
  // Neither all nor none: the search is about both.
  expect(passed).toBeGreaterThan(refused / 4)
  expect(refused).toBeGreaterThan(passed / 20)
})
