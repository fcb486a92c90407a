// One life of one namespace, all of it decided by a seed: what is in it, what befalls requests, when its operator dies, how its Jobs end,
// what people do. Then all faults end, and what the operator promises is held against what an observer saw.
import { setTimeout as sleep } from 'node:timers/promises'
import { annotations } from '#crds'
import { pathOf } from '../api/convoke.ts'
import type { Rates } from '../cluster/faults.ts'
import { conditionOf } from './harness.ts'
import { type House, hourMs, minuteMs, openHouse, type Plan } from './house.ts'
import { type DirectLine, type Line, openLine, proxyLine } from './line.ts'
import { first, last, type Seen } from './observer.ts'
import { succeeded } from './promises.ts'
import { type Replica, startReplica } from './replica.ts'
import type { World } from './world.ts'

export type Life = {
  /** Sentences; none if all is as it should be. */
  readonly wrong: readonly string[]
  /** What happened, and where something is wrong all that was seen. */
  readonly story: readonly string[]
  readonly runs: number
}

const rates: Rates = {
  drop: 0.005,
  reset: 0.02,
  delay: 0.03,
  answerLate: 0.03,
  loseAnswer: 0.03,
  cutAnswer: 0.01,
  conflict: 0.02,
  tooMany: 0.02,
  error: 0.03,
  errorWhenDone: 0.02,
  gone: 0.05,
  endWatch: 0.03,
  resetWatch: 0.05,
  goneInWatch: 0.05,
  stallWatch: 0.01,
  slowWatch: 0.3,
  partition: 0.003,
}
/** In real time, and in the operators' own: a watch that fell silent is opened again after 150 s of that. */
const [patienceMs, ownPatienceMs] = [100_000, 600_000]

/** `way`: through this process or through real HTTP. */
export async function live(world: World, seed: number, namespace: string, way: 'direct' | 'proxy'): Promise<Life> {
  const luck = luckOf(seed)
  const stands = luck.chance(0.15)
  const house = await openHouse(world, { namespace, seed, stands, luck: true, plan: (nowMs) => planBy(luck, nowMs) })
  const story = [`${house.activations}, ${stands ? 'two replicas' : 'one'} at ${world.speed(stands).toFixed(1)}`]
  const startedMs = performance.now()
  const say = (what: string): void => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(2)
    story.push(`${seconds} ${new Date(house.clock.now()).toISOString().slice(0, 19)} ${what}`)
  }
  const isLate = luck.chance(0.2)
  if (!isLate) await house.claim()
  const lines: (Line | DirectLine)[] = []
  const replicas: Replica[] = []
  for (const index of stands ? [0, 1] : [0]) {
    const options = { seed: 2 * seed + index, rates, whileMs: [5, 400], dropMs: 2000 } as const
    lines.push(way === 'direct' ? openLine(world.transport, options) : await proxyLine(world.kubeconfig, options))
  }
  const start = async (): Promise<void> => {
    for (const line of lines)
      replicas.push(await startReplica({ line, clock: house.clock, namespaces: [namespace], stands }))
  }
  await (luck.chance(0.5) ? house.apply().then(start) : start().then(house.apply))
  await house.progress(luck.below(30))

  const people = openPeople(house, luck, lines, replicas)
  const rounds = 4 + luck.below(4)
  for (let round = 0; round < rounds; round += 1) {
    if (round === 2 && isLate) await house.claim()
    say(await people.act())
    await sleep(luck.between(0, 200))
    await house.progress(luck.below(40))
  }
  for (const line of lines) {
    line.pause()
    line.heal()
  }
  await people.rest()
  house.campaign.calm()
  say('faults are over')
  const wrong = [...(await house.rest(Math.max(patienceMs, ownPatienceMs / world.speed(stands))))]
  say('all is quiet')
  for (const { log } of replicas)
    for (const line of log)
      if (line.level === 'error' || ('key' in line && !isOfSurroundings(line.message)))
        wrong.push(`the operator said: ${line.message}`)
  await Promise.all(replicas.map((replica) => replica.stop()))
  await Promise.all(lines.map((line) => line.stop()))
  const seen = house.seen()
  if (wrong.length > 0)
    story.push(...portrait(seen), ...replicas.flatMap(({ log }) => log.map((line) => JSON.stringify(line))))
  house.leave()
  return { wrong, story, runs: seen.runs.length }
}

