import type { Rule } from './rule.ts'

export const eventAttribute: Rule = {
  severity: 'error',
  page: {
    title: 'An attribute of events is mapped to a column',
    checks: "Sources of an Activation's mapping: `xEvent`, and paths that only the event schema has.",
    why: 'Only scalar attributes of the union schema of profiles can be activated, no experience events.',
    source: 'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Destinations guardrails',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: commerce.order.priceTotal, target: credits }
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
      for (const { index, source, attribute } of model.relations.attributesOf(
        model.relations.activation.get(activation),
      )) {
        if (attribute.kind !== 'event') continue
        report({
          path: ['spec', 'mapping', index, 'source'],
          message: `\`${source}\` belongs to events; only attributes of the profile can be activated`,
          help: 'Ask for the event in a Segment, or have the value stored in the profile.',
        })
      }
    },
  },
}
