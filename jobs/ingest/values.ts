import type { DatasetPlan, DataType } from '#crds'
import { identifier, literal, sqlTypeOf } from '../engines/duckdb.ts'

/** How a source field arrives: `text` as VARCHAR, `json` as JSON, or a Parquet column of the named DuckDB type. */
export type SourceForm = 'text' | 'json' | { readonly parquet: string }

/** How a Dataset writes its values; `expectationOf` describes what applies where a part is absent. */
export type Writing = Pick<DatasetPlan, 'timeFormats' | 'timeZone' | 'booleans' | 'decimal'>

type Constraints = DatasetPlan['mapping'][number]['constraints']

/** What is asked of a field's values besides their type. */
export type ValueRules = {
  readonly constraints?: Constraints
  /** Whether the values identify people: a whole number spelt as a decimal one is then refused. */
  readonly isIdentity?: boolean
  /** For times only: a number without a stated unit must lie from 1990 on and before this year. */
  readonly beforeYear?: number
}

/** The type in which a field's value is read; steps take text. */
export function readTypeOf({ type, steps }: { readonly type: DataType; readonly steps: readonly unknown[] }): DataType {
  return steps.length > 0 ? 'string' : type
}

/**
 * SQL for a source field as JSON, as text or as it is in Parquet; NULL where it is absent (SQL NULL or JSON null). `expression` is
 * evaluated once for each use.
 */
export function rawSql(expression: string, form: SourceForm, type: DataType): string {
  if (form === 'text') return expression
  if (form === 'json') return `CASE WHEN json_type(${expression}) <> 'NULL' THEN ${expression} END`
  const { parquet } = form
  if (isNative(parquet, type) || parquet === 'BLOB' || isTime(parquet) || isFloating(parquet)) return expression
  return typeof type === 'string' && !isNested(parquet) ? `CAST(${expression} AS VARCHAR)` : `to_json(${expression})`
}

/** SQL that makes a value of the DataType from what `rawSql` gave; NULL where it is no such value. */
export function valueSql(
  raw: string,
  form: SourceForm,
  type: DataType,
  writing: Writing = {},
  rules: ValueRules = {},
): string {
  const { constraints } = rules
  const value = typedSql(raw, form, type, scalarsOf(writing, rules), typeof type === 'string' ? undefined : constraints)
  return typeof type === 'string' ? constrained(value, constraints, 'v') : value
}

/** SQL for a value; NULL where the constraints do not allow it. */
function constrained(value: string, constraints: Constraints, name: string): string {
  const conditions = conditionsOf(constraints ?? {}, name)
  if (conditions.length === 0) return value
  // A list of one element gives the value a name for the conditions.
  return `list_transform([${value}], lambda ${name}: CASE WHEN ${conditions.join(' AND ')} THEN ${name} END)[1]`
}

function typedSql(raw: string, form: SourceForm, type: DataType, scalars: Scalars, constraints: Constraints): string {
  if (form === 'text')
    return typeof type === 'string' ? scalars.text[type](raw) : fromJson(jsonOfText(raw), type, 0, scalars, constraints)
  if (form === 'json') return fromJson(typeof type === 'string' ? raw : jsonOrText(raw), type, 0, scalars, constraints)
  const { parquet } = form
  if (parquet === 'BLOB') return typedSql(`TRY(decode(${raw}))`, 'text', type, scalars, constraints)
  if (isNested(parquet) || typeof type !== 'string')
    return typeof type === 'string' ? `NULL::${sqlTypeOf(type)}` : fromJson(raw, type, 0, scalars, constraints)
  if (isTime(parquet)) return scalars.time(raw, parquet, type)
  if (type !== 'string' && isNative(parquet, type)) return natives[type].value(raw)
  if (isFloating(parquet)) {
    const text = `CAST(${raw} AS VARCHAR)`
    return type === 'string' ? exactText(`CAST(${raw} AS DOUBLE)`, text) : scalars.number[type](text)
  }
  if (type === 'string' && parquet.startsWith('DECIMAL')) return `regexp_replace(${raw}, '\\.0+$', '')`
  return (parquet === 'VARCHAR' ? scalars.text : scalars.number)[type](raw)
}

