import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { example, functions } from '../../compiler/pql/functions.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import type { UnionTypes } from '../../compiler/schema.ts'
import { disagreement, worlds } from '../pql/arbitrary.ts'
import {
  asParquet,
  compileAll,
  compileOne,
  interpreted,
  membersOf,
  queryOf,
  type TestPerson,
  typesOf,
} from '../support/pql.ts'
import { type Spark, startSpark, whyNoSpark } from './spark.ts'

const reason = whyNoSpark()
const runs = Number(process.env['CONVOKE_SPARK_RUNS'] ?? 12)

describe.skipIf(reason !== null)(reason ?? 'Spark', () => {
  let spark: Spark
  beforeAll(async () => {
    spark = await startSpark()
  }, 1_200_000)
  afterAll(() => spark.close())

  async function onSpark(
    conditions: readonly Condition[],
    people: readonly TestPerson[],
    types: UnionTypes,
    now: string,
  ): Promise<string[][]> {
    const { sql, names } = queryOf(conditions, types, now, 'spark')
    const { columns, rows } = await spark.run(sql, await asParquet(people, types))
    return membersOf(names, columns, rows)
  }

  test('every function example holds as documented', { timeout: 300_000 }, async () => {
    const types = typesOf(example.schema)
    const cases = Object.values(functions).flatMap((entry): (readonly [string, boolean])[] => [...entry.examples])
    const found = await onSpark(
      cases.map(([pql]) => compileOne(pql, types)),
      [{ id: 'P1', attributes: example.profile, events: example.events }],
      types,
      example.now,
    )
    expect(found.map((ids, index) => [cases[index]![0], ids.length > 0])).toEqual(cases)
  })

  test('Spark finds the members that the interpreter finds', { timeout: 1_200_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(worlds({ people: 30, expressions: 15 }), async (world) => {
        const conditions = compileAll(world.expressions, world.types)
        const found = await onSpark(conditions, world.people, world.types, world.now)
        expect(disagreement(world, interpreted(conditions, world.people, world.types, world.now), found)).toBe(null)
      }),
      { numRuns: runs, interruptAfterTimeLimit: 1_000_000 },
    )
  })
})
