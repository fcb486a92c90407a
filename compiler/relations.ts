import type { ActivationModel, Model, SegmentModel, SourceModel, StoreModel } from './model.ts'
import type { Resource } from './resource.ts'

/** The model the other way round, for rules that start from one resource. Lists are ordered by name, whatever order the files came in. */
export type Relations = {
  readonly activation: ReadonlyMap<Resource<'Activation'>, ActivationModel>
  readonly segment: (resource: Resource<'Segment'>) => SegmentModel | null
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
  const { activations, segments, segmentNamed, sources, datasets } = model
  const relations: Relations = {
    activation: new Map(activations.map((activation) => [activation.resource, activation])),
    segment: ({ namespace, name }) => segmentNamed(namespace, name),
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
    sibling: (segment, name) => segmentNamed(segment.resource.namespace, name),
  }
  memo.set(model, relations)
  return relations
}

const memo = new WeakMap<Model, Relations>()

type Named = { readonly resource: { readonly name: string } }

/** References stay within a namespace, and so does a group. */
function byName({ resource: { name: left } }: Named, { resource: { name: right } }: Named): number {
  return left < right ? -1 : left > right ? 1 : 0
}

function groups<K, T extends Named>(items: readonly T[], keyOf: (item: T) => K | null): Groups<K, T>
function groups<K, T extends Named, V>(
  items: readonly T[],
  keyOf: (item: T) => K | null,
  valueOf: (item: T) => V,
): Groups<K, V>
function groups<K, T extends Named>(
  items: readonly T[],
  keyOf: (item: T) => K | null,
  valueOf: (item: T) => unknown = (item) => item,
): Groups<K, unknown> {
  const found = Map.groupBy(items, keyOf)
  const ordered = new Map<K, readonly unknown[]>()
  return (key) => {
    let group = ordered.get(key)
    // Few groups are asked for, and only those are put in order.
    if (!group) ordered.set(key, (group = (found.get(key) ?? []).sort(byName).map(valueOf)))
    return group
  }
}
