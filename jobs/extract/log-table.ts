import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { to } from 'pg-copy-streams'
import { type ExtractPlan, parseDurationSeconds, type StorePlan } from '#crds'
import { JobError } from '../errors.ts'
import { type Database, name, text } from '../postgres/connection.ts'

export type LogTable = ExtractPlan['tables'][number]

/** What is remembered of a table from earlier runs; undefined: the table was never read. */
export type TableMemory = { readonly watermark: string | undefined; readonly columns: readonly string[] | undefined }

/** What was downloaded of a table. */
export type TableContent = {
  /** Columns that become attributes, in the order of c0, c1, … */
  readonly mapping: LogTable['mapping']
  /** The highest watermark that was read; null where there is none yet. */
  readonly watermark: string | null
  /** The columns that make up a row's id where the table has no key. */
  readonly columns: readonly string[]
  readonly rows: number
  /** How many rows are dated later than this run and were not read, and the latest of their watermarks. */
  readonly ahead: number
  readonly latest: string | null
  /** The table's column that a field of the download comes from. */
  readonly columnOf: (field: string) => string
}

type Column = { readonly name: string; readonly type: string }

type Work = {
  readonly plan: ExtractPlan
  readonly store: StorePlan
  readonly database: Database
  readonly now: string
}

/**
 * Writes the table's new rows to `path` as lines of JSON, within a transaction: `event` and `row` (ids by the key and by all columns),
 * `time`, `identity`, `type`, c0, c1, … Rows without a watermark have no place in the order, and are read every time.
 */
export async function downloadTable(
  work: Work,
  table: LogTable,
  memory: TableMemory,
  path: string,
): Promise<TableContent> {
  const { database, plan, store } = work
  const source = name(...table.name.split('.'))
  const columns = await columnsOf(database, plan, table)
  const typeOf = (column: string) => columns.find((found) => found.name === column)!.type
  const isTime = (column: string) => /^(timestamp|date)/.test(typeOf(column))
  const mapping =
    table.mapping.length > 0
      ? table.mapping
      : store.event
          .filter(({ path: target }) => columns.some((column) => column.name === target))
          .map(({ path: target, type }) => ({ source: target, target, type }))
  const time = mapping.find(({ target }) => target === 'timestamp')?.source ?? table.watermark
  const mapped = mapping.filter(({ target }) => target !== 'timestamp' && target !== 'eventType')
  requireColumns(plan, table, columns, [time, ...mapped.map((column) => column.source)])
  if (!isTime(time))
    throw new JobError(
      'InvalidPlan',
      `The column ${time} of ${table.name} is ${typeOf(time)} and gives no event time. Map a timestamp column to \`timestamp\`.`,
    )

  // An alias that is also a column's name would mean that column instead of the whole row.
  const unused = (alias: string): string =>
    columns.some((column) => column.name === alias) ? unused(`${alias}_`) : alias
  const row = unused('row')
  const whole = name(unused('whole'))
  const of = (column: string) => name(row, column)
  const watermark = of(table.watermark)
  const order = orderOf(work, typeOf(table.watermark), watermark, source, table)
  const since = memory.watermark !== undefined && order.holds(memory.watermark) ? memory.watermark : undefined
  const where = [
    ...(since === undefined ? [] : [`(${watermark} IS NULL OR ${watermark} >= ${await order.startFrom(since)})`]),
    `(${watermark} IS NULL OR ${order.isReached})`,
  ].join(' AND ')

  const known = memory.columns?.filter((column) => columns.some((found) => found.name === column))
  const identifying = known && known.length > 0 ? known : columns.map((column) => column.name)
  const idOf = (json: string) =>
    `encode(sha256(convert_to(${text(`${table.name}\n`)} || ${json}::text, 'UTF8')), 'hex')`
  const rowId = idOf(`row_to_json((SELECT ${whole} FROM (SELECT ${identifying.map(of).join(', ')}) AS ${whole}))`)
  const own = table.key ?? (await primaryKeyOf(database, table))
  const key = own.map(of)
  const eventId =
    key.length === 0
      ? rowId
      : // Two rows that lack a part of their key are not the same.
        `CASE WHEN ${key.map((column) => `${column} IS NULL`).join(' OR ')} THEN ${rowId} ELSE ${idOf(`json_build_array(${key.join(', ')})`)} END`
  const instant = (column: string) => `to_char(${of(column)}::timestamptz, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
  const fields = [
    `${eventId} AS event`,
    `${rowId} AS row`,
    `${instant(time)} AS time`,
    `${of(plan.identity.column)}::text AS identity`,
    `${text(table.eventType)} AS type`,
    ...mapped.map(
      ({ source: column }, index) => `${/^timestamp/.test(typeOf(column)) ? instant(column) : of(column)} AS c${index}`,
    ),
  ]
  // JSON text contains neither of these control characters, so every line is plain JSON.
  const copy = database.query(
    to(
      `COPY (SELECT row_to_json(line) FROM (SELECT ${fields.join(', ')} FROM ${source} AS ${name(row)} WHERE ${where} ORDER BY ${watermark}) AS line)
       TO STDOUT (FORMAT csv, QUOTE E'\\x01', ESCAPE E'\\x01', DELIMITER E'\\x02')`,
    ),
  )
  await pipeline(copy, createWriteStream(path))
  const { rows: highest } = await database.query<{ highest: string | null }>(
    `SELECT max(${watermark})::text AS highest FROM ${source} AS ${name(row)} WHERE ${order.isReached}`,
  )
  const { rows: beyond } = await database.query<{ ahead: number; latest: string | null }>(
    `SELECT count(*)::integer AS ahead, max(${watermark})::text AS latest FROM ${source} AS ${name(row)} WHERE NOT ${order.isReached}`,
  )
  const names = new Map([
    ['identity', plan.identity.column],
    ['time', time],
    ...mapped.map((column, index) => [`c${index}`, column.source] as const),
  ])
  return {
    mapping: mapped,
    watermark: highest[0]?.highest ?? since ?? null,
    columns: identifying,
    rows: copy.rowCount,
    ahead: beyond[0]?.ahead ?? 0,
    latest: beyond[0]?.latest ?? null,
    columnOf: (field) => names.get(field) ?? field,
  }
}

/** Columns of the table's primary key, in its order; empty where it has none. */
async function primaryKeyOf(database: Database, table: LogTable): Promise<readonly string[]> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT attname AS name FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
     WHERE indrelid = to_regclass($1) AND indisprimary ORDER BY array_position(indkey::int2[], attnum)`,
    [regclassOf(table)],
  )
  return rows.map((row) => row.name)
}

