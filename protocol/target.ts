// What is due for a target of Runs: a ProfileStore, an Activation or a CampaignSource.
import type { Schedule, Scheduled } from '#compiler'
import { digestOf, type RunnableKind } from '#crds'
import { type Agenda, agendaOf } from './agenda.ts'
import { timeText } from './conditions.ts'
import { hasSucceeded, isFinished, isScheduled, type RunRecord } from './record.ts'

/** null: what has one schedule only. */
export type Evaluation = 'Batch' | 'Streaming' | null

/** What a target remembers of its slots. Times in RFC 3339. */
export type SlotMemory = {
  /** The latest slot that a Run was made for, by schedule. */
  readonly lastBatchTime?: string
  readonly lastStreamingTime?: string
  readonly lastScheduledTime?: string
  /** The latest slot that was never run. */
  readonly lastMissedTime?: string
  readonly missedSlots?: number
  /** ProfileStores: the instant of the latest evaluation. */
  readonly evaluatedAt?: string
  /** The schedule that the times above belong to, as text, and since when it is that one. */
  readonly observedSchedule?: string
  readonly scheduleChangedTime?: string
}

/** Fields of the memory that belong to one schedule. */
export const timeFields = {
  Batch: { last: 'lastBatchTime', next: 'nextBatchTime' },
  Streaming: { last: 'lastStreamingTime', next: 'nextStreamingTime' },
  none: { last: 'lastScheduledTime', next: 'nextScheduledTime' },
} as const

export function evaluationsOf(kind: RunnableKind): readonly Evaluation[] {
  return kind === 'ProfileStore' ? ['Batch', 'Streaming'] : [null]
}

/**
 * What slots hang on, as text; null where nothing is scheduled, as while something is broken: the slots of then are caught up. Streaming
 * evaluations are not, so that theirs does not matter.
 */
export function scheduleText(scheduled: readonly Pick<Scheduled, 'schedule' | 'evaluation'>[]): string | null {
  const texts = scheduled.flatMap(({ evaluation, schedule }) => (evaluation === 'Streaming' ? [] : [textOf(schedule)]))
  return texts.length === 0 ? null : texts.join(', ').slice(0, 1024)
}

function textOf(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'cron':
      return `${schedule.cron.text} in ${schedule.timeZone}`
    case 'every':
      return `every ${schedule.seconds} s from ${timeText(schedule.startAt.getTime())}`
    case 'after':
      // Whenever that is: what was evaluated is delivered, though the store has another schedule since.
      return 'after Evaluation'
  }
}

/** The latest slot of a schedule that a Run was made for, also by a driver that could not write it down any more. */
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
  /** All of the target that are known. */
  readonly runs: readonly Pick<RunRecord, 'spec'>[]
  readonly schedule: Schedule
  readonly evaluation: Evaluation
  readonly nowMs: number
  /** No slot before it is ever run; null where nobody knows since when there is the schedule. */
  readonly sinceMs: number | null
  readonly catchUp: 'None' | 'Latest'
  readonly startingDeadlineSeconds: number | null
  /** What the store remembers whose evaluation an `after` schedule follows, and since when it has its schedule; null: there is none. */
  readonly store: { readonly lastSuccessfulBatchTime?: string; readonly sinceMs: number | null } | null
  /** Activations: how far their own last start pushes their next one. */
  readonly floor: { readonly floorMs: number; readonly intervalMs: number } | null
}

/** What is due of one schedule of a target. */
export function slotsDue(input: SlotsInput): Agenda {
  const { memory, runs, schedule, evaluation, store, floor } = input
  const isStreaming = evaluation === 'Streaming'
  const times = [
    memory[timeFields[evaluation ?? 'none'].last],
    // A batch evaluation covers every Segment, and whatever was evaluated later than a slot has what the slot would have.
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

/** The Run of the newest slot that has one, where it has not done what it was for; null where it has, or where there is none. */
export function unfinishedWork<R extends RunRecord>(runs: readonly R[], evaluation: Evaluation): R | null {
  const own = runs.filter((run) => isScheduled(run) && (run.spec.evaluation ?? null) === evaluation)
  const slotOf = ({ spec }: R): number => Date.parse(spec.scheduledTime)
  const newest = Math.max(...own.map(slotOf))
  const latest = own.filter((run) => slotOf(run) === newest)
  return latest.some(hasSucceeded) ? null : (latest.findLast((run) => !isFinished(run)) ?? latest.at(-1) ?? null)
}

/** Segments that somebody lets pass by the annotation, or its like. */
export type Approval = { readonly text: string; readonly segments: readonly string[] }

/** null where nobody does, or where a Run has answered it. What follows an `@` in a name tells one approval from the next. */
export function approvalOf(annotation: string | undefined, lastHandled: string | undefined): Approval | null {
  const text = annotation?.slice(0, 8192)
  if (text === undefined || text === lastHandled) return null
  const names = text.split(',').map((name) => name.replace(/@.*/, '').trim())
  const segments = [...new Set(names)].filter((name) => name !== '').slice(0, 200)
  return segments.length === 0 ? null : { text, segments }
}

/** What stands for a request in a name or a label: 16 hexadecimal digits. */
export function digitsOf(request: string): string {
  return digestOf(request).slice('sha256:'.length, 'sha256:'.length + 16)
}

/** Why slots are missed, in words. */
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
