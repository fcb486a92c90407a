import { columnsOf, describe } from '../../schema.ts'
import { alternatives } from '../../suggest.ts'
import type { Expr, Span } from '../ast.ts'
import { parseTime } from '../calendar.ts'
import { type Condition, greatestVariable, type Value } from '../ir.ts'
import { type Checking, mismatch, mostObjectNodes, small, unsupported, written } from './context.ts'
import {
  always,
  classOf,
  describeMeaning,
  isLiteral,
  isNumeric,
  type List,
  leaf,
  type Meaning,
  number,
  numberLiteral,
  type RecordMeaning,
  type Scope,
  type Typed,
  text,
  timestamp,
  truth,
} from './meaning.ts'

// What a place wants of the expression there: a condition, a value, a number, a text, a list. Each of these functions reports an
// expression that is something else, and returns null.

// ---- conditions

export function conditionIn(checking: Checking, expr: Expr, scope: Scope): Condition | null {
  switch (expr.kind) {
    case 'group':
      return conditionIn(checking, expr.inner, scope)
    case 'not': {
      const item = conditionIn(checking, expr.operand, scope)
      return item && { kind: 'not', item }
    }
    case 'binary':
      if (expr.op === 'and' || expr.op === 'or') return junction(checking, expr, expr.op, scope)
      return truthOf(checking, checking.meaning(expr, scope), expr.span)
    default:
      return truthOf(checking, checking.meaning(expr, scope), expr.span)
  }
}

/** A chain of one operator is read in a loop: thousands of operands must not recurse. */
function junction(checking: Checking, expr: Expr, op: 'and' | 'or', scope: Scope): Condition | null {
  const operands: Expr[] = []
  let current: Expr = expr
  while (current.kind === 'binary' && current.op === op) {
    operands.push(current.right)
    current = current.left
  }
  operands.push(current)
  const items = operands.reverse().map((operand) => conditionIn(checking, operand, scope))
  if (items.some((item) => item === null)) return null
  const flat = items.flatMap((item) => (item === null ? [] : item.kind === op ? item.items : [item]))
  return { kind: op, items: flat }
}

/** Whether the value is an object literal; a membership is made of its fields, but is read. */
function isWrittenOut(value: Value): boolean {
  return value.kind === 'record' && !value.fields.some((field) => field.value.kind === 'qualified')
}

/** A value that stands as a condition: whether it is true, present, or not empty. */
function truthOf(checking: Checking, meaning: Meaning, span: Span): Condition | null {
  if (meaning === null) return null
  switch (meaning.kind) {
    case 'condition':
      return meaning.condition
    case 'record':
      if (meaning.base.kind === 'object' && isWrittenOut(meaning.base.value) && meaning.base.path.length === 0)
        return mismatch(checking, span, 'An object alone is not a condition', 'Compare something with it.')
      return recordDefined(checking, meaning, span)
    case 'moment':
      return mismatch(
        checking,
        span,
        'A time alone is not a condition',
        'Compare something with it: `… occurs before now`.',
      )
    case 'value': {
      const { value, type } = meaning
      if (value.kind === 'literal') {
        if (typeof value.value === 'boolean') return { kind: 'constant', value: value.value }
        const what = typeof value.value === 'string' ? 'Text' : 'A number'
        return mismatch(checking, span, `${what} alone is not a condition`, 'Compare it with something.')
      }
      if (type.kind === 'boolean') return { kind: 'isTrue', value }
      if (type.kind === 'array')
        return { kind: 'any', list: value, variable: greatestVariable(value) + 1, where: always }
      return { kind: 'isDefined', value }
    }
  }
}

/** Whether an object is there: any of its fields is. */
export function recordDefined(checking: Checking, { base, type }: RecordMeaning, span: Span): Condition | null {
  if (base.kind === 'object' && !small(checking, base.value, mostObjectNodes, span)) return null
  const items = columnsOf(type).map(
    (column): Condition => ({ kind: 'isDefined', value: leaf(base, column.path.split('.'), column.type) }),
  )
  if (items.length === 0) return { kind: 'constant', value: false }
  return items.length === 1 ? items[0]! : { kind: 'or', items }
}

// ---- values

export function valueIn(checking: Checking, expr: Expr, scope: Scope): Typed | null {
  return valueOf(checking, checking.meaning(expr, scope), expr.span)
}

/** The meaning as a value: a condition becomes a boolean, a day or longer unit its first instant. */
export function valueOf(checking: Checking, meaning: Meaning, span: Span): Typed | null {
  if (meaning === null) return null
  switch (meaning.kind) {
    case 'value':
      return meaning
    case 'condition':
      return truth(meaning.condition)
    case 'moment':
      return { value: meaning.moment.kind === 'instant' ? meaning.moment.at : meaning.moment.start, type: timestamp }
    case 'record': {
      const { base, type } = meaning
      if (base.kind === 'object' && base.path.length === 0) return { value: base.value, type }
      return mismatch(
        checking,
        span,
        'An object cannot be used as a value',
        `Name one of its fields: ${alternatives([...type.fields.keys()].slice(0, 5))}.`,
      )
    }
  }
}

