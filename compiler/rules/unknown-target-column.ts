import { alternatives, nearest } from '../suggest.ts'
import { transformGivesText, transformSteps } from '../transform.ts'
import type { Rule } from './rule.ts'
import { columnTypesOf } from './target-type-mismatch.ts'

export const unknownTargetColumn: Rule = {
  severity: 'error',
  page: {
    title: 'The target mapping has no such column',
    checks:
      "Targets of an Activation's mapping against `targetMapping.columns` of the CampaignInstance. Opt-out columns are none: they are never written.",
    why: 'Campaign would have nowhere to put the values, or would overwrite consent, which it owns.',
    source: 'Adobe Campaign Managed Cloud Services connection, mapping',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: personalEmail.address, target: e_mail }
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
      const linked = model.relations.activation.get(activation)
      const instance = linked?.instance
      if (!instance) return
      const { columns, optOutColumns } = instance.spec.targetMapping
      const { mapping } = activation.spec
      const attributes = new Map(model.relations.attributesOf(linked).map(({ index, attribute }) => [index, attribute]))
      for (const [index, { target, transform }] of mapping.entries()) {
        const path = ['spec', 'mapping', index, 'target']
        const optOut = optOutColumns.indexOf(target)
        if (optOut >= 0) {
          report({
            path,
            message: `\`${target}\` is an opt-out column, which an import never writes`,
            help: 'Remove this row; Campaign owns consent.',
            related: [
              {
                resource: instance,
                path: ['spec', 'targetMapping', 'optOutColumns', optOut],
                message: 'never written',
              },
            ],
          })
        }
        if (optOut >= 0 || columns.some(({ name }) => name === target)) continue
        const attribute = attributes.get(index)
        const fits =
          attribute?.kind === 'scalar'
            ? columnTypesOf(attribute.type, transformGivesText(transformSteps(transform)) === true)
            : null
        const free = columns
          .filter(({ name }) => !optOutColumns.includes(name) && !mapping.some((item) => item.target === name))
          .filter(({ type }) => fits === null || fits.includes(type))
          .map(({ name }) => name)
        const near = nearest(target, free)
        report({
          path,
          message: `\`${target}\` is not a column of the target mapping of \`${instance.name}\``,
          help:
            near.length > 0
              ? `Did you mean ${alternatives(near)}?`
              : free.length > 0
                ? `There are ${alternatives(free.slice(0, 8))}.`
                : 'Add it to `targetMapping.columns`, if Campaign has it.',
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
            safety: near.length === 1 ? 'safe' : 'review',
            path,
            value: name,
          })),
        })
      }
    },
  },
}
