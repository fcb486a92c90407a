import { visible } from '#crds'
import { bytesOf } from '../bytes.ts'
import { type Engine, fileLiteral, identifier, literal, sqlTypeOf } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import type { Field, RecordSource, SourceFile } from './normalize.ts'
import { csvText, jsonText, type Malformed, type TextFile, type TextOptions } from './text.ts'
import { rawSql, readTypeOf, type SourceForm } from './values.ts'

/** How a file's rows reach the engine. */
export type Reader = {
  /**
   * A SELECT with one raw column for each field: r0, r1, … Fields named in `clears` also have a BOOLEAN column c0, c1, …: there is a
   * place for a value, and it is empty. "malformed" and "repeated" are BOOLEAN; repeated: a field that is read occurs twice. When
   * `numbered`, "$number" counts from 1 in the order of the file.
   */
  readonly select: (numbered: boolean) => string
  readonly fields: readonly (Field & { readonly form: SourceForm })[]
  /**
   * Fields that the file lacks, each with the name in it that may be meant, or null. Where every record has its own fields, these are
   * fields of `unfilled`, which no record has a value for, and which have such a name.
   */
  readonly missing: (unfilled: readonly string[]) => Promise<ReadonlyMap<string, string | null>>
  /** Names that occur twice. */
  readonly repeated: readonly string[]
  /** How many rows the engine must find; null where only the engine knows. */
  readonly records: number | null
  readonly malformed: Malformed
  readonly linesOf: TextFile['linesOf']
}

export async function openReader(
  engine: Engine,
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
  options: Omit<TextOptions, 'wanted'>,
): Promise<Reader> {
  const { partitions = {} } = file
  const own = fields.filter((field) => !Object.hasOwn(partitions, field.source))
  const reader =
    source.format === 'CSV'
      ? await csvReader(source, own, file, options)
      : source.format === 'Parquet'
        ? await parquetReader(engine, source, own, file)
        : await jsonReader(engine, own, file, source.format, options)
  if (own.length === fields.length) return reader
  return withPartitions(reader, fields, partitions)
}

/** Adds the names of folders as columns like any other. */
function withPartitions(
  reader: Reader,
  fields: readonly Field[],
  partitions: Readonly<Record<string, string | null>>,
): Reader {
  const all = fields.map(
    (field) => reader.fields.find((own) => own.column === field.column) ?? { ...field, form: 'text' as const },
  )
  const columns = all.map((field, index) => {
    const at = reader.fields.indexOf(field)
    if (at >= 0) return `r${at} AS r${index}${field.clears ? `, c${at} AS c${index}` : ''}`
    const value = partitions[field.source]
    return `${value === null || value === undefined ? 'NULL::VARCHAR' : literal(value)} AS r${index}${field.clears ? `, ${value === null} AS c${index}` : ''}`
  })
  // The inner SELECT has the reader's own column numbers, the outer one the numbers among all fields.
  return {
    ...reader,
    fields: all,
    select: (numbered) =>
      `SELECT ${[...(numbered ? ['"$number"'] : []), ...columns, 'malformed', 'repeated'].join(', ')} FROM (${reader.select(numbered)})`,
  }
}

/** The longest line of CSV, in bytes. By default the engine's buffers would hold sixteen of them each: more than a small store's memory. */
const lineBytes = 8 * 2 ** 20

async function csvReader(
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
  options: Omit<TextOptions, 'wanted'>,
): Promise<Reader> {
  const csv = source.csv ?? {}
  const wanted = new Set(fields.map((field) => field.source))
  const text = await csvText(file.path, csv, { ...options, wanted })
  const { header, columns } = text
  if (header.length === 0) throw new JobError('UnreadableFile', 'it is empty: a CSV file begins with a header.')
  requireColumns(source, fields, file, header)
  refuseRepeated(text.repeated, wanted)
  const delimiter = text.isOwn ? ',' : (csv.delimiter ?? ',')
  const read = `read_csv(${fileLiteral(text.path)}, hive_partitioning = false, compression = 'none', auto_detect = false, header = true, delim = ${literal(delimiter)},
    quote = '"', escape = '"', max_line_size = ${lineBytes}, buffer_size = ${4 * lineBytes}, columns = {${columns.map((_name, index) => `c${index}: 'VARCHAR'`).join(', ')}})`
  const nulls = csv.nullValues ?? []
  const raw = fields.map((field, index) => {
    const at = columns.indexOf(field.source)
    const cell =
      at < 0
        ? 'NULL::VARCHAR'
        : nulls.length === 0
          ? `c${at}`
          : `CASE WHEN c${at} NOT IN (${nulls.map(literal).join(', ')}) THEN c${at} END`
    return `${cell} AS r${index}${field.clears ? `, ${at < 0 ? 'false' : `${cell} IS NULL`} AS c${index}` : ''}`
  })
  return {
    select: (numbered) =>
      `SELECT ${numberSql(numbered)}${raw.join(', ')}, false AS malformed, false AS repeated FROM ${read}`,
    fields: fields.map((field) => ({ ...field, form: 'text' })),
    missing: missingOf(fields, header),
    repeated: text.repeated,
    records: text.records,
    malformed: text.malformed,
    linesOf: text.linesOf,
  }
}

