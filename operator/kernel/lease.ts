import { type Clock, sleep } from './clock.ts'
import type { Metrics } from './metrics.ts'
import { counted, type HttpResponse, type Transport, textOf } from './transport.ts'

export type LeasePorts = {
  readonly clock: Clock
  readonly transport: Transport
  readonly metrics: Metrics
  /** Evenly from 0 to less than 1. */
  readonly random: () => number
}

export type LeaseOptions = {
  readonly namespace: string
  readonly name: string
  /** No other process may ever have it: a new one at each start, such as the Pod's name and a UUID. */
  readonly identity: string
  /** Called once, when the Lease is held; must not throw. */
  readonly elected: () => void
  /** Called once if it is held no more other than by `stop`; the candidate takes no further part. Must not throw. */
  readonly lost: (reason: string) => void
  /** Told of each try that failed; must not throw. */
  readonly failed: (error: Error) => void
}

export type Candidate = {
  /** To ask before each write. True only while no other candidate can hold the Lease, by whatever clock says later. */
  readonly isLeader: () => boolean
  /** Until another candidate may hold the Lease, by the clock that says less: a write must be over by then. 0 if it is not held. */
  readonly safeMs: () => number
  /** Takes no further part. Gives the Lease back if it is held, so that another need not wait: only when all work has ended. */
  readonly stop: (giveBack?: boolean) => Promise<void>
}

/** What the holder promises: others wait as long since they last saw it renewed. The API counts it in whole seconds. */
const durationMs = 15_000
/** The holder stops this long after the start of its last renewal; what is left to `durationMs` is for a write still under way. */
const renewDeadlineMs = 10_000
const retryMs = 2000

/**
 * Stands for election by a Lease, like client-go. Of other candidates' clocks nothing is believed: what counts is how long
 * ago, by one's own clock, the Lease was seen to change.
 */
