import type { MembershipQuery, StorePlan } from '#crds'
import { type Engine, identifier, timestampLiteral } from '../engines/duckdb.ts'
import { bitSql, maskOf, statusesSql, wordOf, wordsOf } from '../memberships.ts'
import {
  type BucketFiles,
  bucketSql,
  type DataManifest,
  eventsSql,
  type MembershipManifest,
  membershipRowsSql,
  profilesSql,
  slotsPerWord,
} from '../profile-store.ts'
import { checkFiles } from '../store-files.ts'
import { blaming } from './faulty.ts'
import { findCandidates, isSameLayout, looking, type Narrowing, recentSql } from './narrowing.ts'
import type { QueryPart } from './part-of-query.ts'
import { evaluatedOf, type Track } from './tracks.ts'
import {
  type BucketFilesOfVersion,
  isChanged,
  ofBucketSql,
  partsOfBucket,
  writeChanges,
  writeLog,
  writeMembers,
} from './version-files.ts'

export type BucketContext = {
  readonly root: string
  readonly store: StorePlan
  readonly data: DataManifest
  readonly previous: MembershipManifest | null
  readonly query: MembershipQuery
  /** What the query says of all Segments that are evaluated: for finding a faulty one. */
  readonly sql: string
  /** The parts of the query in which they are evaluated one after another, each with words of its own. */
  readonly parts: readonly QueryPart[]
  readonly tracks: readonly Track[]
  readonly version: string
  readonly ordinal: number
  readonly now: string
  readonly narrowing: Narrowing | null
}

export type BucketResult = BucketFilesOfVersion & {
  /** For each track. */
  readonly counts: readonly { readonly entered: number; readonly exited: number }[]
}

/** Evaluates one bucket, and writes what the new version has of it. */
export async function evaluateBucket(engine: Engine, context: BucketContext, bucket: number): Promise<BucketResult> {
  const kept = keptOf(context, bucket)
  const made = await makeMembership(engine, context, bucket)
  if (made.people === 0) return { ...kept, counts: context.tracks.map(() => ({ entered: 0, exited: 0 })) }
  const { counts, changed } = await countChanges(engine, context.tracks)
  return { ...(await write(engine, context, bucket, { isNarrow: made.isNarrow, changed })), counts }
}

/**
 * Evaluates the few people of all buckets together whom a narrowing finds: what a statement costs is paid once, not for each bucket. null:
 * there are more of them than fit beside each other in two buckets, and nothing was done.
 */