/** For people: what a value of the type must look like. */
export function expectationOf(
  type: DataType,
  writing: Writing = {},
  { constraints, isIdentity }: ValueRules = {},
): string {
  if (typeof type !== 'string') {
    const inside = (of: Constraints) => (of ? { constraints: of } : {})
    if ('items' in type)
      return `a JSON array, each item ${expectationOf(type.items, writing, inside(constraints?.items))}`
    if ('values' in type)
      return `a JSON object, each value ${expectationOf(type.values, writing, inside(constraints?.values))}`
    const fields = Object.entries(constraints?.fields ?? {}).map(
      ([name, of]) => `, ${name} ${expectationOf(type.fields[name] ?? 'string', writing, inside(of))}`,
    )
    return `a JSON object of the schema’s fields${fields.join('')}`
  }
  const limits = Object.entries(constraints ?? {}).map(([name, limit]) =>
    Array.isArray(limit)
      ? ` that is one of ${limit.slice(0, 10).join(', ')}${limit.length > 10 ? ', …' : ''}`
      : ` of ${name} ${limit}`,
  )
  return `${expectedOf(type, writing, isIdentity ?? false)}${limits.join(',')}`
}

function expectedOf(type: ScalarName, { timeFormats, booleans, decimal }: Writing, isIdentity: boolean): string {
  if (timeFormats && (type === 'date' || type === 'timestamp'))
    return `a ${type === 'date' ? 'date' : 'time'} written as ${timeFormats.join(' or ')}`
  if (booleans && type === 'boolean') return [...booleans.trueValues, ...booleans.falseValues].join(', ')
  if (decimal === ',' && type === 'number') return 'a number with a decimal comma'
  if (isIdentity && type === 'string')
    return 'an identity: another tool took it for a decimal number, like 7.0 or 1.2E+16'
  return expectations[type]
}

const expectations = {
  string: 'text',
  integer: 'an integer between -9007199254740991 and 9007199254740991',
  number: 'a number',
  boolean: 'true, false, 1, 0, yes or no',
  date: 'a date like 2026-01-31',
  timestamp: 'a time like 2026-01-31T10:30:00Z or epoch milliseconds; timeFormats says others, such as EpochSeconds',
} as const

const largest = 2 ** 53 - 1

type ScalarName = Extract<DataType, string>
type Scalar = Readonly<Record<ScalarName, (text: string) => string>>

/** Each gives NULL for a value that it does not accept, and never fails. */
type Scalars = {
  /** Reads text, in the way that the Dataset says it is written. */
  readonly text: Scalar
  /** Reads the text of what was a number or a boolean. */
  readonly number: Scalar
  /** Reads a Parquet time of the named type. */
  readonly time: (raw: string, parquet: string, type: ScalarName) => string
}

