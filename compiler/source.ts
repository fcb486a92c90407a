import {
  apiVersion,
  type DocumentKind,
  group,
  isKind,
  isRecord,
  type Kind,
  kinds,
  type ObjectMeta,
  type SegmentTest,
  type SpecOf,
  withDefaults,
} from '#crds'
import type { Code } from './codes.ts'
import type { Diagnostic, Fix, Place, ResourceName } from './diagnostic.ts'
import { type AnyResource, type Origin, placeOf, type Source } from './resource.ts'
import { shapeOf } from './shape.ts'
import { alternatives, nearest } from './suggest.ts'
import { nodeAt, readYaml, valueOf, type YamlNode } from './yaml/index.ts'

/** A well-formed SegmentTest: `convoke test` checks and runs it, and it is no resource of the cluster. */
export type TestDocument = ResourceName & { readonly origin: NonNullable<Origin>; readonly spec: SegmentTest['spec'] }

export type Loaded = {
  readonly resources: readonly AnyResource[]
  readonly tests: readonly TestDocument[]
  /** Everything of our group that was read, well-formed or not, by `Kind/namespace/name`. */
  readonly names: ReadonlyMap<string, Named>
  readonly diagnostics: readonly Diagnostic[]
  /** How many documents of our group were read, for the summary. */
  readonly count: number
}

type Named = ResourceName & { readonly origin: Origin }

/** The namespace of resources that name none, as in Kubernetes. */
export const defaultNamespace = 'default'

/** What was read before, for as long as its source is held. */
export type ReadMemory = { readonly read: WeakMap<Source | Readonly<Record<string, unknown>>, Loaded> }

export function openReadMemory(): ReadMemory {
  return { read: new WeakMap() }
}

/**
 * Reads files into resources: several documents per file, `List`s opened, other API groups passed over. A source that was read before
 * (the same object, not only the same text) is not read again.
 */
export function loadSources(sources: readonly Source[], { read }: ReadMemory): Loaded {
  return together(sources.map((source) => loadedOnce(read, source, loadSource)))
}

/**
 * Takes resources as the API server gives them: plain values without a place in a file. An object that was read before is not read again:
 * to change one, make a new one.
 */
export function loadObjects(objects: readonly unknown[], { read }: ReadMemory): Loaded {
  return together(objects.filter(isRecord).map((object) => loadedOnce(read, object, loadObject)))
}

function loadedOnce<T extends Source | Readonly<Record<string, unknown>>>(
  read: ReadMemory['read'],
  from: T,
  load: (from: T) => Loaded,
): Loaded {
  const loaded = read.get(from) ?? load(from)
  read.set(from, loaded)
  return loaded
}

/** A resource that occurs twice is kept as it was read first, with a finding. */
function together(parts: readonly Loaded[]): Loaded {
  if (parts.length === 1) return parts[0]!
  const names = new Map<string, Named>()
  const resources: AnyResource[] = []
  const tests: TestDocument[] = []
  const diagnostics: Diagnostic[] = []
  let count = 0
  for (const part of parts) {
    let again: Set<string> | null = null
    for (const [key, named] of part.names) {
      const earlier = names.get(key)
      if (earlier && named.name !== '') {
        again ??= new Set()
        again.add(key)
        diagnostics.push(duplicate(named, earlier))
      } else names.set(key, named)
    }
    for (const resource of part.resources) {
      if (!again?.has(`${resource.kind}/${resource.namespace}/${resource.name}`)) resources.push(resource)
    }
    for (const test of part.tests) tests.push(test)
    for (const diagnostic of part.diagnostics) diagnostics.push(diagnostic)
    count += part.count
  }
  return { resources, tests, names, diagnostics, count }
}

function loadSource(source: Source): Loaded {
  const loader = new Loader()
  const file = readYaml(source.text)
  for (const fault of file.faults) {
    // A document that is no resource at all, such as a workflow, is read by tools with their own rules.
    if (fault.code === 'ambiguous-scalar' && isForeign(file.documents, fault.start)) continue
    loader.diagnostics.push({
      code: fault.code,
      severity: 'error',
      message: fault.message,
      help: fault.help,
      file: source.file,
      span: { start: fault.start, end: fault.end },
      resource: null,
      path: '',
      related: (fault.related ?? []).map((related) => ({
        file: source.file,
        span: { start: related.start, end: related.end },
        resource: null,
        path: '',
        message: related.message,
      })),
      fixes: fault.fix
        ? [
            {
              title: fault.fix.title,
              safety: 'safe',
              edits: [{ file: source.file, start: fault.start, end: fault.end, text: fault.fix.text }],
            },
          ]
        : [],
    })
  }
  loader.ambiguous = new Set(file.faults.filter(({ code }) => code === 'ambiguous-scalar').map(({ start }) => start))
  const torn = file.faults.filter(({ code }) => code === 'yaml-syntax').map(({ start }) => start)
  let next = 0
  for (const [index, node] of file.documents.entries()) {
    const end = file.documents[index + 1]?.start ?? Number.POSITIVE_INFINITY
    const first = next
    while (next < torn.length && torn[next]! < end) next += 1
    loader.isTorn = next > first
    loader.document(node, { source, node })
  }
  return loader.loaded()
}

