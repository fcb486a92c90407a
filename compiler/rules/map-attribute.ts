import type { Rule } from './rule.ts'

export const mapAttribute: Rule = {
  severity: 'error',
  page: {
    title: 'A map is mapped to a column',
    checks: "Sources of an Activation's mapping, values of maps included.",
    why: 'Only scalar attributes of the union schema can be activated.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Destinations guardrails',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: affinity.poetry, target: credits }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: club.credits, target: credits }
`,
  },
  check: {
    Activation(activation, { model, report }) {
      for (const { index, attribute } of model.relations.attributesOf(model.relations.activation.get(activation))) {
        if (attribute.kind !== 'map') continue
        report({
          path: ['spec', 'mapping', index, 'source'],
          message: `\`${attribute.path}\` is a map; neither maps nor their values can be activated`,
          help: 'Have the value you need stored in an attribute of its own, and map that.',
        })
      }
    },
  },
}
