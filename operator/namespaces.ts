import { isShortened } from './budget.ts'
import type { Caches } from './caches.ts'
import { type Answer, type Compiled, type Compiler, changeOf, inMillions, type Question } from './compiler.ts'
import { type Definition, isSameDefinition, keyOf, type Resource, type ResourceKey } from './definition.ts'
import { memoryName } from './memory.ts'
import type { View } from './views.ts'

/** What the compiler says of each namespace, as of its latest answer. */
export type Namespaces = {
  readonly settledOf: (namespace: string) => Compiled | null
  /** Whether something changed that the compiler has not seen yet and is about to see. */
  readonly isStale: (namespace: string) => boolean
  /** null before the first answer about its namespace, and for a resource that came or was edited since. */
  readonly viewOf: (resource: Resource) => View | null
  /** Takes note of a change to a resource; true: the namespace has to be compiled again. */
  readonly changed: (kind: Resource['kind'], namespace: string, name: string) => boolean
  /** Has the namespace compiled, as the copies show it. */
  readonly compile: (namespace: string) => Promise<{
    /** Resources whose view changed. */
    readonly touched: readonly ResourceKey[]
    /** Why there was no answer; null: there was one. */
    readonly stopped: string | null
  }>
}

type Known = {
  readonly compiled: Compiled
  readonly views: ReadonlyMap<ResourceKey, View>
  /** The definitions that the views are of. */
  readonly definitions: ReadonlyMap<ResourceKey, Definition>
}

export function openNamespaces(caches: Caches, compiler: Compiler): Namespaces {
  const known = new Map<string, Known>()
  /** The same object as long as it says the same, so that the compiler recognises what it has seen. */
  const definitions = new Map<ResourceKey, Definition>()
  /** What the compiler has been told of each namespace. */
  const asked = new Map<string, ReadonlyMap<ResourceKey, Definition>>()
  const stale = new Set<string>()
  /** Why the latest answer did not come; the answer before it stays in use. */
  const stopped = new Map<string, string>()

  return {
    settledOf: (namespace) => known.get(namespace)?.compiled ?? null,
    isStale: (namespace) => stale.has(namespace) && !stopped.has(namespace),
    viewOf(resource) {
      const { views, definitions: seen } = known.get(resource.namespace) ?? {}
      const key = keyOf(resource)
      const { metadata } = seen?.get(key) ?? {}
      const isKnown = metadata?.uid === resource.uid
      const isCurrent = isKnown && metadata.generation === resource.definition.metadata.generation
      const reason = stopped.get(resource.namespace)
      if (reason !== undefined) return unanswered((isKnown && views?.get(key)) || null, isCurrent, reason)
      return (isCurrent && views?.get(key)) || null
    },
    changed(kind, namespace, name) {
      const key: ResourceKey = `${kind}/${namespace}/${name}`
      const resource = caches.get(kind, namespace, name)
      const before = definitions.get(key)
      const isSame =
        before &&
        resource &&
        isShortened(before) === isShortened(resource.definition) &&
        isSameDefinition(before, resource.definition)
      if (isSame || (!before && !resource)) return false
      if (resource) definitions.set(key, resource.definition)
      else definitions.delete(key)
      stale.add(namespace)
      return true
    },
    async compile(namespace) {
      if (caches.ofNamespace(namespace).length === 0) {
        for (const map of [known, asked, stopped]) map.delete(namespace)
        stale.delete(namespace)
        compiler.forget(namespace)
        return { touched: [], stopped: null }
      }
      let own: ReadonlyMap<ResourceKey, Definition> = new Map()
      let question: Question | null = null
      const look = (): void => {
        stale.delete(namespace)
        own = new Map(
          caches
            .ofNamespace(namespace)
            .map((resource) => [keyOf(resource), definitions.get(keyOf(resource)) ?? resource.definition]),
        )
      }
      const excessOf = (): string | null =>
        caches.excessOf(namespace) ?? (isInPart(own) ? 'The resources of this namespace are being read again.' : null)
      look()
      const length = lengthOf(own.values())
      const excess = excessOf()
      const answered =
        excess !== null
          ? { stopped: excess }
          : length > longestNamespace
            ? {
                stopped: `The expressions of this namespace come to ${inMillions(length)} characters; they may be ${inMillions(longestNamespace)}.`,
              }
            : await compiler.ask(namespace, (isWhole) => {
                look()
                question = {
                  ...changeOf(own, isWhole ? undefined : asked.get(namespace)),
                  ...seenOf(caches, namespace, own),
                }
                return question
              })
      // Of what came since it was asked there may be a part only.
      const since = isInPart(own) ? excessOf() : null
      const answer = since === null ? answered : { stopped: since }
      if ('stopped' in answer) {
        asked.delete(namespace)
        stopped.set(namespace, answer.stopped)
        return { touched: [...own.keys()], stopped: answer.stopped }
      }
      const { isWhole } = question as unknown as Question // an answer means that the question was made
      asked.set(namespace, own)
      const wasStopped = stopped.delete(namespace)
      known.set(namespace, knownOf(answer, own, isWhole ? undefined : known.get(namespace)))
      return { touched: wasStopped ? [...own.keys()] : [...answer.views.keys()], stopped: null }
    },
  }
}

