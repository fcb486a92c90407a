import { apiVersion, type FieldSchema, type Kind, kinds, missingFields } from '#crds'
import type { Api } from './kernel/api.ts'

/**
 * Why the CRDs in the cluster are not this version's, in words with the next step; null where they have every field that it writes or
 * reads. Fields that a schema does not know the API server drops without a word, and a status without them is forgotten work.
 */
export async function skewOf(api: Api): Promise<string | null> {
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
