// The whole way on a real API server: resources are applied, the operator makes Runs and Jobs, and the Jobs really do their steps.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureTarget, startEmbeddedPostgres, steps } from '#jobs'
import { portsFor } from '../../cli/ports.ts'
import { openCluster } from '../api/convoke.ts'
import { minimal } from './bundle.ts'
import {
  conditionOf,
  movableClock,
  type Operator,
  startOperator,
  transportOf,
  type Workshop,
  workshop,
} from './harness.ts'
import { type Player, play, type Work } from './player.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('the whole way', () => {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-road-'))
  const volumes = join(folder, 'volumes')
  const clock = movableClock()
  let operator: Operator
  let shop: Workshop
  let player: Player
  let database: Database
  beforeAll(async () => {
    cpSync(join(import.meta.dirname, '../../examples/minimal/volumes'), volumes, { recursive: true })
    database = await startDatabase(join(folder, 'postgres'))
    const transport = await transportOf(cluster!.kubeconfig)
    shop = await workshop(cluster!, transport)
    player = await play(transport, really, (namespace) => namespace === shop.namespace)
    operator = await startOperator(transport, { clock, namespaces: [shop.namespace] })
  })
  afterAll(async () => {
    await operator?.kill()
    await player?.stop()
    await database?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function really({ step, plan, input }: Work) {
    const places = {
      volumes,
      secrets: null,
      databases: new Map([['production', database.url]]),
      scratchParent: folder,
    }
    // Of the process, jobs need no more than its clock and the wish to stop.
    const io = { now: () => new Date(clock.now()), signal: new AbortController().signal } as Parameters<
      typeof portsFor
    >[1]
    using ports = portsFor(places, io, () => {})
    if (step === 'import')
      await ensureTarget(database.url, plan.import!, join(volumes, 'campaign/production/recipients.csv'))
    return { kind: 'report', report: await steps[step]({ plan, input, ports }) } as const
  }

  test('from kubectl apply to recipients that are updated', async () => {
    await shop.claims('profile-store', 'landing', 'landing-zone')
    await shop.apply(
      ...minimal().map((resource) =>
        resource.kind === 'Segment'
          ? { ...resource, spec: { ...resource.spec, deletionPolicy: 'ExportExits' } }
          : resource,
      ),
    )
    await shop.until(async () => {
      for (const kind of ['ProfileStore', 'Activation'] as const)
        expect(conditionOf((await shop.list(kind))[0]!, 'Ready')).toMatchObject({ status: 'True' })
    })
    // The night comes.
    const [night, minute] = nightAfter(1)
    clock.set(night)
    await shop.until(async () => {
      const runs = await shop.list('Run')
      expect(runs).toHaveLength(2)
      for (const run of runs)
        expect(conditionOf(run, 'Succeeded')).toEqual({ status: 'True', reason: 'Succeeded', message: '' })
    }, 60)
    expect(player.seen.map(({ name }) => name)).toEqual([
      `pstore-customers-batch-${minute}-ingest`,
      `pstore-customers-batch-${minute}-evaluate`,
      `act-newsletter-${minute}-export`,
      `act-newsletter-${minute}-import`,
    ])
    const segments = await shop.list('Segment')
    const members = Object.fromEntries(segments.map(({ metadata, status }) => [metadata.name, status?.members]))
    // Long after everybody in the example bought something for the last time.
    expect(members).toEqual({ 'big-spenders': 0, 'gold-members': 3, 'lapsed-buyers': 6 })
    const list = await database.query(
      'SELECT segment, count(*)::integer AS count FROM convoke.audience_members GROUP BY 1 ORDER BY 1',
    )
    expect(list.map(({ segment }) => segment)).toEqual(['gold-members', 'lapsed-buyers'])
    // People whom Campaign does not know are on no list of it.
    for (const { segment, count } of list) expect(count).toBeLessThanOrEqual(members[segment]!)
    await shop.until(async () => {
      expect((await shop.list('ProfileStore'))[0]!.status).toMatchObject({
        profiles: 8,
        events: 14,
        lastBatchTime: night,
        lastSuccessfulBatchTime: night,
        activeRuns: [],
      })
      const { status } = (await shop.list('Activation'))[0]!
      expect(status).toMatchObject({ lastSuccessfulTime: night, activeRuns: [] })
      expect(status?.baselines?.map(({ segment, run }) => [segment, run])).toEqual(
        ['gold-members', 'lapsed-buyers'].map((segment) => [segment, `act-newsletter-${minute}`]),
      )
    })
    const jobs = await shop.until(async () => {
      const { items } = await shop.api<{ items: readonly { spec: { ttlSecondsAfterFinished?: number } }[] }>(
        'GET',
        `/apis/batch/v1/namespaces/${shop.namespace}/jobs`,
      )
      for (const { spec } of items) expect(spec.ttlSecondsAfterFinished).toBeGreaterThan(0)
      return items
    })
    expect(jobs).toHaveLength(4)
    expect(operator.log.filter(({ level }) => level !== 'info')).toEqual([])
    expect(operator.dropped).toEqual([])
  })

  test('Segments that are deleted leave Campaign the next night, though none is left', async () => {
    for (const { metadata } of await shop.list('Segment')) await shop.remove('Segment', metadata.name)
    await shop.until(async () =>
      expect(conditionOf((await shop.list('Activation'))[0]!, 'Ready')).toEqual({
        status: 'True',
        reason: 'Ready',
        message: 'Its Segments were deleted. The next Run tells Campaign who leaves gold-members, lapsed-buyers.',
      }),
    )
    const [night, minute] = nightAfter(2)
    clock.set(night)
    await shop.until(async () => {
      const run = await shop.get('Run', `act-newsletter-${minute}`)
      expect(conditionOf(run, 'Succeeded')).toEqual({ status: 'True', reason: 'Succeeded', message: '' })
      expect(run.status!.segments!.map(({ segment, exited, departed }) => [segment, exited, departed])).toEqual([
        ['gold-members', 3, true],
        // The sixth had opted out, and was never sent.
        ['lapsed-buyers', 5, true],
      ])
    }, 60)
    expect(await database.query('SELECT * FROM convoke.audience_members')).toEqual([])
    await shop.until(async () => {
      const { status } = (await shop.list('Activation'))[0]!
      expect(status!.baselines).toEqual([])
      // There is nothing left to deliver.
      expect(status).not.toHaveProperty('planDigest')
    })
  })
})

function nightAfter(days: number): readonly [time: string, minute: number] {
  const night = `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)}T02:00:00Z`
  return [night, Date.parse(night) / 60_000]
}

type Database = Awaited<ReturnType<typeof startDatabase>>

async function startDatabase(folder: string) {
  const { url, stop } = await startEmbeddedPostgres({ folder, log: () => {} })
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    url,
    query: async (sql: string) => (await client.query(sql)).rows,
    stop: async () => {
      await client.end()
      await stop()
    },
  }
}
