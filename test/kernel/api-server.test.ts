// The kernel against a real API server.
import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../cli/kubernetes.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { standForElection } from '../../operator/kernel/lease.ts'
import { reflect } from '../../operator/kernel/reflector.ts'
import { httpTransport, type Transport, textOf } from '../../operator/kernel/transport.ts'
import { sharedCluster } from '../cluster/api-server.ts'
import { recordMetrics } from './metrics-record.ts'

const cluster = await sharedCluster()
const namespace = `kernel-${randomUUID().slice(0, 8)}`

describe.skipIf('skip' in cluster)('on a real API server', async () => {
  if ('skip' in cluster) return
  const config = await connect({ kubeconfig: cluster.kubeconfig, context: null })
  const transport = httpTransport(config.getCurrentCluster()!.server, async () => {
    const options = {}
    await config.applyToHTTPSOptions(options)
    return options
  })
  const ports = { clock: realClock, transport, metrics: recordMetrics().metrics, random: Math.random }
  await call(transport, 'POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  afterAll(() => call(transport, 'DELETE', `/api/v1/namespaces/${namespace}`))

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

type Answered = { readonly metadata: { readonly resourceVersion: string }; readonly spec?: unknown }

async function call(
  transport: Transport,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
): Promise<Answered> {
  const signal = AbortSignal.timeout(20_000)
  const answer = await transport({ method, path, signal, ...(body === undefined ? {} : { body }) })
  const text = await textOf(answer)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}
