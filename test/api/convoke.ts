// A cluster with Convoke's CRDs.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { apiVersion, isKind, kinds } from '#crds'
import { readCrds } from '../../crds/generate.ts'
import { type Answer, type Api, type ApiObject, apiOf, serverSideApply } from '../cluster/api.ts'
import { sharedCluster } from '../cluster/api-server.ts'

export type Cluster = {
  readonly kubeconfig: string
  readonly api: Api
  /** Makes a namespace that no other test has. */
  readonly namespace: () => Promise<string>
}

type Written = { readonly kind: string; readonly metadata: { readonly name: string } }

/** Null, with a line that says why, where there is no cluster and none can be made. */
export async function openCluster(): Promise<Cluster | null> {
  const cluster = await sharedCluster()
  if ('skip' in cluster) {
    console.warn(`Skipped what needs an API server: ${cluster.skip}.`)
    return null
  }
  const opened = await clusterAt(cluster.kubeconfig)
  await installCrds(opened)
  return opened
}

/** A cluster as it is. */
export async function clusterAt(kubeconfig: string): Promise<Cluster> {
  const api = await apiOf(kubeconfig)
  const namespace = async (): Promise<string> => {
    const made = await fine(api('POST', '/api/v1/namespaces', { body: { metadata: { generateName: 'test-' } } }))
    return made.metadata.name
  }
  return { kubeconfig, api, namespace }
}

/** The CRDs as they are here, or others in their place. */
export async function installCrds(
  { api }: Pick<Cluster, 'api'>,
  crds = readCrds().map(({ crd }) => crd),
): Promise<void> {
  for (const crd of crds) {
    const path = `${definitions}/${crd.metadata.name}`
    await fine(api('PATCH', `${path}?fieldManager=test&force=true`, { body: crd, contentType: serverSideApply }))
    while (!isEstablished(await fine(api('GET', path)))) await sleep(50)
  }
  // Served a moment after it is said to be established.
  for (const { spec } of crds) while ((await api('GET', pathOf(spec.names.kind))).status === 404) await sleep(50)
}

export const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** The list of a kind, everywhere or in a namespace. */
export function pathOf(kind: string, namespace?: string): string {
  if (!isKind(kind)) throw new Error(`${kind} is not a kind of Convoke`)
  return `/apis/${apiVersion}/${namespace === undefined ? '' : `namespaces/${namespace}/`}${kinds[kind].plural}`
}

/** What is stored, by server-side apply. */
export async function applied(cluster: Cluster, namespace: string, resource: Written, query = ''): Promise<ApiObject> {
  const path = `${pathOf(resource.kind, namespace)}/${resource.metadata.name}?fieldManager=test&fieldValidation=Strict${query}`
  return fine(cluster.api('PATCH', path, { body: resource, contentType: serverSideApply }))
}

/** The body of an answer that must be a success. */
export async function fine<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body
}

/** Of a kubeconfig, what tests change. */
export type Kubeconfig = {
  readonly clusters: readonly { cluster: { server: string; readonly [field: string]: unknown } }[]
  readonly users: readonly { user: { readonly [field: string]: unknown } }[]
  readonly contexts: readonly { context: { namespace?: string; readonly [field: string]: unknown } }[]
}

/** Path of the cluster's kubeconfig with changes. `user.as` makes its reader somebody who may do only what a test allows a User of this name. */
export function kubeconfigWith(cluster: Cluster, change: (config: Kubeconfig) => void): string {
  const config: Kubeconfig = parse(readFileSync(cluster.kubeconfig, 'utf8'))
  change(config)
  const path = join(mkdtempSync(join(tmpdir(), 'convoke-kubeconfig-')), 'kubeconfig')
  writeFileSync(path, stringify(config))
  return path
}

function isEstablished({ status }: ApiObject): boolean {
  // As apiextensions.k8s.io/v1 has it; a new definition has null for a moment.
  const { conditions } = (status ?? {}) as {
    conditions?: readonly { readonly type: string; readonly status: string }[] | null
  }
  return (conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True')
}
