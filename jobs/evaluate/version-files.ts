// Files of a membership version: bits of everybody, changes beside them, and the log of what changed.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type Engine, literal, readParquet, timestampLiteral } from '../engines/duckdb.ts'
import { bitSql, logSql, maskOf, membershipRowsSql, wordOf, wordsOf } from '../memberships.ts'
import { bucketSql, settleFile, slotsPerWord, temporaryOf } from '../profile-store.ts'
import type { BucketContext } from './bucket.ts'
import type { Track } from './tracks.ts'

export type BucketFilesOfVersion = {
  readonly files: readonly string[]
  readonly changed: readonly string[]
  readonly log: readonly string[]
}

type MemberFiles = Pick<BucketFilesOfVersion, 'files' | 'changed'>

/** Writes the rows of the table `membership` who are in something. */
export async function writeMembers(engine: Engine, context: BucketContext, bucket: number): Promise<MemberFiles> {
  const select = `${memberRowsSql(context.tracks)} WHERE ${someBit(context.tracks)}`
  const [row] = await engine.rows(`SELECT count(*) AS rows FROM (${select})`)
  if (row?.['rows'] === 0) return { files: [], changed: [] }
  return {
    files: await writeFile(engine, context, `members-${bucket}`, `${select} ORDER BY "$profile"`),
    changed: [],
  }
}

/** The largest share of a bucket's rows that `changed` may hold, which is written anew each time; with more, the bucket is rewritten. */
const largestChange = 1 / 8

/** Writes the changed rows, with those that had changed before, to `changed` beside the bucket's files; or the whole bucket anew. */
export async function writeChanges(
  engine: Engine,
  context: BucketContext,
  bucket: number,
  kept: MemberFiles,
): Promise<MemberFiles> {
  const { root, tracks } = context
  await engine.run(`CREATE OR REPLACE TEMP TABLE changes AS ${memberRowsSql(tracks)} WHERE ${isChanged(tracks)}`)
  if (kept.changed.length > 0)
    await engine.run(
      `INSERT INTO changes BY NAME SELECT * FROM ${readParquet(root, kept.changed)} ANTI JOIN (SELECT "$profile" FROM changes) USING ("$profile")`,
    )
  const base = kept.files.length === 0 ? null : readParquet(root, kept.files)
  const [row] = await engine.rows(
    `SELECT (SELECT count(*) FROM changes) AS changes, ${base === null ? '0' : `(SELECT count(*) FROM ${base})`} AS rows`,
  )
  if (Number(row?.['changes']) <= Number(row?.['rows']) * largestChange) {
    const some = 'SELECT * FROM changes ORDER BY "$profile"'
    return { files: kept.files, changed: await writeFile(engine, context, `changed-${bucket}`, some) }
  }
  const rest =
    base === null ? '' : `UNION ALL BY NAME SELECT base.* FROM ${base} AS base ANTI JOIN changes USING ("$profile")`
  const all = `SELECT * FROM (SELECT * FROM changes ${rest}) WHERE ${someBit(tracks)} ORDER BY "$profile"`
  return { files: await writeFile(engine, context, `members-${bucket}`, all), changed: [] }
}

/** SELECT of what a version keeps of the table `membership`. */
function memberRowsSql(tracks: readonly Track[]): string {
  return `SELECT "$profile"${wordsOf(tracks)
    .map((word) => `, m${word}`)
    .join('')} FROM membership`
}

function someBit(tracks: readonly Track[]): string {
  return (
    wordsOf(tracks)
      .map((word) => `m${word} <> 0`)
      .join(' OR ') || 'false'
  )
}

/** The condition that a row of the table `membership` changed. */
export function isChanged(tracks: readonly Track[]): string {
  return (
    wordsOf(tracks)
      .map((word) => `m${word} <> o${word}`)
      .join(' OR ') || 'false'
  )
}

/** How long every change is remembered, as long as Adobe's store remembers who left a segment. */
export const historyMs = 30 * 24 * 3_600_000

/** The most files of a bucket's log before they are put together. */
const mostLogFiles = 24

/**
 * Adds this version's changes to the bucket's log. A Segment's first members are no changes: their time is that of the Segment's first
 * evaluation. Where the version before has no log, or other buckets, it is made of what that version has.
 */
