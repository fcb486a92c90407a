import { identifier, readParquet } from '../engines/duckdb.ts'
import { type BucketFiles, bucketSql, type DataManifest } from '../profile-store.ts'
import { type BucketWriter, bucketsFrom, bucketsOf } from './buckets.ts'
import type { Change, MergeContext } from './merge.ts'
import { type EventRecord, type Records, sourceOf } from './records.ts'
import { type Relation, relation, type Table, tableOf } from './relation.ts'

/** A bucket with more files than this is written anew as one file. */
export const filesPerBucket = 8

export type MergedEvents = {
  readonly events: BucketFiles
  readonly leftOut: BucketFiles
  /** Buckets that were made again, and buckets that were appended to. */
  readonly rebuilt: ReadonlySet<number>
  readonly grown: ReadonlySet<number>
  /** For each grown bucket, the files of its new events. */
  readonly additions: ReadonlyMap<number, readonly string[]>
}

/**
 * Event ids that several rows carry, each with the best of them. `best` is null where a row outside this set is better: then none stands.
 */
type Decided = 'dataset' | 'event' | 'best'
type LeftOut = '$profile' | 'reason'

// Invariant: of all rows with one event id of a Dataset only the best, by `ranks`, is in the new version, whatever its bucket.
// A bucket is rebuilt from all record files, or it grows: its fresh rows are appended, and none of them may touch a row that is there.
export async function mergeEvents(
  context: MergeContext,
  records: Records,
  writer: BucketWriter,
  change: Change,
): Promise<MergedEvents> {
  const { engine, root } = context
  const { previous, buckets } = change
  const events = bucketsFrom(buckets, previous?.events)
  const leftOut = bucketsFrom(buckets, previous?.leftOutProfiles)

  const grown = new Set<number>()
  const additions = new Map<number, readonly string[]>()
  const fresh = previous ? records.events(change.added) : null
  await using decided = fresh && (await decidedAmong(context, fresh))
  const coming = fresh && decided && { rows: fresh, decided }
  const rebuilt = previous
    ? await bucketsToRebuild(context, records, { ...change, previous }, coming)
    : new Set(Array(buckets).keys())
  if (coming !== null) {
    for (const bucket of await bucketsOf(engine, coming.rows, buckets)) if (!rebuilt.has(bucket)) grown.add(bucket)
    const rows = await writer.scatter('appended', standing(coming), grown)
    for (const bucket of grown) {
      const own = rows(bucket)
      const addition = own === null ? [] : await writer.write(`events-${bucket}`, finalEvents(context, own, null))
      additions.set(bucket, addition)
      const files = [...(events[bucket] ?? []), ...addition]
      const compacted = `SELECT * FROM ${readParquet(root, files)} ORDER BY "$profile", "timestamp"`
      events[bucket] =
        files.length <= filesPerBucket ? files : await writer.write(`events-${bucket}-compacted`, compacted)
    }
  }

  const all = records.events(change.records)
  await using decidedAgain = all && rebuilt.size > 0 ? await decidedAmong(context, all) : null
  const rows = await writer.scatter(
    'events',
    all && decidedAgain && standing({ rows: all, decided: decidedAgain }),
    rebuilt,
  )
  let done = 0
  for (const bucket of rebuilt) {
    context.ports.progress({ step: 'ingest', subject: 'events', done: done++, total: rebuilt.size, unit: 'buckets' })
    const own = rows(bucket)
    await using out = await overLimits(context, change, own, bucket)
    leftOut[bucket] =
      own === null && change.graph === null
        ? []
        : await writer.write(`leftout-${bucket}`, `SELECT * FROM ${out.sql} ORDER BY "$profile"`)
    events[bucket] = own === null ? [] : await writer.write(`events-${bucket}`, finalEvents(context, own, out))
  }
  return { events, leftOut, rebuilt, grown, additions }
}

/** Rows, with the decisions for each event id that several rows carry. */
type DecidedRows = { readonly rows: Relation<EventRecord>; readonly decided: Relation<Decided> }

