import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { kernelMetrics, type Metric, type MetricsOf, type MetricTable, secondsBuckets } from './metrics.ts'

export type MetricsRegistry<Table extends MetricTable> = MetricsOf<Table> & {
  /** All metrics in Prometheus' text format, with the process's own (memory, CPU, event loop). */
  readonly text: () => Promise<string>
  readonly contentType: string
}

type Labels = Readonly<Record<string, string>>

/** Records the kernel's metrics and those of `own`. Throws where both have the same name. */
export function openRegistry<Own extends MetricTable>(own: Own): MetricsRegistry<typeof kernelMetrics & Own> {
  const registry = new Registry()
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  /** The series of each gauge, by the gauge's name and by their labels as text. */
  const readings = new Map<string, Map<string, { readonly labels: Labels; readonly value: () => number }>>()
  // Looking at the event loop every 10 ms, the default, would be most of what an idle process does.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 50 })
  for (const table of [kernelMetrics, own]) for (const [name, metric] of Object.entries(table)) register(name, metric)

  const records = {
    count: (name: string, labels: Labels, by = 1) => counters.get(name)!.inc(labels, by),
    set: (name: string, labels: Labels, value: number) => gauges.get(name)!.set(labels, value),
    read: (name: string, labels: Labels, value: () => number) =>
      void readings.get(name)!.set(labelsText(labels), { labels, value }),
    observe: (name: string, labels: Labels, value: number) => histograms.get(name)!.observe(labels, value),
    remove(name: string, labels: Labels) {
      readings.get(name)?.delete(labelsText(labels))
      ;(counters.get(name) ?? gauges.get(name) ?? histograms.get(name))!.remove(labels)
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
  // The type holds names and labels; at run time they are plain texts.
  return records as MetricsRegistry<typeof kernelMetrics & Own>

  function register(name: string, metric: Metric): void {
    const { help } = metric
    const options = { name, help, labelNames: metric.labels, registers: [registry] }
    switch (metric.kind) {
      case 'counter':
        return void counters.set(name, new Counter(options))
      case 'gauge': {
        const read = new Map<string, { readonly labels: Labels; readonly value: () => number }>()
        readings.set(name, read)
        const collect = (): void => {
          for (const { labels, value } of read.values()) gauges.get(name)!.set(labels, value())
        }
        return void gauges.set(name, new Gauge({ ...options, collect }))
      }
      case 'histogram':
        return void histograms.set(
          name,
          new Histogram({ ...options, buckets: [...(metric.buckets ?? secondsBuckets)] }),
        )
    }
  }
}

function labelsText(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort())
}
