import type { Rule } from './rule.ts'

export const tooManyBatchSegments: Rule = {
  severity: 'warning',
  page: {
    title: 'A ProfileStore has more than 4,000 Batch Segments',
    checks: 'Segments with `evaluation: Batch` of a ProfileStore, the counterpart of a sandbox.',
    why: 'Beyond 4,000 the daily evaluation is no longer assured to end in time.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation',
    bad: `
# repeat: 1..3999
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  evaluation: Batch
---
# repeat: 1..3997
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const { relations } = model
      const store = relations.store.get(resource)
      const segments = store
        ? relations.segmentsOfStore(store).filter((segment) => segment.resource.spec.evaluation === 'Batch')
        : []
      const beyond = segments[limit]
      if (!beyond) return
      report({
        path: ['metadata', 'name'],
        message: `\`${resource.name}\` has ${segments.length} Batch Segments; ${limit} are recommended at most`,
        help: 'Remove Segments that nobody activates or refers to.',
        related: [{ resource: beyond.resource, path: ['metadata', 'name'], message: `number ${limit + 1} by name` }],
      })
    },
  },
}

const limit = 4000
