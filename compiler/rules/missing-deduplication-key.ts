import { alternatives } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const missingDeduplicationKey: Rule = {
  severity: 'error',
  page: {
    title: 'Rows of one recipient are not made one',
    checks:
      "At least one row of an Activation's mapping has `deduplicationKey: true`, and every such row writes a column of the `reconciliationKey` of the CampaignInstance.",
    why: 'Two rows with one reconciliation key update the same recipient, and which of them wins is chance.',
    source: 'Adobe Campaign Managed Cloud Services connection, mapping',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, mandatory: true }
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
    Activation(activation, { model, report }) {
      const instance = model.relations.activation.get(activation)?.instance
      if (!instance) return
      const { reconciliationKey, columns } = instance.spec.targetMapping
      const { mapping } = activation.spec
      // A key that is not mapped, or is no column at all, is reported by another rule.
      if (
        reconciliationKey.length === 0 ||
        !reconciliationKey.every((column) => mapping.some(({ target }) => target === column))
      )
        return
      const related = [
        {
          resource: instance,
          path: ['spec', 'targetMapping', 'reconciliationKey'],
          on: 'key' as const,
          message: `recipients are found by ${alternatives(reconciliationKey, 'and')}`,
        },
      ]
      if (!mapping.some(({ deduplicationKey }) => deduplicationKey)) {
        report({
          path: ['spec', 'mapping'],
          message: 'No row of the mapping is the deduplication key',
          help: `Set \`deduplicationKey: true\` and \`mandatory: true\` on the row that writes ${alternatives(reconciliationKey, 'and')}.`,
          related,
        })
      }
      for (const [index, { target, deduplicationKey }] of mapping.entries()) {
        if (!deduplicationKey || reconciliationKey.includes(target) || !columns.some(({ name }) => name === target))
          continue
        report({
          path: ['spec', 'mapping', index, 'deduplicationKey'],
          message: `\`${target}\` is the deduplication key here, but recipients are found by ${alternatives(reconciliationKey, 'and')}`,
          help: `Set \`deduplicationKey: true\` on the row that writes ${alternatives(reconciliationKey, 'and')} instead.`,
          related,
        })
      }
    },
  },
}
