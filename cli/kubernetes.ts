import { existsSync, readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import type { KubeConfig } from '@kubernetes/client-node'
import { parse } from 'yaml'
import { apiVersion, group, type Kind, kinds, type ResourceByKind, version } from '#crds'
import { type OptionSpec, text, UsageError, type Values } from './command.ts'

/** kubectl's page size: a list of 20,000 Jobs in one answer would block the process for seconds. */
const pageSize = 500

/** The name of the writer for the API server, which is to refuse unknown fields rather than drop them. */
const writing = { fieldManager: 'convoke-cli', fieldValidation: 'Strict' }

/** Options for the cluster and namespace of a command, with kubectl's names. */
export const clusterOptions = {
  kubeconfig: { type: 'string', value: 'FILE', help: 'which clusters there are (default: as kubectl has it)' },
  context: { type: 'string', value: 'CONTEXT', help: 'of the kubeconfig (default: its current one)' },
  namespace: { type: 'string', short: 'n', value: 'NS', help: "default: the context's" },
} as const satisfies Record<string, OptionSpec>

/**
 * An API server as commands see it. Refusals, and servers that do not answer, throw UsageError with the next step. Paths begin at the
 * server's root.
 */
export type Cluster = {
  readonly server: string
  readonly context: string
  /** The namespace that was asked for, else the context's, else `default`. */
  readonly namespace: string
  /** Whether the context has this namespace anyway. */
  readonly isDefaultNamespace: boolean
  /** null where there is no such object. */
  readonly get: <T>(path: string) => Promise<T | null>
  /** All pages of a list, without `metadata.managedFields`; null for a path that the server does not know. */
  readonly list: <T>(path: string, query?: Readonly<Record<string, string>>) => Promise<readonly T[] | null>
  readonly create: <T>(path: string, object: object) => Promise<T>
  /** Applies a JSON merge patch. */
  readonly patch: <T>(path: string, changes: object) => Promise<T>
  /** Deletes an object, and in the background what it owns. Nothing happens where there is none. */
  readonly remove: (path: string) => Promise<void>
  /** Text as it comes. `status` is 200, or the server's other status with its message as the text. */
  readonly stream: (
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<{ readonly status: number; readonly text: AsyncIterable<string> }>
}

/** The path of a kind's resources: in a namespace, everywhere (null), or of one of them. */
export function pathOf(kind: Kind, namespace: string | null, name: string | null = null): string {
  const place = namespace === null ? '' : `namespaces/${namespace}/`
  return `/apis/${apiVersion}/${place}${kinds[kind].plural}${name === null ? '' : `/${name}`}`
}

/** The option for commands about the same namespace; empty where the context has it anyway. */
export function inNamespace({ namespace, isDefaultNamespace }: Cluster): string {
  return isDefaultNamespace ? '' : ` -n ${namespace}`
}

/** The cluster that the options name. Nothing is sent yet. A request that takes longer than the patience fails. */
export async function openCluster(values: Values, patienceMilliseconds: number | null = null): Promise<Cluster> {
  const config = await connect({ kubeconfig: text(values, 'kubeconfig'), context: text(values, 'context') })
  const own = config.getContextObject(config.currentContext)?.namespace ?? 'default'
  const namespace = text(values, 'namespace') ?? own
  return clusterOf(config, namespace, namespace === own, patienceMilliseconds)
}

/** Resources of a kind in these namespaces, or in all (null), in the API server's order. */
export async function resourcesOf<K extends Kind>(
  cluster: Cluster,
  kind: K,
  namespaces: readonly string[] | null,
): Promise<readonly ResourceByKind[K][]> {
  const lists = (namespaces ?? [null]).map(async (namespace) => {
    const items = await cluster.list<ResourceByKind[K]>(pathOf(kind, namespace))
    if (items === null)
      throw new UsageError(
        `${cluster.server} does not know ${kinds[kind].plural}.${group}/${version}: Convoke's CRDs are not installed there, or are older than this command. Install them with the chart.`,
      )
    return items
  })
  return (await Promise.all(lists)).flat()
}

/**
 * Every resource that people write, in these namespaces or in all (null), without `metadata.managedFields`; kinds in the order of
 * `kinds`, each in the API server's order. All or nothing: throws UsageError for a kind that cannot be reached or read, or is not
 * installed.
 */
export async function resourcesIn(cluster: Cluster, namespaces: readonly string[] | null): Promise<readonly unknown[]> {
  // The keys of a table of literals. A Run says what is done, not what is wanted.
  const written = (Object.keys(kinds) as Kind[]).filter((kind) => kind !== 'Run')
  return (await Promise.all(written.map((kind) => resourcesOf(cluster, kind, namespaces)))).flat()
}

/**
 * Where a file, KUBECONFIG, ~/.kube/config or (in a Pod) the service account says that the cluster is; `context` null is the current one.
 * Nothing is sent yet. Throws UsageError where there is none.
 */
export async function connect(options: {
  readonly kubeconfig: string | null
  readonly context: string | null
}): Promise<KubeConfig> {
  // This takes 0.8 s to load, which no other command should wait for.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    if (options.kubeconfig === null) config.loadFromDefault()
    else config.loadFromFile(options.kubeconfig)
  } catch (error) {
    throw new UsageError(`${options.kubeconfig ?? 'The kubeconfig'} cannot be read: ${reasonOf(error)}.`)
  }
  // client-node refuses plain http, as `kubectl proxy` speaks it, where certificates are to be checked; here there are none.
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
  )
  useTokenFiles(config, options.kubeconfig)
  if (options.context !== null) config.setCurrentContext(options.context)
  const cluster = config.getCurrentCluster()
  // The client's default where it finds no configuration.
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

/** Makes client-node read `tokenFile` again and again, as the file may change; by itself it does so only in a Pod. */
function useTokenFiles(config: KubeConfig, kubeconfig: string | null): void {
  const files = [kubeconfig ?? process.env['KUBECONFIG']?.split(delimiter) ?? join(homedir(), '.kube', 'config')].flat()
  for (const file of files.filter((name) => existsSync(name))) {
    const text = readFileSync(file, 'utf8')
    if (!text.includes('tokenFile')) continue
    // client-node has just read the same text.
    const read = parse(text) as { readonly users?: readonly { readonly name: string; readonly user?: NamedFile }[] }
    for (const { name, user } of read.users ?? [])
      if (user?.tokenFile !== undefined && !user.token)
        config.users = config.users.map((one) =>
          one.name === name
            ? { ...one, authProvider: tokenFileProvider(resolve(dirname(file), user.tokenFile!)) }
            : one,
        )
  }
}

type NamedFile = { readonly tokenFile?: string; readonly token?: string }

/** The provider that client-node makes for a Pod's service account. */
function tokenFileProvider(tokenFile: string): object {
  return { name: 'tokenFile', config: { tokenFile } }
}

type Answer = { readonly status: number; readonly body: IncomingMessage }

function clusterOf(
  config: KubeConfig,
  namespace: string,
  isDefaultNamespace: boolean,
  patienceMilliseconds: number | null,
): Cluster {
  const server = (config.getCurrentCluster()?.server ?? '').replace(/\/$/, '')
  const send = async (
    method: string,
    path: string,
    query: Readonly<Record<string, string>> = {},
    body: { readonly type: string; readonly object: object } | null = null,
    ended: AbortSignal | null = null,
  ): Promise<Answer> => {
    const signal = ended ?? (patienceMilliseconds === null ? null : AbortSignal.timeout(patienceMilliseconds))
    const search = new URLSearchParams(query).toString()
    try {
      const options: RequestOptions = {}
      await config.applyToHTTPSOptions(options)
      const headers = {
        ...options.headers,
        accept: 'application/json',
        ...(body === null ? {} : { 'content-type': body.type }),
      }
      return await new Promise((resolve, reject) => {
        const sent = (server.startsWith('https:') ? httpsRequest : httpRequest)(
          server + path + (search === '' ? '' : `?${search}`),
          { ...options, method, headers, ...(signal === null ? {} : { signal }) },
          (answer) => resolve({ status: answer.statusCode ?? 0, body: answer }),
        )
        sent.on('error', reject)
        sent.end(body === null ? undefined : JSON.stringify(body.object))
      })
    } catch (error) {
      if (ended?.aborted) throw error
      throw new UsageError(
        `${server} cannot be reached: ${reasonOf(error)}. Check the kubeconfig and the network; \`kubectl version\` says whether kubectl reaches it.`,
      )
    }
  }
  const fault = (status: number, body: string, what: string): UsageError =>
    new UsageError(refusal(status, body, what, { server, context: config.currentContext }))
  const call = async <T>(
    method: string,
    path: string,
    query: Readonly<Record<string, string>>,
    body: { readonly type: string; readonly object: object } | null,
  ): Promise<T | null> => {
    const answer = await send(method, path, query, body)
    const said = await bodyText(answer.body)
    // The caller knows the type of the path's answer.
    if (answer.status < 300) return JSON.parse(said) as T
    if (answer.status === 404 && method !== 'POST') return null
    throw fault(answer.status, said, `${method} ${path}`)
  }
  const found = <T>(value: T | null, what: string): T => {
    if (value === null) throw new UsageError(`${server} does not have ${what} any more.`)
    return value
  }
  return {
    server,
    context: config.currentContext,
    namespace,
    isDefaultNamespace,
    get: (path) => call('GET', path, {}, null),
    list: (path, query = {}) => listPages((page) => call('GET', path, { ...query, ...page }, null)),
    create: async (path, object) =>
      found(await call('POST', path, writing, { type: 'application/json', object }), path),
    patch: async (path, object) =>
      found(await call('PATCH', path, writing, { type: 'application/merge-patch+json', object }), path),
    remove: async (path) => void (await call('DELETE', path, { propagationPolicy: 'Background' }, null)),
    stream: async (path, query, signal) => {
      const { status, body } = await send('GET', path, query, null, signal)
      body.setEncoding('utf8')
      if (status === 401 || status === 403) throw fault(status, await bodyText(body), `GET ${path}`)
      return { status, text: body }
    },
  }
}

/** A list, page by page; null where the first page has no answer. */
async function listPages<T>(
  read: (page: Readonly<Record<string, string>>) => Promise<unknown>,
): Promise<readonly T[] | null> {
  const items: T[] = []
  let next = ''
  do {
    // The API server's form of a list.
    const page = (await read({ limit: String(pageSize), ...(next === '' ? {} : { continue: next }) })) as {
      readonly items: readonly (T & { readonly metadata: { managedFields?: unknown } })[]
      readonly metadata: { readonly continue?: string }
    } | null
    if (page === null) return null
    for (const item of page.items) {
      delete item.metadata.managedFields
      items.push(item)
    }
    next = page.metadata.continue ?? ''
  } while (next !== '')
  return items
}

function refusal(
  status: number,
  body: string,
  what: string,
  { server, context }: { readonly server: string; readonly context: string },
): string {
  const said = saidBy(body)
  const [, field] = /strict decoding error: unknown field "([^"]+)"/.exec(said) ?? []
  if (field !== undefined)
    return `${server} does not know the field ${field}: Convoke's CRDs there are older than this command. Upgrade them with the chart.`
  switch (status) {
    case 401:
      return `${server} does not accept the credentials of the context \`${context}\`. Sign in again, or name another kubeconfig with --kubeconfig.`
    case 403:
      return `${server} forbids it: ${said}. ${rightToAskFor(said)}`
    case 404:
      return `${server} does not know the path of ${what}: ${said}. Is the namespace there, and are Convoke's CRDs installed?`
  }
  return `${server} answered ${status} to ${what}: ${said}.`
}

/** The next step after a refusal, from the API server's words. */
function rightToAskFor(said: string): string {
  if (said.includes(' at the cluster scope'))
    return 'Name the namespaces that you may read with --namespace, or ask for the right to list in all.'
  const [, verb, resource, apiGroup, namespace] =
    /cannot (\w+) resource "([^"]+)" in API group "([^"]*)" in the namespace "([^"]+)"/.exec(said) ?? []
  if (verb === undefined) return 'Ask for that right.'
  return `Ask for the right to ${verb} ${resource}${apiGroup === '' ? '' : `.${apiGroup}`} in the namespace ${namespace}.`
}

/** The message of a Kubernetes Status, or the answer as it came; without a final stop. */
function saidBy(body: string): string {
  try {
    const status: { readonly message?: unknown } = JSON.parse(body)
    return String(status.message).replace(/\.$/, '')
  } catch {
    return body.trim() === '' ? 'no reason given' : body.trim()
  }
}

/** The whole body as text. */
async function bodyText(body: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString()
}

/** The reason in one line. Some errors say only that something failed; their cause, or the first of several, has the reason. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return reasonOf(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message.replace(/\n.*/s, '') : reasonOf(error.cause)
}
