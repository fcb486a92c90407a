// Alerts and dashboard: Prometheus's own engine says which series raise an alert, and that every expression is one.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kernelMetrics } from '../../operator/kernel/metrics.ts'
import { operatorMetrics } from '../../operator/metrics.ts'
import { hasHelm, only, render } from './helm.ts'

const hasGo = spawnSync('go', ['version']).status === 0
if (!hasGo) console.warn('Skipped what needs Go ≥ 1.26: the alerts, judged by the code of Prometheus.')

type Question = {
  readonly expr: string
  /** Samples a minute apart, in the notation of Prometheus's unit tests. */
  readonly series?: Readonly<Record<string, string>>
  readonly atMinutes?: number
}
type Answer = {
  readonly error?: string
  readonly metrics: readonly string[]
  readonly result: readonly Readonly<Record<string, string>>[]
}
type Rule = { readonly alert: string; readonly expr: string; readonly annotations: Readonly<Record<string, string>> }

const job = 'job="convoke-metrics"'
const [a, b] = ['pod="a"', 'pod="b"'].map((pod) => `${job},${pod}`)

const table: readonly (readonly [
  alert: string,
  title: string,
  series: Readonly<Record<string, string>>,
  atMinutes: number,
  labels: readonly Readonly<Record<string, string>>[],
])[] = [
  ...([0, 1] as const).map((stopped): (typeof table)[number] => [
    'ConvokeCompileStopped',
    stopped === 1 ? 'a namespace is too much for the compiler' : 'all come to an end',
    stopped === 1 ? { [`convoke_compile_stopped{namespace="shop",${a}}`]: '1x20' } : {},
    10,
    stopped === 1 ? [{ namespace: 'shop' }] : [],
  ]),
  ...(['lately', 'offers'] as const).map((segment): (typeof table)[number] => [
    'ConvokeSegmentNotEvaluated',
    segment === 'lately' ? 'a Segment is left out' : 'none is',
    segment === 'lately' ? { [`convoke_segment_faulty{namespace="shop",segment="lately",${a}}`]: '1x10' } : {},
    5,
    segment === 'lately' ? [{ namespace: 'shop', segment }] : [],
  ]),
  ...([3, 2] as const).map((runs): (typeof table)[number] => [
    'ConvokeHoldForgotten',
    `a Segment is held for ${runs} Runs`,
    { [`convoke_hold_runs{namespace="shop",activation="offers",${a}}`]: `${runs}x10` },
    5,
    runs === 3 ? [{ namespace: 'shop', activation: 'offers' }] : [],
  ]),
  ['ConvokePartDown', 'all are up', { [`convoke_part_up{${a},part="webhook"}`]: '1x20' }, 15, []],
  [
    'ConvokePartDown',
    'one Pod has no webhook',
    { [`convoke_part_up{${a},part="webhook"}`]: '1x20', [`convoke_part_up{${b},part="webhook"}`]: '0x20' },
    15,
    [{ part: 'webhook' }],
  ],
  ...(['PodPending', 'JobRefused', 'MissingVolume', 'RunFailing'] as const).flatMap(
    (reason): (typeof table)[number][] => {
      const series = {
        [`convoke_run_stuck{namespace="shop",kind="Activation",target="offers",reason="${reason}",${a}}`]: '1x60',
      }
      const labels = [{ namespace: 'shop', kind: 'Activation', target: 'offers', reason }]
      const isSlow = reason === 'RunFailing'
      return [
        ['ConvokeRunStuck', reason, series, 5, isSlow ? [] : labels],
        ['ConvokeRunFailing', reason, series, 40, isSlow ? labels : []],
      ]
    },
  ),
  ...(['ActivationsHeld', 'ExpectationUnmet', 'FilesRefused'] as const).flatMap((reason): (typeof table)[number][] => {
    const series = { [`convoke_dataset_amiss{namespace="shop",dataset="orders",reason="${reason}",${a}}`]: '1x10' }
    return (['ConvokeActivationsHeld', 'ConvokeExpectationUnmet', 'ConvokeFilesRefused'] as const).map((alert) => [
      alert,
      reason,
      series,
      5,
      alert === `Convoke${reason}` || (alert === 'ConvokeFilesRefused' && reason === 'FilesRefused')
        ? [{ namespace: 'shop', dataset: 'orders' }]
        : [],
    ])
  }),
  [
    'ConvokeNoLeader',
    'one of two leads',
    { [`leader_election_master_status{${a}}`]: '1x10', [`leader_election_master_status{${b}}`]: '0x10' },
    5,
    [],
  ],
  [
    'ConvokeNoLeader',
    'none leads',
    { [`leader_election_master_status{${a}}`]: '0x10', [`leader_election_master_status{${b}}`]: '0x10' },
    5,
    [{}],
  ],
  [
    'ConvokeNoLeader',
    'none is there, but another operator',
    { 'leader_election_master_status{job="flux"}': '1x10' },
    5,
    [{}],
  ],
  [
    'ConvokeNoLeader',
    'one that is scraped by its Pod leads',
    { 'leader_election_master_status{job="crm/convoke-metrics"}': '1x10' },
    5,
    [],
  ],
  [
    'ConvokeRunsFail',
    'all succeed',
    { [`convoke_runs_total{kind="Activation",outcome="Succeeded",${a}}`]: '0+1x90' },
    90,
    [],
  ],
  [
    'ConvokeRunsFail',
    'the first of all fails',
    { [`convoke_runs_total{kind="Activation",outcome="StepFailed",${a}}`]: '_x79 1x10' },
    85,
    [{ kind: 'Activation', outcome: 'StepFailed' }],
  ],
  [
    'ConvokeRunsFail',
    'one more fails',
    { [`convoke_runs_total{kind="ProfileStore",outcome="StepFailed",${a}}`]: '3x79 4x10' },
    85,
    [{ kind: 'ProfileStore', outcome: 'StepFailed' }],
  ],
  [
    'ConvokeRunsFail',
    'one failed two hours ago',
    { [`convoke_runs_total{kind="Activation",outcome="StepFailed",${a}}`]: '0x9 1x140' },
    140,
    [],
  ],
  [
    'ConvokeRunsFail',
    'one makes room for another, and one is held',
    {
      [`convoke_runs_total{kind="Activation",outcome="Replaced",${a}}`]: '0+1x10',
      [`convoke_runs_total{kind="Activation",outcome="Held",${a}}`]: '0+1x10',
    },
    10,
    [],
  ],
  [
    'ConvokeSegmentsHeld',
    'one is held',
    { [`convoke_runs_total{kind="Activation",outcome="Held",${a}}`]: '_x79 1x10' },
    85,
    [{ kind: 'Activation' }],
  ],
  [
    'ConvokeSegmentsHeld',
    'one fails',
    { [`convoke_runs_total{kind="Activation",outcome="StepFailed",${a}}`]: '_x79 1x10' },
    85,
    [],
  ],
  ['ConvokeWatchSilent', 'a bookmark now and then', { [`reflector_silence_seconds{name="runs",${a}}`]: '60x5' }, 5, []],
  [
    'ConvokeWatchSilent',
    'nothing at all',
    { [`reflector_silence_seconds{name="runs",${a}}`]: '0+60x10' },
    10,
    [{ name: 'runs' }],
  ],
  [
    'ConvokeSlotsMissed',
    'the first is missed',
    { [`convoke_missed_slots_total{kind="Activation",${a}}`]: '_x79 1x10' },
    85,
    [{ kind: 'Activation' }],
  ],
  ['ConvokeSlotsMissed', 'none is', { [`convoke_missed_slots_total{kind="Activation",${a}}`]: '5x90' }, 85, []],
  ['ConvokeRunsStartLate', 'all start within a second', skew('0+10x40', '0+10x40'), 40, []],
  ['ConvokeRunsStartLate', 'one in ten starts within five minutes only', skew('0+9x40', '0+10x40'), 40, [{}]],
  [
    'ConvokeDeliveryOverdue',
    'a day',
    { [`convoke_delivery_age_seconds{namespace="crm",activation="news",${a}}`]: '86400x5' },
    5,
    [],
  ],
  [
    'ConvokeDeliveryOverdue',
    'more than a day',
    {
      [`convoke_delivery_age_seconds{namespace="crm",activation="news",${a}}`]: '93601x5',
      [`convoke_delivery_age_seconds{namespace="crm",activation="other",${a}}`]: '60x5',
    },
    5,
    [{ namespace: 'crm', activation: 'news' }],
  ],
  [
    'ConvokeGuardrailNear',
    'nine of ten',
    guardrail('9', '10'),
    5,
    [{ namespace: 'crm', instance: 'prod', limit: 'segments' }],
  ],
  ['ConvokeGuardrailNear', 'eight of ten', guardrail('8', '10'), 5, []],
  ['ConvokeGuardrailNear', 'nothing of nothing', guardrail('0', '0'), 5, []],
  [
    'ConvokeReconcileErrors',
    'one every ten seconds and more',
    { [`controller_runtime_reconcile_errors_total{controller="segment",${a}}`]: '0+7x20' },
    20,
    [{ controller: 'segment' }],
  ],
  [
    'ConvokeReconcileErrors',
    'one now and then',
    { [`controller_runtime_reconcile_errors_total{controller="segment",${a}}`]: '0+1x20' },
    20,
    [],
  ],
  [
    'ConvokeReconcileErrors',
    "another operator's",
    { 'controller_runtime_reconcile_errors_total{controller="segment",job="flux"}': '0+70x20' },
    20,
    [],
  ],
  [
    'ConvokeWatchFaults',
    'one every five seconds and more',
    { [`reflector_faults_total{name="segments",${a}}`]: '0+13x20' },
    20,
    [{}],
  ],
  ['ConvokeWatchFaults', 'one now and then', { [`reflector_faults_total{name="segments",${a}}`]: '0+1x20' }, 20, []],
  ['ConvokeQueueGrows', 'a thousand wait', { [`workqueue_depth{name="segment",${a}}`]: '1000x5' }, 5, []],
  ['ConvokeQueueGrows', 'more wait', { [`workqueue_depth{name="segment",${a}}`]: '1001x5' }, 5, [{ name: 'segment' }]],
]

