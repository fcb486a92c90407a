import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatasetPlan, JobPlan, RunReport } from '#crds'
import { steps } from '#jobs'
import { literal, openDuckDB } from '../jobs/engines/duckdb.ts'
import { planOf, portsOf, storeOf, timed } from './evaluate.ts'

/**
 * `npm run bench -- ingest [profiles] [events] [small files]`: seconds to take in profiles from CSV and Parquet and events from NDJSON, one
 * file each; the same again, unchanged; and small files of one event each. The files are kept in .cache/bench.
 */
export async function run([
  profiles = '500000',
  events = '1000000',
  small = '10000',
]: readonly string[]): Promise<object> {
  const landing = join(import.meta.dirname, '..', '.cache', 'bench', `ingest-${profiles}-${events}-${small}`)
  const scratch = mkdtempSync(join(tmpdir(), 'convoke-bench-'))
  try {
    await generate(landing, scratch, Number(profiles), Number(events), Number(small))
    const results: Record<string, unknown> = {}
    for (const dataset of datasets) {
      const store = join(scratch, `store-${dataset.name}`)
      const ports = {
        ...portsOf(landing, scratch),
        claim: (name: string) => (name === 'landing' ? landing : store),
      }
      mkdirSync(store, { recursive: true })
      const plan = planWith(dataset)
      const first = await timed(() => steps.ingest({ plan, input: input('bench-1'), ports }))
      const again = await timed(() => steps.ingest({ plan, input: input('bench-2'), ports }))
      for (const report of [first.value, again.value]) orThrow(report)
      results[dataset.name] = {
        files: first.value.totals['files'],
        rows: first.value.totals['accepted'],
        seconds: first.seconds,
        unchangedSeconds: again.seconds,
      }
      rmSync(store, { recursive: true, force: true })
    }
    return { ...results, peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const profileMapping: DatasetPlan['mapping'] = [
  { source: 'id', target: 'customerId', type: 'string' },
  { source: 'first_name', target: 'person.firstName', type: 'string' },
  { source: 'country', target: 'homeAddress.countryCode', type: 'string' },
  { source: 'tier', target: 'loyalty.tier', type: 'string' },
  { source: 'points', target: 'loyalty.points', type: 'integer' },
  { source: 'joined', target: 'loyalty.joinedAt', type: 'timestamp' },
  { source: 'opt_out', target: 'optOut', type: 'boolean' },
]

const profileDataset = (name: string, format: DatasetPlan['format']): DatasetPlan => ({
  name,
  record: 'Profile',
  format,
  ingestion: 'Batch',
  location: { volume: { claimName: 'landing', path: name } },
  timestamp: 'updated_at',
  precedence: 0,
  mapping: profileMapping,
})

const eventDataset = (name: string): DatasetPlan => ({
  ...profileDataset(name, 'NDJSON'),
  record: 'Event',
  timestamp: 'at',
  identity: { namespace: 'CustomerId', source: 'customer' },
  mapping: [
    { source: 'type', target: 'eventType', type: 'string' },
    { source: 'order.total', target: 'total', type: 'number' },
  ],
})

const datasets = [
  profileDataset('csv', 'CSV'),
  profileDataset('parquet', 'Parquet'),
  eventDataset('ndjson'),
  eventDataset('small'),
]

function planWith(dataset: DatasetPlan): JobPlan {
  const plan = planOf(['optOut = true'], '1Gi')
  const { ingest } = plan
  if (!ingest) throw new Error('The plan has no ingest part.')
  return { ...plan, store: storeOf(plan), ingest: { ...ingest, datasets: [dataset] } }
}

function input(run: string) {
  const now = '2026-07-01T00:00:00Z'
  return { run, scheduledTime: now, now, trigger: 'Manual' as const, evaluation: 'Batch' as const }
}

function orThrow(report: RunReport): void {
  if (report.outcome !== 'Succeeded') throw new Error(JSON.stringify(report.error))
}

async function generate(landing: string, scratch: string, profiles: number, events: number, small: number) {
  if (existsSync(join(landing, 'done'))) return
  rmSync(landing, { recursive: true, force: true })
  for (const { name } of datasets) mkdirSync(join(landing, name), { recursive: true })
  await using engine = await openDuckDB(storeOf(planOf(['optOut = true'], '1Gi')), portsOf(landing, scratch))
  const rows = `SELECT 'p' || i AS id, 'Name ' || (h % 5000) AS first_name, ['DE', 'AT', 'CH', 'FR'][1 + (h % 4)::INTEGER] AS country,
    ['bronze', 'silver', 'gold'][1 + (h // 11 % 3)::INTEGER] AS tier, (h // 13 % 10000)::BIGINT AS points,
    strftime(TIMESTAMP '2026-01-01' - to_hours((h // 17 % 20000)::INTEGER), '%Y-%m-%dT%H:%M:%SZ') AS joined,
    h % 10 = 0 AS opt_out, '2026-06-' || (10 + h % 20) || 'T10:00:00Z' AS updated_at
    FROM (SELECT i, hash(i) AS h FROM range(${profiles}) t(i))`
  await engine.run(`COPY (${rows}) TO ${literal(join(landing, 'csv', 'a.csv'))} (HEADER)`)
  await engine.run(`COPY (${rows}) TO ${literal(join(landing, 'parquet', 'a.parquet'))} (FORMAT parquet)`)
  await engine.run(`COPY (SELECT 'p' || (h % ${profiles}) AS customer, '2026-06-' || (10 + h % 20) || 'T10:00:00Z' AS at,
    ['view', 'cart', 'purchase'][1 + (h % 3)::INTEGER] AS type, {total: (h % 12000) / 100} AS "order"
    FROM (SELECT hash(i) AS h FROM range(${events}) t(i))) TO ${literal(join(landing, 'ndjson', 'a.ndjson'))} (FORMAT json)`)
  for (let file = 0; file < small; file++)
    writeFileSync(
      join(landing, 'small', `${file}.ndjson`),
      `{"customer":"p${file % profiles}","at":"2026-06-10T10:00:00Z","type":"view"}\n`,
    )
  writeFileSync(join(landing, 'done'), '')
}
