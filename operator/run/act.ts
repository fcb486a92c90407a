// Does what was decided for a Run. Every act may be cut off at any point and done again.
import { labels, managedBy, steps } from '#crds'
import {
  type Delivered,
  departedOf,
  isFinished,
  type Moment,
  runInputOf,
  type StepStatus,
  stepsWith,
  succeededFields,
} from '#protocol'
import { CopyBehindError, jobPath, pathOf, targetKeyOf, targetUidOf } from '../caches.ts'
import { keyOf, type Resource, type ResourceKey, recordOf } from '../definition.ts'
import { noteActivation } from '../floor.ts'
import { inputNameOf, jobOf, ownerOf, type PodTemplate } from '../job.ts'
import type { JobState } from '../job-state.ts'
import { ApiError } from '../kernel/api.ts'
import type { Result } from '../kernel/queue.ts'
import type { ApiObject } from '../kernel/reflector.ts'
import { deliveredTo, rememberBegun, rememberingOf } from '../memory.ts'
import type { LoadedPlan } from '../plans.ts'
import { settleTarget, tellCounts } from '../settle-target.ts'
import { mergePatchOf } from '../status-patch.ts'
import type { Surroundings } from '../surroundings.ts'
import { finish, lookAgainMs, momentOf } from './decide.ts'
import type { Act, Decision, Near, Run, Target } from './known.ts'
import { reservedBy } from './observe.ts'

/** Jobs that have ended, and their logs, stay for a day; where their Run is deleted they go at once. */
const jobTtlSeconds = 86_400

/** Performs the acts in order. Nothing else happens in this process before the first `await`: what was free a moment ago still is. */
export async function act(own: Surroundings, near: Near, { acts, result }: Decision): Promise<Result> {
  for (const each of acts) {
    const instead = await perform(own, near, each)
    if (instead) return instead
  }
  if (result.kind === 'behind') throw new CopyBehindError(targetKeyOf(near.run))
  return result
}

/** Performs one act. A Result replaces the rest of the acts; null: go on with the next. */
function perform(own: Surroundings, near: Near, act: Act): Promise<Result | null> | null {
  const { run, target } = near
  switch (act.do) {
    case 'reserve': {
      own.reservations.take(keyOf(run), reservedBy(own, run))
      if (act.activatedMs !== null)
        noteActivation(own, run.namespace, run.definition.spec.target.name, keyOf(run), act.activatedMs)
      return null
    }
    case 'remember':
      return remember(own, run, target, act).then(nothing)
    case 'adopt':
      return adopt(own, run, act.target).then(nothing)
    case 'write':
      return writeStatus(own, run, act.fields).then(nothing)
    case 'start':
      return start(own, near, act)
    case 'restore':
      return restore(own, near, act.plan, act.entry)
    case 'end':
      return endJob(own, act.job, act.isPatient).then(nothing)
    case 'expire':
      return expire(own, act.job).then(nothing)
    case 'tellCounts':
      return tellCounts(own, run, act.step, act.details, act.report).then(nothing)
    case 'settle':
      return settleTarget(own, { ...run, status: act.status }, act.succeeded).then(nothing)
    case 'measure': {
      const { kind } = run.definition.spec.target
      own.metrics.count('convoke_runs_total', { kind, outcome: act.reason })
      if (act.seconds !== null) own.metrics.observe('convoke_run_duration_seconds', { kind }, act.seconds)
      return null
    }
    case 'event': {
      const about = act.about === 'run' ? run : target
      if (about) own.tell(about, act.event)
      return null
    }
    case 'log':
      own.log(act.line)
      return null
    case 'letGo':
      letGo(own, run)
      return null
  }
}

const nothing = (): null => null

/** A Run was deleted: what it had reserved is given back once none of its Jobs works any more. */
export async function forgetRun(own: Surroundings, key: ResourceKey): Promise<void> {
  const jobs = own.caches.jobsOf(key).filter(({ end }) => end === null)
  // The garbage collector would delete the Jobs too, but may leave their Pods running for a while.
  for (const job of jobs) if (!job.deleting) await endJob(own, job, true)
  if (jobs.length > 0) return
  for (const waiting of own.reservations.release(key)) own.touch(waiting)
}

/** Gives back what this Run had reserved, and wakes the Runs that waited for it. */
function letGo(own: Surroundings, run: Run): void {
  const waiting = own.reservations.release(keyOf(run))
  // A Run that was finished before has told its siblings already.
  const siblings = isFinished(run) ? [] : own.caches.runsOf(targetKeyOf(run)).filter((other) => other.name !== run.name)
  const left = siblings.filter((other) => !isFinished(other)).map(keyOf)
  for (const key of new Set<ResourceKey>([...waiting, ...left, ...(isFinished(run) ? [] : [targetKeyOf(run)])]))
    own.touch(key)
}

