import { extensionsIn } from '../pql/extensions.ts'
import type { Rule } from './rule.ts'

export const beyondPql: Rule = {
  severity: 'error',
  page: {
    title: 'An expression uses what PQL does not have, where only PQL is allowed',
    checks:
      "Functions and forms of Convoke's own (docs/pql.md, Beyond PQL), where `strictPql: true` of the ProfileStore, `strictPql = true` in convoke.toml or `--strict-pql` asks for it.",
    why: 'Experience Platform refuses such an expression, so the Segment could not be moved there.',
    source: 'Convoke',
    bad: `
kind: ProfileStore
metadata: { name: readers }
spec:
  strictPql: true
---
kind: Segment
metadata: { name: buyers }
spec:
  expression: homeAddress.city.trim() = "Basel"
`,
    good: `
kind: ProfileStore
metadata: { name: readers }
spec:
  strictPql: true
---
kind: Segment
metadata: { name: buyers }
spec:
  expression: homeAddress.city = "Basel"
`,
  },
  check: {
    Segment(resource, { model, strictPql, report }) {
      const { store } = model.relations.segment(resource) ?? {}
      if (!strictPql && store?.resource.spec.strictPql !== true) return
      for (const { name, span } of extensionsIn(resource.spec.expression))
        report({
          path: ['spec', 'expression'],
          range: span,
          message: `${name[0]!.toUpperCase()}${name.slice(1)} is not PQL, and only PQL is allowed here`,
          help: 'Write it in PQL, or allow extensions: `strictPql: false` of the ProfileStore, no `--strict-pql`.',
        })
    },
  },
}
