import { dataTypeOf, describe, type Type } from '../../schema.ts'
import type { Condition, Fold, Value } from '../ir.ts'
import { type MethodHandler, receivedList, takes, takesBetween } from './arguments.ts'
import { includes } from './comparison.ts'
import { inside, mismatch, unsupported } from './context.ts'
import { filtered, folded, foldOver } from './lists.ts'
import { mapEntries } from './map-calls.ts'
import {
  classOf,
  conditionMeaning,
  flattened,
  integer,
  isNumeric,
  listMeaning,
  type Meaning,
  meaningOf,
  valueMeaning,
  withVariable,
} from './meaning.ts'
import { conditionIn, listIn, listOf, valueIn, wholeNumberIn } from './operand.ts'
import { filteredObject } from './whole.ts'

export const count: MethodHandler = (checking, call, scope) => {
  if (!takes(checking, call, 0)) return null
  const list = receivedList(checking, call, scope)
  return list && folded('count', list.value, integer)
}

/** `array.sum(number)`, and `numbers.sum()` over the items themselves. */
export const foldHandler =
  (fold: Exclude<Fold, 'count'>): MethodHandler =>
  (checking, call, scope) => {
    const args = takesBetween(checking, call, 0, 1)
    const list = args && receivedList(checking, call, scope)
    if (!list) return null
    const [of] = args
    if (!of) {
      if (list.items.kind === 'object')
        return mismatch(
          checking,
          call.nameSpan,
          `\`${fold}\` does not know which number of the items is meant`,
          `Write \`.${fold}(field)\`.`,
        )
      const item = { value: list.value, type: list.items }
      return foldOver(checking, fold, item, call.nameSpan, () => list.value)
    }
    const { scope: inner, variable } = inside(checking, list.items, call.receiver, scope)
    const typed = valueIn(checking, of, inner)
    return (
      typed &&
      foldOver(checking, fold, typed, of.span, (to) => ({
        kind: 'map',
        list: list.value,
        variable,
        to,
        type: { items: to.type },
      }))
    )
  }

export const quantifierHandler =
  (kind: 'exists' | 'forall'): MethodHandler =>
  (checking, call, scope) => {
    const args = takes(checking, call, 1)
    const list = args && receivedList(checking, call, scope)
    if (!list) return null
    const { scope: inner, variable } = inside(checking, list.items, call.receiver, scope)
    const where = conditionIn(checking, args[0], inner)
    if (!where) return null
    const some = (holds: Condition): Condition => ({ kind: 'any', list: list.value, variable, where: holds })
    return conditionMeaning(kind === 'exists' ? some(where) : { kind: 'not', item: some({ kind: 'not', item: where }) })
  }

/** `filter` of an array, or of an object: an array of it alone, or none. */
export const filter: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  const receiver = args && checking.meaning(call.receiver, scope)
  if (receiver?.kind === 'record') {
    const { scope: inner, variable } = inside(checking, receiver.type, call.receiver, scope)
    const where = conditionIn(checking, args![0], inner)
    return where && filteredObject(checking, receiver, where, variable, call.receiver.span)
  }
  const list = args && listOf(checking, receiver, call.receiver.span, '`filter`')
  return list && filtered(checking, list, call.receiver, args[0], scope)
}

/** `map` of an array, or of a map by a lambda with key and value. */
export const map: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  if (!args) return null
  const [argument] = args
  const receiver = checking.meaning(call.receiver, scope)
  if (receiver?.kind === 'value' && receiver.type.kind === 'map')
    return mapEntries(checking, { value: receiver.value, values: receiver.type.values }, argument, scope)
  const list = listOf(checking, receiver, call.receiver.span, '`map`')
  if (!list) return null
  const { scope: inner, variable, item } = inside(checking, list.items, call.receiver, scope)
  const [parameter, ...others] = argument.kind === 'lambda' ? argument.parameters : []
  const to =
    argument.kind === 'lambda' && parameter && others.length === 0
      ? valueIn(checking, argument.body, withVariable(inner, parameter.name, item))
      : valueIn(checking, argument, inner)
  return (
    to && flattened({ kind: 'map', list: list.value, variable, to: to.value, type: { items: to.value.type } }, to.type)
  )
}

