import { dataTypeOf, describe, type Type } from '../../schema.ts'
import { nearest } from '../../suggest.ts'
import type { ComparisonOp, Expr, Span } from '../ast.ts'
import { replacement } from '../fault.ts'
import type { Condition, Value } from '../ir.ts'
import { type Checking, mismatch, written } from './context.ts'
import {
  type Class,
  classOf,
  conditionMeaning,
  describeMeaning,
  isLiteral,
  type List,
  type Meaning,
  type Scope,
  type Typed,
} from './meaning.ts'
import { coerced, listOf, valueIn, valueOf } from './operand.ts'
import { sameArrays, sameObjects, someItem } from './whole.ts'

type Binary = Extract<Expr, { kind: 'binary' }>
type Comparison = Binary & { readonly op: ComparisonOp }

/** Two expressions that are compared, and the place of the comparison. */
type Sides = { readonly left: Expr; readonly right: Expr; readonly span: Span }

export function comparison(checking: Checking, expr: Comparison, scope: Scope): Meaning {
  const { op } = expr
  const ordered = op !== '=' && op !== '!='
  if (!ordered && expr.right.kind === 'name' && expr.right.name === 'null' && !scope.variables.has('null'))
    return comparisonWithNull(checking, expr, op)
  const [leftMeaning, rightMeaning] = [checking.meaning(expr.left, scope), checking.meaning(expr.right, scope)]
  if (!leftMeaning || !rightMeaning) return null
  if (!ordered && leftMeaning.kind === 'record' && rightMeaning.kind === 'record') {
    const [left, right] = [leftMeaning, rightMeaning]
    const sides = [
      { record: left, expr: expr.left },
      { record: right, expr: expr.right },
    ] as const
    return conditionMeaning(sameObjects(checking, op, ...sides, expr.span))
  }
  const left = valueOf(checking, leftMeaning, expr.left.span)
  const right = valueOf(checking, rightMeaning, expr.right.span)
  if (!left || !right) return null
  const lists = [listItems(left.type), listItems(right.type)]
  const [leftItems, rightItems] = lists
  if (leftItems && rightItems) {
    if (ordered)
      return mismatch(
        checking,
        expr.opSpan,
        `\`${op}\` compares numbers, not arrays`,
        'Compare `.count()`, `.sum()` or `.max()` of them.',
      )
    const sides = [
      { value: left.value, items: leftItems, expr: expr.left },
      { value: right.value, items: rightItems, expr: expr.right },
    ] as const
    return conditionMeaning(sameArrays(checking, op, ...sides, expr.span))
  }
  if (leftItems && classOf(leftItems) !== null)
    return conditionMeaning(
      someItem(left.value, scope, right.value, (value) => compared(checking, { value, type: leftItems }, right, expr)),
    )
  if (rightItems && classOf(rightItems) !== null)
    return conditionMeaning(
      someItem(right.value, scope, left.value, (value) => compared(checking, left, { value, type: rightItems }, expr)),
    )
  return conditionMeaning(compared(checking, left, right, expr))
}

function listItems(type: Type): Type | null {
  return type.kind === 'array' ? type.items : null
}

/** The comparison of two values of the same class. */
function compared(checking: Checking, left: Typed, right: Typed, expr: Comparison): Condition | null {
  const { op } = expr
  const ordered = op !== '=' && op !== '!='
  const sides = alike(checking, left, right, expr)
  if (!sides) return null
  if (!ordered) {
    warnOfEnum(checking, left.type, right.value, expr.right)
    warnOfEnum(checking, right.type, left.value, expr.left)
  }
  if (ordered && sides.of !== 'number') return unordered(checking, expr.opSpan, op, sides.of)
  return { kind: 'compare', op, ...sides }
}

