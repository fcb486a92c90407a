import { expect, test } from 'vitest'
import type { Metrics, MetricsOf, MetricTable } from '../../operator/kernel/metrics.ts'
import { openRegistry } from '../../operator/kernel/metrics-registry.ts'

const own = {
  runs_total: { kind: 'counter', labels: ['kind', 'outcome'], help: 'Runs.' },
  members: { kind: 'gauge', labels: ['segment'], help: 'Members.' },
  skew_seconds: { kind: 'histogram', labels: [], help: 'Lateness.', buckets: [1, 3600, 86_400] },
} as const satisfies MetricTable

/** The samples of these metrics, without comments. */
async function samples(registry: { readonly text: () => Promise<string> }, ...names: readonly string[]) {
  const lines = (await registry.text()).split('\n')
  return lines.filter((line) => names.some((name) => line.startsWith(name)))
}

test('counters add, gauges are set, histograms count in buckets of their own or from 1 ms to 10 s', async () => {
  const registry = openRegistry(own)
  registry.count('runs_total', { kind: 'Activation', outcome: 'succeeded' })
  registry.count('runs_total', { kind: 'Activation', outcome: 'succeeded' }, 2)
  registry.set('members', { segment: 'ns/a' }, 5)
  registry.observe('skew_seconds', {}, 7200)
  registry.observe('workqueue_work_duration_seconds', { name: 'q' }, 0.02)
  expect(await samples(registry, 'runs_total', 'members', 'skew_seconds', 'workqueue_work_duration_seconds')).toEqual([
    'workqueue_work_duration_seconds_bucket{le="0.001",name="q"} 0',
    'workqueue_work_duration_seconds_bucket{le="0.0025",name="q"} 0',
    'workqueue_work_duration_seconds_bucket{le="0.005",name="q"} 0',
    'workqueue_work_duration_seconds_bucket{le="0.01",name="q"} 0',
    ...['0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf'].map(
      (le) => `workqueue_work_duration_seconds_bucket{le="${le}",name="q"} 1`,
    ),
    'workqueue_work_duration_seconds_sum{name="q"} 0.02',
    'workqueue_work_duration_seconds_count{name="q"} 1',
    'runs_total{kind="Activation",outcome="succeeded"} 3',
    'members{segment="ns/a"} 5',
    'skew_seconds_bucket{le="1"} 0',
    'skew_seconds_bucket{le="3600"} 0',
    'skew_seconds_bucket{le="86400"} 1',
    'skew_seconds_bucket{le="+Inf"} 1',
    'skew_seconds_sum 7200',
    'skew_seconds_count 1',
  ])
})

test('a gauge that is read says what holds at each look', async () => {
  const registry = openRegistry(own)
  let size = 1
  registry.read('workqueue_depth', { name: 'a' }, () => size)
  registry.read('workqueue_depth', { name: 'b' }, () => -size)
  expect(await samples(registry, 'workqueue_depth')).toEqual([
    'workqueue_depth{name="a"} 1',
    'workqueue_depth{name="b"} -1',
  ])
  size = 7
  expect(await samples(registry, 'workqueue_depth{name="a"}')).toEqual(['workqueue_depth{name="a"} 7'])
})

test('what is removed is told no more, and its neighbours are', async () => {
  const registry = openRegistry(own)
  for (const segment of ['a', 'b']) registry.set('members', { segment }, 1)
  registry.read('members', { segment: 'c' }, () => 1)
  registry.count('runs_total', { kind: 'x', outcome: 'y' })
  registry.observe('skew_seconds', {}, 1)
  expect(await samples(registry, 'members')).toHaveLength(3)
  registry.remove('members', { segment: 'b' })
  registry.remove('members', { segment: 'c' })
  registry.remove('members', { segment: 'never was' })
  // Labels are the same in any order.
  registry.remove('runs_total', { outcome: 'y', kind: 'x' })
  registry.remove('skew_seconds', {})
  expect(await samples(registry, 'members', 'runs_total', 'skew')).toEqual(['members{segment="a"} 1'])
})

test('the text has help, type and the metrics of the process', async () => {
  const text = await openRegistry(own).text()
  expect(text).toContain('# HELP runs_total Runs.\n# TYPE runs_total counter\n')
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
})

test('names and labels are those of the tables, and who records more serves who needs less', () => {
  const registry = openRegistry(own)
  const kernels: Metrics = registry
  const owns: MetricsOf<typeof own> = registry
  expect([kernels, owns]).toEqual([registry, registry])
  // @ts-expect-error: not in the table
  expect(() => registry.count('run_total', {})).toThrow()
  // @ts-expect-error: a label is missing
  registry.count('runs_total', { kind: 'x' })
  // @ts-expect-error: not the label's name
  expect(() => registry.set('members', { segments: 'x' }, 1)).toThrow()
  // @ts-expect-error: a gauge is not counted
  expect(() => registry.count('members', { segment: 'x' })).toThrow()
  // @ts-expect-error: the kernel has no such metric
  kernels.set('members', { segment: 'x' }, 1)
})

test('a name of the kernel cannot be taken', () => {
  expect(() => openRegistry({ workqueue_depth: own.members })).toThrow('workqueue_depth')
})
