import type { Metrics } from '../../operator/kernel/metrics.ts'

export type MetricsRecord = {
  readonly metrics: Metrics
  /** By name, labels left out: a counter's sum, a gauge's last value, a histogram's observations. */
  readonly recorded: Readonly<Record<string, number | readonly number[]>>
}

export function recordMetrics(): MetricsRecord {
  const sums: Record<string, number> = {}
  const observations: Record<string, number[]> = {}
  return {
    metrics: {
      count: (name) => void (sums[name] = (sums[name] ?? 0) + 1),
      set: (name, _, value) => void (sums[name] = value),
      observe: (name, _, value) => void (observations[name] ??= []).push(value),
    },
    get recorded() {
      return { ...sums, ...observations }
    },
  }
}
