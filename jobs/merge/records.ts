import { join } from 'node:path'
import type { Column, IngestPlan, StorePlan } from '#crds'
import { identifier, literal, sqlTypeOf } from '../engines/duckdb.ts'
import type { SourceState } from '../profile-store.ts'
import type { MergeContext } from './merge.ts'
import { type Relation, relation } from './relation.ts'

/** The profile columns as well; what begins with "$" says whose the record is and what ranks it. */
export type ProfileRecord = '$profile' | '$time' | '$hash' | '$dataset' | '$precedence'
/** The event columns as well. "$event" is the id that its Dataset gives it, or null. */
export type EventRecord = '$profile' | '$namespace' | '$event' | '$hash' | '$dataset' | 'timestamp'

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

/** Record files of Datasets in the plan and of CampaignSources, which are not in it and are known by their watermarks; sorted. */
export function activeRecords(plan: IngestPlan, sources: Readonly<Record<string, SourceState>>): readonly string[] {
  const datasets = new Set(plan.datasets.map(({ name }) => name))
  return Object.entries(sources)
    .filter(([name, source]) => datasets.has(name) || source.watermarks !== undefined)
    .flatMap(([, source]) => Object.values(source.files).flatMap((file) => file.records))
    .sort()
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

/** `graph` is the file of the graph of identities, relative to the root; null: each record belongs to the identity it names first. */
export function recordsOf({ root, store, plan }: MergeContext, graph: string | null): Records {
  const primary = store.identities.find((identity) => identity.primary)?.namespace ?? ''
  // Folder of the record file: `…/records/<source>/<digest>.events.parquet`.
  const dataset = `split_part("$file", '/', -2) AS "$dataset"`
  const precedences = precedencesOf(plan)
    .map(([name, precedence]) => `WHEN ${literal(name)} THEN ${precedence}`)
    .join(' ')
  const precedence = `${precedences === '' ? '0' : `CASE "$dataset" ${precedences} ELSE 0 END`} AS "$precedence"`
  const nodes = graph === null ? null : `read_parquet(${literal(join(root, graph))})`
  return {
    profiles(all) {
      const files = all.filter(holdsProfiles)
      if (files.length === 0) return null
      const rows = shaped(root, files, store.profile, `"$time", "$hash", ${dataset}`)
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
      const rows = shaped(root, files, columns, `"timestamp", "$namespace", "$identity", "$event", "$hash", ${dataset}`)
      const own = `CASE WHEN "$namespace" = ${literal(primary)} THEN "$identity" ELSE "$namespace" || ':' || "$identity" END`
      return relation(
        nodes === null
          ? `SELECT ${own} AS "$profile", * EXCLUDE ("$identity") FROM ${rows}`
          : `SELECT coalesce(i.profile, ${own}) AS "$profile", r.* EXCLUDE ("$identity") FROM ${rows} r
              LEFT JOIN ${nodes} i ON i.node = "$namespace" || ':' || "$identity"`,
      )
    },
  }
}

/** Record files with exactly the given columns in their types, whatever an earlier mapping left in them, and `own` "$" columns. */
export function shaped(root: string, files: readonly string[], columns: readonly Column[], own: string): string {
  const shape = columns.map(({ path, type }) => `NULL::${sqlTypeOf(type)} AS ${identifier(path)}`)
  const selected = columns.map(
    ({ path, type }) => `try_cast(${identifier(path)} AS ${sqlTypeOf(type)}) AS ${identifier(path)}`,
  )
  const read = `read_parquet([${files.map((file) => literal(join(root, file))).join(', ')}], union_by_name = true, filename = '$file')`
  return `(SELECT ${[...selected, own].filter((part) => part !== '').join(', ')} FROM (SELECT ${shape.join(', ')} WHERE false UNION ALL BY NAME SELECT * FROM ${read}))`
}
