// Decides what to do for a Run, from what was observed of it and its surroundings. Pure: a table of cases tests it.
// Without `far` it either decides from the copies or names what to look at; with `far` it always decides.
import {
  annotations,
  type ConditionReason,
  type Detail,
  isConditionReason,
  isWhole,
  type RunReport,
  type RunStatus,
  retryPolicy,
  steps,
  stepsOf,
} from '#crds'
import {
  conditionOf,
  type Fault,
  faultOfReport,
  finished,
  isFinished,
  isScheduled,
  isSuccess,
  jobNameOf,
  type Moment,
  runningMessage,
  type StepStatus,
  stepBegun,
  stepEnded,
  succeededFields,
  timeText,
} from '#protocol'
import { targetUidOf } from '../caches.ts'
import { type Resource, recordOf } from '../definition.ts'
import type { JobState } from '../job-state.ts'
import type { Result } from '../kernel/queue.ts'
import type { LoadedPlan } from '../plans.ts'
import type { Outcome } from '../reports.ts'
import type { LogLine, Told } from '../surroundings.ts'
import type { Act, Decision, Far, LookFurther, Near, Run } from './known.ts'

/** How soon a Run looks again at something that no watch tells of, such as a missing claim. */
export const lookAgainMs = 15_000
/** A Pod that does not work after so long is asked why. */
export const patienceMs = 20_000
/** How many Segments a Run's status holds: as many as Adobe allows audiences in a sandbox. */
const mostSegments = 4000
/** A step fails when its Pod was taken from its node this often. */
export const mostEvictions = 4

const done: Result = { kind: 'done' }
const again = (afterMs: number): Result => ({ kind: 'again', afterMs: Math.max(afterMs, 10) })

export function decide(near: Near, far: Far | null, nowMs: number): Decision | LookFurther {
  if (isFinished(near.run)) return afterwards(near, far, nowMs)
  return near.run.status.startedAt === undefined ? beforehand(near, far, nowMs) : atWork(near, far, nowMs)
}

/**
 * A Run that has not begun: the first thing that stands in its way, or its first step. The order of the checks is the order of what
 * people are told.
 */
function beforehand(near: Near, far: Far | null, nowMs: number): Decision | LookFurther {
  const { run, target } = near
  const { kind, name } = run.definition.spec.target
  const { scheduledTime, trigger, now } = run.definition.spec
  if (far === null && target === null) return { look: 'target' }
  if (target === null)
    return far!.isTargetThere
      ? { acts: [], result: { kind: 'behind' } }
      : finish(near, 'TargetGone', `There is no ${kind} ${name}.`, nowMs)
  if ((targetUidOf(run) ?? target.uid) !== target.uid)
    return finish(near, 'TargetGone', `The ${kind} ${name} was made anew since.`, nowMs)
  // The compiler says what the Run may do.
  if (!near.isCompiled) return { acts: [], result: again(200) }
  if (!(run.definition.metadata.ownerReferences ?? []).some((owner) => owner.uid === target.uid))
    return { acts: [{ do: 'adopt', target }], result: done }
  const later = laterOf(near)
  if (later)
    return finish(near, 'Replaced', `It had not begun when ${later.name} was due, which does its work too.`, nowMs)
  const deadline = deadlineOf(near, nowMs)
  if (deadline?.isOver)
    return finish(
      near,
      'DeadlineExceeded',
      `It could not begin within ${deadline.seconds} s of its time (startingDeadlineSeconds).`,
      nowMs,
    )
  if (far === null) return { look: 'plan' }
  if (far.isPlanBehind) return { acts: [], result: { kind: 'behind' } }
  const digest = digestOf(near)
  if (digest === undefined)
    return wait(
      near,
      'WaitingForDependency',
      `The ${kind} ${name} has no plan: see its conditions.`,
      lookAgainMs,
      nowMs,
    )
  if (far.plan === null) return finish(near, 'Failed', planGone(digest, name), nowMs)
  // An earlier Run of the same evaluation begins first, unless it waits for something that only it needs.
  const earlier = near.siblings.find(
    (other) =>
      other.status.startedAt === undefined && isBefore(other, run) && isSameEvaluation(other, run) && !isStuck(other),
  )
  if (earlier) return wait(near, 'Pending', `Waits for ${earlier.name}.`, lookAgainMs, nowMs)
  if (far.missingClaim !== null)
    return wait(
      near,
      'MissingVolume',
      `There is no PersistentVolumeClaim ${far.missingClaim} in namespace ${run.namespace}. Create it; the Run begins then.`,
      lookAgainMs,
      nowMs,
    )
  if (near.hold !== null) return saying(near, 'ActivationsHeld', near.hold, nowMs)
  if (nowMs < near.floorMs)
    return wait(
      near,
      'Pending',
      `Waits until ${timeText(near.floorMs)}: no Segment is activated to a Campaign instance more often than limits.minActivationInterval says (activation-too-frequent).`,
      near.floorMs - nowMs,
      nowMs,
    )
  if (near.holder !== null) return wait(near, 'Pending', `Waits for ${near.holder.split('/')[2]}.`, lookAgainMs, nowMs)

  // A Run that begins within a minute of its slot counts as activated at the slot, so that the interval to the next activation is exact.
  const lateMs = nowMs - Date.parse(scheduledTime)
  const isOnTime = trigger !== 'Manual' && lateMs >= 0 && lateMs <= 60_000
  const activatedTime = kind === 'Activation' ? (isOnTime ? scheduledTime : timeText(nowMs)) : null
  const started = {
    planDigest: digest,
    now: now ?? timeText(nowMs),
    startedAt: timeText(nowMs),
    ...(activatedTime !== null && { activatedTime }),
  }
  const reserve: Act = { do: 'reserve', activatedMs: activatedTime === null ? null : Date.parse(activatedTime) }
  const remember: Act[] = activatedTime === null ? [] : [{ do: 'remember', plan: far.plan, activatedTime }]
  // Reserved and remembered before the first step is begun: no other Run can then take the same, and no delivery goes unnoticed.
  return begin(near, far.plan, stepsOf(far.plan.plan)[0]!, 1, started, nowMs, [reserve, ...remember])
}

