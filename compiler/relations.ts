import { locationIdentity } from '#crds'
import { type MappedAttribute, mappedAttributes } from './attribute-path.ts'
import type { ActivationModel, Groups, Model, Relations, SegmentModel } from './model.ts'
import { complexityOfText } from './pql/complexity.ts'
import type { Condition } from './pql/ir.ts'
import { readsEvents, type StreamingReason, streamingReasons } from './pql/streaming.ts'
import type { Resource } from './resource.ts'

/** The model the other way round. Most of it is computed on demand, and once. */
export function relationsOf(model: Omit<Model, 'relations'>): Relations {
  const { activations, segments, segmentNamed, sources, datasets } = model
  const sibling: Relations['sibling'] = (segment, name) => segmentNamed(segment.resource.namespace, name)
  const attributes = new Map<ActivationModel, readonly MappedAttribute[]>()
  const reasons = new Map<SegmentModel, readonly StreamingReason[]>()
  const besides = groups(
    model.destinations,
    ({ resource }) => folderOf(resource),
    ({ resource }) => resource,
  )
  return {
    activation: new Map(activations.map((activation) => [activation.resource, activation])),
    segment: ({ namespace, name }) => segmentNamed(namespace, name),
    complexity(resource) {
      const found = segmentNamed(resource.namespace, resource.name)
      // A Segment without a store is not checked, nor is one whose name another has.
      const checked = found?.resource === resource ? found.checked : null
      return checked?.complexity ?? complexityOfText(resource.spec.expression)
    },
    store: new Map(model.stores.map((store) => [store.resource, store])),
    storeOfDataset: new Map(datasets.map((dataset) => [dataset.resource, dataset.store])),
    source: new Map(sources.map((source) => [source.resource, source])),
    activationsOfInstance: groups(activations, (activation) => activation.instance),
    activationsOfDestination: groups(activations, (activation) => activation.destination),
    sourcesOfInstance: groups(sources, (source) => source.instance),
    destinationsBeside: (destination) => besides(folderOf(destination)),
    datasetsOfStore: groups(
      datasets,
      (dataset) => dataset.store,
      (dataset) => dataset.resource,
    ),
    segmentsOfStore: groups(segments, (segment) => segment.store),
    sibling,
    attributesOf: (activation) =>
      activation === undefined ? [] : once(attributes, activation, () => mappedAttributes(activation)),
    reasonsAgainstStreaming: (segment) =>
      once(reasons, segment, () =>
        segment.resource.spec.evaluation === 'Streaming' && segment.condition
          ? reasonsAgainst(segment.condition, segment, sibling)
          : [],
      ),
  }
}

function once<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  const value = known.get(key) ?? make()
  known.set(key, value)
  return value
}

/** Why a Segment's condition cannot stream, whatever the Segment asks for. */
export function reasonsAgainst(
  condition: Condition,
  segment: SegmentModel,
  sibling: Relations['sibling'],
): readonly StreamingReason[] {
  return streamingReasons(condition, (name) => {
    const other = sibling(segment, name)
    return !other || isProfileOnly(other, sibling)
  })
}

function isProfileOnly(segment: SegmentModel, sibling: Relations['sibling']): boolean {
  const seen = new Set([segment])
  for (const current of seen) {
    if (current.condition && readsEvents(current.condition)) return false
    for (const name of current.references) {
      const next = sibling(current, name)
      if (next) seen.add(next)
    }
  }
  return true
}

/** Equal for Destinations with the same folder of the same place, within a namespace. */
function folderOf({ namespace, spec }: Resource<'Destination'>): string {
  return `${namespace}/${locationIdentity(spec.location)}`
}

type Named = { readonly resource: { readonly name: string } }

/** Orders a group by name; a group stays within a namespace, as references do. */
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
    // Few groups are asked for, and only those are sorted.
    if (!group) ordered.set(key, (group = (found.get(key) ?? []).sort(byName).map(valueOf)))
    return group
  }
}
