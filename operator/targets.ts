// One pass over a ProfileStore, an Activation or a CampaignSource: its plan is stored, what is due is begun, what has ended is forgotten,
// and its status is written once, last.
import { annotations, labels, runNameOf } from '#crds'
import { adHocRefusal, digitsOf, timeFields, timeText } from '#protocol'
import { CopyBehindError, pathOf, targetUidOf } from './caches.ts'
import { keyOf, type Resource, resourceOf } from './definition.ts'
import { type Departing, departingPlan } from './departing.ts'
import { ownFloorOf } from './floor.ts'
import { ownerOf } from './job.ts'
import { ApiError } from './kernel/api.ts'
import type { Result } from './kernel/queue.ts'
import type { ApiObject } from './kernel/reflector.ts'
import { type Run, runLabels } from './runs.ts'
import { mergePatchOf } from './status-patch.ts'
import type { Surroundings } from './surroundings.ts'
import { type Due, dueOf, type Rest, restOf } from './target/decide.ts'
import { type RunRequest, type Seen, type Skip, statusOf, type Target, type TargetStatus } from './target/known.ts'
import type { View } from './views.ts'

export type { Target } from './target/known.ts'

/** What is due goes before everything else. */
const duePriority = 10

export async function reconcileTarget(own: Surroundings, target: Target, view: View): Promise<Result> {
  if (target.definition.metadata.deletionTimestamp !== undefined) return { kind: 'done' }
  const seen = await observe(own, target, view)
  const due = dueOf(seen)
  if (due.skip) return skip(own, target, due.skip)
  const begun = await begin(own, seen, due)
  return begun ?? rest(own, seen, restOf(seen, due))
}

async function observe(own: Surroundings, target: Target, view: View): Promise<Seen> {
  const { namespace, name } = target
  const key = keyOf(target)
  const activation = target.kind === 'Activation' ? (target as Resource<'Activation'>) : null
  const departing = activation && (await departingPlan(own, activation))
  const planDigest = departing?.planDigest ?? (await currentPlan(own, target, view))
  const isSuspended =
    target.definition.metadata.annotations?.[annotations.suspend] === 'true' ||
    activation?.definition.spec.suspend === true
  const settled = own.settledOf(namespace)
  return {
    target,
    view,
    // Runs of an earlier resource with the same name go with that one.
    runs: own.caches.runsOf(key).filter((run) => isOf(target, run)),
    nowMs: own.clock.now(),
    planDigest,
    scheduled: isSuspended ? [] : (departing?.scheduled ?? settled?.schedules.get(key) ?? []),
    isSuspended,
    store: activation && storeOf(own, activation, departing),
    floor: activation && ownFloorOf(own, namespace, name),
    held: (activation && settled?.held.get(key)) ?? [],
    departing: departing?.message ?? null,
  }
}

/** The store whose evaluation an Activation follows; null: none. */
function storeOf(own: Surroundings, activation: Resource<'Activation'>, departing: Departing | null): Seen['store'] {
  const { namespace } = activation
  const name = departing?.store ?? own.settledOf(namespace)?.activations.get(keyOf(activation))?.store
  const store = name === undefined || name === null ? null : own.caches.get('ProfileStore', namespace, name)
  const { lastSuccessfulBatchTime, scheduleChangedTime } = store?.status ?? {}
  const sinceMs = Date.parse(scheduleChangedTime ?? store?.definition.metadata.creationTimestamp ?? '')
  return { ...(lastSuccessfulBatchTime !== undefined && { lastSuccessfulBatchTime }), sinceMs }
}

/** The digest for new Runs: of the present plan or, where that must not be used, of the one before; undefined: none may be made. */
async function currentPlan(own: Surroundings, target: Target, view: View): Promise<string | undefined> {
  const before = statusOf(target).planDigest
  const settled = own.settledOf(target.namespace)
  const plan = settled?.plans.get(keyOf(target))
  const isIncomplete = settled?.incomplete.has(keyOf(target)) === true
  if (view.isRunnable && plan && !isIncomplete) {
    await own.plans.keep(plan, target)
    return plan.digest
  }
  return view.isRunnable ? before : undefined
}

