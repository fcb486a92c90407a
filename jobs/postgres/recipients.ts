import type { ImportPlan } from '#crds'
import type { Ports } from '../ports.ts'
import { connect, databaseFault, name, placeOf } from './connection.ts'

export type KnownRecipients = {
  /** Keys without a recipient. */
  readonly unknown: number
  /** Recipients with an opt-out column that is true. */
  readonly optedOut: number
}

/** How Campaign stands to people by one column of its recipients. Reads only. */
export async function countRecipients(
  { instance, database, target }: ImportPlan,
  column: string,
  keys: readonly string[],
  ports: Ports,
): Promise<KnownRecipients> {
  const client = await connect(instance, database, ports)
  try {
    const out =
      target.optOutColumns.map((each) => `r.${name(each)}::text IN ('true', 't', '1')`).join(' OR ') || 'false'
    const { rows } = await client.query(
      `SELECT count(*) FILTER (WHERE r.${name(column)} IS NULL) AS unknown, count(*) FILTER (WHERE ${out}) AS out
       FROM unnest($1::text[]) AS k(key) LEFT JOIN ${name(target.schema, target.table)} AS r ON r.${name(column)}::text = k.key`,
      [keys],
    )
    return { unknown: Number(rows[0].unknown), optedOut: Number(rows[0].out) }
  } catch (error) {
    throw databaseFault(error, placeOf(instance, database, ports))
  } finally {
    await client.end().catch(() => {})
  }
}
