// What the operator promises, held against everything an observer saw in one namespace: sentences about what was broken, none if all was kept.
import { nextSlot, type Schedule, slotsBetween } from '#compiler'
import type { RunnableKind } from '#crds'
import type { Resource } from '../../operator/definition.ts'
import { conditionOf } from './harness.ts'
import { first, type History, last, type Seen, type SeenJob } from './observer.ts'

export type Run = Resource<'Run'>

export type Promised = {
  /** `ProfileStore/retail/Batch`, `Activation/a/` */
  readonly schedules: ReadonlyMap<string, Schedule>
  /** By Activation: names of its Segments, all for one CampaignInstance. */
  readonly segments: ReadonlyMap<string, ReadonlySet<string>>
  readonly historyLimit: number
  /** The operator's time, when all had ended. */
  readonly nowMs: number
}

const floorMs = 3 * 3_600_000

export function broken(seen: Seen, promised: Promised): readonly string[] {
  return [
    ...slots(seen, promised),
    ...requests(seen),
    ...jobs(seen),
    ...order(seen),
    ...oneAtATime(seen),
    ...floor(seen, promised),
    ...unfinished(seen),
    ...targets(seen, promised),
  ]
}

/** Of each schedule every slot was run once, is counted as missed, or lay before a change of the schedule. */
export function slots({ runs, targets }: Seen, { schedules, nowMs }: Promised): readonly string[] {
  const wrong: string[] = []
  for (const [place, schedule] of schedules) {
    const [kind, name, evaluation] = place.split('/') as [RunnableKind, string, string]
    const ran = new Set<number>()
    for (const { value } of runs.map(first)) {
      const { target, trigger, scheduledTime } = value.definition.spec
      if (target.kind !== kind || target.name !== name || (value.definition.spec.evaluation ?? '') !== evaluation)
        continue
      if (trigger === 'Manual') continue
      const slotMs = Date.parse(scheduledTime)
      if (ran.has(slotMs)) wrong.push(`${place}: ${scheduledTime} has two Runs`)
      ran.add(slotMs)
    }
    const target = targets.find((history) => history.name === name && first(history).value.kind === kind)!
    const { status, definition } = last(target)
    const createdMs = Date.parse(definition.metadata.creationTimestamp!)
    // Streaming evaluations that are missed are not made up, and nobody counts them.
    const until = schedule.kind === 'after' ? evaluatedMs(targets) : nowMs
    const all = [...slotsBetween(schedule, new Date(createdMs), new Date(until + 1))].map((slot) => slot.getTime())
    for (const slotMs of ran) if (!all.includes(slotMs)) wrong.push(`${place}: ${text(slotMs)} is no slot`)
    if (evaluation === 'Streaming') continue
    const forgiven = forgivenSlots(target, [...ran], all).filter((slotMs) => !ran.has(slotMs))
    const missed = (status as { missedSlots?: number }).missedSlots ?? 0
    if (ran.size + missed + forgiven.length !== all.length)
      wrong.push(
        `${place}: ${all.length} slots, of which ${ran.size} were run, ${missed} are missed and ${forgiven.length} lay before a change: ${all
          .map((slotMs) => `${text(slotMs)}${ran.has(slotMs) ? ' run' : forgiven.includes(slotMs) ? ' before' : ''}`)
          .join(', ')}`,
      )
  }
  return wrong
}

function evaluatedMs(targets: Seen['targets']): number {
  const store = last(targets.find((history) => first(history).value.kind === 'ProfileStore')!)
  return Date.parse((store.status as { lastSuccessfulBatchTime?: string }).lastSuccessfulBatchTime ?? '1970-01-01')
}

