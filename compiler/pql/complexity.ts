import { type Expr, nodesOf, type Span } from './ast.ts'
import { functions, isFunction } from './functions.ts'
import { type Condition, eachChild, type Node, type Value } from './ir.ts'
import { parsePql } from './parser.ts'
import { endlessSources, readsEvents } from './streaming.ts'

/** What Experience Platform's validation of audiences counts in an expression. */
export type Complexity = {
  /** Each CHAIN with the number of its steps, in the order written. */
  readonly chains: readonly { readonly span: Span; readonly steps: number }[]
  /** Where the expression counts, sums, averages, or takes a least or greatest value, in the order written. */
  readonly aggregations: readonly Span[]
  /** How deep the data lie that it reads: arrays and maps inside each other, the array of all events aside. */
  readonly nesting: number
  /** The events that it reads from ever on, in words; by kind of event, in the order of the tree. */
  readonly endless: readonly string[]
}

/** `condition`: null where the expression has faults. */
export function complexityOf(text: string, expr: Expr, condition: Condition | null): Complexity {
  const nodes = /chain|count|sum|average|min|max/i.test(text) ? nodesOf(expr) : []
  return {
    chains: nodes.flatMap((node) => (node.kind === 'chain' ? [{ span: node.span, steps: node.steps.length }] : [])),
    aggregations: nodes
      .filter(isAggregation)
      .map((node) => (node.kind === 'call' ? node.nameSpan : node.span))
      .sort((a, b) => a.start - b.start),
    nesting: condition ? nestingOf(condition) : 0,
    endless: condition && readsEvents(condition) ? endlessSources(condition).map(({ what }) => what) : [],
  }
}

/** The complexity of an expression that no store's names are known for, so that it is not checked. */
export function complexityOfText(text: string): Complexity {
  return complexityOf(text, parsePql(text).expr, null)
}

function isAggregation(node: Expr): boolean {
  return (
    node.kind === 'aggregate' ||
    (node.kind === 'call' &&
      node.receiver !== null &&
      isFunction(node.name) &&
      functions[node.name].group === 'aggregation')
  )
}

/** Each list inside of lists adds a level; a variable has the level of the list whose item it is. */
function nestingOf(condition: Condition): number {
  let deepest = 0
  const walk = (node: Node, levels: ReadonlyMap<number, number>): void => {
    const level = isCollection(node) ? levelOf(node, levels) : 0
    deepest = Math.max(deepest, level)
    const inside = 'variable' in node && 'list' in node ? levelOf(node.list, levels) : 0
    const bound = 'variable' in node ? new Map([...levels, [node.variable, inside]]) : levels
    eachChild(node, (child, isBound) => walk(child, isBound ? bound : levels))
  }
  walk(condition, new Map())
  return deepest
}

function isCollection(node: Node): node is Value {
  return 'type' in node && typeof node.type === 'object' && ('items' in node.type || 'values' in node.type)
}

/** The level of a list or map, or of what holds the list's items. */
function levelOf(value: Value, levels: ReadonlyMap<number, number>): number {
  switch (value.kind) {
    case 'column':
      return isCollection(value) ? 1 : 0
    case 'variable':
      return levels.get(value.id) ?? 0
    case 'member':
      return levelOf(value.object, levels) + (isCollection(value) ? 1 : 0)
    case 'get':
    case 'values':
      return levelOf(value.map, levels)
    case 'map': {
      const inside = new Map([...levels, [value.variable, levelOf(value.list, levels)]])
      return Math.max(levelOf(value.list, levels), levelOf(value.to, inside))
    }
    case 'filter':
    case 'top':
    case 'distinct':
    case 'flatten':
    case 'first':
      return levelOf(value.list, levels)
    default:
      return 0
  }
}
