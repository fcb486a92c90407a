import { container, type Pod, podsOfJob, stateOfPod, unscheduledReason } from '#crds'
import type { Cluster } from '../kubernetes.ts'

/** The Pods of a Job, the first one first. */
export async function podsOf(cluster: Cluster, job: string): Promise<readonly Pod[]> {
  const pods = await cluster.list<Pod>(...podsOfJob(cluster.namespace, job))
  // Creation times are whole seconds.
  const madeAt = ({ metadata }: Pod): string => `${metadata.creationTimestamp ?? ''} ${metadata.name}`
  return [...(pods ?? [])].sort((a, b) => (madeAt(a) < madeAt(b) ? -1 : 1))
}

/** What the Pod is waiting for, in words; null where its container has begun (and may have ended). */
export function waitingFor(pod: Pod): string | null {
  const state = stateOfPod(pod)
  if (state?.running || state?.terminated) return null
  if (state?.waiting) return [state.waiting.reason, state.waiting.message].filter(Boolean).join(': ')
  return unscheduledReason(pod) ?? pod.status?.message ?? pod.status?.phase ?? 'Pending'
}

/** How the container ended, where it did not end well; null otherwise. */
export function badEndOf(pod: Pod): string | null {
  const terminated = stateOfPod(pod)?.terminated
  if (!terminated || terminated.exitCode === 0) return null
  return `${terminated.reason ?? 'Error'}, exit code ${terminated.exitCode}`
}

export type LogOptions = {
  readonly follow: boolean
  /** How many lines from the end; null: all. */
  readonly tail: number | null
  readonly timestamps: boolean
}

/** The log of a Pod's work, line by line as it comes; null where there is none, or none any more. */
export async function logOf(
  cluster: Cluster,
  pod: Pod,
  { follow, tail, timestamps }: LogOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<string> | null> {
  const { status, text } = await cluster.stream(
    `/api/v1/namespaces/${cluster.namespace}/pods/${pod.metadata.name}/log`,
    {
      container,
      ...(follow ? { follow: 'true' } : {}),
      ...(tail === null ? {} : { tailLines: String(tail) }),
      ...(timestamps ? { timestamps: 'true' } : {}),
    },
    signal,
  )
  if (status === 200) return linesOf(text)
  for await (const _ of text); // frees the connection
  return null
}

async function* linesOf(text: AsyncIterable<string>): AsyncIterable<string> {
  let rest = ''
  for await (const part of text) {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