/** Slots that nobody had run when the schedule was changed, suspended or resumed. */
function forgivenSlots(target: History<Resource>, ran: readonly number[], all: readonly number[]): readonly number[] {
  let forgiven: number[] = []
  let before: Times = {}
  for (const { value } of target.versions) {
    const times = value.status as Times
    const changed = times.scheduleChangedTime
    if (changed !== undefined && changed !== before.scheduleChangedTime) {
      const changedMs = Date.parse(changed)
      const handledMs = Math.max(
        ...ran.filter((slotMs) => slotMs < changedMs),
        Date.parse(before.lastMissedTime ?? '1970-01-01'),
      )
      const passed = all.filter((slotMs) => slotMs > handledMs && slotMs < changedMs)
      // After a jump back they may come again.
      forgiven = [...new Set([...forgiven.filter((slotMs) => slotMs < changedMs), ...passed])]
    }
    before = times
  }
  return forgiven
}

type Times = { readonly scheduleChangedTime?: string; readonly lastMissedTime?: string }

/** Each request by annotation was answered once, and the last of each target was. */
export function requests({ runs, targets }: Seen): readonly string[] {
  const wrong: string[] = []
  const asked = runs.flatMap(({ versions }) => {
    const { definition } = versions[0]!.value
    const request = definition.metadata.labels?.['convoke.dev/request']
    return request === undefined ? [] : [`${definition.spec.target.kind}/${definition.spec.target.name}/${request}`]
  })
  for (const request of new Set(asked)) {
    const count = asked.filter((other) => other === request).length
    if (count > 1) wrong.push(`${request}: ${count} Runs of one request`)
  }
  for (const history of [...targets, ...runs.filter(({ gone }) => !gone)]) {
    const { kind, name, definition, status } = last(history as History<Resource>)
    const wanted = definition.metadata.annotations?.['convoke.dev/requestedAt']
    const handled = (status as { lastHandledRequestedAt?: string }).lastHandledRequestedAt
    if (wanted !== undefined && handled !== wanted)
      wrong.push(`${kind}/${name}: the request ${wanted} was not answered`)
  }
  return wrong
}

function jobs({ jobs, runs }: Seen): readonly string[] {
  const wrong: string[] = []
  const names = new Set<string>()
  for (const history of jobs) {
    const { value: job } = first(history)
    const attempt = `${job.owner} ${job.step} ${job.attempt}${job.isReprint ? ' report' : ''}`
    if (names.has(attempt)) wrong.push(`${job.name}: another Job did the same`)
    names.add(attempt)
    const run = runs.find(({ uid }) => uid === job.owner)
    if (!run) wrong.push(`${job.name}: a Job of no Run`)
    const digest = run && last(run).status.planDigest?.replace('sha256:', '').slice(0, 12)
    if (digest !== undefined && !job.plan.includes(digest)) wrong.push(`${job.name}: of another plan than its Run`)
    const { end, deleting, hasTtl } = last(history)
    if (!history.gone && !deleting && (end === null || !hasTtl))
      wrong.push(`${job.name}: left ${end === null ? 'at work' : 'without a time to live'}`)
  }
  return wrong
}

const steps: Readonly<Record<RunnableKind, readonly string[]>> = {
  ProfileStore: ['ingest', 'evaluate'],
  Activation: ['export', 'import'],
  CampaignSource: ['extract'],
}

/** A Job is begun when its step is in the Run's status, and the results of all steps before. */
function order({ jobs, runs }: Seen): readonly string[] {
  const wrong: string[] = []
  for (const history of jobs) {
    const { revision, value: job } = first(history)
    const run = runs.find(({ uid }) => uid === job.owner)
    const known = run?.versions.findLast((version) => version.revision < revision)?.value
    if (!known) continue
    const entry = known.status.steps?.find(({ name }) => name === job.step)
    if (!entry || (!job.isReprint && entry.job !== job.name)) wrong.push(`${job.name}: made before its Run said so`)
    if (entry?.outcome !== undefined) wrong.push(`${job.name}: made after its result was there`)
    const before = steps[known.definition.spec.target.kind]
    for (const step of before.slice(0, before.indexOf(job.step))) {
      const { outcome } = known.status.steps?.find(({ name }) => name === step) ?? {}
      if (outcome !== 'Succeeded' && outcome !== 'Held')
        wrong.push(`${job.name}: made before the result of ${step} was stored`)
    }
  }
  return wrong
}

