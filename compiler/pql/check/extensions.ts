import { isTimeZone, suggestTimeZones } from '../../schedule/index.ts'
import { alternatives } from '../../suggest.ts'
import type { Expr } from '../ast.ts'
import { replacement } from '../fault.ts'
import { type Condition, hasPart, mapChildren, type Node, type Value } from '../ir.ts'
import { type FunctionHandler, type MethodCall, type MethodHandler, takes, takesBetween } from './arguments.ts'
import { type Checking, mismatch, syntax, unsupported } from './context.ts'
import { integer, listMeaning, number, numberLiteral, type Scope, text, timestamp, valueMeaning } from './meaning.ts'
import { now, shifted } from './moment.ts'
import { instantIn, textIn } from './operand.ts'

// Functions beyond PQL. Each is marked as an extension in the table of functions.

// ---- text

export const textLength: MethodHandler = (checking, call, scope) => {
  if (!takes(checking, call, 0)) return null
  const receiver = checking.meaning(call.receiver, scope)
  if (receiver?.kind === 'value' && receiver.type.kind === 'array')
    return mismatch(checking, call.nameSpan, '`length` is of a text', 'For the number of items write `.count()`.', {
      fixes: [replacement(call.nameSpan, 'count')],
    })
  const of = receiver && textOf(checking, call, scope)
  return of && valueMeaning({ kind: 'textLength', of, type: 'integer' }, integer)
}

export const trim: MethodHandler = (checking, call, scope) => {
  const of = takes(checking, call, 0) && textOf(checking, call, scope)
  return of && valueMeaning({ kind: 'trim', of, type: 'string' }, text)
}

export const concat: MethodHandler = (checking, call, scope) => {
  const args = takesBetween(checking, call, 1, Number.POSITIVE_INFINITY)
  if (!args) return null
  const items = [call.receiver, ...args].map((each) => textIn(checking, each, scope, '`concat`'))
  const known = items.filter((item) => item !== null)
  return known.length < items.length ? null : valueMeaning({ kind: 'concat', items: known, type: 'string' }, text)
}

export const split: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  const of = args && textOf(checking, call, scope)
  if (!of) return null
  const [by] = args
  if (by.kind !== 'literal' || typeof by.value !== 'string' || by.value === '')
    return unsupported(checking, by.span, '`split` takes a literal text that is not empty', 'Write `.split(",")`.')
  return listMeaning({ kind: 'split', of, by: by.value, type: { items: 'string' } }, text)
}

function textOf(checking: Checking, { receiver, name }: MethodCall, scope: Scope): Value | null {
  return textIn(checking, receiver, scope, `\`${name}\``)
}

// ---- time

/** `time.inTimeZone("Europe/Berlin")`: the wall clock there, as if it were UTC. */
export const inTimeZone: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  const of = args && instantIn(checking, call.receiver, scope)
  if (!of) return null
  const [zone] = args
  if (zone.kind !== 'literal' || typeof zone.value !== 'string')
    return unsupported(checking, zone.span, 'A time zone is a literal text', 'Write `.inTimeZone("Europe/Berlin")`.')
  if (isTimeZone(zone.value)) return valueMeaning({ kind: 'local', of, zone: zone.value, type: 'timestamp' }, timestamp)
  const meant = suggestTimeZones(zone.value)
  return mismatch(
    checking,
    zone.span,
    `There is no time zone "${zone.value}"`,
    meant.length > 0 ? `Did you mean ${alternatives(meant)}?` : 'Write one such as "Europe/Berlin".',
  )
}

export const betweenHandler =
  (unit: 'hour' | 'day' | 'month' | 'year'): FunctionHandler =>
  (checking, call, scope) => {
    const args = takes(checking, call, 2)
    const from = args && instantIn(checking, args[0], scope)
    const to = args && instantIn(checking, args[1], scope)
    if (!from || !to) return null
    if (unit === 'hour') return valueMeaning(quotient(difference(from, to), 3_600_000), number)
    return valueMeaning(unit === 'day' ? days(from, to) : completed(unit, from, to), integer)
  }

