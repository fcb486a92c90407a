import { apiVersion } from '#crds'
import { type Admitter, openAdmission } from './admission.ts'
import type { Compiler } from './compiler.ts'
import { openApi } from './kernel/api.ts'
import type { Clock } from './kernel/clock.ts'
import { type Ended, runControllers } from './kernel/controller.ts'
import { recordEvents } from './kernel/events.ts'
import type { LeaseOptions } from './kernel/lease.ts'
import { openRegistry } from './kernel/metrics-registry.ts'
import { openPart, type Part } from './kernel/part.ts'
import { allAnswered, allSynced, type Probes, passesEnd, serveProbes } from './kernel/probes.ts'
import { heard, type Transport } from './kernel/transport.ts'
import { operatorMetrics } from './metrics.ts'
import { type Controllers, type ControllersOptions, openControllers } from './operator.ts'
import type { LogLine } from './surroundings.ts'
import { serveWebhook, type Webhook, type WebhookOptions } from './webhook.ts'

export type OperatorPorts = {
  readonly clock: Clock
  readonly transport: Transport
  /** A random number, even from 0 to less than 1. */
  readonly random: () => number
  readonly log: (line: LogLine) => void
  /** Default: compiles on this thread. */
  readonly compiler?: Compiler
  readonly admitter?: Admitter
}

export type OperatorOptions = ControllersOptions & {
  /** The Lease to lead by; null: this is the only operator. */
  readonly lease: Pick<LeaseOptions, 'namespace' | 'name' | 'identity'> | null
  /** Which operator it is, for Events: the Pod's name. */
  readonly instance: string
  /** 0 takes any port that is free. The same port twice is one server. */
  readonly healthPort: number
  readonly metricsPort: number
  readonly webhook: Pick<WebhookOptions, 'port' | 'certificate'> | null
}

export type Operator = {
  readonly isLeading: () => boolean
  readonly healthPort: number
  /** The port of metrics; null while that server is down. The same goes for the webhook's. */
  readonly metricsPort: () => number | null
  readonly webhookPort: () => number | null
  readonly stop: () => void
  /** Call this for an exception that nobody caught. */
  readonly crash: (error: unknown) => void
  /** Resolves when everything is closed. */
  readonly ended: Promise<Ended>
}

/**
 * Longer than all requests of one pass together, each of which has a deadline. The longest pass tells the counts of thousands of
 * Segments.
 */
const longestPassMs = 15 * 60_000
/** How long until a part that is down is tried again. */
const againMs = 10_000
/** How long the last Events may delay the end, while there is no leader. */
const settleMs = 1000

/**
 * The whole operator: election, caches, controllers, Events, metrics, probes and the webhook. Where its probes cannot be served it does
 * not begin, since nobody could tell its state. Metrics and the webhook may be down, which is said, while all else goes on.
 */
export async function startOperator(ports: OperatorPorts, options: OperatorOptions): Promise<Operator> {
  const { clock, random, log } = ports
  const registry = openRegistry(operatorMetrics)
  const { transport, silentMs } = heard(clock, ports.transport)
  let controllers: Controllers | null = null
  const running = runControllers(
    { clock, transport, metrics: registry, random },
    {
      lease: options.lease,
      open({ mayWrite, writeDeadlineMs }) {
        const apiPorts = { clock, transport, metrics: registry, mayWrite }
        const api = openApi(apiPorts, { fieldManager: 'convoke', writeDeadlineMs })
        const events = recordEvents(
          { clock, api, metrics: registry, mayWrite, random },
          { component: 'convoke-operator', instance: options.instance },
        )
        const opened = openControllers(
          {
            clock,
            transport,
            metrics: registry,
            random,
            api,
            log,
            ...(ports.compiler && { compiler: ports.compiler }),
            record: ({ kind, namespace, name, uid }, event) =>
              events.record({ regarding: { apiVersion, kind, namespace, name, uid }, ...event }),
          },
          options,
        )
        controllers = opened
        return {
          synced: opened.synced,
          queues: opened.queues,
          elected() {
            log({ level: 'info', message: 'leading' })
            opened.elected()
          },
          settle: () => events.stop(settleMs),
          stop: opened.stop,
        }
      },
      failed: (error) => log({ level: 'warning', message: error instanceof Error ? error.message : String(error) }),
    },
  )
  // `open` has been called by now.
  const { caches, queues } = controllers as unknown as Controllers
  const live = {
    passes: passesEnd(() => queues, longestPassMs),
    watches: allAnswered(() => caches.collections, silentMs),
  }
  const ready = { caches: allSynced(caches.collections) }
  /** Parts that are down, or do not work as they should. */
  const amiss = new Set<string>()
  const isOne = options.metricsPort === options.healthPort && options.metricsPort !== 0
  const probes = { live, ready, metrics: registry }
  const health = await serveProbes({ ...probes, port: options.healthPort }).catch(async (error: unknown) => {
    running.stop()
    await running.ended
    throw error
  })
  const metrics = isOne ? null : await part('metrics', () => serveProbes({ ...probes, port: options.metricsPort }))
  const webhook =
    options.webhook &&
    (await part('webhook', () =>
      serveWebhook({
        ...options.webhook!,
        clock,
        admit: openAdmission(caches, ports.admitter),
        renewed: (reason) => told('webhook', reason),
        failed: (error) =>
          log({ level: 'warning', message: `webhook: ${error instanceof Error ? error.message : error}` }),
      }),
    ))

  return {
    isLeading: running.isLeading,
    healthPort: health.port,
    metricsPort: () => (metrics ? metrics.up() : health)?.port ?? null,
    webhookPort: () => webhook?.up()?.port ?? null,
    stop: running.stop,
    crash: running.crash,
    ended: running.ended.then(async (how) => {
      await Promise.all([health.stop(), metrics?.stop(), webhook?.stop(), ports.admitter?.stop()])
      return how
    }),
  }

  function part<T extends Probes | Webhook>(name: string, open: () => Promise<T>): Promise<Part<T>> {
    return openPart(clock, { againMs, open, said: (reason) => told(name, reason) })
  }

  /** `reason`: why a part is down or does not work as it should; null: all is well. */
  function told(name: string, reason: string | null): void {
    registry.set('convoke_part_up', { part: name }, reason === null ? 1 : 0)
    if (reason !== null)
      log({ level: 'error', message: `${name}: ${reason}. All else goes on, and it is tried again.` })
    else if (amiss.delete(name)) log({ level: 'info', message: `${name}: all is well again` })
    if (reason !== null) amiss.add(name)
  }
}
