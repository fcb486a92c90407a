import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type DatasetPlan,
  type DataType,
  type IngestPlan,
  type StorePlan,
  type TransformStepPlan,
  visible,
} from '#crds'
import { digestOf, sha256 } from '../digest.ts'
import { type Engine, fileLiteral, identifier, literal } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import { type SourceFileState, settleFile, temporaryOf } from '../profile-store.ts'
import { stepName, transformed } from '../transform.ts'
import { openReader, type Reader } from './readers.ts'
import type { Yield } from './tolerance.ts'
import { expectationOf, type ValueRules, valueSql, type Writing } from './values.ts'

/** What decides how a file's rows become records: a Dataset's plan without its location, or a table of a CampaignSource. */
export type RecordSource = Pick<
  DatasetPlan,
  | 'name'
  | 'record'
  | 'format'
  | 'csv'
  | 'partitions'
  | 'timestamp'
  | 'eventId'
  | 'identity'
  | 'mapping'
  | 'onBadCell'
  | keyof Writing
>

export type RecordLimits = Pick<
  IngestPlan['limits'],
  'profileRecordBytes' | 'eventBytes' | 'eventArrayLength' | 'profileArrayLength'
>

/** A local copy of one source file. */
export type SourceFile = {
  /** Its name in the Dataset's location: for people, and part of its identity. */
  readonly name: string
  readonly path: string
  readonly sha256: string
  /** Values from the names of its folders, by the Dataset's `partitions`; null where a folder says that there is no value. */
  readonly partitions?: Readonly<Record<string, string | null>>
}

/** A row that was kept out. It holds no value: values stay in the store's rejects file. */
export type BadRow = { readonly file: string; readonly line: number; readonly column: string; readonly reason: string }

/** How many rows were kept out for one reason. */
export type BadRows = { readonly column: string; readonly reason: string; readonly rows: number }

export type NormalizedFile = Yield & {
  readonly state: SourceFileState
  /** The first few bad rows, in the order of the file. */
  readonly examples: readonly BadRow[]
  /** How many accepted records have a value in each column, identities and mandatory columns included. */
  readonly valued: Readonly<Record<string, number>>
  /** Why rows are bad, with how many rows each reason has; the most frequent first. */
  readonly reasons: readonly BadRows[]
  /** Mapped fields that the file lacks, under the name the file would use, each with the name in it that may be meant. */
  readonly missingFields: ReadonlyMap<string, string | null>
  /** Names that occur twice in the file. */
  readonly repeatedFields: readonly string[]
}

/** Digest of everything that a record depends on besides the file's content. */
export function definitionOf(store: StorePlan, source: RecordSource, limits: RecordLimits): string {
  const { name, record, format, csv, partitions, timestamp, eventId, identity, mapping, onBadCell } = source
  const { timeFormats, timeZone, booleans, decimal } = source
  const identities = store.identities.map(({ namespace, path: at, primary }) => ({
    namespace,
    path: at,
    primary,
    type: columnType(store, at),
  }))
  // Absent options are not in the digest, so that a Dataset keeps its digest when a new option is added that it does not use.
  return digestOf({
    layout: 1,
    ...{ name, record, format, csv, partitions, timestamp, eventId, identity, mapping, onBadCell },
    ...{ timeFormats, timeZone, booleans, decimal },
    identities,
    limits,
  })
}

/** Path of a file's records, relative to the root: different for different content, name or definition. */
export function recordPathOf(
  source: RecordSource,
  file: Pick<SourceFile, 'name' | 'sha256'>,
  definition: string,
): string {
  const digest = sha256(`${definition}\n${file.sha256}\n${file.name}`).slice(0, 32)
  return `records/${source.name}/${digest}.${source.record === 'Event' ? 'events' : 'profiles'}.parquet`
}

