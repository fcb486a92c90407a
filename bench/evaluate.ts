import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, type Source } from '#compiler'
import type { JobPlan, RunInput } from '#crds'
import { type Ports, readDataManifest, steps } from '#jobs'
import { type Engine, identifier, literal, openDuckDB, timestampLiteral } from '../jobs/engines/duckdb.ts'
import { bucketSql, commitData, type DataManifest, eventsSql, profilesSql } from '../jobs/profile-store.ts'

/** The instant of evaluation; events lie in the 180 days before it. */
const now = '2026-07-01T00:00:00Z'
const profilesPerBucket = 125_000

/** 30 Segments of attributes, 15 of event aggregates over windows, 5 of sequences. */
export const expressions: readonly string[] = [
  ...[5, 10, 20, 40, 60, 80].map((n) => `loyalty.points > ${n * 100}`),
  ...['DE', 'AT', 'CH', 'FR', 'IT', 'ES'].map(
    (country) => `homeAddress.countryCode = "${country}" and not (optOut = true)`,
  ),
  ...['bronze', 'silver', 'gold'].flatMap((tier) =>
    [1000, 3000, 5000].map((points) => `loyalty.tier = "${tier}" and loyalty.points >= ${points}`),
  ),
  ...[1, 3, 6, 12].map((months) => `loyalty.joinedAt occurs <= ${months} months before now`),
  ...['a', 'be', 'x'].map((start) => `person.firstName.startsWith("${start}", false)`),
  'homeAddress.countryCode in ["DE", "AT", "CH"] and loyalty.points > 500',
  'optOut = true',
  ...[7, 14, 30, 60, 90].map(
    (days) => `exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= ${days} days before now`,
  ),
  ...[7, 30, 90].map(
    (days) => `xEvent[eventType = "view" and timestamp occurs <= ${days} days before now].count() >= 3`,
  ),
  ...[30, 90, 180].map(
    (days) => `xEvent[eventType = "purchase" and timestamp occurs <= ${days} days before now].sum(total) > 200`,
  ),
  ...[30, 90].map(
    (days) =>
      `loyalty.tier = "gold" and xEvent[eventType = "purchase" and timestamp occurs <= ${days} days before now].count() = 0`,
  ),
  ...[60, 180].map(
    (days) => `xEvent[eventType = "purchase" and timestamp occurs <= ${days} days before now].average(total) > 55`,
  ),
  ...[7, 14, 30, 60, 90].map(
    (days) =>
      `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view"), B: WHAT(eventType = "cart"), C: WHAT(eventType = "purchase") WHEN(<= ${days} days before now)])`,
  ),
]

/** `count` Segments, each with numbers of its own: no two ask for the same window and the same limit. */
export function manyExpressions(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const round = Math.floor(index / expressions.length)
    let at = 0
    return expressions[index % expressions.length]!.replaceAll(
      /(days|months) before now|([<>]=?) (\d+)(?= (?:days|months))|(points|count\(\)|sum\(total\)|average\(total\)) ([<>]=?|=) (\d+)/g,
      (whole, _unit, windowOp, length, what, op, limit) => {
        at += 1
        if (windowOp !== undefined) return `${windowOp} ${Number(length) + round * 2}`
        if (what === 'count()') return op === '=' ? whole : `count() >= ${Number(limit) + (round % 4)}`
        return what === undefined ? whole : `${what} ${op} ${Number(limit) + round * 3 + at}`
      },
    )
  })
}

/**
 * `npm run bench -- evaluate [profiles] [events] [memory limit] [parts]`: CPU seconds of evaluating all Segments together, each in its own
 * query, a day later with and without new data, and with more Segments, over a generated store of buckets (kept in .cache/bench). Ratios
 * are of CPU seconds; `…ToScan` are multiples of only reading the columns that the Segments need. `parts` is `first` (without 500 and
 * 3,000 Segments) or `all`.
 */
