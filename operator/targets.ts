import type { Schedule, Scheduled } from '#compiler'
import { annotations, digestOf, labels, type RunnableKind, runNameOf, withDefaults } from '#crds'
import {
  type Agenda,
  type AgendaInput,
  agendaOf,
  type Claim,
  conditionOf,
  conditionsOf,
  isFinished,
  timeText,
} from '#protocol'
import { CopyBehindError, pathOf, targetUidOf } from './caches.ts'
import { keyOf, type Resource, resourceOf } from './definition.ts'
import { departingPlan } from './departing.ts'
import { ownFloorOf } from './floor.ts'
import { ownerOf } from './job.ts'
import { ApiError } from './kernel/api.ts'
import type { Result } from './kernel/queue.ts'
import type { ApiObject } from './kernel/reflector.ts'
import { type Run, runLabels } from './runs.ts'
import { mergePatchOf } from './status-patch.ts'
import type { Surroundings } from './surroundings.ts'
import type { View } from './views.ts'

/** A resource that Runs are made for. */
export type Target = Resource<RunnableKind>
type Evaluation = 'Batch' | 'Streaming' | null

/** The status fields of one schedule. */
const timeFields = {
  Batch: { last: 'lastBatchTime', next: 'nextBatchTime' },
  Streaming: { last: 'lastStreamingTime', next: 'nextStreamingTime' },
  none: { last: 'lastScheduledTime', next: 'nextScheduledTime' },
} as const

const longestActive = 32
const longestHeld = 200
/** Timers are in elapsed time; the wall clock is looked at again after so long. */
const longestSleepMs = 600_000

/**
 * One pass over a ProfileStore, an Activation or a CampaignSource: its plan is kept, what is due is begun, what has ended is forgotten,
 * and its status is written once, last.
 */
export async function reconcileTarget(own: Surroundings, target: Target, view: View): Promise<Result> {
  if (target.definition.metadata.deletionTimestamp !== undefined) return { kind: 'done' }
  const status = statusOf(target)
  const nowMs = own.clock.now()
  // Those of a resource that had the name before go with it.
  const runs = own.caches.runsOf(keyOf(target)).filter((run) => isOf(target, run))
  const departing = target.kind === 'Activation' ? await departingPlan(own, target as Resource<'Activation'>) : null
  const planDigest = departing?.planDigest ?? (await currentPlan(own, target, view))
  const isSuspended =
    target.definition.metadata.annotations?.[annotations.suspend] === 'true' ||
    (target as Resource<'Activation'>).definition.spec.suspend === true
  const scheduled = isSuspended
    ? []
    : (departing?.scheduled ?? own.settledOf(target.namespace)?.schedules.get(keyOf(target)) ?? [])
  const observedSchedule = isSuspended ? 'suspended' : (observed(scheduled) ?? status.observedSchedule)
  // Slots before the change belong to the schedule before; of a resource that is new, its making is the beginning.
  const hasChanged =
    status.observedSchedule === undefined ? isEdited(target) : status.observedSchedule !== observedSchedule
  const scheduleChangedTime = hasChanged ? timeText(nowMs) : status.scheduleChangedTime
  const sinceMs = Date.parse(scheduleChangedTime ?? target.definition.metadata.creationTimestamp ?? '')

  const fields: Record<string, unknown> = { planDigest, observedSchedule, scheduleChangedTime }
  const store =
    departing?.store ?? own.settledOf(target.namespace)?.activations.get(keyOf(target))?.store?.resource.name ?? null
  const made: string[] = []
  let wakeMs = nowMs + longestSleepMs
  const approval = approvalOf(target, runs)
  if (approval?.isAnswered) fields['lastHandledApprove'] = approval.text
  for (const evaluation of evaluationsOf(target)) {
    const { last, next } = timeFields[evaluation ?? 'none']
    const entry = scheduled.find((each) => each.evaluation === evaluation)
    if (!entry) {
      fields[next] = undefined
      continue
    }
    const agenda = agendaFor(own, target, { ...entry, store }, runs, sinceMs, nowMs)
    fields[last] = latestOf(evaluation, status, runs)
    if (agenda.nextMs !== null) wakeMs = Math.min(wakeMs, agenda.nextMs)
    fields[next] = agenda.nextMs === null ? undefined : timeText(agenda.nextMs)
    if (agenda.missed > 0 && evaluation !== 'Streaming')
      return skip(own, target, { count: agenda.missed, latestMs: agenda.missedMs!, ...missedWords(agenda) })
    if (agenda.due === null || planDigest === undefined) continue
    // One that is slow is not overtaken.
    const isBusy = made.length > 0 || runs.some((run) => !isFinished(run))
    if (evaluation === 'Streaming' && isBusy) continue
    const { slotMs, trigger } = agenda.due
    const run = await makeRun(own, target, { evaluation, slotMs, trigger, planDigest, request: null, approval })
    if (run !== 'foreign') made.push(run.name)
    else if (evaluation !== 'Streaming')
      return skip(own, target, {
        count: 1,
        latestMs: slotMs,
        reason: 'NameCollision',
        message: `The slot ${timeText(slotMs)} is skipped: there is a Run of its name that has another target. Delete it, or rename one of the two.`,
      })
    own.metrics.observe('convoke_run_start_skew_seconds', { kind: target.kind }, (own.clock.now() - slotMs) / 1000)
  }
  if (planDigest !== undefined) {
    const asked = await makeRequested(own, target, planDigest, approval)
    // There is another Run of this minute's name; the next minute has another.
    if (asked === 'foreign') return { kind: 'again', afterMs: 1000 }
    if (asked !== null) {
      if (asked.run !== null) made.push(asked.run.name)
      fields['lastHandledRequestedAt'] = asked.requestedAt
    }
  }

  // Of many that are due at once, all are begun before the first is written down; the Run itself tells the next pass.
  if (made.length > 0) return { kind: 'again', afterMs: 1 }

  await forget(own, target, runs, planDigest)
  const active = runs
    .filter((run) => !isFinished(run))
    .map(({ name }) => name)
    .sort()
  const latest = latestFinished(runs)
  await writeStatus(own, target, {
    ...view.fields,
    ...fields,
    activeRuns: active.slice(0, longestActive),
    ...(target.kind === 'Activation' && { held: heldOf(own, target as Resource<'Activation'>, latest) }),
    observedGeneration: target.generation,
    conditions: conditionsOf(
      status.conditions,
      claimsOf(view, isSuspended, latest, departing?.message ?? null),
      target.generation,
      nowMs,
    ),
  })
  return { kind: 'again', afterMs: Math.max(1, wakeMs - own.clock.now()), priority: duePriority }
}

