import type { Defaulted, Kind, ObjectMeta } from '#crds'
import { type Place, pathText, type ResourceName } from './diagnostic.ts'
import { nodeAt, textRangeOf, type YamlNode } from './yaml/index.ts'

export type Source = {
  readonly file: string
  readonly text: string
  /** The namespace of resources that name none. Default: `default`. */
  readonly namespace?: string
}

/** Where a resource is written; null for one that came from the API server. */
export type Origin = { readonly source: Source; readonly node: YamlNode } | null

/** A well-formed resource with defaults applied. */
export type Resource<K extends Kind = Kind> = ResourceName & {
  readonly kind: K
  readonly metadata: ObjectMeta
  readonly spec: Defaulted<K>
  readonly origin: Origin
}

export type AnyResource = { readonly [K in Kind]: Resource<K> }[Kind]

export type Path = readonly (string | number)[]

/**
 * What to point at inside a resource: a field's value, its key (`on: 'key'`), or a range inside a field's text. A field that is not
 * written (a default) is found at its nearest written parent.
 */
export type Target = {
  readonly path: Path
  readonly on?: 'key' | 'value'
  readonly range?: { readonly start: number; readonly end: number }
}

export function placeOf(resource: ResourceName & { readonly origin: Origin }, target: Target): Place {
  const path = pathText(target.path)
  const name: ResourceName = { kind: resource.kind, namespace: resource.namespace, name: resource.name }
  const { origin } = resource
  if (!origin) return { file: null, span: null, resource: name, path }
  return { file: origin.source.file, span: spanOf(origin, target), resource: name, path }
}

function spanOf({ source, node }: NonNullable<Origin>, { path, on, range }: Target): { start: number; end: number } {
  for (let length = path.length; length > 0; length -= 1) {
    const found = nodeAt(node, path.slice(0, length))
    if (!found) continue
    const written = length === path.length
    if (written && range && found.value.kind === 'scalar')
      return textRangeOf(source.text, found.value)(range.start, range.end)
    // A whole map or list is too much to underline, and an absent value too little: the key is underlined instead.
    const byKey = !written || on === 'key' || found.value.kind !== 'scalar' || found.value.start === found.value.end
    if (byKey && found.key) return { start: found.key.start, end: found.key.end }
    if (found.value.kind !== 'scalar') continue
    return { start: found.value.start, end: found.value.end }
  }
  return headOf(node)
}

/** The place that stands for the resource as a whole: its kind. */
function headOf(node: YamlNode): { start: number; end: number } {
  const kind = nodeAt(node, ['kind'])?.value
  return kind && kind.end > kind.start
    ? { start: kind.start, end: kind.end }
    : { start: node.start, end: Math.min(node.end, node.start + 1) }
}
