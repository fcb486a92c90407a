import type { Column, DataType, StorePlan } from '#crds'
import { type Engine, identifier, literal, openDuckDB, readParquet } from './engines/duckdb.ts'
import { JobError } from './errors.ts'
import { identityRulesOf, identitySql } from './merge/identities.ts'
import type { Ports } from './ports.ts'
import {
  bucketSql,
  type DataManifest,
  eventsSql,
  type MembershipManifest,
  membersSql,
  profilesSql,
  readDataManifest,
  readMembershipManifest,
  storeRootOf,
} from './profile-store.ts'

export type FoundPerson = {
  /** Profile id of the store. */
  readonly id: string
  /** Shaped as in the union schema, with times in RFC 3339. */
  readonly attributes: { readonly [name: string]: unknown }
  readonly events: readonly { readonly [name: string]: unknown }[]
  /**
   * Why segmentation leaves this profile out (`eventsPerProfile`, `identitiesPerProfile`), which then has no data; null: it is not left
   * out.
   */
  readonly leftOut: string | null
  /** The Segments asked for that the profile is or was in, at the last evaluation. */
  readonly memberships: readonly {
    readonly segment: string
    readonly isMember: boolean
    /** Since when the profile has been in the Segment, or out of it. RFC 3339. */
    readonly since: string
  }[]
  /** When each Segment was last evaluated; one that never was is missing. */
  readonly evaluatedAt: ReadonlyMap<string, string>
}

export type PersonSearch =
  | { readonly kind: 'found'; readonly person: FoundPerson }
  /** Ids of the profiles that have the identity: none, or several where profiles are not stitched. */
  | { readonly kind: 'not one'; readonly ids: readonly string[] }

/**
 * One person of a store's current data, by a value of the primary identity or by `Namespace:value` of any. Reads only the given columns,
 * and the memberships in the named Segments.
 */
export async function findPerson(
  store: StorePlan,
  who: string,
  segments: readonly string[],
  ports: Ports,
): Promise<PersonSearch> {
  const root = storeRootOf(store, ports)
  const data = readDataManifest(root)
  if (!data) throw new JobError('NotEvaluated', `The ProfileStore ${store.name} holds no data yet; run it first.`)
  const membership = readMembershipManifest(root)
  await using engine = await openDuckDB(store, ports)
  const ids = await idsOf(engine, store, root, data, who)
  if (ids.length !== 1) return { kind: 'not one', ids }
  return { kind: 'found', person: await read(engine, store, ids[0]!, segments, { root, data, membership }) }
}

/** Ids of the profiles that `who` may mean, in order. */
async function idsOf(
  engine: Engine,
  store: StorePlan,
  root: string,
  data: DataManifest,
  who: string,
): Promise<readonly string[]> {
  const primary = store.identities.find((identity) => identity.primary)
  const named = store.identities.find(({ namespace }) => who.startsWith(`${namespace}:`))
  const identity = named ?? primary
  if (!identity) return []
  const rule = identityRulesOf(store, data).find(({ namespace }) => namespace === identity.namespace)! // there is one for each identity
  const given = named ? who.slice(named.namespace.length + 1) : who
  const [asked] = await engine.rows(`SELECT ${identitySql(rule, literal(given))} AS value`)
  if (asked?.['value'] == null) return [] // it stands for nobody
  const value = String(asked['value'])
  if (data.identities !== null) {
    const node = literal(`${identity.namespace}:${value}`)
    const rows = await engine.rows(`SELECT profile FROM ${readParquet(root, [data.identities])} WHERE node = ${node}`)
    if (rows.length > 0) return rows.map(({ profile }) => String(profile))
  }
  // The id of a profile that only events know is that identity; for the primary namespace the bare value.
  const own = identity === primary ? value : `${identity.namespace}:${value}`
  const found = new Set<string>()
  const buckets = Array.from({ length: data.buckets }, (_, bucket) => bucket)
  const column: Column = store.profile.find(({ path }) => path === identity.path) ?? {
    path: identity.path,
    type: 'string',
  }
  for (const bucket of identity === primary ? [await bucketOf(engine, own, data)] : buckets) {
    const rows = await engine.rows(
      `SELECT "$profile" FROM (${profilesSql(data, root, bucket, [column])}) WHERE "$profile" = ${literal(own)} OR ${identitySql(rule, identifier(column.path))} = ${literal(value)}
       UNION SELECT "$profile" FROM ${leftOutSql(data, root, bucket)} WHERE "$profile" = ${literal(own)}`,
    )
    for (const row of rows) found.add(String(row['$profile']))
  }
  return [...found].sort()
}

