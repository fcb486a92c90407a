import type { Rule } from './rule.ts'

export const pqlUnsupported: Rule = {
  severity: 'error',
  page: {
    title: 'PQL knows it, Convoke does not',
    checks:
      'Documented constructs that the engines cannot evaluate alike. docs/pql.md lists them. `convoke convert` says with it what an Adobe definition holds beyond its expression and a Segment has not.',
    why: 'No answer is better than a wrong one.',
    source: 'Convoke',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: person.name.firstName.matches("(?<=A)nn")
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: person.name.firstName.matches("Ann")
`,
  },
}
