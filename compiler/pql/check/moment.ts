import { unreachable } from '../../unreachable.ts'
import type { ComparisonOp, TimeTerm, Unit } from '../ast.ts'
import { unitMilliseconds } from '../calendar.ts'
import type { Bound, Condition, Value } from '../ir.ts'

/** A time as it may follow `occurs`: an instant, or a day or longer unit, from its start to just before its end. */
export type Moment =
  | { readonly kind: 'instant'; readonly at: Value }
  | { readonly kind: 'interval'; readonly start: Value; readonly end: Value }

export const now: Value = { kind: 'now', type: 'timestamp' }

export function momentOf(term: TimeTerm): Moment {
  switch (term.kind) {
    case 'now':
      return { kind: 'instant', at: now }
    case 'today':
      return unitAround('day', 0)
    case 'yesterday':
      return unitAround('day', -1)
    case 'tomorrow':
      return unitAround('day', 1)
    case 'this':
      return unitAround(term.unit, 0)
    case 'last':
      return unitAround(term.unit, -1)
    case 'next':
      return unitAround(term.unit, 1)
    default:
      return unreachable(term)
  }
}

function unitAround(unit: Unit, offset: number): Moment {
  const start: Value = { kind: 'floor', base: now, unit, type: 'timestamp' }
  return { kind: 'interval', start: shifted(start, offset, unit), end: shifted(start, offset + 1, unit) }
}

export function shifted(base: Value, amount: number, unit: Unit): Value {
  return amount === 0 ? base : { kind: 'shift', base, amount, unit, type: 'timestamp' }
}

export function startOf(moment: Moment): Value {
  return moment.kind === 'instant' ? moment.at : moment.start
}

/**
 * `<op> n unit before time`. From an instant (now, a timestamp) the bounds are instants. From a day or longer interval, units of a day or
 * longer count whole UTC days, so that `<`, `=` and `>` divide the time before it without gap or overlap. `=` is the UTC day that far
 * away; for units shorter than a day, that unit.
 */
export function distanceBefore(
  subject: Value,
  op: ComparisonOp,
  amount: number,
  unit: Unit,
  moment: Moment,
): Condition {
  const anchor = startOf(moment)
  const edge = shifted(anchor, -amount, unit)
  const whole = moment.kind === 'interval' && isDayOrLonger(unit)
  const near: Bound = { value: anchor, inclusive: moment.kind === 'instant' }
  const within = (from: Bound | null, to: Bound | null): Condition => ({ kind: 'within', subject, from, to })
  const day = equalUnit(edge, unit)
  switch (op) {
    case '<=':
      return within({ value: edge, inclusive: true }, near)
    case '<':
      return within(
        whole ? { value: shifted(edge, 1, 'day'), inclusive: true } : { value: edge, inclusive: false },
        near,
      )
    case '>':
      return within(null, { value: edge, inclusive: false })
    case '>=':
      return within(
        null,
        whole ? { value: shifted(edge, 1, 'day'), inclusive: false } : { value: edge, inclusive: true },
      )
    case '=':
      return within({ value: day.start, inclusive: true }, { value: day.end, inclusive: false })
    case '!=':
      return {
        kind: 'and',
        items: [
          within(null, near),
          { kind: 'not', item: within({ value: day.start, inclusive: true }, { value: day.end, inclusive: false }) },
        ],
      }
    default:
      return unreachable(op)
  }
}

/** The mirror image of `distanceBefore`; a day or longer interval is counted from its last day. */
export function distanceAfter(subject: Value, op: ComparisonOp, amount: number, unit: Unit, moment: Moment): Condition {
  const whole = moment.kind === 'interval' && isDayOrLonger(unit)
  const anchor = moment.kind === 'instant' ? moment.at : moment.end
  const edge = whole ? shifted(shifted(anchor, -1, 'day'), amount, unit) : shifted(anchor, amount, unit)
  const near: Bound = { value: anchor, inclusive: true }
  const within = (from: Bound | null, to: Bound | null): Condition => ({ kind: 'within', subject, from, to })
  const day = equalUnit(edge, unit)
  switch (op) {
    case '<=':
      return within(
        near,
        whole ? { value: shifted(edge, 1, 'day'), inclusive: false } : { value: edge, inclusive: true },
      )
    case '<':
      return within(near, { value: edge, inclusive: false })
    case '>':
      return within(
        whole ? { value: shifted(edge, 1, 'day'), inclusive: true } : { value: edge, inclusive: false },
        null,
      )
    case '>=':
      return within({ value: edge, inclusive: true }, null)
    case '=':
      return within({ value: day.start, inclusive: true }, { value: day.end, inclusive: false })
    case '!=':
      return {
        kind: 'and',
        items: [
          within(near, null),
          { kind: 'not', item: within({ value: day.start, inclusive: true }, { value: day.end, inclusive: false }) },
        ],
      }
    default:
      return unreachable(op)
  }
}

function isDayOrLonger(unit: Unit): boolean {
  const milliseconds = unitMilliseconds[unit]
  return milliseconds === null || milliseconds >= unitMilliseconds.day!
}

function equalUnit(edge: Value, unit: Unit): { start: Value; end: Value } {
  const granularity: Unit = isDayOrLonger(unit) ? 'day' : unit
  const start: Value = { kind: 'floor', base: edge, unit: granularity, type: 'timestamp' }
  return { start, end: shifted(start, 1, granularity) }
}
