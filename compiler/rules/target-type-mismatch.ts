import type { SpecOf } from '#crds'
import { describe, type Type } from '../schema.ts'
import { alternatives } from '../suggest.ts'
import { transformGivesText, transformSteps } from '../transform.ts'
import type { Rule } from './rule.ts'

export const targetTypeMismatch: Rule = {
  severity: 'error',
  page: {
    title: 'An attribute does not fit its column',
    checks:
      'Type of the source against the type of the target column. Text fits Text; integers Integer, Double and Text; numbers Double and Text; true or false Boolean and Text; dates Date, DateTime and Text; timestamps DateTime and Text. SHA256, concat and split make text of anything; what constant and parseJson bring in is not looked at.',
    why: 'Values that do not fit are rejected on import, row by row.',
    source: 'Campaign v8, data loading; Convoke',
    bad: `
kind: Activation
metadata: { name: win-back }
spec:
  mapping:
    - { source: readerId, target: external_id, deduplicationKey: true, mandatory: true }
    - { source: club.level, target: credits }
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
    Activation(resource, { model, report }) {
      const activation = model.relations.activation.get(resource)
      const { instance } = activation ?? {}
      if (!instance) return
      const { columns, optOutColumns } = instance.spec.targetMapping
      for (const { index, source, target, attribute } of model.relations.attributesOf(activation)) {
        const at = columns.findIndex(({ name }) => name === target)
        const column = columns[at]
        if (attribute.kind !== 'scalar' || !column || optOutColumns.includes(target)) continue
        const steps = transformSteps(resource.spec.mapping[index]?.transform)
        const isText = transformGivesText(steps)
        // A value that a step brings in may have any type.
        if (isText === null) continue
        const accepted = columnTypesOf(attribute.type, isText)
        if (accepted.includes(column.type)) continue
        report({
          path: ['spec', 'mapping', index, 'target'],
          message: `\`${source}\` is ${isText ? (steps.at(-1) === 'SHA256' ? 'a hash' : 'text then') : describe(attribute.type)}, column \`${target}\` is ${column.type}`,
          help: `Map it to a column of type ${alternatives(accepted)}.`,
          related: [
            {
              resource: instance,
              path: ['spec', 'targetMapping', 'columns', at, 'type'],
              message: `a column of type ${column.type}`,
            },
          ],
        })
      }
    },
  },
}

/** Column types that can hold every value of an attribute's type; empty for types that are no scalars. */
export function columnTypesOf(type: Type, isText: boolean): readonly ColumnType[] {
  if (type.kind === 'object' || type.kind === 'array' || type.kind === 'map') return []
  return isText ? ['Text'] : columnTypes[type.kind]
}

type Scalar = Extract<Type, { kind: 'string' | 'integer' | 'number' | 'boolean' | 'date' | 'timestamp' }>
type ColumnType = SpecOf<'CampaignInstance'>['targetMapping']['columns'][number]['type']

const columnTypes: { readonly [K in Scalar['kind']]: readonly ColumnType[] } = {
  string: ['Text'],
  integer: ['Integer', 'Double', 'Text'],
  number: ['Double', 'Text'],
  boolean: ['Boolean', 'Text'],
  date: ['Date', 'DateTime', 'Text'],
  timestamp: ['DateTime', 'Text'],
}
