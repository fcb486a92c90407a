import { expect, test } from 'vitest'
import type { JobPlan } from '#crds'
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { membersSql, readMembershipManifest } from '../../jobs/profile-store.ts'
import {
  customers,
  dataOf,
  eventsIn,
  inputOf,
  openWorkspace,
  orders,
  planOf,
  profilesIn,
  type Workspace,
} from './workspace.ts'

/** Little memory makes small buckets: 20,480 profiles or 102,400 events each. */
const plan: JobPlan = {
  ...planOf([customers, { ...orders, eventId: 'id', tolerance: { badRows: 1, maxShrink: 100 } }], {
    store: { engine: { type: 'DuckDB', duckDB: { threads: 2, memoryLimit: '100Mi' } } },
    limits: { eventsPerProfile: 4 },
  }),
  evaluate: {
    segments: [{ name: 'even', digest: 'sha256:e', evaluation: 'Batch' }],
    full: {
      segments: ['even'],
      references: [],
      profileColumns: ['loyalty.points'],
      eventColumns: [],
      duckdb: `SELECT "$profile", coalesce("loyalty.points" % 2 = 0, false) AS even FROM profiles`,
    },
  },
}

type Step = (workspace: Workspace) => Promise<void>

function customersFile(name: string, from: number, to: number, points: number): Step {
  return async ({ engine, ports, land }) => {
    land('customers/.keep', '')
    await engine.run(`COPY (SELECT 'p' || i AS id, 'n' || i AS first_name, '' AS birth_date, '' AS email, i + ${points} AS points, '2026-01-01' AS updated_at
      FROM range(${from}, ${to}) t(i)) TO '${ports.claim('landing')}/customers/${name}.csv' (HEADER)`)
  }
}

/** Events of the ids from to to, spread over 10,000 profiles by `shift`, on a day; one per `of` goes to profile p7. */
function ordersFile(name: string, from: number, to: number, shift: number, day: number, of = 20_000): Step {
  return async ({ engine, ports, land }) => {
    land('orders/.keep', '')
    await engine.run(`COPY (SELECT 'e' || i AS id, CASE WHEN i % ${of} = 0 THEN 'p7' ELSE 'p' || ((i * 7919 + ${shift}) % 10000) END AS customer, '2026-01-0${day}' AS at, 't' || i AS type
      FROM range(${from}, ${to}) t(i)) TO '${ports.claim('landing')}/orders/${name}.ndjson' (FORMAT json)`)
  }
}

const steps: readonly (readonly [string, readonly Step[]])[] = [
  ['first data', [customersFile('a', 0, 30_000, 0), ordersFile('a', 0, 15_000, 0, 1)]],
  ['new events', [ordersFile('b', 15_000, 18_000, 0, 1)]],
  [
    'events read again, and later versions of some on other profiles',
    [ordersFile('c', 14_000, 15_000, 0, 1), ordersFile('d', 0, 300, 5000, 2)],
  ],
  ['a profile over the limit of events', [ordersFile('e', 20_000, 20_500, 0, 1, 50)]],
  [
    'a replaced file of events, and one of profiles',
    [ordersFile('d', 0, 100, 5000, 2), customersFile('a', 0, 29_000, 1)],
  ],
  ['many more profiles', [customersFile('b', 29_000, 60_000, 0)]],
  ['one more event, by which the buckets are found too few', [ordersFile('f', 30_000, 30_001, 0, 1)]],
  ['the profile back under the limit', [ordersFile('e', 20_000, 20_500, 0, 1)]],
]

test('whatever way the data came in, it is what one ingest of all files makes of it', {
  timeout: 180_000,
}, async () => {
  await using grown = await openWorkspace()
  const buckets: number[] = []
  const applied: Step[] = []
  for (const [index, [, files]] of steps.entries()) {
    for (const step of files) await step(grown)
    applied.push(...files)
    const input = inputOf(`2026-01-1${index}T00:00:00Z`)
    expect(await ingest({ plan, input, ports: grown.ports })).toMatchObject({ outcome: 'Succeeded' })
    expect(await evaluate({ plan, input, ports: grown.ports })).toMatchObject({ outcome: 'Succeeded' })
    const data = dataOf(grown)
    buckets.push(data.buckets)

    await using fresh = await openWorkspace()
    for (const step of applied) await step(fresh)
    await ingest({ plan, input, ports: fresh.ports })
    expect(data.leftOut).toEqual(dataOf(fresh).leftOut)
    expect(await profilesIn(grown)).toEqual(await profilesIn(fresh))
    expect(await eventsIn(grown)).toEqual(await eventsIn(fresh))
  }
  expect(buckets).toEqual([2, 2, 2, 2, 2, 2, 4, 4])
  expect(dataOf(grown)).toMatchObject({
    profileCount: 60_000,
    eventCount: 18_500 + 1,
    leftOut: { eventsPerProfile: 0 },
  })

  // Times outlive the doubling: on the 14th the points of 29,000 profiles moved by one, on the 15th came 31,000 more, and on the
  // 17th p7, whose points are even, was let in again.
  const manifest = readMembershipManifest(grown.root)
  if (!manifest) throw new Error('There is no membership.')
  const members = manifest.files.map((_files, bucket) => membersSql(manifest, grown.root, bucket, ['even']))
  const rows = await grown.engine.rows(
    `SELECT day(since) AS day, realized, count(*) AS rows FROM (${members.join(' UNION ALL ')}) GROUP BY ALL ORDER BY ALL`,
  )
  expect(rows).toEqual([
    { day: 14, realized: false, rows: 14_500 },
    { day: 14, realized: true, rows: 14_499 },
    { day: 15, realized: true, rows: 15_500 },
    { day: 17, realized: true, rows: 1 },
  ])
})
