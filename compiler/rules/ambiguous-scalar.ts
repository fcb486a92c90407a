import type { Rule } from './rule.ts'

export const ambiguousScalar: Rule = {
  severity: 'error',
  page: {
    title: 'Kubernetes reads this value otherwise than it looks',
    checks:
      'Plain values on which YAML 1.2 and the reader of kubectl and the API server differ: `NO`, `on`, `010`, `1_000`, integers beyond 2^53 and their like.',
    why: 'What was tested on a laptop would be something else in the cluster: `NO`, the country, becomes false.',
    source: 'Kubernetes (sigs.k8s.io/yaml) against YAML 1.2.2',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  displayName: NO
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  displayName: "NO"
`,
  },
}
