// The command line beside a real node: what it reads of Pods, and the Job that it makes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { readCrds } from '../../crds/generate.ts'
import { convoke } from '../cli-tools/command-line.ts'
import { apiOf, serverSideApply } from '../cluster/api.ts'
import { productImage } from '../cluster/image.ts'
import { sharedNode } from '../cluster/node.ts'

const image = await productImage()
const node = 'skip' in image ? image : await sharedNode()
if ('skip' in node) console.warn(`Skipped what runs in Pods: ${node.skip}.`)

const at = '2026-01-15T06:00:00Z'
const minimal = join(import.meta.dirname, '../../examples/minimal')
const run = 'pstore-customers-batch-1'

describe.skipIf('skip' in node)('beside a node', { timeout: 120_000 }, async () => {
  if ('skip' in image || 'skip' in node) return
  const api = await apiOf(node.kubeconfig)
  const folder = mkdtempSync(join(tmpdir(), 'convoke-node-plugin-'))
  const namespace = `plugin-${process.pid}`
  const core = `/api/v1/namespaces/${namespace}`
  const ours = `/apis/convoke.dev/v1alpha1/namespaces/${namespace}`
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  // Real Pods take real time; the data are evaluated for an instant of theirs.
  const io = { now: () => new Date() }
  const place = ['--kubeconfig', node.kubeconfig, '-n', namespace]

  async function create(path: string, body: object): Promise<void> {
    const answer = await api('POST', path, { body })
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  }

  beforeAll(async () => {
    if (image.archive !== null) await node.load(image.archive)
    await create('/api/v1/namespaces', {
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    })
    for (const { crd } of readCrds())
      await api(
        'PATCH',
        `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}?fieldManager=test&force=true`,
        {
          body: crd,
          contentType: serverSideApply,
        },
      )
    // Campaign reads the landing zone itself: there is no database here.
    const text = readFileSync(join(minimal, 'minimal.yaml'), 'utf8').replace(/ {2}database:\n.*\n/, '')
    const resources = parseAllDocuments(text).map((document) => document.toJS())
    for (const resource of resources) {
      const plural = `${resource.kind.toLowerCase()}s`
      await vi.waitFor(
        async () => {
          const { status, body } = await api('PATCH', `${ours}/${plural}/${resource.metadata.name}?fieldManager=test`, {
            body: resource,
            contentType: serverSideApply,
          })
          expect(status, JSON.stringify(body)).toBeLessThan(300)
        },
        { timeout: 20_000 },
      )
    }
    await create(`${core}/persistentvolumeclaims`, {
      metadata: { name: 'profile-store' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
    })
    const landing = ['customers.csv', 'orders.ndjson']
    const files = landing.map((file) => [
      file,
      readFileSync(join(minimal, 'volumes/landing', file.replace(/\..*/, ''), file), 'utf8'),
    ])
    await create(`${core}/configmaps`, {
      metadata: { name: 'files' },
      data: { ...Object.fromEntries(files), 'minimal.yaml': resources.map((each) => stringify(each)).join('---\n') },
    })
    // What the operator's Jobs do, in one.
    await create(jobs, {
      metadata: { name: run, labels: { 'app.kubernetes.io/managed-by': 'convoke', 'convoke.dev/target': 'customers' } },
      spec: {
        backoffLimit: 0,
        template: {
          spec: {
            restartPolicy: 'Never',
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                name: 'convoke',
                image: image.name,
                imagePullPolicy: 'IfNotPresent',
                args: ['run', '/files/minimal.yaml', '--volumes', '/volumes', '--workdir', '/tmp/work', '--at', at],
                securityContext: {
                  readOnlyRootFilesystem: true,
                  allowPrivilegeEscalation: false,
                  capabilities: { drop: ['ALL'] },
                },
                volumeMounts: [
                  { name: 'files', mountPath: '/files' },
                  { name: 'scratch', mountPath: '/tmp' },
                  { name: 'scratch', mountPath: '/volumes/landing-zone', subPath: 'landing-zone' },
                  { name: 'store', mountPath: '/volumes/profile-store' },
                  { name: 'files', mountPath: '/volumes/landing/customers/customers.csv', subPath: 'customers.csv' },
                  { name: 'files', mountPath: '/volumes/landing/orders/orders.ndjson', subPath: 'orders.ndjson' },
                ],
              },
            ],
            volumes: [
              { name: 'files', configMap: { name: 'files' } },
              { name: 'scratch', emptyDir: {} },
              { name: 'store', persistentVolumeClaim: { claimName: 'profile-store' } },
            ],
          },
        },
      },
    })
    await create(`${ours}/runs`, {
      apiVersion: 'convoke.dev/v1alpha1',
      kind: 'Run',
      metadata: { name: run },
      spec: { target: { kind: 'ProfileStore', name: 'customers' }, scheduledTime: at, trigger: 'Schedule' },
    })
    await api('PATCH', `${ours}/runs/${run}/status`, {
      body: { status: { steps: [{ name: 'evaluate', job: run }] } },
      contentType: 'application/merge-patch+json',
    })
  }, 240_000)
  afterAll(async () => {
    await api('DELETE', core)
    rmSync(folder, { recursive: true })
  })

  test('the log of a Pod is followed from before it starts until the Run is finished', async () => {
    const followed = convoke(folder, ['logs', run, '-f', ...place], io)
    await vi.waitFor(
      async () =>
        expect((await api<{ status?: { succeeded?: number } }>('GET', `${jobs}/${run}`)).body.status?.succeeded).toBe(
          1,
        ),
      {
        timeout: 100_000,
        interval: 200,
      },
    )
    const condition = { type: 'Succeeded', status: 'True', reason: 'Succeeded', message: '', lastTransitionTime: at }
    await api('PATCH', `${ours}/runs/${run}/status`, {
      body: { status: { conditions: [condition], steps: [{ name: 'evaluate', job: run, outcome: 'Succeeded' }] } },
      contentType: 'application/merge-patch+json',
    })
    const { code, out } = await followed
    expect(out).toMatch(new RegExp(`^── evaluate ${run}-\\w+\\n`))
    expect(out).toContain('✓ evaluate customers')
    expect(code).toBe(0)
  })

  test('why asks the volume of the store by a restricted Job, and leaves nothing behind', async () => {
    const { code, out, err } = await convoke(folder, ['why', 'gold-members', 'C3', '--at', at, ...place], io)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out.split('\n').slice(2)).toEqual([
      '  May not be sent: optOut is true.',
      '',
      '✗ all of',
      '├─ ✓ loyalty.tier = "gold"',
      '│      loyalty.tier is "gold"',
      '└─ ✗ not',
      '   └─ ✓ optOut = true',
      '          optOut is true',
      '',
    ])
    expect(await convoke(folder, ['why', 'gold-members', 'nobody', ...place], io)).toMatchObject({
      code: 2,
      err: expect.stringContaining('No profile of customers has that identity.'),
    })
    for (const path of [jobs, `${core}/secrets`]) {
      const { body } = await api<{ items: { metadata: { name: string } }[] }>('GET', path)
      expect(body.items.filter(({ metadata }) => metadata.name.startsWith('why-'))).toEqual([])
    }
  })
})
