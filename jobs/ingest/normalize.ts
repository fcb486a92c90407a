import { mkdirSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type DatasetPlan, type DataType, type IngestPlan, type StorePlan, visible } from '#crds'
import { digestOf, sha256 } from '../digest.ts'
import { type Engine, fileLiteral, identifier, literal, sqlTypeOf } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { type SourceFileState, settleFile, temporaryOf } from '../profile-store.ts'
import { beginsWithByteOrderMark, bytesOf, headerOf, visitRecords } from './lines.ts'
import type { Yield } from './tolerance.ts'
import { expectationOf, rawSql, type SourceForm, valueSql } from './values.ts'

/** What decides how a file's rows become records; a Dataset's plan without its location, or a table of a CampaignSource. */
export type RecordSource = Pick<
  DatasetPlan,
  'name' | 'record' | 'format' | 'timestamp' | 'eventId' | 'identity' | 'mapping'
>

export type RecordLimits = Pick<
  IngestPlan['limits'],
  'profileRecordBytes' | 'eventBytes' | 'eventArrayLength' | 'profileArrayLength'
>

/** A local copy of one source file. */
export type SourceFile = {
  /** Its name in the Dataset's location, for people and as part of its identity. */
  readonly name: string
  readonly path: string
  readonly sha256: string
}

/** A row that was kept out. Holds no value: values stay in the store's rejects file. */
export type BadRow = { readonly file: string; readonly line: number; readonly column: string; readonly reason: string }

export type NormalizedFile = Yield & {
  readonly state: SourceFileState
  /** The first few bad rows, in file order. */
  readonly examples: readonly BadRow[]
  /** Mapped fields that the file does not have, as it would call them. */
  readonly missingFields: readonly string[]
}

/** Digest of everything a record depends on besides the file's content. */
export function definitionOf(store: StorePlan, source: RecordSource, limits: RecordLimits): string {
  const { name, record, format, timestamp, eventId, identity, mapping } = source
  const identities = store.identities.map(({ namespace, path: at, primary }) => ({
    namespace,
    path: at,
    primary,
    type: columnType(store, at),
  }))
  return digestOf({ layout: 1, name, record, format, timestamp, eventId, identity, mapping, identities, limits })
}

/** Where the records of a file lie, relative to the root; tells apart content, name and definition. */
export function recordPathOf(
  source: RecordSource,
  file: Pick<SourceFile, 'name' | 'sha256'>,
  definition: string,
): string {
  const digest = sha256(`${definition}\n${file.sha256}\n${file.name}`).slice(0, 32)
  return `records/${source.name}/${digest}.${source.record === 'Event' ? 'events' : 'profiles'}.parquet`
}