function comparisonWithNull(checking: Checking, expr: Binary, op: '=' | '!='): null {
  const fixed = `${written(checking, expr.left.span)}.${op === '=' ? 'isNull' : 'isNotNull'}()`
  return checking.report({
    code: 'pql-syntax',
    message: 'PQL has no `null`',
    span: expr.right.span,
    help: 'Ask for absence with `.isNull()`, for presence with `.isNotNull()`.',
    fixes: [replacement(expr.span, fixed)],
  })
}

function unordered(checking: Checking, span: Span, op: ComparisonOp, of: Exclude<Class, 'number'>): null {
  if (of !== 'instant')
    return mismatch(
      checking,
      span,
      `\`${op}\` compares numbers, not ${of === 'text' ? 'text' : 'true or false'}`,
      'Use `=`, `!=`, or a function such as `startsWith`.',
    )
  const word = op.startsWith('<') ? 'before' : 'after'
  return mismatch(
    checking,
    span,
    `\`${op}\` compares numbers; for times there is \`occurs\``,
    `Write \`… occurs ${word} …\`.`,
    { fixes: [replacement(span, `occurs ${word}`, 'review')] },
  )
}

/** Both sides as values of one class; a literal is coerced to the other side's type. null, and reported, where the classes differ. */
function alike(
  checking: Checking,
  left: Typed,
  right: Typed,
  expr: Sides,
): { readonly of: Class; readonly left: Value; readonly right: Value } | null {
  const [leftClass, rightClass] = [classOf(left.type), classOf(right.type)]
  if (leftClass === null) return incomparable(checking, left.type, expr.left.span)
  if (rightClass === null) return incomparable(checking, right.type, expr.right.span)
  if (leftClass === rightClass) return { of: leftClass, left: left.value, right: right.value }
  const rightCoerced = isLiteral(right.value) ? coerced(checking, right, left.type, expr.right) : null
  if (rightCoerced) return { of: leftClass, left: left.value, right: rightCoerced }
  const leftCoerced = isLiteral(left.value) ? coerced(checking, left, right.type, expr.left) : null
  if (leftCoerced) return { of: rightClass, left: leftCoerced, right: right.value }
  return unlike(checking, left, right, expr)
}

function incomparable(checking: Checking, type: Type, span: Span): null {
  return mismatch(
    checking,
    span,
    `${capital(describe(type))} cannot be compared`,
    type.kind === 'array'
      ? 'Compare a field of its items, or ask with `exists … from …`.'
      : type.kind === 'map'
        ? 'Read one of its values with `.get("key")`.'
        : 'Compare one of its fields.',
  )
}