/** Why a pass may fail that is our own fault in nothing. */
function isOfSurroundings(message: string): boolean {
  return /^(GET|POST|PUT|PATCH|DELETE) \/|is being deleted/.test(message)
}

type People = {
  /** One of the things that happen; says what it was. */
  readonly act: () => Promise<string>
  /** What was suspended goes on, and nothing was done in a future that was taken back. */
  readonly rest: () => Promise<void>
}

/** Those who ask, suspend and edit, set the clock, and pull out plugs. */
function openPeople(
  house: House,
  luck: Luck,
  lines: readonly (Line | DirectLine)[],
  replicas: readonly Replica[],
): People {
  const { world, namespace, clock, activations, patch } = house
  const suspended = new Set<string>()
  let furthestMs = clock.now()
  let asked = 0
  const move = (milliseconds: number): string => {
    house.move(milliseconds)
    furthestMs = Math.max(furthestMs, clock.now())
    return `moved ${Math.round(milliseconds / minuteMs)} min`
  }
  const request = () => ({ metadata: { annotations: { [annotations.requestedAt]: `request-${(asked += 1)}` } } })

  const acts: readonly (readonly [weight: number, act: () => Promise<string> | string])[] = [
    [8, () => move(luck.of([0.3, 1, 2, 3, 3, 4, 6, 9]) * hourMs)],
    [2, () => move(-luck.between(1, 20) * minuteMs)],
    [6, kill],
    [1, part],
    [1, deafen],
    [
      2,
      async () => {
        const name = luck.of([...activations, 'retail'])
        const kind = name === 'retail' ? 'ProfileStore' : 'Activation'
        await patch(kind, name, request())
        return `asked for ${name}: ${asked}`
      },
    ],
    [1, makeByHand],
    [
      2,
      async () => {
        const name = luck.of(activations)
        const isSuspended = suspended.delete(name)
        if (!isSuspended) suspended.add(name)
        await house.suspend(name, !isSuspended)
        return `${isSuspended ? 'resumed' : 'suspended'} ${name}`
      },
    ],
    [
      1,
      async () => {
        await patch('Segment', 'gold', { spec: { expression: `tier = "gold" and points >= ${luck.below(1000)}` } })
        return 'edited a Segment'
      },
    ],
    [2, tryAgain],
  ]

  return {
    async act() {
      let left = luck.between(
        0,
        acts.reduce((sum, [weight]) => sum + weight, 0),
      )
      return acts.find(([weight]) => (left -= weight) < 0)![1]()
    },
    async rest() {
      for (const name of suspended) await house.suspend(name, false)
      if (clock.now() < furthestMs) move(furthestMs - clock.now())
    },
  }

  async function kill(): Promise<string> {
    const index = luck.below(lines.length)
    const [line, replica] = [lines[index]!, replicas[index]!]
    const [write, isDone] = [luck.below(12), luck.chance(0.5)]
    await Promise.race([line.dieAt(write, isDone), sleep(luck.between(300, 900))])
    await replica.kill()
    await sleep(luck.between(0, 300))
    await replica.revive()
    return `killed ${index} at write ${write}, ${isDone ? '' : 'not '}done`
  }

  async function part(): Promise<string> {
    const line = luck.of(lines)
    line.partition()
    await sleep(luck.between(100, 800))
    line.heal()
    return 'a partition was healed'
  }

  /** Its copies stay as they are while the world goes on. */
  async function deafen(): Promise<string> {
    const line = luck.of(lines)
    if (!('deafen' in line)) return 'nothing'
    line.deafen()
    house.move(luck.of([0, 3, 6]) * hourMs)
    await house.progress(luck.below(60))
    line.hear()
    return 'watches were silent for a while'
  }

  async function makeByHand(): Promise<string> {
    asked += 1
    const name = luck.of(activations)
    await world.api('POST', pathOf('Run', namespace), {
      apiVersion: 'convoke.dev/v1alpha1',
      kind: 'Run',
      metadata: { name: `by-hand-${asked}` },
      spec: {
        target: { kind: 'Activation', name },
        scheduledTime: new Date(clock.now()).toISOString().replace(/\.\d+Z/, 'Z'),
        trigger: 'Manual',
      },
    })
    return `made a Run of ${name} by hand`
  }

  async function tryAgain(): Promise<string> {
    const failed = house.seen().runs.filter((run) => !run.gone && succeeded(last(run)) === 'False')
    if (failed.length === 0) return 'nothing had failed'
    const { name } = luck.of(failed)
    // It may be forgotten by now.
    await patch('Run', name, request()).catch(() => {})
    return `asked for ${name} again`
  }
}

