import type { Clock } from './clock.ts'
import { type Candidate, type LeaseOptions, type LeasePorts, standForElection } from './lease.ts'
import type { Queue } from './queue.ts'

export type ControllersOptions = {
  /** The Lease to lead by; null: this is the only process, and needs none. */
  readonly lease: Pick<LeaseOptions, 'namespace' | 'name' | 'identity'> | null
  /**
   * Called at once, on standby too: opens the caches, so that a change of leaders is short, and the queues, which gather keys until
   * started.
   */
  readonly open: (leadership: Leadership) => Opened
  /** Told of each fault that does not end the process; must not throw. */
  readonly failed: (error: unknown) => void
  /** How long work in hand may go on after `stop`; default 20 s. */
  readonly graceMs?: number
}

export type Leadership = {
  /** Whether nobody else can be the leader now; for openApi. */
  readonly mayWrite: () => boolean
  /** How long a write may be under way; for openApi. */
  readonly writeDeadlineMs: () => number
}

export type Opened = {
  /** Resolves when all caches hold a whole list. Before that this process does not stand for election. */
  readonly synced: Promise<unknown>
  /** One queue per controller, with its own concurrency; started when this process leads. */
  readonly queues: readonly Queue[]
  /** Called before the queues start. */
  readonly elected?: () => void
  /** Makes the last writes, such as Events, when no queue is at work any more. */
  readonly settle?: () => Promise<unknown>
  /** Closes the caches and whatever else is open. */
  readonly stop: () => Promise<unknown>
}

export type Ended =
  | { readonly kind: 'stopped' }
  /** The Lease was lost and another process may lead: end without delay, and not with exit code 0. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** Our own fault. */
  | { readonly kind: 'crashed'; readonly error: unknown }

export type Controllers = {
  readonly isLeading: () => boolean
  /** Takes no more keys, lets work in hand finish, gives the Lease back and closes the caches. */
  readonly stop: () => void
  /** For an exception that nobody caught: nothing more is written, and the Lease is given back once that is sure. */
  readonly crash: (error: unknown) => void
  /** Never rejects. */
  readonly ended: Promise<Ended>
}

/** Time for parts that were told to end, and for closing. */
const lastMs = 5000

/** Runs controllers from warm standby over leadership to an end in order, whatever brings the end. */
export function runControllers(ports: LeasePorts, options: ControllersOptions): Controllers {
  const { clock } = ports
  const { lease, failed, graceMs = 20_000 } = options
  const ended = Promise.withResolvers<Ended>()
  let candidate: Candidate | null = null
  let leads = false
  let ends = false
  const isLeading = (): boolean => leads && (candidate?.isLeader() ?? true)
  const opened = options.open({ mayWrite: isLeading, writeDeadlineMs: () => candidate?.safeMs() ?? Infinity })
  void opened.synced.then(stand)

  return {
    isLeading,
    stop: () => void end({ kind: 'stopped' }, graceMs),
    crash(error) {
      leads = false
      if (ends) failed(error)
      void end({ kind: 'crashed', error }, 0)
    },
    ended: ended.promise,
  }

  function stand(): void {
    if (ends) return
    if (lease === null) lead()
    else candidate = standForElection(ports, { ...lease, elected: lead, lost: lose, failed })
  }

  function lead(): void {
    if (ends) return
    leads = true
    try {
      opened.elected?.()
    } catch (error) {
      leads = false
      return void end({ kind: 'crashed', error }, 0)
    }
    for (const queue of opened.queues) queue.start()
  }

  function lose(reason: string): void {
    leads = false
    ends = true
    ended.resolve({ kind: 'lost', reason })
    for (const queue of opened.queues) void queue.drain(0)
    void attempt(opened.stop)
  }

  async function end(how: Ended, drainMs: number): Promise<void> {
    if (ends) return
    ends = true
    const drained = Promise.all(opened.queues.map((queue) => queue.drain(drainMs)))
    const idle = await isWithin(clock, drainMs + lastMs, drained)
    if (leads) await isWithin(clock, lastMs, attempt(opened.settle))
    leads = false
    // Work still in hand may be about to write: the Lease is then not given back, and others wait until it runs out.
    await candidate?.stop(idle)
    await isWithin(clock, lastMs, attempt(opened.stop))
    ended.resolve(how)
  }

  async function attempt(act: (() => Promise<unknown>) | undefined): Promise<void> {
    try {
      await act?.()
    } catch (error) {
      failed(error)
    }
  }
}

/** Whether the work ends in time; rejects where the work does. */
async function isWithin(clock: Clock, timeMs: number, work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const cancel = clock.after(timeMs, () => late.resolve(false))
  try {
    return await Promise.race([work.then(() => true), late.promise])
  } finally {
    cancel()
  }
}