/** Stores which Segments the Run activates, before it does so, where neither the Run's deletion nor its Activation's can lose it. */
async function remember(
  own: Surroundings,
  run: Run,
  target: Target | null,
  { plan, activatedTime }: Extract<Act, { readonly do: 'remember' }>,
): Promise<void> {
  const of = target?.kind === 'Activation' ? rememberingOf(own, target as Resource<'Activation'>) : null
  const segments = plan.plan.export?.segments.map(({ name }) => name) ?? []
  if (of) await rememberBegun(own, of, run.name, segments, activatedTime)
}

/** Makes the target own the Run, so that the Run is deleted with it. */
async function adopt(own: Surroundings, run: Run, target: Target): Promise<void> {
  const { uid, resourceVersion } = run
  const { ownerReferences = [], labels: has = {} } = run.definition.metadata
  // Whoever made the Run may own it already, and only one owner may control it.
  const controller = !ownerReferences.some((owner) => owner.controller)
  const metadata = {
    uid,
    resourceVersion,
    labels: { ...has, ...runLabels(target, run.definition.spec.evaluation) },
    ownerReferences: [...ownerReferences, { ...ownerOf(target.kind, target), controller }],
  }
  await own.caches.write(keyOf(run), run, () =>
    own.api.patch<ApiObject>(pathOf('Run', run.namespace, run.name), { metadata }, 'merge'),
  )
}

export function runLabels(
  target: Pick<Resource, 'kind' | 'name'>,
  evaluation: 'Batch' | 'Streaming' | undefined,
): Readonly<Record<string, string>> {
  return {
    [labels.managedBy]: managedBy,
    [labels.targetKind]: target.kind,
    [labels.target]: target.name,
    ...(evaluation && { [labels.evaluation]: evaluation.toLowerCase() }),
  }
}

/** Makes the ConfigMap with the RunInput, then the attempt's Job. Where the API server refuses for good, the Run's condition says so. */
async function start(
  own: Surroundings,
  near: Near,
  { entry, status, plan, reprint, isSure }: Extract<Act, { readonly do: 'start' }>,
): Promise<Result | null> {
  if (!isSure) await mustBeCurrent(own, near.run)
  const run: Run = { ...near.run, status }
  try {
    if (!reprint) {
      const instead = await makeInput(own, near, run, plan, entry)
      if (instead) return instead
    }
    return await makeJob(own, near, run, plan, entry, reprint)
  } catch (error) {
    if (!(error instanceof ApiError && isRefusal(error))) throw error
    return refused(own, near, run, entry, error)
  }
}

/** Whether another try would be refused too: the request is invalid, or somebody forbids it. */
function isRefusal({ status, reason, causes }: ApiError): boolean {
  const isGoing = causes.some((cause) => cause.reason === 'NamespaceTerminating')
  return (status === 400 || status === 403 || status === 422) && reason !== 'Conflict' && !isGoing
}

async function refused(own: Surroundings, near: Near, run: Run, entry: StepStatus, error: ApiError): Promise<Result> {
  const message = `${entry.name} cannot begin: the API server refuses its Job: ${error.message}`
  const before = near.run.status.conditions?.find(({ type }) => type === 'Succeeded')
  const moment: Moment = momentOf(run, own.clock.now())
  // The Run may just have been written: its latest version counts.
  const latest = own.caches.get('Run', run.namespace, run.name)
  const written = latest?.uid === run.uid && !own.caches.holds(keyOf(run)) ? latest : null
  if (written) await writeStatus(own, written, succeededFields(written, 'Unknown', 'JobRefused', message, moment))
  if (before?.reason !== 'JobRefused' && near.target)
    own.tell(near.target, { type: 'Warning', reason: 'JobRefused', message: `${run.name}: ${message}` })
  return { kind: 'again', afterMs: written ? lookAgainMs : 50 }
}

/** Throws where the copy of the Run is not current: an earlier leader may have written since. No Job is made from an old copy. */
async function mustBeCurrent(own: Surroundings, run: Run): Promise<void> {
  const live = await own.api.get<ApiObject>(pathOf('Run', run.namespace, run.name))
  if (live?.metadata.resourceVersion !== run.resourceVersion) throw new CopyBehindError(keyOf(run))
}

async function makeJob(
  own: Surroundings,
  near: Near,
  run: Run,
  { plan, parts }: LoadedPlan,
  entry: StepStatus,
  reprint: boolean,
): Promise<Result | null> {
  const { namespace } = run
  const owner = steps[entry.name].owner(plan)
  const podTemplate: PodTemplate =
    (owner && own.caches.get(owner.kind, namespace, owner.name)?.definition.spec.podTemplate) ?? {}
  const job = jobOf({
    defaults: own.options.jobs,
    run,
    target: run.definition.spec.target,
    step: entry.name,
    attempt: entry.attempt ?? 1,
    plan,
    planParts: parts,
    podTemplate,
    reprint,
  })
  try {
    await own.caches.write(keyOf(run), { kind: 'Job', namespace, name: job.metadata.name }, () =>
      own.api.create<ApiObject>(jobPath(namespace), job),
    )
    return null
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    return takeOver(own, near, run, entry, 'Job', jobPath(namespace, job.metadata.name))
  }
}

