import type { Rule } from './rule.ts'

export const pqlTypeMismatch: Rule = {
  severity: 'error',
  page: {
    title: 'Values of different types meet',
    checks:
      "Operators and functions against the union schema. A comparison with a value outside an attribute's `enum` is a warning.",
    why: 'Such a comparison is never true, so the Segment would be empty, or everybody.',
    source: 'Profile Query Language overview',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: club.credits > "many"
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: club.credits > 100
`,
  },
}
