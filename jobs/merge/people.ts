import { identifier, literal, readParquet } from '../engines/duckdb.ts'
import type { BucketFiles } from '../profile-store.ts'
import type { BucketWriter } from './buckets.ts'
import { comparedSql, somebodySql } from './identities.ts'
import type { Change, MergeContext } from './merge.ts'
import {
  byNamespace,
  datasetSql,
  eventIdentitySql,
  holdsEvents,
  holdsProfiles,
  identityColumns,
  type Records,
  shaped,
} from './records.ts'
import type { Relation } from './relation.ts'

/** The people in the records of a Dataset that an ingest took in, each once; without those left out of segmentation. */
export type People = {
  readonly dataset: string
  /** Known by a record with the primary identity; for a Dataset of profiles only those who were in the store before. */
  readonly matched: number
  /** For a Dataset of profiles: known, and not in the store before. */
  readonly new: number
  /** Known by no record with the primary identity: what these records say reaches nobody else. */
  readonly unmatched: number
}

export async function peopleOf(
  { engine, root }: MergeContext,
  records: Records,
  writer: BucketWriter,
  { before, taken, since }: Change,
  profiles: BucketFiles,
): Promise<readonly People[]> {
  const people = new Map<string, People>()
  if (taken.length === 0) return []
  const step = Math.min(profiles.length, before?.buckets ?? 1)
  for (let bucket = 0; bucket < profiles.length; bucket++) {
    const known = profiles[bucket] ?? []
    const earlier = (before?.profiles ?? []).filter((_, index) => index % step === bucket % step).flat()
    for (const { rows, isNew } of takenRows(records, writer, taken, bucket, profiles.length)) {
      if (rows === null || known.length === 0) continue
      const found =
        await engine.rows(`SELECT dataset, count_if(known AND NOT ${isNew}) AS matched, count_if(known AND ${isNew}) AS new, count_if(NOT known) AS unmatched
        FROM (SELECT DISTINCT "$dataset" AS dataset, "$profile" FROM ${rows.sql} WHERE "$late" >= ${since})
          JOIN ${profilesSql(root, known)} USING ("$profile")
          LEFT JOIN (SELECT "$profile", true AS earlier FROM ${profilesSql(root, earlier)}) USING ("$profile")
        GROUP BY 1`)
      for (const row of found) {
        const dataset = String(row['dataset'])
        const sum = (key: 'matched' | 'new' | 'unmatched') => (people.get(dataset)?.[key] ?? 0) + Number(row[key])
        people.set(dataset, { dataset, matched: sum('matched'), new: sum('new'), unmatched: sum('unmatched') })
      }
    }
  }
  return [...people.values()].sort((a, b) => (a.dataset < b.dataset ? -1 : 1))
}

type Row = '$profile' | '$dataset' | '$late'

/** The rows of a bucket as they were scattered for this version (all rows where there is one bucket), and SQL for who counts as new. */
function takenRows(
  records: Records,
  writer: BucketWriter,
  taken: readonly string[],
  bucket: number,
  buckets: number,
): readonly { readonly rows: Relation<Row> | null; readonly isNew: string }[] {
  const [events, profiles] = [taken.some(holdsEvents), taken.some(holdsProfiles)]
  const scattered = (name: string) => writer.scattered<Row>(name, bucket)
  return [
    ...(events && buckets === 1 ? [{ rows: records.events(taken), isNew: 'false' }] : []),
    ...(profiles && buckets === 1 ? [{ rows: records.profiles(taken), isNew: 'earlier IS NULL' }] : []),
    ...(events && buckets > 1 ? ['events', 'appended'].map((name) => ({ rows: scattered(name), isNew: 'false' })) : []),
    ...(profiles && buckets > 1 ? [{ rows: scattered('profiles'), isNew: 'earlier IS NULL' }] : []),
  ]
}

/** SELECT of "$profile" and `known` of profile files. Files of earlier versions lack "$known": everybody then counts as known. */
function profilesSql(root: string, files: readonly string[]): string {
  const none = `SELECT NULL::VARCHAR AS "$profile", NULL::BOOLEAN AS "$known" WHERE false`
  const read = files.length === 0 ? '' : `UNION ALL BY NAME SELECT * FROM ${readParquet(root, files)}`
  return `(SELECT "$profile", coalesce("$known", true) AS known FROM (${none} ${read}))`
}

/** An identity that stands for nobody, in the records that an ingest took in. */
export type Placeholder = {
  readonly dataset: string
  readonly namespace: string
  /** The value as compared; null where it is nobody's only because too many people have it: then it may identify somebody. */
  readonly value: string | null
  readonly rows: number
}

/** The placeholders in the records taken in, the most frequent first. */
export async function placeholdersIn(
  { engine, root, store }: MergeContext,
  { rules }: Records,
  { taken }: Change,
): Promise<readonly Placeholder[]> {
  const watched = rules.filter(({ placeholders, shared }) => placeholders.length > 0 || shared.length > 0)
  const events = taken.filter(holdsEvents)
  const profiles = taken.filter(holdsProfiles)
  const selects =
    profiles.length === 0
      ? []
      : watched.map((rule) => {
          const column = identityColumns(store).filter(({ path }) => path === rule.path)
          const rows = shaped(
            root,
            profiles,
            column,
            `${datasetSql}, ${comparedSql(rule, identifier(rule.path))} AS "$id"`,
          )
          return `SELECT "$dataset", ${literal(rule.namespace)} AS "$namespace", "$id" FROM ${rows}
      WHERE "$id" IS NOT NULL AND ${somebodySql(rule, '"$id"')} IS NULL`
        })
  if (events.length > 0 && watched.length > 0) {
    const rows = shaped(root, events, [], `${datasetSql}, "$namespace", ${eventIdentitySql(rules)}`)
    selects.push(`SELECT "$dataset", "$namespace", "$id" FROM ${rows}
      WHERE "$id" IS NOT NULL AND ${byNamespace(rules, (rule) => somebodySql(rule, '"$id"'))} IS NULL`)
  }
  if (selects.length === 0) return []
  const rows = await engine.rows(`SELECT "$dataset" AS dataset, "$namespace" AS namespace, "$id" AS id, count(*) AS rows
    FROM (${selects.join(' UNION ALL ')}) GROUP BY ALL ORDER BY rows DESC, dataset, namespace, id`)
  const shared = new Map(rules.map((rule) => [rule.namespace, new Set(rule.shared)]))
  return rows.map((row) => {
    const [namespace, id] = [String(row['namespace']), String(row['id'])]
    return {
      dataset: String(row['dataset']),
      namespace,
      value: shared.get(namespace)?.has(id) ? null : id,
      rows: Number(row['rows']),
    }
  })
}
