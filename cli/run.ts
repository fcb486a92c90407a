// `convoke run`: everything that is due at an instant, in one process, by the same rules as in a cluster.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Compilation, type Schedule, schedulesOf } from '#compiler'
import { annotations, type ConditionReason, type JobPlan, type RunReport, runNameOf, stepsOf } from '#crds'
import { commitJson, runStep, steps, storedReport } from '#jobs'
import {
  type Agenda,
  type Approval,
  activationAfter,
  adHocRefusal,
  approvalOf,
  conditionOf,
  departedOf,
  type Evaluation,
  evaluationsOf,
  expectationsIn,
  faultOfReport,
  finished,
  hasSucceeded,
  holdOf,
  isFinished,
  isSuccess,
  type Moment,
  missedWords,
  planWithoutSegments,
  type RunRecord,
  runInputOf,
  type SegmentFacts,
  scheduleText,
  slotsDue,
  sourceAfter,
  stepBegun,
  stepEnded,
  storeAfter,
  timeFields,
  timeText,
  unfinishedWork,
  withExpectations,
} from '#protocol'
import type { CampaignDatabases } from './campaign-databases.ts'
import type { Io } from './command.ts'
import { rfc3339 } from './instants.ts'
import { type Places, portsFor } from './ports.ts'
import type { ProgressLine } from './progress.ts'
import {
  baselinesAtBegin,
  deadlineOf,
  hasDelivered,
  intervalMsOf,
  isSuspended,
  keyOf,
  msOf,
  placesOf,
  runKey,
  runsOf,
  segmentOf,
  type Target,
  targetsOf,
  withinLimits,
  withoutRun,
} from './run-targets.ts'
import { stepLine } from './step-line.ts'
import type { TargetKey, TargetState, WorkDirectory } from './work-directory.ts'

export type RunOutcome = {
  readonly run: string
  readonly target: JobPlan['target']
  readonly evaluation: Evaluation
  readonly scheduledTime: string
  readonly trigger: RunRecord['spec']['trigger']
  readonly attempt: number
  /** What each step of the Run reported last; a step that an earlier attempt completed is not repeated. */
  readonly steps: readonly RunReport[]
  readonly outcome: 'Succeeded' | 'Held' | 'Failed'
  /** Reason of the Run's condition `Succeeded`, and its message, which is empty where there is nothing to add. */
  readonly reason: string
  readonly message: string
  readonly seconds: number
}

/** A target whose slot is due and not run now, or that has slots which were never run. `message` is for people. */
export type Notice = { readonly kind: 'waiting' | 'missed'; readonly target: TargetKey; readonly message: string }

export type Done = { readonly runs: readonly RunOutcome[]; readonly notices: readonly Notice[] }

/** Nobody edits resources while they are run here, so conditions are always of the one generation. */
const generation = 1

/** The steps as this machine runs them; a test gives its own. */
export type Steps = typeof steps

/**
 * Runs everything that is due at an instant, in one process: each CampaignSource's extract, each ProfileStore's ingest and evaluate, then
 * each Activation's export and import. A Run that fails stays due, and the others go on. A Run that was cut off is taken up again.
 */
