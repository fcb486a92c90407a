import { type Clock, sleep } from './clock.ts'
import type { Metrics } from './metrics.ts'
import { bodyText, counted, type HttpResponse, type Transport } from './transport.ts'

export type LeasePorts = {
  readonly clock: Clock
  readonly transport: Transport
  readonly metrics: Metrics
  /** A random number, even from 0 to less than 1. */
  readonly random: () => number
}

export type LeaseOptions = {
  readonly namespace: string
  readonly name: string
  /** Unique to this process, a new one at each start, such as the Pod's name with a UUID. */
  readonly identity: string
  /** Called once, when the Lease is held; must not throw. */
  readonly elected: () => void
  /** Called once if the Lease is lost other than by `stop`; the candidate then takes no further part. Must not throw. */
  readonly lost: (reason: string) => void
  /** Told of each failed try; must not throw. */
  readonly failed: (error: Error) => void
}

export type Candidate = {
  /** Ask this before each write. True only while no other candidate can hold the Lease, by whichever clock has counted more time. */
  readonly isLeader: () => boolean
  /** Milliseconds until another candidate may hold the Lease, by the clock that leaves less: a write must be over by then. 0: not held. */
  readonly safeMs: () => number
  /** Takes no further part. `giveBack` frees the Lease, so that another need not wait: only when all work has ended. */
  readonly stop: (giveBack?: boolean) => Promise<void>
}

/** The holder's promise: others wait this long since they last saw the Lease renewed. The API counts it in whole seconds. */
const durationMs = 15_000
/** The holder stops this long after the start of its last renewal. The rest of `durationMs` is for a write still under way. */
const renewDeadlineMs = 10_000
const retryMs = 2000

/**
 * Stands for election by a Lease, like client-go. Other candidates' clocks are not believed: what counts is how long ago, by this
 * process's own clock, the Lease was seen to change.
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
    // The caller has the candidate before the first callback.
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
    // Candidates that started together do not try together, and none is late when the Lease runs out.
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

  /** Milliseconds since the start of the last renewal; Infinity if the Lease is not held. */
  function heldForMs(): number {
    return held === null ? Infinity : ageMs(held)
  }

  /** The larger of two ages: the elapsed clock stands still while the machine sleeps, the wall clock goes back when it is set. */
  function ageMs({ byElapsed, byNow }: Moment): number {
    return Math.max(clock.elapsed() - byElapsed, clock.now() - byNow)
  }

  /** What the attempt gives; null when it failed or its time was over. */
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

  /** true: the Lease is ours; false: another has it; null: somebody changed it at the same time. */
  async function tryToHold(signal: AbortSignal): Promise<boolean | null> {
    // A conflict may be with ourselves, in a request whose answer was lost: then read and decide by what is there.
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

  /** The Lease as the server has it; null if there is none. */
  async function read(signal: AbortSignal): Promise<Lease | null> {
    const answer = await transport({ method: 'GET', path, signal, apart: true })
    if (answer.status !== 404) return leaseOf(answer)
    await bodyText(answer)
    return null
  }

  /** null when somebody else was faster. */
  async function write(method: 'PUT' | 'POST', to: string, body: object, signal: AbortSignal): Promise<true | null> {
    const answer = await transport({ method, path: to, body, signal, apart: true })
    if (answer.status !== 409) {
      seen = { lease: await leaseOf(answer), atMs: clock.elapsed() }
      return true
    }
    await bodyText(answer)
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

  /** Frees the Lease at once by an empty holder. If this fails, others only have to wait. */
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
    const text = await bodyText(answer)
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }
}

type Moment = { readonly byElapsed: number; readonly byNow: number }

type Lease = {
  /** Sent back as it came: other writers' fields stay, and a change in between is a conflict. */
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
