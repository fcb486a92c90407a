// Plays the Job controller and a node: Jobs of Convoke get a Pod, whose step is really done in this process or as a test wants it, and its log
// is served as a kubelet serves it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { Detail, JobPlan, RunInput, RunReport } from '#crds'
import { apiVersion, digestOf, labels, managedBy, reportLinesOf, terminationMessageOf } from '#crds'
import { realClock } from '../../operator/kernel/clock.ts'
import { type ApiObject, reflect } from '../../operator/kernel/reflector.ts'
import type { Transport } from '../../operator/kernel/transport.ts'
import { silentMetrics } from '../kernel/metrics-record.ts'
import { type Api, fineApi } from './api.ts'

export type Work = {
  readonly namespace: string
  readonly job: string
  readonly step: RunReport['step']
  readonly reprint: boolean
  readonly plan: JobPlan
  readonly input: RunInput
}

/** What becomes of the Pod. `log: null` loses the log, `gone` the Pod as well. */
export type Played =
  | { readonly kind: 'report'; readonly report: RunReport; readonly log?: string | null; readonly gone?: boolean }
  | { readonly kind: 'crash'; readonly exitCode: number; readonly reason: string; readonly message: string }
  /** The kubelet took it from its node before it could say anything. */
  | { readonly kind: 'evicted'; readonly message: string }
  /** The Job took longer than it may. */
  | { readonly kind: 'deadline' }
  /** It does not get to work, until somebody deletes the Job. */
  | { readonly kind: 'pending'; readonly reason: string; readonly message: string }
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

/** Plays for the given namespaces only, since tests share a cluster. Garbage is collected as well: what belongs to a Run or Job that is gone goes. */
export async function play(
  transport: Transport,
  behaviour: Behaviour,
  plays: (namespace: string) => boolean,
): Promise<Player> {
  const api = fineApi(transport)
  const { playPod, stop } = await openNode(api, behaviour)
  const seen: { namespace: string; name: string; uid: string }[] = []
  const taken = new Set<string>()
  const jobs = reflect(
    { clock: realClock, transport, metrics: silentMetrics, random: Math.random },
    {
      name: 'played',
      path: '/apis/batch/v1/jobs',
      labelSelector: `${labels.managedBy}=${managedBy}`,
      project: (object) => object,
      indices: {},
      onChange: (key) => {
        const job = jobs.get(key)?.value
        const [namespace, name] = key.split('/') as [string, string]
        if (!plays(namespace)) return
        if (!job || job.metadata['deletionTimestamp'] !== undefined)
          quietly(collect(namespace, name, job as Job | undefined))
        if (!job || taken.has(job.metadata.uid)) return
        taken.add(job.metadata.uid)
        seen.push({ namespace: job.metadata.namespace!, name: job.metadata.name, uid: job.metadata.uid })
        quietly(playJob(job as Job))
      },
      failed: () => {},
    },
  )
  const runs = reflect(
    { clock: realClock, transport, metrics: silentMetrics, random: Math.random },
    {
      name: 'owners',
      path: `/apis/${apiVersion}/runs`,
      project: ({ metadata }) => metadata.uid,
      indices: {},
      onChange: (key) => {
        const [namespace, name] = key.split('/') as [string, string]
        if (plays(namespace) && runs.get(key) === null) quietly(removeJobsOf(namespace, name))
      },
      failed: () => {},
    },
  )
  await Promise.all([jobs.synced, runs.synced])
  return {
    seen,
    async stop() {
      await Promise.all([jobs.stop(), runs.stop()])
      await stop()
    },
  }

  async function collect(namespace: string, job: string, deleted: Job | undefined): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/pods`
    const { items } = await api<{ items: ApiObject[] }>(
      'GET',
      `${path}?labelSelector=batch.kubernetes.io/job-name=${job}`,
    )
    // There may be another Job of that name by now.
    const next = deleted === undefined ? jobs.get(`${namespace}/${job}`)?.value.metadata.uid : undefined
    for (const { metadata } of items)
      if (next === undefined || (metadata['ownerReferences'] as { uid: string }[])[0]!.uid !== next)
        await api('DELETE', `${path}/${metadata.name}`, { gracePeriodSeconds: 0 })
    if (deleted?.metadata['finalizers'] !== undefined)
      await api('PATCH', `/apis/batch/v1/namespaces/${namespace}/jobs/${job}`, {
        metadata: { uid: deleted.metadata.uid, finalizers: null },
      })
  }

  async function removeJobsOf(namespace: string, run: string): Promise<void> {
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs`
    const { items } = await api<{ items: ApiObject[] }>('GET', `${path}?labelSelector=${labels.run}=${run}`)
    for (const { metadata } of items)
      await api('DELETE', `${path}/${metadata.name}`, {
        propagationPolicy: 'Background',
        preconditions: { uid: metadata.uid },
      })
  }

  async function playJob(job: Job): Promise<void> {
    const { namespace, name, uid } = job.metadata
    const jobStatus = (status: object) =>
      api('PATCH', `/apis/batch/v1/namespaces/${namespace}/jobs/${name}/status`, { status })
    await jobStatus({ startTime: nowText(), active: 1, ready: 1 })
    const pod = await api<Pod>('POST', `/api/v1/namespaces/${namespace}/pods`, {
      metadata: {
        name: `${name.slice(0, 50)}-${uid.slice(0, 6)}`,
        labels: { ...job.spec.template.metadata.labels, [jobLabel]: name },
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
      },
      spec: { ...job.spec.template.spec, nodeName: node },
    })
    const end = await playPod(pod)
    if (end === 'never') return
    if (end === 'pending') return void (await jobStatus({ ready: 0 }))
    const times = { lastProbeTime: nowText(), lastTransitionTime: nowText(), status: 'True' }
    const reason = end.kind === 'deadline' ? 'DeadlineExceeded' : 'PodFailurePolicy'
    const conditions =
      end.kind !== 'succeeded'
        ? [
            { type: 'FailureTarget', reason, message: '', ...times },
            { type: 'Failed', reason, message: `exit code ${end.exitCode}`, ...times },
          ]
        : [
            { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message: '', ...times },
            { type: 'Complete', reason: 'CompletionsReached', message: '', ...times },
          ]
    await jobStatus({
      active: 0,
      ready: 0,
      conditions,
      ...(end.kind !== 'succeeded' ? { failed: 1 } : { succeeded: 1, completionTime: nowText() }),
    })
  }
}

