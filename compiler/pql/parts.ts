import type { UnionTypes } from '../schema.ts'
import type { Expr } from './ast.ts'
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
}

/** The parts of an expression that compiles; where it does not, null or the parts that compile. */
export function partsOf(text: string, types: UnionTypes, segments: SegmentNames): Part | null {
  const sourceText = ({ span }: Expr): string => text.slice(span.start, span.end)
  const leaf = (expr: Expr, before: string): readonly Part[] => {
    const { condition } = checkPql(before + sourceText(expr), { types, segments })
    const sides = expr.kind === 'binary' ? ([sourceText(expr.left), sourceText(expr.right)] as const) : null
    return condition ? [{ kind: 'leaf', text: sourceText(expr), condition, sides }] : []
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
          else items.push(...read(next, before))
        }
        return [{ kind: op, items }]
      }
      default:
        return leaf(expr, before)
    }
  }
  return read(parsePql(text).expr, '')[0] ?? null
}
