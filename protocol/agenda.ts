import { dueSlot, latestSlot, nextSlot, onTimeSeconds, type Schedule, slotsBetween } from '#compiler'

/** What is known of one schedule of one resource. Times in milliseconds of Unix time. */
export type AgendaInput = {
  readonly schedule: Schedule
  readonly nowMs: number
  /** The latest slot that was run or is known to be missed; null before the first. */
  readonly lastMs: number | null
  /** No slot before it is ever run: when the resource was made, or its schedule was changed or resumed. null where nobody knows. */
  readonly sinceMs: number | null
  readonly catchUp: 'None' | 'Latest'
  readonly startingDeadlineSeconds: number | null
  /** Of `after: Evaluation`, whose slots are the evaluations that succeeded. Absent for other schedules. */
  readonly evaluation?: {
    /** The slot of the latest one; null before the first. */
    readonly latestMs: number | null
    /** Since when the evaluation has its schedule: the slots of another one are none that were missed. null where nobody knows. */
    readonly sinceMs: number | null
  }
  /** Activations: this one may not begin another time before `floorMs`, nor within `intervalMs` after that. */
  readonly floor?: { readonly floorMs: number; readonly intervalMs: number }
}

export type Agenda = {
  /** The one slot to run now. */
  readonly due: { readonly slotMs: number; readonly trigger: 'Schedule' | 'CatchUp' } | null
  /** Slots that were never run and never will be, and the latest of them; `missedMs` is null where `missed` is 0. */
  readonly missed: number
  readonly missedMs: number | null
  /** Why the latest of them is missed; null where none is. */
  readonly because: 'late' | 'floor' | null
  /** null where there is no further slot. */
  readonly nextMs: number | null
}

/** What is due at an instant: never more than one slot, each slot once, however late and however often it is asked. */
export function agendaOf(input: AgendaInput): Agenda {
  const { schedule, nowMs } = input
  const next = nextSlot(schedule, new Date(nowMs))
  const nextMs = next === null ? null : next.getTime()
  const { slotMs, missed } = input.evaluation ? evaluated(input, input.evaluation) : ofSchedule(input)
  const skipped = missed > 0 ? latestSlot(schedule, new Date(slotMs === null ? nowMs : slotMs - 1)) : null
  const before = { missed, missedMs: skipped?.getTime() ?? null, because: skipped && ('late' as const), nextMs }
  if (slotMs === null) return { due: null, ...before }
  if (givesWay(input, slotMs))
    return { due: null, missed: missed + 1, missedMs: slotMs, because: 'floor', nextMs: before.nextMs }
  const isLate = !input.evaluation && nowMs - slotMs > onTimeSeconds * 1000
  return { due: { slotMs, trigger: isLate ? 'CatchUp' : 'Schedule' }, ...before }
}

type Candidate = { readonly slotMs: number | null; readonly missed: number }

function ofSchedule({ schedule, nowMs, lastMs, sinceMs, catchUp, startingDeadlineSeconds }: AgendaInput): Candidate {
  const { slot, missed } = dueSlot({
    schedule,
    at: new Date(nowMs),
    lastRun: lastMs === null ? null : new Date(lastMs),
    createdAt: sinceMs === null ? null : new Date(sinceMs),
    catchUp,
    startingDeadlineSeconds,
  })
  return { slotMs: slot?.getTime() ?? null, missed }
}

/** However long the evaluation took: what it found is delivered once. */
function evaluated(
  { schedule, nowMs, lastMs, sinceMs }: AgendaInput,
  evaluation: NonNullable<AgendaInput['evaluation']>,
): Candidate {
  const { latestMs } = evaluation
  const never = Number.NEGATIVE_INFINITY
  const fromMs = Math.max(sinceMs ?? never, lastMs === null ? never : lastMs + 1)
  if (latestMs === null || latestMs > nowMs || latestMs < fromMs) return { slotMs: null, missed: 0 }
  const countedMs = Math.max(fromMs, evaluation.sinceMs ?? never)
  if (countedMs === never) return { slotMs: latestMs, missed: 0 }
  const between = slotsBetween(schedule, new Date(countedMs), new Date(latestMs))
  return { slotMs: latestMs, missed: [...between].length }
}

/**
 * A slot that the floor would push so far that it would push the next one in turn: else one late start would make every later one late.
 */
function givesWay({ schedule, floor }: AgendaInput, slotMs: number): boolean {
  if (!floor) return false
  const following = nextSlot(schedule, new Date(slotMs))
  const lateMs = onTimeSeconds * 1000
  return (
    following !== null &&
    floor.floorMs > slotMs + lateMs &&
    floor.floorMs + floor.intervalMs > following.getTime() + lateMs
  )
}
