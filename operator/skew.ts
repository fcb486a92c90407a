import { apiVersion, type ConditionReason, type FieldSchema, type Kind, kinds, missingFields } from '#crds'
import { type Api, ApiError } from './kernel/api.ts'

/** Why nothing may be run: in words with the next step. */
export type Skew = {
  readonly reason: Extract<ConditionReason, 'KubernetesOutdated' | 'CrdOutdated'>
  readonly message: string
}

/** Of Kubernetes 1.x, the oldest that the tests know; the chart's `kubeVersion` is the same. */
export const oldestMinor = 31

/** What of the cluster is older than this operator; null where all that it needs is there. */
export async function skewOf(api: Api): Promise<Skew | null> {
  const kubernetes = await kubernetesSkewOf(api)
  if (kubernetes !== null) return { reason: 'KubernetesOutdated', message: kubernetes }
  const crds = await crdSkewOf(api)
  return crds === null ? null : { reason: 'CrdOutdated', message: crds }
}

/** An older one drops what it does not know of a Job, such as that two Pods of a step never write at the same time. */
async function kubernetesSkewOf(api: Api): Promise<string | null> {
  const { major, minor, gitVersion } = await versionOf(api)
  // Some clouds write `31+`.
  if (Number(major) !== 1 || !(Number.parseInt(minor, 10) < oldestMinor)) return null
  return `Kubernetes ${gitVersion} is older than 1.${oldestMinor}, the oldest that this operator works with. Upgrade the cluster, or run an older Convoke; nothing is run until then.`
}

type Version = { readonly major: string; readonly minor: string; readonly gitVersion: string }

/** Whoever hides it is believed to be new enough. */
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
 * Where a CRD lacks a field that this version writes or reads. Fields that a schema does not know the API server drops without a word,
 * and a status without them is forgotten work.
 */
async function crdSkewOf(api: Api): Promise<string | null> {
  const document = await api.get<{
    readonly components?: { readonly schemas?: Readonly<Record<string, PublishedSchema>> }
  }>(`/openapi/v3/apis/${apiVersion}`)
  if (!document)
    return `The API server does not know ${apiVersion}: Convoke's CRDs are not installed. Install them with the chart, or with \`kubectl apply --server-side -f crds/\`.`
  const published = new Map<string, FieldSchema>()
  for (const schema of Object.values(document.components?.schemas ?? {}))
    for (const { group, kind } of schema['x-kubernetes-group-version-kind'] ?? [])
      if (apiVersion.startsWith(`${group}/`)) published.set(kind, schema)
  // The keys of a table.
  for (const kind of Object.keys(kinds) as Kind[]) {
    const schema = published.get(kind)
    if (!schema) return `The CRD of ${kind} is not installed. Install the CRDs of this version with the chart.`
    const missing = missingFields(kind, schema)
    if (missing.length > 0)
      return `The CRD of ${kind} is older than this operator: it lacks ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more fields` : ''}. Upgrade the CRDs with the chart; nothing is run until then.`
  }
  return null
}

type PublishedSchema = FieldSchema & {
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly group: string; readonly kind: string }[]
}
