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

/** A store as one look found it: whatever is committed meanwhile, everything is read from the same versions. */
export type OpenStore = {
  readonly root: string
  readonly data: DataManifest
  /** null before the first evaluation. */
  readonly membership: MembershipManifest | null
  readonly engine: Engine
}

/** Opens a store for reading. Throws JobError NotEvaluated where it has no data. Dispose of the result. */
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

/** The relations that a membership query reads, as common table expressions; Segments that it refers to are as at the last evaluation. */
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
  const { references, qualified = [] } = query
  const names = [...new Set([...references, ...qualified])]
  if (names.length === 0) return relations
  if (!membership)
    throw new JobError('NotEvaluated', `The ProfileStore ${store.name} has not been evaluated yet; run it first.`)
  const referred = [
    ...names.map(
      (name) => `coalesce(bool_or(realized) FILTER (WHERE segment = ${literal(name)}), false) AS ${identifier(name)}`,
    ),
    ...qualified.map(
      (name) => `max(since) FILTER (WHERE segment = ${literal(name)}) AS ${identifier(`$since:${name}`)}`,
    ),
  ]
  const known = membersSql(membership, root, bucket, names)
  return [...relations, `members AS (SELECT "$profile", ${referred.join(', ')} FROM (${known}) GROUP BY "$profile")`]
}

/** The columns that the paths name. */
export function columnsOf(columns: readonly Column[], paths: readonly string[]): readonly Column[] {
  return columns.filter(({ path }) => paths.includes(path))
}

export function atInstant(query: MembershipQuery, now: string): string {
  return query.duckdb.replaceAll('$now', timestampLiteral(now))
}
