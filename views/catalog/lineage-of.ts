// What feeds what: around one Segment, around another resource, and of everything.
import type { Kind } from '#crds'
import { type Lineage, type LineageNode, sizeWords } from '../lineage.ts'
import type { StoreRow } from '../run-document.ts'
import { count, counted } from '../words.ts'
import type { Catalog, CatalogResource, CatalogSegment } from './catalog.ts'
import { type Frame, pathOf, relativeTo } from './frame.ts'

const columnOf: Readonly<Partial<Record<Kind, string>>> = {
  Dataset: 'Datasets',
  CampaignSource: 'Campaign logs',
  ProfileStore: 'Stores',
  Segment: 'Segments',
  Activation: 'Activations',
  Destination: 'Destinations',
  CampaignInstance: 'Campaign',
}

/** A Segment's way from its data to Campaign, with the Segments that it is made of and those made of it. */
export function segmentLineage(frame: Frame, segment: CatalogSegment): Lineage {
  const { namespace, name, store, references, usedBy, rows } = segment
  const { catalog } = frame
  const edges: (readonly [string, string])[] = []
  const id = (kind: string, own: string): string => `${kind}/${namespace}/${own}`
  const node = (kind: Kind, own: string): LineageNode => nodeOf(frame, kind, namespace, own)
  const self = id('Segment', name)
  const storeRow = storeOf(catalog, namespace, store)
  const datasets = (storeRow?.datasets ?? []).map(({ name: own }) => own)
  const known = datasets.length > 0 ? datasets : datasetsOf(catalog, namespace, store)
  for (const dataset of known) edges.push([id('Dataset', dataset), id('ProfileStore', store ?? '')])
  const made = [...new Set(references)]
  if (store !== null) {
    if (made.length === 0) edges.push([id('ProfileStore', store), self])
    for (const other of made) {
      edges.push([id('ProfileStore', store), id('Segment', other)])
      edges.push([id('Segment', other), self])
    }
  }
  for (const other of usedBy) edges.push([self, id('Segment', other)])
  const ways = rows.filter(({ activation }) => activation !== null)
  for (const { activation, destination, instance } of ways) {
    edges.push([self, id('Activation', activation!)])
    if (destination !== null) edges.push([id('Activation', activation!), id('Destination', destination)])
    if (destination !== null && instance !== null)
      edges.push([id('Destination', destination), id('CampaignInstance', instance)])
  }
  const once = (names: readonly (string | null)[]): readonly string[] => [
    ...new Set(names.filter((each) => each !== null)),
  ]
  return {
    columns: [
      { heading: 'Datasets', nodes: known.map((own) => node('Dataset', own)) },
      { heading: 'Stores', nodes: store === null ? [] : [node('ProfileStore', store)] },
      { heading: 'Made of', nodes: made.map((own) => node('Segment', own)) },
      { heading: 'This Segment', nodes: [{ ...node('Segment', name), href: null }] },
      {
        heading: 'Used by',
        nodes: [
          ...usedBy.map((own) => node('Segment', own)),
          ...ways.map(({ activation }) => node('Activation', activation!)),
        ],
      },
      {
        heading: 'Destinations',
        nodes: once(ways.map(({ destination }) => destination)).map((own) => node('Destination', own)),
      },
      {
        heading: 'Campaign',
        nodes: once(ways.map(({ instance }) => instance)).map((own) => node('CampaignInstance', own)),
      },
    ],
    edges,
    words: `${segment.displayName} reads ${counted(known.length, 'Dataset')}${made.length > 0 ? ` and ${counted(made.length, 'Segment')}` : ''}; ${usedBy.length === 0 ? 'no Segment' : counted(usedBy.length, 'Segment')} and ${ways.length === 0 ? 'no Activation' : counted(ways.length, 'Activation')} use it.`,
  }
}

function datasetsOf({ before }: Catalog, namespace: string, store: string | null): readonly string[] {
  return before(`ProfileStore/${namespace}/${store}`).flatMap((from) =>
    from.startsWith(`Dataset/${namespace}/`) ? [from.split('/')[2] ?? ''] : [],
  )
}

function storeOf({ run }: Catalog, namespace: string, store: string | null): StoreRow | null {
  return run.stores.find((each) => each.namespace === namespace && each.name === store) ?? null
}

/** A resource with what feeds it and what it feeds. */
export function neighbourLineage(frame: Frame, { kind, namespace, name, displayName }: CatalogResource): Lineage {
  const self = `${kind}/${namespace}/${name}`
  const before = frame.catalog.before(self)
  const after = frame.catalog.after(self)
  const nodes = (ids: readonly string[]): readonly LineageNode[] =>
    ids.map((id) => {
      const [of = '', space = '', own = ''] = id.split('/')
      return nodeOf(frame, of as Kind, space, own) // the graph's ids begin with a kind
    })
  const heading = (ids: readonly string[], otherwise: string): string => {
    const kinds = new Set(ids.map((id) => id.split('/')[0] as Kind))
    const [only] = kinds
    return kinds.size === 1 ? (columnOf[only!] ?? otherwise) : otherwise
  }
  return {
    columns: [
      { heading: `${heading(before, 'Feeds it')} `, nodes: nodes(before) },
      { heading: displayName, nodes: [{ ...nodeOf(frame, kind, namespace, name), href: null }] },
      { heading: heading(after, 'It feeds'), nodes: nodes(after) },
    ],
    edges: [...before.map((id) => [id, self] as const), ...after.map((id) => [self, id] as const)],
    words: `${counted(before.length, 'resource')} ${before.length === 1 ? 'feeds' : 'feed'} ${displayName}; it feeds ${counted(after.length, 'resource')}.`,
  }
}

