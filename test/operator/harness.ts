// Convoke's controllers on a real API server, with a clock whose wall time a test may move.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { vi } from 'vitest'
import type { Kind, ResourceByKind } from '#crds'
import { transportOf as clusterTransport } from '../../cli/cluster-transport.ts'
import { connect } from '../../cli/kubernetes.ts'
import type { JobDefaults } from '../../operator/job.ts'
import { openApi } from '../../operator/kernel/api.ts'
import { type Clock, realClock } from '../../operator/kernel/clock.ts'
import { openRegistry } from '../../operator/kernel/metrics-registry.ts'
import { bodyText, type Transport } from '../../operator/kernel/transport.ts'
import { operatorMetrics } from '../../operator/metrics.ts'
import { type Controllers, type ControllersOptions, openControllers } from '../../operator/operator.ts'
import type { LogLine, Told } from '../../operator/surroundings.ts'
import { type Cluster, clusterAt, installCrds, openCluster, pathOf } from '../api/convoke.ts'
import { lostOf } from '../cluster/api.ts'
import { startApiServer } from '../cluster/api-server.ts'
import { findBinaries } from '../cluster/binaries.ts'
import { type Api, bodyOf, fineApi } from './api.ts'

/** Of Jobs, what nobody has set. */
export const plainJobs: JobDefaults = {
  image: 'convoke:test',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  priorityClassName: null,
  serviceAccountName: null,
  activeDeadlineSeconds: 3600,
}

export type Operator = {
  readonly controllers: Controllers
  readonly log: readonly LogLine[]
  readonly events: readonly (Told & { readonly about: string })[]
  /** What of its writes an API server took and did not store. */
  readonly dropped: readonly string[]
  readonly metrics: () => Promise<string>
  /** As a process that is killed: nothing more is sent. */
  readonly kill: () => Promise<void>
}

export type MovableClock = Clock & {
  readonly move: (milliseconds: number) => void
  readonly set: (instant: string) => void
}

export function movableClock(): MovableClock {
  let offset = 0
  return {
    ...realClock,
    now: () => Date.now() + offset,
    move: (milliseconds) => {
      offset += milliseconds
    },
    set: (instant) => {
      offset = Date.parse(instant) - Date.now()
    },
  }
}

/** As the command line reaches the cluster. */
export async function transportOf(kubeconfig: string): Promise<Transport> {
  const config = () => connect({ kubeconfig, context: null })
  return clusterTransport(await config(), config)
}

export async function startOperator(
  transport: Transport,
  options: Partial<ControllersOptions> & { readonly clock?: Clock; readonly mayWrite?: () => boolean } = {},
): Promise<Operator> {
  const registry = openRegistry(operatorMetrics)
  const log: LogLine[] = []
  const events: (Told & { about: string })[] = []
  const clock = options.clock ?? realClock
  const dropped: string[] = []
  const compared = comparing(transport, dropped)
  let alive = true
  const guarded: Transport = (request) => (alive ? compared(request) : Promise.reject(new Error('the process is gone')))
  const api = openApi(
    { clock, transport: guarded, metrics: registry, mayWrite: options.mayWrite ?? (() => alive) },
    { fieldManager: 'convoke' },
  )
  const controllers = openControllers(
    {
      clock,
      transport: guarded,
      metrics: registry,
      random: Math.random,
      api,
      record: ({ kind, name }, event) => events.push({ about: `${kind}/${name}`, ...event }),
      log: (line) => log.push(line),
    },
    {
      namespaces: null,
      shard: null,
      concurrency: 16,
      jobs: plainJobs,
      ...options,
    },
  )
  await controllers.synced
  controllers.elected()
  for (const queue of controllers.queues) queue.start()
  return {
    controllers,
    log,
    events,
    dropped,
    metrics: () => registry.text(),
    async kill() {
      alive = false
      await Promise.all(controllers.queues.map((queue) => queue.drain(0)))
      await controllers.stop()
    },
  }
}

