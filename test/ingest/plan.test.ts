// From a Dataset as it is written to what its job is told: constraints of the schema, inside of lists and maps as well, and steps of transforms.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compile } from '#compiler'

const minimal = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8')

/** The plan of the smallest bundle's Dataset of customers with these attributes and rows. */
function mappingOf(attributes: string, ...rows: string[]) {
  const text = minimal
    .replace('optOut: { type: boolean }', `optOut: { type: boolean }\n        ${attributes}`)
    .replace('    - { source: opt_out, target: optOut }', rows.map((row) => `    - ${row}`).join('\n'))
  const { plans, diagnostics } = compile([{ file: 'bundle.yaml', text }])
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
  const { ingest } = plans.find((plan) => plan.ingest)!
  return ingest!.datasets.find(({ name }) => name === 'customers')!.mapping.slice(5)
}

test.each<[string, string, object | undefined]>([
  ['nothing', '{ type: string }', undefined],
  ['a bound', '{ type: integer, minimum: 1, maximum: 9 }', { minimum: 1, maximum: 9 }],
  ['a length', '{ type: string, minLength: 2, maxLength: 3 }', { minLength: 2, maxLength: 3 }],
  ['a date is its type', '{ type: string, format: date }', undefined],
  ['a list', '{ type: array, items: { type: string, format: uri } }', { items: { format: 'uri' } }],
  ['a map', '{ type: object, additionalProperties: { type: number, minimum: 0 } }', { values: { minimum: 0 } }],
  [
    'objects in a list',
    '{ type: array, items: { type: object, properties: { a: { type: string, enum: [x] }, b: { type: string } } } }',
    { items: { fields: { a: { enum: ['x'] } } } },
  ],
])('what the schema says of values is in the plan: %s', (_, schema, constraints) => {
  const [row] = mappingOf(`extra: ${schema}`, '{ source: x, target: extra }')
  expect(row!.constraints).toEqual(constraints)
})

test.each<[string, object[] | undefined]>([
  ['None', undefined],
  ['Trim', ['Trim' as never]],
  ['[None, Trim, Lowercase]', ['Trim' as never, 'Lowercase' as never]],
  ['{ constant: 5 }', [{ constant: '5' }]],
  ['{ split: { by: "," } }', [{ split: { by: ',', index: null } }]],
  ['{ parseJson: a.b }', [{ parseJson: ['a', 'b'] }]],
  ['{ concat: [{ source: other }, "-", { value: true }] }', [{ concat: [{ source: 'other' }, '-', null] }]],
])('and so is a transform: %s', (transform, steps) => {
  const [row] = mappingOf('extra: { type: string }', `{ source: x, target: extra, transform: ${transform} }`)
  expect(row!.transform).toEqual(steps)
})
