// Delivered sets: what exports told the landing zone. Of each run there is a folder with numbered parts, since an attempt that goes on where
// another ended writes only what is missing. A part is an index (JSON, renamed into its place last) and the Parquet files that it names. An
// earlier version of convoke wrote a file for each Segment and run.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sha256OfFile } from '../digest.ts'
import { type Engine, fileLiteral, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { commitJson, flush } from '../profile-store.ts'

/**
 * What was delivered of one Segment: the rows of `path` whose column `segment` is its name; null: all rows. Each row is a delivered member,
 * with the key's texts k0, k1, …, its "$profile" and the hash of its row.
 */
export type DeliveredSet = {
  readonly path: string
  readonly segment: string | null
  /** null: not known without reading the file. */
  readonly rows: number | null
  /** What the key is made of: sets with different texts cannot be compared. null: not known without reading the file. */
  readonly keys: string | null
  /** The digest of the whole file; null where nobody wrote it down. */
  readonly sha256: string | null
}

type Part = {
  readonly keys: string
  readonly files: readonly { readonly name: string; readonly sha256: string }[]
  readonly segments: readonly { readonly name: string; readonly rows: number; readonly file: number }[]
}

/** What an Activation's runs delivered. Reads each run's folder once; sets that come later are not seen. */
export function deliveredSets(
  root: string,
  activation: string,
): { readonly of: (segment: string, run: string) => DeliveredSet | null } {
  const runs = new Map<string, ReadonlyMap<string, DeliveredSet>>()
  return {
    of(segment, run) {
      const known = runs.get(run) ?? setsOf(runFolder(root, activation, run))
      runs.set(run, known)
      return known.get(segment) ?? setOfItsOwn(join(root, 'delivered', activation, segment, `${run}.parquet`))
    },
  }
}

/** SELECT of the columns from a set. */
export function deliveredSql({ path, segment }: DeliveredSet, columns: string): string {
  return `SELECT ${columns} FROM read_parquet(${fileLiteral(path)})${segment === null ? '' : ` WHERE segment = ${literal(segment)}`}`
}

/** The sets whose key is of the same making, and so can be compared with. Throws JobError DamagedStore where a file is not what was written. */
export async function comparable<Of>(
  engine: Engine,
  sets: ReadonlyMap<Of, DeliveredSet>,
  keys: string,
): Promise<ReadonlyMap<Of, DeliveredSet & { readonly rows: number }>> {
  const found = new Map<Of, DeliveredSet & { readonly rows: number }>()
  const checked = new Set<string>()
  for (const [of, set] of sets) {
    const { path, sha256, rows } = set
    if (!checked.has(path) && sha256 !== null && (await sha256OfFile(path)) !== sha256)
      throw new JobError(
        'DamagedStore',
        `${path} is damaged: it is not what was written, and so nobody can tell what has changed since. Nothing was delivered. Put it back from a backup; without one, delete it: the next file of its Segments is then a backfill, and who left since is not told.`,
      )
    checked.add(path)
    if (rows !== null && set.keys !== null) {
      if (set.keys === keys) found.set(of, { ...set, rows })
      continue
    }
    const [row] = await engine.rows(
      `SELECT count(*) AS rows, any_value(keys) AS keys FROM read_parquet(${fileLiteral(path)})`,
    )
    if (row && (row['keys'] === null || row['keys'] === keys)) found.set(of, { ...set, rows: Number(row['rows']) })
  }
  return found
}

/** Rows of some Segments for a new part. `sql`: SELECT of segment, the key's columns, "$profile" and hash, in this order of columns and rows. */
export type DeliveredRows = { readonly segments: ReadonlyMap<string, number>; readonly sql: string }

/** Adds a part to what a run delivered: all of it is there, or nothing. */
export async function commitDelivered(
  engine: Engine,
  { root, activation, run }: { readonly root: string; readonly activation: string; readonly run: string },
  keys: string,
  content: readonly DeliveredRows[],
): Promise<void> {
  const folder = runFolder(root, activation, run)
  const isNew = !existsSync(folder)
  mkdirSync(folder, { recursive: true })
  if (isNew) flush(join(folder, '..'))
  const number = Math.max(0, ...partNumbers(folder)) + 1
  const files: Part['files'][number][] = []
  // Another attempt that still runs may write the same part: each index names files of its own.
  const own = `${number}-${randomBytes(6).toString('hex')}`
  for (const { sql } of content) {
    const name = `${own}-${files.length}.parquet`
    const path = join(folder, name)
    await engine.run(`COPY (${sql}) TO ${literal(path)} (FORMAT parquet)`)
    flush(path)
    files.push({ name, sha256: await sha256OfFile(path) })
  }
  const segments = content.flatMap(({ segments }, file) => [...segments].map(([name, rows]) => ({ name, rows, file })))
  commitJson(join(folder, `${number}.json`), { keys, files, segments } satisfies Part)
}

/**
 * Removes sets that nothing will be compared with any more: those of no baseline that are older than the newest baseline. `baselines` has
 * the run that each Segment counts from; `run` is at work.
 */
export function pruneDelivered(
  { root, activation, run }: { readonly root: string; readonly activation: string; readonly run: string },
  baselines: Readonly<Record<string, string>>,
): void {
  const folder = join(root, 'delivered', activation)
  const kept = new Set([...Object.values(baselines), run])
  const timeOf = (of: string) => statSync(runFolder(root, activation, of), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const newest = Math.max(0, ...[...new Set(Object.values(baselines))].map(timeOf))
  for (const name of namesIn(join(folder, runsFolder)))
    if (!kept.has(name) && timeOf(name) < newest)
      rmSync(runFolder(root, activation, name), { recursive: true, force: true })
  // What an earlier version of convoke wrote, once another run is counted from.
  for (const [segment, baseline] of Object.entries(baselines))
    for (const name of namesIn(join(folder, segment)))
      if (![baseline, run].some((needed) => name.startsWith(`${needed}.parquet`)))
        rmSync(join(folder, segment, name), { force: true })
}

/** No Segment's name begins with a dot. */
const runsFolder = '.runs'

function runFolder(root: string, activation: string, run: string): string {
  return join(root, 'delivered', activation, runsFolder, run)
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function partNumbers(folder: string): readonly number[] {
  return namesIn(folder).flatMap((name) => (/^\d+\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
}

/** The sets of a run; of a Segment in several parts the last one counts. */
function setsOf(folder: string): ReadonlyMap<string, DeliveredSet> {
  const sets = new Map<string, DeliveredSet>()
  for (const number of [...partNumbers(folder)].sort((a, b) => a - b)) {
    const path = join(folder, `${number}.json`)
    const { keys, files, segments } = JSON.parse(readFileSync(path, 'utf8')) as Part // written by `commitDelivered`
    for (const { name, rows, file } of segments) {
      const { name: fileName, sha256 } = files[file]!
      const own = join(folder, fileName)
      if (existsSync(own)) sets.set(name, { path: own, segment: name, rows, keys, sha256 })
    }
  }
  return sets
}

/** A file with one Segment of one run; null where there is none. */
function setOfItsOwn(path: string): DeliveredSet | null {
  if (!existsSync(path)) return null
  const checksum = `${path}.sha256`
  const sha256 = existsSync(checksum) ? readFileSync(checksum, 'utf8').trim() : null
  return { path, segment: null, rows: null, keys: null, sha256 }
}
