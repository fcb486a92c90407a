import {
  annotations,
  type ConditionReason,
  isWhole,
  labels,
  managedBy,
  mountsOf,
  type RunStatus,
  retryPolicy,
  type Step,
  steps,
  stepsOf,
} from '#crds'
import {
  conditionOf,
  type Delivered,
  departedOf,
  type Fault,
  faultOfReport,
  finished,
  isFinished,
  isScheduled,
  isSuccess,
  jobNameOf,
  type Moment,
  type RetryPolicy,
  runInputOf,
  runningMessage,
  type StepStatus,
  stepBegun,
  stepEnded,
  stepsWith,
  succeededFields,
  timeText,
} from '#protocol'
import { CopyBehindError, jobPath, pathOf, targetKeyOf, targetUidOf } from './caches.ts'
import { keyOf, type Resource, type ResourceKey, recordOf } from './definition.ts'
import { floorMsOf, noteActivation } from './floor.ts'
import { inputNameOf, type JobDefaults, jobOf, ownerOf, type PodTemplate } from './job.ts'
import type { JobState } from './job-state.ts'
import { ApiError } from './kernel/api.ts'
import type { Result } from './kernel/queue.ts'
import type { ApiObject } from './kernel/reflector.ts'
import type { LoadedPlan } from './plans.ts'
import { type Outcome, outcomeOf, waitingReason } from './reports.ts'
import { settleTarget, tellCounts } from './settle-target.ts'
import { mergePatchOf } from './status-patch.ts'
import type { Surroundings } from './surroundings.ts'

export type Run = Resource<'Run'>

const done: Result = { kind: 'done' }
/** Runs wait for what no watch tells of, such as a claim, so long. */
const lookAgainMs = 15_000
/** A Pod that does not work after so long is asked why. */
const patienceMs = 20_000
/** Jobs that have ended, and their logs, stay for a day; with their Run they go at once. */
const jobTtlSeconds = 86_400
/** What a Run's status holds of Segments; of the others the next file is a backfill. */
const longestSegments = 200

/**
 * One pass over one Run. The steps go one after the other; each is begun only when the result of the one before is stored in the
 * status, and every name is the same however often it is asked for, so that a pass may be cut off anywhere and done again.
 */
export async function reconcileRun(own: Surroundings, run: Run): Promise<Result> {
  const key = keyOf(run)
  if (run.definition.metadata.deletionTimestamp !== undefined) {
    await forgetRun(own, key)
    return done
  }
  const { status } = run
  if (isFinished(run)) return afterwards(own, run)
  if (status.startedAt === undefined) return begin(own, run)
  // After a restart: it is at work, so what it needs is its own, and what it activates is activated.
  own.reservations.take(key, reservedBy(own, run))
  if (status.activatedTime !== undefined) {
    if (own.settledOf(run.namespace) === null) return { kind: 'again', afterMs: 200 }
    noteActivation(own, run.namespace, run.definition.spec.target.name, key, Date.parse(status.activatedTime))
  }
  return advance(own, run)
}

/** What one Run at a time may have: a store is written by one, and an increment counts from what the one before delivered. */
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

