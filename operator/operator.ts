import { isRunnable, type Kind, kinds, runnableKinds } from '#crds'
import { type Claim, conditionOf, conditionsOf, isFinished } from '#protocol'
import { type Caches, type Changed, CopyBehindError, openCaches, targetKeyOf } from './caches.ts'
import { type Compiler, compilerHere } from './compiler.ts'
import { keyOf, type Resource, type ResourceKey } from './definition.ts'
import { openGauges } from './gauges.ts'
import { type Api, ApiError, NotLeaderError } from './kernel/api.ts'
import type { Cancel } from './kernel/clock.ts'
import { openQueue, type Queue, type Result } from './kernel/queue.ts'
import type { Fault, ReflectorPorts } from './kernel/reflector.ts'
import type { OperatorMetrics } from './metrics.ts'
import { openNamespaces } from './namespaces.ts'
import { openPace } from './pace.ts'
import { openPlans } from './plans.ts'
import { openReservations } from './reservations.ts'
import { forgetRun, reconcileRun, reservedBy } from './runs.ts'
import { type Skew, skewOf } from './skew.ts'
import type { ControllerOptions, LogLine, Surroundings, Told } from './surroundings.ts'
import { reconcileTarget, type Target, writeStatus } from './targets.ts'
import type { View } from './views.ts'

export type ControllersPorts = Omit<ReflectorPorts, 'metrics'> & {
  readonly api: Api
  readonly metrics: ReflectorPorts['metrics'] & OperatorMetrics
  readonly record: (about: Resource, event: Told) => void
  /** Default: compiles on this thread. */
  readonly compiler?: Compiler
  readonly log: (line: LogLine) => void
}

export type ControllersOptions = ControllerOptions & {
  /** The namespaces to watch; null: all. */
  readonly namespaces: readonly string[] | null
  /** Label selector of the Namespaces that are this operator's share; null: all that are watched. */
  readonly shard: string | null
  /** How many characters of a namespace's resources are held; for tests. */
  readonly mostCharacters?: number
  /** How many resources, and how many Runs, are in work at the same time. */
  readonly concurrency: number
}

/** Convoke's controllers: caches that fill at once, and queues that gather keys until they are started. */
export type Controllers = {
  readonly caches: Caches
  /** Resolves when the copies hold a whole list; nothing can be done before. */
  readonly synced: Promise<void>
  readonly queues: readonly Queue[]
  readonly surroundings: Surroundings
  /** Called by the leader alone, when all is synced and before the queues are started. */
  readonly elected: () => void
  readonly stop: () => Promise<void>
}

/** How far the wall clock may drift from elapsed time before it counts as set. */
const jumpMs = 2000
/** Most failures are of the way to the API server: when that works again, nobody shall wait for long. */
const longestBackoffMs = 30_000
/** The copy is about to show what is there; where its watch is silent, that takes a while. */
const untilShown: Result = { kind: 'retry', firstMs: 50, longestMs: 10_000 }
const watchClockMs = 1000
/** Time between two looks at the CRDs: when all is well, while they are wrong, and while in doubt. */
const [skewMs, skewAgainMs, skewDoubtMs] = [600_000, 10_000, 1000]
/** After a CRD was replaced, a busy API server publishes its earlier schema for some seconds more. */
const longestLateMs = 20_000
/** A server that publishes no schema still refuses fields that it does not know: going on loses nothing. */
const longestDoubtMs = 60_000
/** Runs and what they are made for come before mere statuses; slots that are due come before both. */
const workPriority = 5

/**
 * Results of errors that are no fault: a conflict with another writer, a namespace that goes away, another leader. Others are thrown
 * again.
 */
function forgivenOf(error: unknown): Result {
  if (error instanceof NotLeaderError) return { kind: 'done' }
  if (error instanceof CopyBehindError || (error instanceof ApiError && error.reason === 'Conflict')) return untilShown
  if (error instanceof ApiError && error.causes.some(({ reason }) => reason === 'NamespaceTerminating'))
    return { kind: 'done' }
  throw error
}

