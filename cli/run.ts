// `convoke run`: what is due at an instant, in one process, by the same rules as in a cluster.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ActivationModel, type Compilation, type Schedule, type Scheduled, schedulesOf } from '#compiler'
import {
  annotations,
  type ConditionReason,
  type JobPlan,
  parseDurationSeconds,
  type RunnableKind,
  type RunReport,
  runNameOf,
  type SpecOf,
  stepsOf,
} from '#crds'
import { commitJson, runStep, steps, storedReport } from '#jobs'
import {
  type Agenda,
  type Approval,
  activationAfter,
  approvalOf,
  type Baseline,
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
import { stepLine } from './step-line.ts'
import type { TargetKey, TargetState, WorkDirectory, WorkState } from './work-directory.ts'

export type RunOutcome = {
  readonly run: string
  readonly target: JobPlan['target']
  readonly evaluation: Evaluation
  readonly scheduledTime: string
  readonly trigger: RunRecord['spec']['trigger']
  readonly attempt: number
  /** What every step of the Run said last; one that an earlier attempt did is not done again. */
  readonly steps: readonly RunReport[]
  readonly outcome: 'Succeeded' | 'Held' | 'Failed'
  /** Of the Run's condition `Succeeded`; the message is empty where there is nothing to add. */
  readonly reason: string
  readonly message: string
  readonly seconds: number
}

/** A target whose slot is due and not run now, or whose slots were never run. `message` in words. */
export type Notice = { readonly kind: 'waiting' | 'missed'; readonly target: TargetKey; readonly message: string }

export type Done = { readonly runs: readonly RunOutcome[]; readonly notices: readonly Notice[] }

/** A resource that Runs are made for, and what is known of it. */
type Target = {
  readonly key: TargetKey
  readonly resource: Scheduled['resource']
  /** null while nothing can be run of it. */
  readonly plan: JobPlan | null
  readonly scheduled: readonly Pick<Scheduled, 'schedule' | 'evaluation'>[]
  /** Activations: name of the store whose evaluation they deliver, and of the CampaignInstance. */
  readonly store: string | null
  readonly instance: ActivationModel['instance']
}

/** Nobody edits a resource while a laptop sleeps: conditions are of the one generation there is. */
const generation = 1

/** What the laptop is asked to do `steps` with; a test gives its own. */
export type Steps = typeof steps

/**
 * Everything that is due at an instant, in one process: each CampaignSource's extract, each ProfileStore's ingest and evaluate, then each
 * Activation's export and import. One that fails stays due, and the others go on. What was cut off is taken up again.
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
  /** Names of Runs that were made in this call. */
  const ofNow = new Set<string>()
  using ports = portsFor(
    { ...places, databases: databases.urls, scratchParent: join(work.path, 'scratch') },
    io,
    line.show,
  )
  try {
    // Logs first: the ingest that follows takes them in, and the evaluation after it sees them; deliveries see that.
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

  /** An Activation whose last Segments were deleted with `deletionPolicy: ExportExits` still has to say that everybody leaves. */
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

  /** Since when the target has the schedule it has. */
  function noteSchedule({ key, scheduled, resource }: Target): void {
    const { observedSchedule: before, scheduleChangedTime } = memoryOf(key)
    const observedSchedule = isSuspended(resource) ? 'suspended' : (scheduleText(scheduled) ?? before)
    const hasChanged = before !== undefined && before !== observedSchedule
    // Between the two looks, and nobody knows when: what came due after the first belongs to the schedule of now.
    const { lookedAt } = work.state()
    const changed =
      hasChanged && lookedAt !== null
        ? timeText(Date.parse(lookedAt) + 1000)
        : hasChanged
          ? undefined
          : scheduleChangedTime
    remember(key, {
      ...(observedSchedule !== undefined && { observedSchedule }),
      ...(changed !== undefined && { scheduleChangedTime: changed }),
    })
  }

  /** The Run of the slot that is due, or what is left to do of the newest one; null where nothing is. */
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
    // Nobody is there at each slot of a streaming evaluation: the latest does what those before it would have done.
    const latest = agendaBy('Latest')
    const isWaitedFor = latest.due !== null && timeText(latest.due.slotMs) === waitsFor
    const agenda = resource.kind === 'Activation' && !isWaitedFor ? agendaBy(resource.spec.catchUp) : latest
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

  /** What failed or was cut off: another attempt of the same Run, or, where the plan is another by now, another Run of its slot. */
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

  /** The Run that somebody asked for by annotation or `convoke approve`; null where nobody did, or where it was made. */
  function requestedRun(target: Target): RunRecord | null {
    const requestedAt = annotation(target, 'requestedAt')?.slice(0, 128)
    if (requestedAt === undefined || requestedAt === memoryOf(target.key).lastHandledRequestedAt || !target.plan)
      return null
    const evaluation = target.resource.kind === 'ProfileStore' ? 'Batch' : null
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

  /** A Run as it is when it begins, written down; null where it has to wait. */
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

  /** The slot stays due. */
  function waiting({ key }: Target, message: string): null {
    notices.push({ kind: 'waiting', target: key, message })
    return null
  }

  /** Why nothing of the Activation's store may be delivered; null where nothing stands against it. */
  function holdFor({ resource, store, plan }: Target): string | null {
    // Who leaves because their Segment was deleted leaves whatever the data is.
    if (resource.kind !== 'Activation' || store === null || plan?.export?.segments.length === 0) return null
    return holdOf(store, memoryOf(`ProfileStore/${resource.namespace}/${store}`).conditions)
  }

  /** From the step where it stands, to its end. */
  async function advance(target: Target, from: RunRecord): Promise<void> {
    const { resource } = target
    const startedMs = io.now().getTime()
    let run = from
    // What is neither finished nor of now was cut off in the middle of a step, which is done again.
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
      // Nobody waits here for another attempt: whoever calls next makes one.
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
        // It was an earlier call that did it, and said so.
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
    // What a job was given lies beside the work, for whoever wants to repeat one step by hand.
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
    const baselines = countedFrom(memoryOf(keyOf(resource)), run)
    const isThere = (segment: string): boolean => segmentOf(compilation, resource.namespace, segment) !== null
    return runInputOf(run, attempt, { baselines, departed: departedOf(baselines, plan, isThere) })
  }

  function giveUp(target: Target, run: RunRecord, message: string): void {
    const plan = planOf(run)
    if (plan) settled(target, run, plan, 'Replaced', message)
  }

  /** The Run as it is finished, and what its target remembers of it, in one write. */
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
              { ...before, baselines: countedFrom(before, run) },
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
        // What delivered nothing was no activation: corrected, it need not wait.
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

  /** The plan that a Run began with; null where it is not there any more. */
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

  /** How far the Activation's own last start pushes its next one; null where no interval is enforced. */
  function ownFloor(target: Target): { readonly floorMs: number; readonly intervalMs: number } | null {
    const intervalMs = intervalMsOf(target)
    if (intervalMs === null) return null
    const last = msOf(memoryOf(target.key).lastActivatedTime)
    return { floorMs: last === null ? 0 : last + intervalMs, intervalMs }
  }

  /** Before this instant none of the Activation's Segments may be activated again; of `except` they are already. */
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

/** In the order of their names. */
function targetsOf({ model, plans }: Compilation, kind: RunnableKind): readonly Target[] {
  const scheduled = Map.groupBy(schedulesOf(model), ({ resource }) => keyOf(resource))
  const of = (resource: Target['resource'], activation?: ActivationModel): Target => {
    const key = keyOf(resource)
    const plan = plans.find(({ target }) => keyOf(target) === key) ?? null
    return {
      key,
      resource,
      plan,
      scheduled: scheduled.get(key) ?? [],
      store: activation?.store?.resource.name ?? null,
      instance: activation?.instance ?? null,
    }
  }
  const targets =
    kind === 'Activation'
      ? model.activations.map((each) => of(each.resource, each))
      : (kind === 'ProfileStore' ? model.stores : model.sources).map(({ resource }) => of(resource))
  return targets.sort((a, b) => (a.key < b.key ? -1 : 1))
}

function keyOf({ kind, namespace, name }: Pick<Target['resource'], 'kind' | 'namespace' | 'name'>): TargetKey {
  return `${kind}/${namespace}/${name}`
}

function runKey({ namespace }: Target['resource'], { name }: Pick<RunRecord, 'name'>): string {
  return `${namespace}/${name}`
}

/** The oldest first. */
function runsOf({ runs }: WorkState, key: TargetKey): readonly RunRecord[] {
  return Object.entries(runs)
    .filter(([place, { spec }]) => `${spec.target.kind}/${place.split('/')[0]}/${spec.target.name}` === key)
    .map(([, run]) => run)
    .sort((a, b) => ((a.status.startedAt ?? '') < (b.status.startedAt ?? '') ? -1 : 1))
}

function segmentOf({ model }: Compilation, namespace: string, name: string): SpecOf<'Segment'> | null {
  const found = model.segments.find(({ resource }) => resource.namespace === namespace && resource.name === name)
  return found?.resource.spec ?? null
}

function isSuspended({ kind, spec, metadata }: Target['resource']): boolean {
  return metadata.annotations?.[annotations.suspend] === 'true' || (kind === 'Activation' && spec.suspend)
}

/** What Campaign had when the Run began: its attempts deliver the same, whatever an earlier one of them left in doubt. */
function countedFrom({ begun, baselines = [] }: TargetState, run: RunRecord): readonly Baseline[] {
  return begun?.run === run.name ? begun.baselines : baselines
}

/** Seconds after its time in which a Run has to begin; null: no limit. What follows an evaluation has no time of its own. */
function deadlineOf({ kind, spec }: Target['resource']): number | null {
  return kind === 'Activation' && spec.schedule.after === undefined ? (spec.startingDeadlineSeconds ?? null) : null
}

/** null where no interval between two activations is enforced. */
function intervalMsOf({ instance }: Target): number | null {
  if (!instance || instance.spec.enforcement.minActivationInterval === 'Warn') return null
  return (parseDurationSeconds(instance.spec.limits.minActivationInterval) ?? 0) * 1000
}

/** What an Activation's Run activates: keys of `activated`. */
function placesOf({ resource, plan, instance }: Target): readonly string[] {
  return (plan?.export?.segments ?? []).map(({ name }) => `${resource.namespace}/${instance?.name}/${name}`)
}

/** Whether a Segment may have got to Campaign by the Run. */
function hasDelivered({ status }: RunRecord): boolean {
  return status.segments === undefined
    ? status.steps?.some(({ reportDigest, name }) => name === 'export' && reportDigest === undefined) === true
    : status.segments.some(({ manifest, acknowledged }) => manifest !== undefined || acknowledged === undefined)
}

function withoutRun(activated: WorkState['activated'], name: string): WorkState['activated'] {
  return Object.fromEntries(Object.entries(activated).filter(([, { run }]) => run !== name))
}

/** Without the oldest finished Runs of a target beyond its limits; the latest one stays, since it says what is left to do. */
function withinLimits(
  runs: WorkState['runs'],
  key: TargetKey,
  { successful, failed }: { readonly successful: number; readonly failed: number },
): WorkState['runs'] {
  const own = runsOf({ runs } as WorkState, key).filter(isFinished)
  const groups = Map.groupBy(own, (run) => `${run.spec.evaluation ?? ''} ${hasSucceeded(run)}`)
  const over = [...groups.values()].flatMap((group) => {
    const kept = Math.max(1, hasSucceeded(group[0]!) ? successful : failed)
    return group.slice(0, -kept)
  })
  const gone = new Set(over.map(({ name }) => `${key.split('/')[1]}/${name}`))
  return Object.fromEntries(Object.entries(runs).filter(([place]) => !gone.has(place)))
}

function msOf(time: string | undefined): number | null {
  return time === undefined ? null : Date.parse(time)
}
