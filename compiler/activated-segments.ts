import type { ActivationModel, Model, SegmentModel } from './model.ts'
import type { Path, Resource } from './resource.ts'

/** A Segment that is activated to a CampaignInstance, and the first Activation that brings it there. */
export type ActivatedSegment = { readonly segment: SegmentModel; readonly activation: ActivationModel }

/**
 * Each Segment that is activated to an instance, once, over all its Destinations; by name of the Activation, then in the Activation's
 * order.
 */
export function activatedSegments(model: Model, instance: Resource<'CampaignInstance'>): readonly ActivatedSegment[] {
  const found = new Map<SegmentModel, ActivatedSegment>()
  for (const activation of model.relations.activationsOfInstance(instance)) {
    for (const segment of activation.segments) {
      if (!found.has(segment)) found.set(segment, { segment, activation })
    }
  }
  return [...found.values()]
}

/** The place where an Activation names a Segment. */
export function segmentPath({ activation: { resource }, segment }: ActivatedSegment): Path {
  const index = resource.spec.segmentRefs?.findIndex(({ name }) => name === segment.resource.name) ?? -1
  return index < 0 ? ['spec', 'segmentSelector'] : ['spec', 'segmentRefs', index, 'name']
}
