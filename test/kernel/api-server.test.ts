// The kernel against a real API server.
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { transportOf } from '../../cli/cluster-transport.ts'
import { connect } from '../../cli/kubernetes.ts'
import { openApi } from '../../operator/kernel/api.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { recordEvents } from '../../operator/kernel/events.ts'
import { standForElection } from '../../operator/kernel/lease.ts'
import { reflect } from '../../operator/kernel/reflector.ts'
import { bodyText, type Transport } from '../../operator/kernel/transport.ts'
import { sharedCluster } from '../cluster/api-server.ts'
import { findPrograms } from '../cluster/binaries.ts'
import { recordMetrics } from './metrics-record.ts'

const cluster = await sharedCluster()
const programs = await findPrograms(['kubectl'])
const namespace = `kernel-${randomUUID().slice(0, 8)}`

describe.skipIf('skip' in cluster)('on a real API server', async () => {
  if ('skip' in cluster) return
  const load = () => connect({ kubeconfig: cluster.kubeconfig, context: null })
  const transport = transportOf(await load(), load)
  const ports = { clock: realClock, transport, metrics: recordMetrics().metrics, random: Math.random }
  await call(transport, 'POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  afterAll(async () => {
    await call(transport, 'DELETE', `/api/v1/namespaces/${namespace}`)
    transport.close()
  })

  test('a reflector follows what the label selector takes in, by pages, versions and deletions', async () => {
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    const make = (name: string, mine: string) =>
      call(transport, 'POST', path, { metadata: { name, labels: { mine } }, data: { text: name } })
    for (let index = 0; index < 510; index += 10)
      await Promise.all(Array.from({ length: 10 }, (_, offset) => make(`n${index + offset}`, 'yes')))
    await make('other', 'no')
    const changes: string[] = []
    const maps = reflect(ports, {
      name: 'configmaps',
      path,
      labelSelector: 'mine=yes',
      project: ({ data }) => (data as { text: string }).text,
      indices: { byText: (text: string) => [text] },
      onChange: (key) => changes.push(key),
      failed: ({ error }) => changes.push(error.message),
    })
    await maps.synced
    expect(maps.list()).toHaveLength(510)
    changes.length = 0
    const { metadata } = await call(transport, 'PUT', `${path}/n7`, {
      metadata: { name: 'n7', labels: { mine: 'yes' } },
      data: { text: 'new' },
    })
    await vi.waitFor(() => expect(maps.get(`${namespace}/n7`)?.version.resourceVersion).toBe(metadata.resourceVersion))
    expect(maps.find('byText', 'new')).toEqual(['new'])
    // To leave the selection is to be gone.
    await call(transport, 'PUT', `${path}/n7`, { metadata: { name: 'n7', labels: { mine: 'no' } } })
    await call(transport, 'DELETE', `${path}/n8`)
    await vi.waitFor(() => expect(maps.list()).toHaveLength(508))
    expect(changes).toEqual(['n7', 'n7', 'n8'].map((name) => `${namespace}/${name}`))
    await maps.stop()
  })

  test('each verb does what it says, and a refusal has its reason', async () => {
    const api = openApi({ ...ports, mayWrite: () => true }, { fieldManager: 'kernel-test' })
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    const made = await api.create<Answered>(path, { metadata: { name: 'a' }, data: { x: '1' } })
    await expect(api.create(path, { metadata: { name: 'a' } })).rejects.toMatchObject({
      status: 409,
      reason: 'AlreadyExists',
    })
    await expect(api.create(path, { metadata: { name: 'A B' } })).rejects.toMatchObject({
      status: 422,
      reason: 'Invalid',
      causes: [expect.objectContaining({ field: 'metadata.name' })],
    })
    expect(await api.get(`${path}/none`)).toBe(null)

    const { uid, resourceVersion } = made.metadata
    const replaced = { metadata: { name: 'a', resourceVersion }, data: { x: '2' } }
    await api.replace(`${path}/a`, replaced)
    await expect(api.replace(`${path}/a`, replaced)).rejects.toMatchObject({ status: 409, reason: 'Conflict' })
    await api.patch(`${path}/a`, { data: { y: 'ü' } }, 'merge')
    await api.patch(`${path}/a`, [{ op: 'replace', path: '/data/x', value: '3' }], 'json')
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { x: '4' } }
    await api.patch(`${path}/a`, applied, 'apply', { force: 'true' })
    const now = await api.get<Answered & { data: object; metadata: { managedFields: readonly object[] } }>(`${path}/a`)
    expect(now!.data).toEqual({ x: '4', y: 'ü' })
    expect(now!.metadata.managedFields).toEqual([
      expect.objectContaining({ manager: 'kernel-test', operation: 'Apply' }),
      expect.objectContaining({ manager: 'kernel-test', operation: 'Update' }),
    ])

    const another = { preconditions: { uid: randomUUID() } }
    await expect(api.delete(`${path}/a`, another)).rejects.toMatchObject({ status: 409, reason: 'Conflict' })
    expect(await api.delete(`${path}/a`, { preconditions: { uid }, propagationPolicy: 'Background' })).toBe(true)
    expect(await api.delete(`${path}/a`)).toBe(false)
    await expect(api.patch(`${path}/a`, {}, 'merge')).rejects.toMatchObject({ status: 404, reason: 'NotFound' })
  })

  test('a list has all pages', async () => {
    const api = openApi({ ...ports, mayWrite: () => true }, { fieldManager: 'kernel-test' })
    const path = `/api/v1/namespaces/${namespace}/secrets`
    for (let index = 0; index < 510; index += 30)
      await Promise.all(
        Array.from({ length: 30 }, (_, offset) =>
          api.create(path, { metadata: { name: `s${index + offset}`, labels: { half: String(offset % 2) } } }),
        ),
      )
    expect(await api.list(path)).toHaveLength(510)
    expect(await api.list(path, { labelSelector: 'half=1' })).toHaveLength(255)
  })

  test.skipIf('skip' in programs)('kubectl shows an Event, how often it happened and who told of it', async () => {
    if ('skip' in programs) return
    const api = openApi({ ...ports, mayWrite: () => true }, { fieldManager: 'kernel-test' })
    const recorder = recordEvents(
      { ...ports, api, mayWrite: () => true },
      { component: 'kernel-test', instance: 'pod-1' },
    )
    const map = await api.create<Answered>(`/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name: 'told' } })
    const regarding = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'told', uid: map.metadata.uid }
    for (let left = 3; left > 0; left -= 1) {
      recorder.record({ regarding, type: 'Warning', reason: 'Held', message: 'It is held.' })
      await vi.waitFor(async () => {
        const events = await api.list<{ count: number }>(`/api/v1/namespaces/${namespace}/events`)
        expect(events).toMatchObject([{ count: 4 - left }])
      })
    }
    await recorder.stop(1000)
    const kubectl = (...args: readonly string[]): string =>
      execFileSync(programs.kubectl, ['--kubeconfig', cluster.kubeconfig, '-n', namespace, ...args], {
        encoding: 'utf8',
      })
    expect(kubectl('describe', 'configmap', 'told')).toMatch(
      /Type +Reason +Age +From +Message\n.*\n +Warning +Held +\S+ \(x3 over \S+\) +kernel-test +It is held\.\n/,
    )
    expect(kubectl('events')).toMatch(/\(x3 over \S+\) +Warning +Held +ConfigMap\/told +It is held\.\n/)
    expect(kubectl('get', 'events')).toMatch(/\d+s +Warning +Held +configmap\/told +It is held\.\n/)
  })

  test('of two candidates one leads, and the other soon after the first has stopped', async () => {
    const events: string[] = []
    const stand = (identity: string) =>
      standForElection(ports, {
        namespace,
        name: 'operator',
        identity,
        elected: () => events.push(`${identity} elected`),
        lost: (reason) => events.push(`${identity} lost: ${reason}`),
        failed: (error) => events.push(`${identity}: ${error.message}`),
      })
    const a = stand('a')
    await vi.waitFor(() => expect(a.isLeader()).toBe(true), 5000)
    const b = stand('b')
    // Long enough for a renewal.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    expect([a.isLeader(), b.isLeader()]).toEqual([true, false])
    await a.stop()
    await vi.waitFor(() => expect(b.isLeader()).toBe(true), 3000)
    await b.stop()
    expect(events).toEqual(['a elected', 'b elected'])
    const { spec } = await call(
      transport,
      'GET',
      `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/operator`,
    )
    expect(spec).toMatchObject({ holderIdentity: '', leaseTransitions: 1 })
  })
})

type Answered = {
  readonly metadata: { readonly resourceVersion: string; readonly uid: string }
  readonly spec?: unknown
}

async function call(
  transport: Transport,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
): Promise<Answered> {
  const signal = AbortSignal.timeout(20_000)
  const answer = await transport({ method, path, signal, ...(body === undefined ? {} : { body }) })
  const text = await bodyText(answer)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}
