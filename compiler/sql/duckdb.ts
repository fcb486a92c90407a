import type { DataType } from '#crds'
import { re2Regex } from '../pql/regex.ts'
import { type Dialect, filtered, intervalUnits, yearsOf } from './dialect.ts'

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** `$now` and `$since` are the plan's placeholders; a text that contains one is joined from two parts. */
const text = (value: string): string => {
  const quoted = `'${value.replaceAll("'", "''")}'`
  const parted = quoted.replaceAll(/\$(?=now|since)/g, () => "$' || '")
  return parted === quoted ? quoted : `(${parted})`
}

function type(of: DataType): string {
  if (typeof of === 'object') {
    if ('items' in of) return `${type(of.items)}[]`
    if ('values' in of) return `MAP(VARCHAR, ${type(of.values)})`
    return `STRUCT(${Object.entries(of.fields)
      .map(([name, field]) => `${identifier(name)} ${type(field)}`)
      .join(', ')})`
  }
  return {
    string: 'VARCHAR',
    integer: 'BIGINT',
    number: 'DOUBLE',
    boolean: 'BOOLEAN',
    date: 'DATE',
    timestamp: 'TIMESTAMP',
  }[of]
}

/** Letters that DuckDB's `lower` leaves as they are: the final sigma, and the capital letters of Unicode 16. */
const garay = Array.from({ length: 22 }, (_, index) => index)
const capitals = String.fromCodePoint(
  0x3c2,
  0x1c89,
  0xa7cb,
  0xa7cc,
  0xa7da,
  0xa7dc,
  ...garay.map((index) => 0x10d50 + index),
)
const smalls = String.fromCodePoint(
  0x3c3,
  0x1c8a,
  0x264,
  0xa7cd,
  0xa7db,
  0x19b,
  ...garay.map((index) => 0x10d70 + index),
)

export const duckdb: Dialect = {
  identifier,
  text,
  double: (value) => `${value.toExponential()}::DOUBLE`,
  timestamp: (milliseconds) => `TIMESTAMP '${new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', '')}'`,
  type,
  toTimestamp: (date) => `CAST(${date} AS TIMESTAMP)`,
  epoch: (timestamp) => `epoch_ms(${timestamp})`,
  tryDate: (iso) => `TRY_CAST(${iso} AS DATE)`,
  shift: (timestamp, amount, unit) => {
    const [name, factor] = intervalUnits[unit]
    return `(${timestamp} ${amount < 0 ? '-' : '+'} INTERVAL (${Math.abs(amount) * factor}) ${name})`
  },
  floor: (timestamp, unit) => {
    if (unit === 'week') return `(date_trunc('week', ${timestamp} + INTERVAL 1 DAY) - INTERVAL 1 DAY)`
    const span = yearsOf[unit]
    return span
      ? `make_timestamp(year(${timestamp}) // ${span} * ${span}, 1, 1, 0, 0, 0.0)`
      : `date_trunc('${unit}', ${timestamp})`
  },
  part: (timestamp, part) => (part === 'weekday' ? `(dayofweek(${timestamp}) + 1)` : `${part}(${timestamp})`),
  local: (timestamp, zone) => `timezone(${text(zone)}, timezone('UTC', ${timestamp}))`,
  finite: (double) => `CASE WHEN isfinite(${double}) THEN ${double} END`,
  divide: (left, right) => `(${left} / ${right})`,
  remainder: (left, right) => `(${left} % ${right})`,
  tryBigint: (double) => `TRY_CAST(${double} AS BIGINT)`,

  lambda: (parameters, body) => `lambda ${parameters.join(', ')}: ${body}`,
  apply: (lambda, argument) => `list_extract(list_transform([${argument}], ${lambda}), 1)`,
  list: (items, item) => `CAST([${items.join(', ')}] AS ${type({ items: item })})`,
  filter: (list, lambda) => `list_filter(${list}, ${lambda})`,
  transform: (list, lambda) => `list_transform(${list}, ${lambda})`,
  any: (list, lambda) => `(len(list_filter(${list}, ${lambda})) > 0)`,
  length: (list) => `len(${list})`,
  element: (list, index) => `list_extract(${list}, ${index})`,
  itemAt: (list, index) => `list_extract(${list}, ${index})`,
  flatten: (list) => `flatten(${list})`,
  contains: (list, item) => `list_contains(${list}, ${item})`,
  isFirst: (list, item, index) => `list_position(${list}, ${item}) = ${index}`,
  sorted: (list) => `list_sort(${list})`,
  slice: (list, count) => `list_slice(${list}, 1, ${count})`,
  hasAny: (left, right) => `list_has_any(${left}, ${right})`,
  hasAll: (list, items) => `list_has_all(${list}, ${items})`,
  sumOfBigints: (list) => `list_sum(${list})`,
  least: (list) => `list_min(${list})`,
  greatest: (list) => `list_max(${list})`,
  struct: (fields) => `struct_pack(${fields.map(([name, value]) => `${identifier(name)} := ${value}`).join(', ')})`,
  field: (struct, name) => `struct_extract(${struct}, ${text(name)})`,
  mapFromEntries: (entries) => `map_from_entries(${entries})`,
  mapEntries: (map) => `map_entries(${map})`,
  mapGet: (map, key) => `map_extract_value(${map}, ${key})`,
  mapKeys: (map) => `map_keys(${map})`,
  mapValues: (map) => `map_values(${map})`,

  textContains: (whole, part) => `contains(${whole}, ${part})`,
  startsWith: (whole, part) => `starts_with(${whole}, ${part})`,
  endsWith: (whole, part) => `suffix(${whole}, ${part})`,
  like: (whole, pattern) => `(${whole} LIKE ${pattern})`,
  textLength: (whole) => `length(${whole})`,
  trim: (whole, characters) => `trim(${whole}, ${text(characters)})`,
  split: (whole, separator) => `string_split(${whole}, ${text(separator)})`,
  foldCase: (whole) => `translate(lower(replace(${whole}, 'İ', 'i')), '${capitals}', '${smalls}')`,
  matches: (whole, regex) => `regexp_matches(${whole}, ${text(re2Regex(regex))})`,
  regexGroup: (whole, regex, group) => `regexp_extract(${whole}, ${text(re2Regex(regex))}, ${group})`,

  collect: (value, filter) => `list(${value})${filtered(filter)}`,
  greatestFew: (value, count, filter) => `max(${value}, ${count})${filtered(filter)}`,
  collectSorted: (struct, keys, filter) =>
    `list(${struct} ORDER BY ${keys.map((key) => `${key} NULLS FIRST`).join(', ')})${filtered(filter)}`,
}
