/**
 * A YAML document with the places of everything in it. Offsets count UTF-16 code units of the file's text from 0; `end` is exclusive.
 * Every reader of YAML in the project yields this shape; nothing outside compiler/yaml/ knows a YAML library.
 */
export type YamlNode = YamlMap | YamlSequence | YamlScalar

export type YamlMap = { readonly kind: 'map'; readonly start: number; readonly end: number; readonly entries: readonly YamlEntry[] }

export type YamlEntry = { readonly key: YamlScalar; readonly value: YamlNode }

export type YamlSequence = { readonly kind: 'sequence'; readonly start: number; readonly end: number; readonly items: readonly YamlNode[] }

export type YamlScalar = {
  readonly kind: 'scalar'
  /** The whole scalar as written: with its quotes, with the header of a block scalar. Empty range for an absent value (`key:`). */
  readonly start: number
  readonly end: number
  readonly style: 'plain' | 'single' | 'double' | 'literal' | 'folded'
  /** As Kubernetes reads it, where both readings agree; a plain integer beyond ±(2^53-1) is kept as its text. */
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
  /** One per document that holds something, in order; empty documents are left out. */
  readonly documents: readonly YamlNode[]
  readonly faults: readonly YamlFault[]
}
