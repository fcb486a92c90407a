import type { MembershipQuery } from '#crds'
import { type Engine, readParquet, timestampLiteral } from '../engines/duckdb.ts'
import type { DataManifest, MembershipManifest, MembershipSegment } from '../profile-store.ts'
import { isOfQuery } from './faulty.ts'

/** What has to be evaluated again between one membership version and the next. */
export type Narrowing = {
  /** The instant of the version before. */
  readonly since: string
  /** For each bucket, files that name the profiles whose data changed since then; null: any profile's may have. */
  readonly touched: readonly (readonly string[] | null)[]
}

/**
 * How the new version can build on the one before; null where everybody is to be evaluated. The version before must have the same plan
 * and Segments, all evaluated at one instant that is not later than this one, over the data version that this one's `touched` counts
 * from.
 */
export function narrowingOf(
  {
    digest,
    query,
    segments,
    now,
  }: {
    readonly digest: string
    readonly query: MembershipQuery
    /** The Segments of the new version. */
    readonly segments: readonly Pick<MembershipSegment, 'segment' | 'slot'>[]
    readonly now: string
  },
  data: DataManifest,
  previous: MembershipManifest | null,
): Narrowing | null {
  if (!previous || previous.log === undefined || query.flips === undefined || previous.planDigest !== digest)
    return null
  if (previous.buckets !== data.buckets || !isSameLayout(previous.segments, segments)) return null
  const before = previous.segments.filter(({ segment }) => query.segments.includes(segment))
  const [since, ...others] = new Set(before.map(({ evaluatedAt }) => evaluatedAt))
  if (before.length !== query.segments.length || since === undefined || others.length > 0) return null
  if (Date.parse(since) > Date.parse(now)) return null
  if (data.version === previous.dataVersion) return { since, touched: data.profiles.map(() => []) }
  return data.previous === previous.dataVersion && data.touched ? { since, touched: data.touched } : null
}

export function isSameLayout(
  before: readonly Pick<MembershipSegment, 'segment' | 'slot'>[],
  after: readonly Pick<MembershipSegment, 'segment' | 'slot'>[],
): boolean {
  return (
    before.length === after.length &&
    before.every(({ segment, slot }, index) => segment === after[index]?.segment && slot === after[index]?.slot)
  )
}

/** Thrown where the engine refuses the SQL that finds whom to look at. */
class NobodyFound extends Error {}

/** Runs `work`, which finds whom to look at; a refusal of its SQL is thrown as NobodyFound. */
export async function looking<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isOfQuery(error) ? new NobodyFound('Whom to look at is not known.', { cause: error }) : error
  }
}

/** Does the work for the people whom the narrowing finds; for everybody where the engine refuses to find them. */
export async function orForEverybody<T>(
  narrowing: Narrowing | null,
  work: (narrowing: Narrowing | null) => Promise<T>,
): Promise<T> {
  try {
    return await work(narrowing)
  } catch (error) {
    if (!(error instanceof NobodyFound)) throw error
    return work(null)
  }
}

/** SELECT of a bucket's events that the query or its flips read at either instant; `earliest` is the query's. */
export function recentSql(events: string, earliest: string, { since }: Narrowing, now: string): string {
  const [first, last] = [since, now].map((instant) => earliest.replaceAll('$now', () => timestampLiteral(instant)))
  return `SELECT * FROM (${events}) WHERE "timestamp" >= least(${first}, ${last})`
}

/** Fills the table `candidates` with "$profile" of everybody to evaluate, from the views `profiles` and `events`. Returns how many. */
export async function findCandidates(
  engine: Engine,
  root: string,
  { flips = '' }: MembershipQuery,
  { since }: Narrowing,
  touched: readonly string[],
  now: string,
): Promise<number> {
  const byTime = flips
    .replaceAll('$now', () => timestampLiteral(now))
    .replaceAll('$since', () => timestampLiteral(since))
  const byData = touched.length === 0 ? '' : `UNION SELECT "$profile" FROM ${readParquet(root, touched)}`
  await engine.run(`CREATE OR REPLACE TEMP TABLE candidates AS ${byTime} ${byData}`)
  const [row] = await engine.rows('SELECT count(*) AS candidates FROM candidates')
  return Number(row?.['candidates'])
}
