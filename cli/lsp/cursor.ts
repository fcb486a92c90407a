import { nodeAt, readYaml, type Source, valueOf, type YamlNode } from '#compiler'
import { type JsonSchema, schemaOf, writtenKinds } from '#crds'

export type Path = readonly (string | number)[]

/** What the cursor is in. */
export type Cursor = {
  /** Kind and name, as far as the document has them. */
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** The resource as a plain value, well-formed or not. */
  readonly value: unknown
  /** Path of the key or value at the cursor. */
  readonly path: Path
  readonly role: 'key' | 'value'
  /** The key, or the value as text. */
  readonly text: string
  /** The cursor's offset in `text`. */
  readonly offset: number
}

/** A character that no text has: put in at the cursor, it is found wherever the YAML reader takes it. */
const probe = '\ue000'

/** What stands at the cursor; null between things. */
export function cursorAt(source: Source, offset: number): Cursor | null {
  return probed(source, offset, offset, probe)
}

/**
 * What could stand at the cursor, where a word may have been begun: tried first as a key, then as a value. It is a key only where the
 * kind's schema has fields.
 */
export function completionAt(
  source: Source,
  offset: number,
): { readonly cursor: Cursor; readonly start: number; readonly end: number } | null {
  const start = offset - /[\w-]*$/.exec(source.text.slice(Math.max(0, offset - 200), offset))![0].length
  const end = offset + /^[\w-]*/.exec(source.text.slice(offset, offset + 200))![0].length
  const value = probed(source, start, end, probe)
  if (value?.role === 'value' && isExpression(value.path)) return { cursor: value, start, end }
  const key = probed(source, start, end, `${probe}: ${probe}`) ?? (value?.role === 'key' ? value : null)
  if (key?.role === 'key' && (key.path.length === 1 || schemaAt(key.kind, key.path.slice(0, -1))?.properties))
    return { cursor: key, start, end }
  return value ? { cursor: value, start, end } : null
}

/** Whether the path is that of an expression: a Segment's, or that of a SegmentTest's case. */
export function isExpression(path: Path): boolean {
  return path[0] === 'spec' && path.at(-1) === 'expression'
}

/** Whether people write documents of that kind. */
export function isWritten(kind: string): kind is (typeof writtenKinds)[number] {
  return writtenKinds.some((each) => each === kind)
}

export function schemaAt(kind: string, path: Path): JsonSchema | null {
  let schema: JsonSchema | undefined = isWritten(kind) ? schemaOf(kind) : undefined
  for (const part of path) {
    const next: JsonSchema | undefined = typeof part === 'number' ? schema?.items : schema?.properties?.[part]
    const additional: JsonSchema | boolean | undefined = schema?.additionalProperties
    schema = next ?? (typeof additional === 'object' ? additional : undefined)
  }
  return schema ?? null
}

function probed(source: Source, start: number, end: number, inserted: string): Cursor | null {
  const [from, to] = documentAround(source.text, start)
  const text = source.text.slice(from, start) + inserted + source.text.slice(end, to)
  const { documents, faults } = readYaml(text)
  const at = start - from
  // The probe breaks the YAML around it, so it was put in as the wrong thing.
  if (faults.some((fault) => fault.start <= at + inserted.length && fault.end >= at)) return null
  for (const document of documents) {
    const found = find(document, [])
    if (!found) continue
    const isList = nodeAt(document, ['kind'])?.value
    const depth = isList?.kind === 'scalar' && isList.value === 'List' && found.path[0] === 'items' ? 2 : 0
    const root = nodeAt(document, found.path.slice(0, depth))?.value ?? document
    const value = valueOf(root)
    const word = (path: Path): string => {
      const node = nodeAt(root, path)?.value
      return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value.replace(probe, '') : ''
    }
    return {
      kind: word(['kind']),
      namespace: word(['metadata', 'namespace']) || 'default',
      name: word(['metadata', 'name']),
      value,
      path: found.path.slice(depth).map((part) => (typeof part === 'string' ? part.replace(probe, '') : part)),
      role: found.role,
      text: found.text.replace(probe, ''),
      offset: found.text.indexOf(probe),
    }
  }
  return null
}

function documentAround(text: string, offset: number): readonly [number, number] {
  let from = 0
  for (const { index } of text.matchAll(/^---(?=\s|$)/gm)) {
    if (index > offset) return [from, index]
    from = index
  }
  return [from, text.length]
}

function find(
  node: YamlNode,
  path: Path,
): { readonly path: Path; readonly role: 'key' | 'value'; readonly text: string } | null {
  switch (node.kind) {
    case 'scalar':
      return typeof node.value === 'string' && node.value.includes(probe)
        ? { path, role: 'value', text: node.value }
        : null
    case 'sequence': {
      for (const [index, item] of node.items.entries()) {
        const found = find(item, [...path, index])
        if (found) return found
      }
      return null
    }
    case 'map': {
      for (const { key, value } of node.entries) {
        const name = String(key.value)
        if (name.includes(probe)) return { path: [...path, name], role: 'key', text: name }
        const found = find(value, [...path, name])
        if (found) return found
      }
      return null
    }
  }
}
