// What a membership version says of a bucket: who is in which Segment, since when, and what has changed. Bits are read from words, times
// and changes from the log: a bit without a row in the log is as it was when its Segment was first evaluated.
import { literal, readParquet, timestampLiteral } from './engines/duckdb.ts'
import type { MembershipManifest, MembershipSegment } from './profile-store.ts'

export const slotsPerWord = 60

/** SQL over a membership row: whether the bit of the slot is set. */
export function bitSql(slot: number): string {
  return `((m${wordOf(slot)} >> ${slot % slotsPerWord}) & 1 = 1)`
}

export function wordOf(slot: number): number {
  return Math.floor(slot / slotsPerWord)
}

/** Numbers of the words that hold a slot, ascending. */
export function wordsOf(segments: readonly { readonly slot: number }[]): readonly number[] {
  return [...new Set(segments.map(({ slot }) => wordOf(slot)))].sort((a, b) => a - b)
}

/** The bits of these Segments in one word, as a BIGINT. */
export function maskOf(segments: readonly { readonly slot: number }[], word: number): string {
  return segments
    .filter(({ slot }) => wordOf(slot) === word)
    .reduce((mask, { slot }) => mask | (1n << BigInt(slot % slotsPerWord)), 0n)
    .toString()
}

/**
 * SELECT of a bucket's memberships in the named Segments: "$profile", segment VARCHAR, realized BOOLEAN, since TIMESTAMP; one row for
 * each profile that is (realized) or was (not realized) in the Segment. A Segment that the version does not know has no rows. `among`:
 * SELECT of the "$profile" of those who are asked for; null: all.
 */
export function membersSql(
  manifest: MembershipManifest,
  root: string,
  bucket: number,
  segments: readonly string[],
  among: string | null = null,
): string {
  const asked = new Set(segments)
  const wanted = manifest.segments.filter(({ segment }) => asked.has(segment))
  const rows = membershipRowsSql(manifest, root, bucket)
  const log = manifest.log === undefined ? [] : (manifest.log[bucket] ?? [])
  if (wanted.length === 0 || (rows === null && log.length === 0))
    return `SELECT NULL::VARCHAR AS "$profile", NULL::VARCHAR AS segment, NULL::BOOLEAN AS realized, NULL::TIMESTAMP AS since WHERE false`
  const entries = wanted.map(
    (segment) =>
      `{segment: ${literal(segment.segment)}, realized: ${heldSql(segment)}, since: ${sinceSql(manifest, bucket, segment)}}`,
  )
  return `SELECT "$profile", m.segment, m.realized, m.since FROM (
    SELECT "$profile", unnest([${entries.join(', ')}]) AS m FROM (${withTimes(manifest, root, bucket, wanted, rows, among)})
  ) WHERE m.since IS NOT NULL`
}

/**
 * SELECT of a bucket's "$profile" and what each of the Segments says of it: rN BOOLEAN, whether it is in the N-th, and sN TIMESTAMP, since
 * when it is or is not; null where it never was, and for a Segment that the version does not know.
 */
export function statusesSql(
  manifest: MembershipManifest,
  root: string,
  bucket: number,
  segments: readonly string[],
): string {
  const known = new Map(manifest.segments.map((segment) => [segment.segment, segment]))
  const wanted = segments.flatMap((name) => known.get(name) ?? [])
  const columns = segments.flatMap((name, index) => {
    const segment = known.get(name)
    return segment
      ? [`${heldSql(segment)} AS r${index}`, `${sinceSql(manifest, bucket, segment)} AS s${index}`]
      : [`false AS r${index}`, `NULL::TIMESTAMP AS s${index}`]
  })
  const rows = membershipRowsSql(manifest, root, bucket)
  return `SELECT ${['"$profile"', ...columns].join(', ')} FROM (${withTimes(manifest, root, bucket, wanted, rows)})`
}

/** SQL over a row of `withTimes`: whether the profile is in the Segment. */
function heldSql({ slot }: MembershipSegment): string {
  return `coalesce(${bitSql(slot)}, false)`
}

/** SQL over a row of `withTimes`: since when it is or is not; null where it never was. */
function sinceSql({ log }: MembershipManifest, bucket: number, segment: MembershipSegment): string {
  if (log === undefined) return `t${segment.slot}`
  const changed = (log[bucket] ?? []).length === 0 ? 'NULL::TIMESTAMP' : `l${segment.slot}`
  return `coalesce(${changed}, CASE WHEN ${heldSql(segment)} THEN ${firstOf(segment)} END)`
}

