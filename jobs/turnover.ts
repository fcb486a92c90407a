import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { literal, readParquet, timestampLiteral } from './engines/duckdb.ts'
import { changesSql } from './memberships.ts'
import type { OpenStore } from './open-store.ts'
import { type MembershipManifest, readDataVersion, readMembershipVersion } from './profile-store.ts'

/** Why people came and left at a Segment's last evaluation. */
export type Turnover = { readonly entered: Reasons; readonly exited: Reasons }

export type Reasons = {
  /** People with new data: other values, events that were not known, or an event that has happened meanwhile. */
  readonly byData: number
  /** People without new data: only time went on. */
  readonly byTime: number
  /** People of a Segment that was edited, or that refers to an edited one; those who would have come or left anyway are not told apart. */
  readonly byEdit: number
}

/** How many versions are looked back at most: of memberships, and of data between two evaluations. */
const mostVersions = 50

/**
 * Why each Segment's members changed at its last evaluation, by what the store keeps of its versions. Segments are left out that were
 * evaluated only once, or for which it is no longer known who had new data since the evaluation before.
 */
export async function turnoverOf(open: OpenStore): Promise<ReadonlyMap<string, Turnover>> {
  const found = new Map<string, Turnover>()
  const waiting = new Set(open.membership?.segments.map(({ segment }) => segment))
  const versions = versionsOf(open)
  for (const [index, version] of versions.entries()) {
    const before = versions[index + 1]
    if (!before || waiting.size === 0) break
    const own = version.segments.filter(
      ({ segment, evaluatedAt }) => evaluatedAt === version.evaluatedAt && waiting.has(segment),
    )
    const bySince = Map.groupBy(own, ({ segment }) => before.segments.find((each) => each.segment === segment))
    const quiet: string[] = []
    for (const [earlier, segments] of bySince)
      for (const { segment, digest, entered, exited } of segments) {
        waiting.delete(segment)
        if (!earlier) continue
        if (earlier.digest !== digest) found.set(segment, { entered: edited(entered), exited: edited(exited) })
        else if (entered + exited === 0) found.set(segment, nothing)
        else quiet.push(segment)
      }
    // Segments that were evaluated at the same instant count from the same data.
    const byInstant = Map.groupBy(
      quiet,
      (segment) => before.segments.find((each) => each.segment === segment)?.evaluatedAt ?? '',
    )
    for (const [since, segments] of byInstant) {
      const base = versions.slice(index + 1).find(({ evaluatedAt }) => evaluatedAt === since)
      const people = base ? await withNewData(open, version, base) : null
      if (people) for (const entry of await counted(open, version, segments, people)) found.set(...entry)
    }
  }
  return found
}

const none: Reasons = { byData: 0, byTime: 0, byEdit: 0 }
const nothing: Turnover = { entered: none, exited: none }

function edited(people: number): Reasons {
  return { ...none, byEdit: people }
}

/** Versions of the membership, newest first. */
function versionsOf({ root, membership }: OpenStore): readonly MembershipManifest[] {
  const versions: MembershipManifest[] = []
  for (let next = membership; next !== null && versions.length < mostVersions; ) {
    versions.push(next)
    next = next.previous === null ? null : readMembershipVersion(root, next.previous)
  }
  return versions
}

/** Files that name everybody whose data differ between two data versions; null where that is no longer known. */
function touchedBetween({ root }: OpenStore, now: string, then: string): readonly string[] | null {
  const files: string[] = []
  let version = now
  for (let steps = 0; version !== then; steps += 1) {
    const manifest = steps < mostVersions ? readDataVersion(root, version) : null
    if (!manifest?.touched || manifest.previous === null) return null
    for (const bucket of manifest.touched) {
      if (bucket === null) return null
      files.push(...bucket)
    }
    version = manifest.previous
  }
  return files.every((file) => existsSync(join(root, file))) ? files : null
}

/** What a version changed, by the current one's log where it has one. */
function changesOf({ membership, root }: OpenStore, version: MembershipManifest): string | null {
  if (version.log === undefined || membership?.log === undefined) return changesSql(version, root)
  return changesSql(membership, root, { ordinal: version.ordinal ?? 0 })
}

