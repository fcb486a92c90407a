import { columnsOf, describe, type ObjectType, objectType, type Type } from '../../schema.ts'
import type { Expr, Span } from '../ast.ts'
import { type Condition, type Field, greatestVariable, itemNumber, type Value } from '../ir.ts'
import { type Checking, mismatch, mostObjectNodes, small, syntax } from './context.ts'
import {
  allOf,
  classOf,
  isLiteral,
  type List,
  leaf,
  listMeaning,
  type Meaning,
  meaningOf,
  type RecordMeaning,
  type Scope,
  type Typed,
  variableOf,
} from './meaning.ts'
import { coerced, recordDefined, valueIn } from './operand.ts'

// Comparison of whole arrays and whole objects, and of the items of an array with one value.

/**
 * Whether `holds` is true for some item of the list, for which it gets a value: the item or, where the list is made of others, what makes
 * the item of them. It binds no variable that stands in the scope.
 */
export function someItem(
  list: Value,
  scope: Scope,
  other: Value,
  holds: (item: Value) => Condition | null,
): Condition | null {
  const of = (list: Value): Condition | null => {
    if (list.kind === 'map' && list.variable > scope.depth) return some(list.list, list.variable, holds(list.to))
    if (list.kind === 'flatten' && list.list.kind === 'map' && list.list.variable > scope.depth)
      return some(list.list.list, list.list.variable, of(list.list.to))
    const variable = Math.max(scope.depth, greatestVariable(list), greatestVariable(other)) + 1
    const { type } = list
    const item = typeof type === 'object' && 'items' in type ? type.items : type
    return some(list, variable, holds({ kind: 'variable', id: variable, type: item }))
  }
  return of(list)
}

function some(list: Value, variable: number, where: Condition | null): Condition | null {
  return where && { kind: 'any', list, variable, where }
}

/** Two arrays are alike when they have the same items in the same order; items are scalars. */
export function sameArrays(
  checking: Checking,
  op: '=' | '!=',
  left: List & { readonly expr: Expr },
  right: List & { readonly expr: Expr },
  span: Span,
): Condition | null {
  const sides = [left, right] as const
  for (const side of sides)
    if (classOf(side.items) === null)
      return mismatch(
        checking,
        side.expr.span,
        `An array of ${nested(side.items)} cannot be compared as a whole`,
        'Compare a field of its items, as in `items.sku = ["A1", "B2"]`.',
      )
  const asLeft = classOf(left.items) === classOf(right.items) ? right.value : coercedItems(checking, right, left.items)
  if (asLeft) return { kind: 'compare', op, of: 'list', left: left.value, right: asLeft }
  const asRight = coercedItems(checking, left, right.items)
  if (asRight) return { kind: 'compare', op, of: 'list', left: asRight, right: right.value }
  return mismatch(
    checking,
    span,
    `An array of ${nested(left.items)} is compared with an array of ${nested(right.items)}`,
    'Compare arrays of text with text, numbers with numbers.',
  )
}

/** `objects`, `text`, `an array of text`: the items of an array in words. */
function nested(items: Type): string {
  return items.kind === 'object' ? 'objects' : describe(items)
}

/** The items of an array that is written out, as values of the type; null where one cannot be. */
function coercedItems(
  checking: Checking,
  { value, items, expr }: List & { readonly expr: Expr },
  type: Type,
): Value | null {
  if (value.kind !== 'list' || expr.kind !== 'array') return null
  const values = value.items.map((item, index) =>
    isLiteral(item) ? coerced(checking, { value: item, type: items }, type, expr.items[index]!) : null,
  )
  if (values.some((item) => item === null)) return null
  const known = values.filter((item) => item !== null)
  return { kind: 'list', items: known, type: { items: known[0]?.type ?? 'string' } }
}

type Side = { readonly record: RecordMeaning; readonly expr: Expr }

