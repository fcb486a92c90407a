import type { Rule } from './rule.ts'

export const unexplainedSuppression: Rule = {
  severity: 'warning',
  page: {
    title: 'A warning is allowed without a reason',
    checks: 'Lines `code: reason` of the annotation convoke.dev/allow. A line without a reason allows nothing.',
    why: 'Whoever reads it next year cannot tell whether it still holds.',
    source: 'Convoke',
    bad: `
kind: Dataset
metadata: { name: till-receipts }
spec:
  ingestion: Streaming
---
kind: Segment
metadata:
  name: patrons
  annotations:
    convoke.dev/allow: stream-without-source
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
