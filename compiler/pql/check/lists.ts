import { dataTypeOf, describe, objectType, type Type } from '../../schema.ts'
import type { Expr, Generator, Span } from '../ast.ts'
import type { Condition, Fold, Value } from '../ir.ts'
import { type Checking, inside, mismatch, unsupported } from './context.ts'
import {
  always,
  classOf,
  conditionMeaning,
  date,
  integer,
  isNumeric,
  type List,
  listMeaning,
  type Meaning,
  meaningOf,
  number,
  type Scope,
  type Typed,
  text,
  timestamp,
  valueMeaning,
  variableOf,
  withVariable,
} from './meaning.ts'
import { field } from './names.ts'
import { coerced, conditionIn, listOf, valueIn } from './operand.ts'

// ---- filters

/** `array[condition]`, and `map["key"]`. */
export function filter(checking: Checking, expr: Extract<Expr, { kind: 'filter' }>, scope: Scope): Meaning {
  const array = checking.meaning(expr.array, scope)
  const { condition } = expr
  const isMap = array?.kind === 'value' && array.type.kind === 'map'
  if (isMap && condition.kind === 'literal' && typeof condition.value === 'string')
    return field(checking, array, { name: condition.value, span: condition.span }, [], expr.span, scope)
  const list = listOf(checking, array, expr.array.span, 'A filter `[…]`')
  if (!list) return null
  if (condition.kind === 'literal' && typeof condition.value === 'number')
    return unsupported(
      checking,
      condition.span,
      'Items cannot be read by their number',
      'Write a condition, or `.head()` for the first item, `.topN(value, n)` for the best.',
    )
  return filtered(checking, list, expr.array, condition, scope)
}

export function filtered(
  checking: Checking,
  { value: list, items }: List,
  arrayExpr: Expr,
  conditionExpr: Expr,
  scope: Scope,
): Meaning {
  const inner = inside(checking, items, arrayExpr, scope)
  const where = conditionIn(checking, conditionExpr, inner.scope)
  if (!where) return null
  const { variable } = inner
  return listMeaning({ kind: 'filter', list, variable, where, type: { items: dataTypeOf(items) } }, items)
}

// ---- lists that are written out

export function arrayLiteral(checking: Checking, expr: Extract<Expr, { kind: 'array' }>, scope: Scope): Meaning {
  const items = expr.items.flatMap((item) => {
    const typed = valueIn(checking, item, scope)
    return typed ? [{ expr: item, typed }] : []
  })
  if (items.length < expr.items.length) return null
  const [first] = items
  if (!first) return listMeaning({ kind: 'list', items: [], type: { items: 'string' } }, text)
  const wanted = itemType(
    first.typed.type,
    items.some(({ typed }) => typed.type.kind === 'number'),
  )
  const values: Value[] = []
  for (const item of items) {
    const value = coerced(checking, item.typed, wanted, item.expr)
    if (!value)
      return mismatch(
        checking,
        item.expr.span,
        `The items of an array have one type; this is ${describe(item.typed.type)}, the first is ${describe(wanted)}`,
        'Write all items alike.',
      )
    values.push(value)
  }
  const type = narrowed(wanted, values)
  return listMeaning({ kind: 'list', items: values, type: { items: dataTypeOf(type) } }, type)
}

function itemType(first: Type, hasNumber: boolean): Type {
  if (hasNumber && isNumeric(first)) return number
  return first.kind === 'string' ? text : first
}

/** The items' type in a list that is written out: integer where all are whole, else number; date where all are dates, else timestamp. */
function narrowed(type: Type, values: readonly Value[]): Type {
  if (isNumeric(type)) return values.every((value) => value.type === 'integer') ? integer : number
  if (classOf(type) === 'instant') return values.every((value) => value.type === 'date') ? date : timestamp
  return type
}

// ---- quantifiers

/** A variable of `exists`, `forall`, `select` or an aggregate, and the list it comes from. */
export type BoundGenerator = {
  readonly name: string
  readonly variable: number
  readonly list: Value
  readonly items: Type
  readonly where: Condition | null
  /** The scope in which the variable is known. */
  readonly scope: Scope
}

export function quantifier(
  checking: Checking,
  kind: 'exists' | 'forall' | 'select',
  generators: readonly Generator[],
  scope: Scope,
): Meaning {
  const bound = boundGenerators(checking, generators, scope)
  if (!bound) return null
  switch (kind) {
    case 'select':
      return selected(bound)
    case 'exists':
      return conditionMeaning(someTuple(bound))
    case 'forall': {
      const broken = someTupleBreaks(bound)
      return conditionMeaning(broken && { kind: 'not', item: broken })
    }
  }
}

