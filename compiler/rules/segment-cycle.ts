import type { Rule } from './rule.ts'

export const segmentCycle: Rule = {
  severity: 'error',
  page: {
    title: 'A Segment refers to itself',
    checks: '`inSegment`, over any number of Segments.',
    why: 'Membership would have to be known before it can be computed.',
    source: 'Convoke',
    bad: `
kind: Segment
metadata: { name: quiet-buyers }
spec:
  expression: not inSegment("quiet-patrons") and club.credits > 0
`,
    good: `
kind: Segment
metadata: { name: quiet-buyers }
spec:
  expression: not inSegment("patrons") and club.credits > 0
`,
  },
}