export async function writeLog(engine: Engine, context: BucketContext, bucket: number): Promise<readonly string[]> {
  const { root, previous, data, tracks, ordinal, now } = context
  if (!previous) return []
  const known = tracks.filter(({ isKnown }) => isKnown)
  const words = wordsOf([...previous.segments, ...(previous.gone ?? [])])
  const there = new Set(wordsOf(known))
  const moved = words.flatMap((word) => {
    const mask = maskOf(known, word)
    return there.has(word)
      ? [`m${word} & ~o${word} & ${mask} AS e${word}`, `o${word} & ~m${word} & ${mask} AS x${word}`]
      : [`0::BIGINT AS e${word}`, `0::BIGINT AS x${word}`]
  })
  if (words.length === 0) return []
  const own = `SELECT * FROM (SELECT "$profile", ${ordinal}::INTEGER AS v, ${timestampLiteral(now)} AS "at", ${moved.join(', ')} FROM membership WHERE ${isChanged(tracks)}) WHERE ${words.map((word) => `e${word} <> 0 OR x${word} <> 0`).join(' OR ')}`
  const before = previous.log?.[bucket] ?? []
  const isMadeAnew = previous.log === undefined || previous.buckets !== data.buckets
  const write = (name: string, select: string) =>
    writeFile(engine, context, name, `${select} ORDER BY "$profile", v, "at"`)
  if (isMadeAnew) {
    const earlier = partsOfBucket(previous, data, bucket).map((index) => {
      const { log } = previous
      return log === undefined ? timesAsLogSql(context, index, known, words) : logSql(root, log[index] ?? [], words)
    })
    const all = `SELECT * FROM (${earlier.join(' UNION ALL ')}) ${ofBucketSql(previous, data, bucket)}`
    return write(`log-${bucket}`, `SELECT * FROM (${compactedSql(all, words, now)} UNION ALL BY NAME ${own})`)
  }
  const [row] = await engine.rows(`SELECT count(*) AS rows FROM (${own})`)
  const added = Number(row?.['rows']) === 0 ? [] : await write(`log-${bucket}`, `SELECT * FROM (${own})`)
  if (before.length + added.length <= mostLogFiles) return [...before, ...added]
  // The first file is put together with the others once these have half its size.
  const [first, ...others] = [...before, ...added]
  const size = (files: readonly string[]) => files.reduce((sum, file) => sum + statSync(join(root, file)).size, 0)
  const isWhole = size(others) * 2 > size([first!])
  const put = isWhole ? [first!, ...others] : others
  const together = await write(
    `log-${bucket}-together`,
    compactedSql(logSql(root, put, words), words, isWhole ? now : null),
  )
  return isWhole ? together : [first!, ...together]
}

/** SELECT of rows of the log; with `now`, of what is older than 30 days then only the last change of each bit. */
function compactedSql(rows: string, words: readonly number[], now: string | null): string {
  if (now === null) return `SELECT * FROM (${rows})`
  const horizon = timestampLiteral(new Date(Date.parse(now) - historyMs))
  const later = words.map((word) => `coalesce(bit_or(e${word} | x${word}) OVER later, 0) AS l${word}`)
  const left = words.flatMap((word) =>
    [`e${word}`, `x${word}`].map(
      (name) => `CASE WHEN "at" < ${horizon} THEN ${name} & ~l${word} ELSE ${name} END AS ${name}`,
    ),
  )
  return `SELECT * FROM (SELECT "$profile", v, "at", ${left.join(', ')} FROM (
      SELECT *, ${later.join(', ')} FROM (${rows}) WINDOW later AS (PARTITION BY "$profile" ORDER BY v DESC, "at" DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )) WHERE ${words.map((word) => `e${word} <> 0 OR x${word} <> 0`).join(' OR ')}`
}

/** SELECT of rows of the log that say what the times beside the bits of form 1 said. */
function timesAsLogSql(
  { root, previous }: BucketContext,
  bucket: number,
  known: readonly Track[],
  words: readonly number[],
): string {
  const rows = previous && [...(previous.files[bucket] ?? []), ...(previous.changed?.[bucket] ?? [])]
  if (!previous || !rows || rows.length === 0) return logSql(root, [], words)
  const entries = known.map(({ slot }) => {
    const mask = `(1::BIGINT << ${slot % slotsPerWord})`
    return `{"at": t${slot}, w: ${wordOf(slot)}, e: CASE WHEN ${bitSql(slot)} THEN ${mask} ELSE 0 END, x: CASE WHEN ${bitSql(slot)} THEN 0 ELSE ${mask} END}`
  })
  const pairs = words.flatMap((word) =>
    ['e', 'x'].map((of) => `coalesce(bit_or(CASE WHEN u.w = ${word} THEN u.${of} END), 0) AS ${of}${word}`),
  )
  return `SELECT "$profile", 0::INTEGER AS v, u."at" AS "at", ${pairs.join(', ')}
    FROM (SELECT "$profile", unnest([${entries.join(', ')}]) AS u FROM (${membershipRowsSql(previous, root, bucket)})) WHERE u."at" IS NOT NULL GROUP BY "$profile", u."at"`
}

async function writeFile(
  engine: Engine,
  { root, version }: BucketContext,
  name: string,
  select: string,
): Promise<readonly string[]> {
  const path = `membership/${version}/${name}.parquet`
  const temporary = temporaryOf(join(root, path))
  await engine.run(`COPY (${select}) TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`)
  settleFile(temporary, join(root, path))
  return [path]
}

/** The buckets of the previous version that have profiles of this one. */
export function partsOfBucket(
  previous: { readonly buckets: number },
  data: { readonly buckets: number },
  bucket: number,
): readonly number[] {
  const stride = Math.min(previous.buckets, data.buckets)
  return Array.from({ length: previous.buckets }, (_, index) => index).filter(
    (index) => index % stride === bucket % stride,
  )
}

/** The condition that a profile of those buckets is of this one; empty where all are. */
export function ofBucketSql(
  previous: { readonly buckets: number },
  data: { readonly buckets: number },
  bucket: number,
): string {
  return previous.buckets < data.buckets ? `WHERE ${bucketSql('"$profile"', data.buckets)} = ${bucket}` : ''
}
