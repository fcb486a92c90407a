import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DatumObject, holds, type Person, readDatum } from '../../compiler/pql/interpret.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import { dataTypeOf, type UnionTypes } from '../../compiler/schema.ts'
import { nextFlip } from '../../compiler/segment-test/flip.ts'
import { conditionsOf, isIn } from '../../compiler/segment-test/run.ts'
import { worlds } from '../pql/arbitrary.ts'
import { compileAll, compileOne, type TestPerson, typesOf } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const types = typesOf({
  profile: {
    type: 'object',
    properties: {
      joined: { type: 'string', format: 'date-time' },
      born: { type: 'string', format: 'date' },
      renewals: { type: 'array', items: { type: 'string', format: 'date' } },
    },
  },
  event: { type: 'object', properties: { eventType: { type: 'string' }, price: { type: 'number' } } },
})

function personOf({ attributes, events }: Omit<TestPerson, 'id'>, of: UnionTypes): Person {
  const event = of.event && dataTypeOf(of.event)
  return {
    attributes: (readDatum(attributes, dataTypeOf(of.profile)) as DatumObject | null) ?? {},
    events: event ? events.map((each) => readDatum(each, event) as DatumObject) : [],
  }
}

const ann = personOf(
  {
    attributes: { joined: '2026-01-10T08:30:00Z', born: '1990-02-28', renewals: ['2026-03-01', '2027-03-01'] },
    events: [
      { timestamp: '2026-01-10T12:00:00Z', eventType: 'purchase', price: 60 },
      { timestamp: '2026-01-20T12:00:00Z', eventType: 'purchase', price: 50 },
      { timestamp: '2026-06-01T00:00:00Z', eventType: 'return' },
    ],
  },
  types,
)

