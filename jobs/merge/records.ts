import { join } from 'node:path'
import type { Column, IngestPlan, StorePlan } from '#crds'
import { fileLiteral, identifier, literal, readParquet, sqlTypeOf } from '../engines/duckdb.ts'
import type { DataManifest, SourceFileState, SourceState } from '../profile-store.ts'
import { comparedSql, type IdentityRule, isPlain, nodeSql, ownProfileSql } from './identities.ts'
import type { MergeContext } from './merge.ts'
import { type Relation, relation } from './relation.ts'

/**
 * What decides between records of the same time: the greater ("$late", "$row") stands. "$late" is the file's place among all files taken
 * in, "$row" the row's number in it. Files of earlier versions of convoke have place 0, and instead of a row a number of the record's
 * content.
 */
export type Order = '$late' | '$row'
/** Columns of a profile record beside the profile's own. Those with "$" say whose the record is, and rank it. */
export type ProfileRecord = '$cleared' | '$profile' | '$time' | '$dataset' | '$precedence' | Order
/** Columns of an event record beside the event's own. "$event" is the id that its Dataset gives it, or null. */
export type EventRecord = '$profile' | '$namespace' | '$event' | '$dataset' | 'timestamp' | Order

/** The rows of record files (paths relative to the root), each with its profile; null where no file holds any. */
export type Records = {
  readonly rules: readonly IdentityRule[]
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

/** Record files of Datasets in the plan and of CampaignSources (which are not in the plan, and are known by their watermarks), sorted. */
export function activeRecords(plan: IngestPlan, sources: Sources): Places {
  const datasets = new Set(plan.datasets.map(({ name }) => name))
  const all = Object.entries(sources)
    .filter(([name, source]) => datasets.has(name) || source.watermarks !== undefined)
    .flatMap(([source, { files }]) => Object.entries(files).map(([name, file]) => ({ source, name, ...file })))
  const inOrder = all
    .filter(({ taken = 0 }) => taken > 0)
    .sort((a, b) => a.taken! - b.taken! || compared(b.source, a.source) || compared(a.name, b.name)) // all of them have a number
    .flatMap(({ records }) => records)
  const earlier = all.filter(({ taken = 0 }) => taken === 0).flatMap(({ records }) => records)
  return new Map(
    [...earlier.map((file) => [file, 0] as const), ...inOrder.map((file, index) => [file, index + 1] as const)].sort(
      ([a], [b]) => compared(a, b),
    ),
  )
}

/** Record files, each with its place for "$late". */
export type Places = ReadonlyMap<string, number>

type Sources = Readonly<Record<string, SourceState>>

/**
 * The sources, with this ingest's number on every file whose content is not merged yet; and whether a record file belongs to such a file.
 */
export function takenIn(
  sources: Sources,
  before: DataManifest | null,
): { readonly sources: Sources; readonly isTaken: (record: string) => boolean } {
  const merged = new Set(before?.merged.records)
  const numbers = [...Object.values(before?.sources ?? {}), ...Object.values(sources)].flatMap(({ files }) =>
    Object.values(files).map(({ taken = 0 }) => taken),
  )
  const now = numbers.reduce((a, b) => Math.max(a, b), 0) + 1
  const numbered = Object.fromEntries(
    Object.entries(sources).map(([source, state]) => {
      const files = Object.entries(state.files).map(([name, { taken: _, ...file }]): [string, SourceFileState] => {
        const known = before?.sources[source]?.files[name]
        const isMerged = known?.sha256 === file.sha256 && known.records.some((record) => merged.has(record))
        const taken = isMerged ? known.taken : now
        return [name, taken === undefined ? file : { ...file, taken }]
      })
      return [source, { ...state, files: Object.fromEntries(files) }]
    }),
  )
  const taken = Object.values(numbered)
    .flatMap(({ files }) => Object.values(files))
    .filter((file) => file.taken === now)
  const records = new Set(taken.flatMap((file) => file.records))
  return { sources: numbered, isTaken: (record) => records.has(record) }
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The precedence of each profile Dataset that has one other than 0, the default. */
export function precedencesOf(plan: IngestPlan): readonly (readonly [string, number])[] {
  return plan.datasets
    .filter(({ record, precedence }) => record === 'Profile' && precedence !== 0)
    .map(({ name, precedence }) => [name, precedence] as const)
}

/** Attributes that a record may remove: in some Dataset an empty place means that there is no value. */
export function clearable(plan: IngestPlan): readonly string[] {
  const targets = plan.datasets.flatMap(({ record, mapping }) =>
    record === 'Profile' ? mapping.filter(({ emptyOverwrites }) => emptyOverwrites).map(({ target }) => target) : [],
  )
  return [...new Set(targets)].sort()
}

/** Columns of the store's identities, in its order. */
export function identityColumns({ identities, profile }: StorePlan): readonly Column[] {
  return identities.map(
    // Identity paths were checked when the records were read.
    ({ path }) => profile.find((column) => column.path === path) ?? { path, type: 'string' },
  )
}

/**
 * `graph` is the file of the identity graph, relative to the root; null: each record belongs to its identity of the highest priority. A
 * record all of whose identities stand for nobody belongs to nobody, and is left out.
 */
export function recordsOf(
  { root, store, plan }: MergeContext,
  rules: readonly IdentityRule[],
  places: Places,
  graph: string | null,
): Records {
  const precedences = precedencesOf(plan)
    .map(([name, precedence]) => `WHEN ${literal(name)} THEN ${precedence}`)
    .join(' ')
  const precedence = `${precedences === '' ? '0' : `CASE "$dataset" ${precedences} ELSE 0 END`} AS "$precedence"`
  const nodes = graph === null ? null : readParquet(root, [graph])
  const somebody = rules.some((rule) => !isPlain(rule)) ? 'WHERE "$profile" IS NOT NULL' : ''
  return {
    rules,
    profiles(all) {
      const files = all.filter(holdsProfiles)
      if (files.length === 0) return null
      const ids = rules.map((_, index) => `"$id${index}"`)
      const rows = shaped(
        root,
        files,
        store.profile,
        `"$time", "$cleared", ${datasetSql}, ${orderSql(files, places)}, ${identitiesSql(rules)}`,
      )
      const own = `* EXCLUDE (${ids.join(', ')}), ${precedence}`
      return relation(
        nodes === null
          ? `SELECT coalesce(${rules.map((rule, index) => ownProfileSql(rule, ids[index]!)).join(', ')}) AS "$profile", ${own} FROM ${rows} ${somebody}`
          : `SELECT i.profile AS "$profile", r.${own} FROM ${rows} r
              JOIN ${nodes} i ON i.node = coalesce(${rules.map((rule, index) => nodeSql(rule, ids[index]!)).join(', ')})`,
      )
    },
    events(all) {
      const files = all.filter(holdsEvents)
      if (files.length === 0) return null
      const columns = store.event.filter(({ path }) => path !== 'timestamp')
      const own = `"timestamp", "$namespace", "$event", ${datasetSql}, ${orderSql(files, places)}`
      const rows = shaped(root, files, columns, `${own}, ${eventIdentitySql(rules)}`)
      const id = byNamespace(rules, (rule) => ownProfileSql(rule, '"$id"'))
      const node = byNamespace(rules, (rule) => nodeSql(rule, '"$id"'))
      return relation(
        nodes === null
          ? `SELECT ${id} AS "$profile", * EXCLUDE ("$id") FROM ${rows} ${somebody}`
          : `SELECT coalesce(i.profile, ${id}) AS "$profile", r.* EXCLUDE ("$id") FROM ${rows} r
              LEFT JOIN ${nodes} i ON i.node = ${node} ${somebody}`,
      )
    },
  }
}

/** SQL for "$dataset" of records: the folder in `…/records/<source>/<digest>.events.parquet`. */
export const datasetSql = `split_part("$file", '/', -2) AS "$dataset"`

/** SQL for "$id0", "$id1", … of profile records: the identities as they are compared, in the order of the rules. */
export function identitiesSql(rules: readonly IdentityRule[]): string {
  return rules.map((rule, index) => `${comparedSql(rule, identifier(rule.path))} AS "$id${index}"`).join(', ')
}

/** SQL for "$id" of event records: the identity as it is compared. */
export function eventIdentitySql(rules: readonly IdentityRule[]): string {
  const compared = rules.map((rule) => `WHEN ${literal(rule.namespace)} THEN ${comparedSql(rule, '"$identity"')}`)
  return `CASE "$namespace" ${compared.join(' ')} ELSE "$identity" END AS "$id"`
}

/** SQL that depends on an event's namespace; identities of a namespace that the store no longer has are compared as written. */
export function byNamespace(rules: readonly IdentityRule[], sqlOf: (rule: IdentityRule) => string): string {
  const cases = rules.map((rule) => `WHEN ${literal(rule.namespace)} THEN ${sqlOf(rule)}`)
  return `CASE "$namespace" ${cases.join(' ')} ELSE "$namespace" || ':' || "$id" END`
}

/** SQL for "$late" and "$row" of the rows of these files, over `shaped`. */
export function orderSql(files: readonly string[], places: Places): string {
  const late = `[${files.map((file) => places.get(file) ?? 0).join(', ')}]["$file_index" + 1]`
  return `${late} AS "$late", CASE WHEN ${late} = 0 THEN coalesce("$hash", "$file_row"::UBIGINT) ELSE "$file_row"::UBIGINT END AS "$row"`
}

/**
 * SELECT of record files with exactly the given columns in their types, whatever an earlier mapping left in them, and of `own` "$"
 * columns, made from the files' columns and "$file" (path), "$file_index" (place in the list, from 0), "$file_row" (row in the file, from
 * 0).
 */
export function shaped(root: string, files: readonly string[], columns: readonly Column[], own: string): string {
  const typed = columns.map(({ path, type }) => `NULL::${sqlTypeOf(type)} AS ${identifier(path)}`)
  // Not every file has the columns that order rows of earlier versions of convoke, or that remove values.
  const always = ['NULL::VARCHAR AS "$file"', 'NULL::UBIGINT AS "$hash"', 'NULL::VARCHAR[] AS "$cleared"']
  const shape = [...always, ...typed]
  const selected = columns.map(
    ({ path, type }) => `try_cast(${identifier(path)} AS ${sqlTypeOf(type)}) AS ${identifier(path)}`,
  )
  const read = `SELECT *, file_index::BIGINT AS "$file_index", file_row_number AS "$file_row"
    FROM read_parquet([${files.map((file) => fileLiteral(join(root, file))).join(', ')}], union_by_name = true, hive_partitioning = false, filename = '$file')`
  return `(SELECT ${[...selected, own].filter((part) => part !== '').join(', ')} FROM (SELECT ${shape.join(', ')} WHERE false UNION ALL BY NAME ${read}))`
}
