import type { Rule } from './rule.ts'

export const duplicateResource: Rule = {
  severity: 'error',
  page: {
    title: 'Two resources have one name',
    checks: 'Kind, namespace and name over all files.',
    why: 'Applied in turn, the later one would silently replace the earlier.',
    source: 'Kubernetes',
    bad: `
kind: Segment
metadata: { name: newcomers }
spec:
  expression: club.credits = 0
---
kind: Segment
metadata: { name: newcomers }
spec:
  expression: club.level = "visitor"
`,
    good: `
kind: Segment
metadata: { name: newcomers }
spec:
  expression: club.credits = 0
---
kind: Segment
metadata: { name: visitors }
spec:
  expression: club.level = "visitor"
`,
  },
}
