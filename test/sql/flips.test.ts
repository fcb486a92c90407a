import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { worlds } from '../pql/arbitrary.ts'
import { compileAll, compileOne, flippedOnDuckdb, onDuckdb, typesOf } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'

const runs = tries(50, 2000)
const seed = process.env['CONVOKE_PQL_SEED'] === undefined ? {} : { seed: Number(process.env['CONVOKE_PQL_SEED']) }

const minute = 60_000
const day = 24 * 60 * minute
const steps = [
  0,
  1,
  1000,
  5 * minute,
  60 * minute,
  day / 2,
  day,
  7 * day,
  31 * day,
  400 * day,
  4000 * day,
  -5 * minute,
  -day,
]

test('whoever enters or leaves by time alone is found, whatever the condition', {
  timeout: patience(600_000),
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      worlds({ people: 40, expressions: 25 }),
      fc.constantFrom(...steps),
      async ({ expressions, people, types, now: since }, step) => {
        const now = new Date(Date.parse(since) + step).toISOString()
        const conditions = compileAll(expressions, types)
        const [before, after] = [
          await onDuckdb(conditions, people, types, since),
          await onDuckdb(conditions, people, types, now),
        ]
        for (const [index, pql] of expressions.entries()) {
          // Together, more is found than for each alone.
          if (before[index]!.join() === after[index]!.join()) continue
          const found = await flippedOnDuckdb([conditions[index]!], people, types, since, now)
          const flipped = people
            .map(({ id }) => id)
            .filter((id) => before[index]!.includes(id) !== after[index]!.includes(id))
          // Segments referred to are found by their own conditions.
          if (!pql.includes('inSegment'))
            expect(
              flipped.filter((id) => !found.has(id)),
              `${pql} from ${since} to ${now}`,
            ).toEqual([])
        }
        const together = await flippedOnDuckdb(conditions, people, types, since, now)
        const moved = new Set(
          before.flatMap((ids, index) => [
            ...ids.filter((id) => !after[index]!.includes(id)),
            ...after[index]!.filter((id) => !ids.includes(id)),
          ]),
        )
        expect([...moved].filter((id) => !together.has(id))).toEqual([])
      },
    ),
    { numRuns: runs, ...seed, interruptAfterTimeLimit: 500_000 },
  )
})

const types = typesOf({
  profile: {
    type: 'object',
    properties: {
      joined: { type: 'string', format: 'date-time' },
      born: { type: 'string', format: 'date' },
      renewals: { type: 'array', items: { type: 'string', format: 'date' } },
      name: { type: 'string' },
    },
  },
  event: {
    type: 'object',
    properties: {
      eventType: { type: 'string' },
      total: { type: 'number' },
      due: { type: 'string', format: 'date-time' },
      items: { type: 'array', items: { type: 'object', properties: { due: { type: 'string', format: 'date-time' } } } },
    },
  },
})

describe('five minutes later, those are looked at again whose', () => {
  const since = '2026-03-10T12:00:00Z'
  const now = '2026-03-10T12:05:00Z'
  const between = (shift: number) => new Date(Date.parse(since) + shift + 2 * minute).toISOString()
  const event = (timestamp: string, more: object = {}) => ({ timestamp, eventType: 'purchase', total: 10, ...more })
  const people = [
    { id: 'event a day ago', attributes: {}, events: [event(between(-day))] },
    { id: 'view a day ago', attributes: {}, events: [event(between(-day), { eventType: 'view' })] },
    { id: 'event ahead', attributes: {}, events: [event(between(0))] },
    { id: 'event an hour ago', attributes: {}, events: [event('2026-03-10T11:00:00Z')] },
    { id: 'joined 30 days ago', attributes: { joined: between(-30 * day) }, events: [] },
    { id: 'joined long ago', attributes: { joined: '2020-01-01T00:00:00Z', born: '2000-01-01' }, events: [] },
  ]

  test.each([
    ['name = "Ann"', []],
    ['joined occurs <= 30 days before now', ['joined 30 days ago']],
    ['joined occurs today', []],
    ['joined.getMonth() = currentMonth()', []],
    ['born occurs this year', []],
    ['exists R from renewals where R occurs <= 30 days after now', []],
    [
      'exists E from xEvent where E.timestamp occurs <= 1 days before now',
      ['event a day ago', 'view a day ago', 'event ahead'],
    ],
    [
      'xEvent[eventType = "purchase" and timestamp occurs <= 1 days before now].count() > 3',
      ['event a day ago', 'event ahead'],
    ],
    [
      'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 1 days before now), B: WHAT(eventType = "purchase")])',
      ['view a day ago', 'event ahead'],
    ],
    ['xEvent[eventType = "purchase"].count() > 3', ['event ahead']],
    ['xEvent[eventType = "purchase" and timestamp occurs today].sum(total) > 3', ['event ahead']],
    [
      'exists E from xEvent where E.eventType = name and E.timestamp occurs <= 1 days before now',
      ['event a day ago', 'view a day ago', 'event ahead'],
    ],
  ])('%s', async (pql, expected) => {
    const found = await flippedOnDuckdb([compileOne(pql, types)], people, types, since, now)
    expect([...found].sort()).toEqual([...expected].sort())
  })

  test.each([
    ['xEvent.max(timestamp) occurs <= 1 days before now', 'event a day ago'],
    // The field of an item, not the event's own of the same name.
    ['exists E from xEvent where exists I from E.items where I.due occurs <= 1 days before now', 'item due a day ago'],
  ])('condition cannot be told from rows, and others: %s', async (pql, id) => {
    const own = [
      ...people,
      {
        id: 'item due a day ago',
        attributes: {},
        events: [event('2026-03-10T11:00:00Z', { items: [{ due: between(-day) }] })],
      },
    ]
    expect(await flippedOnDuckdb([compileOne(pql, types)], own, types, since, now)).toContain(id)
  })

  test('text that reads like a placeholder stays a text', async () => {
    const pql = 'name = "$since$now" and joined occurs <= 30 days before now'
    const own = [{ id: 'odd', attributes: { name: '$since$now', joined: between(-30 * day) }, events: [] }]
    expect(await flippedOnDuckdb([compileOne(pql, types)], own, types, since, now)).toEqual(new Set(['odd']))
    expect(await onDuckdb([compileOne(pql, types)], own, types, since)).toEqual([['odd']])
  })
})