function skew(withinSecond: string, withinFiveMinutes: string): Readonly<Record<string, string>> {
  const name = 'convoke_run_start_skew_seconds_bucket'
  return {
    [`${name}{le="1",${a}}`]: withinSecond,
    [`${name}{le="300",${a}}`]: withinFiveMinutes,
    [`${name}{le="+Inf",${a}}`]: withinFiveMinutes,
  }
}

function guardrail(use: string, limit: string): Readonly<Record<string, string>> {
  const labels = `namespace="crm",instance="prod",limit="segments",${a}`
  return { [`convoke_guardrail_use{${labels}}`]: `${use}x5`, [`convoke_guardrail_limit{${labels}}`]: `${limit}x5` }
}

const known = new Set([...Object.keys(kernelMetrics), ...Object.keys(operatorMetrics)])

describe.skipIf(!hasGo || !hasHelm)('Prometheus', () => {
  let folder: string
  let program: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-promql-'))
    program = join(folder, 'promql')
    const build = spawnSync('go', ['build', '-trimpath', '-o', program, '.'], {
      cwd: join(import.meta.dirname, 'promql'),
      encoding: 'utf8',
    })
    if (build.status !== 0) throw new Error(`go build failed:\n${build.stderr}`)
  }, 900_000)
  afterAll(() => rmSync(folder, { recursive: true }))

  function ask(questions: readonly Question[]): readonly Answer[] {
    const { status, stdout, stderr } = spawnSync(program, { input: JSON.stringify(questions), encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  const manifests = hasHelm
    ? render({ metrics: { prometheusRule: { enabled: true }, dashboard: { enabled: true } } })
    : []
  const rules: readonly Rule[] = hasHelm ? only(manifests, 'PrometheusRule')['spec'].groups[0].rules : []

  test.each(table)('%s: %s', (alert, _, series, atMinutes, labels) => {
    const { expr } = rules.find((rule) => rule.alert === alert)!
    const [answer] = ask([{ expr, series, atMinutes }])
    expect(answer?.error).toBeUndefined()
    expect(answer?.result.map(({ value, ...own }) => own)).toEqual(labels)
  })

  test('every alert is in the table, raised and not', () => {
    for (const { alert } of rules)
      for (const raised of [true, false])
        expect([alert, raised, table.some((row) => row[0] === alert && row[4].length > 0 === raised)]).toEqual([
          alert,
          raised,
          true,
        ])
  })

  test('what an alert says names only labels that it has', () => {
    for (const { alert, expr, annotations } of rules) {
      const named = [
        ...Object.values(annotations)
          .join()
          .matchAll(/\$labels\.(\w+)/g),
      ].map(([, label]) => label!)
      const kept = /by \(([\w, ]+)\) \((?!rate\(convoke_run_start)/.exec(expr)?.[1]?.split(', ') ?? []
      expect([alert, named.filter((label) => !kept.includes(label))]).toEqual([alert, []])
    }
  })

  test('reads every expression, and each asks for a metric that the operator has', () => {
    const dashboard: { readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[] } =
      JSON.parse(only(manifests, 'ConfigMap', 'convoke-dashboard')['data']['convoke.json'])
    const expressions = [
      ...rules.map(({ expr }) => expr),
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ].map((expr) => expr.replaceAll('$__rate_interval', '5m'))
    expect(expressions.length).toBeGreaterThan(20)
    const answers = ask(expressions.map((expr) => ({ expr })))
    for (const [index, { error, metrics }] of answers.entries()) {
      const unknown = metrics?.filter((name) => !known.has(name.replace(/_bucket$/, '')))
      expect([expressions[index], error, unknown]).toEqual([expressions[index], undefined, []])
    }
  })
})
