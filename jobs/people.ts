import type { ExportPlan, MembershipQuery, StorePlan } from '#crds'
import { identifier, literal } from './engines/duckdb.ts'
import { cellSql } from './export/csv-line.ts'
import { atInstant, type OpenStore, relationsSql } from './open-store.ts'
import {
  eventsSql,
  type MembershipManifest,
  membershipRowsSql,
  membersSql,
  profilesSql,
  readMembershipVersion,
  slotsPerWord,
} from './profile-store.ts'

export type PeopleCount = {
  /** How many people are in any of the Segments. */
  readonly members: number
  /** How many of them were in none at the evaluation before, and how many people left all of them since. null: there was none before. */
  readonly came: number | null
  readonly went: number | null
}

/** How many people several Segments hold together, each counted once. */
export async function countPeople(
  { engine, membership, root }: OpenStore,
  segments: readonly string[],
): Promise<PeopleCount> {
  const earlier = membership?.previous ?? null
  const before = earlier === null ? null : readMembershipVersion(root, earlier)
  const isComparable = before !== null && before.buckets === membership?.buckets
  let [members, came, went] = [0, 0, 0]
  for (let bucket = 0; bucket < (membership?.buckets ?? 0); bucket += 1) {
    const now = inAnySql(membership!, root, bucket, segments)
    const then = isComparable ? inAnySql(before, root, bucket, segments) : nobodySql
    const [row] = await engine.rows(
      `SELECT count(n."$profile") AS members, count(*) FILTER (WHERE b."$profile" IS NULL) AS came, count(*) FILTER (WHERE n."$profile" IS NULL) AS went
       FROM (${now}) AS n FULL JOIN (${then}) AS b USING ("$profile")`,
    )
    members += Number(row?.['members'] ?? 0)
    came += Number(row?.['came'] ?? 0)
    went += Number(row?.['went'] ?? 0)
  }
  return isComparable ? { members, came, went } : { members, came: null, went: null }
}

const nobodySql = 'SELECT NULL::VARCHAR AS "$profile" WHERE false'

/** SELECT of "$profile" of a bucket's people who are in any of the Segments. */
function inAnySql(membership: MembershipManifest, root: string, bucket: number, segments: readonly string[]): string {
  const rows = membershipRowsSql(membership, root, bucket)
  const wanted = new Set(segments)
  const bits = membership.segments.filter(({ segment }) => wanted.has(segment)).map(({ slot }) => slot)
  if (rows === null || bits.length === 0) return nobodySql
  const words = Map.groupBy(bits, (slot) => Math.floor(slot / slotsPerWord))
  const tests = [...words].map(
    ([word, slots]) =>
      `m${word} & ${slots.reduce((mask, slot) => mask | (1n << BigInt(slot % slotsPerWord)), 0n)} <> 0`,
  )
  return `SELECT "$profile" FROM (${rows}) WHERE ${tests.join(' OR ')}`
}

export type Overlap = { readonly segments: readonly string[]; readonly shared: readonly (readonly number[])[] }

