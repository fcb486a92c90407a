import type { Kind, ObjectMeta, ResourceByKind } from '#crds'
import type { RunRecord } from '#protocol'
import type { ApiObject } from './kernel/reflector.ts'

/** A resource as users wrote it. The object stays the same one while they do not change it, so that what was found out about it is kept. */
export type Definition<K extends Kind = Kind> = {
  readonly apiVersion: string
  readonly kind: K
  readonly metadata: ObjectMeta
  readonly spec: ResourceByKind[K]['spec']
}

/** What the cache keeps of a resource. */
export type Resource<K extends Kind = Kind> = {
  readonly kind: K
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation: number
  readonly definition: Definition<K>
  readonly status: NonNullable<ResourceByKind[K]['status']>
}

/** `Segment/default/gold-members` */
export type ResourceKey = `${Kind}/${string}/${string}`

export function keyOf({ kind, namespace, name }: Pick<Resource, 'kind' | 'namespace' | 'name'>): ResourceKey {
  return `${kind}/${namespace}/${name}`
}

export function recordOf({ name, definition, status }: Resource<'Run'>): RunRecord {
  return { name, spec: definition.spec, status }
}

/** Keeps of an object what the operator needs: no managedFields, no copy of the last application. */
export function resourceOf<K extends Kind>(kind: K, object: ApiObject): Resource<K> {
  const { metadata, spec, status } = object as ApiObject & { readonly spec: unknown; readonly status?: unknown }
  const { managedFields: _, annotations, ...kept } = metadata as ObjectMeta & { readonly managedFields?: unknown }
  const { 'kubectl.kubernetes.io/last-applied-configuration': __, ...own } = annotations ?? {}
  return {
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    generation: kept.generation ?? 0,
    // The API server has checked them against the CRD.
    definition: {
      apiVersion: String(object['apiVersion']),
      kind,
      metadata: { ...kept, annotations: own },
      spec,
    } as Definition<K>,
    status: (status ?? {}) as Resource<K>['status'],
  }
}

/** Whether two definitions say the same to the compiler: status and the API server's bookkeeping do not count. */
export function isSameDefinition(a: Definition, b: Definition): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.metadata.generation === b.metadata.generation &&
    a.metadata.deletionTimestamp === b.metadata.deletionTimestamp &&
    sameEntries(a.metadata.labels, b.metadata.labels) &&
    sameEntries(a.metadata.annotations, b.metadata.annotations)
  )
}

function sameEntries(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
