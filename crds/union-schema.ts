/**
 * The subset of JSON Schema a union schema is written in. What a CRD cannot say (it is recursive) this type says; that a given
 * document keeps to it is checked by the compiler.
 */
export type UnionSchema = ScalarSchema | ArraySchema | ObjectSchema | MapSchema

export type ScalarSchema = Annotations & {
  readonly type: 'string' | 'integer' | 'number' | 'boolean'
  /** For strings: the values there are. */
  readonly enum?: readonly string[]
  /** For strings: `date` and `date-time` are times, others (`email`, `uri`) tell people something. */
  readonly format?: string
}

export type ArraySchema = Annotations & { readonly type: 'array'; readonly items: UnionSchema }

export type ObjectSchema = Annotations & {
  readonly type: 'object'
  readonly properties: { readonly [name: string]: UnionSchema }
}

/** Keys are data, all values are alike. */
export type MapSchema = Annotations & { readonly type: 'object'; readonly additionalProperties: UnionSchema }

type Annotations = { readonly title?: string; readonly description?: string }
