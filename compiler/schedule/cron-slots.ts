import type { Cron } from './cron.ts'
import { stretchAt } from './stretch.ts'
import { nextWallClock, previousWallClock } from './wall-clock.ts'

// Two readings of an expression, in a zone that changes its clocks:
// - hour field `*`: every instant whose wall clock matches; in both passes of a repeated hour, and not in a skipped one.
// - any other hour field: every matching wall clock once; in its first pass or, where it is skipped, at the first instant after the gap.

/** Ascending, without duplicates; `from` inclusive, `to` exclusive. */
export function* cronSlots(cron: Cron, timeZone: string, from: Date, to: Date): Generator<Date, void, undefined> {
  for (const instant of instants(cron, timeZone, from.getTime(), to.getTime())) yield new Date(instant)
}

/** The latest slot at or before `at`; null where the expression is unreachable. */
export function latestCronSlot(cron: Cron, timeZone: string, at: Date): Date | null {
  for (let until = at.getTime(); ; ) {
    const stretch = stretchAt(timeZone, until)
    const wall = previousWallClock(cron, until + stretch.offset)
    if (wall === Number.NEGATIVE_INFINITY) return null
    if (wall >= firstWallClock(cron, stretch.start + stretch.offset, stretch.reached))
      return new Date(wall - stretch.offset)
    if (skipsSlot(cron, stretch.reached, stretch.start + stretch.offset)) return new Date(stretch.start)
    until = stretch.start - 1
  }
}

/** The first slot later than `after`; null where the expression is unreachable. */
export function nextCronSlot(cron: Cron, timeZone: string, after: Date): Date | null {
  const [instant] = instants(cron, timeZone, after.getTime() + 1, Number.POSITIVE_INFINITY)
  return instant === undefined ? null : new Date(instant)
}

/** Milliseconds since 1970; `from` inclusive, `to` exclusive. */
function* instants(cron: Cron, timeZone: string, from: number, to: number): Generator<number, void, undefined> {
  for (let at = from; at < to; ) {
    const { start, end, offset, reached } = stretchAt(timeZone, at)
    const skips = at === start && skipsSlot(cron, reached, start + offset)
    if (skips) yield start
    let wall = nextWallClock(cron, skips ? start + offset + 1 : firstWallClock(cron, at + offset, reached))
    if (wall === Number.POSITIVE_INFINITY) return
    for (; wall - offset < end; wall = nextWallClock(cron, wall + 1)) {
      if (wall - offset >= to) return
      yield wall - offset
    }
    at = end
  }
}

/** The first wall clock of a stretch that can have a slot: those that were reached before have had theirs. */
function firstWallClock(cron: Cron, wall: number, reached: number): number {
  return cron.followsElapsedTime ? wall : Math.max(wall, reached)
}

/** Whether a slot lies in the gap between two wall clocks and has to happen after it. Without `reached` before `wall` there is no gap. */
function skipsSlot(cron: Cron, reached: number, wall: number): boolean {
  return !cron.followsElapsedTime && reached < wall && nextWallClock(cron, reached) < wall
}
