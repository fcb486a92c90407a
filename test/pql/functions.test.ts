import { expect, test } from 'vitest'
import { example, functions } from '../../compiler/pql/functions.ts'
import { compileOne, interpreted, onDuckdb, typesOf } from '../support/pql.ts'

const types = typesOf(example.schema)
const people = [{ id: 'P1', attributes: example.profile, events: example.events }]
const cases = Object.entries(functions).flatMap(([name, entry]) =>
  entry.examples.map(([pql, expected]) => ({ name, pql, expected })),
)

test.each(cases)('$name: $pql', ({ pql, expected }) => {
  expect(interpreted([compileOne(pql, types)], people, types, example.now)[0]).toEqual(expected ? ['P1'] : [])
})

test.each(cases)('DuckDB, alone: $pql', async ({ pql, expected }) => {
  expect((await onDuckdb([compileOne(pql, types)], people, types, example.now))[0]).toEqual(expected ? ['P1'] : [])
})

test('all examples in one query give the same on DuckDB', async () => {
  const found = await onDuckdb(
    cases.map((each) => compileOne(each.pql, types)),
    people,
    types,
    example.now,
  )
  expect(found.map((ids, index) => `${cases[index]!.pql}: ${ids.length > 0}`)).toEqual(
    cases.map((each) => `${each.pql}: ${each.expected}`),
  )
})
