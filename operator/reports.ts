import {
  type ConditionReason,
  container,
  type Detail,
  isConditionReason,
  isWhole,
  type Pod,
  podsOfJob,
  type RunReport,
  readReportLines,
  readTerminationMessage,
  stateOfPod,
  unscheduledReason,
} from '#crds'
import { type Api, ApiError } from './kernel/api.ts'
import type { PodsSay } from './run/known.ts'
import type { Surroundings } from './surroundings.ts'

/** What a Job's Pods say of how the step went. */
export type Outcome =
  /** `details` is null where the log is lost, or does not match the digest in the report. */
  | { readonly kind: 'reported'; readonly report: RunReport; readonly details: readonly Detail[] | null }
  /** The step ended without a report: killed, evicted, never started. `reason` in CamelCase. */
  | { readonly kind: 'silent'; readonly reason: ConditionReason; readonly message: string }

/** Logs that exist but could not be read, by path: since when, in `Clock.elapsed` milliseconds. */
export type UnreadLogs = Map<string, number>

/** A log that cannot be read is asked for again for so long; after that its node may be gone for good. */
const logPatienceMs = 60_000

type JobOfStep = {
  readonly namespace: string
  readonly name: string
  readonly run: string
  readonly step: RunReport['step']
  readonly attempt: number
}

/** How the step of a Job that has ended went. A report of another step or attempt does not count. */
export async function outcomeOf(own: LogReader, of: JobOfStep): Promise<Outcome> {
  const pods = await podsOf(own.api, of.namespace, of.name)
  return (await reportedBy(own, of, pods)) ?? silentOf(pods)
}

/** What the Pods of a Job say, also before the Job has ended: then a report counts only where another container keeps the Pod alive. */
export async function podsSay(own: LogReader, of: JobOfStep, hasEnded: boolean): Promise<PodsSay> {
  const pods = await podsOf(own.api, of.namespace, of.name)
  const evicted = pods.filter(isEvicted)
  const kept = pods.filter((pod) => stateOfPod(pod)?.terminated && hasOthersRunning(pod))
  return {
    outcome: hasEnded ? ((await reportedBy(own, of, pods)) ?? silentOf(pods)) : await reportedBy(own, of, kept),
    waiting: hasEnded ? null : await waitingReason(own.api, of.namespace, of.name, pods[0] ?? null),
    evictions: evicted.length,
    evicted: evicted[0]?.status?.message ?? null,
  }
}

async function reportedBy(own: LogReader, of: JobOfStep, pods: readonly Pod[]): Promise<Outcome | null> {
  for (const pod of pods) {
    const report = reportOf(stateOfPod(pod)?.terminated?.message ?? '')
    if (report?.run !== of.run || report.step !== of.step || report.attempt !== of.attempt) continue
    const log = await logOf(own, `/api/v1/namespaces/${of.namespace}/pods/${pod.metadata.name}/log`)
    const read = log === null ? null : readReportLines(log)
    return { kind: 'reported', report, details: read && isWhole(report, read.details) ? read.details : null }
  }
  return null
}

function silentOf(pods: readonly Pod[]): Outcome {
  for (const pod of pods) {
    // The kubelet's reason for the Pod (Evicted, Preempting) says more than how its container ended.
    const { reason, message } = pod.status ?? {}
    if (reason !== undefined) return silent(reason, message ?? 'The Pod was taken from its node.')
    const terminated = stateOfPod(pod)?.terminated
    if (!terminated) continue
    const { exitCode } = terminated
    const said = (terminated.message ?? '').trim().split('\n').slice(-3).join(' ').slice(0, 500)
    return silent(
      exitCode === 0 ? 'ReportLost' : (terminated.reason ?? 'Error'),
      `The Pod ended with exit code ${exitCode} and no report${said === '' ? '.' : `: ${said}`}`,
    )
  }
  return silent('NoPod', 'No Pod of the Job has said anything.')
}

