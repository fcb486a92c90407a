// A namespace with the example bundle and with statuses as the operator writes them; a test changes what its story needs.
import { type Kind, kinds, type Resource, type ResourceByKind, type Run } from '#crds'
import { applied, type Cluster, fine, pathOf } from '../api/convoke.ts'
import { type Ended, convoke as inProcess } from '../cli-tools/command-line.ts'
import type { ApiObject } from '../cluster/api.ts'
import { bundle } from '../crds/documents.ts'

/** When the tests look. */
export const now = new Date('2026-12-01T12:00:00Z')

export type Scene = {
  readonly namespace: string
  /** The options that lead to it, of any command. */
  readonly place: readonly string[]
  /** Runs a command on this namespace and gives what it said, with the namespace's own name as NAMESPACE. */
  readonly convoke: (argv: readonly string[], io?: Parameters<typeof inProcess>[2]) => Promise<Ended>
  /** Changes a status as the operator would. Null takes a field away. */
  readonly status: <K extends Kind>(
    kind: K,
    name: string,
    status: { readonly [F in keyof NonNullable<ResourceByKind[K]['status']>]?: unknown },
  ) => Promise<void>
  readonly run: (
    run: Pick<Run['spec'], 'target' | 'scheduledTime'> & Partial<Run['spec']>,
    name: string,
  ) => Promise<ApiObject>
  readonly get: <K extends Kind>(kind: K, name: string) => Promise<ResourceByKind[K]>
  readonly list: <K extends Kind>(kind: K) => Promise<readonly ResourceByKind[K][]>
}

const conditionsWhere = (
  conditions: readonly (readonly [
    type: string,
    status: 'True' | 'False' | 'Unknown',
    reason: string,
    message?: string,
  ])[],
  since = '2026-12-01T09:00:00Z',
) =>
  conditions.map(([type, status, reason, message = '']) => ({
    type,
    status,
    reason,
    message,
    observedGeneration: 1,
    lastTransitionTime: since,
  }))

export const conditions = conditionsWhere

/** In order, and seen by the operator. */
export const inOrder = {
  observedGeneration: 1,
  conditions: conditionsWhere([
    ['Ready', 'True', 'Ready'],
    ['GuardrailsPassed', 'True', 'GuardrailsPassed'],
  ]),
}

/** What the operator would say of the bundle while all is well. */
const wellStatuses: { readonly [key: string]: object } = {
  'Organization/folio': inOrder,
  'ProfileStore/readers': {
    ...inOrder,
    profiles: 48_210,
    events: 1_302_455,
    segments: 3,
    evaluatedAt: '2026-12-01T11:55:00Z',
    lastBatchTime: '2026-12-01T02:15:00Z',
    lastSuccessfulBatchTime: '2026-12-01T02:15:00Z',
    nextBatchTime: '2026-12-02T02:15:00Z',
    lastStreamingTime: '2026-12-01T11:55:00Z',
    nextStreamingTime: '2026-12-01T12:00:00Z',
  },
  'Dataset/reader-cards': {
    ...inOrder,
    files: 12,
    records: 48_302,
    rejected: 7,
    lastIngestedTime: '2026-12-01T02:15:20Z',
  },
  'Dataset/till-receipts': {
    ...inOrder,
    files: 3801,
    records: 1_302_455,
    rejected: 0,
    lastIngestedTime: '2026-12-01T11:55:03Z',
  },
  'Segment/patrons': segment(1204, 12, 3, '5m', '2026-12-01T11:55:00Z'),
  'Segment/quiet-buyers': segment(8031, 40, 210, '24h', '2026-12-01T02:15:00Z'),
  'Segment/quiet-patrons': segment(96, 1, 0, '24h', '2026-12-01T02:15:00Z'),
  'CampaignInstance/letters': { ...inOrder, segments: 3, segmentLimit: 50, heldSegments: 0, destinations: 1 },
  'Destination/letter-box': { ...inOrder, activations: 1, lastDeliveredTime: '2026-12-01T10:00:41Z' },
  'Activation/win-back': {
    ...inOrder,
    segments: 3,
    lastScheduledTime: '2026-12-01T10:00:00Z',
    lastSuccessfulTime: '2026-12-01T10:00:00Z',
    nextScheduledTime: '2026-12-01T16:00:00Z',
    missedSlots: 0,
    baselines: ['patrons', 'quiet-buyers', 'quiet-patrons'].map((segment) => ({
      segment,
      run: 'act-win-back-29935320',
      acknowledgedAt: '2026-12-01T10:00:41Z',
    })),
  },
  'CampaignSource/letter-logs': {
    ...inOrder,
    rows: 91_200,
    lastScheduledTime: '2026-12-01T11:30:00Z',
    lastSuccessfulTime: '2026-12-01T11:30:00Z',
    nextScheduledTime: '2026-12-01T12:30:00Z',
  },
}

function segment(
  members: number,
  entered: number,
  exited: number,
  effectiveLatency: string,
  lastEvaluatedTime: string,
) {
  return { ...inOrder, members, entered, exited, effectiveLatency, lastEvaluatedTime, activations: 1 }
}

export async function openScene(cluster: Cluster): Promise<Scene> {
  const namespace = await cluster.namespace()
  const status: Scene['status'] = async (kind, name, changes) => {
    const path = `${pathOf(kind, namespace)}/${name}/status`
    await fine(cluster.api('PATCH', path, { body: { status: changes }, contentType: 'application/merge-patch+json' }))
  }
  await Promise.all(
    bundle().map(async (resource: Resource) => {
      await applied(cluster, namespace, resource)
      await status(
        resource.kind,
        resource.metadata.name,
        wellStatuses[`${resource.kind}/${resource.metadata.name}`] ?? {},
      )
    }),
  )
  return {
    namespace,
    place: ['--kubeconfig', cluster.kubeconfig, '-n', namespace],
    status,
    convoke: async (argv, io) => {
      const [command = '', ...rest] = argv
      const place = ['--kubeconfig', cluster.kubeconfig, ...(rest.includes('-A') ? [] : ['-n', namespace])]
      const { code, out, err } = await inProcess(process.cwd(), [command, ...place, ...rest], { now: () => now, ...io })
      return { code, out: out.replaceAll(namespace, 'NAMESPACE'), err: err.replaceAll(namespace, 'NAMESPACE') }
    },
    run: ({ trigger = 'Schedule', ...spec }, name) =>
      fine(
        cluster.api('POST', pathOf('Run', namespace), {
          body: { apiVersion: 'convoke.dev/v1alpha1', kind: 'Run', metadata: { name }, spec: { trigger, ...spec } },
        }),
      ),
    get: async (kind, name) =>
      // The caller says which kind.
      (await fine(cluster.api('GET', `${pathOf(kind, namespace)}/${name}`))) as unknown as ResourceByKind[typeof kind],
    list: async (kind) =>
      (await fine(cluster.api<{ items: readonly ResourceByKind[typeof kind][] }>('GET', pathOf(kind, namespace))))
        .items,
  }
}

/** Every kind there is, for tests that go through all of them. */
export const everyKind = Object.keys(kinds) as readonly Kind[]
