// How a Run goes through its steps: what its status says when a step begins and when it ends, and what comes next.
import {
  type ConditionReason,
  type Detail,
  isConditionReason,
  type JobPlan,
  type RunReport,
  type RunStatus,
  type Step,
  shortened,
  stepsOf,
} from '#crds'
import { conditionsOf, timeText } from './conditions.ts'
import { deliveriesAfter, withoutDoubt } from './deliveries.ts'
import type { RunRecord, StepStatus } from './record.ts'
import { type RetryPolicy, retryDelayMs } from './retry.ts'

/** Why a step failed. `reason`: that of a JobError, or what became of the Pod. */
export type Fault = { readonly reason: ConditionReason; readonly message: string; readonly retryable: boolean }

/** How one attempt of a step ended. */
export type StepEnd = {
  /** null where the attempt ended without a report. */
  readonly report: RunReport | null
  /** null where the details are lost. */
  readonly details: readonly Detail[] | null
  /** null where the step did its work. */
  readonly fault: Fault | null
}

export type Next =
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'retry'; readonly atMs: number; readonly message: string }
  | { readonly kind: 'finish'; readonly reason: ConditionReason; readonly message: string }

/** The instant of a change to a Run, and the generation that the Run's conditions are of. */
export type Moment = { readonly nowMs: number; readonly generation: number }

const longestMessage = 4096
/** How many totals of a step a status holds. */
const mostTotals = 64

/** The name of a step's attempt; in a cluster, the name of its Job. The same arguments give the same name. */
export function jobNameOf(run: string, step: Step, attempt: number, reprint = false): string {
  return shortened([run, step, ...(attempt > 1 ? [attempt] : []), ...(reprint ? ['report'] : [])].join('-'))
}

/** Status fields of a Run when an attempt of a step begins. They are stored before the attempt is begun. */
export function stepBegun(run: RunRecord, step: Step, attempt: number, moment: Moment): Partial<RunStatus> {
  const before = run.status.steps?.find(({ name }) => name === step)
  const silentAttempts = (before?.silentAttempts ?? 0) + (before && before.reportDigest === undefined ? 1 : 0)
  const entry: StepStatus = {
    name: step,
    job: jobNameOf(run.name, step, attempt),
    attempt,
    ...(silentAttempts > 0 && { silentAttempts }),
    startedAt: timeText(moment.nowMs),
  }
  return {
    attempt,
    step,
    steps: stepsWith(run, entry),
    ...(run.status.segments && { segments: withoutDoubt(run.status.segments) }),
    ...succeededFields(run, 'Unknown', 'Running', runningMessage(entry), moment),
  }
}

/** Status fields of a Run when an attempt of a step has ended, and what comes next. `retry: null`: there is no further attempt. */
export function stepEnded(
  run: RunRecord,
  plan: JobPlan,
  entry: StepStatus,
  { report, details, fault }: StepEnd,
  retry: RetryPolicy | null,
  moment: Moment,
): { readonly known: Partial<RunStatus>; readonly next: Next } {
  const ended: StepStatus = {
    ...entry,
    outcome: fault ? 'Failed' : report!.outcome, // no fault without a report
    ...(report && {
      startedAt: timeText(Date.parse(report.startedAt)),
      finishedAt: timeText(Date.parse(report.finishedAt)),
      totals: totalsOf(report),
      ...(report.reportDigest !== undefined && { reportDigest: report.reportDigest }),
      ...(report.reportPath !== undefined && { reportPath: report.reportPath }),
    }),
    ...(!report && { finishedAt: timeText(moment.nowMs) }),
    ...(fault && { reason: fault.reason, message: fault.message.slice(0, longestMessage) }),
  }
  const segments = deliveriesAfter(run.status.segments ?? [], entry.name, plan, details, fault === null)
  const known = { steps: stepsWith(run, ended), ...(segments && { segments }) }
  return { known, next: fault ? nextAfter(fault, run, entry, retry, moment) : following(run, plan, entry, known) }
}

function nextAfter(
  fault: Fault,
  run: RunRecord,
  { name }: StepStatus,
  retry: RetryPolicy | null,
  { nowMs }: Moment,
): Next {
  const attempt = run.status.attempt ?? 1
  const delayMs = retry === null || !fault.retryable ? null : retryDelayMs(retry, attempt)
  if (delayMs === null) return { kind: 'finish', reason: fault.reason, message: fault.message }
  const atMs = nowMs + delayMs
  return {
    kind: 'retry',
    atMs,
    message: `Attempt ${attempt} of ${name} failed (${fault.reason}): ${fault.message} Tried again at ${timeText(atMs)}.`,
  }
}

function following(run: RunRecord, plan: JobPlan, { name }: StepStatus, known: Partial<RunStatus>): Next {
  const steps = stepsOf(plan)
  const step = steps[steps.indexOf(name) + 1]
  if (step) return { kind: 'step', step }
  const held = (known.segments ?? run.status.segments ?? []).filter((segment) => segment.held !== undefined)
  return held.length > 0
    ? {
        kind: 'finish',
        reason: 'Held',
        message: `All was delivered but ${held.map(({ segment }) => segment).join(', ')}: ${held[0]!.held}`,
      }
    : { kind: 'finish', reason: 'Succeeded', message: '' }
}

/** Whether a Run that finishes for this reason has done its work. */
export function isSuccess(reason: ConditionReason): boolean {
  return reason === 'Succeeded' || reason === 'Held'
}

/** Status fields of a Run that is finished: the last write to its status. */
export function finished(run: RunRecord, reason: ConditionReason, message: string, moment: Moment): Partial<RunStatus> {
  return {
    finishedAt: timeText(moment.nowMs),
    ...succeededFields(run, isSuccess(reason) ? 'True' : 'False', reason, message, moment),
  }
}

/** The one condition of a Run. */
export function succeededFields(
  { status }: Pick<RunRecord, 'status'>,
  claim: 'True' | 'False' | 'Unknown',
  reason: ConditionReason,
  message: string,
  { nowMs, generation }: Moment,
): Pick<RunStatus, 'conditions' | 'observedGeneration'> {
  const claims = [{ type: 'Succeeded', status: claim, reason, message }] as const
  return { observedGeneration: generation, conditions: conditionsOf(status.conditions, claims, generation, nowMs) }
}

export function runningMessage({ name, attempt = 1 }: StepStatus): string {
  return `${name} is running${attempt > 1 ? `, attempt ${attempt}` : ''}.`
}

/** The Run's steps with this entry in place, which is the last step. */
export function stepsWith({ status }: Pick<RunRecord, 'status'>, entry: StepStatus): StepStatus[] {
  return [...(status.steps ?? []).filter(({ name }) => name !== entry.name), entry]
}

/** What a report says went wrong; null where the step did its work. */
export function faultOfReport({ outcome, error }: RunReport): Fault | null {
  // A Job of another version may give a reason that this version does not know.
  if (error && !isConditionReason(error.reason))
    return { ...error, reason: 'Failed', message: `${error.reason}: ${error.message}` }
  if (error) return { ...error, reason: error.reason as ConditionReason }
  return outcome === 'Failed'
    ? { reason: 'Failed', message: 'The step failed and does not say why.', retryable: true }
    : null
}

/** Totals that are whole numbers, at most as many as a status holds. */
function totalsOf({ totals }: RunReport): NonNullable<StepStatus['totals']> {
  const whole = Object.entries(totals).flatMap(([name, count]) =>
    Number.isFinite(count) ? [[name, Math.round(count)] as const] : [],
  )
  return Object.fromEntries(whole.slice(0, mostTotals))
}
