import { parseCron, runsMoreThanOnceADay } from '../schedule/index.ts'
import type { Rule } from './rule.ts'

export const batchEvaluatedTooOften: Rule = {
  severity: 'error',
  page: {
    title: 'Batch Segments are evaluated more than once a day',
    checks: '`evaluation.batch.schedule` of a ProfileStore: at most one run on a local day.',
    why: 'Experience Platform evaluates batch Segments once a day; membership is never fresher than that.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Segmentation Service, schedules',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  evaluation:
    batch: { schedule: "15 3,15 * * *", timeZone: Europe/Vienna }
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  evaluation:
    batch: { schedule: "15 3 * * *", timeZone: Europe/Vienna }
`,
  },
  check: {
    ProfileStore(store, { report }) {
      const { schedule } = store.spec.evaluation.batch
      const cron = parseCron(schedule)
      if (Array.isArray(cron) || !runsMoreThanOnceADay(cron)) return
      report({
        path: ['spec', 'evaluation', 'batch', 'schedule'],
        message: `\`${schedule}\` runs ${cron.minutesOfDay.length} times a day; batch evaluation runs once a day at most`,
        help: 'Name one minute and one hour, and make the Segments that need more `evaluation: Streaming`.',
      })
    },
  },
}
