// What Convoke's Pods have in common, and what is read of them: by the operator of its Jobs' Pods, by commands of a Run's Pods.

/** The container that does a Pod's work; other containers were added by somebody else. */
export const container = 'convoke'

/** uid and gid of the image's user, and the group that volumes are given to. */
const user = 65_532

/** Security settings that a namespace with Pod Security's restricted level accepts. */
export const restricted = {
  pod: {
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: user,
    fsGroup: user,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  },
  container: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
} as const

/** A Pod, as far as it is read. */
export type Pod = {
  readonly metadata: { readonly name: string; readonly creationTimestamp?: string }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
    readonly containerStatuses?: readonly { readonly name: string; readonly state?: ContainerState }[]
  }
}

/** The state of a container: one of the three. */
export type ContainerState = {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly running?: object
  readonly terminated?: {
    readonly reason?: string
    readonly message?: string
    readonly exitCode: number
    readonly finishedAt?: string
  }
}

/** Path and query of the Pods of a Job. */
export function podsOfJob(
  namespace: string,
  job: string,
): readonly [path: string, query: { readonly labelSelector: string }] {
  return [`/api/v1/namespaces/${namespace}/pods`, { labelSelector: `batch.kubernetes.io/job-name=${job}` }]
}

/** The state of the container that does the work. */
export function stateOfPod({ status }: Pod): ContainerState | undefined {
  return status?.containerStatuses?.find(({ name }) => name === container)?.state
}

/** Why no node takes the Pod, in the scheduler's words; null where one did. */
export function unscheduledReason({ status }: Pod): string | null {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  return scheduled?.status === 'False' ? (scheduled.message ?? null) : null
}
