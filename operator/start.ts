import { apiVersion } from '#crds'
import { admit } from './admission.ts'
import { openApi } from './kernel/api.ts'
import type { Clock } from './kernel/clock.ts'
import { type Ended, runControllers } from './kernel/controller.ts'
import { recordEvents } from './kernel/events.ts'
import type { LeaseOptions } from './kernel/lease.ts'
import { openRegistry } from './kernel/metrics-registry.ts'
import { allAnswered, allSynced, type Probes, passesEnd, serveProbes } from './kernel/probes.ts'
import { heard, type Transport } from './kernel/transport.ts'
import { operatorMetrics } from './metrics.ts'
import { type Controllers, type ControllersOptions, openControllers } from './operator.ts'
import type { LogLine } from './surroundings.ts'
import { type Certificate, serveWebhook, type Webhook } from './webhook.ts'

export type OperatorPorts = {
  readonly clock: Clock
  readonly transport: Transport
  /** Evenly from 0 to less than 1. */
  readonly random: () => number
  readonly log: (line: LogLine) => void
}

export type OperatorOptions = ControllersOptions & {
  /** null: it is the only one there is. */
  readonly lease: Pick<LeaseOptions, 'namespace' | 'name' | 'identity'> | null
  /** Which of several it is, for Events: the Pod's name. */
  readonly instance: string
  /** 0 takes any that is free. The same port twice is one server. */
  readonly healthPort: number
  readonly metricsPort: number
  readonly webhook: { readonly port: number; readonly certificate: Certificate } | null
}

export type Operator = {
  readonly isLeading: () => boolean
  readonly healthPort: number
  readonly metricsPort: number
  readonly webhook: Webhook | null
  readonly stop: () => void
  /** For an exception that nobody caught. */
  readonly crash: (error: unknown) => void
  /** Everything is closed when it resolves. */
  readonly ended: Promise<Ended>
}

/** Of a pass every request has its deadline; a Run that tells the counts of thousands of Segments takes the longest. */
const longestPassMs = 15 * 60_000
/** The last Events may take so long of the time without a leader. */
const settleMs = 1000

/** The whole operator: election, caches, controllers, Events, metrics, probes and the webhook. */
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
  // `open` has been called.
  const { caches, queues } = controllers as unknown as Controllers
  const live = {
    passes: passesEnd(() => queues, longestPassMs),
    watches: allAnswered(() => caches.collections, silentMs),
  }
  const ready = { caches: allSynced(caches.collections) }
  const isOne = options.metricsPort === options.healthPort && options.metricsPort !== 0
  const open = async (): Promise<readonly [Probes, Probes, Webhook | null]> => {
    const health = await serveProbes({ port: options.healthPort, live, ready, metrics: registry })
    const metrics = isOne ? health : await serveProbes({ port: options.metricsPort, live, ready, metrics: registry })
    const webhook =
      options.webhook &&
      (await serveWebhook({
        ...options.webhook,
        admit: (request) => admit(caches, request),
        failed: (error) =>
          log({ level: 'warning', message: `webhook: ${error instanceof Error ? error.message : error}` }),
      }))
    return [health, metrics, webhook]
  }
  const [health, metrics, webhook] = await open().catch(async (error: unknown) => {
    // A port is taken: nobody shall lead who cannot be asked how it is.
    running.stop()
    await running.ended
    throw error
  })

  return {
    isLeading: running.isLeading,
    healthPort: health.port,
    metricsPort: metrics.port,
    webhook,
    stop: running.stop,
    crash: running.crash,
    ended: running.ended.then(async (how) => {
      await Promise.all([health.stop(), isOne ? null : metrics.stop(), webhook?.stop()])
      return how
    }),
  }
}
