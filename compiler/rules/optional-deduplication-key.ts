import type { Rule } from './rule.ts'

export const optionalDeduplicationKey: Rule = {
  severity: 'error',
  page: {
    title: 'The deduplication key may be absent',
    checks: "Rows of an Activation's mapping with `deduplicationKey: true` have `mandatory: true` too.",
    why: 'Values of the deduplication key cannot be null: Campaign finds no recipient for such a row.',
    source: 'Adobe Campaign Managed Cloud Services connection, mapping',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true }
    - { source: personalEmail.address, target: email }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: personalEmail.address, target: email }
`,
  },
  check: {
    Activation(activation, { report }) {
      const { mapping } = activation.spec
      for (const [index, { source, deduplicationKey, mandatory }] of mapping.entries()) {
        if (!deduplicationKey || mandatory) continue
        report({
          path: ['spec', 'mapping', index, 'deduplicationKey'],
          message: `\`${source}\` is the deduplication key but not mandatory`,
          help: 'Set `mandatory: true` on this row; profiles without a value are then left out and counted.',
        })
      }
    },
  },
}
