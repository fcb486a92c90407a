import type { Column, DataType } from '#crds'
import {
  type Bound,
  type CompareOp,
  type Condition,
  type Fold,
  freeVariables,
  greatestVariable,
  hasPart,
  itemNumber,
  mapChildren,
  type Node,
  replaceVariable,
  rewrite,
  type Value,
  visit,
} from '../pql/ir.ts'
import type { EventList } from './event-list.ts'
import type { Rewrites } from './rewrites.ts'

export type SegmentCondition = { readonly name: string; readonly condition: Condition }

/** The variable that stands for the event row in aggregates. */
export const row = 0

/** A column of a profile's events that happened, none later than now. */
export type Aggregate = {
  readonly name: string
  /** Which events count. */
  readonly where: Condition
  /** Instants, computed from `now` alone, before the first of which no event matters; null: every event may. */
  readonly since: readonly Value[] | null
} & (
  | { readonly kind: 'any' }
  | { readonly kind: 'fold'; readonly fold: Fold; readonly of: Value | null }
  /** Times of the events, in any order. */
  | { readonly kind: 'times' }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'newest' }
  /** The time of the n-th newest event, for each n of `places`, in a column of its own. */
  | { readonly kind: 'newests'; readonly places: readonly number[] }
  | ({ readonly kind: 'list' } & EventList)
)

/** The column of an aggregate's n-th newest event. */
export function placeName(aggregate: string, place: number): string {
  return `${aggregate}:${place}`
}

/** The time at which all steps were done for the first time; null where they never were. */
export type Sequence = {
  readonly name: string
  readonly steps: readonly { readonly column: string; readonly isList: boolean; readonly count: number }[]
}

export type Shared = {
  readonly aggregates: readonly Aggregate[]
  readonly sequences: readonly Sequence[]
  readonly leaves: readonly { readonly name: string; readonly condition: Condition }[]
  readonly segments: readonly SegmentCondition[]
}

/** Events are counted, rather than the newest of them kept, from this many on. */
const mostNewest = 32

