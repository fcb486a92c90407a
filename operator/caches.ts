import { apiVersion, type Kind, kinds, labels, managedBy } from '#crds'
import { mostCharacters, openBudget } from './budget.ts'
import { keyOf, type Resource, type ResourceKey, resourceOf } from './definition.ts'
import { type JobState, jobStateOf } from './job-state.ts'
import type { Api } from './kernel/api.ts'
import type { Clock } from './kernel/clock.ts'
import { type OwnWrites, ownWrites } from './kernel/own-writes.ts'
import { type ApiObject, type Fault, type Reflector, type ReflectorPorts, reflect } from './kernel/reflector.ts'
import type { Indices, Version } from './kernel/store.ts'
import { type Memory, memoryFrom, memoryPath, memorySelector } from './memory.ts'

/** The copy does not show yet what is known to be there: the pass has to be made again, soon at first, then later and later. */
export class CopyBehindError extends Error {
  override readonly name = 'CopyBehindError'

  constructor(key: ResourceKey) {
    super(`The copy of ${key} is behind.`)
  }
}

/** Copies of what the operator watches, and its own writes as far as the copies do not show them. */
export type Caches = {
  readonly get: <K extends Kind>(kind: K, namespace: string, name: string) => Resource<K> | null
  readonly list: <K extends Kind>(kind: K) => readonly Resource<K>[]
  /** All resources of a namespace, of every kind but Run. */
  readonly ofNamespace: (namespace: string) => readonly Resource[]
  /** Why what is held of a namespace's resources is not all they say, as a sentence; null: it is. */
  readonly excessOf: (namespace: string) => string | null
  /** Runs of a target, by its key. */
  readonly runsOf: (target: ResourceKey) => readonly Resource<'Run'>[]
  readonly job: (namespace: string, name: string) => JobState | null
  /** What Campaign has of an Activation, by the ConfigMap's name; null: nothing is remembered. */
  readonly memory: (namespace: string, name: string) => Memory | null
  /** The memories of all Activations that there are or were in a namespace. */
  readonly memoriesOf: (namespace: string) => readonly Memory[]
  /** Jobs of a Run, by the Run's key. */
  readonly jobsOf: (run: ResourceKey) => readonly JobState[]
  /** Whether the copies may still be behind what was written for this key. */
  readonly holds: (owner: ResourceKey) => boolean
  /** Writes an object for an owner, and holds the owner until the copy shows what was written. `kind` is the object's. */
  readonly write: <T extends ApiObject>(
    owner: ResourceKey,
    object: { readonly kind: Kind | 'Job'; readonly namespace: string; readonly name: string },
    send: () => Promise<T>,
  ) => Promise<T>
  /** Whether the namespace is this operator's: by its label where there is a shard, else any namespace that is watched. */
  readonly isOurs: (namespace: string) => boolean
  readonly synced: Promise<void>
  /** The watched collections, one by one, for probes. */
  readonly collections: readonly Watched[]
  readonly stop: () => Promise<void>
}

/** `unansweredMs`: milliseconds since the API server last answered this collection. */
export type Watched = {
  readonly name: string
  readonly synced: Promise<void>
  readonly unansweredMs: () => number
}

export type CachesOptions = {
  /** The namespaces to watch; null: all. */
  readonly namespaces: readonly string[] | null
  /** Label selector of Namespaces; null: any Namespace. */
  readonly shard: string | null
  /** How many characters of a namespace's resources, Runs aside, are held; default: `mostCharacters`. */
  readonly mostCharacters?: number
  readonly changed: (kind: Kind | 'Job', value: Changed) => void
  /** Called when a Namespace came into this operator's share or left it. */
  readonly shareChanged: (namespace: string) => void
  readonly settled: (owner: ResourceKey) => void
  readonly failed: (collection: string, fault: Fault) => void
}

/** A resource that came, changed or went: its name, and for a Job the name of its Run. */
export type Changed = { readonly namespace: string; readonly name: string }

/** How long a copy may take to show a write; then the API server is asked. */
const patienceMs = 2000

export function pathOf(kind: Kind, namespace: string | null, name?: string): string {
  return `/apis/${apiVersion}/${namespace === null ? '' : `namespaces/${namespace}/`}${kinds[kind].plural}${name === undefined ? '' : `/${name}`}`
}