function scalarsOf({ timeFormats, timeZone = 'UTC', booleans, decimal }: Writing, rules: ValueRules): Scalars {
  const isOneOf = (values: readonly string[], text: string) =>
    `lower(trim(${text})) IN (${values.map(literal).join(', ')})`
  const { trueValues, falseValues } = booleans ?? {
    trueValues: ['true', '1', 'yes'],
    falseValues: ['false', '0', 'no'],
  }
  const number: Scalar = {
    string: (text) => text,
    integer: (text) =>
      `CASE WHEN regexp_full_match(trim(${text}), '[+-]?[0-9]{1,30}(\\.0*)?') THEN ${inRange(`try_cast(regexp_replace(trim(${text}), '\\..*$', '') AS BIGINT)`)} END`,
    number: (text) =>
      `CASE WHEN regexp_full_match(trim(${text}), '[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?') THEN ${finite(`try_cast(trim(${text}) AS DOUBLE)`)} END`,
    boolean: (text) =>
      `CASE WHEN ${isOneOf(trueValues, text)} THEN true WHEN ${isOneOf(falseValues, text)} THEN false END`,
    date: (text) => (timeFormats ? dayOf(formatted(text, timeFormats, timeZone, null), timeZone) : isoDate(text)),
    timestamp: (text) =>
      timeFormats
        ? formatted(text, timeFormats, timeZone, null)
        : formatted(text, ['ISO8601', 'EpochMilliseconds'], timeZone, rules.beforeYear ?? null),
  }
  const commas = (text: string) => `CASE WHEN NOT contains(${text}, '.') THEN replace(${text}, ',', '.') END`
  return {
    number,
    text: {
      ...number,
      ...(rules.isIdentity && {
        // Almost no identity contains either character, and that is faster to see than that it is no such number.
        string: (text: string) =>
          `CASE WHEN NOT ((contains(${text}, '.') OR contains(${text}, '+')) AND regexp_full_match(${text}, '${decimalSpelling}')) THEN ${text} END`,
      }),
      ...(decimal === ',' && {
        integer: (text: string) => number.integer(commas(text)),
        number: (text: string) => number.number(commas(text)),
      }),
    },
    time: (raw, parquet, type) => {
      const isZoned = parquet === 'TIMESTAMP WITH TIME ZONE'
      const local = isZoned ? `(${raw} AT TIME ZONE 'UTC')` : `TRY_CAST(${raw} AS TIMESTAMP)`
      if (type === 'timestamp') return `date_trunc('milliseconds', ${isZoned ? local : atZone(local, timeZone)})`
      if (type === 'date') return dayOf(local, isZoned ? timeZone : 'UTC')
      return number[type](`CAST(${raw} AS VARCHAR)`)
    },
  }
}

/** A whole number that another tool wrote as a decimal one: digits may be lost. */
const decimalSpelling = '[+-]?[0-9]+(\\.0+|\\.[0-9]+[eE][+-]?[0-9]+|[eE]\\+[0-9]+)'

/** Text of a DOUBLE: a whole number without its fraction; NULL where a DOUBLE may not hold it exactly. */
function exactText(number: string, text: string): string {
  return `CASE WHEN NOT isfinite(${number}) THEN NULL WHEN ${number} <> trunc(${number}) THEN ${text}
    WHEN abs(${number}) <= ${largest} THEN CAST(CAST(${number} AS BIGINT) AS VARCHAR) END`
}

/** UTC by the first format that fits the text. */
function formatted(text: string, formats: readonly string[], timeZone: string, beforeYear: number | null): string {
  const trimmed = `trim(${text})`
  const epoch = (digits: number, microseconds: number) => {
    const at = `make_timestamp(try_cast(${trimmed} AS BIGINT) * ${microseconds})`
    const bounded = beforeYear === null ? at : `CASE WHEN year(${at}) BETWEEN 1990 AND ${beforeYear - 1} THEN ${at} END`
    return `CASE WHEN regexp_full_match(${trimmed}, '-?[0-9]{1,${digits}}') THEN ${bounded} END`
  }
  const tried = formats.map((format) => {
    if (format === 'EpochMilliseconds') return epoch(15, 1000)
    if (format === 'EpochSeconds') return epoch(12, 1_000_000)
    if (format === 'ISO8601') return isoTimestamp(text, timeZone)
    const parsed = `try_strptime(${trimmed}, ${literal(format)})`
    return `date_trunc('milliseconds', ${/%[zZ]/.test(format) ? `(${parsed} AT TIME ZONE 'UTC')` : atZone(parsed, timeZone)})`
  })
  return tried.length === 1 ? tried.join('') : `coalesce(${tried.join(', ')})`
}

function isoTimestamp(text: string, timeZone: string): string {
  const trimmed = `trim(${text})`
  return `CASE
    WHEN regexp_full_match(${trimmed}, '[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN ${atZone(`try_cast(${trimmed} AS TIMESTAMP)`, timeZone)}
    WHEN regexp_full_match(${trimmed}, '${datePart}${clock}(:[0-5][0-9](\\.[0-9]+)?)${offset}') THEN ${instant(`upper(${trimmed})`, timeZone)}
    WHEN regexp_full_match(${trimmed}, '${datePart}${clock}${offset}') THEN ${instant(`(upper(${trimmed})[1:16] || ':00' || upper(${trimmed})[17:])`, timeZone)}
  END`
}

