// Decides what to do for a target of Runs, from what is known of it. Pure: a table of cases tests it.
import { annotations, type ConditionReason, labels, withDefaults } from '#crds'
import {
  type Approval,
  approvalOf,
  type Claim,
  conditionOf,
  conditionsOf,
  digitsOf,
  evaluationsOf,
  hasSucceeded,
  isFinished,
  latestSlotOf,
  missedWords,
  scheduleText,
  slotsDue,
  timeFields,
  timeText,
} from '#protocol'
import { type Resource, recordOf } from '../definition.ts'
import type { Run } from '../run/known.ts'
import { type RunRequest, type Seen, type Skip, statusOf, type TargetStatus } from './known.ts'

const mostActive = 32
const mostHeld = 200
/** Timers count elapsed time; the wall clock is looked at again after so long. */
const longestSleepMs = 600_000

/** What is to be begun, or counted as missed, before anything else. */
export type Due = {
  readonly skip: Skip | null
  readonly requests: readonly RunRequest[]
  /** The value of the annotation that asks for a Run now; null: nobody asks, or it was answered. */
  readonly asked: string | null
  readonly approval: (Approval & { readonly isAnswered: boolean }) | null
}

export function dueOf(seen: Seen): Due {
  const { target, runs, scheduled, planDigest, nowMs } = seen
  const status = statusOf(target)
  const approval = approvalFor(seen)
  const requests: RunRequest[] = []
  for (const evaluation of evaluationsOf(target.kind)) {
    const entry = scheduled.find((each) => each.evaluation === evaluation)
    if (!entry) continue
    const agenda = agendaFor(seen, entry, nowMs)
    if (agenda.missed > 0 && evaluation !== 'Streaming') {
      const reason = 'MissedSlot'
      const skip = { count: agenda.missed, latestMs: agenda.missedMs!, reason, message: missedWords(agenda) }
      return { skip, requests, asked: null, approval }
    }
    if (agenda.due === null || planDigest === undefined) continue
    // A Run that is slow is not overtaken.
    const isBusy = requests.length > 0 || runs.some((run) => !isFinished(run))
    if (evaluation === 'Streaming' && isBusy) continue
    requests.push({ evaluation, slotMs: agenda.due.slotMs, trigger: agenda.due.trigger, planDigest, request: null })
  }
  const asked = target.definition.metadata.annotations?.[annotations.requestedAt]?.slice(0, 128)
  const isNew = asked !== undefined && asked !== status.lastHandledRequestedAt && planDigest !== undefined
  return { skip: null, requests, asked: isNew ? asked : null, approval }
}

function agendaFor(seen: Seen, { schedule, evaluation }: Seen['scheduled'][number], nowMs: number) {
  const { target, runs, store, floor } = seen
  const activation = target.kind === 'Activation' ? (target as Resource<'Activation'>) : null
  const spec = activation && withDefaults('Activation', activation.definition.spec, target.name)
  return slotsDue({
    memory: statusOf(target),
    runs: runs.map(recordOf),
    schedule,
    evaluation,
    nowMs,
    sinceMs: sinceOf(seen),
    // The next streaming evaluation covers a missed one.
    catchUp: evaluation === 'Streaming' ? 'None' : (spec?.catchUp ?? 'Latest'),
    startingDeadlineSeconds: activation?.definition.spec.startingDeadlineSeconds ?? null,
    store,
    floor,
  })
}

/** Slots before a change belong to the schedule before it; for a new resource its creation is the beginning. */
function scheduleChange({
  target,
  isSuspended,
  scheduled,
  nowMs,
}: Seen): Pick<TargetStatus, 'observedSchedule' | 'scheduleChangedTime'> {
  const { observedSchedule: before, scheduleChangedTime } = statusOf(target)
  const observedSchedule = isSuspended ? 'suspended' : (scheduleText(scheduled) ?? before)
  const hasChanged = before === undefined ? isEdited(target) : before !== observedSchedule
  const changed = hasChanged ? timeText(nowMs) : scheduleChangedTime
  return {
    ...(observedSchedule !== undefined && { observedSchedule }),
    ...(changed !== undefined && { scheduleChangedTime: changed }),
  }
}

