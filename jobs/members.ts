import type { Column, MembershipQuery, StorePlan } from '#crds'
import { fileLiteral, identifier, literal } from './engines/duckdb.ts'
import { JobError } from './errors.ts'
import { changesSql, membersSql } from './memberships.ts'
import { atInstant, columnsOf, type OpenStore, relationsSql } from './open-store.ts'
import { bucketSql, type MembershipManifest, profilesSql, readMembershipVersion } from './profile-store.ts'

/** What is asked of a Segment's members: their ids, since when, and the values of these profile columns only. */
export type MembersAsked = { readonly segment: string; readonly attributes: readonly Column[] }

export type Member = {
  readonly profile: string
  /** RFC 3339. */
  readonly since: string
  /** Values as text, in the order asked for; null: absent. */
  readonly values: readonly (string | null)[]
}

/** The members of a Segment at the last evaluation: the first ones in order of id, and how many there are. */
export async function readMembers(
  open: OpenStore,
  asked: MembersAsked,
  most: number,
): Promise<{ readonly total: number; readonly members: readonly Member[] }> {
  const rows = await open.engine.rows(
    `SELECT *, count(*) OVER () AS total FROM (${membersSelect(open, asked)}) ORDER BY profile LIMIT ${most}`,
  )
  const [count] =
    rows.length === 0 ? await open.engine.rows(`SELECT count(*) AS total FROM (${membersSelect(open, asked)})`) : rows
  return {
    total: Number(count?.['total'] ?? 0),
    members: rows.map((row) => ({
      profile: String(row['profile']),
      since: row['since'] instanceof Date ? row['since'].toISOString() : String(row['since']),
      values: asked.attributes.map(({ path }) => cellText(row[path])),
    })),
  }
}

function cellText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return value instanceof Date ? value.toISOString() : String(value)
}

const formats = {
  csv: 'FORMAT csv, HEADER true',
  parquet: 'FORMAT parquet',
  json: 'FORMAT json, ARRAY true',
} as const

export type MembersFormat = keyof typeof formats

/** Writes all members to a file on this machine; returns how many there are. */
export async function writeMembers(
  open: OpenStore,
  asked: MembersAsked,
  format: MembersFormat,
  path: string,
): Promise<number> {
  const select = `SELECT profile, since${asked.attributes.map(({ path: each }) => `, ${identifier(each)}`).join('')} FROM (${membersSelect(open, asked)}) ORDER BY profile`
  const rows = await open.engine.rows(`COPY (${select}) TO ${fileLiteral(path)} (${formats[format]})`)
  return Number(rows[0]?.['Count'] ?? 0)
}

/** SELECT of profile, since and the columns; lists and objects as JSON. Throws JobError NotEvaluated. */
function membersSelect({ membership, data, root }: OpenStore, { segment, attributes }: MembersAsked): string {
  if (!membership?.segments.some((each) => each.segment === segment))
    throw new JobError('NotEvaluated', `The Segment ${segment} has not been evaluated yet; run its store first.`)
  const values = attributes.map(({ path, type }) =>
    typeof type === 'object'
      ? `to_json(p.${identifier(path)})::VARCHAR AS ${identifier(path)}`
      : `p.${identifier(path)}`,
  )
  const buckets = Array.from({ length: membership.buckets }, (_, bucket) => bucket)
  return buckets
    .map((bucket) => {
      const members = `SELECT "$profile", since FROM (${membersSql(membership, root, bucket, [segment])}) WHERE realized`
      if (attributes.length === 0) return `SELECT "$profile" AS profile, since FROM (${members})`
      return `SELECT m."$profile" AS profile, m.since, ${values.join(', ')} FROM (${members}) AS m LEFT JOIN (${profilesSql(data, root, bucket, attributes)}) AS p USING ("$profile")`
    })
    .join(' UNION ALL ')
}

export type Transition = { readonly at: string; readonly segment: string; readonly change: 'entered' | 'exited' }