/** Whether the document at a place has neither apiVersion nor kind. */
function isForeign(documents: readonly YamlNode[], at: number): boolean {
  const document = documents.findLast(({ start }) => start <= at)
  return document?.kind === 'map' && nodeAt(document, ['apiVersion']) === null && nodeAt(document, ['kind']) === null
}

function loadObject(object: Readonly<Record<string, unknown>>): Loaded {
  const loader = new Loader()
  loader.value(object, null)
  return loader.loaded()
}

class Loader {
  readonly diagnostics: Diagnostic[] = []
  readonly resources = new Map<string, AnyResource>()
  readonly tests: TestDocument[] = []
  readonly names = new Map<string, Named>()
  count = 0
  /** Whether the present document has syntax faults: then only its names are known, and faults of its form would be consequences. */
  isTorn = false
  /** Values of the present file that readers understand differently: their wrong type would be a consequence. */
  ambiguous: ReadonlySet<number> = new Set()

  loaded(): Loaded {
    return {
      resources: [...this.resources.values()],
      tests: this.tests,
      names: this.names,
      diagnostics: this.diagnostics,
      count: this.count,
    }
  }

  document(node: YamlNode, origin: NonNullable<Origin>): void {
    if (node.kind !== 'map') {
      if (this.isTorn) return
      this.report(
        'wrong-type',
        { ...nowhere(origin), span: { start: node.start, end: Math.max(node.end, node.start + 1) } },
        'A resource is a map with `apiVersion`, `kind`, `metadata` and `spec`',
        'Write one, or give only files that hold resources.',
      )
      return
    }
    const kind = nodeAt(node, ['kind'])?.value
    const items = nodeAt(node, ['items'])?.value
    const version = nodeAt(node, ['apiVersion'])?.value
    if (
      kind?.kind === 'scalar' &&
      kind.value === 'List' &&
      version?.kind === 'scalar' &&
      version.value === 'v1' &&
      items?.kind === 'sequence'
    ) {
      for (const item of items.items) this.document(item, { source: origin.source, node: item })
      return
    }
    this.value(valueOf(node), origin)
  }

  value(value: unknown, origin: Origin): void {
    if (!isRecord(value)) return
    const version = value['apiVersion']
    const kindName = value['kind']
    if (typeof version !== 'string' || typeof kindName !== 'string') {
      // Values files and patches are no resources; a document with one of the two fields is probably meant to be one.
      if ((version === undefined && kindName === undefined) || !origin || this.isTorn) return
      const field = typeof version === 'string' ? 'kind' : 'apiVersion'
      if (typeof version === 'string' && !version.startsWith(`${group}/`)) return
      if (typeof kindName === 'string' && !isKind(kindName) && kindName !== 'SegmentTest') return
      const node = nodeAt(origin.node, [field])
      this.report(
        node ? 'wrong-type' : 'missing-field',
        {
          ...nowhere(origin),
          span: spanOf(node?.value ?? nodeAt(origin.node, [field === 'kind' ? 'apiVersion' : 'kind'])!.value),
          path: field,
        },
        node ? `\`${field}\` is text` : `\`${field}\` is missing`,
        field === 'kind' ? `Write one of ${alternatives(Object.keys(kinds))}.` : `Write \`apiVersion: ${apiVersion}\`.`,
      )
      return
    }
    if (version !== apiVersion && !version.startsWith(`${group}/`)) {
      if (origin && !isKind(kindName)) return
      if (origin && !nearest(version, [apiVersion]).includes(apiVersion)) return
      if (!origin) return
    }
    // Documents that jobs read and write often lie below the same folder as data; nobody configures anything with them.
    if (kindName === 'JobPlan' || kindName === 'DeliveryManifest') return
    this.count += 1
    const metadata = isRecord(value['metadata']) ? value['metadata'] : {}
    const name = typeof metadata['name'] === 'string' ? metadata['name'] : ''
    const namespace =
      typeof metadata['namespace'] === 'string' ? metadata['namespace'] : (origin?.source.namespace ?? defaultNamespace)
    const named = { kind: kindName, namespace, name, origin }

    if (version !== apiVersion) {
      this.report(
        'unknown-kind',
        placeOf(named, { path: ['apiVersion'] }),
        `\`${version}\` is not an API version of Convoke`,
        `Write \`${apiVersion}\`.`,
        this.replace(named, ['apiVersion'], apiVersion),
      )
      return
    }
    if (kindName === 'SegmentTest') {
      const spec = origin && !this.isTorn && this.specOf(kindName, value, named)
      // as validated above
      if (spec) this.tests.push({ kind: kindName, namespace, name, origin, spec: spec as SegmentTest['spec'] })
      return
    }
    if (!isKind(kindName)) {
      const near = nearest(kindName, [...Object.keys(kinds), 'SegmentTest'])
      const help =
        near.length > 0 ? `Did you mean ${alternatives(near)}?` : `Kinds are ${alternatives(Object.keys(kinds))}.`
      this.report(
        'unknown-kind',
        placeOf(named, { path: ['kind'] }),
        `There is no kind \`${kindName}\` in ${group}`,
        help,
        near.length === 1 ? this.replace(named, ['kind'], near[0]!) : [],
      )
      // References to it lead somewhere, once the kind is spelt right.
      for (const kind of near) this.names.set(`${kind}/${namespace}/${name}`, { kind, namespace, name, origin })
      return
    }
    this.resource(kindName, value, { ...named, kind: kindName }, metadata)
  }