async function begin(own: Surroundings, run: Run): Promise<Result> {
  const { target, trigger, scheduledTime, now } = run.definition.spec
  const nowMs = own.clock.now()
  const owner = own.caches.get(target.kind, run.namespace, target.name)
  const live = owner ?? (await own.api.get<ApiObject>(pathOf(target.kind, run.namespace, target.name)))
  if (!live) return finish(own, run, 'TargetGone', `There is no ${target.kind} ${target.name}.`)
  // The watch of its kind is behind that of Runs.
  if (!owner) throw new CopyBehindError(targetKeyOf(run))
  if ((targetUidOf(run) ?? owner.uid) !== owner.uid)
    return finish(own, run, 'TargetGone', `The ${target.kind} ${target.name} was made anew since.`)
  // What it may do the compiler says.
  if (own.settledOf(run.namespace) === null) return { kind: 'again', afterMs: 200 }
  if (await adopted(own, run, owner)) return done

  const siblings = own.caches.runsOf(targetKeyOf(run)).filter((other) => other.name !== run.name && !isFinished(other))
  const later = laterOf(own, run)
  if (later)
    return finish(own, run, 'Replaced', `It had not begun when ${later.name} was due, which does its work too.`)
  const lateMs = nowMs - Date.parse(scheduledTime)
  const deadline = owner.kind === 'Activation' ? deadlineOf(run, owner as Resource<'Activation'>, nowMs) : null
  if (isScheduled(recordOf(run)) && deadline?.isOver)
    return finish(
      own,
      run,
      'DeadlineExceeded',
      `It could not begin within ${deadline.seconds} s of its time (startingDeadlineSeconds).`,
    )

  if (run.definition.spec.planDigest === undefined && (await isBehind(own, owner)))
    throw new CopyBehindError(targetKeyOf(run))
  const digest = run.definition.spec.planDigest ?? (owner.status as { readonly planDigest?: string }).planDigest
  if (digest === undefined)
    return wait(
      own,
      run,
      'WaitingForDependency',
      `The ${target.kind} ${target.name} has no plan: see its conditions.`,
      lookAgainMs,
    )
  const loaded = await planOf(own, run, digest)
  if (loaded === null)
    return finish(
      own,
      run,
      'Failed',
      `Its plan ${digest.slice(0, 19)}… is not there any more. Run ${target.name} again.`,
    )

  const earlier = siblings.find(
    (other) => other.status.startedAt === undefined && isBefore(other, run) && isSame(other, run) && !isStuck(other),
  )
  if (earlier) return wait(own, run, 'Pending', `Waits for ${earlier.name}.`, lookAgainMs)
  const missing = await missingClaim(own, run.namespace, loaded)
  if (missing !== null)
    return wait(
      own,
      run,
      'MissingVolume',
      `There is no PersistentVolumeClaim ${missing} in namespace ${run.namespace}. Create it; the Run begins then.`,
      lookAgainMs,
    )
  // From here to the reservation nothing else happens in this process: no two Runs pass at the same time.
  if (target.kind === 'Activation') {
    const floorMs = floorMsOf(own, run.namespace, target.name, keyOf(run))
    if (nowMs < floorMs)
      return wait(
        own,
        run,
        'Pending',
        `Waits until ${timeText(floorMs)}: no Segment is activated to a Campaign instance more often than limits.minActivationInterval says (activation-too-frequent).`,
        floorMs - nowMs,
      )
  }
  const holder = own.reservations.take(keyOf(run), reservedBy(own, run))
  if (holder !== null) return wait(own, run, 'Pending', `Waits for ${holder.split('/')[2]}.`, lookAgainMs)

  const isOnTime = trigger !== 'Manual' && lateMs >= 0 && lateMs <= 60_000
  const activatedTime = isOnTime ? scheduledTime : timeText(nowMs)
  if (target.kind === 'Activation')
    noteActivation(own, run.namespace, target.name, keyOf(run), Date.parse(activatedTime))
  const started = {
    planDigest: digest,
    now: now ?? timeText(nowMs),
    startedAt: timeText(nowMs),
    attempt: 1,
    ...(target.kind === 'Activation' && { activatedTime }),
  }
  return stepOn(own, run, loaded, stepsOf(loaded.plan)[0]!, 1, started)
}

/** A Run for a later slot of the same schedule, which does the work of this one too; null where there is none. */
function laterOf(own: Surroundings, run: Run): Run | null {
  if (!isScheduled(recordOf(run))) return null
  const timeOf = ({ definition }: Run): number => Date.parse(definition.spec.scheduledTime)
  const isLater = (other: Run): boolean =>
    !isFinished(other) && isScheduled(recordOf(other)) && isSame(other, run) && timeOf(other) > timeOf(run)
  return own.caches.runsOf(targetKeyOf(run)).find(isLater) ?? null
}

function isSame(a: Run, b: Run): boolean {
  return (a.definition.spec.evaluation ?? 'Batch') === (b.definition.spec.evaluation ?? 'Batch')
}

/**
 * Until when a Run of the schedule has to begin; null where no deadline is set. One that runs after the evaluation has its time when that
 * succeeded, which is when it was made.
 */
