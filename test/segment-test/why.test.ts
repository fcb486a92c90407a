import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DatumObject, type Person, readDatum } from '../../compiler/pql/interpret.ts'
import { dataTypeOf, type UnionTypes } from '../../compiler/schema.ts'
import { conditionsOf, isIn } from '../../compiler/segment-test/run.ts'
import { type Explanation, explanationOf } from '../../compiler/why.ts'
import { worlds } from '../pql/arbitrary.ts'
import { compileAll, compileOne, type TestPerson, typesOf } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'

const runs = tries(40, 2000)

function personOf({ attributes, events }: Omit<TestPerson, 'id'>, of: UnionTypes): Person {
  const event = of.event && dataTypeOf(of.event)
  return {
    attributes: (readDatum(attributes, dataTypeOf(of.profile)) as DatumObject | null) ?? {},
    events: event ? events.map((each) => readDatum(each, event) as DatumObject) : [],
  }
}

test('an explanation comes to the same answer as the expression: the whole language', {
  timeout: patience(300_000),
}, () => {
  fc.assert(
    fc.property(worlds({ people: 6, expressions: 20 }), ({ expressions, types, people, now }) => {
      const conditions = compileAll(expressions, types)
      const segments = {
        names: new Set(expressions.map((_, index) => `s${index}`)),
        named: (name: string) => {
          const index = Number(name.slice(1))
          return { text: expressions[index]!, condition: conditions[index]! }
        },
      }
      const conditionOf = conditionsOf(conditions.map((condition, index) => ({ name: `s${index}`, condition })))
      for (const [index, condition] of conditions.entries())
        for (const each of people) {
          const person = personOf(each, types)
          const explanation = explanationOf(`s${index}`, segments, types, person, Date.parse(now))
          expect(explanation?.holds, expressions[index]).toBe(isIn(condition, person, Date.parse(now), conditionOf))
          // It goes to other processes as JSON.
          expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
        }
    }),
    { numRuns: runs },
  )
})

const types = typesOf({
  profile: {
    type: 'object',
    properties: {
      joined: { type: 'string', format: 'date-time' },
      born: { type: 'string', format: 'date' },
      tags: { type: 'array', items: { type: 'string' } },
      scores: { type: 'object', additionalProperties: { type: 'number' } },
    },
  },
  event: {
    type: 'object',
    properties: {
      eventType: { type: 'string' },
      price: { type: 'number' },
      items: {
        type: 'array',
        items: { type: 'object', properties: { sku: { type: 'string' }, on: { type: 'string', format: 'date' } } },
      },
    },
  },
})
const person = personOf(
  {
    attributes: { joined: '2026-01-01T10:00:00.500Z', born: '1990-02-03', tags: ['a', 'b'], scores: { x: 2 } },
    events: [
      { timestamp: '2026-01-02T00:00:00Z', eventType: 'view', price: 1 },
      { timestamp: '2026-01-03T00:00:00Z', eventType: 'buy', price: 10, items: [{ sku: 'k', on: '2026-01-04' }] },
      { timestamp: '2026-01-05T00:00:00Z', eventType: 'buy', price: 30 },
      { timestamp: '2027-01-05T00:00:00Z', eventType: 'buy', price: 99 },
    ],
  },
  types,
)

function found(text: string): unknown {
  const condition = compileOne(text, types)
  const explanation = explanationOf(
    's',
    { names: new Set(), named: () => ({ text, condition }) },
    types,
    person,
    Date.parse('2026-02-01T00:00:00Z'),
  )
  const leaves = (part: Explanation): unknown[] =>
    part.kind === 'condition' ? [...part.found] : part.parts.flatMap(leaves)
  return leaves(explanation!)
}

const events = (matching: number, of: number, shown: readonly object[]) => ({ kind: 'events', matching, of, shown })
const shown = (day: string, matches: boolean, fields: object) => ({
  timestamp: `2026-01-0${day}T00:00:00Z`,
  matches,
  fields,
})

