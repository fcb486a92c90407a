// What a real API server says of an object, without storing it.
import { type Api, lostOf, type Refusal, serverSideApply } from '../cluster/api.ts'
import type { Manifest } from './helm.ts'

type Discovery = {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[]
}

/** The server's message where it refuses, also for a field it does not know, or drops anything; null where it takes the object as it is. */
export async function refusalOf(api: Api, manifest: Manifest, namespace: string): Promise<string | null> {
  const { apiVersion, kind, metadata } = manifest
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const known = await api<Discovery>('GET', group)
  const resource =
    known.status === 200 ? known.body.resources.find((each) => each.kind === kind && !each.name.includes('/')) : null
  if (!resource) return `${apiVersion} has no ${kind}`
  const scope = resource.namespaced ? `/namespaces/${namespace}` : ''
  const options = 'fieldManager=test&fieldValidation=Strict&force=true&dryRun=All'
  const body = { ...manifest, metadata: { ...metadata, ...(resource.namespaced ? { namespace } : {}) } }
  const answer = await api<Refusal>('PATCH', `${group}${scope}/${resource.name}/${metadata.name}?${options}`, {
    body,
    contentType: serverSideApply,
  })
  if (answer.status >= 300) return answer.body.message
  return lostOf(body, answer.body).join('; ') || null
}
