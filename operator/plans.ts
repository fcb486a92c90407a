import { type JobPlan, labels, managedBy } from '#crds'
import { digestOfPlan, planConfigMaps, unpackedPlan } from '#protocol'
import { keyOf, type ResourceKey } from './definition.ts'
import { ownerOf } from './job.ts'
import { type Api, ApiError } from './kernel/api.ts'
import type { ApiObject } from './kernel/reflector.ts'

/** Plans for the Jobs that execute them: immutable ConfigMaps, named by the plan's digest. */
export type Plans = {
  /** Stores a plan. Safe to repeat, and free once it is known to be there. `owner` is the plan's target: the plan goes with it. */
  readonly keep: (plan: JobPlan, owner: Owner) => Promise<void>
  /** The plan as it was compiled, with the names of its ConfigMaps; null where it is gone. */
  readonly load: (namespace: string, digest: string) => Promise<LoadedPlan | null>
  /** Puts back ConfigMaps that somebody removed while a Run needs them. */
  readonly restore: (loaded: LoadedPlan, owner: Owner) => Promise<void>
  /** Removes the plans of a target that are none of `digests`, and not the one that was kept last. */
  readonly collect: (target: JobPlan['target'], digests: ReadonlySet<string>) => Promise<void>
}

export type LoadedPlan = { readonly plan: JobPlan; readonly parts: readonly string[] }

type Owner = { readonly name: string; readonly uid: string }

type ConfigMap = ApiObject & { readonly binaryData?: Readonly<Record<string, string>> }

/** How many plans are kept in memory: a plan is compiled once and read for every Run. That of a store may take a megabyte. */
const remembered = 64

export function openPlans(api: Api): Plans {
  const loaded = new Map<string, LoadedPlan>()
  const kept = new Set<string>()
  /** For each target, the digest of the plan that was kept last. Whoever removes plans may have looked before that. */
  const latest = new Map<ResourceKey, string>()

  return {
    keep,

    async restore({ plan, parts }, owner) {
      const { namespace } = plan.target
      const found = await Promise.all(parts.map((part) => api.get(pathOf(namespace, part))))
      if (found.every((part) => part !== null)) return
      kept.delete(keptKeyOf(plan, owner))
      await keep(plan, owner)
    },

    async load(namespace, digest) {
      const key = `${namespace} ${digest}`
      const known = loaded.get(key)
      if (known) return known
      const selector = `${labels.managedBy}=${managedBy},${labels.plan}=${digitsOf(digest)}`
      const maps = await api.list<ConfigMap>(pathOf(namespace), { labelSelector: selector })
      const parts = maps
        .flatMap((map) => Object.entries(map.binaryData ?? {}).map(([name, data]) => ({ map, name, data })))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
      const plan = planOf(parts.map(({ data }) => data))
      if (plan === null || digest !== digestOfPlan(plan)) return null
      return remember(key, { plan, parts: parts.map(({ map }) => map.metadata.name) })
    },

    async collect({ kind, namespace, name }, digests) {
      const selector = `${labels.managedBy}=${managedBy},${labels.plan},${labels.targetKind}=${kind},${labels.target}=${name}`
      const wanted = new Set([...digests].map(digitsOf))
      const target = keyOf({ kind, namespace, name })
      for (const map of await api.list<ConfigMap>(pathOf(namespace), { labelSelector: selector })) {
        const digits = (map.metadata['labels'] as Readonly<Record<string, string>>)[labels.plan]!
        if (wanted.has(digits) || digits === digitsOf(latest.get(target) ?? '')) continue
        for (const key of kept)
          if (key.startsWith(`${namespace} `) && digitsOf(key.split(' ')[2]!) === digits) kept.delete(key)
        for (const key of loaded.keys())
          if (key.startsWith(`${namespace} `) && digitsOf(key.split(' ')[1]!) === digits) loaded.delete(key)
        await api.delete(pathOf(namespace, map.metadata.name), { preconditions: { uid: map.metadata.uid } })
      }
    },
  }

  async function keep(plan: JobPlan, owner: Owner): Promise<void> {
    const { namespace } = plan.target
    const known = keptKeyOf(plan, owner)
    latest.set(keyOf(plan.target), plan.digest)
    if (kept.has(known)) return
    const maps = planConfigMaps(plan)
    for (const map of maps) {
      const owned = { ...map, metadata: { ...map.metadata, ownerReferences: [ownerOf(plan.target.kind, owner)] } }
      try {
        await api.create(pathOf(namespace), owned)
      } catch (error) {
        if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error
        await adopt(namespace, map.metadata.name, owned.metadata.ownerReferences)
      }
    }
    kept.add(known)
    remember(`${namespace} ${plan.digest}`, { plan, parts: maps.map(({ metadata }) => metadata.name) })
  }

  /** Makes `owners` own a ConfigMap that is there already, in place of an earlier resource with the same name. */
  async function adopt(namespace: string, name: string, owners: readonly object[]): Promise<void> {
    const there = await api.get<ConfigMap>(pathOf(namespace, name))
    const [owner] = owners as readonly { readonly uid: string }[]
    const has = (there?.metadata['ownerReferences'] ?? []) as readonly { readonly uid: string }[]
    if (there && has.some(({ uid }) => uid === owner!.uid)) return
    if (!there || there.metadata['deletionTimestamp'] !== undefined)
      throw new Error(`ConfigMap ${namespace}/${name} is being deleted; it is made anew when it is gone.`)
    const { uid, resourceVersion } = there.metadata
    await api.patch(pathOf(namespace, name), { metadata: { uid, resourceVersion, ownerReferences: owners } }, 'merge')
  }

  function remember(key: string, plan: LoadedPlan): LoadedPlan {
    loaded.delete(key)
    loaded.set(key, plan)
    if (loaded.size > remembered) loaded.delete(loaded.keys().next().value!)
    return plan
  }
}

/** The plan in the parts; null where they are not complete. */
function planOf(parts: readonly string[]): JobPlan | null {
  try {
    // Only the operator writes what bears its label; the digest finds out anybody else.
    return JSON.parse(unpackedPlan(parts.map((part) => Buffer.from(part, 'base64')))) as JobPlan
  } catch {
    return null
  }
}

function keptKeyOf({ target, digest }: JobPlan, { uid }: Owner): string {
  return `${target.namespace} ${uid} ${digest}`
}

function digitsOf(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 40)
}

function pathOf(namespace: string, name?: string): string {
  return `/api/v1/namespaces/${namespace}/configmaps${name === undefined ? '' : `/${name}`}`
}