async function jsonReader(
  engine: Engine,
  fields: readonly Field[],
  file: SourceFile,
  format: 'NDJSON' | 'JSON',
  options: Omit<TextOptions, 'wanted'>,
): Promise<Reader> {
  const text = await jsonText(file.path, format, { ...options, wanted: new Set() })
  // A name with points may be a key itself, or a path through objects.
  const paths = fields.flatMap(({ source }) =>
    source.includes('.') ? [jsonPath([source]), jsonPath(source.split('.'))] : [jsonPath([source])],
  )
  const read = ndjsonSql(text.path)
  const isNone = `coalesce(json_type(json), '') <> 'OBJECT'`
  // Of two values with the same name nobody knows which is meant, and the engine takes the first.
  const names = [...new Set(fields.flatMap(({ source }) => [source, source.split('.')[0] ?? '']))]
  const lines = await smallText(text.path)
  const isDoubtful = lines === null || mayRepeat(lines, names)
  const all = [...new Set([...paths, ...(isDoubtful ? names.map((name) => jsonPath([name])) : [])])]
  const placeOf = (path: string) => all.indexOf(path) + 1
  const present = names.map((name) => `(f[${placeOf(jsonPath([name]))}] IS NOT NULL)::INTEGER`)
  const keys = `len(list_filter(json_keys(json), lambda k: k IN (${names.map(literal).join(', ')})))`
  const raw = fields.map((field, index) => {
    const { source } = field
    const at = (path: readonly string[]) => `f[${placeOf(jsonPath(path))}]`
    const value = source.includes('.') ? `coalesce(${at([source])}, ${at(source.split('.'))})` : at([source])
    return `${rawSql(value, 'json', readTypeOf(field))} AS r${index}${field.clears ? `, coalesce(json_type(${value}) = 'NULL', false) AS c${index}` : ''}`
  })
  return {
    select: (
      numbered,
    ) => `SELECT ${numbered ? '"$number", ' : ''}${raw.join(', ')}, malformed, ${isDoubtful ? `keys > ${present.join(' + ')}` : 'false'} AS repeated FROM (
      SELECT ${numberSql(numbered)}json_extract(json, [${all.map(literal).join(', ')}]) AS f, ${isNone} AS malformed${isDoubtful ? `, ${keys} AS keys` : ''}
      FROM ${read})`,
    fields: fields.map((field) => ({ ...field, form: 'json' })),
    missing: async (unfilled) =>
      unfilled.length > 0 && (lines === null || mayHaveOthers(lines, fields))
        ? meant(engine, read, fields, unfilled)
        : new Map(),
    repeated: [],
    records: text.records,
    malformed: text.malformed,
    linesOf: text.linesOf,
  }
}

async function parquetReader(
  engine: Engine,
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
): Promise<Reader> {
  const relation = `read_parquet(${fileLiteral(file.path)}, hive_partitioning = false)`
  const columns = await parquetColumns(engine, relation, file)
  const names = columns.map(({ name }) => name)
  const repeated = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
  const found = await Promise.all(
    fields.map(async (field) => {
      const expression = expressionOf(columns, field.source)
      if (expression === null) return { field, expression, type: null }
      const [row] = await engine.rows(`DESCRIBE SELECT ${expression} AS x FROM ${relation}`)
      return { field, expression, type: String(row?.['column_type']) }
    }),
  )
  const present = found.filter(({ type }) => type !== null).map(({ field }) => field.source)
  requireColumns(source, fields, file, present, names)
  refuseRepeated(repeated, new Set(fields.map((field) => field.source)))
  const typed = found.map(({ field, expression, type }) => ({
    ...field,
    form: { parquet: type ?? sqlTypeOf(readTypeOf(field)) },
    expression: expression ?? `NULL::${sqlTypeOf(readTypeOf(field))}`,
    isThere: expression !== null,
  }))
  const raw = typed.map(
    ({ expression, form, clears, isThere, type, steps }, index) =>
      `${rawSql(expression, form, readTypeOf({ type, steps }))} AS r${index}${clears ? `, ${isThere ? `${expression} IS NULL` : 'false'} AS c${index}` : ''}`,
  )
  return {
    select: (numbered) =>
      `SELECT ${numberSql(numbered)}${raw.join(', ')}, false AS malformed, false AS repeated FROM ${relation}`,
    fields: typed,
    missing: missingOf(fields, present),
    repeated,
    records: null,
    malformed: { rows: 0, listed: [] },
    linesOf: async () => new Map(),
  }
}

