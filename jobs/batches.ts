import { batchLimits, type RunReport } from '#crds'
import type { DataManifest } from './profile-store.ts'

const dayMs = 86_400_000

/**
 * The batches of a store with those that came in now, without any older than a day. Unchanged where nothing came: data that is as it was is
 * not written again.
 */
export function batchesAfter(before: DataManifest['batches'], now: string, count: number): DataManifest['batches'] {
  if (count === 0) return before
  const since = Date.parse(now) - dayMs
  return [...(before ?? []).filter(({ at }) => Date.parse(at) > since && at !== now), { at: now, count }]
}

export function manyBatchesWarnings(batches: DataManifest['batches'], now: string): NonNullable<RunReport['warnings']> {
  const since = Date.parse(now) - dayMs
  const count = (batches ?? []).reduce((sum, { at, count }) => sum + (Date.parse(at) > since ? count : 0), 0)
  if (count <= batchLimits.perDay) return []
  return [
    {
      code: 'many-ingested-batches',
      message: `${count} batches came into the store within 24 hours; ${batchLimits.perDay} are recommended at most. Bring Datasets of one form together, or read logs less often.`,
    },
  ]
}