export async function runDue(
  compilation: Compilation,
  at: Date,
  work: WorkDirectory,
  places: Places,
  databases: CampaignDatabases,
  io: Io,
  line: ProgressLine,
  does: Steps = steps,
): Promise<Done> {
  const moment: Moment = { nowMs: at.getTime(), generation }
  const outcomes: RunOutcome[] = []
  const notices: Notice[] = []
  /** Names of the Runs that were made in this call. */
  const ofNow = new Set<string>()
  using ports = portsFor(
    { ...places, databases: databases.urls, scratchParent: join(work.path, 'scratch') },
    io,
    line.show,
  )
  try {
    // Logs come first: the next ingest takes them in, the evaluation after it sees them, and deliveries see that.
    for (const kind of ['CampaignSource', 'ProfileStore', 'Activation'] as const)
      for (const target of targetsOf(compilation, kind)) await runTarget(withDeparture(target))
  } finally {
    line.clear()
  }
  work.update((state) => ({ ...state, lookedAt: rfc3339(at) }))
  return { runs: outcomes, notices }

  async function runTarget(target: Target): Promise<void> {
    noteSchedule(target)
    for (const evaluation of evaluationsOf(target.resource.kind)) {
      if (io.signal.aborted) return
      const run = dueRun(target, evaluation) ?? (evaluation === 'Streaming' ? null : requestedRun(target))
      if (run) await advance(target, run)
    }
  }

  /**
   * The target; where an Activation's last Segments were deleted with `deletionPolicy: ExportExits`, with the plan to say that all
   * members leave.
   */
  function withDeparture(target: Target): Target {
    const { key, resource } = target
    if (target.plan !== null || resource.kind !== 'Activation') return target
    const before = runsOf(work.state(), key)
      .flatMap((run) => planOf(run) ?? [])
      .at(-1)
    const isThere = (segment: string): boolean => segmentOf(compilation, resource.namespace, segment) !== null
    if (!before || departedOf(memoryOf(key).baselines ?? [], before, isThere).length === 0) return target
    const store = before.store?.name ?? null
    const evaluations = schedulesOf(compilation.model).filter(
      (each) => keyOf(each.resource) === `ProfileStore/${resource.namespace}/${store}` && each.evaluation === 'Batch',
    )
    const after = evaluations.flatMap(({ schedule }) =>
      schedule.kind === 'cron'
        ? [{ schedule: { kind: 'after', evaluation: schedule } as const, evaluation: null }]
        : [],
    )
    const scheduled = resource.spec.schedule.after === undefined ? target.scheduled : after
    return { ...target, plan: planWithoutSegments(before), scheduled, store }
  }

  /** Stores since when the target has its present schedule. */
  function noteSchedule({ key, scheduled, resource }: Target): void {
    const { observedSchedule: before, scheduleChangedTime } = memoryOf(key)
    const observedSchedule = isSuspended(resource) ? 'suspended' : (scheduleText(scheduled) ?? before)
    const hasChanged = before !== undefined && before !== observedSchedule
    // The schedule changed between two looks, nobody knows when: what came due after the first look belongs to the present schedule.
    const { lookedAt } = work.state()
    const nextLook = lookedAt === null ? undefined : timeText(Date.parse(lookedAt) + 1000)
    const changed = hasChanged ? nextLook : scheduleChangedTime
    remember(key, {
      ...(observedSchedule !== undefined && { observedSchedule }),
      ...(changed !== undefined && { scheduleChangedTime: changed }),
    })
  }

  /** The Run of the slot that is due, or the unfinished Run of the newest slot; null where nothing is left to do. */
  function dueRun(target: Target, evaluation: Evaluation): RunRecord | null {
    const { key, plan, resource } = target
    const entry = isSuspended(resource) ? undefined : target.scheduled.find((each) => each.evaluation === evaluation)
    const own = runsOf(work.state(), key)
    const left = unfinishedWork(own, evaluation)
    if (!entry || !plan || (evaluation === 'Streaming' && !plan.evaluate?.streaming))
      return left && plan && !isFinished(left) ? left : null
    const { waitsFor } = memoryOf(key)
    const agendaBy = (catchUp: 'None' | 'Latest') =>
      slotsDue({
        memory: memoryOf(key),
        runs: own,
        schedule: entry.schedule,
        evaluation,
        nowMs: moment.nowMs,
        sinceMs: msOf(memoryOf(key).scheduleChangedTime),
        catchUp,
        startingDeadlineSeconds: deadlineOf(resource),
        store: storeMemory(target, entry.schedule),
        floor: ownFloor(target),
      })
    // Nobody is there at each slot of a streaming evaluation: the latest one does the work of those before it.
    const latest = agendaBy('Latest')
    const isWaitedFor = latest.due !== null && timeText(latest.due.slotMs) === waitsFor
    const isStrict = resource.kind === 'Activation' && resource.spec.catchUp === 'None' && !isWaitedFor
    const agenda = isStrict ? agendaBy('None') : latest
    const run = agenda.due === null ? null : begunInstead(target, evaluation, agenda.due, left)
    if (agenda.missed > 0 && evaluation !== 'Streaming') {
      const { missedSlots = 0 } = memoryOf(key)
      remember(key, { missedSlots: missedSlots + agenda.missed, lastMissedTime: timeText(agenda.missedMs!) })
      notices.push({ kind: 'missed', target: key, message: missedWords({ ...agenda, due: run && agenda.due }) })
    }
    if (agenda.due === null) return left === null ? null : takenUp(target, evaluation, left)
    if (run === null) remember(key, { waitsFor: timeText(agenda.due.slotMs) })
    return run
  }

  function begunInstead(
    target: Target,
    evaluation: Evaluation,
    { slotMs, trigger }: NonNullable<Agenda['due']>,
    left: RunRecord | null,
  ): RunRecord | null {
    if (left && !isFinished(left)) giveUp(target, left, 'A later slot is due, which does its work too.')
    return begun(target, { evaluation, slotMs, trigger, request: null })
  }

  /** What failed or was cut off: another attempt of the same Run or, where the plan has changed, a new Run of its slot. */
  function takenUp(target: Target, evaluation: Evaluation, left: RunRecord): RunRecord | null {
    const slotMs = Date.parse(left.spec.scheduledTime)
    const deadline = deadlineOf(target.resource)
    const isOver = deadline !== null && moment.nowMs > slotMs + deadline * 1000
    if (isOver) {
      if (!isFinished(left)) giveUp(target, left, `${deadline} s have passed since its time (startingDeadlineSeconds).`)
      return null
    }
    const hold = left.status.steps?.at(-1)?.name === 'export' ? holdFor(target) : null
    if (hold !== null) return waiting(target, hold)
    if (left.status.planDigest === target.plan!.digest) return left
    if (!isFinished(left)) giveUp(target, left, 'The resources have changed since.')
    return begun(target, { evaluation, slotMs, trigger: 'CatchUp', request: target.plan!.digest })
  }

  /** The Run that somebody asked for by annotation or `convoke approve`; null where nobody did, or where it was made already. */
  function requestedRun(target: Target): RunRecord | null {
    const requestedAt = annotation(target, 'requestedAt')?.slice(0, 128)
    if (requestedAt === undefined || requestedAt === memoryOf(target.key).lastHandledRequestedAt || !target.plan)
      return null
    const evaluation = target.resource.kind === 'ProfileStore' ? 'Batch' : null
    const refusal =
      annotation(target, 'approve') === undefined
        ? adHocRefusal(target.resource.name, target.plan.export?.segments.length ?? 0)
        : null
    if (refusal !== null) {
      remember(target.key, { lastHandledRequestedAt: requestedAt })
      return waiting(target, refusal)
    }
    const slotMs = Math.floor(moment.nowMs / 1000) * 1000
    const run = begun(target, { evaluation, slotMs, trigger: 'Manual', request: requestedAt })
    if (run) remember(target.key, { lastHandledRequestedAt: requestedAt })
    return run
  }

  type Asked = {
    readonly evaluation: Evaluation
    readonly slotMs: number
    readonly trigger: RunRecord['spec']['trigger']
    readonly request: string | null
  }

  /** A Run as it begins, already written down; null where it has to wait. */
  function begun(target: Target, { evaluation, slotMs, trigger, request }: Asked): RunRecord | null {
    const { key, resource } = target
    const plan = target.plan!
    const { kind, name } = resource
    const runName = runNameOf({ kind, name, evaluation, slot: new Date(slotMs), request })
    const known = work.state().runs[`${resource.namespace}/${runName}`]
    if (known && !hasSucceeded(known)) return known
    const hold = holdFor(target)
    if (hold !== null) return waiting(target, hold)
    const floorMs = floorMsOf(target, runName)
    if (moment.nowMs < floorMs)
      return waiting(
        target,
        `Waits until ${timeText(floorMs)}: no Segment is activated to a Campaign instance more often than limits.minActivationInterval says (activation-too-frequent).`,
      )
    const approval: Approval | null = approvalOf(annotation(target, 'approve'), memoryOf(key).lastHandledApprove)
    const spec: RunRecord['spec'] = {
      target: { kind, name },
      scheduledTime: timeText(slotMs),
      trigger,
      planDigest: plan.digest,
      ...(evaluation && { evaluation }),
      ...(kind === 'Activation' && approval && { approved: [...approval.segments] }),
    }
    const isOnTime = trigger !== 'Manual' && moment.nowMs >= slotMs && moment.nowMs - slotMs <= 60_000
    const activatedTime = isOnTime ? timeText(slotMs) : timeText(moment.nowMs)
    const made: RunRecord = { name: runName, spec, status: {} }
    const status = {
      planDigest: plan.digest,
      now: rfc3339(at),
      startedAt: timeText(moment.nowMs),
      ...(kind === 'Activation' && { activatedTime }),
      ...stepBegun(made, stepsOf(plan)[0]!, 1, moment),
    }
    const run = { ...made, status }
    ofNow.add(runName)
    keepPlan(runName, plan)
    work.update((state) => {
      const slot = { [timeFields[evaluation ?? 'none'].last]: timeText(slotMs) }
      const { waitsFor: _, ...own } = state.targets[key] ?? {}
      const memory = {
        ...own,
        ...(trigger !== 'Manual' && slot),
        ...(approval && { lastHandledApprove: approval.text }),
        ...(kind === 'Activation' && { begun: { run: runName, baselines: state.targets[key]?.baselines ?? [] } }),
      }
      return {
        ...state,
        targets: { ...state.targets, [key]: memory },
        runs: { ...state.runs, [runKey(resource, run)]: run },
        activated: {
          ...state.activated,
          ...Object.fromEntries(placesOf(target).map((place) => [place, { run: runName, time: activatedTime }])),
        },
      }
    })
    return run
  }

  /** Notes that the target waits; its slot stays due. */
  function waiting({ key }: Target, message: string): null {
    notices.push({ kind: 'waiting', target: key, message })
    return null
  }

  /** Why nothing of the Activation's store may be delivered; null: deliveries go on. */
  function holdFor({ resource, store, plan }: Target): string | null {
    // Exits of deleted Segments are delivered whatever the state of the data.
    if (resource.kind !== 'Activation' || store === null || plan?.export?.segments.length === 0) return null
    return holdOf(store, memoryOf(`ProfileStore/${resource.namespace}/${store}`).conditions)
  }

  /** Runs the remaining steps, from the present one to the end. */
  async function advance(target: Target, from: RunRecord): Promise<void> {
    const { resource } = target
    const startedMs = io.now().getTime()
    let run = from
    // A Run that is neither finished nor made in this call was cut off within a step, which is repeated.
    if (isFinished(run) || !ofNow.has(run.name)) {
      const { finishedAt: _, ...status } = run.status
      const attempt = (status.attempt ?? 1) + (isFinished(run) ? 1 : 0)
      run = { ...run, status: { ...status, ...stepBegun(run, status.steps!.at(-1)!.name, attempt, moment) } }
      keep(target, run)
    }
    const plan = planOf(run) ?? target.plan!
    const reports = new Map<string, RunReport>()
    for (;;) {
      const entry = run.status.steps!.at(-1)!
      const report = await step(target, run, plan, entry.name, entry.attempt ?? 1)
      reports.set(entry.name, report)
      const end = { report, details: report.details ?? [], fault: faultOfReport(report) }
      const expectations = entry.name === 'ingest' ? expectationsIn(report, end.details) : null
      if (expectations) {
        const conditions = withExpectations(memoryOf(target.key).conditions, expectations, generation, moment.nowMs)
        remember(target.key, { conditions })
      }
      const { known, next } = stepEnded(run, plan, entry, end, null, moment)
      const after: RunRecord = { ...run, status: { ...run.status, ...known } }
      if (next.kind === 'step') {
        const { attempt = 1 } = after.status
        run = { ...after, status: { ...after.status, ...stepBegun(after, next.step, attempt, moment) } }
        keep(target, run)
        continue
      }
      // Nobody waits here for another attempt: the next call makes it.
      const { reason, message } = next.kind === 'finish' ? next : end.fault!
      run = settled(target, after, plan, reason, message)
      break
    }
    const { reason, message } = conditionOf(run.status.conditions, 'Succeeded')!
    outcomes.push({
      run: run.name,
      target: plan.target,
      evaluation: run.spec.evaluation ?? null,
      scheduledTime: run.spec.scheduledTime,
      trigger: run.spec.trigger,
      attempt: run.status.attempt ?? 1,
      steps: (run.status.steps ?? []).flatMap(({ name, attempt = 1 }) => reports.get(name) ?? before(name, attempt)),
      outcome: reason === 'Succeeded' || reason === 'Held' ? reason : 'Failed',
      reason,
      message,
      seconds: (io.now().getTime() - startedMs) / 1000,
    })

    function before(name: RunReport['step'], attempt: number): RunReport[] {
      try {
        return [storedReport(name, { plan, input: inputOf(resource, run, plan, attempt), ports })]
      } catch {
        // An earlier call did this step, and said so.
        return []
      }
    }
  }

  async function step(
    target: Target,
    run: RunRecord,
    plan: JobPlan,
    name: RunReport['step'],
    attempt: number,
  ): Promise<RunReport> {
    const startedMs = io.now().getTime()
    const input = inputOf(target.resource, run, plan, attempt)
    // A job's input is kept beside the work, for people who want to repeat one step by hand.
    writeFileSync(join(folderOf(run.name), 'run.json'), `${JSON.stringify(input, null, 2)}\n`)
    const context = { plan, input, ports }
    const needsDatabase = name === 'import' || name === 'extract'
    const report = await (needsDatabase ? databases.open([plan]) : Promise.resolve()).then(
      () => does[name](context),
      (error: unknown) => runStep(name, context, () => Promise.reject(error)),
    )
    line.say(
      stepLine({
        ...report,
        target: plan.target.name,
        seconds: (io.now().getTime() - startedMs) / 1000,
        error: report.error?.message ?? null,
      }),
    )
    return report
  }

  function inputOf(resource: Target['resource'], run: RunRecord, plan: JobPlan, attempt: number) {
    if (!plan.export) return runInputOf(run, attempt, null)
    const baselines = baselinesAtBegin(memoryOf(keyOf(resource)), run)
    const isThere = (segment: string): boolean => segmentOf(compilation, resource.namespace, segment) !== null
    return runInputOf(run, attempt, { baselines, departed: departedOf(baselines, plan, isThere) })
  }

  function giveUp(target: Target, run: RunRecord, message: string): void {
    const plan = planOf(run)
    if (plan) settled(target, run, plan, 'Replaced', message)
  }

  /** Writes the finished Run and what its target remembers of it in one write. */
  function settled(target: Target, run: RunRecord, plan: JobPlan, reason: ConditionReason, message: string): RunRecord {
    const { key, resource } = target
    const ended: RunRecord = { ...run, status: { ...run.status, ...finished(run, reason, message, moment) } }
    const succeeded = isSuccess(reason)
    const factsOf: SegmentFacts = (segment) => {
      const spec = segmentOf(compilation, resource.namespace, segment)
      return spec && { exitsOnDeletion: spec.deletionPolicy === 'ExportExits', displayName: spec.displayName }
    }
    work.update((state) => {
      const before = state.targets[key] ?? {}
      const after =
        resource.kind === 'Activation'
          ? activationAfter(
              { ...before, baselines: baselinesAtBegin(before, run) },
              ended,
              plan,
              succeeded,
              factsOf,
              moment.nowMs,
            )
          : !succeeded
            ? {}
            : resource.kind === 'ProfileStore'
              ? storeAfter(before, ended)
              : sourceAfter(before, ended)
      const runs = { ...state.runs, [runKey(resource, ended)]: ended }
      return {
        ...state,
        targets: { ...state.targets, [key]: { ...before, ...after } },
        runs: withinLimits(runs, key, resource.spec.historyLimits),
        // A Run that delivered nothing was no activation: after a correction it need not wait.
        activated: hasDelivered(ended) ? state.activated : withoutRun(state.activated, ended.name),
      }
    })
    return ended
  }

  function keep({ resource }: Target, run: RunRecord): void {
    work.update((state) => ({ ...state, runs: { ...state.runs, [runKey(resource, run)]: run } }))
  }

  function folderOf(run: string): string {
    return join(work.path, 'runs', run)
  }

  function keepPlan(run: string, plan: JobPlan): void {
    mkdirSync(folderOf(run), { recursive: true })
    commitJson(join(folderOf(run), 'plan.json'), plan)
  }

  /** The plan that a Run began with; null where it is gone. */
  function planOf({ name, status }: RunRecord): JobPlan | null {
    try {
      const plan = JSON.parse(readFileSync(join(folderOf(name), 'plan.json'), 'utf8')) as JobPlan // written by `keepPlan`
      return plan.digest === status.planDigest ? plan : null
    } catch {
      return null
    }
  }

  function memoryOf(key: TargetKey): TargetState {
    return work.state().targets[key] ?? {}
  }

  function remember(key: TargetKey, fields: TargetState): void {
    work.update((state) => ({ ...state, targets: { ...state.targets, [key]: { ...state.targets[key], ...fields } } }))
  }

  function annotation({ key, resource }: Target, name: 'approve' | 'requestedAt'): string | undefined {
    return memoryOf(key)[name] ?? resource.metadata.annotations?.[annotations[name]]
  }

  function storeMemory({ resource, store }: Target, schedule: Schedule) {
    if (schedule.kind !== 'after' || store === null) return null
    const memory = memoryOf(`ProfileStore/${resource.namespace}/${store}`)
    return { ...memory, sinceMs: msOf(memory.scheduleChangedTime) }
  }

  /** How far the Activation's own last start holds up its next one; null where no interval is enforced. */
  function ownFloor(target: Target): { readonly floorMs: number; readonly intervalMs: number } | null {
    const intervalMs = intervalMsOf(target)
    if (intervalMs === null) return null
    const last = msOf(memoryOf(target.key).lastActivatedTime)
    return { floorMs: last === null ? 0 : last + intervalMs, intervalMs }
  }

  /** None of the Activation's Segments may be activated again before this instant; the activation by `except` does not count. */
  function floorMsOf(target: Target, except: string): number {
    const intervalMs = intervalMsOf(target)
    if (intervalMs === null || !target.plan) return 0
    const times = placesOf(target).flatMap((place) => {
      const last = work.state().activated[place]
      return last === undefined || last.run === except ? [] : [Date.parse(last.time)]
    })
    return times.length === 0 ? 0 : Math.max(...times) + intervalMs
  }
}