/** What is due goes before everything else. */
const duePriority = 10

/** The digest that new Runs get: of the plan as it is now, or, where that must not be used, of the one before; undefined: none may be made. */
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

/** Slots that are not run are counted, and stored before anything else counts from them. */
async function skip(
  own: Surroundings,
  target: Target,
  slots: { readonly count: number; readonly latestMs: number; readonly reason: string; readonly message: string },
): Promise<Result> {
  const { count, latestMs, reason, message } = slots
  await writeStatus(own, target, {
    missedSlots: (statusOf(target).missedSlots ?? 0) + count,
    lastMissedTime: timeText(latestMs),
  })
  own.metrics.count('convoke_missed_slots_total', { kind: target.kind }, count)
  own.tell(target, { type: 'Warning', reason, message })
  return { kind: 'again', afterMs: 10 }
}

function missedWords({ missed, missedMs, because, due }: Agenda): {
  readonly reason: string
  readonly message: string
} {
  const latest = timeText(missedMs!)
  const slots = missed === 1 ? `The slot ${latest} was` : `${missed} slots, the latest ${latest}, were`
  const why =
    because === 'floor'
      ? ' It gives way to the next one, which it would make late: no Segment is activated more often than limits.minActivationInterval says (activation-too-frequent).'
      : due !== null
        ? ` The one of ${timeText(due.slotMs)} is run now.`
        : ''
  return { reason: 'MissedSlot', message: `${slots} not run and will not be.${why}` }
}

/** Since the latest pass over it. */
function isEdited({ status, generation }: Target): boolean {
  const { observedGeneration = -1 } = status
  return observedGeneration > 0 && observedGeneration !== generation
}

type Status = {
  readonly conditions?: Parameters<typeof conditionsOf>[0]
  readonly planDigest?: string
  readonly observedSchedule?: string
  readonly scheduleChangedTime?: string
  readonly missedSlots?: number
  readonly lastMissedTime?: string
  readonly lastHandledRequestedAt?: string
  readonly lastHandledApprove?: string
  readonly [time: string]: unknown
}

/** The three kinds' fields, each with those it has. */
function statusOf({ status }: Target): Status {
  return status as unknown as Status
}

function evaluationsOf({ kind }: Target): readonly Evaluation[] {
  return kind === 'ProfileStore' ? ['Batch', 'Streaming'] : [null]
}

/**
 * What slots hang on, as text; null where nothing is scheduled, as while something is broken: the slots of then are caught up. Streaming
 * evaluations are not, so that theirs does not matter.
 */