/** A Run that has begun a step. */
function atWork(near: Near, far: Far | null, nowMs: number): Decision | LookFurther {
  const { run, jobs, replacement } = near
  const { status } = run
  // After a restart of the operator: the Run is at work, so it reserves again what it has, and what it activates counts as activated.
  if (status.activatedTime !== undefined && !near.isCompiled) return { acts: [], result: again(200) }
  const reserve: Act = {
    do: 'reserve',
    activatedMs: status.activatedTime === undefined ? null : Date.parse(status.activatedTime),
  }
  if (far === null) return { look: 'pods' }
  const entry = status.steps?.at(-1)
  if (!far.plan || !entry)
    return finish(near, 'Failed', planGone(status.planDigest ?? '', run.definition.spec.target.name), nowMs, {}, [
      reserve,
    ])
  const job = jobs.find(({ name }) => name === entry.job)
  // A Job that has ended is not replaced before its result is stored: its work is not thrown away.
  if (replacement !== null && !(job?.end && entry.outcome === undefined))
    return replaced(near, entry, replacement, nowMs, [reserve])
  if (entry.outcome === 'Failed') return failedBefore(near, far.plan, entry, nowMs, [reserve])
  if (!job) return withoutJob(near, far.plan, entry, nowMs, [reserve])
  const ended = endOf(near, far, entry, job, nowMs)
  if (ended) return after([reserve], ended)
  if (job.end || job.deleting) return { acts: [reserve], result: done }
  return unended(near, far, entry, job, nowMs, [reserve])
}

function after(first: readonly Act[], decision: Decision): Decision {
  return { ...decision, acts: [...first, ...decision.acts] }
}

/** After a failed attempt: the next one in its time, unless a later Run does the work, or the Run's own time is over. */
function failedBefore(near: Near, plan: LoadedPlan, entry: StepStatus, nowMs: number, first: readonly Act[]): Decision {
  const { status } = near.run
  const { reason: said = 'Failed', message = '' } = entry
  const reason = isConditionReason(said) ? said : 'Failed'
  const later = laterOf(near)
  if (later)
    return finish(near, reason, `${message} ${later.name} is due and does its work too.`.trim(), nowMs, {}, first)
  const deadline = deadlineOf(near, nowMs)
  if (deadline?.isOver)
    return finish(
      near,
      reason,
      `${message} ${deadline.seconds} s have passed since its time (startingDeadlineSeconds).`.trim(),
      nowMs,
      {},
      first,
    )
  const leftMs = Date.parse(status.retryTime ?? '') - nowMs
  if (leftMs > 0) return { acts: first, result: again(leftMs) }
  // Only the export is held: what was exported before may arrive.
  if (near.hold !== null && entry.name === 'export')
    return after(first, saying(near, 'ActivationsHeld', near.hold, nowMs))
  return begin(near, plan, entry.name, (status.attempt ?? 1) + 1, {}, nowMs, first)
}

