import fields from './generated/crd-fields.json' with { type: 'json' }
import type { Kind } from './kinds.ts'

/** A schema as the API server publishes it, as far as its fields matter. */
export type FieldSchema = {
  readonly properties?: Readonly<Record<string, FieldSchema>>
  readonly items?: FieldSchema
  readonly additionalProperties?: FieldSchema | boolean
}

/** Every field of spec and status that a schema has, in its order: `spec.mapping[].source`, `status.steps[].totals{}`. */
export function fieldPathsOf(schema: FieldSchema): readonly string[] {
  return ['spec', 'status'].flatMap((part) => {
    const own = schema.properties?.[part]
    return own ? pathsOf(own, part) : []
  })
}

/** Fields that this version's kind has and a schema lacks: the API server would silently drop them. */
export function missingFields(kind: Kind, schema: FieldSchema): readonly string[] {
  const there = new Set(fieldPathsOf(schema))
  return (fields as Readonly<Record<Kind, readonly string[]>>)[kind].filter((path) => !there.has(path))
}

function pathsOf({ properties, items, additionalProperties }: FieldSchema, path: string): readonly string[] {
  return [
    path,
    ...Object.entries(properties ?? {}).flatMap(([name, schema]) => pathsOf(schema, `${path}.${name}`)),
    ...(items ? pathsOf(items, `${path}[]`) : []),
    ...(typeof additionalProperties === 'object' ? pathsOf(additionalProperties, `${path}{}`) : []),
  ]
}
