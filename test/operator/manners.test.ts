// What others own is left alone, nothing is written that says nothing new, and statuses stay small.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Kind } from '#crds'
import { kinds } from '#crds'
import type { HttpRequest, Transport } from '../../operator/kernel/transport.ts'
import { openCluster } from '../api/convoke.ts'
import { minimal, withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { reportOf } from './player.ts'
import { activation, detailsOf, foundation, minutesOf, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

type Managed = {
  readonly metadata: {
    readonly name: string
    readonly managedFields?: readonly {
      readonly manager: string
      readonly subresource?: string
      readonly fieldsV1: object
    }[]
  }
}

describe.skipIf(cluster === null)('manners', () => {
  let stage: Stage
  const requests: HttpRequest[] = []
  const listening =
    (transport: Transport): Transport =>
    (request) => {
      requests.push(request)
      return transport(request)
    }
  beforeAll(async () => {
    stage = await openStage(cluster!, { bundle: [] })
    await stage.kill()
    await stage.start({ through: listening })
    // As a GitOps tool does, with labels and annotations of its own.
    const tracked = minimal().map((resource) => ({
      ...resource,
      metadata: {
        ...resource.metadata,
        labels: { 'app.kubernetes.io/instance': 'shop' },
        annotations: { 'argocd.argoproj.io/tracking-id': `shop:${resource.kind}/${resource.metadata.name}` },
      },
    }))
    await stage.apply(...tracked)
    await stage.looked('Activation', 'newsletter')
    stage.at(tomorrow('02:00'))
    await stage.finished(`act-newsletter-${minutesOf(tomorrow('02:00'))}`)
    await stage.annotate('Activation', 'newsletter', { 'convoke.dev/requestedAt': 'now' })
    await stage.until(async () =>
      expect((await stage.get('Activation', 'newsletter')).status!.lastHandledRequestedAt).toBe('now'),
    )
  })
  afterAll(() => stage?.leave())

  test('of what users wrote, the operator owns the status alone', async () => {
    for (const kind of Object.keys(kinds) as Kind[]) {
      if (kind === 'Run') continue
      for (const resource of await stage.list(kind)) {
        const { managedFields = [], name } = (resource as Managed).metadata
        const ours = managedFields.filter(({ manager }) => manager === 'convoke')
        expect(
          ours.map(({ subresource }) => subresource),
          `${kind} ${name}`,
        ).toEqual(['status'])
        expect(Object.keys(ours[0]!.fieldsV1), `${kind} ${name}`).toEqual(['f:status'])
      }
    }
  })

  test('what it makes has labels of its own alone: what prunes by label takes nothing away', async () => {
    const made = [
      ...(await stage.list('Run')),
      ...(await listed('/apis/batch/v1', 'jobs')),
      ...(await listed('/api/v1', 'pods')),
      ...(await listed('/api/v1', 'configmaps')),
    ] as readonly { metadata: { labels?: Record<string, string>; annotations?: Record<string, string> } }[]
    expect(made.length).toBeGreaterThan(10)
    for (const { metadata } of made) {
      expect(metadata.labels).not.toHaveProperty('app.kubernetes.io/instance')
      expect(metadata.annotations ?? {}).not.toHaveProperty('argocd.argoproj.io/tracking-id')
    }
    async function listed(group: string, resource: string): Promise<readonly object[]> {
      const selector = 'labelSelector=app.kubernetes.io/managed-by=convoke'
      return (
        await stage.api<{ items: object[] }>('GET', `${group}/namespaces/${stage.namespace}/${resource}?${selector}`)
      ).items
    }
  })

  test('where all is quiet nothing is written, and nothing is asked', async () => {
    await stage.until(async () => {
      const before = requests.length
      await new Promise((resolve) => setTimeout(resolve, 2000))
      expect(requests.slice(before).map(({ method, path }) => `${method} ${path}`)).toEqual([])
    }, 30)
    // Looking at everything again changes nothing.
    const before = requests.length
    stage.at(new Date(stage.clock.now()).toISOString())
    const { caches, surroundings } = stage.operator().controllers
    for (const kind of Object.keys(kinds) as Kind[])
      for (const { namespace, name } of caches.list(kind)) surroundings.touch(`${kind}/${namespace}/${name}`)
    await new Promise((resolve) => setTimeout(resolve, 2000))
    expect(requests.slice(before).filter(({ method }) => method !== 'GET')).toEqual([])
  })

  test('a status is written once for a change, whatever it changes', async () => {
    const before = requests.length
    await stage.apply(
      withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.tier = "silver"' })),
    )
    await stage.until(async () => {
      const { metadata, status } = await stage.get('Segment', 'gold-members')
      expect(status!.observedGeneration).toBe(metadata.generation)
    })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const written = requests
      .slice(before)
      .filter(({ method, path }) => method === 'PATCH' && path.endsWith('/status'))
      .map(({ path }) => path.replace(/^.*\/namespaces\/[^/]+\//, ''))
    // Its own, and that of the store whose plan has another digest.
    expect(written.sort()).toEqual(['profilestores/customers/status', 'segments/gold-members/status'])
  })
})

describe.skipIf(cluster === null)('an Activation of 200 Segments', () => {
  let stage: Stage
  const names = Array.from({ length: 200 }, (_, index) => `segment-of-the-loyal-${String(index).padStart(3, '0')}`)
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation().filter(({ kind }) => kind !== 'Segment' && kind !== 'CampaignInstance'),
        withSpec('CampaignInstance', 'production', (spec) => ({ ...spec, limits: { segments: 250 } })),
      ],
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    for (let from = 0; from < 200; from += 20)
      await Promise.all(
        names.slice(from, from + 20).map((name) =>
          stage.apply({
            ...withSpec('Segment', 'gold-members', (spec) => ({ ...spec, displayName: `Everybody of ${name}` })),
            metadata: { name },
          }),
        ),
      )
    await stage.apply(activation('offers', (spec) => ({ ...spec, segmentRefs: names.map((name) => ({ name })) })))
    await stage.until(async () => expect((await stage.get('Activation', 'offers')).status?.segments).toBe(200), 60)
  })
  afterAll(() => stage?.leave())

  const sizeOf = (status: unknown): number => Buffer.byteLength(JSON.stringify(status))

  test('has statuses of some tens of KiB, and of less than 16 KiB at the 50 that an instance takes', async () => {
    stage.at(tomorrow('00:00'))
    const name = `act-offers-${minutesOf(tomorrow('00:00'))}`
    expect(await stage.finished(name, 60)).toMatchObject({ reason: 'Succeeded' })
    await stage.until(async () => expect((await stage.get('Activation', 'offers')).status!.baselines).toHaveLength(200))
    const run = (await stage.get('Run', name)).status!
    const { status } = await stage.get('Activation', 'offers')
    expect(sizeOf(run)).toBeLessThan(40_000)
    expect(sizeOf(status)).toBeLessThan(24_000)
    expect(sizeOf({ ...run, segments: run.segments!.slice(0, 50) })).toBeLessThan(16_384)
    expect(sizeOf({ ...status, baselines: status!.baselines!.slice(0, 50) })).toBeLessThan(8192)
    expect(conditionOf(await stage.get('Activation', 'offers'), 'Ready')?.status).toBe('True')
    // The next increment counts from each of them.
    stage.at(tomorrow('03:00'))
    const next = `act-offers-${minutesOf(tomorrow('03:00'))}`
    await stage.finished(next, 60)
    const input = stage.works.find(({ input, step }) => input.run === next && step === 'export')!.input
    expect(Object.keys(input.baselines!)).toHaveLength(200)
  })

  test('may have more than its status holds, and nothing is forgotten', { timeout: 90_000 }, async () => {
    const more = Array.from({ length: 20 }, (_, index) => `segment-of-the-new-${index}`)
    await Promise.all(
      more.map((name) => stage.apply({ ...withSpec('Segment', 'gold-members', (spec) => spec), metadata: { name } })),
    )
    await stage.apply(
      activation('offers', (spec) => ({ ...spec, segmentRefs: [...names, ...more].map((name) => ({ name })) })),
    )
    await stage.until(async () => expect((await stage.get('Activation', 'offers')).status?.segments).toBe(220), 60)
    stage.behave((work) => ({ kind: 'report', report: reportOf(work, detailsOf(work)) }))
    for (const [time, known] of [
      ['06:00', 200],
      ['09:00', 220],
    ] as const) {
      stage.at(tomorrow(time))
      const name = `act-offers-${minutesOf(tomorrow(time))}`
      expect(await stage.finished(name, 60)).toMatchObject({ reason: 'Succeeded' })
      const input = stage.works.find(({ input, step }) => input.run === name && step === 'export')!.input
      expect(Object.keys(input.baselines!)).toHaveLength(known)
    }
    stage.behave(succeed)
  })
})
