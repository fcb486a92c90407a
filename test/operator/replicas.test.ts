// Two operators and one Lease: whatever becomes of the one that leads, the other takes over in time, and nothing that the first had in hand is
// written after that.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { annotations } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { isWork } from '../cluster/faults.ts'
import { type MovableClock, transportOf, until } from './harness.ts'
import { type House, hourMs, minuteMs, openHouse } from './house.ts'
import { type DirectLine, openLine } from './line.ts'
import { type Replica, startReplica, stoppable } from './replica.ts'
import { openWorld, type World } from './world.ts'

const cluster = await openCluster()
const tag = randomUUID().slice(0, 4)
const patienceMs = 60_000

describe.skipIf(cluster === null)('two replicas', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(cluster!.kubeconfig, await transportOf(cluster!.kubeconfig))
  })
  afterAll(() => world?.stop())

  type Side = {
    readonly line: DirectLine
    readonly clock: MovableClock
    readonly replica: Replica
    readonly freeze: () => void
    readonly thaw: () => void
  }

  /** Each with a clock that is so many milliseconds wrong. */
  async function openPair(name: string, wrongMs: readonly number[] = [0, 0], { historyLimit = 3, stands = true } = {}) {
    const namespace = `pair-${name}-${tag}`
    const house = await openHouse(world, {
      namespace,
      seed: 1,
      stands: true,
      luck: false,
      plan: (nowMs) => ({
        batch: new Date(nowMs + 100 * minuteMs),
        streaming: false,
        database: true,
        segments: ['gold', 'silver'],
        historyLimit,
        activations: ['gold', 'silver'].map((segment, index) => ({
          name: `every-${'ab'[index]}`,
          schedule: { every: '3h', startAt: new Date(Math.floor(nowMs / minuteMs) * minuteMs).toISOString() },
          segments: [segment],
        })),
      }),
    })
    await house.claim()
    await house.apply()
    const sides: Side[] = []
    for (const ms of wrongMs) {
      const line = openLine(world.transport, { seed: 1, isLate: false })
      const own = stoppable({ ...house.clock, now: () => house.clock.now() + ms })
      const replica = await startReplica({ line, clock: own, namespaces: [namespace], stands })
      sides.push({
        line,
        clock: { ...house.clock, ...own },
        replica,
        freeze() {
          own.stop()
          line.freeze()
        },
        thaw() {
          own.goOn()
          line.thaw()
        },
      })
    }
    onTestFinished(async () => {
      await Promise.all(sides.map(({ replica }) => replica.stop()))
      await Promise.all(sides.map(({ line }) => line.stop()))
      house.leave()
    })
    await wait(() => sides.some(({ replica }) => replica.isLeading()))
    const leads = (): readonly [Side, Side] =>
      sides[0]!.replica.isLeading() ? [sides[0]!, sides[1]!] : [sides[1]!, sides[0]!]
    return { house, sides, leads }
  }

  const wait = (is: () => boolean): Promise<void> => until(is, patienceMs)

  /** Beyond 15 s that a Lease lasts and 2 s between two looks at it: the way to an API server that has much to do. */
  const slackSeconds = (): number => world.speed(true) / 2

  /** Seconds of the operators' time until the other one leads. */
  async function takeOver({ house }: { readonly house: House }, next: Side): Promise<number> {
    const startedMs = house.clock.elapsed()
    await wait(() => next.replica.isLeading())
    return (house.clock.elapsed() - startedMs) / 1000
  }

  /** What either has done while the other held the Lease, by the API server's own count. */
  function trespasses(sides: readonly Side[]): readonly string[] {
    const writes = sides.flatMap(({ line }, index) =>
      line.done.flatMap((done) => (done.revision === null ? [] : [{ ...done, index, revision: done.revision }])),
    )
    const terms = writes
      .filter(({ path, method }) => path.includes('/leases') && method !== 'DELETE')
      .sort((a, b) => a.revision - b.revision)
    return writes.filter(isWork).flatMap(({ index, revision, method, path }) => {
      const term = terms.findLast((lease) => lease.revision < revision)
      return term === undefined || (term.index === index && term.holder !== '')
        ? []
        : [`${index} in a term of ${term.index}: ${method} ${path}`]
    })
  }

  // A wall clock that is set looks to the holder of a Lease as if it had slept: work comes by request, and not by time.
  const ask = ({ patch }: House, what: number): Promise<unknown> =>
    patch('ProfileStore', 'retail', { metadata: { annotations: { [annotations.requestedAt]: `request-${what}` } } })

  test('of a leader that is cut off, or stopped and goes on later, nothing is written in the time of the next', async () => {
    const pair = await openPair('cut')
    const { house, sides, leads } = pair
    const seconds: number[] = []
    for (let round = 0; round < 6; round += 1) {
      const [first, next] = leads()
      const [cut, mend] = round % 2 === 0 ? [first.line.partition, first.line.heal] : [first.freeze, first.thaw]
      await ask(house, round)
      // In the middle of its work, at one place or another.
      await house.progress(1 + 2 * round)
      cut()
      seconds.push(await takeOver(pair, next))
      await house.progress(5)
      mend()
      await wait(() => first.replica.starts() > round / 2 + 1)
    }
    expect(await house.rest(patienceMs)).toEqual([])
    expect(trespasses(sides)).toEqual([])
    expect(Math.max(...seconds)).toBeLessThan(17 + slackSeconds())
  })

  test('one that is told to stop hands over at once, one that is killed when its Lease is over', async () => {
    const pair = await openPair('stop')
    const { house, sides, leads } = pair
    const [first, next] = leads()
    const stopped = first.replica.stop()
    const clean = await takeOver(pair, next)
    await stopped
    await first.replica.revive()
    await ask(house, 1)
    await house.progress(5)
    await next.replica.kill()
    const killed = await takeOver(pair, first)
    expect(clean).toBeLessThan(3 + slackSeconds())
    expect(killed).toBeLessThan(17 + slackSeconds())
    await next.replica.revive()
    expect(await house.rest(patienceMs)).toEqual([])
    expect(trespasses(sides)).toEqual([])
  })

  test.each([
    [1, -1],
    [-1, 1],
  ])('with clocks that are %s h and %s h wrong no slot is run twice, and none is lost', async (one, other) => {
    const pair = await openPair(`skew${one}`, [one * hourMs, other * hourMs])
    const { house, sides, leads } = pair
    for (const hours of [2, 1, 1, 3]) {
      house.move(hours * hourMs)
      await wait(() => sides.some(({ replica }) => replica.isLeading()))
      await house.progress(30)
      const [first, next] = leads()
      await first.replica.kill()
      await takeOver(pair, next)
      await house.progress(20)
      await first.replica.revive()
    }
    // Whichever leads comes to where the other was.
    house.move(2 * hourMs)
    await wait(() => sides.some(({ replica }) => replica.isLeading()))
    house.owes(() => leads()[0].clock.now())
    expect(await house.rest(patienceMs)).toEqual([])
    expect(trespasses(sides)).toEqual([])
  })

  test('one whose copies are old when it comes to lead asks before it runs a slot', async () => {
    // No Run is kept, so that nothing but the status tells of it.
    const { house, sides } = await openPair('old', [0], { historyLimit: 0, stands: false })
    const lease = `/apis/coordination.k8s.io/v1/namespaces/${house.namespace}/leases`
    const spec = { holderIdentity: 'somebody', leaseDurationSeconds: 3600, renewTime: '2026-01-01T00:00:00.000000Z' }
    await world.api('POST', lease, { metadata: { name: 'convoke-operator' }, spec })
    const line = openLine(world.transport)
    const late = await startReplica({ line, clock: house.clock, namespaces: [house.namespace], stands: true })
    onTestFinished(late.stop)
    await late.synced()
    line.deafen()
    for (let slot = 0; slot < 2; slot += 1) {
      house.move(3 * hourMs)
      await wait(() => house.seen().runs.length > 2 * slot && house.unfinished().length === 0)
    }
    await sides[0]!.replica.kill()
    await world.api('PATCH', `${lease}/convoke-operator`, { spec: { holderIdentity: '' } })
    await wait(late.isLeading)
    await house.progress(20)
    line.hear()
    expect(await house.rest(patienceMs)).toEqual([])
  })
})
