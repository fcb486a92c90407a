import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Resource } from '#crds'

/** The resources of the example bundle, fresh at every call. */
export function bundle(): Resource[] {
  const text = readFileSync(join(import.meta.dirname, '../fixtures/retail.yaml'), 'utf8')
  return parseAllDocuments(text).map((document) => document.toJS())
}

/** What stands in the bundle under `kind`, the first of them, and a Run, which nobody writes in files. */
export function exampleOf(kind: string): Resource {
  return structuredClone([...bundle(), run].find((resource) => resource.kind === kind)!)
}

const run: Resource = {
  apiVersion: 'convoke.dev/v1alpha1',
  kind: 'Run',
  metadata: { name: 'act-win-back-29934960' },
  spec: {
    target: { kind: 'Activation', name: 'win-back' },
    scheduledTime: '2026-12-01T04:00:00Z',
    trigger: 'Schedule',
    planDigest: `sha256:${'0'.repeat(64)}`,
  },
}

/** One change of a document: the value put at a dotted path; `undefined` takes the field away. */
export type Change = readonly [path: string, value: unknown]

export function changed(resource: Resource, ...changes: readonly Change[]): Record<string, unknown> {
  const document: Record<string, unknown> = { ...structuredClone(resource) }
  for (const [path, value] of changes) {
    const names = path.split('.')
    const last = names.pop()!
    // Paths in tests lead through objects and lists that are there.
    const parent = names.reduce((node, name) => node[name] as Record<string, unknown>, document)
    if (value === undefined) delete parent[last]
    else parent[last] = value
  }
  return document
}