/** Path of the list of bad rows that belongs to a record file, relative to the root. */
export function rejectsPathOf(recordPath: string): string {
  return recordPath.replace(/^records\//, 'rejects/').replace(/\.[a-z]+\.parquet$/, '.csv')
}

/**
 * Reads one file into one immutable record file, in the order of the file. Profile records have "$time" and the mapped paths. Events have
 * "$namespace", "$identity", "$event" (their id or null) and the mapped paths with `timestamp`; events with ids also have "$hash", a
 * number of their content that shows whether an event that comes again has changed. Rows that cannot be read are counted, and listed in
 * `rejects/<dataset>/`. Throws JobError UnreadableFile when nothing of the file can be read as its format.
 */
export async function normalizeFile(
  engine: Engine,
  root: string,
  store: StorePlan,
  source: RecordSource,
  limits: RecordLimits,
  file: SourceFile,
  scratch: string,
  now: Date = new Date(0),
): Promise<NormalizedFile> {
  const definition = definitionOf(store, source, limits)
  const path = recordPathOf(source, file, definition)
  const target = join(root, path)
  const temporary = temporaryOf(target)
  const accepted = temporaryOf(`${target}.accepted`)
  mkdirSync(dirname(target), { recursive: true })
  const fields = fieldsOf(store, source, now)
  const read = async (isDoubted: boolean): Promise<Read> => {
    const reader = await openReader(engine, source, fields, file, { scratch, isDoubted })
    const query = recordQuery(source, limits, reader)
    await copyInOrder(engine, query.records, temporary)
    return { reader, query, counted: await countsOf(engine, temporary, reader) }
  }
  try {
    // Where the engine finds other records than were counted, it gets them one by one, spelt out.
    const first = await read(false).catch((error: unknown) => {
      if (source.format === 'Parquet' || error instanceof JobError || !isOfContent(error)) throw error
      return null
    })
    const isWhole = ({ reader, counted }: Read) => reader.records === null || reader.records === counted.rows
    const { reader, query, counted } = first !== null && isWhole(first) ? first : await read(true)
    if (reader.records !== null && reader.records !== counted.rows)
      throw new Error(`The engine found ${counted.rows} of ${reader.records} records.`)
    const { malformed } = reader
    const bad = counted.bad + malformed.rows
    const examples =
      bad + counted.badCells === 0 ? [] : await listBadRows(engine, root, path, source, file, reader, query)
    if (counted.bad + counted.oversize > 0) {
      await copyInOrder(engine, `SELECT * FROM read_parquet(${fileLiteral(temporary)}) WHERE "$fault" = 0`, accepted)
      settleFile(accepted, temporary)
    }
    settleFile(temporary, target)
    const counts = {
      rowsRead: counted.rows + malformed.rows,
      accepted: counted.accepted,
      badRows: bad,
      badCells: counted.badCells,
      oversize: counted.oversize,
      longArrays: counted.longArrays,
    }
    const { size } = await stat(file.path)
    const optional = reader.fields.filter(
      ({ required, isIdentity, isArgument }) => !required && !isIdentity && !isArgument,
    )
    const unfilled = optional.filter(({ column }) => counted.filled[column] === 0).map((field) => field.source)
    const missing = await reader.missing(counted.accepted > 0 ? unfilled : [])
    return {
      state: { sha256: file.sha256, bytes: size, records: [path], counts },
      examples: examples.slice(0, exampleRows),
      valued: counted.filled,
      reasons: reasonsOf(counted, source, reader),
      rowsRead: counts.rowsRead,
      accepted: counts.accepted,
      filled: Object.fromEntries(optional.map(({ column }) => [column, counted.filled[column] ?? 0])),
      missing: optional.filter((field) => missing.has(field.source)).map(({ column }) => column),
      missingFields: missing,
      repeatedFields: reader.repeated,
    }
  } catch (error) {
    throw unreadable(error, source)
  } finally {
    for (const left of [temporary, accepted]) rmSync(left, { force: true })
    removeScratch(scratch)
  }
}

type Read = { readonly reader: Reader; readonly query: RecordQuery; readonly counted: Counted }

type Counted = {
  readonly rows: number
  readonly accepted: number
  readonly bad: number
  readonly oversize: number
  readonly badCells: number
  readonly longArrays: number
  /** Bad rows by fault. */
  readonly faults: ReadonlyMap<number, number>
  /** How many accepted records have a value in each column. */
  readonly filled: Readonly<Record<string, number>>
}

async function countsOf(engine: Engine, path: string, reader: Reader): Promise<Counted> {
  const fields = reader.fields.filter(({ isArgument }) => !isArgument)
  const filled = fields.map(({ column }, index) => `, count(${identifier(column)}) AS f${index}`).join('')
  const groups = await engine.rows(
    `SELECT "$fault" AS fault, count(*) AS rows, sum("$cells")::BIGINT AS cells, count_if("$long") AS long${filled} FROM read_parquet(${fileLiteral(path)}) GROUP BY 1`,
  )
  const good = groups.find((row) => row['fault'] === 0)
  const rowsOf = (is: (fault: number) => boolean) =>
    groups.filter((row) => is(Number(row['fault']))).reduce((total, row) => total + Number(row['rows']), 0)
  return {
    rows: rowsOf(() => true),
    accepted: Number(good?.['rows'] ?? 0),
    bad: rowsOf((fault) => fault > 0),
    oversize: rowsOf((fault) => fault === oversizeFault),
    badCells: Number(good?.['cells'] ?? 0),
    longArrays: Number(good?.['long'] ?? 0),
    faults: new Map(groups.map((row) => [Number(row['fault']), Number(row['rows'])])),
    filled: Object.fromEntries(fields.map(({ column }, index) => [column, Number(good?.[`f${index}`] ?? 0)])),
  }
}

/** Removes what reading a file left in the scratch folder. */
function removeScratch(scratch: string): void {
  for (const name of readdirSync(scratch)) if (/^text-\d+\./.test(name)) rmSync(join(scratch, name), { force: true })
}

/** Keeps the order of the file, which decides between records of the same time. */
function copyInOrder(engine: Engine, select: string, path: string): Promise<void> {
  return inOrder(engine, () => engine.run(`COPY (${select}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`))
}

/** Engines that keep rows in their order at present. */
const ordered = new WeakSet<Engine>()

/** Makes the engine keep rows in their order during the work; nested calls cost nothing. */
export async function inOrder<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
  if (ordered.has(engine)) return work()
  await engine.run('SET preserve_insertion_order = true')
  ordered.add(engine)
  try {
    return await work()
  } finally {
    ordered.delete(engine)
    // Where the connection has failed, that failure is the one to report.
    await engine.run('SET preserve_insertion_order = false').catch(() => {})
  }
}

