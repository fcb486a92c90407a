/** Every metric of the kernel, under the names that dashboards for controller-runtime and client-go look for. */
export const kernelMetrics = {
  workqueue_depth: { kind: 'gauge', help: 'Keys ready and waiting for a worker.' },
  workqueue_adds_total: {
    kind: 'counter',
    help: 'Keys that became ready, each once however often it was added meanwhile.',
  },
  workqueue_retries_total: { kind: 'counter', help: 'Keys put back after a failure.' },
  workqueue_queue_duration_seconds: { kind: 'histogram', help: 'From ready to taken by a worker.' },
  workqueue_work_duration_seconds: { kind: 'histogram', help: 'In the hands of a worker.' },
  reflector_lists_total: { kind: 'counter', help: 'Whole lists asked for.' },
  reflector_watches_total: { kind: 'counter', help: 'Watches begun.' },
  reflector_faults_total: { kind: 'counter', help: 'Lists and watches that failed and were begun again after a wait.' },
  leader_election_master_status: { kind: 'gauge', help: '1 while this process holds the Lease, else 0.' },
} as const satisfies Record<string, { readonly kind: 'counter' | 'gauge' | 'histogram'; readonly help: string }>

type NamesOf<Kind> = {
  [Name in keyof typeof kernelMetrics]: (typeof kernelMetrics)[Name]['kind'] extends Kind ? Name : never
}[keyof typeof kernelMetrics]

/** Labels come from small closed sets: never the name of an object. */
export type Labels = Readonly<Record<string, string>>

export type Metrics = {
  readonly count: (name: NamesOf<'counter'>, labels: Labels) => void
  readonly set: (name: NamesOf<'gauge'>, labels: Labels, value: number) => void
  readonly observe: (name: NamesOf<'histogram'>, labels: Labels, value: number) => void
}
