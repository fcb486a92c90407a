import { floor, shift, unitMilliseconds, unitMonths } from '../pql/calendar.ts'
import { type Datum, holds, type Person } from '../pql/interpret.ts'
import { type Condition, eachChild, type Value } from '../pql/ir.ts'

/**
 * The next instant after `after` (epoch milliseconds) at which the condition may change for a person whose data stay the same; null:
 * never. It is never late. It is exact, unless more than `patience` instants in a row turn out to change nothing: then it is the last of
 * those, and the caller asks again from there. `conditionOf` gives the conditions of Segments referred to.
 *
 * A condition's answer is found by comparing times. Until the first of those comparisons changes, or an event dated ahead happens, the
 * same comparisons lead to the same answer.
 */
export function nextFlip(
  condition: Condition,
  person: Person,
  after: number,
  conditionOf: (segment: string) => Condition | null = () => null,
): number | null {
  const restless = new Map<Condition, boolean>()
  const at = (now: number): Look => look(condition, person, now, conditionOf, restless)
  const first = at(after)
  let { until } = first
  for (let looks = 0; until !== null && looks < patience; looks += 1) {
    const next = at(until)
    if (next.holds !== first.holds) return until
    until = next.until
  }
  return until
}

const patience = 100

/** The answer at an instant, and the first instant at which one of the comparisons that led to it changes; null: none does. */
type Look = { readonly holds: boolean; readonly until: number | null }

/** `restless`: what `isRestless` said of conditions before. */
function look(
  condition: Condition,
  person: Person,
  now: number,
  conditionOf: (segment: string) => Condition | null,
  restless: Map<Condition, boolean>,
): Look {
  let until = Number.POSITIVE_INFINITY
  const changes = (instant: number): void => {
    if (instant > now && instant < until) until = instant
  }
  const observe = (node: Condition | Value, valueAt: ValueAt): void => {
    if (node.kind === 'within') {
      for (const bound of [node.from, node.to])
        if (bound) for (const instant of crossings(node.subject, bound.value, now, valueAt)) changes(instant)
    } else if (node.kind === 'compare') {
      for (const instant of crossings(node.left, node.right, now, valueAt)) changes(instant)
    } else if (node.kind === 'part' && isClock(node.of)) {
      const at = valueAt(node.of, now)
      if (typeof at !== 'number') return
      const unit = node.part === 'weekday' ? 'day' : node.part
      const start = floor(at, unit)
      for (const edge of [start - 1, shift(start, 1, unit)])
        for (const instant of crossing(node.of, edge, now, valueAt)) changes(instant)
    }
  }
  const test = (tested: Condition): boolean => {
    if (isRestless(tested, restless)) changes(now + 1)
    const inSegment = (name: string): boolean => {
      const other = conditionOf(name)
      return other !== null && test(other)
    }
    return holds(tested, person, { now, inSegment, observe })
  }
  for (const event of person.events) if (typeof event['timestamp'] === 'number') changes(event['timestamp'])
  return { holds: test(condition), until: until === Number.POSITIVE_INFINITY ? null : until }
}

type ValueAt = (value: Value, now: number) => Datum

/** Instants at which the order of two values changes, one of which moves with the clock. */
function crossings(left: Value, right: Value, now: number, valueAt: ValueAt): readonly number[] {
  const [clock, mark] = isClock(left) ? [left, right] : [right, left]
  if (!isClock(clock)) return []
  if (isClock(mark)) return [now + 1]
  const at = valueAt(mark, now)
  return typeof at === 'number' ? crossing(clock, at, now, valueAt) : []
}

/** The instant at which a value that moves with the clock reaches, leaves or passes the mark. At most one, and never late. */
function crossing(clock: Value, mark: number, now: number, valueAt: ValueAt): readonly number[] {
  const at = (instant: number): number => {
    const value = valueAt(clock, instant)
    return typeof value === 'number' ? value : Number.NaN
  }
  const start = at(now)
  const slack = slackOf(clock)
  if (start > mark + slack || Number.isNaN(start)) return []
  if (slack === 0) return firstAt(at, now, start === mark ? mark + 1 : mark)
  if (start < mark - slack) return firstAt(at, now, mark - slack)
  // So near the mark the value may fall back: it is followed while it moves exactly with the clock, a day at most.
  let [steady, broken] = [0, day + 1]
  while (broken - steady > 1) {
    const middle = Math.floor((steady + broken) / 2)
    if (at(now + middle) - start === middle) steady = middle
    else broken = middle
  }
  if (start > mark) return [now + broken]
  return [now + Math.min(broken, start === mark ? 1 : mark - start)]
}

