import type { Rule } from './rule.ts'

export const tooManyDatasets: Rule = {
  severity: 'warning',
  page: {
    title: 'A ProfileStore has more than 20 Datasets of one kind of record',
    checks: 'Datasets of a ProfileStore, profiles and events apart.',
    why: 'Every Dataset is one more fragment to merge for each profile; beyond 20 of a kind performance is no longer assured.',
    source: 'Default guardrails for Real-Time Customer Profile data',
    bad: `
# repeat: 1..20
kind: Dataset
metadata: { name: cards-$n }
spec:
  record: Profile
`,
    good: `
# repeat: 1..19
kind: Dataset
metadata: { name: cards-$n }
spec:
  record: Profile
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const { relations } = model
      const store = relations.store.get(resource)
      if (!store) return
      for (const record of ['Profile', 'Event'] as const) {
        const datasets = relations.datasetsOfStore(store).filter((dataset) => dataset.spec.record === record)
        const beyond = datasets[limit]
        if (!beyond) continue
        report({
          path: ['metadata', 'name'],
          message: `${datasets.length} Datasets bring ${record === 'Profile' ? 'profiles' : 'events'} into \`${resource.name}\`; ${limit} are recommended at most`,
          help: 'Bring records of one form together in one Dataset.',
          related: [
            { resource: beyond, path: ['spec', 'profileStoreRef', 'name'], message: `number ${limit + 1} by name` },
          ],
        })
      }
    },
  },
}

const limit = 20
