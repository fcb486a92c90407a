import type { Rule } from './rule.ts'

export const manyAttributes: Rule = {
  severity: 'warning',
  page: {
    title: 'An Activation maps more than 50 attributes',
    checks: 'Rows of the mapping, while the CampaignInstance takes that many (`limits.attributes`).',
    why: 'More than 50 attributes in one dataflow to a destination cost performance.',
    source: 'Default guardrails for activation data, attributes mapped to a destination',
    bad: many(51),
    good: many(50),
  },
  check: {
    Activation(resource, { model, report }) {
      const count = resource.spec.mapping.length
      const most = model.relations.activation.get(resource)?.instance?.spec.limits.attributes ?? 0
      if (count <= limit || count > most) return
      report({
        path: ['spec', 'mapping', limit, 'source'],
        message: `${count} attributes are mapped; ${limit} are recommended at most`,
        help: `Remove ${count - limit} that nobody personalizes with.`,
      })
    },
  },
}

const limit = 50

function many(attributes: number): string {
  const others = Array.from({ length: attributes - 1 }, (_, index) => `c${index + 1}`)
  return `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { attributes: 60 }
  targetMapping:
    table: recipients
    columns: [{ name: external_id, type: Text }, ${others.map((name) => `{ name: ${name}, type: Text }`).join(', ')}]
    reconciliationKey: [external_id]
---
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
${others.map((name) => `    - { source: club.level, target: ${name} }`).join('\n')}
`
}
