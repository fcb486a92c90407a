import { latestSlot, type Schedule, slotsBetween } from './schedule.ts'

export type DueInput = {
  readonly schedule: Schedule
  readonly at: Date
  /** The slot of the last run, whatever became of it; null before the first. */
  readonly lastRun: Date | null
  /**
   * No slot before this is ever run or counted: when the resource was created, or, if later, when its schedule was changed or resumed.
   * Null where no one knows (`convoke run`): then the first run takes the latest slot there is.
   */
  readonly createdAt: Date | null
  /** Latest: the latest slot is run however late. None: only on time, which is within `startingDeadlineSeconds`, or `onTimeSeconds` where that is absent. */
  readonly catchUp: 'None' | 'Latest'
  /** A slot that is more than this late is not run any more; null: no limit. */
  readonly startingDeadlineSeconds: number | null
}

/** `missed` counts the slots since the last run that are not run now and never will be; 0 where neither a run nor a creation says where to count from. */
export type Due = { readonly slot: Date | null; readonly missed: number }

/** A scheduler wakes up a little after the slot; what is later than this was missed (and is caught up, if at all). */
export const onTimeSeconds = 60

/** The one slot to run at this instant, never more than one: a slot that was not run in time gives way to the next. */
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
