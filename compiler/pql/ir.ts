import type { DataType } from '#crds'
import type { Unit } from './ast.ts'
import type { Regex } from './regex.ts'

/**
 * A checked expression: names resolved, types known, coercions and times written out. Every executor (reference interpreter, DuckDB,
 * Spark) works from this and nothing else. It holds no spans, so equal meaning is equal JSON: variables are numbered by nesting depth.
 *
 * A Condition is true or false, never null. A Value may be null (absent) unless its variant says otherwise.
 * Arrays never hold null: ingest drops null items, and every operation that could make one leaves it out.
 */
export type Condition =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and'; readonly items: readonly Condition[] }
  | { readonly kind: 'or'; readonly items: readonly Condition[] }
  | { readonly kind: 'not'; readonly item: Condition }
  /**
   * False when either side is null. Dates compared with timestamps count as their first instant. Lists, compared by `=` and `!=` alone,
   * are the same when they have the same scalars in the same order.
   */
  | {
      readonly kind: 'compare'
      readonly op: CompareOp
      readonly of: 'text' | 'number' | 'boolean' | 'instant' | 'list'
      readonly left: Value
      readonly right: Value
    }
  /** Whether the subject, a date or timestamp, lies within the bounds; null bound: open. False when anything is null. */
  | { readonly kind: 'within'; readonly subject: Value; readonly from: Bound | null; readonly to: Bound | null }
  /** A boolean value that is true. */
  | { readonly kind: 'isTrue'; readonly value: Value }
  | { readonly kind: 'isDefined'; readonly value: Value }
  /** Whether an item of the list satisfies `where`. False for a null list. */
  | { readonly kind: 'any'; readonly list: Value; readonly variable: number; readonly where: Condition }
  | {
      readonly kind: 'text'
      readonly test: TextTest
      readonly negated: boolean
      readonly ignoreCase: boolean
      readonly left: Value
      readonly right: Value
    }
  | { readonly kind: 'matches'; readonly value: Value; readonly regex: Regex }
  /** False when item or list is null, negated or not. */
  | { readonly kind: 'includes'; readonly list: Value; readonly item: Value; readonly negated: boolean }
  | {
      readonly kind: 'overlap'
      readonly test: 'intersects' | 'subsetOf' | 'supersetOf'
      readonly left: Value
      readonly right: Value
    }
  | { readonly kind: 'segment'; readonly name: string }
  /**
   * Events, each strictly later than the one before: `count` events that satisfy the first step, then later ones for the second, and so
   * on. `what` reads the event as `variable`, and nothing else that varies.
   */
  | { readonly kind: 'sequence'; readonly variable: number; readonly steps: readonly Step[] }

export type CompareOp = '=' | '!=' | '<' | '<=' | '>' | '>='

/** A part of a time in UTC; weekdays count from Sunday, 1, to Saturday, 7. */
export type DatePart = 'year' | 'month' | 'day' | 'weekday' | 'hour'

export type TextTest = 'equals' | 'contains' | 'startsWith' | 'endsWith' | 'like'

export type Bound = { readonly value: Value; readonly inclusive: boolean }

export type Step = { readonly what: Condition; readonly count: number }

