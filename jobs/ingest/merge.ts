import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Column, type IngestPlan, parseQuantityBytes, type StorePlan } from '#crds'
import { digestOf, sha256 } from '../digest.ts'
import { type Engine, identifier, literal, readParquet, sqlTypeOf } from '../engines/duckdb.ts'
import type { Ports } from '../ports.ts'
import {
  type BucketFiles,
  bucketSql,
  type DataManifest,
  readDataManifest,
  readDataVersion,
  type SourceState,
  settleFile,
  temporaryOf,
} from '../profile-store.ts'

const maxBuckets = 4096
/** A bucket of more files is written anew as one. */
const filesPerBucket = 8

type MergeContext = {
  readonly root: string
  readonly store: StorePlan
  readonly plan: IngestPlan
  readonly ports: Ports
}

/**
 * The data version that holds the records of `sources`, written but not committed; the version before, with these sources, when no
 * record differs. New events are appended to their buckets; buckets that lose or re-decide a record are made again from the record
 * files. Everything is made again when the way of merging changes, when the data has outgrown its buckets, and, with a private graph,
 * when any profile record changes, because that can join profiles anywhere.
 */
export async function mergeData(
  engine: Engine,
  context: MergeContext,
  before: DataManifest | null,
  sources: Readonly<Record<string, SourceState>>,
): Promise<DataManifest> {
  const { root, store, plan } = context
  const records = activeRecords(plan, sources)
  const definition = mergeDefinitionOf(store, plan)
  const was = new Set(before?.merged.records)
  const is = new Set(records)
  const added = records.filter((path) => !was.has(path))
  const removed = (before?.merged.records ?? []).filter((path) => !is.has(path))
  if (before && added.length === 0 && removed.length === 0 && before.merged.definition === definition) {
    return { ...before, sources }
  }

  const profilesChanged = [...added, ...removed].some(holdsProfiles)
  const canGrow =
    before !== null &&
    before.merged.definition === definition &&
    !(store.mergePolicy.stitching === 'PrivateGraph' && profilesChanged) &&
    !isOutgrown(store, before, await countRows(engine, root, added.filter(holdsEvents)))
  const previous = canGrow ? before : null
  const version = sha256(digestOf({ previous: before?.version ?? null, definition, records })).slice(0, 16)
  const folder = `data/${version}`
  mkdirSync(join(root, folder), { recursive: true })
  const identities = await connectIdentities(engine, context, folder, records.filter(holdsProfiles), previous)
  const sql = sqlOf(context, identities)
  const buckets = previous?.buckets ?? (await chooseBuckets(engine, store, sql, records))
  const writer = bucketWriter(engine, context, folder, buckets)
  const change: Change = { previous, records, added, removed, buckets, identities, folder }
  const eventPart = await mergeEvents(engine, context, sql, writer, change)
  const profiles = await mergeProfiles(engine, context, sql, writer, change, eventPart)
  const touched = await touchedProfiles(engine, sql, writer, change, eventPart)
  const { events, leftOut } = eventPart
  writer.close()
  return {
    version,
    previous: before?.version ?? null,
    buckets,
    profiles,
    events,
    leftOutProfiles: leftOut,
    touched,
    identities,
    merged: { records, definition },
    profileCount: await countRows(engine, root, profiles.flat()),
    eventCount: await countRows(engine, root, events.flat()),
    sources,
    leftOut: await countLeftOut(engine, root, leftOut.flat()),
  }
}

/** From one data version to the next. */
type Change = {
  /** The version to grow from; null when everything is made again. */
  readonly previous: DataManifest | null
  readonly records: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly buckets: number
  readonly identities: string | null
  /** Of the new version's files, relative to the root. */
  readonly folder: string
}

type EventPart = {
  readonly events: BucketFiles
  readonly leftOut: BucketFiles
  /** Buckets made again, and those appended to. */
  readonly rebuilt: ReadonlySet<number>
  readonly grown: ReadonlySet<number>
  /** Per grown bucket, the files of the events that are new. */
  readonly additions: ReadonlyMap<number, readonly string[]>
}

