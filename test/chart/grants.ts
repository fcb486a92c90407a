// Rights as a table, by the Roles and bindings of the chart.
import { expect } from 'vitest'
import type { Manifest, Target } from './helm.ts'

/** `group/resource` (`core` for the group without a name) → verbs; `resource:name` where only one object is meant. */
export type Grants = Readonly<Record<string, readonly string[]>>

/** Namespace (empty: everywhere) → what the operator's service account may do there, by the bindings. */
export function grantsOf(
  manifests: readonly Manifest[],
  { release = 'convoke', namespace = 'convoke' }: Target = {},
): Readonly<Record<string, Grants>> {
  const name = release.includes('convoke') ? release : `${release}-convoke`
  const granted: Record<string, Record<string, readonly string[]>> = {}
  for (const { kind, metadata, roleRef, subjects } of manifests) {
    if (kind !== 'RoleBinding' && kind !== 'ClusterRoleBinding') continue
    expect(subjects).toEqual([{ kind: 'ServiceAccount', name, namespace }])
    const place = kind === 'ClusterRoleBinding' ? '' : metadata.namespace!
    const role = manifests.find(
      (each) =>
        each.kind === roleRef.kind &&
        each.metadata.name === roleRef.name &&
        (kind === 'ClusterRoleBinding' || each.metadata.namespace === place),
    )
    granted[place] = { ...granted[place], ...grantsIn(role!.rules) }
  }
  return granted
}

type Rule = {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

export function grantsIn(rules: readonly Rule[]): Grants {
  const granted: Record<string, string[]> = {}
  for (const { apiGroups, resources, resourceNames, verbs } of rules)
    for (const apiGroup of apiGroups)
      for (const resource of resources)
        for (const suffix of resourceNames?.map((name) => `:${name}`) ?? ['']) {
          const key = `${apiGroup || 'core'}/${resource}${suffix}`
          granted[key] = [...new Set([...(granted[key] ?? []), ...verbs])].sort()
        }
  return granted
}
