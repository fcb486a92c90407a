// A namespace with a store, Segments and Activations in it, its own time, and what the operator owes it.
import { setTimeout as sleep } from 'node:timers/promises'
import { compileObjects, schedulesOf } from '#compiler'
import { annotations, type Kind } from '#crds'
import { pathOf } from '../api/convoke.ts'
import { type Campaign, openCampaign } from './campaign.ts'
import { conditionOf, type MovableClock } from './harness.ts'
import { last, type Seen } from './observer.ts'
import { broken, type Promised, type Run, requests, slots, succeeded } from './promises.ts'
import { fastClock } from './replica.ts'
import type { World } from './world.ts'

export const [minuteMs, hourMs] = [60_000, 3_600_000]

export type House = {
  readonly world: World
  readonly namespace: string
  readonly clock: MovableClock
  readonly campaign: Campaign
  /** Names. */
  readonly activations: readonly string[]
  readonly apply: () => Promise<void>
  /** The volume that all of its Jobs need. */
  readonly claim: () => Promise<void>
  readonly patch: (kind: Kind, name: string, change: object) => Promise<unknown>
  readonly suspend: (activation: string, how: boolean) => Promise<unknown>
  readonly move: (milliseconds: number) => void
  readonly seen: () => Seen
  /** Runs that are not. */
  readonly unfinished: () => readonly Run[]
  /** Until so much has changed, or nothing does any more. */
  readonly progress: (changes: number) => Promise<void>
  /** Until all is done and nothing changes any more: what was not kept, or is not done when patience is over. */
  readonly rest: (patienceMs: number) => Promise<readonly string[]>
  /** From now on what is due is by another clock than the house's own. */
  readonly owes: (now: () => number) => void
  readonly leave: () => void
}

export type HouseOptions = {
  readonly namespace: string
  readonly seed: number
  readonly plan: (nowMs: number) => Plan
  /** Whether its operators stand for election. */
  readonly stands: boolean
  /** Whether all Jobs succeed. */
  readonly luck: boolean
}

type Made = {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: { readonly name: string }
  readonly spec: object
}
type Bundle = readonly Made[]

