import type { Rule } from './rule.ts'

export const pqlSyntax: Rule = {
  severity: 'error',
  page: {
    title: 'An expression cannot be read',
    checks:
      "Words and grammar of a Segment's expression. One expression may have several faults; each is at its own place.",
    why: 'Who is meant cannot be told.',
    source: 'Profile Query Language overview',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: club.level = "patron" and (club.credits > 10
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  expression: club.level = "patron" and (club.credits > 10)
`,
  },
}
