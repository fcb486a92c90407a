import type { Rule } from './rule.ts'

export const yamlSyntax: Rule = {
  severity: 'error',
  page: {
    title: 'The text is not YAML',
    checks:
      'Every file is read as YAML 1.2; several documents and `kind: List` are fine. The place is where the reader could not go on.',
    why: 'Nothing that follows a fault in the text can be trusted to mean what its author meant.',
    source: 'YAML 1.2.2',
    bad: `
kind: Segment
metadata: { name: patrons }
spec:
  description: Patrons: readers who gave
`,
    good: `
kind: Segment
metadata: { name: patrons }
spec:
  description: "Patrons: readers who gave"
`,
  },
}