export async function openHouse(world: World, options: HouseOptions): Promise<House> {
  const { namespace, seed, stands, luck } = options
  const { api, observer } = world
  const speed = (): number => world.speed(stands)
  const clock = fastClock(speed)
  const plan = options.plan(clock.now())
  const { historyLimit } = plan
  const bundle = bundleOf(plan)
  const campaign = openCampaign(seed, luck)
  const activations = bundle.filter(({ kind }) => kind === 'Activation').map(({ metadata }) => metadata.name)
  const { schedules, segments } = promisesOf(bundle, namespace)
  const seen = (): Seen => observer.seen(namespace)
  let now = clock.now
  const promised = (): Promised => ({ schedules, segments, historyLimit, nowMs: now() })
  const patch = (kind: Kind, name: string, change: object): Promise<unknown> =>
    api('PATCH', `${pathOf(kind, namespace)}/${name}`, change)
  world.behaviours.set(namespace, campaign.behaviour)
  await api('POST', '/api/v1/namespaces', { metadata: { name: namespace } })

  return {
    world,
    namespace,
    clock,
    campaign,
    activations,
    async apply() {
      for (const object of bundle) await api('POST', pathOf(object.kind, namespace), object)
    },
    async claim() {
      await api('POST', `/api/v1/namespaces/${namespace}/persistentvolumeclaims`, {
        metadata: { name: 'data' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      })
    },
    patch,
    suspend,
    move: clock.move,
    seen,
    unfinished,
    async progress(changes) {
      const until = observer.changes(namespace) + changes
      const deadline = Date.now() + 5000
      while (observer.changes(namespace) < until && observer.quietMs(namespace) < 500 && Date.now() < deadline)
        await sleep(20)
    },
    async rest(patienceMs) {
      const deadline = Date.now() + patienceMs
      let left: readonly string[]
      do {
        left = await quiet(deadline, () => [...slots(seen(), promised()), ...requests(seen())])
        if (left.length === 0 && untilWhen() !== null) await drain(deadline)
        left = await quiet(deadline, kept)
      } while (left.length > 0 && Date.now() < deadline)
      return left
    },
    owes: (other) => void (now = other),
    leave() {
      world.behaviours.delete(namespace)
      observer.forget(namespace)
    },
  }

  function suspend(activation: string, how: boolean): Promise<unknown> {
    // By both ways that there are.
    const change = activation.endsWith('a')
      ? { spec: { suspend: how } }
      : { metadata: { annotations: { [annotations.suspend]: String(how) } } }
    return patch('Activation', activation, change)
  }

  function unfinished(): readonly Run[] {
    return seen()
      .runs.filter(({ gone }) => !gone)
      .map(last)
      .filter((run) => succeeded(run) === 'Unknown')
  }

  /** The instant that all of what is not finished waits for; null where some is at work, or nothing is left to do. */
  function untilWhen(): number | null {
    const left = unfinished()
    if (left.some(({ status }) => status.startedAt !== undefined && status.retryTime === undefined)) return null
    const until = left.flatMap((run) => {
      const floor = /^Waits until (\S+):/.exec(conditionOf(run, 'Succeeded')?.message ?? '')?.[1]
      return [run.status.retryTime, floor].flatMap((time) => (time === undefined ? [] : [Date.parse(time)]))
    })
    return until.length > 0 ? Math.max(now(), Math.min(...until)) : null
  }

  /** Until nothing is left and nothing changes any more: what is left when patience is over, or something waits for a time to come. */
  async function quiet(
    deadline: number,
    leftOf: () => Promise<readonly string[]> | readonly string[],
  ): Promise<readonly string[]> {
    let left: readonly string[] = ['nothing was quiet']
    while (Date.now() < deadline) {
      await sleep(100)
      if (observer.quietMs(namespace) < 10_000 / speed()) continue
      left = await leftOf()
      if (left.length === 0 || untilWhen() !== null) break
    }
    return left
  }

  /** More may be due than the shortest interval lets through: what waits ends when nothing is added. */
  async function drain(deadline: number): Promise<void> {
    for (const activation of activations) await suspend(activation, true)
    while (unfinished().length > 0 && Date.now() < deadline) {
      await sleep(100)
      const until = untilWhen()
      if (observer.quietMs(namespace) > 300 && until !== null && until > now()) clock.move(until - now() + 1000)
    }
    for (const activation of activations) await suspend(activation, false)
  }

  async function kept(): Promise<readonly string[]> {
    const left = [...broken(seen(), promised()), ...campaign.wrong(seen())]
    return left.length > 0 ? left : others(campaign.members(seen()))
  }

  /** What no Run is made for, is ready and of its generation. */
  async function others(members: ReadonlyMap<string, number>): Promise<readonly string[]> {
    const kinds = ['Organization', 'Dataset', 'Segment', 'CampaignInstance', 'Destination'] as const
    const wrong: string[] = []
    for (const kind of kinds) {
      const { items } = await api<{ items: readonly Listed[] }>('GET', pathOf(kind, namespace))
      for (const { metadata, status } of items) {
        const { observedGeneration, conditions = [] } = status ?? {}
        const { name, generation } = metadata
        const counted = kind === 'Segment' ? members.get(name) : undefined
        if (counted !== undefined && status?.members !== counted)
          wrong.push(`Segment/${name}: ${status?.members} members, not ${counted}`)
        const isRight =
          observedGeneration === generation &&
          ['Ready', 'GuardrailsPassed'].every((wanted) => conditions.some(({ type }) => type === wanted)) &&
          conditions.every((condition) => condition.status === 'True' && condition.observedGeneration === generation)
        if (!isRight) wrong.push(`${kind}/${name}: generation ${generation} is said to be ${JSON.stringify(status)}`)
      }
    }
    return wrong
  }
}

type Listed = {
  readonly metadata: { readonly name: string; readonly generation: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly members?: number
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly observedGeneration?: number
    }[]
  }
}

function promisesOf(bundle: Bundle, namespace: string): Pick<Promised, 'schedules' | 'segments'> {
  const objects = bundle.map((object) => ({ ...object, metadata: { ...object.metadata, namespace } }))
  const { model } = compileObjects(objects as unknown as Parameters<typeof compileObjects>[0])
  return {
    schedules: new Map(
      schedulesOf(model).map(({ resource, schedule, evaluation }) => [
        `${resource.kind}/${resource.name}/${evaluation ?? ''}`,
        schedule,
      ]),
    ),
    segments: new Map(
      model.activations.map(({ resource, segments }) => [
        resource.name,
        new Set(segments.map(({ resource }) => resource.name)),
      ]),
    ),
  }
}

