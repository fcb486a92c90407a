import type { Expr, Span } from '../ast.ts'
import type { Condition, TextTest } from '../ir.ts'
import { parseRegex } from '../regex/parse.ts'
import type { Regex } from '../regex.ts'
import { type Checking, mismatch, unsupported } from './context.ts'
import { conditionMeaning, type Meaning, type Scope } from './meaning.ts'
import { textIn, valueIn } from './operand.ts'

/**
 * Compares a text with another, or with several: true if one of them fits or, where `negated`, if none does. `caseExpr` is a function's
 * last argument: whether case counts.
 */
export function textTest(
  checking: Checking,
  { test, negated }: { readonly test: TextTest; readonly negated: boolean },
  leftExpr: Expr,
  rightExprs: readonly Expr[],
  caseExpr: Expr | null,
  scope: Scope,
): Meaning {
  const left = textIn(checking, leftExpr, scope, `\`${test}\``)
  const rights = rightExprs.map((expr) => textIn(checking, expr, scope, `\`${test}\``))
  const isCaseSensitive = caseExpr === null ? true : caseIn(checking, caseExpr, scope)
  const texts = rights.filter((right) => right !== null)
  if (!left || texts.length < rights.length || isCaseSensitive === null) return null
  const items = texts.map(
    (right): Condition => ({ kind: 'text', test, negated, ignoreCase: !isCaseSensitive, left, right }),
  )
  if (items.length === 1) return conditionMeaning(items[0]!)
  if (test === 'equals' && isCaseSensitive && texts.every(({ kind }) => kind === 'literal'))
    return conditionMeaning({
      kind: 'includes',
      list: { kind: 'list', items: texts, type: { items: 'string' } },
      item: left,
      negated,
    })
  return conditionMeaning({ kind: negated ? 'and' : 'or', items })
}

function caseIn(checking: Checking, expr: Expr, scope: Scope): boolean | null {
  const flag = valueIn(checking, expr, scope)
  if (flag === null) return null
  if (flag.value.kind === 'literal' && typeof flag.value.value === 'boolean') return flag.value.value
  return mismatch(checking, expr.span, 'Whether case counts is `true` or `false`', 'Write `false` to ignore case.')
}

/** `text matches regex` */
export function matches(checking: Checking, textExpr: Expr, regexExpr: Expr, scope: Scope): Meaning {
  const value = textIn(checking, textExpr, scope, '`matches`')
  const regex = regexIn(checking, regexExpr)
  return value && regex && conditionMeaning({ kind: 'matches', value, regex })
}

export function regexIn(checking: Checking, expr: Expr): Regex | null {
  if (expr.kind !== 'literal' || typeof expr.value !== 'string')
    return unsupported(checking, expr.span, 'A regular expression is a literal text', 'Write it in double quotes.')
  const regex = parseRegex(expr.value)
  if ('node' in regex) return regex
  return checking.report({
    code: regex.unsupported ? 'pql-unsupported' : 'pql-syntax',
    message: regex.message,
    span: insideString(expr.span, expr.value, regex),
    help: regex.help,
  })
}

/** The place in the expression of a fault inside a string literal's value; the whole literal where escapes make that unclear. */
function insideString(literal: Span, value: string, fault: { readonly start: number; readonly end: number }): Span {
  if (literal.end - literal.start !== value.length + 2) return literal
  return { start: literal.start + 1 + fault.start, end: literal.start + 1 + fault.end }
}
