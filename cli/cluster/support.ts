import { labels, managedBy, type Pod } from '#crds'
import { UsageError } from '../command.ts'
import type { Cluster } from '../kubernetes.ts'
import { version } from '../version.ts'
import { attentionOf } from './attention.ts'
import { maskedObject, maskedText } from './masked.ts'
import { logOf } from './pods.ts'
import { type Inventory, inventoryOf } from './resources.ts'
import { statusDocument } from './screen.ts'

type Named = {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly creationTimestamp?: string }
}

/** How many lines of each Pod's log, from its end, and of how many Pods, the newest first. */
const [longestLog, mostPods] = [2000, 60]
const operatorPods = 'app.kubernetes.io/name=convoke,app.kubernetes.io/component=operator'

/** The files of a support bundle, by path. Whatever cannot be fetched is listed in `left-out.txt`, and the rest is there. */
export async function supportFiles(
  cluster: Cluster,
  namespace: string,
  now: Date,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const missing: string[] = []
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      missing.push(`${what}: ${error.message}`)
    }
  }
  const put = (path: string, value: unknown): void => {
    files.set(path, `${JSON.stringify(maskedObject(value), null, 2)}\n`)
  }
  const putList = async (
    kind: string,
    path: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<readonly Named[]> => {
    const found = (await cluster.list<Named>(path, query)) ?? []
    if (found.length > 0)
      files.set(
        `${kind}.json`,
        `${JSON.stringify(
          found.map((each) => maskedObject(each)),
          null,
          2,
        )}\n`,
      )
    return found
  }
  const own = `/api/v1/namespaces/${namespace}`

  await attempt('versions', async () => {
    put('versions.json', {
      convoke: version(),
      kubernetes: await cluster.get('/version'),
      collectedAt: now.toISOString(),
      context: cluster.context,
      namespace,
    })
  })
  await attempt('resources', async () => {
    const inventory: Inventory = await inventoryOf(cluster, namespace)
    for (const [kind, resources] of Object.entries(inventory))
      if (resources.length > 0)
        files.set(
          `resources/${kind}.json`,
          `${JSON.stringify(
            resources.map((each) => maskedObject(each)),
            null,
            2,
          )}\n`,
        )
    const place = { context: cluster.context, namespace, isDefaultNamespace: cluster.isDefaultNamespace }
    put('status.json', statusDocument({ inventory, now, attention: attentionOf(inventory, now), wanted: [], place }))
  })
  await attempt(
    'Jobs',
    async () =>
      void (await putList('jobs', `/apis/batch/v1/namespaces/${namespace}/jobs`, { labelSelector: ofConvoke })),
  )
  await attempt(
    'Events',
    async () => void (await putList('events', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`)),
  )
  await attempt(
    'ConfigMaps',
    async () => void (await putList('config-maps', `${own}/configmaps`, { labelSelector: ofConvoke })),
  )
  await attempt('volumes', async () => void (await putList('volume-claims', `${own}/persistentvolumeclaims`)))
  await attempt('quotas', async () => void (await putList('quotas', `${own}/resourcequotas`)))
  await attempt('Pods', async () => {
    const pods = await putList('pods', `${own}/pods`, { labelSelector: ofConvoke })
    await attempt('logs', () => logs(pods, namespace, 'logs'))
  })
  await attempt("the operator's Pods", async () => {
    const pods = (await cluster.list<Named>('/api/v1/pods', { labelSelector: operatorPods })) ?? []
    if (pods.length === 0) missing.push("the operator's Pods: there are none with the chart's labels.")
    else
      files.set(
        'operator/pods.json',
        `${JSON.stringify(
          pods.map((each) => maskedObject(each)),
          null,
          2,
        )}\n`,
      )
    for (const [place, some] of Map.groupBy(pods, ({ metadata }) => metadata.namespace ?? ''))
      await logs(some, place, 'operator')
  })
  if (missing.length > 0) files.set('left-out.txt', `${missing.map(maskedText).join('\n')}\n`)
  return files

  async function logs(pods: readonly Named[], place: string, folder: string): Promise<void> {
    const newest = [...pods].sort((a, b) =>
      (a.metadata.creationTimestamp ?? '') > (b.metadata.creationTimestamp ?? '') ? -1 : 1,
    )
    for (const pod of newest.slice(0, mostPods))
      await attempt(`the log of ${pod.metadata.name}`, async () => {
        const options = { follow: false, tail: longestLog, timestamps: true }
        const lines = await logOf({ ...cluster, namespace: place }, pod as Pod, options, signal)
        if (lines === null) return void missing.push(`the log of ${pod.metadata.name}: it is gone.`)
        const said: string[] = []
        for await (const line of lines) said.push(maskedText(line))
        files.set(`${folder}/${pod.metadata.name}.log`.slice(-100), `${said.join('\n')}\n`)
      })
    if (newest.length > mostPods) missing.push(`logs: of ${newest.length} Pods those of the newest ${mostPods}.`)
  }
}

const ofConvoke = `${labels.managedBy}=${managedBy}`