const nobody = 'SELECT NULL::VARCHAR AS "$profile" WHERE false'

/**
 * SELECT of "$profile" of a version's transitions: people whose data differ from an earlier version's, or who had an event in between
 * (which may have been known before it happened). null where that is no longer known.
 */
async function withNewData(
  open: OpenStore,
  version: MembershipManifest,
  { dataVersion: then, evaluatedAt: since }: MembershipManifest,
): Promise<string | null> {
  const { root, engine } = open
  const { dataVersion, evaluatedAt } = version
  const changes = changesOf(open, version)
  if (changes === null) return nobody
  const touched = dataVersion === then ? [] : touchedBetween(open, dataVersion, then)
  // A file that came again as a whole touches everybody in it; both versions side by side show whose data differ.
  const [now, earlier] = [dataVersion, then].map((version) => readDataVersion(root, version))
  const isThere = (files: readonly (readonly string[])[]): boolean =>
    files.flat().every((file) => existsSync(join(root, file)))
  if (!now || !isThere(now.events)) return null
  await engine.run(`CREATE OR REPLACE TEMP TABLE moved AS SELECT DISTINCT "$profile" FROM (${changes})`)
  const happened =
    now.events.flat().length === 0
      ? nobody
      : `SELECT "$profile" FROM ${readParquet(root, now.events.flat())} WHERE timestamp > ${timestampLiteral(since)} AND timestamp <= ${timestampLiteral(evaluatedAt)} AND "$profile" IN (SELECT "$profile" FROM moved)`
  if (touched?.length === 0) return `SELECT DISTINCT "$profile" FROM (${happened})`
  if (!earlier || ![now, earlier].every(({ profiles, events }) => isThere(profiles) && isThere(events)))
    return (
      touched &&
      `SELECT DISTINCT "$profile" FROM (${happened} UNION ALL SELECT "$profile" FROM ${readParquet(root, touched)})`
    )
  const rows = (files: readonly (readonly string[])[]): string =>
    files.flat().length === 0
      ? `SELECT NULL::VARCHAR AS "$profile", NULL::VARCHAR AS row WHERE false`
      : `SELECT "$profile", to_json(r)::VARCHAR AS row FROM ${readParquet(root, files.flat())} AS r WHERE "$profile" IN (SELECT "$profile" FROM moved)`
  const differing = (['profiles', 'events'] as const).flatMap((part) => [
    `SELECT "$profile" FROM (${rows(now[part])} EXCEPT ALL ${rows(earlier[part])})`,
    `SELECT "$profile" FROM (${rows(earlier[part])} EXCEPT ALL ${rows(now[part])})`,
  ])
  await engine.run(
    `CREATE OR REPLACE TEMP TABLE differing AS SELECT DISTINCT "$profile" FROM (${[happened, ...differing].join(' UNION ALL ')})`,
  )
  return 'SELECT "$profile" FROM differing'
}

async function counted(
  open: OpenStore,
  version: MembershipManifest,
  segments: readonly string[],
  people: string,
): Promise<ReadonlyMap<string, Turnover>> {
  const counts = new Map(segments.map((segment) => [segment, { entered: { ...none }, exited: { ...none } }]))
  const changes = changesOf(open, version)
  if (changes === null) return counts
  const rows = await open.engine.rows(
    `SELECT segment, change, d."$profile" IS NOT NULL AS touched, count(*) AS people
     FROM (${changes}) AS t LEFT JOIN (${people}) AS d ON d."$profile" = t."$profile"
     WHERE segment IN (${segments.map(literal).join(', ')}) GROUP BY ALL`,
  )
  for (const { segment, change, touched: isTouched, people: many } of rows) {
    const own = counts.get(String(segment))?.[change === 'entered' ? 'entered' : 'exited']
    if (own) Object.assign(own, { [isTouched === true ? 'byData' : 'byTime']: Number(many) })
  }
  return counts
}