/** Makes the Runs of what is due; null where there was none to make. */
async function begin(own: Surroundings, seen: Seen, due: Due): Promise<Result | null> {
  const { target } = seen
  let made = 0
  for (const request of due.requests) {
    const run = await makeRun(own, target, request, due.approval)
    if (run !== 'foreign') made += 1
    else if (request.evaluation !== 'Streaming')
      return skip(own, target, {
        count: 1,
        latestMs: request.slotMs,
        reason: 'NameCollision',
        message: `The slot ${timeText(request.slotMs)} is skipped: there is a Run of its name that has another target. Delete it, or rename one of the two.`,
      })
    const skewSeconds = (own.clock.now() - request.slotMs) / 1000
    own.metrics.observe('convoke_run_start_skew_seconds', { kind: target.kind }, skewSeconds)
  }
  const refusal =
    due.asked !== null && due.approval === null && target.kind === 'Activation'
      ? adHocRefusal(target.name, (target as Resource<'Activation'>).status.segments ?? 0)
      : null
  // The request is answered by its refusal.
  if (refusal !== null) own.tell(target, { type: 'Warning', reason: 'TooManySegments', message: refusal })
  else if (due.asked !== null) {
    const asked = await makeRequested(own, target, seen.planDigest!, due.asked, due.approval)
    // Another target's Run has this minute's name; the next minute gives another name.
    if (asked === 'foreign') return { kind: 'again', afterMs: 1000 }
    if (asked === 'made') made += 1
  }
  // All Runs that are due at once are made before any of them is written into the status: the Runs show the next pass what was begun.
  return made > 0 ? { kind: 'again', afterMs: 1 } : null
}

async function rest(own: Surroundings, { target }: Seen, { over, digests, fields, wakeMs }: Rest): Promise<Result> {
  for (const run of over)
    await own.api.delete(pathOf('Run', run.namespace, run.name), {
      propagationPolicy: 'Background',
      preconditions: { uid: run.uid },
    })
  const { kind, namespace, name } = target
  if (digests) await own.plans.collect({ kind, namespace, name }, digests)
  await writeStatus(own, target, fields)
  return { kind: 'again', afterMs: Math.max(1, wakeMs - own.clock.now()), priority: duePriority }
}

/** Counts slots that are not run, and stores that before anything else counts from them. */
async function skip(own: Surroundings, target: Target, { count, latestMs, reason, message }: Skip): Promise<Result> {
  await writeStatus(own, target, {
    missedSlots: (statusOf(target).missedSlots ?? 0) + count,
    lastMissedTime: timeText(latestMs),
  })
  own.metrics.count('convoke_missed_slots_total', { kind: target.kind }, count)
  own.tell(target, { type: 'Warning', reason, message })
  return { kind: 'again', afterMs: 10 }
}

/**
 * Makes the Run of a slot, or finds it. Throws CopyBehindError where the copy of the target is not current: the slot may have been run
 * already. 'foreign': a Run of another target has the name.
 */
