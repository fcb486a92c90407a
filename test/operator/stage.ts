// A namespace with the smallest example in it, an operator that can be killed and come back, and Jobs that do as a test says.
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Detail, Kind, ResourceByKind } from '#crds'
import { keyOf } from '../../operator/definition.ts'
import { bodyText, type HttpRequest, type Transport } from '../../operator/kernel/transport.ts'
import type { ControllersOptions } from '../../operator/operator.ts'
import type { Cluster } from '../api/convoke.ts'
import { type Bundle, minimal } from './bundle.ts'
import {
  conditionOf,
  type MovableClock,
  movableClock,
  type Operator,
  startOperator,
  transportOf,
  type Workshop,
  workshop,
} from './harness.ts'
import { type Behaviour, type Played, type Player, play, reportOf, type Work } from './player.ts'

export type Run = ResourceByKind['Run']

export type Stage = Workshop & {
  readonly clock: MovableClock
  /** Sets the clock, without the second that it takes the operator to notice. */
  readonly at: (instant: string) => void
  readonly transport: Transport
  readonly player: Player
  /** The one that is there now. */
  readonly operator: () => Operator
  /** What the next steps do, until it is said anew; `succeed` at first. */
  readonly behave: (behaviour: Behaviour) => void
  /** Every work that was begun, in order. */
  readonly works: readonly Work[]
  /** `through` stands between it and the API server. */
  readonly start: (
    options?: Parameters<typeof startOperator>[1] & { readonly through?: (transport: Transport) => Transport },
  ) => Promise<void>
  readonly kill: () => Promise<void>
  readonly leave: () => Promise<void>
  /** By name, the oldest slot first. */
  readonly runs: (target?: string) => Promise<readonly Run[]>
  /** Until the Run is finished; its condition. */
  readonly finished: (name: string, seconds?: number) => Promise<ReturnType<typeof conditionOf>>
  /** Until a pass over the target at the clock's time is done. */
  readonly looked: (kind: 'ProfileStore' | 'Activation' | 'CampaignSource', name: string) => Promise<void>
  /** Makes a Run as `kubectl create` does. */
  readonly request: (target: Run['spec']['target'], spec?: Partial<Run['spec']>) => Promise<string>
  readonly annotate: (kind: Kind, name: string, annotations: Readonly<Record<string, string | null>>) => Promise<void>
}

type Retry = { readonly limit: number; readonly backoff: string }

const quick: Retry = { limit: 2, backoff: '0.2s' }

function withRetry(resource: object, retry: Retry): object {
  const { kind, spec } = resource as { readonly kind: string; readonly spec: object }
  return ['ProfileStore', 'Activation', 'CampaignSource'].includes(kind)
    ? { ...resource, spec: { retry, ...spec } }
    : resource
}

/** Tomorrow, in UTC, so that all that is applied was made before. */
export function tomorrow(time: string, days = 1): string {
  const date = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
  return `${date}T${time.length === 5 ? `${time}:00` : time}Z`
}

export function minutesOf(time: string): number {
  return Math.floor(Date.parse(time) / 60_000)
}

/** Every 3 h, whatever its store does. */
export function activation(
  name: string,
  change: (spec: ResourceByKind['Activation']['spec']) => object = (spec) => spec,
  startAt = tomorrow('00:00'),
): ResourceByKind['Activation'] {
  const found = minimal().find(({ kind }) => kind === 'Activation') as ResourceByKind['Activation']
  const spec = { ...found.spec, schedule: { every: '3h', startAt } }
  return { ...found, metadata: { name }, spec: change(spec) as ResourceByKind['Activation']['spec'] }
}

/** The example without its Activation. */
export function foundation(): Bundle {
  return minimal().filter(({ kind }) => kind !== 'Activation')
}

