import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobPlan, MembershipQuery } from '#crds'
import { readDataManifest, steps } from '#jobs'
import { type Engine, literal, openDuckDB, timestampLiteral } from '../jobs/engines/duckdb.ts'
import { commitData } from '../jobs/profile-store.ts'
import { generate, planOf, portsOf, ratio, scan, storeOf, timed } from './evaluate.ts'

const start = Date.parse('2026-07-01T00:00:00Z')
const minute = 60_000

/** Eight kinds of Segments that streaming allows, five of each. */
const expressions = [1, 2, 3, 4, 5].flatMap((n) => [
  `xEvent[eventType = "purchase" and timestamp occurs <= ${19 + n} hours before now].count() >= 1`,
  `exists E from xEvent where E.eventType = "cart" and E.timestamp occurs <= ${n} hours before now`,
  `exists E from xEvent where E.eventType = "purchase" and E.total > ${10 * n} and E.timestamp occurs today`,
  `loyalty.tier = "gold" and exists E from xEvent where E.eventType = "view" and E.timestamp occurs <= ${n} hours before now`,
  `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= ${19 + n} hours before now), B: WHAT(eventType = "purchase")])`,
  `loyalty.points > ${1000 * n} and optOut = false`,
  `loyalty.joinedAt occurs <= ${10 * n} days before now`,
  `homeAddress.countryCode in ["DE", "${['AT', 'CH', 'FR', 'IT', 'ES'][n - 1]}"]`,
])

/**
 * `npm run bench -- streaming [profiles] [events] [new events]`: seconds of one evaluation every five minutes, after a batch evaluation:
 * of the people whom something happened to, and of everybody. The store is generated, as for `evaluate`.
 */
export async function run([
  profiles = '1000000',
  events = '10000000',
  fresh = '1000',
]: readonly string[]): Promise<object> {
  const plan = planOf(expressions, '1Gi', 0, 'Streaming')
  const folder = join(import.meta.dirname, '..', '.cache', 'bench', `streaming-${profiles}-${events}`)
  const scratch = mkdtempSync(join(tmpdir(), 'convoke-bench-'))
  const ports = portsOf(folder, scratch)
  let runs = 0
  const evaluate = async (of: JobPlan, evaluation: 'Batch' | 'Streaming') => {
    runs += 1
    const now = new Date(start + 5 * minute * runs).toISOString()
    const input = { run: `bench-${runs}`, scheduledTime: now, now, trigger: 'Manual' as const, evaluation }
    const { value, seconds } = await timed(() => steps.evaluate({ plan: of, input, ports }))
    if (value.outcome !== 'Succeeded') throw new Error(JSON.stringify(value.error))
    return { ...seconds, entered: value.totals['entered'], exited: value.totals['exited'] }
  }
  try {
    await using engine = await openDuckDB(storeOf(plan), ports)
    await generate(engine, folder, Number(profiles), Number(events))
    const data = readDataManifest(folder)
    rmSync(join(folder, 'membership'), { recursive: true, force: true })
    rmSync(join(folder, 'membership.json'), { force: true })
    const scanned = await timed(() => scan(engine, folder, data!, plan))
    const append = () => appendEvents(engine, folder, Number(fresh), start + 5 * minute * (runs + 1))
    const batch = await evaluate(plan, 'Batch')
    const timeAlone = []
    for (let round = 0; round < 3; round++) timeAlone.push(await evaluate(plan, 'Streaming'))
    const narrowed = []
    for (let round = 0; round < 3; round++) {
      await append()
      narrowed.push(await evaluate(plan, 'Streaming'))
    }
    const everybody = []
    for (let round = 0; round < 3; round++) {
      await append()
      everybody.push(await evaluate(withoutFlips(plan), 'Streaming'))
    }
    if (data) commitData(folder, data, false)
    const median = (some: readonly { readonly cpu: number }[]) => ({
      seconds: [...some].sort((a, b) => a.cpu - b.cpu)[Math.floor(some.length / 2)]!,
    })
    return {
      scanSeconds: scanned.seconds,
      intervalToScan: ratio(median(narrowed), scanned),
      idleIntervalToScan: ratio(median(timeAlone), scanned),
      profiles: Number(profiles),
      events: Number(events),
      newEvents: Number(fresh),
      segments: expressions.length,
      batch,
      timeAlone,
      narrowed,
      everybody,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The plan as a compiler would make it that knows nothing of flips. */
function withoutFlips(plan: JobPlan): JobPlan {
  const { streaming, ...evaluate } = plan.evaluate!
  const { flips: _, earliest: __, ...query }: MembershipQuery = streaming!
  return { ...plan, evaluate: { ...evaluate, streaming: query } }
}

/** Makes a data version with events of the last five minutes on random profiles, as an ingest would leave it. */
async function appendEvents(engine: Engine, root: string, count: number, now: number): Promise<void> {
  const before = readDataManifest(root)!
  const version = `${before.version}+`
  mkdirSync(join(root, 'data', version), { recursive: true })
  const added: string[][] = []
  for (let bucket = 0; bucket < before.buckets; bucket++) {
    const path = `data/${version}/events-${bucket}.parquet`
    const people = `SELECT "$profile" FROM read_parquet(${literal(join(root, before.profiles[bucket]![0]!))}) USING SAMPLE ${Math.ceil(count / before.buckets)} ROWS`
    await engine.run(`COPY (SELECT "$profile", 'CustomerId' AS "$namespace", ${timestampLiteral(new Date(now))} - to_milliseconds((hash("$profile") % 300000)::BIGINT) AS "timestamp",
        ['view', 'cart', 'purchase'][1 + (hash("$profile") % 3)::INTEGER] AS "eventType", 60.0 AS total FROM (${people}) ORDER BY 1, 3)
      TO ${literal(join(root, path))} (FORMAT parquet, COMPRESSION zstd)`)
    added.push([path])
  }
  const events = before.events.map((files, bucket) => [...files, ...added[bucket]!])
  commitData(root, { ...before, version, previous: before.version, events, touched: added }, false)
}
