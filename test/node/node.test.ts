// The product's image in Pods of a real node, and the node itself.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { type ApiObject, apiOf } from '../cluster/api.ts'
import { productImage } from '../cluster/image.ts'
import { sharedNode } from '../cluster/node.ts'

const image = await productImage()
const node = 'skip' in image ? image : await sharedNode()
if ('skip' in node) console.warn(`Skipped what runs in Pods: ${node.skip}.`)

describe.skipIf('skip' in node)('on a node', { timeout: 120_000 }, async () => {
  if ('skip' in image || 'skip' in node) return
  if (image.archive !== null) await node.load(image.archive)
  const api = await apiOf(node.kubeconfig)
  const namespace = `node-${randomUUID().slice(0, 8)}`
  const core = `/api/v1/namespaces/${namespace}`
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  await create('/api/v1/namespaces', {
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  })
  afterAll(() => api('DELETE', core))

  async function create(path: string, body: object): Promise<void> {
    const answer = await api('POST', path, { body })
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  }

  /** Under the restricted profile, with nothing to write to but what it mounts. */
  const pod = (container: object, volumes: readonly object[] = []): object => ({
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } },
    volumes,
    containers: [
      {
        name: 'convoke',
        image: image.name,
        imagePullPolicy: 'IfNotPresent',
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        },
        ...container,
      },
    ],
  })

  /** What the Job wrote, when it is complete. */
  async function output(name: string, container: object, volumes: readonly object[] = []): Promise<string> {
    await create(jobs, { metadata: { name }, spec: { backoffLimit: 0, template: { spec: pod(container, volumes) } } })
    await vi.waitFor(
      async () => {
        const { status } = (await api<{ status?: { succeeded?: number; failed?: number } }>('GET', `${jobs}/${name}`))
          .body
        if (status?.failed) throw new Error(`Failed: ${await logs(name)}`)
        expect(status?.succeeded).toBe(1)
      },
      { timeout: 100_000, interval: 100 },
    )
    return logs(name)
  }

  async function logs(job: string): Promise<string> {
    const { body } = await api<{ items: ApiObject[] }>('GET', `${core}/pods?labelSelector=job-name=${job}`)
    return (await api<string>('GET', `${core}/pods/${body.items[0]!.metadata.name}/log`)).body
  }

  test('a Job says which Convoke it is', async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
    expect(await output('version', { args: ['version'] })).toBe(`convoke ${version}\n`)
  })

  test('a Job checks resources that a ConfigMap holds', async () => {
    const example = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8')
    await create(`${core}/configmaps`, { metadata: { name: 'resources' }, data: { 'minimal.yaml': example } })
    const said = await output(
      'check',
      { args: ['check', '/resources'], volumeMounts: [{ name: 'resources', mountPath: '/resources' }] },
      [{ name: 'resources', configMap: { name: 'resources' } }],
    )
    expect(said).toMatch(/^0 errors, /m)
  })

  test('a Pod finds another by the name of its Service', async () => {
    const server = `require('node:http').createServer((_, answer) => answer.end('found')).listen(8080)`
    await create(`${core}/pods`, {
      metadata: { name: 'server', labels: { app: 'server' } },
      spec: pod({
        command: ['/usr/bin/node', '-e', server],
        readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      }),
    })
    await create(`${core}/services`, {
      metadata: { name: 'server' },
      spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }] },
    })
    const client = `const ask = () => fetch('http://server').then((answer) => answer.text()).then(console.log, () => setTimeout(ask, 200)); ask()`
    expect(await output('client', { command: ['/usr/bin/node', '-e', client] })).toBe('found\n')
  })

  test('a claim is bound to a volume that a Pod of its group can write, and the next one reads', async () => {
    await create(`${core}/persistentvolumeclaims`, {
      metadata: { name: 'claim' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
    })
    const volumes = [{ name: 'claim', persistentVolumeClaim: { claimName: 'claim' } }]
    const run = (name: string, script: string): Promise<string> =>
      output(
        name,
        { command: ['/usr/bin/node', '-e', script], volumeMounts: [{ name: 'claim', mountPath: '/claim' }] },
        volumes,
      )
    await run('writer', `require('node:fs').writeFileSync('/claim/file', 'kept')`)
    expect(await run('reader', `console.log(require('node:fs').readFileSync('/claim/file', 'utf8'))`)).toBe('kept\n')
  })

  test.skipIf(node.reach === null)("a Pod comes to a server on this machine's loopback", async () => {
    const server = createServer((_, answer) => answer.end('outside')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { host, port } = await node.reach!((server.address() as { port: number }).port)
    const client = `fetch('http://${host}:${port}').then((answer) => answer.text()).then(console.log)`
    expect(await output('outside', { command: ['/usr/bin/node', '-e', client] })).toBe('outside\n')
    server.close()
  })
})
