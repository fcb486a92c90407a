import { describe, expect, test } from 'vitest'
import { example } from '../../compiler/pql/functions.ts'
import { readsEvents, streamingReasons } from '../../compiler/pql/streaming.ts'
import { compileOne, typesOf } from '../support/pql.ts'

const types = typesOf(example.schema)
const segments = new Set(['profile-only', 'with-events'])
const reasons = (pql: string): string[] =>
  streamingReasons(compileOne(pql, types, segments), (name) => name === 'profile-only').map((reason) => reason.message)

const purchase = 'eventType = "purchase"'

describe('eligible for streaming', () => {
  test.each([
    'loyalty.tier = "gold"',
    'loyalty.tier = "gold" or not (homeAddress.countryCode = "CH")',
    'loyalty.joinedAt occurs <= 30 days before now',
    'person.birthDate.getMonth() = 2',
    'inSegment("with-events")',
    'inSegment("with-events") and loyalty.tier = "gold"',
    `CHAIN(xEvent, timestamp, [A: WHAT(${purchase}) WHEN(today)])`,
    `CHAIN(xEvent, timestamp, [A: WHAT(${purchase}) WHEN(<= 24 hours before now)])`,
    `chain(xEvent, timestamp, [A: WHAT(${purchase}) WHEN(< 1 day before now) COUNT(3)])`,
    `exists E from xEvent where E.${purchase} and E.timestamp occurs <= 1440 minutes before now`,
    `xEvent[${purchase} and timestamp occurs this hour].count() >= 3`,
    `xEvent[timestamp occurs today][${purchase}].sum(commerce.order.priceTotal) > 100`,
    `xEvent.exists(timestamp occurs = 0 days before now) and loyalty.tier = "gold"`,
    `xEvent.exists(timestamp occurs < 3 hours from now)`,
    `xEvent[${purchase} and timestamp occurs today].count() >= 3 and xEvent[${purchase} and timestamp occurs today].count() < 9`,
    `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 24 hours before now), B: WHAT(${purchase})])`,
    `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 24 hours before now), B: WHAT(${purchase}) WHEN(<= 1 hour after A.timestamp)])`,
    `CHAIN(xEvent, timestamp, [A: WHAT(${purchase}) WHEN(today)]) and not (CHAIN(xEvent, timestamp, [A: WHAT(eventType = "return") WHEN(today)]))`,
    `loyalty.tier = "gold" and not (xEvent.exists(${purchase} and timestamp occurs today))`,
    `inSegment("profile-only") and xEvent.exists(timestamp occurs today)`,
    'xEvent[timestamp occurs today].topN(timestamp, 1).head().eventType = "view"',
  ])('%s', (pql) => {
    expect(reasons(pql)).toEqual([])
  })
})

const noWindow = (what: string): string => `${what} are looked for without a time window of at most 24 hours`
const tooLong = (what: string, span: string): string =>
  `${what} are looked for over ${span}; streaming looks back 24 hours`
const negation = 'Only the absence of an event is asked for; no event brings such a profile in'
const anniversary = 'A date is compared by month and day without its year'
const unordered = '2 kinds of events are asked for in no order; streaming needs strict order'
const together = 'Events stand together with inSegment("with-events"), which reads more than the profile'

describe('not eligible for streaming, with every reason', () => {
  test.each<[string, string[]]>([
    [`xEvent.exists(${purchase})`, [noWindow('"purchase" events')]],
    ['xEvent.count() >= 3', [noWindow('Events')]],
    [
      `xEvent.exists(${purchase} and timestamp occurs <= 25 hours before now)`,
      [tooLong('"purchase" events', '25 hours')],
    ],
    [
      `CHAIN(xEvent, timestamp, [A: WHAT(${purchase}) WHEN(<= 90 days before now)])`,
      [tooLong('"purchase" events', '90 days')],
    ],
    ['xEvent.exists(timestamp occurs yesterday)', [tooLong('Events', '2 days')]],
    ['xEvent.exists(timestamp occurs <= 1 day before today)', [tooLong('Events', '2 days')]],
    ['xEvent.exists(timestamp occurs this month)', [tooLong('Events', '31 days')]],
    ['xEvent.exists(timestamp occurs <= 1 month before now)', [tooLong('Events', '31 days')]],
    ['xEvent.exists(timestamp occurs after "2026-01-01")', [noWindow('Events')]],
    ['xEvent.exists(timestamp occurs before now)', [noWindow('Events')]],
    [`xEvent.exists(${purchase} or timestamp occurs today)`, [noWindow('Events')]],
    ['xEvent.exists(timestamp occurs after ^.loyalty.joinedAt)', [noWindow('Events')]],
    ['xEvent.topN(timestamp, 1).head().eventType = "view"', [noWindow('Events')]],
    [
      `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view"), B: WHAT(${purchase}) WHEN(today)])`,
      [noWindow('"view" events')],
    ],
    [
      `xEvent.exists(${purchase} and timestamp occurs today) and xEvent.exists(eventType = "view" and timestamp occurs today)`,
      [unordered],
    ],
    [
      `xEvent.exists(${purchase} and timestamp occurs today and ^.xEvent.exists(eventType = "view" and timestamp occurs today))`,
      [unordered],
    ],
    [`not (xEvent.exists(${purchase} and timestamp occurs today))`, [negation]],
    [`xEvent[timestamp occurs today].count() = 0`, [negation]],
    [`xEvent[timestamp occurs today].count() < 3`, [negation]],
    ['forall E from xEvent where E.timestamp occurs before now', [noWindow('Events'), negation]],
    [
      'person.birthDate.getMonth() = currentMonth() and person.birthDate.getDayOfMonth() = currentDayOfMonth()',
      [anniversary],
    ],
    [
      'date(currentYear(), person.birthDate.getMonth(), person.birthDate.getDayOfMonth()) occurs <= 3 days after now',
      [anniversary],
    ],
    ['inSegment("with-events") and xEvent.exists(timestamp occurs today)', [together]],
    [
      `inSegment("with-events") and not (xEvent.exists(${purchase})) and person.birthDate.getMonth() = currentMonth()`,
      [noWindow('"purchase" events'), anniversary, together],
    ],
  ])('%s', (pql, expected) => {
    expect(reasons(pql)).toEqual(expected)
  })
})

test('what reads events is told from what reads the profile alone', () => {
  expect(readsEvents(compileOne('loyalty.tier = "gold"', types))).toBe(false)
  expect(readsEvents(compileOne('xEvent.count() > 1', types))).toBe(true)
  expect(readsEvents(compileOne(`CHAIN(xEvent, timestamp, [WHAT(${purchase})])`, types))).toBe(true)
})
