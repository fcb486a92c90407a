// Sees everything that ever was of Runs, Jobs and what they are for, by a watch of its own that nothing befalls.
import type { Kind, RunnableKind } from '#crds'
import { type Resource, resourceOf } from '../../operator/definition.ts'
import { type JobState, jobStateOf } from '../../operator/job-state.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { type ApiObject, reflect } from '../../operator/kernel/reflector.ts'
import type { Transport } from '../../operator/kernel/transport.ts'
import { silentMetrics } from '../kernel/metrics-record.ts'

/** One object, by its uid, as it was at each revision of the API server, which count over all objects. */
export type History<T> = {
  readonly name: string
  readonly uid: string
  readonly versions: readonly { readonly revision: number; readonly value: T }[]
  /** Whether it was deleted. */
  readonly gone: boolean
}

export type SeenJob = JobState & {
  readonly step: string
  readonly attempt: number
  readonly isReprint: boolean
  /** Digests of the ConfigMaps of its plan, as far as their names hold them. */
  readonly plan: string
}

export type Seen = {
  readonly runs: readonly History<Resource<'Run'>>[]
  readonly jobs: readonly History<SeenJob>[]
  readonly targets: readonly History<Resource<RunnableKind>>[]
}

export type Observer = {
  readonly seen: (namespace: string) => Seen
  /** For how long nothing of that has changed. */
  readonly quietMs: (namespace: string) => number
  /** How often something of that has changed. */
  readonly changes: (namespace: string) => number
  readonly forget: (namespace: string) => void
  readonly stop: () => Promise<void>
}

export function first<T>({ versions }: History<T>): { readonly revision: number; readonly value: T } {
  return versions[0]!
}

export function last<T>({ versions }: History<T>): T {
  return versions.at(-1)!.value
}

type Mutable<T> = { name: string; uid: string; versions: { revision: number; value: T }[]; gone: boolean }
type Memory = {
  runs: Map<string, Mutable<Resource<'Run'>>>
  jobs: Map<string, Mutable<SeenJob>>
  targets: Map<string, Mutable<Resource<RunnableKind>>>
  changedMs: number
  changes: number
}

export async function observe(transport: Transport, sees: (namespace: string) => boolean): Promise<Observer> {
  const memories = new Map<string, Memory>()
  const collections = [
    watch('/apis/convoke.dev/v1alpha1/runs', 'runs', (object) => resourceOf('Run', object)),
    ...(['ProfileStore', 'Activation'] as const).map((kind: Kind) =>
      watch(
        `/apis/convoke.dev/v1alpha1/${kind.toLowerCase()}s`,
        'targets',
        (object) => resourceOf(kind, object) as Resource<RunnableKind>,
      ),
    ),
    watch('/apis/batch/v1/jobs', 'jobs', seenJobOf),
  ]
  await Promise.all(collections.map(({ synced }) => synced))
  return {
    seen(namespace) {
      const { runs, jobs, targets } = memoryOf(namespace)
      return { runs: [...runs.values()], jobs: [...jobs.values()], targets: [...targets.values()] }
    },
    quietMs: (namespace) => performance.now() - memoryOf(namespace).changedMs,
    changes: (namespace) => memoryOf(namespace).changes,
    forget: (namespace) => void memories.delete(namespace),
    stop: async () => void (await Promise.all(collections.map((collection) => collection.stop()))),
  }

  function memoryOf(namespace: string): Memory {
    const known = memories.get(namespace)
    if (known) return known
    const memory = { runs: new Map(), jobs: new Map(), targets: new Map(), changedMs: performance.now(), changes: 0 }
    memories.set(namespace, memory)
    return memory
  }

  function watch<T>(path: string, of: 'runs' | 'jobs' | 'targets', project: (object: ApiObject) => T) {
    const names = new Map<string, Mutable<T>>()
    const reflector = reflect<string, never>(
      { clock: realClock, transport, metrics: silentMetrics, random: Math.random },
      {
        name: 'observed',
        path,
        indices: {},
        failed: () => {},
        // Called once for each version; what is kept is kept here.
        project(object) {
          const { name, namespace = '', uid, resourceVersion } = object.metadata
          if (!sees(namespace)) return null
          const memory = memoryOf(namespace)
          const histories = memory[of] as unknown as Map<string, Mutable<T>>
          const history = histories.get(uid) ?? { name, uid, versions: [], gone: false }
          histories.set(uid, history)
          names.set(`${namespace}/${name}`, history)
          const revision = Number(resourceVersion)
          if (history.versions.at(-1)?.revision === revision) return uid
          history.versions.push({ revision, value: project(object) })
          touched(memory)
          return uid
        },
        onChange(key) {
          if (reflector.get(key) !== null) return
          const history = names.get(key)
          if (!history) return
          history.gone = true
          names.delete(key)
          touched(memoryOf(key.split('/')[0]!))
        },
      },
    )
    return reflector
  }
}

function touched(memory: Memory): void {
  memory.changedMs = performance.now()
  memory.changes += 1
}

function seenJobOf(object: ApiObject): SeenJob {
  const { metadata, spec } = object as unknown as Job
  const { containers, volumes } = spec.template.spec
  const args = containers[0]?.args ?? []
  const input = volumes?.find(({ name }) => name === 'run')?.configMap?.name ?? ''
  return {
    ...jobStateOf(object),
    step: metadata.labels?.['convoke.dev/step'] ?? '',
    attempt: Number(input.split('-').at(-1)),
    isReprint: args[0] === 'report',
    plan:
      volumes
        ?.find(({ name }) => name === 'plan')
        ?.projected?.sources.map(({ configMap }) => configMap.name)
        .join() ?? '',
  }
}

// As the operator makes them.
type Job = {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> }
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly { readonly args?: readonly string[] }[]
        readonly volumes?: readonly {
          readonly name: string
          readonly projected?: { readonly sources: readonly { readonly configMap: { readonly name: string } }[] }
          readonly configMap?: { readonly name: string }
        }[]
      }
    }
  }
}
