import { latestSlot, type Schedule, slotsBetween } from './schedule.ts'

export type DueInput = {
  readonly schedule: Schedule
  readonly at: Date
  /** The slot of the last run, however it ended; null before the first. */
  readonly lastRun: Date | null
  /**
   * No slot before this is run or counted: the resource was created then or, if that is later, its schedule was changed or resumed. null:
   * unknown (`convoke run`); the first run then takes the latest slot.
   */
  readonly createdAt: Date | null
  /**
   * `Latest`: the latest slot is run however late. `None`: only on time, within `startingDeadlineSeconds` or, without that,
   * `onTimeSeconds`.
   */
  readonly catchUp: 'None' | 'Latest'
  /** A slot is not run when it is later than this; null: no limit. */
  readonly startingDeadlineSeconds: number | null
}

/**
 * `missed`: slots since the last run that are not run now and never will be; 0 where there is neither a run nor a creation to count from.
 */
export type Due = { readonly slot: Date | null; readonly missed: number }

/** A scheduler wakes up a little after the slot; a slot later than this was missed, and is only caught up. */
export const onTimeSeconds = 60

/** The one slot to run at this instant: a slot that was not run in time gives way to the next. */
export function dueSlot({ schedule, at, lastRun, createdAt, catchUp, startingDeadlineSeconds }: DueInput): Due {
  const latest = latestSlot(schedule, at)
  const since = Math.max(
    lastRun ? lastRun.getTime() + 1 : Number.NEGATIVE_INFINITY,
    createdAt ? createdAt.getTime() : Number.NEGATIVE_INFINITY,
  )
  if (!latest || latest.getTime() < since) return { slot: null, missed: 0 }

  const deadlineSeconds = startingDeadlineSeconds ?? (catchUp === 'None' ? onTimeSeconds : Number.POSITIVE_INFINITY)
  const slot = at.getTime() - latest.getTime() <= deadlineSeconds * 1000 ? latest : null
  if (since === Number.NEGATIVE_INFINITY) return { slot, missed: 0 }
  let missed = slot ? 0 : 1
  for (const _ of slotsBetween(schedule, new Date(since), latest)) missed += 1
  return { slot, missed }
}
