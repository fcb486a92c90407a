// A cluster that is older than the operator, on an API server of its own: what the operator says, that it does nothing else, and that it
// goes on by itself once what is old is upgraded.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Kind, kinds } from '#crds'
import { type Crd, readCrds } from '../../crds/generate.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import type { HttpRequest, Transport } from '../../operator/kernel/transport.ts'
import { type Cluster, clusterAt, definitions, fine, installCrds } from '../api/convoke.ts'
import { convoke } from '../cli-tools/command-line.ts'
import { type ApiServer, startApiServer } from '../cluster/api-server.ts'
import { findBinaries } from '../cluster/binaries.ts'
import { bodyOf } from '../operator/api.ts'
import { minimal } from '../operator/bundle.ts'
import {
  conditionOf,
  type MovableClock,
  movableClock,
  type Operator,
  startOperator,
  transportOf,
  type Workshop,
  workshop,
} from '../operator/harness.ts'

const binaries = await findBinaries()
if ('skip' in binaries) console.warn(`Skipped what needs an API server of its own: ${binaries.skip}.`)

/** Between two looks at a cluster that is too old are 10 s, here 2. */
const soonSeconds = 10

describe.skipIf('skip' in binaries)('an operator in an older cluster', { timeout: 120_000 }, () => {
  const clock: MovableClock = { ...movableClock(), after: (ms, act) => realClock.after(ms / 5, act) }
  const writes: HttpRequest[] = []
  /** What the API server says it is; null: the truth. */
  let gitVersion: string | null = null
  let server: ApiServer
  let cluster: Cluster
  let operator: Operator
  let shop: Workshop
  beforeAll(async () => {
    if ('skip' in binaries) return
    server = await startApiServer(binaries)
    cluster = await clusterAt(server.kubeconfig)
    const transport = await transportOf(server.kubeconfig)
    shop = await workshop(cluster, transport)
    await shop.claims('profile-store', 'landing', 'landing-zone')
    operator = await startOperator(watched(transport), { clock })
  })
  afterAll(async () => {
    await operator?.kill()
    await server?.stop()
  })

  function watched(transport: Transport): Transport {
    return async (request) => {
      if (request.method !== 'GET') writes.push(request)
      if (gitVersion === null || request.path !== '/version') return transport(request)
      const [major, minor] = gitVersion.slice(1).split('.')
      return { status: 200, headers: {}, body: bodyOf(JSON.stringify({ major, minor, gitVersion })) }
    }
  }

  /** Every resource says so, nothing else is written, not even when something is due. */
  async function onlySaid(reason: string, message: RegExp): Promise<void> {
    await shop.until(async () => {
      for (const { kind, metadata } of minimal()) {
        const resource = await shop.get(kind, metadata.name)
        for (const [type, status] of [
          ['Ready', 'False'],
          ['Stalled', 'True'],
        ] as const)
          expect([kind, conditionOf(resource, type)]).toEqual([
            kind,
            { status, reason, message: expect.stringMatching(message) },
          ])
      }
    }, soonSeconds)
    clock.move(86_400_000)
    // Longer than it takes to see that the clock was set.
    await sleep(1000)
    expect(await shop.list('Run')).toEqual([])
    const others = writes.filter(
      ({ path, body }) => !path.endsWith('/status') || Object.keys(Object(body).status).join() !== 'conditions',
    )
    expect(others).toEqual([])
    expect(operator.events).toEqual([])
  }

  /** Milliseconds that it took. */
  async function goesOn(): Promise<number> {
    const started = performance.now()
    await shop.until(async () => {
      for (const { kind, metadata } of minimal()) {
        const resource = await shop.get(kind, metadata.name)
        expect([kind, conditionOf(resource, 'Ready')]).toMatchObject([kind, { status: 'True' }])
        expect(conditionOf(resource, 'Stalled')).toBeUndefined()
      }
    }, soonSeconds)
    return performance.now() - started
  }

  const errors = (): readonly string[] =>
    operator.log.filter(({ level }) => level === 'error').map(({ message }) => message)

  test('without CRDs says at once that they are not installed, and how they are', () => {
    expect(errors()).toEqual([
      expect.stringMatching(/Convoke's CRDs are not installed\. Install them with the chart, or with `kubectl apply/),
    ])
    expect(writes).toEqual([])
  })

  test('of which one kind is not there says so of all others', async () => {
    await installCrds(
      cluster,
      crds.filter(({ spec }) => spec.names.kind !== 'CampaignSource'),
    )
    await shop.apply(...minimal())
    await onlySaid('CrdOutdated', /^The CRD of CampaignSource is not installed\. Install the CRDs of this version/)
  })

  test('of which one kind lacks a field says which', async () => {
    await installCrds(cluster, [without('Activation', 'status', 'baselines'), crdOf('CampaignSource')])
    await onlySaid('CrdOutdated', /^The CRD of Activation is older than this operator: it lacks status\.baselines, /)
  })

  test('on a Kubernetes that is too old says so', async () => {
    gitVersion = 'v1.30.14'
    await onlySaid('KubernetesOutdated', /^Kubernetes v1\.30\.14 is older than 1\.31/)
  })

  test('goes on by itself, with what has become due, once all is upgraded', async () => {
    gitVersion = null
    await installCrds(cluster)
    expect(await goesOn()).toBeLessThan(soonSeconds * 1000)
    await shop.until(async () => expect(await shop.list('Run')).not.toEqual([]))
    expect(operator.log.at(-1)).toMatchObject({ level: 'info' })
  })

  test('notices CRDs that are replaced by older ones with the first field that would be dropped', async () => {
    await installCrds(cluster, [without('Segment', 'status', 'effectiveLatency'), without('Run', 'spec', 'approved')])
    // An approval that is dropped would be a Run like any other.
    const place = ['--kubeconfig', server.kubeconfig, '-n', shop.namespace]
    const approve = ['approve', 'newsletter', 'gold-members', '--force', ...place]
    expect(await convoke(process.cwd(), approve)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(
        /does not know the field spec\.approved: Convoke's CRDs there are older.* Upgrade them/,
      ),
    })
    await shop.patch('Segment', 'gold-members', { spec: { expression: 'loyalty.tier = "silver"' } })
    await shop.until(async () => {
      expect(conditionOf(await shop.get('Segment', 'gold-members'), 'Stalled')).toMatchObject({
        reason: 'CrdOutdated',
        message: expect.stringContaining('it lacks status.effectiveLatency.'),
      })
    }, 10)
    await installCrds(cluster)
    await goesOn()
    expect((await shop.get('Segment', 'gold-members')).status).toMatchObject({
      observedGeneration: 2,
      effectiveLatency: '24h',
    })
  })

  test('notices that they are gone', async () => {
    const before = errors().length
    for (const { plural } of Object.values(kinds))
      await fine(cluster.api('DELETE', `${definitions}/${plural}.convoke.dev`))
    await shop.until(async () => expect(errors().at(-1)).toMatch(/CRDs are not installed|is not installed/), 10)
    expect(errors().length).toBeGreaterThan(before)
  })
})

const crds = readCrds().map(({ crd }) => crd)

function crdOf(kind: Kind): Crd {
  return structuredClone(crds.find(({ spec }) => spec.names.kind === kind)!)
}

/** A CRD of an earlier version. */
function without(kind: Kind, part: 'spec' | 'status', field: string): Crd {
  const crd = crdOf(kind)
  const [version] = crd.spec.versions
  const { properties } = version!.schema.openAPIV3Schema.properties![part]! as {
    properties: Record<string, unknown>
  }
  expect(Object.keys(properties)).toContain(field)
  delete properties[field]
  return crd
}