/** How many rows a file's rejects list; the others are only counted. */
const listedRows = 1000
const exampleRows = 5
const oversizeFault = -1
const malformedFault = 1
/** Fault numbers of field k: `wrongFault + k` for a wrong value, `missingFault + k` for a missing required one. */
const wrongFault = 10
const missingFault = 100_000
const noIdentityFault = 2
const repeatedFault = 3

export type Field = {
  readonly source: string
  readonly type: DataType
  /** The column of the record file. */
  readonly column: string
  readonly required: boolean
  readonly isIdentity: boolean
  /** Whether an empty place removes an earlier value. */
  readonly clears: boolean
  /** The steps applied to its text before it gets its type. */
  readonly steps: readonly TransformStepPlan[]
  /** Whether the field is no column, but only an argument of other fields' steps. */
  readonly isArgument: boolean
  readonly rules: ValueRules
}

function fieldsOf(store: StorePlan, source: RecordSource, now: Date): readonly Field[] {
  const identityPaths = new Set(store.identities.map(({ path }) => path))
  const mapped = source.mapping
    .filter(({ target }) => !(source.record === 'Event' && target === 'timestamp'))
    .map(({ source: from, target, type, constraints, transform = [], emptyOverwrites }): Field => {
      const isIdentity = source.record === 'Profile' && identityPaths.has(target)
      return {
        source: from,
        type,
        column: target,
        required: false,
        isIdentity,
        clears: emptyOverwrites === true && !isIdentity,
        steps: transform,
        isArgument: false,
        rules: { ...(constraints ? { constraints } : {}), isIdentity },
      }
    })
  const own = { required: true, isIdentity: false, clears: false, steps: [], isArgument: false, rules: {} }
  const time = source.record === 'Event' ? 'timestamp' : '$time'
  const beforeYear = now.getTime() === 0 ? undefined : now.getUTCFullYear() + 2
  const fields: Field[] = [
    {
      ...own,
      source: source.timestamp,
      type: 'timestamp',
      column: time,
      rules: beforeYear === undefined ? {} : { beforeYear },
    },
  ]
  if (source.record === 'Event') {
    if (!source.identity) throw new JobError('InvalidPlan', `Dataset ${source.name} holds events but has no identity.`)
    const { namespace } = source.identity
    const path = store.identities.find((one) => one.namespace === namespace)?.path
    if (path === undefined)
      throw new JobError('InvalidPlan', `Dataset ${source.name}: the store has no identity ${namespace}.`)
    const type = columnType(store, path)
    const rules = { isIdentity: true }
    fields.push({ ...own, source: source.identity.source, type, column: '$identity', isIdentity: true, rules })
    if (source.eventId !== undefined)
      fields.push({ ...own, source: source.eventId, type: 'string', column: '$event', required: false })
  }
  const looked = new Set(mapped.flatMap(({ steps }) => steps.flatMap(sourcesOf)))
  const argumentFields = [...looked].map(
    (from, index): Field => ({
      ...own,
      source: from,
      type: 'string',
      column: `$argument${index}`,
      required: false,
      isArgument: true,
    }),
  )
  return [...fields, ...mapped, ...argumentFields]
}