/** `birthDate.age()`: completed years until the evaluation. */
export const age: MethodHandler = (checking, call, scope) => {
  const from = takes(checking, call, 0) && instantIn(checking, call.receiver, scope)
  return from && valueMeaning(completed('year', from, now), integer)
}

/** UTC days from one time's day to the other's. */
function days(from: Value, to: Value): Value {
  const day = (of: Value): Value => ({ kind: 'floor', base: of, unit: 'day', type: 'timestamp' })
  return whole(quotient(difference(day(from), day(to)), 86_400_000))
}

function whole(of: Value): Value {
  return { kind: 'whole', of, type: 'integer' }
}

function quotient(value: Value, by: number): Value {
  return { kind: 'arithmetic', op: '/', left: value, right: numberLiteral(by), type: 'number' }
}

/** Milliseconds from one time to the other. */
function difference(from: Value, to: Value): Value {
  return minus({ kind: 'epoch', of: to, type: 'integer' }, { kind: 'epoch', of: from, type: 'integer' })
}

function minus(left: Value, right: Value): Value {
  return { kind: 'arithmetic', op: '-', left, right, type: 'number' }
}

/**
 * Completed months or years between two days, negative where the second is earlier. A month without the day is completed on its last day,
 * so who was born on 29 February is a year older on 28 February.
 */
function completed(unit: 'month' | 'year', from: Value, to: Value): Value {
  const isBefore: Condition = { kind: 'compare', op: '<', of: 'instant', left: to, right: from }
  return whole({
    kind: 'choose',
    test: isBefore,
    yes: minus(numberLiteral(0), forwards(unit, to, from)),
    no: forwards(unit, from, to),
    type: 'number',
  })
}

function forwards(unit: 'month' | 'year', from: Value, to: Value): Value {
  const part = (of: Value, part: 'year' | 'month' | 'day'): Value => ({ kind: 'part', part, of, type: 'integer' })
  const compare = (op: '<' | '=', left: Value, right: Value): Condition => ({
    kind: 'compare',
    op,
    of: 'number',
    left,
    right,
  })
  const month: Value = { kind: 'floor', base: to, unit: 'month', type: 'timestamp' }
  const lastDay = part(shifted(shifted(month, 1, 'month'), -1, 'day'), 'day')
  const isDayEarlier: Condition = {
    kind: 'and',
    items: [compare('<', part(to, 'day'), part(from, 'day')), compare('<', part(to, 'day'), lastDay)],
  }
  const years = minus(part(to, 'year'), part(from, 'year'))
  const one = (test: Condition): Value => ({
    kind: 'choose',
    test,
    yes: numberLiteral(1),
    no: numberLiteral(0),
    type: 'integer',
  })
  if (unit === 'month') {
    const months: Value = {
      kind: 'arithmetic',
      op: '+',
      left: { kind: 'arithmetic', op: '*', left: years, right: numberLiteral(12), type: 'number' },
      right: minus(part(to, 'month'), part(from, 'month')),
      type: 'number',
    }
    return minus(months, one(isDayEarlier))
  }
  const isEarlier: Condition = {
    kind: 'or',
    items: [
      compare('<', part(to, 'month'), part(from, 'month')),
      { kind: 'and', items: [compare('=', part(to, 'month'), part(from, 'month')), isDayEarlier] },
    ],
  }
  return minus(years, one(isEarlier))
}

// ---- dates without their year

/** Where 29 February is kept in years without it: the last day of February, or the first of March. */
type LeapDay = 'February' | 'March'

