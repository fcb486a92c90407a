// Both drivers of Runs live the same script: `convoke run` in this process, and the operator on a real API server.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kind, RunnableKind, RunStatus } from '#crds'
import { conditionOf, isFinished } from '#protocol'
import type { Resource } from '../../operator/definition.ts'
import { pathOf } from '../api/convoke.ts'
import { openLine } from '../operator/line.ts'
import { last } from '../operator/observer.ts'
import type { Behaviour } from '../operator/player.ts'
import { fastClock, startReplica } from '../operator/replica.ts'
import type { World } from '../operator/world.ts'
import { openLaptop } from './laptop.ts'
import { Killed, type Plane } from './plane.ts'
import { type Ended, endedOf, type Made, type Script, text } from './script.ts'

/** As a person, or a timer, who calls until nothing fails any more, and gives up after a while. */
export async function onLaptop(script: Script): Promise<Ended> {
  const plane = script.plane()
  using laptop = openLaptop(plane)
  let yaml = ''
  for (const [index, { at, edition, dies }] of script.instants.entries()) {
    if (edition) yaml = edition.map((object) => JSON.stringify(object)).join('\n---\n')
    if (dies) laptop.dieAt(dies)
    const until = script.instants[index + 1]?.at ?? at
    for (let when: string | null = at; when !== null; ) when = await calls(when, until)
    laptop.dieAt(null)
  }
  const { targets } = laptop.state()
  return endedOf(
    plane,
    Object.entries(targets).flatMap(([key, { baselines = [] }]) =>
      baselines.map(({ segment, run }) => ({ activation: key.split('/')[2]!, segment, run })),
    ),
  )

  /** The instant before `until` at which something that has to wait may begin; null: there is none. */
  async function calls(at: string, until: string): Promise<string | null> {
    for (let call = 0; call < 20; call += 1) {
      const done = await laptop.call(yaml, at).catch((error: unknown) => {
        if (error instanceof Killed || (error instanceof Error && error.message === 'killed at a write')) return null
        throw error
      })
      if (!done || done.runs.some(({ outcome }) => outcome === 'Failed')) continue
      const waits = done.notices.flatMap(({ message }) => /^Waits until (\S+):/.exec(message)?.[1] ?? [])
      return waits.sort().find((time) => time > at && time < until) ?? null
    }
    return null
  }
}

const speed = 20
const patienceMs = 120_000

function hasSucceeded({ conditions }: RunStatus): boolean {
  return conditionOf(conditions, 'Succeeded')?.status === 'True'
}

function dayBefore(time: string): string {
  return text(Date.parse(time) - 86_400_000)
}

