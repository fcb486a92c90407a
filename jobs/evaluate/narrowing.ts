import type { MembershipQuery } from '#crds'
import { type Engine, readParquet, timestampLiteral } from '../engines/duckdb.ts'
import type { DataManifest, MembershipManifest, MembershipSegment } from '../profile-store.ts'

/** What has to be evaluated again to get from one membership version to the next. */
export type Narrowing = {
  /** Instant of the version before. */
  readonly since: string
  /** Per bucket, files that name the profiles whose data differ from then; null: anybody's may. */
  readonly touched: readonly (readonly string[] | null)[]
}

/**
 * How the version before can be gone on from, or null where everybody is to be evaluated: it must be of the same plan and the same
 * Segments, all of them evaluated at one instant no later than this, and over the data version that this one's `touched` counts from.
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
    /** What the new version is to hold. */
    readonly segments: readonly Pick<MembershipSegment, 'segment' | 'slot'>[]
    readonly now: string
  },
  data: DataManifest,
  previous: MembershipManifest | null,
): Narrowing | null {
  if (!previous || query.flips === undefined || previous.planDigest !== digest) return null
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

/** Those of a bucket's events that the query and its flips read; `earliest` is the query's. */
export function recentSql(events: string, earliest: string, { since }: Narrowing, now: string): string {
  const [first, last] = [since, now].map((instant) => earliest.replaceAll('$now', () => timestampLiteral(instant)))
  return `SELECT * FROM (${events}) WHERE "timestamp" >= least(${first}, ${last})`
}

/** Fills the table `candidates` with "$profile" of whom to evaluate, from the views `profiles` and `events`; returns how many they are. */
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