function regclassOf(table: LogTable): string {
  const [tableName = '', schema] = table.name.split('.').reverse()
  return name(...(schema === undefined ? [] : [schema]), tableName)
}

async function columnsOf(database: Database, plan: ExtractPlan, table: LogTable): Promise<readonly Column[]> {
  const { rows } = await database.query<Column>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [regclassOf(table)],
  )
  if (rows.length > 0) return rows
  throw new JobError(
    'DatabaseRefused',
    `There is no table ${table.name}. Correct the table's name in the CampaignSource ${plan.source}.`,
  )
}

function requireColumns(
  { identity, source }: ExtractPlan,
  table: LogTable,
  columns: readonly Column[],
  mapped: readonly string[],
): void {
  const wanted = [identity.column, table.watermark, ...(table.key ?? []), ...mapped]
  const missing = wanted.filter((column) => !columns.some((found) => found.name === column))
  if (missing.length > 0)
    throw new JobError(
      'DatabaseRefused',
      `The table ${table.name} has no column ${[...new Set(missing)].join(', ')}. Correct the CampaignSource ${source}.`,
    )
}

type Order = {
  /** Whether a remembered watermark can be read on from. If not, the whole table is read again; rows that are known stay known. */
  readonly holds: (watermark: string) => boolean
  /** SQL condition for rows that a run may count as read. */
  readonly isReached: string
  /** SQL for the watermark from which rows are read again. */
  readonly startFrom: (watermark: string) => Promise<string>
}

/** How the rows of a table are ordered, by the type of its watermark. */
function orderOf(
  { plan, now, database }: Work,
  type: string,
  watermark: string,
  source: string,
  table: LogTable,
): Order {
  const typed = (value: string) => `${text(value)}::${type}`
  if (/^(timestamp|date)/.test(type)) {
    const overlap = parseDurationSeconds(plan.overlap)
    if (overlap === null) throw new JobError('InvalidPlan', `The overlap ${plan.overlap} is no duration like 10m.`)
    // A Run's instant is cut to a whole second; rows of that second have come.
    const reachedMs = Date.parse(now) + 1000
    return {
      // A watermark that lies ahead would keep all rows out until then.
      holds: (value) => /^\d{4,}-/.test(value) && Date.parse(instantOf(value)) <= reachedMs,
      isReached: `${watermark} <= ${text(new Date(reachedMs).toISOString())}::timestamptz::${type}`,
      startFrom: async (value) => `${typed(value)} - interval '${overlap} s'`,
    }
  }
  if (/^(smallint|integer|bigint|numeric|real|double precision)/.test(type)) {
    return {
      holds: (value) => /^-?\d/.test(value),
      // NaN sorts above every number.
      isReached: /^(numeric|real|double)/.test(type) ? `${watermark}::double precision < 'Infinity'` : 'true',
      startFrom: async (value) => {
        const column = name(table.watermark)
        const { rows } = await database.query<{ first: string | null }>(
          `SELECT min(${column})::text AS first FROM (SELECT ${column} FROM ${source} WHERE ${column} <= ${typed(value)} ORDER BY 1 DESC LIMIT ${(plan.overlapRows ?? 1000) + 1}) AS last`,
        )
        return typed(rows[0]?.first ?? value)
      },
    }
  }
  return { holds: () => true, isReached: 'true', startFrom: async (value) => typed(value) }
}

/** A time that PostgreSQL writes in UTC (`2026-01-15 10:30:00+00`, or without zone or time) as ISO 8601. */
function instantOf(value: string): string {
  const [date = '', time = '00:00:00'] = value.replace(/\+00$/, '').split(' ')
  return `${date}T${time}Z`
}