/** What the Segments have in common: each aggregate over events once, each leaf condition that is used twice as a column. */
export function share(
  segments: readonly SegmentCondition[],
  eventColumns: readonly Column[],
  rewrites: Rewrites,
): Shared {
  const under = (path: readonly string[]): string[] =>
    eventColumns
      .map((column) => column.path)
      .filter((column) => column === path.join('.') || column.startsWith(`${path.join('.')}.`))
  const aggregates = new Map<string, Aggregate>()
  const sequences = new Map<string, Sequence>()
  // Equal aggregates have equal JSON, since trees hold no places and number variables by depth: each is computed once.
  const aggregateOf = (key: object, make: (name: string, known: Aggregate | undefined) => Aggregate): string => {
    const text = JSON.stringify(key)
    const known = aggregates.get(text)
    const name = known?.name ?? `$a${aggregates.size}`
    aggregates.set(text, make(name, known))
    return name
  }
  const plain = (asked: PlainAggregate): string => {
    const bound = lowerBound(asked.where)
    const own = { ...asked, where: rewrites.newest ? withoutEnd(asked.where) : asked.where }
    return aggregateOf(own, (name) => ({ ...own, name, since: bound === null ? null : [bound] }))
  }
  /** One column for all who ask for a time of the same events, and how far back any of them looks. */
  const timeOf = (kind: 'newest' | 'earliest', where: Condition, from: Value | null): Value => {
    const name = aggregateOf({ kind, where }, (name, known) => ({ kind, name, where, since: further(known, from) }))
    return { kind: 'column', path: name, type: 'timestamp' }
  }
  const newestOf = (where: Condition, from: Value | null, count: number): Value => {
    if (count === 1) return timeOf('newest', where, from)
    const name = aggregateOf({ kind: 'newests', where }, (name, known) => ({
      kind: 'newests',
      name,
      where,
      since: further(known, from),
      places: [...new Set([...(known?.kind === 'newests' ? known.places : []), count])],
    }))
    return { kind: 'column', path: placeName(name, count), type: 'timestamp' }
  }
  /** Whether at least `count` events satisfy the condition: the same as whether the `count`-th newest is within its window. */
  const atLeast = (where: Condition, count: number): Condition => {
    const { from, rest } = windowOf(where)
    return notBefore(newestOf(rest, from?.value ?? null, count), from)
  }

  const numbered = new Map<Condition, boolean>()
  const isNumbered = (whole: Condition): boolean => {
    const known =
      numbered.get(whole) ?? hasPart(whole, (node) => node.kind === 'member' && node.path.at(-1) === itemNumber)
    numbered.set(whole, known)
    return known
  }

  const replace = (node: Node, whole: Condition): Node => {
    switch (node.kind) {
      case 'any': {
        const source = eventSource(node.list)
        const where = source && onRow(node.where, node.variable)
        if (!where) return node
        const all = both(source, where)
        if (rewrites.newest) return atLeast(all, 1)
        return { kind: 'isTrue', value: { kind: 'column', path: plain({ kind: 'any', where: all }), type: 'boolean' } }
      }
      case 'compare':
        return (rewrites.newest && countedOf(node, atLeast)) || node
      case 'fold': {
        const mapped = node.list.kind === 'map' ? node.list : null
        const source = eventSource(mapped ? mapped.list : node.list)
        // Objects have no column of their own: those that exist were filtered before, so rows are counted.
        const counted =
          mapped !== null && node.fold === 'count' && typeof mapped.to.type === 'object' && 'fields' in mapped.to.type
        const of = mapped && !counted ? onRow(mapped.to, mapped.variable) : null
        if (!source || (mapped && !counted && (!of || of.type === 'boolean')) || (!mapped && node.fold !== 'count'))
          return node
        return {
          kind: 'column',
          path: plain({ kind: 'fold', fold: node.fold, of, where: source }),
          type: node.type,
        }
      }
      case 'filter': {
        // A list that has to stay a list is collected, with as much of its filter as reads the event alone; numbered events all together.
        const source = isNumbered(whole) ? null : eventSource(node)
        return source ? listOf(source, whole, node.type) : node
      }
      case 'sequence': {
        let earliest: Value | null = null
        const steps = node.steps.map(({ what, count }) => {
          const own = onRow(what, node.variable)
          // Events of later steps come after the first step's, so the first step's window bounds them too.
          const where: Condition | null = own && earliest && lowerBound(own) === null ? both(own, since(earliest)) : own
          earliest = (where && lowerBound(where)) ?? earliest
          return where && { where, count }
        })
        const known = steps.filter((step) => step !== null)
        return known.length < steps.length ? expanded(node) : sequenceOf(known)
      }
      default:
        return node
    }
  }

  const sequenceOf = (steps: readonly { readonly where: Condition; readonly count: number }[]): Condition => {
    const last = steps.at(-1)
    if (last === undefined) return { kind: 'constant', value: false }
    if (!rewrites.ends || last.count > 1) return { kind: 'isDefined', value: reached(steps) }
    if (steps.length === 1) return atLeast(last.where, 1)
    // Of the events that may be the last step's, the newest is later than the steps before it, and in its window, if any is.
    const before = reached(steps.slice(0, -1))
    const { from, rest } = windowOf(last.where)
    const newest = timeOf('newest', rest, from?.value ?? null)
    const later: Condition = { kind: 'within', subject: newest, from: { value: before, inclusive: false }, to: null }
    return from === null ? later : both(later, notBefore(newest, from))
  }

  /** When these steps were done for the first time. */
  const reached = (steps: readonly { readonly where: Condition; readonly count: number }[]): Value => {
    const [first] = steps
    const isFirstAlone = rewrites.ends && first?.count === 1
    if (first && isFirstAlone && steps.length === 1) return timeOf('earliest', first.where, lowerBound(first.where))
    const columns = steps.map(({ where, count }, index) => {
      const isList = index > 0 || !isFirstAlone
      const earliest = isList ? null : timeOf('earliest', where, lowerBound(where))
      return { column: earliest?.kind === 'column' ? earliest.path : plain({ kind: 'times', where }), isList, count }
    })
    const key = JSON.stringify(columns)
    const name = sequences.get(key)?.name ?? `$q${sequences.size}`
    sequences.set(key, { name, steps: columns })
    return { kind: 'column', path: name, type: 'timestamp' }
  }

  const listOf = (where: Condition, whole: Condition, type: Value['type']): Value => {
    const fields = new Set<string>(['timestamp'])
    let ordered = false
    visit(whole, (node) => {
      // A path may start at a tuple's field, and may end at an object whose fields are read elsewhere.
      if (node.kind === 'member')
        for (const [start] of node.path.entries())
          for (const column of under(node.path.slice(start))) fields.add(column)
      if (node.kind === 'first' || node.kind === 'top' || node.kind === 'groupBy' || node.kind === 'distinct')
        ordered = true
    })
    const numbered = isNumbered(whole)
    ordered ||= numbered
    const path = plain({ kind: 'list', where, ordered, numbered, fields: [...fields].sort() })
    return { kind: 'column', path, type }
  }

  const aggregated = segments.map(({ name, condition }) => {
    // Outermost first: an inner filter must not become a list when the aggregate around it can take it whole.
    const outer = topDown(condition, (node) => replace(node, condition))
    const bare = rewrite(outer, (node) =>
      node.kind === 'events' ? listOf({ kind: 'constant', value: true }, condition, node.type) : node,
    )
    return { name, condition: bare }
  })

  const uses = new Map<string, number>()
  // A leaf that is used at least twice becomes a column; a column itself, a Segment and a constant are cheap enough to repeat.
  const count = (condition: Condition): void => {
    if (condition.kind === 'and' || condition.kind === 'or') condition.items.forEach(count)
    else if (condition.kind === 'not') count(condition.item)
    else if (condition.kind !== 'segment' && condition.kind !== 'constant')
      uses.set(JSON.stringify(condition), (uses.get(JSON.stringify(condition)) ?? 0) + 1)
  }
  for (const segment of aggregated) count(segment.condition)
  const leaves = new Map<string, { name: string; condition: Condition }>()
  const algebra = (condition: Condition): Condition => {
    if (condition.kind === 'and' || condition.kind === 'or')
      return { ...condition, items: condition.items.map(algebra) }
    if (condition.kind === 'not') return { kind: 'not', item: algebra(condition.item) }
    const key = JSON.stringify(condition)
    if ((uses.get(key) ?? 0) < 2 || condition.kind === 'isTrue') return condition
    const leaf = leaves.get(key) ?? { name: `$l${leaves.size}`, condition }
    leaves.set(key, leaf)
    return { kind: 'isTrue', value: { kind: 'column', path: leaf.name, type: 'boolean' } }
  }
  const simplified = aggregated.map((segment) => ({ name: segment.name, condition: algebra(segment.condition) }))
  return {
    aggregates: [...aggregates.values()],
    sequences: [...sequences.values()],
    leaves: [...leaves.values()],
    segments: simplified,
  }
}