export function jobPath(namespace: string | null, name?: string): string {
  return `/apis/batch/v1/${namespace === null ? '' : `namespaces/${namespace}/`}jobs${name === undefined ? '' : `/${name}`}`
}

export function openCaches(ports: ReflectorPorts, api: Api, options: CachesOptions): Caches {
  const scopes: readonly (string | null)[] = options.namespaces ?? [null]
  const kindNames = Object.keys(kinds) as Kind[] // a table's keys

  const collections = new Map<Kind | 'Job' | 'Memory', Collection<unknown, string>>()
  const budget = openBudget(options.mostCharacters ?? mostCharacters, (namespace, keys) => {
    for (const kind of new Set(keys.map((key) => key.split('/')[0] as Kind))) // keys are made of kinds
      collections.get(kind)?.listAgain(namespace)
  })
  for (const kind of kindNames) {
    collections.set(
      kind,
      openCollection<Resource, 'namespace' | 'target'>(ports, api, scopes, {
        name: kinds[kind].plural,
        path: (namespace, name) => pathOf(kind, namespace, name),
        project: (object) => (kind === 'Run' ? resourceOf(kind, object) : budget.take(resourceOf(kind, object))),
        seen(value, isThere) {
          const key = keyOf({ kind, ...value })
          if (!isThere) budget.drop(key, value.namespace)
          // The version is the same, but what is held of it is not.
          else if (budget.shown(key, value.namespace)) options.changed(kind, value)
        },
        indices: {
          namespace: ({ namespace }) => [namespace],
          target: (resource) => (resource.kind === 'Run' ? [targetKeyOf(resource as Resource<'Run'>)] : []),
        },
        changed: (value) => options.changed(kind, value),
        settled: options.settled,
        failed: options.failed,
      }) as Collection<unknown, string>,
    )
  }
  collections.set(
    'Job',
    openCollection<JobState, 'run'>(ports, api, scopes, {
      name: 'jobs',
      path: jobPath,
      labelSelector: `${labels.managedBy}=${managedBy},${labels.run}`,
      project: jobStateOf,
      indices: { run: ({ namespace, run }) => [`Run/${namespace}/${run}`] },
      changed: (value) => options.changed('Job', value),
      settled: options.settled,
      failed: options.failed,
    }) as Collection<unknown, string>,
  )
  collections.set(
    'Memory',
    openCollection<{ readonly namespace: string; readonly memory: Memory | null }, 'namespace'>(ports, api, scopes, {
      name: 'memories',
      path: memoryPath,
      labelSelector: memorySelector,
      project: (object) => ({ namespace: object.metadata.namespace ?? '', memory: memoryFrom(object) }),
      indices: { namespace: ({ namespace }) => [namespace] },
      changed: () => {},
      settled: options.settled,
      failed: options.failed,
    }) as Collection<unknown, string>,
  )
  const share =
    options.shard === null
      ? null
      : reflect(ports, {
          name: 'namespaces',
          path: '/api/v1/namespaces',
          labelSelector: options.shard,
          project: ({ metadata }) => metadata.name,
          indices: {},
          onChange: options.shareChanged,
          failed: (fault) => options.failed('namespaces', fault),
        })

  // The map's value for a key has that key's type, which TypeScript cannot express.
  const of = <K extends Kind>(kind: K): Collection<Resource<K>, 'namespace' | 'target'> =>
    collections.get(kind) as unknown as Collection<Resource<K>, 'namespace' | 'target'>
  const jobs = collections.get('Job') as unknown as Collection<JobState, 'run'>
  const memories = collections.get('Memory') as unknown as Collection<{ readonly memory: Memory | null }, 'namespace'>
  const all = [...collections.values()]

  return {
    get: (kind, namespace, name) => of(kind).get(`${namespace}/${name}`),
    list: (kind) => of(kind).list(),
    ofNamespace: (namespace) =>
      kindNames.flatMap((kind): readonly Resource[] =>
        kind === 'Run' ? [] : (of(kind).find('namespace', namespace) as readonly Resource[]),
      ),
    excessOf: budget.excessOf,
    runsOf: (target) => of('Run').find('target', target),
    job: (namespace, name) => jobs.get(`${namespace}/${name}`),
    memory: (namespace, name) => memories.get(`${namespace}/${name}`)?.memory ?? null,
    memoriesOf: (namespace) => memories.find('namespace', namespace).flatMap(({ memory }) => memory ?? []),
    jobsOf: (run) => jobs.find('run', run),
    holds: (owner) => all.some((collection) => collection.writes.holds(owner)),
    write: (owner, { kind, namespace, name }, send) =>
      collections.get(kind)!.writes.write(owner, `${namespace}/${name}`, send),
    isOurs: (namespace) => share === null || share.get(namespace) !== null,
    synced: Promise.all([...all.map(({ synced }) => synced), share?.synced]).then(() => {}),
    collections: [...all, ...(share ? [{ ...share, name: 'namespaces' }] : [])],
    async stop() {
      await Promise.all([...all.map((collection) => collection.stop()), share?.stop()])
    },
  }
}

