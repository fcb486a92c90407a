import { parseDurationSeconds } from '#crds'
import { durationText } from '../effective-latency.ts'
import type { Rule } from './rule.ts'

export const unsupportedActivationFrequency: Rule = {
  severity: 'error',
  page: {
    title: 'The connector does not know this frequency',
    checks:
      '`schedule.every` of an Activation is 3, 6, 8, 12 or 24 hours. What is below three hours is the business of activation-too-frequent.',
    why: 'The connector offers these frequencies and no others, so Campaign would pick files up at other times than they come.',
    source: 'Adobe Campaign Managed Cloud Services connection, export type and frequency',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  schedule: { every: 5h, startAt: "2026-12-01T04:00:00Z" }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  schedule: { every: 6h, startAt: "2026-12-01T04:00:00Z" }
`,
  },
  check: {
    Activation(activation, { report }) {
      const { every } = activation.spec.schedule
      const seconds = every === undefined ? null : parseDurationSeconds(every)
      if (!seconds || !Number.isInteger(seconds) || seconds < 3 * 3600 || hours.includes(seconds / 3600)) return
      const nearest = hours.reduce((best, candidate) =>
        Math.abs(candidate * 3600 - seconds) < Math.abs(best * 3600 - seconds) ? candidate : best,
      )
      report({
        path: ['spec', 'schedule', 'every'],
        message: `Every ${durationText(seconds)} is not a frequency of the connector, which knows 3, 6, 8, 12 and 24 hours`,
        help: `Write \`every: ${nearest}h\`, or another of them.`,
        fixes: [
          {
            title: `Replace with \`${nearest}h\``,
            safety: 'review',
            path: ['spec', 'schedule', 'every'],
            value: `${nearest}h`,
          },
        ],
      })
    },
  },
}

const hours = [3, 6, 8, 12, 24]