export type Plan = {
  /** When the daily evaluation is, by the clock of UTC. */
  readonly batch: Date
  /** Whether there is a Streaming Segment, `live`. */
  readonly streaming: boolean
  /** Whether Campaign's database is ours to import into. */
  readonly database: boolean
  readonly segments: readonly string[]
  /** Finished Runs that are kept, of each outcome. */
  readonly historyLimit: number
  readonly activations: readonly {
    readonly name: string
    readonly schedule: object
    readonly segments: readonly string[]
    readonly spec?: object
  }[]
}

/** One store, one instance, and what is to be done with them. */
function bundleOf({ batch, streaming, database, segments, historyLimit, activations }: Plan): Bundle {
  const made = (kind: Kind, name: string, spec: object): Made => ({
    apiVersion: 'convoke.dev/v1alpha1',
    kind,
    metadata: { name },
    spec,
  })
  const segment = (name: string, spec: object): Made =>
    made('Segment', name, { profileStoreRef: { name: 'retail' }, ...spec })
  const limits = {
    historyLimits: { successful: historyLimit, failed: historyLimit },
    retry: { limit: 3, backoff: '30s' },
  }
  return [
    made('Organization', 'shop', {
      imsOrgId: '1F2E3D4C5B6A79880A1B2C3D@AdobeOrg',
      entitlements: ['RealTimeCDP', 'Sources', 'Destinations'],
      productContexts: ['Campaign'],
    }),
    made('ProfileStore', 'retail', {
      organizationRef: { name: 'shop' },
      schema: {
        profile: {
          type: 'object',
          properties: { customerId: { type: 'string' }, tier: { type: 'string' }, points: { type: 'integer' } },
        },
        event: { type: 'object', properties: { eventType: { type: 'string' } } },
      },
      identities: [{ namespace: 'CustomerId', path: 'customerId', primary: true }],
      evaluation: {
        batch: { schedule: `${batch.getUTCMinutes()} ${batch.getUTCHours()} * * *`, timeZone: 'Etc/UTC' },
        ...(streaming && { streaming: { every: '30m' } }),
      },
      storage: { volume: { claimName: 'data', path: 'retail' } },
      ...limits,
    }),
    made('Dataset', 'customers', {
      profileStoreRef: { name: 'retail' },
      record: 'Profile',
      format: 'CSV',
      ingestion: streaming ? 'Streaming' : 'Batch',
      location: { volume: { claimName: 'data', path: 'customers' } },
      timestamp: 'updated_at',
      mapping: ['customerId', 'tier', 'points'].map((name) => ({ source: name, target: name })),
    }),
    ...segments.map((name) => segment(name, { expression: `tier = "${name}"` })),
    ...(streaming ? [segment('live', { expression: 'points > 100', evaluation: 'Streaming' })] : []),
    made('CampaignInstance', 'production', {
      organizationRef: { name: 'shop' },
      version: '8.7',
      organizationalUnits: ['shop'],
      ...(database && {
        database: {
          postgreSQL: { host: 'db', database: 'campaign', sslMode: 'Disable', credentialsSecretRef: { name: 'db' } },
        },
      }),
      targetMapping: {
        table: 'recipients',
        columns: ['external_id', 'tier'].map((name) => ({ name, type: 'Text' })),
        reconciliationKey: ['external_id'],
      },
    }),
    made('Destination', 'landing', {
      campaignInstanceRef: { name: 'production' },
      location: { volume: { claimName: 'data', path: 'audiences' } },
      file: { nameTemplate: '{activation}_{segment}_{timestamp}' },
    }),
    ...activations.map(({ name, schedule, segments, spec = {} }) =>
      made('Activation', name, {
        destinationRef: { name: 'landing' },
        segmentRefs: segments.map((name) => ({ name })),
        export: 'Incremental',
        schedule,
        mapping: [
          { source: 'customerId', target: 'external_id', deduplicationKey: true, mandatory: true },
          { source: 'tier', target: 'tier' },
        ],
        ...limits,
        ...spec,
      }),
    ),
  ]
}
