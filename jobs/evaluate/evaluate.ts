import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isLargeAudience, type JobPlan, largeAudiencePercent, type RunReport } from '#crds'
import { digestOf, sha256 } from '../digest.ts'
import { type Engine, openDuckDB } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import {
  commitMembership,
  type DataManifest,
  type MembershipManifest,
  readDataManifest,
  readMembershipManifest,
  readMembershipVersion,
  storeRootOf,
} from '../profile-store.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { sealed } from '../store-files.ts'
import { keepTotals, totalsFolder } from '../totals.ts'
import { lockStore } from '../writer-lock.ts'
import { type BucketContext, type BucketResult, evaluateBucket, evaluateTogether } from './bucket.ts'
import { withoutFaulty } from './faulty.ts'
import { narrowingOf, orForEverybody } from './narrowing.ts'
import { partOfQuery, partsOfQuery } from './part-of-query.ts'
import { evaluatedOf, goneOf, groupsOf, tracksOf } from './tracks.ts'
import { historyMs } from './version-files.ts'

/**
 * Evaluates a store's Segments at `input.now` over its current data, and commits the next membership version. A Batch run evaluates all
 * Segments; a Streaming run evaluates the Streaming ones and carries the others over as they were. A profile that is gone leaves its
 * Segments, and so does every member of a Segment that left the plan. Repeating a run that was committed commits nothing and gives the
 * same report.
 *
 * It looks only at profiles whose data changed and at profiles whose answer may turn with time, where both are known.
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
  if (previous?.run === input.run && previous.planDigest === plan.digest) return resultOf(previous, plan, data)
  removeOldVersions(root, previous, new Date(input.now))

  const scratch = mkdtempSync(join(ports.scratch, 'evaluate-'))
  try {
    await using engine = await openDuckDB(store, { ...ports, scratch })
    const version = sha256(digestOf([input.run, plan.digest, data.version, previous?.version ?? null])).slice(0, 16)
    mkdirSync(join(root, 'membership', version), { recursive: true })
    const ordinal = (previous?.ordinal ?? 0) + 1
    const common = { root, store, data, previous, query, version, ordinal, now: input.now }
    const { tracks, results, failed } = await withoutFaulty(async (failed) => {
      const tracks = tracksOf(evaluatePlan, query, previous, failed, { ordinal, now: input.now })
      const sql = failed.size === 0 ? query.duckdb : partOfQuery(query.duckdb, evaluatedOf(tracks))
      const parts = partsOfQuery(sql, groupsOf(tracks))
      const narrowing = narrowingOf({ digest: plan.digest, query, segments: tracks, now: input.now }, data, previous)
      return orForEverybody(narrowing, async (narrowing) => ({
        tracks,
        results: await evaluateBuckets(engine, { ...common, tracks, sql, parts, narrowing }, ports),
      }))
    })
    const sum = (index: number, key: 'entered' | 'exited') =>
      results.reduce((total, { counts }) => total + (counts[index]?.[key] ?? 0), 0)
    const formerly = previous && previous.log === undefined ? previous.version : previous?.formerly
    const gone = goneOf(previous, tracks, input.now)
    const before = new Map(previous?.segments.map(({ segment, members }) => [segment, members]))
    const manifest: MembershipManifest = {
      version,
      ordinal,
      previous: previous?.version ?? null,
      run: input.run,
      evaluation,
      evaluatedAt: input.now,
      planDigest: plan.digest,
      dataVersion: data.version,
      buckets: data.buckets,
      segments: tracks.map(({ segment, digest, slot, from, firstAt, evaluatedAt, isKnown }, index) => ({
        segment,
        digest,
        slot,
        ...(from !== undefined && { from }),
        ...(firstAt !== undefined && { firstAt }),
        evaluatedAt: evaluatedAt ?? input.now,
        // Changes are what is counted.
        members: (isKnown ? (before.get(segment) ?? 0) : 0) + sum(index, 'entered') - sum(index, 'exited'),
        entered: sum(index, 'entered'),
        exited: sum(index, 'exited'),
      })),
      files: results.map(({ files }) => files),
      changed: results.map(({ changed }) => changed),
      log: results.map(({ log }) => log),
      ...(gone.length > 0 && { gone }),
      ...(formerly !== undefined && { formerly }),
      transitions: [],
      ...(failed.size > 0 && { failed: [...failed].map(([segment, message]) => ({ segment, message })) }),
    }
    const whole = await sealed(root, manifest, previous)
    lock.check()
    commitMembership(root, whole)
    return resultOf(whole, plan, data)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function resultOf(manifest: MembershipManifest, plan: JobPlan, { profileCount }: DataManifest): StepResult {
  const { failed = [] } = manifest
  const evaluated = manifest.segments.filter(
    ({ segment, evaluatedAt }) =>
      evaluatedAt === manifest.evaluatedAt && !failed.some((other) => other.segment === segment),
  )
  const sum = (key: 'members' | 'entered' | 'exited') => evaluated.reduce((total, segment) => total + segment[key], 0)
  const warnings = [
    ...failed.map(({ segment, message }) => ({
      code: 'EvaluationFailed',
      message: `${segment} was not evaluated, and its members stay as they were: ${message}`,
    })),
    ...(manifest.evaluation === 'Batch' ? largeWarnings(evaluated, plan, profileCount) : []),
  ]
  return {
    totals: { segments: evaluated.length, members: sum('members'), entered: sum('entered'), exited: sum('exited') },
    details: [
      ...evaluated.map(({ segment, members, entered, exited }) => ({ segment, members, entered, exited })),
      ...failed.map(({ segment, message }) => ({ segment, failed: message })),
    ],
    ...(warnings.length > 0 && { warnings }),
  }
}

/** The time in which few people change, so that all buckets are evaluated together. */
const soonMs = 3_600_000

