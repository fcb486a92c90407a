// A streaming run looks at a few profiles only. Whatever came in and however time went, it must find what evaluating everybody finds.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DatasetPlan, EvaluatePlan, JobPlan, MembershipQuery } from '#crds'
import { streamingQuery } from '../../compiler/sql/flip-query.ts'
import { identifier, literal, timestampLiteral } from '../../jobs/engines/duckdb.ts'
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { changesSql } from '../../jobs/memberships.ts'
import { eventsSql, membersSql, profilesSql, readMembershipManifest } from '../../jobs/profile-store.ts'
import { dataOf, openWorkspace, planOf, storePlan, type Workspace } from '../ingest/workspace.ts'
import { compileOne, typesOf } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'

const text = { type: 'string' }
const types = typesOf({
  profile: {
    type: 'object',
    properties: {
      customerId: text,
      person: {
        type: 'object',
        properties: {
          name: { type: 'object', properties: { firstName: text } },
          birthDate: { type: 'string', format: 'date' },
        },
      },
      personalEmail: { type: 'object', properties: { address: text } },
      loyalty: {
        type: 'object',
        properties: { points: { type: 'integer' }, joinedAt: { type: 'string', format: 'date-time' } },
      },
      score: { type: 'number' },
      optOut: { type: 'boolean' },
      tags: { type: 'array', items: text },
    },
  },
  event: {
    type: 'object',
    properties: {
      eventType: text,
      total: { type: 'number' },
      items: { type: 'array', items: { type: 'object', properties: { SKU: text, quantity: { type: 'integer' } } } },
    },
  },
})

const batch = { 'many-points': 'loyalty.points > 50', 'ever-bought': 'xEvent[eventType = "buy"].count() > 0' }
const streaming = {
  'bought-today': 'exists E from xEvent where E.eventType = "buy" and E.timestamp occurs today',
  'bought-in-a-day': 'exists E from xEvent where E.eventType = "buy" and E.timestamp occurs <= 24 hours before now',
  'not-seen-for-a-day': 'loyalty.points > 10 and xEvent[timestamp occurs <= 1 days before now].count() = 0',
  'spent-in-a-day': 'xEvent[eventType = "buy" and timestamp occurs <= 24 hours before now].sum(total) > 20',
  'seen-thrice': 'xEvent.count() >= 3',
  'looked-then-bought':
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 24 hours before now), B: WHAT(eventType = "buy")])',
  'two-of-one':
    'exists E from xEvent where exists I from E.items where I.quantity > 1 and E.timestamp occurs <= 7 days before now',
  'new': 'loyalty.joinedAt occurs <= 30 days before now',
  'joined-this-month': 'loyalty.joinedAt occurs this month',
  'joined-a-month-ago': 'loyalty.joinedAt occurs <= 1 month before now',
  'named-ann': 'person.name.firstName = "Ann"',
  'rich-buyer':
    'inSegment("many-points") and exists E from xEvent where E.eventType = "buy" and E.timestamp occurs <= 24 hours before now',
  'new-or-busy': 'inSegment("new") or inSegment("seen-thrice")',
  'tagged-in-march': '"x" in tags and currentMonth() = 3',
}
/** No row tells whether this turns with time: with it, everybody is looked at every time. */
const wide = { ...streaming, 'last-seen-in-a-month': 'xEvent.max(timestamp) occurs <= 30 days before now' }
const all: Readonly<Record<string, string>> = { ...batch, ...wide }

function evaluatePlan(own: Readonly<Record<string, string>>): EvaluatePlan {
  const both = { ...batch, ...own }
  const known = new Set(Object.keys(both))
  const conditions = (some: Readonly<Record<string, string>>) =>
    Object.keys(some)
      .sort()
      .map((name) => ({ name, condition: compileOne(some[name]!, types, known) }))
  const eventColumns = storePlan.event
  return {
    segments: Object.keys(both)
      .sort()
      .map((name) => ({
        name,
        digest: `sha256:${name}`,
        evaluation: Object.hasOwn(batch, name) ? ('Batch' as const) : ('Streaming' as const),
      })),
    full: streamingQuery(conditions(both), eventColumns),
    streaming: streamingQuery(conditions(own), eventColumns),
  }
}