async function makeRun(
  own: Surroundings,
  target: Target,
  request: RunRequest,
  approved: Due['approval'],
): Promise<'made' | 'foreign'> {
  const { kind, namespace } = target
  const { evaluation, slotMs, trigger, planDigest } = request
  const approval = approved?.isAnswered === false ? approved : null
  const slot = new Date(slotMs)
  const name = runNameOf({ kind, name: target.name, evaluation, slot, request: request.request })
  const known = own.caches.get('Run', namespace, name)
  if (known && isOf(target, known)) return 'made'
  const live = await own.api.get<ApiObject>(pathOf(kind, namespace, target.name))
  if (!live || !isUpToDate(target, live)) throw new CopyBehindError(keyOf(target))
  const run = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Run',
    metadata: {
      name,
      namespace,
      labels: {
        ...runLabels(target, evaluation ?? undefined),
        ...(request.request !== null && { [labels.request]: digitsOf(request.request) }),
        ...(approval && { [labels.approval]: digitsOf(approval.text) }),
      },
      ownerReferences: [ownerOf(kind, target)],
    },
    spec: {
      target: { kind, name: target.name, uid: target.uid },
      scheduledTime: timeText(slotMs),
      trigger,
      planDigest,
      ...(evaluation && { evaluation }),
      ...(approval && { approved: [...approval.segments] }),
    },
  }
  try {
    await own.caches.write(keyOf(target), { kind: 'Run', namespace, name }, () =>
      own.api.create<ApiObject>(pathOf('Run', namespace), run),
    )
    return 'made'
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    const there = await own.api.get<ApiObject & { readonly spec: Run['definition']['spec'] }>(
      pathOf('Run', namespace, name),
    )
    if (!there) throw new CopyBehindError(keyOf(target))
    if (isOf(target, resourceOf('Run', there))) return 'made'
    // A Run of an earlier resource with the same name is on its way out.
    if (there.spec.target.kind !== kind || there.spec.target.name !== target.name) return 'foreign'
    throw new CopyBehindError(keyOf(target))
  }
}

function isOf({ kind, name, uid }: Target, run: Pick<Run, 'definition'>): boolean {
  const { target } = run.definition.spec
  return target.kind === kind && target.name === name && (targetUidOf(run) ?? uid) === uid
}

/** Whether the copy that the decision was made on is current: an earlier leader may have written since. */
function isUpToDate(target: Target, { metadata, status = {} }: ApiObject & { readonly status?: unknown }): boolean {
  const [copy, live] = [statusOf(target), status as TargetStatus]
  const times = Object.values(timeFields).map(({ last }) => last)
  return (
    metadata.uid === target.uid &&
    metadata['deletionTimestamp'] === undefined &&
    metadata['generation'] === target.generation &&
    ([...times, 'lastMissedTime', 'lastHandledRequestedAt'] as const).every((field) => copy[field] === live[field])
  )
}

/** Makes the Run that the annotation asks for. 'known': it was made before. */
async function makeRequested(
  own: Surroundings,
  target: Target,
  planDigest: string,
  requestedAt: string,
  approval: Due['approval'],
): Promise<'made' | 'known' | 'foreign'> {
  // It is found by its label: its name holds the minute in which the request was first seen.
  const selector = `${labels.targetKind}=${target.kind},${labels.target}=${target.name},${labels.request}=${digitsOf(requestedAt)}`
  const there = await own.api.list<ApiObject>(pathOf('Run', target.namespace), { labelSelector: selector })
  if (there.some((run) => isOf(target, resourceOf('Run', run)))) return 'known'
  const slotMs = Math.floor(own.clock.now() / 1000) * 1000
  const evaluation = target.kind === 'ProfileStore' ? 'Batch' : null
  const request: RunRequest = { evaluation, slotMs, trigger: 'Manual', planDigest, request: requestedAt }
  return (await makeRun(own, target, request, approval)) === 'foreign' ? 'foreign' : 'made'
}

/** Writes only the fields that differ, and only onto the version that was looked at. */
export async function writeStatus(
  own: Surroundings,
  resource: Resource,
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  const status = mergePatchOf(resource.status as Readonly<Record<string, unknown>>, fields)
  if (status === null) return
  const { kind, namespace, name, uid, resourceVersion } = resource
  await own.caches.write(keyOf(resource), resource, () =>
    own.api.patch<ApiObject>(
      `${pathOf(kind, namespace, name)}/status`,
      { metadata: { uid, resourceVersion }, status },
      'merge',
    ),
  )
}
