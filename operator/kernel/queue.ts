import { ApiError } from './api-error.ts'
import type { Cancel, Clock } from './clock.ts'
import type { Metrics } from './metrics.ts'

export type QueuePorts = { readonly clock: Clock; readonly metrics: Metrics }

export type QueueOptions = {
  /** The `name` label of its metrics, and the name of its controller. */
  readonly name: string
  /** How many keys are in work at the same time; one key never is twice. */
  readonly concurrency: number
  /**
   * Brings the world in line with what the key names. A rejection is a failure: the key comes back after its back-off, and not before the
   * API server's Retry-After. The signal is aborted when the grace of a drain is over.
   */
  readonly handle: (key: string, signal: AbortSignal) => Promise<Result>
  /** Told of each failure; must not throw. */
  readonly failed: (failure: Failure) => void
  /** The longest back-off of a key that fails again and again; default 1,000 s. */
  readonly longestBackoffMs?: number
}

export type Result =
  | { readonly kind: 'done' }
  | { readonly kind: 'again'; readonly afterMs: number; readonly priority?: number }
  /** Neither done nor a failure: again after `firstMs`, doubled each time in a row, at most `longestMs`. */
  | { readonly kind: 'retry'; readonly firstMs: number; readonly longestMs: number }

export type Failure = {
  readonly key: string
  readonly error: unknown
  /** Failures in a row, this one included. */
  readonly failures: number
  readonly retryMs: number
}

export type Queue = {
  readonly name: string
  /**
   * Asks for one more pass over the key. A key waits once only: of several adds the earliest time and the highest priority count. An add
   * while the key is in work brings it back when that pass is over.
   */
  readonly add: (key: string, options?: { readonly afterMs?: number; readonly priority?: number }) => void
  /** Starts the work; until then keys gather. */
  readonly start: () => void
  /** Takes nothing more and drops what waits; aborts the handlers' signal after the grace. Resolves when no handler is at work. */
  readonly drain: (graceMs: number) => Promise<void>
  /** Milliseconds that the longest pass at work has taken so far; 0 if none is. */
  readonly longestWorkMs: () => number
}

export const firstBackoffMs = 5
/** controller-runtime's longest back-off. */
export const defaultBackoffMs = 1_000_000

type Need = {
  readonly priority: number
  readonly readyMs: number
  /** Cancels the timer; null once the time has come. */
  readonly cancel: Cancel | null
}

