import { type Column, type DatasetPlan, type DataType, isRecord } from '#crds'

/** A type of the union schema, as expressions see it. */
export type Type =
  | { readonly kind: 'string'; readonly values: readonly string[] | null }
  | { readonly kind: 'integer' | 'number' | 'boolean' | 'date' | 'timestamp' }
  | { readonly kind: 'array'; readonly items: Type }
  | { readonly kind: 'map'; readonly values: Type }
  | ObjectType

export type ObjectType = {
  readonly kind: 'object'
  readonly fields: ReadonlyMap<string, Type>
  /** The type as contracts write it. */
  readonly dataType: DataType
}

export function objectType(fields: ReadonlyMap<string, Type>): ObjectType {
  let dataType: DataType | null = null
  return {
    kind: 'object',
    fields,
    // Computed once: a schema's types are read once and asked for often.
    get dataType() {
      return (dataType ??= {
        fields: Object.fromEntries([...fields].map(([name, field]) => [name, dataTypeOf(field)])),
      })
    },
  }
}

export type SchemaFault = {
  readonly code: 'invalid-value' | 'missing-field' | 'unknown-field' | 'wrong-type'
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly help: string
}

/** What an expression can read of one store. `event` always has `timestamp`; null where the store has no event schema. */
export type UnionTypes = { readonly profile: ObjectType; readonly event: ObjectType | null }

const names = /^[A-Za-z_][A-Za-z0-9_]*$/
const known = new Set([
  'type',
  'properties',
  'items',
  'additionalProperties',
  'enum',
  'format',
  'description',
  'title',
  'required',
  'examples',
  'default',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'pattern',
  'nullable',
  '$comment',
])
const maxDepth = 20

/**
 * Reads a JSON Schema in the subset that a union schema may use. Faulty parts are left out of the type and reported, with paths relative
 * to the schema. The root must be an object; an event has `timestamp`, listed or not.
 */
export function readUnionSchema(
  schema: unknown,
  record: 'profile' | 'event',
): { readonly type: ObjectType; readonly faults: readonly SchemaFault[] } {
  const faults: SchemaFault[] = []
  const type = read(schema, [], faults, record === 'event' ? ['timestamp'] : [])
  if (type?.kind === 'object') return { type, faults }
  if (type)
    faults.push({
      code: 'invalid-value',
      path: ['type'],
      message: 'The schema of a record is an object',
      help: 'Write `type: object` and list its `properties`.',
    })
  return { type: objectType(new Map()), faults }
}

/** The event type with `timestamp`, which every event has even if the schema does not list it. */
export function withTimestamp(event: ObjectType): ObjectType {
  return objectType(new Map([...event.fields, ['timestamp', { kind: 'timestamp' }]]))
}

/** `given`: fields that the object has, listed or not. */
function read(
  schema: unknown,
  path: readonly (string | number)[],
  faults: SchemaFault[],
  given: readonly string[] = [],
): Type | null {
  const fault = (code: SchemaFault['code'], at: readonly (string | number)[], message: string, help: string): null => {
    faults.push({ code, path: [...path, ...at], message, help })
    return null
  }
  if (!isRecord(schema))
    return fault('wrong-type', [], 'A schema is a map with a `type`', 'Write it like `{type: string}`.')
  if (path.length > maxDepth * 2)
    return fault(
      'invalid-value',
      [],
      `The schema is nested more than ${maxDepth} levels deep`,
      'Flatten it; Real-Time CDP schemas are a few levels deep.',
    )
  for (const key of Object.keys(schema)) {
    if (!known.has(key))
      fault(
        'unknown-field',
        [key],
        `\`${key}\` is not part of a union schema`,
        `Known are type, properties, items, additionalProperties, enum, format and descriptions.`,
      )
  }
  switch (schema['type']) {
    case 'string': {
      if (schema['format'] === 'date') return { kind: 'date' }
      if (schema['format'] === 'date-time') return { kind: 'timestamp' }
      const values = schema['enum']
      if (values === undefined) return { kind: 'string', values: null }
      if (!Array.isArray(values) || !values.every((value) => typeof value === 'string')) {
        fault('wrong-type', ['enum'], 'The values of a string `enum` are texts', 'Quote each value.')
        return { kind: 'string', values: null }
      }
      return { kind: 'string', values }
    }
    case 'integer':
      return { kind: 'integer' }
    case 'number':
      return { kind: 'number' }
    case 'boolean':
      return { kind: 'boolean' }
    case 'array': {
      if (schema['items'] === undefined)
        return fault('missing-field', [], 'An array says what its `items` are', 'Add `items: {type: …}`.')
      const items = read(schema['items'], [...path, 'items'], faults)
      return items && { kind: 'array', items }
    }
    case 'object': {
      const properties = schema['properties']
      const additional = schema['additionalProperties']
      if (isRecord(additional)) {
        if (properties !== undefined)
          return fault(
            'invalid-value',
            ['additionalProperties'],
            'An object has either named `properties` or, as a map, `additionalProperties`',
            'Keep one of the two.',
          )
        const values = read(additional, [...path, 'additionalProperties'], faults)
        return values && { kind: 'map', values }
      }
      if (!isRecord(properties))
        return fault(
          'missing-field',
          [],
          'An object lists its `properties`, a map says what its `additionalProperties` are',
          'Add one of the two.',
        )
      const fields = new Map<string, Type>()
      const spellings = new Map(given.map((name) => [name.toLowerCase(), name]))
      for (const [name, property] of Object.entries(properties)) {
        if (!names.test(name)) {
          fault(
            'invalid-value',
            ['properties', name],
            `\`${name}\` is not a field name`,
            'Field names have letters, digits and underscores and do not start with a digit.',
          )
          continue
        }
        const spelling = spellings.get(name.toLowerCase()) ?? name
        spellings.set(name.toLowerCase(), spelling)
        if (spelling !== name) {
          fault(
            'invalid-value',
            ['properties', name],
            `\`${name}\` and \`${spelling}\` differ in capitals only`,
            'Rename one of the two: the engines take both for the same column.',
          )
          continue
        }
        const type = read(property, [...path, 'properties', name], faults)
        if (type) fields.set(name, type)
      }
      return objectType(fields)
    }
    case undefined:
      return fault(
        'missing-field',
        [],
        'A schema says its `type`',
        'Add `type: string`, integer, number, boolean, array or object.',
      )
    default:
      return fault(
        'invalid-value',
        ['type'],
        `\`${String(schema['type'])}\` is not a type of a union schema`,
        'Types are string, integer, number, boolean, array and object.',
      )
  }
}

