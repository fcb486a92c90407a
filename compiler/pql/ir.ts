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
  /** False when either side is null. Dates compared with timestamps count as their first instant. */
  | {
      readonly kind: 'compare'
      readonly op: CompareOp
      readonly of: 'text' | 'number' | 'boolean' | 'instant'
      readonly left: Value
      readonly right: Value
    }
  /** The subject, a date or timestamp, lies within the bounds; null bound = open; false when anything is null. */
  | { readonly kind: 'within'; readonly subject: Value; readonly from: Bound | null; readonly to: Bound | null }
  /** A boolean value that is true. */
  | { readonly kind: 'isTrue'; readonly value: Value }
  | { readonly kind: 'isDefined'; readonly value: Value }
  /** False for a null list. */
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
   * Events, strictly one after the other: `count` events for which the first step holds, then later ones for the second, and so on.
   * `what` reads the event as `variable` and nothing else that varies.
   */
  | {
      readonly kind: 'sequence'
      readonly variable: number
      readonly steps: readonly { readonly what: Condition; readonly count: number }[]
    }

export type CompareOp = '=' | '!=' | '<' | '<=' | '>' | '>='

export type TextTest = 'equals' | 'contains' | 'startsWith' | 'endsWith' | 'like'

export type Bound = { readonly value: Value; readonly inclusive: boolean }

export type Value =
  | { readonly kind: 'literal'; readonly value: string | number | boolean; readonly type: DataType }
  /** Dotted path of a profile column: a scalar, array or map of the union schema. */
  | { readonly kind: 'column'; readonly path: string; readonly type: DataType }
  /** All events of the profile up to the evaluation instant, oldest first; never null. Items are event rows. */
  | { readonly kind: 'events'; readonly type: DataType }
  | { readonly kind: 'variable'; readonly id: number; readonly type: DataType }
  /** A leaf inside a variable's object; `path` leads through nested objects. */
  | { readonly kind: 'member'; readonly object: Value; readonly path: readonly string[]; readonly type: DataType }
  /** Numbers are DOUBLE throughout; division by zero, and whatever is not finite, is null. `%` has the sign of its left side. */
  | {
      readonly kind: 'arithmetic'
      readonly op: '+' | '-' | '*' | '/' | '%'
      readonly left: Value
      readonly right: Value
      readonly type: 'number'
    }
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
  /** A date's first instant, in UTC. */
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
  | { readonly kind: 'part'; readonly part: 'year' | 'month' | 'day'; readonly of: Value; readonly type: 'integer' }
  /** Null where there is no such day. */
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
  /** First occurrences, in order. */
  | { readonly kind: 'distinct'; readonly list: Value; readonly type: DataType }
  /** The `count` items with the highest or lowest `by`, best first, ties in list order, items without `by` left out. */
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
  /** Distinct items of the left list that the right one has, in the left one's order; null where there is none. */
  | { readonly kind: 'intersection'; readonly left: Value; readonly right: Value; readonly type: DataType }
  /** Map from key to the items that have it, keys in order of first occurrence; items without a key are left out. */
  | {
      readonly kind: 'groupBy'
      readonly list: Value
      readonly variable: number
      readonly key: Value
      readonly type: DataType
    }
  /**
   * Over a null list as over an empty one. Sums are exact to 6 decimals: every item is rounded to millionths, half away from zero, and those
   * integers are added; an item from ±2^63 millionths on is left out. No items: count and sum 0, the others null.
   */
  | { readonly kind: 'fold'; readonly fold: Fold; readonly list: Value; readonly type: DataType }
  | { readonly kind: 'get'; readonly map: Value; readonly key: Value; readonly type: DataType }
  | { readonly kind: 'keys'; readonly map: Value; readonly type: DataType }
  | { readonly kind: 'values'; readonly map: Value; readonly type: DataType }
  /** A map with key and value made anew from each entry; an entry whose new key or value is null is left out. */
  | {
      readonly kind: 'mapEntries'
      readonly map: Value
      readonly keyVariable: number
      readonly valueVariable: number
      readonly key: Value
      readonly value: Value
      readonly type: DataType
    }
  /** Text of a group of the first match, null without a match; a group that took no part gives "". */
  | {
      readonly kind: 'regexGroup'
      readonly value: Value
      readonly regex: Regex
      readonly group: number
      readonly type: 'string'
    }
  | {
      readonly kind: 'record'
      readonly fields: readonly { readonly name: string; readonly value: Value }[]
      readonly type: DataType
    }

export type Fold = 'count' | 'sum' | 'average' | 'min' | 'max'