// Midnight may follow the date: systems without a date type write it so. Any other time of day needs a zone to have a date.
function isoDate(text: string): string {
  return `CASE WHEN regexp_full_match(trim(${text}), '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ]00:00(:00(\\.0+)?)?[Zz]?)?') THEN try_cast(trim(${text})[1:10] AS DATE) END`
}

/** The date that begins at an instant (UTC) in the zone; NULL where none does. */
function dayOf(utc: string, timeZone: string): string {
  const local = timeZone === 'UTC' ? utc : `(${utc} AT TIME ZONE 'UTC' AT TIME ZONE ${literal(timeZone)})`
  return `CASE WHEN ${local} = date_trunc('day', ${local}) THEN CAST(${local} AS DATE) END`
}

/** UTC of a local time in the zone. */
function atZone(local: string, timeZone: string): string {
  return timeZone === 'UTC' ? local : `(${local} AT TIME ZONE ${literal(timeZone)} AT TIME ZONE 'UTC')`
}

const datePart = '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]'
const clock = '([01][0-9]|2[0-3]):[0-5][0-9]'
const offset = '( ?([Zz]|[+-](0[0-9]|1[0-8])(:?[0-5][0-9])?))?'

// Only TIMESTAMPTZ heeds the offset (TIMESTAMP drops it silently). Without an offset the session's time zone, UTC, applies.
function instant(text: string, timeZone: string): string {
  const utc = `(try_cast(regexp_replace(${text}, ' ([Z+-])', '\\1') AS TIMESTAMPTZ) AT TIME ZONE 'UTC')`
  const zoned =
    timeZone === 'UTC'
      ? utc
      : `CASE WHEN regexp_matches(${text}[11:], '[Z+-]') THEN ${utc} ELSE ${atZone(utc, timeZone)} END`
  return `date_trunc('milliseconds', ${zoned})`
}

function inRange(integer: string): string {
  return `CASE WHEN ${integer} BETWEEN -${largest} AND ${largest} THEN ${integer} END`
}

function finite(number: string): string {
  return `CASE WHEN isfinite(${number}) THEN ${number} END`
}

/** SQL conditions on the value that is named `v`. */
function conditionsOf(constraints: NonNullable<Constraints>, v: string): readonly string[] {
  const { enum: values, format, minimum, maximum, minLength, maxLength } = constraints
  return [
    ...(values ? [`${v} IN (${values.map(literal).join(', ')})`] : []),
    ...(format ? [`regexp_full_match(${v}, '${formatPatterns[format]}')`] : []),
    ...(minimum === undefined ? [] : [`${v} >= ${minimum}`]),
    ...(maximum === undefined ? [] : [`${v} <= ${maximum}`]),
    ...(minLength === undefined ? [] : [`length(${v}) >= ${minLength}`]),
    ...(maxLength === undefined ? [] : [`length(${v}) <= ${maxLength}`]),
  ]
}

const formatPatterns = {
  email: '[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)*',
  uri: '[A-Za-z][A-Za-z0-9+.-]*:[^\\s]+',
} as const

/** Parquet types that are read without going through text. */
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
} as const satisfies Record<ScalarName, { types: readonly string[]; value: (column: string) => string }>

function isNative(parquet: string, type: DataType): boolean {
  if (typeof type !== 'string') return false
  const types: readonly string[] = natives[type].types
  return types.includes(parquet)
}

function isTime(parquet: string): boolean {
  return /^(TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?|DATE)$/.test(parquet)
}

function isFloating(parquet: string): boolean {
  return parquet === 'DOUBLE' || parquet === 'FLOAT'
}

function isNested(parquet: string): boolean {
  return /\]$|^(STRUCT|MAP|UNION)\b/.test(parquet)
}

function jsonOfText(text: string): string {
  return `CASE WHEN json_valid(${text}) THEN CAST(${text} AS JSON) END`
}

