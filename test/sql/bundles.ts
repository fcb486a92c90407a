// Bundles of Segments and people for the rewrites of the query: windows, counts and sequences over events that share types, times and ties.
import fc from 'fast-check'
import { allRewrites, noRewrites, type Rewrites } from '../../compiler/sql/rewrites.ts'
import { type TestPerson, typesOf } from '../support/pql.ts'

const text = { type: 'string' }
export const types = typesOf({
  profile: {
    type: 'object',
    properties: {
      tier: text,
      points: { type: 'integer' },
      joined: { type: 'string', format: 'date-time' },
      tags: { type: 'array', items: text },
    },
  },
  event: {
    type: 'object',
    properties: {
      timestamp: { type: 'string', format: 'date-time' },
      eventType: text,
      total: { type: 'number' },
      due: { type: 'string', format: 'date-time' },
    },
  },
})
export const now = '2026-03-15T12:00:00Z'

/** Every rewrite alone, each left out, all and none. */
export const settings: readonly (readonly [name: string, rewrites: Rewrites])[] = [
  ['all', allRewrites],
  ['none', noRewrites],
  ...Object.keys(allRewrites).flatMap((name): [string, Rewrites][] => [
    [`only ${name}`, { ...noRewrites, [name]: true }],
    [`without ${name}`, { ...allRewrites, [name]: false }],
  ]),
]

// ---- people

const hour = 3_600_000
/** On a grid, so that events fall together, on the edges of windows, and after now. */
const time = fc.oneof(
  fc.integer({ min: -3, max: 80 }).map((half) => half * 12),
  fc.constantFrom(0, 24, 48, 72, 168, 720, -1),
)
const at = (hoursAgo: number, off: number) => new Date(Date.parse(now) - hoursAgo * hour + off).toISOString()
const event = fc
  .record({
    ago: time,
    off: fc.constantFrom(0, 0, 0, 1, -1),
    eventType: fc.constantFrom('view', 'view', 'cart', 'purchase', 'purchase', null),
    total: fc.constantFrom(10, 60.25, -20, 0, 99.999999, 1e13, null),
    due: fc.option(time),
  })
  .map(({ ago, off, eventType, total, due }) => ({
    timestamp: at(ago, off),
    ...(eventType !== null && { eventType }),
    ...(total !== null && { total }),
    ...(due !== null && { due: at(due, 0) }),
  }))
const person = fc.record({
  tier: fc.constantFrom('gold', 'silver', null),
  points: fc.constantFrom(0, 3, 50, null),
  joined: fc.option(time),
  tags: fc.constantFrom([], ['gold'], ['x', 'y'], null),
  events: fc.array(event, { maxLength: 9, size: 'max' }),
})

// ---- Segments

const length = fc.constantFrom(...['1 days', '2 days', '3 days', '7 days', '30 days', '36 hours', '1 months'])
const window = fc.oneof(
  fc
    .tuple(fc.constantFrom('<=', '<=', '<', '>', '>=', '='), length)
    .map(([op, span]) => `timestamp occurs ${op} ${span} before now`),
  fc.constantFrom(
    'timestamp occurs today',
    'timestamp occurs yesterday',
    'timestamp occurs this month',
    'timestamp occurs before now',
    'timestamp occurs after now',
    'timestamp occurs <= 12 hours from now',
    'timestamp occurs between date(2026, 3, 1) and date(2026, 3, 12)',
    'timestamp occurs after date(2026, 3, 10)',
    'timestamp occurs before date(2026, 3, 10)',
    'timestamp occurs <= 3 days before due',
  ),
)
const filter = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('view', 'cart', 'purchase').map((type) => `eventType = "${type}"`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'total > 20',
      'not (eventType = "view")',
      'eventType in ["view", "cart"]',
      'eventType in ["cart"]',
      'eventType.equals("PURCHASE", false)',
      'eventType = "purchase" and total > 0',
    ),
  },
)
const where = fc
  .tuple(filter, fc.option(window, { freq: 4 }), fc.option(window, { freq: 1 }))
  .map((parts) => parts.filter((part) => part !== null).join(' and '))
