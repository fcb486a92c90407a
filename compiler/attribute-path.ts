import { membershipPath } from '#crds'
import { type ObjectType, type Type, typeAt, type UnionTypes } from './schema.ts'
import { nearest } from './suggest.ts'

/** What a dotted path leads to. Ranges count UTF-16 code units of the path's text. */
export type Attribute =
  | { readonly kind: 'scalar'; readonly type: Type }
  | { readonly kind: 'object'; readonly type: ObjectType }
  /** `path` leads to an array or map, and the text may go on into it (`tags[0]`, `scores.sports`). */
  | { readonly kind: 'array' | 'map'; readonly path: string; readonly type: Type }
  | { readonly kind: 'event' }
  | Unknown

export type Unknown = {
  readonly kind: 'unknown'
  readonly range: Range
  readonly name: string /** Path of what was searched, empty for the record. */
  readonly owner: string
  readonly ownerType: Type
}

type Range = { readonly start: number; readonly end: number }

/** Looks a path up in one schema. */
export function attributeAt(type: ObjectType, path: string): Exclude<Attribute, { kind: 'event' }> {
  let current: Type = type
  let start = 0
  for (const part of path.split('.')) {
    const name = /^[^[]*/.exec(part)![0]
    const found: Type | undefined = current.kind === 'object' ? current.fields.get(name) : undefined
    if (!found)
      return {
        kind: 'unknown',
        range: { start, end: start + Math.max(name.length, 1) },
        name,
        owner: path.slice(0, Math.max(start - 1, 0)),
        ownerType: current,
      }
    if (found.kind === 'array' || found.kind === 'map')
      return { kind: found.kind, path: path.slice(0, start + name.length), type: found }
    if (name !== part)
      return {
        kind: 'unknown',
        range: { start: start + name.length, end: start + part.length },
        name: part.slice(name.length),
        owner: path.slice(0, start + name.length),
        ownerType: found,
      }
    current = found
    start += part.length + 1
  }
  return current.kind === 'object' ? { kind: 'object', type: current } : { kind: 'scalar', type: current }
}

/**
 * Looks up a path that an Activation maps: one of the profile, a Segment's membership, or one of events, which is refused under its own
 * name.
 */
export function activatedAttribute(types: UnionTypes, path: string): Attribute {
  const attribute = attributeAt(types.profile, path)
  if (attribute.kind !== 'unknown') return attribute
  const membership = membershipPath(path)
  if (membership)
    return {
      kind: 'scalar',
      type: membership.part === 'status' ? { kind: 'string', values: ['realized', 'exited'] } : { kind: 'timestamp' },
    }
  if (/^xEvent(?![A-Za-z0-9_])/.test(path)) return { kind: 'event' }
  return types.event && attributeAt(types.event, path).kind !== 'unknown' ? { kind: 'event' } : attribute
}

export type MappedAttribute = {
  readonly index: number
  readonly source: string
  readonly target: string
  readonly attribute: Attribute
}

/** Each row of an Activation's mapping, with what its source leads to; empty while the schema is unknown or faulty. */
export function mappedAttributes({ store, resource }: Mapping): readonly MappedAttribute[] {
  if (!store) return []
  const { types, faulty } = store
  return resource.spec.mapping.flatMap(({ source, target }, index) => {
    const attribute = activatedAttribute(types, source)
    return faulty && attribute.kind === 'unknown' ? [] : [{ index, source, target, attribute }]
  })
}

/** The parts of an Activation that say which attributes it maps. */
type Mapping = {
  readonly store: { readonly types: UnionTypes; readonly faulty: boolean } | null
  readonly resource: {
    readonly spec: { readonly mapping: readonly { readonly source: string; readonly target: string }[] }
  }
}

/**
 * Up to three paths that were probably meant, likeliest first: with the wrong name corrected in place, or with the same last name
 * elsewhere.
 */
export function suggestPaths(
  type: ObjectType,
  path: string,
  unknown: Unknown,
  accepts: (type: Type) => boolean,
): string[] {
  const fits = (candidate: string): boolean => {
    const found = typeAt(type, candidate)
    return found !== null && accepts(found)
  }
  const { ownerType, range, name } = unknown
  const here =
    ownerType.kind === 'object'
      ? nearest(name, ownerType.fields.keys()).map((near) => path.slice(0, range.start) + near + path.slice(range.end))
      : []
  const corrected = here.filter(fits)
  if (corrected.length > 0) return corrected
  const all = pathsOf(type).filter(fits)
  const lastOf = (dotted: string): string => dotted.slice(dotted.lastIndexOf('.') + 1)
  const namesakes = all.filter((candidate) => lastOf(candidate) === lastOf(path))
  if (namesakes.length > 0) return namesakes.slice(0, 3)
  return nearest(
    path,
    all.filter((candidate) => nearest(lastOf(path), [lastOf(candidate)]).length > 0),
  )
}

function pathsOf(type: ObjectType, prefix = ''): string[] {
  return [...type.fields].flatMap(([name, field]) => [
    `${prefix}${name}`,
    ...(field.kind === 'object' ? pathsOf(field, `${prefix}${name}.`) : []),
  ])
}
