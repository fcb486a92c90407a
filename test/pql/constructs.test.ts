import { expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { example } from '../../compiler/pql/functions.ts'
import { compileOne, interpreted, onDuckdb, typesOf } from '../support/pql.ts'
import { constructs, unsupported } from './constructs.ts'

const types = typesOf(example.schema)
const people = [{ id: 'P1', attributes: example.profile, events: example.events }]

test.each(Object.entries(constructs))('%s', async (_, cases) => {
  const conditions = cases.map(([pql]) => compileOne(pql, types))
  const wanted = interpreted(conditions, people, types, example.now)
  expect(cases.map(([pql], index) => [pql, wanted[index]!.length > 0])).toEqual(cases)
  const found = await onDuckdb(conditions, people, types, example.now)
  expect(cases.map(([pql], index) => [pql, found[index]!.length > 0])).toEqual(cases)
})

test.each(unsupported)('%s is refused by name', (pql, message) => {
  const { faults } = checkPql(pql, { types, segments: new Set() })
  expect(faults.map((fault) => [fault.code, fault.message])).toEqual([['pql-unsupported', message]])
  expect(faults[0]!.help).toMatch(/\S/)
})