/** Buckets whose events cannot just be appended to. Records in `decided` which fresh rows lose to a known event. */
async function bucketsToRebuild(
  context: MergeContext,
  records: Records,
  change: Change & { readonly previous: DataManifest },
  fresh: DecidedRows | null,
): Promise<Set<number>> {
  const { engine, root, plan } = context
  const { previous, added, removed, buckets } = change
  const gone = records.events(removed)
  const isAdded = new Set(added)
  const kept = change.records.filter((file) => !isAdded.has(file))
  /** Known rows of those Datasets that have event ids among these rows: no other row can have the same event id. */
  const knownOf = async ({ sql }: Relation<EventRecord>) => {
    const found = await engine.rows(`SELECT DISTINCT "$dataset" AS dataset FROM ${sql} WHERE "$event" IS NOT NULL`)
    const datasets = new Set(found.map((row) => String(row['dataset'])))
    return records.events(kept.filter((file) => datasets.has(sourceOf(file))))
  }
  const rebuild = new Set(await bucketsOf(engine, gone, buckets))
  if (gone !== null) {
    const known = await knownOf(gone)
    // A removed row may have been better than another file's row with the same id, in another bucket, which now stands again.
    for (const bucket of await bucketsOf(engine, known && sameIds(known, gone), buckets)) rebuild.add(bucket)
  }
  if (fresh === null) return rebuild
  const known = await knownOf(fresh.rows)
  if (known !== null) for (const bucket of await reconsidered(context, fresh, known, buckets)) rebuild.add(bucket)
  const touched = (await bucketsOf(engine, fresh.rows, buckets)).filter((bucket) => !rebuild.has(bucket))
  // A profile that was left out for too many events has none of them in the bucket's files, so its rows cannot be counted from these.
  for (const bucket of touched) if ((previous.leftOutProfiles[bucket] ?? []).length > 0) rebuild.add(bucket)
  const files = touched.flatMap((bucket) => previous.events[bucket] ?? [])
  const coming = `SELECT "$profile" FROM ${standing(fresh).sql}`
  const present =
    files.length === 0
      ? ''
      : `UNION ALL SELECT "$profile" FROM ${readParquet(root, files)} SEMI JOIN (${coming}) AS coming USING ("$profile")`
  // A profile that now exceeds the limit loses the events that it has as well.
  const over = relation<'$profile'>(
    `SELECT "$profile" FROM (${coming} ${present}) GROUP BY 1 HAVING count(*) > ${plan.limits.eventsPerProfile}`,
  )
  for (const bucket of await bucketsOf(engine, over, buckets)) rebuild.add(bucket)
  return rebuild
}

/** What ranks rows with the same event id, the most important first. */
const ranks = ['timestamp', '$late', '$row', '$profile'] as const
const rankOf = (row: string) =>
  `struct_pack(${ranks.map((name, index) => `r${index} := ${row}${identifier(name)}`).join(', ')})`
const best = `max(${rankOf('')})`

/** The best row of every event id that several of these rows carry. */
function decidedAmong({ engine }: MergeContext, rows: Relation<EventRecord>): Promise<Table<Decided>> {
  return tableOf(
    engine,
    'decided',
    `SELECT "$dataset" AS dataset, "$event" AS event, ${best} AS best
      FROM ${rows.sql} WHERE "$event" IS NOT NULL GROUP BY ALL HAVING count(*) > 1`,
  )
}

/** The rows without those that lose their event id to another row. */
function standing({ rows, decided }: DecidedRows): Relation<EventRecord> {
  return relation(`SELECT r.* FROM ${rows.sql} r LEFT JOIN ${decided.sql} d ON d.dataset = r."$dataset" AND d.event = r."$event"
    WHERE d.event IS NULL OR d.best = ${rankOf('r.')}`)
}

