import { unreachable } from '../../unreachable.ts'
import type { Expr, Unit, When } from '../ast.ts'
import { unitMilliseconds, unitMonths } from '../calendar.ts'
import { type Bound, type Condition, type Value, visit } from '../ir.ts'
import { type Checking, mismatch, mostTimeNodes, small, unsupported } from './context.ts'
import { ofAnniversaries, yearIgnored } from './extensions.ts'
import { conditionMeaning, type Meaning, type Scope, type Typed } from './meaning.ts'
import { distanceAfter, distanceBefore, type Moment, shifted, startOf } from './moment.ts'
import { asInstant, instantIn, wholeNumberIn } from './operand.ts'

/** `subject occurs …` */
export function occurs(checking: Checking, subjectExpr: Expr, when: When, scope: Scope): Meaning {
  const ignored = yearIgnored(checking, subjectExpr)
  const timeExpr = ignored?.of ?? subjectExpr
  const subject = small(checking, instantIn(checking, timeExpr, scope), mostTimeNodes, timeExpr.span)
  if (!subject || !ignored) return conditionMeaning(subject && whenHolds(checking, subject, when, scope))
  if (isOpen(when))
    return mismatch(
      checking,
      when.span,
      'A date without its year has no before and no after',
      'Name a span with two ends, as in `occurs <= 7 days after today` or `occurs between … and …`.',
    )
  const holds = whenHolds(checking, subject, when, scope)
  return conditionMeaning(holds && ofAnniversaries(holds, subject, ignored.leapDay))
}

/** Whether a time is only asked to be before or after another. */
function isOpen(when: When): boolean {
  return when.kind === 'side' || (when.kind === 'distance' && ['>', '>=', '!='].includes(when.op))
}

/** The part after `occurs`, for a subject that is an instant. */
export function whenHolds(checking: Checking, subject: Value, when: When, scope: Scope): Condition | null {
  const condition = whenCondition(checking, subject, when, scope)
  if (condition) {
    const span = when.kind === 'distance' ? when.lengthSpan : when.span
    visit(condition, (node) => {
      if (node.kind === 'within') checking.place(node, span)
    })
  }
  return condition
}

function whenCondition(checking: Checking, subject: Value, when: When, scope: Scope): Condition | null {
  const within = (from: Bound | null, to: Bound | null): Condition => ({ kind: 'within', subject, from, to })
  switch (when.kind) {
    case 'error':
      return null
    case 'on': {
      const moment = momentIn(checking, when.time, scope)
      return moment && within(...boundsOf(moment))
    }
    case 'between': {
      const from = momentIn(checking, when.from, scope)
      const to = momentIn(checking, when.to, scope)
      return from && to && within({ value: startOf(from), inclusive: true }, boundsOf(to)[1])
    }
    case 'side': {
      const moment = momentIn(checking, when.time, scope)
      if (!moment) return null
      switch (when.direction) {
        case 'before':
          return within(null, { value: startOf(moment), inclusive: false })
        case 'from':
          return within({ value: startOf(moment), inclusive: true }, null)
        case 'after':
          return moment.kind === 'instant'
            ? within({ value: moment.at, inclusive: false }, null)
            : within({ value: moment.end, inclusive: true }, null)
        default:
          return unreachable(when.direction)
      }
    }
    case 'distance': {
      const { op } = when
      const { unit, amount } = lengthIn(checking, when, scope)
      const moment = momentIn(checking, when.time, scope)
      if (amount === null || moment === null) return null
      const before = (): Condition => distanceBefore(subject, op, amount, unit, moment)
      const after = (): Condition => distanceAfter(subject, op, amount, unit, moment)
      if (when.direction === 'before') return before()
      if (when.direction === 'after') return after()
      // Distance zero, the time itself, is nearer than `n`.
      const near = op === '<' || op === '<=' ? [within(...boundsOf(moment))] : []
      return { kind: 'or', items: [before(), ...near, after()] }
    }
    default:
      return unreachable(when)
  }
}

/** The beginning and the end of a moment. */
function boundsOf(moment: Moment): readonly [Bound, Bound] {
  return moment.kind === 'instant'
    ? [
        { value: moment.at, inclusive: true },
        { value: moment.at, inclusive: true },
      ]
    : [
        { value: moment.start, inclusive: true },
        { value: moment.end, inclusive: false },
      ]
}

/** A time as it stands after `occurs`: a date, or a text that names only a day, is that whole day. */
function momentIn(checking: Checking, expr: Expr, scope: Scope): Moment | null {
  const meaning = checking.meaning(expr, scope)
  if (meaning === null) return null
  if (meaning.kind === 'moment') return meaning.moment
  const typed = meaning.kind === 'value' ? meaning : null
  const value = typed ? small(checking, asInstant(checking, typed, expr), mostTimeNodes, expr.span) : null
  if (!typed || !value)
    return mismatch(
      checking,
      expr.span,
      'A time is expected here',
      'Write now, today, yesterday, tomorrow, last month, date(2026, 1, 31), or a field with format date or date-time.',
    )
  return isWholeDay(typed)
    ? { kind: 'interval', start: value, end: shifted(value, 1, 'day') }
    : { kind: 'instant', at: value }
}

function isWholeDay({ value, type }: Typed): boolean {
  if (type.kind === 'date') return true
  return value.kind === 'literal' && typeof value.value === 'string' && !/[T ]/.test(value.value.trim())
}

/** The longest distance in years: from any year of the calendar (1 to 9999) it is still exact on every engine, either way. */
const furthestYears = 10_000
const yearMilliseconds = 365.2425 * 86_400_000

type Distance = Extract<When, { kind: 'distance' }>

/** A distance in whole units; a fraction of a unit of fixed length in milliseconds. `amount` is null where it is faulty. */
function lengthIn(
  checking: Checking,
  { amount: expr, unit, op }: Distance,
  scope: Scope,
): { readonly unit: Unit; readonly amount: number | null } {
  const fraction = fractionOf(expr)
  if (fraction === null) return { unit, amount: amountIn(checking, expr, unit, scope) }
  const milliseconds = unitMilliseconds[unit]
  const longest = furthestYears * yearMilliseconds
  if (milliseconds === null)
    return {
      unit,
      amount: unsupported(checking, expr.span, `A part of a ${unit} has no fixed length`, 'Write days or weeks.'),
    }
  if (op === '=' || op === '!=')
    return {
      unit,
      amount: mismatch(
        checking,
        expr.span,
        `\`${op}\` takes whole units`,
        'Write `<=`, or a whole number of a shorter unit.',
      ),
    }
  if (fraction * milliseconds > longest)
    return {
      unit,
      amount: unsupported(checking, expr.span, 'This is more than 10,000 years', 'Write a shorter distance.'),
    }
  return { unit: 'millisecond', amount: Math.round(fraction * milliseconds) }
}

/** A literal number that is not whole; null for anything else. */
function fractionOf(expr: Expr): number | null {
  if (expr.kind === 'group') return fractionOf(expr.inner)
  if (expr.kind !== 'literal' || typeof expr.value !== 'number' || Number.isInteger(expr.value)) return null
  return expr.value
}

/** How many units lie between two times. */
function amountIn(checking: Checking, expr: Expr, unit: Unit, scope: Scope): number | null {
  const months = unitMonths[unit]
  const milliseconds = unitMilliseconds[unit]
  const years = months === null ? (milliseconds ?? 0) / yearMilliseconds : months / 12
  return wholeNumberIn(
    checking,
    expr,
    Math.floor(furthestYears / years),
    scope,
    'Turn `before` into `after`, or the other way round.',
  )
}
