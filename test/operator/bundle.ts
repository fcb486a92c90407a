// The smallest example, as the API server gets it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Kind, ResourceByKind } from '#crds'

export type Bundle = readonly ResourceByKind[Kind][]

const text = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8')

/** Fresh at every call. */
export function minimal(): Bundle {
  return parseAllDocuments(text).map((document) => document.toJS())
}

/** One of the bundle with another spec. */
export function withSpec<K extends Kind>(
  kind: K,
  name: string,
  change: (spec: ResourceByKind[K]['spec']) => object,
): ResourceByKind[K] {
  const found = minimal().find(
    (resource) => resource.kind === kind && resource.metadata.name === name,
  )! as ResourceByKind[K] // of that kind
  return { ...found, spec: change(found.spec) } as ResourceByKind[K]
}