export function targetKeyOf({ namespace, definition }: Resource<'Run'>): ResourceKey {
  const { kind, name } = definition.spec.target
  return `${kind}/${namespace}/${name}`
}

/** uid of the target that a Run is for: a resource made anew under the same name is another target. undefined: not written down yet. */
export function targetUidOf({
  definition: { metadata, spec },
}: Pick<Resource<'Run'>, 'definition'>): string | undefined {
  const { kind, name, uid } = spec.target
  return uid ?? metadata.ownerReferences?.find((owner) => owner.kind === kind && owner.name === name)?.uid
}

type Collection<T, Index extends string> = Pick<Reflector<T, Index>, 'list' | 'find'> & {
  readonly get: (key: string) => T | null
  readonly writes: OwnWrites
  readonly listAgain: (namespace: string) => void
  readonly name: string
  readonly synced: Promise<void>
  readonly unansweredMs: () => number
  readonly stop: () => Promise<void>
}

type CollectionOptions<T, Index extends string> = {
  readonly name: string
  readonly path: (namespace: string | null, name?: string) => string
  readonly labelSelector?: string
  readonly project: (object: ApiObject) => T
  readonly indices: Indices<T, Index>
  readonly changed: (value: Changed) => void
  /** Told of every version, once the copy shows it, and that an object is gone. */
  readonly seen?: (value: Changed, isThere: boolean) => void
  readonly settled: (owner: ResourceKey) => void
  readonly failed: (collection: string, fault: Fault) => void
}

/** One kind, watched everywhere or in each of several namespaces. */
function openCollection<T, Index extends string>(
  ports: ReflectorPorts & { readonly clock: Clock },
  api: Api,
  scopes: readonly (string | null)[],
  { name, path, labelSelector, project, indices, changed, seen, settled, failed }: CollectionOptions<T, Index>,
): Collection<T, Index> {
  const writes = ownWrites(ports.clock, {
    live: async (key) => {
      const [namespace, own] = key.split('/') as [string, string] // keys are made of both
      const object = await api.get<{ readonly metadata: Version }>(path(namespace, own))
      return object?.metadata ?? null
    },
    patienceMs,
    settled: (owner) => settled(owner as ResourceKey), // only keys of resources are given to `write`
  })
  const reflectors = scopes.map((scope) =>
    reflect<T, Index>(ports, {
      name,
      path: path(scope),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      project,
      indices,
      onChange(key) {
        const [namespace, own] = key.split('/') as [string, string] // nothing here is outside a namespace
        changed({ namespace, name: own })
      },
      onSeen(key, version) {
        const [namespace, own] = key.split('/') as [string, string] // nothing here is outside a namespace
        seen?.({ namespace, name: own }, version !== null)
        writes.seen(key, version)
      },
      failed: (fault) => failed(name, fault),
    }),
  )
  const byScope = new Map(scopes.map((scope, index) => [scope, reflectors[index]!]))
  return {
    get(key) {
      const reflector = byScope.get(null) ?? byScope.get(key.slice(0, key.indexOf('/')))
      return reflector?.get(key)?.value ?? null
    },
    list: () => reflectors.flatMap((reflector) => reflector.list()),
    find: (index, text) => reflectors.flatMap((reflector) => reflector.find(index, text)),
    writes,
    listAgain: (namespace) => (byScope.get(null) ?? byScope.get(namespace))?.listAgain(),
    name,
    synced: Promise.all(reflectors.map(({ synced }) => synced)).then(() => {}),
    unansweredMs: () => Math.max(...reflectors.map((reflector) => reflector.unansweredMs())),
    async stop() {
      writes.stop()
      await Promise.all(reflectors.map((reflector) => reflector.stop()))
    },
  }
}