/** What the work gives; null where the signal is aborted first. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const stop = (): void => resolve(null)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

export function openControllers(ports: ControllersPorts, options: ControllersOptions): Controllers {
  const { clock, api, metrics, log } = ports
  const gauges = openGauges(metrics, clock)
  /** The target of each Run, and the Run of each Job, kept until after they are gone. */
  const owners = new Map<string, ResourceKey>()
  const pace = openPace(clock)
  /** Namespaces that were not compiled because not all of them is held. */
  const tooLarge = new Set<string>()
  /** Why nothing may run, since fields that are written would be dropped; null: all is well, or nobody has looked. */
  let skew: Skew | null = null
  /** Since when something seems amiss that may only be published late; null: nothing seems amiss. */
  let doubtSinceMs: number | null = null
  /** Whether nothing is run because of that doubt, and nothing is said of it. */
  let isHeld = false
  /** Whether all was well once: then the published schema is not that of before an upgrade. */
  let wasFine = false
  let looking: Promise<void> | null = null
  const amiss = Promise.withResolvers<void>()
  /** Whether the copies are whole. A kind that is not installed has no copy, and is not waited for. */
  let isWhole = false
  let isElected = false
  let isStopped = false
  let cancelWatch: Cancel = () => {}
  let cancelSkew: Cancel = () => {}

  const resources = openQueue(ports, {
    name: 'resources',
    concurrency: options.concurrency,
    longestBackoffMs,
    handle: (key) => reconcile(key as ResourceKey).catch(forgivenOf), // only such keys are added
    failed: ({ key, error, failures, retryMs }) => {
      say('warning', error, { key, failures, retryMs: Math.round(retryMs) })
      if (error instanceof ApiError && error.message.includes('strict decoding error')) void lookForSkew()
    },
  })
  const compilations = openQueue(ports, {
    name: 'namespaces',
    // Far more than there may be slow namespaces, so that nobody waits for those.
    concurrency: 16,
    handle: compile,
    failed: ({ key, error }) => say('error', error, { namespace: key }),
  })
  const caches = openCaches(ports, api, {
    namespaces: options.namespaces,
    shard: options.shard,
    ...(options.mostCharacters === undefined ? {} : { mostCharacters: options.mostCharacters }),
    changed,
    shareChanged: (namespace) => compilations.add(namespace),
    settled: (owner) => touch(owner, { priority: priorityOf(owner) }),
    failed: (collection, { error, retryMs }: Fault) => {
      say('warning', error, { collection, retryMs: Math.round(retryMs) })
      if (skew === null && error instanceof ApiError && error.status === 404) void lookForSkew()
    },
  })
  const compiler = ports.compiler ?? compilerHere()
  const namespaces = openNamespaces(caches, compiler)
  const surroundings: Surroundings = {
    clock,
    api,
    caches,
    plans: openPlans(api),
    reservations: openReservations(),
    activations: new Map(),
    unreadLogs: new Map(),
    metrics,
    options,
    settledOf: namespaces.settledOf,
    isStale: namespaces.isStale,
    touch,
    tell: ports.record,
    log,
  }

  void lookForSkew()
  const whole = caches.synced.then(() => {
    isWhole = true
    return lookForSkew()
  })

  return {
    caches,
    synced: Promise.race([whole, amiss.promise]),
    queues: [resources, compilations],
    surroundings,
    elected() {
      isElected = true
      reserve()
      watchClock(clock.now() - clock.elapsed())
    },
    async stop() {
      isStopped = true
      cancelWatch()
      cancelSkew()
      await Promise.all([caches.stop(), compiler.stop()])
    },
  }

  function touch(key: ResourceKey, how: { readonly afterMs?: number; readonly priority?: number } = {}): void {
    resources.add(key, how)
  }

  function changed(kind: Kind | 'Job', { namespace, name }: Changed): void {
    if (kind === 'Job') {
      const job = caches.job(namespace, name)
      const own = `Job/${namespace}/${name}`
      if (job) owners.set(own, `Run/${namespace}/${job.run}`)
      const run = owners.get(own)
      if (!job) owners.delete(own)
      if (run) touch(run, { priority: workPriority })
      return
    }
    const key: ResourceKey = `${kind}/${namespace}/${name}`
    if (kind === 'Run') {
      runChanged(key, caches.get('Run', namespace, name))
      return
    }
    if (tooLarge.has(namespace) && caches.excessOf(namespace) === null) {
      tooLarge.delete(namespace)
      pace.forget(namespace)
    }
    if (namespaces.changed(kind, namespace, name)) compilations.add(namespace, { afterMs: pace.waitMs(namespace) })
    touch(key, { priority: priorityOf(key) })
    if (!isRunnable(kind)) return
    for (const run of caches.runsOf(key)) if (run.status.startedAt === undefined && !isFinished(run)) touch(keyOf(run))
    if (kind !== 'ProfileStore') return
    // Activations that run after its evaluation. Nobody knows which store an Activation follows that has no Segment left.
    const settled = namespaces.settledOf(namespace)
    for (const resource of caches.ofNamespace(namespace)) {
      if (resource.kind !== 'Activation') continue
      const store = settled?.activations.get(keyOf(resource))?.store ?? name
      if (store !== name) continue
      touch(keyOf(resource), { priority: workPriority })
      for (const run of caches.runsOf(keyOf(resource))) if (!isFinished(run)) touch(keyOf(run))
    }
  }

  function runChanged(key: ResourceKey, run: Resource<'Run'> | null): void {
    if (run) owners.set(key, targetKeyOf(run))
    const target = owners.get(key)
    if (!run) owners.delete(key)
    touch(key, { priority: workPriority })
    if (!target) return
    touch(target, { priority: workPriority })
    for (const sibling of caches.runsOf(target))
      if (!isFinished(sibling)) touch(keyOf(sibling), { priority: workPriority })
  }

  function priorityOf(key: ResourceKey): number {
    return [...runnableKinds, 'Run'].some((kind) => key.startsWith(`${kind}/`)) ? workPriority : 0
  }

  async function compile(namespace: string, signal: AbortSignal): Promise<Result> {
    if (!caches.isOurs(namespace)) return { kind: 'done' }
    const restMs = pace.restMs(namespace)
    if (restMs > 0) return { kind: 'again', afterMs: restMs }
    const startMs = clock.elapsed()
    // A process that is to end does not wait for an answer, which may take minutes.
    const answer = await unlessAborted(signal, namespaces.compile(namespace))
    if (answer === null) return { kind: 'done' }
    const { touched, stopped } = answer
    if (caches.excessOf(namespace) !== null) tooLarge.add(namespace)
    for (const key of touched) touch(key, { priority: priorityOf(key) })
    const tookMs = clock.elapsed() - startMs
    metrics.observe('convoke_compile_seconds', {}, tookMs / 1000)
    const againMs = pace.note(namespace, tookMs, stopped !== null)
    gauges.compiling(namespace, stopped !== null)
    if (stopped === null) return { kind: 'done' }
    say('error', stopped, { namespace, retryMs: Math.round(againMs) })
    return { kind: 'again', afterMs: againMs }
  }

  async function reconcile(key: ResourceKey): Promise<Result> {
    const [kind, namespace, name] = key.split('/') as [Kind, string, string] // keys are made of the three
    const resource = caches.get(kind, namespace, name)
    if (!resource) gauges.hide(kind, namespace, name)
    if (!resource && kind === 'Run') await forgetRun(surroundings, key)
    // A resource that is held comes back when the copy shows what was written.
    if (!resource || !caches.isOurs(namespace) || caches.holds(key)) return { kind: 'done' }
    if (skew !== null) await tellSkew(resource, skew)
    if (skew !== null || isHeld) return { kind: 'done' }
    if (kind === 'Run') return reconcileRun(surroundings, resource as Resource<'Run'>)
    gauges.show(resource)
    const view = namespaces.viewOf(resource)
    if (view === null) {
      // A resource without a view is looked at again when the compiler has seen it.
      if (!namespaces.isStale(namespace)) compilations.add(namespace)
      return { kind: 'done' }
    }
    tellVerdict(resource, view)
    if (isRunnable(kind)) return reconcileTarget(surroundings, resource as Target, view)
    await writeStatus(surroundings, resource, {
      ...view.fields,
      observedGeneration: resource.generation,
      conditions: conditionsOf(resource.status.conditions, view.claims, resource.generation, clock.now()),
    })
    return { kind: 'done' }
  }

  /** Runs at work reserve again what they have, before any other Run may take it. */
  function reserve(): void {
    for (const run of caches.list('Run'))
      if (run.status.startedAt !== undefined && !isFinished(run))
        surroundings.reservations.take(keyOf(run), reservedBy(surroundings, run))
  }

  /** Looks at the CRDs now and again from time to time: they are upgraded, and downgraded, under a running operator. */
  function lookForSkew(): Promise<void> {
    cancelSkew()
    looking ??= look().finally(() => {
      looking = null
      if (isStopped) return
      const afterMs = doubtSinceMs !== null ? skewDoubtMs : skew === null && isWhole ? skewMs : skewAgainMs
      cancelSkew = clock.after(afterMs, () => void lookForSkew())
    })
    return looking
  }

  async function look(): Promise<void> {
    const before = skew
    const wasHeld = isHeld
    try {
      const found = await skewOf(api, options.namespaces?.[0] ?? null)
      // Kinds that have just been installed have no copies yet.
      if (found === null && before !== null && !isWhole) return
      const sinceMs = doubtSinceMs ?? clock.elapsed()
      const doubtMs = clock.elapsed() - sinceMs
      const mayBeFirst = !wasFine && doubtMs < longestLateMs
      const isLate =
        found !== null && before === null && (found.late === 'always' || (found.late === 'first' && mayBeFirst))
      if (isLate && doubtSinceMs === null) say('warning', found.message, {})
      doubtSinceMs = isLate ? sinceMs : null
      isHeld = isLate && doubtMs < longestDoubtMs
      skew = isLate ? null : found
      wasFine ||= found === null
    } catch (error) {
      return say('warning', error, {})
    }
    if (skew?.message === before?.message) {
      if (wasHeld && !isHeld) touchAll()
      return
    }
    if (skew === null) log({ level: 'info', message: 'the cluster is as it should be: work goes on' })
    else say('error', skew.message, {})
    amiss.resolve()
    if (isElected && skew === null) reserve()
    touchAll()
  }

  async function tellSkew(resource: Resource, { reason, message }: Skew): Promise<void> {
    if (resource.kind === 'Run') return
    const claims: Claim[] = [
      { type: 'Ready', status: 'False', reason, message },
      { type: 'Stalled', status: 'True', reason, message },
    ]
    const conditions = conditionsOf(resource.status.conditions, claims, resource.generation, clock.now())
    await writeStatus(surroundings, resource, { conditions })
  }

  function touchAll(): void {
    // The keys of a table.
    for (const kind of Object.keys(kinds) as Kind[]) for (const resource of caches.list(kind)) touch(keyOf(resource))
  }

  /** A new finding becomes an Event as well. */
  function tellVerdict(resource: Resource, view: View): void {
    const verdict = view.claims.find(({ type }) => type === 'GuardrailsPassed')
    const before = conditionOf(resource.status.conditions, 'GuardrailsPassed')
    if (verdict?.status === 'False' && (before?.status !== 'False' || before.message !== verdict.message))
      ports.record(resource, { type: 'Warning', reason: verdict.reason, message: verdict.message })
  }

  /** Slots follow the wall clock, timers do not: when the clock was set, everything that waits for an instant is looked at again. */
  function watchClock(offsetMs: number): void {
    cancelWatch = clock.after(watchClockMs, () => {
      const nowOffsetMs = clock.now() - clock.elapsed()
      const jumped = Math.abs(nowOffsetMs - offsetMs) > jumpMs
      if (jumped) {
        for (const kind of runnableKinds) for (const target of caches.list(kind)) touch(keyOf(target))
        for (const run of caches.list('Run')) if (!isFinished(run)) touch(keyOf(run))
      }
      watchClock(jumped ? nowOffsetMs : offsetMs)
    })
  }

  function say(level: LogLine['level'], error: unknown, fields: Readonly<Record<string, string | number>>): void {
    log({ level, message: error instanceof Error ? error.message : String(error), ...fields })
  }
}