/** Everything, with Segments grouped by the Activation that delivers them. */
export function wholeLineage(frame: Frame): Lineage {
  const { catalog } = frame
  const { graph, segments, resources } = catalog
  const of = (kind: Kind): readonly LineageNode[] =>
    resources.filter((each) => each.kind === kind).map((each) => nodeOf(frame, kind, each.namespace, each.name))
  const groups = Map.groupBy(
    segments.flatMap((segment) => segment.rows.map((row) => ({ segment, activation: row.activation }))),
    ({ segment, activation }) => `${segment.namespace}/${segment.store}/${activation ?? ''}`,
  )
  const edges: (readonly [string, string])[] = graph.edges
    .filter(({ from, to, returns }) => !returns && !from.startsWith('Segment/') && !to.startsWith('Segment/'))
    .map(({ from, to }) => [from, to] as const)
  // In the order of the Activations beside them, so that lines do not cross; Segments without one are last.
  const ways = resources
    .filter(({ kind }) => kind === 'Activation')
    .map(({ namespace, name }) => `${namespace}/${name}`)
  const place = (key: string): number => {
    const [namespace = '', , activation = ''] = key.split('/')
    return activation === '' ? ways.length : ways.indexOf(`${namespace}/${activation}`)
  }
  const ordered = [...groups].sort(([a], [b]) => place(a) - place(b))
  const delivered = segments.filter(({ rows }) => rows.some(({ activation }) => activation !== null)).length
  const nodes = ordered.map(([key, rows]): LineageNode => {
    const [{ segment, activation }] = rows as [(typeof rows)[number]]
    const members = rows.reduce((total, each) => total + (each.segment.rows[0]?.members ?? 0), 0)
    const isKnown = rows.some((each) => each.segment.rows[0]?.members != null)
    edges.push([`ProfileStore/${segment.namespace}/${segment.store}`, `group/${key}`])
    if (activation !== null) edges.push([`group/${key}`, `Activation/${segment.namespace}/${activation}`])
    const isBroken = rows.some((each) => each.segment.findings.some(({ severity }) => severity === 'error'))
    return {
      id: `group/${key}`,
      name: rows.length === 1 ? segment.displayName : counted(rows.length, 'Segment'),
      detail:
        activation === null
          ? 'not delivered'
          : isKnown
            ? sizeWords(members, 'member')
            : counted(rows.length, 'Segment'),
      state: isBroken ? 'bad' : activation === null ? 'off' : 'fine',
      href: rows.length === 1 ? relativeTo(frame.path, pathOf(segment)) : null,
    }
  })
  return {
    columns: [
      { heading: 'Datasets', nodes: [...of('Dataset'), ...of('CampaignSource')] },
      { heading: 'Stores', nodes: of('ProfileStore') },
      { heading: 'Segments', nodes },
      { heading: 'Activations', nodes: of('Activation') },
      { heading: 'Destinations', nodes: of('Destination') },
      { heading: 'Campaign', nodes: of('CampaignInstance') },
    ],
    edges,
    words: `${counted(of('Dataset').length, 'Dataset')} feed ${counted(of('ProfileStore').length, 'store')}; ${count(delivered)} of ${counted(segments.length, 'Segment')} ${delivered === 1 ? 'goes' : 'go'} through ${counted(of('Activation').length, 'Activation')} to Campaign.`,
  }
}

function nodeOf({ catalog, path }: Frame, kind: Kind, namespace: string, name: string): LineageNode {
  const resource = catalog.of(kind, namespace, name)
  const segment = kind === 'Segment' ? catalog.segmentNamed(namespace, name) : null
  const isBroken = resource?.findings.some(({ severity }) => severity === 'error') ?? true
  const isHeld = segment?.rows.some(({ held }) => held !== null) ?? false
  return {
    id: `${kind}/${namespace}/${name}`,
    name: resource?.displayName ?? name,
    detail: detailOf(catalog, kind, namespace, name, segment),
    state: isBroken ? 'bad' : isHeld ? 'held' : segment?.isUnused ? 'off' : 'fine',
    href: resource ? relativeTo(path, pathOf(resource)) : null,
  }
}

function detailOf(
  catalog: Catalog,
  kind: Kind,
  namespace: string,
  name: string,
  segment: CatalogSegment | null,
): string {
  const otherwise = catalog.node(`${kind}/${namespace}/${name}`)?.detail ?? kind
  if (segment) {
    const broken = segment.findings.find(({ severity }) => severity === 'error')
    const members = segment.rows[0]?.members ?? null
    return broken ? broken.code : members === null ? segment.evaluation : sizeWords(members, 'member')
  }
  if (kind === 'ProfileStore') {
    const store = storeOf(catalog, namespace, name)
    return store && store.profiles > 0 ? sizeWords(store.profiles, ...store.people) : otherwise
  }
  if (kind === 'Dataset') {
    const dataset = catalog.run.stores
      .filter((store) => store.namespace === namespace)
      .flatMap(({ datasets }) => datasets)
      .find((each) => each.name === name)
    return dataset ? sizeWords(dataset.records, dataset.newestEvent === null ? 'record' : 'event') : otherwise
  }
  if (kind === 'Activation') {
    const own = catalog.run.segments.filter((row) => row.namespace === namespace && row.activation === name)
    const held = own.filter((row) => row.held !== null).length
    return held > 0 ? `${count(held)} of ${own.length} held` : counted(own.length, 'Segment')
  }
  return otherwise
}
