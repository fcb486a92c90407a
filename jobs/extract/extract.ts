import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { to } from 'pg-copy-streams'
import { type Detail, type ExtractPlan, parseDurationSeconds, type RunReport, type StorePlan } from '#crds'
import { digestOf, sha256OfFile } from '../digest.ts'
import { type Engine, fileLiteral, openDuckDB, readParquet } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { normalizeFile, type RecordLimits, type RecordSource } from '../ingest/normalize.ts'
import type { Ports } from '../ports.ts'
import { connect, databaseFault, name, placeOf } from '../postgres/connection.ts'
import {
  commitData,
  type DataManifest,
  readDataManifest,
  type SourceFileState,
  type SourceState,
  storeRootOf,
} from '../profile-store.ts'
import { runStep, type StepContext, type StepResult } from '../step.ts'
import { lockStore } from '../writer-lock.ts'

/**
 * Reads what is new in Campaign's log tables into the store's records; the next ingest merges them. A row is an event with the id
 * sha256(table, row), so a row that is read again is the same event and a row that changed is another one. The first run reads the
 * whole table, later ones from the watermark less the overlap.
 */
export function extract(context: StepContext): Promise<RunReport> {
  return runStep('extract', context, () => extractAll(context))
}

type Table = ExtractPlan['tables'][number]

type Work = {
  readonly plan: ExtractPlan
  readonly store: StorePlan
  readonly root: string
  readonly engine: Engine
  readonly client: pg.Client
  readonly ports: Ports
}