/** A step that was stored but has no Job: it could not be made yet, or somebody removed it. */
function withoutJob(near: Near, plan: LoadedPlan, entry: StepStatus, nowMs: number, first: readonly Act[]): Decision {
  const { run, jobSeconds } = near
  const condition = conditionOf(run.status.conditions, 'Succeeded')
  const isOver = nowMs - Date.parse(entry.startedAt ?? '') > jobSeconds * 1000
  if (condition?.reason === 'JobRefused' && isOver) {
    const fault: Fault = { reason: 'JobRefused', message: condition.message, retryable: true }
    return after(first, stepOver(near, plan, entry, null, null, fault, nowMs))
  }
  return {
    acts: [...first, { do: 'start', entry, status: run.status, plan, reprint: false, isSure: false }],
    result: again(patienceMs),
  }
}

/** What follows from the end of a step; null where it has not ended, or where it is not known yet how it ended. */
function endOf(
  near: Near,
  { plan, pods, reprint }: Far,
  entry: StepStatus,
  job: JobState,
  nowMs: number,
): Decision | null {
  const outcome = pods?.outcome ?? null
  if (!job.end) {
    // Another container keeps the Pod alive, but the step has reported: the Job can be ended.
    if (outcome?.kind === 'reported') return withJobEnded(stepOf(outcome), job)
    if ((pods?.evictions ?? 0) < mostEvictions) return null
    const fault: Fault = {
      reason: 'Evicted',
      message: `Its Pod was taken from its node ${pods!.evictions} times: ${pods!.evicted ?? ''} Requests in the podTemplate keep for a Pod what it needs.`,
      retryable: true,
    }
    return withJobEnded(stepOver(near, plan!, entry, null, null, fault, nowMs), job)
  }
  if (outcome === null) return null
  const isLogLost = outcome.kind === 'reported' && outcome.details === null && outcome.report.reportPath !== undefined
  // A drain may remove the Pod of a step that did all its work, and its report with it.
  const isReportLost = outcome.kind === 'silent' && job.end.kind === 'Complete'
  if (!isLogLost && !isReportLost) return stepOf(outcome)
  // The step stored its report before it ended: a second Job prints that again.
  const name = jobNameOf(near.run.name, entry.name, entry.attempt ?? 1, true)
  const reader = near.jobs.find((other) => other.name === name)
  if (!reader)
    return {
      acts: [{ do: 'start', entry, status: near.run.status, plan: plan!, reprint: true, isSure: false }],
      result: again(patienceMs),
    }
  if (!reader.end || reprint === null)
    return saying(
      near,
      'Running',
      `What ${entry.name} said is lost; its report is read from the store by ${name}.`,
      nowMs,
    )
  if (outcome.kind === 'silent') return stepOf(reprint)
  const read = reprint.kind === 'reported' ? reprint.details : null
  return stepOf({ ...outcome, details: read !== null && isWhole(outcome.report, read) ? read : null })

  function stepOf(said: Outcome): Decision {
    const report = said.kind === 'reported' ? said.report : null
    const details = said.kind === 'reported' ? said.details : null
    const isLost = steps[entry.name].settlesSegments && details === null
    return stepOver(near, plan!, entry, report, details, faultOfOutcome(near, said, job, isLost), nowMs)
  }
}

function withJobEnded(decision: Decision, job: JobState): Decision {
  return { ...decision, acts: [...decision.acts, { do: 'end', job, isPatient: false }] }
}

/** A Job that has not ended. One whose Pod does not work after a while says why; a plan or RunInput that was removed is made again. */
function unended(
  near: Near,
  { plan, pods }: Far,
  entry: StepStatus,
  job: JobState,
  nowMs: number,
  first: readonly Act[],
): Decision {
  if (job.isReady) return after(first, { ...saying(near, 'Running', runningMessage(entry), nowMs), result: done })
  if (job.isSuspended)
    return after(
      first,
      saying(
        near,
        'Queued',
        `${entry.name} waits in a queue: its Job is suspended until whoever did that lets it go on.`,
        nowMs,
      ),
    )
  const sinceMs = nowMs - Date.parse(entry.startedAt ?? '')
  if (sinceMs < patienceMs) return { acts: first, result: again(patienceMs - sinceMs) }
  const restore: Act = { do: 'restore', entry, plan: plan! }
  if (pods?.waiting == null) return { acts: [...first, restore], result: again(patienceMs) }
  const times =
    pods.evictions > 0
      ? ` It was taken from its node ${pods.evictions} ${pods.evictions === 1 ? 'time' : 'times'}.`
      : ''
  const told = saying(near, 'PodPending', `${entry.name} waits for its Pod: ${pods.waiting}${times}`, nowMs)
  return { acts: [...first, restore, ...told.acts], result: told.result }
}

