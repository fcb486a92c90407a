// What is done to clusters, beside the real Job controller, garbage collector and quota: rights, quotas, owners, finalizers, labels, namespaces,
// CRDs, the API server and its data. The operator waits without heat, and goes on where it was.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { apiVersion, kinds, labels, managedBy } from '#crds'
import { clusterAt, definitions, fine, installCrds, kubeconfigWith, pathOf } from '../api/convoke.ts'
import { hasHelm, render } from '../chart/helm.ts'
import { serverSideApply } from '../cluster/api.ts'
import { type ApiServer, startApiServer } from '../cluster/api-server.ts'
import { findPrograms } from '../cluster/binaries.ts'
import { transportOf, until } from './harness.ts'
import { type House, hourMs, minuteMs, openHouse } from './house.ts'
import { type DirectLine, openLine } from './line.ts'
import { last } from './observer.ts'
import { playPods } from './player.ts'
import { type Replica, startReplica } from './replica.ts'
import { openWorld, type World } from './world.ts'

const programs = await findPrograms(['etcd', 'kube-apiserver', 'kube-controller-manager'])
if ('skip' in programs) console.warn(`Skipped what needs controllers: ${programs.skip}.`)
const patienceMs = 60_000

describe.skipIf('skip' in programs)('beside real controllers', () => {
  let server: ApiServer
  let cluster: Awaited<ReturnType<typeof clusterAt>>
  let world: World
  beforeAll(async () => {
    if ('skip' in programs) return
    server = await startApiServer(programs)
    cluster = await clusterAt(server.kubeconfig)
    await installCrds(cluster)
    world = await openWorld(server.kubeconfig, await transportOf(server.kubeconfig), playPods)
  })
  afterAll(async () => {
    await world?.stop()
    await server?.stop()
  })

  type Shop = {
    readonly house: House
    readonly line: DirectLine
    readonly replica: Replica
    /** Of objects of its namespace, such as `/api/v1` and `pods`. */
    readonly path: (root: string, plural: string) => string
  }

  /** With an operator that has done its first night. */
  async function openShop(
    name: string,
    { historyLimit = 3, beside = [] as readonly string[], as = '' } = {},
  ): Promise<Shop> {
    const house = await openHouse(world, {
      namespace: name,
      seed: 1,
      stands: false,
      luck: false,
      plan: (nowMs) => ({
        batch: new Date(Math.floor(nowMs / minuteMs + 60) * minuteMs),
        streaming: false,
        database: true,
        segments: ['gold'],
        historyLimit,
        activations: [
          { name: 'every-a', schedule: { every: '6h', startAt: startOf(nowMs, 90) }, segments: ['gold'] },
          { name: 'every-b', schedule: { every: '6h', startAt: startOf(nowMs, 270) }, segments: ['gold'] },
        ],
      }),
    })
    await house.claim()
    await house.apply()
    const transport =
      as === ''
        ? world.transport
        : await transportOf(kubeconfigWith(cluster, ({ users }) => Object.assign(users[0]!.user, { as })))
    const line = openLine(transport)
    const replica = await startReplica({ line, clock: house.clock, namespaces: [name, ...beside], stands: false })
    onTestFinished(async () => {
      await replica.stop()
      await line.stop()
      house.leave()
    })
    house.move(2 * hourMs)
    expect(await house.rest(patienceMs)).toEqual([])
    return { house, line, replica, path: (root, plural) => `${root}/namespaces/${name}/${plural}` }
  }

  function startOf(nowMs: number, minutes: number): string {
    return new Date((Math.floor(nowMs / minuteMs) + minutes) * minuteMs).toISOString()
  }

  /** Requests that it makes in a minute of its own time. */
  async function heatOf({ house, line }: Pick<Shop, 'house' | 'line'>): Promise<number> {
    const [before, startedMs] = [line.done.length, house.clock.elapsed()]
    while (house.clock.elapsed() - startedMs < minuteMs) await sleep(10)
    return line.done.length - before
  }

  const patch = (path: string, body: object) => world.api('PATCH', path, body)
  const list = async (path: string): Promise<readonly Listed[]> =>
    (await world.api<{ items: Listed[] }>('GET', path)).items
  const settle = (is: () => boolean | Promise<boolean>): Promise<void> => until(is, patienceMs, 50)
  const atWork = ({ house }: Shop): boolean => house.seen().jobs.some((job) => !job.gone && last(job).end === null)

  test.skipIf(!hasHelm)('rights that are taken away in mid-Run, and given back', async () => {
    const namespace = 'rights'
    const roles = render({ watchNamespaces: [namespace] }, { namespace }).filter(({ kind }) => /^Role/.test(kind))
    const rbac = (kind: string, name: string) =>
      `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`
    const grant = async (kind: string): Promise<void> => {
      for (const role of roles.filter((each) => each.kind === kind))
        await fine(
          cluster.api('PATCH', `${rbac(role.kind, role.metadata.name)}?fieldManager=test`, {
            body: role,
            contentType: serverSideApply,
          }),
        )
    }
    const opening = openShop(namespace, { as: `system:serviceaccount:${namespace}:convoke` })
    await settle(async () => (await cluster.api('GET', `/api/v1/namespaces/${namespace}`)).status === 200)
    await grant('Role')
    await grant('RoleBinding')
    const shop = await opening
    const { house } = shop
    house.move(6 * hourMs)
    await settle(() => atWork(shop))
    for (const { metadata } of roles.filter(({ kind }) => kind === 'RoleBinding'))
      await world.api('DELETE', rbac('RoleBinding', metadata.name))
    house.move(6 * hourMs)
    // Each thing that cannot be done is tried again at longer and longer intervals.
    await heatOf(shop)
    expect(await heatOf(shop)).toBeLessThan(120)
    await grant('RoleBinding')
    expect(await house.rest(patienceMs)).toEqual([])
  })

  test.each([
    ['count/runs.convoke.dev', `/apis/${apiVersion}`, 'runs'],
    ['count/jobs.batch', '/apis/batch/v1', 'jobs'],
    ['count/configmaps', '/api/v1', 'configmaps'],
  ])('a quota of %s that is used up, and raised', async (resource, root, plural) => {
    const shop = await openShop(`quota-${plural}`)
    const { house, path } = shop
    const used = (await list(path(root, plural))).length
    const quota = path('/api/v1', 'resourcequotas')
    await world.api('POST', quota, { metadata: { name: 'tight' }, spec: { hard: { [resource]: String(used) } } })
    await settle(async () => {
      const { status } = await world.api<{ status?: { used?: Record<string, string> } }>('GET', `${quota}/tight`)
      return status?.used?.[resource] !== undefined
    })
    house.move(6 * hourMs)
    await heatOf(shop)
    expect(await heatOf(shop)).toBeLessThan(60)
    expect((await list(path(root, plural))).length).toBeLessThanOrEqual(used)
    await world.api('DELETE', `${quota}/tight`)
    expect(await house.rest(patienceMs)).toEqual([])
  })

  test('owners that are taken from Runs and Jobs, and labels from Runs, in mid-Run', async () => {
    const shop = await openShop('owners')
    const { house, path } = shop
    const stomp = async (): Promise<void> => {
      // A Job without labels is nobody's.
      const none = Object.fromEntries(Object.values(labels).map((label) => [label, null]))
      for (const [collection, taken] of [
        [path(`/apis/${apiVersion}`, 'runs'), none],
        [path('/apis/batch/v1', 'jobs'), {}],
      ] as const)
        for (const { metadata } of await list(collection))
          await patch(`${collection}/${metadata.name}`, {
            metadata: { ownerReferences: null, labels: { ...taken, team: 'x' } },
          }).catch(() => {})
    }
    for (let slot = 0; slot < 2; slot += 1) {
      house.move(6 * hourMs)
      for (let round = 0; round < 6; round += 1) {
        await house.progress(4)
        await stomp()
      }
    }
    expect(await house.rest(patienceMs)).toEqual([])
  })

  test('finalizers of others that hang', async () => {
    const shop = await openShop('finalizers', { historyLimit: 0 })
    const { house, path } = shop
    const collections = [
      path(`/apis/${apiVersion}`, 'runs'),
      path('/apis/batch/v1', 'jobs'),
      path('/api/v1', 'configmaps'),
    ]
    const hang = async (finalizers: readonly string[] | null): Promise<void> => {
      for (const collection of collections)
        for (const { metadata } of await list(collection))
          await patch(`${collection}/${metadata.name}`, { metadata: { finalizers } }).catch(() => {})
    }
    for (let slot = 0; slot < 3; slot += 1) {
      house.move(6 * hourMs)
      for (let round = 0; round < 6; round += 1) {
        await house.progress(4)
        await hang(['test.convoke.dev/hangs'])
      }
      // What has not begun waits for the shortest interval.
      await settle(() => house.unfinished().every(({ status }) => status.startedAt === undefined))
    }
    const hanging = house.seen().runs.filter((run) => !run.gone)
    expect(hanging.length).toBeGreaterThan(2)
    expect(await heatOf(shop)).toBeLessThan(20)
    await hang(null)
    expect(await house.rest(patienceMs)).toEqual([])
  })

  test('a namespace that is deleted in mid-Run ends, and the others go on', async () => {
    const shop = await openShop('doomed')
    const other = await openShop('beside', { beside: ['doomed'] })
    // One operator for both from here on.
    await shop.replica.stop()
    for (const { house } of [shop, other]) house.move(6 * hourMs)
    await settle(() => atWork(shop))
    await world.api('DELETE', '/api/v1/namespaces/doomed')
    await settle(async () => (await cluster.api('GET', '/api/v1/namespaces/doomed')).status === 404)
    other.house.move(6 * hourMs)
    expect(await other.house.rest(patienceMs)).toEqual([])
    expect(await heatOf(other)).toBeLessThan(20)
    expect(other.replica.log.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('copies that are minutes old while the world goes on', async () => {
    const shop = await openShop('stale')
    const { house, line } = shop
    line.deafen()
    const deafMs = house.clock.elapsed()
    house.move(6 * hourMs)
    await house.patch('Segment', 'gold', { spec: { expression: 'tier = "gold" and points > 5' } })
    await house.patch('Activation', 'every-b', { spec: { suspend: true } })
    await house.patch('ProfileStore', 'retail', { metadata: { annotations: { 'convoke.dev/requestedAt': 'now' } } })
    expect(await heatOf(shop)).toBeLessThan(150)
    expect(await heatOf(shop)).toBeLessThan(60)
    while (house.clock.elapsed() - deafMs < 2.4 * minuteMs) await sleep(10)
    line.hear()
    await house.patch('Activation', 'every-b', { spec: { suspend: false } })
    expect(await house.rest(patienceMs)).toEqual([])
  })

  test('an API server that is killed in mid-Run, and one whose past is forgotten', { timeout: 180_000 }, async () => {
    const shop = await openShop('restarted')
    const { house, line } = shop
    house.move(6 * hourMs)
    await settle(() => atWork(shop))
    await server.restart()
    // The observer has not seen in which order things came to be meanwhile.
    const rest = async () => (await house.rest(patienceMs)).filter((what) => !what.includes(': made before '))
    expect(await rest()).toEqual([])

    // Meanwhile all that the copies know is forgotten: each watch has to begin anew.
    line.partition()
    house.move(6 * hourMs)
    await house.patch('Segment', 'gold', { spec: { expression: 'tier = "gold" and points > 7' } })
    const { metadata } = await world.api<Listed>('GET', pathOf('Run', 'restarted'))
    const answer = await fetch(`${server.etcdUrl}/v3/kv/compaction`, {
      method: 'POST',
      body: JSON.stringify({ revision: metadata.resourceVersion, physical: true }),
    })
    expect(answer.status).toBe(200)
    await server.restart()
    const lists = line.done.filter(({ kind }) => kind === 'list').length
    line.heal()
    expect(await rest()).toEqual([])
    expect(line.done.filter(({ kind }) => kind === 'list').length - lists).toBeGreaterThanOrEqual(10)
  })

  // The last, since nobody else can live meanwhile.
  test('CRDs that are removed in mid-Run, and installed again', { timeout: 180_000 }, async () => {
    const shop = await openShop('removed')
    const { house, replica } = shop
    house.move(6 * hourMs)
    await settle(() => atWork(shop))
    const names = Object.values(kinds).map(({ plural }) => `${plural}.convoke.dev`)
    for (const name of names) await world.api('DELETE', `${definitions}/${name}`)
    for (const name of names)
      await settle(async () => (await cluster.api('GET', `${definitions}/${name}`)).status === 404)
    await settle(() => replica.log.some(({ message }) => message.includes('CRD')))
    await heatOf(shop)
    expect(await heatOf(shop)).toBeLessThan(120)
    // What was owned goes, and its Pods.
    await settle(
      async () =>
        (await list(`/apis/batch/v1/namespaces/removed/jobs?labelSelector=${labels.managedBy}=${managedBy}`)).length ===
        0,
    )
    await installCrds(cluster)
    world.observer.forget('removed')
    await house.apply()
    await settle(() => house.seen().targets.length === 3)
    house.move(6 * hourMs)
    expect(await house.rest(patienceMs)).toEqual([])
  })
})

type Listed = { readonly metadata: { readonly name: string; readonly resourceVersion: string } }