async function mergeEvents(
  engine: Engine,
  context: MergeContext,
  sql: MergeSql,
  writer: BucketWriter,
  change: Change,
): Promise<EventPart> {
  const { previous, records, added, buckets, identities } = change
  const rebuilt = previous
    ? await eventBucketsToRebuild(engine, context, sql, { ...change, previous })
    : new Set(Array(buckets).keys())
  const events = bucketsFrom(buckets, previous?.events)
  const leftOut = bucketsFrom(buckets, previous?.leftOutProfiles)

  // Appended first: it goes by what `eventBucketsToRebuild` decided about the new rows alone.
  const grown = new Set<number>()
  const additions = new Map<number, readonly string[]>()
  const fresh = previous ? sql.eventRows(added) : null
  if (fresh !== null) {
    for (const bucket of await bucketsOf(engine, fresh, buckets)) if (!rebuilt.has(bucket)) grown.add(bucket)
    const shuffled = await writer.shuffle('appended', sql.decidedEvents(fresh), grown)
    for (const bucket of grown) {
      const rows = shuffled(bucket)
      const addition = rows === null ? [] : await writer.write(`events-${bucket}`, sql.eventBucket(rows, false))
      additions.set(bucket, addition)
      const files = [...(events[bucket] ?? []), ...addition]
      const compacted = `SELECT * FROM ${readParquet(context.root, files)} ORDER BY "$profile", "timestamp"`
      events[bucket] =
        files.length <= filesPerBucket ? files : await writer.write(`events-${bucket}-compacted`, compacted)
    }
  }

  const all = sql.eventRows(records)
  if (all !== null && rebuilt.size > 0) await sql.decideEvents(engine, all)
  const shuffled = await writer.shuffle('events', all === null ? null : sql.decidedEvents(all), rebuilt)
  let done = 0
  for (const bucket of rebuilt) {
    context.ports.progress({ step: 'ingest', subject: 'events', done: done++, total: rebuilt.size, unit: 'buckets' })
    const rows = shuffled(bucket)
    await sql.leaveOut(engine, rows, bucket, buckets)
    leftOut[bucket] =
      rows === null && identities === null
        ? []
        : await writer.write(`leftout-${bucket}`, 'SELECT * FROM left_out ORDER BY "$profile"')
    events[bucket] = rows === null ? [] : await writer.write(`events-${bucket}`, sql.eventBucket(rows))
  }
  return { events, leftOut, rebuilt, grown, additions }
}

async function mergeProfiles(
  engine: Engine,
  context: MergeContext,
  sql: MergeSql,
  writer: BucketWriter,
  { previous, records, added, removed, buckets, folder }: Change,
  { events, leftOut, rebuilt, grown }: EventPart,
): Promise<BucketFiles> {
  const profiles = bucketsFrom(buckets, previous?.profiles)
  const remade = new Set([
    ...rebuilt,
    ...(await bucketsOf(engine, previous ? sql.profileRows([...added, ...removed]) : null, buckets)),
    ...[...grown].filter((bucket) => (profiles[bucket] ?? []).length >= filesPerBucket),
  ])
  const shuffled = await writer.shuffle('profiles', sql.profileRows(records), remade)
  let done = 0
  for (const bucket of remade) {
    context.ports.progress({ step: 'ingest', subject: 'profiles', done: done++, total: remade.size, unit: 'buckets' })
    const query = sql.profileBucket(shuffled(bucket), events[bucket] ?? [], leftOut[bucket] ?? [])
    profiles[bucket] = query === null ? [] : await writer.write(`profiles-${bucket}`, query)
  }
  // Events alone can only add profiles that nothing else knows.
  for (const bucket of grown) {
    const known = profiles[bucket] ?? []
    const additions = (events[bucket] ?? []).filter((file) => file.startsWith(folder))
    if (remade.has(bucket) || additions.length === 0) continue
    profiles[bucket] = [...known, ...(await writer.write(`profiles-${bucket}`, sql.newcomers(known, additions)))]
  }
  return profiles
}

/** For the manifest's `touched`. New events name their own profiles, even after they have been put together with others. */
async function touchedProfiles(
  engine: Engine,
  sql: MergeSql,
  writer: BucketWriter,
  { previous, added, removed, buckets }: Change,
  { rebuilt, additions }: EventPart,
): Promise<readonly (readonly string[] | null)[]> {
  if (!previous) return Array.from({ length: buckets }, () => null)
  const rows = sql.profileRows([...added, ...removed])
  const decided = new Set((await bucketsOf(engine, rows, buckets)).filter((bucket) => !rebuilt.has(bucket)))
  const ids = await writer.shuffle('touched', rows && `SELECT DISTINCT "$profile" FROM (${rows})`, decided)
  const touched: (readonly string[] | null)[] = []
  for (let bucket = 0; bucket < buckets; bucket++) {
    const named = decided.has(bucket) ? ids(bucket) : null
    touched.push(
      rebuilt.has(bucket)
        ? null
        : [...(additions.get(bucket) ?? []), ...(named === null ? [] : await writer.write(`touched-${bucket}`, named))],
    )
  }
  return touched
}

