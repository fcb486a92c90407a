import { parseDurationSeconds } from '#crds'
import type { Resource } from './resource.ts'
import { type CronSchedule, parseCron, type Schedule } from './schedule/index.ts'

/** When an Activation delivers; null where its schedule cannot be read. `store`: where `after` looks; null: such a schedule has no slots. */
export function activationSchedule(
  { spec: { schedule } }: Resource<'Activation'>,
  store: Resource<'ProfileStore'> | null,
): Schedule | null {
  if (schedule.after !== undefined) {
    const evaluation = store && batchSchedule(store)
    return evaluation && { kind: 'after', evaluation }
  }
  const seconds = schedule.every === undefined ? null : parseDurationSeconds(schedule.every)
  const startAt = new Date(schedule.startAt ?? Number.NaN)
  return seconds && !Number.isNaN(startAt.getTime()) ? { kind: 'every', seconds, startAt } : null
}

/** When a store's Batch Segments are evaluated; null where the schedule cannot be read. */
export function batchSchedule({ spec }: Resource<'ProfileStore'>): CronSchedule | null {
  return cronSchedule(spec.evaluation.batch.schedule, spec.evaluation.batch.timeZone)
}

export function cronSchedule(text: string, timeZone: string): CronSchedule | null {
  const cron = parseCron(text)
  return Array.isArray(cron) ? null : { kind: 'cron', cron: cron as Exclude<typeof cron, readonly unknown[]>, timeZone } // not the list of faults
}
