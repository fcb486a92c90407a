import type { Metrics } from '../../operator/kernel/metrics.ts'

export type MetricsRecord = {
  readonly metrics: Metrics
  /** By name, labels left out: a counter's sum, a gauge's last value, a histogram's observations. */
  readonly recorded: Readonly<Record<string, number | readonly number[]>>
}

/** For whoever does not look at them. */
export const silentMetrics: Metrics = {
  count: () => {},
  set: () => {},
  read: () => {},
  observe: () => {},
  remove: () => {},
}

export function recordMetrics(): MetricsRecord {
  const sums: Record<string, number> = {}
  const readings: Record<string, () => number> = {}
  const observations: Record<string, number[]> = {}
  return {
    metrics: {
      count: (name, _, by = 1) => void (sums[name] = (sums[name] ?? 0) + by),
      set: (name, _, value) => void (sums[name] = value),
      read: (name, _, value) => void (readings[name] = value),
      observe: (name, _, value) => void (observations[name] ??= []).push(value),
      remove(...[name]) {
        for (const records of [sums, readings, observations]) delete records[name]
      },
    },
    get recorded() {
      const read = Object.entries(readings).map(([name, value]) => [name, value()])
      return { ...sums, ...Object.fromEntries(read), ...observations }
    },
  }
}
