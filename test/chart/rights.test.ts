// The operator under the rights that the chart gives it, and none else, through everything it does: it needs no more, and has no more.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiVersion, group, kinds } from '#crds'
import { openApi } from '../../operator/kernel/api.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { recordEvents } from '../../operator/kernel/events.ts'
import { standForElection } from '../../operator/kernel/lease.ts'
import type { HttpRequest, Transport } from '../../operator/kernel/transport.ts'
import { fine, kubeconfigWith, openCluster, pathOf } from '../api/convoke.ts'
import { serverSideApply } from '../cluster/api.ts'
import { exampleOf } from '../crds/documents.ts'
import { silentMetrics } from '../kernel/metrics-record.ts'
import { minimal, withSpec } from '../operator/bundle.ts'
import {
  conditionOf,
  movableClock,
  type Operator,
  startOperator,
  transportOf,
  type Workshop,
  workshop,
} from '../operator/harness.ts'
import { type Player, play, reportOf } from '../operator/player.ts'
import { type Grants, grantsOf } from './grants.ts'
import { hasHelm, render } from './helm.ts'

const cluster = await openCluster()

/** What it does by chance only, when a copy is behind its own write or an answer was lost. */
const rare: Grants = {
  ...Object.fromEntries(Object.values(kinds).map(({ plural }) => [`${group}/${plural}`, ['get']])),
  'batch/jobs': ['get'],
  'core/events': ['patch'],
}

