import { parseDurationSeconds } from '#crds'
import { durationText } from '../effective-latency.ts'
import type { Rule } from './rule.ts'

export const fullExportTooFrequent: Rule = {
  severity: 'error',
  page: {
    title: 'Full files are exported more than once a day',
    checks:
      '`schedule.every` of an Activation with `export: Full`: at least 24 hours. `after: Evaluation` is once a day.',
    why: 'Experience Platform exports one full file a day; what comes every 3, 6, 8 or 12 hours is incremental.',
    source: 'Default guardrails for activation data, activation frequency',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  export: Full
  segmentRefs: [{ name: patrons }, { name: quiet-buyers }]
  schedule: { every: 12h, startAt: "2026-12-01T04:00:00Z" }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  export: Full
  segmentRefs: [{ name: patrons }, { name: quiet-buyers }]
  schedule: { every: 24h, startAt: "2026-12-01T04:00:00Z" }
`,
  },
  check: {
    Activation(resource, { report }) {
      const { spec } = resource
      const { every } = spec.schedule
      const seconds = every === undefined ? null : parseDurationSeconds(every)
      if (spec.export !== 'Full' || !seconds || seconds >= daySeconds) return
      report({
        path: ['spec', 'schedule', 'every'],
        message: `Full files every ${durationText(seconds)} are too often: one a day is the limit`,
        help: 'Write `every: 24h` or `after: Evaluation`, or set `export: Incremental`.',
        related: [{ resource, path: ['spec', 'export'], message: 'whole audiences are exported' }],
        fixes: [{ title: 'Replace with `24h`', safety: 'review', path: ['spec', 'schedule', 'every'], value: '24h' }],
      })
    },
  },
}

const daySeconds = 86_400
