// What is due for a target of Runs: a ProfileStore, an Activation or a CampaignSource.
import type { Schedule, Scheduled } from '#compiler'
import { digestOf, type RunnableKind } from '#crds'
import { type Agenda, agendaOf } from './agenda.ts'
import { timeText } from './conditions.ts'
import { hasSucceeded, isFinished, isScheduled, type RunRecord } from './record.ts'

/** null for targets with a single schedule. */
export type Evaluation = 'Batch' | 'Streaming' | null

/** What a target remembers of its slots. Times in RFC 3339. */
export type SlotMemory = {
  /** The latest slot for which a Run was made; one field per schedule. */
  readonly lastBatchTime?: string
  readonly lastStreamingTime?: string
  readonly lastScheduledTime?: string
  /** The latest slot that was missed: never run, and never will be. */
  readonly lastMissedTime?: string
  readonly missedSlots?: number
  /** For ProfileStores: the instant of the latest evaluation. */
  readonly evaluatedAt?: string
  /** The schedule that the times above belong to, as text, and since when the target has it. */
  readonly observedSchedule?: string
  readonly scheduleChangedTime?: string
}

/** The field names of the memory for each evaluation. */
export const timeFields = {
  Batch: { last: 'lastBatchTime', next: 'nextBatchTime' },
  Streaming: { last: 'lastStreamingTime', next: 'nextStreamingTime' },
  none: { last: 'lastScheduledTime', next: 'nextScheduledTime' },
} as const

export function evaluationsOf(kind: RunnableKind): readonly Evaluation[] {
  return kind === 'ProfileStore' ? ['Batch', 'Streaming'] : [null]
}

/**
 * The schedules as text, to notice a change; null where nothing is scheduled, as while a resource is broken: slots of that time are
 * caught up. Streaming schedules are left out, since their missed slots are never caught up.
 */
export function scheduleText(scheduled: readonly Pick<Scheduled, 'schedule' | 'evaluation'>[]): string | null {
  const texts = scheduled.flatMap(({ evaluation, schedule }) =>
    evaluation === 'Streaming' ? [] : [scheduleWords(schedule)],
  )
  return texts.length === 0 ? null : texts.join(', ').slice(0, 1024)
}

function scheduleWords(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'cron':
      return `${schedule.cron.text} in ${schedule.timeZone}`
    case 'every':
      return `every ${schedule.seconds} s from ${timeText(schedule.startAt.getTime())}`
    case 'after':
      // One text for all such schedules: what was evaluated is delivered, even if the store's own schedule changed since.
      return 'after Evaluation'
  }
}

/** The latest slot for which a Run was made, also where the driver could not write that into the memory any more. RFC 3339. */
export function latestSlotOf(
  evaluation: Evaluation,
  memory: SlotMemory,
  runs: readonly Pick<RunRecord, 'spec'>[],
): string | undefined {
  const times = runs
    .filter((run) => run.spec.trigger !== 'Manual' && (run.spec.evaluation ?? null) === evaluation)
    .map(({ spec }) => Date.parse(spec.scheduledTime))
  const before = memory[timeFields[evaluation ?? 'none'].last]
  const latestMs = Math.max(before === undefined ? Number.NEGATIVE_INFINITY : Date.parse(before), ...times)
  return latestMs === Number.NEGATIVE_INFINITY ? undefined : timeText(latestMs)
}

export type SlotsInput = {
  readonly memory: SlotMemory
  /** All known Runs of the target. */
  readonly runs: readonly Pick<RunRecord, 'spec'>[]
  readonly schedule: Schedule
  readonly evaluation: Evaluation
  readonly nowMs: number
  /** No slot before this is ever run; null where nobody knows since when the target has its schedule. */
  readonly sinceMs: number | null
  readonly catchUp: 'None' | 'Latest'
  readonly startingDeadlineSeconds: number | null
  /** For an `after` schedule: what the store remembers of its evaluations, and since when it has its schedule; null: no such store. */
  readonly store: { readonly lastSuccessfulBatchTime?: string; readonly sinceMs: number | null } | null
  /** For Activations: how long the target's own last start holds up its next one. */
  readonly floor: { readonly floorMs: number; readonly intervalMs: number } | null
}

