import type { ImportPlan } from '#crds'
import type { Ports } from '../ports.ts'
import { type Database, name } from './connection.ts'
import { readingTarget } from './reading.ts'

/** What Campaign's database holds of audiences: only counts, no person's row. */
export type CampaignOverview = {
  readonly table: string
  readonly recipients: number
  readonly key: readonly string[]
  /** Columns of the table, for people to choose from. */
  readonly columns: readonly string[]
  readonly lists: readonly { readonly segment: string; readonly members: number; readonly changedAt: string | null }[]
  /** Rows whose recipient does not exist yet. */
  readonly waiting: readonly {
    readonly activation: string
    readonly segment: string
    readonly reason: string
    readonly rows: number
  }[]
  /** Files that were imported, newest first. */
  readonly files: readonly { readonly file: string; readonly rows: number; readonly at: string }[]
}

type Target = Pick<ImportPlan, 'instance' | 'database' | 'target'>

export async function campaignOverview(plan: Target, ports: Ports): Promise<CampaignOverview> {
  const { target } = plan
  return readingTarget(plan, ports, async (query) => {
    const one = async (text: string): Promise<number> => Number((await query(text)).rows[0]?.count ?? 0)
    const isThere = await hasOwnTables(query)
    const lists = isThere
      ? (
          await query(
            `SELECT segment, count(*) AS members, max(since) AS changed FROM convoke.audience_members GROUP BY segment ORDER BY segment`,
          )
        ).rows
      : []
    const waiting = isThere
      ? (
          await query(
            `SELECT activation, segment, reason, count(*) AS rows FROM convoke.waiting_rows GROUP BY activation, segment, reason ORDER BY activation, segment, reason`,
          )
        ).rows
      : []
    const files = isThere
      ? (
          await query(
            `SELECT file, rows, committed_at FROM convoke.import_ledger ORDER BY committed_at DESC, file LIMIT 200`,
          )
        ).rows
      : []
    return {
      table: `${target.schema}.${target.table}`,
      recipients: await one(`SELECT count(*) AS count FROM ${name(target.schema, target.table)}`),
      key: target.reconciliationKey,
      columns: await columnNames(query, target),
      lists: lists.map((row) => ({
        segment: String(row.segment),
        members: Number(row.members),
        changedAt: timeOf(row.changed),
      })),
      waiting: waiting.map((row) => ({
        activation: String(row.activation),
        segment: String(row.segment),
        reason: String(row.reason),
        rows: Number(row.rows),
      })),
      files: files.map((row) => ({
        file: String(row.file),
        rows: Number(row.rows),
        at: timeOf(row.committed_at) ?? '',
      })),
    }
  })
}

async function hasOwnTables(query: Database['query']): Promise<boolean> {
  const { rows } = await query(
    `SELECT to_regclass('convoke.audience_members') IS NOT NULL AND to_regclass('convoke.waiting_rows') IS NOT NULL AS there`,
  )
  return rows[0]?.there === true
}

async function columnNames(
  query: Database['query'],
  { schema, table }: ImportPlan['target'],
): Promise<readonly string[]> {
  const { rows } = await query(
    `SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position`,
    [schema, table],
  )
  return rows.map((row) => String(row.column_name))
}

function timeOf(value: unknown): string | null {
  return value instanceof Date ? value.toISOString() : null
}

export type CampaignRow = {
  /** Values of the reconciliation key. */
  readonly key: readonly string[]
  /** Values of the columns asked for, in their order; null: empty, or no such recipient. */
  readonly values: readonly (string | null)[]
}

/** Who is on a list: the first ones in order of key, with the values of these columns of the table only. */
export async function listedRecipients(
  plan: Target,
  { segment, columns, most }: { readonly segment: string; readonly columns: readonly string[]; readonly most: number },
  ports: Ports,
): Promise<readonly CampaignRow[]> {
  const { target } = plan
  return readingTarget(plan, ports, async (query) => {
    if (!(await hasOwnTables(query))) return []
    const joined = target.reconciliationKey
      .map((key, at) => `r.${name(key)}::text = m.recipient_key ->> ${at}`)
      .join(' AND ')
    const values = columns.map((column, at) => `, r.${name(column)}::text AS v${at}`).join('')
    const { rows } = await query(
      `SELECT m.recipient_key AS key${values} FROM convoke.audience_members AS m LEFT JOIN ${name(target.schema, target.table)} AS r ON ${joined} WHERE m.segment = $1 ORDER BY m.recipient_key LIMIT $2`,
      [segment, most],
    )
    return rows.map((row) => rowOf(row, columns))
  })
}

/** Recipients with this key, and the lists that each is on. Values of a key's columns are separated by commas. */
export async function recipientsWithKey(
  plan: Target,
  { key, columns }: { readonly key: readonly string[]; readonly columns: readonly string[] },
  ports: Ports,
): Promise<readonly (CampaignRow & { readonly lists: readonly string[] })[]> {
  const { target } = plan
  return readingTarget(plan, ports, async (query) => {
    const keys = target.reconciliationKey
    const values = columns.map((column, at) => `, ${name(column)}::text AS v${at}`).join('')
    const { rows } = await query(
      `SELECT jsonb_build_array(${keys.map((each) => `${name(each)}::text`).join(', ')}) AS key${values} FROM ${name(target.schema, target.table)} WHERE ${keys.map((each, at) => `${name(each)}::text = $${at + 1}`).join(' AND ')} LIMIT 20`,
      [...key],
    )
    const lists = (await hasOwnTables(query))
      ? (
          await query(`SELECT segment FROM convoke.audience_members WHERE recipient_key = $1::jsonb ORDER BY segment`, [
            JSON.stringify(key),
          ])
        ).rows
      : []
    return rows.map((row) => ({ ...rowOf(row, columns), lists: lists.map((list) => String(list.segment)) }))
  })
}

/** Rows that wait for their recipient: whose they are, in which Segment, and why. */
export async function waitingRows(
  plan: Target,
  most: number,
  ports: Ports,
): Promise<
  readonly {
    readonly key: readonly string[]
    readonly activation: string
    readonly segment: string
    readonly reason: string
    readonly since: string
  }[]
> {
  return readingTarget(plan, ports, async (query) => {
    if (!(await hasOwnTables(query))) return []
    const { rows } = await query(
      `SELECT recipient_key AS key, activation, segment, reason, since FROM convoke.waiting_rows ORDER BY activation, segment, recipient_key LIMIT $1`,
      [most],
    )
    return rows.map((row) => ({
      key: keyOf(row.key),
      activation: String(row.activation),
      segment: String(row.segment),
      reason: String(row.reason),
      since: timeOf(row.since) ?? '',
    }))
  })
}

function rowOf(row: Readonly<Record<string, unknown>>, columns: readonly string[]): CampaignRow {
  return {
    key: keyOf(row['key']),
    values: columns.map((_, at) => {
      const value = row[`v${at}`]
      return value === null || value === undefined ? null : String(value)
    }),
  }
}

function keyOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [String(value)]
}
