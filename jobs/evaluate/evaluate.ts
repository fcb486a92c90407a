import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { EvaluatePlan, MembershipQuery, RunReport, StorePlan } from '#crds'
import { digestOf, sha256 } from '../digest.ts'
import { type Engine, identifier, literal, openDuckDB, readParquet, timestampLiteral } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import {
  bitSql,
  bucketSql,
  commitMembership,
  type DataManifest,
  eventsSql,
  type MembershipManifest,
  type MembershipSegment,
  membershipRowsSql,
  profilesSql,
  readDataManifest,
  readMembershipManifest,
  readMembershipVersion,
  settleFile,
  slotsPerWord,
  storeRootOf,
  temporaryOf,
} from '../profile-store.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { checkFiles, sealed } from '../store-files.ts'
import { lockStore } from '../writer-lock.ts'
import { blaming, withoutFaulty } from './faulty.ts'
import {
  findCandidates,
  isSameLayout,
  looking,
  type Narrowing,
  narrowingOf,
  orForEverybody,
  recentSql,
} from './narrowing.ts'
import { partOfQuery } from './part-of-query.ts'

/**
 * Evaluates a store's Segments at `input.now` over its current data, and commits the next membership version. A Batch run evaluates all
 * Segments; a Streaming run evaluates the Streaming ones and carries the others over as they were. A profile that is gone leaves its
 * Segments, and so does every member of a Segment that left the plan. Repeating a run that was committed commits nothing and gives the
 * same report.
 *
 * A Streaming run looks only at profiles whose data changed and at profiles whose answer may turn with time, where both are known.
 */
export function evaluate(context: StepContext): Promise<RunReport> {
  return runStep('evaluate', context, () => work(context))
}