/** Of what only one Run may have: from its first step to its end, and from the first Job to the end of the last. */
function oneAtATime({ runs, jobs }: Seen): readonly string[] {
  const wrong: string[] = []
  const spans = runs.flatMap((run) => {
    const { kind, name } = first(run).value.definition.spec.target
    const own = jobs.filter((job) => first(job).value.owner === run.uid)
    return [...spansOf(run), ...own.map(jobSpan)].map((span) => ({
      ...span,
      place: `${kind}/${name}`,
      run: run.name,
      uid: run.uid,
    }))
  })
  for (const [index, a] of spans.entries())
    for (const b of spans.slice(index + 1))
      if (a.place === b.place && a.uid !== b.uid && a.from < b.to && b.from < a.to)
        wrong.push(`${a.place}: ${a.run} and ${b.run} at the same time (${a.what}, ${b.what})`)
  return wrong
}

type Span = { readonly from: number; readonly to: number; readonly what: string }

/** One for each time it was at work, since it may be tried again. */
function spansOf({ name, versions }: History<Run>): readonly Span[] {
  const spans: Span[] = []
  let from: number | null = null
  for (const { revision, value } of versions) {
    const isAtWork = value.status.startedAt !== undefined && succeeded(value) === 'Unknown'
    if (isAtWork && from === null) from = revision
    if (isAtWork || from === null) continue
    spans.push({ from, to: revision, what: name })
    from = null
  }
  if (from !== null) spans.push({ from, to: Infinity, what: name })
  return spans
}

function jobSpan(job: History<SeenJob>): Span {
  const end = job.versions.find(({ value }) => value.end !== null)
  return { from: first(job).revision, to: end?.revision ?? job.versions.at(-1)!.revision, what: job.name }
}

function floor({ runs }: Seen, { segments }: Promised): readonly string[] {
  const wrong: string[] = []
  const activated = runs.flatMap((run) => {
    const times = run.versions.flatMap(({ value }) => value.status.activatedTime ?? [])
    const { name } = first(run).value.definition.spec.target
    return [...new Set(times)].map((time) => ({ run: run.name, ms: Date.parse(time), segments: segments.get(name)! }))
  })
  for (const [index, a] of activated.entries())
    for (const b of activated.slice(index + 1)) {
      // Another attempt delivers the same files.
      if (a.run === b.run) continue
      const apartMs = Math.abs(a.ms - b.ms)
      if (apartMs < floorMs && [...a.segments].some((segment) => b.segments.has(segment)))
        wrong.push(`${a.run} and ${b.run}: the same Segment ${apartMs / 60_000} minutes apart`)
    }
  return wrong
}

function unfinished({ runs }: Seen): readonly string[] {
  return runs
    .filter(({ gone }) => !gone)
    .map(last)
    .flatMap((run) => {
      const { name, status, generation } = run
      if (succeeded(run) === 'Unknown') {
        const { reason, message } = conditionOf(run, 'Succeeded') ?? {}
        return [`${name}: not finished: ${reason}: ${message}`]
      }
      if (status.finishedAt === undefined) return [`${name}: finished, and nobody knows when`]
      if (status.retryTime !== undefined) return [`${name}: finished, and to be tried again`]
      return status.observedGeneration === generation ? [] : [`${name}: of generation ${status.observedGeneration}`]
    })
}

function targets({ targets, runs }: Seen, promised: Promised): readonly string[] {
  return targets.flatMap((history) => {
    const target = last(history)
    const own = runs.filter((run) => {
      const { kind, name } = first(run).value.definition.spec.target
      return kind === target.kind && name === target.name
    })
    return [
      ...conditions(target, own),
      ...remembered(target, own),
      ...times(target, promised),
      ...kept(own, promised),
    ].map((what) => `${target.kind}/${target.name}: ${what}`)
  })
}

