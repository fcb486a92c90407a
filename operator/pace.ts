import type { Clock } from './kernel/clock.ts'

/** How often each namespace is compiled: what takes long, or does not come to an end, is begun the more seldom, so that others have their turn. */
export type Pace = {
  /** Several changes in a row are compiled once: how long the first of them waits. */
  readonly waitMs: (namespace: string) => number
  /** How long it has to rest from now; 0: it may be compiled. */
  readonly restMs: (namespace: string) => number
  /** Takes how long it took, and whether it was ended; gives how long it rests. */
  readonly note: (namespace: string, tookMs: number, isStopped: boolean) => number
}

const gatherMs = 50
/** Up to this it is no burden to anybody. */
const quickMs = 500
/** A slow one takes half of the time at most. */
const restFactor = 1
const longestRestMs = 60_000
/** What was ended is tried again after this, twice that, and so on. */
const [firstRetryMs, longestRetryMs] = [60_000, 30 * 60_000]

type Known = { readonly tookMs: number; readonly restUntilMs: number; readonly stops: number }

export function openPace(clock: Clock): Pace {
  const known = new Map<string, Known>()
  const restMs = (namespace: string): number => Math.max(0, (known.get(namespace)?.restUntilMs ?? 0) - clock.elapsed())
  return {
    restMs,
    waitMs: (namespace) =>
      Math.max(restMs(namespace), gatherMs, Math.min(2 * quickMs, 2 * (known.get(namespace)?.tookMs ?? 0))),
    note(namespace, tookMs, isStopped) {
      const stops = isStopped ? (known.get(namespace)?.stops ?? 0) + 1 : 0
      const restMs = isStopped
        ? Math.min(longestRetryMs, firstRetryMs * 2 ** (stops - 1))
        : tookMs <= quickMs
          ? 0
          : Math.min(longestRestMs, restFactor * tookMs)
      known.set(namespace, { tookMs, restUntilMs: clock.elapsed() + restMs, stops })
      return restMs
    },
  }
}