/** A column by its name in the file, and by the engine's name for it, since names that differ only by case are the same to the engine. */
type ParquetColumn = { readonly name: string; readonly engineName: string; readonly fields: readonly ParquetColumn[] }

async function parquetColumns(engine: Engine, relation: string, file: SourceFile): Promise<readonly ParquetColumn[]> {
  const engineNames = (await engine.rows(`DESCRIBE SELECT * FROM ${relation}`)).map((row) => String(row['column_name']))
  const nodes = await engine.rows(
    `SELECT name, num_children AS children FROM parquet_schema(${fileLiteral(file.path)})`,
  )
  let at = 0
  const next = (): ParquetColumn => {
    const node = nodes[at++]
    const name = String(node?.['name'])
    return { name, engineName: name, fields: Array.from({ length: Number(node?.['children'] ?? 0) }, next) }
  }
  // The first element is the file itself.
  return next().fields.map((column, index) => ({ ...column, engineName: engineNames[index] ?? column.name }))
}

/** SQL for a column, or a field inside one, by its exact name; null where there is none. */
function expressionOf(columns: readonly ParquetColumn[], source: string): string | null {
  const own = columns.find(({ name }) => name === source)
  if (own) return identifier(own.engineName)
  const [first = '', ...rest] = source.split('.')
  let column = columns.find(({ name }) => name === first)
  if (!column || rest.length === 0) return null
  const parts = [identifier(column.engineName)]
  for (const name of rest) {
    column = column.fields.find((field) => field.name === name)
    if (!column) return null
    parts.push(identifier(name))
  }
  return parts.join('.')
}

/**
 * The names in the records of a file, mapped or not: columns, or dotted paths to values that are no objects. Only the first records
 * count.
 */
export async function fieldNamesOf(
  engine: Engine,
  source: RecordSource,
  file: SourceFile,
  options: Omit<TextOptions, 'wanted'>,
): Promise<readonly string[]> {
  const partitions = Object.keys(file.partitions ?? {})
  const own = async (): Promise<readonly string[]> => {
    if (source.format === 'CSV') {
      const { header, repeated } = await csvText(file.path, source.csv ?? {}, { ...options, wanted: new Set() })
      return header.filter((name) => name !== '' && !repeated.includes(name))
    }
    if (source.format === 'Parquet') {
      const relation = `read_parquet(${fileLiteral(file.path)}, hive_partitioning = false)`
      const types = await engine.rows(`DESCRIBE SELECT * FROM ${relation}`)
      const columns = await parquetColumns(engine, relation, file)
      const isStruct = (index: number) => /^STRUCT\(.*\)$/s.test(String(types[index]?.['column_type']))
      return columns.flatMap((column, index) =>
        isStruct(index) ? column.fields.map(({ name }) => `${column.name}.${name}`) : [column.name],
      )
    }
    const text = await jsonText(file.path, source.format, { ...options, wanted: new Set() })
    const [row] = await engine.rows(
      `SELECT json_group_structure(json) AS structure FROM (SELECT json FROM ${ndjsonSql(text.path)} WHERE json_type(json) = 'OBJECT' LIMIT 10000)`,
    )
    return pathsIn(JSON.parse(String(row?.['structure'] ?? '{}')))
  }
  const names = [...new Set(await own())]
  return [...names.filter((name) => !partitions.includes(name)), ...partitions]
}

/** The paths in a structure: `{"id": "VARCHAR", "user": {"mail": "VARCHAR"}}` has `id` and `user.mail`. */
function pathsIn(structure: unknown): readonly string[] {
  if (typeof structure !== 'object' || structure === null || Array.isArray(structure)) return []
  return Object.entries(structure).flatMap(([name, inside]) => {
    const below = pathsIn(inside)
    return below.length === 0 ? [name] : below.map((path) => `${name}.${path}`)
  })
}

function ndjsonSql(path: string): string {
  return `read_ndjson_objects(${fileLiteral(path)}, hive_partitioning = false, compression = 'uncompressed', ignore_errors = true)`
}

function numberSql(numbered: boolean): string {
  return numbered ? 'row_number() OVER () AS "$number", ' : ''
}

function missingOf(fields: readonly Field[], names: readonly string[]): Reader['missing'] {
  const missing = fields.filter((field) => !names.includes(field.source))
  return async () => new Map(missing.map((field) => [field.source, null]))
}

/**
 * The lines of a small file; null for a large one. Looking at a text is cheaper than a query, and there may be thousands of small files.
 */