function observed(scheduled: readonly Pick<Scheduled, 'schedule' | 'evaluation'>[]): string | null {
  const texts = scheduled.flatMap(({ evaluation, schedule }) => (evaluation === 'Streaming' ? [] : [textOf(schedule)]))
  return texts.length === 0 ? null : texts.join(', ').slice(0, 1024)
}

function textOf(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'cron':
      return `${schedule.cron.text} in ${schedule.timeZone}`
    case 'every':
      return `every ${schedule.seconds} s from ${timeText(schedule.startAt.getTime())}`
    case 'after':
      // Whenever that is: what was evaluated is delivered, though the store has another schedule since.
      return 'after Evaluation'
  }
}

/** The latest slot that a Run was made for, also by an operator that could not write it down any more. */
function latestOf(evaluation: Evaluation, status: Status, runs: readonly Run[]): string | undefined {
  const times = runs
    .map(({ definition: { spec } }) => spec)
    .filter((spec) => spec.trigger !== 'Manual' && (spec.evaluation ?? null) === evaluation)
    .map(({ scheduledTime }) => Date.parse(scheduledTime))
  const before = status[timeFields[evaluation ?? 'none'].last]
  const latestMs = Math.max(typeof before === 'string' ? Date.parse(before) : Number.NEGATIVE_INFINITY, ...times)
  return latestMs === Number.NEGATIVE_INFINITY ? undefined : timeText(latestMs)
}

function agendaFor(
  own: Surroundings,
  target: Target,
  { schedule, evaluation, store }: Pick<Scheduled, 'schedule' | 'evaluation'> & { readonly store: string | null },
  runs: readonly Run[],
  sinceMs: number,
  nowMs: number,
): Agenda {
  const status = statusOf(target)
  const isStreaming = evaluation === 'Streaming'
  const times = [
    status[timeFields[evaluation ?? 'none'].last],
    isStreaming ? status[timeFields.Batch.last] : status.lastMissedTime,
    ...runs
      .filter(({ definition: { spec } }) => spec.trigger !== 'Manual')
      // A batch evaluation covers every Segment.
      .filter(({ definition: { spec } }) => isStreaming || (spec.evaluation ?? null) === evaluation)
      .map(({ definition }) => definition.spec.scheduledTime),
  ].flatMap((time) => (typeof time === 'string' ? [Date.parse(time)] : []))
  const activation = target.kind === 'Activation' ? (target as Resource<'Activation'>) : null
  const spec = activation && withDefaults('Activation', activation.definition.spec, target.name)
  const floor = activation && ownFloorOf(own, target.namespace, target.name)
  return agendaOf({
    schedule,
    nowMs,
    lastMs: times.length === 0 ? null : Math.max(...times),
    sinceMs,
    catchUp: isStreaming ? 'None' : (spec?.catchUp ?? 'Latest'),
    startingDeadlineSeconds: activation?.definition.spec.startingDeadlineSeconds ?? null,
    ...(schedule.kind === 'after' && { evaluation: evaluationOf(own, target.namespace, store) }),
    ...(floor && { floor }),
  })
}

/** Of the store of an Activation that runs after its evaluation. */
function evaluationOf(
  own: Surroundings,
  namespace: string,
  name: string | null,
): NonNullable<AgendaInput['evaluation']> {
  const store = name === null ? null : own.caches.get('ProfileStore', namespace, name)
  const { lastSuccessfulBatchTime, scheduleChangedTime } = store?.status ?? {}
  return {
    latestMs: lastSuccessfulBatchTime === undefined ? null : Date.parse(lastSuccessfulBatchTime),
    sinceMs: Date.parse(scheduleChangedTime ?? store?.definition.metadata.creationTimestamp ?? ''),
  }
}

type RunRequest = {
  readonly evaluation: Evaluation
  readonly slotMs: number
  readonly trigger: 'Schedule' | 'CatchUp' | 'Manual'
  readonly planDigest: string
  readonly request: string | null
  readonly approval: Approval | null
}

type MadeRun = { readonly name: string }

/**
 * Makes the Run of a slot, or finds it there. Throws CopyBehindError where the copy of the target is not what the API server has, so that
 * the slot may have been run already. 'foreign': a Run of another target has the name.
 */
