import type { Column, Kind } from '#crds'
import type { MappedAttribute } from './attribute-path.ts'
import { type CheckedExpression, locatePql, type Names, type SegmentNames } from './pql/check.ts'
import type { Complexity } from './pql/complexity.ts'
import type { Condition } from './pql/ir.ts'
import type { StreamingReason } from './pql/streaming.ts'
import type { AnyResource, Resource } from './resource.ts'
import type { UnionTypes } from './schema.ts'

/**
 * All resources, with references resolved and expressions checked. References stay within a namespace. A reference that leads nowhere is
 * null here: what needs it is left out, so that one fault is reported once.
 */
export type Model = {
  readonly resources: readonly AnyResource[]
  readonly of: <K extends Kind>(kind: K) => readonly Resource<K>[]
  readonly stores: readonly StoreModel[]
  readonly segments: readonly SegmentModel[]
  readonly segmentNamed: (namespace: string, name: string) => SegmentModel | null
  readonly instances: readonly InstanceModel[]
  readonly destinations: readonly DestinationModel[]
  readonly activations: readonly ActivationModel[]
  readonly datasets: readonly { readonly resource: Resource<'Dataset'>; readonly store: StoreModel | null }[]
  readonly sources: readonly SourceModel[]
  readonly organizationOf: (
    resource: Resource<'ProfileStore'> | Resource<'CampaignInstance'>,
  ) => Resource<'Organization'> | null
  /** The model, read backwards. */
  readonly relations: Relations
  /** Checks a further expression, such as a SegmentTest's; one that was checked before is not checked again. */
  readonly check: (text: string, names: Names) => CheckedExpression
}

export type StoreModel = {
  readonly resource: Resource<'ProfileStore'>
  readonly organization: Resource<'Organization'> | null
  readonly types: UnionTypes
  /** Whether the schema has faults: names that do not resolve in it may be a consequence. */
  readonly faulty: boolean
  readonly profileColumns: readonly Column[]
  /** Columns of the event schema, with `timestamp`; empty without one. */
  readonly eventColumns: readonly Column[]
}

export type SegmentModel = {
  readonly resource: Resource<'Segment'>
  readonly store: StoreModel | null
  readonly checked: CheckedExpression | null
  /** null where the expression does not compile, is part of a cycle, or refers to a cycle or to a Segment that does not compile. */
  readonly condition: Condition | null
  /** Segments that the expression refers to; only those that exist. */
  readonly references: readonly string[]
}

export type InstanceModel = {
  readonly resource: Resource<'CampaignInstance'>
  readonly organization: Resource<'Organization'> | null
  readonly destinations: readonly DestinationModel[]
}

export type DestinationModel = {
  readonly resource: Resource<'Destination'>
  readonly instance: Resource<'CampaignInstance'> | null
}

export type ActivationModel = {
  readonly resource: Resource<'Activation'>
  readonly destination: Resource<'Destination'> | null
  readonly instance: Resource<'CampaignInstance'> | null
  /** Its Segments in the order written, or by name where a selector chose them. */
  readonly segments: readonly SegmentModel[]
  /** The store of all its Segments; null when there is none, or more than one. */
  readonly store: StoreModel | null
}

export type SourceModel = {
  readonly resource: Resource<'CampaignSource'>
  readonly instance: Resource<'CampaignInstance'> | null
  readonly store: StoreModel | null
}

// Types of what can run. A phase that needs all of it asks for these types; the functions below tell which models have it.

/** A Segment that compiles, with all that it refers to. */
export type CompiledSegment = SegmentModel & { readonly condition: Condition }

/** An Activation of one store's Segments to a Destination of an instance, where everything that it refers to exists. */
export type LinkedActivation = ActivationModel & {
  readonly destination: Resource<'Destination'>
  readonly instance: Resource<'CampaignInstance'>
  readonly store: StoreModel
}

export type LinkedSource = SourceModel & {
  readonly instance: Resource<'CampaignInstance'>
  readonly store: StoreModel
}

export function isCompiled(segment: SegmentModel): segment is CompiledSegment {
  return segment.condition !== null
}

export function isLinkedActivation(activation: ActivationModel): activation is LinkedActivation {
  const { destination, instance, store } = activation
  return destination !== null && instance !== null && store !== null
}

export function isLinkedSource(source: SourceModel): source is LinkedSource {
  return source.instance !== null && source.store !== null
}

/** The model the other way round, for rules that start at one resource. Lists are ordered by name, whatever the order of the files. */
export type Relations = {
  readonly activation: ReadonlyMap<Resource<'Activation'>, ActivationModel>
  readonly segment: (resource: Resource<'Segment'>) => SegmentModel | null
  readonly complexity: (resource: Resource<'Segment'>) => Complexity
  readonly store: ReadonlyMap<Resource<'ProfileStore'>, StoreModel>
  readonly storeOfDataset: ReadonlyMap<Resource<'Dataset'>, StoreModel | null>
  readonly source: ReadonlyMap<Resource<'CampaignSource'>, SourceModel>
  readonly activationsOfInstance: Groups<Resource<'CampaignInstance'>, ActivationModel>
  readonly activationsOfDestination: Groups<Resource<'Destination'>, ActivationModel>
  readonly sourcesOfInstance: Groups<Resource<'CampaignInstance'>, SourceModel>
  /** Destinations that write into the same folder of the same place, within a namespace. */
  readonly destinationsBeside: Groups<Resource<'Destination'>, Resource<'Destination'>>
  readonly datasetsOfStore: Groups<StoreModel, Resource<'Dataset'>>
  readonly segmentsOfStore: Groups<StoreModel, SegmentModel>
  /** The Segment of that name in the given Segment's namespace. */
  readonly sibling: (segment: SegmentModel, name: string) => SegmentModel | null
  /** Each row of an Activation's mapping, with what its source leads to; empty while the schema is unknown or faulty. */
  readonly attributesOf: (activation: ActivationModel | undefined) => readonly MappedAttribute[]
  /** Why a Streaming Segment cannot stream; empty for one that is not Streaming, or does not compile. */
  readonly reasonsAgainstStreaming: (segment: SegmentModel) => readonly StreamingReason[]
}

export type Groups<K, T> = (key: K) => readonly T[]

/**
 * Names of a namespace's Segments, of one store or (null) of any. They are looked up, not copied: there are thousands, and few are asked
 * for.
 */
export function segmentNames(
  { segments, segmentNamed }: Pick<Model, 'segments' | 'segmentNamed'>,
  namespace: string,
  store: StoreModel | null,
): SegmentNames {
  const isOne = (segment: SegmentModel): boolean => store === null || segment.store === store
  let all: readonly string[] | null = null
  return {
    has: (name) => {
      const segment = segmentNamed(namespace, name)
      return segment !== null && isOne(segment)
    },
    [Symbol.iterator]: () => {
      all ??= segments
        .filter((segment) => segment.resource.namespace === namespace && isOne(segment))
        .map(({ resource }) => resource.name)
      return all[Symbol.iterator]()
    },
  }
}

/** A Segment's expression as a tree, with the places of its nodes; null without a store. */
export function locateExpression(
  { resource, store }: SegmentModel,
  model: Pick<Model, 'segments' | 'segmentNamed'>,
): ReturnType<typeof locatePql> | null {
  if (!store) return null
  const segments = segmentNames(model, resource.namespace, store)
  return locatePql(resource.spec.expression, { types: store.types, segments })
}
