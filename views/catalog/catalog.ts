// Everything known of a project's resources, in the form for its pages and its JSON.
import {
  type Compilation,
  type Coverage,
  type Diagnostic,
  effectiveLatency,
  type Graph,
  graphOf,
  type Model,
  type NumberOf,
  type Phrase,
  segmentWords,
  type Waterfall,
  type Words,
} from '#compiler'
import { annotations, type Kind } from '#crds'
import type { RunDocument, SegmentRow } from '../run-document.ts'

/** What a catalog is made of. Everything but the resources may be missing: a page then says what is not known. */
export type CatalogInput = {
  readonly compilation: Compilation
  /** What stores and Campaign say, without a run. */
  readonly run: RunDocument
  readonly cases: readonly TestedCase[]
  readonly coverage: readonly Coverage[]
  /** Waterfalls of Segments, by `namespace/name`. */
  readonly waterfalls: ReadonlyMap<string, CountedWaterfall>
  readonly overlaps: ReadonlyMap<string, readonly Shared[]>
  readonly sweeps: ReadonlyMap<string, CountedSweep>
}

export type TestedCase = {
  readonly suite: string
  readonly name: string
  readonly namespace: string
  /** The Segment under test; null for a case's own expression. */
  readonly segment: string | null
  readonly passed: boolean
}

export type CountedWaterfall = {
  readonly joint: Waterfall['joint']
  /** How many people the store has. */
  readonly whole: number
  readonly steps: readonly { readonly phrase: Phrase; readonly otherwise: Phrase; readonly value: number }[]
}

/** How many members there would be with other values for one number of the expression. */
export type CountedSweep = {
  readonly number: Pick<NumberOf, 'value' | 'unit' | 'text'>
  readonly points: readonly { readonly value: number; readonly people: number }[]
}

export type Shared = { readonly segment: string; readonly people: number }

export type Catalog = {
  readonly run: RunDocument
  readonly segments: readonly CatalogSegment[]
  readonly resources: readonly CatalogResource[]
  readonly cases: readonly TestedCase[]
  readonly graph: Graph
  readonly node: (id: string) => Graph['nodes'][number] | null
  /** Ids of what feeds a node of the graph, and of what it feeds. */
  readonly before: (id: string) => readonly string[]
  readonly after: (id: string) => readonly string[]
  readonly of: (kind: Kind, namespace: string, name: string) => CatalogResource | null
  readonly segmentNamed: (namespace: string, name: string) => CatalogSegment | null
  /** Whether there are several namespaces, so that names need theirs. */
  readonly isSpread: boolean
}

export type CatalogResource = {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly displayName: string
  readonly description: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly owner: string | null
  /** Findings that are accepted, and why. */
  readonly allowed: readonly { readonly code: string; readonly reason: string }[]
  readonly findings: readonly CatalogFinding[]
  /** The resource as it is written; null where it does not come from a file. */
  readonly text: string | null
  readonly file: string | null
}

export type CatalogFinding = {
  readonly code: string
  readonly severity: string
  readonly message: string
  readonly help: string | null
  /** The range in the expression that the finding is about; null: it is about no range. */
  readonly range: { readonly start: number; readonly end: number } | null
}

export type CatalogSegment = CatalogResource & {
  readonly kind: 'Segment'
  readonly expression: string
  readonly words: Words | null
  readonly store: string | null
  readonly evaluation: 'Batch' | 'Streaming'
  /** The longest time until a change of the data shows: `5m`, `24h`. */
  readonly latency: string
  /** One row for each way to Campaign; one with `activation` null where there is none. */
  readonly rows: readonly SegmentRow[]
  readonly references: readonly string[]
  readonly usedBy: readonly string[]
  readonly cases: readonly TestedCase[]
  /** How many leaf conditions tests have seen both true and false, and how many there are. */
  readonly covered: { readonly both: number; readonly leaves: number }
  readonly waterfall: CountedWaterfall | null
  /** Its size with other numbers; null for an expression without a number, or where nobody looked. */
  readonly sweep: CountedSweep | null
  /** Overlaps with other Segments, the largest first. */
  readonly overlap: readonly Shared[]
  /** Whether nothing delivers it and no other Segment refers to it. */
  readonly isUnused: boolean
  /** Why it seems to be forgotten, as a clause; null where it does not. */
  readonly stale: string | null
}

/** A Segment that nobody enters or leaves for this many days seems to be forgotten. */
const stillDays = 14