export function dataTypeOf(type: Type): DataType {
  switch (type.kind) {
    case 'array':
      return { items: dataTypeOf(type.items) }
    case 'map':
      return { values: dataTypeOf(type.values) }
    case 'object':
      return type.dataType
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
    case 'date':
    case 'timestamp':
      return type.kind
  }
}

/** The leaves of an object, depth first: scalars, arrays and maps under their dotted paths. */
export function columnsOf(type: ObjectType, prefix = ''): Column[] {
  return [...type.fields].flatMap(([name, field]) =>
    field.kind === 'object'
      ? columnsOf(field, `${prefix}${name}.`)
      : [{ path: `${prefix}${name}`, type: dataTypeOf(field) }],
  )
}

/** The type at a dotted path, or null where there is none. */
export function typeAt(type: ObjectType, path: string): Type | null {
  let current: Type = type
  for (const name of path.split('.')) {
    if (current.kind !== 'object') return null
    const field = current.fields.get(name)
    if (!field) return null
    current = field
  }
  return current
}

/** The type in words, for a sentence: `text`, `an integer`, `an array of text`. */
export function describe(type: Type): string {
  switch (type.kind) {
    case 'string':
      return 'text'
    case 'integer':
      return 'an integer'
    case 'number':
      return 'a number'
    case 'boolean':
      return 'true or false'
    case 'date':
      return 'a date'
    case 'timestamp':
      return 'a timestamp'
    case 'array':
      return type.items.kind === 'object' ? 'an array of objects' : `an array of ${describe(type.items)}`
    case 'map':
      return 'a map'
    case 'object':
      return 'an object'
  }
}

type Constraints = NonNullable<DatasetPlan['mapping'][number]['constraints']>

/**
 * What a schema demands of an attribute's values, and of what is inside them, besides their type; incoming data is held to it. undefined:
 * nothing. Impossible constraints are left out, like all faulty parts of a schema.
 */
export function constraintsAt(schema: unknown, path: string): Constraints | undefined {
  const leaf = path
    .split('.')
    .reduce<unknown>(
      (part, name) => (isRecord(part) && isRecord(part['properties']) ? part['properties'][name] : null),
      schema,
    )
  return constraintsOf(leaf)
}

function constraintsOf(schema: unknown): Constraints | undefined {
  if (!isRecord(schema)) return undefined
  const isText = schema['type'] === 'string' && schema['format'] !== 'date' && schema['format'] !== 'date-time'
  const isNumber = schema['type'] === 'integer' || schema['type'] === 'number'
  const { enum: values, format } = schema
  const number = (name: string, applies: boolean) => {
    const value = schema[name]
    return applies && typeof value === 'number' && Number.isFinite(value) ? { [name]: value } : {}
  }
  const inside = (name: string, of: unknown) => {
    const found = constraintsOf(of)
    return found ? { [name]: found } : {}
  }
  const fields = Object.entries(isRecord(schema['properties']) ? schema['properties'] : {}).flatMap(([name, field]) => {
    const found = constraintsOf(field)
    return found ? [[name, found] as const] : []
  })
  const constraints: Constraints = {
    ...(isText && Array.isArray(values) && values.length > 0 ? { enum: values.map(String) } : {}),
    ...(isText && (format === 'email' || format === 'uri') ? { format } : {}),
    ...number('minimum', isNumber),
    ...number('maximum', isNumber),
    ...number('minLength', isText),
    ...number('maxLength', isText),
    ...(schema['type'] === 'array' ? inside('items', schema['items']) : {}),
    ...(schema['type'] === 'object' ? inside('values', schema['additionalProperties']) : {}),
    ...(fields.length > 0 ? { fields: Object.fromEntries(fields) } : {}),
  }
  return Object.keys(constraints).length === 0 ? undefined : constraints
}
