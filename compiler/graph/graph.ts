import { type Kind, locationText } from '#crds'
import { activatedSegments } from '../activated-segments.ts'
import type { Compilation } from '../compile.ts'
import type { Severity } from '../diagnostic.ts'
import { effectiveLatency } from '../effective-latency.ts'

/**
 * What feeds what, from Datasets to Campaign and back. Nodes and edges are ordered by kind, then by name: every run draws the same
 * picture.
 */
export type Graph = { readonly nodes: readonly GraphNode[]; readonly edges: readonly GraphEdge[] }

type Drawn = {
  /** The heading of the kind's column. */
  readonly plural: string
  /** The kind's colour in every form of the picture; readers who see few colours can tell the colours apart too. */
  readonly stroke: string
  /** The column, counted from the left; kinds behind the Segments begin behind the deepest Segment. */
  readonly column: number
}

/** Kinds in the picture, in the order of its nodes; null: the kind is not drawn. */
const drawnKinds = {
  Dataset: { plural: 'Datasets', stroke: '#6e7781', column: 0 },
  CampaignSource: { plural: 'CampaignSources', stroke: '#8250df', column: 0 },
  ProfileStore: { plural: 'ProfileStores', stroke: '#0969da', column: 1 },
  Segment: { plural: 'Segments', stroke: '#1a7f64', column: 2 },
  Activation: { plural: 'Activations', stroke: '#9a6700', column: 3 },
  Destination: { plural: 'Destinations', stroke: '#bc4c00', column: 4 },
  CampaignInstance: { plural: 'Campaign', stroke: '#bf3989', column: 5 },
  Organization: null,
  Run: null,
} as const satisfies Readonly<Record<Kind, Drawn | null>>

export type NodeKind = { [K in Kind]: (typeof drawnKinds)[K] extends null ? never : K }[Kind]
export const drawn: Readonly<Record<NodeKind, Drawn>> = drawnKinds
// The keys of the table, without those whose value is null.
export const nodeKinds = (Object.keys(drawnKinds) as Kind[]).filter(
  (kind): kind is NodeKind => drawnKinds[kind] !== null,
)

export type GraphNode = {
  /** `Kind/namespace/name` */
  readonly id: string
  readonly kind: NodeKind
  /** The name, with the namespace where there are several. */
  readonly name: string
  /** The most important properties in a few words: `Event, NDJSON, Streaming`. */
  readonly detail: string
  /** How much of each guardrail's limit is used. */
  readonly uses: readonly GuardrailUse[]
  /** The worst severity of the node's findings; null where it has none. */
  readonly severity: Severity | null
}

export type GuardrailUse = { readonly what: string; readonly used: number; readonly limit: number }

export type GraphEdge = {
  readonly from: string
  readonly to: string
  /** Whether the edge leads back, from Campaign's logs to a store. */
  readonly returns: boolean
}

