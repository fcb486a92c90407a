import type { Schedule } from '#compiler'
import type { JobPlan } from '#crds'
import { planWithoutSegments } from '#protocol'
import type { Slots } from './compiler.ts'
import { keyOf, type Resource, type ResourceKey } from './definition.ts'
import { baselinesKnown } from './memory.ts'
import { hasError } from './settle.ts'
import type { Surroundings } from './surroundings.ts'

/** What is left to do for an Activation whose Segments were all deleted. */
export type Departing = {
  readonly planDigest: string
  readonly scheduled: Slots
  readonly store: string | null
  /** A sentence for people. */
  readonly message: string
}

/**
 * The plan of an Activation whose last Segments were deleted with `deletionPolicy: ExportExits`: its plan of before, without Segments.
 * Campaign does not know yet that their members leave. null where that is not the case, or where something else is wrong too.
 */
export async function departingPlan(own: Surroundings, activation: Resource<'Activation'>): Promise<Departing | null> {
  const { namespace } = activation
  const names = departedOf(own, activation)
  if (names.length === 0 || !lacksOnlySegments(own, activation)) return null
  const before = await latestPlan(own, activation)
  if (before?.export?.membershipStatus !== 'Include' || before.export.export !== 'Incremental') return null
  const plan = planWithoutSegments(before)
  await own.plans.keep(plan, activation)
  const store = plan.store?.name ?? null
  return {
    planDigest: plan.digest,
    scheduled: scheduledOf(own, activation, `ProfileStore/${namespace}/${store}`),
    store,
    message: `Its Segments were deleted. The next Run tells Campaign who leaves ${names.join(', ')}.`,
  }
}

/** The plan that was used last; null where it is gone. */
async function latestPlan(own: Surroundings, activation: Resource<'Activation'>): Promise<JobPlan | null> {
  const { namespace, status } = activation
  // While the Activation could not run for another reason, its status named no plan.
  const runs = [...own.caches.runsOf(keyOf(activation))].sort((a, b) =>
    (a.status.startedAt ?? '') > (b.status.startedAt ?? '') ? -1 : 1,
  )
  for (const digest of new Set([status.planDigest, ...runs.map((run) => run.status.planDigest)])) {
    const loaded = digest === undefined ? null : await own.plans.load(namespace, digest)
    if (loaded) return loaded.plan
  }
  return null
}

function departedOf(own: Surroundings, activation: Resource<'Activation'>): readonly string[] {
  const { namespace } = activation
  return baselinesKnown(own, activation)
    .filter(
      ({ segment, exitsOnDeletion }) =>
        exitsOnDeletion === true && own.caches.get('Segment', namespace, segment) === null,
    )
    .map(({ segment }) => segment)
}

function lacksOnlySegments(own: Surroundings, activation: Resource<'Activation'>): boolean {
  const { namespace, definition } = activation
  const settled = own.settledOf(namespace)
  const key = keyOf(activation)
  const { segmentRefs, destinationRef } = definition.spec
  const isLeft = segmentRefs
    ? segmentRefs.some(({ name }) => own.caches.get('Segment', namespace, name) !== null)
    : settled?.activations.get(key)?.segments.length !== 0
  if (!settled || isLeft) return false
  const faults = (settled.findings.get(key) ?? []).filter(({ path }) => !path.startsWith('spec.segmentRefs'))
  const destination = own.caches.get('Destination', namespace, destinationRef.name)
  const instance = destination?.definition.spec.campaignInstanceRef.name
  const needs: readonly ResourceKey[] = [
    `Destination/${namespace}/${destinationRef.name}`,
    `CampaignInstance/${namespace}/${instance}`,
  ]
  return (
    !hasError(faults) &&
    destination !== null &&
    own.caches.get('CampaignInstance', namespace, instance ?? '') !== null &&
    needs.every((need) => !hasError(settled.findings.get(need)))
  )
}

/** Without a Segment the compiler cannot tell which store's evaluation the Activation follows. */
function scheduledOf(
  own: Surroundings,
  activation: Resource<'Activation'>,
  store: ResourceKey,
): Departing['scheduled'] {
  const { schedules } = own.settledOf(activation.namespace)!
  if (activation.definition.spec.schedule.after === undefined) return schedules.get(keyOf(activation)) ?? []
  return (schedules.get(store) ?? []).flatMap(({ schedule, evaluation }) =>
    evaluation === 'Batch' && schedule.kind === 'cron'
      ? [{ schedule: { kind: 'after', evaluation: schedule } satisfies Schedule, evaluation: null }]
      : [],
  )
}
