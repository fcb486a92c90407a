import type { DataType } from '#crds'
import { unreachable } from '../unreachable.ts'
import { floor, isWithinCalendar, makeDate, parseTime, shift } from './calendar.ts'
import { blanks, type Condition, type Fold, itemNumber, type Value } from './ir.ts'
import { javaScriptRegex, type Regex } from './regex.ts'

/** A value at run time; dates and timestamps are epoch milliseconds. */
export type Datum = string | number | boolean | null | readonly Datum[] | DatumObject | ReadonlyMap<string, Datum>
export type DatumObject = { readonly [name: string]: Datum }

/** A profile as in the union schema, and its events; both normalized by `readDatum`. */
export type Person = {
  readonly attributes: DatumObject
  readonly events: readonly DatumObject[]
  /** The Segments that the person is or was in by the version before the evaluation; absent: none. */
  readonly memberships?: Memberships
}

/** What is known of each Segment by its name; `since` in epoch milliseconds. */
export type Memberships = ReadonlyMap<string, { readonly status: 'realized' | 'exited'; readonly since: number }>

export type EvaluationContext = {
  /** Evaluation instant in epoch milliseconds. */
  readonly now: number
  /** Whether the person is in that Segment at this instant. */
  readonly inSegment: (name: string) => boolean
  /**
   * Called with each node that compares or takes apart times on the way to the answer; `valueAt` gives a value there at another instant.
   */
  readonly observe?: (node: Condition | Value, valueAt: (value: Value, now: number) => Datum) => void
}

/** The reference executor: one person at a time, directly from the meaning of each node. The engines must give the same answer. */
export function holds(condition: Condition, person: Person, context: EvaluationContext): boolean {
  return test(condition, frameOf(person, context))
}

/** Shows how `holds` finds its answer: values, and conditions on one item, given what the part's free variables stand for. */
export type Examiner = {
  readonly valueOf: (value: Value) => Datum
  readonly holdsFor: (condition: Condition, variables: ReadonlyMap<number, Datum>) => boolean
  /** Events up to the evaluation instant, oldest first. */
  readonly events: readonly DatumObject[]
}

export function examinerOf(person: Person, context: EvaluationContext): Examiner {
  const frame = frameOf(person, context)
  return {
    valueOf: (value) => evaluate(value, frame),
    holdsFor: (condition, variables) => test(condition, { ...frame, variables }),
    events: frame.events,
  }
}

function frameOf(person: Person, context: EvaluationContext): Frame {
  // An event later than the evaluation instant has not happened yet.
  const events = person.events
    .filter((event) => typeof event['timestamp'] === 'number' && event['timestamp'] <= context.now)
    .sort(inOrder)
  const { attributes, memberships } = person
  return { attributes, memberships, events, context, variables: new Map(), regexes: new Map(), zones: new Map() }
}

/**
 * Oldest first. Events of the same instant are ordered by their scalar fields, in the order of the dotted names: absent values first,
 * text by code point. Two events that agree in all of these have no order.
 */
function inOrder(a: DatumObject, b: DatumObject): number {
  const byTime = compareScalars(a['timestamp'] ?? null, b['timestamp'] ?? null)
  if (byTime !== 0) return byTime
  const [left, right] = [scalarsOf(a), scalarsOf(b)]
  for (const path of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    const order = compareScalars(left.get(path) ?? null, right.get(path) ?? null)
    if (order !== 0) return order
  }
  return 0
}

function scalarsOf(object: DatumObject, prefix = ''): Map<string, Datum> {
  const found = new Map<string, Datum>()
  for (const [name, datum] of Object.entries(object)) {
    if (isObject(datum)) for (const [path, inner] of scalarsOf(datum, `${prefix}${name}.`)) found.set(path, inner)
    else if (typeof datum !== 'object') found.set(prefix + name, datum)
  }
  return found
}

function compareScalars(a: Datum, b: Datum): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1
  if (typeof a !== 'string' || typeof b !== 'string') return a < b ? -1 : a > b ? 1 : 0
  if (a === b) return 0
  // By UTF-16 units, characters beyond the basic plane (surrogates) would sort before the plane's last part.
  let at = 0
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1
  const rank = (text: string): number => {
    const unit = at < text.length ? text.charCodeAt(at) : -1
    return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
  }
  return rank(a) - rank(b)
}

