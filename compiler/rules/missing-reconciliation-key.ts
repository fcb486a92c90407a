import { alternatives, nearest } from '../suggest.ts'
import type { Rule } from './rule.ts'

export const missingReconciliationKey: Rule = {
  severity: 'error',
  page: {
    title: 'Recipients cannot be found',
    checks:
      '`reconciliationKey` of a CampaignInstance names columns of its target mapping, and every Activation maps all of them.',
    why: 'An import only updates recipients that exist, and finds them by this key: without it no row has one.',
    source: 'Adobe Campaign Managed Cloud Services connection, mapping; Campaign v8, update data',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: personalEmail.address, target: email, transform: Lowercase }
`,
    good: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: personalEmail.address, target: email, transform: Lowercase }
`,
  },
  check: {
    CampaignInstance(instance, { report }) {
      const { reconciliationKey, columns } = instance.spec.targetMapping
      const names = columns.map(({ name }) => name)
      const path = ['spec', 'targetMapping', 'reconciliationKey']
      if (reconciliationKey.length === 0)
        report({
          path,
          message: 'The target mapping has no reconciliation key',
          help: 'Name the columns that identify a recipient, such as `external_id`.',
        })
      for (const [index, column] of reconciliationKey.entries()) {
        if (names.includes(column)) continue
        const near = nearest(column, names)
        report({
          path: [...path, index],
          message: `\`${column}\` is not a column of the target mapping`,
          help:
            near.length > 0
              ? `Did you mean ${alternatives(near)}?`
              : `Add it to \`columns\`, or name ${alternatives(names.slice(0, 8))}.`,
          related: [
            {
              resource: instance,
              path: ['spec', 'targetMapping', 'columns'],
              on: 'key',
              message: 'the columns there are',
            },
          ],
          fixes: near.map((name) => ({
            title: `Replace with \`${name}\``,
            safety: 'review',
            path: [...path, index],
            value: name,
          })),
        })
      }
    },
    Activation(activation, { model, report }) {
      const instance = model.relations.activation.get(activation)?.instance
      if (!instance) return
      const { reconciliationKey, columns } = instance.spec.targetMapping
      const { mapping } = activation.spec
      const misspelt = mapping.filter(({ target }) => !columns.some(({ name }) => name === target))
      const missing = reconciliationKey.filter(
        (key) =>
          columns.some(({ name }) => name === key) &&
          !mapping.some(({ target }) => target === key) &&
          // A column that is evidently misspelt is reported as unknown-target-column.
          !misspelt.some(({ target, deduplicationKey }) => deduplicationKey || nearest(target, [key]).length > 0),
      )
      if (missing.length === 0) return
      report({
        path: ['spec', 'mapping'],
        message: `No row of the mapping writes ${alternatives(missing)}, by which recipients are found`,
        help: 'Map the attribute that identifies a customer in Campaign to it, with `deduplicationKey: true` and `mandatory: true`.',
        related: [
          {
            resource: instance,
            path: ['spec', 'targetMapping', 'reconciliationKey'],
            on: 'key',
            message: 'the reconciliation key',
          },
        ],
      })
    },
  },
}
