import type { UnionTypes } from '../schema.ts'
import { type Expr, nodesOf } from './ast.ts'
import { checkPql, type SegmentNames } from './check.ts'
import type { Condition } from './ir.ts'
import { parsePql } from './parser.ts'

/** An expression as `and`, `or` and `not` combine it. Operands of one operator in a row are siblings, with or without parentheses. */
export type Part =
  | { readonly kind: 'and' | 'or'; readonly items: readonly Part[] }
  | { readonly kind: 'not'; readonly item: Part }
  | Leaf

/** A part that is none of the three. */
export type Leaf = {
  readonly kind: 'leaf'
  /** The part as it is written. */
  readonly text: string
  readonly condition: Condition
  /** The texts of a comparison's sides; null for other parts. */
  readonly sides: readonly [left: string, right: string] | null
  /** The texts of what `exists V from … where` asks of an item, joined by `and`; null for other parts. */
  readonly asked: readonly string[] | null
}

/** The conditions that `and` joins, with or without parentheses. */
export function conjunctsOf(expr: Expr): readonly Expr[] {
  if (expr.kind === 'group' && expr.inner.kind !== 'binary') return conjunctsOf(expr.inner)
  if (expr.kind === 'group' && expr.inner.kind === 'binary' && expr.inner.op === 'and') return conjunctsOf(expr.inner)
  return expr.kind === 'binary' && expr.op === 'and' ? [expr.left, expr.right].flatMap(conjunctsOf) : [expr]
}

/** Whether a condition speaks of a variable, rather than of an own one of the same name. */
function speaksOf(expr: Expr, variable: string): boolean {
  if (expr.kind === 'group') return speaksOf(expr.inner, variable)
  if (expr.kind === 'not') return speaksOf(expr.operand, variable)
  const hides = expr.kind === 'quantifier' && expr.generators[0]?.variable.name === variable
  const within: unknown = hides ? expr.generators[0]!.array : expr
  return nodesOf(within).some((node) => node.kind === 'name' && node.name === variable)
}

/** The parts of an expression that compiles; where it does not, null or the parts that compile. */
export function partsOf(text: string, types: UnionTypes, segments: SegmentNames): Part | null {
  const sourceText = ({ span }: Expr): string => text.slice(span.start, span.end)
  const leafOf = (text: string, before: string, more: Partial<Pick<Leaf, 'sides' | 'asked'>>): readonly Part[] => {
    const { condition } = checkPql(before + text, { types, segments })
    return condition ? [{ kind: 'leaf', text, condition, sides: null, asked: null, ...more }] : []
  }
  const leaf = (expr: Expr, before: string): readonly Part[] => {
    const where = expr.kind === 'quantifier' && expr.generators.length === 1 ? expr.generators[0]!.where : null
    return leafOf(sourceText(expr), before, {
      ...(expr.kind === 'binary' && { sides: [sourceText(expr.left), sourceText(expr.right)] as const }),
      ...(where && { asked: conjunctsOf(where).map(sourceText) }),
    })
  }
  /**
   * `exists E from … where` reaches as far right as it can: conditions in it that do not speak of E are parts of their own, since they hold
   * or do not whatever E is.
   */
  const existsParts = (expr: Expr, before: string): readonly Part[] | null => {
    const [only, ...others] = expr.kind === 'quantifier' && expr.quantifier === 'exists' ? expr.generators : []
    if (!only?.where || others.length > 0) return null
    const parts = Map.groupBy(conjunctsOf(only.where), (part) => speaksOf(part, only.variable.name))
    const apart = parts.get(false)
    if (!apart) return null
    const own = `exists ${only.variable.name} from ${sourceText(only.array)}`
    const asked = (parts.get(true) ?? []).map(sourceText)
    const where = asked.join(' and ')
    const items = [
      ...leafOf(where === '' ? own : `${own} where ${where}`, before, { asked }),
      ...apart.flatMap((part) => read(part, before)),
    ]
    return [{ kind: 'and', items }]
  }
  /** `before` is put before a part to make it an expression of its own. */
  const read = (expr: Expr, before: string): readonly Part[] => {
    switch (expr.kind) {
      case 'group':
        return read(expr.inner, before)
      case 'let':
      case 'lambda':
        return read(expr.body, before + text.slice(expr.span.start, expr.body.span.start))
      case 'not':
        return read(expr.operand, before).map((item) => ({ kind: 'not', item }))
      case 'binary': {
        if (expr.op !== 'and' && expr.op !== 'or') return leaf(expr, before)
        const { op } = expr
        // A stack instead of recursion: thousands of operands may stand in a row.
        const items: Part[] = []
        const pending: Expr[] = [expr]
        for (let next = pending.pop(); next; next = pending.pop()) {
          if (next.kind === 'group') pending.push(next.inner)
          else if (next.kind === 'binary' && next.op === op) pending.push(next.right, next.left)
          else items.push(...read(next, before).flatMap((part) => (part.kind === op ? part.items : [part])))
        }
        return [{ kind: op, items }]
      }
      default:
        return existsParts(expr, before) ?? leaf(expr, before)
    }
  }
  return read(parsePql(text).expr, '')[0] ?? null
}