type Frame = {
  readonly attributes: DatumObject
  readonly memberships: Memberships | undefined
  readonly events: readonly DatumObject[]
  readonly context: EvaluationContext
  readonly variables: ReadonlyMap<number, Datum>
  readonly regexes: Map<Regex, RegExp>
  readonly zones: Map<string, Intl.DateTimeFormat>
}

function bind(frame: Frame, variable: number, value: Datum): Frame {
  return { ...frame, variables: new Map([...frame.variables, [variable, value]]) }
}

function test(condition: Condition, frame: Frame): boolean {
  switch (condition.kind) {
    case 'constant':
      return condition.value
    case 'and':
      return condition.items.every((item) => test(item, frame))
    case 'or':
      return condition.items.some((item) => test(item, frame))
    case 'not':
      return !test(condition.item, frame)
    case 'compare': {
      if (condition.of === 'instant') observe(condition, frame)
      const left = evaluate(condition.left, frame)
      const right = evaluate(condition.right, frame)
      if (left === null || right === null) return false
      if (condition.of === 'list') return areAlike(left, right) === (condition.op === '=')
      switch (condition.op) {
        case '=':
          return left === right
        case '!=':
          return left !== right
        case '<':
          return left < right
        case '<=':
          return left <= right
        case '>':
          return left > right
        case '>=':
          return left >= right
        default:
          return unreachable(condition.op)
      }
    }
    case 'within': {
      observe(condition, frame)
      const subject = evaluate(condition.subject, frame)
      if (subject === null) return false
      const from = condition.from && evaluate(condition.from.value, frame)
      const to = condition.to && evaluate(condition.to.value, frame)
      if ((condition.from && from === null) || (condition.to && to === null)) return false
      if (condition.from && !(condition.from.inclusive ? subject >= from! : subject > from!)) return false
      return !(condition.to && !(condition.to.inclusive ? subject <= to! : subject < to!))
    }
    case 'isTrue':
      return evaluate(condition.value, frame) === true
    case 'isDefined':
      return evaluate(condition.value, frame) !== null
    case 'any':
      return (list(condition.list, frame) ?? []).some((item) =>
        test(condition.where, bind(frame, condition.variable, item)),
      )
    case 'text': {
      let left = evaluate(condition.left, frame)
      let right = evaluate(condition.right, frame)
      if (typeof left !== 'string' || typeof right !== 'string') return false
      if (condition.ignoreCase) [left, right] = [foldCase(left), foldCase(right)]
      const result = textTest(condition.test, left, right)
      return condition.negated ? !result : result
    }
    case 'matches': {
      const value = evaluate(condition.value, frame)
      return typeof value === 'string' && compiled(condition.regex, frame).test(value)
    }
    case 'includes': {
      const items = list(condition.list, frame)
      const item = evaluate(condition.item, frame)
      return items !== null && item !== null && items.includes(item) !== condition.negated
    }
    case 'overlap': {
      const left = list(condition.left, frame)
      const right = list(condition.right, frame)
      if (left === null || right === null) return false
      if (condition.test === 'intersects') return left.some((item) => right.includes(item))
      return condition.test === 'subsetOf'
        ? left.every((item) => right.includes(item))
        : right.every((item) => left.includes(item))
    }
    case 'segment':
      return frame.context.inSegment(condition.name)
    case 'sequence': {
      // Taking the earliest possible events leaves the most room for later steps.
      let after = Number.NEGATIVE_INFINITY
      for (const { what, count } of condition.steps) {
        const times = frame.events
          .filter(
            (event) => (event['timestamp'] as number) > after && test(what, bind(frame, condition.variable, event)),
          )
          .map((event) => event['timestamp'] as number)
        const reached = times[count - 1]
        if (reached === undefined) return false
        after = reached
      }
      return true
    }
    default:
      return unreachable(condition)
  }
}