async function extractAll({ plan: job, ports }: StepContext): Promise<StepResult> {
  const { extract: plan, store } = job
  if (!plan || !store)
    throw new JobError('InvalidPlan', 'The plan has no extract part. Compile the CampaignSource again.')
  const root = storeRootOf(store, ports)
  using lock = lockStore(root, ports)
  const scratch = mkdtempSync(join(ports.scratch, 'extract-'))
  let client: pg.Client | null = null
  try {
    client = await connect(plan.instance, plan.database, ports)
    await using engine = await openDuckDB(store, { ...ports, scratch })
    const work = { plan, store, root, engine, client, ports: { ...ports, scratch } }
    const data = readDataManifest(root) ?? nothingYet
    const known = data.sources[plan.source]
    const files: Record<string, SourceFileState> = { ...known?.files }
    const watermarks: Record<string, string> = { ...known?.watermarks }
    const details: Detail[] = []
    for (const [index, table] of plan.tables.entries()) {
      ports.progress({ step: 'extract', subject: table.name, done: index, total: plan.tables.length, unit: 'tables' })
      const read = await readTable(work, table, known)
      if (read.file) files[read.file.name] = read.file.state
      if (read.watermark !== null) watermarks[table.name] = read.watermark
      details.push({ table: table.name, counts: { ...read.counts } })
    }
    lock.check()
    const definition = digestOf(plan.tables)
    const state: SourceState = { definition, files: sorted(files), watermarks: sorted(watermarks) }
    commitData(root, { ...data, sources: sorted({ ...data.sources, [plan.source]: state }) }, false)
    const sum = (count: string) => details.reduce((total, { counts }) => total + (counts?.[count] ?? 0), 0)
    return {
      totals: {
        rowsRead: sum('rowsRead'),
        accepted: sum('accepted'),
        badRows: sum('badRows'),
        oversize: sum('oversize'),
      },
      details,
    }
  } finally {
    await client?.end().catch(() => {})
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A store that no ingest has filled yet. */
const nothingYet: DataManifest = {
  version: 'none',
  previous: null,
  buckets: 1,
  profiles: [[]],
  events: [[]],
  leftOutProfiles: [[]],
  identities: null,
  merged: { records: [], definition: '' },
  profileCount: 0,
  eventCount: 0,
  sources: {},
  leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
}

/** The profile guardrails' sizes (Adobe's profile guardrails page); an ingest plan would bring the same. */
const limits: RecordLimits = {
  profileRecordBytes: 102_400,
  eventBytes: 10_240,
  eventArrayLength: 10,
  profileArrayLength: 500,
}

type TableRead = {
  /** null where every row was known already. */
  readonly file: { readonly name: string; readonly state: SourceFileState } | null
  readonly watermark: string | null
  readonly counts: Readonly<Record<string, number>>
}

async function readTable(work: Work, table: Table, known: SourceState | undefined): Promise<TableRead> {
  const { engine, root, store, ports } = work
  const place = placeOf(work.plan.instance, work.plan.database, ports)
  const path = join(ports.scratch, 'rows.ndjson')
  const { mapping, watermark } = await download(work, table, known?.watermarks?.[table.name], path).catch(
    (error: unknown) => {
      throw databaseFault(error, place, `GRANT SELECT ON ${tableName(table)} TO ${work.client.user};`)
    },
  )
  const records = Object.entries(known?.files ?? {})
    .filter(([file]) => file.startsWith(`${table.name}/`))
    .flatMap(([, file]) => file.records)
  const rows = `read_json(${fileLiteral(path)}, format = 'newline_delimited', columns = {event: 'VARCHAR'})`
  const [row] = await engine.rows(
    `SELECT count(*) AS read, count(*) FILTER (event NOT IN (SELECT "$event" FROM ${records.length === 0 ? '(SELECT NULL AS "$event" WHERE false)' : readParquet(root, records)})) AS new FROM ${rows}`,
  )
  if (row?.['new'] === 0)
    return { file: null, watermark, counts: { rowsRead: Number(row['read']), accepted: 0, badRows: 0, oversize: 0 } }
  const digest = await sha256OfFile(path)
  // Named by content: an attempt that is repeated must not replace what an earlier one has read.
  const file = { name: `${table.name}/${digest.slice(0, 32)}.ndjson`, path, sha256: digest }
  const { state } = await normalizeFile(engine, root, store, sourceOf(work.plan, mapping), limits, file, ports.scratch)
  const accepted = Math.min(state.counts['accepted'] ?? 0, Number(row?.['new']))
  return { file: { name: file.name, state }, watermark, counts: { ...state.counts, accepted } }
}

/** How a downloaded row becomes an event: `event`, `time`, `identity`, `type` and the mapped columns c0, c1, … */
function sourceOf(plan: ExtractPlan, mapping: Table['mapping']): RecordSource {
  return {
    name: plan.source,
    record: 'Event',
    format: 'NDJSON',
    timestamp: 'time',
    eventId: 'event',
    identity: { namespace: plan.identity.namespace, source: 'identity' },
    mapping: [
      { source: 'type', target: 'eventType', type: 'string' },
      ...mapping.map(({ target, type }, index) => ({ source: `c${index}`, target, type })),
    ],
  }
}

/** Writes the table's new rows as lines of JSON; returns what the columns are mapped to and the highest watermark seen. */
async function download(
  { client, plan, store }: Work,
  table: Table,
  since: string | undefined,
  path: string,
): Promise<{ readonly mapping: Table['mapping']; readonly watermark: string | null }> {
  const source = tableName(table)
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    const { rows: columns } = await client.query<{ name: string; type: string }>(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
      [source],
    )
    if (columns.length === 0)
      throw new JobError(
        'DatabaseRefused',
        `There is no table ${table.name}. Correct the table's name in the CampaignSource ${plan.source}.`,
      )
    const mapping =
      table.mapping.length > 0
        ? table.mapping
        : store.event
            .filter(({ path: target }) => columns.some((column) => column.name === target))
            .map(({ path: target, type }) => ({ source: target, target, type }))
    const time = mapping.find(({ target }) => target === 'timestamp')?.source ?? table.watermark
    const mapped = mapping.filter(({ target }) => target !== 'timestamp' && target !== 'eventType')
    const wanted = [plan.identity.column, table.watermark, time, ...mapped.map((column) => column.source)]
    const missing = wanted.filter((column) => !columns.some((found) => found.name === column))
    if (missing.length > 0)
      throw new JobError(
        'DatabaseRefused',
        `The table ${table.name} has no column ${[...new Set(missing)].join(', ')}. Correct the CampaignSource ${plan.source}.`,
      )
    const typeOf = (column: string) => columns.find((found) => found.name === column)!.type
    const isTime = (column: string) => /^(timestamp|date)/.test(typeOf(column))
    if (!isTime(time))
      throw new JobError(
        'InvalidPlan',
        `The column ${time} of ${table.name} is ${typeOf(time)} and gives no event time. Map a timestamp column to \`timestamp\`.`,
      )

    const watermark = `t.${name(table.watermark)}`
    const overlap = parseDurationSeconds(plan.overlap)
    if (overlap === null) throw new JobError('InvalidPlan', `The overlap ${plan.overlap} is no duration like 10m.`)
    const where =
      since === undefined
        ? ''
        : `WHERE ${watermark} >= '${since.replaceAll("'", "''")}'::${typeOf(table.watermark)}${isTime(table.watermark) ? ` - interval '${overlap} s'` : ''}`
    const instant = (column: string) => `to_char(t.${name(column)}::timestamptz, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
    const valueOf = (column: string) => (/^timestamp/.test(typeOf(column)) ? instant(column) : `t.${name(column)}`)
    const fields = [
      `'event', encode(sha256(convert_to(${text(`${table.name}\n`)} || row_to_json(t)::text, 'UTF8')), 'hex')`,
      `'time', ${instant(time)}`,
      `'identity', t.${name(plan.identity.column)}::text`,
      `'type', ${text(table.eventType)}`,
      ...mapped.map((column, index) => `'c${index}', ${valueOf(column.source)}`),
    ]
    // JSON text holds neither of these control characters, so every line is plain JSON.
    const copy = client.query(
      to(
        `COPY (SELECT json_build_object(${fields.join(', ')}) FROM ${source} t ${where} ORDER BY ${watermark}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', ESCAPE E'\\x01', DELIMITER E'\\x02')`,
      ),
    )
    await pipeline(copy, createWriteStream(path))
    const { rows: highest } = await client.query<{ highest: string | null }>(
      `SELECT max(${watermark})::text AS highest FROM ${source} t`,
    )
    return { mapping: mapped, watermark: highest[0]?.highest ?? since ?? null }
  } finally {
    await client.query('ROLLBACK').catch(() => {})
  }
}

/** `table` or `schema.table` as an identifier. */
function tableName(table: Table): string {
  return name(...table.name.split('.'))
}

function text(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}'`
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
