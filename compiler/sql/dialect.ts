import type { DataType } from '#crds'
import type { Unit } from '../pql/ast.ts'
import type { DatePart } from '../pql/ir.ts'
import type { Regex } from '../pql/regex.ts'

/**
 * How one engine says what the others also mean. Arguments are printed SQL, each used once unless a docstring says otherwise. Every
 * member must give the same value on every engine; where an engine's own function differs, it is corrected here.
 */
export type Dialect = {
  readonly identifier: (name: string) => string
  readonly text: (value: string) => string
  readonly double: (value: number) => string
  /** Epoch milliseconds as a TIMESTAMP without zone. */
  readonly timestamp: (milliseconds: number) => string
  readonly type: (type: DataType) => string
  readonly toTimestamp: (date: string) => string
  /** A number that orders times. */
  readonly epoch: (timestamp: string) => string
  readonly tryDate: (isoText: string) => string
  readonly shift: (timestamp: string, amount: number, unit: Unit) => string
  /** May use its argument several times. */
  readonly floor: (timestamp: string, unit: Unit) => string
  readonly part: (timestamp: string, part: DatePart) => string
  /** The wall clock of an IANA time zone, as a TIMESTAMP without zone. */
  readonly local: (timestamp: string, zone: string) => string
  /** null for infinities and NaN. May use its argument twice. */
  readonly finite: (double: string) => string
  /** null, or not finite, for a divisor of zero. */
  readonly divide: (left: string, right: string) => string
  /** The sign is that of the left side. null, or not finite, for a divisor of zero. */
  readonly remainder: (left: string, right: string) => string
  /** A whole DOUBLE as BIGINT; null from ±2^63 on. */
  readonly tryBigint: (double: string) => string

  readonly lambda: (parameters: readonly string[], body: string) => string
  /** Applies a lambda of one parameter to an argument of any type: gives a value a name wherever an expression may stand. */
  readonly apply: (lambda: string, argument: string) => string
  readonly list: (items: readonly string[], item: DataType) => string
  readonly filter: (list: string, lambda: string) => string
  readonly transform: (list: string, lambda: string) => string
  /** Whether an item satisfies the lambda; null or false where none does. */
  readonly any: (list: string, lambda: string) => string
  readonly length: (list: string) => string
  /** The item at an index from 1; null past the end. */
  readonly element: (list: string, index: number) => string
  /** The item at `index`, as a lambda over the list gets it. */
  readonly itemAt: (list: string, index: string) => string
  readonly flatten: (list: string) => string
  readonly contains: (list: string, item: string) => string
  /** Whether `item`, which a lambda over the list gets with `index`, is its first occurrence there. */
  readonly isFirst: (list: string, item: string, index: string) => string
  /** The list sorted ascending, by the fields of its structs in their order. */
  readonly sorted: (list: string) => string
  readonly slice: (list: string, count: number) => string
  readonly hasAny: (left: string, right: string) => string
  readonly hasAll: (list: string, items: string) => string
  /** Exact; null for an empty list. */
  readonly sumOfBigints: (list: string) => string
  readonly least: (list: string) => string
  readonly greatest: (list: string) => string
  readonly struct: (fields: readonly (readonly [name: string, value: string])[]) => string
  readonly field: (struct: string, name: string) => string
  /** A map from structs with the fields `key` and `value`. */
  readonly mapFromEntries: (entries: string) => string
  readonly mapEntries: (map: string) => string
  readonly mapGet: (map: string, key: string) => string
  readonly mapKeys: (map: string) => string
  readonly mapValues: (map: string) => string

  readonly textContains: (text: string, part: string) => string
  readonly startsWith: (text: string, part: string) => string
  readonly endsWith: (text: string, part: string) => string
  readonly like: (text: string, pattern: string) => string
  /** How many code points. */
  readonly textLength: (text: string) => string
  /** Without any of the characters at both ends. */
  readonly trim: (text: string, characters: string) => string
  readonly split: (text: string, separator: string) => string
  /** The same as `foldCase` of the reference interpreter. */
  readonly foldCase: (text: string) => string
  readonly matches: (text: string, regex: Regex) => string
  readonly regexGroup: (text: string, regex: Regex, group: number) => string

  /** An aggregate that collects values; `filter` is a condition or null. */
  readonly collect: (value: string, filter: string | null) => string
  /** An aggregate: the `count` greatest values, greatest first; null or empty where there is none. */
  readonly greatestFew: (value: string, count: number, filter: string | null) => string
  /** An aggregate that collects structs in the order of the keys, nulls first. */
  readonly collectSorted: (struct: string, keys: readonly string[], filter: string | null) => string
}

/** SQL's interval unit for each of ours, and how many of it make one of ours. */
export const intervalUnits: Readonly<Record<Unit, readonly [unit: string, factor: number]>> = {
  millisecond: ['MILLISECOND', 1],
  second: ['SECOND', 1],
  minute: ['MINUTE', 1],
  hour: ['HOUR', 1],
  day: ['DAY', 1],
  week: ['DAY', 7],
  month: ['MONTH', 1],
  year: ['MONTH', 12],
  decade: ['MONTH', 120],
  century: ['MONTH', 1200],
  millennium: ['MONTH', 12000],
}

/** Units that SQL's date_trunc cuts differently: ours start in years divisible by this. */
export const yearsOf: { readonly [unit in Unit]?: number } = { decade: 10, century: 100, millennium: 1000 }

export function filtered(filter: string | null): string {
  return filter === null ? '' : ` FILTER (WHERE ${filter})`
}
