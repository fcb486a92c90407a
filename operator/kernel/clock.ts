/** The only way the kernel learns of time; tests drive it by hand. */
export type Clock = {
  /** Milliseconds of Unix time. Jumps when somebody sets the machine's clock: for instants others read, never for durations. */
  readonly now: () => number
  /** Milliseconds since some moment; never goes back and never jumps. */
  readonly elapsed: () => number
  /** Calls back once, never before `milliseconds` have passed and never within this call. Any length; Infinity never calls. */
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

/** Resolves after the time, at once if there is none, and at once when the signal is aborted; never rejects. */
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

/** setTimeout takes 24.8 days at most (2^31 - 1 ms) and fires at once beyond. */
function step(milliseconds: number): number {
  return Math.min(Math.ceil(milliseconds), 2 ** 31 - 1)
}
