// What feeds what, and how much, for programs: the document of `graph -o json`.
import { type Compilation, type Graph, graphOf } from '#compiler'
import type { Kind } from '#crds'
import type { RunDocument, SegmentRow } from './run-document.ts'

export type GraphDocument = {
  /** The instant of the data that sizes are of, in RFC 3339; null where no store is known. */
  readonly at: string | null
  readonly nodes: readonly GraphDocumentNode[]
  readonly edges: readonly GraphDocumentEdge[]
  /** What could not be found out, as sentences. */
  readonly gaps: readonly string[]
}

export type GraphDocumentNode = {
  /** `Kind/namespace/name` */
  readonly id: string
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly displayName: string | null
  /** `Event, NDJSON, Streaming` */
  readonly detail: string
  /** null where the size is not known, or there is nothing to count. */
  readonly size: Size | null
  readonly uses: Graph['nodes'][number]['uses']
  readonly severity: Graph['nodes'][number]['severity']
  readonly errors: readonly { readonly code: string; readonly message: string }[]
}

export type GraphDocumentEdge = {
  readonly from: string
  readonly to: string
  /** Whether the edge leads from Campaign's logs back to a store. */
  readonly returns: boolean
  readonly size: Size | null
  /** For an edge from a Segment to its Activation: whether the circuit breaker holds it. */
  readonly held: boolean
}

/** A membership is one person in one Segment. */
export type Size = { readonly count: number; readonly unit: 'records' | 'profiles' | 'members' | 'memberships' }

/** `run` is what stores and Campaign say, without a run; null: nothing is known. */
export function graphDocument(compilation: Compilation, run: RunDocument | null): GraphDocument {
  const graph = graphOf(compilation)
  const errors = Map.groupBy(
    compilation.diagnostics.filter(({ severity, resource }) => severity === 'error' && resource !== null),
    ({ resource }) => `${resource!.kind}/${resource!.namespace}/${resource!.name}`,
  )
  const displayNames = new Map(
    compilation.model.segments.map(({ resource }) => [
      `Segment/${resource.namespace}/${resource.name}`,
      resource.spec.displayName ?? null,
    ]),
  )
  const known = run === null ? null : sizesOf(run)
  const instants = run?.stores.flatMap(({ evaluatedAt }) => evaluatedAt ?? []).sort() ?? []
  return {
    at: instants.at(-1) ?? null,
    nodes: graph.nodes.map(({ id, kind, detail, uses, severity }) => {
      const [, namespace = '', name = ''] = id.split('/')
      return {
        id,
        kind,
        namespace,
        name,
        displayName: displayNames.get(id) ?? null,
        detail,
        size: known?.node(id) ?? null,
        uses,
        severity,
        errors: (errors.get(id) ?? []).map(({ code, message }) => ({ code, message })),
      }
    }),
    edges: graph.edges.map(({ from, to, returns }) => ({
      from,
      to,
      returns,
      size: known?.edge(from, to) ?? null,
      held: known?.isHeld(from, to) ?? false,
    })),
    gaps: run?.gaps ?? [],
  }
}

function sizesOf({ stores, segments }: RunDocument) {
  const nodes = new Map<string, Size>()
  const edges = new Map<string, Size>()
  const held = new Set<string>()
  const add = (sizes: Map<string, Size>, key: string, count: number, unit: Size['unit']): void =>
    void sizes.set(key, { count: (sizes.get(key)?.count ?? 0) + count, unit })
  for (const { namespace, name, profiles, evaluatedAt, datasets } of stores) {
    const store = `ProfileStore/${namespace}/${name}`
    if (evaluatedAt !== null || profiles > 0) add(nodes, store, profiles, 'profiles')
    for (const dataset of datasets) {
      add(nodes, `Dataset/${namespace}/${dataset.name}`, dataset.records, 'records')
      add(edges, `Dataset/${namespace}/${dataset.name} ${store}`, dataset.records, 'records')
    }
  }
  const members = new Map<string, number>()
  for (const row of segments) {
    const { namespace, segment } = row
    const self = `Segment/${namespace}/${segment}`
    if (row.members !== null && !members.has(self)) {
      members.set(self, row.members)
      add(nodes, self, row.members, 'members')
    }
    for (const [from, to, count] of wayOf(row)) {
      // From a Segment to its own Activation these are members; behind it, memberships of all Segments together.
      add(edges, `${from} ${to}`, count, from === self ? 'members' : 'memberships')
      if (to.startsWith('Activation/') || to.startsWith('CampaignInstance/')) add(nodes, to, count, 'memberships')
    }
    if (row.held !== null && row.activation !== null) held.add(`${self} Activation/${namespace}/${row.activation}`)
  }
  return {
    node: (id: string): Size | null => nodes.get(id) ?? null,
    edge: (from: string, to: string): Size | null => {
      const found = edges.get(`${from} ${to}`)
      if (found) return found
      // Into a Segment: from a store as many as are in it, from another Segment the members of that one.
      const [count, feeds] = to.startsWith('Segment/') ? [members.get(to), members.get(from)] : []
      if (count === undefined) return null
      return { count: from.startsWith('Segment/') ? (feeds ?? count) : count, unit: 'members' }
    },
    isHeld: (from: string, to: string): boolean => held.has(`${from} ${to}`),
  }
}

/** How many memberships go each part of a Segment's way to Campaign. */
function wayOf({
  namespace,
  segment,
  activation,
  destination,
  instance,
  standing,
}: SegmentRow): readonly (readonly [from: string, to: string, count: number])[] {
  if (activation === null || standing === null) return []
  const parts: [string, string, number][] = []
  const from = `Activation/${namespace}/${activation}`
  parts.push([`Segment/${namespace}/${segment}`, from, standing.delivered])
  if (destination !== null) parts.push([from, `Destination/${namespace}/${destination}`, standing.delivered])
  if (destination !== null && instance !== null)
    parts.push([
      `Destination/${namespace}/${destination}`,
      `CampaignInstance/${namespace}/${instance}`,
      standing.inCampaign ?? standing.delivered,
    ])
  return parts
}
