import type { DataType } from '#crds'
import { javaRegex } from '../pql/regex.ts'
import { type Dialect, filtered, intervalUnits, yearsOf } from './dialect.ts'

/** Spark SQL as of Spark 4: ANSI mode, session time zone UTC, timestamps without zone (TIMESTAMP_NTZ). */
const identifier = (name: string): string => `\`${name.replaceAll('`', '``')}\``

/**
 * A backslash is an escape in Spark's texts. A bare dollar could be read as the plan's `$now`, or as `${…}`, which Spark replaces in any
 * SQL.
 */
const text = (value: string): string =>
  `'${value
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll('$', () => '\\u0024')}'`

function type(of: DataType): string {
  if (typeof of === 'object') {
    if ('items' in of) return `ARRAY<${type(of.items)}>`
    if ('values' in of) return `MAP<STRING, ${type(of.values)}>`
    return `STRUCT<${Object.entries(of.fields)
      .map(([name, field]) => `${identifier(name)}: ${type(field)}`)
      .join(', ')}>`
  }
  return {
    string: 'STRING',
    integer: 'BIGINT',
    number: 'DOUBLE',
    boolean: 'BOOLEAN',
    date: 'DATE',
    timestamp: 'TIMESTAMP_NTZ',
  }[of]
}

