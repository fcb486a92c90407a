// The Grafana dashboard of the chart.

type Panel = {
  readonly title: string
  readonly description?: string
  /** Grafana's name for the unit. */
  readonly unit: string
  readonly type?: 'timeseries' | 'stat' | 'bargauge'
  readonly queries: readonly (readonly [expression: string, legend: string])[]
}

/** Rows of panels, three beside each other. JOB stands for the labels of the chosen operators. */
const rows: Readonly<Record<string, readonly Panel[]>> = {
  Delivery: [
    {
      title: 'Runs',
      description: 'Finished Runs by what they execute and how they ended.',
      unit: 'short',
      queries: [
        ['sum by (kind, outcome) (increase(convoke_runs_total{JOB}[$__rate_interval]))', '{{kind}} {{outcome}}'],
      ],
    },
    {
      title: 'Since the last delivery',
      description: 'The twenty Activations that have waited longest. The floor is 3 hours, the longest interval 24.',
      unit: 's',
      type: 'bargauge',
      queries: [
        [
          'topk(20, max by (namespace, activation) (convoke_delivery_age_seconds{JOB}))',
          '{{namespace}}/{{activation}}',
        ],
      ],
    },
    {
      title: 'Guardrail use',
      description: 'Share of each limit of a CampaignInstance.',
      unit: 'percentunit',
      type: 'bargauge',
      queries: [
        [
          'topk(20, max by (namespace, instance, limit) (convoke_guardrail_use{JOB}) / max by (namespace, instance, limit) (convoke_guardrail_limit{JOB} > 0))',
          '{{namespace}}/{{instance}} {{limit}}',
        ],
      ],
    },
    {
      title: 'Members',
      description: 'Members of each Segment at its latest evaluation.',
      unit: 'short',
      queries: [['topk(50, max by (namespace, segment) (convoke_segment_members{JOB}))', '{{namespace}}/{{segment}}']],
    },
    {
      title: 'Start after the slot',
      description: 'How late Runs start.',
      unit: 's',
      queries: [0.5, 0.99].map((share) => [
        `histogram_quantile(${share}, sum by (le) (rate(convoke_run_start_skew_seconds_bucket{JOB}[$__rate_interval])))`,
        `${share * 100} %`,
      ]),
    },
    {
      title: 'Duration of Runs',
      description: 'From the start of the first step to the end of the last.',
      unit: 's',
      queries: [
        [
          'histogram_quantile(0.99, sum by (le, kind) (rate(convoke_run_duration_seconds_bucket{JOB}[$__rate_interval])))',
          '{{kind}} 99 %',
        ],
      ],
    },
    {
      title: 'Missed slots',
      description: 'Slots without a Run. One of each schedule is caught up.',
      unit: 'short',
      queries: [['sum by (kind) (increase(convoke_missed_slots_total{JOB}[$__rate_interval]))', '{{kind}}']],
    },
  ],
  Operator: [
    {
      title: 'Leader',
      unit: 'short',
      type: 'stat',
      queries: [['leader_election_master_status{JOB} == 1', '{{pod}}']],
    },
    {
      title: 'Reconciles',
      unit: 'ops',
      queries: [
        [
          'sum by (controller, result) (rate(controller_runtime_reconcile_total{JOB}[$__rate_interval]))',
          '{{controller}} {{result}}',
        ],
      ],
    },
    {
      title: 'Errors',
      unit: 'ops',
      queries: [
        [
          'sum by (controller) (rate(controller_runtime_reconcile_errors_total{JOB}[$__rate_interval]))',
          '{{controller}}',
        ],
        ['sum(rate(reflector_faults_total{JOB}[$__rate_interval]))', 'lists and watches'],
      ],
    },
    {
      title: 'Waiting in queues',
      unit: 'short',
      queries: [['sum by (name) (workqueue_depth{JOB})', '{{name}}']],
    },
    {
      title: 'Time in queues',
      unit: 's',
      queries: [
        [
          'histogram_quantile(0.99, sum by (le, name) (rate(workqueue_queue_duration_seconds_bucket{JOB}[$__rate_interval])))',
          '{{name}} 99 %',
        ],
      ],
    },
    {
      title: 'Silence of watches',
      description: 'Since the API server last said anything; a bookmark comes every minute.',
      unit: 's',
      queries: [['max by (name) (reflector_silence_seconds{JOB})', '{{name}}']],
    },
    {
      title: 'Requests to the API server',
      unit: 'reqps',
      queries: [
        ['sum by (method, code) (rate(rest_client_requests_total{JOB}[$__rate_interval]))', '{{method}} {{code}}'],
      ],
    },
  ],
}

const width = 8
const height = 8

export function dashboard(): string {
  const datasource = { type: 'prometheus', uid: '$datasource' }
  const panels: object[] = []
  let y = 0
  for (const [title, each] of Object.entries(rows)) {
    panels.push({ id: panels.length + 1, type: 'row', title, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y += 1
    for (const [index, { title, description, unit, type = 'timeseries', queries }] of each.entries())
      panels.push({
        id: panels.length + 1,
        type,
        title,
        ...(description === undefined ? {} : { description }),
        datasource,
        gridPos: { x: (index % 3) * width, y: y + Math.floor(index / 3) * height, w: width, h: height },
        fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
        ...(type === 'timeseries' ? {} : { options: { reduceOptions: { calcs: ['lastNotNull'] } } }),
        ...(type === 'stat' ? { options: { textMode: 'name', reduceOptions: { calcs: ['lastNotNull'] } } } : {}),
        targets: queries.map(([expression, legendFormat], query) => ({
          refId: String.fromCharCode(65 + query),
          datasource,
          expr: expression.replaceAll('JOB', 'job=~"$job"'),
          legendFormat,
        })),
      })
    y += Math.ceil(each.length / 3) * height
  }
  const document = {
    uid: 'convoke',
    title: 'Convoke',
    tags: ['convoke'],
    schemaVersion: 39,
    editable: true,
    refresh: '1m',
    time: { from: 'now-24h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
        {
          name: 'job',
          label: 'Operator',
          type: 'query',
          datasource,
          query: 'label_values(reflector_watches_total, job)',
          refresh: 2,
          multi: true,
          includeAll: true,
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    panels,
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