function evaluate(value: Value, frame: Frame): Datum {
  switch (value.kind) {
    case 'literal':
      return value.value
    case 'column':
      return dig(frame.attributes, value.path.split('.'))
    case 'qualified':
      return frame.memberships?.get(value.segment)?.[value.part] ?? null
    case 'events':
      return frame.events
    case 'variable':
      return frame.variables.get(value.id) ?? null
    case 'member':
      return value.path.at(-1) === itemNumber
        ? placeOf(dig(evaluate(value.object, frame), value.path.slice(0, -1)), frame)
        : dig(evaluate(value.object, frame), value.path)
    case 'arithmetic': {
      const left = evaluate(value.left, frame)
      const right = evaluate(value.right, frame)
      if (typeof left !== 'number' || typeof right !== 'number') return null
      const result =
        value.op === '+'
          ? left + right
          : value.op === '-'
            ? left - right
            : value.op === '*'
              ? left * right
              : value.op === '/'
                ? left / right
                : left % right
      return Number.isFinite(result) ? result : null
    }
    case 'whole':
      return onNumber(evaluate(value.of, frame), (of) => (of >= -(2 ** 63) && of < 2 ** 63 ? of : null))
    case 'truth':
      return test(value.condition, frame)
    case 'choose':
      return evaluate(test(value.test, frame) ? value.yes : value.no, frame)
    case 'let':
      return evaluate(value.body, bind(frame, value.variable, evaluate(value.value, frame)))
    case 'now':
      return frame.context.now
    case 'instant':
      return evaluate(value.value, frame)
    case 'shift':
      return onNumber(evaluate(value.base, frame), (base) => shift(base, value.amount, value.unit))
    case 'floor':
      return onNumber(evaluate(value.base, frame), (base) => floor(base, value.unit))
    case 'part':
      observe(value, frame)
      return onNumber(evaluate(value.of, frame), (of) => {
        const date = new Date(of)
        switch (value.part) {
          case 'year':
            return date.getUTCFullYear()
          case 'month':
            return date.getUTCMonth() + 1
          case 'day':
            return date.getUTCDate()
          case 'weekday':
            return date.getUTCDay() + 1
          case 'hour':
            return date.getUTCHours()
        }
      })
    case 'epoch':
      return evaluate(value.of, frame)
    case 'local':
      return onNumber(evaluate(value.of, frame), (of) => wallClock(of, value.zone, frame))
    case 'textLength':
      return onText(evaluate(value.of, frame), (text) => [...text].length)
    case 'trim':
      return onText(evaluate(value.of, frame), trimmed)
    case 'concat': {
      const texts = value.items.map((item) => evaluate(item, frame))
      return texts.every((text) => typeof text === 'string') ? texts.join('') : null
    }
    case 'split':
      return onText(evaluate(value.of, frame), (text) => text.split(value.by))
    case 'makeDate': {
      const [year, month, day] = [value.year, value.month, value.day].map((part) => evaluate(part, frame))
      return typeof year === 'number' && typeof month === 'number' && typeof day === 'number'
        ? makeDate(year, month, day)
        : null
    }
    case 'list':
      return value.items.map((item) => evaluate(item, frame)).filter((item) => item !== null)
    case 'filter':
      return list(value.list, frame)?.filter((item) => test(value.where, bind(frame, value.variable, item))) ?? null
    case 'map':
      return (
        list(value.list, frame)
          ?.map((item) => evaluate(value.to, bind(frame, value.variable, item)))
          .filter((item) => item !== null) ?? null
      )
    case 'flatten':
      return (list(value.list, frame) as readonly (readonly Datum[])[] | null)?.flat() ?? null // the checker flattens lists of lists only
    case 'distinct': {
      const items = list(value.list, frame)
      return items && [...new Set(items)]
    }
    case 'top': {
      const ranked = list(value.list, frame)
        ?.map((item) => ({ item, by: evaluate(value.by, bind(frame, value.variable, item)) }))
        .filter((entry): entry is { item: Datum; by: number } => typeof entry.by === 'number')
      if (!ranked) return null
      const sign = value.order === 'highest' ? -1 : 1
      return ranked
        .sort((a, b) => sign * (a.by - b.by))
        .slice(0, value.count)
        .map((entry) => entry.item)
    }
    case 'first':
      return list(value.list, frame)?.[0] ?? null
    case 'intersection': {
      const left = list(value.left, frame)
      const right = list(value.right, frame)
      const common = left && right ? [...new Set(left)].filter((item) => right.includes(item)) : []
      return common.length > 0 ? common : null
    }
    case 'groupBy': {
      const items = list(value.list, frame)
      if (!items) return null
      const groups = new Map<string, Datum[]>()
      for (const item of items) {
        const key = evaluate(value.key, bind(frame, value.variable, item))
        if (key === null) continue
        const group = groups.get(String(key))
        if (group) group.push(item)
        else groups.set(String(key), [item])
      }
      return groups
    }
    case 'fold':
      return foldList(value.fold, list(value.list, frame) ?? [])
    case 'get': {
      const map = evaluate(value.map, frame)
      const key = evaluate(value.key, frame)
      return map instanceof Map && typeof key === 'string' ? (map.get(key) ?? null) : null
    }
    case 'keys': {
      const map = evaluate(value.map, frame)
      return map instanceof Map ? [...map.keys()] : null
    }
    case 'values': {
      const map = evaluate(value.map, frame)
      return map instanceof Map ? [...map.values()].filter((item) => item !== null) : null
    }
    case 'mapEntries': {
      const map = evaluate(value.map, frame)
      if (!(map instanceof Map)) return null
      const result = new Map<string, Datum>()
      for (const [key, item] of map) {
        const inner = bind(bind(frame, value.keyVariable, key), value.valueVariable, item)
        const newKey = evaluate(value.key, inner)
        const newValue = evaluate(value.value, inner)
        // Of entries with the same new key the first one stays.
        if (typeof newKey === 'string' && newValue !== null && !result.has(newKey)) result.set(newKey, newValue)
      }
      return result
    }
    case 'regexGroup': {
      const text = evaluate(value.value, frame)
      const found = typeof text === 'string' ? compiled(value.regex, frame).exec(text) : null
      return found ? (found[value.group] ?? '') : null
    }
    case 'record':
      return Object.fromEntries(value.fields.map((field) => [field.name, evaluate(field.value, frame)]))
    default:
      return unreachable(value)
  }
}

