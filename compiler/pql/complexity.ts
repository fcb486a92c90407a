import type { Expr, Span } from './ast.ts'
import { functions, isFunction } from './functions.ts'
import { type Condition, eachChild, type Node, type Value } from './ir.ts'
import { parsePql } from './parser.ts'

// What Experience Platform's validation of audiences counts in an expression.

/** The CHAINs of an expression that have more steps than that. */
export function chainsBeyond(text: string, most: number): readonly { readonly span: Span; readonly steps: number }[] {
  if (!/chain/i.test(text)) return []
  return nodesOf(text).flatMap((expr) =>
    expr.kind === 'chain' && expr.steps.length > most ? [{ span: expr.span, steps: expr.steps.length }] : [],
  )
}

/** Where an expression counts, sums, averages, or takes a least or greatest value, in the order written. */
export function aggregationsOf(text: string): readonly Span[] {
  if ((text.match(/count|sum|average|min|max/g) ?? []).length === 0) return []
  return nodesOf(text)
    .filter(
      (expr) =>
        expr.kind === 'aggregate' ||
        (expr.kind === 'call' &&
          expr.receiver !== null &&
          isFunction(expr.name) &&
          functions[expr.name].group === 'aggregation'),
    )
    .map((expr) => (expr.kind === 'call' ? expr.nameSpan : expr.span))
    .sort((a, b) => a.start - b.start)
}

function nodesOf(text: string): readonly Expr[] {
  const found: Expr[] = []
  const open: unknown[] = [parsePql(text).expr]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== 'object' || next === null) continue
    if ('kind' in next && 'span' in next) found.push(next as Expr) // what has both is an expression or a time after `occurs`
    for (const child of Object.values(next)) if (typeof child === 'object') open.push(child)
  }
  return found
}

/** How deep the data lie that a condition reads: arrays and maps inside each other, the array of all events aside. */
export function nestingOf(condition: Condition): number {
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