function sourcesOf(step: TransformStepPlan): readonly string[] {
  if (typeof step === 'string' || !('concat' in step)) return []
  return step.concat.flatMap((part) => (typeof part === 'object' && part !== null ? [part.source] : []))
}

function columnType(store: StorePlan, path: string): DataType {
  const column = store.profile.find((one) => one.path === path)
  if (!column) throw new JobError('InvalidPlan', `The store's identity path ${path} is not in its profile schema.`)
  return column.type
}

/**
 * SQL for the bytes of a record as JSON without spaces, which is what Experience Platform measures: of its values after all steps, under
 * their names, with the objects around them. Escapes are not counted.
 */
function jsonBytesSql(fields: readonly Field[]): string {
  const objects = new Map<string, string[]>()
  const parts = fields.map(({ column, type }, index) => {
    const names = column.split('.')
    for (let depth = 1; depth < names.length; depth++) {
      const path = names.slice(0, depth).join('.')
      objects.set(path, [...(objects.get(path) ?? []), `v${index}`])
    }
    return `CASE WHEN v${index} IS NULL THEN 0 ELSE ${textBytesSql(`v${index}`, type)} + ${nameBytes(names.at(-1)!)} END`
  })
  const around = [...objects].map(
    ([path, values]) =>
      `CASE WHEN ${values.map((value) => `${value} IS NOT NULL`).join(' OR ')} THEN ${nameBytes(path.split('.').at(-1)!) + 2} ELSE 0 END`,
  )
  return ['2', ...parts, ...around].join(' + ')
}

/** Bytes of `"name":` and a comma. */
function nameBytes(name: string): number {
  return Buffer.byteLength(name) + 4
}

function textBytesSql(value: string, type: DataType): string {
  if (typeof type === 'object') return `strlen(to_json(${value})::VARCHAR)`
  switch (type) {
    case 'string':
      return `strlen(${value}) + 2`
    case 'timestamp':
      return '26'
    case 'date':
      return '12'
    case 'boolean':
      return '5'
    default:
      return `strlen(${value}::VARCHAR)`
  }
}

type RecordQuery = { readonly records: string; readonly faults: string }

/**
 * `records`: typed columns, "$fault", "$cells" (values left out of an accepted row) and "$long". `faults`: number, fault and offending
 * text of rows with a fault or such values.
 */
