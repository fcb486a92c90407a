// Runs of a namespace, as somebody who makes and follows them by hand.
import { setTimeout as sleep } from 'node:timers/promises'
import { apiVersion, labels, type Run, type RunnableKind } from '#crds'
import { fine } from '../api/convoke.ts'
import type { ApiObject } from '../cluster/api.ts'
import type { Cluster, Resources } from './cluster.ts'

export type Runs = {
  /** Of the spec of a Run, `now` and `approved`. */
  readonly make: (name: string, target: Target, more?: Pick<Run['spec'], 'now' | 'approved'>) => Promise<void>
  /** The Run when it has succeeded; it throws what became of it where it has not. */
  readonly finished: (name: string) => Promise<Run>
  /** The name of the newest Run of a target, as soon as the target says that it has answered the annotation. */
  readonly answered: (target: Target, asked: string) => Promise<string>
  /** Names of the Pods of a step's Job, as soon as one is on a node. */
  readonly pods: (run: string, step: string) => Promise<readonly string[]>
  /** Each step of a Run with its attempt and how it ended, and the Job that did it. */
  readonly steps: (run: string) => Promise<readonly (readonly [step: string, attempt: number, outcome: string])[]>
}

export type Target = { readonly kind: RunnableKind; readonly name: string }

type Pod = ApiObject & { readonly spec: { readonly nodeName?: string } }

export function runsIn({ api }: Pick<Cluster, 'api'>, namespace: string, resources: Resources): Runs {
  return {
    async make(name, target, more = {}) {
      const scheduledTime = new Date().toISOString()
      await resources.apply({
        apiVersion,
        kind: 'Run',
        metadata: { name, namespace },
        spec: { target, scheduledTime, trigger: 'Manual', ...more },
      })
    },
    finished: (name) =>
      until(`${name} has succeeded`, async () => {
        const run = await resources.get('Run', name)
        const end = run.status?.conditions?.find(({ type }) => type === 'Succeeded')
        if (end?.status === 'False') throw new Error(`${name}: ${end.reason}: ${end.message}`)
        return end?.status === 'True' ? run : null
      }),
    answered: ({ kind, name }, asked) =>
      until(`${kind} ${name} has a Run for ${asked}`, async () => {
        const { status } = (await resources.get(kind, name)) as { status?: { lastHandledRequestedAt?: string } }
        if (status?.lastHandledRequestedAt !== asked) return null
        const runs = await resources.list('Run')
        const own = runs.filter(({ spec }) => spec.target.kind === kind && spec.target.name === name)
        return own.sort((a, b) => madeMs(b) - madeMs(a))[0]?.metadata.name ?? null
      }),
    pods: (run, step) =>
      until(`${step} of ${run} has a Pod`, async () => {
        const selector = `${labels.run}=${run},${labels.step}=${step}`
        const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`
        const { items } = await fine(api<{ readonly items: readonly Pod[] }>('GET', path))
        const placed = items.filter(({ spec }) => spec.nodeName !== undefined)
        return placed.length > 0 ? placed.map(({ metadata }) => metadata.name) : null
      }),
    steps: async (run) =>
      ((await resources.get('Run', run)).status?.steps ?? []).map(
        ({ name, attempt = 1, outcome = '' }) => [name, attempt, outcome] as const,
      ),
  }
}

/** What `look` finds, however often it must look; it throws after two minutes. */
export async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(100)) {
    const found = await look()
    if (found !== null) return found
  }
  throw new Error(`Not within two minutes: ${what}.`)
}

function madeMs({ metadata }: Run): number {
  return Date.parse(metadata.creationTimestamp!)
}
