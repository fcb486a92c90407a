import { dueSlot, latestSlot, nextSlot, onTimeSeconds, type Schedule } from '#compiler'

/** What is known of one schedule of one resource. Times in milliseconds of Unix time. */
export type AgendaInput = {
  readonly schedule: Schedule
  readonly nowMs: number
  /** The latest slot that was run or is known to be missed; null before the first. */
  readonly lastMs: number | null
  /** No slot before it is ever run: when the resource was made, or its schedule was changed or resumed. */
  readonly sinceMs: number
  readonly catchUp: 'None' | 'Latest'
  readonly startingDeadlineSeconds: number | null
  /** Of `after: Evaluation`: the latest slot whose evaluation succeeded; null where there is none. Absent for other schedules. */
  readonly evaluatedMs?: number | null
  /** Activations: before it no Segment may be activated again. */
  readonly floorMs?: number
}

export type Agenda = {
  /** The one slot to run now. */
  readonly due: { readonly slotMs: number; readonly trigger: 'Schedule' | 'CatchUp' } | null
  /** Slots that were never run and never will be, and the latest of them; `missedMs` is null where `missed` is 0. */
  readonly missed: number
  readonly missedMs: number | null
  /** null where there is no further slot. */
  readonly nextMs: number | null
}

/**
 * What is due at an instant: never more than one slot, each slot once, however late and however often it is asked. A slot that the
 * floor would push over more than half the way to the next one gives way to it; else one late start would delay every later one.
 */
export function agendaOf(input: AgendaInput): Agenda {
  const { schedule, nowMs, lastMs, sinceMs, catchUp, startingDeadlineSeconds, floorMs = 0 } = input
  const next = nextSlot(schedule, new Date(nowMs))
  const nextMs = next === null ? null : next.getTime()
  const untilMs =
    input.evaluatedMs === undefined ? nowMs : Math.min(nowMs, input.evaluatedMs ?? Number.NEGATIVE_INFINITY)
  if (untilMs < sinceMs) return { due: null, missed: 0, missedMs: null, nextMs }
  const { slot, missed } = dueSlot({
    schedule,
    at: new Date(untilMs),
    lastRun: lastMs === null ? null : new Date(lastMs),
    createdAt: new Date(sinceMs),
    catchUp: input.evaluatedMs === undefined ? catchUp : 'Latest',
    startingDeadlineSeconds: input.evaluatedMs === undefined ? startingDeadlineSeconds : null,
  })
  const latest = latestSlot(schedule, new Date(untilMs))
  if (slot === null) return { due: null, missed, missedMs: missed > 0 && latest ? latest.getTime() : null, nextMs }
  const slotMs = slot.getTime()
  const following = nextSlot(schedule, slot)
  if (following && floorMs - slotMs > (following.getTime() - slotMs) / 2)
    return { due: null, missed: missed + 1, missedMs: slotMs, nextMs }
  const before = missed > 0 ? latestSlot(schedule, new Date(slotMs - 1)) : null
  const isLate = input.evaluatedMs === undefined && nowMs - slotMs > onTimeSeconds * 1000
  return {
    due: { slotMs, trigger: isLate ? 'CatchUp' : 'Schedule' },
    missed,
    missedMs: before === null ? null : before.getTime(),
    nextMs,
  }
}
