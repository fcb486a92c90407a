import type { Detail, ImportPlan } from '#crds'
import { type Database, name, text } from '../postgres/connection.ts'
import { updateLists } from './audience.ts'
import { createStaging, judge, RefusedInGroup, update } from './load.ts'
import { readTargetTable, type TargetTable } from './target-table.ts'

export type WaitingRows = {
  readonly database: Database
  readonly plan: ImportPlan
  readonly activation: string
  /** The Segments that the Activation delivers; null: all Segments that have waiting rows. */
  readonly segments: readonly string[] | null
  /** The columns that the Activation writes, with their types in the file; null: the columns that each row brings. */
  readonly columns: readonly { readonly name: string; readonly type: string }[] | null
}

type Counts = Readonly<Record<'arrived' | 'updated' | 'unchanged' | 'added', number>>

/**
 * Loads the waiting rows of an Activation whose recipient exists by now, within a transaction. A row that the database refuses goes on
 * waiting, with the reason. Returns the outcome for each Segment of which rows arrived or wait.
 */
export async function loadArrivals(waiting: WaitingRows): Promise<readonly Detail[]> {
  const { database, plan } = waiting
  const { rows: sets } = await database.query<{ columns: string[] }>(
    `SELECT DISTINCT ${columnsSql} AS columns FROM convoke.waiting_rows w WHERE ${ownSql(waiting)}`,
  )
  const arrived: (readonly [string, Counts])[] = []
  for (const set of sets) {
    // A row that was delivered with other columns says nothing about the columns that it lacks.
    const columns =
      waiting.columns?.filter((column) => set.columns.includes(column.name)) ??
      set.columns.map((column) => ({ name: column, type: 'string' }))
    if (!plan.target.reconciliationKey.every((key) => columns.some((column) => column.name === key))) continue
    const target = await readTargetTable(database, plan, { activation: waiting.activation, columns })
    arrived.push(...(await loadSet(waiting, target, set.columns)))
  }
  const { rows: left } = await database.query<{ segment: string; waiting: number }>(
    `SELECT segment, count(*)::integer AS waiting FROM convoke.waiting_rows w WHERE ${ownSql(waiting)} GROUP BY segment`,
  )
  const segments = [...new Set([...arrived, ...left.map((row) => [row.segment] as const)].map(([segment]) => segment))]
  return segments.sort().map((segment) => ({
    segment,
    counts: {
      ...sumOf(arrived.flatMap(([of, counts]) => (of === segment ? [counts] : []))),
      waiting: left.find((row) => row.segment === segment)?.waiting ?? 0,
    },
  }))
}

function sumOf(all: readonly Counts[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const counts of all) for (const [count, value] of Object.entries(counts)) sum[count] = (sum[count] ?? 0) + value
  return sum
}

const columnsSql = 'ARRAY(SELECT jsonb_object_keys(w.attributes) ORDER BY 1)'

function ownSql({ activation, segments }: WaitingRows): string {
  const some = segments === null ? '' : ` AND w.segment = ANY(ARRAY[${segments.map(text).join(', ')}]::text[])`
  return `w.activation = ${text(activation)}${some}`
}

/** Loads rows with the same columns: of all Segments together, or Segment by Segment where the database refuses one. */
async function loadSet(
  waiting: WaitingRows,
  target: TargetTable,
  columns: readonly string[],
): Promise<readonly (readonly [string, Counts])[]> {
  const { database } = waiting
  const same = target.keys.map((key) => {
    const value = `w.attributes ->> ${text(key.name)}`
    return `t.${name(key.name)} = CASE WHEN ${key.validOf(value)} THEN (${value})::${key.valueType} END`
  })
  await database.query(`CREATE TEMP TABLE arriving ON COMMIT DROP AS SELECT w.* FROM convoke.waiting_rows w JOIN ${target.name} t ON ${same.join(' AND ')}
    WHERE ${ownSql(waiting)} AND ${columnsSql} = ARRAY[${columns.map(text).join(', ')}]::text[]`)
  const { rows } = await database.query<{ segment: string }>('SELECT DISTINCT segment FROM arriving ORDER BY 1')
  const segments = rows.map(({ segment }) => segment)
  const loaded: (readonly [string, Counts])[] = []
  if (segments.length > 0) {
    await database.query('SAVEPOINT together')
    try {
      loaded.push(...(await loadSegments(waiting, target, segments)))
    } catch (error) {
      if (!(error instanceof RefusedInGroup)) throw error
      await database.query('ROLLBACK TO SAVEPOINT together')
      for (const segment of segments) loaded.push(...(await loadSegments(waiting, target, [segment])))
    }
  }
  await database.query('DROP TABLE arriving')
  return loaded
}

async function loadSegments(
  { database, plan }: WaitingRows,
  target: TargetTable,
  segments: readonly string[],
): Promise<readonly (readonly [string, Counts])[]> {
  const load = { database, target, table: `${plan.target.schema}.${plan.target.table}`, isGroup: segments.length > 1 }
  const some = `segment = ANY(ARRAY[${segments.map(text).join(', ')}]::text[])`
  // Rows that came with one delivery form one here too, so that the newest delivery counts.
  await database.query(`CREATE TEMP TABLE numbered ON COMMIT DROP AS SELECT row_number() OVER (ORDER BY since, segment, recipient_key) AS number,
      (dense_rank() OVER (ORDER BY since, segment, run) - 1)::integer AS delivery, * FROM arriving WHERE ${some};
    CREATE TEMP TABLE deliveries ON COMMIT DROP AS SELECT DISTINCT delivery, segment, false AS complete, since, run FROM numbered`)
  await createStaging(database, target.columns.length)
  await database.query(
    `INSERT INTO staging (number, delivery, file, line, ${target.columns.map((column) => column.position).join(', ')})
     SELECT number, delivery, delivery, 0, ${target.columns.map((column) => `attributes ->> ${text(column.name)}`).join(', ')} FROM numbered`,
  )
  await judge(load)
  await update(load)
  const lists = plan.syncType === 'Audience' ? await updateLists(load) : null
  const { rows } = await database.query<{ segment: string; delivery: number; arrived: number; updated: number }>(
    `SELECT d.segment, d.delivery, count(*) FILTER (WHERE l.reason IS NULL)::integer AS arrived, (SELECT coalesce(sum(rows), 0) FROM done WHERE done.file = d.delivery)::integer AS updated
     FROM loaded l JOIN deliveries d USING (delivery) GROUP BY d.segment, d.delivery`,
  )
  await database.query(`UPDATE convoke.waiting_rows w SET reason = l.reason FROM loaded l JOIN numbered n USING (number)
      WHERE l.reason IS NOT NULL AND w.activation = n.activation AND w.segment = n.segment AND w.recipient_key = n.recipient_key AND w.reason <> l.reason;
    DELETE FROM convoke.waiting_rows w USING loaded l JOIN numbered n USING (number)
      WHERE l.reason IS NULL AND w.activation = n.activation AND w.segment = n.segment AND w.recipient_key = n.recipient_key;
    DROP TABLE IF EXISTS numbered, deliveries, staging, loaded, done, expected`)
  return rows.map(({ segment, delivery, arrived, updated }) => [
    segment,
    { arrived, updated, unchanged: arrived - updated, added: lists?.(delivery).added ?? 0 },
  ])
}