/** Plays the node alone, where Jobs are in good hands. Pods that are deleted are gone at once. */
export async function playPods(
  transport: Transport,
  behaviour: Behaviour,
  plays: (namespace: string) => boolean,
): Promise<Player> {
  const api = patient(fineApi(transport))
  const { playPod, stop } = await openNode(api, behaviour)
  const seen: { namespace: string; name: string; uid: string }[] = []
  const taken = new Set<string>()
  const pods = reflect(
    { clock: realClock, transport, metrics: silentMetrics, random: Math.random },
    {
      name: 'played',
      path: '/api/v1/pods',
      labelSelector: `${labels.managedBy}=${managedBy}`,
      project: (object) => object as Pod,
      indices: {},
      onChange: (key) => {
        const pod = pods.get(key)?.value
        if (!pod || !plays(pod.metadata.namespace)) return
        const { namespace, name, uid, deletionTimestamp } = pod.metadata
        if (deletionTimestamp !== undefined && pod.spec.nodeName !== undefined)
          quietly(api('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, { gracePeriodSeconds: 0 }))
        if (taken.has(uid)) return
        taken.add(uid)
        seen.push({ namespace, name, uid })
        quietly(start(pod))
      },
      failed: () => {},
    },
  )
  await pods.synced
  return {
    seen,
    async stop() {
      await pods.stop()
      await stop()
    },
  }

  async function start(pod: Pod): Promise<void> {
    const { namespace, name } = pod.metadata
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`
    await api('POST', `${path}/binding`, { metadata: { name }, target: { apiVersion: 'v1', kind: 'Node', name: node } })
    await api('PATCH', `${path}/status`, { status: { phase: 'Running', startTime: nowText() } })
    await playPod(pod)
  }
}

/** A node outlives its API server: what is not answered is asked again, for a minute. */
function patient(api: Api): Api {
  return async (method, path, body) => {
    for (const until = Date.now() + 60_000; ; await sleep(200)) {
      try {
        return await api(method, path, body)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error) || Date.now() > until) throw error
      }
    }
  }
}

type PodEnd = 'never' | 'pending' | { readonly kind: 'succeeded' | 'failed' | 'deadline'; readonly exitCode: number }

/** A node on which Pods end as a behaviour says, with its kubelet. */
async function openNode(
  api: Api,
  behaviour: Behaviour,
): Promise<{ readonly playPod: (pod: Pod) => Promise<PodEnd>; readonly stop: () => Promise<void> }> {
  const logs = new Map<string, string>()
  const plans = new Map<string, Promise<JobPlan>>()
  const kubelet = await startKubelet(logs)
  await register(api, kubelet.port)
  return { playPod, stop: kubelet.stop }

  async function playPod({ metadata, spec }: Pod): Promise<PodEnd> {
    const { namespace, name } = metadata
    const path = `/api/v1/namespaces/${namespace}`
    const podPath = `${path}/pods/${name}`
    const started = nowText()
    const args = spec.containers[0]!.args
    const reprint = args[0] === 'report'
    const parts = spec.volumes
      .find((volume) => volume.name === 'plan')!
      .projected!.sources.map(({ configMap }) => configMap.name)
    const input = spec.volumes.find((volume) => volume.name === 'run')!.configMap!.name
    const played = await behaviour({
      namespace,
      job: metadata.labels[jobLabel]!,
      step: (reprint ? args[2] : args[0]) as Work['step'],
      reprint,
      plan: await planOf(path, parts),
      input: JSON.parse((await api<ConfigMap>('GET', `${path}/configmaps/${input}`)).data!['run.json']!),
    })
    if (played.kind === 'hang') return 'never'
    if (played.kind === 'pending') {
      const waiting = { reason: played.reason, message: played.message }
      await api('PATCH', `${podPath}/status`, {
        status: { phase: 'Pending', containerStatuses: [{ ...container, state: { waiting } }] },
      })
      return 'pending'
    }
    const failed = played.kind !== 'report' || played.report.outcome === 'Failed'
    const exitCode =
      played.kind === 'crash'
        ? played.exitCode
        : !failed
          ? 0
          : played.kind === 'report' && played.report.error?.retryable === false
            ? 64
            : 1
    if (played.kind === 'report') {
      const log = played.log === undefined ? `${reportLinesOf(played.report).join('\n')}\n` : played.log
      if (log !== null) logs.set(`${namespace}/${name}`, log)
    }
    if (played.kind === 'evicted')
      await api('PATCH', `${podPath}/status`, {
        status: { phase: 'Failed', reason: 'Evicted', message: played.message, containerStatuses: null },
      })
    else if (played.kind === 'deadline') await api('DELETE', podPath, { gracePeriodSeconds: 0 })
    else {
      const terminated = {
        exitCode,
        reason: played.kind === 'crash' ? played.reason : failed ? 'Error' : 'Completed',
        message: played.kind === 'crash' ? played.message : terminationMessageOf(played.report),
        startedAt: started,
        finishedAt: nowText(),
      }
      await api('PATCH', `${podPath}/status`, {
        status: {
          phase: failed ? 'Failed' : 'Succeeded',
          containerStatuses: [{ ...container, state: { terminated } }],
        },
      })
    }
    if (played.kind === 'report' && played.gone) await api('DELETE', podPath, { gracePeriodSeconds: 0 })
    return { kind: played.kind === 'deadline' ? 'deadline' : failed ? 'failed' : 'succeeded', exitCode }
  }

  /** Read once: the ConfigMaps of a plan never change. */
  function planOf(path: string, parts: readonly string[]): Promise<JobPlan> {
    const key = `${path} ${parts.join()}`
    const known = plans.get(key) ?? readPlan(path, parts)
    plans.set(key, known)
    known.catch(() => plans.delete(key))
    return known
  }

  async function readPlan(path: string, parts: readonly string[]): Promise<JobPlan> {
    const maps = await Promise.all(parts.map((part) => api<ConfigMap>('GET', `${path}/configmaps/${part}`)))
    const packed = maps.flatMap(({ binaryData }) =>
      Object.values(binaryData!).map((text) => Buffer.from(text, 'base64')),
    )
    return JSON.parse(gunzipSync(Buffer.concat(packed)).toString())
  }
}

/** Something that goes away while it is played is no fault. */
function quietly(work: Promise<unknown>): void {
  work.catch((error: Error) => {
    if (!/\b(404|409|422)\b/.test(error.message)) console.error(`player: ${error.message}`)
  })
}

function nowText(): string {
  return new Date().toISOString().replace(/\.\d+Z/, 'Z')
}

const jobLabel = 'batch.kubernetes.io/job-name'

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

const container = { name: 'convoke', image: 'convoke', imageID: '', ready: false, restartCount: 0 }

type ConfigMap = { readonly data?: Record<string, string>; readonly binaryData?: Record<string, string> }

type PodSpec = {
  readonly nodeName?: string
  readonly containers: readonly { readonly args: readonly string[] }[]
  readonly volumes: readonly {
    readonly name: string
    readonly projected?: { readonly sources: readonly { readonly configMap: { readonly name: string } }[] }
    readonly configMap?: { readonly name: string }
  }[]
}

type Named = ApiObject['metadata'] & { readonly namespace: string; readonly labels: Readonly<Record<string, string>> }

type Pod = ApiObject & { readonly metadata: Named; readonly spec: PodSpec }

type Job = ApiObject & {
  readonly metadata: Named
  readonly spec: {
    readonly template: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: PodSpec }
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