/** Reports that the sides have different classes: at the literal, where one side is one. */
function unlike(checking: Checking, left: Typed, right: Typed, expr: Sides): null {
  const message = `${capital(describe(left.type))} is compared with ${describe(right.type)}`
  const literal = isLiteral(right.value) ? expr.right : isLiteral(left.value) ? expr.left : null
  if (literal === null)
    return mismatch(checking, expr.span, message, 'Compare fields of the same type.', {
      related: [
        { span: expr.left.span, message: describe(left.type) },
        { span: expr.right.span, message: describe(right.type) },
      ],
    })
  const field =
    literal === expr.right ? { span: expr.left.span, type: left.type } : { span: expr.right.span, type: right.type }
  const related = [{ span: field.span, message: `this is ${describe(field.type)}` }]
  if (classOf(field.type) !== 'instant')
    return mismatch(checking, literal.span, message, `Write ${describe(field.type)}.`, { related })
  const shown = written(checking, literal.span)
  return mismatch(
    checking,
    literal.span,
    `${shown.length <= 40 ? `\`${shown}\`` : 'This'} is not ${describe(field.type)}`,
    'Write a day of the calendar as "2026-01-31" or date(2026, 1, 31).',
    { related },
  )
}

/** Warns of a text that the schema does not list among the values of the field. */
function warnOfEnum(checking: Checking, field: Type, other: Value, at: Expr): void {
  if (field.kind !== 'string' || field.values === null) return
  if (other.kind !== 'literal' || typeof other.value !== 'string' || field.values.includes(other.value)) return
  const near = nearest(other.value, field.values)
  const listed = field.values.slice(0, 8).map((name) => `"${name}"`)
  checking.report({
    code: 'pql-type-mismatch',
    severity: 'warning',
    message: `"${other.value}" is not one of the values of this field`,
    span: at.span,
    help:
      near.length > 0
        ? `Did you mean ${near.map((name) => `"${name}"`).join(' or ')}?`
        : `Its values are ${listed.join(', ')}.`,
    fixes: near.map((name) => ({
      title: `Replace with "${name}"`,
      span: at.span,
      text: JSON.stringify(name),
      safety: near.length === 1 ? ('safe' as const) : ('review' as const),
    })),
  })
}

/** `item in list` and `item notIn list`. */
export function membership(checking: Checking, expr: Binary, negated: boolean, scope: Scope): Meaning {
  const item = valueIn(checking, expr.left, scope)
  const listed = checking.meaning(expr.right, scope)
  if (!item || !listed) return null
  const word = negated ? '`notIn`' : '`in`'
  if (listed.kind === 'value' && listed.type.kind !== 'array')
    return mismatch(
      checking,
      expr.right.span,
      `${word} needs an array on its right, this is ${describeMeaning(listed)}`,
      'Write the values in brackets: ["DE", "AT"].',
    )
  const list = listOf(checking, listed, expr.right.span, word)
  if (!list) return null
  const items = listItems(item.type)
  if (items === null || classOf(items) === null) return includes(checking, item, expr.left, list, expr.right, negated)
  const among = (value: Value): Condition | null => {
    const meaning = includes(checking, { value, type: items }, expr.left, list, expr.right, negated)
    return meaning?.kind === 'condition' ? meaning.condition : null
  }
  return conditionMeaning(someItem(item.value, scope, list.value, among))
}

/** Whether the list contains the item; where a list is written out, each of its items is compared by itself. */
export function includes(
  checking: Checking,
  item: Typed,
  itemExpr: Expr,
  list: List,
  listExpr: Expr,
  negated: boolean,
): Meaning {
  const itemClass = classOf(item.type)
  if (itemClass === null)
    return mismatch(
      checking,
      itemExpr.span,
      `${capital(describe(item.type))} cannot be looked up in an array`,
      'Use a scalar field.',
    )
  if (list.value.kind === 'list' && listExpr.kind === 'array') {
    const items: Value[] = []
    for (const [index, value] of list.value.items.entries()) {
      const at = listExpr.items[index]!
      const sides = alike(checking, item, { value, type: list.items }, { left: itemExpr, right: at, span: at.span })
      if (!sides) return null
      warnOfEnum(checking, item.type, sides.right, at)
      items.push(sides.right)
    }
    const type =
      item.type.kind === 'integer' && items.some((value) => value.type !== 'integer')
        ? 'number'
        : items[0]
          ? items[0].type
          : dataTypeOf(item.type)
    return conditionMeaning({
      kind: 'includes',
      list: { kind: 'list', items, type: { items: type } },
      item: item.value,
      negated,
    })
  }
  const listClass = classOf(list.items)
  if (listClass === itemClass)
    return conditionMeaning({ kind: 'includes', list: list.value, item: item.value, negated })
  const literal = isLiteral(item.value) ? coerced(checking, item, list.items, itemExpr) : null
  if (literal && listClass !== null)
    return conditionMeaning({ kind: 'includes', list: list.value, item: literal, negated })
  return mismatch(
    checking,
    itemExpr.span,
    `${capital(describe(item.type))} is looked up in an array of ${list.items.kind === 'object' ? 'objects' : describe(list.items)}`,
    list.items.kind === 'object' ? 'Ask with `exists … from …`.' : 'Look up a value of the same type.',
  )
}

function capital(sentence: string): string {
  return sentence[0]!.toUpperCase() + sentence.slice(1)
}