export const spark: Dialect = {
  identifier,
  text,
  double: (value) => `CAST('${value}' AS DOUBLE)`,
  timestamp: (milliseconds) =>
    `TIMESTAMP_NTZ '${new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', '')}'`,
  type,
  toTimestamp: (date) => `CAST(${date} AS TIMESTAMP_NTZ)`,
  epoch: (timestamp) => `unix_millis(CAST(${timestamp} AS TIMESTAMP_LTZ))`,
  tryDate: (iso) => `TRY_CAST(${iso} AS DATE)`,
  shift: (timestamp, amount, unit) => {
    const [name, factor] = intervalUnits[unit]
    const sign = amount < 0 ? '-' : '+'
    if (name === 'MILLISECOND')
      return `(${timestamp} ${sign} INTERVAL '${(Math.abs(amount) / 1000).toFixed(3)}' SECOND)`
    return `(${timestamp} ${sign} INTERVAL '${Math.abs(amount) * factor}' ${name})`
  },
  floor: (timestamp, unit) => {
    if (unit === 'week')
      return `(CAST(date_trunc('WEEK', ${timestamp} + INTERVAL '1' DAY) AS TIMESTAMP_NTZ) - INTERVAL '1' DAY)`
    const span = yearsOf[unit]
    return span
      ? `CAST(make_date(CAST(floor(year(${timestamp}) / ${span}) * ${span} AS INT), 1, 1) AS TIMESTAMP_NTZ)`
      : `CAST(date_trunc('${unit}', ${timestamp}) AS TIMESTAMP_NTZ)`
  },
  part: (timestamp, part) => `CAST(${part === 'weekday' ? 'dayofweek' : part}(${timestamp}) AS BIGINT)`,
  local: (timestamp, zone) => `convert_timezone('UTC', ${text(zone)}, ${timestamp})`,
  // NaN is greater than every number in Spark.
  finite: (double) => `CASE WHEN abs(${double}) < DOUBLE('Infinity') THEN ${double} END`,
  divide: (left, right) => `try_divide(${left}, ${right})`,
  remainder: (left, right) => `try_mod(${left}, ${right})`,
  // Spark's cast accepts 2^63 itself, as the greatest BIGINT.
  tryBigint: (double) => `nullif(TRY_CAST(${double} AS BIGINT), 9223372036854775807L)`,

  // A single parameter must not stand in parentheses.
  lambda: (parameters, body) => `${parameters.length === 1 ? parameters[0] : `(${parameters.join(', ')})`} -> ${body}`,
  apply: (lambda, argument) => `get(transform(array(${argument}), ${lambda}), 0)`,
  list: (items, item) => `CAST(array(${items.join(', ')}) AS ${type({ items: item })})`,
  filter: (list, lambda) => `filter(${list}, ${lambda})`,
  transform: (list, lambda) => `transform(${list}, ${lambda})`,
  any: (list, lambda) => `exists(${list}, ${lambda})`,
  length: (list) => `size(${list})`,
  element: (list, index) => `get(${list}, ${index - 1})`,
  itemAt: (list, index) => `get(${list}, ${index})`,
  flatten: (list) => `flatten(${list})`,
  contains: (list, item) => `array_contains(${list}, ${item})`,
  isFirst: (list, item, index) => `array_position(${list}, ${item}) = ${index} + 1`,
  sorted: (list) => `array_sort(${list})`,
  slice: (list, count) => `slice(${list}, 1, ${count})`,
  hasAny: (left, right) => `arrays_overlap(${left}, ${right})`,
  hasAll: (list, items) => `(size(array_except(${items}, ${list})) = 0)`,
  sumOfBigints: (list) =>
    `aggregate(${list}, CAST(NULL AS DECIMAL(38, 0)), (total, item) -> CAST(coalesce(total, 0) + item AS DECIMAL(38, 0)))`,
  least: (list) => `array_min(${list})`,
  greatest: (list) => `array_max(${list})`,
  struct: (fields) => `named_struct(${fields.map(([name, value]) => `${text(name)}, ${value}`).join(', ')})`,
  field: (struct, name) => `${struct}.${identifier(name)}`,
  mapFromEntries: (entries) => `map_from_entries(${entries})`,
  mapEntries: (map) => `map_entries(${map})`,
  mapGet: (map, key) => `try_element_at(${map}, ${key})`,
  mapKeys: (map) => `map_keys(${map})`,
  mapValues: (map) => `map_values(${map})`,

  textContains: (whole, part) => `contains(${whole}, ${part})`,
  startsWith: (whole, part) => `startswith(${whole}, ${part})`,
  endsWith: (whole, part) => `endswith(${whole}, ${part})`,
  // Spark's LIKE takes `_` for half of a character beyond the basic plane, and a backslash for an escape.
  like: (whole, pattern) => {
    const escaped = `regexp_replace(${pattern}, '[^A-Za-z0-9%_]', ${text('\\\\$0')})`
    return `regexp_like(${whole}, concat(${text('(?s)\\A')}, replace(replace(${escaped}, '%', '.*'), '_', '.'), ${text('\\z')}))`
  },
  textLength: (whole) => `CAST(char_length(${whole}) AS BIGINT)`,
  trim: (whole, characters) => `trim(BOTH ${text(characters)} FROM ${whole})`,
  // The separator of Spark's `split` is a regular expression.
  split: (whole, separator) =>
    `split(${whole}, ${text(separator.replace(/[^\p{L}\p{N}]/gu, (character) => `\\${character}`))}, -1)`,
  foldCase: (whole) => `replace(lower(replace(${whole}, 'İ', 'i')), 'ς', 'σ')`,
  matches: (whole, regex) => `regexp_like(${whole}, ${text(javaRegex(regex))})`,
  regexGroup: (whole, regex, group) => `regexp_extract(${whole}, ${text(javaRegex(regex))}, ${group})`,

  collect: (value, filter) => `collect_list(${value})${filtered(filter)}`,
  greatestFew: (value, count, filter) =>
    `slice(sort_array(collect_list(${value})${filtered(filter)}, false), 1, ${count})`,
  // A Spark aggregate cannot be ordered, and what it collects may contain maps, which cannot be sorted: sort keys and places instead.
  collectSorted: (struct, keys, filter) => {
    const key = (index: number): string => `\`#k${index}\``
    const pairs = `collect_list(named_struct(${keys.map((sql, index) => `'#k${index}', ${sql}`).join(', ')}, '#value', ${struct}))${filtered(filter)}`
    const places = `transform(\`#all\`, (\`#x\`, \`#i\`) -> named_struct(${keys.map((_, index) => `'#k${index}', \`#x\`.${key(index)}`).join(', ')}, '#i', \`#i\`))`
    return spark.apply(
      `\`#all\` -> transform(array_sort(${places}), \`#r\` -> get(\`#all\`, \`#r\`.\`#i\`).\`#value\`)`,
      pairs,
    )
  },
}