const people: DatasetPlan = {
  name: 'people',
  record: 'Profile',
  format: 'NDJSON',
  ingestion: 'Streaming',
  location: { volume: { claimName: 'landing', path: 'people' } },
  timestamp: 'updated',
  precedence: 0,
  mapping: [
    { source: 'id', target: 'customerId', type: 'string' },
    { source: 'name', target: 'person.name.firstName', type: 'string' },
    { source: 'points', target: 'loyalty.points', type: 'integer' },
    { source: 'joined', target: 'loyalty.joinedAt', type: 'timestamp' },
    { source: 'tags', target: 'tags', type: { items: 'string' } },
  ],
}
const events = (name: string, more: Partial<DatasetPlan> = {}): DatasetPlan => ({
  name,
  record: 'Event',
  format: 'NDJSON',
  ingestion: 'Streaming',
  location: { volume: { claimName: 'landing', path: name } },
  timestamp: 'at',
  precedence: 0,
  identity: { namespace: 'CustomerId', source: 'who' },
  mapping: [
    { source: 'type', target: 'eventType', type: 'string' },
    { source: 'total', target: 'total', type: 'number' },
    { source: 'items', target: 'items', type: { items: { fields: { SKU: 'string', quantity: 'integer' } } } },
  ],
  ...more,
})
const datasets = [people, events('clicks'), events('orders', { eventId: 'id' })]

const planWith = (own: Readonly<Record<string, string>>): JobPlan => ({
  ...planOf(datasets, { limits: { eventsPerProfile: 8 } }),
  evaluate: evaluatePlan(own),
})
const plans = { streaming: planWith(streaming), wide: planWith(wide) }

// ---- what happens to a store