async function work({ plan, input, ports }: StepContext): Promise<StepResult> {
  const { store, evaluate: evaluatePlan } = plan
  if (!store || !evaluatePlan)
    throw new JobError('InvalidPlan', 'The plan has no evaluate part; compile it for a ProfileStore.')
  const evaluation = input.evaluation ?? 'Batch'
  const query = evaluation === 'Streaming' ? evaluatePlan.streaming : evaluatePlan.full
  if (!query)
    throw new JobError(
      'InvalidPlan',
      'The plan has no Streaming Segment, so there is nothing for a Streaming run to evaluate.',
    )
  const root = storeRootOf(store, ports)
  using lock = lockStore(root, ports)
  const data = readDataManifest(root)
  if (!data) throw new JobError('NotEvaluated', `The ProfileStore ${store.name} holds no data yet; run ingest first.`)
  const previous = readMembershipManifest(root)
  if (previous?.run === input.run && previous.planDigest === plan.digest) return resultOf(previous)
  removeOldVersions(root, previous, new Date(input.now))

  const scratch = mkdtempSync(join(ports.scratch, 'evaluate-'))
  try {
    await using engine = await openDuckDB(store, { ...ports, scratch })
    const version = sha256(digestOf([input.run, plan.digest, data.version, previous?.version ?? null])).slice(0, 16)
    mkdirSync(join(root, 'membership', version), { recursive: true })
    const common = { root, store, data, previous, query, version, now: input.now }
    const { tracks, narrowing, results, failed } = await withoutFaulty(async (failed) => {
      const tracks = tracksOf(evaluatePlan, query, previous, failed)
      const sql = failed.size === 0 ? query.duckdb : partOfQuery(query.duckdb, evaluatedOf(tracks))
      const narrowing = narrowingOf({ digest: plan.digest, query, segments: tracks, now: input.now }, data, previous)
      return orForEverybody(narrowing, async (narrowing) => ({
        tracks,
        narrowing,
        results: await evaluateBuckets(engine, { ...common, tracks, sql, narrowing }, ports),
      }))
    })
    const sum = (index: number, key: 'members' | 'entered' | 'exited') =>
      results.reduce((total, { counts }) => total + (counts[index]?.[key] ?? 0), 0)
    const manifest: MembershipManifest = {
      version,
      previous: previous?.version ?? null,
      run: input.run,
      evaluation,
      evaluatedAt: input.now,
      planDigest: plan.digest,
      dataVersion: data.version,
      buckets: data.buckets,
      segments: tracks.map(({ segment, digest, slot, evaluatedAt }, index) => ({
        segment,
        digest,
        slot,
        evaluatedAt: evaluatedAt ?? input.now,
        // Where a bucket was narrowed, only changes were counted: members = members before + entered - exited.
        members: narrowing
          ? (previous?.segments[index]?.members ?? 0) + sum(index, 'entered') - sum(index, 'exited')
          : sum(index, 'members'),
        entered: sum(index, 'entered'),
        exited: sum(index, 'exited'),
      })),
      files: results.map(({ files }) => files),
      changed: results.map(({ changed }) => changed),
      transitions: results.flatMap(({ transitions }) => transitions),
      ...(failed.size > 0 && { failed: [...failed].map(([segment, message]) => ({ segment, message })) }),
    }
    const whole = await sealed(root, manifest, previous)
    lock.check()
    commitMembership(root, whole)
    return resultOf(whole)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function resultOf(manifest: MembershipManifest): StepResult {
  const { failed = [] } = manifest
  const evaluated = manifest.segments.filter(
    ({ segment, evaluatedAt }) =>
      evaluatedAt === manifest.evaluatedAt && !failed.some((other) => other.segment === segment),
  )
  const sum = (key: 'members' | 'entered' | 'exited') => evaluated.reduce((total, segment) => total + segment[key], 0)
  return {
    totals: { segments: evaluated.length, members: sum('members'), entered: sum('entered'), exited: sum('exited') },
    details: [
      ...evaluated.map(({ segment, members, entered, exited }) => ({ segment, members, entered, exited })),
      ...failed.map(({ segment, message }) => ({ segment, failed: message })),
    ],
    ...(failed.length > 0 && {
      warnings: failed.map(({ segment, message }) => ({
        code: 'EvaluationFailed',
        message: `${segment} was not evaluated, and its members stay as they were: ${message}`,
      })),
    }),
  }
}

/** What happens to one Segment in this version. */
type Track = Pick<MembershipSegment, 'segment' | 'digest' | 'slot'> & {
  /** When the Segment was evaluated; null: at this version's instant. */
  readonly evaluatedAt: string | null
  readonly fate: 'evaluated' | 'carried' | 'left'
  /** Whether the version before knows the Segment, in the same slot. */
  readonly isKnown: boolean
}

/**
 * The Segments of the new version, ordered by name. A Segment keeps its slot while it is in the plan. One that left the plan stays for
 * the version in which its members exit; after that it is gone, and its slot is free.
 */
function tracksOf(
  plan: EvaluatePlan,
  query: MembershipQuery,
  previous: MembershipManifest | null,
  failed: ReadonlyMap<string, string>,
): readonly Track[] {
  const known = new Map(previous?.segments.map((segment) => [segment.segment, segment]))
  const planned = new Set(plan.segments.map(({ name }) => name))
  const left = [...known.values()].filter(({ segment, members }) => !planned.has(segment) && members > 0)
  const taken = new Set([...plan.segments.map(({ name }) => known.get(name)?.slot), ...left.map(({ slot }) => slot)])
  let next = 0
  const freeSlot = () => {
    while (taken.has(next)) next++
    return next++
  }
  const tracks = plan.segments.flatMap(({ name, digest }): Track[] => {
    const before = known.get(name)
    const isEvaluated = query.segments.includes(name) && !failed.has(name)
    if (isEvaluated)
      return [
        {
          segment: name,
          digest,
          slot: before?.slot ?? freeSlot(),
          evaluatedAt: null,
          fate: 'evaluated',
          isKnown: before !== undefined,
        },
      ]
    return before ? [{ ...before, fate: 'carried', isKnown: true }] : []
  })
  const leaving = left.map(
    ({ segment, digest, slot }): Track => ({ segment, digest, slot, evaluatedAt: null, fate: 'left', isKnown: true }),
  )
  return [...tracks, ...leaving].sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

/** Names of the Segments that are evaluated in this version. */
function evaluatedOf(tracks: readonly Track[]): readonly string[] {
  return tracks.filter(({ fate }) => fate === 'evaluated').map(({ segment }) => segment)
}

type BucketContext = {
  readonly root: string
  readonly store: StorePlan
  readonly data: DataManifest
  readonly previous: MembershipManifest | null
  readonly query: MembershipQuery
  readonly tracks: readonly Track[]
  /** The part of the query that evaluates the Segments. */
  readonly sql: string
  readonly version: string
  readonly now: string
  readonly narrowing: Narrowing | null
}

type BucketResult = {
  readonly files: readonly string[]
  readonly changed: readonly string[]
  readonly transitions: readonly string[]
  readonly counts: readonly { readonly members: number; readonly entered: number; readonly exited: number }[]
}

/** Results in the order of the buckets. As many buckets are in work as there are threads: most of a bucket's work runs on one. */
async function evaluateBuckets(engine: Engine, context: BucketContext, ports: Ports): Promise<readonly BucketResult[]> {
  const { store, data } = context
  const results: BucketResult[] = []
  let next = 0
  let done = 0
  const progress = () =>
    ports.progress({ step: 'evaluate', subject: store.name, done: done++, total: data.buckets, unit: 'buckets' })
  const worker = async () => {
    await using own = await engine.another()
    while (next < data.buckets) {
      const bucket = next++
      results[bucket] = await evaluateBucket(own, context, bucket)
      progress()
    }
  }
  progress()
  const workers = Array.from({ length: Math.min(store.engine.duckDB.threads, data.buckets) }, worker)
  // All workers must have ended before the engine is closed, also where one fails.
  for (const ended of await Promise.allSettled(workers)) if (ended.status === 'rejected') throw ended.reason
  return results
}

async function evaluateBucket(engine: Engine, context: BucketContext, bucket: number): Promise<BucketResult> {
  const { root, store, data, previous, query, tracks, now, narrowing } = context
  const columns = (paths: readonly string[], of: StorePlan['profile']) => of.filter(({ path }) => paths.includes(path))
  const instant = timestampLiteral(now)
  const relations = {
    profiles: profilesSql(data, root, bucket, columns(query.profileColumns, store.profile)),
    events: eventsSql(data, root, bucket, columns(query.eventColumns, store.event)),
    before: previousSql(context, bucket),
  }
  const provide = (own: typeof relations, some: string) =>
    engine.run(
      Object.entries(own)
        .map(([name, sql]) => `CREATE OR REPLACE TEMP VIEW ${name} AS SELECT own.* FROM (${sql}) AS own ${some};`)
        .join('\n'),
    )
  const kept = { files: previous?.files[bucket] ?? [], changed: previous?.changed?.[bucket] ?? [] }
  const touched = narrowing?.touched[bucket] ?? null
  const isNarrow = narrowing !== null && touched !== null
  if (isNarrow) {
    const { earliest } = query
    const read = earliest === undefined ? relations : { ...relations, events: 'SELECT * FROM recent' }
    const candidates = await looking(async () => {
      // Recent events are read once, both to find the candidates and to evaluate them.
      if (earliest !== undefined)
        await engine.run(
          `CREATE OR REPLACE TEMP TABLE recent AS ${recentSql(relations.events, earliest, narrowing, now)}`,
        )
      await provide(read, '')
      return findCandidates(engine, root, query, narrowing, touched, now)
    })
    if (candidates === 0)
      return { ...kept, transitions: [], counts: tracks.map(() => ({ members: 0, entered: 0, exited: 0 })) }
    await provide(read, 'SEMI JOIN candidates USING ("$profile")')
  } else {
    await checkFiles(root, filesOfBucket(context, bucket), data.checksums, previous?.checksums)
    await provide(relations, '')
  }
  const segmentsSql = context.sql.replaceAll('$now', () => instant)
  const { references, qualified = [] } = query
  const earlier = [
    ...[...new Set([...references, ...qualified])].map((name) => `${memberSql(context, name)} AS ${identifier(name)}`),
    ...qualified.map((name) => `${sinceSql(context, name)} AS ${identifier(`$since:${name}`)}`),
  ]
  await engine.run(`CREATE OR REPLACE TEMP VIEW members AS SELECT ${['"$profile"', ...earlier].join(', ')} FROM before`)
  await blaming(engine, segmentsSql, evaluatedOf(tracks), () =>
    engine.run(
      `CREATE OR REPLACE TEMP TABLE membership AS ${membershipSql(tracks, segmentsSql, 'SELECT * FROM before', instant)}`,
    ),
  )
  const { members, changed } = await countMembers(engine, tracks)
  const isSame = changed === 0 && previous?.buckets === data.buckets && isSameLayout(previous.segments, tracks)
  // Without a change the files of the version before stand for this version too.
  const written = isSame
    ? kept
    : await (isNarrow ? writeChanges(engine, context, bucket, kept) : writeMembers(engine, context, bucket))
  const transitions =
    changed === 0 ? [] : await writeFile(engine, context, `transitions-${bucket}`, transitionsSql(tracks, instant))
  const changes = await countChanges(engine, root, tracks, transitions)
  const counts = changes.map((change, index) => ({ members: members[index] ?? 0, ...change }))
  return { ...written, transitions, counts }
}

/** The files that are read of a whole bucket. A narrowed bucket reads only parts of these, so they are not checked there. */
function filesOfBucket({ data, previous }: BucketContext, bucket: number): readonly string[] {
  const before = [previous?.files ?? [], previous?.changed ?? []]
  return [
    ...(data.profiles[bucket] ?? []),
    ...(data.events[bucket] ?? []),
    ...before.flatMap((files) => (previous?.buckets === data.buckets ? (files[bucket] ?? []) : files.flat())),
  ]
}

type MemberFiles = Pick<BucketResult, 'files' | 'changed'>

async function writeMembers(engine: Engine, context: BucketContext, bucket: number): Promise<MemberFiles> {
  const [row] = await engine.rows('SELECT count(*) AS rows FROM membership')
  if (row?.['rows'] === 0) return { files: [], changed: [] }
  const all = `${memberRowsSql(context.tracks)} ORDER BY "$profile"`
  return { files: await writeFile(engine, context, `members-${bucket}`, all), changed: [] }
}

/** The largest share of a bucket's rows that `changed` may hold, which is written anew each time; with more, the bucket is rewritten. */
const largestChange = 1 / 8

/** Writes the changed rows, with those that had changed before, to `changed` beside the bucket's files; or the whole bucket anew. */
async function writeChanges(
  engine: Engine,
  context: BucketContext,
  bucket: number,
  kept: MemberFiles,
): Promise<MemberFiles> {
  const { root, tracks } = context
  await engine.run(`CREATE OR REPLACE TEMP TABLE changes AS ${memberRowsSql(tracks)} WHERE ${changedSql(tracks)}`)
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
  const all = `SELECT * FROM (SELECT * FROM changes ${rest}) ORDER BY "$profile"`
  return { files: await writeFile(engine, context, `members-${bucket}`, all), changed: [] }
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

/** SELECT of what a version keeps of the table `membership`. */
function memberRowsSql(tracks: readonly Track[]): string {
  const kept = [...wordsOf(tracks).map((word) => `m${word}`), ...tracks.map(({ slot }) => `t${slot}`)]
  return `SELECT "$profile", ${kept.join(', ')} FROM membership`
}

/** SELECT of the previous version's rows that belong to this bucket, even where that version had another number of buckets. */
function previousSql({ root, previous, data, tracks }: BucketContext, bucket: number): string {
  const stride = Math.min(previous?.buckets ?? 1, data.buckets)
  const parts = (previous?.files ?? []).flatMap((_files, index) =>
    previous && index % stride === bucket % stride ? (membershipRowsSql(previous, root, index) ?? []) : [],
  )
  if (!previous || parts.length === 0) {
    const nothing = [
      ...wordsOf(tracks).map((word) => `NULL::BIGINT AS m${word}`),
      ...tracks.map(({ slot }) => `NULL::TIMESTAMP AS t${slot}`),
    ]
    return `SELECT NULL::VARCHAR AS "$profile"${nothing.map((column) => `, ${column}`).join('')} WHERE false`
  }
  const filter = previous.buckets < data.buckets ? `WHERE ${bucketSql('"$profile"', data.buckets)} = ${bucket}` : ''
  return `SELECT * FROM (${parts.join(' UNION ALL BY NAME ')}) ${filter}`
}

function memberSql({ previous }: BucketContext, segment: string): string {
  const known = previous?.segments.find((one) => one.segment === segment)
  return known ? `coalesce(${bitSql(known.slot)}, false)` : 'false'
}

function sinceSql({ previous }: BucketContext, segment: string): string {
  const known = previous?.segments.find((one) => one.segment === segment)
  return known ? `t${known.slot}` : 'NULL::TIMESTAMP'
}

/** Numbers of the words that hold a slot, ascending. */
function wordsOf(tracks: readonly { readonly slot: number }[]): readonly number[] {
  return [...new Set(tracks.map(({ slot }) => Math.floor(slot / slotsPerWord)))].sort((a, b) => a - b)
}

/**
 * Rows of the new version: words mN, times tN, and oN, the words as they were before. A row stays while any bit or time is set, so that a
 * Segment's exits are remembered. Work is done a word at a time wherever possible: only reading the query's columns and writing the times
 * costs per Segment and profile.
 */
function membershipSql(tracks: readonly Track[], query: string, before: string, instant: string): string {
  if (tracks.length === 0) return `SELECT NULL::VARCHAR AS "$profile" WHERE false`
  const words = wordsOf(tracks)
  const bits = (word: number) =>
    tracks
      .filter(({ slot, fate }) => Math.floor(slot / slotsPerWord) === word && fate === 'evaluated')
      .map(({ segment, slot }) => `(${identifier(segment)}::BIGINT << ${slot % slotsPerWord})`)
  // Bits of the version before, only of the Segments that `test` chooses: a slot that is free again may hold bits of another Segment.
  const was = (word: number, test: (track: Track) => boolean) => {
    const mask = maskOf(tracks.filter(test), word)
    return mask === '0' ? '0::BIGINT' : `(coalesce(b.m${word}, 0) & ${mask})`
  }
  const evaluated = words.map((word) => `, ${bits(word).join(' | ') || '0::BIGINT'} AS e${word}`).join('')
  // [ => m: evaluated bits and carried ones; a Segment that left gets none, so its members exit. o: only bits of known Segments.
  const joined = words.flatMap((word) => [
    `coalesce(e${word}, 0) | ${was(word, ({ fate }) => fate === 'carried')} AS m${word}`,
    `${was(word, ({ isKnown }) => isKnown)} AS o${word}`,
  ])
  const times = tracks.map(({ slot, isKnown }) => `${isKnown ? `b.t${slot}` : 'NULL::TIMESTAMP'} AS b${slot}`)
  const since = tracks.map(
    ({ slot }) => `CASE WHEN ${bitSql(slot)} = ${wasSql(slot)} THEN b${slot} ELSE ${instant} END AS t${slot}`,
  )
  return `SELECT "$profile", ${words.map((word) => `m${word}, o${word}`).join(', ')}, ${since.join(', ')} FROM (
      SELECT coalesce(e."$profile", b."$profile") AS "$profile", ${joined.join(', ')}, ${times.join(', ')}
      FROM (SELECT "$profile"${evaluated} FROM (${query})) e FULL JOIN (${before}) b ON b."$profile" = e."$profile"
    ) WHERE ${words.map((word) => `m${word} <> 0 OR o${word} <> 0`).join(' OR ')} OR coalesce(${tracks.map(({ slot }) => `b${slot}`).join(', ')}) IS NOT NULL`
}

/** The bits of these Segments in one word, as a BIGINT. */
function maskOf(tracks: readonly Track[], word: number): string {
  return tracks
    .filter(({ slot }) => Math.floor(slot / slotsPerWord) === word)
    .reduce((mask, { slot }) => mask | (1n << BigInt(slot % slotsPerWord)), 0n)
    .toString()
}

/** SQL over a row of `membership`: whether the bit of the slot was set in the version before. */
function wasSql(slot: number): string {
  return bitSql(slot).replace('(m', '(o')
}

function changedSql(tracks: readonly Track[]): string {
  return wordsOf(tracks)
    .map((word) => `m${word} <> o${word}`)
    .join(' OR ')
}

/** How many profiles of the table `membership` are in each Segment, and how many changed in any Segment. */
async function countMembers(
  engine: Engine,
  tracks: readonly Track[],
): Promise<{ readonly members: readonly number[]; readonly changed: number }> {
  if (tracks.length === 0) return { members: [], changed: 0 }
  const sums = tracks.map(({ slot }) => `sum(${bitSql(slot)}::INTEGER) AS i${slot}`)
  const [row] = await engine.rows(
    `SELECT count_if(${changedSql(tracks)}) AS changed, ${sums.join(', ')} FROM membership`,
  )
  return { members: tracks.map(({ slot }) => Number(row?.[`i${slot}`])), changed: Number(row?.['changed']) }
}

/** A bucket's transitions, counted for each Segment. */
async function countChanges(
  engine: Engine,
  root: string,
  tracks: readonly Track[],
  transitions: readonly string[],
): Promise<readonly { readonly entered: number; readonly exited: number }[]> {
  const rows =
    transitions.length === 0
      ? []
      : await engine.rows(
          `SELECT segment, count_if(change = 'entered') AS entered, count_if(change = 'exited') AS exited FROM ${readParquet(root, transitions)} GROUP BY segment`,
        )
  const counts = new Map(rows.map((row) => [row['segment'], row]))
  return tracks.map(({ segment }) => ({
    entered: Number(counts.get(segment)?.['entered'] ?? 0),
    exited: Number(counts.get(segment)?.['exited'] ?? 0),
  }))
}

/** SELECT of a row for each profile and Segment that changed. */
function transitionsSql(tracks: readonly Track[], instant: string): string {
  const changes = wordsOf(tracks).map((word) => {
    const own = tracks
      .filter(({ slot }) => Math.floor(slot / slotsPerWord) === word)
      .map(({ segment, slot }) => `(${slot % slotsPerWord}, ${literal(segment)})`)
    return `SELECT "$profile", segment, CASE WHEN (m${word} >> bit) & 1 = 1 THEN 'entered' ELSE 'exited' END AS change, ${instant} AS at
      FROM membership, (VALUES ${own.join(', ')}) AS track(bit, segment) WHERE m${word} <> o${word} AND (xor(m${word}, o${word}) >> bit) & 1 = 1`
  })
  // A fixed order, so that the same work makes the same file.
  return `${changes.join(' UNION ALL ')} ORDER BY "$profile", segment`
}

/** History is kept as long as Adobe's store remembers who left a segment. It is bounded, since every run looks through it. */
const historyMs = 30 * 24 * 3_600_000
const historyVersions = 1000

/**
 * Removes membership files that neither the current version nor the one before names, history older than 30 days or 1,000 versions, and
 * folders that a killed run left: the chain of versions does not lead to them.
 */
function removeOldVersions(root: string, current: MembershipManifest | null, now: Date): void {
  const folder = join(root, 'membership')
  if (!existsSync(folder)) return
  const kept = new Map<string, Set<string>>()
  const keep = (path: string) => {
    const [, version = '', name = ''] = path.split('/')
    kept.set(version, (kept.get(version) ?? new Set()).add(name))
  }
  let age = 0
  for (let manifest = current; manifest !== null; age++) {
    if (age > 1 && (age > historyVersions || now.getTime() - Date.parse(manifest.evaluatedAt) > historyMs)) break
    keep(`membership/${manifest.version}/manifest.json`)
    for (const path of manifest.transitions) keep(path)
    if (age <= 1) for (const path of [manifest.files, manifest.changed ?? []].flat(2)) keep(path)
    manifest = manifest.previous === null ? null : readMembershipVersion(root, manifest.previous)
  }
  for (const version of readdirSync(folder)) {
    const names = kept.get(version)
    if (!names) rmSync(join(folder, version), { recursive: true, force: true })
    else
      for (const name of readdirSync(join(folder, version)))
        if (!names.has(name)) rmSync(join(folder, version, name), { force: true })
  }
}
