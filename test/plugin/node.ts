// A node that runs nothing: what the API server asks a kubelet about logs, the test answers.
import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { dirname, join } from 'node:path'
import { container } from '#crds'
import { type Cluster, fine } from '../api/convoke.ts'

export type PlayedNode = AsyncDisposable & {
  /** Makes a Pod of a Job in a namespace, running unless another state is given. */
  readonly pod: (namespace: string, job: string, name: string, state?: object) => Promise<void>
  /** Adds to a Pod's log. */
  readonly says: (pod: string, text: string) => void
  /** Ends a Pod's log and its container. */
  readonly ends: (namespace: string, pod: string, terminated?: object) => Promise<void>
}

type Log = { text: string; isEnded: boolean; readonly readers: ServerResponse[] }

/** Null where the API server is not this machine's own, whose certificate the node would borrow. */
export async function playNode(cluster: Cluster): Promise<PlayedNode | null> {
  const certificate = join(dirname(cluster.kubeconfig), 'certificates', 'apiserver')
  if (!existsSync(`${certificate}.key`)) return null
  const logs = new Map<string, Log>()
  const logOf = (pod: string): Log => {
    const log = logs.get(pod) ?? { text: '', isEnded: false, readers: [] }
    logs.set(pod, log)
    return log
  }
  const server = createServer(
    { key: readFileSync(`${certificate}.key`), cert: readFileSync(`${certificate}.crt`) },
    (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'https://node')
      const [, kind, , pod] = pathname.split('/')
      if (kind !== 'containerLogs') return response.writeHead(404).end()
      const log = logOf(pod!)
      const tail = searchParams.get('tailLines')
      const stamp = searchParams.get('timestamps') === 'true' ? '2026-12-01T12:00:00.000000001Z ' : ''
      const lines = log.text.split('\n').slice(0, -1)
      const shown = tail === null ? lines : lines.slice(-Number(tail))
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.flushHeaders()
      response.write(shown.map((line) => `${stamp}${line}\n`).join(''))
      if (log.isEnded || searchParams.get('follow') !== 'true') response.end()
      else log.readers.push(response)
    },
  )
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  const name = `node-${typeof address === 'object' ? address?.port : ''}`
  await fine(cluster.api('POST', '/api/v1/nodes', { body: { metadata: { name } } }))
  await status(cluster, `/api/v1/nodes/${name}`, {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: typeof address === 'object' ? address?.port : 0 } },
  })
  const stateOf = (state: object): object => ({
    containerStatuses: [{ name: container, image: 'convoke', imageID: '', ready: false, restartCount: 0, state }],
  })
  return {
    pod: async (namespace, job, pod, state = { running: {} }) => {
      await fine(
        cluster.api('POST', `/api/v1/namespaces/${namespace}/pods`, {
          body: {
            metadata: { name: pod, labels: { 'batch.kubernetes.io/job-name': job } },
            spec: { nodeName: name, restartPolicy: 'Never', containers: [{ name: container, image: 'convoke' }] },
          },
        }),
      )
      await status(cluster, `/api/v1/namespaces/${namespace}/pods/${pod}`, stateOf(state))
    },
    says: (pod, text) => {
      const log = logOf(pod)
      log.text += text
      for (const reader of log.readers) reader.write(text)
    },
    ends: async (namespace, pod, terminated = { exitCode: 0, reason: 'Completed' }) => {
      await status(cluster, `/api/v1/namespaces/${namespace}/pods/${pod}`, stateOf({ terminated }))
      const log = logOf(pod)
      log.isEnded = true
      for (const reader of log.readers) reader.end()
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      await cluster.api('DELETE', `/api/v1/nodes/${name}`)
    },
  }
}

async function status(cluster: Cluster, path: string, changes: object): Promise<void> {
  await fine(
    cluster.api('PATCH', `${path}/status`, { body: { status: changes }, contentType: 'application/merge-patch+json' }),
  )
}
