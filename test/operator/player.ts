// Plays the Job controller and a node: Jobs of Convoke get a Pod, whose step is really done in this process or as a test wants it, and its log
// is served as a kubelet serves it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Detail, JobPlan, RunInput, RunReport } from '#crds'
import { digestOf, labels, managedBy, reportLinesOf, terminationMessageOf } from '#crds'
import { realClock } from '../../operator/kernel/clock.ts'
import { type ApiObject, reflect } from '../../operator/kernel/reflector.ts'
import type { Transport } from '../../operator/kernel/transport.ts'
import { type Api, fineApi } from './api.ts'

export type Work = {
  readonly namespace: string
  readonly job: string
  readonly step: RunReport['step']
  readonly reprint: boolean
  readonly plan: JobPlan
  readonly input: RunInput
}

/** What becomes of the Pod. `log: null` loses the log. */
export type Played =
  | { readonly kind: 'report'; readonly report: RunReport; readonly log?: string | null }
  | { readonly kind: 'crash'; readonly exitCode: number; readonly reason: string; readonly message: string }
  /** Nothing, until somebody deletes the Job. */
  | { readonly kind: 'hang' }

export type Behaviour = (work: Work) => Promise<Played> | Played

export type Player = {
  /** Every Job that came to be, by name, in order; once for each time it came to be. */
  readonly seen: readonly { readonly namespace: string; readonly name: string; readonly uid: string }[]
  readonly stop: () => Promise<void>
}

// Test files share a cluster, and each has its own kubelet.
const node = `player-${process.pid}`

/** Plays for the given namespaces only, since tests share a cluster. */
export async function play(
  transport: Transport,
  behaviour: Behaviour,
  plays: (namespace: string) => boolean,
): Promise<Player> {
  const api = fineApi(transport)
  const logs = new Map<string, string>()
  const kubelet = await startKubelet(logs)
  await register(api, kubelet.port)
  const seen: { namespace: string; name: string; uid: string }[] = []
  const taken = new Set<string>()
  const jobs = reflect(
    { clock: realClock, transport, metrics: silent, random: Math.random },
    {
      name: 'played',
      path: '/apis/batch/v1/jobs',
      labelSelector: `${labels.managedBy}=${managedBy}`,
      project: (object) => object,
      indices: {},
      onChange: (key) => {
        const job = jobs.get(key)?.value
        if (!job || taken.has(job.metadata.uid) || !plays(job.metadata.namespace!)) return
        taken.add(job.metadata.uid)
        seen.push({ namespace: job.metadata.namespace!, name: job.metadata.name, uid: job.metadata.uid })
        playJob(job as Job).catch((error: Error) => {
          // A Job that goes away while it is played is no fault.
          if (!/\b(404|409|422)\b/.test(error.message)) console.error(`player: ${error.message}`)
        })
      },
      failed: () => {},
    },
  )
  await jobs.synced
  return {
    seen,
    async stop() {
      await jobs.stop()
      await kubelet.stop()
    },
  }

  async function playJob(job: Job): Promise<void> {
    const { namespace, name, uid } = job.metadata
    const { spec } = job.spec.template
    const args = spec.containers[0]!.args
    const reprint = args[0] === 'report'
    const path = `/api/v1/namespaces/${namespace}`
    const started = new Date().toISOString().replace(/\.\d+Z/, 'Z')
    await api('PATCH', `/apis/batch/v1/namespaces/${namespace}/jobs/${name}/status`, {
      status: { startTime: started, active: 1, ready: 1 },
    })
    const pod = await api<ApiObject>('POST', `${path}/pods`, {
      metadata: {
        name: `${name.slice(0, 50)}-${uid.slice(0, 6)}`,
        labels: { ...job.spec.template.metadata.labels, 'batch.kubernetes.io/job-name': name },
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
      },
      spec: { ...spec, nodeName: node },
    })
    const parts = spec.volumes
      .find((volume) => volume.name === 'plan')!
      .projected!.sources.map(({ configMap }) => configMap.name)
    const input = spec.volumes.find((volume) => volume.name === 'run')!.configMap!.name
    const played = await behaviour({
      namespace,
      job: name,
      step: (reprint ? args[2] : args[0]) as Work['step'],
      reprint,
      plan: await planOf(path, parts),
      input: JSON.parse((await api<ConfigMap>('GET', `${path}/configmaps/${input}`)).data!['run.json']!),
    })
    if (played.kind === 'hang') return
    const failed = played.kind === 'crash' || played.report.outcome === 'Failed'
    const exitCode =
      played.kind === 'crash' ? played.exitCode : !failed ? 0 : played.report.error?.retryable === false ? 64 : 1
    const finished = new Date().toISOString().replace(/\.\d+Z/, 'Z')
    if (played.kind === 'report') {
      const log = played.log === undefined ? `${reportLinesOf(played.report).join('\n')}\n` : played.log
      if (log !== null) logs.set(`${namespace}/${pod.metadata.name}`, log)
    }
    const container = {
      name: 'convoke',
      image: 'convoke',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: {
        terminated: {
          exitCode,
          reason: played.kind === 'crash' ? played.reason : failed ? 'Error' : 'Completed',
          message: played.kind === 'crash' ? played.message : terminationMessageOf(played.report),
          startedAt: started,
          finishedAt: finished,
        },
      },
    }
    await api('PATCH', `${path}/pods/${pod.metadata.name}/status`, {
      status: { phase: failed ? 'Failed' : 'Succeeded', containerStatuses: [container] },
    })
    const times = { lastProbeTime: finished, lastTransitionTime: finished, status: 'True' }
    const conditions = failed
      ? [
          { type: 'FailureTarget', reason: 'PodFailurePolicy', message: '', ...times },
          { type: 'Failed', reason: 'PodFailurePolicy', message: `exit code ${exitCode}`, ...times },
        ]
      : [
          { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message: '', ...times },
          { type: 'Complete', reason: 'CompletionsReached', message: '', ...times },
        ]
    await api('PATCH', `/apis/batch/v1/namespaces/${namespace}/jobs/${name}/status`, {
      status: {
        active: 0,
        ready: 0,
        conditions,
        ...(failed ? { failed: 1 } : { succeeded: 1, completionTime: finished }),
      },
    })
  }

  async function planOf(path: string, parts: readonly string[]): Promise<JobPlan> {
    const maps = await Promise.all(parts.map((part) => api<ConfigMap>('GET', `${path}/configmaps/${part}`)))
    const packed = maps.flatMap(({ binaryData }) =>
      Object.values(binaryData!).map((text) => Buffer.from(text, 'base64')),
    )
    return JSON.parse(gunzipSync(Buffer.concat(packed)).toString())
  }
}