/** Conditions and what is written beside them are of this generation, and say what the Runs say. */
function conditions(target: Resource<RunnableKind>, own: readonly History<Run>[]): readonly string[] {
  const { generation, status } = target
  const wrong: string[] = []
  if (status.observedGeneration !== generation)
    wrong.push(`of generation ${status.observedGeneration}, not ${generation}`)
  for (const { type, observedGeneration } of status.conditions ?? [])
    if (observedGeneration !== generation)
      wrong.push(`${type} is of generation ${observedGeneration}, not ${generation}`)
  const { activeRuns = [] } = status as { activeRuns?: readonly string[] }
  if (activeRuns.length > 0) wrong.push(`still says that ${activeRuns} are at work`)
  const ended = own
    .filter(({ gone }) => !gone)
    .map(last)
    .filter(
      (run) => run.definition.spec.evaluation !== 'Streaming' && conditionOf(run, 'Succeeded')?.reason !== 'Replaced',
    )
  const latest = Math.max(...ended.map(({ status }) => Date.parse(status.finishedAt ?? '')))
  // Several may have ended in the same second.
  const may = new Set(
    ended.filter(({ status }) => Date.parse(status.finishedAt ?? '') === latest).map((run) => succeeded(run)),
  )
  const ready = conditionOf(target, 'Ready')
  if (!(may.size === 0 ? ['True'] : [...may]).includes(ready?.status ?? 'none'))
    wrong.push(`Ready is ${ready?.status} (${ready?.reason}) after a Run that is ${[...may]}`)
  if (conditionOf(target, 'GuardrailsPassed')?.status !== 'True') wrong.push('GuardrailsPassed is not True')
  return wrong
}

/** What a Run has left with its target before it counted as finished. */
function remembered(target: Resource<RunnableKind>, own: readonly History<Run>[]): readonly string[] {
  const wrong: string[] = []
  const expect = (field: string, run: Run | undefined, value: string | undefined): void => {
    const has = (target.status as Readonly<Record<string, unknown>>)[field]
    if (has !== value) wrong.push(`${field} is ${has}, not ${value} of ${run?.name}`)
  }
  const ended = own.map(last).filter((run) => run.status.startedAt !== undefined)
  const good = ended.filter((run) => succeeded(run) === 'True')
  // Times do not go back, whichever Run is finished last.
  const latest = (runs: readonly Run[], timeOf: (run: Run) => string | undefined): Run | undefined =>
    [...runs].sort((a, b) => Date.parse(timeOf(a) ?? '') - Date.parse(timeOf(b) ?? '')).at(-1)
  const slotOf = ({ definition }: Run): string => definition.spec.scheduledTime
  if (target.kind === 'Activation') {
    const run = latest(ended, ({ status }) => status.activatedTime)
    expect('lastActivatedTime', run, run?.status.activatedTime)
    const done = latest(good, slotOf)
    expect('lastSuccessfulTime', done, done && slotOf(done))
  } else {
    const scheduled = good.filter(
      ({ definition: { spec } }) => spec.evaluation !== 'Streaming' && spec.trigger !== 'Manual',
    )
    const done = latest(scheduled, slotOf)
    expect('lastSuccessfulBatchTime', done, done && slotOf(done))
  }
  return wrong
}

function times(target: Resource<RunnableKind>, { schedules, nowMs }: Promised): readonly string[] {
  const fields = { Batch: 'nextBatchTime', Streaming: 'nextStreamingTime', '': 'nextScheduledTime' }
  return Object.entries(fields).flatMap(([evaluation, field]) => {
    const schedule = schedules.get(`${target.kind}/${target.name}/${evaluation}`)
    const has = (target.status as Readonly<Record<string, unknown>>)[field]
    const next = schedule && nextSlot(schedule, new Date(nowMs))
    const wanted = next ? text(next.getTime()) : undefined
    return has === wanted ? [] : [`${field} is ${has}, not ${wanted}`]
  })
}

function kept(own: readonly History<Run>[], { historyLimit }: Promised): readonly string[] {
  const groups = Map.groupBy(
    own.filter(({ gone }) => !gone).map(last),
    (run) => `${run.definition.spec.evaluation ?? ''} Runs that are ${succeeded(run)}`,
  )
  return [...groups].flatMap(([what, runs]) => (runs.length > historyLimit ? [`${runs.length} ${what} are kept`] : []))
}

export function succeeded(run: Run): string {
  return conditionOf(run, 'Succeeded')?.status ?? 'Unknown'
}

function text(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
