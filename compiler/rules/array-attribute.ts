import { describe } from '../schema.ts'
import type { Rule } from './rule.ts'

export const arrayAttribute: Rule = {
  severity: 'error',
  page: {
    title: 'An array is mapped to a column',
    checks: "Sources of an Activation's mapping, items of arrays included.",
    why: 'Only scalar attributes of the union schema can be activated.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Destinations guardrails',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: genres, target: level }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: club.level, target: level }
`,
  },
  check: {
    Activation(activation, { model, report }) {
      for (const { index, attribute } of model.relations.attributesOf(model.relations.activation.get(activation))) {
        if (attribute.kind !== 'array') continue
        report({
          path: ['spec', 'mapping', index, 'source'],
          message: `\`${attribute.path}\` is ${describe(attribute.type)}; arrays cannot be activated`,
          help: 'Have the value you need stored in an attribute of its own, and map that.',
        })
      }
    },
  },
}
