import { parseDurationSeconds } from '#crds'

/** `spec.retry` of a ProfileStore, an Activation or a CampaignSource, defaults filled in. */
export type RetryPolicy = {
  /** Further attempts after the first; 0: none. */
  readonly limit: number
  /** Duration from the first failure to the second attempt; it doubles with each attempt, up to an hour. */
  readonly backoff: string
}

const longestMs = 3_600_000

/** Milliseconds between the failure of an attempt (counted from 1) and the next attempt; null: there is none. */
export function retryDelayMs({ limit, backoff }: RetryPolicy, attempt: number): number | null {
  if (attempt > limit) return null
  const firstMs = (parseDurationSeconds(backoff) ?? 0) * 1000
  return Math.max(firstMs, Math.min(longestMs, firstMs * 2 ** (attempt - 1)))
}
