import type { Schedule, Scheduled } from '#compiler'
import { annotations, digestOf, labels, type RunnableKind, runNameOf, withDefaults } from '#crds'
import { type Agenda, agendaOf } from './agenda.ts'
import { pathOf } from './caches.ts'
import { type Claim, conditionOf, conditionsOf, timeText } from './conditions.ts'
import { keyOf, type Resource } from './definition.ts'
import { floorMsOf } from './floor.ts'
import { ownerOf } from './job.ts'
import { ApiError } from './kernel/api.ts'
import type { Result } from './kernel/queue.ts'
import type { ApiObject } from './kernel/reflector.ts'
import { isFinished, type Run, runLabels } from './runs.ts'
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
  const runs = own.caches.runsOf(keyOf(target))
  const planDigest = await currentPlan(own, target, view)
  const isSuspended =
    target.definition.metadata.annotations?.[annotations.suspend] === 'true' ||
    (target as Resource<'Activation'>).definition.spec.suspend === true
  const scheduled = isSuspended ? [] : (own.settledOf(target.namespace)?.schedules.get(keyOf(target)) ?? [])
  const observedSchedule = observed(scheduled, isSuspended)
  // Slots before the change belong to the schedule before; of a resource that is new, its making is the beginning.
  const hasChanged = status.observedSchedule !== undefined && status.observedSchedule !== observedSchedule
  const sinceMs = hasChanged
    ? nowMs
    : Date.parse(status.scheduleChangedTime ?? target.definition.metadata.creationTimestamp ?? '')

  const fields: Record<string, unknown> = {
    planDigest,
    observedSchedule,
    ...(hasChanged && { scheduleChangedTime: timeText(nowMs) }),
  }
  const made: string[] = []
  let wakeMs = nowMs + longestSleepMs
  for (const evaluation of evaluationsOf(target)) {
    const { last, next } = timeFields[evaluation ?? 'none']
    const entry = scheduled.find((each) => each.evaluation === evaluation)
    if (!entry) {
      fields[next] = undefined
      continue
    }
    const agenda = agendaFor(own, target, entry, runs, sinceMs, nowMs)
    if (agenda.nextMs !== null) wakeMs = Math.min(wakeMs, agenda.nextMs)
    fields[next] = agenda.nextMs === null ? undefined : timeText(agenda.nextMs)
    if (agenda.missed > 0 && evaluation !== 'Streaming') {
      own.metrics.count('convoke_missed_slots_total', { kind: target.kind }, agenda.missed)
      const slots = agenda.missed === 1 ? 'The slot' : `${agenda.missed} slots, the latest`
      own.tell(target, {
        type: 'Warning',
        reason: 'MissedSlot',
        message: `${slots} ${timeText(agenda.missedMs!)}, will not be run.`,
      })
      // Stored before anything else counts from it.
      await writeStatus(own, target, {
        missedSlots: (status.missedSlots ?? 0) + agenda.missed,
        lastMissedTime: timeText(agenda.missedMs!),
      })
      return { kind: 'again', afterMs: 10 }
    }
    if (agenda.due === null || planDigest === undefined) continue
    // One that is slow is not overtaken, and a batch evaluation covers every Segment.
    const isBusy = made.length > 0 || runs.some((run) => !isFinished(run))
    if (evaluation === 'Streaming' && isBusy) continue
    const { slotMs, trigger } = agenda.due
    const name = await makeRun(own, target, { evaluation, slotMs, trigger, planDigest, request: null })
    if (name === null) return { kind: 'again', afterMs: 100 }
    made.push(name)
    fields[last] = timeText(slotMs)
    if (target.definition.metadata.annotations?.[annotations.approve] !== undefined)
      fields['lastHandledApprove'] = target.definition.metadata.annotations[annotations.approve]
    own.metrics.observe('convoke_run_start_skew_seconds', { kind: target.kind }, (own.clock.now() - slotMs) / 1000)
  }
  if (planDigest !== undefined) {
    const asked = await makeRequested(own, target, planDigest)
    if (asked !== null) {
      if (asked.run !== null) made.push(asked.run)
      fields['lastHandledRequestedAt'] = asked.requestedAt
    }
  }

  await forget(own, target, runs, planDigest)
  const active = [...new Set([...runs.filter((run) => !isFinished(run)).map(({ name }) => name), ...made])].sort()
  const latest = latestFinished(runs)
  await writeStatus(own, target, {
    ...view.fields,
    ...fields,
    activeRuns: active.slice(0, longestActive),
    ...(target.kind === 'Activation' && { held: heldOf(own, target as Resource<'Activation'>, latest) }),
    observedGeneration: target.generation,
    conditions: conditionsOf(status.conditions, claimsOf(view, isSuspended, latest), target.generation, nowMs),
  })
  return { kind: 'again', afterMs: Math.max(1, wakeMs - own.clock.now()), priority: duePriority }
}

