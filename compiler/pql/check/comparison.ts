import { dataTypeOf, describe, type Type } from '../../schema.ts'
import { nearest } from '../../suggest.ts'
import type { ComparisonOp, Expr, Span } from '../ast.ts'
import { replacement } from '../fault.ts'
import type { Value } from '../ir.ts'
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
import { coerced, listOf, valueIn } from './operand.ts'

type Binary = Extract<Expr, { kind: 'binary' }>

/** Two expressions that are compared, and the place of the comparison. */
type Sides = { readonly left: Expr; readonly right: Expr; readonly span: Span }

export function comparison(checking: Checking, expr: Binary, op: ComparisonOp, scope: Scope): Meaning {
  const ordered = op !== '=' && op !== '!='
  if (!ordered && expr.right.kind === 'name' && expr.right.name === 'null' && !scope.variables.has('null'))
    return comparisonWithNull(checking, expr, op)
  const left = valueIn(checking, expr.left, scope)
  const right = valueIn(checking, expr.right, scope)
  if (!left || !right) return null
  const sides = alike(checking, left, right, expr)
  if (!sides) return null
  if (!ordered) {
    warnOfEnum(checking, left.type, right.value, expr.right)
    warnOfEnum(checking, right.type, left.value, expr.left)
  }
  if (ordered && sides.of !== 'number') return unordered(checking, expr.opSpan, op, sides.of)
  return conditionMeaning({ kind: 'compare', op, ...sides })
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
      ? 'Use `includes`, `count()`, or `exists … from …`.'
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
  return list && includes(checking, item, expr.left, list, expr.right, negated)
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
