// An operator that dies after any of its writes, before it hears how that went: the next one comes to the same end, and no step is lost
// or done twice.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HttpRequest } from '../../operator/kernel/transport.ts'
import { openCluster } from '../api/convoke.ts'
import { conditionOf } from './harness.ts'
import {
  activation,
  dyingAfter,
  foundation,
  minutesOf,
  openStage,
  type Run,
  type Stage,
  succeed,
  tomorrow,
} from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('an operator that dies', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [...foundation(), activation('offers')],
      retry: { limit: 1, backoff: '0.05s' },
    })
    await stage.looked('Activation', 'offers')
    await stage.looked('ProfileStore', 'customers')
    await stage.kill()
  })
  afterAll(() => stage?.leave())

  const describeWrite = ({ method, path, body }: HttpRequest): string => {
    const { metadata } = (body ?? {}) as { metadata?: { name?: string } }
    return `${method} ${path.replace(/^.*\/namespaces\/[^/]+\//, '')} ${metadata?.name ?? ''}`.trim()
  }

  /** One night by an operator that dies after its n-th write, and by one that comes after it; that write, or null where there were fewer. */
  async function night(day: number, fatal: number): Promise<string | null> {
    stage.behave((work) =>
      // One step fails once, so that a retry is among what is cut off.
      work.step === 'export' && work.input.attempt === 1
        ? { kind: 'crash', exitCode: 137, reason: 'OOMKilled', message: '' }
        : succeed(work),
    )
    stage.clock.set(tomorrow('03:00', day))
    let writes = 0
    let last: string | null = null
    const { through, died } = dyingAfter((request) => {
      writes += 1
      if (writes !== fatal) return false
      last = describeWrite(request)
      return true
    })
    await stage.start({ through })
    const both = [
      `pstore-customers-batch-${minutesOf(tomorrow('02:00', day))}`,
      `act-offers-${minutesOf(tomorrow('03:00', day))}`,
    ] as const
    const done = Promise.all(both.map((name) => stage.finished(name, 25)))
    if (fatal > 0) {
      const how = await Promise.race([died.then(() => 'died'), settledFor(done)])
      await stage.kill()
      if (how === 'died') await stage.start()
    }
    await done
    return last
  }

  async function settledFor(done: Promise<unknown>): Promise<string> {
    await done
    // The target's last word comes after.
    await stage.until(async () => expect((await stage.get('Activation', 'offers')).status!.activeRuns).toEqual([]))
    return 'over'
  }

  const shape = (run: Run) => ({
    spec: { ...run.spec, scheduledTime: '', target: run.spec.target.name },
    outcome: conditionOf(run, 'Succeeded'),
    attempt: run.status!.attempt,
    steps: run.status!.steps!.map(({ name, outcome, attempt }) => [name, outcome, attempt]),
    segments: run.status!.segments?.map(({ segment, acknowledged }) => [segment, acknowledged]),
  })

  test('after any of its writes leaves nothing undone and nothing done twice', { timeout: 600_000 }, async () => {
    await night(1, 0)
    await settledFor(Promise.resolve())
    await stage.kill()
    const nameOf = (day: number) => [
      `pstore-customers-batch-${minutesOf(tomorrow('02:00', day))}`,
      `act-offers-${minutesOf(tomorrow('03:00', day))}`,
    ]
    const expected = await Promise.all(nameOf(1).map(async (name) => shape(await stage.get('Run', name))))
    const jobsOf = (day: number) => {
      const [store, offers] = nameOf(day) as [string, string]
      return stage.player.seen
        .map(({ name }) => name)
        .filter((name) => name.startsWith(store) || name.startsWith(offers))
    }
    const jobs = jobsOf(1).length
    const seen: string[] = []
    for (let fatal = 1; ; fatal += 1) {
      const day = fatal + 1
      const last = await night(day, fatal)
      if (last === null) break
      seen.push(last)
      await settledFor(Promise.resolve())
      await stage.kill()
      const runs = await stage.runs()
      const ofDay = runs.filter(({ spec }) => spec.scheduledTime.startsWith(tomorrow('00:00', day).slice(0, 10)))
      expect(ofDay.map(({ metadata }) => metadata.name).sort(), last).toEqual(nameOf(day).sort())
      const ended = await Promise.all(nameOf(day).map(async (name) => shape(await stage.get('Run', name))))
      expect(ended, last).toEqual(expected)
      // No Job came to be twice, and none too many.
      expect(jobsOf(day), last).toHaveLength(jobs)
      expect(new Set(jobsOf(day)).size, last).toBe(jobs)
      const { status } = await stage.get('Activation', 'offers')
      expect(
        status!.baselines!.map(({ run }) => run),
        last,
      ).toEqual(Array.from({ length: 3 }, () => nameOf(day)[1]))
      expect(status, last).toMatchObject({
        lastScheduledTime: tomorrow('03:00', day),
        lastSuccessfulTime: tomorrow('03:00', day),
      })
    }
    // Which write is the n-th is chance, but there are enough to meet each kind that matters.
    const kinds = seen.map((write) => write.replace(/^(\w+ \w+).*?(\/status)?$/, '$1$2'))
    for (const kind of [
      'POST runs',
      'POST configmaps',
      'POST jobs',
      'PATCH runs/status',
      'PATCH profilestores/status',
      'PATCH activations/status',
    ])
      expect(kinds).toContain(kind)
  })
})