/** What is due goes before what is merely looked at again. */
export const duePriority = 10

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
  if (view.isRunnable && isIncomplete) return before
  return target.kind === 'Activation' && hasOnlyDeparted(own, target as Resource<'Activation'>) ? before : undefined
}

/** The only Segments left were deleted, and Campaign has not heard of their exits. */
function hasOnlyDeparted(own: Surroundings, { namespace, status, definition }: Resource<'Activation'>): boolean {
  const refs = definition.spec.segmentRefs ?? []
  const exists = ({ name }: { readonly name: string }): boolean => own.caches.get('Segment', namespace, name) !== null
  return (
    !refs.some(exists) &&
    (status.baselines ?? []).some(
      ({ segment, exitsOnDeletion }) => exitsOnDeletion === true && !exists({ name: segment }),
    )
  )
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

/** What slots hang on, as text. Streaming evaluations are not caught up, so that theirs does not matter. */
function observed(scheduled: readonly Scheduled[], isSuspended: boolean): string {
  const texts = scheduled.flatMap(({ evaluation, schedule }) => (evaluation === 'Streaming' ? [] : [textOf(schedule)]))
  return [...texts, ...(isSuspended ? ['suspended'] : [])].join(', ').slice(0, 1024)
}

function textOf(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'cron':
      return `${schedule.cron.text} in ${schedule.timeZone}`
    case 'every':
      return `every ${schedule.seconds} s from ${timeText(schedule.startAt.getTime())}`
    case 'after':
      return `after ${textOf(schedule.evaluation)}`
  }
}

function agendaFor(
  own: Surroundings,
  target: Target,
  { schedule, evaluation }: Scheduled,
  runs: readonly Run[],
  sinceMs: number,
  nowMs: number,
): Agenda {
  const status = statusOf(target)
  const isStreaming = evaluation === 'Streaming'
  const times = [
    status[timeFields[evaluation ?? 'none'].last],
    isStreaming ? undefined : status.lastMissedTime,
    ...runs
      .filter(({ definition: { spec } }) => spec.trigger !== 'Manual' && (spec.evaluation ?? null) === evaluation)
      .map(({ definition }) => definition.spec.scheduledTime),
  ].flatMap((time) => (typeof time === 'string' ? [Date.parse(time)] : []))
  const activation = target.kind === 'Activation' ? (target as Resource<'Activation'>) : null
  const spec = activation && withDefaults('Activation', activation.definition.spec, target.name)
  return agendaOf({
    schedule,
    nowMs,
    lastMs: times.length === 0 ? null : Math.max(...times),
    sinceMs,
    catchUp: isStreaming ? 'None' : (spec?.catchUp ?? 'Latest'),
    startingDeadlineSeconds: activation?.definition.spec.startingDeadlineSeconds ?? null,
    ...(schedule.kind === 'after' && { evaluatedMs: evaluatedMsOf(own, target) }),
    ...(activation && { floorMs: floorMsOf(own, target.namespace, target.name, null) }),
  })
}

/** The latest batch slot of the Activation's store whose evaluation succeeded; null before the first. */
function evaluatedMsOf(own: Surroundings, target: Target): number | null {
  const store = own.settledOf(target.namespace)?.activations.get(keyOf(target))?.store?.resource.name
  const time = store && own.caches.get('ProfileStore', target.namespace, store)?.status.lastSuccessfulBatchTime
  return time ? Date.parse(time) : null
}

type RunRequest = {
  readonly evaluation: Evaluation
  readonly slotMs: number
  readonly trigger: 'Schedule' | 'CatchUp' | 'Manual'
  readonly planDigest: string
  readonly request: string | null
}

/**
 * Makes the Run of a slot, or finds it there: its name. null where the copy of the target is not what the API server has, so that the
 * slot may have been run already.
 */