/** A work queue of keys like controller-runtime's: de-duplicated, delayed, by priority (higher first, default 0), with back-off per key. */
export function openQueue({ clock, metrics }: QueuePorts, options: QueueOptions): Queue {
  const { name, concurrency, handle, failed, longestBackoffMs = defaultBackoffMs } = options
  const labels = { name }
  const controller = { controller: name }
  const needs = new Map<string, Need>()
  /** Keys that are ready and not in work, by priority; there are few priorities. */
  const ready = new Map<number, Line>()
  /** When the work on each key began, the earliest first. */
  const working = new Map<string, number>()
  /** How the latest passes of a key ended, while they were not done. */
  const streaks = new Map<string, { readonly kind: 'failure' | 'retry'; readonly count: number }>()
  const stopping = new AbortController()
  const idle = Promise.withResolvers<void>()
  let state: 'held' | 'open' | 'drained' = 'held'
  let taking = false
  metrics.set('controller_runtime_max_concurrent_reconciles', controller, concurrency)
  metrics.read('controller_runtime_active_workers', controller, () => working.size)
  metrics.read('workqueue_depth', labels, () => ready.values().reduce((sum, line) => sum + line.size(), 0))
  metrics.read('workqueue_longest_running_processor_seconds', labels, () => longestWorkMs() / 1000)
  metrics.read('workqueue_unfinished_work_seconds', labels, () => {
    const now = clock.elapsed()
    return working.values().reduce((sum, started) => sum + (now - started), 0) / 1000
  })

  return {
    name,
    add(key, { afterMs = 0, priority = 0 } = {}) {
      need(key, afterMs, priority)
      takeSoon()
    },
    start() {
      if (state === 'held') state = 'open'
      takeSoon()
    },
    async drain(graceMs) {
      state = 'drained'
      for (const { cancel } of needs.values()) cancel?.()
      needs.clear()
      ready.clear()
      const cancel = clock.after(graceMs, () => stopping.abort())
      if (working.size === 0) idle.resolve()
      await idle.promise
      cancel()
    },
    longestWorkMs,
  }

  function longestWorkMs(): number {
    const [earliest] = working.values()
    return earliest === undefined ? 0 : clock.elapsed() - earliest
  }

  function need(key: string, afterMs: number, wanted: number): void {
    if (state === 'drained') return
    const before = needs.get(key)
    const readyMs = clock.elapsed() + Math.max(0, afterMs)
    const priority = Math.max(wanted, before?.priority ?? wanted)
    if (before !== undefined && before.readyMs <= readyMs) {
      if (priority === before.priority) return
      needs.set(key, { ...before, priority })
      if (before.cancel === null && leave(key, before.priority)) enter(key, priority)
      return
    }
    before?.cancel?.()
    const cancel = afterMs > 0 ? clock.after(afterMs, () => ripen(key)) : null
    needs.set(key, { priority, readyMs, cancel })
    if (cancel === null) becomeReady(key)
  }

  function ripen(key: string): void {
    needs.set(key, { ...needs.get(key)!, cancel: null })
    becomeReady(key)
    takeSoon()
  }

  function becomeReady(key: string): void {
    metrics.count('workqueue_adds_total', labels)
    if (!working.has(key)) enter(key, needs.get(key)!.priority)
  }

  function enter(key: string, priority: number): void {
    const line = ready.get(priority) ?? openLine()
    ready.set(priority, line)
    line.enter(key)
  }

  /** Takes a key out of its line; false: it was not there. */
  function leave(key: string, priority: number): boolean {
    const line = ready.get(priority)
    if (!line?.leave(key)) return false
    if (line.size() === 0) ready.delete(priority)
    return true
  }

  /** Not within the caller's turn: the caller may be half through a change, and the most urgent key of a burst may come last. */
  function takeSoon(): void {
    if (taking) return
    taking = true
    queueMicrotask(take)
  }

  function take(): void {
    taking = false
    while (state === 'open' && working.size < concurrency && ready.size > 0) {
      const priority = Math.max(...ready.keys())
      const key = ready.get(priority)!.first()
      leave(key, priority)
      void work(key)
    }
  }

  async function work(key: string): Promise<void> {
    const started = clock.elapsed()
    const { priority, readyMs } = needs.get(key)!
    metrics.observe('workqueue_queue_duration_seconds', labels, (started - readyMs) / 1000)
    needs.delete(key)
    working.set(key, started)
    const result = await pass(key, priority)
    working.delete(key)
    const seconds = (clock.elapsed() - started) / 1000
    metrics.count('controller_runtime_reconcile_total', { controller: name, result })
    metrics.observe('controller_runtime_reconcile_time_seconds', controller, seconds)
    metrics.observe('workqueue_work_duration_seconds', labels, seconds)
    const again = needs.get(key)
    if (again?.cancel === null) enter(key, again.priority)
    if (state === 'drained' && working.size === 0) idle.resolve()
    take()
  }

  /** Makes one pass, and returns how it ended in controller-runtime's words. */
  async function pass(key: string, priority: number): Promise<string> {
    try {
      const result = await handle(key, stopping.signal)
      if (result.kind === 'retry') {
        need(key, Math.min(result.firstMs * 2 ** (streakOf(key, 'retry') - 1), result.longestMs), 0)
        return 'requeue_after'
      }
      streaks.delete(key)
      if (result.kind === 'done') return 'success'
      need(key, result.afterMs, result.priority ?? 0)
      return result.afterMs > 0 ? 'requeue_after' : 'requeue'
    } catch (error) {
      const count = streakOf(key, 'failure')
      const backoffMs = Math.min(firstBackoffMs * 2 ** (count - 1), longestBackoffMs)
      const retryMs = Math.max(backoffMs, error instanceof ApiError ? error.retryAfterMs : 0)
      metrics.count('workqueue_retries_total', labels)
      metrics.count('controller_runtime_reconcile_errors_total', controller)
      need(key, retryMs, priority)
      failed({ key, error, failures: count, retryMs })
      return 'error'
    }
  }

  /** How many passes in a row ended like this one, this one counted. */
  function streakOf(key: string, kind: 'failure' | 'retry'): number {
    const before = streaks.get(key)
    const count = before?.kind === kind ? before.count + 1 : 1
    streaks.set(key, { kind, count })
    return count
  }
}

/** Keys in the order in which they came; a line that is empty is thrown away. */
type Line = {
  readonly enter: (key: string) => void
  /** false: the key was not there. */
  readonly leave: (key: string) => boolean
  readonly first: () => string
  readonly size: () => number
}

function openLine(): Line {
  const keys = new Set<string>()
  // One iterator for the life of the line: a new one would step over all keys that left before, a second for a line of 100,000.
  const passing = keys.values()
  let first: string | null = null
  return {
    enter: (key) => void keys.add(key),
    leave(key) {
      if (first === key) first = null
      return keys.delete(key)
    },
    first: () => (first ??= passing.next().value!),
    size: () => keys.size,
  }
}
