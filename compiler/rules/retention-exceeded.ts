import { parseDurationSeconds } from '#crds'
import { durationText } from '../effective-latency.ts'
import type { Rule } from './rule.ts'

export const retentionExceeded: Rule = {
  severity: 'error',
  page: {
    title: 'A delivery may outlive the landing zone',
    checks:
      '`startingDeadlineSeconds` and `schedule.every` of an Activation against `limits.retention` of the CampaignInstance (168h, seven days). With `enforcement.retention: Warn` it is a warning.',
    why: 'The landing zone deletes files after this time: what waits longer is gone before Campaign has read it.',
    source: 'Adobe Campaign Managed Cloud Services connection, guardrails (data landing zone)',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  startingDeadlineSeconds: 700000
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  startingDeadlineSeconds: 600000
`,
  },
  check: {
    Activation(activation, { model, report }) {
      const instance = model.relations.activation.get(activation)?.instance
      const retention = instance && parseDurationSeconds(instance.spec.limits.retention)
      if (!instance || !retention) return
      const { startingDeadlineSeconds, schedule } = activation.spec
      const related = [
        {
          resource: instance,
          path: ['spec', 'limits', 'retention'],
          message: `files are kept for ${instance.spec.limits.retention}`,
        },
      ]
      const severity = instance.spec.enforcement.retention === 'Warn' ? 'warning' : 'error'
      if (startingDeadlineSeconds !== undefined && startingDeadlineSeconds > retention) {
        report({
          path: ['spec', 'startingDeadlineSeconds'],
          message: `A deadline of ${durationText(startingDeadlineSeconds)} outlives the landing zone, which keeps files for ${durationText(retention)}`,
          help: `Write ${retention} or less.`,
          related,
          severity,
        })
      }
      const period = parseDurationSeconds(schedule.every ?? '24h')
      if (period && period > retention) {
        report({
          path: ['spec', 'schedule', schedule.after ? 'after' : 'every'],
          message: `Between two files ${durationText(period)} apart the landing zone is empty: it keeps files for ${durationText(retention)}`,
          help: 'Deliver more often, or have the platform team correct `limits.retention`.',
          related,
          severity,
        })
      }
    },
  },
}