/** How many people every two Segments share; on the diagonal, how many each has. */
export async function overlapOf(
  { engine, membership, root }: OpenStore,
  segments: readonly string[],
): Promise<Overlap> {
  const index = new Map(segments.map((segment, at) => [segment, at]))
  const shared = segments.map(() => segments.map(() => 0))
  for (let bucket = 0; bucket < (membership?.buckets ?? 0); bucket += 1) {
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE overlapping AS SELECT "$profile", segment FROM (${membersSql(membership!, root, bucket, segments)}) WHERE realized`,
    )
    const rows = await engine.rows(
      `SELECT a.segment AS a, b.segment AS b, count(*) AS people FROM overlapping AS a JOIN overlapping AS b USING ("$profile") GROUP BY a.segment, b.segment`,
    )
    for (const { a, b, people } of rows)
      shared[index.get(String(a)) ?? 0]![index.get(String(b)) ?? 0]! += Number(people)
  }
  return { segments, shared }
}

/**
 * For how many people each condition of a query holds at an instant, over the store's current data; Segments that it refers to are as at
 * the last evaluation.
 */
export async function countConditions(
  open: OpenStore,
  store: StorePlan,
  query: MembershipQuery,
  now: string,
): Promise<readonly number[]> {
  const counts = query.segments.map(() => 0)
  const sums = query.segments.map((name, at) => `count(*) FILTER (WHERE ${identifier(name)}) AS c${at}`)
  for (let bucket = 0; bucket < open.data.buckets; bucket += 1) {
    const [row] = await open.engine.rows(
      `WITH ${relationsSql(store, query, [], open, bucket).join(', ')} SELECT ${sums.join(', ')} FROM (${atInstant(query, now)})`,
    )
    for (const at of counts.keys()) counts[at]! += Number(row?.[`c${at}`] ?? 0)
  }
  return counts
}

/**
 * How many of the people for whom a query holds at an instant are in each of the Segments at the last evaluation, most first; Segments
 * with none of them are listed too.
 */
export async function countShared(
  open: OpenStore,
  store: StorePlan,
  query: MembershipQuery,
  now: string,
  segments: readonly string[],
): Promise<readonly { readonly segment: string; readonly people: number }[]> {
  const { engine, data, membership, root } = open
  const counts = new Map(segments.map((segment) => [segment, 0]))
  const holds = identifier(query.segments[0] ?? '')
  const isKnown = membership !== null && membership.buckets === data.buckets
  for (let bucket = 0; isKnown && segments.length > 0 && bucket < data.buckets; bucket += 1) {
    const relations = relationsSql(store, query, [], open, bucket).join(', ')
    const rows = await engine.rows(
      `WITH ${relations}, asked AS (SELECT "$profile" FROM (${atInstant(query, now)}) WHERE ${holds})
       SELECT segment, count(*) AS people FROM (${membersSql(membership, root, bucket, segments)}) JOIN asked USING ("$profile") WHERE realized GROUP BY segment`,
    )
    for (const { segment, people } of rows)
      counts.set(String(segment), (counts.get(String(segment)) ?? 0) + Number(people))
  }
  return [...counts].map(([segment, people]) => ({ segment, people })).sort((a, b) => b.people - a.people)
}

/** How many members of each Segment, who may be sent, lack a value that an Activation needs, by Campaign's column; the first empty one. */
export async function countIncomplete(
  { engine, data, membership, root }: OpenStore,
  { columns, consent }: Pick<ExportPlan, 'columns' | 'consent'>,
  segments: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const found = new Map<string, Map<string, number>>()
  const needed = columns.filter(({ mandatory, deduplicationKey }) => mandatory || deduplicationKey)
  if (needed.length === 0 || !membership || data.buckets !== membership.buckets) return found
  const asked = [...needed.map(({ source, type }) => ({ path: source, type })), ...(consent?.columns ?? [])]
  const paths = new Map(asked.map((column) => [column.path, column]))
  const maySend = consent ? `WHERE NOT ${consent.withoutConsent}` : ''
  const first = needed.map((column) => `WHEN ${cellSql(column)} IS NULL THEN ${literal(column.target)}`).join(' ')
  for (let bucket = 0; bucket < data.buckets; bucket += 1) {
    const rows = await engine.rows(
      `SELECT segment, missing, count(*) AS people FROM (${membersSql(membership, root, bucket, segments)}) AS m
       JOIN (SELECT "$profile", CASE ${first} END AS missing FROM (${profilesSql(data, root, bucket, [...paths.values()])}) ${maySend}) AS p USING ("$profile")
       WHERE realized AND missing IS NOT NULL GROUP BY segment, missing`,
    )
    for (const { segment, missing, people } of rows) {
      const own = found.get(String(segment)) ?? new Map<string, number>()
      own.set(String(missing), (own.get(String(missing)) ?? 0) + Number(people))
      found.set(String(segment), own)
    }
  }
  return found
}

/** The most events that one person has, and the time of each Dataset's newest event. */
export type LargestRecords = { readonly eventsOfOnePerson: number; readonly newestEvents: ReadonlyMap<string, string> }

/** Finds both from the files' own statistics, where those tell. */
export async function largestRecords({ engine, data, root }: OpenStore): Promise<LargestRecords> {
  let eventsOfOnePerson = 0
  for (let bucket = 0; bucket < data.buckets; bucket += 1) {
    const [row] = await engine.rows(
      `SELECT max(events) AS most FROM (SELECT count(*) AS events FROM (${eventsSql(data, root, bucket, [])}) GROUP BY "$profile")`,
    )
    eventsOfOnePerson = Math.max(eventsOfOnePerson, Number(row?.['most'] ?? 0))
  }
  const newestEvents = new Map<string, string>()
  for (const [dataset, { files }] of Object.entries(data.sources)) {
    const records = Object.values(files).flatMap((file) => file.records)
    if (records.length === 0) continue
    const list = records.map((file) => literal(`${root}/${file}`)).join(', ')
    // A Dataset of profiles has no event time, and a missing column is no reason to fail.
    const rows = await engine
      .rows(`SELECT max(timestamp) AS newest FROM read_parquet([${list}], union_by_name = true)`)
      .catch(() => [])
    const newest = rows[0]?.['newest']
    if (newest instanceof Date) newestEvents.set(dataset, newest.toISOString())
  }
  return { eventsOfOnePerson, newestEvents }
}