function recordQuery(source: RecordSource, limits: RecordLimits, reader: Reader): RecordQuery {
  const isEvent = source.record === 'Event'
  const fields = reader.fields.filter(({ isArgument }) => !isArgument)
  const texts = transformedSql(reader)
  const values = fields.map(({ form, type, isIdentity, rules }, index) => {
    const value = texts[index]
      ? valueSql(`t${index}`, 'text', type, source, rules)
      : valueSql(`r${index}`, form, type, source, rules)
    return `${isIdentity && type === 'string' ? `nullif(${value}, '')` : value} AS v${index}`
  })
  const wrongs = fields.map(({ type, isIdentity, form }, index) => {
    if (texts[index]) return `(t${index} IS NOT NULL AND v${index} IS NULL OR coalesce(b${index}, false))`
    // An empty identity counts as missing.
    const isGiven = isIdentity && type === 'string' ? `${rawTextSql(`r${index}`, form)} <> ''` : `r${index} IS NOT NULL`
    return `${isGiven} AND v${index} IS NULL`
  })
  const isDroppable = (field: Field) => source.onBadCell === 'DropCell' && !field.required && !field.isIdentity
  const clauses = (some: (field: Field) => boolean) =>
    fields.flatMap((field, index) => (some(field) ? [`WHEN ${wrongs[index]} THEN ${wrongFault + index}`] : []))
  const missing = fields.flatMap(({ required }, index) =>
    required ? [`WHEN v${index} IS NULL THEN ${missingFault + index}`] : [],
  )
  const identities = fields.flatMap(({ isIdentity }, index) => (isIdentity ? [`v${index}`] : []))
  const noIdentity = isEvent
    ? []
    : [`WHEN coalesce(${identities.map((value) => `${value}::VARCHAR`).join(', ')}) IS NULL THEN ${noIdentityFault}`]
  const fault = `CASE WHEN malformed THEN ${malformedFault} WHEN repeated THEN ${repeatedFault}
    WHEN ${jsonBytesSql(fields)} > ${isEvent ? limits.eventBytes : limits.profileRecordBytes} THEN ${oversizeFault}
    ${[...clauses((field) => !isDroppable(field)), ...missing, ...noIdentity].join('\n    ')} ELSE 0 END`
  const dropped = fields.flatMap((field, index) => (isDroppable(field) ? [`(${wrongs[index]})::INTEGER`] : []))
  const cells = dropped.length === 0 ? '0' : dropped.map((one) => `coalesce(${one}, 0)`).join(' + ')
  const lengths = fields.flatMap(({ type }, index) =>
    typeof type === 'object' && 'items' in type
      ? [`coalesce(len(v${index}), 0) > ${isEvent ? limits.eventArrayLength : limits.profileArrayLength}`]
      : [],
  )
  const typed = (numbered: boolean) =>
    `SELECT *, ${fault} AS "$fault", ${cells} AS "$cells" FROM (SELECT *, ${values.join(', ')} FROM (${withTexts(texts, reader.select(numbered))}))`
  const columns = fields.map(({ column }, index) => `v${index} AS ${identifier(column)}`)
  if (isEvent) {
    columns.push(`${literal(source.identity?.namespace ?? '')} AS "$namespace"`)
    if (source.eventId === undefined) columns.push('NULL::VARCHAR AS "$event"')
  }
  if (source.eventId !== undefined) {
    const content = fields.map((_field, index) => `v${index}`).join(', ')
    columns.push(`md5_number_lower(CAST(row(${content}) AS VARCHAR)) AS "$hash"`)
  }
  // A text that the steps leave empty counts as empty.
  const isCleared = (index: number) =>
    texts[index]
      ? `c${index} OR (r${index} IS NOT NULL AND t${index} IS NULL AND NOT coalesce(b${index}, false))`
      : `c${index}`
  const cleared = fields.flatMap(({ clears, column }, index) =>
    clears ? [`CASE WHEN ${isCleared(index)} THEN ${literal(column)} END`] : [],
  )
  if (cleared.length > 0) columns.push(`list_filter([${cleared.join(', ')}], lambda c: c IS NOT NULL) AS "$cleared"`)
  const eventIdentity = isEvent ? ` REPLACE ("$identity"::VARCHAR AS "$identity")` : ''
  const text = fields.map(
    ({ form }, index) => `WHEN fault = ${wrongFault + index} THEN ${rawTextSql(`r${index}`, form)}`,
  )
  const first = `CASE WHEN "$fault" > 0 THEN "$fault" ${dropped.length === 0 ? '' : clauses(isDroppable).join(' ')} END`
  return {
    records: `SELECT *${eventIdentity} FROM (SELECT ${columns.join(', ')}, "$fault", "$cells", ${lengths.length > 0 ? lengths.join(' OR ') : 'false'} AS "$long" FROM (${typed(false)}))`,
    faults: `SELECT "$number" AS number, fault, CASE ${text.join(' ')} END AS text
      FROM (SELECT *, ${first} AS fault FROM (${typed(true)}) WHERE "$fault" > 0 OR ("$fault" = 0 AND "$cells" > 0))`,
  }
}

type Text = { readonly sql: string; readonly broken: string }

/** For each field, its text after its steps and whether the steps cannot take it; null for a field without steps. */
function transformedSql({ fields }: Reader): readonly (Text | null)[] {
  const stringOf = (index: number) => valueSql(`r${index}`, fields[index]!.form, 'string') // an index of `fields`
  return fields.map(({ steps, form }, index) => {
    const [first] = steps
    if (first === undefined) return null
    const begins = typeof first === 'object' && ('constant' in first || 'concat' in first)
    // A list or an object is no text, except where a step looks into it.
    const isLookedInto = typeof first === 'object' && 'parseJson' in first
    const text = isLookedInto ? `coalesce(${stringOf(index)}, ${rawTextSql(`r${index}`, form)})` : stringOf(index)
    const { sql, broken } = transformed(text, steps, (source) =>
      stringOf(fields.findIndex((field) => field.isArgument && field.source === source)),
    )
    const unread = begins ? [] : [`r${index} IS NOT NULL AND ${text} IS NULL`]
    return { sql: `nullif(${sql}, '')`, broken: [...unread, ...(broken === null ? [] : [broken])].join(' OR ') }
  })
}