/** SELECT of "$profile", the words, and in lN when the status in slot N last changed. */
function withTimes(
  manifest: MembershipManifest,
  root: string,
  bucket: number,
  wanted: readonly MembershipSegment[],
  rows: string | null,
  among: string | null = null,
): string {
  const some = (sql: string): string =>
    among === null ? sql : `SELECT own.* FROM (${sql}) AS own SEMI JOIN (${among}) USING ("$profile")`
  const known = some(rows ?? noRowsSql(manifest))
  const log = manifest.log?.[bucket] ?? []
  if (log.length === 0 || wanted.length === 0) return known
  const words = wordsOf(wanted)
  const times = wanted.map((segment) => `max("at") FILTER (WHERE ${changedSql(segment)}) AS l${segment.slot}`)
  const any = words.map((word) => `(e${word} | x${word}) & ${maskOf(wanted, word)} <> 0`)
  const changes = `SELECT "$profile" AS owner, ${times.join(', ')} FROM (${some(logSql(root, log, words))}) WHERE ${any.join(' OR ')} GROUP BY 1`
  return `SELECT coalesce(r."$profile", l.owner) AS "$profile", r.* EXCLUDE ("$profile"), l.* EXCLUDE (owner) FROM (${known}) AS r FULL JOIN (${changes}) AS l ON l.owner = r."$profile"`
}

/** SQL over a row of the log: whether it changed the Segment's status, and not that of an earlier one in its slot. */
function changedSql(segment: Pick<MembershipSegment, 'slot' | 'from'>): string {
  const word = wordOf(segment.slot)
  return `v >= ${segment.from ?? 0} AND ((e${word} | x${word}) >> ${segment.slot % slotsPerWord}) & 1 = 1`
}

/** SQL of when the Segment was evaluated for the first time. */
function firstOf({ firstAt, evaluatedAt }: Pick<MembershipSegment, 'firstAt' | 'evaluatedAt'>): string {
  return timestampLiteral(firstAt ?? evaluatedAt)
}

/**
 * SELECT of rows of the log: "$profile", v INTEGER (ordinal of the version; 0: of a form without a log), at TIMESTAMP, and for each word
 * the bits that were set (eN) and cleared (xN) by it.
 */
export function logSql(root: string, files: readonly string[], words: readonly number[]): string {
  const pairs = words.flatMap((word) => [`e${word}`, `x${word}`])
  const shape = `SELECT NULL::VARCHAR AS "$profile", NULL::INTEGER AS v, NULL::TIMESTAMP AS "at"${pairs.map((name) => `, NULL::BIGINT AS ${name}`).join('')} WHERE false`
  if (files.length === 0) return shape
  // A union with an empty relation adds words that no file has yet.
  return `SELECT "$profile", v, "at"${pairs.map((name) => `, coalesce(${name}, 0) AS ${name}`).join('')} FROM (${shape} UNION ALL BY NAME SELECT * FROM ${readParquet(root, files)})`
}

function noRowsSql({ segments, log }: Pick<MembershipManifest, 'segments' | 'log'>): string {
  const columns = [
    ...wordsOf(segments).map((word) => `, NULL::BIGINT AS m${word}`),
    ...(log === undefined ? segments.map(({ slot }) => `, NULL::TIMESTAMP AS t${slot}`) : []),
  ]
  return `SELECT NULL::VARCHAR AS "$profile"${columns.join('')} WHERE false`
}

/** SELECT of a bucket's rows in the shape of the manifest's `files`, with `changed` applied; null where the bucket has no file. */
export function membershipRowsSql(
  { files, changed }: Pick<MembershipManifest, 'files' | 'changed'>,
  root: string,
  bucket: number,
): string | null {
  const [base, later] = [files[bucket] ?? [], changed?.[bucket] ?? []]
  if (base.length === 0 && later.length === 0) return null
  if (base.length === 0 || later.length === 0) return `SELECT * FROM ${readParquet(root, [...base, ...later])}`
  // DuckDB refuses a bare * of an ANTI JOIN within a UNION.
  return `SELECT base.* FROM ${readParquet(root, base)} AS base ANTI JOIN ${readParquet(root, later)} USING ("$profile")
    UNION ALL BY NAME SELECT * FROM ${readParquet(root, later)}`
}

type Named = Pick<MembershipSegment, 'segment' | 'slot' | 'from' | 'firstAt' | 'evaluatedAt'> & {
  readonly until: number | null
}