async function makeRun(own: Surroundings, target: Target, request: RunRequest): Promise<string | null> {
  const { kind, namespace } = target
  const { evaluation, slotMs, trigger, planDigest } = request
  const slot = new Date(slotMs)
  const name = runNameOf({ kind, name: target.name, evaluation, slot, request: request.request })
  const isOurs = (run: Pick<Run, 'definition'>): boolean => {
    const { target: of } = run.definition.spec
    return of.kind === kind && of.name === target.name && (of.uid ?? target.uid) === target.uid
  }
  const known = own.caches.get('Run', namespace, name)
  if (known && isOurs(known)) return name
  const live = await own.api.get<ApiObject>(pathOf(kind, namespace, target.name))
  if (!live || !isUpToDate(target, live)) return null
  const approved = approvedBy(target)
  const run = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Run',
    metadata: {
      name,
      namespace,
      labels: {
        ...runLabels(target, evaluation ?? undefined),
        ...(request.request !== null && { [labels.request]: digitsOf(request.request) }),
      },
      ownerReferences: [ownerOf(kind, target)],
    },
    spec: {
      target: { kind, name: target.name, uid: target.uid },
      scheduledTime: timeText(slotMs),
      trigger,
      planDigest,
      ...(evaluation && { evaluation }),
      ...(approved.length > 0 && { approved }),
    },
  }
  try {
    await own.caches.write(keyOf(target), { kind: 'Run', namespace, name }, () =>
      own.api.create<ApiObject>(pathOf('Run', namespace), run),
    )
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
    const there = await own.api.get<ApiObject & { readonly spec: Run['definition']['spec'] }>(
      pathOf('Run', namespace, name),
    )
    if (!there) return null
    if (!isOurs({ definition: { ...there, kind: 'Run', apiVersion: '', spec: there.spec } }))
      own.tell(target, {
        type: 'Warning',
        reason: 'NameCollision',
        message: `A Run ${name} of another target is there; the slot ${timeText(slotMs)} is skipped.`,
      })
  }
  return name
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

/** Names of Segments in the annotation that no Run has answered yet. What follows an `@` tells one approval from the next. */
function approvedBy({ definition, status }: Target): readonly string[] {
  const text = definition.metadata.annotations?.[annotations.approve]
  if (text === undefined || text === (status as unknown as Status).lastHandledApprove) return []
  return [...new Set(text.split(',').map((name) => name.replace(/@.*/, '').trim()))]
    .filter((name) => name !== '')
    .slice(0, 200)
}

/** The Run that the annotation asks for; null where it asks for none, `run` null where it was made already. */
async function makeRequested(
  own: Surroundings,
  target: Target,
  planDigest: string,
): Promise<{ readonly requestedAt: string; readonly run: string | null } | null> {
  const requestedAt = target.definition.metadata.annotations?.[annotations.requestedAt]?.slice(0, 128)
  if (requestedAt === undefined || requestedAt === statusOf(target).lastHandledRequestedAt) return null
  // By its label, since the name holds the minute in which the request was first seen.
  const selector = `${labels.targetKind}=${target.kind},${labels.target}=${target.name},${labels.request}=${digitsOf(requestedAt)}`
  const there = await own.api.list<ApiObject>(pathOf('Run', target.namespace), { labelSelector: selector })
  if (there.length > 0) return { requestedAt, run: null }
  const slotMs = Math.floor(own.clock.now() / 1000) * 1000
  const evaluation = target.kind === 'ProfileStore' ? 'Batch' : null
  const run = await makeRun(own, target, { evaluation, slotMs, trigger: 'Manual', planDigest, request: requestedAt })
  return run === null ? null : { requestedAt, run }
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

function newestFirst(a: Run, b: Run): number {
  return Date.parse(b.definition.spec.scheduledTime) - Date.parse(a.definition.spec.scheduledTime)
}

/** Streaming Runs aside, which come and go; null before the first. */
function latestFinished(runs: readonly Run[]): Run | null {
  const finished = runs.filter((run) => isFinished(run) && run.definition.spec.evaluation !== 'Streaming')
  const told = finished.filter(
    ({ status }) => !['Replaced', 'TargetGone'].includes(conditionOf(status.conditions, 'Succeeded')!.reason),
  )
  return (
    [...told].sort((a, b) => Date.parse(b.status.finishedAt ?? '') - Date.parse(a.status.finishedAt ?? ''))[0] ?? null
  )
}

function claimsOf(view: View, isSuspended: boolean, latest: Run | null): readonly Claim[] {
  return view.claims.map((claim): Claim => {
    if (claim.type !== 'Ready' || claim.status !== 'True') return claim
    const ended = latest && conditionOf(latest.status.conditions, 'Succeeded')
    if (ended?.status === 'False')
      return {
        ...claim,
        status: 'False',
        reason: 'RunFailed',
        message: `${latest!.name}: ${ended.reason}: ${ended.message}`,
      }
    return isSuspended ? { ...claim, reason: 'Suspended', message: 'No new Runs are made.' } : claim
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