/** Any part of the tree. */
export type Node = Condition | Value

/**
 * Rebuilds a tree from its leaves up: `change` sees every node after its children were changed, and gives what stands in its place.
 * The tree is plain data, so this one walk knows every variant.
 */
export function rewrite<N extends Node>(node: N, change: (node: Node) => Node): N {
  const walk = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(walk)
    if (typeof part !== 'object' || part === null) return part
    const copy = Object.fromEntries(
      Object.entries(part).map(([key, child]) => [key, key === 'type' || key === 'regex' ? child : walk(child)]),
    )
    // Whatever has a `kind`, outside types and regular expressions, is a node; a change keeps conditions conditions and values values.
    return 'kind' in copy ? change(copy as unknown as Node) : copy
  }
  return walk(node) as N
}

/** Nodes of a tree, or some number above `limit`. Shared parts count as often as they occur. */
export function sizeOf(node: unknown, limit: number): number {
  let size = 0
  const open = [node]
  while (open.length > 0 && size <= limit) {
    const part = open.pop()
    if (typeof part !== 'object' || part === null) continue
    size += 'kind' in part ? 1 : 0
    for (const [key, child] of Object.entries(part)) if (key !== 'type' && key !== 'regex') open.push(child)
  }
  return size
}

/** Every node of a tree, parents before children. */
export function visit(node: unknown, see: (node: Node) => void): void {
  if (Array.isArray(node)) for (const part of node) visit(part, see)
  else if (typeof node === 'object' && node !== null) {
    if ('kind' in node) see(node as Node) // as in `rewrite`
    for (const [key, part] of Object.entries(node)) if (key !== 'type' && key !== 'regex') visit(part, see)
  }
}

/** Whether some node of a tree, itself included, is as asked. */
export function hasPart(tree: unknown, is: (node: Node) => boolean): boolean {
  let has = false
  visit(tree, (node) => {
    has ||= is(node)
  })
  return has
}

/** The parts of a node in which the variables it binds can be read; a variable means the innermost binding around it. */
export const bindingParts: Partial<Record<Node['kind'], readonly string[]>> = {
  any: ['where'],
  filter: ['where'],
  map: ['to'],
  top: ['by'],
  groupBy: ['key'],
  let: ['body'],
  mapEntries: ['key', 'value'],
  sequence: ['steps'],
}

/** References to variables that the node does not bind itself; `whole` = read as it is, not just one of its fields. */
export function freeVariables(node: Node): readonly { readonly id: number; readonly whole: boolean }[] {
  const found: { id: number; whole: boolean }[] = []
  walkFree(node, new Set(), false, (variable, ofMember) => {
    found.push({ id: variable.id, whole: !ofMember })
    return variable
  })
  return found
}

/** The node with a variable that it does not bind itself replaced. */
export function replaceVariable<N extends Node>(node: N, id: number, by: (variable: Variable) => Value): N {
  return walkFree(node, new Set(), false, (variable) => (variable.id === id ? by(variable) : variable)) as N // the walk keeps every other node
}

type Variable = Extract<Value, { kind: 'variable' }>

function walkFree(
  part: unknown,
  bound: ReadonlySet<number>,
  ofMember: boolean,
  change: (variable: Variable, ofMember: boolean) => Value,
): unknown {
  if (Array.isArray(part)) return part.map((child) => walkFree(child, bound, false, change))
  if (typeof part !== 'object' || part === null) return part
  const node = part as Node // bounds, steps and fields have no kind and bind nothing
  if (node.kind === 'variable') return bound.has(node.id) ? node : change(node, ofMember)
  const own = new Set([...bound, ...variablesOf(node)])
  return Object.fromEntries(
    Object.entries(part).map(([key, child]) => {
      if (key === 'type' || key === 'regex') return [key, child]
      return [
        key,
        walkFree(
          child,
          bindingParts[node.kind]?.includes(key) ? own : bound,
          node.kind === 'member' && key === 'object',
          change,
        ),
      ]
    }),
  )
}

/** The variables that a node binds. */
export function variablesOf(node: Node): readonly number[] {
  if (node.kind === 'mapEntries') return [node.keyVariable, node.valueVariable]
  return 'variable' in node ? [node.variable] : []
}

/** The greatest number of a variable anywhere in a tree; 0 for none. */
export function greatestVariable(node: Node): number {
  let greatest = 0
  visit(node, (part) => {
    for (const id of part.kind === 'variable' ? [part.id] : variablesOf(part)) greatest = Math.max(greatest, id)
  })
  return greatest
}