export async function evaluateTogether(
  engine: Engine,
  context: BucketContext,
): Promise<readonly BucketResult[] | null> {
  const { data, previous, narrowing, tracks } = context
  if (!previous || !narrowing || narrowing.touched.includes(null)) return null
  const flat = (files: BucketFiles | undefined): BucketFiles => [(files ?? []).flat()]
  const joint: BucketContext = {
    ...context,
    data: { ...data, buckets: 1, profiles: flat(data.profiles), events: flat(data.events) },
    previous: {
      ...previous,
      buckets: 1,
      files: flat(previous.files),
      changed: flat(previous.changed),
      log: flat(previous.log),
    },
    narrowing: { ...narrowing, touched: [narrowing.touched.flatMap((files) => files ?? [])] },
  }
  const { people } = await makeMembership(engine, joint, 0, Math.ceil((2 * data.profileCount) / data.buckets))
  if (people === null) return null
  const nothing = tracks.map(() => ({ entered: 0, exited: 0 }))
  const results = Array.from(
    { length: data.buckets },
    (_, bucket): BucketResult => ({ ...keptOf(context, bucket), counts: nothing }),
  )
  if (people === 0) return results
  const { counts, changed } = await countChanges(engine, tracks)
  if (changed === 0) return results
  // Sums over all buckets are what is asked for.
  results[0] = { ...results[0]!, counts }
  await engine.run(
    `CREATE OR REPLACE TEMP TABLE together AS SELECT *, ${bucketSql('"$profile"', data.buckets)} AS bucket FROM membership WHERE ${isChanged(tracks)}`,
  )
  for (const row of await engine.rows(
    'SELECT bucket, count(*) AS changed FROM together GROUP BY bucket ORDER BY bucket',
  )) {
    const bucket = Number(row['bucket'])
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE membership AS SELECT * EXCLUDE (bucket) FROM together WHERE bucket = ${bucket}`,
    )
    const written = await write(engine, context, bucket, { isNarrow: true, changed: Number(row['changed']) })
    results[bucket] = { ...results[bucket]!, ...written }
  }
  return results
}

function keptOf({ previous }: BucketContext, bucket: number): BucketFilesOfVersion {
  return {
    files: previous?.files[bucket] ?? [],
    changed: previous?.changed?.[bucket] ?? [],
    log: previous?.log?.[bucket] ?? [],
  }
}

/** Writes what the new version has of a bucket, by the table `membership`. */
async function write(
  engine: Engine,
  context: BucketContext,
  bucket: number,
  { isNarrow, changed }: { readonly isNarrow: boolean; readonly changed: number },
): Promise<BucketFilesOfVersion> {
  const { data, previous, tracks } = context
  const kept = keptOf(context, bucket)
  const isSame =
    changed === 0 &&
    previous?.log !== undefined &&
    previous.buckets === data.buckets &&
    isSameLayout(previous.segments, tracks)
  // Without a change the files of the version before stand for this version too.
  if (isSame) return kept
  const members = await (isNarrow ? writeChanges(engine, context, bucket, kept) : writeMembers(engine, context, bucket))
  return { ...members, log: await writeLog(engine, context, bucket) }
}

/**
 * Fills the table `membership` for a bucket. `people`: for how many of a narrowed bucket; null: for nobody, since there are more than
 * `most`.
 */
async function makeMembership(
  engine: Engine,
  context: BucketContext,
  bucket: number,
  most = Number.POSITIVE_INFINITY,
): Promise<{ readonly isNarrow: boolean; readonly people: number | null }> {
  const { root, store, data, previous, query, tracks, now, narrowing } = context
  const columns = (paths: readonly string[], of: StorePlan['profile']) => of.filter(({ path }) => paths.includes(path))
  const instant = timestampLiteral(now)
  const before = previousSql(context, bucket)
  const relations = {
    profiles: profilesSql(data, root, bucket, columns(query.profileColumns, store.profile)),
    events: eventsSql(data, root, bucket, columns(query.eventColumns, store.event)),
    before: before ?? nothingSql(tracks),
  }
  const provide = (own: typeof relations, some: string) =>
    engine.run(
      Object.entries(own)
        .map(([name, sql]) => `CREATE OR REPLACE TEMP VIEW ${name} AS SELECT own.* FROM (${sql}) AS own ${some};`)
        .join('\n'),
    )
  const touched = narrowing?.touched[bucket] ?? null
  const isNarrow = narrowing !== null && touched !== null
  let people = most
  if (isNarrow) {
    const { earliest } = query
    const read = earliest === undefined ? relations : { ...relations, events: 'SELECT * FROM recent' }
    people = await looking(async () => {
      // Recent events are read once, both to find the candidates and to evaluate them.
      if (earliest !== undefined)
        await engine.run(
          `CREATE OR REPLACE TEMP TABLE recent AS ${recentSql(relations.events, earliest, narrowing, now)}`,
        )
      await provide(read, '')
      return findCandidates(engine, root, query, narrowing, touched, now)
    })
    if (people === 0) return { isNarrow, people }
    if (people > most) return { isNarrow, people: null }
    // The query may read events several times.
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE theirs AS SELECT own.* FROM (${read.events}) AS own SEMI JOIN candidates USING ("$profile")`,
    )
    await provide({ ...read, events: 'SELECT * FROM theirs' }, 'SEMI JOIN candidates USING ("$profile")')
  } else {
    await checkFiles(root, filesOfBucket(context, bucket), data.checksums, previous?.checksums)
    await provide(relations, '')
  }
  await engine.run(`CREATE OR REPLACE TEMP VIEW members AS ${earlierSql(context, bucket)}`)
  const at = (sql: string): string => sql.replaceAll('$now', () => instant)
  await blaming(engine, at(context.sql), evaluatedOf(tracks), async () => {
    const words = await evaluatedSql(engine, context, at)
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE membership AS ${membershipSql(tracks, words, before === null ? null : 'SELECT * FROM before')}`,
    )
  })
  return { isNarrow, people }
}

/** The files that are read of a whole bucket. A narrowed bucket reads only parts of these, so they are not checked there. */
function filesOfBucket({ data, previous }: BucketContext, bucket: number): readonly string[] {
  const before = [previous?.files ?? [], previous?.changed ?? [], previous?.log ?? []]
  return [
    ...(data.profiles[bucket] ?? []),
    ...(data.events[bucket] ?? []),
    ...before.flatMap((files) => (previous?.buckets === data.buckets ? (files[bucket] ?? []) : files.flat())),
  ]
}

/** SELECT of the previous version's rows that belong to this bucket, even where that version had another number of buckets. */
function previousSql({ root, previous, data }: BucketContext, bucket: number): string | null {
  if (!previous) return null
  const parts = partsOfBucket(previous, data, bucket).flatMap((index) => membershipRowsSql(previous, root, index) ?? [])
  if (parts.length === 0) return null
  return `SELECT * FROM (${parts.join(' UNION ALL BY NAME ')}) ${ofBucketSql(previous, data, bucket)}`
}

function nothingSql(tracks: readonly Track[]): string {
  return `SELECT NULL::VARCHAR AS "$profile"${wordsOf(tracks)
    .map((word) => `, NULL::BIGINT AS m${word}`)
    .join('')} WHERE false`
}

/** SELECT of what the query reads of the version before. Only who reads times needs more than the bits. */
function earlierSql(context: BucketContext, bucket: number): string {
  const { root, previous, data, query } = context
  const { references, qualified = [] } = query
  if (qualified.length === 0 || !previous) {
    const names = [...new Set([...references, ...qualified])]
    const bits = names.map((name) => `${memberSql(context, name)} AS ${identifier(name)}`)
    const times = qualified.map((name) => `NULL::TIMESTAMP AS ${identifier(`$since:${name}`)}`)
    return `SELECT ${['"$profile"', ...bits, ...times].join(', ')} FROM before`
  }
  const names = [...new Set([...references, ...qualified])]
  const columns = names.flatMap((name, index) => [
    `r${index} AS ${identifier(name)}`,
    ...(qualified.includes(name) ? [`s${index} AS ${identifier(`$since:${name}`)}`] : []),
  ])
  const all = partsOfBucket(previous, data, bucket).map((index) => statusesSql(previous, root, index, names))
  return `SELECT ${['"$profile"', ...columns].join(', ')} FROM (${all.join(' UNION ALL ')}) ${ofBucketSql(previous, data, bucket)}`
}

function memberSql({ previous }: BucketContext, segment: string): string {
  const known = previous?.segments.find((one) => one.segment === segment)
  return known ? `coalesce(${bitSql(known.slot)}, false)` : 'false'
}

/** SELECT of "$profile" and the evaluated bits as words eN; of several parts, the first are made as tables. */
async function evaluatedSql(
  engine: Engine,
  { tracks, parts }: BucketContext,
  at: (sql: string) => string,
): Promise<string> {
  const evaluated = tracks.filter(({ fate }) => fate === 'evaluated')
  const wordsSql = ({ sql, segments }: QueryPart): string => {
    const asked = new Set(segments)
    const own = evaluated.filter(({ segment }) => asked.has(segment))
    const words = [...Map.groupBy(own, ({ slot }) => wordOf(slot))].map(
      ([word, tracks]) => `, ${packedSql(tracks)} AS e${word}`,
    )
    return `SELECT "$profile"${words.join('')} FROM (${at(sql)})`
  }
  const [first, ...others] = parts
  if (first === undefined) return nothingSql([])
  if (others.length === 0) return wordsSql(first)
  for (const [index, part] of parts.entries())
    await engine.run(`CREATE OR REPLACE TEMP TABLE part_${index} AS ${wordsSql(part)}`)
  return `SELECT * FROM part_0 ${others.map((_, index) => `JOIN part_${index + 1} USING ("$profile")`).join(' ')}`
}

/** SQL of a word with the bits of these Segments: by bytes first, since narrow values are combined faster. */
function packedSql(tracks: readonly Track[]): string {
  const bytes = Map.groupBy(tracks, ({ slot }) => Math.floor((slot % slotsPerWord) / 8))
  return [...bytes]
    .map(([byte, own]) => {
      const bits = own.map(({ segment, slot }) => `(${identifier(segment)}::UTINYINT << ${(slot % slotsPerWord) % 8})`)
      return `((${bits.join(' | ')})::BIGINT << ${byte * 8})`
    })
    .join(' | ')
}

/**
 * Rows of the new version: words mN, and oN, the words as they were before, of everybody who has a bit in either. `before` null: nobody
 * was in anything, and nothing is joined.
 */
function membershipSql(tracks: readonly Track[], evaluated: string, before: string | null): string {
  if (tracks.length === 0) return `SELECT NULL::VARCHAR AS "$profile" WHERE false`
  const words = wordsOf(tracks)
  const has = new Set(wordsOf(tracks.filter(({ fate }) => fate === 'evaluated')))
  const own = (word: number): string => (has.has(word) ? `coalesce(e${word}, 0)` : '0::BIGINT')
  const some = words.map((word) => `m${word} <> 0 OR o${word} <> 0`).join(' OR ')
  if (before === null)
    return `SELECT * FROM (SELECT "$profile", ${words.map((word) => `${own(word)} AS m${word}, 0::BIGINT AS o${word}`).join(', ')} FROM (${evaluated})) WHERE ${some}`
  // Bits of the version before, only of the Segments that `test` chooses: a slot that is free again may hold bits of another Segment.
  const was = (word: number, test: (track: Track) => boolean) => {
    const mask = maskOf(tracks.filter(test), word)
    return mask === '0' ? '0::BIGINT' : `(coalesce(b.m${word}, 0) & ${mask})`
  }
  // Evaluated bits and carried ones; a Segment that left gets none, so its members exit. Before: only bits of known Segments.
  const joined = words.flatMap((word) => [
    `${own(word)} | ${was(word, ({ fate }) => fate === 'carried')} AS m${word}`,
    `${was(word, ({ isKnown }) => isKnown)} AS o${word}`,
  ])
  return `SELECT * FROM (
      SELECT coalesce(e."$profile", b."$profile") AS "$profile", ${joined.join(', ')}
      FROM (${evaluated}) e FULL JOIN (${before}) b ON b."$profile" = e."$profile"
    ) WHERE ${some}`
}

/** Three bits of a word are counted by one sum, each in as many bits of it as this, as long as there are no more rows than fit. */
const countBits = 20
const mostCounted = 2 ** countBits - 1
const threeBits = (1n | (1n << 20n) | (1n << 40n)).toString()

/** How many profiles entered and left each Segment, and how many changed in any, in the table `membership`. */
async function countChanges(
  engine: Engine,
  tracks: readonly Track[],
): Promise<Pick<BucketResult, 'counts'> & { readonly changed: number }> {
  if (tracks.length === 0) return { counts: [], changed: 0 }
  const isMoved = wordsOf(tracks)
    .map((word) => `m${word} <> o${word}`)
    .join(' OR ')
  const [row] = await engine.rows(`SELECT count(*) AS rows, count_if(${isMoved}) AS changed FROM membership`)
  const [rows, changed] = [Number(row?.['rows']), Number(row?.['changed'])]
  const counts = tracks.map(() => ({ entered: 0, exited: 0 }))
  if (changed === 0) return { counts, changed }
  const known = new Set(wordsOf(tracks.filter(({ isKnown }) => isKnown)))
  const moved = wordsOf(tracks).flatMap((word) => [
    { word, of: 'entered' as const, sql: `m${word} & ~o${word}` },
    ...(known.has(word) ? [{ word, of: 'exited' as const, sql: `o${word} & ~m${word}` }] : []),
  ])
  const bySlot = new Map(tracks.map(({ slot }, index) => [slot, index]))
  // A sum of at most 60 bits is exact as a text.
  for (let from = 0; from < rows; from += mostCounted) {
    const some = rows <= mostCounted ? '' : `AND rowid >= ${from} AND rowid < ${from + mostCounted}`
    const sums = moved.flatMap(({ sql }, index) =>
      Array.from(
        { length: countBits },
        (_, bit) => `sum(((${sql}) >> ${bit}) & ${threeBits})::VARCHAR AS "${index} ${bit}"`,
      ),
    )
    const [found] = await engine.rows(`SELECT ${sums.join(', ')} FROM membership WHERE (${isMoved}) ${some}`)
    for (const [index, { word, of }] of moved.entries())
      for (let bit = 0; bit < countBits; bit += 1) {
        const sum = BigInt(String(found?.[`${index} ${bit}`] ?? 0))
        for (const [place, slot] of [bit, bit + 20, bit + 40].entries()) {
          const own = counts[bySlot.get(word * slotsPerWord + slot) ?? -1]
          if (own) own[of] += Number((sum >> BigInt(place * countBits)) & BigInt(mostCounted))
        }
      }
  }
  return { counts, changed }
}
