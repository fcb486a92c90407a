import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { compile } from '#compiler'
import { type ApiObject, apiOf } from '../test/cluster/api.ts'
import { productImage } from '../test/cluster/image.ts'
import { sharedNode } from '../test/cluster/node.ts'

const example = join(import.meta.dirname, '../examples/minimal')

/**
 * `npm run bench -- pod [times]`: milliseconds from the creation of a Job to the start of its Pod's step, to the first line in its log, to the Job's
 * completion, one Job after the other on a real node; the median.
 */
export async function run([times = '7']: readonly string[]): Promise<object> {
  const started = Date.now()
  const image = await productImage()
  if ('skip' in image) return image
  const imageMilliseconds = Date.now() - started
  const node = await sharedNode()
  if ('skip' in node) return node
  const nodeMilliseconds = Date.now() - started - imageMilliseconds
  if (image.archive !== null) await node.load(image.archive)
  const loadMilliseconds = Date.now() - started - imageMilliseconds - nodeMilliseconds
  const api = await apiOf(node.kubeconfig)
  const namespace = '/namespaces/default'
  const files = {
    'plan.json': JSON.stringify(planOfStore()),
    'customers.csv': readFileSync(join(example, 'volumes/landing/customers/customers.csv'), 'utf8'),
    'orders.ndjson': readFileSync(join(example, 'volumes/landing/orders/orders.ndjson'), 'utf8'),
    'run.json': JSON.stringify({
      run: 'bench',
      attempt: 1,
      scheduledTime: '2026-01-15T02:00:00Z',
      now: '2026-01-15T06:00:00Z',
      trigger: 'Schedule',
      evaluation: 'Batch',
    }),
  }
  await api('POST', `/api/v1${namespace}/configmaps`, { body: { metadata: { name: 'files' }, data: files } })
  const args = 'ingest --plan /files/plan.json --run /files/run.json'.split(' ')
  const results: Measured[] = []
  for (let index = 0; index < Number(times); index++) results.push(await measure(`bench-${index}`))
  const median = (of: (result: Measured) => number): number =>
    results.map(of).sort((one, other) => one - other)[Math.floor(results.length / 2)]!
  return {
    imageMilliseconds,
    nodeMilliseconds,
    loadMilliseconds,
    jobToStepMilliseconds: median((result) => result.step),
    jobToFirstLineMilliseconds: median((result) => result.firstLine),
    jobToCompleteMilliseconds: median((result) => result.complete),
    stepMilliseconds: median((result) => result.took),
  }

  async function measure(name: string): Promise<Measured> {
    const created = Date.now()
    const mounts = [
      { name: 'files', mountPath: '/files' },
      { name: 'files', mountPath: '/volumes/landing/customers/customers.csv', subPath: 'customers.csv' },
      { name: 'files', mountPath: '/volumes/landing/orders/orders.ndjson', subPath: 'orders.ndjson' },
      { name: 'store', mountPath: '/volumes/profile-store' },
      { name: 'scratch', mountPath: '/tmp' },
    ]
    const spec = {
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      volumes: [
        { name: 'files', configMap: { name: 'files' } },
        { name: 'store', emptyDir: {} },
        { name: 'scratch', emptyDir: {} },
      ],
      containers: [
        {
          name: 'step',
          image: (image as { name: string }).name,
          args,
          volumeMounts: mounts,
          securityContext: { readOnlyRootFilesystem: true },
        },
      ],
    }
    const jobs = `/apis/batch/v1${namespace}/jobs`
    await api('POST', jobs, { body: { metadata: { name }, spec: { backoffLimit: 0, template: { spec } } } })
    for (;;) {
      const { body } = await api<{ status?: { succeeded?: number; failed?: number } }>('GET', `${jobs}/${name}`)
      if (body.status?.succeeded) break
      if (body.status?.failed) throw new Error(await log(name))
      await sleep(20)
    }
    const complete = Date.now() - created
    const text = await log(name)
    const since = (time: string): number => Date.parse(time) - created
    const [, startedAt, finishedAt] = /"startedAt": ?"([^"]+)".*?"finishedAt": ?"([^"]+)"/s.exec(text)!
    return {
      complete,
      firstLine: since(text.slice(0, text.indexOf(' '))),
      step: since(startedAt!),
      took: Date.parse(finishedAt!) - Date.parse(startedAt!),
    }
  }

  async function log(name: string): Promise<string> {
    const pods = await api<{ items: ApiObject[] }>('GET', `/api/v1${namespace}/pods?labelSelector=job-name=${name}`)
    const pod = pods.body.items[0]!.metadata.name
    return (await api<string>('GET', `/api/v1${namespace}/pods/${pod}/log?timestamps=true`)).body
  }
}

/** Milliseconds; all but `took` count from the Job's creation. */
type Measured = { readonly step: number; readonly firstLine: number; readonly complete: number; readonly took: number }

function planOfStore(): unknown {
  const path = join(example, 'minimal.yaml')
  const { plans } = compile([{ file: path, text: readFileSync(path, 'utf8') }])
  return plans.find(({ target }) => target.kind === 'ProfileStore')
}