export function standForElection(
  ports: LeasePorts,
  { namespace, name, identity, elected, lost, failed }: LeaseOptions,
): Candidate {
  const { clock, metrics, random } = ports
  const transport = counted(ports)
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
  const path = `${collection}/${name}`
  const labels = { name }
  /** Aborted when this candidate ends, by `stop` or by loss. */
  const over = new AbortController()
  /** When the last renewal was begun. */
  let held: Moment | null = null
  let seen: { readonly lease: Lease; readonly atMs: number } | null = null
  metrics.set('leader_election_master_status', labels, 0)
  const ended = run()

  return {
    isLeader: () => heldForMs() < renewDeadlineMs,
    safeMs: () => Math.max(0, durationMs - heldForMs()),
    async stop(giveBack = true) {
      const isHeld = heldForMs() < renewDeadlineMs
      leave()
      await ended
      if (isHeld && giveBack) await release()
    },
  }

  async function run(): Promise<void> {
    // Whoever called has the candidate before its first callback.
    await null
    while (!over.signal.aborted) {
      const wasLeader = held !== null
      const started: Moment = { byElapsed: clock.elapsed(), byNow: clock.now() }
      const holds = await within(wasLeader ? renewDeadlineMs - heldForMs() : retryMs, tryToHold)
      if (over.signal.aborted) return
      if (holds === true && ageMs(started) < renewDeadlineMs) held = started
      if (wasLeader && holds === false) return lose(`${path} is held by ${seen?.lease.spec.holderIdentity}`)
      if (held !== null && !wasLeader) {
        metrics.set('leader_election_master_status', labels, 1)
        elected()
      }
      await sleep(clock, pauseMs(), over.signal)
      if (held !== null && heldForMs() >= renewDeadlineMs)
        return lose(`${path} could not be renewed for ${renewDeadlineMs / 1000} s`)
    }
  }

  function pauseMs(): number {
    if (held !== null) return Math.min(retryMs, renewDeadlineMs - heldForMs())
    // Candidates that started together shall not try together, and none shall be late when the Lease runs out.
    const leftMs = seen === null ? 0 : durationOf(seen.lease) - (clock.elapsed() - seen.atMs)
    return Math.min(retryMs * (1 - random() / 4), leftMs > 0 ? leftMs : Infinity)
  }

  function leave(): void {
    held = null
    metrics.set('leader_election_master_status', labels, 0)
    over.abort()
  }

  function lose(reason: string): void {
    leave()
    lost(reason)
  }

  /** Since the start of the last renewal. Infinity if the Lease is not held. */
  function heldForMs(): number {
    return held === null ? Infinity : ageMs(held)
  }

  /** By the clock that says more: one stands still while the machine sleeps, the other goes back when it is set. */
  function ageMs({ byElapsed, byNow }: Moment): number {
    return Math.max(clock.elapsed() - byElapsed, clock.now() - byNow)
  }

  /** null when it failed or the time was over. */
  async function within<R>(timeMs: number, attempt: (signal: AbortSignal) => Promise<R>): Promise<R | null> {
    const exchange = new AbortController()
    const abort = (): void => exchange.abort(new Error(`${path}: no answer in time`))
    const cancel = clock.after(timeMs, abort)
    over.signal.addEventListener('abort', abort)
    try {
      return await attempt(exchange.signal)
    } catch (error) {
      const reason = exchange.signal.aborted ? exchange.signal.reason : error
      if (!over.signal.aborted) failed(reason instanceof Error ? reason : new Error(String(reason)))
      return null
    } finally {
      cancel()
      over.signal.removeEventListener('abort', abort)
    }
  }

  /** Whether the Lease is ours; false when another has it, null when somebody changed it at the same time. */
  async function tryToHold(signal: AbortSignal): Promise<boolean | null> {
    // A conflict may be with ourselves, in an exchange whose answer was lost.
    if (held !== null && seen !== null && (await write('PUT', path, claim(seen.lease), signal))) return true
    const lease = await read(signal)
    if (lease === null) return write('POST', collection, claim(null), signal)
    if (seen?.lease.metadata['resourceVersion'] !== lease.metadata['resourceVersion'])
      seen = { lease, atMs: clock.elapsed() }
    const { holderIdentity = '' } = lease.spec
    const free = holderIdentity === '' || clock.elapsed() - seen!.atMs >= durationOf(lease)
    if (holderIdentity !== identity && !free) return false
    return write('PUT', path, claim(lease), signal)
  }

  /** null if there is none. */
  async function read(signal: AbortSignal): Promise<Lease | null> {
    const answer = await transport({ method: 'GET', path, signal, apart: true })
    if (answer.status !== 404) return leaseOf(answer)
    await textOf(answer)
    return null
  }

  /** null when somebody else was faster. */
  async function write(method: 'PUT' | 'POST', to: string, body: object, signal: AbortSignal): Promise<true | null> {
    const answer = await transport({ method, path: to, body, signal, apart: true })
    if (answer.status !== 409) {
      seen = { lease: await leaseOf(answer), atMs: clock.elapsed() }
      return true
    }
    await textOf(answer)
    return null
  }

  function claim(before: Lease | null): object {
    const now = microTime(clock.now())
    const same = before?.spec.holderIdentity === identity
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: before?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: durationMs / 1000,
        acquireTime: same ? before.spec.acquireTime : now,
        renewTime: now,
        leaseTransitions: (before?.spec.leaseTransitions ?? -1) + (same ? 0 : 1),
      },
    }
  }

  /** An empty holder is free at once. That others must wait if this fails is all the harm. */
  async function release(): Promise<void> {
    const exchange = new AbortController()
    const cancel = clock.after(retryMs, () => exchange.abort(new Error(`${path}: not given back in time`)))
    try {
      // Read again: a renewal may have been under way.
      const lease = await read(exchange.signal)
      if (lease?.spec.holderIdentity !== identity) return
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(clock.now()) }
      await write('PUT', path, { ...lease, spec }, exchange.signal)
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)))
    } finally {
      cancel()
    }
  }

  async function leaseOf(answer: HttpResponse): Promise<Lease> {
    const text = await textOf(answer)
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }
}

type Moment = { readonly byElapsed: number; readonly byNow: number }

type Lease = {
  /** Sent back as it came: what others wrote there stays, and a change in between is noticed. */
  readonly metadata: Readonly<Record<string, unknown>>
  readonly spec: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    readonly acquireTime?: string
    readonly renewTime?: string
    readonly leaseTransitions?: number
  }
}

function durationOf({ spec }: Lease): number {
  return (spec.leaseDurationSeconds ?? durationMs / 1000) * 1000
}

function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z')
}
