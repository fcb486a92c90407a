import type { Expr } from '../pql/ast.ts'
import { checkPql } from '../pql/check.ts'
import type { Condition } from '../pql/ir.ts'
import { parsePql } from '../pql/parser.ts'
import type { UnionTypes } from '../schema.ts'
import type { Expression } from './suite.ts'

/** A part of an expression that `and`, `or` and `not` put together with others. */
export type Leaf = { readonly text: string; readonly condition: Condition }

/** The leaf conditions of an expression as they are written, in order; none when it does not compile. */
export function leavesOf(expression: Expression, types: UnionTypes): readonly Leaf[] {
  const { text, condition, segments } = expression
  if (!condition) return []
  const leaves: Leaf[] = []
  // A stack instead of recursion: thousands of operands may stand in a row. `before` makes a part an expression of its own.
  const pending: { readonly expr: Expr; readonly before: string }[] = [{ expr: parsePql(text).expr, before: '' }]
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { expr, before } = next
    if (expr.kind === 'group') pending.push({ expr: expr.inner, before })
    else if (expr.kind === 'not') pending.push({ expr: expr.operand, before })
    else if (expr.kind === 'let' || expr.kind === 'lambda')
      pending.push({ expr: expr.body, before: before + text.slice(expr.span.start, expr.body.span.start) })
    else if (expr.kind === 'binary' && (expr.op === 'and' || expr.op === 'or'))
      pending.push({ expr: expr.right, before }, { expr: expr.left, before })
    else {
      const own = text.slice(expr.span.start, expr.span.end)
      const compiled = checkPql(before + own, { types, segments }).condition
      if (compiled) leaves.push({ text: own, condition: compiled })
    }
  }
  return leaves
}
