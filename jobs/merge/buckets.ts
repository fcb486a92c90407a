import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseQuantityBytes, type StorePlan } from '#crds'
import { type Engine, fileLiteral, literal, readParquet } from '../engines/duckdb.ts'
import { type BucketFiles, bucketSql, type DataManifest, settleFile, temporaryOf } from '../profile-store.ts'
import type { MergeContext } from './merge.ts'
import { type Relation, relation } from './relation.ts'

const maxBuckets = 4096

/** Whether the data, with this many more events, needs more buckets than it has. */
export function isOutgrown(
  store: StorePlan,
  { buckets, eventCount, profileCount }: DataManifest,
  addedEvents: number,
): boolean {
  return bucketsFor(store, eventCount + addedEvents, profileCount) > buckets
}

export async function chooseBuckets(
  engine: Engine,
  store: StorePlan,
  profiles: Relation<'$profile'> | null,
  events: Relation<'$profile'> | null,
): Promise<number> {
  const rows = [profiles, events].filter((some) => some !== null).map(({ sql }) => `SELECT "$profile" FROM ${sql}`)
  if (rows.length === 0) return 1
  const [row] = await engine.rows(`SELECT approx_count_distinct("$profile") AS profiles,
    (SELECT count(*) FROM ${events?.sql ?? '(SELECT 1 WHERE false)'}) AS events FROM (${rows.join(' UNION ALL ')})`)
  return bucketsFor(store, Number(row?.['events']), Number(row?.['profiles']))
}

/** A power of two such that the group-by of one bucket fits in memory: 1 KiB an event and 5 KiB a profile, with room to spare. */
function bucketsFor({ engine }: StorePlan, events: number, profiles: number): number {
  const memoryBytes = parseQuantityBytes(engine.duckDB.memoryLimit) ?? 2 ** 30
  const eventsPerBucket = Math.min(1_000_000, memoryBytes / 1024)
  const profilesPerBucket = Math.min(200_000, memoryBytes / 5120)
  const wanted = Math.max(1, events / eventsPerBucket, profiles / profilesPerBucket)
  return Math.min(maxBuckets, 2 ** Math.ceil(Math.log2(wanted)))
}

/** The buckets that hold a profile of these rows, in order. */
export async function bucketsOf(
  engine: Engine,
  rows: Relation<'$profile'> | null,
  buckets: number,
): Promise<readonly number[]> {
  if (rows === null) return []
  const found = await engine.rows(
    `SELECT DISTINCT ${bucketSql('"$profile"', buckets)} AS bucket FROM ${rows.sql} ORDER BY 1`,
  )
  return found.map((row) => Number(row['bucket']))
}

/** A changeable copy of the files of each bucket; empty lists where there are none to begin with. */
export function bucketsFrom(buckets: number, from: BucketFiles | undefined): (readonly string[])[] {
  return Array.from({ length: buckets }, (_, bucket) => from?.[bucket] ?? [])
}

export async function countRows(engine: Engine, root: string, files: readonly string[]): Promise<number> {
  if (files.length === 0) return 0
  const [row] = await engine.rows(`SELECT count(*) AS rows FROM ${readParquet(root, files)}`)
  return Number(row?.['rows'] ?? 0)
}

/** Writes Parquet files of one data version. Scatters rows over its buckets in the scratch folder, until it is disposed of. */
export type BucketWriter = Disposable & {
  readonly buckets: number
  /**
   * Writes a file with the rows of a SELECT, whole or not at all; returns its path relative to the root, or nothing when there is no row.
   */
  readonly write: (name: string, select: string) => Promise<readonly string[]>
  /** Scatters rows; the result gives the rows of each wanted bucket, or null where there are none. */
  readonly scatter: <Column extends string>(
    name: string,
    rows: Relation<Column | '$profile'> | null,
    wanted: ReadonlySet<number>,
  ) => Promise<(bucket: number) => Relation<Column | '$profile'> | null>
  /** The rows of a bucket that an earlier `scatter` left under a name; null where there are none, and where there is only one bucket. */
  readonly scattered: <Column extends string>(name: string, bucket: number) => Relation<Column> | null
}

/** `folder` is the data version's, relative to the root. */
export function bucketWriter({ engine, root, ports }: MergeContext, folder: string, buckets: number): BucketWriter {
  const folderOfAll = join(ports.scratch, 'scattered')
  function scattered<Column extends string>(name: string, bucket: number): Relation<Column> | null {
    const part = join(folderOfAll, name, `convoke_bucket=${bucket}`)
    return existsSync(part) ? relation(`SELECT * FROM ${readParquet(part, readdirSync(part).sort())}`) : null
  }
  return {
    buckets,
    async write(name, select) {
      const path = `${folder}/${name}.parquet`
      const target = join(root, path)
      const temporary = temporaryOf(target)
      await engine.run(`COPY (${select}) TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`)
      const [row] = await engine.rows(`SELECT count(*) AS rows FROM read_parquet(${fileLiteral(temporary)})`)
      if (row?.['rows'] === 0) {
        rmSync(temporary)
        return []
      }
      settleFile(temporary, target)
      return [path]
    },
    async scatter(name, rows, wanted) {
      if (rows === null || wanted.size === 0) return () => null
      if (buckets === 1) return () => rows
      const target = join(folderOfAll, name)
      mkdirSync(target, { recursive: true })
      const bucket = bucketSql('"$profile"', buckets)
      const some = wanted.size === buckets ? '' : `WHERE ${bucket} IN (${[...wanted].join(', ')})`
      // Rows wait in memory per thread and bucket until there are this many: so memory is bounded whatever the number of buckets.
      await engine.run(`SET partitioned_write_flush_threshold = ${Math.max(2048, Math.floor(524_288 / wanted.size))};
        SET partitioned_write_max_open_files = ${maxBuckets};
        COPY (SELECT *, ${bucket} AS convoke_bucket FROM ${rows.sql} ${some}) TO ${literal(target)} (FORMAT parquet, COMPRESSION lz4_raw, PARTITION_BY (convoke_bucket))`)
      return (of) => scattered(name, of)
    },
    scattered,
    [Symbol.dispose]() {
      rmSync(folderOfAll, { recursive: true, force: true })
    },
  }
}