export function graphOf({ model, diagnostics }: Compilation): Graph {
  const { relations } = model
  const severities = new Map<string, Severity>()
  for (const { resource, severity } of diagnostics) {
    if (!resource) continue
    const id = idOf(resource)
    if (rank(severity) > rank(severities.get(id))) severities.set(id, severity)
  }
  const drawn = model.resources.filter((resource) => nodeKinds.some((kind) => kind === resource.kind))
  const namespaces = new Set(drawn.map((resource) => resource.namespace))
  const nodes: GraphNode[] = []
  const edges: GraphEdge[] = []

  const node = (resource: Named & { readonly kind: NodeKind }, detail: string, uses: readonly GuardrailUse[]): void => {
    const id = idOf(resource)
    const name = namespaces.size > 1 ? `${resource.namespace}/${resource.name}` : resource.name
    nodes.push({ id, kind: resource.kind, name, detail, uses, severity: severities.get(id) ?? null })
  }
  const edge = (from: Named | null | undefined, to: Named | null | undefined, returns = false): void => {
    if (from && to) edges.push({ from: idOf(from), to: idOf(to), returns })
  }

  for (const { resource, store } of model.datasets) {
    node(resource, [resource.spec.record, resource.spec.format, resource.spec.ingestion].join(', '), [])
    edge(resource, store?.resource)
  }
  for (const store of model.stores) {
    const datasets = relations.datasetsOfStore(store)
    const segments = relations.segmentsOfStore(store)
    const count = (evaluation: 'Batch' | 'Streaming'): number =>
      segments.filter((segment) => segment.resource.spec.evaluation === evaluation).length
    const of = (record: 'Profile' | 'Event'): number =>
      datasets.filter((dataset) => dataset.spec.record === record).length
    node(store.resource, store.resource.spec.engine.type, [
      { what: 'profile Datasets', used: of('Profile'), limit: limits.datasets },
      { what: 'event Datasets', used: of('Event'), limit: limits.datasets },
      { what: 'Batch Segments', used: count('Batch'), limit: limits.batchSegments },
      { what: 'Streaming Segments', used: count('Streaming'), limit: limits.streamingSegments },
    ])
  }
  for (const segment of model.segments) {
    const { evaluation } = segment.resource.spec
    node(segment.resource, `${evaluation}, up to ${effectiveLatency(segment, model).text} late`, [])
    const referred = [...new Set(segment.references)].flatMap((name) => relations.sibling(segment, name) ?? [])
    // A Segment that refers to Segments gets the store's profiles through them.
    if (referred.length === 0) edge(segment.store?.resource, segment.resource)
    for (const other of referred) edge(other.resource, segment.resource)
  }
  for (const activation of model.activations) {
    const { resource, instance } = activation
    const { schedule, export: exported, mapping } = resource.spec
    node(
      resource,
      [exported, schedule.every === undefined ? 'after evaluation' : `every ${schedule.every}`].join(', '),
      [...(instance ? [{ what: 'attributes', used: mapping.length, limit: instance.spec.limits.attributes }] : [])],
    )
    for (const segment of activation.segments) edge(segment.resource, resource)
    edge(resource, activation.destination)
  }
  for (const { resource, instance } of model.destinations) {
    node(resource, locationText(resource.spec.location), [])
    edge(resource, instance)
  }
  for (const { resource } of model.instances) {
    node(resource, `Campaign ${resource.spec.version}`, [
      { what: 'Segments', used: activatedSegments(model, resource).length, limit: resource.spec.limits.segments },
    ])
  }
  for (const { resource, instance, store } of model.sources) {
    node(
      resource,
      `${resource.spec.tables.length === 1 ? '1 table' : `${resource.spec.tables.length} tables`}, ${resource.spec.schedule}`,
      [],
    )
    edge(instance, resource, true)
    edge(resource, store?.resource)
  }

  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return {
    nodes: nodes.sort((a, b) => nodeKinds.indexOf(a.kind) - nodeKinds.indexOf(b.kind) || order(a.id, b.id)),
    edges: edges.sort((a, b) => order(a.from, b.from) || order(a.to, b.to)),
  }
}

/** `17/50 Segments` */
export function useText({ what, used, limit }: GuardrailUse): string {
  return `${used}/${limit} ${what}`
}

/** The uses that are worth showing: more than nothing, and more than a small part of a large limit. */
export function notableUses(node: GraphNode): readonly GuardrailUse[] {
  return node.uses.filter(({ used, limit }) => used > 0 && (limit <= 100 || used / limit > 0.1))
}

/** Limits from "Default guardrails for Real-Time Customer Profile data and segmentation". */
const limits = { datasets: 20, batchSegments: 4_000, streamingSegments: 500 }

type Named = { readonly kind: string; readonly namespace: string; readonly name: string }

function idOf({ kind, namespace, name }: Named): string {
  return `${kind}/${namespace}/${name}`
}

function rank(severity: Severity | undefined): number {
  return severity === undefined ? 0 : ['info', 'warning', 'error'].indexOf(severity) + 1
}
