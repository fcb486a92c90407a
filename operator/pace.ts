import type { Clock } from './kernel/clock.ts'

/**
 * How often each namespace is compiled: the longer that takes, or if it never ends, the less often it is begun, so that others get their
 * turn.
 */
export type Pace = {
  /** How long the first of several changes waits, so that they are compiled together. */
  readonly waitMs: (namespace: string) => number
  /** How long the namespace has to rest from now; 0: it may be compiled. */
  readonly restMs: (namespace: string) => number
  /** The namespace is another by now: it rests no longer. */
  readonly forget: (namespace: string) => void
  /** Takes how long a compilation took and whether it was ended; returns how long the namespace rests. */
  readonly note: (namespace: string, tookMs: number, isStopped: boolean) => number
}

const gatherMs = 50
/** A compilation up to this long burdens nobody. */
const quickMs = 500
/** The rest after a slow compilation, as a multiple of its time: it takes half of the time at most. */
const restFactor = 1
const longestRestMs = 60_000
/** A compilation that was ended is tried again after this, twice this, and so on. */
const [firstRetryMs, longestRetryMs] = [60_000, 30 * 60_000]

type Known = { readonly tookMs: number; readonly restUntilMs: number; readonly stops: number }

export function openPace(clock: Clock): Pace {
  const known = new Map<string, Known>()
  const restMs = (namespace: string): number => Math.max(0, (known.get(namespace)?.restUntilMs ?? 0) - clock.elapsed())
  return {
    restMs,
    waitMs: (namespace) =>
      Math.max(restMs(namespace), gatherMs, Math.min(2 * quickMs, 2 * (known.get(namespace)?.tookMs ?? 0))),
    forget: (namespace) => void known.delete(namespace),
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
