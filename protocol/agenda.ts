import { dueSlot, latestSlot, nextSlot, onTimeSeconds, type Schedule, slotsBetween } from '#compiler'

/** What is known of one schedule of one resource. Times in milliseconds of Unix time. */
export type AgendaInput = {
  readonly schedule: Schedule
  readonly nowMs: number
  /** The latest slot for which a Run was made, or which is known to be missed; null before the first. */
  readonly lastMs: number | null
  /** No slot before this is ever run: the resource was made then, or its schedule was changed or resumed. null: unknown. */
  readonly sinceMs: number | null
  readonly catchUp: 'None' | 'Latest'
  readonly startingDeadlineSeconds: number | null
  /** For `after: Evaluation` only: its slots are the evaluations that succeeded. Absent for other schedules. */
  readonly evaluation?: {
    /** The slot of the latest evaluation that succeeded; null before the first. */
    readonly latestMs: number | null
    /**
     * Since when the evaluation has its schedule: slots before that belong to another schedule and do not count as missed. null: unknown.
     */
    readonly sinceMs: number | null
  }
  /** For Activations: no start before `floorMs`, and none for `intervalMs` after that start. */
  readonly floor?: { readonly floorMs: number; readonly intervalMs: number }
}

export type Agenda = {
  /** The one slot to run now. */
  readonly due: { readonly slotMs: number; readonly trigger: 'Schedule' | 'CatchUp' } | null
  /** How many slots were never run and never will be, and the latest of them; `missedMs` is null where `missed` is 0. */
  readonly missed: number
  readonly missedMs: number | null
  /** Why the latest of the missed slots is missed; null where none is. */
  readonly because: 'late' | 'floor' | null
  /** The next slot of the schedule; null where there is none. */
  readonly nextMs: number | null
}

/** What is due at an instant: at most one slot. A slot is due once only, however late and however often the agenda is asked for. */
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

/** A schedule of its own (cron or `every`): its newest slot that has no Run, and how many older ones are passed over. */
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

/** A schedule that follows the evaluation: its slot is that of the latest evaluation that succeeded, however long that took. */
function evaluated(
  { schedule, nowMs, lastMs, sinceMs }: AgendaInput,
  evaluation: NonNullable<AgendaInput['evaluation']>,
): Candidate {
  const { latestMs } = evaluation
  const never = Number.NEGATIVE_INFINITY
  const fromMs = Math.max(sinceMs ?? never, lastMs === null ? never : lastMs + 1)
  if (latestMs === null || latestMs > nowMs || latestMs < fromMs) return { slotMs: null, missed: 0 }
  // Only slots of the evaluation's present schedule count as missed: before that it had another.
  const countedMs = Math.max(fromMs, evaluation.sinceMs ?? never)
  if (countedMs === never) return { slotMs: latestMs, missed: 0 }
  const between = slotsBetween(schedule, new Date(countedMs), new Date(latestMs))
  return { slotMs: latestMs, missed: [...between].length }
}

/**
 * Whether a slot is given up for the floor: it would start so late that the next slot would be late too. Without this, one late start
 * would make every later one late.
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
