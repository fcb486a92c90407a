import { expect, test } from 'vitest'
import { columnsOf } from '../../compiler/schema.ts'
import { membershipQuery } from '../../compiler/sql/membership-query.ts'
import { compileOne, onDuckdb, typesOf } from '../support/pql.ts'

const types = typesOf({
  profile: { type: 'object', properties: { id: { type: 'string' } } },
  event: { type: 'object', properties: { eventType: { type: 'string' } } },
})

test.each([
  ['xEvent[timestamp occurs <= 2 days before now].count() > 0', 'INTERVAL (2) DAY'],
  [
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "a") WHEN(<= 3 days before now), B: WHAT(eventType = "b")])',
    'INTERVAL (3) DAY',
  ],
  [
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "a") WHEN(<= 3 days before now), B: WHAT(eventType = "b") WHEN(<= 1 days before now), C: WHAT(eventType = "c")])',
    'least((TIME - INTERVAL (3) DAY), (TIME - INTERVAL (1) DAY))',
  ],
])('no event before the window is read for %s', (pql, bound) => {
  const { duckdb } = membershipQuery([{ name: 's', condition: compileOne(pql, types) }], columnsOf(types.event!))
  expect(duckdb.replaceAll('$now', () => 'TIME')).toMatch(
    new RegExp(`WHERE "timestamp" <= TIME AND "timestamp" >= \\(?.*${bound.replace(/[()]/g, '\\$&')}`),
  )
})

test('a sequence that begins within its window may end long after it began, and a first event before it counts for nothing', async () => {
  const pql =
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "a") WHEN(<= 3 days before now), B: WHAT(eventType = "b")])'
  const at = (day: number, eventType: string) => ({
    timestamp: `2026-03-${String(day).padStart(2, '0')}T00:00:00Z`,
    eventType,
  })
  const people = [
    { id: 'in', attributes: {}, events: [at(17, 'a'), at(20, 'b')] },
    { id: 'too early', attributes: {}, events: [at(16, 'a'), at(20, 'b')] },
    { id: 'the other way', attributes: {}, events: [at(17, 'b'), at(18, 'a')] },
    { id: 'at once', attributes: {}, events: [at(18, 'b'), at(18, 'a')] },
    { id: 'again', attributes: {}, events: [at(10, 'b'), at(16, 'a'), at(18, 'a'), at(19, 'b')] },
  ]
  expect(await onDuckdb([compileOne(pql, types)], people, types, '2026-03-20T00:00:00Z')).toEqual([['again', 'in']])
})
