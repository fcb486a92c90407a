import type { Expr } from '../pql/ast.ts'
import { checkPql } from '../pql/check.ts'
import type { Condition } from '../pql/ir.ts'
import { parsePql } from '../pql/parser.ts'
import type { UnionTypes } from '../schema.ts'
import type { Expression } from './suite.ts'

/** A part of an expression that `and`, `or` and `not` put together with others. */
export type Leaf = {
  readonly text: string
  readonly condition: Condition
  /** Under an odd number of `not`s. */
  readonly isNegated: boolean
}

/** The leaf conditions of an expression as they are written, in order; none when it does not compile. */
export function leavesOf(expression: Expression, types: UnionTypes): readonly Leaf[] {
  const { text, condition, segments } = expression
  if (!condition) return []
  const leaves: Leaf[] = []
  // A stack instead of recursion: thousands of operands may stand in a row. `before` makes a part an expression of its own.
  type Part = { readonly expr: Expr; readonly before: string; readonly isNegated: boolean }
  const pending: Part[] = [{ expr: parsePql(text).expr, before: '', isNegated: false }]
  for (let part = pending.pop(); part; part = pending.pop()) {
    const { expr, before, isNegated } = part
    if (expr.kind === 'group') pending.push({ ...part, expr: expr.inner })
    else if (expr.kind === 'not') pending.push({ ...part, expr: expr.operand, isNegated: !isNegated })
    else if (expr.kind === 'let' || expr.kind === 'lambda')
      pending.push({ ...part, expr: expr.body, before: before + text.slice(expr.span.start, expr.body.span.start) })
    else if (expr.kind === 'binary' && (expr.op === 'and' || expr.op === 'or'))
      pending.push({ ...part, expr: expr.right }, { ...part, expr: expr.left })
    else {
      const own = text.slice(expr.span.start, expr.span.end)
      const compiled = checkPql(before + own, { types, segments }).condition
      if (compiled) leaves.push({ text: own, condition: compiled, isNegated })
    }
  }
  return leaves
}