/** Rows with the same event id as one of `others`. */
function sameIds(rows: Relation<EventRecord>, others: Relation<EventRecord>): Relation<EventRecord> {
  return relation(`SELECT r.* FROM ${rows.sql} r SEMI JOIN (SELECT "$dataset", "$event" FROM ${others.sql} WHERE "$event" IS NOT NULL) o
    ON o."$dataset" = r."$dataset" AND o."$event" = r."$event"`)
}

/** Buckets of known events that a better fresh row replaces. Fresh rows that are not better than a known one lose in `decided`. */
async function reconsidered(
  { engine }: MergeContext,
  { rows, decided }: DecidedRows,
  known: Relation<EventRecord>,
  buckets: number,
): Promise<readonly number[]> {
  await using again = await tableOf<Decided | 'buckets' | 'fresh'>(
    engine,
    'again',
    `SELECT k.*, f.best AS fresh FROM
      (SELECT "$dataset" AS dataset, "$event" AS event, ${best} AS best, list(DISTINCT ${bucketSql('"$profile"', buckets)}) AS buckets
        FROM ${sameIds(known, rows).sql} GROUP BY ALL) k
      JOIN (SELECT "$dataset" AS dataset, "$event" AS event, ${best} AS best FROM ${rows.sql} WHERE "$event" IS NOT NULL GROUP BY ALL) f USING (dataset, event)`,
  )
  await engine.run(`DELETE FROM ${decided.sql} d USING ${again.sql} a WHERE d.dataset = a.dataset AND d.event = a.event;
    INSERT INTO ${decided.sql} SELECT dataset, event, CASE WHEN fresh > best THEN fresh END FROM ${again.sql}`)
  const replaced = await engine.rows(
    `SELECT DISTINCT unnest(buckets) AS bucket FROM ${again.sql} WHERE fresh > best ORDER BY 1`,
  )
  return replaced.map((row) => Number(row['bucket']))
}

/** The profiles of a bucket that exceed a guardrail, with the reason. */
function overLimits(
  { engine, root, plan }: MergeContext,
  { graph, buckets }: Change,
  rows: Relation<EventRecord> | null,
  bucket: number,
): Promise<Table<LeftOut>> {
  const { eventsPerProfile, identitiesPerProfile } = plan.limits
  const events =
    rows === null
      ? null
      : `SELECT "$profile", 'eventsPerProfile' AS reason FROM ${rows.sql} GROUP BY 1 HAVING count(*) > ${eventsPerProfile}`
  const linked =
    graph === null
      ? null
      : `SELECT profile AS "$profile", 'identitiesPerProfile' AS reason FROM ${readParquet(root, [graph])}
        WHERE size > ${identitiesPerProfile} AND ${bucketSql('profile', buckets)} = ${bucket} GROUP BY 1`
  const all = [linked, events].filter((query) => query !== null).join(' UNION ALL ')
  const none = `SELECT NULL::VARCHAR AS "$profile", NULL::VARCHAR AS reason WHERE false`
  return tableOf(engine, 'left_out', `SELECT "$profile", max(reason) AS reason FROM (${all || none}) GROUP BY 1`)
}

/** SELECT of one bucket's events as the data version holds them: each event id once, without profiles that are left out. */
function finalEvents({ store }: MergeContext, rows: Relation<EventRecord>, leftOut: Relation<LeftOut> | null): string {
  const columns = store.event.filter(({ path }) => path !== 'timestamp')
  const names = columns.map(({ path }) => `, ${identifier(path)}`).join('')
  const out = leftOut === null ? '' : `ANTI JOIN ${leftOut.sql} USING ("$profile")`
  return `SELECT "$profile", "$namespace", "timestamp"${names} FROM (
      SELECT * FROM ${rows.sql} QUALIFY "$event" IS NULL OR row_number() OVER (PARTITION BY "$dataset", "$event" ORDER BY ${ranks.map((name) => `${identifier(name)} DESC`).join(', ')}) = 1
    ) ${out} ORDER BY "$profile", "timestamp", "$late", "$row"`
}