/** Whether a container beside the step's own is at work. Without one, a Pod whose step is over ends by itself. */
function hasOthersRunning({ status }: Pod): boolean {
  return status?.containerStatuses?.some(({ name, state }) => name !== container && state?.running) === true
}

/** Whether the Pod was taken from its node before it was done: by the kubelet, a drain, or for another Pod. */
function isEvicted({ status }: Pod): boolean {
  return (
    status?.phase === 'Failed' &&
    (status.reason === 'Evicted' ||
      status.conditions?.some(({ type, status: is }) => type === 'DisruptionTarget' && is === 'True') === true)
  )
}

type LogReader = Pick<Surroundings, 'api' | 'clock' | 'unreadLogs'>

/** The Pod's log; null where it is lost. Throws where it may be readable a little later. */
async function logOf({ api, clock, unreadLogs }: LogReader, path: string): Promise<string | null> {
  const nowMs = clock.elapsed()
  const sinceMs = unreadLogs.get(path) ?? nowMs
  unreadLogs.delete(path)
  try {
    return await api.getText(path, { container })
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status < 500 && error.status !== 429
    if (isRefused || nowMs - sinceMs >= logPatienceMs) return null
    unreadLogs.set(path, sinceMs)
    throw error
  }
}

/** A step without a report. `said`: the kubelet's reason for that. */
function silent(said: string, message: string): Outcome {
  const reason = isConditionReason(said) ? said : 'PodFailed'
  const advice = adviceOf[reason]
  return { kind: 'silent', reason, message: advice === undefined ? message : `${message} ${advice}` }
}

/** The next step for the user, by reason. */
const adviceOf: Readonly<Record<string, string>> = {
  OOMKilled: 'Raise the memory limit of the podTemplate that the step runs with.',
  Evicted: 'Its node was short of something; requests in the podTemplate keep it for the Pod.',
  NoPod: 'See the Events of the Job.',
}

/** For people: why a Job's latest Pod does not run yet; null where it runs, or nothing is known. */
async function waitingReason(api: Api, namespace: string, job: string, pod: Pod | null): Promise<string | null> {
  if (!pod) return latestWarning(api, namespace, 'Job', job)
  const waiting = stateOfPod(pod)?.waiting
  if (waiting?.reason && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing')
    return `${waiting.reason}: ${waiting.message ?? ''}`.trim()
  return unscheduledReason(pod) ?? latestWarning(api, namespace, 'Pod', pod.metadata.name)
}

async function latestWarning(api: Api, namespace: string, kind: string, name: string): Promise<string | null> {
  const events = await api.list<Event>(`/api/v1/namespaces/${namespace}/events`, {
    fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${name},type=Warning`,
  })
  const timeOf = ({ lastTimestamp, eventTime, metadata }: Event): string =>
    lastTimestamp ?? eventTime ?? metadata.creationTimestamp
  return [...events].sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1)).at(-1)?.message ?? null
}

type Event = {
  readonly metadata: { readonly creationTimestamp: string }
  readonly message?: string
  readonly lastTimestamp?: string | null
  readonly eventTime?: string | null
}

/** The Pods of a Job, the latest first. */
async function podsOf(api: Api, namespace: string, job: string): Promise<readonly Pod[]> {
  return [...(await api.list<Pod>(...podsOfJob(namespace, job)))].sort(latestFirst)
}

function latestFirst(a: Pod, b: Pod): number {
  const [left, right] = [a, b].map((pod) => `${pod.metadata.creationTimestamp} ${endOf(pod)}`) as [string, string]
  return left > right ? -1 : 1
}

function endOf(pod: Pod): string {
  return stateOfPod(pod)?.terminated?.finishedAt ?? ''
}

/** The report in a termination message; null where there is none: a step that could not write one leaves the end of its log. */
function reportOf(message: string): RunReport | null {
  return readTerminationMessage(message) ?? readReportLines(message)?.report ?? null
}
