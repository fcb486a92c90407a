import { parseDurationSeconds, type RunnableKind, streamingInterval } from '#crds'
import type { Model } from './model.ts'
import type { Resource } from './resource.ts'
import { type CronSchedule, parseCron, type Schedule } from './schedule/index.ts'

export type Scheduled = {
  readonly resource: { readonly [K in RunnableKind]: Resource<K> }[RunnableKind]
  readonly schedule: Schedule
  readonly timeZone: string
  /** For ProfileStores only; null for other targets. */
  readonly evaluation: 'Batch' | 'Streaming' | null
}

/** Every target of a model that has a valid schedule, ordered by kind and name. Streaming slots count from the epoch. */
export function schedulesOf(model: Model): Scheduled[] {
  const found: Scheduled[] = []
  const streaming = new Set(
    model.segments
      .filter(({ resource }) => resource.spec.evaluation === 'Streaming')
      .map(({ store }) => store?.resource),
  )
  const batches = new Map<Resource<'ProfileStore'>, CronSchedule>()
  for (const { resource } of model.stores) {
    const { batch, streaming: interval } = resource.spec.evaluation
    const schedule = cronSchedule(batch.schedule, batch.timeZone)
    if (schedule) {
      batches.set(resource, schedule)
      found.push({ resource, schedule, timeZone: batch.timeZone, evaluation: 'Batch' })
    }
    const wanted = interval !== undefined || streaming.has(resource)
    const seconds = wanted ? parseDurationSeconds(interval?.every ?? streamingInterval) : null
    if (seconds)
      found.push({
        resource,
        schedule: { kind: 'every', seconds, startAt: new Date(0) },
        timeZone: 'Etc/UTC',
        evaluation: 'Streaming',
      })
  }
  for (const { resource, store } of model.activations) {
    const { schedule } = resource.spec
    if (resource.spec.suspend) continue
    if (schedule.after !== undefined) {
      const evaluation = store && batches.get(store.resource)
      if (evaluation)
        found.push({
          resource,
          schedule: { kind: 'after', evaluation },
          timeZone: evaluation.timeZone,
          evaluation: null,
        })
    } else if (schedule.every !== undefined && schedule.startAt !== undefined) {
      const seconds = parseDurationSeconds(schedule.every)
      if (seconds)
        found.push({
          resource,
          schedule: { kind: 'every', seconds, startAt: new Date(schedule.startAt) },
          timeZone: 'Etc/UTC',
          evaluation: null,
        })
    }
  }
  for (const { resource } of model.sources) {
    const schedule = cronSchedule(resource.spec.schedule, resource.spec.timeZone)
    if (schedule) found.push({ resource, schedule, timeZone: resource.spec.timeZone, evaluation: null })
  }
  const key = (each: Scheduled): string =>
    `${each.resource.kind}/${each.resource.namespace}/${each.resource.name}/${each.evaluation ?? ''}`
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function cronSchedule(text: string, timeZone: string): CronSchedule | null {
  const cron = parseCron(text)
  return Array.isArray(cron) ? null : { kind: 'cron', cron: cron as Exclude<typeof cron, readonly unknown[]>, timeZone } // not the list of faults
}
