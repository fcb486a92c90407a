import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { sha256OfFile } from '../digest.ts'
import { type Engine, fileLiteral, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'

/**
 * Path of a delivered set: what an export told the landing zone about one Segment. One row for each delivered member, with the key's
 * texts k0, k1, …, its profile and the hash of its row. `keys` says what the key is made of; sets with different keys cannot be compared.
 */
export function deliveredPath(root: string, activation: string, segment: string, run: string): string {
  return join(root, 'delivered', activation, segment, `${run}.parquet`)
}

/** The baseline's file; null where it is missing or has another key: then the Segment is backfilled. */
export async function readableBaseline(engine: Engine, path: string, keys: string): Promise<string | null> {
  if (!existsSync(path)) return null
  const [wanted, found] = [checksumOf(path), await sha256OfFile(path)]
  if (wanted !== null && wanted !== found)
    throw new JobError(
      'DamagedStore',
      `${path} is damaged: it is not what was written, and so nobody can tell what has changed since. Nothing was delivered. Put it back from a backup; without one, delete it: the next file of the Segment is then a backfill, and who left since is not told.`,
    )
  const [row] = await engine.rows(`SELECT any_value(keys) AS keys FROM read_parquet(${fileLiteral(path)})`)
  return row && (row['keys'] === null || row['keys'] === keys) ? path : null
}

/** Writes a delivered set beside its path, flushes it and renames it: it is there whole or not at all. */
export async function commitDelivered(engine: Engine, path: string, select: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.tmp`
  await engine.run(`COPY (${select}) TO ${literal(temporary)} (FORMAT parquet)`)
  flush(temporary)
  // Written first, so that no set is there without its checksum. It does not match a set that another attempt wrote.
  writeFileSync(`${path}${checksumEnding}`, `${await sha256OfFile(temporary)}\n`, { flush: true })
  renameSync(temporary, path)
  flush(dirname(path))
}

const checksumEnding = '.sha256'

/** null where an earlier version of convoke wrote the set, without a checksum. */
function checksumOf(path: string): string | null {
  const file = `${path}${checksumEnding}`
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : null
}

/** Removes delivered sets older than the acknowledged one: nothing compares with them any more. */
export function pruneDelivered(path: string, baseline: string): void {
  const folder = dirname(path)
  const { mtimeMs } = statSync(baseline)
  for (const name of readdirSync(folder)) {
    const candidate = join(folder, name)
    const set = candidate.endsWith(checksumEnding) ? candidate.slice(0, -checksumEnding.length) : candidate
    if (set !== path && set !== baseline && statSync(candidate).mtimeMs < mtimeMs) rmSync(candidate, { force: true })
  }
}

function flush(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