describe('the next flip is exactly where the answer turns', () => {
  test.each([
    ['joined occurs <= 7 days before now', '2026-01-15T00:00:00Z', '2026-01-17T08:30:00.001Z'],
    ['joined occurs < 7 days before now', '2026-01-15T00:00:00Z', '2026-01-17T08:30:00Z'],
    ['joined occurs > 7 days before now', '2026-01-15T00:00:00Z', '2026-01-17T08:30:00.001Z'],
    ['joined occurs after now', '2026-01-01T00:00:00Z', '2026-01-10T08:30:00Z'],
    ['joined occurs today', '2026-01-01T00:00:00Z', '2026-01-10T00:00:00Z'],
    ['joined occurs today', '2026-01-10T09:00:00Z', '2026-01-11T00:00:00Z'],
    ['joined occurs today', '2026-01-11T00:00:00Z', null],
    ['joined occurs last month', '2026-01-11T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['joined occurs last month', '2026-02-27T00:00:00Z', '2026-03-01T00:00:00Z'],
    ['joined occurs last year', '2026-02-27T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['joined occurs last year', '2027-02-27T00:00:00Z', '2028-01-01T00:00:00Z'],
    ['joined occurs last year', '2028-02-27T00:00:00Z', null],
    ['joined occurs <= 1 month before now', '2026-01-15T00:00:00Z', '2026-02-10T08:30:00.001Z'],
    ['joined occurs <= 1 month before now', '2026-03-15T00:00:00Z', null],
    ['joined occurs = 3 days before now', '2026-01-11T00:00:00Z', '2026-01-13T00:00:00Z'],
    ['joined occurs = 2 hours before now', '2026-01-10T10:00:00Z', '2026-01-10T11:00:00Z'],
    ['joined occurs = 2 hours before now', '2026-01-10T08:45:00Z', '2026-01-10T10:00:00Z'],
    ['joined occurs <= 10 years before now', '2026-01-11T00:00:00Z', '2036-01-10T08:30:00.001Z'],
    ['exists R from renewals where R occurs <= 30 days after now', '2026-01-11T00:00:00Z', '2026-01-30T00:00:00Z'],
    ['xEvent[eventType = "return"].count() > 0', '2026-01-11T00:00:00Z', '2026-06-01T00:00:00Z'],
    ['xEvent[eventType = "return"].count() > 0', '2026-06-01T00:00:00Z', null],
    [
      'xEvent[timestamp occurs <= 30 days before now].sum(price) >= 100',
      '2026-01-21T00:00:00Z',
      '2026-02-09T12:00:00.001Z',
    ],
    ['born.getMonth() = currentMonth()', '2026-01-11T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['joined occurs today or true', '2026-01-01T00:00:00Z', null],
    ['false and joined occurs today', '2026-01-01T00:00:00Z', null],
  ])('%s, seen from %s: %s', (pql, from, expected) => {
    const flip = nextFlip(compileOne(pql, types), ann, Date.parse(from))
    expect(flip === null ? null : new Date(flip).toISOString().replace('.000Z', 'Z')).toBe(expected)
  })
})

test('a window of one month, around months of every length, turns exactly at the instants a scan finds', () => {
  for (const joined of [
    '2026-01-29T23:00:00Z',
    '2026-02-28T00:00:00Z',
    '2026-02-28T13:30:00Z',
    '2024-02-29T12:00:00Z',
    '2026-03-31T00:00:00Z',
  ]) {
    const person = personOf({ attributes: { joined }, events: [] }, types)
    for (const pql of [
      'joined occurs <= 1 month before now',
      'joined occurs > 1 month before now',
      'joined occurs <= 1 month after now',
      'joined occurs = 1 month before now',
      'joined occurs >= 2 months before today',
    ]) {
      const condition = compileOne(pql, types)
      const from = Date.parse(joined) - 75 * day
      const until = Date.parse(joined) + 75 * day
      const scanned: number[] = []
      for (let at = from + 30 * minute; at <= until; at += 30 * minute)
        if (at1(condition, person, at) !== at1(condition, person, at - 30 * minute)) scanned.push(at)
      const found: number[] = []
      for (
        let flip = nextFlip(condition, person, from);
        flip !== null && flip <= until;
        flip = nextFlip(condition, person, flip)
      )
        found.push(flip)
      expect(
        found.map((at) => Math.ceil(at / (30 * minute)) * 30 * minute),
        `${pql} of ${joined}`,
      ).toEqual(scanned)
    }
  }
})

function at1(condition: Condition, person: Person, now: number): boolean {
  return holds(condition, person, { now, inSegment: () => false })
}

const runs = tries(40, 2000)
const spans = [1, minute, 5 * hour, day, 3 * day, 31 * day, 90 * day, 366 * day, 5 * 366 * day]
const span = fc
  .tuple(fc.constantFrom(...spans), fc.nat(1000))
  .map(([length, part]) => 1 + Math.floor((length * part) / 1000))

/** Says so where an answer changes before the flip that was foretold; otherwise whether it changed at all. */
function turns(
  condition: Condition,
  person: Person,
  from: number,
  to: number,
  conditionOf: (name: string) => Condition | null,
  what: string,
): boolean {
  const flip = nextFlip(condition, person, from, conditionOf)
  if (isIn(condition, person, from, conditionOf) === isIn(condition, person, to, conditionOf)) return false
  if (flip === null || flip > to)
    throw new Error(
      `${what}\nchanges between ${new Date(from).toISOString()} and ${new Date(to).toISOString()}, said ${flip === null ? 'never' : new Date(flip).toISOString()}`,
    )
  return true
}

test('no answer changes before the next flip: the whole language', { timeout: patience(300_000) }, () => {
  fc.assert(
    fc.property(
      worlds({ people: 12, expressions: 20 }),
      fc.array(fc.tuple(fc.integer({ min: -400, max: 400 }), fc.nat(day), span), { minLength: 12, maxLength: 12 }),
      (world, instants) => {
        const conditions = compileAll(world.expressions, world.types)
        const conditionOf = conditionsOf(conditions.map((condition, index) => ({ name: `s${index}`, condition })))
        for (const [number, condition] of conditions.entries())
          for (const [index, each] of world.people.entries()) {
            const [days, within, length] = instants[index % instants.length]!
            const from = Date.parse(world.now) + days * day + within
            const what = `${world.expressions[number]}\n${JSON.stringify(each)}\n${JSON.stringify(world.schema)}`
            turns(condition, personOf(each, world.types), from, from + length, conditionOf, what)
          }
      },
    ),
    { numRuns: runs },
  )
})

const units = ['minute', 'hour', 'day', 'week', 'month', 'year', 'decade']
const unit = fc.constantFrom(...units)
const count = fc.integer({ min: 1, max: 40 })
const op = fc.constantFrom('<', '<=', '=', '!=', '>=', '>')
const anchor = fc.oneof(
  fc.constantFrom('now', 'today', 'yesterday', 'tomorrow'),
  fc.tuple(fc.constantFrom('this', 'last', 'next'), unit).map(([which, of]) => `${which} ${of}`),
)
const time = fc.oneof(
  anchor,
  fc.tuple(fc.constantFrom('before', 'after'), anchor).map((words) => words.join(' ')),
  fc
    .tuple(op, count, unit, fc.constantFrom('before', 'after'), anchor)
    .map(([sign, amount, of, side, from]) => `${sign} ${amount} ${of}s ${side} ${from}`),
)
const leaf = fc.oneof(
  fc.tuple(fc.constantFrom('joined', 'born'), time).map(([subject, when]) => `${subject} occurs ${when}`),
  time.map((when) => `exists R from renewals where R occurs ${when}`),
  fc
    .tuple(time, count, op)
    .map(([when, price, sign]) => `xEvent[timestamp occurs ${when}].sum(price) ${sign} ${price}`),
  fc
    .tuple(time, time)
    .map(
      ([first, second]) =>
        `CHAIN(xEvent, timestamp, [A: WHAT(price > 10) WHEN(${first}), B: WHAT(true) WHEN(${second})])`,
    ),
  fc.constantFrom(
    'born.getMonth() = currentMonth()',
    'born.getDayOfMonth() = currentDayOfMonth()',
    'joined.getYear() = currentYear()',
  ),
)
const expression = fc.oneof(
  leaf,
  fc
    .tuple(leaf, fc.constantFrom('and', 'or', 'and not', 'or not'), leaf)
    .map(([left, word, right]) => `(${left}) ${word} (${right})`),
)
const instant = fc
  .tuple(fc.integer({ min: -60, max: 60 }), fc.constantFrom(0, 1, 12 * hour, day - 1, 8 * hour + 30 * minute))
  .map(([days, within]) => Date.parse('2024-02-29T00:00:00Z') + days * day + within)
const iso = instant.map((at) => new Date(at).toISOString())
const someone = fc
  .record({
    joined: iso,
    born: iso.map((text) => text.slice(0, 10)),
    renewals: fc.array(
      iso.map((text) => text.slice(0, 10)),
      { maxLength: 2 },
    ),
    events: fc.array(fc.record({ timestamp: iso, price: fc.integer({ min: 0, max: 30 }) }), { maxLength: 4 }),
  })
  .map(({ events, ...attributes }) => ({ attributes, events }))

test('no answer changes before the next flip: every way to compare times', { timeout: patience(300_000) }, () => {
  let changes = 0
  let asked = 0
  fc.assert(
    fc.property(
      expression,
      someone,
      fc.array(fc.tuple(instant, span), { minLength: 8, maxLength: 8 }),
      (pql, each, pairs) => {
        const condition = compileOne(pql, types)
        for (const [from, length] of pairs) {
          asked += 1
          if (
            turns(condition, personOf(each, types), from, from + length, () => null, `${pql}\n${JSON.stringify(each)}`)
          )
            changes += 1
        }
      },
    ),
    { numRuns: runs * 50 },
  )
  // Without any change the property would say nothing.
  expect(changes).toBeGreaterThan(asked / 40)
})
