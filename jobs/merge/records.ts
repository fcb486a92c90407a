import { join } from 'node:path'
import type { Column, IngestPlan, StorePlan } from '#crds'
import { fileLiteral, identifier, literal, readParquet, sqlTypeOf } from '../engines/duckdb.ts'
import type { DataManifest, SourceState } from '../profile-store.ts'
import type { MergeContext } from './merge.ts'
import { type Relation, relation } from './relation.ts'

/**
 * What decides between records of the same time: the greater ("$late", "$row") stands. "$late" is the file's place among all that were
 * taken in, "$row" the row in it. Files of earlier versions of convoke all have place 0, and a number of the record's content for a row.
 */
export type Order = '$late' | '$row'
/** The profile columns as well; what begins with "$" says whose the record is and what ranks it. */
export type ProfileRecord = '$profile' | '$time' | '$dataset' | '$precedence' | Order
/** The event columns as well. "$event" is the id that its Dataset gives it, or null. */
export type EventRecord = '$profile' | '$namespace' | '$event' | '$hash' | '$dataset' | 'timestamp' | Order

/** The rows of record files (paths relative to the root), each with the profile it belongs to; null where none of them holds any. */
export type Records = {
  readonly profiles: (files: readonly string[]) => Relation<ProfileRecord> | null
  readonly events: (files: readonly string[]) => Relation<EventRecord> | null
}

export function holdsEvents(file: string): boolean {
  return file.endsWith('.events.parquet')
}

export function holdsProfiles(file: string): boolean {
  return !holdsEvents(file)
}

/** Name of the Dataset or CampaignSource whose records a file holds. */
export function sourceOf(file: string): string {
  return file.split('/')[1] ?? ''
}

/**
 * Record files of Datasets in the plan and of CampaignSources, which are not in it and are known by their watermarks; sorted, each with
 * its place for "$late".
 */
export function activeRecords(plan: IngestPlan, sources: Sources): ReadonlyMap<string, number> {
  const datasets = new Set(plan.datasets.map(({ name }) => name))
  const all = Object.entries(sources)
    .filter(([name, source]) => datasets.has(name) || source.watermarks !== undefined)
    .flatMap(([source, { files }]) => Object.entries(files).map(([name, file]) => ({ source, name, ...file })))
  const inOrder = all
    .filter(({ taken = 0 }) => taken > 0)
    .sort((a, b) => a.taken! - b.taken! || compared(b.source, a.source) || compared(a.name, b.name)) // all of them have one
    .flatMap(({ records }) => records)
  const earlier = all.filter(({ taken = 0 }) => taken === 0).flatMap(({ records }) => records)
  return new Map(
    [...earlier.map((file) => [file, 0] as const), ...inOrder.map((file, index) => [file, index + 1] as const)].sort(
      ([a], [b]) => compared(a, b),
    ),
  )
}

type Sources = Readonly<Record<string, SourceState>>

