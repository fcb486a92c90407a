import { unreachable } from '../unreachable.ts'
import type { Cron } from './cron.ts'
import { cronSlots, latestCronSlot, nextCronSlot } from './cron-slots.ts'

/**
 * When something happens, again and again. `cron`: by the wall clock of a zone that `isTimeZone` accepts. `every`: in elapsed time from
 * `startAt`, the first slot; whole seconds, at least 1. `after`: with each batch evaluation of the store, whose slots these are.
 */
export type Schedule = CronSchedule | EverySchedule | AfterSchedule
export type CronSchedule = { readonly kind: 'cron'; readonly cron: Cron; readonly timeZone: string }
export type EverySchedule = { readonly kind: 'every'; readonly seconds: number; readonly startAt: Date }
export type AfterSchedule = { readonly kind: 'after'; readonly evaluation: CronSchedule }

/** Ascending, without duplicates; `from` inclusive, `to` exclusive. */
export function slotsBetween(schedule: Schedule, from: Date, to: Date): Iterable<Date> {
  switch (schedule.kind) {
    case 'cron':
      return cronSlots(schedule.cron, schedule.timeZone, from, to)
    case 'every':
      return everySlots(schedule.startAt, schedule.seconds, from, to)
    case 'after':
      return slotsBetween(schedule.evaluation, from, to)
    default:
      return unreachable(schedule)
  }
}

/** The latest slot at or before `at`; null where there is none. */
export function latestSlot(schedule: Schedule, at: Date): Date | null {
  switch (schedule.kind) {
    case 'cron':
      return latestCronSlot(schedule.cron, schedule.timeZone, at)
    case 'every':
      return latestEverySlot(schedule.startAt, schedule.seconds, at)
    case 'after':
      return latestSlot(schedule.evaluation, at)
    default:
      return unreachable(schedule)
  }
}

/** The first slot later than `after`; null where there is none. */
export function nextSlot(schedule: Schedule, after: Date): Date | null {
  switch (schedule.kind) {
    case 'cron':
      return nextCronSlot(schedule.cron, schedule.timeZone, after)
    case 'every':
      return nextEverySlot(schedule.startAt, schedule.seconds, after)
    case 'after':
      return nextSlot(schedule.evaluation, after)
    default:
      return unreachable(schedule)
  }
}

export function* everySlots(startAt: Date, seconds: number, from: Date, to: Date): Generator<Date, void, undefined> {
  const first = Math.max(0, Math.ceil((from.getTime() - startAt.getTime()) / (seconds * 1000)))
  for (let at = startAt.getTime() + first * seconds * 1000; at < to.getTime(); at += seconds * 1000) yield new Date(at)
}

/** null before `startAt`. */
export function latestEverySlot(startAt: Date, seconds: number, at: Date): Date | null {
  const count = Math.floor((at.getTime() - startAt.getTime()) / (seconds * 1000))
  return count < 0 ? null : new Date(startAt.getTime() + count * seconds * 1000)
}

export function nextEverySlot(startAt: Date, seconds: number, after: Date): Date {
  const latest = latestEverySlot(startAt, seconds, after)
  return latest ? new Date(latest.getTime() + seconds * 1000) : startAt
}