function observe(node: Condition | Value, frame: Frame): void {
  const { observe, inSegment } = frame.context
  observe?.(node, (value, now) => evaluate(value, { ...frame, context: { now, inSegment } }))
}

function list(value: Value, frame: Frame): readonly Datum[] | null {
  const result = evaluate(value, frame)
  return Array.isArray(result) ? result : null
}

function dig(datum: Datum, path: readonly string[]): Datum {
  let current: Datum = datum
  for (const name of path) {
    if (!isObject(current)) return null
    current = current[name] ?? null
  }
  return current
}

/** An event's place among all events; null for an absent one. */
function placeOf(event: Datum, { events }: Frame): Datum {
  const place = isObject(event) ? events.indexOf(event) : -1
  return place < 0 ? null : place
}

function areAlike(left: Datum, right: Datum): boolean {
  if (!Array.isArray(left) || !Array.isArray(right)) return left === right
  return left.length === right.length && left.every((item, index) => areAlike(item, right[index]))
}

function isObject(datum: Datum): datum is DatumObject {
  return typeof datum === 'object' && datum !== null && !Array.isArray(datum) && !(datum instanceof Map)
}

function onNumber(datum: Datum, change: (number: number) => Datum): Datum {
  return typeof datum === 'number' ? change(datum) : null
}

function onText(datum: Datum, change: (text: string) => Datum): Datum {
  return typeof datum === 'string' ? change(datum) : null
}

function trimmed(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && blanks.includes(text[start]!)) start += 1
  while (end > start && blanks.includes(text[end - 1]!)) end -= 1
  return text.slice(start, end)
}

/** What clocks show in a zone, in epoch milliseconds as if it were UTC. A zone's calendar is made once. */
function wallClock(milliseconds: number, timeZone: string, { zones }: Frame): number {
  const zone =
    zones.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      hourCycle: 'h23',
    })
  zones.set(timeZone, zone)
  const part = new Map(zone.formatToParts(milliseconds).map(({ type, value }) => [type, Number(value)]))
  const local = new Date(0)
  local.setUTCFullYear(part.get('year')!, part.get('month')! - 1, part.get('day')!)
  local.setUTCHours(part.get('hour')!, part.get('minute')!, part.get('second')!)
  return local.getTime() + (((milliseconds % 1000) + 1000) % 1000)
}