async function smallText(path: string): Promise<readonly string[] | null> {
  let text: string | null = null
  for await (const piece of bytesOf(path)) {
    if (text !== null) return null
    text = piece.toString()
  }
  return (text ?? '').split('\n')
}

/** Everything that stands in quotes before a colon, also inside of texts. */
function keysIn(line: string): readonly string[] {
  return Array.from(line.matchAll(/"((?:[^"\\]|\\.)*)"\s*:/g), ([, key = '']) => key)
}

function mayHaveOthers(lines: readonly string[], fields: readonly Field[]): boolean {
  const known = new Set(fields.flatMap(({ source }) => [source, ...source.split('.')]))
  return lines.some((line) => keysIn(line).some((key) => !known.has(key)))
}

/** Whether one of the names may occur twice in a line; a key may be spelt with escapes. */
function mayRepeat(lines: readonly string[], names: readonly string[]): boolean {
  const wanted = new Set(names)
  return lines.some((line) => {
    if (line.includes('\\u')) return true
    const found = keysIn(line).filter((key) => wanted.has(key))
    return new Set(found).size < found.length
  })
}

/** For fields that no line has, a similar name that lines have and that nobody asks for. */
async function meant(
  engine: Engine,
  read: string,
  fields: readonly Field[],
  unfilled: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const source of unfilled) {
    const parents = source.split('.')
    const name = parents.pop() ?? ''
    const known = fields.flatMap((field) => [field.source, field.source.split('.')[parents.length] ?? ''])
    const bare = (text: string) => `lower(regexp_replace(${text}, '[^A-Za-z0-9]', '', 'g'))`
    const [row] = await engine.rows(`SELECT key FROM (
        SELECT DISTINCT unnest(json_keys(json, ${literal(jsonPath(parents))})) AS key FROM (SELECT json FROM ${read} LIMIT 1000))
      WHERE key NOT IN (${known.map(literal).join(', ')}) AND (${bare('key')} = ${bare(literal(name))}
        OR (length(key) > 3 AND damerau_levenshtein(lower(key), ${literal(name.toLowerCase())}) <= ${name.length > 5 ? 2 : 1}))
      ORDER BY damerau_levenshtein(key, ${literal(name)}), key LIMIT 1`)
    if (row) found.set(source, [...parents, String(row['key'])].join('.'))
  }
  return found
}

/** Throws for a wanted column that occurs twice: nobody knows which one is meant. */
function refuseRepeated(repeated: readonly string[], wanted: ReadonlySet<string>): void {
  const [name] = repeated.filter((one) => wanted.has(one))
  if (name !== undefined)
    throw new JobError('UnreadableFile', `it has the column ${visible(name)} twice. Give each a name of its own.`)
}

/** Throws where a column is missing that every record needs: this is the wrong file, not a file of bad rows. */
function requireColumns(
  source: RecordSource,
  fields: readonly Field[],
  file: SourceFile,
  names: readonly string[],
  listed = names,
): void {
  const isThere = (name: string) => names.includes(name) || Object.hasOwn(file.partitions ?? {}, name)
  const identities = fields.filter(({ isIdentity }) => isIdentity)
  const missing = fields.filter(({ required, source: name }) => required && !isThere(name)).map((field) => field.source)
  if (
    missing.length === 0 &&
    (source.record === 'Event' || identities.length === 0 || identities.some(({ source: name }) => isThere(name)))
  )
    return
  const wanted =
    missing.length > 0 ? missing.join(', ') : `any identity (${identities.map((field) => field.source).join(', ')})`
  throw new JobError(
    'UnreadableFile',
    `it has no column for ${visible(wanted)}; its columns are ${visible(listed.slice(0, 50).join(', ').slice(0, 500))}.${hintOf(source, listed)} Correct the Dataset's mapping or the file.`,
  )
}

/** A hint where a header looks as if it was cut at the wrong places. */
function hintOf({ format, csv }: RecordSource, names: readonly string[]): string {
  const [only = ''] = names
  if (format !== 'CSV') return ''
  const separator = /^sep=(.)$/i.exec(only)?.[1]
  if (separator !== undefined)
    return ` Its first line is for a spreadsheet: set csv.skipLines to 1${separator === (csv?.delimiter ?? ',') ? '' : ` and csv.delimiter to ${JSON.stringify(separator)}`}.`
  const other = names.length === 1 ? [';', '\t', '|', ','].find((delimiter) => only.includes(delimiter)) : undefined
  if (other !== undefined) return ` They are parted by ${JSON.stringify(other)}: set csv.delimiter to it.`
  if (/^\s*[{[]/.test(only)) return ' It looks like JSON.'
  if (/^\s*</.test(only)) return ' It looks like HTML or XML.'
  return ''
}

function jsonPath(names: readonly string[]): string {
  return `$${names.map((name) => `.${JSON.stringify(name)}`).join('')}`
}
