// What `convoke run` runs: targets as a compilation has them, and what the work directory knows of each.
import { type ActivationModel, type Compilation, type Scheduled, schedulesOf } from '#compiler'
import { annotations, type JobPlan, parseDurationSeconds, type RunnableKind, type SpecOf } from '#crds'
import { type Baseline, hasSucceeded, isFinished, type RunRecord } from '#protocol'
import type { TargetKey, TargetState, WorkState } from './work-directory.ts'

/** A resource that Runs are made for, and what is known of it. */
export type Target = {
  readonly key: TargetKey
  readonly resource: Scheduled['resource']
  /** null while the target cannot run. */
  readonly plan: JobPlan | null
  readonly scheduled: readonly Pick<Scheduled, 'schedule' | 'evaluation'>[]
  /** For Activations: the name of the store whose evaluation they deliver, and the CampaignInstance. */
  readonly store: string | null
  readonly instance: ActivationModel['instance']
}

/** Targets of a kind, in the order of their names. */
export function targetsOf({ model, plans }: Compilation, kind: RunnableKind): readonly Target[] {
  const scheduled = Map.groupBy(schedulesOf(model), ({ resource }) => keyOf(resource))
  const of = (resource: Target['resource'], activation?: ActivationModel): Target => {
    const key = keyOf(resource)
    const plan = plans.find(({ target }) => keyOf(target) === key) ?? null
    return {
      key,
      resource,
      plan,
      scheduled: scheduled.get(key) ?? [],
      store: activation?.store?.resource.name ?? null,
      instance: activation?.instance ?? null,
    }
  }
  const targets =
    kind === 'Activation'
      ? model.activations.map((each) => of(each.resource, each))
      : (kind === 'ProfileStore' ? model.stores : model.sources).map(({ resource }) => of(resource))
  return targets.sort((a, b) => (a.key < b.key ? -1 : 1))
}

export function keyOf({ kind, namespace, name }: Pick<Target['resource'], 'kind' | 'namespace' | 'name'>): TargetKey {
  return `${kind}/${namespace}/${name}`
}

export function runKey({ namespace }: Target['resource'], { name }: Pick<RunRecord, 'name'>): string {
  return `${namespace}/${name}`
}

/** Runs of a target, the oldest first. */
export function runsOf({ runs }: WorkState, key: TargetKey): readonly RunRecord[] {
  return Object.entries(runs)
    .filter(([place, { spec }]) => `${spec.target.kind}/${place.split('/')[0]}/${spec.target.name}` === key)
    .map(([, run]) => run)
    .sort((a, b) => ((a.status.startedAt ?? '') < (b.status.startedAt ?? '') ? -1 : 1))
}

export function segmentOf({ model }: Compilation, namespace: string, name: string): SpecOf<'Segment'> | null {
  const found = model.segments.find(({ resource }) => resource.namespace === namespace && resource.name === name)
  return found?.resource.spec ?? null
}

export function isSuspended({ kind, spec, metadata }: Target['resource']): boolean {
  return metadata.annotations?.[annotations.suspend] === 'true' || (kind === 'Activation' && spec.suspend)
}

/** What Campaign had when the Run began: all its attempts deliver the same, whatever an earlier one left in doubt. */
export function baselinesAtBegin({ begun, baselines = [] }: TargetState, run: RunRecord): readonly Baseline[] {
  return begun?.run === run.name ? begun.baselines : baselines
}

/** How many seconds after its time a Run may begin; null: no limit. A Run after an evaluation has no time of its own. */
export function deadlineOf({ kind, spec }: Target['resource']): number | null {
  return kind === 'Activation' && spec.schedule.after === undefined ? (spec.startingDeadlineSeconds ?? null) : null
}

/** null where no interval between two activations is enforced. */
export function intervalMsOf({ instance }: Target): number | null {
  if (!instance || instance.spec.enforcement.minActivationInterval === 'Warn') return null
  return (parseDurationSeconds(instance.spec.limits.minActivationInterval) ?? 0) * 1000
}

/** What an Activation's Run activates, as keys of `activated`. */
export function placesOf({ resource, plan, instance }: Target): readonly string[] {
  return (plan?.export?.segments ?? []).map(({ name }) => `${resource.namespace}/${instance?.name}/${name}`)
}

/** Whether a Segment may have reached Campaign by the Run. */
export function hasDelivered({ status }: RunRecord): boolean {
  return status.segments === undefined
    ? status.steps?.some(({ reportDigest, name }) => name === 'export' && reportDigest === undefined) === true
    : status.segments.some(({ manifest, acknowledged }) => manifest !== undefined || acknowledged === undefined)
}

export function withoutRun(activated: WorkState['activated'], name: string): WorkState['activated'] {
  return Object.fromEntries(Object.entries(activated).filter(([, { run }]) => run !== name))
}

/** The runs without a target's oldest finished ones beyond its limits; the latest one stays, since it shows what is left to do. */
export function withinLimits(
  runs: WorkState['runs'],
  key: TargetKey,
  { successful, failed }: { readonly successful: number; readonly failed: number },
): WorkState['runs'] {
  const own = runsOf({ runs } as WorkState, key).filter(isFinished)
  const groups = Map.groupBy(own, (run) => `${run.spec.evaluation ?? ''} ${hasSucceeded(run)}`)
  const over = [...groups.values()].flatMap((group) => {
    const kept = Math.max(1, hasSucceeded(group[0]!) ? successful : failed)
    return group.slice(0, -kept)
  })
  const gone = new Set(over.map(({ name }) => `${key.split('/')[1]}/${name}`))
  return Object.fromEntries(Object.entries(runs).filter(([place]) => !gone.has(place)))
}

export function msOf(time: string | undefined): number | null {
  return time === undefined ? null : Date.parse(time)
}
