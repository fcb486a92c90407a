import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatasetPlan, IngestPlan, JobPlan } from '#crds'
import { steps } from '#jobs'
import { type Engine, literal, openDuckDB } from '../jobs/engines/duckdb.ts'
import { planOf, portsOf, storeOf, timed } from './evaluate.ts'

/**
 * `npm run bench -- merge [profiles] [events]`: CPU seconds of an ingest from Parquet files; of merging its records again alone, without
 * and with stitching; and of an ingest that adds one event in a hundred. Every third person comes in two files, events have ids.
 */
export async function run([profiles = '500000', events = '2000000']: readonly string[]): Promise<object> {
  const scratch = mkdtempSync(join(tmpdir(), 'convoke-bench-'))
  const folder = join(scratch, 'volumes')
  const ports = portsOf(folder, scratch)
  try {
    await using engine = await openDuckDB(storeOf(planOf([], '1Gi')), ports)
    await writeSources(engine, folder, Number(profiles), Number(events))
    let runs = 0
    const ingest = async (plan: JobPlan) => {
      runs += 1
      const now = new Date(Date.UTC(2026, 6, 1, 0, runs)).toISOString()
      const input = { run: `bench-${runs}`, scheduledTime: now, now, trigger: 'Manual' as const }
      const { value, seconds } = await timed(() => steps.ingest({ plan, input, ports }))
      if (value.outcome !== 'Succeeded') throw new Error(JSON.stringify(value.error))
      return { ...seconds, profiles: value.totals['profiles'], events: value.totals['events'] }
    }
    const first = await ingest(ingestPlan('None', 5000))
    const again = await ingest(ingestPlan('None', 5001))
    await writeEvents(engine, folder, 'b', Number(events), Math.round(Number(events) * 1.01), Number(profiles))
    const added = await ingest(ingestPlan('None', 5001))
    const stitched = await ingest(ingestPlan('PrivateGraph', 5001))
    return { first, mergeAlone: again, added, stitched, peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function ingestPlan(stitching: 'None' | 'PrivateGraph', eventsPerProfile: number): JobPlan {
  const plan = planOf([], '1Gi')
  const dataset = {
    format: 'Parquet',
    ingestion: 'Batch',
    precedence: 0,
    timestamp: 'at',
  } as const
  const customers: DatasetPlan = {
    ...dataset,
    name: 'customers',
    record: 'Profile',
    location: { volume: { claimName: 'landing', path: 'customers' } },
    mapping: [
      { source: 'id', target: 'customerId', type: 'string' },
      { source: 'email', target: 'email', type: 'string' },
      { source: 'name', target: 'person.firstName', type: 'string' },
      { source: 'points', target: 'loyalty.points', type: 'integer' },
    ],
  }
  const orders: DatasetPlan = {
    ...dataset,
    name: 'orders',
    record: 'Event',
    location: { volume: { claimName: 'landing', path: 'orders' } },
    eventId: 'event',
    identity: { namespace: 'Email', source: 'email' },
    mapping: [
      { source: 'type', target: 'eventType', type: 'string' },
      { source: 'total', target: 'total', type: 'number' },
    ],
  }
  const limits: IngestPlan['limits'] = { ...plan.ingest!.limits, eventsPerProfile }
  const store = storeOf(plan)
  return {
    ...plan,
    store: {
      ...store,
      volume: { claimName: 'store', path: 'store' },
      profile: [...store.profile, { path: 'email', type: 'string' }],
      identities: [
        { namespace: 'CustomerId', path: 'customerId', primary: true },
        { namespace: 'Email', path: 'email', primary: false },
      ],
      mergePolicy: { ...store.mergePolicy, stitching },
    },
    ingest: { datasets: [customers, orders], limits },
  }
}

async function writeSources(engine: Engine, folder: string, profiles: number, events: number): Promise<void> {
  for (const name of ['customers', 'orders']) mkdirSync(join(folder, name), { recursive: true })
  const people = (file: string, where: string, at: string) =>
    engine.run(`COPY (SELECT 'p' || i AS id, 'p' || i || '@x.test' AS email, 'n' || i % 1000 AS name, i % 10000 AS points, TIMESTAMP '${at}' AS at
      FROM range(${profiles}) t(i) WHERE ${where}) TO ${literal(join(folder, 'customers', `${file}.parquet`))} (FORMAT parquet)`)
  await people('a', 'true', '2026-06-01 00:00:00')
  await people('b', 'i % 3 = 0', '2026-06-02 00:00:00')
  await writeEvents(engine, folder, 'a', 0, events, profiles)
}

function writeEvents(
  engine: Engine,
  folder: string,
  file: string,
  from: number,
  to: number,
  profiles: number,
): Promise<void> {
  return engine.run(`COPY (SELECT 'e' || i AS event, 'p' || (hash(i) % ${profiles}) || '@x.test' AS email, TIMESTAMP '2026-06-01' + to_seconds((i % 2000000)::BIGINT) AS at,
      ['view', 'cart', 'purchase'][1 + (i % 3)::INTEGER] AS type, (i % 10000) / 100 AS total
    FROM range(${from}, ${to}) t(i)) TO ${literal(join(folder, 'orders', `${file}.parquet`))} (FORMAT parquet)`)
}