function withTexts(texts: readonly (Text | null)[], rows: string): string {
  const columns = texts.flatMap((text, index) =>
    text === null ? [] : [`${text.sql} AS t${index}`, `${text.broken || 'false'} AS b${index}`],
  )
  return columns.length === 0 ? rows : `SELECT *, ${columns.join(', ')} FROM (${rows})`
}

/** SQL for a raw value as a person would read it. */
function rawTextSql(raw: string, form: Reader['fields'][number]['form']): string {
  return form === 'json' ? `(${raw} ->> '$')` : `${raw}::VARCHAR`
}

/** Finds the lines of the first bad rows and values, and writes the rejects file. Returns them without their values. */
async function listBadRows(
  engine: Engine,
  root: string,
  recordPath: string,
  source: RecordSource,
  file: SourceFile,
  reader: Reader,
  query: RecordQuery,
): Promise<readonly BadRow[]> {
  const faulty = await inOrder(engine, () =>
    engine.rows(`SELECT * FROM (${query.faults}) ORDER BY number LIMIT ${listedRows}`),
  )
  const lines = await reader.linesOf(new Set(faulty.map((row) => Number(row['number']))))
  const rows = [
    ...faulty.map((row) => ({
      ...explain(Number(row['fault']), source, reader),
      line: lines.get(Number(row['number'])) ?? Number(row['number']),
      text: row['text'] === null ? '' : String(row['text']),
    })),
    ...reader.malformed.listed.map(({ line, reason, text }) => ({ column: '', reason, line, text: text.trim() })),
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

function explain(
  fault: number,
  source: RecordSource,
  { fields }: Reader,
): { readonly column: string; readonly reason: string } {
  if (fault === malformedFault) return { column: '', reason: 'is no JSON object' }
  if (fault === repeatedFault) return { column: '', reason: 'has a field that is read more than once' }
  if (fault === noIdentityFault) {
    const identities = fields.filter(({ isIdentity }) => isIdentity).map((field) => field.source)
    return { column: identities.join(', '), reason: 'has no identity' }
  }
  const isMissing = fault >= missingFault
  const field = fields[fault - (isMissing ? missingFault : wrongFault)]
  return {
    column: field?.source ?? '',
    reason: isMissing
      ? 'is missing'
      : `is not ${expectationOf(field?.type ?? 'string', source, field?.rules)}${after(field?.steps ?? [])}`,
  }
}

function reasonsOf({ faults }: Counted, source: RecordSource, reader: Reader): readonly BadRows[] {
  const { malformed } = reader
  const ofRows = [...faults]
    .filter(([fault]) => fault > 0 || fault === oversizeFault)
    .map(([fault, rows]) => ({
      ...(fault === oversizeFault ? { column: '', reason: 'is over the size limit' } : explain(fault, source, reader)),
      rows,
    }))
  const listed = [...Map.groupBy(malformed.listed, ({ reason }) => reason)].map(([reason, rows]) => ({
    column: '',
    reason,
    rows: rows.length,
  }))
  const more = malformed.rows - malformed.listed.length
  const others = more > 0 ? [{ column: '', reason: 'is no record', rows: more }] : []
  return [...ofRows, ...listed, ...others].sort((a, b) => b.rows - a.rows)
}

function after(steps: readonly TransformStepPlan[]): string {
  return steps.length === 0 ? '' : ` after ${steps.map(stepName).join(', ')}`
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Whether DuckDB complains about a file's content; false for all other errors (memory, disk, a statement of ours). */
function isOfContent(error: unknown): error is Error {
  const content =
    /^(Invalid Input|Invalid|IO|Conversion|Serialization) Error|TProtocol|Snappy|ZSTD|incorrect header check|invalid .*(block|code|distance)|unexpected end of file/i
  const other = /ENOSPC|No space left|Out of Memory|max_temp_directory_size|temporary|INTERNAL/i
  return error instanceof Error && content.test(error.message) && !other.test(error.message)
}

function unreadable(error: unknown, source: RecordSource): unknown {
  if (error instanceof JobError || !isOfContent(error)) return error
  return new JobError(
    'UnreadableFile',
    `it cannot be read as ${source.format}: ${visible(error.message.split('\n')[0]?.slice(0, 200) ?? '')}. Replace or remove it.`,
    error,
  )
}