/** Segments with more of all profiles than Experience Platform recommends, told once; those that may be large are left out. */
function largeWarnings(
  segments: readonly { readonly segment: string; readonly members: number }[],
  { evaluate }: JobPlan,
  profiles: number,
): NonNullable<StepResult['warnings']> {
  const allowed = new Set(evaluate?.segments.filter(({ mayBeLarge }) => mayBeLarge).map(({ name }) => name))
  const large = segments
    .filter(({ segment, members }) => isLargeAudience(members, profiles) && !allowed.has(segment))
    .sort((a, b) => b.members - a.members)
  if (large.length === 0) return []
  const named = large
    .slice(0, 5)
    .map(({ segment, members }) => `${segment} (${Math.round((members * 100) / profiles)} %)`)
  return [
    {
      code: 'large-audience',
      message: `${large.length} ${large.length === 1 ? 'Segment has' : 'Segments have'} more than ${largeAudiencePercent} % of the ${profiles.toLocaleString('en')} profiles: ${named.join(', ')}${large.length > named.length ? ', …' : ''}. See whether that is meant; convoke.dev/allow on the Segment says so.`,
    },
  ]
}

/** Results in the order of the buckets. As many buckets are in work as there are threads: most of a bucket's work runs on one. */
async function evaluateBuckets(engine: Engine, context: BucketContext, ports: Ports): Promise<readonly BucketResult[]> {
  const { store, data, narrowing, now } = context
  const isSoon = narrowing !== null && Date.parse(now) - Date.parse(narrowing.since) <= soonMs
  const together = isSoon && data.buckets > 1 ? await evaluateTogether(engine, context) : null
  if (together !== null) return together
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

/** History is bounded, since it is looked through now and then. */
const historyVersions = 1000

/** The number of versions from one look through all that is left to the next. */
const tidyEvery = 32

/**
 * Removes files that neither the current version nor the one before names, and folders that a killed run left. Now and then all versions
 * are looked through: those older than 30 days or 1,000 versions are removed, of which the totals stay, and those to which the chain of
 * versions does not lead.
 */
function removeOldVersions(root: string, current: MembershipManifest | null, now: Date): void {
  if (current?.log === undefined || (current.ordinal ?? 0) % tidyEvery === 0) return void tidy(root, current, now)
  const before = next(root, current)
  const kept = new Set([current, ...(before ? [before] : [])].flatMap(filesOf))
  const last = before && next(root, before)
  for (const path of last ? filesOf(last) : []) if (!kept.has(path)) rmSync(join(root, path), { force: true })
  const folder = join(root, 'membership')
  for (const version of readdirSync(folder))
    if (version !== totalsFolder && !existsSync(join(folder, version, 'manifest.json')))
      rmSync(join(folder, version), { recursive: true, force: true })
}

function next(root: string, { previous }: MembershipManifest): MembershipManifest | null {
  return previous === null ? null : readMembershipVersion(root, previous)
}

/** The files of a version that only its readers need. */
function filesOf({ files, changed = [], log = [] }: MembershipManifest): readonly string[] {
  return [files, changed, log].flat(2)
}

function tidy(root: string, current: MembershipManifest | null, now: Date): void {
  const folder = join(root, 'membership')
  if (!existsSync(folder)) return
  const kept = new Map<string, Set<string>>()
  const keep = (path: string) => {
    const [, version = '', name = ''] = path.split('/')
    kept.set(version, (kept.get(version) ?? new Set()).add(name))
  }
  const forgotten: MembershipManifest[] = []
  let age = 0
  for (let manifest = current; manifest !== null; manifest = next(root, manifest)) {
    const isLate = now.getTime() - Date.parse(manifest.evaluatedAt) > historyMs
    if (age > 1 && (age > historyVersions || isLate)) forgotten.unshift(manifest)
    else {
      keep(`membership/${manifest.version}/manifest.json`)
      for (const path of manifest.transitions) keep(path)
      if (age <= 1) for (const path of filesOf(manifest)) keep(path)
    }
    age += 1
  }
  keepTotals(root, forgotten, now)
  for (const version of readdirSync(folder)) {
    if (version === totalsFolder) continue
    const names = kept.get(version)
    if (!names) rmSync(join(folder, version), { recursive: true, force: true })
    else
      for (const name of readdirSync(join(folder, version)))
        if (!names.has(name)) rmSync(join(folder, version, name), { force: true })
  }
}
