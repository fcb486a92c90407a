import type { JobPlan, RunInput } from '#crds'
import { customers, inputOf, orders, planOf } from './workspace.ts'

/** Little memory makes many buckets of little data. */
export const killPlan: JobPlan = {
  ...planOf([customers, { ...orders, eventId: 'id' }], {
    store: { engine: { type: 'DuckDB', duckDB: { threads: 2, memoryLimit: '100Mi' } } },
  }),
  evaluate: {
    segments: [
      { name: 'buyers', digest: 'sha256:b', evaluation: 'Batch' },
      { name: 'rich', digest: 'sha256:r', evaluation: 'Batch' },
    ],
    full: {
      segments: ['buyers', 'rich'],
      references: [],
      profileColumns: ['loyalty.points'],
      eventColumns: ['eventType', 'timestamp'],
      duckdb: `WITH a AS (SELECT "$profile", count(*) FILTER (eventType = 'purchase' AND "timestamp" >= $now - INTERVAL 3 DAYS) AS n FROM events GROUP BY 1)
        SELECT p."$profile", coalesce(a.n > 1, false) AS buyers, coalesce(p."loyalty.points" > 50, false) AS rich
        FROM profiles p LEFT JOIN a ON a."$profile" = p."$profile"`,
    },
  },
}

export function killInput(day: string): RunInput {
  return inputOf(`2026-01-${day}T00:00:00Z`)
}
