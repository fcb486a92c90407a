// One namespace with the largest expressions there may be, some of which change all the time, beside a quiet one: the whole operator, on a real
// API server. Over ten seconds: what is too large is waited for until it is ended, twice.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compilerThreads } from '../../operator/compiler-thread.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { type Operator, startOperator } from '../../operator/start.ts'
import { soak } from '../support/soak.ts'
import { minimal } from './bundle.ts'
import { conditionOf, openClusterApart, plainJobs, transportOf, type Workshop, workshop } from './harness.ts'

// Others would wait for it.
const cluster = await openClusterApart()
afterAll(() => cluster?.stop(), 60_000)
const limits = { quickMs: 3000, longestMs: 6000, memoryMiB: 512 }
const largeSegments = soak ? 400 : 80

/** As large as the CRD lets it be. */
const expression = (segment: number, edition: number): string =>
  Array.from({ length: 5500 }, (_, index) => `customerId = "${segment}-${edition}-${index}" or optOut`).join(' or ')

describe.skipIf(cluster === null)('a hostile namespace', () => {
  let operator: Operator
  let quiet: Workshop
  let hostile: Workshop
  const log: string[] = []
  const large = (segment: number, edition: number) => ({
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Segment',
    metadata: { name: `large-${segment}` },
    spec: {
      profileStoreRef: { name: 'customers' },
      expression: expression(segment, edition)
        .slice(0, 262_000)
        .replace(/ or [^o]*$/, ''),
    },
  })

  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    ;[quiet, hostile] = [await workshop(cluster!, transport), await workshop(cluster!, transport)]
    for (const shop of [quiet, hostile]) {
      await shop.claims('profile-store', 'landing', 'landing-zone')
      await shop.apply(...minimal())
    }
    operator = await startOperator(
      {
        clock: realClock,
        transport,
        random: Math.random,
        log: ({ message, level }) => log.push(`${level} ${message}`),
        compiler: compilerThreads({ clock: realClock, ...limits }),
      },
      {
        namespaces: [quiet.namespace, hostile.namespace],
        shard: null,
        concurrency: 16,
        instance: 'test',
        lease: { namespace: quiet.namespace, name: 'operator', identity: 'test' },
        healthPort: 0,
        metricsPort: 0,
        webhook: null,
        jobs: plainJobs,
      },
    )
    for (const shop of [quiet, hostile])
      await shop.until(
        async () =>
          expect(conditionOf(await shop.get('ProfileStore', 'customers'), 'Ready')).toMatchObject({ status: 'True' }),
        60,
      )
  }, 180_000)
  afterAll(async () => {
    operator?.stop()
    await operator?.ended
  }, 60_000)

  test('stops neither the Lease nor the probes nor a quiet one, keeps its own plan, and says so', {
    timeout: 600_000,
  }, async () => {
    for (let segment = 0; segment < largeSegments; segment += 1) await hostile.apply(large(segment, 0))
    const delay = monitorEventLoopDelay({ resolution: 20 })
    delay.enable()
    let isOver = false
    const changing = (async () => {
      for (let edition = 1; !isOver; edition += 1) {
        await hostile.apply(large(edition % largeSegments, edition))
        await sleep(1000)
      }
    })()
    const took: number[] = []
    const health: number[] = []
    const lookAtQuiet = async (round: number): Promise<void> => {
      const began = Date.now()
      await quiet.patch('ProfileStore', 'customers', {
        metadata: { annotations: { 'convoke.dev/requestedAt': String(round) } },
      })
      await quiet.until(async () => expect(await quiet.list('Run')).toHaveLength(round), 30)
      took.push(Date.now() - began)
      const asked = Date.now()
      const { status } = await fetch(`http://127.0.0.1:${operator.healthPort}/healthz`)
      health.push(Date.now() - asked)
      expect(status).toBe(200)
    }
    let round = 0
    await hostile.until(async () => {
      await lookAtQuiet((round += 1))
      const found = conditionOf(await hostile.get('ProfileStore', 'customers'), 'Reconciling')
      expect(found).toMatchObject({ status: 'True', reason: 'CompileStopped' })
    }, 300)
    // As large as it came to be before it was ended for the first time: what came early enough is in it.
    const kept = (await hostile.get('ProfileStore', 'customers')).status?.planDigest
    // A change of the quiet one is compiled while the other is being ended again.
    const edited = Date.now()
    await quiet.patch('Segment', 'gold-members', { spec: { description: 'Other words.' } })
    await quiet.until(async () => {
      const { metadata, status } = await quiet.get('Segment', 'gold-members')
      expect(status?.observedGeneration).toBe(metadata.generation)
    }, 60)
    const compiled = Date.now() - edited
    await lookAtQuiet((round += 1))
    isOver = true
    await changing
    delay.disable()

    const after = await hostile.get('ProfileStore', 'customers')
    expect(after.status?.planDigest).toBe(kept)
    expect(conditionOf(after, 'Ready')).toMatchObject({ status: 'True' })
    expect(conditionOf(after, 'Reconciling')?.message).toMatch(/Until it is smaller, the plans before stay in use\.$/)
    expect(operator.isLeading()).toBe(true)
    expect(log.filter((line) => /no leader|lost/i.test(line))).toEqual([])
    const lag = delay.max / 1e6
    console.log(
      `hostile: ${largeSegments} Segments of 200 kB; Runs of the quiet namespace after ${took.map((ms) => `${ms} ms`).join(', ')}; its change compiled after ${compiled} ms; probes within ${Math.max(...health)} ms; event loop held for ${Math.round(lag)} ms at most`,
    )
    // The Lease is lost after ten seconds; a Run of nobody in the way is there in less than two.
    expect(lag).toBeLessThan(5000)
    expect(Math.max(...took)).toBeLessThan(15_000)
  })
})