function foldList(fold: Fold, items: readonly Datum[]): Datum {
  const numbers = items.filter((item) => typeof item === 'number')
  switch (fold) {
    case 'count':
      return items.length
    case 'sum':
    case 'average': {
      const millionths = numbers
        .map((number) => roundHalfAway(number * 1e6))
        .filter((number) => number >= -(2 ** 63) && number < 2 ** 63)
      const sum = Number(millionths.reduce((total, number) => total + BigInt(number), 0n)) / 1e6
      return fold === 'sum' ? sum : millionths.length > 0 ? sum / millionths.length : null
    }
    case 'min':
      return numbers.length > 0 ? numbers.reduce((a, b) => Math.min(a, b)) : null
    case 'max':
      return numbers.length > 0 ? numbers.reduce((a, b) => Math.max(a, b)) : null
    default:
      return unreachable(fold)
  }
}

function roundHalfAway(number: number): number {
  const whole = Math.trunc(number)
  return Math.abs(number - whole) >= 0.5 ? whole + Math.sign(number) : whole
}

/** Lower case by code point, as in Unicode 16, the same on every engine: a final sigma is a sigma, a dotted capital I is an i. */
export function foldCase(text: string): string {
  return [...text.replaceAll('İ', 'i')]
    .map((character) => (newerThanUnicode16.test(character) ? character : character.toLowerCase()))
    .join('')
    .replaceAll('ς', 'σ')
}

/** Capital letters of Unicode 17, which not every engine knows. */
const newerThanUnicode16 = /[\u{a7ce}\u{a7d2}\u{a7d4}\u{16ea0}-\u{16eb8}]/u

function textTest(test: string, left: string, right: string): boolean {
  switch (test) {
    case 'equals':
      return left === right
    case 'contains':
      return left.includes(right)
    case 'startsWith':
      return left.startsWith(right)
    case 'endsWith':
      return left.endsWith(right)
    default: {
      const pattern = [...right]
        .map((character) =>
          character === '%' ? '[^]*' : character === '_' ? '[^]' : character.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'),
        )
        .join('')
      return new RegExp(`^${pattern}$`, 'u').test(left)
    }
  }
}

/** A regular expression is compiled once, since thousands of items may ask for it. */
function compiled(regex: Regex, { regexes }: Frame): RegExp {
  const found = regexes.get(regex) ?? new RegExp(javaScriptRegex(regex), 'u')
  regexes.set(regex, found)
  return found
}

/**
 * JSON data as the engines would hold it: times as epoch milliseconds, null items of arrays left out, null for empty objects and for what
 * does not fit the type. Maps become Maps.
 */
export function readDatum(data: unknown, type: DataType): Datum {
  if (data === null || data === undefined) return null
  if (typeof type === 'object') {
    if ('items' in type)
      return Array.isArray(data)
        ? data.map((item) => readDatum(item, type.items)).filter((item) => item !== null)
        : null
    if (typeof data !== 'object' || Array.isArray(data)) return null
    if ('values' in type)
      return new Map(
        Object.entries(data)
          .map(([key, item]): [string, Datum] => [key, readDatum(item, type.values)])
          .filter(([, item]) => item !== null),
      )
    const source: Readonly<Record<string, unknown>> = { ...data }
    return Object.fromEntries(
      Object.entries(type.fields).map(([name, field]) => [name, readDatum(source[name], field)]),
    )
  }
  switch (type) {
    case 'string':
      return typeof data === 'string' ? data : null
    case 'integer':
      return typeof data === 'number' && Number.isSafeInteger(data) ? data : null
    case 'number':
      return typeof data === 'number' && Number.isFinite(data) ? data : null
    case 'boolean':
      return typeof data === 'boolean' ? data : null
    case 'date':
      return typeof data === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(data) ? parseTime(data) : null
    case 'timestamp':
      return typeof data === 'number'
        ? isWithinCalendar(data)
          ? Math.trunc(data)
          : null
        : typeof data === 'string'
          ? parseTime(data)
          : null
    default:
      return unreachable(type)
  }
}
