export type Metric = {
  readonly help: string
  /** Names of the metric's labels. Their values come from small closed sets, or are removed when what they name is gone. */
  readonly labels: readonly string[]
} & (
  | { readonly kind: 'counter' | 'gauge' }
  /** `buckets`: upper bounds in ascending order; default: those of `secondsBuckets`. */
  | { readonly kind: 'histogram'; readonly buckets?: readonly number[] }
)

export type MetricTable = Readonly<Record<string, Metric>>

/** Upper bounds in seconds, from 1 ms to 10 s. */
export const secondsBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** Every metric of the kernel, under the names that dashboards for controller-runtime and client-go look for. */
export const kernelMetrics = {
  controller_runtime_reconcile_total: {
    kind: 'counter',
    labels: ['controller', 'result'],
    help: 'Passes over keys, by result: success, requeue, requeue_after, error.',
  },
  controller_runtime_reconcile_errors_total: { kind: 'counter', labels: ['controller'], help: 'Passes that failed.' },
  controller_runtime_reconcile_time_seconds: {
    kind: 'histogram',
    labels: ['controller'],
    help: 'How long a pass over a key takes.',
  },
  controller_runtime_active_workers: { kind: 'gauge', labels: ['controller'], help: 'Keys in work.' },
  controller_runtime_max_concurrent_reconciles: {
    kind: 'gauge',
    labels: ['controller'],
    help: 'Keys that may be in work at the same time.',
  },
  workqueue_depth: { kind: 'gauge', labels: ['name'], help: 'Keys ready and waiting for a worker.' },
  workqueue_adds_total: {
    kind: 'counter',
    labels: ['name'],
    help: 'Keys that became ready, each once however often it was added meanwhile.',
  },
  workqueue_retries_total: { kind: 'counter', labels: ['name'], help: 'Keys put back after a failure.' },
  workqueue_queue_duration_seconds: {
    kind: 'histogram',
    labels: ['name'],
    help: 'From ready to taken by a worker.',
  },
  workqueue_work_duration_seconds: { kind: 'histogram', labels: ['name'], help: 'In the hands of a worker.' },
  workqueue_unfinished_work_seconds: {
    kind: 'gauge',
    labels: ['name'],
    help: 'For how long the keys in work have been so, all together.',
  },
  workqueue_longest_running_processor_seconds: {
    kind: 'gauge',
    labels: ['name'],
    help: 'For how long the key has been in work that has been so the longest.',
  },
  rest_client_requests_total: {
    kind: 'counter',
    labels: ['code', 'method'],
    help: 'Requests to the API server, by status of the answer; <error> where none came.',
  },
  rest_client_request_duration_seconds: {
    kind: 'histogram',
    labels: ['method'],
    help: 'From a request to the head of its answer.',
  },
  reflector_lists_total: { kind: 'counter', labels: ['name'], help: 'Whole lists asked for.' },
  reflector_watches_total: { kind: 'counter', labels: ['name'], help: 'Watches begun.' },
  reflector_faults_total: {
    kind: 'counter',
    labels: ['name'],
    help: 'Lists and watches that failed and were begun again after a wait.',
  },
  reflector_silence_seconds: {
    kind: 'gauge',
    labels: ['name'],
    help: 'Since the server last said anything, were it a bookmark; more than 180 is not normal.',
  },
  events_recorded_total: {
    kind: 'counter',
    labels: ['type'],
    help: 'Events told to the API server, were it by their count.',
  },
  events_dropped_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'Events that were not: too many of one object (rate), too many at all (full), refused, late, or not the leader (standby).',
  },
  leader_election_master_status: {
    kind: 'gauge',
    labels: ['name'],
    help: '1 while this process holds the Lease, else 0.',
  },
} as const satisfies MetricTable

/** Records the metrics of a table. A recorder of more metrics fits wherever one of fewer is asked for. */
export type MetricsOf<Table extends MetricTable> = {
  /** Adds to a counter, 1 unless `by` says otherwise. */
  readonly count: (...args: [...SeriesOf<Table, 'counter'>, by?: number]) => void
  readonly set: (...args: [...SeriesOf<Table, 'gauge'>, value: number]) => void
  /** `value` is called whenever somebody looks. Must not throw. */
  readonly read: (...args: [...SeriesOf<Table, 'gauge'>, value: () => number]) => void
  readonly observe: (...args: [...SeriesOf<Table, 'histogram'>, value: number]) => void
  /** Removes a series whose subject is gone. Without such a series nothing happens. */
  readonly remove: (...args: SeriesOf<Table, Metric['kind']>) => void
}

export type Metrics = MetricsOf<typeof kernelMetrics>

type SeriesOf<Table extends MetricTable, Kind> = {
  [Name in keyof Table]: Table[Name]['kind'] extends Kind ? [name: Name, labels: LabelsOf<Table[Name]>] : never
}[keyof Table]

type LabelsOf<M extends Metric> = Readonly<Record<M['labels'][number], string>>
