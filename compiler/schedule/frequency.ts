import type { Cron } from './cron.ts'
import { latestCronSlot, nextCronSlot } from './cron-slots.ts'
import { stretchAt } from './stretch.ts'
import { nextWallClock } from './wall-clock.ts'

/** Whether a matching local day has two times. If not, only a skipped day (Apia, 2011-12-30) can bring two slots into one day. */
export function runsMoreThanOnceADay(cron: Cron): boolean {
  return cron.minutesOfDay.length > 1
}

/**
 * The shortest time between two slots, with the zone's changes from 2020 to 2050: `0 0,3 * * *` comes to 7200 where clocks spring forward
 * at night. In `Etc/UTC` it is what the expression alone says. Infinity where it is unreachable.
 */
export function shortestCronGapSeconds(cron: Cron, timeZone: string): number {
  let shortest = shortestWallClockGap(cron)
  for (const change of changesOf(timeZone)) {
    const before = latestCronSlot(cron, timeZone, new Date(change - 1))
    const first = before && nextCronSlot(cron, timeZone, before)
    const second = first && nextCronSlot(cron, timeZone, first)
    if (second) shortest = Math.min(shortest, first.getTime() - before.getTime(), second.getTime() - first.getTime())
  }
  return shortest / 1000
}

const dayMs = 86_400_000
const years = { start: Date.UTC(2020, 0, 1), end: Date.UTC(2050, 0, 1) }

/** Every pairing of dates and weekdays comes within 28 years. */
function shortestWallClockGap(cron: Cron): number {
  const { minutesOfDay } = cron
  const first = minutesOfDay[0]!
  const last = minutesOfDay.at(-1)!
  const withinDay = Math.min(...minutesOfDay.slice(1).map((minute, index) => minute - minutesOfDay[index]!)) * 60_000
  let betweenDays = Number.POSITIVE_INFINITY
  for (let day = nextWallClock(cron, years.start) - first * 60_000; day < years.end && betweenDays > dayMs; ) {
    const next = nextWallClock(cron, day + dayMs) - first * 60_000
    betweenDays = Math.min(betweenDays, next - day)
    day = next
  }
  return Math.min(withinDay, betweenDays - (last - first) * 60_000)
}

function* changesOf(timeZone: string): Generator<number> {
  for (let stretch = stretchAt(timeZone, years.start); stretch.end < years.end; ) {
    const next = stretchAt(timeZone, stretch.end)
    if (next.offset !== stretch.offset) yield next.start
    stretch = next
  }
}
