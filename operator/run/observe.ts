// What the operator knows of a Run: from its copies and memory at once, and from the API server where a decision hangs on it.
import { mountsOf, stepsOf } from '#crds'
import { conditionOf, holdOf, isFinished, jobNameOf, type StepStatus } from '#protocol'
import { pathOf, targetKeyOf } from '../caches.ts'
import { keyOf, type Resource, type ResourceKey } from '../definition.ts'
import { floorMsOf } from '../floor.ts'
import type { JobState } from '../job-state.ts'
import type { ApiObject } from '../kernel/reflector.ts'
import type { LoadedPlan } from '../plans.ts'
import { type Outcome, outcomeOf, podsSay } from '../reports.ts'
import type { Surroundings } from '../surroundings.ts'
import { digestOf, isBefore, patienceMs } from './decide.ts'
import type { Far, LookFurther, Near, Run, Target } from './known.ts'

export function near(own: Surroundings, run: Run): Near {
  const { kind, name } = run.definition.spec.target
  const { namespace, status } = run
  const others = own.caches.runsOf(targetKeyOf(run)).filter((other) => other.name !== run.name)
  const isCompiled = own.settledOf(namespace) !== null
  const began = others.filter((other) => (other.status.startedAt ?? '') > (status.startedAt ?? '~'))
  return {
    run,
    target: own.caches.get(kind, namespace, name) as Target | null,
    siblings: others.filter((other) => !isFinished(other)),
    jobs: jobsOf(own, run),
    isCompiled,
    floorMs: kind === 'Activation' && isCompiled ? floorMsOf(own, namespace, name, keyOf(run)) : 0,
    hold: kind === 'Activation' ? holdFor(own, namespace, name) : null,
    holder: own.reservations.holderOf(keyOf(run), reservedBy(own, run)),
    replacement: replacementOf(own, run),
    jobSeconds: own.options.jobs.activeDeadlineSeconds,
    laterBegun: began[0]?.name ?? null,
  }
}

/** Why deliveries of the Activation are held. An Activation without Segments has no known store, and only says who leaves: null. */
function holdFor(own: Surroundings, namespace: string, activation: string): string | null {
  const model = own.settledOf(namespace)?.activations.get(`Activation/${namespace}/${activation}`)
  const store = model?.store ?? null
  return store === null ? null : holdOf(store, own.caches.get('ProfileStore', namespace, store)?.status.conditions)
}

export async function far(own: Surroundings, { run, target, jobs }: Near, { look }: LookFurther): Promise<Far> {
  const { kind, name } = run.definition.spec.target
  const isTargetThere = look !== 'target' || (await own.api.get(pathOf(kind, run.namespace, name))) !== null
  const nothing: Far = { isTargetThere, isPlanBehind: false, plan: null, missingClaim: null, pods: null, reprint: null }
  if (look === 'target') return nothing
  const digest = digestOf({ run, target })
  const isNew = run.status.startedAt === undefined
  if (isNew && run.definition.spec.planDigest === undefined && target && (await isPlanBehind(own, target)))
    return { ...nothing, isPlanBehind: true }
  const plan = digest === undefined ? null : await planOf(own, run, target, digest)
  if (isNew) return { ...nothing, plan, missingClaim: plan && (await missingClaim(own, run.namespace, plan)) }
  const entry = run.status.steps?.at(-1)
  const job = jobs.find((each) => each.name === entry?.job)
  if (look === 'plan' || !entry || !job || entry.outcome !== undefined) return { ...nothing, plan }
  const isWaiting = !job.isReady && own.clock.now() - Date.parse(entry.startedAt ?? '') >= patienceMs
  if (!job.end && !isWaiting) return { ...nothing, plan }
  return {
    ...nothing,
    plan,
    pods: await podsSay(own, { ...ofStep(run, entry), name: job.name }, job.end !== null),
    reprint: await reprinted(own, run, entry, jobs),
  }
}