/** Whether some tuple satisfies all conditions. */
function someTuple(bound: readonly BoundGenerator[]): Condition | null {
  let condition: Condition | null = null
  for (const { list, variable, where: own } of [...bound].reverse()) {
    const where: Condition =
      condition === null ? (own ?? always) : own ? { kind: 'and', items: [own, condition] } : condition
    condition = { kind: 'any', list, variable, where }
  }
  return condition
}

/** Whether some tuple violates some condition. */
function someTupleBreaks(bound: readonly BoundGenerator[]): Condition | null {
  let condition: Condition | null = null
  for (const { list, variable, where: own } of [...bound].reverse()) {
    const breaks: Condition = own ? { kind: 'not', item: own } : { kind: 'constant', value: false }
    const where: Condition = condition === null ? breaks : { kind: 'or', items: [breaks, condition] }
    condition = { kind: 'any', list, variable, where }
  }
  return condition
}

function boundGenerators(
  checking: Checking,
  generators: readonly Generator[],
  scope: Scope,
): readonly BoundGenerator[] | null {
  const bound: BoundGenerator[] = []
  let inner = scope
  let faulty = false
  for (const {
    variable: { name, span },
    array,
    where: whereExpr,
  } of generators) {
    const list = listOf(checking, checking.meaning(array, inner), array.span, '`from`')
    const variable = checking.deeper(inner, span)
    const item = list && meaningOf(variableOf(variable, list.items), list.items)
    inner = withVariable(inner, name, item, variable)
    const where = whereExpr && conditionIn(checking, whereExpr, inner)
    if (!list || (whereExpr && !where)) faulty = true
    if (list) bound.push({ name, variable, list: list.value, items: list.items, where, scope: inner })
  }
  return faulty ? null : bound
}

/** The result of `select`: the items themselves or, for several variables, tuples whose fields are the variables. */
function selected(bound: readonly BoundGenerator[]): Meaning {
  const [only, ...others] = bound
  if (!only) return null
  if (others.length === 0) {
    const { list, variable, where, items } = only
    return listMeaning(
      where ? { kind: 'filter', list, variable, where, type: { items: dataTypeOf(items) } } : list,
      items,
    )
  }
  const tuple = objectType(new Map(bound.map(({ name, items }) => [name, items])))
  const record: Value = {
    kind: 'record',
    fields: bound.map(({ name, variable, items }) => ({ name, value: variableOf(variable, items) })),
    type: dataTypeOf(tuple),
  }
  return listMeaning(tupleList(bound, record), tuple)
}

/** One item for each tuple of the generators that satisfies all their conditions. */
function tupleList(bound: readonly BoundGenerator[], to: Value): Value {
  let result = to
  for (const [index, { list: all, variable, where, items }] of [...bound].reverse().entries()) {
    const list: Value = where ? { kind: 'filter', list: all, variable, where, type: { items: dataTypeOf(items) } } : all
    const mapped: Value = { kind: 'map', list, variable, to: result, type: { items: result.type } }
    // From the second turn on, each inner result is itself a list.
    result = index === 0 ? mapped : { kind: 'flatten', list: mapped, type: result.type }
  }
  return result
}

// ---- aggregates

/** `sum value over V from …` */
export function aggregate(checking: Checking, expr: Extract<Expr, { kind: 'aggregate' }>, scope: Scope): Meaning {
  const bound = boundGenerators(checking, expr.generators, scope)
  const last = bound?.at(-1)
  if (!bound || !last) return null
  if (expr.name === 'count')
    return folded('count', tupleList(bound, { kind: 'literal', value: 1, type: 'integer' }), integer)
  const typed = valueIn(checking, expr.value, last.scope)
  return typed && foldOver(checking, expr.name, typed, expr.value.span, (to) => tupleList(bound, to))
}

/** A fold over one value per item; `listOf` makes the list of values. */
export function foldOver(
  checking: Checking,
  fold: Exclude<Fold, 'count'>,
  { value, type }: Typed,
  span: Span,
  listOf: (to: Value) => Value,
): Meaning {
  const isExtreme = fold === 'min' || fold === 'max'
  if (isNumeric(type)) return folded(fold, listOf(value), isExtreme && type.kind !== 'number' ? integer : number)
  if (isExtreme && (type.kind === 'date' || type.kind === 'timestamp')) return folded(fold, listOf(value), type)
  return mismatch(
    checking,
    span,
    `\`${fold}\` needs a number${isExtreme ? ' or a time' : ''}, this is ${describe(type)}`,
    'Name a field of type integer or number.',
  )
}

export function folded(fold: Fold, list: Value, type: Type): Meaning {
  return valueMeaning({ kind: 'fold', fold, list, type: dataTypeOf(type) }, type)
}