/** Holds what is sent to what comes back. */
function comparing(transport: Transport, dropped: string[]): Transport {
  return async (request) => {
    const answer = await transport(request)
    if (!('body' in request) || request.method === 'DELETE' || answer.status >= 300) return answer
    const text = await bodyText(answer)
    for (const each of lostOf(request.body, JSON.parse(text)))
      dropped.push(`${request.method} ${request.path}: ${each}`)
    return { ...answer, body: bodyOf(text) }
  }
}

/**
 * A cluster of one's own, for tests that ask so much of it that others would wait, or beside which nobody may work; given on purpose, that one.
 * Null, with a line that says why, where there is none and none can be made.
 */
export async function openClusterApart(): Promise<(Cluster & { readonly stop: () => Promise<void> }) | null> {
  if (process.env['CONVOKE_TEST_KUBECONFIG'] !== undefined) {
    const cluster = await openCluster()
    return cluster && { ...cluster, stop: async () => {} }
  }
  const programs = await findBinaries()
  if ('skip' in programs) {
    console.warn(`Skipped what needs an API server: ${programs.skip}.`)
    return null
  }
  const { kubeconfig, stop } = await startApiServer(programs)
  const cluster = await clusterAt(kubeconfig)
  await installCrds(cluster)
  return { ...cluster, stop }
}

/** A namespace of one's own with what one needs to work in it. */
export async function workshop(cluster: Cluster, transport: Transport): Promise<Workshop> {
  const namespace = `op-${randomUUID().slice(0, 8)}`
  const api = fineApi(transport)
  await api('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  return {
    namespace,
    api,
    async apply(...resources) {
      for (const resource of resources) {
        const { kind, metadata } = resource as { kind: Kind; metadata: { name: string } }
        const path = `${pathOf(kind, namespace)}/${metadata.name}?fieldManager=test&fieldValidation=Strict&force=true`
        const { status, body } = await cluster.api('PATCH', path, {
          body: resource,
          contentType: 'application/apply-patch+yaml',
        })
        if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`)
      }
    },
    get: (kind, name) => api('GET', `${pathOf(kind, namespace)}/${name}`),
    list: async (kind) => (await api<{ items: never[] }>('GET', pathOf(kind, namespace))).items,
    patch: (kind, name, patch) => api('PATCH', `${pathOf(kind, namespace)}/${name}?fieldManager=test`, patch),
    remove: async (kind, name) => void (await api('DELETE', `${pathOf(kind, namespace)}/${name}`)),
    async claims(...names) {
      for (const name of names)
        await api('POST', `/api/v1/namespaces/${namespace}/persistentvolumeclaims`, {
          metadata: { name },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        })
    },
    async until(what, seconds = 20) {
      return vi.waitFor(what, { timeout: seconds * 1000, interval: 50 })
    },
  }
}

export type Workshop = {
  readonly namespace: string
  readonly api: Api
  /** By server-side apply. */
  readonly apply: (...resources: readonly object[]) => Promise<void>
  readonly get: <K extends Kind>(kind: K, name: string) => Promise<ResourceByKind[K]>
  readonly list: <K extends Kind>(kind: K) => Promise<readonly ResourceByKind[K][]>
  readonly patch: (kind: Kind, name: string, patch: object) => Promise<unknown>
  readonly remove: (kind: Kind, name: string) => Promise<void>
  readonly claims: (...names: readonly string[]) => Promise<void>
  /** Again and again until it does not throw. */
  readonly until: <T>(what: () => Promise<T>, seconds?: number) => Promise<T>
}

export function conditionOf(
  {
    status,
  }: {
    readonly status?: {
      readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[]
    }
  },
  type: string,
): { readonly status: string; readonly reason: string; readonly message: string } | undefined {
  const found = status?.conditions?.find((condition) => condition.type === type)
  return found && { status: found.status, reason: found.reason, message: found.message }
}

/** Asks again and again, for so many milliseconds. */
export async function until(is: () => boolean | Promise<boolean>, patienceMs: number, everyMs = 5): Promise<void> {
  const deadline = Date.now() + patienceMs
  while (!(await is())) {
    if (Date.now() > deadline) throw new Error(`not within ${patienceMs / 1000} s: ${is}`)
    await sleep(everyMs)
  }
}
