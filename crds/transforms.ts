/** What is done to a value on its way: one step, or several in order. */
export type Transform = TransformStep | readonly TransformStep[]

export type TransformStep =
  | TransformName
  | { readonly constant: string | number | boolean }
  | { readonly concat: readonly (string | ConcatPart)[] }
  | { readonly split: { readonly by: string; readonly index?: number } }
  | { readonly parseJson: true | string }

/** Another field of the same record, or the value so far; a text stands for itself. */
export type ConcatPart = { readonly source: string } | { readonly value: true }

/** Steps without arguments. */
export const transformNames = ['None', 'Lowercase', 'Uppercase', 'Trim', 'SHA256'] as const
export type TransformName = (typeof transformNames)[number]

/** Steps with arguments, and how each is written. */
export const transformForms = {
  constant: '{constant: TEXT}',
  concat: '{concat: [{source: FIELD}, TEXT, {value: true}]}',
  split: '{split: {by: TEXT, index: NUMBER}}',
  parseJson: '{parseJson: true}',
} as const

/** The same as JSON Schema, for editors: a CRD cannot say it, and the compiler explains faults better. */
export const transformSchema = (() => {
  const object = (name: string, schema: object) => ({
    type: 'object',
    required: [name],
    additionalProperties: false,
    properties: { [name]: schema },
  })
  const step = [
    { enum: transformNames },
    object('constant', { type: ['string', 'number', 'boolean'] }),
    object('concat', {
      type: 'array',
      items: { anyOf: [{ type: 'string' }, object('source', { type: 'string' }), object('value', { const: true })] },
    }),
    object('split', {
      type: 'object',
      required: ['by'],
      additionalProperties: false,
      properties: { by: { type: 'string' }, index: { type: 'integer' } },
    }),
    object('parseJson', { anyOf: [{ const: true }, { type: 'string' }] }),
  ]
  return { anyOf: [...step, { type: 'array', items: { anyOf: step } }] }
})()
