import type { Column, MembershipQuery, StorePlan } from '#crds'
import { type Engine, identifier, literal, openDuckDB, timestampLiteral } from './engines/duckdb.ts'
import { JobError } from './errors.ts'
import type { Ports } from './ports.ts'
import {
  type DataManifest,
  eventsSql,
  type MembershipManifest,
  membersSql,
  profilesSql,
  readDataManifest,
  readMembershipManifest,
  storeRootOf,
} from './profile-store.ts'

/** A store as one look at it found it: whatever is committed meanwhile, all that is read is of the same versions. */
export type OpenStore = {
  readonly root: string
  readonly data: DataManifest
  /** Null before the first evaluation. */
  readonly membership: MembershipManifest | null
  readonly engine: Engine
}

/** Throws JobError NotEvaluated for a store without data. Reads only; to be disposed of. */
export async function openStore(store: StorePlan, ports: Ports): Promise<OpenStore & AsyncDisposable> {
  const root = storeRootOf(store, ports)
  const data = readDataManifest(root)
  if (!data) throw new JobError('NotEvaluated', `The ProfileStore ${store.name} holds no data yet; run it first.`)
  const engine = await openDuckDB(store, ports)
  return {
    root,
    data,
    membership: readMembershipManifest(root),
    engine,
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** The relations a membership query reads, as common table expressions; Segments it refers to as they were at the last evaluation. */
export function relationsSql(
  store: StorePlan,
  query: MembershipQuery,
  further: readonly string[],
  { root, data, membership }: Pick<OpenStore, 'root' | 'data' | 'membership'>,
  bucket: number,
): string[] {
  const relations = [
    `profiles AS (${profilesSql(data, root, bucket, columnsOf(store.profile, [...query.profileColumns, ...further]))})`,
    `events AS (${eventsSql(data, root, bucket, columnsOf(store.event, query.eventColumns))})`,
  ]
  if (query.references.length === 0) return relations
  if (!membership)
    throw new JobError('NotEvaluated', `The ProfileStore ${store.name} has not been evaluated yet; run it first.`)
  const referred = query.references.map(
    (name) => `coalesce(bool_or(realized) FILTER (WHERE segment = ${literal(name)}), false) AS ${identifier(name)}`,
  )
  const known = membersSql(membership, root, bucket, query.references)
  return [...relations, `members AS (SELECT "$profile", ${referred.join(', ')} FROM (${known}) GROUP BY "$profile")`]
}

/** Those of the columns that the paths name. */
export function columnsOf(columns: readonly Column[], paths: readonly string[]): readonly Column[] {
  return columns.filter(({ path }) => paths.includes(path))
}

export function atInstant(query: MembershipQuery, now: string): string {
  return query.duckdb.replaceAll('$now', timestampLiteral(now))
}