export type Value =
  | { readonly kind: 'literal'; readonly value: string | number | boolean; readonly type: DataType }
  /** Dotted path of a profile column: a scalar, array or map of the union schema. */
  | { readonly kind: 'column'; readonly path: string; readonly type: DataType }
  /**
   * What the membership version before this evaluation says of the profile and a Segment: `realized` or `exited`, and since when. null for
   * a profile that was never in it.
   */
  | { readonly kind: 'qualified'; readonly segment: string; readonly part: 'status'; readonly type: 'string' }
  | { readonly kind: 'qualified'; readonly segment: string; readonly part: 'since'; readonly type: 'timestamp' }
  /** All events of the profile up to the evaluation instant, oldest first; never null. Items are event rows. */
  | { readonly kind: 'events'; readonly type: DataType }
  | { readonly kind: 'variable'; readonly id: number; readonly type: DataType }
  /** A leaf inside a variable's object; `path` leads through nested objects. An event has its place among all events as `itemNumber`. */
  | { readonly kind: 'member'; readonly object: Value; readonly path: readonly string[]; readonly type: DataType }
  /** Numbers are DOUBLE throughout; division by zero, and whatever is not finite, is null. `%` has the sign of its left side. */
  | {
      readonly kind: 'arithmetic'
      readonly op: '+' | '-' | '*' | '/' | '%'
      readonly left: Value
      readonly right: Value
      readonly type: 'number'
    }
  /** A whole number of any size as an integer; null from ±2^63 on. */
  | { readonly kind: 'whole'; readonly of: Value; readonly type: 'integer' }
  | { readonly kind: 'truth'; readonly condition: Condition; readonly type: 'boolean' }
  | {
      readonly kind: 'choose'
      readonly test: Condition
      readonly yes: Value
      readonly no: Value
      readonly type: DataType
    }
  | {
      readonly kind: 'let'
      readonly variable: number
      readonly value: Value
      readonly body: Value
      readonly type: DataType
    }
  | { readonly kind: 'now'; readonly type: 'timestamp' }
  /** The first instant of a date, in UTC. */
  | { readonly kind: 'instant'; readonly value: Value; readonly type: 'timestamp' }
  /** Calendar arithmetic in UTC; a month that lacks the day ends on its last day. `amount` may be negative. */
  | {
      readonly kind: 'shift'
      readonly base: Value
      readonly amount: number
      readonly unit: Unit
      readonly type: 'timestamp'
    }
  /** Start of the unit, in UTC; weeks start on Sunday, decades, centuries and millennia in years divisible by their length. */
  | { readonly kind: 'floor'; readonly base: Value; readonly unit: Unit; readonly type: 'timestamp' }
  | { readonly kind: 'part'; readonly part: DatePart; readonly of: Value; readonly type: 'integer' }
  /** Milliseconds since 1970. */
  | { readonly kind: 'epoch'; readonly of: Value; readonly type: 'integer' }
  /** The wall clock of a time zone at an instant, as if it were UTC. */
  | { readonly kind: 'local'; readonly of: Value; readonly zone: string; readonly type: 'timestamp' }
  /** How many code points a text has. */
  | { readonly kind: 'textLength'; readonly of: Value; readonly type: 'integer' }
  /** Without the `blanks` at both ends. */
  | { readonly kind: 'trim'; readonly of: Value; readonly type: 'string' }
  /** The texts joined; null where one of them is. */
  | { readonly kind: 'concat'; readonly items: readonly Value[]; readonly type: 'string' }
  /** The pieces between the separators, empty ones too. */
  | { readonly kind: 'split'; readonly of: Value; readonly by: string; readonly type: DataType }
  /** null where there is no such day. */
  | {
      readonly kind: 'makeDate'
      readonly year: Value
      readonly month: Value
      readonly day: Value
      readonly type: 'date'
    }
  | { readonly kind: 'list'; readonly items: readonly Value[]; readonly type: DataType }
  | {
      readonly kind: 'filter'
      readonly list: Value
      readonly variable: number
      readonly where: Condition
      readonly type: DataType
    }
  | {
      readonly kind: 'map'
      readonly list: Value
      readonly variable: number
      readonly to: Value
      readonly type: DataType
    }
  | { readonly kind: 'flatten'; readonly list: Value; readonly type: DataType }
  /** The first occurrence of each item, in order. */
  | { readonly kind: 'distinct'; readonly list: Value; readonly type: DataType }
  /** The `count` items with the highest or lowest `by`, best first; ties in the order of the list; items without `by` are left out. */
  | {
      readonly kind: 'top'
      readonly list: Value
      readonly variable: number
      readonly by: Value
      readonly order: 'highest' | 'lowest'
      readonly count: number
      readonly type: DataType
    }
  | { readonly kind: 'first'; readonly list: Value; readonly type: DataType }
  /** Distinct items of the left list that the right one has too, in the left one's order; null where there are none. */
  | { readonly kind: 'intersection'; readonly left: Value; readonly right: Value; readonly type: DataType }
  /** A map from each key to the items that have it, keys in order of first occurrence; items without a key are left out. */
  | {
      readonly kind: 'groupBy'
      readonly list: Value
      readonly variable: number
      readonly key: Value
      readonly type: DataType
    }
  /**
   * A null list counts as an empty one. Sums are exact to 6 decimals: every item is rounded to millionths, half away from zero, and those
   * integers are added; items from ±2^63 millionths on are left out. Without items, count and sum are 0 and the others null.
   */
  | { readonly kind: 'fold'; readonly fold: Fold; readonly list: Value; readonly type: DataType }
  | { readonly kind: 'get'; readonly map: Value; readonly key: Value; readonly type: DataType }
  | { readonly kind: 'keys'; readonly map: Value; readonly type: DataType }
  | { readonly kind: 'values'; readonly map: Value; readonly type: DataType }
  /** A map made from another, with a new key and value for each entry; an entry whose new key or value is null is left out. */
  | {
      readonly kind: 'mapEntries'
      readonly map: Value
      readonly keyVariable: number
      readonly valueVariable: number
      readonly key: Value
      readonly value: Value
      readonly type: DataType
    }
  /** The text of a group in the first match; null without a match; "" for a group that took no part in it. */
  | {
      readonly kind: 'regexGroup'
      readonly value: Value
      readonly regex: Regex
      readonly group: number
      readonly type: 'string'
    }
  | { readonly kind: 'record'; readonly fields: readonly Field[]; readonly type: DataType }

