import schemas from './generated/schemas.json' with { type: 'json' }
import * as validators from './generated/validators.js'

/** Documents that have a schema: the nine kinds, SegmentTest, and the four contracts between rooms. */
export type DocumentKind = keyof typeof schemas

/**
 * A fault at one place. Besides ajv's own `params`, `additionalProperties` has `known` (the fields that exist there), and `oneOf` has
 * `of` and `found` (the alternatives, and which of them are there). A field that is needed because of another one is `required` like any
 * other.
 */
export type Fault = {
  /** JSON Pointer; `required` and `additionalProperties` point at the object that lacks or has the field. */
  readonly instancePath: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
  readonly message: string
}

/** A JSON Schema (draft-07), as far as it is read. */
export type JsonSchema = {
  readonly [keyword: string]: unknown
  readonly properties?: { readonly [name: string]: JsonSchema }
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
}

/** Every fault of a document against its schema, in the schema's order. Guardrails belong to the compiler, not to schemas. */
export function validatorOf(kind: DocumentKind): (value: unknown) => readonly Fault[] {
  // biome-ignore lint/performance/noDynamicNamespaceImportAccess: one export per document kind, and all of them are needed.
  const validate = validators[kind]
  return (value) => {
    if (validate(value)) return []
    return (validate.errors ?? [])
      .filter(({ keyword, schemaPath }) => keyword !== 'if' && !/\/(?:oneOf\/\d+|contains)\//.test(schemaPath))
      .map(({ instancePath, keyword, params, message = keyword }) =>
        explained(kind, value, { instancePath, keyword, params, message }),
      )
  }
}

/** The schema of a document, with descriptions of its fields: for editors, completion and `convoke schema`. */
export function schemaOf(kind: DocumentKind): JsonSchema {
  return schemas[kind]
}

function explained(kind: DocumentKind, document: unknown, fault: Fault): Fault {
  if (fault.keyword === 'dependencies') {
    return { ...fault, keyword: 'required', params: { missingProperty: fault.params['missingProperty'] } }
  }
  if (fault.keyword !== 'additionalProperties' && fault.keyword !== 'oneOf') return fault
  const segments = segmentsOf(fault.instancePath)
  const schema = segments.reduce<JsonSchema | undefined>(below, schemaOf(kind))
  if (fault.keyword === 'additionalProperties') {
    return { ...fault, params: { ...fault.params, known: Object.keys(schema?.properties ?? {}) } }
  }
  const alternatives = Array.isArray(schema?.['oneOf']) ? schema['oneOf'] : []
  const of: string[] = alternatives.flatMap((alternative) => alternative.required ?? [])
  const value = segments.reduce<unknown>(field, document)
  const found = of.filter((name) => field(value, name) !== undefined)
  return { ...fault, params: { ...fault.params, of, found }, message: `must have exactly one of ${of.join(', ')}` }
}

function segmentsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function below(schema: JsonSchema | undefined, segment: string): JsonSchema | undefined {
  const { properties, items, additionalProperties } = schema ?? {}
  if (properties && Object.hasOwn(properties, segment)) return properties[segment]
  return items ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
}

function field(value: unknown, name: string): unknown {
  // Only own fields of objects and lists are read.
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}
