import { isTimeZone, suggestTimeZones } from '../schedule/index.ts'
import { alternatives } from '../suggest.ts'
import type { Rule, RuleContext } from './rule.ts'

export const unknownTimeZone: Rule = {
  severity: 'error',
  page: {
    title: 'There is no such time zone',
    checks:
      '`timeZone` of ProfileStores, Datasets and CampaignSources: a name of the IANA time zone database, in its capitals. Abbreviations such as PST and offsets are none.',
    why: 'Abbreviations are ambiguous, and an offset knows nothing of daylight saving time.',
    source: 'IANA time zone database; Kubernetes (CronJob)',
    bad: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  timeZone: Vienna
`,
    good: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  timeZone: Europe/Vienna
`,
  },
  check: {
    ProfileStore(store, { report }) {
      reportZone(store.spec.evaluation.batch.timeZone, ['spec', 'evaluation', 'batch', 'timeZone'], report)
    },
    Dataset(dataset, { report }) {
      const { timeZone } = dataset.spec
      if (timeZone !== undefined && timeZone !== 'UTC') reportZone(timeZone, ['spec', 'timeZone'], report)
    },
    CampaignSource(source, { report }) {
      reportZone(source.spec.timeZone, ['spec', 'timeZone'], report)
    },
  },
}

function reportZone(name: string, path: readonly string[], report: RuleContext['report']): void {
  if (isTimeZone(name)) return
  const near = suggestTimeZones(name)
  report({
    path,
    message: `\`${name}\` is not a time zone`,
    help:
      near.length > 0
        ? `Did you mean ${alternatives(near)}?`
        : 'Write a name of the IANA database such as `Europe/Berlin`, or `Etc/UTC`.',
    fixes: near.map((zone) => ({
      title: `Replace with \`${zone}\``,
      safety: zone.toLowerCase() === name.toLowerCase() ? 'safe' : 'review',
      path,
      value: zone,
    })),
  })
}