/** Tells once that a Run cannot go on: in its own condition, and by an Event on its target. */
function saying(near: Near, reason: ConditionReason, message: string, nowMs: number): Decision {
  const { run } = near
  const before = conditionOf(run.status.conditions, 'Succeeded')
  const write: Act = { do: 'write', fields: succeededFields(run, 'Unknown', reason, message, momentOf(run, nowMs)) }
  const isNew = reason !== 'Running' && before?.reason !== reason
  const event: Act = {
    do: 'event',
    about: 'target',
    event: { type: 'Warning', reason, message: `${run.name}: ${message}` },
  }
  return { acts: [write, ...(isNew ? [event] : [])], result: again(patienceMs) }
}

/** An attempt has ended: stores how, and begins the next step or another attempt, or finishes the Run. */
function stepOver(
  near: Near,
  plan: LoadedPlan,
  entry: StepStatus,
  report: RunReport | null,
  details: readonly Detail[] | null,
  fault: Fault | null,
  nowMs: number,
): Decision {
  const { run, target } = near
  const retry = run.definition.spec.evaluation === 'Streaming' ? null : retryPolicy(target?.definition.spec.retry)
  const moment = momentOf(run, nowMs)
  const { known: whole, next } = stepEnded(recordOf(run), plan.plan, entry, { report, details, fault }, retry, moment)
  const known = { ...whole, ...(whole.segments && { segments: whole.segments.slice(0, mostSegments) }) }
  const line: LogLine = {
    level: fault ? 'warning' : 'info',
    message: fault ? `${entry.name} failed: ${fault.message}` : `${entry.name} ended`,
    namespace: run.namespace,
    run: run.name,
    step: entry.name,
    attempt: entry.attempt ?? 1,
    outcome: known.steps!.at(-1)!.outcome!,
  }
  const first: Act[] = [
    ...(details !== null && report ? [{ do: 'tellCounts', step: entry.name, details, report } as const] : []),
    { do: 'log', line },
  ]
  switch (next.kind) {
    case 'step':
      return begin(near, plan, next.step, run.status.attempt ?? 1, known, nowMs, first)
    case 'finish':
      return finish(near, next.reason, next.message, nowMs, known, first)
    case 'retry': {
      const fields = {
        ...known,
        retryTime: timeText(next.atMs),
        ...succeededFields(run, 'Unknown', 'Failed', next.message, moment),
      }
      const event: Act = {
        do: 'event',
        about: 'target',
        event: { type: 'Warning', reason: 'RunFailing', message: `${run.name}: ${next.message}` },
      }
      return { acts: [...first, { do: 'write', fields }, event], result: again(next.atMs - nowMs) }
    }
  }
}

function faultOfOutcome(near: Near, outcome: Outcome, job: JobState, isReportLost: boolean): Fault | null {
  if (outcome.kind === 'silent') {
    if (job.end?.reason !== 'DeadlineExceeded') return { ...outcome, retryable: true }
    // What the Pod waited for says more than that it waited.
    const waited = conditionOf(near.run.status.conditions, 'Succeeded')
    const why = waited?.reason === 'PodPending' || waited?.reason === 'Queued' ? waited.message : outcome.message
    return {
      reason: 'DeadlineExceeded',
      message: `The step took longer than ${near.jobSeconds} s. ${why}`,
      retryable: true,
    }
  }
  // The step is safe to repeat: then it tells again what it did.
  const lost: Fault = {
    reason: 'ReportLost',
    message: 'The step succeeded, but what it did per Segment is lost.',
    retryable: true,
  }
  return faultOfReport(outcome.report) ?? (isReportLost ? lost : null)
}