/** `date.ignoreYear()` in front of `occurs`, and what it is of; null for any other expression. */
export function yearIgnored(checking: Checking, expr: Expr): { readonly of: Expr; readonly leapDay: LeapDay } | null {
  if (expr.kind === 'group') return yearIgnored(checking, expr.inner)
  if (expr.kind !== 'call' || expr.name !== 'ignoreYear' || !expr.receiver) return null
  const [day, ...others] = expr.args
  const value = day?.kind === 'literal' ? day.value : '02-28'
  if (others.length === 0 && (day === undefined || day.kind === 'literal') && (value === '02-28' || value === '03-01'))
    return { of: expr.receiver, leapDay: value === '02-28' ? 'February' : 'March' }
  mismatch(
    checking,
    day?.span ?? expr.nameSpan,
    '`ignoreYear` takes the day that stands for 29 February in other years',
    'Write "02-28", as without it, or "03-01".',
  )
  return { of: expr.receiver, leapDay: 'February' }
}

export const ignoreYear: MethodHandler = (checking, { span }) =>
  syntax(
    checking,
    span,
    '`ignoreYear` stands in front of `occurs`',
    'Write it like `person.birthDate.ignoreYear() occurs <= 7 days after today`.',
  )

/**
 * The condition on a time, asked of its anniversaries: whether one of them lies within each span. Every span has two ends; a span of a
 * year or more has an anniversary always.
 */
export function ofAnniversaries(condition: Condition, subject: Value, leapDay: LeapDay): Condition {
  const walk = (node: Node): Node => {
    if (node.kind !== 'within' || node.subject !== subject || !node.from || !node.to) return mapChildren(node, walk)
    const [from, to] = [node.from.value, node.to]
    const isReversed: Condition = { kind: 'compare', op: '<', of: 'instant', left: to.value, right: from }
    // From December to January: the end is one of the next year.
    const end: Value = {
      kind: 'choose',
      test: isReversed,
      yes: shifted(to.value, 1, 'year'),
      no: to.value,
      type: 'timestamp',
    }
    const isFixed = !hasPart(node.from.value, ({ kind }) => kind === 'now')
    const year: Value = { kind: 'part', part: 'year', of: from, type: 'integer' }
    const next: Value = { kind: 'arithmetic', op: '+', left: year, right: numberLiteral(1), type: 'number' }
    const items = [year, next].map(
      (in_): Condition => ({
        ...node,
        to: isFixed ? { ...to, value: end } : to,
        subject: anniversary(subject, in_, leapDay),
      }),
    )
    return { kind: 'or', items }
  }
  return walk(condition) as Condition // a change keeps conditions conditions
}

function anniversary(of: Value, year: Value, leapDay: LeapDay): Value {
  const day = dayIn(
    year,
    { kind: 'part', part: 'month', of, type: 'integer' },
    { kind: 'part', part: 'day', of, type: 'integer' },
    leapDay,
  )
  return { kind: 'instant', value: day, type: 'timestamp' }
}

/** A day of a year by the month and day of a time, as for an anniversary: 29 February is another day in years without it. */
export function dayIn(year: Value, month: Value, day: Value, leapDay: LeapDay = 'February'): Value {
  const same: Value = { kind: 'makeDate', year, month, day, type: 'date' }
  if (month.kind !== 'part' || month.part !== 'month' || day.kind !== 'part' || day.part !== 'day') return same
  if (JSON.stringify(month.of) !== JSON.stringify(day.of)) return same
  const is = (left: Value, right: number): Condition => ({
    kind: 'compare',
    op: '=',
    of: 'number',
    left,
    right: numberLiteral(right),
  })
  const isLost: Condition = { kind: 'not', item: { kind: 'isDefined', value: same } }
  const [otherMonth, otherDay] = leapDay === 'February' ? [2, 28] : [3, 1]
  return {
    kind: 'choose',
    test: { kind: 'and', items: [is(month, 2), is(day, 29), isLost] },
    yes: { kind: 'makeDate', year, month: numberLiteral(otherMonth), day: numberLiteral(otherDay), type: 'date' },
    no: same,
    type: 'date',
  }
}
