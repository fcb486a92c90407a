import { parseDurationSeconds } from '#crds'
import type { Resource } from '../resource.ts'
import { parseCron } from '../schedule/index.ts'
import type { Rule, RuleContext } from './rule.ts'

export const invalidSchedule: Rule = {
  severity: 'error',
  page: {
    title: 'A schedule cannot be read',
    checks:
      'Cron expressions of ProfileStores and CampaignSources: five fields, as in a CronJob of Kubernetes. Intervals: whole seconds, at least one.',
    why: 'It is not known when to run.',
    source: 'Kubernetes (CronJob)',
    bad: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  schedule: "30 24 * * *"
`,
    good: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  schedule: "30 23 * * *"
`,
  },
  check: {
    ProfileStore(store, { report }) {
      const { batch, streaming } = store.spec.evaluation
      reportCron(batch.schedule, ['spec', 'evaluation', 'batch', 'schedule'], report)
      if (streaming?.every !== undefined)
        reportInterval(store, streaming.every, ['spec', 'evaluation', 'streaming', 'every'], report)
    },
    Activation(activation, { report }) {
      const { every } = activation.spec.schedule
      if (every !== undefined) reportInterval(activation, every, ['spec', 'schedule', 'every'], report)
    },
    CampaignSource(source, { report }) {
      reportCron(source.spec.schedule, ['spec', 'schedule'], report)
    },
  },
}

function reportCron(text: string, path: readonly string[], report: RuleContext['report']): void {
  const cron = parseCron(text)
  if (!Array.isArray(cron)) return
  for (const { message, help, start, end } of cron)
    report({ path, ...(end > start ? { range: { start, end } } : {}), message: message.replace(/\.$/, ''), help })
}

function reportInterval(
  resource: Resource,
  text: string,
  path: readonly string[],
  report: RuleContext['report'],
): void {
  const seconds = parseDurationSeconds(text)
  if (seconds !== null && Number.isInteger(seconds) && seconds >= 1) return
  report({
    path,
    message: `\`${text}\` is not a number of whole seconds above 0`,
    help: resource.kind === 'Activation' ? 'Write 3h, 6h, 8h, 12h or 24h.' : 'Write 5m or more.',
  })
}
