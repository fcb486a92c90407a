import { createHash } from 'node:crypto'
import { type Api, ApiError, NotLeaderError } from './api.ts'
import { type Clock, sleep } from './clock.ts'
import type { Metrics } from './metrics.ts'

export type EventPorts = {
  readonly clock: Clock
  readonly api: Pick<Api, 'create' | 'patch'>
  readonly metrics: Metrics
  readonly mayWrite: () => boolean
  /** A random number, even from 0 to less than 1. */
  readonly random: () => number
}

export type EventOptions = {
  /** The component that tells, such as `convoke-operator`: `kubectl describe` shows it as From. */
  readonly component: string
  /** Which instance of the component, such as the Pod's name. */
  readonly instance: string
}

export type Regarding = {
  readonly apiVersion: string
  readonly kind: string
  /** Absent for a resource that belongs to no namespace. */
  readonly namespace?: string
  readonly name: string
  readonly uid: string
}

export type Happening = {
  readonly regarding: Regarding
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase. */
  readonly reason: string
  /** Cut off after 1,024 bytes. */
  readonly message: string
}

export type EventRecorder = {
  /**
   * Tells of something by a Kubernetes Event, soon; returns at once and never throws. Events are a courtesy: where there are too many, or
   * the API server takes none, they are dropped and counted. The same words about the same object within 10 minutes become one Event.
   */
  readonly record: (happening: Happening) => void
  /** Takes nothing more; resolves when what waits has been told, or when the time is over. */
  readonly stop: (graceMs: number) => Promise<void>
}

const sameWithinMs = 600_000
/** Events per object, as client-go limits them: a burst of so many, then one more per `refillMs`. */
const [burst, refillMs] = [25, 300_000]
/** How many Events, and how many objects, are remembered. */
const memory = 4096
const longestLine = 1000
/** An Event that could not be told for so long is dropped: it is news no more. */
const lateMs = 300_000
const retryMs = 10_000
const messageLimitBytes = 1024

type Entry = {
  readonly happening: Happening
  readonly firstMs: number
  lastMs: number
  count: number
  /** Whether the API server has the Event, as far as this process knows. */
  isThere: boolean
}

/** Records Events of core/v1: of the two kinds of Event it is the one whose count and times every kubectl shows. */
export function recordEvents(ports: EventPorts, { component, instance }: EventOptions): EventRecorder {
  const { clock, api, metrics, mayWrite, random } = ports
  const entries = new Map<string, Entry>()
  const buckets = new Map<string, { tokens: number; atMs: number }>()
  const line = new Set<Entry>()
  const stopped = new AbortController()
  let isOpen = true
  let telling: Promise<void> | null = null

  return {
    record(happening) {
      if (!isOpen) return
      if (!mayWrite()) return drop('standby')
      if (!mayTell(happening.regarding)) return drop('rate')
      const entry = entryOf({ ...happening, message: cut(happening.message) })
      if (!line.has(entry) && line.size >= longestLine) return drop('full')
      entry.count += 1
      entry.lastMs = clock.now()
      line.add(entry)
      telling ??= tellAll()
    },
    async stop(graceMs) {
      isOpen = false
      const told = new AbortController()
      void telling?.then(() => told.abort())
      if (telling !== null) await sleep(clock, graceMs, told.signal)
      stopped.abort()
    },
  }

  function drop(reason: string): void {
    metrics.count('events_dropped_total', { reason })
  }

  function mayTell({ uid }: Regarding): boolean {
    const now = clock.elapsed()
    const bucket = buckets.get(uid) ?? { tokens: burst, atMs: now }
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.atMs) / refillMs)
    remember(buckets, uid, { tokens: tokens < 1 ? tokens : tokens - 1, atMs: now })
    return tokens >= 1
  }

  function entryOf(happening: Happening): Entry {
    const { regarding, type, reason, message } = happening
    const key = [regarding.uid, type, reason, message].join('\0')
    const before = entries.get(key)
    const now = clock.now()
    const entry =
      before !== undefined && now - before.lastMs < sameWithinMs
        ? before
        : { happening, firstMs: now, lastMs: now, count: 0, isThere: false }
    remember(entries, key, entry)
    return entry
  }

  async function tellAll(): Promise<void> {
    // Not within the caller's turn: `record` returns first.
    await null
    for (const entry of line) {
      line.delete(entry)
      if (stopped.signal.aborted) drop('late')
      else await tell(entry)
    }
    telling = null
  }

  async function tell(entry: Entry): Promise<void> {
    for (;;) {
      try {
        await send(entry)
        return metrics.count('events_recorded_total', { type: entry.happening.type })
      } catch (error) {
        if (error instanceof NotLeaderError) return drop('standby')
        const status = error instanceof ApiError ? error.status : 0
        if (status >= 400 && status < 500 && status !== 429) return drop('refused')
        const pauseMs = Math.max(retryMs * (1 - random() / 2), error instanceof ApiError ? error.retryAfterMs : 0)
        await sleep(clock, pauseMs, stopped.signal)
        if (stopped.signal.aborted || clock.now() - entry.lastMs > lateMs) return drop('late')
      }
    }
  }

  async function send(entry: Entry): Promise<void> {
    const { isThere } = entry
    try {
      await (isThere ? raise(entry) : create(entry))
    } catch (error) {
      // The API server forgets an Event within an hour, and may have created one whose answer was lost: then the other verb is right.
      if (!(error instanceof ApiError && error.status === (isThere ? 404 : 409))) throw error
      await (isThere ? create(entry) : raise(entry))
    }
    entry.isThere = true
  }

  function raise(entry: Entry): Promise<unknown> {
    const { count, lastMs } = entry
    return api.patch(`${pathOf(entry)}/${nameOf(entry)}`, { count, lastTimestamp: timestamp(lastMs) }, 'merge')
  }

  function create(entry: Entry): Promise<unknown> {
    const { happening, firstMs, lastMs, count } = entry
    const { regarding, type, reason, message } = happening
    return api.create(pathOf(entry), {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace: namespaceOf(entry), name: nameOf(entry) },
      involvedObject: regarding,
      type,
      reason,
      message,
      count,
      firstTimestamp: timestamp(firstMs),
      lastTimestamp: timestamp(lastMs),
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
    })
  }
}

/** Adds an entry and drops the oldest beyond the limit. */
function remember<V>(values: Map<string, V>, key: string, value: V): void {
  values.delete(key)
  values.set(key, value)
  if (values.size > memory) values.delete(values.keys().next().value!)
}

function namespaceOf({ happening: { regarding } }: Entry): string {
  return regarding.namespace ?? 'default'
}

function pathOf(entry: Entry): string {
  return `/api/v1/namespaces/${namespaceOf(entry)}/events`
}

/** The Event's name: the same for every try, and different from all other Events'. A name may have 253 characters. */
function nameOf({ happening: { regarding, type, reason, message }, firstMs }: Entry): string {
  const words = [regarding.uid, type, reason, message].join('\0')
  const hash = createHash('sha256').update(words).digest('hex').slice(0, 12)
  return `${regarding.name.slice(0, 230).replace(/[^a-z0-9]+$/, '')}.${firstMs.toString(36)}${hash}`
}

/** RFC 3339 with whole seconds, as the API takes it. */
function timestamp(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`
}

function cut(message: string): string {
  const bytes = Buffer.from(message)
  if (bytes.length <= messageLimitBytes) return message
  let end = messageLimitBytes - Buffer.byteLength('…')
  // The cut is not within a character: all bytes of a UTF-8 character but the first begin with the bits 10.
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1
  return `${bytes.subarray(0, end)}…`
}
