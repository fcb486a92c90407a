import type { DataType } from '#crds'
import { identifier, literal, sqlTypeOf } from '../engines/duckdb.ts'

/** How a source field arrives: `text` VARCHAR, `json` JSON, or a Parquet column of the named DuckDB type. */
export type SourceForm = 'text' | 'json' | { readonly parquet: string }

/**
 * SQL for a source field as JSON or text, NULL where it is absent (SQL NULL, JSON null). `expression` is evaluated once per use.
 */
export function rawSql(expression: string, form: SourceForm, type: DataType): string {
  if (form === 'text') return expression
  if (form === 'json') return `CASE WHEN json_type(${expression}) <> 'NULL' THEN ${expression} END`
  if (isNative(form.parquet, type)) return expression
  return typeof type === 'string' ? `CAST(${expression} AS VARCHAR)` : `to_json(${expression})`
}

/** SQL that makes a value of the DataType of what `rawSql` gave; NULL where that is not one. */
export function valueSql(raw: string, form: SourceForm, type: DataType): string {
  if (form === 'text') return typeof type === 'string' ? scalars[type](raw) : fromJson(jsonOfText(raw), type, 0)
  if (form === 'json') return typeof type === 'string' ? fromJson(raw, type, 0) : fromJson(jsonOrText(raw), type, 0)
  if (isNative(form.parquet, type)) return typeof type === 'string' ? natives[type].value(raw) : raw
  return typeof type === 'string' ? scalars[type](raw) : fromJson(raw, type, 0)
}

/** What a person reads about a value that is not of the type. */
export function expectationOf(type: DataType): string {
  if (typeof type === 'string') return expectations[type]
  if ('items' in type) return `a JSON array, each item ${expectationOf(type.items)}`
  if ('values' in type) return `a JSON object, each value ${expectationOf(type.values)}`
  return 'a JSON object of the schema’s fields'
}

const expectations = {
  string: 'text',
  integer: 'an integer between -9007199254740991 and 9007199254740991',
  number: 'a number',
  boolean: 'true, false, 1, 0, yes or no',
  date: 'a date like 2026-01-31',
  timestamp: 'a time like 2026-01-31T10:30:00Z or epoch milliseconds',
} as const

const largest = 2 ** 53 - 1

/** From text. Each gives NULL for what it does not accept, and never fails. */
const scalars = {
  string: (text: string) => text,
  integer: (text: string) =>
    `CASE WHEN regexp_full_match(trim(${text}), '[+-]?[0-9]{1,30}(\\.0*)?') THEN ${inRange(`try_cast(regexp_replace(trim(${text}), '\\..*$', '') AS BIGINT)`)} END`,
  number: (text: string) =>
    `CASE WHEN regexp_full_match(trim(${text}), '[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?') THEN ${finite(`try_cast(trim(${text}) AS DOUBLE)`)} END`,
  boolean: (text: string) =>
    `CASE WHEN lower(trim(${text})) IN ('true', '1', 'yes') THEN true WHEN lower(trim(${text})) IN ('false', '0', 'no') THEN false END`,
  // A midnight may follow: that is how systems without a date type write one. Any other time of day needs a zone to have a day.
  date: (text: string) =>
    `CASE WHEN regexp_full_match(trim(${text}), '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]00:00(:00(\\.0+)?)?[Zz]?)?') THEN try_cast(trim(${text})[1:10] AS DATE) END`,
  timestamp: (text: string) => `CASE
    WHEN regexp_full_match(trim(${text}), '-?[0-9]{1,15}') THEN make_timestamp(try_cast(trim(${text}) AS BIGINT) * 1000)
    WHEN regexp_full_match(trim(${text}), '[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN try_cast(trim(${text}) AS TIMESTAMP)
    WHEN regexp_full_match(trim(${text}), '${datePart}${clock}(:[0-5][0-9](\\.[0-9]+)?)${offset}') THEN ${instant(`upper(trim(${text}))`)}
    WHEN regexp_full_match(trim(${text}), '${datePart}${clock}${offset}') THEN ${instant(`upper(trim(${text}))[1:16] || ':00' || upper(trim(${text}))[17:]`)}
  END`,
} as const satisfies Record<Extract<DataType, string>, (text: string) => string>

const datePart = '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]'
const clock = '([01][0-9]|2[0-3]):[0-5][0-9]'
const offset = '( ?([Zz]|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?))?'