const minute = 60_000
const id = fc.integer({ min: 0, max: 14 }).map((number) => `c${number}`)
/** Minutes before the instant of the step: now and then exactly a window's length. */
const ago = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 4, 5, 59, 60, 1439, 1440, 1441, 10_080, 43_200, 44_640) },
  { weight: 2, arbitrary: fc.integer({ min: -200, max: 3_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -3_000, max: 60_000 }) },
)
const event = fc.record({
  who: id,
  ago,
  id: fc.integer({ min: 0, max: 9 }),
  type: fc.constantFrom('buy', 'view', 'other'),
  total: fc.constantFrom(5, 15, 30),
  quantity: fc.constantFrom(1, 2),
})
const person = fc.record(
  {
    id,
    ago,
    name: fc.constantFrom('Ann', 'Bob'),
    points: fc.constantFrom(0, 20, 60),
    joined: ago,
    tags: fc.constantFrom(['x'], ['y'], []),
  },
  { requiredKeys: ['id', 'ago'] },
)
const file = fc.integer({ min: 0, max: 3 })
const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      folder: fc.constant('clicks' as const),
      file: fc.integer({ min: 0, max: 40 }),
      rows: fc.array(event, { maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ folder: fc.constant('orders' as const), file, rows: fc.array(event, { maxLength: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ folder: fc.constant('people' as const), file, rows: fc.array(person, { maxLength: 4 }) }),
  },
)
const step = fc.record({
  after: fc.constantFrom(1, 5, 5, 5, 60, 720, 1440, 10_080, 44_640),
  changes: fc.array(change, { maxLength: 2 }),
  evaluation: fc.constantFrom(
    ...Array<'Streaming'>(6).fill('Streaming'),
    ...Array<'Batch'>(4).fill('Batch'),
    'none',
    'none',
    'replanned',
  ),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function land(workspace: Workspace, { folder, file: number, rows }: Step['changes'][number], now: number): void {
  const at = (minutes: number) => new Date(now - minutes * minute).toISOString()
  const lines = rows.map((row) =>
    'who' in row
      ? {
          id: `e${row.id}`,
          who: row.who,
          at: at(row.ago),
          type: row.type,
          total: row.total,
          items: [{ SKU: 's', quantity: row.quantity }],
        }
      : {
          ...row,
          updated: at(row.ago),
          ...(row.joined === undefined ? {} : { joined: at(row.joined) }),
          ago: undefined,
        },
  )
  workspace.land(`${folder}/${number}.ndjson`, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
}

// ---- what must be so afterwards

/** Segment → profile → since when it is in (true) or out (false) of it. */
type Expected = ReadonlyMap<string, ReadonlyMap<string, { readonly realized: boolean; readonly since: string }>>

/** Members by one query over everybody, whatever a job did. */
async function everybody(workspace: Workspace, query: MembershipQuery, expected: Expected, now: string) {
  const data = dataOf(workspace)
  const found = new Map(query.segments.map((name) => [name, new Set<string>()]))
  const referred = query.references.map((name) => {
    const inside = [...(expected.get(name) ?? [])]
      .filter(([, { realized }]) => realized)
      .map(([profile]) => literal(profile))
    return `${inside.length === 0 ? 'false' : `"$profile" IN (${inside.join(', ')})`} AS ${identifier(name)}`
  })
  for (let bucket = 0; bucket < data.buckets; bucket++) {
    await workspace.engine.run(`CREATE OR REPLACE TEMP VIEW profiles AS ${profilesSql(data, workspace.root, bucket, storePlan.profile)};
      CREATE OR REPLACE TEMP VIEW events AS ${eventsSql(data, workspace.root, bucket, storePlan.event)};
      CREATE OR REPLACE TEMP VIEW members AS SELECT ${['"$profile"', ...referred].join(', ')} FROM profiles`)
    const rows = await workspace.engine.rows(query.duckdb.replaceAll('$now', () => timestampLiteral(now)))
    for (const row of rows)
      for (const name of query.segments) if (row[name] === true) found.get(name)!.add(String(row['$profile']))
  }
  return found
}

function moved(expected: Expected, found: ReadonlyMap<string, ReadonlySet<string>>, now: string): Expected {
  return new Map(
    Object.keys(all).map((name) => {
      const before = expected.get(name) ?? new Map()
      const inside = found.get(name)
      if (!inside) return [name, before]
      const profiles = new Set([...before.keys(), ...inside])
      return [
        name,
        new Map(
          [...profiles].map((profile) => {
            const realized = inside.has(profile)
            const known = before.get(profile)
            return [profile, known?.realized === realized ? known : { realized, since: now }]
          }),
        ),
      ]
    }),
  )
}

async function stored(workspace: Workspace): Promise<Expected> {
  const manifest = readMembershipManifest(workspace.root)!
  const rows = await workspace.engine.rows(
    manifest.files
      .map((_, bucket) => membersSql(manifest, workspace.root, bucket, Object.keys(all)))
      .join(' UNION ALL '),
  )
  const found = new Map(Object.keys(all).map((name) => [name, new Map<string, { realized: boolean; since: string }>()]))
  for (const row of rows)
    found.get(String(row['segment']))!.set(String(row['$profile']), {
      realized: row['realized'] === true,
      since: (row['since'] as Date).toISOString(),
    })
  return found
}

async function changesOf(workspace: Workspace): Promise<string[]> {
  const manifest = readMembershipManifest(workspace.root)!
  const changes = changesSql(manifest, workspace.root, { ordinal: manifest.ordinal ?? 0 })
  if (changes === null) return []
  const rows = await workspace.engine.rows(changes)
  return rows.map((row) => `${row['segment']} ${row['change']} ${row['$profile']}`).sort()
}

/** Streaming runs that left a bucket's changes beside it, and that wrote a bucket anew. */
type Seen = { beside: number; anew: number }

/** Enough people that a few changes are not worth writing all of them again; every second has been seen lately. */
function crowd(workspace: Workspace, size: number): void {
  const numbers = Array.from({ length: size }, (_, index) => index)
  const at = (minutes: number) => new Date(Date.parse('2026-03-01T00:00:00Z') - minutes * minute).toISOString()
  const person = (n: number) => ({ id: `b${n}`, updated: at(100_000), points: n % 90, joined: at(n * 1_000) })
  const event = (n: number) => ({
    id: `b${n}`,
    who: `b${n}`,
    at: at(n * 7),
    type: n % 3 === 0 ? 'buy' : 'view',
    total: 25,
  })
  const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  workspace.land('people/crowd.ndjson', lines(numbers.map(person)))
  workspace.land('clicks/crowd.ndjson', lines(numbers.filter((n) => n % 2 === 0).map(event)))
}

async function follow(workspace: Workspace, plan: JobPlan, steps: readonly Step[], seen: Seen): Promise<void> {
  let now = Date.parse('2026-03-01T00:00:00Z')
  let digest = plan.digest
  let expected: Expected = new Map()
  for (const [index, { after, changes, evaluation }] of [
    { after: 5, changes: [], evaluation: 'Batch' as const },
    ...steps,
  ].entries()) {
    now += after * minute
    const instant = new Date(now).toISOString()
    for (const one of changes) land(workspace, one, now)
    if (evaluation === 'replanned') digest = `${plan.digest}-${index}`
    const kind = evaluation === 'Batch' ? 'Batch' : 'Streaming'
    const input = {
      run: `pstore-retail-${index}`,
      scheduledTime: instant,
      now: instant,
      trigger: 'Schedule' as const,
      evaluation: kind,
    } as const
    const context = { plan: { ...plan, digest }, input, ports: workspace.ports }
    expect(await ingest(context)).toMatchObject({ outcome: 'Succeeded' })
    if (evaluation === 'none') continue
    const report = await evaluate(context)
    expect(report).toMatchObject({ outcome: 'Succeeded' })

    const query = plan.evaluate![kind === 'Batch' ? 'full' : 'streaming']!
    const next = moved(expected, await everybody(workspace, query, expected, instant), instant)
    expect(await stored(workspace), `${kind} run at ${instant}`).toEqual(next)
    const differences = query.segments.flatMap((name) =>
      [...next.get(name)!]
        .filter(([profile, { realized }]) => realized !== (expected.get(name)?.get(profile)?.realized ?? false))
        .map(([profile, { realized }]) => `${name} ${realized ? 'entered' : 'exited'} ${profile}`),
    )
    expect(await changesOf(workspace)).toEqual(differences.sort())
    const count = (name: string, change: string) =>
      differences.filter((difference) => difference.startsWith(`${name} ${change} `)).length
    expect(report.details).toEqual(
      [...query.segments].sort().map((segment) => ({
        segment,
        members: [...next.get(segment)!.values()].filter(({ realized }) => realized).length,
        entered: count(segment, 'entered'),
        exited: count(segment, 'exited'),
      })),
    )
    if (kind === 'Streaming') {
      const { changed = [], version } = readMembershipManifest(workspace.root)!
      const isNew = changed.flat().some((path) => path.includes(version))
      if (isNew) seen.beside += 1
      else if (differences.length > 0) seen.anew += 1
    }
    expected = next
  }
}

type Change = Step['changes'][number]
const bought = (who: string, ago: number): Extract<Change, { folder: 'orders' }>['rows'][number] => ({
  who,
  ago,
  id: 1,
  type: 'buy',
  total: 30,
  quantity: 1,
})
/** Late, so that time alone would not find it. */
const late = (who: string, number: number): Change => ({
  folder: 'clicks',
  file: number,
  rows: [bought(who, 600)],
})
const run = (...changes: Step['changes']): Step => ({ after: 5, changes, evaluation: 'Streaming' })

test.each<[string, readonly Step[]]>([
  ['a late event', [run(), run(late('b1', 1))]],
  ['a late event of somebody new', [run(), run(late('n1', 1))]],
  [
    'two ingests, the first of them without an evaluation',
    [run(), { ...run(late('b1', 1)), evaluation: 'none' }, run(late('b3', 2))],
  ],
  [
    'an ingest that was not evaluated, and one that found nothing',
    [run(), { ...run(late('b1', 1)), evaluation: 'none' }, run()],
  ],
  ['an event that is taken back', [run(late('b1', 1)), run({ folder: 'clicks', file: 1, rows: [] })]],
  [
    'an event that is corrected',
    [
      run({ folder: 'orders', file: 0, rows: [bought('b1', 600)] }),
      run({ folder: 'orders', file: 1, rows: [{ ...bought('b1', 500), type: 'view' }] }),
    ],
  ],
  [
    'an event that moves to somebody else',
    [
      run({ folder: 'orders', file: 0, rows: [bought('b1', 600)] }),
      run({ folder: 'orders', file: 1, rows: [bought('b3', 500)] }),
    ],
  ],
  [
    'a profile that changes',
    [run(), run({ folder: 'people', file: 0, rows: [{ id: 'b1', ago: 1, name: 'Ann', points: 60 }] })],
  ],
  [
    'a profile that is taken back',
    [
      run({ folder: 'people', file: 0, rows: [{ id: 'n1', ago: 1, name: 'Ann', joined: 5 }] }),
      run({ folder: 'people', file: 0, rows: [] }),
    ],
  ],
  [
    'somebody who goes over the limit of events, and comes back',
    [
      run(...[1, 2, 3, 4].map((n) => late('b2', n))),
      run(...[5, 6, 7, 8, 9].map((n) => late('b2', n))),
      run({ folder: 'clicks', file: 9, rows: [] }),
    ],
  ],
  ['so many files that a bucket is put together', Array.from({ length: 10 }, (_, n) => run(late(`b${n}`, n)))],
  ['time alone', [run(), { ...run(), after: 60 }, { ...run(), after: 1440 }, { ...run(), after: 44_640 }]],
  ['a batch run in between', [run(late('b1', 1)), { ...run(late('b3', 2)), evaluation: 'Batch' }, run(late('b5', 3))]],
  [
    'batch runs one after another',
    [
      run(),
      { ...run(late('b1', 1)), evaluation: 'Batch' },
      { ...run(late('b3', 2)), after: 1440, evaluation: 'Batch' },
      { ...run(), after: 10_080, evaluation: 'Batch' },
    ],
  ],
  ['another plan', [run(late('b1', 1)), { ...run(late('b3', 2)), evaluation: 'replanned' }, run(late('b5', 3))]],
])('after %s a streaming run finds what evaluating everybody finds', async (_, steps) => {
  await using workspace = await openWorkspace()
  crowd(workspace, 300)
  await follow(workspace, plans.streaming, steps, { beside: 0, anew: 0 })
})

test('in a store of several buckets it does too', { timeout: 120_000 }, async () => {
  await using workspace = await openWorkspace()
  // 20,480 profiles fit into a bucket of a store with so little memory.
  crowd(workspace, 21_000)
  const engine = { type: 'DuckDB' as const, duckDB: { threads: 2, memoryLimit: '100Mi' } }
  const plan = { ...plans.streaming, store: { ...storePlan, engine } }
  const seen: Seen = { beside: 0, anew: 0 }
  await follow(workspace, plan, [run(late('b1', 1), late('b2', 2)), { ...run(late('b3', 3)), after: 60 }, run()], seen)
  expect(dataOf(workspace).buckets).toBe(2)
  expect(seen.beside).toBeGreaterThan(1)
})

test('whatever comes in and however time goes, a streaming run finds what evaluating everybody finds', {
  timeout: patience(300_000),
}, async () => {
  const seen: Seen = { beside: 0, anew: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 14, size: 'max' }),
      fc.constantFrom(0, 300),
      fc.constantFrom(plans.streaming, plans.streaming, plans.wide),
      async (steps, size, plan) => {
        await using workspace = await openWorkspace()
        crowd(workspace, size)
        await follow(workspace, plan, steps, seen)
      },
    ),
    {
      numRuns: tries(8, 200),
      interruptAfterTimeLimit: 240_000,
      endOnFailure: true,
      ...(process.env['CONVOKE_PQL_SEED'] === undefined ? {} : { seed: Number(process.env['CONVOKE_PQL_SEED']) }),
    },
  )
  expect(seen.beside).toBeGreaterThan(0)
  expect(seen.anew).toBeGreaterThan(0)
})