/** When a profile entered and left Segments, oldest first, as far as the store remembers. */
export async function transitionsOf(
  { engine, membership, root }: OpenStore,
  profile: string,
): Promise<readonly Transition[]> {
  if (!membership) return []
  const found: Transition[] = []
  const read = async (sql: string | null) => {
    if (sql === null) return
    const rows = await engine.rows(`SELECT segment, change, "at" AS moment FROM (${sql}) ORDER BY moment, segment`)
    found.unshift(
      ...rows.map(({ segment, change, moment }) => ({
        at: moment instanceof Date ? moment.toISOString() : String(moment),
        segment: String(segment),
        change: change === 'entered' ? ('entered' as const) : ('exited' as const),
      })),
    )
  }
  const [row] = await engine.rows(`SELECT ${bucketSql(literal(profile), membership.buckets)} AS bucket`)
  if (membership.log !== undefined)
    await read(changesSql(membership, root, { profile, buckets: [Number(row?.['bucket'])] }))
  // Versions without a log hold their changes themselves.
  const { log, formerly } = membership
  let manifest: MembershipManifest | null = log === undefined ? membership : null
  if (formerly !== undefined) manifest = readMembershipVersion(root, formerly)
  while (manifest !== null) {
    await read(changesSql(manifest, root, { profile }))
    manifest = manifest.previous === null ? null : readMembershipVersion(root, manifest.previous)
  }
  return found
}

/** How many of the people for whom a query holds have which value of one profile column, the most frequent first; null: absent. */
export async function countValues(
  open: OpenStore,
  store: StorePlan,
  query: MembershipQuery,
  now: string,
  column: Column,
): Promise<readonly { readonly value: string | null; readonly people: number }[]> {
  const counts = new Map<string | null, number>()
  const holds = identifier(query.segments[0] ?? '')
  // A person with several values in a list counts for each.
  const values =
    typeof column.type === 'object' && 'items' in column.type
      ? `unnest(CASE WHEN len(p.${identifier(column.path)}) > 0 THEN list_distinct(p.${identifier(column.path)}) ELSE [NULL] END)`
      : `p.${identifier(column.path)}`
  for (let bucket = 0; bucket < open.data.buckets; bucket += 1) {
    const relations = relationsSql(store, query, [column.path], open, bucket).join(', ')
    const rows = await open.engine.rows(
      `WITH ${relations} SELECT value::VARCHAR AS value, count(*) AS people FROM (SELECT ${values} AS value FROM (${atInstant(query, now)}) AS q JOIN profiles AS p USING ("$profile") WHERE q.${holds}) GROUP BY 1`,
    )
    for (const { value, people } of rows) {
      const key = cellText(value)
      counts.set(key, (counts.get(key) ?? 0) + Number(people))
    }
  }
  return [...counts].map(([value, people]) => ({ value, people })).sort((a, b) => b.people - a.people)
}

/** Values of profile columns of a few profiles, as text, by profile id. */
export async function valuesOf(
  { engine, data, root }: OpenStore,
  store: StorePlan,
  profiles: readonly string[],
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly (string | null)[]>> {
  const found = new Map<string, readonly (string | null)[]>()
  const columns = columnsOf(store.profile, paths)
  if (profiles.length === 0 || columns.length === 0) return found
  const ids = profiles.map(literal).join(', ')
  for (let bucket = 0; bucket < data.buckets; bucket += 1) {
    const rows = await engine.rows(
      `SELECT "$profile", ${columns.map(({ path }) => `to_json(${identifier(path)})::VARCHAR AS ${identifier(path)}`).join(', ')} FROM (${profilesSql(data, root, bucket, columns)}) WHERE "$profile" IN (${ids})`,
    )
    for (const row of rows)
      found.set(
        String(row['$profile']),
        paths.map((path) => cellText(row[path])?.replace(/^"(.*)"$/s, '$1') ?? null),
      )
  }
  return found
}