function sinceOf(seen: Seen): number {
  const { creationTimestamp = '' } = seen.target.definition.metadata
  return Date.parse(scheduleChange(seen).scheduleChangedTime ?? creationTimestamp)
}

/** Whether the resource was edited since the latest pass over it. */
function isEdited({ status, generation }: Seen['target']): boolean {
  const { observedGeneration = -1 } = status
  return observedGeneration > 0 && observedGeneration !== generation
}

/** The approval that the annotation gives; null: none, or a Run bears it, which answers it. */
function approvalFor({ target, runs }: Seen): Due['approval'] {
  const approval = approvalOf(
    target.definition.metadata.annotations?.[annotations.approve],
    statusOf(target).lastHandledApprove,
  )
  if (!approval) return null
  const label = digitsOf(approval.text)
  return { ...approval, isAnswered: runs.some((run) => run.definition.metadata.labels?.[labels.approval] === label) }
}

/** What is left to do when nothing is to be begun. */
export type Rest = {
  /** Finished Runs beyond the history limits. */
  readonly over: readonly Run[]
  /** Plans that are still needed; null: the others were removed before. */
  readonly digests: ReadonlySet<string> | null
  readonly fields: Readonly<Record<string, unknown>>
  /** When something is due next. */
  readonly wakeMs: number
}

export function restOf(seen: Seen, { asked, approval }: Pick<Due, 'asked' | 'approval'>): Rest {
  const { target, view, runs, scheduled, planDigest, nowMs, isSuspended } = seen
  const status = statusOf(target)
  let wakeMs = nowMs + longestSleepMs
  const fields: Record<string, unknown> = { planDigest, ...scheduleChange(seen) }
  for (const evaluation of evaluationsOf(target.kind)) {
    const { last, next } = timeFields[evaluation ?? 'none']
    const entry = scheduled.find((each) => each.evaluation === evaluation)
    const nextMs = entry ? agendaFor(seen, entry, nowMs).nextMs : null
    if (entry) fields[last] = latestSlotOf(evaluation, status, runs.map(recordOf))
    fields[next] = nextMs === null ? undefined : timeText(nextMs)
    if (nextMs !== null) wakeMs = Math.min(wakeMs, nextMs)
  }
  const latest = latestFinished(runs)
  const active = runs.flatMap((run) => (isFinished(run) ? [] : [run.name])).sort()
  return {
    ...forgettable(seen),
    fields: {
      ...view.fields,
      ...fields,
      ...(asked !== null && { lastHandledRequestedAt: asked }),
      ...(approval?.isAnswered && { lastHandledApprove: approval.text }),
      activeRuns: active.slice(0, mostActive),
      ...(target.kind === 'Activation' && { held: heldOf(seen, latest) }),
      observedGeneration: target.generation,
      conditions: conditionsOf(status.conditions, claimsOf(seen, latest, isSuspended), target.generation, nowMs),
    },
    wakeMs,
  }
}

/** Runs beyond the history limits, and the plans that the others refer to. */
function forgettable({ target, runs, planDigest }: Seen): Pick<Rest, 'over' | 'digests'> {
  const { historyLimits } = target.definition.spec
  const limits = { successful: 3, failed: 3, ...historyLimits }
  const isOver = (run: Run): boolean =>
    isFinished(run) && run.definition.metadata.deletionTimestamp === undefined && isRecorded(target, run)
  const groups = Map.groupBy(
    runs.filter(isOver),
    (run) => `${run.definition.spec.evaluation ?? ''} ${hasSucceeded(run)}`,
  )
  const over = [...groups.values()].flatMap((group) =>
    [...group].sort(newestFirst).slice(hasSucceeded(group[0]!) ? limits.successful : limits.failed),
  )
  const before = statusOf(target).planDigest
  if (over.length === 0 && (before === undefined || before === planDigest)) return { over, digests: null }
  const left = runs.filter((run) => !over.includes(run))
  const digests = [
    planDigest,
    before,
    ...left.flatMap(({ definition, status }) => [definition.spec.planDigest, status.planDigest]),
  ]
  return { over, digests: new Set(digests.filter((digest) => digest !== undefined)) }
}