export const includesHandler: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  if (!args) return null
  const list = receivedList(checking, call, scope)
  const item = valueIn(checking, args[0], scope)
  return list && item && includes(checking, item, args[0], list, call.receiver, false)
}

export const overlapHandler =
  (test: 'intersects' | 'subsetOf' | 'supersetOf' | 'intersection'): MethodHandler =>
  (checking, call, scope) => {
    const args = takes(checking, call, 1)
    if (!args) return null
    const left = receivedList(checking, call, scope)
    const right = listIn(checking, args[0], scope, `\`${test}\``)
    if (!left || !right) return null
    const items = classOf(left.items)
    if (items === null || items !== classOf(right.items))
      return mismatch(
        checking,
        args[0].span,
        `\`${test}\` needs two arrays of the same scalar type`,
        'Compare arrays of text with text, numbers with numbers.',
      )
    return test === 'intersection'
      ? listMeaning(
          { kind: 'intersection', left: left.value, right: right.value, type: { items: dataTypeOf(left.items) } },
          left.items,
        )
      : conditionMeaning({ kind: 'overlap', test, left: left.value, right: right.value })
  }

export const distinct: MethodHandler = (checking, call, scope) => {
  if (!takes(checking, call, 0)) return null
  const list = receivedList(checking, call, scope)
  if (!list) return null
  if (classOf(list.items) === null)
    return unsupported(
      checking,
      call.nameSpan,
      '`distinct` works on arrays of scalars',
      'Map the items to a field first: `.map(field).distinct()`.',
    )
  return listMeaning({ kind: 'distinct', list: list.value, type: { items: dataTypeOf(list.items) } }, list.items)
}

export const groupBy: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  const list = args && receivedList(checking, call, scope)
  if (!list) return null
  const { scope: inner, variable } = inside(checking, list.items, call.receiver, scope)
  const key = valueIn(checking, args[0], inner)
  if (!key) return null
  const type: Type = { kind: 'map', values: { kind: 'array', items: list.items } }
  const by = (value: Value): Meaning =>
    valueMeaning({ kind: 'groupBy', list: list.value, variable, key: value, type: dataTypeOf(type) }, type)
  if (isWhole(key.value)) return by({ kind: 'whole', of: key.value, type: 'integer' })
  if (key.type.kind !== 'string' && key.type.kind !== 'integer' && key.type.kind !== 'boolean')
    return unsupported(
      checking,
      args[0].span,
      `\`groupBy\` groups by text, whole numbers or true/false, this is ${describe(key.type)}`,
      'Group by such a field.',
    )
  return by(key.value)
}

/** Whether a value is computed of whole numbers in a way that leaves it whole. */
function isWhole(value: Value): boolean {
  if (value.kind !== 'arithmetic' || value.op === '/') return false
  return [value.left, value.right].every((side) => side.type === 'integer' || isWhole(side))
}

export const topHandler =
  (order: 'highest' | 'lowest'): MethodHandler =>
  (checking, call, scope) => {
    const args = takes(checking, call, 2)
    const list = args && receivedList(checking, call, scope)
    if (!list) return null
    const [byExpr, countExpr] = args
    const { scope: inner, variable } = inside(checking, list.items, call.receiver, scope)
    const by = valueIn(checking, byExpr, inner)
    const most = wholeNumberIn(
      checking,
      countExpr,
      1_000_000,
      scope,
      'For the other end of the order there is `bottomN` and `topN`.',
    )
    if (!by || most === null) return null
    if (!isNumeric(by.type) && by.type.kind !== 'timestamp' && by.type.kind !== 'date')
      return mismatch(
        checking,
        byExpr.span,
        `\`${call.name}\` orders by a number or a time, this is ${describe(by.type)}`,
        'Name a field of type number, date or date-time.',
      )
    const type = { items: dataTypeOf(list.items) }
    return listMeaning({ kind: 'top', list: list.value, variable, by: by.value, order, count: most, type }, list.items)
  }

export const head: MethodHandler = (checking, call, scope) => {
  if (!takes(checking, call, 0)) return null
  const list = receivedList(checking, call, scope)
  return list && meaningOf({ kind: 'first', list: list.value, type: dataTypeOf(list.items) }, list.items)
}
