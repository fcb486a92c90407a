/**
 * The subset of JSON Schema in which a union schema is written. A CRD cannot express it, since it is recursive, so this type does; the
 * compiler checks whether a document keeps to it.
 */
export type UnionSchema = ScalarSchema | ArraySchema | ObjectSchema | MapSchema

export type ScalarSchema = Annotations & {
  readonly type: 'string' | 'integer' | 'number' | 'boolean'
  /** For strings: the possible values. */
  readonly enum?: readonly string[]
  /** For strings: `date` and `date-time` are times; others (`email`, `uri`) only inform people. */
  readonly format?: string
}

export type ArraySchema = Annotations & { readonly type: 'array'; readonly items: UnionSchema }

export type ObjectSchema = Annotations & {
  readonly type: 'object'
  readonly properties: { readonly [name: string]: UnionSchema }
}

/** Keys are data, and all values have one type. */
export type MapSchema = Annotations & { readonly type: 'object'; readonly additionalProperties: UnionSchema }

type Annotations = { readonly title?: string; readonly description?: string }