export async function openStage(
  cluster: Cluster,
  options: Partial<ControllersOptions> & {
    readonly bundle?: readonly object[]
    readonly claims?: readonly string[]
    /** Of all that is applied and says nothing of it. */
    readonly retry?: Retry
  } = {},
): Promise<Stage> {
  const {
    bundle = minimal(),
    claims = ['profile-store', 'landing', 'landing-zone'],
    retry = quick,
    ...controllers
  } = options
  const transport = await transportOf(cluster.kubeconfig)
  const shop = await workshop(cluster, transport)
  const apply: Workshop['apply'] = (...resources) => shop.apply(...resources.map((each) => withRetry(each, retry)))
  const clock = movableClock()
  const works: Work[] = []
  let behaviour: Behaviour = succeed
  const player = await play(
    transport,
    (work) => {
      works.push(work)
      return behaviour(work)
    },
    (namespace) => namespace === shop.namespace,
  )
  let operator: Operator | null = null
  await shop.claims(...claims)
  await apply(...bundle)
  const stage: Stage = {
    ...shop,
    apply,
    clock,
    at(instant) {
      clock.set(instant)
      const { caches, surroundings } = operator!.controllers
      for (const kind of ['ProfileStore', 'Activation', 'CampaignSource', 'Run'] as const)
        for (const resource of caches.list(kind)) surroundings.touch(keyOf(resource))
    },
    transport,
    player,
    works,
    operator: () => operator!,
    behave: (next) => {
      behaviour = next
    },
    async start({ through = (own: Transport) => own, ...more } = {}) {
      operator = await startOperator(through(transport), {
        clock,
        namespaces: [shop.namespace],
        ...controllers,
        ...more,
      })
    },
    async kill() {
      await operator?.kill()
      operator = null
    },
    async leave() {
      await operator?.kill()
      await player.stop()
    },
    async runs(target) {
      const runs = (await shop.list('Run')).filter(({ spec }) => target === undefined || spec.target.name === target)
      const order = ({ spec, metadata }: Run): string => `${spec.scheduledTime} ${metadata.name}`
      return [...runs].sort((a, b) => (order(a) < order(b) ? -1 : 1))
    },
    finished: (name, seconds = 20) =>
      shop.until(async () => {
        const condition = conditionOf(await shop.get('Run', name), 'Succeeded')
        expect(condition?.status, JSON.stringify(condition)).toMatch(/True|False/)
        return condition
      }, seconds),
    async looked(kind, name) {
      await shop.until(async () => {
        const status: { observedGeneration?: number; nextScheduledTime?: string; nextBatchTime?: string } = (
          await shop.get(kind, name)
        ).status!
        const next = status.nextScheduledTime ?? status.nextBatchTime
        expect(status.observedGeneration).toBeGreaterThan(0)
        if (next !== undefined) expect(Date.parse(next)).toBeGreaterThan(clock.now())
      })
    },
    async request(target, spec = {}) {
      const scheduledTime = new Date(clock.now()).toISOString().replace(/\.\d+Z/, 'Z')
      const made = await shop.api<Run>('POST', `/apis/convoke.dev/v1alpha1/namespaces/${shop.namespace}/runs`, {
        apiVersion: 'convoke.dev/v1alpha1',
        kind: 'Run',
        metadata: { name: `by-hand-${randomUUID().slice(0, 8)}` },
        spec: { target, scheduledTime, trigger: 'Manual', ...spec },
      })
      return made.metadata.name
    },
    annotate: async (kind, name, annotations) => void (await shop.patch(kind, name, { metadata: { annotations } })),
  }
  await stage.start()
  return stage
}

/** Ten people in each Segment, all of them said at first and one more each time. */
export const succeed: Behaviour = (work) => ({ kind: 'report', report: reportOf(work, detailsOf(work)) })

export function detailsOf({ step, plan, input }: Work): readonly Detail[] {
  const exported = plan.export
  switch (step) {
    case 'ingest':
      return plan.ingest!.datasets.map(({ name }) => ({ dataset: name, counts: { files: 1, records: 10, badRows: 1 } }))
    case 'evaluate':
      return plan.evaluate!.segments.map(({ name }) => ({ segment: name, members: 10, entered: 1, exited: 0 }))
    case 'export':
      return [
        ...exported!.segments.map(({ name }) => ({
          segment: name,
          members: 10,
          realized: input.baselines?.[name] ? 1 : 10,
          exited: 0,
          backfill: input.baselines?.[name] === undefined,
          manifest: manifestOf(name, input),
        })),
        ...(input.departed ?? []).map(({ name }) => ({
          segment: name,
          members: 0,
          realized: 0,
          exited: 10,
          departed: true,
          manifest: manifestOf(name, input),
        })),
      ]
    case 'import':
      return [...exported!.segments, ...(input.departed ?? [])].map(({ name }) => ({
        segment: name,
        manifest: manifestOf(name, input),
        file: `${name}.csv`,
        counts: { rowsRead: 10, updated: 10 },
      }))
    case 'extract':
      return plan.extract!.tables.map(({ name }) => ({ table: name, counts: { rowsRead: 3 } }))
  }
}

function manifestOf(segment: string, { scheduledTime }: Work['input']): string {
  return `${segment}_${scheduledTime.replace(/[-:]/g, '')}.manifest.json`
}

/** As a step reports a fault that it knows. */
export function failing(work: Work, retryable = false, details: readonly Detail[] = []): Played {
  return {
    kind: 'report',
    report: reportOf(work, details, {
      outcome: 'Failed',
      error: retryable
        ? { reason: 'LocationUnavailable', message: 'The landing zone does not answer.', retryable }
        : { reason: 'DatabaseRefused', message: 'There is no table recipients. Create it.', retryable },
    }),
  }
}

/** A step that is done when the test says so. */
export function gate(): { readonly open: () => void; readonly closed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: resolve, closed: promise }
}

/** Each Run's name with how it ended, in order; `…` while it has not. */
export function outcomes(runs: readonly Run[]): readonly (readonly [string, string])[] {
  return runs.map((run) => {
    const { status, reason } = conditionOf(run, 'Succeeded') ?? { status: 'Unknown', reason: '' }
    return [run.metadata.name, status === 'Unknown' ? `… ${reason}`.trim() : reason] as const
  })
}

/** Of a process that dies right after a write, before it hears how it went. */
export function dyingAfter(isLast: (request: HttpRequest) => boolean): {
  readonly through: (transport: Transport) => Transport
  readonly died: Promise<void>
} {
  const { promise: died, resolve } = Promise.withResolvers<void>()
  let alive = true
  const gone = new Error('the process is gone')
  return {
    died,
    through: (transport) => async (request) => {
      if (!alive) throw gone
      if (request.method === 'GET' || !isLast(request)) return transport(request)
      alive = false
      const answer = await transport(request)
      await bodyText(answer)
      resolve()
      throw gone
    },
  }
}