describe.skipIf(!hasHelm || cluster === null)("the operator's rights", () => {
  const clock = movableClock()
  const used = new Map<string, Set<string>>()
  const forbidden: string[] = []
  let transport: Transport
  let operator: Operator
  let shop: Workshop
  let player: Player
  let granted: Grants
  let hasNode = true
  beforeAll(async () => {
    const admin = await transportOf(cluster!.kubeconfig)
    shop = await workshop(cluster!, admin)
    const { namespace } = shop
    const manifests = render({ watchNamespaces: [namespace] }, { namespace })
    granted = Object.assign({}, ...Object.values(grantsOf(manifests, { namespace })))
    for (const manifest of manifests.filter(({ kind }) => kind === 'Role' || kind === 'RoleBinding')) {
      const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/${manifest.kind.toLowerCase()}s/${manifest.metadata.name}`
      await fine(cluster!.api('PATCH', `${path}?fieldManager=test`, { body: manifest, contentType: serverSideApply }))
    }
    const kubeconfig = kubeconfigWith(cluster!, ({ users }) => {
      Object.assign(users[0]!.user, { as: `system:serviceaccount:${namespace}:convoke` })
    })
    player = await play(
      admin,
      (work) => ({ kind: 'report', report: reportOf(work) }),
      (place) => hasNode && place === namespace,
    )
    transport = watched(await transportOf(kubeconfig))
    operator = await startOperator(transport, { clock, namespaces: [namespace] })
  })
  afterAll(async () => {
    await operator?.kill()
    await player?.stop()
  })

  function watched(transport: Transport): Transport {
    return async (request) => {
      const answer = await transport(request)
      const asked = askedBy(request)
      if (asked === null) return answer
      const [resource, verb] = asked
      used.set(resource, (used.get(resource) ?? new Set()).add(verb))
      if (answer.status === 403) forbidden.push(`${verb} ${resource}`)
      return answer
    }
  }

  /** By a clock that nobody moves. */
  async function lead(): Promise<void> {
    const leading = Promise.withResolvers<void>()
    const ports = { clock: realClock, transport, metrics: silentMetrics, random: Math.random }
    const candidate = standForElection(ports, {
      namespace: shop.namespace,
      name: 'convoke',
      identity: randomUUID(),
      elected: leading.resolve,
      lost: (reason) => leading.reject(new Error(reason)),
      failed: leading.reject,
    })
    await leading.promise
    await candidate.stop()
  }

  async function tell(): Promise<void> {
    const api = openApi(
      { clock: realClock, transport, metrics: silentMetrics, mayWrite: () => true },
      { fieldManager: 'convoke' },
    )
    const events = recordEvents(
      { clock: realClock, api, metrics: silentMetrics, mayWrite: () => true, random: Math.random },
      { component: 'convoke-operator', instance: 'test' },
    )
    const { metadata } = await shop.get('Segment', 'gold-members')
    const { namespace } = shop
    const regarding = { apiVersion, kind: 'Segment', namespace, name: metadata.name, uid: metadata.uid! }
    events.record({ regarding, type: 'Normal', reason: 'Tried', message: 'Tried.' })
    await events.stop(5000)
  }

  async function byHand(name: string): Promise<void> {
    const scheduledTime = new Date(clock.now()).toISOString().replace(/\.\d+Z/, 'Z')
    const spec = { target: { kind: 'Activation', name: 'newsletter' }, scheduledTime, trigger: 'Manual' }
    await shop.api('POST', pathOf('Run', shop.namespace), { apiVersion, kind: 'Run', metadata: { name }, spec })
  }

  async function onlyRunsAre(night: string): Promise<void> {
    const runs = await shop.list('Run')
    expect(runs.map((run) => [run.spec.scheduledTime, conditionOf(run, 'Succeeded')?.status])).toEqual([
      [night, 'True'],
      [night, 'True'],
    ])
  }

  test('are what it uses', { timeout: 120_000 }, async () => {
    await shop.claims('profile-store', 'landing', 'landing-zone')
    const limits = { successful: 1, failed: 1 }
    await shop.apply(
      { ...exampleOf('CampaignSource'), metadata: { name: 'logs' } },
      ...minimal().filter(({ kind }) => kind !== 'ProfileStore' && kind !== 'Activation'),
      withSpec('ProfileStore', 'customers', (spec) => ({ ...spec, historyLimits: limits })),
      withSpec('Activation', 'newsletter', (spec) => ({
        ...spec,
        historyLimits: limits,
        concurrencyPolicy: 'Replace',
      })),
    )
    await shop.until(async () => {
      expect(conditionOf(await shop.get('Activation', 'newsletter'), 'Ready')).toMatchObject({ status: 'True' })
    })
    await lead()
    await tell()
    // A night; another definition, and another night: Runs and plans of before are forgotten.
    const nights = [1, 2].map((days) => {
      const date = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
      return `${date}T02:00:00Z`
    })
    clock.set(nights[0]!)
    await shop.until(() => onlyRunsAre(nights[0]!), 30)
    await shop.apply(
      withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.tier = "silver"' })),
    )
    await shop.until(async () => {
      expect((await shop.get('Segment', 'gold-members')).status?.observedGeneration).toBe(2)
    })
    clock.set(nights[1]!)
    await shop.until(() => onlyRunsAre(nights[1]!), 30)
    await shop.until(async () => expect(used.get('core/configmaps')).toContain('delete'), 30)
    // Somebody makes a Run by hand, whose Job gets no Pod, and later another, which takes its place.
    hasNode = false
    clock.move(4 * 3_600_000)
    await byHand('first')
    await shop.until(async () => expect(used.get('core/events')).toContain('list'), 40)
    clock.move(4 * 3_600_000)
    await byHand('second')
    await shop.until(async () => expect(used.get('batch/jobs')).toContain('delete'), 30)
    // A store goes and comes back under its name, with the plan of before.
    const { spec } = await shop.get('ProfileStore', 'customers')
    await shop.remove('ProfileStore', 'customers')
    await shop.apply(withSpec('ProfileStore', 'customers', () => spec))
    await shop.until(async () => expect(used.get('core/configmaps')).toContain('patch'), 30)

    expect(forbidden).toEqual([])
    expect(verbsOf([...used].map(([resource, verbs]) => [resource, [...verbs]]))).toEqual(
      verbsOf(Object.entries(granted)),
    )
  })
})

/** Without what is rare, and whichever object is meant. */
function verbsOf(grants: readonly (readonly [resource: string, verbs: readonly string[]])[]): Grants {
  const verbs: Record<string, string[]> = {}
  for (const [name, each] of grants) {
    const resource = name.replace(/:.*/, '')
    verbs[resource] = [...(verbs[resource] ?? []), ...each.filter((verb) => !rare[resource]?.includes(verb))].sort()
  }
  return verbs
}

/** `group/resource` and the verb; null for what everybody may. */
function askedBy({ method, path, query = {} }: HttpRequest): readonly [resource: string, verb: string] | null {
  const [, group = 'core', rest] = /^\/api(?:\/v1|s\/([^/]+)\/[^/]+)\/(.*)$/.exec(path) ?? []
  if (rest === undefined) return null
  const parts = rest.replace(/^namespaces\/[^/]+\/(?=.)/, '').split('/')
  const [plural, name, subresource] = parts
  const resource = `${group}/${plural}${subresource === undefined ? '' : `/${subresource}`}`
  const reads = name !== undefined ? 'get' : query['watch'] === undefined ? 'list' : 'watch'
  return [resource, { GET: reads, POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method]]
}
