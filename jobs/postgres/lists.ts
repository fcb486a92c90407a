import type { ExportPlan, ImportPlan } from '#crds'
import { deliveredSets, deliveredSql } from '../export/delivered-set.ts'
import type { OpenStore } from '../open-store.ts'
import type { Ports } from '../ports.ts'
import { name } from './connection.ts'
import { readingTarget } from './reading.ts'

/** How Campaign stands to what was delivered of a Segment. */
export type CampaignSide = {
  /** How many of the delivered people Campaign has taken: those on the audience's list or, without lists, those with a recipient. */
  readonly taken: number
  /** How many of these have an opt-out column that is true. */
  readonly optedOut: number
  /** How many of the delivered people have no recipient; the others that were not taken were rejected for something else. */
  readonly unknown: number
}

/** How many keys are looked up at most: a look at Campaign may not cost more than a delivery. */
const mostKeys = 500_000

/** How many people the acknowledged delivery of each Segment names; a Segment whose delivered set is gone is left out. */
export async function deliveredCounts(
  { engine, root }: OpenStore,
  activation: string,
  baselines: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  const sets = deliveredSets(root, activation)
  for (const [segment, run] of Object.entries(baselines)) {
    const set = sets.of(segment, run)
    if (set === null) continue
    if (set.rows !== null) counts.set(segment, set.rows)
    else {
      const [row] = await engine.rows(`SELECT count(*) AS people FROM (${deliveredSql(set, 'hash')})`).catch(() => [])
      if (row) counts.set(segment, Number(row['people']))
    }
  }
  return counts
}

/**
 * What Campaign made of the delivered sets of an Activation's Segments. Reads only. null where that cannot be told: the delivered sets
 * have another key than Campaign reconciles by, or there are too many people.
 */
export async function campaignSides(
  { engine, root }: OpenStore,
  { instance, database, target, syncType }: ImportPlan,
  { activation, columns }: Pick<ExportPlan, 'activation' | 'columns'>,
  baselines: Readonly<Record<string, string>>,
  ports: Ports,
): Promise<ReadonlyMap<string, CampaignSide> | null> {
  const keys = columns.filter(({ deduplicationKey }) => deduplicationKey).map((column) => column.target)
  const places = target.reconciliationKey.map((key) => keys.indexOf(key))
  if (places.length === 0 || places.includes(-1)) return null
  const delivered = new Map<string, readonly (readonly string[])[]>()
  let total = 0
  const sets = deliveredSets(root, activation)
  for (const [segment, run] of Object.entries(baselines)) {
    const set = sets.of(segment, run)
    if (set === null) continue
    const rows = await engine
      .rows(`${deliveredSql(set, places.map((place, at) => `k${place} AS k${at}`).join(', '))} LIMIT ${mostKeys}`)
      .catch(() => null)
    if (rows === null) continue
    total += rows.length
    if (total > mostKeys) return null
    delivered.set(
      segment,
      rows.map((row) => places.map((_, at) => String(row[`k${at}`]))),
    )
  }
  return readingTarget({ instance, database, target }, ports, async (query) => {
    const out = target.optOutColumns.map((column) => `${name(column)}::text IN ('true', 't', '1')`).join(' OR ')
    const { rows: schema } = await query(`SELECT to_regclass('convoke.audience_members') IS NOT NULL AS there`)
    const hasLists = syncType === 'Audience' && schema[0]?.there === true
    const names = places.map((_, at) => `k${at}`)
    const listed = names.map((each, at) => `m.recipient_key ->> ${at} = k.${each}`).join(' AND ')
    const taken = hasLists ? 'm.segment IS NOT NULL' : 'r.k0 IS NOT NULL'
    const columnsOfKey = target.reconciliationKey.map((key, at) => `${name(key)}::text AS k${at}`).join(', ')
    const { rows } = await query(
      `SELECT k.segment, count(*) FILTER (WHERE ${taken}) AS taken, count(*) FILTER (WHERE ${taken} AND r.opted_out) AS opted_out,
         count(*) FILTER (WHERE r.k0 IS NULL) AS unknown
       FROM unnest($1::text[], ${names.map((_, at) => `$${at + 2}::text[]`).join(', ')}) AS k(segment, ${names.join(', ')})
       ${hasLists ? `LEFT JOIN convoke.audience_members AS m ON m.segment = k.segment AND ${listed}` : ''}
       LEFT JOIN (SELECT ${columnsOfKey}, bool_or(${out || 'false'}) AS opted_out FROM ${name(target.schema, target.table)} GROUP BY ${names.map((_, at) => at + 1).join(', ')}) AS r USING (${names.join(', ')})
       GROUP BY k.segment`,
      [
        [...delivered].flatMap(([segment, people]) => people.map(() => segment)),
        ...places.map((_, at) => [...delivered.values()].flatMap((people) => people.map((key) => key[at]))),
      ],
    )
    const none = { taken: 0, optedOut: 0, unknown: 0 }
    return new Map(
      [...delivered.keys()].map((segment) => {
        const row = rows.find((each) => each.segment === segment)
        return [
          segment,
          row ? { taken: Number(row.taken), optedOut: Number(row.opted_out), unknown: Number(row.unknown) } : none,
        ]
      }),
    )
  })
}
