import type { MetricsOf, MetricTable } from './kernel/metrics.ts'

/** What the operator measures beside the kernel. Names of resources are labels only where a series goes with its resource. */
export const operatorMetrics = {
  convoke_runs_total: {
    kind: 'counter',
    labels: ['kind', 'outcome'],
    help: 'Runs that ended, by kind of target and outcome: Succeeded, Held, or why they failed.',
  },
  convoke_run_start_skew_seconds: {
    kind: 'histogram',
    labels: ['kind'],
    help: 'From a slot to the making of its Run.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 15, 30, 60, 300, 900, 3600, 3 * 3600, 12 * 3600, 24 * 3600],
  },
  convoke_run_duration_seconds: {
    kind: 'histogram',
    labels: ['kind'],
    help: 'From the start of the first step to the end of the last.',
    buckets: [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 12 * 3600],
  },
  convoke_missed_slots_total: {
    kind: 'counter',
    labels: ['kind'],
    help: 'Slots that were never run and never will be.',
  },
  convoke_segment_members: {
    kind: 'gauge',
    labels: ['namespace', 'segment'],
    help: 'Profiles in a Segment; of at most 1,000 Segments.',
  },
  convoke_guardrail_use: {
    kind: 'gauge',
    labels: ['namespace', 'instance', 'limit'],
    help: 'How much of a limit of a CampaignInstance is used.',
  },
  convoke_guardrail_limit: {
    kind: 'gauge',
    labels: ['namespace', 'instance', 'limit'],
    help: 'A limit of a CampaignInstance.',
  },
  convoke_delivery_age_seconds: {
    kind: 'gauge',
    labels: ['namespace', 'activation'],
    help: 'Since the scheduled time of the latest Run of an Activation that succeeded, or since it was made or resumed; of at most 1,000 Activations, suspended ones left out.',
  },
  convoke_activation_without_consent: {
    kind: 'gauge',
    labels: ['namespace', 'activation'],
    help: 'Memberships that the latest Run of an Activation that succeeded left out because the person may not be sent; of at most 1,000 Activations with consent.',
  },
  convoke_run_stuck: {
    kind: 'gauge',
    labels: ['namespace', 'kind', 'target', 'reason'],
    help: '1 while a Run of the target cannot go on, with the reason of its condition Ready; of at most 1,000 targets.',
  },
  convoke_dataset_amiss: {
    kind: 'gauge',
    labels: ['namespace', 'dataset', 'reason'],
    help: '1 while files of a Dataset are refused or its data is not as expected, with the reason of its condition DataComplete or ExpectationsMet; of at most 1,000 Datasets.',
  },
  convoke_hold_runs: {
    kind: 'gauge',
    labels: ['namespace', 'activation'],
    help: 'Runs in a row in which the circuit breaker has held a Segment, of the Segment that is held longest; of at most 1,000 Activations.',
  },
  convoke_segment_faulty: {
    kind: 'gauge',
    labels: ['namespace', 'segment'],
    help: '1 while a Segment cannot be evaluated, so that its members stay as they were, by its condition Evaluated; of at most 1,000 Segments.',
  },
  convoke_part_up: {
    kind: 'gauge',
    labels: ['part'],
    help: '1 while a part that the rest can do without is as it should be: metrics, webhook.',
  },
  convoke_compile_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'Compiling all resources of a namespace.',
    buckets: [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
  },
  convoke_compile_stopped: {
    kind: 'gauge',
    labels: ['namespace'],
    help: '1 while compiling a namespace takes more time or memory than it may, so that the plans before are in use; of at most 1,000 namespaces.',
  },
} as const satisfies MetricTable

export type OperatorMetrics = MetricsOf<typeof operatorMetrics>
