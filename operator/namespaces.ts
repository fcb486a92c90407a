import { openSession, type Session } from '#compiler'
import { canonicalJson } from '#crds'
import type { Caches } from './caches.ts'
import { type Definition, isSameDefinition, keyOf, type Resource, type ResourceKey } from './definition.ts'
import { memoryName } from './memory.ts'
import { type Settled, settle } from './settle.ts'
import { type View, viewsOf } from './views.ts'

/** What the compiler says of each namespace, as of the latest pass over it. */
export type Namespaces = {
  readonly settledOf: (namespace: string) => Settled | null
  /** Whether something changed that the compiler has not looked at yet. */
  readonly isStale: (namespace: string) => boolean
  /** null before the first pass over its namespace, and of what came or was edited later. */
  readonly viewOf: (resource: Resource) => View | null
  /** Takes a change of a resource; whether the compiler has to look at its namespace again. */
  readonly changed: (kind: Resource['kind'], namespace: string, name: string) => boolean
  /** Compiles the namespace as the copies show it. Returns the resources of which something else is true now. */
  readonly compile: (namespace: string) => readonly ResourceKey[]
}

type Compiled = {
  readonly session: Session
  readonly settled: Settled
  readonly views: ReadonlyMap<ResourceKey, View>
  /** What the views are of. */
  readonly definitions: ReadonlyMap<ResourceKey, Definition>
  /** What was said of each resource, as text, to see what changed. */
  readonly said: ReadonlyMap<ResourceKey, string>
}

export function openNamespaces(caches: Caches): Namespaces {
  const compiled = new Map<string, Compiled>()
  /** The same object as long as it says the same, so that the compiler knows what it has seen. */
  const definitions = new Map<ResourceKey, Definition>()
  const stale = new Set<string>()

  return {
    settledOf: (namespace) => compiled.get(namespace)?.settled ?? null,
    isStale: (namespace) => stale.has(namespace),
    viewOf(resource) {
      const { views, definitions: seen } = compiled.get(resource.namespace) ?? {}
      const { metadata } = seen?.get(keyOf(resource)) ?? {}
      const isCurrent =
        metadata?.uid === resource.uid && metadata.generation === resource.definition.metadata.generation
      return (isCurrent && views?.get(keyOf(resource))) || null
    },
    changed(kind, namespace, name) {
      const key: ResourceKey = `${kind}/${namespace}/${name}`
      const resource = caches.get(kind, namespace, name)
      const before = definitions.get(key)
      const isSame = before && resource && isSameDefinition(before, resource.definition)
      if (isSame || (!before && !resource)) return false
      if (resource) definitions.set(key, resource.definition)
      else definitions.delete(key)
      stale.add(namespace)
      return true
    },
    compile(namespace) {
      stale.delete(namespace)
      const resources = caches.ofNamespace(namespace)
      if (resources.length === 0) {
        compiled.delete(namespace)
        return []
      }
      const before = compiled.get(namespace)
      const session = before?.session ?? openSession()
      const own = resources.map((resource) => definitions.get(keyOf(resource)) ?? resource.definition)
      const settled = settle({
        session,
        definitions: own,
        accepted: (segment) => caches.get('Segment', namespace, segment)?.status.acceptedExpression ?? null,
        hasRun: (activation, segment) => {
          const known =
            caches.memory(namespace, memoryName(activation)) ?? caches.get('Activation', namespace, activation)?.status
          return known?.baselines?.some((baseline) => baseline.segment === segment) === true
        },
      })
      const views = viewsOf(settled, own)
      const seen = new Map(own.map((definition, index) => [keyOf(resources[index]!), definition]))
      const said = new Map([...views].map(([key, view]) => [key, viewText(key, view, seen.get(key)!, settled)]))
      compiled.set(namespace, { session, settled, views, definitions: seen, said })
      return [...said].flatMap(([key, text]) => (before?.said.get(key) === text ? [] : [key]))
    },
  }
}

function viewText(key: ResourceKey, view: View, { metadata }: Definition, settled: Settled): string {
  const plan = settled.plans.get(key)
  const scheduled = settled.schedules.get(key)
  return JSON.stringify([
    metadata.uid,
    metadata.generation,
    view,
    plan?.digest,
    scheduled && canonicalJson(JSON.parse(JSON.stringify(scheduled.map(({ schedule }) => schedule)))),
    settled.held.get(key),
  ])
}