/** What `trim` takes away: space, tab, line ends and the no-break space. */
export const blanks = ' \t\n\r\u00a0'

/** The member by which two events are the same one or not; no field of a union schema can have that name. */
export const itemNumber = '$item'

export type Field = { readonly name: string; readonly value: Value }

export type Fold = 'count' | 'sum' | 'average' | 'min' | 'max'

/** Any node of the tree. */
export type Node = Condition | Value

/** What stands between a node and its children, where a field does not hold the child itself. */
type Holder = Bound | Step | Field

/** The names of a node's fields that hold other nodes. */
type PartName<N> = {
  [K in keyof N]-?: N[K] extends Node | Holder | null | readonly (Node | Holder)[] ? K : never
}[keyof N]

/**
 * Where each node has its children: the one list by which trees are walked, so that a new node or field is a type error here and is
 * missed nowhere. In a part that is `bound` the node's variables can be read; a variable means the innermost binding around it.
 */
const parts: {
  readonly [K in Node['kind']]: { readonly [P in PartName<Extract<Node, { kind: K }>>]: 'free' | 'bound' }
} = {
  constant: {},
  and: { items: 'free' },
  or: { items: 'free' },
  not: { item: 'free' },
  compare: { left: 'free', right: 'free' },
  within: { subject: 'free', from: 'free', to: 'free' },
  isTrue: { value: 'free' },
  isDefined: { value: 'free' },
  any: { list: 'free', where: 'bound' },
  text: { left: 'free', right: 'free' },
  matches: { value: 'free' },
  includes: { list: 'free', item: 'free' },
  overlap: { left: 'free', right: 'free' },
  segment: {},
  sequence: { steps: 'bound' },
  literal: {},
  column: {},
  qualified: {},
  events: {},
  variable: {},
  member: { object: 'free' },
  arithmetic: { left: 'free', right: 'free' },
  whole: { of: 'free' },
  truth: { condition: 'free' },
  choose: { test: 'free', yes: 'free', no: 'free' },
  let: { value: 'free', body: 'bound' },
  now: {},
  instant: { value: 'free' },
  shift: { base: 'free' },
  floor: { base: 'free' },
  part: { of: 'free' },
  epoch: { of: 'free' },
  local: { of: 'free' },
  textLength: { of: 'free' },
  trim: { of: 'free' },
  concat: { items: 'free' },
  split: { of: 'free' },
  makeDate: { year: 'free', month: 'free', day: 'free' },
  list: { items: 'free' },
  filter: { list: 'free', where: 'bound' },
  map: { list: 'free', to: 'bound' },
  flatten: { list: 'free' },
  distinct: { list: 'free' },
  top: { list: 'free', by: 'bound' },
  first: { list: 'free' },
  intersection: { left: 'free', right: 'free' },
  groupBy: { list: 'free', key: 'bound' },
  fold: { list: 'free' },
  get: { map: 'free', key: 'free' },
  keys: { map: 'free' },
  values: { map: 'free' },
  mapEntries: { map: 'free', key: 'bound', value: 'bound' },
  regexGroup: { value: 'free' },
  record: { fields: 'free' },
}

type PartTable = readonly (readonly [name: string, isBound: boolean])[]

const partTables: ReadonlyMap<string, PartTable> = new Map(
  Object.entries(parts).map(([kind, own]) => [kind, Object.entries(own).map(([name, at]) => [name, at === 'bound'])]),
)

function partsOf(node: Node): PartTable {
  return partTables.get(node.kind)! // one for each kind, by the type of `parts`
}

/** What a part holds, by the type of `parts`. */
function heldIn(node: Node, name: string): Node | Holder | null | readonly (Node | Holder)[] {
  return (node as unknown as Readonly<Record<string, Node | Holder | null | readonly (Node | Holder)[]>>)[name]!
}

function childOf(held: Node | Holder): Node {
  return 'kind' in held ? held : 'what' in held ? held.what : held.value
}

/** Visits the children of a node in the order of its parts; `isBound`: the node's variables can be read there. */
export function eachChild(node: Node, see: (child: Node, isBound: boolean) => void): void {
  for (const [name, isBound] of partsOf(node)) {
    const held = heldIn(node, name)
    if (held === null) continue
    if (Array.isArray(held)) for (const each of held as readonly (Node | Holder)[]) see(childOf(each), isBound)
    else see(childOf(held as Node | Holder), isBound)
  }
}

/**
 * The node with its children replaced; the same object where no child changed. `change` must keep conditions conditions and values
 * values.
 */