function deadlineOf(
  run: Run,
  { definition: { spec } }: Resource<'Activation'>,
  nowMs: number,
): { readonly seconds: number; readonly isOver: boolean } | null {
  const { startingDeadlineSeconds: seconds, schedule } = spec
  if (seconds === undefined) return null
  const seen = conditionOf(run.status.conditions, 'Succeeded')?.lastTransitionTime
  const fromMs =
    schedule.after === undefined
      ? Date.parse(run.definition.spec.scheduledTime)
      : seen === undefined
        ? nowMs
        : Date.parse(seen)
  return { seconds, isOver: nowMs - fromMs > seconds * 1000 }
}

/** Whether a change that was made before the Run may still make another plan. */
async function isBehind(own: Surroundings, { kind, namespace, name, status }: Resource): Promise<boolean> {
  if (own.isStale(namespace)) return true
  const live = await own.api.get<ApiObject & { readonly status?: { readonly observedGeneration?: number } }>(
    pathOf(kind, namespace, name),
  )
  if (live && (live.status?.observedGeneration ?? -1) < Number(live.metadata['generation'])) return true
  const { plans, incomplete } = own.settledOf(namespace)!
  const { planDigest } = status as { readonly planDigest?: string }
  const plan = plans.get(keyOf({ kind, namespace, name }))
  return (
    plan !== undefined &&
    planDigest !== undefined &&
    !incomplete.has(keyOf({ kind, namespace, name })) &&
    plan.digest !== planDigest
  )
}

/** Waits for something that no other Run has to wait for. */
function isStuck({ status }: Run): boolean {
  const reason = conditionOf(status.conditions, 'Succeeded')?.reason
  return reason === 'MissingVolume' || reason === 'WaitingForDependency'
}