/**
 * Two objects are alike when each of their fields is: both absent, or the same. Two events are alike when they are the same event of the
 * profile, whatever their fields hold. Neither is so for an absent object.
 */
export function sameObjects(checking: Checking, op: '=' | '!=', left: Side, right: Side, span: Span): Condition | null {
  const { event } = checking.names.types
  if (event && left.record.type === event && right.record.type === event)
    return sameEvents(
      op,
      leaf(left.record.base, [itemNumber], 'integer'),
      leaf(right.record.base, [itemNumber], 'integer'),
    )
  const defined = [left, right].map(({ record, expr }) => recordDefined(checking, record, expr.span))
  const alike = fieldsAlike(checking, left, right, span)
  const [one, other] = defined
  if (!one || !other || !alike) return null
  return allOf([one, other, op === '=' ? alike : { kind: 'not', item: alike }])
}

function sameEvents(op: '=' | '!=', left: Value, right: Value): Condition {
  if (JSON.stringify(left) === JSON.stringify(right)) return { kind: 'constant', value: op === '=' }
  return { kind: 'compare', op, of: 'number', left, right }
}

function fieldsAlike(checking: Checking, left: Side, right: Side, span: Span): Condition | null {
  const [lefts, rights] = [columnsOf(left.record.type), columnsOf(right.record.type)].map(
    (columns) => new Map(columns.map((column) => [column.path, column.type])),
  )
  if (!lefts || !rights) return null
  const paths = [...new Set([...lefts.keys(), ...rights.keys()])]
  const parts: Condition[] = []
  for (const path of paths) {
    const sides = ([left, right] as const).map((side, index) => ({
      ...side,
      type: (index === 0 ? lefts : rights).get(path),
    }))
    const lacking = sides.find(({ type }) => type === undefined)
    const having = sides.find((side) => side !== lacking)!
    const value = having.type === undefined ? null : leaf(having.record.base, path.split('.'), having.type)
    if (!value || !small(checking, value, mostObjectNodes, having.expr.span)) return null
    const isThere: Condition = { kind: 'isDefined', value }
    if (lacking) {
      // What an object that is written out does not name is absent from it.
      if (lacking.expr.kind !== 'object')
        return mismatch(
          checking,
          having.expr.kind === 'object' ? having.expr.span : span,
          `One of these objects has no \`${path}\``,
          'Compare their fields one by one.',
        )
      parts.push({ kind: 'not', item: isThere })
      continue
    }
    const fields = sides.map((side) => fieldAt(side.record, path))
    const same = fields[0] && fields[1] ? sameFields(checking, path, fields[0], fields[1], [left, right], span) : null
    if (!same) return null
    const isAbsent = (field: Typed): Condition => ({ kind: 'not', item: { kind: 'isDefined', value: field.value } })
    const neither: Condition = { kind: 'and', items: fields.flatMap((field) => (field ? [isAbsent(field)] : [])) }
    parts.push({ kind: 'or', items: [same, neither] })
  }
  return allOf(parts)
}

/** A leaf of an object by its dotted path. */
function fieldAt({ base, type }: RecordMeaning, path: string): Typed | null {
  let at: Type = type
  for (const name of path.split('.')) {
    const next: Type | undefined = at.kind === 'object' ? at.fields.get(name) : undefined
    if (!next) return null
    at = next
  }
  const own = columnsOf(type).find((column) => column.path === path)
  return own ? { value: leaf(base, path.split('.'), own.type), type: at } : null
}