/**
 * What to do with an object that has the name already. If it was made for this Run, it is used. If it was made for an earlier Run of the
 * same name, it is deleted and the pass made again. If it is somebody else's, the Run ends.
 */
async function takeOver(
  own: Surroundings,
  near: Near,
  run: Run,
  entry: StepStatus,
  kind: 'Job' | 'ConfigMap',
  path: string,
): Promise<Result | null> {
  const there = await own.api.get<ApiObject>(path)
  if (!there) throw new Error(`${path} was there and is gone.`)
  const { metadata } = there
  const owners = (metadata['ownerReferences'] ?? []) as readonly { readonly uid: string }[]
  const has = (metadata['labels'] ?? {}) as Readonly<Record<string, string>>
  if (owners.some(({ uid }) => uid === run.uid)) return null
  if (has[labels.managedBy] === managedBy && has[labels.run] === run.name) {
    const { uid, resourceVersion } = metadata
    if (owners.length > 0) {
      const propagationPolicy = kind === 'Job' ? 'Foreground' : 'Background'
      await own.api.delete(path, { propagationPolicy, preconditions: { uid } })
      throw new Error(`${path} of an earlier Run has to go first.`)
    }
    // Somebody removed its owner: set it again.
    await own.api.patch(path, { metadata: { uid, resourceVersion, ownerReferences: [ownerOf('Run', run)] } }, 'merge')
    return null
  }
  const message = `There is a ${kind} ${metadata.name} that is not of this Run. Try the Run again: that of its next attempt has another name.`
  const ended: StepStatus = { ...entry, outcome: 'Failed', reason: 'NameCollision', message }
  const known = { steps: stepsWith(recordOf(run), ended) }
  return act(own, { ...near, run }, finish({ ...near, run }, 'NameCollision', message, own.clock.now(), known))
}

async function makeInput(
  own: Surroundings,
  near: Near,
  run: Run,
  { plan }: LoadedPlan,
  entry: StepStatus,
): Promise<Result | null> {
  const { namespace, name } = run
  const attempt = entry.attempt ?? 1
  const input = runInputOf(recordOf(run), attempt, plan.export ? await deliveredBefore(own, run, plan) : null)
  const map = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: inputNameOf(name, entry.name, attempt),
      namespace,
      labels: { [labels.managedBy]: managedBy, [labels.run]: name },
      ownerReferences: [ownerOf('Run', run)],
    },
    immutable: true,
    data: { 'run.json': `${JSON.stringify(input, null, 2)}\n` },
  }
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  try {
    await own.api.create(path, map)
    return null
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    return takeOver(own, near, run, entry, 'ConfigMap', `${path}/${map.metadata.name}`)
  }
}

/** What Campaign has, as the API server says now, and the deleted Segments whose exits Campaign does not have yet. */
async function deliveredBefore(own: Surroundings, run: Run, plan: LoadedPlan['plan']): Promise<Delivered> {
  const { namespace, definition } = run
  const activation = own.caches.get('Activation', namespace, definition.spec.target.name)
  const of = activation && rememberingOf(own, activation)
  const isSame = activation?.uid === targetUidOf(run)
  const baselines = of && isSame ? await deliveredTo(own, of, run.name) : []
  const departed = []
  for (const each of departedOf(baselines, plan, (segment) => own.caches.get('Segment', namespace, segment) !== null))
    if ((await own.api.get(pathOf('Segment', namespace, each.name))) === null) departed.push(each)
  return { baselines, departed }
}

/** Makes the plan and the RunInput again, where somebody removed them while the Pod waits for them. */
async function restore(own: Surroundings, near: Near, plan: LoadedPlan, entry: StepStatus): Promise<Result | null> {
  if (near.target) await own.plans.restore(plan, near.target)
  return makeInput(own, near, near.run, plan, entry)
}

async function endJob(own: Surroundings, { namespace, name, uid }: JobState, isPatient: boolean): Promise<void> {
  const propagationPolicy = isPatient ? 'Foreground' : 'Background'
  await own.api.delete(jobPath(namespace, name), { propagationPolicy, preconditions: { uid } })
}

/** Lets Kubernetes delete an ended Job after a day: its result is stored by now, and the field may be changed at any time. */
async function expire(own: Surroundings, { namespace, name, uid }: JobState): Promise<void> {
  const change = { metadata: { uid }, spec: { ttlSecondsAfterFinished: jobTtlSeconds } }
  try {
    await own.api.patch(jobPath(namespace, name), change, 'merge')
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error
  }
}

/** Writes only the fields that differ, and only onto the version that was looked at. */
async function writeStatus(own: Surroundings, run: Run, fields: Readonly<Record<string, unknown>>): Promise<void> {
  const status = mergePatchOf(run.status as Readonly<Record<string, unknown>>, fields)
  if (status === null) return
  const { uid, resourceVersion } = run
  await own.caches.write(keyOf(run), run, () =>
    own.api.patch<ApiObject>(
      `${pathOf('Run', run.namespace, run.name)}/status`,
      { metadata: { uid, resourceVersion }, status },
      'merge',
    ),
  )
}