/** A report with its digest, as a step that succeeded makes it. */
export function reportOf(
  { step, input }: Pick<Work, 'step' | 'input'>,
  details: readonly Detail[] = [],
  more: Partial<RunReport> = {},
): RunReport {
  const now = new Date().toISOString()
  return {
    step,
    run: input.run,
    attempt: input.attempt ?? 1,
    outcome: 'Succeeded',
    startedAt: now,
    finishedAt: now,
    totals: {},
    reportDigest: digestOf(details),
    details: [...details],
    ...more,
  }
}

type ConfigMap = { readonly data?: Record<string, string>; readonly binaryData?: Record<string, string> }

type Job = ApiObject & {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> }
      readonly spec: {
        readonly containers: readonly { readonly args: readonly string[] }[]
        readonly volumes: readonly {
          readonly name: string
          readonly projected?: { readonly sources: readonly { readonly configMap: { readonly name: string } }[] }
          readonly configMap?: { readonly name: string }
        }[]
      }
    }
  }
}

async function register(api: Api, port: number): Promise<void> {
  await api('POST', '/api/v1/nodes', { metadata: { name: node } }).catch((error: Error) => {
    if (!error.message.includes('409')) throw error
  })
  await api('PATCH', `/api/v1/nodes/${node}/status`, {
    status: {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  })
}

/** Only what the API server asks a kubelet for when somebody wants a log. */
async function startKubelet(logs: ReadonlyMap<string, string>): Promise<{ port: number; stop: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-kubelet-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '2',
    '-subj',
    '/CN=player',
  ])
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const [, what, namespace, pod] = new URL(request.url!, 'https://kubelet').pathname.split('/')
    const log = what === 'containerLogs' ? logs.get(`${namespace}/${pod}`) : undefined
    if (log === undefined) response.writeHead(404).end('no such log')
    else response.end(log)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // of a TCP server
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const silent = { count: () => {}, set: () => {}, read: () => {}, observe: () => {}, remove: () => {} }
