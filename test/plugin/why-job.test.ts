// `convoke why` in a cluster, on a real API server; the test is the Job controller and the kubelet, and does what the Pod says.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Resource } from '#crds'
import { sealed, sealingKeys, unsealed } from '../../cli/seal.ts'
import { applied, fine, openCluster, pathOf } from '../api/convoke.ts'
import { convoke as inProcess } from '../cli-tools/command-line.ts'
import { playNode } from './node.ts'

const cluster = await openCluster()
const node = cluster && (await playNode(cluster))
if (cluster && !node) console.warn('Skipped what needs Pods: the API server is not of these tests.')
const folder = mkdtempSync(join(tmpdir(), 'convoke-why-job-'))
afterAll(async () => {
  await node?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const at = '2026-01-15T06:00:00Z'
const now = () => new Date(at)
const minimal = join(import.meta.dirname, '../../examples/minimal')

type Job = {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly ttlSecondsAfterFinished: number; readonly template: { readonly spec: PodSpec } }
}
type PodSpec = {
  readonly containers: readonly {
    readonly image: string
    readonly args: readonly string[]
    readonly [field: string]: unknown
  }[]
  readonly [field: string]: unknown
}
type Secret = {
  readonly data: Readonly<Record<string, string>>
  readonly metadata: { readonly ownerReferences: readonly object[] }
}

describe.skipIf(!node)('why, in a cluster', () => {
  let namespace: string
  const jobs = (): string => `/apis/batch/v1/namespaces/${namespace}/jobs`
  const secrets = (): string => `/api/v1/namespaces/${namespace}/secrets`

  beforeAll(async () => {
    cpSync(join(minimal, 'volumes'), join(folder, 'volumes'), { recursive: true })
    const resources = readFileSync(join(minimal, 'minimal.yaml'), 'utf8')
    writeFileSync(join(folder, 'shop.yaml'), resources)
    const ran = await inProcess(
      folder,
      ['run', 'shop.yaml', '--volumes', 'volumes', '--workdir', '.work', '--at', at],
      { now },
    )
    expect(ran.code).toBe(0)
    namespace = await cluster!.namespace()
    const both = `\n---\napiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: both }\nspec: { profileStoreRef: { name: customers }, expression: 'inSegment("gold-members") or inSegment("lapsed-buyers")' }\n`
    for (const document of parseAllDocuments(resources + both)) await applied(cluster!, namespace, document.toJS())
  })

  const why = (...args: string[]) =>
    inProcess(folder, ['why', '--kubeconfig', cluster!.kubeconfig, '-n', namespace, '--at', at, ...args], { now })

  /** Waits for the Job, does what its Pod would do, and gives what there was to be seen of it. */
  async function played(terminated: object = { exitCode: 0, reason: 'Completed' }) {
    const job = await until(async () => {
      const { items } = await fine(
        cluster!.api<{ items: Job[] }>('GET', `${jobs()}?labelSelector=app.kubernetes.io/managed-by=convoke-cli`),
      )
      return items[0]
    })
    const { name } = job.metadata
    const owned = (secret: Secret): Secret | undefined => (secret.metadata.ownerReferences ? secret : undefined)
    const secret = await until(async () => owned(await fine(cluster!.api<Secret>('GET', `${secrets()}/${name}`))))
    const mounted = join(folder, 'pods', name)
    mkdirSync(mounted, { recursive: true })
    for (const [file, content] of Object.entries(secret.data))
      writeFileSync(join(mounted, file), Buffer.from(content, 'base64'))
    const args = job.spec.template.spec.containers[0]!.args.map((arg) =>
      arg.replace('/convoke/why', mounted).replace('/volumes', join(folder, 'volumes')),
    )
    await node!.pod(namespace, name, `${name}-x`, { waiting: { reason: 'ContainerCreating' } })
    const ran = await inProcess(folder, args, { now })
    node!.says(`${name}-x`, ran.out + ran.err)
    await node!.ends(namespace, `${name}-x`, terminated)
    await cluster!.api('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}-x/status`, {
      body: { status: { phase: ran.code === 0 ? 'Succeeded' : 'Failed' } },
      contentType: 'application/merge-patch+json',
    })
    return { job, secret, log: ran.out + ran.err }
  }

  const left = async (): Promise<number> => {
    const list = async (path: string) => (await fine(cluster!.api<{ items: unknown[] }>('GET', path))).items.length
    return (await list(`${jobs()}?labelSelector=app.kubernetes.io/managed-by=convoke-cli`)) + (await list(secrets()))
  }

  test('a Job with the volume of the store answers as the data at hand do, and nothing is left of it', async () => {
    const asked = why('both', 'CustomerId:C8', '--image', 'convoke:test')
    const { job, secret, log } = await played()
    const { code, out, err } = await asked
    const here = await inProcess(
      folder,
      [
        'why',
        'both',
        'C8',
        join(folder, 'pods', job.metadata.name, 'resources.json'),
        '--volumes',
        'volumes',
        '--at',
        at,
      ],
      { now },
    )
    expect({ code, out, err }).toEqual({ code: 0, out: here.out, err: '' })
    expect(out).toContain('✓ C8 is in both')
    expect(await left()).toBe(0)

    // Neither who is asked about nor what was found stands where others may read it.
    expect(JSON.stringify(job)).not.toContain('C8')
    expect(log).toMatch(/^convoke-sealed: [A-Za-z0-9+/=.]+\n$/)
    // Only what the answer depends on goes along.
    const shipped: { items: Resource[] } = JSON.parse(Buffer.from(secret.data['resources.json']!, 'base64').toString())
    expect(shipped.items.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort()).toEqual([
      'ProfileStore/customers',
      'Segment/both',
      'Segment/gold-members',
      'Segment/lapsed-buyers',
    ])
    expect(secret.metadata.ownerReferences).toEqual([expect.objectContaining({ kind: 'Job', name: job.metadata.name })])
  })

  test('the Job is restricted, reads only, and goes by itself if nobody deletes it', async () => {
    const asked = why('gold-members', 'C1', '--image', 'convoke:test')
    const { job } = await played()
    await asked
    expect(job.spec).toMatchObject({ backoffLimit: 0, ttlSecondsAfterFinished: 300, activeDeadlineSeconds: 300 })
    expect(job.spec.template.spec).toMatchObject({
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          image: 'convoke:test',
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: expect.arrayContaining([
            { name: 'store', mountPath: '/volumes/profile-store', readOnly: true },
          ]),
        },
      ],
    })
  })

  test("it is placed and pulled as the newest Job of the store's Runs", async () => {
    const pod = {
      restartPolicy: 'Never',
      nodeSelector: { pool: 'batch' },
      imagePullSecrets: [{ name: 'registry' }],
      securityContext: { runAsNonRoot: true, runAsUser: 1234 },
      containers: [{ name: 'convoke', image: 'registry/convoke@sha256:1', imagePullPolicy: 'Always' }],
    }
    const labels = { 'app.kubernetes.io/managed-by': 'convoke' }
    const like = async (name: string, target: string, template: object): Promise<void> =>
      void (await fine(
        cluster!.api('POST', jobs(), {
          body: {
            metadata: { name, labels: { ...labels, 'convoke.dev/target': target } },
            spec: { template: { spec: template } },
          },
        }),
      ))
    await like('of-the-store', 'customers', pod)
    await like('of-another', 'newsletter', { ...pod, nodeSelector: { pool: 'other' } })
    const asked = why('gold-members', 'C1')
    const { job } = await played()
    expect((await asked).code).toBe(0)
    const { containers, ...rest } = job.spec.template.spec
    expect(rest).toMatchObject({
      nodeSelector: pod.nodeSelector,
      imagePullSecrets: pod.imagePullSecrets,
      securityContext: pod.securityContext,
    })
    expect(containers[0]).toMatchObject({ image: 'registry/convoke@sha256:1', imagePullPolicy: 'Always' })
    for (const name of ['of-the-store', 'of-another'])
      await cluster!.api('DELETE', `${jobs()}/${name}?propagationPolicy=Background`)
  })

  test('what went wrong in the Pod is said as here', async () => {
    const asked = why('gold-members', 'nobody', '--image', 'convoke:test')
    await played({ exitCode: 2, reason: 'Error' })
    expect(await asked).toEqual({
      code: 2,
      out: '',
      err: 'convoke: No profile of customers has that identity. Give a value of CustomerId.\n',
    })
    expect(await left()).toBe(0)
  })

  test('a Segment whose expression has an error is explained as it is evaluated', async () => {
    const path = `${pathOf('Segment', namespace)}/gold-members`
    const { spec } = (await fine(cluster!.api('GET', path))) as { spec: { expression: string } }
    const patch = (suffix: string, body: object) =>
      fine(cluster!.api('PATCH', `${path}${suffix}`, { body, contentType: 'application/merge-patch+json' }))
    await patch('', { spec: { expression: 'loyalty.teir = "gold"' } })
    const broken = {
      type: 'GuardrailsPassed',
      status: 'False',
      reason: 'UnknownAttribute',
      message: '',
      lastTransitionTime: at,
    }
    await patch('/status', { status: { conditions: [broken], acceptedExpression: spec.expression } })
    const asked = why('gold-members', 'C1', '--image', 'convoke:test')
    await played()
    const { code, out, err } = await asked
    expect(code).toBe(0)
    expect(out).toContain('✓ loyalty.tier = "gold"')
    expect(err).toContain('is evaluated, and explained here, by the latest one without')
    await patch('/status', { status: { acceptedExpression: null } })
    expect(await why('gold-members', 'C1', '--image', 'convoke:test')).toMatchObject({
      code: 2,
      err: expect.stringContaining(
        'The Segment `gold-members` does not compile; `convoke status Segment/gold-members -n',
      ),
    })
  })

  test('is not waited for when the user has seen enough, and the Job is deleted', async () => {
    const abort = new AbortController()
    const asked = inProcess(
      folder,
      ['why', '--kubeconfig', cluster!.kubeconfig, '-n', namespace, 'big-spenders', 'C1', '--image', 'convoke:test'],
      { now, signal: abort.signal },
    )
    await expect.poll(left, { timeout: 30_000 }).toBe(2)
    abort.abort()
    expect(await asked).toMatchObject({ code: 2, err: 'convoke: Not waiting any longer; the Job is deleted.\n' })
    expect(await left()).toBe(0)
  })

  test.each([
    [
      ['gold-member', 'C1', '--image', 'x'],
      /There is no Segment `gold-member` in namespace `test-\w+`\. Did you mean `gold-members`\?/,
    ],
    [
      ['big-spenders', 'C1'],
      /No Job of Convoke in namespace `test-\w+` tells which image to run; name one with --image\./,
    ],
  ])('%j is refused before anything is made', async (args, message) => {
    expect(await why(...args)).toMatchObject({ code: 2, err: expect.stringMatching(message) })
    expect(await left()).toBe(0)
  })
})

test('a sealed line is read by the holder of the key, and by nobody else', () => {
  const [keys, others] = [sealingKeys(), sealingKeys()]
  const text = JSON.stringify({ person: 'Ann', long: 'ä'.repeat(100_000) })
  const line = sealed(text, keys.publicPem)
  expect(unsealed(`some words\n${line}\nmore`, keys.privateKey)).toBe(text)
  expect(unsealed('nothing sealed', keys.privateKey)).toBeNull()
  expect(() => unsealed(line, others.privateKey)).toThrow()
  const changed = line.at(-10) === 'A' ? 'B' : 'A'
  expect(() => unsealed(line.slice(0, -10) + changed + line.slice(-9), keys.privateKey)).toThrow()
})

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  while (true) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(50)
  }
}
