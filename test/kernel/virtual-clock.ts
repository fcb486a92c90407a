import type { Clock } from '../../operator/kernel/clock.ts'

export type VirtualClock = Clock & {
  /** Runs everything that falls due, in order, letting promises settle in between. */
  readonly advance: (milliseconds: number) => Promise<void>
  /** Sets the wall clock forward or back, as an administrator does; durations do not notice. */
  readonly jump: (milliseconds: number) => void
  /** Milliseconds until each waiting callback, soonest first. */
  readonly waiting: () => readonly number[]
}

type Timer = { readonly due: number; readonly callback: () => void }

export function virtualClock(startMs = Date.UTC(2026, 0, 1)): VirtualClock {
  let elapsed = 0
  let offset = startMs
  const timers = new Set<Timer>()
  // Of several due at once the first that was set.
  const next = (): Timer | undefined =>
    timers.values().reduce<Timer | undefined>((first, one) => (first && first.due <= one.due ? first : one), undefined)
  return {
    now: () => offset + elapsed,
    elapsed: () => elapsed,
    after(milliseconds, callback) {
      const timer = { due: elapsed + Math.max(0, milliseconds), callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(milliseconds) {
      const end = elapsed + milliseconds
      await settle()
      for (let timer = next(); timer !== undefined && timer.due <= end; timer = next()) {
        timers.delete(timer)
        elapsed = timer.due
        timer.callback()
        await settle()
      }
      elapsed = end
    },
    jump: (milliseconds) => {
      offset += milliseconds
    },
    waiting: () => [...timers].map(({ due }) => due - elapsed).sort((a, b) => a - b),
  }
}

/** Long enough for every chain of promises that waits for nothing outside. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