/** Whether the target's status records that the Run's slot was run: then nothing is lost with the Run. */
function isRecorded(target: Seen['target'], { definition: { spec } }: Run): boolean {
  if (spec.trigger === 'Manual') return true
  const last = statusOf(target)[timeFields[spec.evaluation ?? 'none'].last]
  return last !== undefined && Date.parse(last) >= Date.parse(spec.scheduledTime)
}

/** Newest first, by when Runs ended: a Run by hand may be for a time long ago, and is looked at now. */
function newestFirst(a: Run, b: Run): number {
  const order = ({ status, definition }: Run): string => `${status.finishedAt} ${definition.spec.scheduledTime}`
  return order(a) > order(b) ? -1 : 1
}

/** The Run that finished last, streaming Runs left out; null before the first. */
function latestFinished(runs: readonly Run[]): Run | null {
  const finished = runs.filter((run) => isFinished(run) && run.definition.spec.evaluation !== 'Streaming')
  const told = finished.filter(
    ({ status }) => !['Replaced', 'TargetGone'].includes(conditionOf(status.conditions, 'Succeeded')!.reason),
  )
  return [...told].sort(newestFirst)[0] ?? null
}

/** Reasons of a Run that cannot go on, for which its target is not ready. */
export const stuckReasons = [
  'PodPending',
  'JobRefused',
  'Queued',
  'RunFailing',
  'MissingVolume',
  'ActivationsHeld',
] as const satisfies readonly ConditionReason[]

function claimsOf({ view, runs, departing }: Seen, latest: Run | null, isSuspended: boolean): readonly Claim[] {
  const claims: readonly Claim[] =
    departing === null
      ? view.claims
      : [
          { type: 'Ready', status: 'True', reason: 'Ready', message: departing },
          ...view.claims.filter(({ type }) => type === 'GuardrailsPassed'),
        ]
  const stuck = runs
    .filter((run) => !isFinished(run))
    .flatMap((run) => {
      const { reason = '', message = '' } = conditionOf(run.status.conditions, 'Succeeded') ?? {}
      // `Failed`, on a Run that is at work, is of its latest attempt.
      const why = stuckReasons.find((each) => each === (reason === 'Failed' ? 'RunFailing' : reason))
      return why === undefined ? [] : [{ reason: why, message: `${run.name}: ${message}` }]
    })[0]
  return claims.map((claim): Claim => {
    if (claim.type !== 'Ready' || claim.status !== 'True') return claim
    if (stuck) return { ...claim, status: 'False', ...stuck }
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
function heldOf({ target, held: byCompiler, nowMs }: Seen, latest: Run | null): readonly object[] {
  const before = (target as Resource<'Activation'>).status.held ?? []
  const names = new Set(byCompiler.map(({ segment }) => segment))
  const sinceOf = (segment: string, reason: string): string =>
    before.find((entry) => entry.segment === segment && entry.reason === reason)?.since ?? timeText(nowMs)
  const runsOf = (segment: string, run: string): number => {
    const known = before.find((entry) => entry.segment === segment && entry.reason === 'CircuitBreaker')
    return known ? (known.runs ?? 1) + (known.run === run ? 0 : 1) : 1
  }
  const byBreaker = latest?.status.segments
    ? latest.status.segments.flatMap(({ segment, held, hold }) =>
        held === undefined
          ? []
          : [
              {
                segment,
                reason: 'CircuitBreaker',
                message: held,
                run: latest.name,
                since: sinceOf(segment, 'CircuitBreaker'),
                runs: runsOf(segment, latest.name),
                ...hold,
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
    .slice(0, mostHeld)
}