/** The first instant after `now` at which a value that never falls is at the mark or beyond; empty where none is within the calendar. */
function firstAt(at: (instant: number) => number, now: number, mark: number): readonly number[] {
  // Most values move with the clock, and are at the mark when the distance has passed.
  let reached = mark - at(now)
  while (!(at(now + reached) >= mark)) {
    if (now + reached > lastInstant) return []
    reached *= 2
  }
  let before = at(now + reached - 1) >= mark ? 0 : reached - 1
  while (reached - before > 1) {
    const middle = Math.floor((before + reached) / 2)
    if (at(now + middle) >= mark) reached = middle
    else before = middle
  }
  return [now + reached]
}

const day = 86_400_000

/** The last instant of a Date. Data and literals end before 10000-01-01, but marks may lie further ahead, since times can be shifted. */
const lastInstant = 8.64e15

/** Whether the value is the clock's, moved by fixed amounts and cut to units, and at most once moved by a month's length. */
function isClock(value: Value): boolean {
  switch (value.kind) {
    case 'now':
      return true
    case 'instant':
      return isClock(value.value)
    case 'floor':
      return isClock(value.base)
    case 'shift':
      return isClock(value.base) && (fallsBack(value) ? slackOf(value.base) === 0 : true)
    default:
      return false
  }
}

/** How many milliseconds a clock's value may fall back while time goes on: months end on different days. */
function slackOf(clock: Value): number {
  switch (clock.kind) {
    case 'instant':
      return slackOf(clock.value)
    case 'shift':
      return fallsBack(clock) ? day : slackOf(clock.base)
    case 'floor': {
      const slack = slackOf(clock.base)
      // Only the time of day falls back, and days and longer units do not show it.
      if (slack === 0 || (clock.base.kind === 'shift' && fallsBack(clock.base) && isDayOrLonger(clock.unit))) return 0
      return slack + shift(0, 1, clock.unit) + day
    }
    default:
      return 0
  }
}

/** Whether the value falls back: 29, 30 and 31 January plus a month are all 28 February, each from midnight on. */
function fallsBack(value: Extract<Value, { kind: 'shift' }>): boolean {
  return unitMonths[value.unit] !== null && !isWholeDays(value.base)
}

function isWholeDays(value: Value): boolean {
  switch (value.kind) {
    case 'instant':
      return isWholeDays(value.value)
    case 'floor':
      return isDayOrLonger(value.unit)
    case 'shift':
      return isDayOrLonger(value.unit) && isWholeDays(value.base)
    default:
      return false
  }
}

function isDayOrLonger(unit: Extract<Value, { kind: 'floor' }>['unit']): boolean {
  return (unitMilliseconds[unit] ?? day) >= day
}

/** Whether the clock is read in a way that cannot be followed. */
function isRestless(condition: Condition, restless: Map<Condition, boolean>): boolean {
  const known = restless.get(condition)
  if (known !== undefined) return known
  const reads = (node: Condition | Value): boolean => {
    if (node.kind === 'now') return true
    const followed = followedIn(node)
    if (followed) return followed.some((value) => !isClock(value) && reads(value))
    let found = false
    eachChild(node, (child) => {
      found ||= reads(child)
    })
    return found
  }
  const answer = reads(condition)
  restless.set(condition, answer)
  return answer
}

/** The times of a node that can be followed while the clock goes on; null for any other node. */
function followedIn(node: Condition | Value): readonly Value[] | null {
  switch (node.kind) {
    case 'within':
      return [node.subject, ...(node.from ? [node.from.value] : []), ...(node.to ? [node.to.value] : [])]
    case 'compare':
      return node.of === 'instant' ? [node.left, node.right] : null
    case 'part':
      return [node.of]
    default:
      return null
  }
}
