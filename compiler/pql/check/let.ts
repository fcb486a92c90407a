import { dataTypeOf } from '../../schema.ts'
import { type Expr, nodesOf } from '../ast.ts'
import { type Node, sizeOf } from '../ir.ts'
import { type Checking, mostTerms, tooLarge } from './context.ts'
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

/**
 * `let name = value in body`. An expensive value is bound to a variable: a number or text always, a condition where writing it out at
 * each use would come to more than a few terms. Literals and columns are put in place, and so are lists and objects, so that engines see
 * what those are read from.
 */
export function letIn(checking: Checking, expr: Extract<Expr, { kind: 'let' }>, scope: Scope): Meaning {
  const meaning = checking.meaning(expr.value, scope)
  if (meaning === null) {
    checking.meaning(expr.body, withVariable(scope, expr.name, null))
    return null
  }
  const written = writtenOut(meaning, expr)
  const isInPlace =
    meaning.kind === 'condition'
      ? written <= mostWrittenOut
      : meaning.kind !== 'value' ||
        meaning.value.kind === 'literal' ||
        meaning.value.kind === 'column' ||
        meaning.type.kind === 'array'
  if (isInPlace) {
    if (written > mostTerms) return tooLarge(checking, expr.value.span)
    return checking.meaning(expr.body, withVariable(scope, expr.name, meaning))
  }
  const own = valueOf(checking, meaning, expr.value.span)
  if (!own) return null
  const variable = checking.deeper(scope, expr.span)
  const bound = valueMeaning(variableOf(variable, own.type), own.type)
  const body = bodyOf(checking, expr.body, withVariable(scope, expr.name, bound, variable))
  return (
    body &&
    meaningOf({ kind: 'let', variable, value: own.value, body: body.value, type: dataTypeOf(body.type) }, body.type)
  )
}

/** How many terms a condition may come to, over all its uses, and still be written out at each. */
const mostWrittenOut = 1_000

/** How many terms the uses after the first add; 0 for a value that is used at most once. */
function writtenOut(meaning: NonNullable<Meaning>, { name, body }: Extract<Expr, { kind: 'let' }>): number {
  const parts = partsOf(meaning)
  if (parts.length === 0) return 0
  const uses = usesOf(name, body)
  return uses < 2 ? 0 : uses * parts.reduce((size, part) => size + sizeOf(part, mostTerms), 0)
}

function partsOf(meaning: NonNullable<Meaning>): readonly Node[] {
  switch (meaning.kind) {
    case 'value':
      return [meaning.value]
    case 'condition':
      return [meaning.condition]
    case 'record':
      return meaning.base.kind === 'object' ? [meaning.base.value] : []
    case 'moment':
      return meaning.moment.kind === 'instant' ? [meaning.moment.at] : [meaning.moment.start, meaning.moment.end]
  }
}

/** How often a name occurs in an expression. */
function usesOf(name: string, body: Expr): number {
  return nodesOf(body).filter((node) => node.kind === 'name' && node.name === name).length
}

/** The body as a value; an object has none, so the value is whether the object is there. */
function bodyOf(checking: Checking, expr: Expr, scope: Scope): Typed | null {
  const meaning = checking.meaning(expr, scope)
  if (meaning?.kind !== 'record') return valueOf(checking, meaning, expr.span)
  const defined = recordDefined(checking, meaning, expr.span)
  return defined && truth(defined)
}