async function read(
  engine: Engine,
  store: StorePlan,
  id: string,
  segments: readonly string[],
  { root, data, membership }: { root: string; data: DataManifest; membership: MembershipManifest | null },
): Promise<FoundPerson> {
  const bucket = await bucketOf(engine, id, data)
  const rowsOf = async (sql: string, columns: readonly Column[]) => {
    const fields = columns.map(({ path }) => `to_json(${identifier(path)})::VARCHAR AS ${identifier(path)}`)
    const rows = await engine.rows(
      `SELECT ${['"$profile"', ...fields].join(', ')} FROM (${sql}) WHERE "$profile" = ${literal(id)}`,
    )
    return rows.map((row) => objectOf(row, columns))
  }
  const [attributes = {}] = await rowsOf(profilesSql(data, root, bucket, store.profile), store.profile)
  const events = await rowsOf(eventsSql(data, root, bucket, store.event), store.event)
  const [left] = await engine.rows(
    `SELECT reason FROM ${leftOutSql(data, root, bucket)} WHERE "$profile" = ${literal(id)}`,
  )
  const memberBucket = membership ? await bucketOf(engine, id, membership) : 0
  const members = membership
    ? await engine.rows(
        `SELECT segment, realized, since FROM (${membersSql(membership, root, memberBucket, segments)}) WHERE "$profile" = ${literal(id)} ORDER BY segment`,
      )
    : []
  const evaluated = (membership?.segments ?? []).filter(({ segment }) => segments.includes(segment))
  return {
    id,
    attributes,
    events,
    leftOut: left ? String(left['reason']) : null,
    memberships: members.map(({ segment, realized, since }) => ({
      segment: String(segment),
      isMember: realized === true,
      since: since instanceof Date ? since.toISOString() : String(since),
    })),
    evaluatedAt: new Map(evaluated.map(({ segment, evaluatedAt }) => [segment, evaluatedAt])),
  }
}

/** SELECT of "$profile" and reason of profiles left out. */
function leftOutSql(data: DataManifest, root: string, bucket: number): string {
  const files = data.leftOutProfiles[bucket] ?? []
  return files.length === 0
    ? `(SELECT NULL::VARCHAR AS "$profile", NULL::VARCHAR AS reason WHERE false)`
    : readParquet(root, files)
}

async function bucketOf(engine: Engine, id: string, { buckets }: { readonly buckets: number }): Promise<number> {
  const [row] = await engine.rows(`SELECT ${bucketSql(literal(id), buckets)} AS bucket`)
  return Number(row?.['bucket'])
}

/** A row of columns in JSON, as an object nested by the parts of dotted paths; absent values are left out. */
function objectOf(
  row: Readonly<Record<string, unknown>>,
  columns: readonly Column[],
): { readonly [name: string]: unknown } {
  const object: Record<string, unknown> = {}
  for (const { path, type } of columns) {
    const json = row[path]
    if (typeof json !== 'string') continue
    const value = inRfc3339(JSON.parse(json), type)
    if (value === null) continue
    const names = path.split('.')
    const last = names.pop()!
    let place = object
    for (const name of names) place = (place[name] ??= {}) as Record<string, unknown> // columns are leaves: what is on the way is an object
    place[last] = value
  }
  return object
}

/** DuckDB's JSON writes a timestamp as `2026-01-15 10:30:00`, in UTC. */
function inRfc3339(value: unknown, type: DataType): unknown {
  if (value === null || value === undefined) return null
  if (type === 'timestamp') return `${String(value).replace(' ', 'T')}Z`
  if (typeof type !== 'object') return value
  if ('items' in type) return Array.isArray(value) ? value.map((item) => inRfc3339(item, type.items)) : null
  const entries = Object.entries(value as object) // DuckDB makes objects of maps and structs
  if ('values' in type) return Object.fromEntries(entries.map(([key, item]) => [key, inRfc3339(item, type.values)]))
  return Object.fromEntries(entries.map(([key, item]) => [key, inRfc3339(item, type.fields[key] ?? 'string')]))
}