/** Removes what no manifest names that a reader may hold: the current data version's and the one before. */
export function removeOrphans(root: string): void {
  const current = readDataManifest(root)
  const previous = current?.previous ? readDataVersion(root, current.previous) : null
  const kept = new Set<string>()
  for (const manifest of [current, previous]) {
    if (!manifest) continue
    kept.add(`data/${manifest.version}/manifest.json`)
    for (const files of [manifest.profiles, manifest.events, manifest.leftOutProfiles])
      for (const file of files.flat()) kept.add(file)
    for (const files of manifest.touched ?? []) for (const file of files ?? []) kept.add(file)
    if (manifest.identities !== null) kept.add(manifest.identities)
    for (const path of manifest.merged.records) kept.add(path)
    for (const source of Object.values(manifest.sources))
      for (const file of Object.values(source.files)) for (const path of file.records) kept.add(path)
  }
  for (const path of [...kept])
    if (path.startsWith('records/'))
      kept.add(path.replace(/^records\//, 'rejects/').replace(/\.[a-z]+\.parquet$/, '.csv'))
  for (const top of ['data', 'records', 'rejects']) prune(root, top, kept)
}

function prune(root: string, folder: string, kept: ReadonlySet<string>): void {
  const absolute = join(root, folder)
  if (!existsSync(absolute)) return
  for (const entry of readdirSync(absolute, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) prune(root, path, kept)
    else if (!kept.has(path)) rmSync(join(root, path), { force: true })
  }
  if (folder.includes('/') && readdirSync(absolute).length === 0) rmdirSync(absolute)
}

function holdsEvents(record: string): boolean {
  return record.endsWith('.events.parquet')
}

function holdsProfiles(record: string): boolean {
  return !holdsEvents(record)
}

/** Records of Datasets in the plan and of CampaignSources, which are not in it and are known by their watermarks. */
function activeRecords(plan: IngestPlan, sources: Readonly<Record<string, SourceState>>): readonly string[] {
  const datasets = new Set(plan.datasets.map(({ name }) => name))
  return Object.entries(sources)
    .filter(([name, source]) => datasets.has(name) || source.watermarks !== undefined)
    .flatMap(([, source]) => Object.values(source.files).flatMap((file) => file.records))
    .sort()
}

function mergeDefinitionOf(store: StorePlan, plan: IngestPlan): string {
  const { profile, event, identities, mergePolicy } = store
  const { eventsPerProfile, identitiesPerProfile } = plan.limits
  return digestOf({
    layout: 1,
    profile,
    event,
    identities,
    mergePolicy,
    eventsPerProfile,
    identitiesPerProfile,
    precedences: precedencesOf(plan),
  })
}

/** Of profile Datasets, where it is not 0, which is what a Dataset has that says nothing. */
function precedencesOf(plan: IngestPlan): readonly (readonly [string, number])[] {
  return plan.datasets
    .filter(({ record, precedence }) => record === 'Profile' && precedence !== 0)
    .map(({ name, precedence }) => [name, precedence] as const)
}

function bucketsFrom(buckets: number, from: BucketFiles | undefined): (readonly string[])[] {
  return Array.from({ length: buckets }, (_, bucket) => from?.[bucket] ?? [])
}

function isOutgrown(
  store: StorePlan,
  { buckets, eventCount, profileCount }: DataManifest,
  addedEvents: number,
): boolean {
  return bucketsFor(store, eventCount + addedEvents, profileCount) > buckets
}

/** A power of two such that what one bucket's group-by holds fits in memory: 1 KiB an event and 5 KiB a profile, with room to spare. */
function bucketsFor({ engine }: StorePlan, events: number, profiles: number): number {
  const memoryBytes = parseQuantityBytes(engine.duckDB?.memoryLimit ?? '1Gi') ?? 2 ** 30
  const eventsPerBucket = Math.min(1_000_000, memoryBytes / 1024)
  const profilesPerBucket = Math.min(200_000, memoryBytes / 5120)
  const wanted = Math.max(1, events / eventsPerBucket, profiles / profilesPerBucket)
  return Math.min(maxBuckets, 2 ** Math.ceil(Math.log2(wanted)))
}

async function chooseBuckets(
  engine: Engine,
  store: StorePlan,
  sql: MergeSql,
  records: readonly string[],
): Promise<number> {
  const events = sql.eventRows(records)
  const rows = [sql.profileRows(records), events]
    .filter((some) => some !== null)
    .map((some) => `SELECT "$profile" FROM (${some})`)
  if (rows.length === 0) return 1
  const [row] = await engine.rows(`SELECT approx_count_distinct("$profile") AS profiles,
    (SELECT count(*) FROM (${events ?? 'SELECT 1 WHERE false'})) AS events FROM (${rows.join(' UNION ALL ')})`)
  return bucketsFor(store, Number(row?.['events']), Number(row?.['profiles']))
}

async function countRows(engine: Engine, root: string, files: readonly string[]): Promise<number> {
  if (files.length === 0) return 0
  const [row] = await engine.rows(`SELECT count(*) AS rows FROM ${readParquet(root, files)}`)
  return Number(row?.['rows'] ?? 0)
}

async function countLeftOut(engine: Engine, root: string, files: readonly string[]): Promise<DataManifest['leftOut']> {
  const rows =
    files.length === 0
      ? []
      : await engine.rows(`SELECT reason, count(*) AS rows FROM ${readParquet(root, files)} GROUP BY 1`)
  const of = (reason: string) => Number(rows.find((row) => row['reason'] === reason)?.['rows'] ?? 0)
  return { eventsPerProfile: of('eventsPerProfile'), identitiesPerProfile: of('identitiesPerProfile') }
}

async function bucketsOf(engine: Engine, rows: string | null, buckets: number): Promise<readonly number[]> {
  if (rows === null) return []

  const found = await engine.rows(
    `SELECT DISTINCT ${bucketSql('"$profile"', buckets)} AS bucket FROM (${rows}) ORDER BY 1`,
  )
  return found.map((row) => Number(row['bucket']))
}

/** Buckets whose events cannot just be appended to. Leaves in `decided` which of the new rows with an event id stand. */
async function eventBucketsToRebuild(
  engine: Engine,
  { root, plan }: MergeContext,
  sql: MergeSql,
  { previous, records, added, removed, buckets }: Change & { readonly previous: DataManifest },
): Promise<Set<number>> {
  const gone = sql.eventRows(removed)
  const fresh = sql.eventRows(added)
  const kept = records.filter((path) => !added.includes(path))
  /** Known rows of the Datasets that have event ids among these rows: nothing else needs to be looked through. */
  const knownOf = async (rows: string) => {
    const datasets = new Set(await sql.datasetsWithIds(engine, rows))
    return sql.eventRows(kept.filter((path) => datasets.has(path.split('/')[1] ?? '')))
  }
  const rebuild = new Set(await bucketsOf(engine, gone, buckets))
  if (gone !== null) {
    const known = await knownOf(gone)
    // What is gone may have stood in for another file's event of the same id, in another bucket.
    for (const bucket of await bucketsOf(engine, known && sql.sameIds(known, gone), buckets)) rebuild.add(bucket)
  }
  if (fresh === null) return rebuild
  await sql.decideEvents(engine, fresh)
  const known = await knownOf(fresh)
  if (known !== null) for (const bucket of await sql.reconsider(engine, known, fresh, buckets)) rebuild.add(bucket)
  const touched = (await bucketsOf(engine, fresh, buckets)).filter((bucket) => !rebuild.has(bucket))
  for (const bucket of touched) if ((previous.leftOutProfiles[bucket] ?? []).length > 0) rebuild.add(bucket)
  const files = touched.flatMap((bucket) => previous.events[bucket] ?? [])
  const coming = `SELECT "$profile" FROM (${sql.decidedEvents(fresh)})`
  const present =
    files.length === 0
      ? ''
      : `UNION ALL SELECT "$profile" FROM ${readParquet(root, files)} SEMI JOIN (${coming}) AS coming USING ("$profile")`
  const over = `SELECT "$profile" FROM (${coming} ${present}) GROUP BY 1 HAVING count(*) > ${plan.limits.eventsPerProfile}`
  for (const bucket of await bucketsOf(engine, over, buckets)) rebuild.add(bucket)
  return rebuild
}

type BucketWriter = ReturnType<typeof bucketWriter>

/** Writes Parquet files of the new version, each whole or not at all, and scatters rows over buckets in the scratch folder. */
function bucketWriter(engine: Engine, { root, ports }: MergeContext, folder: string, buckets: number) {
  const scattered = join(ports.scratch, 'scattered')
  return {
    /** The new file, or none when there is no row. */
    async write(name: string, query: string): Promise<readonly string[]> {
      const path = `${folder}/${name}.parquet`
      const target = join(root, path)
      const temporary = temporaryOf(target)
      await engine.run(`COPY (${query}) TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`)
      const [row] = await engine.rows(`SELECT count(*) AS rows FROM read_parquet(${literal(temporary)})`)
      if (row?.['rows'] === 0) {
        rmSync(temporary)
        return []
      }
      settleFile(temporary, target)
      return [path]
    },
    /** Gives a relation per wanted bucket, null where it has no row. */
    async shuffle(
      name: string,
      rows: string | null,
      wanted: ReadonlySet<number>,
    ): Promise<(bucket: number) => string | null> {
      if (rows === null || wanted.size === 0) return () => null
      if (buckets === 1) return () => rows
      const target = join(scattered, name)
      mkdirSync(target, { recursive: true })
      const bucket = bucketSql('"$profile"', buckets)
      const some = wanted.size === buckets ? '' : `WHERE ${bucket} IN (${[...wanted].join(', ')})`
      // Rows wait in memory per thread and bucket until this many: bounded whatever the number of buckets.
      await engine.run(`SET partitioned_write_flush_threshold = ${Math.max(2048, Math.floor(524_288 / wanted.size))};
        SET partitioned_write_max_open_files = ${maxBuckets};
        COPY (SELECT *, ${bucket} AS convoke_bucket FROM (${rows}) ${some}) TO ${literal(target)} (FORMAT parquet, COMPRESSION lz4_raw, PARTITION_BY (convoke_bucket))`)
      return (bucket) => {
        const part = join(target, `convoke_bucket=${bucket}`)
        return existsSync(part)
          ? `SELECT * FROM read_parquet(${literal(`${part}/*.parquet`)}, hive_partitioning = false)`
          : null
      }
    },
    close(): void {
      rmSync(scattered, { recursive: true, force: true })
    },
  }
}

/**
 * With a private graph: identities that occur together in a profile record are one profile, found by passing the smallest number along
 * the edges until nothing changes (each round also follows the labels themselves, so long chains take few rounds). Gives the file of
 * `node`, `profile` and `size`, or null without a graph.
 */
async function connectIdentities(
  engine: Engine,
  { root, store }: MergeContext,
  folder: string,
  profileRecords: readonly string[],
  previous: DataManifest | null,
): Promise<string | null> {
  if (store.mergePolicy.stitching !== 'PrivateGraph') return null
  if (previous) return previous.identities
  const primary = store.identities.find((identity) => identity.primary)
  const nodes = store.identities.map(({ namespace, path }) => nodeSql(namespace, identifier(path)))
  const records =
    profileRecords.length === 0
      ? 'SELECT []::VARCHAR[] AS nodes WHERE false'
      : `SELECT DISTINCT list_filter([${nodes.join(', ')}], lambda n: n IS NOT NULL) AS nodes
         FROM (${shaped(
           root,
           profileRecords,
           store.identities.map(({ path }) => columnOf(store.profile, path)),
         )})`
  await engine.run(`CREATE OR REPLACE TEMP TABLE graph AS ${records};
    CREATE OR REPLACE TEMP TABLE node AS SELECT node, row_number() OVER (ORDER BY node) AS id FROM (SELECT DISTINCT unnest(nodes) AS node FROM graph);
    CREATE OR REPLACE TEMP TABLE edge AS
      WITH pair AS (SELECT DISTINCT a.id AS a, b.id AS b FROM (SELECT nodes[1] AS first, unnest(nodes[2:]) AS other FROM graph)
        JOIN node a ON a.node = first JOIN node b ON b.node = other)
      SELECT a, b FROM pair UNION SELECT b, a FROM pair;
    DROP TABLE graph;
    CREATE OR REPLACE TEMP TABLE label AS SELECT id, id AS label FROM node`)
  for (let changed = true; changed; ) {
    await engine.run(`CREATE OR REPLACE TEMP TABLE passed AS
        SELECT l.id, least(l.label, coalesce(min(n.label), l.label)) AS label
        FROM label l LEFT JOIN edge ON edge.a = l.id LEFT JOIN label n ON n.id = edge.b GROUP BY l.id, l.label;
      CREATE OR REPLACE TEMP TABLE jumped AS SELECT p.id, least(p.label, q.label) AS label FROM passed p JOIN passed q ON q.id = p.label`)
    const [row] = await engine.rows(
      `SELECT count(*) AS rows FROM jumped JOIN label USING (id) WHERE jumped.label <> label.label`,
    )
    changed = Number(row?.['rows']) > 0
    await engine.run('CREATE OR REPLACE TEMP TABLE label AS SELECT * FROM jumped')
  }
  const prefix = `${primary?.namespace ?? ''}:`
  const value = `substr(node, ${prefix.length + 1})`
  const path = `${folder}/identities.parquet`
  const temporary = temporaryOf(join(root, path))
  await engine.run(`COPY (SELECT node, coalesce(min(${value}) FILTER (WHERE starts_with(node, ${literal(prefix)})) OVER component, min(node) OVER component) AS profile,
      count(*) OVER component AS size FROM node JOIN label USING (id) WINDOW component AS (PARTITION BY label) ORDER BY node)
    TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd);
    DROP TABLE node; DROP TABLE edge; DROP TABLE label; DROP TABLE passed; DROP TABLE jumped`)
  settleFile(temporary, join(root, path))
  return path
}

/** `namespace:value`, NULL where there is none. */
function nodeSql(namespace: string, value: string): string {
  return `${literal(`${namespace}:`)} || ${value}::VARCHAR`
}

function columnOf(columns: readonly Column[], path: string): Column {
  // Identity paths were checked when the records were read.
  return columns.find((column) => column.path === path) ?? { path, type: 'string' }
}

/** Record files with exactly the given columns in their types, whatever an earlier mapping left in them, and the "$" columns. */
function shaped(root: string, files: readonly string[], columns: readonly Column[], own = ''): string {
  const shape = columns.map(({ path, type }) => `NULL::${sqlTypeOf(type)} AS ${identifier(path)}`)
  const selected = columns.map(
    ({ path, type }) => `try_cast(${identifier(path)} AS ${sqlTypeOf(type)}) AS ${identifier(path)}`,
  )
  const read = `read_parquet([${files.map((file) => literal(join(root, file))).join(', ')}], union_by_name = true, filename = '$file')`
  return `SELECT ${[...selected, ...(own === '' ? [] : [own])].join(', ')} FROM (SELECT ${shape.join(', ')} WHERE false UNION ALL BY NAME SELECT * FROM ${read})`
}

type MergeSql = ReturnType<typeof sqlOf>

function sqlOf({ root, store, plan }: MergeContext, identities: string | null) {
  const primary = store.identities.find((identity) => identity.primary)
  const isPrimary = (namespace: string) => namespace === primary?.namespace
  const eventColumns = store.event.filter(({ path }) => path !== 'timestamp')
  const eventNames = eventColumns.map(({ path }) => `, ${identifier(path)}`).join('')

  // Folder of the record file: `…/records/<source>/<digest>.events.parquet`.
  const dataset = `split_part("$file", '/', -2)`
  const precedences = precedencesOf(plan)
    .map(([name, precedence]) => `WHEN ${literal(name)} THEN ${precedence}`)
    .join(' ')
  const precedence = `${precedences === '' ? '0' : `CASE "$dataset" ${precedences} ELSE 0 END`} AS "$precedence"`

  const ids = (rows: string) => `SELECT "$dataset", "$event" FROM (${rows}) WHERE "$event" IS NOT NULL`
  const order = `"timestamp" DESC, "$hash" DESC, "$profile" DESC`
  const best = `max(struct_pack(t := "timestamp", h := "$hash", p := "$profile"))`
  return {
    /** Of the profile record files among these: "$profile", the profile columns and what ranks the record; null without any. */
    profileRows(records: readonly string[]): string | null {
      const files = records.filter(holdsProfiles)
      if (files.length === 0) return null

      const own = `"$time", "$hash", ${dataset} AS "$dataset"`
      const rows = shaped(root, files, store.profile, own)

      if (identities === null) {
        const keys = [...store.identities]
          .sort((a, b) => Number(b.primary) - Number(a.primary))
          .map(({ namespace, path }) =>
            isPrimary(namespace) ? `${identifier(path)}::VARCHAR` : nodeSql(namespace, identifier(path)),
          )
        return `SELECT coalesce(${keys.join(', ')}) AS "$profile", *, ${precedence} FROM (${rows})`
      }
      const nodes = store.identities.map(({ namespace, path }) => nodeSql(namespace, identifier(path)))
      return `SELECT i.profile AS "$profile", r.*, ${precedence} FROM (${rows}) r
        JOIN read_parquet(${literal(join(root, identities))}) i ON i.node = coalesce(${nodes.join(', ')})`
    },
    /** Of the event record files among these: "$profile", "$namespace", "$event", "$hash", "$dataset", timestamp and the event columns. */
    eventRows(records: readonly string[]): string | null {
      const files = records.filter(holdsEvents)
      if (files.length === 0) return null

      const rows = shaped(
        root,
        files,
        eventColumns,
        `"timestamp", "$namespace", "$identity", "$event", "$hash", ${dataset} AS "$dataset"`,
      )
      const key = `CASE WHEN "$namespace" = ${literal(primary?.namespace ?? '')} THEN "$identity" ELSE "$namespace" || ':' || "$identity" END`
      if (identities === null) return `SELECT ${key} AS "$profile", * EXCLUDE ("$identity") FROM (${rows})`
      return `SELECT coalesce(i.profile, ${key}) AS "$profile", r.* EXCLUDE ("$identity") FROM (${rows}) r
        LEFT JOIN read_parquet(${literal(join(root, identities))}) i ON i.node = "$namespace" || ':' || "$identity"`
    },
    /** Fills `decided`: for every event id that several rows carry, the row that stands: latest time, then content. */
    async decideEvents(engine: Engine, rows: string): Promise<void> {
      await engine.run(`CREATE OR REPLACE TEMP TABLE decided AS SELECT "$dataset" AS dataset, "$event" AS event, ${best} AS best
        FROM (${rows}) WHERE "$event" IS NOT NULL GROUP BY ALL HAVING count(*) > 1`)
    },
    async datasetsWithIds(engine: Engine, rows: string): Promise<readonly string[]> {
      const found = await engine.rows(`SELECT DISTINCT "$dataset" AS dataset FROM (${rows}) WHERE "$event" IS NOT NULL`)
      return found.map((row) => String(row['dataset']))
    },
    /** The rows without those that lose their event id to another row. */
    decidedEvents(rows: string): string {
      return `SELECT r.* FROM (${rows}) r LEFT JOIN decided ON decided.dataset = r."$dataset" AND decided.event = r."$event"
        WHERE decided.event IS NULL OR decided.best = struct_pack(t := r."timestamp", h := r."$hash", p := r."$profile")`
    },
    /** Rows of the same event id as one of `others`. */
    sameIds(rows: string, others: string): string {
      return `SELECT "$profile" FROM (${rows}) r SEMI JOIN (${ids(others)}) o ON o."$dataset" = r."$dataset" AND o."$event" = r."$event"`
    },
    /** Buckets of known events that a new one replaces; in `decided`, new ones that do not replace a known one lose. */
    async reconsider(engine: Engine, known: string, fresh: string, buckets: number): Promise<readonly number[]> {
      const same = `SELECT r.* FROM (${known}) r SEMI JOIN (${ids(fresh)}) o ON o."$dataset" = r."$dataset" AND o."$event" = r."$event"`
      await engine.run(`CREATE OR REPLACE TEMP TABLE again AS SELECT k.*, f.best AS fresh FROM
        (SELECT "$dataset" AS dataset, "$event" AS event, ${best} AS best, list(DISTINCT ${bucketSql('"$profile"', buckets)}) AS buckets FROM (${same}) GROUP BY ALL) k
        JOIN (SELECT "$dataset" AS dataset, "$event" AS event, ${best} AS best FROM (${fresh}) WHERE "$event" IS NOT NULL GROUP BY ALL) f USING (dataset, event);
        DELETE FROM decided USING again WHERE decided.dataset = again.dataset AND decided.event = again.event;
        INSERT INTO decided SELECT dataset, event, CASE WHEN fresh > best THEN fresh END FROM again`)
      const replaced = await engine.rows(
        'SELECT DISTINCT unnest(buckets) AS bucket FROM again WHERE fresh > best ORDER BY 1',
      )
      return replaced.map((row) => Number(row['bucket']))
    },
    /** Fills `left_out` with the profiles of a bucket that are over a guardrail. */
    async leaveOut(engine: Engine, rows: string | null, bucket: number, buckets: number): Promise<void> {
      const events =
        rows === null
          ? null
          : `SELECT "$profile", 'eventsPerProfile' AS reason FROM (${rows}) GROUP BY 1 HAVING count(*) > ${plan.limits.eventsPerProfile}`
      const linked =
        identities === null
          ? null
          : `SELECT profile AS "$profile", 'identitiesPerProfile' AS reason FROM read_parquet(${literal(join(root, identities))})
        WHERE size > ${plan.limits.identitiesPerProfile} AND ${bucketSql('profile', buckets)} = ${bucket} GROUP BY 1`
      const all = [linked, events].filter((query) => query !== null).join(' UNION ALL ')
      const none = `SELECT NULL::VARCHAR AS "$profile", NULL::VARCHAR AS reason WHERE false`
      await engine.run(
        `CREATE OR REPLACE TEMP TABLE left_out AS SELECT "$profile", max(reason) AS reason FROM (${all || none}) GROUP BY 1`,
      )
    },
    /** One bucket's events in their final shape. */
    eventBucket(rows: string, heedsLeftOut = true): string {
      const out = heedsLeftOut ? 'ANTI JOIN left_out USING ("$profile")' : ''
      return `SELECT "$profile", "$namespace", "timestamp"${eventNames} FROM (
          SELECT * FROM (${rows}) QUALIFY "$event" IS NULL OR row_number() OVER (PARTITION BY "$dataset", "$event" ORDER BY ${order}) = 1
        ) ${out} ORDER BY "$profile", "timestamp", "$hash"`
    },
    /** One bucket's merged profiles, with those that only events know of; null when there can be none. */
    profileBucket(rows: string | null, events: readonly string[], leftOut: readonly string[]): string | null {
      if (rows === null && events.length === 0) return null
      const names = store.profile.map(({ path }) => identifier(path))
      const rank =
        store.mergePolicy.attributes === 'DatasetPrecedence'
          ? '"$precedence", "$time", "$dataset" DESC, "$hash"'
          : '"$time", "$precedence", "$dataset" DESC, "$hash"'
      const merged = `SELECT "$profile"${names.map((name) => `, arg_max(${name}, "$rank") AS ${name}`).join('')}
        FROM (SELECT *, row_number() OVER (ORDER BY ${rank}) AS "$rank" FROM (${rows})) GROUP BY 1`
      const out = leftOut.length === 0 ? '' : `ANTI JOIN ${readParquet(root, leftOut)} USING ("$profile")`
      if (events.length === 0) return `SELECT * FROM (${merged}) ${out} ORDER BY "$profile"`
      const lonely = eventProfiles(events)
      if (rows === null) return `SELECT * FROM (${lonely}) ${out} ORDER BY "$profile"`
      return `WITH merged AS (${merged}) SELECT * FROM (SELECT * FROM merged UNION ALL SELECT * FROM (${lonely}) ANTI JOIN merged USING ("$profile")) ${out} ORDER BY "$profile"`
    },
    /** Profiles of events that the bucket does not have yet. */
    newcomers(profiles: readonly string[], events: readonly string[]): string {
      const known = profiles.length === 0 ? '' : `ANTI JOIN ${readParquet(root, profiles)} USING ("$profile")`
      return `SELECT * FROM (${eventProfiles(events)}) ${known} ORDER BY "$profile"`
    },
  }

  /** Profiles as their events know them: the identity alone. Their id is that identity, or they would have a record. */
  function eventProfiles(events: readonly string[]): string {
    const columns = store.profile.map(({ path, type }) => {
      const identity = store.identities.find((one) => one.path === path)
      if (!identity) return `NULL::${sqlTypeOf(type)} AS ${identifier(path)}`
      const value = isPrimary(identity.namespace)
        ? '"$profile"'
        : `substr("$profile", ${identity.namespace.length + 2})`
      return `CASE WHEN namespace = ${literal(identity.namespace)} THEN try_cast(${value} AS ${sqlTypeOf(type)}) END AS ${identifier(path)}`
    })
    return `SELECT "$profile", ${columns.join(', ')} FROM (SELECT "$profile", min("$namespace") AS namespace FROM ${readParquet(root, events)} GROUP BY 1)`
  }
}