const compared = fc.constantFrom('=', '!=', '<', '<=', '>', '>=')
const few = fc.constantFrom('0', '1', '2', '3', '-1', '1.5', '40')
const step = fc
  .tuple(
    filter,
    fc.option(
      window.filter((each) => !each.includes('due')),
      { freq: 2 },
    ),
    fc.constantFrom('', '', '', ' COUNT(2)'),
  )
  .map(
    ([what, when, count]) =>
      `WHAT(${what})${when === null ? '' : ` WHEN(${when.replace('timestamp occurs ', '')})`}${count}`,
  )
const letters = ['A', 'B', 'C']
const leaf = fc.oneof(
  where.map((some) => `xEvent.exists(${some})`),
  fc.tuple(where, compared, few).map(([some, op, limit]) => `xEvent[${some}].count() ${op} ${limit}`),
  fc.tuple(where, compared, few).map(([some, op, limit]) => `${limit} ${op} xEvent[${some}].count()`),
  fc
    .tuple(where, fc.constantFrom('sum', 'average', 'min', 'max'), compared, fc.constantFrom('0', '60.25', '55', '-10'))
    .map(([some, fold, op, limit]) => `xEvent[${some}].${fold}(total) ${op} ${limit}`),
  fc
    .array(step, { minLength: 1, maxLength: 3 })
    .map(
      (steps) => `CHAIN(xEvent, timestamp, [${steps.map((each, index) => `${letters[index]}: ${each}`).join(', ')}])`,
    ),
  where.map((some) => `xEvent[${some}].count() > points`),
  where.map((some) => `xEvent[${some}].max(timestamp) occurs <= 3 days before now`),
  where.map((some) => `xEvent[${some}].min(due) occurs before now`),
  where.map((some) => `forall E from xEvent[${some}] where E.total > 5`),
  fc.constantFrom(
    'tier = "gold"',
    'points > 2',
    'joined occurs <= 7 days before now',
    '"gold" in tags',
    'tier in tags',
    'xEvent.topN(timestamp, 1).head().eventType = "view"',
  ),
)
const expression: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: leaf },
  {
    weight: 2,
    arbitrary: fc.tuple(leaf, fc.constantFrom('and', 'or'), leaf).map(([a, op, b]) => `(${a}) ${op} (${b})`),
  },
  { weight: 1, arbitrary: leaf.map((one) => `not (${one})`) },
  { weight: 1, arbitrary: fc.tuple(leaf, leaf, leaf).map(([a, b, c]) => `(${a}) and ((${b}) or not (${c}))`) },
)

export type Bundle = { readonly expressions: readonly string[]; readonly people: readonly TestPerson[] }

export const bundles: fc.Arbitrary<Bundle> = fc
  .record({
    expressions: fc.array(expression, { minLength: 12, maxLength: 25, size: 'max' }),
    people: fc.array(person, { minLength: 30, maxLength: 60, size: 'max' }),
  })
  .map(({ expressions, people }) => ({
    expressions,
    people: people.map(({ tier, points, joined, tags, events }, index) => ({
      id: `P${index}`,
      attributes: {
        ...(tier !== null && { tier }),
        ...(points !== null && { points }),
        ...(joined !== null && { joined: at(joined, 0) }),
        ...(tags !== null && { tags }),
      },
      events,
    })),
  }))

/** The first expression and person that are answered otherwise, for a message; null: there is none. */
export function difference(
  { expressions, people }: Bundle,
  wanted: readonly string[][],
  found: readonly string[][],
): string | null {
  for (const [index, pql] of expressions.entries()) {
    const [left, right] = [new Set(wanted[index]), new Set(found[index])]
    const one = people.find(({ id }) => left.has(id) !== right.has(id))
    if (one)
      return `${pql}: the interpreter says ${left.has(one.id)}, the engine ${right.has(one.id)} of ${JSON.stringify(one)}`
  }
  return null
}
