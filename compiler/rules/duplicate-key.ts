import type { Rule } from './rule.ts'

export const duplicateKey: Rule = {
  severity: 'error',
  page: {
    title: 'A key is there twice in one map',
    checks: 'Keys of every map.',
    why: 'Kubernetes takes the last of the two without a word, other readers the first.',
    source: 'YAML 1.2.2, section 3.2.1.3; Kubernetes',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  evaluation: Streaming
  displayName: Patrons
  evaluation: Batch
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  evaluation: Streaming
  displayName: Patrons
`,
  },
}