export function numberIn(checking: Checking, expr: Expr, scope: Scope): Value | null {
  const typed = valueIn(checking, expr, scope)
  if (!typed) return null
  const value = isNumeric(typed.type) ? typed.value : coerced(checking, typed, number, expr)
  if (value) return value
  return mismatch(
    checking,
    expr.span,
    `Arithmetic needs numbers, this is ${describe(typed.type)}`,
    typed.type.kind === 'array'
      ? 'Aggregate it first: `.count()`, `.sum(…)`.'
      : typed.type.kind === 'string'
        ? 'Texts cannot be joined in PQL; compare them one by one.'
        : 'Use a field of type integer or number.',
  )
}

/** `what` begins the message: the function or operator that needs the text. */
export function textIn(checking: Checking, expr: Expr, scope: Scope, what: string): Value | null {
  const typed = valueIn(checking, expr, scope)
  if (!typed) return null
  const value = coerced(checking, typed, text, expr)
  if (value) return value
  return mismatch(
    checking,
    expr.span,
    `${what} needs text, this is ${describe(typed.type)}`,
    typed.type.kind === 'array'
      ? 'Ask with `exists … from …`, or `includes` for an item.'
      : 'Use a field of type string.',
  )
}

/** A date or timestamp; a date counts as its first instant. */
export function instantIn(checking: Checking, expr: Expr, scope: Scope): Value | null {
  const typed = valueIn(checking, expr, scope)
  if (!typed) return null
  const value = asInstant(checking, typed, expr)
  if (value) return value
  return mismatch(
    checking,
    expr.span,
    `\`occurs\` needs a date or timestamp, this is ${describe(typed.type)}`,
    typed.type.kind === 'array'
      ? 'Ask with `exists E from xEvent where E.timestamp occurs …`.'
      : 'Use a field with format date or date-time.',
  )
}

/** `what` begins the message: the form that needs the list. */
export function listIn(checking: Checking, expr: Expr, scope: Scope, what: string): List | null {
  return listOf(checking, checking.meaning(expr, scope), expr.span, what)
}

export function listOf(checking: Checking, meaning: Meaning, span: Span, what: string): List | null {
  if (meaning === null) return null
  if (meaning.kind === 'value' && meaning.type.kind === 'array')
    return { value: meaning.value, items: meaning.type.items }
  return mismatch(
    checking,
    span,
    `${what} needs an array, this is ${describeMeaning(meaning)}`,
    'Arrays are `xEvent` and the fields of type array.',
  )
}

/** A literal whole number from 0 to `most`. */
export function wholeNumberIn(
  checking: Checking,
  expr: Expr,
  most: number,
  scope: Scope,
  negativeHelp: string,
): number | null {
  const typed = valueIn(checking, expr, scope)
  if (!typed) return null
  if (typed.value.kind !== 'literal')
    return unsupported(
      checking,
      expr.span,
      'A number is needed here, not an expression',
      'Write a whole number such as 30.',
    )
  const { value } = typed.value
  if (typeof value !== 'number')
    return mismatch(
      checking,
      expr.span,
      `A whole number is needed here, this is ${describe(typed.type)}`,
      'Write a whole number such as 30.',
    )
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  return unsupported(
    checking,
    expr.span,
    `${value} is not a whole number from 0 to ${most.toLocaleString('en-US')}`,
    value < 0 ? negativeHelp : 'Write such a number.',
  )
}

// ---- coercion

/** A literal as a value of the type, or a value that has the class already; null where it cannot be one. */
export function coerced(
  checking: Checking,
  { value, type: own }: Typed,
  type: Typed['type'],
  expr: Expr,
): Value | null {
  if (!isLiteral(value)) return classOf(own) === classOf(type) && classOf(type) !== null ? value : null
  const plain = value.value
  switch (type.kind) {
    case 'string':
      if (typeof plain === 'string') return value
      // A number stays as it is written: 010 stays 010.
      return {
        kind: 'literal',
        value: expr.kind === 'literal' ? written(checking, expr.span) : String(plain),
        type: 'string',
      }
    case 'integer':
    case 'number':
      if (typeof plain === 'number') return value
      if (typeof plain !== 'string' || !/^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/.test(plain)) return null
      return Number.isFinite(Number(plain)) ? numberLiteral(Number(plain)) : null
    case 'boolean':
      if (typeof plain === 'boolean') return value
      return plain === 'true' || plain === 'false'
        ? { kind: 'literal', value: plain === 'true', type: 'boolean' }
        : null
    case 'date':
    case 'timestamp': {
      const milliseconds = typeof plain === 'string' ? parseTime(plain) : null
      return milliseconds === null ? null : { kind: 'literal', value: milliseconds, type: 'timestamp' }
    }
    case 'array':
    case 'map':
    case 'object':
      return null
  }
}

/** The value as an instant, where it is a time; a date is its first instant. */
export function asInstant(checking: Checking, typed: Typed, expr: Expr): Value | null {
  if (isLiteral(typed.value)) {
    const literal = coerced(checking, typed, timestamp, expr)
    return literal && literal.type === 'timestamp' ? literal : null
  }
  if (typed.type.kind === 'timestamp') return typed.value
  return typed.type.kind === 'date' ? { kind: 'instant', value: typed.value, type: 'timestamp' } : null
}
