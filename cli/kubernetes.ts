import type { KubeConfig } from '@kubernetes/client-node'
import { group, kinds, version } from '#crds'
import { UsageError } from './command.ts'

/** kubectl's page: a list of 20,000 Jobs in one answer would hold the process for seconds. */
const pageSize = 500

/**
 * Every resource of Convoke's kinds, in these namespaces or (null) in all of them, without `metadata.managedFields`; kinds in the order of
 * `kinds`, each in the API server's order. All or nothing: what cannot be reached, read or is not installed throws UsageError.
 */
export async function listClusterResources(options: {
  readonly kubeconfig: string | null
  readonly namespaces: readonly string[] | null
}): Promise<readonly unknown[]> {
  const config = await connect({ kubeconfig: options.kubeconfig, context: null })
  const { CustomObjectsApi } = await import('@kubernetes/client-node')
  const api = config.makeApiClient(CustomObjectsApi)
  const scopes = options.namespaces ?? [null]
  const lists = Object.values(kinds).flatMap(({ plural }) =>
    scopes.map((namespace) =>
      listPages(async (limit, next) => {
        const page = { group, version, plural, limit, ...(next === '' ? {} : { _continue: next }) }
        try {
          return namespace === null
            ? await api.listClusterCustomObject(page)
            : await api.listNamespacedCustomObject({ ...page, namespace })
        } catch (error) {
          throw new UsageError(faultOf(error, config, plural, namespace))
        }
      }),
    ),
  )
  return (await Promise.all(lists)).flat()
}

/**
 * Where a file, KUBECONFIG, ~/.kube/config or (in a Pod) the service account says the cluster is; `context` null is the current one.
 * Nothing is sent yet. No such place is UsageError.
 */
export async function connect(options: {
  readonly kubeconfig: string | null
  readonly context: string | null
}): Promise<KubeConfig> {
  // 0.8 s to load, which no other command should wait for.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    if (options.kubeconfig === null) config.loadFromDefault()
    else config.loadFromFile(options.kubeconfig)
  } catch (error) {
    throw new UsageError(`${options.kubeconfig ?? 'The kubeconfig'} cannot be read: ${reasonOf(error)}.`)
  }
  if (options.context !== null) config.setCurrentContext(options.context)
  const cluster = config.getCurrentCluster()
  // What the client assumes where it finds nothing.
  if (cluster?.name === 'cluster' && cluster.server === 'http://localhost:8080')
    throw new UsageError(
      'No cluster is configured: there is no KUBECONFIG and no ~/.kube/config. Name one with --kubeconfig FILE.',
    )
  if (!cluster) {
    const known = config.contexts.map(({ name }) => name).join(', ') || 'none'
    throw new UsageError(
      config.currentContext
        ? `The kubeconfig has no cluster for the context \`${config.currentContext}\`; its contexts: ${known}.`
        : `The kubeconfig has no current context; its contexts: ${known}. Choose one with \`kubectl config use-context NAME\`.`,
    )
  }
  return config
}

async function listPages(read: (limit: number, next: string) => Promise<unknown>): Promise<readonly unknown[]> {
  const items: unknown[] = []
  let next = ''
  do {
    // The API server's answer to a list of custom resources.
    const page = (await read(pageSize, next)) as {
      readonly items: readonly { readonly metadata: { managedFields?: unknown } }[]
      readonly metadata: { readonly continue?: string }
    }
    for (const item of page.items) {
      delete item.metadata.managedFields
      items.push(item)
    }
    next = page.metadata.continue ?? ''
  } while (next !== '')
  return items
}

function faultOf(error: unknown, config: KubeConfig, plural: string, namespace: string | null): string {
  const server = config.getCurrentCluster()?.server ?? 'The cluster'
  const { code, body } =
    error instanceof Error ? (error as Error & { readonly code?: unknown; readonly body?: unknown }) : {}
  const said = saidBy(body)
  switch (code) {
    case 401:
      return `${server} does not accept the credentials of the context \`${config.currentContext}\`. Sign in again, or name another kubeconfig with --kubeconfig.`
    case 403:
      return `${server} forbids it: ${said}. ${
        namespace === null
          ? 'Name the namespaces that you may read with --namespace, or ask for the right to list in all.'
          : `Ask for the right to list ${plural}.${group} in the namespace ${namespace}.`
      }`
    case 404:
      return `${server} does not know ${plural}.${group}/${version}: Convoke's CRDs are not installed there, or are older than this command. Install them with the chart.`
  }
  if (typeof code === 'number') return `${server} answered ${code} to the list of ${plural}.${group}: ${said}.`
  return `${server} cannot be reached: ${reasonOf(error)}. Check the kubeconfig and the network; \`kubectl version\` says whether kubectl reaches it.`
}

/** The message of a Kubernetes Status, or the answer as it came. */
function saidBy(body: unknown): string {
  if (typeof body !== 'string') return 'no reason given'
  try {
    const status: { readonly message?: unknown } = JSON.parse(body)
    return String(status.message)
  } catch {
    return body.trim()
  }
}

/** One line. fetch says only that it failed; the reason is its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message.replace(/\n.*/s, '') : reasonOf(error.cause)
}