async function makeRun(own: Surroundings, target: Target, request: RunRequest): Promise<MadeRun | 'foreign'> {
  const { kind, namespace } = target
  const { evaluation, slotMs, trigger, planDigest } = request
  const approval = request.approval?.isAnswered === false ? request.approval : null
  const slot = new Date(slotMs)
  const name = runNameOf({ kind, name: target.name, evaluation, slot, request: request.request })
  const known = own.caches.get('Run', namespace, name)
  if (known && isOf(target, known)) return { name }
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
      ...(approval && { approved: approval.segments }),
    },
  }
  try {
    await own.caches.write(keyOf(target), { kind: 'Run', namespace, name }, () =>
      own.api.create<ApiObject>(pathOf('Run', namespace), run),
    )
    return { name }
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    const there = await own.api.get<ApiObject & { readonly spec: RunSpec }>(pathOf('Run', namespace, name))
    if (!there) throw new CopyBehindError(keyOf(target))
    if (isOf(target, resourceOf('Run', there))) return { name }
    // One of a resource that had the name before is on its way out.
    if (there.spec.target.kind !== kind || there.spec.target.name !== target.name) return 'foreign'
    throw new CopyBehindError(keyOf(target))
  }
}

type RunSpec = Run['definition']['spec']

function isOf({ kind, name, uid }: Target, run: Pick<Run, 'definition'>): boolean {
  const { target } = run.definition.spec
  return target.kind === kind && target.name === name && (targetUidOf(run) ?? uid) === uid
}

/** Whether what was decided on the copy still holds: a leader before may have written since. */
function isUpToDate(target: Target, { metadata, status = {} }: ApiObject & { readonly status?: unknown }): boolean {
  const [copy, live] = [statusOf(target), status as Status]
  const times = Object.values(timeFields).map(({ last }) => last)
  return (
    metadata.uid === target.uid &&
    metadata['deletionTimestamp'] === undefined &&
    metadata['generation'] === target.generation &&
    [...times, 'lastMissedTime', 'lastHandledRequestedAt'].every((field) => copy[field] === live[field])
  )
}

type Approval = { readonly text: string; readonly segments: readonly string[]; readonly isAnswered: boolean }

/** Segments in the annotation, unless its answer is known. What follows an `@` tells one approval from the next. */
function approvalOf({ definition, status }: Target, runs: readonly Run[]): Approval | null {
  const text = definition.metadata.annotations?.[annotations.approve]?.slice(0, 8192)
  if (text === undefined || text === (status as unknown as Status).lastHandledApprove) return null
  const names = text.split(',').map((name) => name.replace(/@.*/, '').trim())
  const segments = [...new Set(names)].filter((name) => name !== '').slice(0, 200)
  const isAnswered = runs.some((run) => run.definition.metadata.labels?.[labels.approval] === digitsOf(text))
  return segments.length === 0 ? null : { text, segments, isAnswered }
}

/** The Run that the annotation asks for; null where it asks for none, `run` null where it was made already. */
async function makeRequested(
  own: Surroundings,
  target: Target,
  planDigest: string,
  approval: Approval | null,
): Promise<{ readonly requestedAt: string; readonly run: MadeRun | null } | 'foreign' | null> {
  const requestedAt = target.definition.metadata.annotations?.[annotations.requestedAt]?.slice(0, 128)
  if (requestedAt === undefined || requestedAt === statusOf(target).lastHandledRequestedAt) return null
  // By its label, since the name holds the minute in which the request was first seen.
  const selector = `${labels.targetKind}=${target.kind},${labels.target}=${target.name},${labels.request}=${digitsOf(requestedAt)}`
  const there = await own.api.list<ApiObject>(pathOf('Run', target.namespace), { labelSelector: selector })
  if (there.some((run) => isOf(target, resourceOf('Run', run)))) return { requestedAt, run: null }
  const slotMs = Math.floor(own.clock.now() / 1000) * 1000
  const evaluation = target.kind === 'ProfileStore' ? 'Batch' : null
  const run = await makeRun(own, target, {
    evaluation,
    slotMs,
    trigger: 'Manual',
    planDigest,
    request: requestedAt,
    approval,
  })
  return run === 'foreign' ? run : { requestedAt, run }
}

function digitsOf(request: string): string {
  return digestOf(request).slice('sha256:'.length, 'sha256:'.length + 16)
}

