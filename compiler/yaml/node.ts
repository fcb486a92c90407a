import { unreachable } from '../unreachable.ts'

/**
 * A YAML document with the places of everything in it. Offsets count UTF-16 code units of the file's text from 0; `end` is exclusive.
 * Every reader of YAML in the project yields this shape; nothing outside compiler/yaml/ knows a YAML library.
 */
export type YamlNode = YamlMap | YamlSequence | YamlScalar

export type YamlMap = {
  readonly kind: 'map'
  readonly start: number
  readonly end: number
  readonly entries: readonly YamlEntry[]
}

export type YamlEntry = { readonly key: YamlScalar; readonly value: YamlNode }

export type YamlSequence = {
  readonly kind: 'sequence'
  readonly start: number
  readonly end: number
  readonly items: readonly YamlNode[]
}

export type YamlScalar = {
  readonly kind: 'scalar'
  /** The whole scalar as written, with its quotes or the header of a block scalar. Empty range for an absent value (`key:`). */
  readonly start: number
  readonly end: number
  readonly style: 'plain' | 'single' | 'double' | 'literal' | 'folded'
  /**
   * The value as Kubernetes and YAML 1.2 both read it. Where they differ there is a fault, and this is the reading of 1.2. A plain
   * integer beyond ±(2^53-1), and a number that is not finite, are kept as text. A key is always text.
   */
  readonly value: string | number | boolean | null
}

/** A fault of the text itself. `fix` replaces start..end and is safe to apply. */
export type YamlFault = {
  readonly code: 'yaml-syntax' | 'duplicate-key' | 'ambiguous-scalar'
  readonly message: string
  readonly help: string
  readonly start: number
  readonly end: number
  readonly related?: readonly { readonly start: number; readonly end: number; readonly message: string }[]
  readonly fix?: { readonly title: string; readonly text: string }
}

export type YamlFile = {
  /** One node for each document that is not empty, in order. */
  readonly documents: readonly YamlNode[]
  readonly faults: readonly YamlFault[]
}

/** The plain value: objects, arrays and scalars. An aliased node appears at each place that refers to it. */
export function valueOf(node: YamlNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'sequence':
      return node.items.map(valueOf)
    case 'map': {
      const value: Record<string, unknown> = {}
      for (const entry of node.entries) {
        const key = String(entry.key.value)
        // An assignment to `__proto__` would not make a key like any other.
        if (key === '__proto__')
          Object.defineProperty(value, key, {
            value: valueOf(entry.value),
            enumerable: true,
            configurable: true,
            writable: true,
          })
        else value[key] = valueOf(entry.value)
      }
      return value
    }
    default:
      return unreachable(node)
  }
}

/** The node at a path and, inside a map, its key; null where the path leads nowhere. */
export function nodeAt(
  node: YamlNode,
  path: readonly (string | number)[],
): { readonly key?: YamlScalar; readonly value: YamlNode } | null {
  let found: { readonly key?: YamlScalar; readonly value: YamlNode } = { value: node }
  for (const step of path) {
    const { value } = found
    if (value.kind === 'map') {
      const entry = value.entries.find(({ key }) => key.value === String(step))
      if (!entry) return null
      found = entry
    } else if (value.kind === 'sequence') {
      const item = value.items[Number(step)]
      if (!item) return null
      found = { value: item }
    } else {
      return null
    }
  }
  return found
}
