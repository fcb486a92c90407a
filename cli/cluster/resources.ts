import { annotations, conditionTypes, type Kind, kinds, type Resource, type ResourceByKind, type Run } from '#crds'
import { type Cluster, resourcesOf } from '../kubernetes.ts'

/** What a cluster held at one moment: by kind, each in the order of namespace and name. */
export type Inventory = { readonly [K in Kind]: readonly ResourceByKind[K][] }

export type Condition = NonNullable<NonNullable<Resource['status']>['conditions']>[number]

/** All resources in a namespace; null: in all namespaces. */
export async function inventoryOf(cluster: Cluster, namespace: string | null): Promise<Inventory> {
  const lists = (Object.keys(kinds) as Kind[]).map(async (kind) => {
    const found = await resourcesOf(cluster, kind, namespace === null ? null : [namespace])
    return [kind, [...found].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))] as const
  })
  // One entry for each key of the table.
  return Object.fromEntries(await Promise.all(lists)) as unknown as Inventory
}

export function conditionOf(resource: Resource, type: keyof typeof conditionTypes): Condition | null {
  return resource.status?.conditions?.find((condition) => condition.type === conditionTypes[type]) ?? null
}

/** `namespace/name` of a resource. */
export function keyOf({ metadata }: Resource): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

export function isSuspended(resource: Resource): boolean {
  return (
    resource.metadata.annotations?.[annotations.suspend] === 'true' ||
    (resource.kind === 'Activation' && resource.spec.suspend === true)
  )
}

/** The state of a Run: what its condition Succeeded says, or that nobody has looked at it yet. */
export function stateOf(run: Run): 'unseen' | 'pending' | 'running' | 'succeeded' | 'held' | 'failed' {
  const succeeded = conditionOf(run, 'succeeded')
  if (!succeeded) return 'unseen'
  if (succeeded.status === 'True') return succeeded.reason === 'Held' ? 'held' : 'succeeded'
  if (succeeded.status === 'False') return 'failed'
  return run.status?.startedAt === undefined || succeeded.reason === 'Pending' ? 'pending' : 'running'
}

export function isFinished(run: Run): boolean {
  return ['succeeded', 'held', 'failed'].includes(stateOf(run))
}

/** Runs of a target, the latest slot first; of those with one slot, the one made last comes first. */
export function runsOf(inventory: Pick<Inventory, 'Run'>, target: Resource): readonly Run[] {
  return inventory.Run.filter(
    ({ metadata, spec }) =>
      metadata.namespace === target.metadata.namespace &&
      spec.target.kind === target.kind &&
      spec.target.name === target.metadata.name &&
      (spec.target.uid === undefined || spec.target.uid === target.metadata.uid),
  ).sort((a, b) => instantOf(b) - instantOf(a) || madeAt(b) - madeAt(a))
}

function instantOf({ spec }: Run): number {
  return Date.parse(spec.scheduledTime)
}

function madeAt({ metadata }: Run): number {
  return Date.parse(metadata.creationTimestamp ?? '') || 0
}
