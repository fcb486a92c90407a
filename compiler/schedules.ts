import { parseDurationSeconds, type RunnableKind, streamingInterval } from '#crds'
import { activationSchedule, batchSchedule, cronSchedule } from './activation-schedule.ts'
import type { Model } from './model.ts'
import type { Resource } from './resource.ts'
import type { Schedule } from './schedule/index.ts'

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
  for (const { resource } of model.stores) {
    const { batch, streaming: interval } = resource.spec.evaluation
    const schedule = batchSchedule(resource)
    if (schedule) found.push({ resource, schedule, timeZone: batch.timeZone, evaluation: 'Batch' })
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
    const schedule = resource.spec.suspend ? null : activationSchedule(resource, store?.resource ?? null)
    if (!schedule) continue
    const timeZone = schedule.kind === 'after' ? schedule.evaluation.timeZone : 'Etc/UTC'
    found.push({ resource, schedule, timeZone, evaluation: null })
  }
  for (const { resource } of model.sources) {
    const schedule = cronSchedule(resource.spec.schedule, resource.spec.timeZone)
    if (schedule) found.push({ resource, schedule, timeZone: resource.spec.timeZone, evaluation: null })
  }
  const key = (each: Scheduled): string =>
    `${each.resource.kind}/${each.resource.namespace}/${each.resource.name}/${each.evaluation ?? ''}`
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}