/** In a namespace of the script's name, whose wall clock stands still but where the script moves it. */
export async function inCluster(world: World, script: Script): Promise<Ended> {
  const { namespace } = script
  const { api, observer } = world
  const plane = script.plane()
  const perform = behaviourOf(plane)
  // Of what is due at the same instant a laptop evaluates first; a cluster begins both, and here the evaluation is the quicker one.
  world.behaviours.set(namespace, async (work) => {
    const deadline = performance.now() + patienceMs
    while (work.step === 'export' && !isEvaluated() && performance.now() < deadline) await sleep(50)
    return perform(work)
  })
  await api('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  await api('POST', `/api/v1/namespaces/${namespace}/persistentvolumeclaims`, {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  const fast = fastClock(() => speed)
  let nowMs = Date.parse(script.instants[0]!.at)
  const clock = { ...fast, now: () => nowMs }
  const line = openLine(world.transport)
  let written: readonly Made[] = []
  await write(script.instants[0]!.edition!)
  const replica = await startReplica({ line, clock, namespaces: [namespace], stands: false })
  for (const [index, { at, edition, dies }] of script.instants.entries()) {
    nowMs = Date.parse(at)
    if (edition) await write(edition)
    if (dies) {
      await Promise.race([line.dieAt(dies.write, dies.isDone), sleep(500)])
      await replica.kill()
      await replica.revive()
    }
    const untilMs = Date.parse(script.instants[index + 1]?.at ?? at)
    for (;;) {
      await rest()
      const next = Math.min(
        ...runs()
          .flatMap(wakes)
          .filter((ms) => ms > nowMs),
      )
      // When a slot comes that the script leaves out, nobody is there.
      if (next >= Math.min(untilMs, ...targets().flatMap(slots)) || !Number.isFinite(next)) break
      nowMs = next
    }
  }
  await replica.stop()
  await line.stop()
  const baselines = targets().flatMap(({ kind, name, status }) => {
    const known =
      kind === 'Activation' ? (status as { baselines?: readonly { segment: string; run: string }[] }).baselines : []
    return (known ?? []).map(({ segment, run }) => ({ activation: name, segment, run }))
  })
  world.behaviours.delete(namespace)
  observer.forget(namespace)
  return endedOf(plane, baselines)

  function runs() {
    return observer
      .seen(namespace)
      .runs.filter(({ gone }) => !gone)
      .map(last)
      .filter((run) => !isFinished(run))
  }

  function targets() {
    return observer.seen(namespace).targets.map(last)
  }

  /** When something is due for the target next. */
  function slots({ status }: Resource<RunnableKind>): readonly number[] {
    const { nextBatchTime, nextScheduledTime } = status as Readonly<Record<string, string | undefined>>
    return [nextBatchTime, nextScheduledTime].flatMap((time) => (time === undefined ? [] : [Date.parse(time)]))
  }

  /** When a Run that waits goes on. */
  function wakes({ status }: Resource<'Run'>): readonly number[] {
    const { message = '' } = conditionOf(status.conditions, 'Succeeded') ?? {}
    const floor = /^Waits until (\S+):/.exec(message)?.[1]
    return [status.retryTime, floor].flatMap((time) => (time === undefined ? [] : [Date.parse(time)]))
  }

  /** Until nothing is at work, all that is due was begun, and nothing has changed for a while. */
  async function rest(): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!(observer.quietMs(namespace) > 300 && isAtRest())) {
      if (performance.now() > deadline)
        throw new Error(
          `${namespace} does not come to rest at ${text(nowMs)}: ${JSON.stringify(targets().map(({ name, status }) => [name, status]))} ${JSON.stringify(runs())}`,
        )
      await sleep(50)
    }
  }

  function isAtRest(): boolean {
    return runs().every(isWaiting) && targets().every(isSettled)
  }

  /** Nothing that a store has to do at this time is still to be done. */
  function isEvaluated(): boolean {
    const stores = targets().filter(({ kind }) => kind === 'ProfileStore')
    const own = runs().filter(({ definition: { spec } }) => spec.target.kind === 'ProfileStore')
    return own.every(isWaiting) && stores.every(isSettled)
  }

  function isWaiting(run: Resource<'Run'>): boolean {
    return wakes(run).some((ms) => ms > nowMs)
  }

  /** All that is due for it was begun, and is seen. */
  function isSettled({ name, definition, generation, status, kind }: Resource<RunnableKind>): boolean {
    const { observedGeneration, nextBatchTime, nextScheduledTime, lastScheduledTime, observedSchedule, ...further } =
      status as Readonly<Record<string, string | undefined>>
    const made = observer.seen(namespace).runs.map(last)
    // Kinds are watched apart: what is said of a Run may be seen before the Run.
    const newest = nextBatchTime === undefined ? lastScheduledTime : dayBefore(nextBatchTime)
    const isMade = made.some(({ definition: { spec } }) => spec.target.name === name && spec.scheduledTime === newest)
    if (newest !== undefined && newest > script.instants[0]!.at && !isMade) return false
    const isSuspended = definition.metadata.annotations?.['convoke.dev/suspend'] === 'true'
    if (Number(observedGeneration) !== generation || (observedSchedule === 'suspended') !== isSuspended) return false
    if (isSuspended) return true
    const next = nextBatchTime ?? nextScheduledTime
    if (next === undefined || Date.parse(next) <= nowMs) return false
    const evaluated = made
      .filter(({ definition: { spec }, status }) => spec.target.kind === 'ProfileStore' && hasSucceeded(status))
      .map(({ definition: { spec } }) => spec.scheduledTime)
      .sort()
      .at(-1)
    if (evaluated === undefined) return true
    if (kind === 'ProfileStore') return (further['lastSuccessfulBatchTime'] ?? '') >= evaluated
    const isAfter =
      kind === 'Activation' && (definition.spec as { schedule: { after?: string } }).schedule.after !== undefined
    return !isAfter || (lastScheduledTime ?? '') >= evaluated
  }

  /** Whoever refers to something comes after it, and goes before. */
  async function write(edition: readonly Made[]): Promise<void> {
    for (const { kind, metadata, ...rest } of edition) {
      const path = pathOf(kind as Kind, namespace)
      const before = written.find((other) => other.kind === kind && other.metadata.name === metadata.name)
      if (!before) await api('POST', path, { kind, metadata, ...rest })
      else if (JSON.stringify(before) !== JSON.stringify({ kind, metadata, ...rest }))
        await api('PATCH', `${path}/${metadata.name}`, {
          metadata: { annotations: metadata.annotations },
          spec: rest.spec,
        })
    }
    for (const { kind, metadata } of written)
      if (!edition.some((other) => other.kind === kind && other.metadata.name === metadata.name))
        await api('DELETE', `${pathOf(kind as Kind, namespace)}/${metadata.name}`)
    written = edition
  }
}

function behaviourOf(plane: Plane): Behaviour {
  return ({ step, plan, input }) => {
    try {
      return { kind: 'report', report: plane.perform({ step, plan, input }) }
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      return { kind: 'crash', exitCode: 137, reason: 'OOMKilled', message: '' }
    }
  }
}
