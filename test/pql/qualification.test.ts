import { expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { example } from '../../compiler/pql/functions.ts'
import { compileOne, flippedOnDuckdb, interpreted, onDuckdb, typesOf } from '../support/pql.ts'
import { members, qualifications, segments } from './qualifications.ts'

const types = typesOf(example.schema)

test('what the version before says of a Segment is read alike by the interpreter and DuckDB', async () => {
  const conditions = qualifications.map(([pql]) => compileOne(pql, types, segments))
  const wanted = qualifications.map(([pql, ids]) => [pql, ids])
  const found = interpreted(conditions, members, types, example.now)
  expect(qualifications.map(([pql], index) => [pql, found[index]])).toEqual(wanted)
  const onEngine = await onDuckdb(conditions, members, types, example.now)
  expect(qualifications.map(([pql], index) => [pql, onEngine[index]])).toEqual(wanted)
})

test('a streaming run looks at everybody', async () => {
  const condition = compileOne('segmentMembership.get("ups").get("vip").status = "realized"', types, segments)
  const found = await flippedOnDuckdb([condition], members, types, '2026-01-15T10:25:00Z', example.now)
  expect([...found].sort()).toEqual(members.map(({ id }) => id))
})

test.each([
  ['segmentMembership.get("ups").get("vap").status = "exited"', 'unresolved-reference', 'vap'],
  ['segmentMembership.ups.vap.status = "exited"', 'unresolved-reference', 'vap'],
  ['segmentMembership.get("AAM").get("vip").status = "exited"', 'pql-unsupported', 'AAM'],
  ['segmentMembership.get("ups").keys().count() > 1', 'pql-unsupported', 'segmentMembership'],
  ['segmentMembership', 'pql-unsupported', 'segmentMembership'],
  ['segmentMembership.get("ups").get("vip").version = 1', 'unknown-attribute', 'version'],
  ['segmentMembership.get("ups").get("vip").status = "existing"', 'pql-type-mismatch', '"existing"'],
])('%s: %s', (pql, code, place) => {
  const { faults } = checkPql(pql, { types, segments })
  expect(faults.map(({ code, span }) => [code, pql.slice(span.start, span.end)])).toEqual([[code, place]])
})

test('a field of the schema is read before', () => {
  const own = typesOf({
    profile: {
      type: 'object',
      properties: {
        segmentMembership: {
          type: 'object',
          additionalProperties: { type: 'object', properties: { status: { type: 'string' } } },
        },
      },
    },
  })
  expect(checkPql('segmentMembership.get("ups").status = "x"', { types: own, segments }).faults).toEqual([])
})