test.each<[string, readonly unknown[]]>([
  ['joined occurs before today', [{ kind: 'attribute', path: 'joined', value: '2026-01-01T10:00:00.500Z' }]],
  [
    'born occurs before now and tags.count() > 1',
    [
      { kind: 'attribute', path: 'born', value: '1990-02-03' },
      { kind: 'attribute', path: 'tags', value: ['a', 'b'] },
      { kind: 'value', text: 'tags.count()', value: 2 },
    ],
  ],
  [
    'not (scores.get("x") = 3)',
    [
      { kind: 'attribute', path: 'scores', value: { x: 2 } },
      { kind: 'value', text: 'scores.get("x")', value: 2 },
    ],
  ],
  // One that is still to come counts for nothing.
  [
    'xEvent[eventType = "buy" and price > 20].count() > 0',
    [
      { kind: 'value', text: 'xEvent[eventType = "buy" and price > 20].count()', value: 1 },
      events(1, 3, [shown('5', true, { eventType: 'buy', price: 30 })]),
    ],
  ],
  [
    'exists E from xEvent where E.eventType = "buy" and E.price > 50',
    [
      events(0, 3, [
        { ...shown('5', false, { eventType: 'buy', price: 30 }), unmet: [{ text: 'E.price > 50', by: null }] },
        { ...shown('3', false, { eventType: 'buy', price: 10 }), unmet: [{ text: 'E.price > 50', by: null }] },
      ]),
    ],
  ],
  // Of a condition that there is no other event, the one that stands against it is named.
  [
    'exists E from xEvent where E.eventType = "view" and E.price < 5 and not (exists F from xEvent where F.timestamp occurs after E.timestamp and F.eventType = "buy")',
    [
      events(0, 3, [
        {
          ...shown('2', false, { eventType: 'view', price: 1 }),
          unmet: [
            {
              text: 'not (exists F from xEvent where F.timestamp occurs after E.timestamp and F.eventType = "buy")',
              by: { timestamp: '2026-01-05T00:00:00Z', fields: { eventType: 'buy', price: 30 } },
            },
          ],
        },
      ]),
    ],
  ],
  // What does not speak of E is explained by itself.
  [
    'exists E from xEvent where E.eventType = "view" and not (exists E from xEvent where E.eventType = "buy") and tags',
    [
      events(1, 3, [shown('2', true, { eventType: 'view' })]),
      events(2, 3, [shown('5', true, { eventType: 'buy' }), shown('3', true, { eventType: 'buy' })]),
      { kind: 'attribute', path: 'tags', value: ['a', 'b'] },
    ],
  ],
  [
    'exists E from xEvent where E.eventType = "sell"',
    [
      events(0, 3, [
        shown('5', false, { eventType: 'buy' }),
        shown('3', false, { eventType: 'buy' }),
        shown('2', false, { eventType: 'view' }),
      ]),
    ],
  ],
  [
    'xEvent.sum(price) > 40',
    [
      { kind: 'value', text: 'xEvent.sum(price)', value: 41 },
      events(3, 3, [
        shown('5', true, { eventType: 'buy', price: 30 }),
        shown('3', true, { eventType: 'buy', price: 10 }),
        shown('2', true, { eventType: 'view', price: 1 }),
      ]),
    ],
  ],
  [
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view"), B: WHAT(price > 20)])',
    [
      events(1, 3, [shown('2', true, { eventType: 'view' })]),
      events(1, 3, [shown('5', true, { eventType: 'buy', price: 30 })]),
    ],
  ],
])('%s: what was read is told', (text, expected) => {
  expect(found(text)).toEqual(expected)
})

test.each<[string, unknown]>([
  ['scores.get("x") > 3', { value: 2, op: '>', bound: 3, distance: 1, unit: 'number' }],
  ['3 < scores.get("x")', { value: 2, op: '>', bound: 3, distance: 1, unit: 'number' }],
  ['scores.get("x") / 10 >= 0.3', { value: 0.2, op: '>=', bound: 0.3, distance: 0.1, unit: 'number' }],
  ['scores.get("y") > 3', null],
  ['tags.count() = 2', { value: 2, op: '=', bound: 2, distance: 0, unit: 'number' }],
  [
    'joined occurs > 30 days before now',
    {
      value: '2026-01-01T10:00:00.500Z',
      op: '<',
      bound: '2026-01-02T00:00:00Z',
      distance: 50_400,
      unit: 'seconds',
    },
  ],
])('%s is compared with its bound', (text, expected) => {
  const names = { names: new Set<string>(), named: () => ({ text, condition: compileOne(text, types) }) }
  const why = explanationOf('s', names, types, person, Date.parse('2026-02-01T00:00:00Z'))
  expect(why?.kind === 'condition' && why.compared).toEqual(expected)
})
