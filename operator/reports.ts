import { type Detail, isWhole, type RunReport, readReportLines, readTerminationMessage } from '#crds'
import { container } from './job.ts'
import type { Api } from './kernel/api.ts'

/** What a Job's Pods say of how it went. */
export type Outcome =
  /** `details` is null where the log is lost, or is not what the report has the digest of. */
  | { readonly kind: 'reported'; readonly report: RunReport; readonly details: readonly Detail[] | null }
  /** It ended without a report: killed, evicted, never started. `reason` in CamelCase. */
  | { readonly kind: 'silent'; readonly reason: string; readonly message: string }

type Pod = {
  readonly metadata: { readonly name: string; readonly creationTimestamp: string }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

type ContainerStatus = {
  readonly name: string
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly terminated?: {
      readonly reason?: string
      readonly message?: string
      readonly exitCode: number
      readonly finishedAt?: string
    }
  }
}

/** Of a Job that has ended. */
export async function outcomeOf(
  api: Api,
  { namespace, name, run }: { readonly namespace: string; readonly name: string; readonly run: string },
): Promise<Outcome> {
  const pods = await podsOf(api, namespace, name)
  const ended = pods
    .flatMap((pod) => {
      const terminated = ownContainer(pod)?.state?.terminated
      return terminated ? [{ pod, terminated }] : []
    })
    .sort((a, b) => ((a.terminated.finishedAt ?? '') > (b.terminated.finishedAt ?? '') ? -1 : 1))
  for (const { pod, terminated } of ended) {
    const report = reportOf(terminated.message, run)
    if (report === null) continue
    const log = await api
      .getText(`/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/log`, { container })
      .catch(() => null)
    const read = log === null ? null : readReportLines(log)
    return { kind: 'reported', report, details: read && isWhole(report, read.details) ? read.details : null }
  }
  const [last] = ended
  if (last) {
    const { reason = 'Error', message = '', exitCode } = last.terminated
    const said = message.trim().split('\n').slice(-3).join(' ').slice(0, 500)
    return {
      kind: 'silent',
      reason,
      message: `The Pod ended with ${exitCode} and no report${said === '' ? '' : `: ${said}`}`,
    }
  }
  const evicted = pods.find(({ status }) => status?.reason !== undefined)?.status
  return {
    kind: 'silent',
    reason: evicted?.reason ?? 'NoPod',
    message: evicted?.message ?? 'No Pod of the Job has said anything.',
  }
}

/** Why a Job's Pod does not run yet, for people; null where it runs, or nothing is known. */
export async function waitingReason(api: Api, namespace: string, job: string): Promise<string | null> {
  const pods = await podsOf(api, namespace, job)
  const pod = pods.sort((a, b) => (a.metadata.creationTimestamp > b.metadata.creationTimestamp ? -1 : 1))[0]
  if (pod) {
    const waiting = ownContainer(pod)?.state?.waiting
    if (waiting?.reason && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing')
      return `${waiting.reason}: ${waiting.message ?? ''}`.trim()
    const unscheduled = pod.status?.conditions?.find(
      ({ type, status }) => type === 'PodScheduled' && status === 'False',
    )
    return unscheduled?.message ?? null
  }
  const events = await api.list<{ readonly reason?: string; readonly type?: string; readonly message?: string }>(
    `/api/v1/namespaces/${namespace}/events`,
    { fieldSelector: `involvedObject.kind=Job,involvedObject.name=${job},type=Warning` },
  )
  return events.at(-1)?.message ?? null
}

function podsOf(api: Api, namespace: string, job: string): Promise<Pod[]> {
  return api
    .list<Pod>(`/api/v1/namespaces/${namespace}/pods`, { labelSelector: `batch.kubernetes.io/job-name=${job}` })
    .then((pods) => [...pods])
}

function ownContainer({ status }: Pod): ContainerStatus | undefined {
  return status?.containerStatuses?.find(({ name }) => name === container)
}

/** null where the message is none of ours, or of another Run. */
function reportOf(message: string | undefined, run: string): RunReport | null {
  const report = readTerminationMessage(message ?? '')
  return report?.run === run ? report : null
}
