import type { ImportPlan } from '#crds'
import type { Ports } from '../ports.ts'
import { name } from './connection.ts'
import { readingTarget } from './reading.ts'

export type KnownRecipients = {
  /** How many keys have no recipient. */
  readonly unknown: number
  /** How many recipients have an opt-out column that is true. */
  readonly optedOut: number
}

/** How Campaign stands to people, by one column of its recipients. Reads only. */
export async function countRecipients(
  { instance, database, target }: ImportPlan,
  column: string,
  keys: readonly string[],
  ports: Ports,
): Promise<KnownRecipients> {
  return readingTarget({ instance, database, target }, ports, async (query) => {
    const out =
      target.optOutColumns.map((each) => `r.${name(each)}::text IN ('true', 't', '1')`).join(' OR ') || 'false'
    const { rows } = await query(
      `SELECT count(*) FILTER (WHERE r.${name(column)} IS NULL) AS unknown, count(*) FILTER (WHERE ${out}) AS out
       FROM unnest($1::text[]) AS k(key) LEFT JOIN ${name(target.schema, target.table)} AS r ON r.${name(column)}::text = k.key`,
      [keys],
    )
    return { unknown: Number(rows[0].unknown), optedOut: Number(rows[0].out) }
  })
}
