import {
  type AnyResource,
  columnsOf,
  describeType,
  type FunctionEntry,
  functions,
  type StoreModel,
  type Type,
  typeAt,
  type UnionTypes,
} from '#compiler'
import type { JsonSchema } from '#crds'
import type { Cursor } from './cursor.ts'
import type { Workspace } from './workspace.ts'

/** The store that a document's expressions and attribute paths are about, even while the document is not well-formed. */
export function storeOf(workspace: Workspace, cursor: Cursor): StoreModel | null {
  const { model } = workspace.compilation()
  const named = (name: unknown): StoreModel | null =>
    model.stores.find(({ resource }) => resource.name === name && resource.namespace === cursor.namespace) ?? null
  if (cursor.kind === 'ProfileStore') return named(cursor.name)
  if (cursor.kind !== 'Activation') return named(field(cursor.value, 'spec', 'profileStoreRef', 'name'))
  const written = model.activations.find(
    ({ resource }) => resource.name === cursor.name && resource.namespace === cursor.namespace,
  )
  if (written?.store) return written.store
  const first = field(cursor.value, 'spec', 'segmentRefs', 0, 'name')
  const segment = model.segments.find(
    ({ resource }) => resource.name === first && resource.namespace === cursor.namespace,
  )
  return segment?.store ?? (model.stores.length === 1 ? model.stores[0]! : null)
}

/** Whether an attribute path in a mapping or identity leads into profiles or events; null where the field holds no path. */
export function attributeRoot(cursor: Cursor, types: UnionTypes): 'profile' | 'event' | null {
  const path = cursor.path.filter((part) => typeof part === 'string').join('.')
  if (cursor.kind === 'Activation' && path === 'spec.mapping.source') return 'profile'
  if (cursor.kind === 'ProfileStore' && path === 'spec.identities.path') return 'profile'
  const reads =
    cursor.kind === 'Dataset' && path === 'spec.mapping.target' ? field(cursor.value, 'spec', 'record') : null
  const event = reads === 'Event' || (cursor.kind === 'CampaignSource' && path === 'spec.tables.mapping.target')
  if (event) return types.event ? 'event' : null
  return reads === null ? null : 'profile'
}

/** Paths that can be written in a mapping, with their types. */
export function attributesOf(
  types: UnionTypes,
  root: 'profile' | 'event',
): readonly { readonly path: string; readonly type: Type }[] {
  const object = root === 'event' ? types.event : types.profile
  if (!object) return []
  return columnsOf(object).flatMap(({ path }) => {
    const type = typeAt(object, path)
    return type ? [{ path, type }] : []
  })
}

export function typeText(type: Type): string {
  if (type.kind === 'string' && type.values)
    return `text, one of ${type.values.map((value) => `\`${value}\``).join(', ')}`
  if (type.kind === 'object') return `an object with ${[...type.fields.keys()].map((name) => `\`${name}\``).join(', ')}`
  return describeType(type)
}

export function functionText(name: string): string | null {
  const entry = Object.entries<FunctionEntry>(functions).find(([known]) => known === name)?.[1]
  if (!entry) return null
  const examples = entry.examples.map(([pql]) => pql).join('\n')
  return `\`\`\`\n${entry.signature}\n\`\`\`\n${entry.doc}\n\nExamples:\n\`\`\`\n${examples}\n\`\`\``
}

/** Methods of a type; functions, where the type is null. */
export function functionsFor(type: Type | null): readonly { readonly name: string; readonly entry: FunctionEntry }[] {
  const groups = type === null ? null : groupsOf(type)
  return Object.entries<FunctionEntry>(functions).flatMap(([name, entry]) =>
    (groups === null ? entry.form === 'function' : entry.form === 'method' && groups.includes(entry.group))
      ? [{ name, entry }]
      : [],
  )
}

function groupsOf(type: Type): readonly FunctionEntry['group'][] {
  switch (type.kind) {
    case 'string':
      return ['text', 'object']
    case 'date':
    case 'timestamp':
      return ['date', 'object']
    case 'array':
      return ['array', 'aggregation', 'object']
    case 'map':
      return ['map', 'object']
    case 'object':
    case 'integer':
    case 'number':
    case 'boolean':
      return ['object']
  }
}

export function schemaText(name: string, schema: JsonSchema): string {
  const { description, type } = schema
  const values = valuesOf(schema)
  const what = values
    ? values.map((value) => `\`${String(value)}\``).join(' or ')
    : typeof type === 'string'
      ? typeWords[type]
      : undefined
  return [`**${name}**${what ? `: ${what}` : ''}`, ...(typeof description === 'string' ? [description] : [])].join(
    '\n\n',
  )
}

/** The values that a field takes, where they are few; null where it takes any value. */
export function valuesOf(schema: JsonSchema | undefined): readonly unknown[] | null {
  const forms = Array.isArray(schema?.['anyOf']) ? schema['anyOf'] : []
  const values = [schema, ...forms].flatMap((each) => (Array.isArray(each?.['enum']) ? each['enum'] : []))
  return values.length === 0 ? null : values
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
}

/** A resource in a few lines, shown where its name occurs. */
export function resourceText(resource: AnyResource): string {
  const lines = [`**${resource.kind}** \`${resource.name}\``]
  if (resource.kind === 'Segment') {
    const { displayName, description, evaluation, expression } = resource.spec
    lines.push(`${displayName === resource.name ? '' : `${displayName}, `}${evaluation}`)
    if (description) lines.push(description)
    lines.push(`\`\`\`\n${expression.trim()}\n\`\`\``)
  }
  return lines.join('\n\n')
}

export function field(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    // Only own fields of objects and lists are read.
    (current, part) =>
      typeof current === 'object' && current !== null && Object.hasOwn(current, part)
        ? (current as Record<string | number, unknown>)[part]
        : undefined,
    value,
  )
}