/** Two or three Activations for one instance that share Segments, perhaps a Streaming Segment, perhaps a database. */
function planBy(luck: Luck, nowMs: number): Plan {
  const soon = (): Date => new Date((Math.floor(nowMs / minuteMs) + luck.below(210) - 30) * minuteMs)
  const streaming = luck.chance(0.3)
  const segments = luck.chance(0.5) ? ['gold', 'silver'] : ['gold']
  const some = (): readonly string[] =>
    [...segments, ...(streaming ? ['live'] : [])].filter((name) => name === 'gold' || luck.chance(0.6))
  const every = (hours: number) => ({ every: `${hours}h`, startAt: soon().toISOString() })
  return {
    batch: soon(),
    streaming,
    database: luck.chance(0.7),
    segments,
    historyLimit: luck.of([0, 1, 3]),
    activations: [
      { name: 'every-a', schedule: every(luck.of([3, 6])), segments: some() },
      ...(luck.chance(0.5) ? [{ name: 'every-b', schedule: every(6), segments: some() }] : []),
      ...(luck.chance(0.6) ? [{ name: 'after-b', schedule: { after: 'Evaluation' }, segments: some() }] : []),
    ],
  }
}

/** Everything that was seen, for whoever has to find out. */
function portrait({ runs, jobs, targets }: Seen): readonly string[] {
  return [
    ...targets.map((target) => `${last(target).kind} ${target.name} ${JSON.stringify(last(target).status)}`),
    ...runs.map((run) => {
      const { definition, status } = last(run)
      const { trigger, scheduledTime } = definition.spec
      const { reason, message } = conditionOf(last(run), 'Succeeded') ?? {}
      return `${spanOf(run)} ${run.name} ${trigger} ${scheduledTime} activated ${status.activatedTime} finished ${status.finishedAt}: ${reason} ${message?.slice(0, 100)}`
    }),
    ...jobs.map((job) => `${spanOf(job)} ${job.name} ${last(job).end?.reason}`),
  ]
}

function spanOf(history: Seen['runs'][number] | Seen['jobs'][number]): string {
  return `${first<unknown>(history).revision}..${history.versions.at(-1)!.revision}${history.gone ? ' (gone)' : ''}`
}

type Luck = {
  readonly chance: (share: number) => boolean
  readonly between: (from: number, to: number) => number
  /** A whole number from 0. */
  readonly below: (count: number) => number
  readonly of: <T>(items: readonly T[]) => T
}

/** mulberry32 */
function luckOf(seed: number): Luck {
  let state = seed
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count: number): number => Math.floor(random() * count)
  return {
    chance: (share) => random() < share,
    between: (from, to) => from + random() * (to - from),
    below,
    of: (items) => items[below(items.length)]!,
  }
}
