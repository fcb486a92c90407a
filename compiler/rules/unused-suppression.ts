import type { Rule } from './rule.ts'

export const unusedSuppression: Rule = {
  severity: 'warning',
  page: {
    title: 'Something is allowed that nothing reports',
    checks:
      'Lines `code: reason` of the annotation convoke.dev/allow: the code is reported for this very resource, and is a warning. Errors cannot be allowed.',
    why: 'A line that outlives its cause would silence the next, unlike case.',
    source: 'Convoke',
    bad: `
kind: Segment
metadata:
  name: patrons
  annotations:
    convoke.dev/allow: "stream-without-source: tills are connected in March"
`,
    good: `
kind: Dataset
metadata: { name: till-receipts }
spec:
  ingestion: Batch
---
kind: Segment
metadata:
  name: patrons
  annotations:
    convoke.dev/allow: "stream-without-source: tills are connected in March"
`,
  },
}
