import { apiVersion, type ConditionReason, type FieldSchema, kindNames, missingFields } from '#crds'
import { pathOf } from './caches.ts'
import { type Api, ApiError } from './kernel/api.ts'

/** Why nothing may run, in words with the next step. */
export type Skew = {
  readonly reason: Extract<ConditionReason, 'KubernetesOutdated' | 'CrdOutdated'>
  readonly message: string
  /**
   * Whether all may be well after all, since a schema may be published later than what it describes is served. `first`: only while
   * nothing better was seen, since what is published may be from before an upgrade.
   */
  readonly late: 'never' | 'first' | 'always'
}

/** The minor version of the oldest Kubernetes 1.x that the tests know; the chart's `kubeVersion` is the same. */
export const oldestMinor = 31

/** What of the cluster is older than this operator; null: nothing is. `namespace`: one in which it may list; null: all. */
export async function skewOf(api: Api, namespace: string | null): Promise<Skew | null> {
  const message = await kubernetesSkewOf(api)
  return message === null ? crdSkewOf(api, namespace) : { reason: 'KubernetesOutdated', message, late: 'never' }
}

/** An older Kubernetes drops fields of a Job that it does not know, such as that two Pods of a step never write at the same time. */
async function kubernetesSkewOf(api: Api): Promise<string | null> {
  const { major, minor, gitVersion } = await versionOf(api)
  // Some clouds write `31+`.
  if (Number(major) !== 1 || !(Number.parseInt(minor, 10) < oldestMinor)) return null
  return `Kubernetes ${gitVersion} is older than 1.${oldestMinor}, the oldest that this operator works with. Upgrade the cluster, or run an older Convoke; nothing is run until then.`
}

type Version = { readonly major: string; readonly minor: string; readonly gitVersion: string }

/** The server's version; one that hides it is believed to be new enough. */
async function versionOf(api: Api): Promise<Version> {
  const unknown: Version = { major: '', minor: '', gitVersion: '' }
  try {
    return (await api.get<Version>('/version')) ?? unknown
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return unknown
    throw error
  }
}

/**
 * Which CRD lacks a field that this version writes or reads; null: none. The API server silently drops fields that a schema does not
 * know, and a status without them is forgotten work.
 */
async function crdSkewOf(api: Api, namespace: string | null): Promise<Skew | null> {
  const reason = 'CrdOutdated'
  const document = await api.get<{
    readonly components?: { readonly schemas?: Readonly<Record<string, PublishedSchema>> }
  }>(`/openapi/v3/apis/${apiVersion}`)
  const published = new Map<string, FieldSchema>()
  for (const schema of Object.values(document?.components?.schemas ?? {}))
    for (const { group, kind } of schema['x-kubernetes-group-version-kind'] ?? [])
      if (apiVersion.startsWith(`${group}/`)) published.set(kind, schema)
  const absent = kindNames.filter((kind) => !published.has(kind))
  for (const kind of absent) {
    if (await isServed(api, pathOf(kind, namespace))) continue
    const message =
      absent.length === kindNames.length && (await api.get(`/apis/${apiVersion}`)) === null
        ? `The API server does not know ${apiVersion}: Convoke's CRDs are not installed. Install them with the chart, or with \`kubectl apply --server-side -f crds/\`.`
        : `The CRD of ${kind} is not installed. Install the CRDs of this version with the chart.`
    return { reason, message, late: 'never' }
  }
  if (absent[0] !== undefined)
    return {
      reason,
      message: `The API server serves ${absent[0]} and does not publish its schema, so nobody knows which fields it would drop.`,
      late: 'always',
    }
  for (const kind of kindNames) {
    const schema = published.get(kind)
    const lacking = schema ? missingFields(kind, schema) : []
    if (lacking.length > 0) {
      const message = `The CRD of ${kind} is older than this operator: it lacks ${lacking.slice(0, 3).join(', ')}${lacking.length > 3 ? ` and ${lacking.length - 3} more fields` : ''}. Upgrade the CRDs with the chart; nothing is run until then.`
      return { reason, message, late: 'first' }
    }
  }
  return null
}

/** Whether the server has such a collection, allowed to us or not. */
async function isServed(api: Api, path: string): Promise<boolean> {
  try {
    return (await api.get(path, { limit: '1' })) !== null
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return true
    throw error
  }
}

type PublishedSchema = FieldSchema & {
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly group: string; readonly kind: string }[]
}