/** The sources with the number of this ingest on every file whose content is not merged yet. */
export function takenIn(sources: Sources, before: DataManifest | null): Sources {
  const merged = new Set(before?.merged.records)
  const numbers = Object.values(sources).flatMap(({ files }) => Object.values(files).map(({ taken = 0 }) => taken))
  const now = numbers.reduce((a, b) => Math.max(a, b), 0) + 1
  return Object.fromEntries(
    Object.entries(sources).map(([source, state]) => {
      const files = Object.entries(state.files).map(([name, { taken: _, ...file }]) => {
        const known = before?.sources[source]?.files[name]
        const isMerged = known?.sha256 === file.sha256 && known.records.some((record) => merged.has(record))
        const taken = isMerged ? known.taken : now
        return [name, taken === undefined ? file : { ...file, taken }] as const
      })
      return [source, { ...state, files: Object.fromEntries(files) }]
    }),
  )
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Of profile Datasets, where it is not 0, which is what a Dataset has that says nothing. */
export function precedencesOf(plan: IngestPlan): readonly (readonly [string, number])[] {
  return plan.datasets
    .filter(({ record, precedence }) => record === 'Profile' && precedence !== 0)
    .map(({ name, precedence }) => [name, precedence] as const)
}

/** `namespace:value` of an identity, NULL where there is none: what the graph of identities and profiles without a primary one go by. */
export function nodeSql(namespace: string, value: string): string {
  return `${literal(`${namespace}:`)} || ${value}::VARCHAR`
}

/** Columns of the store's identities, in its order. */
export function identityColumns({ identities, profile }: StorePlan): readonly Column[] {
  return identities.map(
    // Identity paths were checked when the records were read.
    ({ path }) => profile.find((column) => column.path === path) ?? { path, type: 'string' },
  )
}

/**
 * `places` are those of `activeRecords`; `graph` is the file of the graph of identities, relative to the root; null: each record belongs
 * to the identity it names first.
 */
export function recordsOf(
  { root, store, plan }: MergeContext,
  places: ReadonlyMap<string, number>,
  graph: string | null,
): Records {
  const primary = store.identities.find((identity) => identity.primary)?.namespace ?? ''
  // Folder of the record file: `…/records/<source>/<digest>.events.parquet`.
  const dataset = `split_part("$file", '/', -2) AS "$dataset"`
  const precedences = precedencesOf(plan)
    .map(([name, precedence]) => `WHEN ${literal(name)} THEN ${precedence}`)
    .join(' ')
  const precedence = `${precedences === '' ? '0' : `CASE "$dataset" ${precedences} ELSE 0 END`} AS "$precedence"`
  const nodes = graph === null ? null : readParquet(root, [graph])
  return {
    profiles(all) {
      const files = all.filter(holdsProfiles)
      if (files.length === 0) return null
      const rows = shaped(root, files, store.profile, `"$time", ${dataset}, ${orderSql(files, places)}`)
      if (nodes !== null) {
        const named = store.identities.map(({ namespace, path }) => nodeSql(namespace, identifier(path)))
        return relation(`SELECT i.profile AS "$profile", r.*, ${precedence} FROM ${rows} r
          JOIN ${nodes} i ON i.node = coalesce(${named.join(', ')})`)
      }
      const ids = [...store.identities]
        .sort((a, b) => Number(b.primary) - Number(a.primary))
        .map(({ namespace, path }) =>
          namespace === primary ? `${identifier(path)}::VARCHAR` : nodeSql(namespace, identifier(path)),
        )
      return relation(`SELECT coalesce(${ids.join(', ')}) AS "$profile", *, ${precedence} FROM ${rows}`)
    },
    events(all) {
      const files = all.filter(holdsEvents)
      if (files.length === 0) return null
      const columns = store.event.filter(({ path }) => path !== 'timestamp')
      const own = `"timestamp", "$namespace", "$identity", "$event", "$hash", ${dataset}, ${orderSql(files, places)}`
      const rows = shaped(root, files, columns, own)
      const id = `CASE WHEN "$namespace" = ${literal(primary)} THEN "$identity" ELSE "$namespace" || ':' || "$identity" END`
      return relation(
        nodes === null
          ? `SELECT ${id} AS "$profile", * EXCLUDE ("$identity") FROM ${rows}`
          : `SELECT coalesce(i.profile, ${id}) AS "$profile", r.* EXCLUDE ("$identity") FROM ${rows} r
              LEFT JOIN ${nodes} i ON i.node = "$namespace" || ':' || "$identity"`,
      )
    },
  }
}

/** "$late" and "$row" of the rows of these files, over `shaped`. */
function orderSql(files: readonly string[], places: ReadonlyMap<string, number>): string {
  const late = `[${files.map((file) => places.get(file) ?? 0).join(', ')}]["$file_index" + 1]`
  return `${late} AS "$late", CASE WHEN ${late} = 0 THEN "$hash" ELSE "$file_row"::UBIGINT END AS "$row"`
}

/**
 * Record files with exactly the given columns in their types, whatever an earlier mapping left in them, and `own` "$" columns, made of
 * those of the files and "$file" (path), "$file_index" (place in the list, from 0), "$file_row" (row of the file, from 0).
 */
export function shaped(root: string, files: readonly string[], columns: readonly Column[], own: string): string {
  const shape = columns.map(({ path, type }) => `NULL::${sqlTypeOf(type)} AS ${identifier(path)}`)
  const selected = columns.map(
    ({ path, type }) => `try_cast(${identifier(path)} AS ${sqlTypeOf(type)}) AS ${identifier(path)}`,
  )
  const read = `SELECT *, file_index::BIGINT AS "$file_index", file_row_number AS "$file_row"
    FROM read_parquet([${files.map((file) => fileLiteral(join(root, file))).join(', ')}], union_by_name = true, hive_partitioning = false, filename = '$file')`
  return `(SELECT ${[...selected, own].filter((part) => part !== '').join(', ')} FROM (SELECT ${shape.join(', ')} WHERE false UNION ALL BY NAME ${read}))`
}
