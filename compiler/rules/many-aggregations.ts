import type { Rule } from './rule.ts'

/** The limit of Experience Platform's validation of audiences. */
const most = 3

export const manyAggregations: Rule = {
  severity: 'warning',
  page: {
    title: 'An expression has more than 3 aggregations',
    checks: 'What an expression counts, sums and averages, and its least and greatest values: up to 3.',
    why: 'Each needs all events of a profile before it is known; Experience Platform warns of such an audience.',
    source: 'Segmentation Service, audience validation',
    bad: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: >-
    xEvent[eventType = "a" and timestamp occurs <= 30 days before now].count() > 1 and xEvent[eventType = "b" and timestamp occurs <= 30 days before now].count() > 1 and xEvent[eventType = "c" and timestamp occurs <= 30 days before now].count() > 1 and xEvent[eventType = "d" and timestamp occurs <= 30 days before now].count() > 1
`,
    good: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: >-
    xEvent[eventType = "a" and timestamp occurs <= 30 days before now].count() > 1 and xEvent.exists(eventType = "b" and timestamp occurs <= 30 days before now)
`,
  },
  check: {
    Segment(resource, { model, report }) {
      const found = model.relations.complexity(resource).aggregations
      const beyond = found[most]
      if (!beyond) return
      report({
        path: ['spec', 'expression'],
        range: beyond,
        message: `\`${resource.name}\` has ${found.length} aggregations, more than ${most}`,
        help: 'Ask with `exists` where once is enough, or make several Segments of it.',
      })
    },
  },
}