/** A namespace with a longer text than this is not given to the compiler at all. */
const longestNamespace = 100_000_000

function lengthOf(definitions: Iterable<Definition>): number {
  let length = 0
  for (const { kind, spec } of definitions)
    if (kind === 'Segment') length += (spec as Definition<'Segment'>['spec']).expression?.length ?? 0
  return length
}

function isInPart(own: ReadonlyMap<ResourceKey, Definition>): boolean {
  return [...own.values()].some(isShortened)
}

/** What the compiler has to know of statuses and memories. */
function seenOf(
  caches: Caches,
  namespace: string,
  own: ReadonlyMap<ResourceKey, Definition>,
): Pick<Question, 'accepted' | 'delivered'> {
  const accepted: [string, string][] = []
  const delivered: [string, string[]][] = []
  for (const { kind, metadata, spec } of own.values()) {
    const { name } = metadata
    if (kind === 'Segment') {
      const expression = caches.get('Segment', namespace, name)?.status.acceptedExpression
      if (expression !== undefined && expression !== (spec as Definition<'Segment'>['spec']).expression)
        accepted.push([name, expression])
    } else if (kind === 'Activation') {
      const memory = caches.memory(namespace, memoryName(name)) ?? caches.get('Activation', namespace, name)?.status
      const segments = memory?.baselines?.map(({ segment }) => segment) ?? []
      if (segments.length > 0) delivered.push([name, segments])
    }
  }
  return { accepted, delivered }
}

function knownOf(answer: Answer, own: ReadonlyMap<ResourceKey, Definition>, before: Known | undefined): Known {
  const { plans, views, ...facts } = answer
  const kept = [...plans].map(([key, plan]) => [key, plan ?? before!.compiled.plans.get(key)!] as const)
  return {
    compiled: { ...facts, plans: new Map(kept) },
    views: new Map([...own.keys()].map((key) => [key, views.get(key) ?? before!.views.get(key)!])),
    definitions: own,
  }
}

/** The view of a resource without an answer: an unchanged resource keeps what was so before, a new one has to wait. */
function unanswered(before: View | null, isCurrent: boolean, reason: string): View {
  const message = `${reason} Until it is smaller, the plans before stay in use.`
  const reconciling = { type: 'Reconciling', status: 'True', reason: 'CompileStopped', message } as const
  if (before && isCurrent)
    return { ...before, claims: [...before.claims.filter(({ type }) => type !== 'Reconciling'), reconciling] }
  const ready = { type: 'Ready', status: 'False', reason: 'CompileStopped', message } as const
  return { claims: [ready, reconciling], fields: before?.fields ?? {}, isRunnable: before?.isRunnable ?? false }
}
