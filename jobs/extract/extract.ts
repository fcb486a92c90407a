import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Detail, ExtractPlan, RunReport, StorePlan } from '#crds'
import { batchesAfter, manyBatchesWarnings } from '../batches.ts'
import { digestOf, sha256OfFile } from '../digest.ts'
import { type Engine, fileLiteral, literal, openDuckDB, readParquet } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { type BadRow, normalizeFile, type RecordLimits, type RecordSource, rejectsPathOf } from '../ingest/normalize.ts'
import type { Ports } from '../ports.ts'
import { connect, type Database, name } from '../postgres/connection.ts'
import { isUnanswered } from '../postgres/faults.ts'
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
import { downloadTable, type LogTable, type TableContent } from './log-table.ts'

/**
 * Reads what is new in Campaign's log tables into the store's records; the next ingest merges them.
 * A row is an event. Its id is made of the table and its key (the primary key where none is named), or of all columns where there is no
 * key: a row that is read again is the same event, and so is one whose other columns changed. The first run reads the whole table, later
 * ones start at the watermark less the overlap. A table that cannot be read does not keep the others out.
 */
export function extract(context: StepContext): Promise<RunReport> {
  return runStep('extract', context, () => extractAll(context))
}

type Work = {
  readonly plan: ExtractPlan
  readonly store: StorePlan
  readonly root: string
  readonly engine: Engine
  readonly database: Database
  readonly ports: Ports
  /** The evaluation instant; later rows are not read yet. */
  readonly now: string
}

type Warnings = NonNullable<RunReport['warnings']>