/** Segments of the version, and those that left lately, while what they did is still remembered. */
function namedOf({ segments, gone = [] }: MembershipManifest): readonly Named[] {
  return [
    ...segments.map((segment) => ({ ...segment, until: null })),
    ...gone.map((segment) => ({ ...segment, evaluatedAt: segment.firstAt })),
  ]
}

/**
 * SELECT of what changed: "$profile", segment VARCHAR, change VARCHAR ('entered' | 'exited'), at TIMESTAMP; by the version of this
 * ordinal, which may be an earlier one, or by all that are remembered. `profile`: of this profile alone. null: nothing changed.
 */
export function changesSql(
  manifest: MembershipManifest,
  root: string,
  { ordinal = null, profile = null, buckets = null }: ChangesAsked = {},
): string | null {
  if (manifest.log === undefined)
    return manifest.transitions.length === 0
      ? null
      : `SELECT "$profile", segment, change, "at" FROM ${readParquet(root, manifest.transitions)}${profile === null ? '' : ` WHERE "$profile" = ${literal(profile)}`}`
  const named = namedOf(manifest)
  const words = wordsOf(named)
  const own = profile === null ? '' : ` AND "$profile" = ${literal(profile)}`
  const selects: string[] = []
  const began = named.filter(({ from = 0 }) => from > 0 && (ordinal === null ? true : from === ordinal))
  for (const bucket of buckets ?? manifest.files.keys()) {
    const files = manifest.log[bucket] ?? []
    const rows = membershipRowsSql(manifest, root, bucket)
    if (files.length > 0) selects.push(...words.map((word) => loggedSql(root, files, named, word, ordinal, own)))
    if (began.length > 0 && (rows !== null || files.length > 0))
      selects.push(beganSql(manifest, root, files, rows ?? noRowsSql(manifest), began, own))
  }
  return selects.length === 0 ? null : selects.join(' UNION ALL ')
}

export type ChangesAsked = {
  readonly ordinal?: number | null
  readonly profile?: string | null
  /** Only of these buckets. */
  readonly buckets?: readonly number[] | null
}

function loggedSql(
  root: string,
  files: readonly string[],
  named: readonly Named[],
  word: number,
  ordinal: number | null,
  own: string,
): string {
  const tracks = named
    .filter(({ slot }) => wordOf(slot) === word)
    .map(
      ({ segment, slot, from = 0, until }) =>
        `(${slot % slotsPerWord}, ${literal(segment)}, ${from}, ${until ?? 2_147_483_647})`,
    )
  return `SELECT "$profile", segment, CASE WHEN (e${word} >> bit) & 1 = 1 THEN 'entered' ELSE 'exited' END AS change, "at"
    FROM (${logSql(root, files, [word])}) AS log, (VALUES ${tracks.join(', ')}) AS track(bit, segment, first, last)
    WHERE ${ordinal === null ? 'v > 0' : `v = ${ordinal}`}${own} AND (e${word} | x${word}) <> 0 AND v >= first AND v <= last AND ((e${word} | x${word}) >> bit) & 1 = 1`
}

/** SELECT of who entered these Segments when they were first evaluated: whose bit is set and never changed, or was cleared first. */
function beganSql(
  manifest: MembershipManifest,
  root: string,
  files: readonly string[],
  rows: string,
  began: readonly Named[],
  own: string,
): string {
  const known = new Set(manifest.segments.map(({ slot }) => slot))
  const words = wordsOf(began)
  const first = began.map((segment, index) => {
    const word = wordOf(segment.slot)
    const cleared = `(x${word} >> ${segment.slot % slotsPerWord}) & 1 = 1`
    const last = segment.until === null ? '' : ` AND v <= ${segment.until}`
    return `arg_min(${cleared}, v) FILTER (WHERE ${changedSql(segment)}${last}) AS f${index}`
  })
  const entries = began.map((segment, index) => {
    const bit = segment.until === null && known.has(segment.slot) ? `coalesce(${bitSql(segment.slot)}, false)` : 'false'
    return `{segment: ${literal(segment.segment)}, was: coalesce(l.f${index}, ${bit}), "at": ${firstOf(segment)}}`
  })
  const changes = `SELECT "$profile" AS owner, ${first.join(', ')} FROM (${logSql(root, files, words)}) WHERE true${own} GROUP BY 1`
  return `SELECT "$profile", began.segment, 'entered' AS change, began."at" AS "at" FROM (
    SELECT coalesce(r."$profile", l.owner) AS "$profile", unnest([${entries.join(', ')}]) AS began
    FROM (SELECT * FROM (${rows}) WHERE true${own}) AS r FULL JOIN (${changes}) AS l ON l.owner = r."$profile"
  ) WHERE began.was`
}