/** Rebuilds a tree from the root down; a part that became a column is not looked into. */
function topDown(condition: Condition, change: (node: Node) => Node): Condition {
  const walk = (node: Node): Node => {
    const changed = change(node)
    if (changed === node) return mapChildren(node, walk)
    return changed.kind === 'column' || changed.kind === 'isTrue' ? changed : walk(changed)
  }
  return walk(condition) as Condition // a change keeps conditions conditions
}

type PlainAggregate = {
  [K in Aggregate['kind']]: Omit<Extract<Aggregate, { kind: K }>, 'name' | 'since'>
}[Aggregate['kind']]

/** How far back an aggregate looks that one more user asks for. */
function further(known: Aggregate | undefined, from: Value | null): readonly Value[] | null {
  if (from === null || known?.since === null) return null
  const all = known?.since ?? []
  return all.some((other) => JSON.stringify(other) === JSON.stringify(from)) ? all : [...all, from]
}

/** A comparison of a count of events with a number, by whether there are at least so many; null where it is something else. */
function countedOf(
  { op, left, right, of }: Extract<Condition, { kind: 'compare' }>,
  atLeast: (where: Condition, count: number) => Condition,
): Condition | null {
  if (of !== 'number') return null
  const turned = { '=': '=', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const
  const [count, limit, test] =
    left.kind === 'fold' ? [left, right, op] : ([right, left, turned[op]] as readonly [Value, Value, CompareOp])
  if (count.kind !== 'fold' || count.fold !== 'count' || limit.kind !== 'literal') return null
  const where = count.list.kind === 'map' ? null : eventSource(count.list)
  const number = limit.value
  if (where === null || typeof number !== 'number' || !(Math.abs(number) < mostNewest)) return null
  const from = (least: number): Condition => (least <= 0 ? { kind: 'constant', value: true } : atLeast(where, least))
  const not = (item: Condition): Condition => ({ kind: 'not', item })
  const exactly = (): Condition => {
    if (!Number.isInteger(number)) return { kind: 'constant', value: false }
    return number <= 0 ? not(from(number + 1)) : { kind: 'and', items: [from(number), not(from(number + 1))] }
  }
  switch (test) {
    case '>=':
      return from(Math.ceil(number))
    case '>':
      return from(Math.floor(number) + 1)
    case '<':
      return not(from(Math.ceil(number)))
    case '<=':
      return not(from(Math.floor(number) + 1))
    case '=':
      return exactly()
    case '!=':
      return not(exactly())
  }
}

/** A time that is not null and not before the bound. */
function notBefore(time: Value, from: Bound | null): Condition {
  return from === null ? { kind: 'isDefined', value: time } : { kind: 'within', subject: time, from, to: null }
}

/**
 * Takes the first window with a beginning that is computed from `now` alone out of a condition on an event. An end at `now` is no
 * condition: later events are not read.
 */
function windowOf(where: Condition): { readonly from: Bound | null; readonly rest: Condition } {
  return parted(where, true)
}

/** The condition without an end at `now`, since later events are not read. */
function withoutEnd(where: Condition): Condition {
  return parted(where, false).rest
}

function parted(where: Condition, takesFrom: boolean): { readonly from: Bound | null; readonly rest: Condition } {
  let from: Bound | null = null
  const rest: Condition[] = []
  for (const part of conjuncts(where)) {
    if (part.kind !== 'within' || !isTime(part.subject)) {
      rest.push(part)
      continue
    }
    const isEndOpen = part.to === null || (part.to.inclusive && part.to.value.kind === 'now')
    const isTaken = takesFrom && part.from !== null && from === null && freeVariables(part.from.value).length === 0
    if (isTaken) from = part.from
    const left = { from: isTaken ? null : part.from, to: isEndOpen ? null : part.to }
    const isSame = left.from === part.from && left.to === part.to
    if (left.from !== null || left.to !== null) rest.push(isSame ? part : { ...part, ...left })
  }
  const [only] = rest
  return {
    from,
    rest:
      only === undefined ? { kind: 'constant', value: true } : rest.length === 1 ? only : { kind: 'and', items: rest },
  }
}

/** The condition under which an event's row is in the list; null when the list is not simply filtered events. */
function eventSource(list: Value): Condition | null {
  if (list.kind === 'events') return { kind: 'constant', value: true }
  if (list.kind !== 'filter') return null
  const inner = eventSource(list.list)
  const where = inner && onRow(list.where, list.variable)
  return where && both(inner, where)
}

function both(left: Condition, right: Condition): Condition {
  if (left.kind === 'constant' && left.value) return right
  if (right.kind === 'constant' && right.value) return left
  return { kind: 'and', items: [left, right].flatMap((part) => (part.kind === 'and' ? part.items : [part])) }
}

/** The node with its event variable renamed to the row; null when it reads anything else that varies by profile. */
export function onRow<N extends Node>(node: N, variable: number): N | null {
  const readsProfile = hasPart(node, ({ kind }) =>
    ['column', 'qualified', 'events', 'segment', 'sequence'].includes(kind),
  )
  // The event as a whole, rather than its fields, does not exist in a row.
  if (readsProfile || freeVariables(node).some((free) => free.id !== variable || free.whole)) return null
  return replaceVariable(node, variable, (event) => ({ ...event, id: row, type: 'string' }))
}

/** A sequence whose steps read more than the event, as nested quantifiers over events. */
function expanded(node: Extract<Condition, { kind: 'sequence' }>): Condition {
  const type: DataType = { fields: { timestamp: 'timestamp' } }
  const events: Value = { kind: 'events', type: { items: type } }
  let last = greatestVariable(node)
  const timeOf = (id: number): Value => ({
    kind: 'member',
    object: { kind: 'variable', id, type },
    path: ['timestamp'],
    type: 'timestamp',
  })
  const build = (index: number, previous: Value | null): Condition => {
    const step = node.steps[index]
    if (!step) return { kind: 'constant', value: true }
    const variable = (last += 1)
    const own = replaceVariable(step.what, node.variable, (event) => ({ ...event, id: variable }))
    const where: Condition = previous
      ? both({ kind: 'within', subject: timeOf(variable), from: { value: previous, inclusive: false }, to: null }, own)
      : own
    if (step.count === 1)
      return { kind: 'any', list: events, variable, where: both(where, build(index + 1, timeOf(variable))) }
    // There are enough events for the step; the next step starts after the last of the `count` earliest.
    const [ranked, timed] = [(last += 1), (last += 1)]
    const matching: Value = { kind: 'filter', list: events, variable, where, type: events.type }
    const enough: Condition = {
      kind: 'compare',
      op: '>=',
      of: 'number',
      left: { kind: 'fold', fold: 'count', list: matching, type: 'integer' },
      right: { kind: 'literal', value: step.count, type: 'integer' },
    }
    const earliest: Value = {
      kind: 'top',
      list: matching,
      variable: ranked,
      by: timeOf(ranked),
      order: 'lowest',
      count: step.count,
      type: events.type,
    }
    const times: Value = {
      kind: 'map',
      list: earliest,
      variable: timed,
      to: timeOf(timed),
      type: { items: 'timestamp' },
    }
    return both(enough, build(index + 1, { kind: 'fold', fold: 'max', list: times, type: 'timestamp' }))
  }
  return build(0, null)
}

export const conjuncts = (condition: Condition): readonly Condition[] =>
  condition.kind === 'and' ? condition.items : [condition]

function isRowMember(value: Value): value is Extract<Value, { kind: 'member' }> {
  return value.kind === 'member' && value.object.kind === 'variable' && value.object.id === row
}

/** The time of the event itself. */
export function isTime(value: Value): boolean {
  return isRowMember(value) && value.path.join('.') === 'timestamp'
}

/** The condition that an event is no earlier than this. */
function since(earliest: Value): Condition {
  const timestamp: Value = {
    kind: 'member',
    object: { kind: 'variable', id: row, type: 'string' },
    path: ['timestamp'],
    type: 'timestamp',
  }
  return { kind: 'within', subject: timestamp, from: { value: earliest, inclusive: true }, to: null }
}

/** A bound on the time of every event that satisfies the condition, computed from `now` alone; null: there is none. */
export function lowerBound(where: Condition): Value | null {
  for (const part of conjuncts(where)) {
    if (part.kind !== 'within' || part.from === null || !isTime(part.subject)) continue
    if (freeVariables(part.from.value).length === 0) return part.from.value
  }
  return null
}

/** The first comparison of a text field of the event, or of this field, with the one text that it must be; null: there is none. */
export function equalityOf(
  where: Condition,
  path: string | null,
): { readonly path: string; readonly value: string } | null {
  for (const part of conjuncts(where)) {
    const found = ownEquality(part)
    if (found && (path === null || found.path === path)) return found
  }
  return null
}

function ownEquality(part: Condition): { readonly path: string; readonly value: string } | null {
  const isEqual =
    (part.kind === 'compare' && part.op === '=' && part.of === 'text') ||
    (part.kind === 'text' && part.test === 'equals' && !part.negated && !part.ignoreCase)
  if (isEqual && isRowMember(part.left) && part.right.kind === 'literal')
    return { path: part.left.path.join('.'), value: String(part.right.value) }
  if (part.kind !== 'includes' || part.negated || !isRowMember(part.item) || part.item.type !== 'string') return null
  const [only, ...others] = part.list.kind === 'list' ? part.list.items : []
  if (only?.kind !== 'literal' || others.length > 0) return null
  return { path: part.item.path.join('.'), value: String(only.value) }
}