function sameFields(
  checking: Checking,
  path: string,
  left: Typed,
  right: Typed,
  [leftSide, rightSide]: readonly [Side, Side],
  span: Span,
): Condition | null {
  if (left.type.kind === 'array' && right.type.kind === 'array')
    return sameArrays(
      checking,
      '=',
      { value: left.value, items: left.type.items, expr: leftSide.expr },
      { value: right.value, items: right.type.items, expr: rightSide.expr },
      span,
    )
  const of = classOf(left.type)
  if (of !== null && of === classOf(right.type))
    return { kind: 'compare', op: '=', of, left: left.value, right: right.value }
  for (const [literal, other, side] of [
    [right, left, rightSide],
    [left, right, leftSide],
  ] as const) {
    const value = isLiteral(literal.value) ? coerced(checking, literal, other.type, side.expr) : null
    const otherClass = classOf(other.type)
    if (value && otherClass) return { kind: 'compare', op: '=', of: otherClass, left: other.value, right: value }
  }
  return mismatch(
    checking,
    span,
    `\`${path}\` is ${describe(left.type)} in one object, ${describe(right.type)} in the other`,
    left.type.kind === 'map' || right.type.kind === 'map'
      ? 'Maps are not compared: compare their values, with `.get("key")`.'
      : 'Compare the fields that have the same type one by one.',
  )
}

/** `{"key": value, …}` */
export function objectLiteral(checking: Checking, expr: Extract<Expr, { kind: 'object' }>, scope: Scope): Meaning {
  const fields: Field[] = []
  const types = new Map<string, Type>()
  // Engines do not tell fields apart that differ in capitals only.
  const keys = new Set<string>()
  if (expr.entries.length === 0)
    return syntax(checking, expr.span, 'An object has at least one field', 'Write {"field": value}.')
  for (const { key, value: valueExpr } of expr.entries) {
    const typed = valueIn(checking, valueExpr, scope)
    const isName = /^[A-Za-z_][A-Za-z0-9_]*$/.test(key)
    if (!isName || keys.has(key.toLowerCase()))
      syntax(
        checking,
        expr.span,
        isName ? `The field \`${key}\` is written twice` : `"${key}" is not the name of a field`,
        isName ? 'Keep one of the two.' : 'Names have letters, digits and underscores and do not start with a digit.',
      )
    else if (typed) {
      types.set(key, typed.type)
      fields.push({ name: key, value: typed.value })
    }
    keys.add(key.toLowerCase())
  }
  if (fields.length < expr.entries.length) return null
  const type = objectType(types)
  return meaningOf({ kind: 'record', fields, type: type.dataType }, type)
}

/**
 * `object.filter(condition)`: an array of the object alone where the condition holds for it, an absent array where it does not. `where`
 * reads the object as `variable`.
 */
export function filteredObject(
  checking: Checking,
  record: RecordMeaning,
  where: Condition,
  variable: number,
  span: Span,
): Meaning {
  const value = recordValue(checking, record, span)
  const item = meaningOf(variableOf(variable, record.type), record.type)
  const isThere = item?.kind === 'record' ? recordDefined(checking, item, span) : null
  if (!value || !isThere) return null
  const type = record.type.dataType
  const lists: Value = {
    kind: 'map',
    list: {
      kind: 'filter',
      list: { kind: 'list', items: [value], type: { items: type } },
      variable,
      where: allOf([isThere, where]),
      type: { items: type },
    },
    variable,
    to: { kind: 'list', items: [variableOf(variable, record.type)], type: { items: type } },
    type: { items: { items: type } },
  }
  return listMeaning({ kind: 'first', list: lists, type: { items: type } }, record.type)
}

/** The object as one value, made of its fields where it is none yet. */
function recordValue(checking: Checking, { base, type }: RecordMeaning, span: Span): Value | null {
  if (base.kind === 'object' && base.path.length === 0) return base.value
  if (base.kind === 'object' && !small(checking, base.value, mostObjectNodes, span)) return null
  const of = (type: ObjectType, path: readonly string[]): Value => ({
    kind: 'record',
    fields: [...type.fields].map(([name, field]) => ({
      name,
      value:
        field.kind === 'object'
          ? of(field, [...path, name])
          : leaf(base, [...path, name], columnsOf(type).find((column) => column.path === name)!.type),
    })),
    type: type.dataType,
  })
  return of(type, [])
}
