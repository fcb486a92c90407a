import { identifier, literal, readParquet, sqlTypeOf } from '../engines/duckdb.ts'
import type { BucketFiles } from '../profile-store.ts'
import { type BucketWriter, bucketsFrom, bucketsOf } from './buckets.ts'
import { filesPerBucket, type MergedEvents } from './events.ts'
import { type IdentityRule, identitySql } from './identities.ts'
import type { Change, MergeContext } from './merge.ts'
import { clearable, type ProfileRecord, type Records } from './records.ts'
import { type Relation, relation } from './relation.ts'

export async function mergeProfiles(
  context: MergeContext,
  records: Records,
  writer: BucketWriter,
  { previous, records: files, added, removed, buckets, folder }: Change,
  { events, leftOut, rebuilt, grown }: MergedEvents,
): Promise<{ readonly profiles: BucketFiles; readonly remade: ReadonlySet<number> }> {
  const { engine, ports } = context
  const profiles = bucketsFrom(buckets, previous?.profiles)
  const remade = new Set([
    ...rebuilt,
    ...(await bucketsOf(engine, previous ? records.profiles([...added, ...removed]) : null, buckets)),
    ...[...grown].filter((bucket) => (profiles[bucket] ?? []).length >= filesPerBucket),
  ])
  const rows = await writer.scatter('profiles', records.profiles(files), remade)
  let done = 0
  for (const bucket of remade) {
    ports.progress({ step: 'ingest', subject: 'profiles', done: done++, total: remade.size, unit: 'buckets' })
    const select = finalProfiles(context, records.rules, rows(bucket), events[bucket] ?? [], leftOut[bucket] ?? [])
    profiles[bucket] = select === null ? [] : await writer.write(`profiles-${bucket}`, select)
  }
  // New events can only add profiles that nothing else knows: no known profile changes.
  for (const bucket of grown) {
    const known = profiles[bucket] ?? []
    const additions = (events[bucket] ?? []).filter((file) => file.startsWith(folder))
    if (remade.has(bucket) || additions.length === 0) continue
    profiles[bucket] = [...known, ...(await writer.write(`profiles-${bucket}`, newcomers(context, known, additions)))]
  }
  return { profiles, remade }
}

/** Files for the manifest's `touched`. The files of new events name their profiles, even where the bucket was compacted since. */
export async function touchedProfiles(
  { engine }: MergeContext,
  records: Records,
  writer: BucketWriter,
  { previous, added, removed, buckets }: Change,
  { rebuilt, additions }: MergedEvents,
): Promise<readonly (readonly string[] | null)[]> {
  if (!previous) return Array.from({ length: buckets }, () => null)
  const rows = records.profiles([...added, ...removed])
  const decided = new Set((await bucketsOf(engine, rows, buckets)).filter((bucket) => !rebuilt.has(bucket)))
  const ids = await writer.scatter(
    'touched',
    rows && relation<'$profile'>(`SELECT DISTINCT "$profile" FROM ${rows.sql}`),
    decided,
  )
  const touched: (readonly string[] | null)[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const named = decided.has(bucket) ? ids(bucket) : null
    touched.push(
      rebuilt.has(bucket)
        ? null
        : [
            ...(additions.get(bucket) ?? []),
            ...(named === null ? [] : await writer.write(`touched-${bucket}`, `SELECT * FROM ${named.sql}`)),
          ],
    )
  }
  return touched
}

/** SELECT of one bucket's merged profiles, with those that only events know of; null when there can be none. */
function finalProfiles(
  context: MergeContext,
  rules: readonly IdentityRule[],
  rows: Relation<ProfileRecord> | null,
  events: readonly string[],
  leftOut: readonly string[],
): string | null {
  if (rows === null && events.length === 0) return null
  const { root, store, plan } = context
  const taken = new Set(clearable(plan))
  const winners = store.profile.map(({ path }) => {
    const name = identifier(path)
    return taken.has(path)
      ? `(arg_max({v: ${name}}, "$rank") FILTER (${name} IS NOT NULL OR list_contains("$cleared", ${literal(path)}))).v AS ${name}`
      : `arg_max(${name}, "$rank") AS ${name}`
  })
  const rank =
    store.mergePolicy.attributes === 'DatasetPrecedence'
      ? '"$precedence", "$time", "$late", "$dataset" DESC, "$row"'
      : '"$time", "$precedence", "$late", "$dataset" DESC, "$row"'
  const primary = rules.filter((rule) => rule.primary).map((rule) => identitySql(rule, identifier(rule.path)))
  const merged =
    rows &&
    `SELECT ${['"$profile"', ...winners].join(', ')}, bool_or(${primary[0] ?? 'NULL'} IS NOT NULL) AS "$known"
      FROM (SELECT *, row_number() OVER (ORDER BY ${rank}) AS "$rank" FROM ${rows.sql}) GROUP BY 1`
  const out = leftOut.length === 0 ? '' : `ANTI JOIN ${readParquet(root, leftOut)} USING ("$profile")`
  if (events.length === 0) return `SELECT * FROM (${merged}) ${out} ORDER BY "$profile"`
  const lonely = eventProfiles(context, events)
  if (merged === null) return `SELECT * FROM (${lonely}) ${out} ORDER BY "$profile"`
  return `WITH merged AS (${merged}) SELECT * FROM (SELECT * FROM merged UNION ALL SELECT * FROM (${lonely}) ANTI JOIN merged USING ("$profile")) ${out} ORDER BY "$profile"`
}

/** SELECT of profiles of events that the bucket does not have yet. */
function newcomers(context: MergeContext, profiles: readonly string[], events: readonly string[]): string {
  const known = profiles.length === 0 ? '' : `ANTI JOIN ${readParquet(context.root, profiles)} USING ("$profile")`
  return `SELECT * FROM (${eventProfiles(context, events)}) ${known} ORDER BY "$profile"`
}

/** SELECT of profiles as their events know them: the identity alone. Their id is that identity; otherwise they would have a record. */
function eventProfiles({ root, store }: MergeContext, events: readonly string[]): string {
  const columns = store.profile.map(({ path, type }) => {
    const identity = store.identities.find((one) => one.path === path)
    if (!identity) return `NULL::${sqlTypeOf(type)} AS ${identifier(path)}`
    const value = identity.primary ? '"$profile"' : `substr("$profile", ${identity.namespace.length + 2})`
    return `CASE WHEN namespace = ${literal(identity.namespace)} THEN try_cast(${value} AS ${sqlTypeOf(type)}) END AS ${identifier(path)}`
  })
  return `SELECT "$profile", ${columns.join(', ')}, false AS "$known" FROM (SELECT "$profile", min("$namespace") AS namespace FROM ${readParquet(root, events)} GROUP BY 1)`
}