/** Where the bad rows of a record file's source are listed, relative to the root. */
export function rejectsPathOf(recordPath: string): string {
  return recordPath.replace(/^records\//, 'rejects/').replace(/\.[a-z]+\.parquet$/, '.csv')
}

/**
 * Reads one file into one immutable record file: profile records with "$time" and the mapped paths, events with "$namespace",
 * "$identity", "$event" (their id or null) and the mapped paths with `timestamp`; both with "$hash", a number of their content that
 * decides between records nothing else tells apart. Rows that cannot be read are counted and listed in `rejects/<dataset>/`.
 * Throws JobError UnreadableFile when none of the file can be read as its format.
 */
export async function normalizeFile(
  engine: Engine,
  root: string,
  store: StorePlan,
  source: RecordSource,
  limits: RecordLimits,
  file: SourceFile,
  scratch: string,
): Promise<NormalizedFile> {
  const definition = definitionOf(store, source, limits)
  const path = recordPathOf(source, file, definition)
  const target = join(root, path)
  const temporary = temporaryOf(target)
  mkdirSync(dirname(target), { recursive: true })
  try {
    const write = async (strict: boolean) => {
      const reader = await openReader(engine, source, fieldsOf(store, source), file, scratch, strict)
      const query = recordQuery(source, limits, reader)
      await copyInOrder(engine, query.records, temporary)
      return { reader, query }
    }
    // Strict reading refuses a CSV file that mixes line ends, which is worth reading all the same.
    const { reader, query } = await write(true).catch((error: unknown) => {
      if (error instanceof Error && error.message.includes('strict_mode=false')) return write(false)
      throw error
    })

    const mapped = fieldsOf(store, source).filter(({ required, isIdentity }) => !required && !isIdentity)
    const filled = mapped.map(({ column }, index) => `, count(${identifier(column)}) AS f${index}`).join('')
    const counted = await engine.rows(
      `SELECT "$fault" AS fault, count(*) AS rows, count_if("$long") AS long${filled} FROM read_parquet(${fileLiteral(temporary)}) GROUP BY 1`,
    )
    const good = counted.find((row) => row['fault'] === 0)
    const sum = (test: (fault: number) => boolean, key: 'rows' | 'long' = 'rows') =>
      counted.filter((row) => test(Number(row['fault']))).reduce((total, row) => total + Number(row[key]), 0)
    const unparsed = await reader.unparsed()
    const badRows = sum((fault) => fault > 0) + unparsed.length
    const dropped = sum((fault) => fault !== 0)
    if (dropped > 0) {
      const accepted = temporaryOf(`${target}.accepted`)
      await copyInOrder(engine, `SELECT * FROM read_parquet(${fileLiteral(temporary)}) WHERE "$fault" = 0`, accepted)
      settleFile(accepted, temporary)
    }
    const examples = badRows === 0 ? [] : await listBadRows(engine, root, path, source, file, reader, query, unparsed)
    settleFile(temporary, target)
    const counts = {
      rowsRead: sum(() => true) + unparsed.length,
      accepted: sum((fault) => fault === 0),
      badRows,
      oversize: sum((fault) => fault === oversizeFault),
      longArrays: sum((fault) => fault === 0, 'long'),
    }
    const { size } = await stat(file.path)
    return {
      state: { sha256: file.sha256, bytes: size, records: [path], counts },
      examples: examples.slice(0, exampleRows),
      rowsRead: counts.rowsRead,
      accepted: counts.accepted,
      filled: Object.fromEntries(mapped.map(({ column }, index) => [column, Number(good?.[`f${index}`] ?? 0)])),
      missing: mapped.filter((field) => reader.missing.includes(field.source)).map(({ column }) => column),
      missingFields: reader.missing,
    }
  } catch (error) {
    throw unreadable(error, source)
  }
}

/** Rows stay in the order of the file, which decides between records of the same time. */
async function copyInOrder(engine: Engine, select: string, path: string): Promise<void> {
  await engine.run('SET preserve_insertion_order = true')
  try {
    await engine.run(`COPY (${select}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`)
  } finally {
    // Where the connection has failed, that is what counts.
    await engine.run('SET preserve_insertion_order = false').catch(() => {})
  }
}

/** Rows listed in a file's rejects; the rest is counted only. */
const listedRows = 1000
const exampleRows = 5
const oversizeFault = -1
const malformedFault = 1
/** Fault of a wrong value of field k: `wrongFault + k`; of a missing required one: `missingFault + k`. */
const wrongFault = 10
const missingFault = 100_000
const noIdentityFault = 2

type Field = {
  readonly source: string
  readonly type: DataType
  /** Column of the record file. */
  readonly column: string
  readonly required: boolean
  readonly isIdentity: boolean
}

function fieldsOf(store: StorePlan, source: RecordSource): readonly Field[] {
  const identityPaths = new Set(store.identities.map(({ path }) => path))
  const mapped = source.mapping
    .filter(({ target }) => !(source.record === 'Event' && target === 'timestamp'))
    .map(({ source: from, target, type }) => ({
      source: from,
      type,
      column: target,
      required: false,
      isIdentity: source.record === 'Profile' && identityPaths.has(target),
    }))
  const time = source.record === 'Event' ? 'timestamp' : '$time'
  const own: Field[] = [
    { source: source.timestamp, type: 'timestamp', column: time, required: true, isIdentity: false },
  ]
  if (source.record === 'Event') {
    if (!source.identity) throw new JobError('InvalidPlan', `Dataset ${source.name} holds events but has no identity.`)
    const { namespace } = source.identity
    const path = store.identities.find((one) => one.namespace === namespace)?.path
    if (path === undefined)
      throw new JobError('InvalidPlan', `Dataset ${source.name}: the store has no identity ${namespace}.`)
    own.push({
      source: source.identity.source,
      type: columnType(store, path),
      column: '$identity',
      required: true,
      isIdentity: true,
    })
    if (source.eventId !== undefined)
      own.push({ source: source.eventId, type: 'string', column: '$event', required: false, isIdentity: false })
  }
  return [...own, ...mapped]
}

function columnType(store: StorePlan, path: string): DataType {
  const column = store.profile.find((one) => one.path === path)
  if (!column) throw new JobError('InvalidPlan', `The store's identity path ${path} is not in its profile schema.`)
  return column.type
}

type Reader = {
  /** A relation with one raw column per field, r0, r1, …, and "malformed" BOOLEAN; with "$row" when numbered, counted from 1. */
  readonly relation: (numbered: boolean) => string
  readonly fields: readonly (Field & { readonly form: SourceForm })[]
  readonly missing: readonly string[]
  /** CSV rows that the parser gave up, available once the relation was read: byte offsets and what is wrong. */
  readonly unparsed: () => Promise<
    readonly { readonly offset: number; readonly reason: string; readonly text: string }[]
  >
}

async function openReader(
  engine: Engine,
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
  scratch: string,
  strict: boolean,
): Promise<Reader> {
  if (source.format === 'CSV') return csvReader(engine, source, fields, file, strict)
  if (source.format === 'NDJSON') return jsonReader(fields, file, scratch)
  return parquetReader(engine, source, fields, file)
}

let readers = 0

async function csvReader(
  engine: Engine,
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
  strict: boolean,
): Promise<Reader> {
  const header = await headerOf(file.path)
  if (header === null) throw new JobError('UnreadableFile', 'it is empty: a CSV file begins with a header.')
  const names = header.map((name) => name.trim())
  requireColumns(source, fields, names)
  const rejects = `csv_rejects_${++readers}`
  const columns = names.map((_name, index) => `c${index}: 'VARCHAR'`).join(', ')
  const read = (stored: boolean) =>
    `read_csv(${fileLiteral(file.path)}, hive_partitioning = false, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', columns = {${columns}},
      strict_mode = ${strict}, ${stored ? `store_rejects = true, rejects_table = '${rejects}', rejects_scan = '${rejects}_scan'` : 'ignore_errors = true'})`
  const raw = fields.map((field, index) => {
    const at = names.indexOf(field.source)
    return `${at < 0 ? 'NULL::VARCHAR' : `c${at}`} AS r${index}`
  })
  return {
    relation: (numbered) =>
      `SELECT ${numbered ? 'row_number() OVER () AS "$row", ' : ''}${raw.join(', ')}, false AS malformed FROM ${read(!numbered)}`,
    fields: fields.map((field) => ({ ...field, form: 'text' })),
    missing: missingOf(fields, names),
    unparsed: async () => {
      const rows =
        await engine.rows(`SELECT line_byte_position AS "offset", any_value(error_message) AS reason, any_value(csv_line) AS text
        FROM ${rejects} GROUP BY 1 ORDER BY 1`)
      await engine.run(`DROP TABLE ${rejects}; DROP TABLE ${rejects}_scan`)
      return rows.map((row) => ({
        offset: Number(row['offset']),
        reason: String(row['reason']),
        text: String(row['text']),
      }))
    },
  }
}

async function jsonReader(fields: readonly Field[], file: SourceFile, scratch: string): Promise<Reader> {
  // DuckDB takes the mark for a part of the first object.
  const path = (await beginsWithByteOrderMark(file.path)) ? await withoutByteOrderMark(file.path, scratch) : file.path
  const paths = fields.map(({ source }) => literal(jsonPath(source))).join(', ')
  const raw = fields.map((field, index) => `${rawSql(`f[${index + 1}]`, 'json', field.type)} AS r${index}`).join(', ')
  return {
    relation: (numbered) => `SELECT ${numbered ? '"$row", ' : ''}${raw}, malformed FROM (
      SELECT ${numbered ? 'row_number() OVER () AS "$row", ' : ''}json_extract(json, [${paths}]) AS f, coalesce(json_type(json), '') <> 'OBJECT' AS malformed
      FROM read_ndjson_objects(${fileLiteral(path)}, hive_partitioning = false, ignore_errors = true))`,
    fields: fields.map((field) => ({ ...field, form: 'json' })),
    missing: [],
    unparsed: async () => [],
  }
}

async function parquetReader(
  engine: Engine,
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
): Promise<Reader> {
  const relation = `read_parquet(${fileLiteral(file.path)}, file_row_number = true, hive_partitioning = false)`
  const described = await engine.rows(`DESCRIBE SELECT * FROM ${relation}`)
  const names = described.map((row) => String(row['column_name']))
  const found = await Promise.all(
    fields.map(async (field) => {
      const expression = names.includes(field.source)
        ? identifier(field.source)
        : field.source.split('.').map(identifier).join('.')
      // A path into a struct is known to exist only by asking.
      const type = await engine.rows(`DESCRIBE SELECT ${expression} AS x FROM ${relation}`).then(
        ([row]) => String(row?.['column_type']),
        (error: unknown) => {
          if (error instanceof Error && error.message.startsWith('Binder Error')) return null
          throw error
        },
      )
      return { field, expression, type }
    }),
  )
  const present = found.filter(({ type }) => type !== null).map(({ field }) => field.source)
  requireColumns(source, fields, present, names)
  const typed = found.map(({ field, expression, type }) => ({
    ...field,
    form: { parquet: type ?? sqlTypeOf(field.type) },
    expression: type === null ? `NULL::${sqlTypeOf(field.type)}` : expression,
  }))
  const raw = typed
    .map(({ expression, form, type }, index) => `${rawSql(expression, form, type)} AS r${index}`)
    .join(', ')
  return {
    relation: (numbered) =>
      `SELECT ${numbered ? 'file_row_number + 1 AS "$row", ' : ''}${raw}, false AS malformed FROM ${relation}`,
    fields: typed,
    missing: missingOf(fields, present),
    unparsed: async () => [],
  }
}

function missingOf(fields: readonly Field[], names: readonly string[]): readonly string[] {
  return fields.filter((field) => !names.includes(field.source)).map((field) => field.source)
}

/** A file that lacks what every record needs is the wrong file, not a file of bad rows. */
function requireColumns(
  source: RecordSource,
  fields: readonly Field[],
  names: readonly string[],
  listed = names,
): void {
  const identities = fields.filter(({ isIdentity }) => isIdentity)
  const missing = fields
    .filter(({ required, source: name }) => required && !names.includes(name))
    .map((field) => field.source)
  if (
    missing.length === 0 &&
    (source.record === 'Event' || identities.some(({ source: name }) => names.includes(name)))
  )
    return
  const wanted =
    missing.length > 0
      ? missing.join(', ')
      : `any identity (${identities.map((field) => field.source).join(', ') || 'none is mapped'})`
  throw new JobError(
    'UnreadableFile',
    `it has no column for ${visible(wanted)}; its columns are ${visible(listed.slice(0, 50).join(', ').slice(0, 500))}. Correct the Dataset's mapping or the file.`,
  )
}

type RecordQuery = { readonly records: string; readonly faults: string }

/** `records`: typed columns, "$hash", "$fault" and "$long"; `faults`: "$row", "$fault" and the offending text of bad rows. */
function recordQuery(source: RecordSource, limits: RecordLimits, reader: Reader): RecordQuery {
  const isEvent = source.record === 'Event'
  const values = reader.fields.map(({ form, type, isIdentity }, index) => {
    const value = valueSql(`r${index}`, form, type)
    return `${isIdentity && type === 'string' ? `nullif(${value}, '')` : value} AS v${index}`
  })
  const wrong = reader.fields.map(({ type, isIdentity }, index) =>
    // An empty identity is a missing one.
    isIdentity && type === 'string'
      ? ''
      : `WHEN r${index} IS NOT NULL AND v${index} IS NULL THEN ${wrongFault + index}`,
  )
  const missing = reader.fields.map(({ required }, index) =>
    required ? `WHEN v${index} IS NULL THEN ${missingFault + index}` : '',
  )
  const identities = reader.fields.flatMap(({ isIdentity }, index) => (isIdentity ? [`v${index}`] : []))
  const noIdentity = isEvent
    ? ''
    : `WHEN coalesce(${identities.map((value) => `${value}::VARCHAR`).join(', ')}) IS NULL THEN ${noIdentityFault}`
  const bytes = reader.fields.map(({ form, type }, index) =>
    typeof form === 'object' && typeof type === 'string' && type !== 'string'
      ? '8'
      : `coalesce(strlen(r${index}::VARCHAR), 0)`,
  )
  const fault = `CASE WHEN malformed THEN ${malformedFault}
    WHEN ${bytes.join(' + ')} > ${isEvent ? limits.eventBytes : limits.profileRecordBytes} THEN ${oversizeFault}
    ${[...wrong, ...missing, noIdentity].filter((clause) => clause !== '').join('\n    ')} ELSE 0 END`
  const lengths = reader.fields.flatMap(({ type }, index) =>
    typeof type === 'object' && 'items' in type
      ? [`coalesce(len(v${index}), 0) > ${isEvent ? limits.eventArrayLength : limits.profileArrayLength}`]
      : [],
  )
  const typed = (numbered: boolean) =>
    `SELECT *, ${fault} AS "$fault" FROM (SELECT *, ${values.join(', ')} FROM (${reader.relation(numbered)}))`
  const columns = reader.fields.map(({ column }, index) => `v${index} AS ${identifier(column)}`)
  if (isEvent) {
    columns.push(`${literal(source.identity?.namespace ?? '')} AS "$namespace"`)
    if (source.eventId === undefined) columns.push('NULL::VARCHAR AS "$event"')
  }
  const eventIdentity = isEvent ? ` REPLACE ("$identity"::VARCHAR AS "$identity")` : ''
  const content = reader.fields.map((_field, index) => `v${index}`).join(', ')
  const text = reader.fields
    .map((_field, index) => `WHEN "$fault" = ${wrongFault + index} THEN r${index}::VARCHAR`)
    .join(' ')
  return {
    records: `SELECT *${eventIdentity} FROM (SELECT ${columns.join(', ')}, md5_number_lower(CAST(row(${content}) AS VARCHAR)) AS "$hash",
      "$fault", ${lengths.length > 0 ? lengths.join(' OR ') : 'false'} AS "$long" FROM (${typed(false)}))`,
    faults: `SELECT "$row" AS row, "$fault" AS fault, CASE ${text} END AS text FROM (${typed(true)}) WHERE "$fault" > 0`,
  }
}

/** Finds the lines of the first bad rows, writes the rejects file, returns them without their values. */
async function listBadRows(
  engine: Engine,
  root: string,
  recordPath: string,
  source: RecordSource,
  file: SourceFile,
  reader: Reader,
  query: RecordQuery,
  unparsed: Awaited<ReturnType<Reader['unparsed']>>,
): Promise<readonly BadRow[]> {
  const faulty = await engine.rows(`SELECT * FROM (${query.faults}) ORDER BY row LIMIT ${listedRows}`)
  const lines = await linesOf(source, file, new Set(faulty.map((row) => Number(row['row']))), unparsed)
  const rows = [
    ...faulty.map((row) => ({
      ...explain(Number(row['fault']), reader),
      line: lines.rows.get(Number(row['row'])) ?? Number(row['row']),
      text: row['text'] === null ? '' : String(row['text']),
    })),
    ...unparsed.map(({ reason, text }, index) => ({
      column: '',
      reason: `is no CSV record: ${reason}`,
      line: lines.unparsed[index] ?? 0,
      text: text.trim(),
    })),
  ].sort((a, b) => a.line - b.line)
  const name = rejectsPathOf(recordPath)
  const target = join(root, name)
  mkdirSync(dirname(target), { recursive: true })
  const temporary = temporaryOf(target)
  const cells = rows
    .slice(0, listedRows)
    .map(({ line, column, text, reason }) => [file.name, String(line), column, text, reason])
  writeFileSync(
    temporary,
    [['file', 'line', 'column', 'value', 'reason'], ...cells].map((row) => row.map(csvCell).join(',') + '\n').join(''),
  )
  settleFile(temporary, target)
  return rows.map(({ line, column, reason }) => ({ file: file.name, line, column, reason }))
}

function explain(fault: number, { fields }: Reader): { readonly column: string; readonly reason: string } {
  if (fault === malformedFault) return { column: '', reason: 'is no JSON object' }
  if (fault === noIdentityFault) {
    const identities = fields.filter(({ isIdentity }) => isIdentity).map((field) => field.source)
    return { column: identities.join(', '), reason: 'has no identity' }
  }
  const isMissing = fault >= missingFault
  const field = fields[fault - (isMissing ? missingFault : wrongFault)]
  return {
    column: field?.source ?? '',
    reason: isMissing ? 'is missing' : `is not ${expectationOf(field?.type ?? 'string')}`,
  }
}

/** Lines of data rows (counted from 1, as the reader numbers them) and of unparsed records. */
async function linesOf(
  source: RecordSource,
  file: SourceFile,
  wanted: ReadonlySet<number>,
  unparsed: readonly { readonly offset: number }[],
): Promise<{ readonly rows: ReadonlyMap<number, number>; readonly unparsed: readonly number[] }> {
  const rows = new Map<number, number>()
  const unparsedLines: number[] = []
  if (source.format === 'Parquet') return { rows, unparsed: unparsedLines }
  let row = source.format === 'CSV' ? -1 : 0
  await visitRecords(file.path, source.format === 'CSV', ({ line, offset }) => {
    const next = unparsed[unparsedLines.length]
    // The parser's offsets are of the record or of the line break before it.
    if (next !== undefined && Math.abs(offset - next.offset) <= 1 && row >= 0) unparsedLines.push(line)
    else if (wanted.has(++row)) rows.set(row, line)
    return rows.size < wanted.size || unparsedLines.length < unparsed.length
  })
  return { rows, unparsed: unparsedLines }
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function jsonPath(dotted: string): string {
  return `$${dotted
    .split('.')
    .map((name) => `.${JSON.stringify(name)}`)
    .join('')}`
}

async function withoutByteOrderMark(path: string, scratch: string): Promise<string> {
  const { createWriteStream } = await import('node:fs')
  const { pipeline } = await import('node:stream/promises')
  const target = join(scratch, `without-mark-${++readers}.ndjson`)
  let first = true
  await pipeline(async function* () {
    for await (const chunk of bytesOf(path)) {
      yield first ? chunk.subarray(3) : chunk
      first = false
    }
  }, createWriteStream(target))
  return target
}

/** DuckDB's complaints about a file's content; everything else (memory, disk, a statement of ours) is passed on. */
function unreadable(error: unknown, source: RecordSource): unknown {
  if (error instanceof JobError || !(error instanceof Error)) return error
  const isContent =
    /^(Invalid Input|Invalid|IO|Conversion|Serialization) Error|TProtocol|Snappy|ZSTD|incorrect header check|invalid .*(block|code|distance)|unexpected end of file/i
  const isElse = /ENOSPC|No space left|Out of Memory|max_temp_directory_size|temporary|INTERNAL/i
  if (!isContent.test(error.message) || isElse.test(error.message)) return error
  return new JobError(
    'UnreadableFile',
    `it cannot be read as ${source.format}: ${visible(error.message.split('\n')[0]?.slice(0, 200) ?? '')}. Replace or remove it.`,
    error,
  )
}
