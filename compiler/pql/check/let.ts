import { dataTypeOf } from '../../schema.ts'
import type { Expr } from '../ast.ts'
import type { Checking } from './context.ts'
import {
  type Meaning,
  meaningOf,
  type Scope,
  type Typed,
  truth,
  valueMeaning,
  variableOf,
  withVariable,
} from './meaning.ts'
import { recordDefined, valueOf } from './operand.ts'

/** `let name = value in body`. Only what costs something is bound; records, literals and lists of events are put in place. */
export function letIn(checking: Checking, expr: Extract<Expr, { kind: 'let' }>, scope: Scope): Meaning {
  const meaning = checking.meaning(expr.value, scope)
  if (meaning === null) {
    checking.meaning(expr.body, withVariable(scope, expr.name, null))
    return null
  }
  const isInPlace =
    meaning.kind !== 'value' ||
    meaning.value.kind === 'literal' ||
    meaning.value.kind === 'column' ||
    meaning.type.kind === 'array'
  if (isInPlace) return checking.meaning(expr.body, withVariable(scope, expr.name, meaning))
  const variable = checking.deeper(scope, expr.span)
  const bound = valueMeaning(variableOf(variable, meaning.type), meaning.type)
  const body = bodyOf(checking, expr.body, withVariable(scope, expr.name, bound, variable))
  return (
    body &&
    meaningOf({ kind: 'let', variable, value: meaning.value, body: body.value, type: dataTypeOf(body.type) }, body.type)
  )
}

/** The body as a value; an object has none, so whether it is there stands for it. */
function bodyOf(checking: Checking, expr: Expr, scope: Scope): Typed | null {
  const meaning = checking.meaning(expr, scope)
  if (meaning?.kind !== 'record') return valueOf(checking, meaning, expr.span)
  const defined = recordDefined(checking, meaning, expr.span)
  return defined && truth(defined)
}
