/** The only way the kernel learns of time; tests drive it by hand. */
export type Clock = {
  /** Milliseconds of Unix time. It jumps when the machine's clock is set: for instants that others read, never for durations. */
  readonly now: () => number
  /** Milliseconds since some moment; never goes back and never jumps: for durations. */
  readonly elapsed: () => number
  /** Calls back once, never before `milliseconds` have passed and never within this call. Any length is allowed; Infinity never calls. */
  readonly after: (milliseconds: number, callback: () => void) => Cancel
}

/** Calling it again, or after the callback, does nothing. */
export type Cancel = () => void

export const realClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(milliseconds, callback) {
    const due = performance.now() + milliseconds
    let timer = setTimeout(wake, step(milliseconds))
    return () => clearTimeout(timer)

    function wake(): void {
      const left = due - performance.now()
      // Timers count whole milliseconds and may come a fraction early.
      if (left > 0) timer = setTimeout(wake, step(left))
      else callback()
    }
  },
}

/** Resolves after the time, or at once when the signal is aborted; never rejects. */
export function sleep(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || milliseconds <= 0) return resolve()
    const cancel = clock.after(milliseconds, done)
    signal.addEventListener('abort', done)

    function done(): void {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}

/** The longest step of a timer: setTimeout takes 2^31 - 1 ms (24.8 days) at most, and fires at once beyond. */
function step(milliseconds: number): number {
  return Math.min(Math.ceil(milliseconds), 2 ** 31 - 1)
}
