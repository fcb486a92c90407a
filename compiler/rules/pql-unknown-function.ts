import type { Rule } from './rule.ts'

export const pqlUnknownFunction: Rule = {
  severity: 'error',
  page: {
    title: 'There is no such function',
    checks: 'Functions and methods of PQL, by name. docs/pql.md lists them.',
    why: 'A misspelt function would be evaluated as something else, or not at all.',
    source: 'Profile Query Language functions',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: person.name.firstName.beginsWith("A")
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: person.name.firstName.startsWith("A")
`,
  },
}
