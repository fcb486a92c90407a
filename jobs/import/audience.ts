import { type Database, text } from '../postgres/connection.ts'
import { keyJson, type Load } from './load.ts'

/** A delivery of the transaction, known by its index. */
export type ListedDelivery = {
  readonly segment: string
  /** Whether the file names every member: whoever it does not name is none. */
  readonly complete: boolean
  readonly evaluatedAt: string
  readonly run: string
}

/** Makes the temporary table `deliveries`, which describes the deliveries in `loaded`. */
export async function createDeliveries(database: Database, deliveries: readonly ListedDelivery[]): Promise<void> {
  await database.query(
    'CREATE TEMP TABLE deliveries (delivery integer, segment text, complete boolean, since timestamptz, run text) ON COMMIT DROP',
  )
  const of = <T>(value: (delivery: ListedDelivery) => T) => deliveries.map(value)
  await database.query(
    `INSERT INTO deliveries SELECT number - 1, segment, complete, since, run
     FROM unnest($1::text[], $2::boolean[], $3::timestamptz[], $4::text[]) WITH ORDINALITY AS d(segment, complete, since, run, number)`,
    [of((one) => one.segment), of((one) => one.complete), of((one) => one.evaluatedAt), of((one) => one.run)],
  )
}

export type ListChange = { readonly added: number; readonly removed: number }

/** Brings the lists of the audiences up to date; returns the changes of each delivery. */
export async function updateLists({ database, target }: Load): Promise<(delivery: number) => ListChange> {
  const key = keyJson(target)
  const counted = async (statement: string) => {
    const { rows } = await database.query<{ delivery: number; rows: number }>(
      `WITH changed AS (${statement}) SELECT delivery, count(*)::integer AS rows FROM changed GROUP BY delivery`,
    )
    return new Map(rows.map((row) => [row.delivery, row.rows]))
  }
  const swept =
    await counted(`DELETE FROM convoke.audience_members m USING deliveries d WHERE d.complete AND m.segment = d.segment
    AND NOT EXISTS (SELECT 1 FROM loaded l WHERE l.delivery = d.delivery AND l.reason IS NULL AND NOT l.exited AND ${key} = m.recipient_key)
    RETURNING d.delivery`)
  const exited =
    await counted(`DELETE FROM convoke.audience_members m USING deliveries d, loaded l WHERE NOT d.complete AND m.segment = d.segment
    AND l.delivery = d.delivery AND l.reason IS NULL AND l.exited AND ${key} = m.recipient_key RETURNING d.delivery`)
  const { rows } = await database.query<{ delivery: number; rows: number }>(
    `WITH added AS (INSERT INTO convoke.audience_members AS m (segment, recipient_key, status, since, run)
       SELECT d.segment, ${key}, 'realized', d.since, d.run FROM loaded l JOIN deliveries d USING (delivery) WHERE l.reason IS NULL AND NOT l.exited
         AND NOT EXISTS (SELECT 1 FROM convoke.audience_members m WHERE m.segment = d.segment AND m.recipient_key = ${key})
       RETURNING m.segment, m.run)
     SELECT d.delivery, count(*)::integer AS rows FROM added JOIN deliveries d USING (segment, run) GROUP BY d.delivery`,
  )
  const added = new Map(rows.map((row) => [row.delivery, row.rows]))
  return (delivery) => ({
    added: added.get(delivery) ?? 0,
    removed: (swept.get(delivery) ?? 0) + (exited.get(delivery) ?? 0),
  })
}

/**
 * Keeps the rows of `loaded` that wait, in place of older rows of the same recipient. A complete file names all rows that may wait; with
 * an increment, a recipient that is loaded or exits waits no more.
 */
export async function keepWaiting({ database, target }: Load, activation: string): Promise<void> {
  const key = keyJson(target)
  const own = `w.activation = ${text(activation)} AND w.segment = d.segment`
  const attributes = `jsonb_object(ARRAY[${target.columns.map((column) => text(column.name)).join(', ')}], ARRAY[${target.columns.map((column) => `s.${column.position}`).join(', ')}])`
  await database.query(`DELETE FROM convoke.waiting_rows w USING deliveries d WHERE ${own} AND d.complete
    AND NOT EXISTS (SELECT 1 FROM loaded l WHERE l.delivery = d.delivery AND l.waits AND ${key} = w.recipient_key)`)
  await database.query(`DELETE FROM convoke.waiting_rows w USING deliveries d, loaded l WHERE ${own} AND NOT d.complete
    AND l.delivery = d.delivery AND l.reason IS NULL AND ${key} = w.recipient_key`)
  await database.query(`INSERT INTO convoke.waiting_rows AS w (activation, segment, recipient_key, attributes, reason, since, run)
    SELECT ${text(activation)}, d.segment, ${key}, ${attributes}, l.reason, d.since, d.run
    FROM loaded l JOIN staging s USING (number) JOIN deliveries d ON d.delivery = l.delivery WHERE l.waits
    ON CONFLICT (activation, segment, recipient_key) DO UPDATE SET attributes = excluded.attributes, reason = excluded.reason, since = excluded.since, run = excluded.run
      WHERE w.attributes <> excluded.attributes`)
}