/** What only one Run at a time may have: a store has one writer, and an increment counts from what the delivery before it delivered. */
export function reservedBy(own: Surroundings, run: Run): readonly string[] {
  const { kind, name } = run.definition.spec.target
  switch (kind) {
    case 'ProfileStore':
      return [`store ${run.namespace}/${name}`]
    case 'CampaignSource': {
      const source = own.caches.get('CampaignSource', run.namespace, name)
      return source ? [`store ${run.namespace}/${source.definition.spec.profileStoreRef.name}`] : []
    }
    case 'Activation': {
      const spec = own.caches.get('Activation', run.namespace, name)?.definition.spec
      return spec?.concurrencyPolicy === 'Allow' && spec.export === 'Full'
        ? []
        : [`activation ${run.namespace}/${name}`]
    }
  }
}

/** The Jobs of this Run. Jobs of an earlier Run with the same name may still be there, and are left out. */
function jobsOf(own: Surroundings, run: Run): readonly JobState[] {
  return own.caches.jobsOf(keyOf(run)).filter(({ owner }) => owner === run.uid || owner === null)
}

/**
 * The later Run of an Activation with `concurrencyPolicy: Replace` that could begin if this one ended; null where there is none. A Run
 * that also waits for something else replaces nothing.
 */
function replacementOf(own: Surroundings, run: Run): Run | null {
  const { kind, name } = run.definition.spec.target
  if (kind !== 'Activation' || own.settledOf(run.namespace) === null) return null
  const spec = own.caches.get('Activation', run.namespace, name)?.definition.spec
  if (spec?.concurrencyPolicy !== 'Replace') return null
  const nowMs = own.clock.now()
  const canBegin = (other: Run): boolean =>
    conditionOf(other.status.conditions, 'Succeeded')?.reason === 'Pending' &&
    floorMsOf(own, run.namespace, name, keyOf(other)) <= nowMs
  const waits = (other: Run): boolean => !isFinished(other) && other.status.startedAt === undefined
  return (
    own.caches.runsOf(targetKeyOf(run)).find((other) => waits(other) && isBefore(run, other) && canBegin(other)) ?? null
  )
}

/** Whether a change that was made before the Run may still lead to another plan. */
async function isPlanBehind(own: Surroundings, { kind, namespace, name, status }: Resource): Promise<boolean> {
  if (own.isStale(namespace)) return true
  const live = await own.api.get<ApiObject & { readonly status?: { readonly observedGeneration?: number } }>(
    pathOf(kind, namespace, name),
  )
  if (live && (live.status?.observedGeneration ?? -1) < Number(live.metadata['generation'])) return true
  const { plans, incomplete } = own.settledOf(namespace)!
  const { planDigest } = status as { readonly planDigest?: string }
  const key: ResourceKey = `${kind}/${namespace}/${name}`
  const plan = plans.get(key)
  return plan !== undefined && planDigest !== undefined && !incomplete.has(key) && plan.digest !== planDigest
}

/** The Run's plan. It is stored again where it is the target's present plan and its ConfigMaps are gone. */
async function planOf(own: Surroundings, run: Run, target: Target | null, digest: string): Promise<LoadedPlan | null> {
  const loaded = await own.plans.load(run.namespace, digest)
  if (loaded) return loaded
  const plan = own.settledOf(run.namespace)?.plans.get(targetKeyOf(run))
  if (plan?.digest !== digest || !target) return null
  await own.plans.keep(plan, target)
  return own.plans.load(run.namespace, digest)
}

async function missingClaim(own: Surroundings, namespace: string, { plan }: LoadedPlan): Promise<string | null> {
  const claims = new Set(stepsOf(plan).flatMap((step) => mountsOf(plan, step).claims))
  for (const claim of claims) {
    const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${encodeURIComponent(claim)}`
    if ((await own.api.get(path)) === null) return claim
  }
  return null
}

/** What the Job says that reads a lost report from the store; null before it has ended. */
async function reprinted(
  own: Surroundings,
  run: Run,
  entry: StepStatus,
  jobs: readonly JobState[],
): Promise<Outcome | null> {
  const name = jobNameOf(run.name, entry.name, entry.attempt ?? 1, true)
  const job = jobs.find((other) => other.name === name)
  return job?.end ? outcomeOf(own, { ...ofStep(run, entry), name }) : null
}

function ofStep(run: Run, { name, attempt = 1 }: StepStatus) {
  return { namespace: run.namespace, run: run.name, step: name, attempt }
}