export async function run([
  profiles = '1000000',
  events = '10000000',
  memoryLimit = '1Gi',
  parts = 'all',
]: readonly string[]): Promise<object> {
  const plan = planOf(expressions, memoryLimit)
  const folder = join(import.meta.dirname, '..', '.cache', 'bench', `evaluate-${profiles}-${events}`)
  const scratch = mkdtempSync(join(tmpdir(), 'convoke-bench-'))
  const ports = portsOf(folder, scratch)
  try {
    await using engine = await openDuckDB(storeOf(plan), ports)
    const generated = await timed(() => generate(engine, folder, Number(profiles), Number(events)))
    const data = readDataManifest(folder)
    if (!data) throw new Error('Nothing was generated.')
    await scan(engine, folder, data, plan)
    const bare = await timed(() => scan(engine, folder, data, plan))
    rmSync(join(folder, 'membership'), { recursive: true, force: true })
    rmSync(join(folder, 'membership.json'), { force: true })
    const evaluated = (run: string, at = now) => timed(() => steps.evaluate({ plan, input: inputOf(run, at), ports }))
    const shared = await evaluated('bench-1')
    if (shared.value.outcome !== 'Succeeded') throw new Error(JSON.stringify(shared.value.error))
    const again = await evaluated('bench-2')
    const peakRssMiB = Math.round(process.resourceUsage().maxRSS / 1024)
    const idle = await evaluated('bench-3', dayAfter(1))
    await appendDay(engine, folder, 0.05)
    const nextDay = await evaluated('bench-4', dayAfter(2))
    const failed = [again, idle, nextDay].find(({ value }) => value.outcome !== 'Succeeded')
    if (failed) throw new Error(JSON.stringify(failed.value.error))
    commitData(folder, data, false)
    const many = parts === 'all' ? await inOwnProcess(500, folder, memoryLimit) : null
    const most = parts === 'all' ? await inOwnProcess(3000, folder, memoryLimit) : null
    const query = await timed(() => countMembers(engine, folder, data, plan))
    const separate = await timed(async () => {
      const counts: Record<string, number> = {}
      for (const [index, expression] of expressions.entries())
        Object.assign(counts, await countMembers(engine, folder, data, planOf([expression], memoryLimit, index)))
      return counts
    })
    const expected = Object.fromEntries((shared.value.details ?? []).map(({ segment, members }) => [segment, members]))
    return {
      profiles: Number(profiles),
      events: Number(events),
      segments: expressions.length,
      buckets: data.buckets,
      memoryLimit,
      generateSeconds: generated.seconds,
      scanSeconds: bare.seconds,
      sharedQuerySeconds: query.seconds,
      evaluateSeconds: shared.seconds,
      evaluateAgainSeconds: again.seconds,
      separateSeconds: separate.seconds,
      separateToShared: Math.round((separate.seconds.cpu / query.seconds.cpu) * 100) / 100,
      idleSeconds: idle.seconds,
      nextDaySeconds: nextDay.seconds,
      evaluateToScan: ratio(shared, bare),
      separateToEvaluate: ratio(separate, shared),
      idleToScan: ratio(idle, bare),
      nextDayToScan: ratio(nextDay, bare),
      ...(many && { segments500Seconds: many.seconds, segments500ToSegments50: ratio(many, shared) }),
      ...(most && { segments3000Seconds: most.seconds, segments3000PeakRssMiB: most.peakRssMiB }),
      peakRssMiB,
      members: shared.value.totals['members'] ?? 0,
      sameMembers: Object.entries(expected).every(
        ([segment, count]) => separate.value[segment] === count && query.value[segment] === count,
      ),
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const day = 86_400_000

function dayAfter(days: number): string {
  return new Date(Date.parse(now) + days * day).toISOString()
}

function inputOf(run: string, at: string): RunInput {
  return { run, scheduledTime: at, now: at, trigger: 'Manual', evaluation: 'Batch' }
}

type Seconds = { readonly seconds: { readonly cpu: number } }

/** How many times the CPU seconds of `below` one took. */
export function ratio(above: Seconds, below: Seconds): number {
  return Math.round((above.seconds.cpu / below.seconds.cpu) * 100) / 100
}

type Measured = { readonly seconds: { readonly wall: number; readonly cpu: number }; readonly peakRssMiB: number }

/** Makes a first evaluation of so many Segments in a process of its own, so that the greatest memory is its own too. */
async function inOwnProcess(segments: number, folder: string, memoryLimit: string): Promise<Measured> {
  const own = spawn(process.execPath, [import.meta.filename, String(segments), folder, memoryLimit], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  own.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await once(own, 'close')
  return JSON.parse(said) as Measured // printed at the end of this file
}

async function evaluateMany(segments: number, folder: string, memoryLimit: string): Promise<Measured> {
  const plan = planOf(manyExpressions(segments), memoryLimit)
  rmSync(join(folder, 'membership'), { recursive: true, force: true })
  rmSync(join(folder, 'membership.json'), { force: true })
  const scratch = mkdtempSync(join(tmpdir(), 'convoke-bench-'))
  try {
    const input = inputOf(`bench-${segments}`, now)
    const { value, seconds } = await timed(() => steps.evaluate({ plan, input, ports: portsOf(folder, scratch) }))
    if (value.outcome !== 'Succeeded') throw new Error(JSON.stringify(value.error))
    return { seconds, peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Makes a data version in which this share of the profiles has a new event of the second day, as an ingest would leave it. */
async function appendDay(engine: Engine, root: string, share: number): Promise<void> {
  const before = readDataManifest(root)!
  const version = `${before.version}-next`
  mkdirSync(join(root, 'data', version), { recursive: true })
  const added: string[][] = []
  for (let bucket = 0; bucket < before.buckets; bucket++) {
    const path = `data/${version}/events-${bucket}.parquet`
    await engine.run(`COPY (SELECT "$profile", 'CustomerId' AS "$namespace", ${timestampLiteral(dayAfter(2))} - to_milliseconds((h % ${day})::BIGINT) AS "timestamp",
        ['view', 'cart', 'purchase'][1 + (h // 7 % 3)::INTEGER] AS "eventType", 60.0 AS total
      FROM (SELECT "$profile", hash("$profile") AS h FROM read_parquet(${literal(join(root, before.profiles[bucket]![0]!))})) WHERE h % 10000 < ${share * 10_000} ORDER BY 1, 3)
      TO ${literal(join(root, path))} (FORMAT parquet, COMPRESSION zstd)`)
    added.push([path])
  }
  const events = before.events.map((files, bucket) => [...files, ...added[bucket]!])
  commitData(root, { ...before, version, previous: before.version, events, touched: added }, false)
}

/** The ports of a step over a store in a folder. */
export function portsOf(folder: string, scratch: string): Ports {
  return {
    now: () => new Date(),
    claim: () => folder,
    secret: () => '',
    scratch,
    progress: () => {},
    database: () => null,
    signal: new AbortController().signal,
  }
}

export function planOf(
  some: readonly string[],
  memoryLimit: string,
  first = 0,
  evaluation: 'Batch' | 'Streaming' = 'Batch',
): JobPlan {
  const segments = some.map(
    (expression, index): Source => ({
      file: `segment-${index}.yaml`,
      text: JSON.stringify({
        apiVersion: 'convoke.dev/v1alpha1',
        kind: 'Segment',
        metadata: { name: `segment-${first + index}` },
        spec: { profileStoreRef: { name: 'retail' }, expression, evaluation },
      }),
    }),
  )
  const text = `apiVersion: convoke.dev/v1alpha1
kind: Organization
metadata: {name: acme}
spec: {imsOrgId: 9A1B2C3D4E5F60718293A4B5@AdobeOrg, entitlements: [RealTimeCDP, Sources, Destinations], productContexts: [Campaign]}
---
apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: {name: retail}
spec:
  organizationRef: {name: acme}
  schema:
    profile:
      type: object
      properties:
        customerId: {type: string}
        person: {type: object, properties: {firstName: {type: string}}}
        homeAddress: {type: object, properties: {countryCode: {type: string}}}
        loyalty: {type: object, properties: {tier: {type: string}, points: {type: integer}, joinedAt: {type: string, format: date-time}}}
        optOut: {type: boolean}
    event:
      type: object
      properties: {timestamp: {type: string, format: date-time}, eventType: {type: string}, total: {type: number}}
  identities: [{namespace: CustomerId, path: customerId, primary: true}]
  storage: {volume: {claimName: profile-store}}
  engine: {type: DuckDB, duckDB: {threads: 2, memoryLimit: ${memoryLimit}}}
`
  const compilation = compile([{ file: 'store.yaml', text }, ...segments])
  const errors = compilation.diagnostics.filter(({ severity }) => severity === 'error')
  const plan = compilation.plans.find(({ target }) => target.kind === 'ProfileStore')
  if (!plan?.evaluate || errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'))
  return plan
}

export function storeOf(plan: JobPlan): NonNullable<JobPlan['store']> {
  if (!plan.store) throw new Error('The plan has no store.')
  return plan.store
}

type Timed<T> = { readonly value: T; readonly seconds: { readonly wall: number; readonly cpu: number } }

/** Wall and CPU seconds of the whole process; on a busy machine only CPU seconds can be compared. */
export async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  const started = performance.now()
  const before = process.cpuUsage()
  const value = await work()
  const { user, system } = process.cpuUsage(before)
  return {
    value,
    seconds: { wall: Math.round(performance.now() - started) / 1000, cpu: Math.round((user + system) / 1000) / 1000 },
  }
}

/** Writes the store's Parquet files bucket by bucket; profiles with a low number have more events. */
export async function generate(engine: Engine, root: string, profiles: number, events: number): Promise<void> {
  if (existsSync(join(root, 'data.json'))) return
  rmSync(root, { recursive: true, force: true })
  const buckets = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(profiles / profilesPerBucket, events / 1_000_000))))
  const files = { profiles: [] as string[][], events: [] as string[][] }
  mkdirSync(join(root, 'data', 'bench'), { recursive: true })
  await engine.run(
    `CREATE TEMP TABLE ids AS SELECT id, ${bucketSql('id', buckets)} AS bucket, i FROM (SELECT 'p' || i AS id, i FROM range(${profiles}) t(i))`,
  )
  for (let bucket = 0; bucket < buckets; bucket++) {
    const path = (kind: string) => `data/bench/${kind}-${bucket}.parquet`
    const copy = (kind: string, select: string) =>
      engine.run(`COPY (${select}) TO ${literal(join(root, path(kind)))} (FORMAT parquet, COMPRESSION zstd)`)
    await copy(
      'profiles',
      `SELECT id AS "$profile", id AS "customerId", chr(97 + (h % 26)::INTEGER) || chr(97 + (h // 26 % 5)::INTEGER) || 'na' AS "person.firstName",
        ['DE', 'AT', 'CH', 'FR', 'IT', 'ES', 'US', 'PL'][1 + (h // 7 % 8)::INTEGER] AS "homeAddress.countryCode",
        CASE WHEN h % 5 > 0 THEN ['bronze', 'silver', 'gold'][1 + (h // 11 % 3)::INTEGER] END AS "loyalty.tier",
        (h // 13 % 10000)::BIGINT AS "loyalty.points",
        ${timestampLiteral(now)} - to_hours((h // 17 % 20000)::INTEGER) AS "loyalty.joinedAt", h % 10 = 0 AS "optOut"
      FROM (SELECT id, hash(i) AS h FROM ids WHERE bucket = ${bucket}) ORDER BY 1`,
    )
    // Each bucket has its share of the events, spread by a square: a few profiles have many.
    await copy(
      'events',
      `WITH own AS (SELECT id, row_number() OVER (ORDER BY i) - 1 AS n FROM ids WHERE bucket = ${bucket}),
        drawn AS (SELECT h, floor(pow((h // 97 % 1000003) / 1000003.0, 2) * (SELECT count(*) FROM own))::BIGINT AS n FROM (SELECT hash(e * ${buckets} + ${bucket}) AS h FROM range(${Math.round(events / buckets)}) t(e)))
      SELECT own.id AS "$profile", 'CustomerId' AS "$namespace", ${timestampLiteral(now)} - to_milliseconds((h // 1000 % ${180 * 86_400_000})::BIGINT) AS "timestamp",
        ['view', 'view', 'view', 'cart', 'purchase', 'open', 'click'][1 + (h % 7)::INTEGER] AS "eventType",
        CASE WHEN h % 7 = 4 THEN (h // 31 % 12000) / 100 END AS total
      FROM drawn JOIN own USING (n) ORDER BY 1, 3`,
    )
    files.profiles.push([path('profiles')])
    files.events.push([path('events')])
  }
  await engine.run('DROP TABLE ids')
  const manifest: DataManifest = {
    version: 'bench',
    previous: null,
    buckets,
    profiles: files.profiles,
    events: files.events,
    leftOutProfiles: files.profiles.map(() => []),
    identities: null,
    normalizesByNamespace: true,
    merged: { records: [], definition: '' },
    profileCount: profiles,
    eventCount: events,
    sources: {},
    leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
  }
  commitData(root, manifest, false)
}

/** Reads the columns that the Segments need, and nothing more. */
export async function scan(engine: Engine, root: string, data: DataManifest, plan: JobPlan): Promise<void> {
  const store = storeOf(plan)
  const query = plan.evaluate?.full
  for (let bucket = 0; bucket < data.buckets; bucket++) {
    for (const [of, paths, sql] of [
      [store.profile, query?.profileColumns ?? [], profilesSql],
      [store.event, query?.eventColumns ?? [], eventsSql],
    ] as const) {
      const columns = of.filter(({ path }) => paths.includes(path))
      const read = ['$profile', ...columns.map(({ path }) => path)].map((path) => `max(${identifier(path)})`)
      await engine.rows(`SELECT ${read.join(', ')} FROM (${sql(data, root, bucket, columns)})`)
    }
  }
}

async function countMembers(
  engine: Engine,
  root: string,
  data: DataManifest,
  plan: JobPlan,
): Promise<Record<string, number>> {
  const store = storeOf(plan)
  const query = plan.evaluate?.full
  if (!query) throw new Error('The plan evaluates nothing.')
  const columns = (of: typeof store.profile, paths: readonly string[]) => of.filter(({ path }) => paths.includes(path))
  const counts: Record<string, number> = {}
  for (let bucket = 0; bucket < data.buckets; bucket++) {
    await engine.run(`CREATE OR REPLACE TEMP VIEW profiles AS ${profilesSql(data, root, bucket, columns(store.profile, query.profileColumns))};
      CREATE OR REPLACE TEMP VIEW events AS ${eventsSql(data, root, bucket, columns(store.event, query.eventColumns))}`)
    const [row] =
      await engine.rows(`SELECT ${query.segments.map((name) => `count_if(${identifier(name)}) AS ${identifier(name)}`).join(', ')}
      FROM (${query.duckdb.replaceAll('$now', () => timestampLiteral(now))})`)
    for (const name of query.segments) counts[name] = (counts[name] ?? 0) + Number(row?.[name])
  }
  return counts
}

if (process.argv[1] === import.meta.filename) {
  const [segments, folder, memoryLimit] = process.argv.slice(2)
  console.log(JSON.stringify(await evaluateMany(Number(segments), folder!, memoryLimit!)))
}
