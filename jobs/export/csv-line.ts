import type { Column, ExportPlan } from '#crds'
import { identifier, literal } from '../engines/duckdb.ts'
import { transformed } from '../transform.ts'
import { statusColumn } from './file-names.ts'

type FileColumn = ExportPlan['columns'][number]
type FileFormat = Pick<ExportPlan['destination']['file'], 'delimiter' | 'nullValue'>

/** SQL for a column's text in the file, transformed and not yet quoted; null where the profile has no value. */
export function cellSql({ source, type, transform }: FileColumn): string {
  const steps = typeof transform !== 'string' ? transform : transform === 'None' ? [] : [transform]
  return transformed(textSql(identifier(source), type), steps, (other, otherType = 'string') =>
    textSql(identifier(other), otherType),
  ).sql
}

/** Whether a value of the column may need quoting. */
export function isTextColumn({ type, transform }: FileColumn): boolean {
  return type === 'string' || typeof transform !== 'string'
}

/** The profile columns that a file's columns are made of. */
export function profileColumnsOf(columns: readonly FileColumn[]): readonly Column[] {
  const found = columns.flatMap(({ source, type, transform }) => [
    { path: source, type },
    ...(typeof transform === 'string' ? [] : transform).flatMap((step) =>
      typeof step === 'object' && 'concat' in step
        ? step.concat.flatMap((part) =>
            typeof part === 'object' && part !== null ? [{ path: part.source, type: part.type ?? 'string' }] : [],
          )
        : [],
    ),
  ])
  return [...new Map(found.map((column) => [column.path, column])).values()]
}

/** SQL for a column's text, and whether that text may hold a delimiter, quote or line break and so need quoting. */
export type Cell = { readonly sql: string; readonly isText: boolean }

/**
 * SQL for one line without its line end: RFC 4180 quoting where needed, the null value for null, `""` for the empty string. Most lines
 * need no quoting at all, which one test of the whole line shows.
 */
export function lineSql(cells: readonly Cell[], format: FileFormat): string {
  const { delimiter, nullValue } = format
  const joined = (fields: readonly string[]) => `concat(${fields.join(`, ${literal(delimiter)}, `)})`
  const plain = joined(cells.map(({ sql }) => (nullValue === '' ? sql : `coalesce(${sql}, ${literal(nullValue)})`)))
  // Numbers and dates contain none of the usual delimiters.
  const texts = cells.filter(({ isText }) => isText || !/^[,;|\t]$/.test(delimiter)).map(({ sql }) => sql)
  const all = texts.length === 1 ? texts[0]! : `concat(${texts.join(', ')})`
  const special =
    texts.length === 0
      ? []
      : ['"', delimiter, '\n', '\r'].map((character) => `contains(${all}, ${literalOf(character)})`)
  const likeNull = cells.flatMap(({ sql, isText }) => [
    ...(isText ? [`${sql} = ''`] : []),
    ...(nullValue === '' ? [] : [`${sql} = ${literal(nullValue)}`]),
  ])
  const tests = [...special, ...likeNull]
  if (tests.length === 0) return plain
  return `(CASE WHEN ${tests.join(' OR ')} THEN ${joined(cells.map(({ sql }) => fieldSql(sql, format)))} ELSE ${plain} END)`
}

/** The header of a file, without its line end. */
export function headerLine(plan: ExportPlan): string {
  const { delimiter } = plan.destination.file
  const names = [
    ...plan.columns.map(({ target }) => target),
    ...(plan.membershipStatus === 'Include' ? [statusColumn] : []),
  ]
  return names
    .map((name) => (/["\r\n]/.test(name) || name.includes(delimiter) ? `"${name.replaceAll('"', '""')}"` : name))
    .join(delimiter)
}

function textSql(value: string, type: FileColumn['type']): string {
  switch (type) {
    case 'string':
      return value
    case 'number':
      return numberSql(value)
    case 'timestamp':
      return `(strftime(${value}, '%Y-%m-%dT%H:%M:%S') || CASE WHEN millisecond(${value}) % 1000 = 0 THEN 'Z' ELSE '.' || lpad((millisecond(${value}) % 1000)::VARCHAR, 3, '0') || 'Z' END)`
    default:
      return `${value}::VARCHAR`
  }
}

/** The shortest digits that give the same double again: no exponent from 1e-15 to 1e38, and no trailing `.0`. */
function numberSql(value: string): string {
  const text = `CAST(${value} AS VARCHAR)`
  const small = `(CASE WHEN ${value} < 0 THEN '-0.' ELSE '0.' END) || repeat('0', TRY_CAST(regexp_extract(${text}, 'e-(\\d+)$', 1) AS INTEGER) - 1) || replace(regexp_extract(${text}, '([\\d.]+)e', 1), '.', '')`
  return `(CASE
    WHEN contains(${text}, 'e+') AND abs(${value}) < 1e38 THEN TRY_CAST(${value} AS HUGEINT)::VARCHAR
    WHEN contains(${text}, 'e-') AND abs(${value}) >= 1e-15 THEN ${small}
    WHEN ends_with(${text}, '.0') THEN ${text}[:-3]
    ELSE ${text} END)`
}

function fieldSql(cell: string, { delimiter, nullValue }: FileFormat): string {
  const special = ['"', delimiter, '\n', '\r'].map((text) => `contains(${cell}, ${literalOf(text)})`).join(' OR ')
  // A text that looks like the null value is quoted, so that readers can tell them apart.
  const like = nullValue === '' ? `${cell} = ''` : `${cell} = '' OR ${cell} = ${literal(nullValue)}`
  return `(CASE WHEN ${cell} IS NULL THEN ${literal(nullValue)} WHEN ${like} OR ${special} THEN '"' || replace(${cell}, '"', '""') || '"' ELSE ${cell} END)`
}

function literalOf(character: string): string {
  return character < ' ' ? `chr(${character.charCodeAt(0)})` : literal(character)
}