export function catalogOf(input: CatalogInput): Catalog {
  const { compilation, run, cases, coverage } = input
  const { model, diagnostics } = compilation
  const findings = Map.groupBy(
    diagnostics.filter(({ resource }) => resource !== null),
    ({ resource }) => `${resource!.kind}/${resource!.namespace}/${resource!.name}`,
  )
  const rows = Map.groupBy(run.segments, keyOf)
  const usedBy = usersOf(model)
  const casesOf = Map.groupBy(cases, ({ namespace, segment }) => `${namespace}/${segment}`)
  const leaves = new Map(coverage.flatMap((entry) => (entry.segment === null ? [] : [[entry.segment, entry.leaves]])))
  const resources = model.resources.map((resource): CatalogResource => {
    const { kind, namespace, name, metadata, origin } = resource
    const spec = resource.spec as { readonly displayName?: string; readonly description?: string }
    return {
      kind,
      namespace,
      name,
      displayName: spec.displayName ?? name,
      description: spec.description ?? null,
      labels: metadata.labels ?? {},
      owner: ownerOf({ ...metadata.annotations, ...metadata.labels }),
      allowed: allowedBy(metadata.annotations?.[annotations.allow]),
      findings: (findings.get(`${kind}/${namespace}/${name}`) ?? []).map((each) =>
        findingOf(each, origin?.source.text ?? '', resource.kind === 'Segment' ? resource.spec.expression.trim() : ''),
      ),
      text: origin ? origin.source.text.slice(origin.node.start, origin.node.end).trimEnd() : null,
      file: origin?.source.file ?? null,
    }
  })
  const about = new Map(resources.map((resource) => [`${resource.kind}/${keyOf(resource)}`, resource]))
  const segments = model.segments.map((segment): CatalogSegment => {
    const { namespace, name, spec } = segment.resource
    const key = `${namespace}/${name}`
    const own = rows.get(key) ?? []
    const counted = leaves.get(name) ?? []
    const isDelivered = own.some(({ activation }) => activation !== null)
    return {
      ...about.get(`Segment/${key}`)!, // the model's Segments are among its resources
      kind: 'Segment',
      expression: spec.expression.trim(),
      words: segmentWords(segment, model),
      store: segment.store?.resource.name ?? null,
      evaluation: spec.evaluation,
      latency: effectiveLatency(segment, model).text,
      rows: own,
      references: segment.references,
      usedBy: usedBy.get(key) ?? [],
      cases: casesOf.get(key) ?? [],
      covered: {
        both: counted.filter((leaf) => leaf.true > 0 && leaf.false > 0).length,
        leaves: counted.length,
      },
      waterfall: input.waterfalls.get(key) ?? null,
      sweep: input.sweeps.get(key) ?? null,
      overlap: input.overlaps.get(key) ?? [],
      isUnused: !isDelivered && (usedBy.get(key) ?? []).length === 0,
      stale: staleness(own[0] ?? null, run),
    }
  })
  const segmentsByName = new Map(segments.map((segment) => [keyOf(segment), segment]))
  const graph = graphOf(compilation)
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const before = Map.groupBy(graph.edges, ({ to }) => to)
  const after = Map.groupBy(graph.edges, ({ from }) => from)
  return {
    graph,
    node: (id) => nodes.get(id) ?? null,
    before: (id) => (before.get(id) ?? []).map(({ from }) => from),
    after: (id) => (after.get(id) ?? []).map(({ to }) => to),
    of: (kind, namespace, name) => about.get(`${kind}/${namespace}/${name}`) ?? null,
    segmentNamed: (namespace, name) => segmentsByName.get(`${namespace}/${name}`) ?? null,
    run,
    segments,
    resources,
    cases,
    isSpread: new Set(resources.map(({ namespace }) => namespace)).size > 1,
  }
}

function keyOf({
  namespace,
  ...rest
}: { readonly namespace: string } & ({ segment: string } | { name: string })): string {
  return `${namespace}/${'segment' in rest ? rest.segment : rest.name}`
}

function usersOf({ segments }: Model): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>()
  for (const { resource, references } of segments)
    for (const name of new Set(references)) {
      const key = `${resource.namespace}/${name}`
      users.set(key, [...(users.get(key) ?? []), resource.name])
    }
  return users
}

/** The label or annotation `owner` or `team`, with any prefix: `example.com/owner`. */
function ownerOf(metadata: Readonly<Record<string, string>>): string | null {
  for (const word of ['owner', 'team'])
    for (const [key, value] of Object.entries(metadata))
      if (key.split('/').at(-1)?.toLowerCase() === word && value !== '') return value
  return null
}

function allowedBy(text: string | undefined): CatalogResource['allowed'] {
  return (text ?? '').split('\n').flatMap((line) => {
    const [, code, reason] = /^\s*([a-z-]+)\s*:\s*(.+?)\s*$/.exec(line) ?? []
    return code === undefined || reason === undefined ? [] : [{ code, reason }]
  })
}

function findingOf(
  { code, severity, message, help, path, span }: Diagnostic,
  source: string,
  expression: string,
): CatalogFinding {
  const wrong = span && path === 'spec.expression' ? source.slice(span.start, span.end) : ''
  const start = wrong === '' ? -1 : expression.indexOf(wrong)
  // A text that occurs more than once is not underlined: nothing tells which place is meant.
  const isOne = start !== -1 && expression.indexOf(wrong, start + 1) === -1
  const range = isOne ? { start, end: start + wrong.length } : null
  return { code, severity, message, help: help ?? null, range }
}

function staleness(row: SegmentRow | null, { at, stores }: RunDocument): string | null {
  if (!row) return null
  const { evaluatedAt, history, members, store } = row
  const newest = stores.find(({ name, namespace }) => name === store && namespace === row.namespace)?.evaluatedAt
  if (!newest || row.error !== null) return null
  if (evaluatedAt === null) return 'was never evaluated'
  const days = Math.floor((Date.parse(at) - Date.parse(evaluatedAt)) / 86_400_000)
  if (days >= stillDays) return `was evaluated last ${days} days ago`
  const [first] = history
  const still = first ? Math.floor((Date.parse(evaluatedAt) - Date.parse(first.at)) / 86_400_000) : 0
  const moved = history.slice(1).some(({ entered, exited }) => entered + exited > 0)
  if (still >= stillDays && !moved)
    return members === 0 ? `has had nobody for ${still} days` : `has not changed for ${still} days`
  return null
}
