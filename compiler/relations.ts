import type { ActivationModel, Model, SegmentModel, SourceModel, StoreModel } from './model.ts'
import type { Resource } from './resource.ts'

/** The model the other way round, for rules that start from one resource. Lists are ordered by name, whatever order the files came in. */
export type Relations = {
  readonly activation: ReadonlyMap<Resource<'Activation'>, ActivationModel>
  readonly segment: ReadonlyMap<Resource<'Segment'>, SegmentModel>
  readonly store: ReadonlyMap<Resource<'ProfileStore'>, StoreModel>
  readonly storeOfDataset: ReadonlyMap<Resource<'Dataset'>, StoreModel | null>
  readonly source: ReadonlyMap<Resource<'CampaignSource'>, SourceModel>
  readonly activationsOfInstance: Groups<Resource<'CampaignInstance'>, ActivationModel>
  readonly activationsOfDestination: Groups<Resource<'Destination'>, ActivationModel>
  readonly sourcesOfInstance: Groups<Resource<'CampaignInstance'>, SourceModel>
  readonly datasetsOfStore: Groups<StoreModel, Resource<'Dataset'>>
  readonly segmentsOfStore: Groups<StoreModel, SegmentModel>
  /** The Segment of that name in the namespace of the one given. */
  readonly sibling: (segment: SegmentModel, name: string) => SegmentModel | null
}

export type Groups<K, T> = (key: K) => readonly T[]

/** Computed once for a model. */
export function relationsOf(model: Model): Relations {
  const known = memo.get(model)
  if (known) return known
  const activations = [...model.activations].sort(byName)
  const segments = [...model.segments].sort(byName)
  const sources = [...model.sources].sort(byName)
  const datasets = [...model.datasets].sort(byName)
  const names = new Map(segments.map((segment) => [nameOf(segment), segment]))
  const relations: Relations = {
    activation: new Map(activations.map((activation) => [activation.resource, activation])),
    segment: new Map(segments.map((segment) => [segment.resource, segment])),
    store: new Map(model.stores.map((store) => [store.resource, store])),
    storeOfDataset: new Map(datasets.map((dataset) => [dataset.resource, dataset.store])),
    source: new Map(sources.map((source) => [source.resource, source])),
    activationsOfInstance: groups(activations, (activation) => activation.instance),
    activationsOfDestination: groups(activations, (activation) => activation.destination),
    sourcesOfInstance: groups(sources, (source) => source.instance),
    datasetsOfStore: groups(
      datasets,
      (dataset) => dataset.store,
      (dataset) => dataset.resource,
    ),
    segmentsOfStore: groups(segments, (segment) => segment.store),
    sibling: (segment, name) => names.get(`${segment.resource.namespace}/${name}`) ?? null,
  }
  memo.set(model, relations)
  return relations
}

const memo = new WeakMap<Model, Relations>()

type Named = { readonly resource: { readonly namespace: string; readonly name: string } }

function nameOf({ resource }: Named): string {
  return `${resource.namespace}/${resource.name}`
}

function byName(a: Named, b: Named): number {
  const [left, right] = [nameOf(a), nameOf(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

function groups<K, T>(items: readonly T[], keyOf: (item: T) => K | null): Groups<K, T>
function groups<K, T, V>(items: readonly T[], keyOf: (item: T) => K | null, valueOf: (item: T) => V): Groups<K, V>
function groups<K, T>(
  items: readonly T[],
  keyOf: (item: T) => K | null,
  valueOf: (item: T) => unknown = (item) => item,
): Groups<K, unknown> {
  const found = new Map<K, unknown[]>()
  for (const item of items) {
    const key = keyOf(item)
    if (key === null) continue
    const group = found.get(key)
    if (group) group.push(valueOf(item))
    else found.set(key, [valueOf(item)])
  }
  return (key) => found.get(key) ?? []
}
