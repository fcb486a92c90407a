import type { Column, MembershipQuery, StorePlan } from '#crds'
import { identifier, openDuckDB, timestampLiteral } from './engines/duckdb.ts'
import { JobError } from './errors.ts'
import type { Ports } from './ports.ts'
import {
  eventsSql,
  membersSql,
  profilesSql,
  readDataManifest,
  readMembershipManifest,
  storeRootOf,
} from './profile-store.ts'

export type QueryAnswer = {
  readonly profiles: number
  readonly members: number
  /** Profile ids, the first in order of id. */
  readonly sample: readonly string[]
  readonly seconds: number
}

/**
 * How many profiles of a store's current data one expression holds for at an instant, and a few of them. Reads only; Segments it
 * refers to count as they were at the last evaluation.
 */
export async function queryStore(
  store: StorePlan,
  query: MembershipQuery,
  now: string,
  sampleSize: number,
  ports: Ports,
): Promise<QueryAnswer> {
  const root = storeRootOf(store, ports)
  const data = readDataManifest(root)
  if (!data) throw new JobError('NotEvaluated', `The ProfileStore ${store.name} holds no data yet; run it first.`)
  const membership = readMembershipManifest(root)
  const started = performance.now()
  await using engine = await openDuckDB(store, ports)
  const column = (columns: readonly Column[], paths: readonly string[]): readonly Column[] =>
    columns.filter(({ path }) => paths.includes(path))
  const name = identifier(query.segments[0] ?? '')
  let members = 0
  let sample: string[] = []
  for (let bucket = 0; bucket < data.buckets; bucket += 1) {
    ports.progress({ step: 'query', subject: store.name, done: bucket, total: data.buckets, unit: 'buckets' })
    const profiles = profilesSql(data, root, bucket, column(store.profile, query.profileColumns))
    const events = eventsSql(data, root, bucket, column(store.event, query.eventColumns))
    const referred = query.references.map(
      (reference) =>
        `coalesce(bool_or(realized) FILTER (WHERE segment = '${reference}'), false) AS ${identifier(reference)}`,
    )
    const known = membership ? membersSql(membership, root, bucket, query.references) : null
    const relations = [
      `profiles AS (${profiles})`,
      `events AS (${events})`,
      ...(referred.length > 0 && known
        ? [`members AS (SELECT "$profile", ${referred.join(', ')} FROM (${known}) GROUP BY "$profile")`]
        : []),
    ]
    if (referred.length > 0 && !known)
      throw new JobError('NotEvaluated', `The ProfileStore ${store.name} has not been evaluated yet; run it first.`)
    const sql = query.duckdb.replaceAll('$now', timestampLiteral(now))
    const [row] = await engine.rows(
      `WITH ${relations.join(', ')} SELECT count(*) AS members, array_to_string(list_slice(list("$profile" ORDER BY "$profile"), 1, ${sampleSize}), chr(10)) AS sample FROM (${sql}) WHERE ${name}`,
    )
    members += Number(row?.['members'] ?? 0)
    const ids = row?.['sample']
    if (typeof ids === 'string' && ids !== '') sample = [...sample, ...ids.split('\n')]
  }
  return {
    profiles: data.profileCount,
    members,
    sample: sample.sort().slice(0, sampleSize),
    seconds: (performance.now() - started) / 1000,
  }
}
