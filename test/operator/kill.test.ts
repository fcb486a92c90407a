// One story, from the first `kubectl apply` over a night to the next, by an operator that is killed right before, or right after, one of its
// writes is done, and by another that comes after it: each comes to the end to which one that lives comes.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { isWork } from '../cluster/faults.ts'
import { transportOf } from './harness.ts'
import { type House, hourMs, minuteMs, openHouse } from './house.ts'
import { openLine } from './line.ts'
import { last } from './observer.ts'
import { startReplica } from './replica.ts'
import { openWorld, type World } from './world.ts'

const cluster = await openCluster()
const tag = randomUUID().slice(0, 4)
const atOnce = 12
const patienceMs = 60_000

describe.skipIf(cluster === null)('an operator that is killed', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(cluster!.kubeconfig, await transportOf(cluster!.kubeconfig))
  })
  afterAll(() => world?.stop())

  test('at whichever write, leaves nothing undone and nothing done twice', { timeout: 900_000 }, async () => {
    const whole = await tell(null)
    expect(whole.wrong).toEqual([])
    expect(whole.end.map(({ run }) => run)).toEqual([
      'act-letters-0',
      'act-letters-1',
      'pstore-retail-batch-0',
      'pstore-retail-batch-1',
    ])
    // In which order writes go out that do not wait for one another is chance: each is met by one number or another.
    // The second night's like the first's; only how it begins is not.
    const deaths = Array.from({ length: Math.ceil(whole.writes * 0.7) }, (_, write) =>
      [true, false].map((isDone) => ({ write, isDone })),
    )
    const left = deaths.flat()
    const failed: string[] = []
    const one = async (): Promise<void> => {
      for (let death = left.shift(); death !== undefined; death = left.shift()) {
        const { wrong, end } = await tell(death)
        const same = JSON.stringify(end) === JSON.stringify(whole.end)
        if (wrong.length > 0 || !same)
          failed.push(
            `killed at write ${death.write}, ${death.isDone ? '' : 'not '}done:\n  ${[...wrong, ...(same ? [] : [JSON.stringify(end)])].join('\n  ')}`,
          )
      }
    }
    await Promise.all(Array.from({ length: atOnce }, one))
    expect(failed.join('\n')).toBe('')
    expect(whole.writes).toBeGreaterThan(50)
  })

  async function tell(death: { readonly write: number; readonly isDone: boolean } | null) {
    const namespace = `kill-${death ? `${death.write}-${death.isDone ? 'done' : 'not'}` : 'none'}-${tag}`
    let batchMs = 0
    const house = await openHouse(world, {
      namespace,
      seed: 1,
      stands: false,
      luck: false,
      plan(nowMs) {
        batchMs = Math.floor(nowMs / minuteMs + 60) * minuteMs
        return {
          batch: new Date(batchMs),
          streaming: false,
          database: true,
          segments: ['gold'],
          historyLimit: 3,
          activations: [{ name: 'letters', schedule: { after: 'Evaluation' }, segments: ['gold'] }],
        }
      },
    })
    await house.claim()
    const line = openLine(world.transport)
    const died = death && line.dieAt(death.write, death.isDone)
    const replica = await startReplica({ line, clock: house.clock, namespaces: [namespace], stands: false })
    let reborn: Promise<void> | null = null
    void died?.then(() => {
      reborn = replica.kill().then(replica.revive)
    })
    await house.apply()
    const wrong: string[] = []
    for (const slotMs of [null, batchMs, batchMs + 24 * hourMs]) {
      if (slotMs !== null) house.move(slotMs - house.clock.now() + 1000)
      wrong.push(...(await house.rest(patienceMs)))
    }
    if (reborn === null) line.revive()
    await reborn
    const told = { wrong, end: endOf(house, batchMs), writes: line.done.filter(isWork).length }
    await replica.stop()
    await line.stop()
    house.leave()
    return told
  }
})

/** What is to be the same; a Run is called by the day it is for. */
function endOf({ seen }: House, batchMs: number) {
  const day = (name: string): string =>
    name.replace(/\d{6,}/, (minute) => String((Number(minute) * minuteMs - batchMs) / (24 * hourMs)))
  const { runs, jobs, targets } = seen()
  const baselines = targets
    .map(last)
    .flatMap(({ status }) => (status as { baselines?: readonly { run: string }[] }).baselines ?? [])
  return runs
    .map((history) => {
      const { name, definition, status } = last(history)
      return {
        run: day(name),
        gone: history.gone,
        trigger: definition.spec.trigger,
        attempt: status.attempt,
        steps: status.steps?.map(({ name, outcome, attempt, job = '' }) => [name, outcome, attempt, day(job)]),
        segments: status.segments?.map(({ segment, acknowledged }) => [segment, acknowledged]),
        jobs: jobs.filter((job) => last(job).owner === history.uid).map((job) => day(job.name)),
        isBaseline: baselines.some(({ run }) => run === name),
      }
    })
    .sort((a, b) => (a.run < b.run ? -1 : 1))
}
