import { cronSchedule } from '../activation-schedule.ts'
import type { Rule } from './rule.ts'

export const manyBatches: Rule = {
  severity: 'warning',
  page: {
    title: 'A ProfileStore takes in more than 90 batches a day',
    checks:
      'One batch a day for each Batch Dataset of a ProfileStore, and for each CampaignSource one for each of its tables at each of its slots. What came in fact is counted at each ingest (many-ingested-batches).',
    why: 'More than 90 batches of profiles and events in a sandbox and day cost performance.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation; Guardrails for data ingestion',
    bad: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  schedule: "*/30 * * * *"
`,
    good: `
kind: CampaignSource
metadata: { name: letter-logs }
spec:
  schedule: "30 * * * *"
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const store = model.relations.store.get(resource)
      if (!store) return
      const datasets = model.relations.datasetsOfStore(store).filter(({ spec }) => spec.ingestion === 'Batch').length
      const sources = model.sources
        .filter((source) => source.store === store)
        .map(({ resource: source }) => ({
          source,
          batches:
            (cronSchedule(source.spec.schedule, source.spec.timeZone)?.cron.minutesOfDay.length ?? 0) *
            source.spec.tables.length,
        }))
      const count = sources.reduce((sum, { batches }) => sum + batches, datasets)
      if (count <= limit) return
      report({
        path: ['metadata', 'name'],
        message: `\`${resource.name}\` takes in ${count} batches a day; ${limit} are recommended at most`,
        help: 'Read logs less often, or bring records of one form together in one Dataset.',
        related: sources
          .sort((a, b) => b.batches - a.batches)
          .slice(0, 3)
          .map(({ source, batches }) => ({
            resource: source,
            path: ['spec', 'schedule'],
            message: `${batches} of them`,
          })),
      })
    },
  },
}

const limit = 90
