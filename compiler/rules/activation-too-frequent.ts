import { parseDurationSeconds } from '#crds'
import { durationText } from '../effective-latency.ts'
import type { Rule } from './rule.ts'

export const activationTooFrequent: Rule = {
  severity: 'error',
  page: {
    title: 'An Activation runs more often than Campaign takes files',
    checks:
      '`schedule` of an Activation against `limits.minActivationInterval` of the CampaignInstance (3h). With `enforcement.minActivationInterval: Warn` it is a warning.',
    why: 'The activation latency is three hours at least: earlier files wait, or overtake one another.',
    source:
      'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Adobe Campaign Managed Cloud Services connection',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  schedule: { every: 1h, startAt: "2026-12-01T04:00:00Z" }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  schedule: { every: 3h, startAt: "2026-12-01T04:00:00Z" }
`,
  },
  check: {
    Activation(activation, { model, report }) {
      const instance = model.relations.activation.get(activation)?.instance
      if (!instance) return
      const { every, after } = activation.spec.schedule
      const seconds = parseDurationSeconds(every ?? '24h')
      const least = parseDurationSeconds(instance.spec.limits.minActivationInterval)
      if (!seconds || !least || seconds >= least) return
      report({
        path: ['spec', 'schedule', after ? 'after' : 'every'],
        message: `Every ${durationText(seconds)} is too often: \`${instance.name}\` takes activations ${durationText(least)} apart`,
        help: `Write a longer interval: ${['3h', '6h', '8h', '12h', '24h'].filter((text) => (parseDurationSeconds(text) ?? 0) >= least).join(', ') || durationText(least)}.`,
        related: [
          {
            resource: instance,
            path: ['spec', 'limits', 'minActivationInterval'],
            message: `the shortest interval is ${durationText(least)}`,
          },
        ],
        severity: instance.spec.enforcement.minActivationInterval === 'Warn' ? 'warning' : 'error',
      })
    },
  },
}
