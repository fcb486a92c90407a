import type { Rule } from './rule.ts'

export const tooManyAudiences: Rule = {
  severity: 'warning',
  page: {
    title: 'A ProfileStore has more than 4,000 Segments',
    checks:
      'Segments of a ProfileStore, the counterpart of a sandbox, over both ways of evaluation. Where the Batch Segments alone are too many, only that is said (too-many-batch-segments).',
    why: 'Beyond 4,000 audiences in a sandbox performance is no longer assured.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation, audiences per sandbox',
    bad: `
# repeat: 1..3600
kind: Segment
metadata: { name: b$n }
spec:
  expression: club.credits > $n
---
# repeat: 1..399
kind: Segment
metadata: { name: s$n }
spec:
  evaluation: Streaming
  expression: club.credits < $n
`,
    good: `
# repeat: 1..3600
kind: Segment
metadata: { name: b$n }
spec:
  expression: club.credits > $n
---
# repeat: 1..397
kind: Segment
metadata: { name: s$n }
spec:
  evaluation: Streaming
  expression: club.credits < $n
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const { relations } = model
      const store = relations.store.get(resource)
      const segments = store ? relations.segmentsOfStore(store) : []
      const beyond = segments[limit]
      if (!beyond || segments.filter(({ resource: { spec } }) => spec.evaluation === 'Batch').length > limit) return
      report({
        path: ['metadata', 'name'],
        message: `\`${resource.name}\` has ${segments.length} Segments; ${limit} are recommended at most`,
        help: 'Remove Segments that nobody activates or refers to.',
        related: [{ resource: beyond.resource, path: ['metadata', 'name'], message: `number ${limit + 1} by name` }],
      })
    },
  },
}

const limit = 4000