// Only TIMESTAMPTZ heeds the offset (TIMESTAMP drops it silently); without one the session's time zone, UTC, holds.
function instant(text: string): string {
  return `date_trunc('milliseconds', try_cast(regexp_replace(${text}, ' ([Z+-])', '\\1') AS TIMESTAMPTZ) AT TIME ZONE 'UTC')`
}

function inRange(integer: string): string {
  return `CASE WHEN ${integer} BETWEEN -${largest} AND ${largest} THEN ${integer} END`
}

function finite(number: string): string {
  return `CASE WHEN isfinite(${number}) THEN ${number} END`
}

/** Parquet types that need no way through text. */
const natives = {
  string: { types: ['VARCHAR'], value: (column: string) => column },
  integer: {
    types: ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT'],
    value: (column: string) => `CAST(${inRange(column)} AS BIGINT)`,
  },
  number: {
    types: ['DOUBLE', 'TINYINT', 'SMALLINT', 'INTEGER'],
    value: (column: string) => finite(`CAST(${column} AS DOUBLE)`),
  },
  boolean: { types: ['BOOLEAN'], value: (column: string) => column },
  date: { types: ['DATE'], value: (column: string) => column },
  timestamp: { types: ['TIMESTAMP'], value: (column: string) => `date_trunc('milliseconds', ${column})` },
} as const satisfies Record<Extract<DataType, string>, { types: readonly string[]; value: (column: string) => string }>

function isNative(parquet: string, type: DataType): boolean {
  if (typeof type !== 'string') return false
  const types: readonly string[] = natives[type].types
  return types.includes(parquet)
}

function jsonOfText(text: string): string {
  return `CASE WHEN json_valid(${text}) THEN CAST(${text} AS JSON) END`
}

/** JSON in which the array or object may itself be written as text. */
function jsonOrText(json: string): string {
  return `CASE WHEN json_type(${json}) = 'VARCHAR' THEN ${jsonOfText(`(${json} ->> '$')`)} ELSE ${json} END`
}

/** Strict: one wrong item or field and the whole is NULL. Inside arrays and objects a JSON null stays a NULL. */
function fromJson(json: string, type: DataType, depth: number): string {
  if (typeof type === 'string') {
    const text = `(${json} ->> '$')`
    return type === 'string'
      ? `CASE WHEN json_type(${json}) NOT IN ('ARRAY', 'OBJECT') THEN ${text} END`
      : scalars[type](text)
  }
  if ('items' in type) {
    const item = `i${depth}`
    const items = `TRY(CAST(${json} AS JSON[]))`
    return `CASE WHEN json_type(${json}) = 'ARRAY' AND len(list_filter(${items}, lambda ${item}: ${isWrong(item, type.items, depth + 1)})) = 0
      THEN list_transform(${items}, lambda ${item}: ${fromJson(item, type.items, depth + 1)}) END`
  }
  if ('values' in type) {
    const entry = `i${depth}`
    const entries = `map_entries(TRY(CAST(${json} AS MAP(VARCHAR, JSON))))`
    return `CASE WHEN json_type(${json}) = 'OBJECT' AND len(list_distinct(json_keys(${json}))) = len(json_keys(${json}))
        AND len(list_filter(${entries}, lambda ${entry}: ${isWrong(`${entry}.value`, type.values, depth + 1)})) = 0
      THEN map_from_entries(list_transform(${entries}, lambda ${entry}: struct_pack(key := ${entry}.key, value := ${fromJson(`${entry}.value`, type.values, depth + 1)}))) END`
  }
  const fields = Object.entries(type.fields).map(([name, field]) => {
    const value = `json_extract(${json}, ${literal(`$.${JSON.stringify(name)}`)})`
    return { name, field, value }
  })
  if (fields.length === 0) return `CASE WHEN json_type(${json}) = 'OBJECT' THEN ${json} END`
  const wrong = fields.map(({ field, value }) => `coalesce(${isWrong(value, field, depth + 1)}, false)`).join(' OR ')
  const packed = fields.map(({ name, field, value }) => `${identifier(name)} := ${fromJson(value, field, depth + 1)}`)
  return `CASE WHEN json_type(${json}) = 'OBJECT' AND NOT (${wrong}) THEN CAST(struct_pack(${packed.join(', ')}) AS ${sqlTypeOf(type)}) END`
}

function isWrong(json: string, type: DataType, depth: number): string {
  return `(json_type(${json}) <> 'NULL' AND (${fromJson(json, type, depth)}) IS NULL)`
}
