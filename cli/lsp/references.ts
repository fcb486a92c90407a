import {
  editScalar,
  nodeAt,
  type ResourceName,
  readYaml,
  type Source,
  segmentReferences,
  textRangeOf,
  valueOf,
  type YamlNode,
  type YamlScalar,
} from '#compiler'
import { type Kind, referredKind } from '#crds'
import { isExpression, type Path } from './cursor.ts'

/** A place that names a resource. */
export type Mention = {
  readonly source: Source
  /** The name alone, without its quotes. */
  readonly span: { readonly start: number; readonly end: number }
  readonly isDefinition: boolean
  /** The edit that puts another name there. */
  readonly renamed: (name: string) => { readonly start: number; readonly end: number; readonly text: string }
}

/** The kind that a field of this path names; null where it names none. */
export function kindNamedAt(path: Path): Kind | null {
  const [holder, last] = path.at(-1) === 'name' ? [path.at(-2), path.at(-3)] : [undefined, undefined]
  const field = typeof holder === 'number' ? last : holder
  return typeof field === 'string' ? referredKind(field) : null
}

/** Every place that names the resource: its own name, references, and `inSegment` in expressions, well-formed or not. */
export function mentionsOf(sources: readonly Source[], wanted: ResourceName): Mention[] {
  return sources
    .filter((source) => source.text.includes(wanted.name))
    .flatMap((source) =>
      readYaml(source.text).documents.flatMap((document) =>
        resourcesIn(document).flatMap((node) => mentionsIn(source, node, wanted)),
      ),
    )
}

function resourcesIn(document: YamlNode): readonly YamlNode[] {
  const kind = nodeAt(document, ['kind'])?.value
  const items = nodeAt(document, ['items'])?.value
  return kind?.kind === 'scalar' && kind.value === 'List' && items?.kind === 'sequence' ? items.items : [document]
}

function mentionsIn(source: Source, root: YamlNode, wanted: ResourceName): Mention[] {
  const word = (path: Path): string => {
    const found = nodeAt(root, path)
    return found ? String(valueOf(found.value)) : ''
  }
  if ((word(['metadata', 'namespace']) || 'default') !== wanted.namespace) return []
  const found: Mention[] = []
  const visit = (node: YamlNode, path: Path): void => {
    if (node.kind === 'map') for (const { key, value } of node.entries) visit(value, [...path, String(key.value)])
    else if (node.kind === 'sequence') for (const [index, item] of node.items.entries()) visit(item, [...path, index])
    else if (node.value === wanted.name) {
      const isDefinition = path.join('.') === 'metadata.name' && word(['kind']) === wanted.kind
      if (isDefinition || kindNamedAt(path) === wanted.kind) found.push(whole(source, node, isDefinition))
    } else if (wanted.kind === 'Segment' && typeof node.value === 'string' && isExpression(path)) {
      const rangeOf = textRangeOf(source.text, node)
      for (const { name, span } of segmentReferences(node.value)) {
        if (name !== wanted.name) continue
        const range = rangeOf(span.start, span.end)
        // Names need no escape in any style.
        found.push({ source, span: range, isDefinition: false, renamed: (text) => ({ ...range, text }) })
      }
    }
  }
  visit(root, [])
  return found
}

function whole(source: Source, node: YamlScalar, isDefinition: boolean): Mention {
  const quotes = node.style === 'single' || node.style === 'double' ? 1 : 0
  return {
    source,
    span: { start: node.start + quotes, end: node.end - quotes },
    isDefinition,
    renamed: (name) => ({ start: node.start, end: node.end, text: editScalar(source.text, node, name) }),
  }
}