/** What is due of one schedule of a target. */
export function slotsDue(input: SlotsInput): Agenda {
  const { memory, runs, schedule, evaluation, store, floor } = input
  const isStreaming = evaluation === 'Streaming'
  const times = [
    memory[timeFields[evaluation ?? 'none'].last],
    // Streaming: a batch evaluation covers every Segment, and an evaluation at a later instant covers the slot too. So both count as
    // latest slots.
    ...(isStreaming ? [memory.lastBatchTime, memory.evaluatedAt] : [memory.lastMissedTime]),
    ...runs
      .filter(({ spec }) => spec.trigger !== 'Manual' && (isStreaming || (spec.evaluation ?? null) === evaluation))
      .map(({ spec }) => spec.scheduledTime),
  ].flatMap((time) => (time === undefined ? [] : [Date.parse(time)]))
  return agendaOf({
    schedule,
    nowMs: input.nowMs,
    lastMs: times.length === 0 ? null : Math.max(...times),
    sinceMs: input.sinceMs,
    catchUp: input.catchUp,
    startingDeadlineSeconds: input.startingDeadlineSeconds,
    ...(schedule.kind === 'after' && {
      evaluation: {
        latestMs: store?.lastSuccessfulBatchTime === undefined ? null : Date.parse(store.lastSuccessfulBatchTime),
        sinceMs: store?.sinceMs ?? null,
      },
    }),
    ...(floor && { floor }),
  })
}

/** The unfinished or failed Run of the newest slot that has a Run; null where that slot's work is done, or there is no such slot. */
export function unfinishedWork<R extends RunRecord>(runs: readonly R[], evaluation: Evaluation): R | null {
  const own = runs.filter((run) => isScheduled(run) && (run.spec.evaluation ?? null) === evaluation)
  const slotOf = ({ spec }: R): number => Date.parse(spec.scheduledTime)
  const newest = Math.max(...own.map(slotOf))
  const latest = own.filter((run) => slotOf(run) === newest)
  return latest.some(hasSucceeded) ? null : (latest.findLast((run) => !isFinished(run)) ?? latest.at(-1) ?? null)
}

/** Segments that somebody lets past the circuit breaker, by the annotation or by `convoke approve`. */
export type Approval = { readonly text: string; readonly segments: readonly string[] }

/** The approval that an annotation gives; null: none, or a Run has answered it. An `@…` behind a name tells one approval from the next. */
export function approvalOf(annotation: string | undefined, lastHandled: string | undefined): Approval | null {
  const text = annotation?.slice(0, 8192)
  if (text === undefined || text === lastHandled) return null
  const names = text.split(',').map((name) => name.replace(/@.*/, '').trim())
  const segments = [...new Set(names)].filter((name) => name !== '').slice(0, 200)
  return segments.length === 0 ? null : { text, segments }
}

/** The request in a name or label: 16 hexadecimal digits of its digest. */
export function digitsOf(request: string): string {
  return digestOf(request).slice('sha256:'.length, 'sha256:'.length + 16)
}

/** For people: which slots are missed, and why. */
export function missedWords({ missed, missedMs, because, due }: Agenda): string {
  const latest = timeText(missedMs!)
  const slots = missed === 1 ? `The slot ${latest} was` : `${missed} slots, the latest ${latest}, were`
  const why =
    because === 'floor'
      ? ' It gives way to the next one, which it would make late: no Segment is activated more often than limits.minActivationInterval says (activation-too-frequent).'
      : due !== null
        ? ` The one of ${timeText(due.slotMs)} is run now.`
        : ''
  return `${slots} not run and will not be.${why}`
}