  resource(
    kind: Kind,
    value: Readonly<Record<string, unknown>>,
    named: { kind: Kind; namespace: string; name: string; origin: Origin },
    metadata: Readonly<Record<string, unknown>>,
  ): void {
    const key = `${kind}/${named.namespace}/${named.name}`
    const earlier = this.names.get(key)
    if (earlier && named.name !== '') {
      this.diagnostics.push(duplicate(named, earlier))
      return
    }
    this.names.set(key, named)
    if (this.isTorn) return
    const spec = this.specOf(kind, value, named)
    if (!spec) return
    // The validator has just said that the value has the kind's shape.
    const resource = {
      kind,
      namespace: named.namespace,
      name: named.name,
      metadata: metadata as unknown as ObjectMeta,
      spec: withDefaults(kind, spec as SpecOf<Kind>, named.name),
      origin: named.origin,
    } as unknown as AnyResource
    this.resources.set(key, resource)
  }

  /** The spec, with faults of form reported; null where there are others than unknown fields. */
  specOf(
    kind: DocumentKind,
    value: Readonly<Record<string, unknown>>,
    named: ResourceName & { readonly origin: Origin },
  ): unknown {
    const { faults, repaired } = shapeOf(kind, value)
    for (const fault of faults) {
      const place = placeOf(named, { path: fault.path, on: fault.on })
      if (place.span && this.ambiguous.has(place.span.start)) continue
      this.report(
        fault.code,
        place,
        fault.message,
        fault.help,
        named.origin && fault.rename
          ? this.renameKey(named, fault.path, fault.rename)
          : fault.value === undefined
            ? []
            : this.replace(named, fault.path, fault.value),
      )
    }
    // A document with unknown fields only is checked on as it was evidently meant.
    return faults.some((fault) => fault.code !== 'unknown-field') ? null : repaired['spec']
  }

  report(
    code: Code,
    place: Place,
    message: string,
    help: string,
    fixes: readonly Fix[] = [],
    related: Diagnostic['related'] = [],
  ): void {
    this.diagnostics.push({ code, severity: 'error', ...place, message, help, fixes, related })
  }

  replace(named: { readonly origin: Origin }, path: readonly (string | number)[], text: string): Fix[] {
    const node = named.origin && nodeAt(named.origin.node, path)?.value
    if (!named.origin || node?.kind !== 'scalar') return []
    return [
      {
        title: `Replace with \`${text}\``,
        safety: 'safe',
        edits: [{ file: named.origin.source.file, start: node.start, end: node.end, text }],
      },
    ]
  }

  renameKey(named: { readonly origin: Origin }, path: readonly (string | number)[], text: string): Fix[] {
    const key = named.origin && nodeAt(named.origin.node, path)?.key
    if (!named.origin || !key) return []
    return [
      {
        title: `Replace with \`${text}\``,
        safety: 'safe',
        edits: [{ file: named.origin.source.file, start: key.start, end: key.end, text }],
      },
    ]
  }
}

function duplicate(named: Named, earlier: Named): Diagnostic {
  const place = (of: Named): Place => placeOf(of, { path: ['metadata', 'name'] })
  return {
    code: 'duplicate-resource',
    severity: 'error',
    ...place(named),
    message: `${named.kind} \`${named.name}\` is there twice in namespace \`${named.namespace}\``,
    help: 'Rename or remove one of the two; applied in turn, the later one would replace the earlier.',
    related: [{ ...place(earlier), message: 'the first of that name' }],
    fixes: [],
  }
}

function nowhere(origin: NonNullable<Origin>): Place {
  return { file: origin.source.file, span: null, resource: null, path: '' }
}

function spanOf(node: YamlNode): { start: number; end: number } {
  return { start: node.start, end: node.end }
}