/** The Run goes with its target. Whether something had to be written. */
async function adopted(own: Surroundings, run: Run, target: Resource): Promise<boolean> {
  const { ownerReferences = [], labels: has = {} } = run.definition.metadata
  if (ownerReferences.some(({ uid }) => uid === target.uid)) return false
  const { uid, resourceVersion } = run
  const wanted = runLabels(target, run.definition.spec.evaluation)
  // Whoever made it may own it already, and only one owner controls.
  const controller = !ownerReferences.some((owner) => owner.controller)
  await own.caches.write(keyOf(run), run, () =>
    own.api.patch<ApiObject>(
      pathOf('Run', run.namespace, run.name),
      {
        metadata: {
          uid,
          resourceVersion,
          labels: { ...has, ...wanted },
          ownerReferences: [...ownerReferences, { ...ownerOf(target.kind, target), controller }],
        },
      },
      'merge',
    ),
  )
  return true
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

async function planOf(own: Surroundings, run: Run, digest: string): Promise<LoadedPlan | null> {
  const loaded = await own.plans.load(run.namespace, digest)
  if (loaded) return loaded
  const plan = own.settledOf(run.namespace)?.plans.get(targetKeyOf(run))
  const owner = own.caches.get(run.definition.spec.target.kind, run.namespace, run.definition.spec.target.name)
  if (plan?.digest !== digest || !owner) return null
  await own.plans.keep(plan, owner)
  return own.plans.load(run.namespace, digest)
}

async function missingClaim(own: Surroundings, namespace: string, { plan }: LoadedPlan): Promise<string | null> {
  const claims = new Set(stepsOf(plan).flatMap((step) => mountsOf(plan, step).claims))
  for (const claim of claims) {
    const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${claim}`
    if ((await own.api.get(path)) === null) return claim
  }
  return null
}

async function advance(own: Surroundings, run: Run): Promise<Result> {
  const { status } = run
  const entry = status.steps?.at(-1)
  const loaded = await planOf(own, run, status.planDigest ?? '')
  if (!loaded || !entry)
    return finish(
      own,
      run,
      'Failed',
      `Its plan ${status.planDigest?.slice(0, 19)}… is not there any more. Run ${run.definition.spec.target.name} again.`,
    )
  const job = jobsOf(own, run).find(({ name }) => name === entry.job)
  const replacedBy = replacementOf(own, run)
  // What a Job has done that has ended is not thrown away.
  if (replacedBy !== null && !(job?.end && entry.outcome === undefined)) return replace(own, run, replacedBy)
  if (entry.outcome === 'Failed') {
    const later = laterOf(own, run)
    const { reason = 'Failed', message = '' } = entry
    if (later) return finish(own, run, reason, `${message} ${later.name} is due and does its work too.`.trim())
    const leftMs = Date.parse(status.retryTime ?? '') - own.clock.now()
    if (leftMs > 0) return { kind: 'again', afterMs: leftMs }
    return stepOn(own, run, loaded, entry.name, (status.attempt ?? 1) + 1, {})
  }
  if (!job) {
    await mustBeCurrent(own, run)
    await makeJob(own, run, loaded, entry, false)
    return { kind: 'again', afterMs: patienceMs }
  }
  if (!job.end) return job.deleting ? done : atWork(own, run, loaded, entry, job)
  const outcome = await outcomeOf(own, jobOfStep(run, entry, job.name))
  const report = outcome.kind === 'reported' ? outcome.report : null
  const isLogLost = outcome.kind === 'reported' && outcome.details === null && outcome.report.reportPath !== undefined
  // A drain takes the Pod of a step that does its work to the end, and with it what the step said.
  const isReportLost = report === null && job.end.kind === 'Complete'
  if (!isLogLost && !isReportLost) return endStep(own, run, loaded, entry, job, outcome)
  const reprint = await reprinted(own, run, loaded, entry)
  if (reprint === 'waiting') return { kind: 'again', afterMs: patienceMs }
  if (report === null) return endStep(own, run, loaded, entry, job, reprint)
  const details = reprint.kind === 'reported' ? reprint.details : null
  const isSame = details !== null && isWhole(report, details)
  return endStep(own, run, loaded, entry, job, { kind: 'reported', report, details: isSame ? details : null })
}

/** A leader before may have written since, or the Run may be gone: no Job is made by an old copy. */
async function mustBeCurrent(own: Surroundings, run: Run): Promise<void> {
  const live = await own.api.get<ApiObject>(pathOf('Run', run.namespace, run.name))
  if (live?.metadata.resourceVersion !== run.resourceVersion) throw new CopyBehindError(keyOf(run))
}

function jobOfStep(run: Run, entry: StepStatus, name: string): Parameters<typeof outcomeOf>[1] {
  return { namespace: run.namespace, name, run: run.name, step: entry.name, attempt: entry.attempt ?? 1 }
}

/** What the store says of a step whose report or log is lost. */
async function reprinted(
  own: Surroundings,
  run: Run,
  loaded: LoadedPlan,
  entry: StepStatus,
): Promise<Outcome | 'waiting'> {
  const name = jobNameOf(run.name, entry.name, entry.attempt ?? 1, true)
  const job = jobsOf(own, run).find((other) => other.name === name)
  if (!job) {
    await mustBeCurrent(own, run)
    await makeJob(own, run, loaded, entry, true)
    return 'waiting'
  }
  if (!job.end) {
    await say(own, run, `What ${entry.name} said is lost; its report is read from the store by ${name}.`)
    return 'waiting'
  }
  return outcomeOf(own, jobOfStep(run, entry, name))
}

async function endStep(
  own: Surroundings,
  run: Run,
  loaded: LoadedPlan,
  entry: StepStatus,
  job: JobState,
  outcome: Outcome,
): Promise<Result> {
  const { plan } = loaded
  const report = outcome.kind === 'reported' ? outcome.report : null
  const details = outcome.kind === 'reported' ? outcome.details : null
  const isReportLost = steps[entry.name].settlesSegments && details === null
  const fault = faultOf(outcome, job, isReportLost, own.options.jobs)
  const moment = momentOf(own, run)
  const isStreaming = run.definition.spec.evaluation === 'Streaming'
  const { known: whole, next } = stepEnded(
    recordOf(run),
    plan,
    entry,
    { report, details, fault },
    isStreaming ? null : retryOf(own, run),
    moment,
  )
  const known = { ...whole, ...(whole.segments && { segments: whole.segments.slice(0, longestSegments) }) }
  if (details !== null) await tellCounts(own, run, entry.name, details, report!)
  own.log({
    level: fault ? 'warning' : 'info',
    message: fault ? `${entry.name} failed: ${fault.message}` : `${entry.name} ended`,
    namespace: run.namespace,
    run: run.name,
    step: entry.name,
    attempt: entry.attempt ?? 1,
    outcome: known.steps!.at(-1)!.outcome!,
  })
  switch (next.kind) {
    case 'step':
      return stepOn(own, run, loaded, next.step, run.status.attempt ?? 1, known)
    case 'finish':
      return finish(own, run, next.reason, next.message, known)
    case 'retry':
      await writeStatus(own, run, {
        ...known,
        retryTime: timeText(next.atMs),
        ...succeededFields(run, 'Unknown', 'Failed', next.message, moment),
      })
      return { kind: 'again', afterMs: next.atMs - moment.nowMs }
  }
}

/** Of its target; where that is gone, as nothing is said. */
function retryOf(own: Surroundings, run: Run): RetryPolicy {
  const { kind, name } = run.definition.spec.target
  const target = own.caches.get(kind, run.namespace, name)
  return retryPolicy(target?.definition.spec.retry)
}

function faultOf(outcome: Outcome, job: JobState, isReportLost: boolean, jobs: JobDefaults): Fault | null {
  if (outcome.kind === 'silent') {
    const isDeadline = job.end?.reason === 'DeadlineExceeded'
    return {
      reason: isDeadline ? 'DeadlineExceeded' : outcome.reason,
      message: isDeadline
        ? `The step took longer than ${jobs.activeDeadlineSeconds} s. ${outcome.message}`
        : outcome.message,
      retryable: true,
    }
  }
  // The step is repeatable and then tells again what it did.
  const lost = {
    reason: 'ReportLost',
    message: 'The step succeeded, but what it did per Segment is lost.',
    retryable: true,
  }
  return faultOfReport(outcome.report) ?? (isReportLost ? lost : null)
}

/** The next step, or another attempt of this one, stored before it is begun. */
async function stepOn(
  own: Surroundings,
  run: Run,
  loaded: LoadedPlan,
  step: Step,
  attempt: number,
  known: Partial<RunStatus>,
  fresh: Readonly<Record<string, unknown>> = {},
): Promise<Result> {
  const before = { ...run, status: { ...run.status, ...known } }
  const fields = {
    ...known,
    ...fresh,
    retryTime: undefined,
    ...stepBegun(recordOf(before), step, attempt, momentOf(own, run)),
  }
  const entry = fields.steps!.at(-1)!
  await writeStatus(own, run, fields)
  await makeJob(own, { ...run, status: { ...before.status, ...(fields as Partial<RunStatus>) } }, loaded, entry, false)
  return { kind: 'again', afterMs: patienceMs }
}

/** The Job of a step, and the ConfigMap with its RunInput before it. */
async function makeJob(
  own: Surroundings,
  run: Run,
  loaded: LoadedPlan,
  entry: StepStatus,
  reprint: boolean,
): Promise<void> {
  const { plan, parts } = loaded
  const attempt = entry.attempt ?? 1
  const { namespace } = run
  if (!reprint && !(await makeInput(own, run, loaded, entry))) return
  const job = jobOf({
    defaults: own.options.jobs,
    run,
    target: run.definition.spec.target,
    step: entry.name,
    attempt,
    plan,
    planParts: parts,
    podTemplate: podTemplateOf(own, namespace, plan, entry.name),
    reprint,
  })
  try {
    await own.caches.write(keyOf(run), { kind: 'Job', namespace, name: job.metadata.name }, () =>
      own.api.create<ApiObject>(jobPath(namespace), job),
    )
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    await takeOver(own, run, entry, 'Job', jobPath(namespace, job.metadata.name))
  }
}

/**
 * What has the name already: made for this Run before, it is taken as it is; made for one before it of the same name, it goes, and the
 * pass is made again; whoever else's it is, the Run ends. Whether it is this Run's now.
 */
async function takeOver(
  own: Surroundings,
  run: Run,
  entry: StepStatus,
  kind: 'Job' | 'ConfigMap',
  path: string,
): Promise<boolean> {
  const there = await own.api.get<ApiObject>(path)
  if (!there) throw new Error(`${path} was there and is gone.`)
  const { metadata } = there
  const owners = (metadata['ownerReferences'] ?? []) as readonly { readonly uid: string }[]
  const has = (metadata['labels'] ?? {}) as Readonly<Record<string, string>>
  if (owners.some(({ uid }) => uid === run.uid)) return true
  if (has[labels.managedBy] === managedBy && has[labels.run] === run.name) {
    const { uid, resourceVersion } = metadata
    if (owners.length > 0) {
      const propagationPolicy = kind === 'Job' ? 'Foreground' : 'Background'
      await own.api.delete(path, { propagationPolicy, preconditions: { uid } })
      throw new Error(`${path} of an earlier Run has to go first.`)
    }
    // Somebody took its owner away.
    await own.api.patch(path, { metadata: { uid, resourceVersion, ownerReferences: [ownerOf('Run', run)] } }, 'merge')
    return true
  }
  const message = `There is a ${kind} ${metadata.name} that is not of this Run. Try the Run again: that of its next attempt has another name.`
  const ended: StepStatus = { ...entry, outcome: 'Failed', reason: 'NameCollision', message }
  await finish(own, run, 'NameCollision', message, { steps: stepsWith(recordOf(run), ended) })
  return false
}

/** Of a Run; of one before it of the same name there may still be some as well. */
function jobsOf(own: Surroundings, run: Run): readonly JobState[] {
  return own.caches.jobsOf(keyOf(run)).filter(({ owner }) => owner === run.uid || owner === null)
}

/** Whether it is there, and the Run's. */
async function makeInput(own: Surroundings, run: Run, { plan }: LoadedPlan, entry: StepStatus): Promise<boolean> {
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
    return true
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    return takeOver(own, run, entry, 'ConfigMap', `${path}/${map.metadata.name}`)
  }
}

/** What Campaign has, as the API server says it now, and the deleted Segments whose exits it has not heard of. */
async function deliveredBefore(own: Surroundings, run: Run, plan: LoadedPlan['plan']): Promise<Delivered> {
  const { namespace, definition } = run
  const activation = await own.api.get<ApiObject & { readonly status?: Resource<'Activation'>['status'] }>(
    pathOf('Activation', namespace, definition.spec.target.name),
  )
  const isSame = activation?.metadata.uid === targetUidOf(run)
  const baselines = (isSame && activation?.status?.baselines) || []
  const departed = []
  for (const each of departedOf(baselines, plan, (segment) => own.caches.get('Segment', namespace, segment) !== null))
    if ((await own.api.get(pathOf('Segment', namespace, each.name))) === null) departed.push(each)
  return { baselines, departed }
}

function podTemplateOf(own: Surroundings, namespace: string, plan: LoadedPlan['plan'], step: Step): PodTemplate {
  const owner = steps[step].owner(plan)
  return (owner && own.caches.get(owner.kind, namespace, owner.name)?.definition.spec.podTemplate) ?? {}
}

/** A Job that has not ended. One whose Pod does not work after a while says why, and what was taken from it is put back. */
async function atWork(
  own: Surroundings,
  run: Run,
  loaded: LoadedPlan,
  entry: StepStatus,
  job: JobState,
): Promise<Result> {
  if (job.isReady) {
    await say(own, run, runningMessage(entry))
    return done
  }
  const sinceMs = own.clock.now() - Date.parse(entry.startedAt ?? '')
  if (sinceMs < patienceMs) return { kind: 'again', afterMs: patienceMs - sinceMs }
  const { kind, name } = run.definition.spec.target
  const target = own.caches.get(kind, run.namespace, name)
  if (target) await own.plans.restore(loaded, target)
  if (!(await makeInput(own, run, loaded, entry))) return done
  const reason = await waitingReason(own.api, run.namespace, job.name)
  if (reason !== null) await say(own, run, `${entry.name} waits for its Pod: ${reason}`)
  return { kind: 'again', afterMs: patienceMs }
}

function say(own: Surroundings, run: Run, message: string): Promise<void> {
  return writeStatus(own, run, succeededFields(run, 'Unknown', 'Running', message, momentOf(own, run)))
}

/**
 * The later Run of an Activation whose policy is Replace, and which could begin if this one ended; null where there is none: a Run that
 * has to wait for something else as well ends nothing.
 */
function replacementOf(own: Surroundings, run: Run): Run | null {
  const { target } = run.definition.spec
  if (target.kind !== 'Activation') return null
  const spec = own.caches.get('Activation', run.namespace, target.name)?.definition.spec
  if (spec?.concurrencyPolicy !== 'Replace') return null
  const nowMs = own.clock.now()
  const canBegin = (other: Run): boolean =>
    conditionOf(other.status.conditions, 'Succeeded')?.reason === 'Pending' &&
    floorMsOf(own, run.namespace, target.name, keyOf(other)) <= nowMs
  return (
    own.caches
      .runsOf(targetKeyOf(run))
      .find(
        (other) =>
          !isFinished(other) && other.status.startedAt === undefined && isBefore(run, other) && canBegin(other),
      ) ?? null
  )
}

/** Its Jobs end first: two Runs of an Activation never deliver at the same time. */
async function replace(own: Surroundings, run: Run, by: Run): Promise<Result> {
  const jobs = jobsOf(own, run).filter(({ end }) => end === null)
  for (const job of jobs) if (!job.deleting) await endJob(own, job)
  if (jobs.length > 0) return done
  const entry = run.status.steps?.at(-1)
  const ended =
    entry && entry.outcome === undefined ? { ...entry, outcome: 'Failed' as const, reason: 'Replaced' } : null
  return finish(
    own,
    run,
    'Replaced',
    `${by.name} took its place (concurrencyPolicy: Replace).`,
    ended ? { steps: stepsWith(recordOf(run), ended) } : {},
  )
}

/** The Job is there as long as a Pod of it is. */
async function endJob(own: Surroundings, { namespace, name, uid }: JobState): Promise<void> {
  await own.api.delete(jobPath(namespace, name), { propagationPolicy: 'Foreground', preconditions: { uid } })
}

function isBefore(a: Run, b: Run): boolean {
  const [left, right] = [a, b].map(({ definition }) => Date.parse(definition.spec.scheduledTime)) as [number, number]
  return left < right || (left === right && a.name < b.name)
}

/** The target learns of it first, so that a Run that is finished has nothing more to say. */
async function finish(
  own: Surroundings,
  run: Run,
  reason: ConditionReason | string,
  message: string,
  known: Partial<RunStatus> = {},
): Promise<Result> {
  const ended = { ...run, status: { ...run.status, ...known } }
  const succeeded = isSuccess(reason)
  if (run.status.startedAt !== undefined) await settleTarget(own, ended, succeeded)
  const moment = momentOf(own, run)
  await writeStatus(own, run, {
    ...known,
    retryTime: undefined,
    ...finished(recordOf(run), reason, message, moment),
  })
  const { target, evaluation } = run.definition.spec
  own.metrics.count('convoke_runs_total', { kind: target.kind, outcome: reason })
  if (run.status.startedAt !== undefined)
    own.metrics.observe(
      'convoke_run_duration_seconds',
      { kind: target.kind },
      (moment.nowMs - Date.parse(run.status.startedAt)) / 1000,
    )
  const owner = own.caches.get(target.kind, run.namespace, target.name)
  if (owner && reason !== 'Succeeded')
    own.tell(owner, {
      type: reason === 'Replaced' ? 'Normal' : 'Warning',
      reason: reason === 'Held' ? 'SegmentsHeld' : reason === 'Replaced' ? 'RunReplaced' : 'RunFailed',
      message: `${run.name}: ${reason}: ${message}`,
    })
  else if (owner && evaluation !== 'Streaming')
    own.tell(owner, { type: 'Normal', reason: 'RunSucceeded', message: `${run.name} succeeded.` })
  own.log({
    level: succeeded ? 'info' : 'warning',
    message: `Run ended: ${reason}. ${message}`.trim(),
    namespace: run.namespace,
    run: run.name,
  })
  letGo(own, run)
  return done
}

/** Of a Run that was deleted: what it had is given back when nothing of it works any more. */
export async function forgetRun(own: Surroundings, key: ResourceKey): Promise<void> {
  const jobs = own.caches.jobsOf(key).filter(({ end }) => end === null)
  // The garbage collector does it as well, but not before it leaves their Pods alone.
  for (const job of jobs) if (!job.deleting) await endJob(own, job)
  if (jobs.length > 0) return
  for (const waiting of own.reservations.release(key)) own.touch(waiting)
}

/** Whoever waited for what this Run had may go on. */
function letGo(own: Surroundings, run: Run): void {
  const waiting = own.reservations.release(keyOf(run))
  const siblings = own.caches.runsOf(targetKeyOf(run)).filter((other) => other.name !== run.name && !isFinished(other))
  for (const key of new Set<ResourceKey>([...waiting, ...siblings.map(keyOf), targetKeyOf(run)])) own.touch(key)
}

/** Of a Run that has ended: somebody may ask to try it again; its Jobs go after a while. */
async function afterwards(own: Surroundings, run: Run): Promise<Result> {
  for (const key of own.reservations.release(keyOf(run))) own.touch(key)
  const asked = run.definition.metadata.annotations?.[annotations.requestedAt]?.slice(0, 128)
  if (asked !== undefined && asked !== run.status.lastHandledRequestedAt) return again(own, run, asked)
  for (const job of jobsOf(own, run)) {
    if (job.deleting) continue
    const path = jobPath(job.namespace, job.name)
    if (!job.end) await own.api.delete(path, { propagationPolicy: 'Background', preconditions: { uid: job.uid } })
    else if (!job.hasTtl)
      // Its result is stored by now, and the field may be changed at any time.
      await own.api
        .patch(path, { metadata: { uid: job.uid }, spec: { ttlSecondsAfterFinished: jobTtlSeconds } }, 'merge')
        .catch(unlessGone)
  }
  return done
}

/** Another attempt of a failed Run, from the step that failed. */
async function again(own: Surroundings, run: Run, asked: string): Promise<Result> {
  const { kind, name } = run.definition.spec.target
  const refuse = async (reason: string, message: string): Promise<Result> => {
    await writeStatus(own, run, { lastHandledRequestedAt: asked })
    own.tell(run, { type: 'Warning', reason, message: `${run.name} is not tried again: ${message}` })
    return done
  }
  const entry = run.status.steps?.at(-1)
  const failed = conditionOf(run.status.conditions, 'Succeeded')?.status === 'False' && entry?.outcome === 'Failed'
  if (!failed) return refuse('NothingToRetry', 'no step of it failed. Make a new Run instead.')
  // What it would do now comes after what they did: files of another day over those of today.
  const later = own.caches
    .runsOf(targetKeyOf(run))
    .find((other) => other.name !== run.name && (other.status.startedAt ?? '') > run.status.startedAt!)
  if (later) return refuse('Outdated', `${later.name} began after it. Run the ${kind} ${name} anew instead.`)
  const loaded = await planOf(own, run, run.status.planDigest ?? '')
  if (!loaded) return refuse('PlanGone', `its plan is not there any more. Run the ${kind} ${name} anew instead.`)
  const nowMs = own.clock.now()
  if (kind === 'Activation') {
    const floorMs = floorMsOf(own, run.namespace, name, keyOf(run))
    if (nowMs < floorMs) return { kind: 'again', afterMs: floorMs - nowMs }
  }
  const holder = own.reservations.take(keyOf(run), reservedBy(own, run))
  if (holder !== null) return { kind: 'again', afterMs: lookAgainMs }
  if (kind === 'Activation') noteActivation(own, run.namespace, name, keyOf(run), nowMs)
  const fresh = {
    lastHandledRequestedAt: asked,
    finishedAt: undefined,
    ...(kind === 'Activation' && { activatedTime: timeText(nowMs) }),
  }
  return stepOn(own, run, loaded, entry.name, (run.status.attempt ?? 1) + 1, {}, fresh)
}

async function wait(
  own: Surroundings,
  run: Run,
  reason: ConditionReason,
  message: string,
  afterMs: number,
): Promise<Result> {
  await writeStatus(own, run, succeededFields(run, 'Unknown', reason, message, momentOf(own, run)))
  return { kind: 'again', afterMs: Math.max(afterMs, 10) }
}

function momentOf(own: Surroundings, run: Run): Moment {
  return { nowMs: own.clock.now(), generation: run.generation }
}

/** Only what differs, and only onto the version that was looked at. */
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

function unlessGone(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) throw error
}