export function mapChildren<N extends Node>(node: N, change: (child: Node, isBound: boolean) => Node): N {
  let changed: Record<string, unknown> | null = null
  const replaced = (held: Node | Holder, isBound: boolean): Node | Holder => {
    const before = childOf(held)
    const after = change(before, isBound)
    if (after === before) return held
    return 'kind' in held ? after : (('what' in held ? { ...held, what: after } : { ...held, value: after }) as Holder)
  }
  for (const [name, isBound] of partsOf(node)) {
    const held = heldIn(node, name)
    if (held === null) continue
    if (Array.isArray(held)) {
      const before = held as readonly (Node | Holder)[]
      const after = before.map((each) => replaced(each, isBound))
      if (after.some((each, index) => each !== before[index])) changed = { ...(changed ?? node), [name]: after }
    } else {
      const after = replaced(held as Node | Holder, isBound)
      if (after !== held) changed = { ...(changed ?? node), [name]: after }
    }
  }
  return (changed ?? node) as N
}

/** Rebuilds a tree from its leaves up: `change` gets every node after its children were changed, and returns what replaces it. */
export function rewrite<N extends Node>(node: N, change: (node: Node) => Node): N {
  const walk = (part: Node): Node => change(mapChildren(part, walk))
  return walk(node) as N
}

/** How many nodes a tree has, or some number above `limit`. Shared parts count as often as they occur. */
export function sizeOf(node: Node, limit: number): number {
  let size = 0
  const open = [node]
  for (let next = open.pop(); next && size <= limit; next = open.pop()) {
    size += 1
    eachChild(next, (child) => void open.push(child))
  }
  return size
}

/** How many characters of a text count as one more term. */
const charactersOfTerm = 32

/**
 * The size of a tree as engines see it, in terms, or some number above `limit`: its nodes, long texts as several, and the key of a
 * `groupBy` twice, since it is printed twice.
 */
export function termsOf(node: Node, limit: number): number {
  let terms = 0
  const open: (readonly [Node, number])[] = [[node, 1]]
  for (let next = open.pop(); next && terms <= limit; next = open.pop()) {
    const [part, times] = next
    const text = part.kind === 'literal' && typeof part.value === 'string' ? part.value.length : 0
    terms += times * (1 + Math.floor(text / charactersOfTerm))
    eachChild(part, (child, isBound) => void open.push([child, part.kind === 'groupBy' && isBound ? times * 2 : times]))
  }
  return terms
}

/** Visits every node of a tree, or of several, parents before children. */
export function visit(tree: Node | readonly (Node | null)[], see: (node: Node) => void): void {
  if ('kind' in tree) {
    see(tree)
    eachChild(tree, (child) => visit(child, see))
  } else for (const each of tree) if (each) visit(each, see)
}

/** Whether some node of a tree, its root included, satisfies `is`. */
export function hasPart(tree: Node, is: (node: Node) => boolean): boolean {
  let has = is(tree)
  if (!has)
    eachChild(tree, (child) => {
      has ||= hasPart(child, is)
    })
  return has
}

type Variable = Extract<Value, { kind: 'variable' }>

/** References to variables that the node does not bind itself; `whole`: the variable is read as it is, not only one of its fields. */
export function freeVariables(node: Node): readonly { readonly id: number; readonly whole: boolean }[] {
  const found: { id: number; whole: boolean }[] = []
  const walk = (part: Node, bound: ReadonlySet<number>, whole: boolean): void => {
    if (part.kind === 'variable' && !bound.has(part.id)) found.push({ id: part.id, whole })
    const inner = withOwn(bound, part)
    eachChild(part, (child, isBound) => walk(child, isBound ? inner : bound, part.kind !== 'member'))
  }
  walk(node, new Set(), true)
  return found
}

/** The node, with a variable replaced that it does not bind itself. */
export function replaceVariable<N extends Node>(node: N, id: number, by: (variable: Variable) => Value): N {
  const walk = (part: Node): Node => {
    if (part.kind === 'variable') return part.id === id ? by(part) : part
    const isHidden = variablesOf(part).includes(id)
    return mapChildren(part, (child, isBound) => (isBound && isHidden ? child : walk(child)))
  }
  return walk(node) as N
}

function withOwn(bound: ReadonlySet<number>, node: Node): ReadonlySet<number> {
  const own = variablesOf(node)
  return own.length === 0 ? bound : new Set([...bound, ...own])
}

/** The variables that a node binds. */
export function variablesOf(node: Node): readonly number[] {
  if (node.kind === 'mapEntries') return [node.keyVariable, node.valueVariable]
  return 'variable' in node ? [node.variable] : []
}

/** The greatest number of a variable anywhere in a tree; 0 where there is none. */
export function greatestVariable(node: Node): number {
  let greatest = 0
  visit(node, (part) => {
    for (const id of part.kind === 'variable' ? [part.id] : variablesOf(part)) greatest = Math.max(greatest, id)
  })
  return greatest
}