/** Removes Runs beyond the history limits, and plans that no Run refers to. */
async function forget(
  own: Surroundings,
  target: Target,
  runs: readonly Run[],
  planDigest: string | undefined,
): Promise<void> {
  const spec = target.definition.spec as {
    readonly historyLimits?: { readonly successful?: number; readonly failed?: number }
  }
  const limits = { successful: 3, failed: 3, ...spec.historyLimits }
  const over: Run[] = []
  const groups = Map.groupBy(
    runs.filter(
      (run) => isFinished(run) && run.definition.metadata.deletionTimestamp === undefined && isRecorded(target, run),
    ),
    (run) => `${run.definition.spec.evaluation ?? ''} ${succeeded(run)}`,
  )
  for (const group of groups.values()) {
    const kept = succeeded(group[0]!) ? limits.successful : limits.failed
    over.push(...[...group].sort(newestFirst).slice(kept))
  }
  for (const run of over)
    await own.api.delete(pathOf('Run', run.namespace, run.name), {
      propagationPolicy: 'Background',
      preconditions: { uid: run.uid },
    })
  const before = statusOf(target).planDigest
  if (over.length === 0 && (before === undefined || before === planDigest)) return
  const left = runs.filter((run) => !over.includes(run))
  const digests = [
    planDigest,
    before,
    ...left.flatMap(({ definition, status }) => [definition.spec.planDigest, status.planDigest]),
  ]
  await own.plans.collect(
    { kind: target.kind, namespace: target.namespace, name: target.name },
    new Set(digests.filter((digest) => digest !== undefined)),
  )
}

/** Whether the target's status says that its slot was run: then nothing is lost with the Run. */
function isRecorded(target: Target, { definition: { spec } }: Run): boolean {
  if (spec.trigger === 'Manual') return true
  const last = statusOf(target)[timeFields[spec.evaluation ?? 'none'].last]
  return typeof last === 'string' && Date.parse(last) >= Date.parse(spec.scheduledTime)
}

function succeeded({ status }: Run): boolean {
  return conditionOf(status.conditions, 'Succeeded')?.status === 'True'
}

/** By when they ended: one by hand may be for a time of long ago, and is looked at now. */
function newestFirst(a: Run, b: Run): number {
  const order = ({ status, definition }: Run): string => `${status.finishedAt} ${definition.spec.scheduledTime}`
  return order(a) > order(b) ? -1 : 1
}

/** Streaming Runs aside, which come and go; null before the first. */
function latestFinished(runs: readonly Run[]): Run | null {
  const finished = runs.filter((run) => isFinished(run) && run.definition.spec.evaluation !== 'Streaming')
  const told = finished.filter(
    ({ status }) => !['Replaced', 'TargetGone'].includes(conditionOf(status.conditions, 'Succeeded')!.reason),
  )
  return [...told].sort(newestFirst)[0] ?? null
}

function claimsOf(view: View, isSuspended: boolean, latest: Run | null, departing: string | null): readonly Claim[] {
  const claims: readonly Claim[] =
    departing === null
      ? view.claims
      : [
          { type: 'Ready', status: 'True', reason: 'Ready', message: departing },
          ...view.claims.filter(({ type }) => type === 'GuardrailsPassed'),
        ]
  return claims.map((claim): Claim => {
    if (claim.type !== 'Ready' || claim.status !== 'True') return claim
    const ended = latest && conditionOf(latest.status.conditions, 'Succeeded')
    if (ended?.status === 'False')
      return {
        ...claim,
        status: 'False',
        reason: 'RunFailed',
        message: `${latest!.name}: ${ended.reason}: ${ended.message}`,
      }
    return isSuspended ? { ...claim, reason: 'Suspended', message: 'No new Runs are made by its schedule.' } : claim
  })
}

/** Segments that the compiler takes out, and those that the circuit breaker held in the latest Run. */
function heldOf(own: Surroundings, activation: Resource<'Activation'>, latest: Run | null): readonly object[] {
  const before = activation.status.held ?? []
  const byCompiler = own.settledOf(activation.namespace)?.held.get(keyOf(activation)) ?? []
  const names = new Set(byCompiler.map(({ segment }) => segment))
  const sinceOf = (segment: string, reason: string): string =>
    before.find((entry) => entry.segment === segment && entry.reason === reason)?.since ?? timeText(own.clock.now())
  const byBreaker = latest?.status.segments
    ? latest.status.segments.flatMap(({ segment, held }) =>
        held === undefined
          ? []
          : [
              {
                segment,
                reason: 'CircuitBreaker',
                message: held,
                run: latest.name,
                since: sinceOf(segment, 'CircuitBreaker'),
              },
            ],
      )
    : before.filter(({ reason }) => reason === 'CircuitBreaker')
  return [
    ...byCompiler.map(({ segment, reason, message }) => ({
      segment,
      reason,
      message: message.slice(0, 1024),
      since: sinceOf(segment, reason),
    })),
    ...byBreaker.filter(({ segment }) => !names.has(segment)),
  ]
    .sort((a, b) => (a.segment < b.segment ? -1 : 1))
    .slice(0, longestHeld)
}

/** Only what differs, and only onto the version that was looked at. */
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
