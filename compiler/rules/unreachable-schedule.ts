import { isReachable, parseCron } from '../schedule/index.ts'
import type { Rule, RuleContext } from './rule.ts'

export const unreachableSchedule: Rule = {
  severity: 'error',
  page: {
    title: 'A schedule names a day that never comes',
    checks: 'Cron expressions of ProfileStores and CampaignSources; 29 February is a day that comes.',
    why: 'It would never run, and nothing would say so.',
    source: 'Convoke',
    bad: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  schedule: "0 4 31 2,4,6 *"
`,
    good: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  schedule: "0 4 31 1,3,5 *"
`,
  },
  check: {
    ProfileStore(store, { report }) {
      reportUnreachable(store.spec.evaluation.batch.schedule, ['spec', 'evaluation', 'batch', 'schedule'], report)
    },
    CampaignSource(source, { report }) {
      reportUnreachable(source.spec.schedule, ['spec', 'schedule'], report)
    },
  },
}

function reportUnreachable(text: string, path: readonly string[], report: RuleContext['report']): void {
  const cron = parseCron(text)
  if (Array.isArray(cron) || isReachable(cron)) return
  report({ path, message: `\`${text}\` names a day that never comes`, help: 'Name a day that the month has.' })
}
