import type { Rule } from './rule.ts'

export const unknownField: Rule = {
  severity: 'error',
  page: {
    title: 'A resource has a field that its kind does not know',
    checks: 'Every field against the schema of its kind, and every keyword of a union schema.',
    why: 'The API server would drop the field, and with it whatever it was meant to do.',
    source: 'Convoke',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  evalution: Streaming
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  evaluation: Streaming
`,
  },
}
