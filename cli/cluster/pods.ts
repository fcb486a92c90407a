import type { Cluster } from '../kubernetes.ts'

/** Of a Pod what commands read. */
export type Pod = {
  readonly metadata: {
    readonly name: string
    readonly creationTimestamp?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: { readonly containers: readonly { readonly name: string; readonly image?: string }[] }
  readonly status?: {
    readonly phase?: string
    readonly message?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

type ContainerStatus = {
  readonly name: string
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly running?: object
    readonly terminated?: { readonly reason?: string; readonly exitCode: number }
  }
}

/** Pods of a Job, the first attempt first. */
export async function podsOf(cluster: Cluster, job: string): Promise<readonly Pod[]> {
  const labelSelector = `batch.kubernetes.io/job-name=${job}`
  const pods = await cluster.list<Pod>(`/api/v1/namespaces/${cluster.namespace}/pods`, { labelSelector })
  // Times are whole seconds.
  const madeAt = ({ metadata }: Pod): string => `${metadata.creationTimestamp ?? ''} ${metadata.name}`
  return [...(pods ?? [])].sort((a, b) => (madeAt(a) < madeAt(b) ? -1 : 1))
}

/** The container that is the Pod's work; others, if any, were put there by somebody else. */
export function workOf({ metadata, spec }: Pod): string {
  return metadata.annotations?.['kubectl.kubernetes.io/default-container'] ?? spec.containers[0]?.name ?? ''
}

/** What the Pod is waiting for in words, or null where its container has begun (and perhaps ended). */
export function waitingFor(pod: Pod): string | null {
  const state = stateOf(pod)
  if (state?.running || state?.terminated) return null
  if (state?.waiting) return [state.waiting.reason, state.waiting.message].filter(Boolean).join(': ')
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  return unscheduled?.message ?? pod.status?.message ?? pod.status?.phase ?? 'Pending'
}

/** How the container was ended where it did not end well; null otherwise. */
export function badEndOf(pod: Pod): string | null {
  const terminated = stateOf(pod)?.terminated
  if (!terminated || terminated.exitCode === 0) return null
  return `${terminated.reason ?? 'Error'}, exit code ${terminated.exitCode}`
}

function stateOf(pod: Pod): ContainerStatus['state'] {
  return pod.status?.containerStatuses?.find(({ name }) => name === workOf(pod))?.state
}

export type LogOptions = {
  readonly follow: boolean
  /** Lines from the end; null for all. */
  readonly tail: number | null
  readonly timestamps: boolean
}

/** The log of a Pod's work, line by line as it comes; null where there is none (any more). */
export async function logOf(
  cluster: Cluster,
  pod: Pod,
  { follow, tail, timestamps }: LogOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<string> | null> {
  const { status, text } = await cluster.stream(
    `/api/v1/namespaces/${cluster.namespace}/pods/${pod.metadata.name}/log`,
    {
      container: workOf(pod),
      ...(follow ? { follow: 'true' } : {}),
      ...(tail === null ? {} : { tailLines: String(tail) }),
      ...(timestamps ? { timestamps: 'true' } : {}),
    },
    signal,
  )
  if (status === 200) return linesOf(text)
  for await (const _ of text); // leaves the connection free
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