/** JSON whose array or object may itself be written as text. */
function jsonOrText(json: string): string {
  return `CASE WHEN json_type(${json}) = 'VARCHAR' THEN ${jsonOfText(`(${json} ->> '$')`)} ELSE ${json} END`
}

/** Strict: one wrong item or field makes the whole value NULL. Inside arrays and objects a JSON null stays NULL. */
function fromJson(json: string, type: DataType, depth: number, scalars: Scalars, constraints: Constraints): string {
  if (typeof type === 'string') return constrained(scalarFromJson(json, type, scalars), constraints, `v${depth}`)
  if ('items' in type) {
    const item = `i${depth}`
    const items = `TRY(CAST(${json} AS JSON[]))`
    const inside = constraints?.items
    return `CASE WHEN json_type(${json}) = 'ARRAY' AND len(list_filter(${items}, lambda ${item}: ${isWrong(item, type.items, depth + 1, scalars, inside)})) = 0
      THEN list_transform(${items}, lambda ${item}: ${fromJson(item, type.items, depth + 1, scalars, inside)}) END`
  }
  if ('values' in type) {
    const entry = `i${depth}`
    const entries = `map_entries(TRY(CAST(${json} AS MAP(VARCHAR, JSON))))`
    const inside = constraints?.values
    return `CASE WHEN json_type(${json}) = 'OBJECT' AND len(list_distinct(json_keys(${json}))) = len(json_keys(${json}))
        AND len(list_filter(${entries}, lambda ${entry}: ${isWrong(`${entry}.value`, type.values, depth + 1, scalars, inside)})) = 0
      THEN map_from_entries(list_transform(${entries}, lambda ${entry}: struct_pack(key := ${entry}.key, value := ${fromJson(`${entry}.value`, type.values, depth + 1, scalars, inside)}))) END`
  }
  const fields = Object.entries(type.fields).map(([name, field]) => {
    const value = `json_extract(${json}, ${literal(`$.${JSON.stringify(name)}`)})`
    return { name, field, value, inside: constraints?.fields?.[name] }
  })
  if (fields.length === 0) return `CASE WHEN json_type(${json}) = 'OBJECT' THEN ${json} END`
  const wrong = fields
    .map(({ field, value, inside }) => `coalesce(${isWrong(value, field, depth + 1, scalars, inside)}, false)`)
    .join(' OR ')
  const packed = fields.map(
    ({ name, field, value, inside }) => `${identifier(name)} := ${fromJson(value, field, depth + 1, scalars, inside)}`,
  )
  return `CASE WHEN json_type(${json}) = 'OBJECT' AND NOT (${wrong}) THEN CAST(struct_pack(${packed.join(', ')}) AS ${sqlTypeOf(type)}) END`
}

function scalarFromJson(json: string, type: ScalarName, scalars: Scalars): string {
  const text = `(${json} ->> '$')`
  if (type === 'string')
    return `CASE json_type(${json}) WHEN 'VARCHAR' THEN ${scalars.text.string(text)} WHEN 'DOUBLE' THEN ${numberText(text)}
        WHEN 'ARRAY' THEN NULL WHEN 'OBJECT' THEN NULL ELSE ${text} END`
  const [asText, asNumber] = [scalars.text[type](text), scalars.number[type](text)]
  return asText === asNumber ? asText : `CASE json_type(${json}) WHEN 'VARCHAR' THEN ${asText} ELSE ${asNumber} END`
}

function isWrong(json: string, type: DataType, depth: number, scalars: Scalars, constraints: Constraints): string {
  return `(json_type(${json}) <> 'NULL' AND (${fromJson(json, type, depth, scalars, constraints)}) IS NULL)`
}

/** The text of a JSON number with a fraction or an exponent, or with more digits than an integer has. */
function numberText(text: string): string {
  return `CASE WHEN regexp_full_match(${text}, '-?[0-9]+') THEN ${text} ELSE ${exactText(`try_cast(${text} AS DOUBLE)`, text)} END`
}
