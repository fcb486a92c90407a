import type { Rule } from './rule.ts'

export const tooManyStreamingSegments: Rule = {
  severity: 'warning',
  page: {
    title: 'A ProfileStore has more than 500 Streaming Segments',
    checks: 'Segments with `evaluation: Streaming` of a ProfileStore, the counterpart of a sandbox.',
    why: 'Beyond 500 an evaluation every five minutes is no longer assured to end in time.',
    source: 'Default guardrails for Real-Time Customer Profile data and segmentation',
    bad: `
# repeat: 1..500
kind: Segment
metadata: { name: s$n }
spec:
  evaluation: Streaming
  expression: club.credits > $n
`,
    good: `
# repeat: 1..499
kind: Segment
metadata: { name: s$n }
spec:
  evaluation: Streaming
  expression: club.credits > $n
`,
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const { relations } = model
      const store = relations.store.get(resource)
      const segments = store
        ? relations.segmentsOfStore(store).filter((segment) => segment.resource.spec.evaluation === 'Streaming')
        : []
      const beyond = segments[limit]
      if (!beyond) return
      report({
        path: ['metadata', 'name'],
        message: `\`${resource.name}\` has ${segments.length} Streaming Segments; ${limit} are recommended at most`,
        help: 'Set `evaluation: Batch` on those that a daily evaluation is enough for.',
        related: [{ resource: beyond.resource, path: ['metadata', 'name'], message: `number ${limit + 1} by name` }],
      })
    },
  },
}

const limit = 500