/** Begins a step, or another attempt of one. It is stored in the status before its Job is made, so that a cut-off pass finds it. */
function begin(
  near: Near,
  plan: LoadedPlan,
  step: RunReport['step'],
  attempt: number,
  known: Readonly<Record<string, unknown>>,
  nowMs: number,
  first: readonly Act[],
): Decision {
  const before = { ...recordOf(near.run), status: { ...near.run.status, ...known } as RunStatus }
  const fields = { ...known, retryTime: undefined, ...stepBegun(before, step, attempt, momentOf(near.run, nowMs)) }
  const { retryTime: _, ...status } = { ...before.status, ...fields }
  const entry = fields.steps!.at(-1)!
  return {
    acts: [...first, { do: 'write', fields }, { do: 'start', entry, status, plan, reprint: false, isSure: true }],
    result: again(patienceMs),
  }
}

/** Finishes a Run. Its target learns of it first (`settle`): a Run that counts as finished is never looked at again for its result. */
export function finish(
  near: Near,
  reason: ConditionReason,
  message: string,
  nowMs: number,
  known: Partial<RunStatus> = {},
  first: readonly Act[] = [],
): Decision {
  const { run, target } = near
  const succeeded = isSuccess(reason)
  const { startedAt } = run.status
  const event: Told =
    reason === 'Replaced'
      ? { type: 'Normal', reason: 'RunReplaced', message: `${run.name}: ${reason}: ${message}` }
      : reason === 'Succeeded'
        ? { type: 'Normal', reason: 'RunSucceeded', message: `${run.name} succeeded.` }
        : {
            type: 'Warning',
            reason: reason === 'Held' ? 'SegmentsHeld' : 'RunFailed',
            message: `${run.name}: ${reason}: ${message}`,
          }
  // Streaming Runs that succeeded are too many to tell of.
  const isTold = target !== null && (reason !== 'Succeeded' || run.definition.spec.evaluation !== 'Streaming')
  return {
    acts: [
      ...first,
      ...(startedAt === undefined ? [] : [{ do: 'settle', status: { ...run.status, ...known }, succeeded } as const]),
      {
        do: 'write',
        fields: { ...known, retryTime: undefined, ...finished(recordOf(run), reason, message, momentOf(run, nowMs)) },
      },
      { do: 'measure', reason, seconds: startedAt === undefined ? null : (nowMs - Date.parse(startedAt)) / 1000 },
      ...(isTold ? [{ do: 'event', about: 'target', event } as const] : []),
      {
        do: 'log',
        line: {
          level: succeeded ? 'info' : 'warning',
          message: `Run ended: ${reason}. ${message}`.trim(),
          namespace: run.namespace,
          run: run.name,
        },
      },
      { do: 'letGo' },
    ],
    result: done,
  }
}

/** Another Run takes this one's place. Its Jobs end first: two Runs of an Activation never deliver at the same time. */
function replaced(near: Near, entry: StepStatus, by: Run, nowMs: number, first: readonly Act[]): Decision {
  const { run, jobs } = near
  const left = jobs.filter(({ end }) => end === null)
  if (left.length > 0)
    return {
      acts: [
        ...first,
        ...left.filter(({ deleting }) => !deleting).map((job): Act => ({ do: 'end', job, isPatient: true })),
      ],
      result: done,
    }
  const ended: StepStatus = { ...entry, outcome: 'Failed', reason: 'Replaced' }
  const known = entry.outcome === undefined ? { steps: [...run.status.steps!.slice(0, -1), ended] } : {}
  return finish(near, 'Replaced', `${by.name} took its place (concurrencyPolicy: Replace).`, nowMs, known, first)
}

/** A Run that has ended: somebody may ask to try it again; its Jobs expire after a day. */
function afterwards(near: Near, far: Far | null, nowMs: number): Decision | LookFurther {
  const { run, jobs } = near
  const asked = requestOf(run)
  if (asked !== null) return againAsAsked(near, far, asked, nowMs)
  const acts = jobs.flatMap((job): Act[] =>
    job.deleting ? [] : !job.end ? [{ do: 'end', job, isPatient: false }] : job.hasTtl ? [] : [{ do: 'expire', job }],
  )
  return { acts: [{ do: 'letGo' }, ...acts], result: done }
}

/** The request for another attempt of a Run that has ended; null where there is none, or where it was answered. */
function requestOf({ definition, status }: Run): string | null {
  const asked = definition.metadata.annotations?.[annotations.requestedAt]?.slice(0, 128)
  return asked === undefined || asked === status.lastHandledRequestedAt ? null : asked
}