async function extractAll({ plan: job, input, ports }: StepContext): Promise<StepResult> {
  const { extract: plan, store } = job
  if (!plan || !store)
    throw new JobError('InvalidPlan', 'The plan has no extract part. Compile the CampaignSource again.')
  const root = storeRootOf(store, ports)
  using lock = lockStore(root, ports)
  const scratch = mkdtempSync(join(ports.scratch, 'extract-'))
  let database: Database | null = null
  try {
    database = await connect(plan.instance, plan.database, ports)
    await using engine = await openDuckDB(store, { ...ports, scratch })
    const work: Work = { plan, store, root, engine, database, ports: { ...ports, scratch }, now: input.now }
    const data = readDataManifest(root) ?? nothingYet
    const known = data.sources[plan.source]
    const files: Record<string, SourceFileState> = { ...known?.files }
    const watermarks: Record<string, string> = { ...known?.watermarks }
    const columns: Record<string, readonly string[]> = { ...known?.columns }
    const details: Detail[] = []
    const warnings: Warnings = []
    const faults: JobError[] = []
    let taken = 0
    for (const [index, table] of plan.tables.entries()) {
      ports.progress({ step: 'extract', subject: table.name, done: index, total: plan.tables.length, unit: 'tables' })
      try {
        const read = await readTable(work, table, known)
        if (read.file) {
          files[read.file.name] = read.file.state
          taken += 1
        }
        if (read.watermark !== null) watermarks[table.name] = read.watermark
        columns[table.name] = read.columns
        details.push({ table: table.name, counts: { ...read.counts } })
        warnings.push(...read.warnings)
      } catch (error) {
        if (!(error instanceof JobError) || ports.signal.aborted || isUnanswered(error.cause)) throw error
        faults.push(error)
      }
    }
    lock.check()
    const [fault] = faults
    if (details.length > 0) {
      const state: SourceState = {
        definition: digestOf(plan.tables),
        files: sorted(files),
        watermarks: sorted(watermarks),
        columns: sorted(columns),
      }
      const batches = batchesAfter(data.batches, input.now, taken)
      const sources = sorted({ ...data.sources, [plan.source]: state })
      commitData(root, { ...data, sources, ...(batches && { batches }) }, false)
      warnings.push(...manyBatchesWarnings(batches, input.now))
    }
    const sum = (count: string) => details.reduce((total, { counts }) => total + (counts?.[count] ?? 0), 0)
    return {
      totals: Object.fromEntries(
        ['rowsRead', 'accepted', 'badRows', 'oversize', 'ahead'].map((key) => [key, sum(key)]),
      ),
      details,
      warnings,
      ...(fault && { fault: faultOfTables(fault, faults.length, details.length) }),
    }
  } finally {
    await database?.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

function faultOfTables(fault: JobError, faults: number, read: number): JobError {
  const more = faults > 1 ? ` ${faults - 1} more of its tables cannot be read.` : ''
  const rest = read > 0 ? ' All other tables were read and are committed.' : ''
  return new JobError(fault.reason, `${fault.message}${more}${rest}`, fault)
}

/** The manifest of a store that no ingest has filled yet. */
const nothingYet: DataManifest = {
  version: 'none',
  previous: null,
  buckets: 1,
  profiles: [[]],
  events: [[]],
  leftOutProfiles: [[]],
  identities: null,
  normalizesByNamespace: true,
  merged: { records: [], definition: '' },
  profileCount: 0,
  eventCount: 0,
  sources: {},
  leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
}

/** The sizes of Adobe's profile guardrails; an ingest plan has the same. */
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
  readonly columns: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  readonly warnings: Warnings
}

async function readTable(work: Work, table: LogTable, known: SourceState | undefined): Promise<TableRead> {
  const { engine, root, store, ports, plan } = work
  const path = join(ports.scratch, 'rows.ndjson')
  const source = name(...table.name.split('.'))
  const { role } = work.database
  const options = {
    mode: 'Snapshot',
    tables: [source],
    advice: `Check the CampaignSource ${plan.source} against the table ${table.name}.`,
    grant: `Grant the role what it needs: ${table.name.includes('.') ? `GRANT USAGE ON SCHEMA ${name(table.name.split('.')[0]!)} TO ${role}; ` : ''}GRANT SELECT ON ${source} TO ${role};`,
  } as const
  const before = { watermark: known?.watermarks?.[table.name], columns: known?.columns?.[table.name] }
  const content = await work.database.transaction(options, () => downloadTable(work, table, before, path))
  const records = Object.entries(known?.files ?? {})
    .filter(([file]) => file.startsWith(`${table.name}/`))
    .flatMap(([, file]) => file.records)
  const events =
    records.length === 0 ? '(SELECT NULL AS "$event", NULL AS "$hash" WHERE false)' : readParquet(root, records)
  const nothing = { ...content, file: null }
  const counts = { rowsRead: content.rows, accepted: 0, badRows: 0, oversize: 0, ahead: content.ahead }
  // Until the table got a key, a row was known by all its columns.
  const fresh = await withoutKnown(work, path, events)
  if (fresh.rows === 0) return { ...nothing, counts, warnings: aheadWarnings(table, content) }

  const digest = await sha256OfFile(fresh.path)
  // Named by content: a repeated attempt must not replace what an earlier one has read.
  const file = { name: `${table.name}/${digest.slice(0, 32)}.ndjson`, path: fresh.path, sha256: digest }
  const { state, examples } = await normalizeFile(
    engine,
    root,
    store,
    sourceOf(plan, content),
    limits,
    file,
    ports.scratch,
  )
  const [row] = await engine.rows(
    `SELECT count(*) AS new FROM ${readParquet(root, state.records)} AS r ANTI JOIN (SELECT "$event", "$hash" FROM ${events}) AS k USING ("$event", "$hash")`,
  )
  const accepted = Number(row?.['new'])
  const badRows = state.counts['badRows'] ?? 0
  if (badRows > 0) nameColumns(root, state, content)
  return {
    ...nothing,
    // A file without accepted rows is kept where it lists bad rows.
    file: accepted + badRows > 0 ? { name: file.name, state } : null,
    counts: { ...state.counts, rowsRead: content.rows, accepted, ahead: content.ahead },
    warnings: [...badRowWarnings(table, state, examples, content), ...aheadWarnings(table, content)],
  }
}

/** The downloaded rows, without those that are already events of the store by all their columns. */
async function withoutKnown(
  { engine, ports }: Work,
  path: string,
  events: string,
): Promise<{ readonly path: string; readonly rows: number }> {
  const rows = `read_json(${fileLiteral(path)}, format = 'newline_delimited', columns = {row: 'VARCHAR'})`
  const [count] = await engine.rows(
    `SELECT count(*) AS read, count(*) FILTER (row IN (SELECT "$event" FROM ${events})) AS known FROM ${rows}`,
  )
  const [read, known] = [Number(count?.['read']), Number(count?.['known'])]
  if (known === 0 || known === read) return { path, rows: read - known }
  const fresh = join(ports.scratch, 'fresh.ndjson')
  await engine.run(`COPY (SELECT json FROM read_ndjson_objects(${fileLiteral(path)}) WHERE json ->> 'row' NOT IN (SELECT "$event" FROM ${events} WHERE "$event" IS NOT NULL))
    TO ${literal(fresh)} (FORMAT csv, HEADER false, QUOTE '', ESCAPE '')`)
  return { path: fresh, rows: read - known }
}

/** How a downloaded row becomes an event: `event`, `time`, `identity`, `type` and the mapped columns c0, c1, … */
function sourceOf(plan: ExtractPlan, { mapping }: TableContent): RecordSource {
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

function badRowWarnings(
  table: LogTable,
  { counts, records }: SourceFileState,
  examples: readonly BadRow[],
  content: TableContent,
): Warnings {
  const { badRows = 0, oversize = 0 } = counts
  const reasons = [...new Set(examples.map(({ column, reason }) => `${content.columnOf(column)} ${reason}`.trim()))]
  return [
    ...(badRows === 0
      ? []
      : [
          {
            code: 'bad-rows',
            message: `Table ${table.name}: ${badRows} rows were left out (${reasons.join('; ')}${badRows > examples.length ? '; …' : ''}). The store's ${rejectsPathOf(records[0] ?? '')} lists them with their values.`,
          },
        ]),
    ...(oversize === 0
      ? []
      : [
          {
            code: 'oversize-records',
            message: `Table ${table.name}: ${oversize} rows are over the size limit of an event and were left out.`,
          },
        ]),
  ]
}

function aheadWarnings(table: LogTable, { ahead, latest }: TableContent): Warnings {
  if (ahead === 0) return []
  return [
    {
      code: 'dated-ahead',
      message: `Table ${table.name}: ${ahead} rows have a ${table.watermark} later than this Run, the latest ${latest}. They are left out until then; correct them if that is a mistake.`,
    },
  ]
}

/** Gives the list of bad rows the table's own column names instead of those of the download. */
function nameColumns(root: string, { records }: SourceFileState, { columnOf }: TableContent): void {
  const path = join(root, rejectsPathOf(records[0] ?? ''))
  const text = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    text.replace(
      /^((?:"(?:[^"]|"")*"|[^,\n]*),\d+),(\w+),/gm,
      (_, start: string, column: string) => `${start},${columnOf(column)},`,
    ),
  )
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
