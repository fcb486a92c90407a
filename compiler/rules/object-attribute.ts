import { alternatives } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const objectAttribute: Rule = {
  severity: 'error',
  page: {
    title: 'An object is mapped to a column',
    checks: "Sources of an Activation's mapping.",
    why: 'Only scalar attributes of the union schema can be activated; a column holds one value.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Destinations guardrails',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: person.name, target: first_name }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: person.name.firstName, target: first_name }
`,
  },
  check: {
    Activation(activation, { model, report }) {
      for (const { index, source, attribute } of model.relations.attributesOf(
        model.relations.activation.get(activation),
      )) {
        if (attribute.kind !== 'object') continue
        const fields = [...attribute.type.fields]
          .filter(([, type]) => !['object', 'array', 'map'].includes(type.kind))
          .map(([name]) => `${source}.${name}`)
        report({
          path: ['spec', 'mapping', index, 'source'],
          message: `\`${source}\` is an object; only its scalar fields can be activated`,
          help: fields.length > 0 ? `Map ${alternatives(fields.slice(0, 3))}.` : 'Map a scalar field below it.',
          fixes:
            fields.length > 3
              ? []
              : fields.map((field) => ({
                  title: `Replace with \`${field}\``,
                  safety: 'review',
                  path: ['spec', 'mapping', index, 'source'],
                  value: field,
                })),
        })
      }
    },
  },
}