/** Another attempt of a failed Run, from the step that failed. */
function againAsAsked(near: Near, far: Far | null, asked: string, nowMs: number): Decision | LookFurther {
  const { run, laterBegun } = near
  const { kind, name } = run.definition.spec.target
  const refuse = (reason: string, message: string): Decision => ({
    acts: [
      { do: 'write', fields: { lastHandledRequestedAt: asked } },
      {
        do: 'event',
        about: 'run',
        event: { type: 'Warning', reason, message: `${run.name} is not tried again: ${message}` },
      },
    ],
    result: done,
  })
  const entry = run.status.steps?.at(-1)
  const failed = conditionOf(run.status.conditions, 'Succeeded')?.status === 'False' && entry?.outcome === 'Failed'
  if (!failed) return refuse('NothingToRetry', 'no step of it failed. Make a new Run instead.')
  // Delivering now would overwrite what later Runs delivered with an older day's files.
  if (laterBegun !== null)
    return refuse('Outdated', `${laterBegun} began after it. Run the ${kind} ${name} anew instead.`)
  if (far === null) return { look: 'plan' }
  if (!far.plan) return refuse('PlanGone', `its plan is not there any more. Run the ${kind} ${name} anew instead.`)
  if (near.hold !== null && entry.name === 'export') return { acts: [], result: again(lookAgainMs) }
  if (nowMs < near.floorMs) return { acts: [], result: again(near.floorMs - nowMs) }
  if (near.holder !== null) return { acts: [], result: again(lookAgainMs) }
  const fresh = {
    lastHandledRequestedAt: asked,
    finishedAt: undefined,
    ...(kind === 'Activation' && { activatedTime: timeText(nowMs) }),
  }
  const reserve: Act = { do: 'reserve', activatedMs: kind === 'Activation' ? nowMs : null }
  const remember: Act[] =
    kind === 'Activation' ? [{ do: 'remember', plan: far.plan, activatedTime: timeText(nowMs) }] : []
  return begin(near, far.plan, entry.name, (run.status.attempt ?? 1) + 1, fresh, nowMs, [reserve, ...remember])
}

/** A Run for a later slot of the same schedule, which does this Run's work too; null where there is none. */
function laterOf({ run, siblings }: Near): Run | null {
  if (!isScheduled(recordOf(run))) return null
  const timeOf = ({ definition }: Run): number => Date.parse(definition.spec.scheduledTime)
  const isLater = (other: Run): boolean =>
    isScheduled(recordOf(other)) && isSameEvaluation(other, run) && timeOf(other) > timeOf(run)
  return siblings.find(isLater) ?? null
}

/**
 * How long after its time an attempt of a scheduled Run may begin; null where no deadline is set. A Run after the evaluation has its time
 * when the evaluation succeeded, which is when the Run was made.
 */
function deadlineOf(
  { run, target }: Near,
  nowMs: number,
): { readonly seconds: number; readonly isOver: boolean } | null {
  if (target?.kind !== 'Activation' || !isScheduled(recordOf(run))) return null
  const { startingDeadlineSeconds: seconds, schedule } = (target as Resource<'Activation'>).definition.spec
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

/** The digest of the plan that a Run has or will get: its own, or its target's; undefined where there is none yet. */
export function digestOf({ run, target }: Pick<Near, 'run' | 'target'>): string | undefined {
  const { planDigest } = run.definition.spec
  return (
    run.status.planDigest ?? planDigest ?? (target?.status as { readonly planDigest?: string } | undefined)?.planDigest
  )
}

function planGone(digest: string, name: string): string {
  return `Its plan ${digest.slice(0, 19)}… is not there any more. Run ${name} again.`
}

function wait(near: Near, reason: ConditionReason, message: string, afterMs: number, nowMs: number): Decision {
  const fields = succeededFields(near.run, 'Unknown', reason, message, momentOf(near.run, nowMs))
  return { acts: [{ do: 'write', fields }], result: again(afterMs) }
}

/** Whether the Run waits for something that no other Run waits for. */
function isStuck({ status }: Run): boolean {
  const reason = conditionOf(status.conditions, 'Succeeded')?.reason
  return reason === 'MissingVolume' || reason === 'WaitingForDependency'
}

export function isBefore(a: Run, b: Run): boolean {
  const [left, right] = [a, b].map(({ definition }) => Date.parse(definition.spec.scheduledTime)) as [number, number]
  return left < right || (left === right && a.name < b.name)
}

function isSameEvaluation(a: Run, b: Run): boolean {
  return (a.definition.spec.evaluation ?? 'Batch') === (b.definition.spec.evaluation ?? 'Batch')
}

export function momentOf(run: Run, nowMs: number): Moment {
  return { nowMs, generation: run.generation }
}
