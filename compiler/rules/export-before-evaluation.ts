import { activationSchedule, batchSchedule } from '../activation-schedule.ts'
import { type CronSchedule, type EverySchedule, latestSlot, nextSlot, slotsBetween } from '../schedule/index.ts'
import type { Rule } from './rule.ts'

export const exportBeforeEvaluation: Rule = {
  severity: 'warning',
  page: {
    title: 'Files go out before the evaluation of the day can have ended',
    checks:
      'Activations of Batch Segments that run once or twice a day at a fixed time: no slot within the hour after the daily evaluation of the store begins, and for daily ones none within the four hours before it. `after: Evaluation` waits for its end.',
    why: 'What is exported then is the membership of the day before: people get it a day late, every day.',
    source: 'Activate audiences to batch profile export destinations, scheduled exports (profiles may be stale)',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  schedule: { every: 24h, startAt: "2026-12-01T02:30:00Z" }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  schedule: { after: Evaluation }
`,
  },
  check: {
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      const store = activation?.store?.resource
      if (!store || !activation.segments.some(({ resource: { spec } }) => spec.evaluation === 'Batch')) return
      const schedule = activationSchedule(resource, store)
      const evaluation = batchSchedule(store)
      if (schedule?.kind !== 'every' || !evaluation || schedule.seconds < halfDayMs / 1000) return
      const distance = closest(schedule, evaluation)
      if (distance === null) return
      const minutes = Math.round(Math.abs(distance) / 60_000)
      const time = `${minutes >= 60 ? `${Math.floor(minutes / 60)} h ` : ''}${minutes % 60} min`
      report({
        path: ['spec', 'schedule', 'startAt'],
        message:
          distance < 0
            ? `Files go out ${time} before the daily evaluation of \`${store.name}\`: they hold what was true a day ago`
            : `Files go out ${distance === 0 ? 'as' : `${time} after`} the daily evaluation of \`${store.name}\` begins, when it may not have ended`,
        help: 'Write `after: Evaluation`, or a time at least an hour after the evaluation begins.',
        related: [
          { resource: store, path: ['spec', 'evaluation', 'batch', 'schedule'], message: 'evaluated at this time' },
        ],
      })
    },
  },
}

const halfDayMs = 43_200_000
const dayMs = 2 * halfDayMs
/** How long an evaluation may take. */
const lastsMs = 3_600_000
const beforeMs = 4 * 3_600_000

/** How many milliseconds after an evaluation begins (negative: before) a slot is too close to it; null: none is, in winter or summer. */
function closest(schedule: EverySchedule, evaluation: CronSchedule): number | null {
  for (const start of [schedule.startAt.getTime(), schedule.startAt.getTime() + 182 * dayMs]) {
    const day = [new Date(start), new Date(start + dayMs)] as const
    for (const slot of slotsBetween(schedule, ...day)) {
      const [last, next] = [latestSlot(evaluation, slot), nextSlot(evaluation, slot)]
      const since = last ? slot.getTime() - last.getTime() : dayMs
      if (since < lastsMs) return since
      const until = next ? next.getTime() - slot.getTime() : dayMs
      if (schedule.seconds * 1000 >= dayMs && until <= beforeMs) return -until
    }
  }
  return null
}
