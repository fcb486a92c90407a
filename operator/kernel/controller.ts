import type { Clock } from './clock.ts'
import { type Candidate, type LeaseOptions, type LeasePorts, standForElection } from './lease.ts'
import type { Queue } from './queue.ts'

export type ControllersOptions = {
  /** null: this is the only process there is, and it need not ask. */
  readonly lease: Pick<LeaseOptions, 'namespace' | 'name' | 'identity'> | null
  /** Called at once: opens the caches, on standby too, so that a change of leaders is short; and the queues, which gather keys until they are started. */
  readonly open: (leadership: Leadership) => Opened
  /** Told of each fault that ends nothing; must not throw. */
  readonly failed: (error: unknown) => void
  /** How long work in hand may go on after `stop`; 20 s unless given. */
  readonly graceMs?: number
}

export type Leadership = {
  /** Whether nobody else can be the leader now; for openApi. */
  readonly mayWrite: () => boolean
  /** How long a write may be under way; for openApi. */
  readonly writeDeadlineMs: () => number
}

export type Opened = {
  /** Resolves when all caches are whole. Before that, this process does not even stand for election. */
  readonly synced: Promise<unknown>
  /** One for each controller, with its own concurrency; they are started when this process leads. */
  readonly queues: readonly Queue[]
  /** Called before the queues start. */
  readonly elected?: () => void
  /** The last writes, such as Events, when no queue is at work any more. */
  readonly settle?: () => Promise<unknown>
  /** Of the caches and whatever else is open. */
  readonly stop: () => Promise<unknown>
}

export type Ended =
  | { readonly kind: 'stopped' }
  /** Another may lead by now: the process shall end without delay, and not with 0. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** Our own fault. */
  | { readonly kind: 'crashed'; readonly error: unknown }

export type Controllers = {
  readonly isLeading: () => boolean
  /** Takes no more keys, lets work in hand finish, gives the Lease back, closes the caches. */
  readonly stop: () => void
  /** For an exception that nobody caught: nothing is written any more, and the Lease is given back when that is sure. */
  readonly crash: (error: unknown) => void
  /** Never rejects. */
  readonly ended: Promise<Ended>
}

/** For what has been told to end, and for closing. */
const lastMs = 5000

/** Runs controllers from warm standby over leadership to an end in order, whatever ends it. */
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
    // Who is still at work may be about to write: then others wait until the Lease runs out.
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

/** Whether it ends in time; rejects as it does. */
async function isWithin(clock: Clock, timeMs: number, work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const cancel = clock.after(timeMs, () => late.resolve(false))
  try {
    return await Promise.race([work.then(() => true), late.promise])
  } finally {
    cancel()
  }
}
