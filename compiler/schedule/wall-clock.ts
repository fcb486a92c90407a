import type { Cron } from './cron.ts'

// A wall clock is written as the milliseconds since 1970-01-01T00:00Z that it would be in UTC.

/** Whether any calendar day matches: 29 February does, 31 February does not. */
export function isReachable(cron: Cron): boolean {
  return nextWallClock(cron, 0) < Number.POSITIVE_INFINITY
}

/** The first wall clock at or after `wall` that the expression matches; Infinity where there is none. */
export function nextWallClock(cron: Cron, wall: number): number {
  const minute = Math.ceil(wall / minuteMs)
  const today = Math.floor(minute / minutesPerDay)
  const time = cron.minutesOfDay[countBelow(cron.minutesOfDay, minute - today * minutesPerDay)]
  if (time !== undefined && matches(cron, dateOf(today))) return (today * minutesPerDay + time) * minuteMs

  for (let day = today + 1; day <= today + longestSilenceDays; ) {
    const date = dateOf(day)
    if (matches(cron, date)) return (day * minutesPerDay + cron.minutesOfDay[0]!) * minuteMs
    // No month is shorter than 28 days, so this never skips the first of the next.
    day += hasMonth(cron, date) ? 1 : Math.max(1, 29 - date.getUTCDate())
  }
  return Number.POSITIVE_INFINITY
}

/** The last wall clock at or before `wall` that the expression matches; -Infinity where there is none. */
export function previousWallClock(cron: Cron, wall: number): number {
  const minute = Math.floor(wall / minuteMs)
  const today = Math.floor(minute / minutesPerDay)
  const time = cron.minutesOfDay[countBelow(cron.minutesOfDay, minute - today * minutesPerDay + 1) - 1]
  if (time !== undefined && matches(cron, dateOf(today))) return (today * minutesPerDay + time) * minuteMs

  for (let day = today - 1; day >= today - longestSilenceDays; ) {
    const date = dateOf(day)
    if (matches(cron, date)) return (day * minutesPerDay + cron.minutesOfDay.at(-1)!) * minuteMs
    day -= hasMonth(cron, date) ? 1 : date.getUTCDate()
  }
  return Number.NEGATIVE_INFINITY
}

const minuteMs = 60_000
const minutesPerDay = 1440
/** Around 2100 two 29ths of February are 2,921 days apart; every reachable expression matches at least as often. */
const longestSilenceDays = 2_922

function dateOf(day: number): Date {
  return new Date(day * minutesPerDay * minuteMs)
}

function matches(cron: Cron, date: Date): boolean {
  if (!hasMonth(cron, date)) return false
  const inMonth = (cron.daysOfMonth & (1 << date.getUTCDate())) !== 0
  const inWeek = (cron.daysOfWeek & (1 << date.getUTCDay())) !== 0
  return cron.matchesEitherDay ? inMonth || inWeek : inMonth && inWeek
}

function hasMonth(cron: Cron, date: Date): boolean {
  return (cron.months & (1 << (date.getUTCMonth() + 1))) !== 0
}

/** How many of the ascending values are below `limit`. */
function countBelow(values: readonly number[], limit: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle]! < limit) low = middle + 1
    else high = middle
  }
  return low
}
