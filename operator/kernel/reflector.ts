import { ApiError, type Refusal, refusalOf } from './api-error.ts'
import { type Clock, sleep } from './clock.ts'
import type { Metrics } from './metrics.ts'
import { type Indices, openStore, type Store, type Version } from './store.ts'
import { bodyText, counted, type HttpResponse, type Transport } from './transport.ts'

export type ReflectorPorts = {
  readonly clock: Clock
  readonly transport: Transport
  readonly metrics: Metrics
  /** A random number, even from 0 to less than 1. */
  readonly random: () => number
}

export type ReflectorOptions<T, Index extends string> = {
  /** The `name` label of its metrics. */
  readonly name: string
  /** The collection's path: `/apis/batch/v1/jobs`, or with `/namespaces/…` before the last part. */
  readonly path: string
  readonly labelSelector?: string
  /** What is kept of an object, the rest being forgotten at once; null: nothing is kept of it. Must not throw. */
  readonly project: (object: ApiObject) => T | null
  readonly indices: Indices<T, Index>
  /** The value at the key came, went or changed; the store shows that already. Nothing catches what this throws. */
  readonly onChange: (key: string) => void
  /** Told of every version of every object from the server, also of objects of which nothing is kept; null: the object is gone. */
  readonly onSeen?: (key: string, version: Version | null) => void
  /** Told of each fault; must not throw. */
  readonly failed: (fault: Fault) => void
}

export type ApiObject = {
  readonly metadata: Version & { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

export type Fault = { readonly error: Error; readonly retryMs: number }

export type Reflector<T, Index extends string> = Pick<Store<T, Index>, 'get' | 'list' | 'find'> & {
  /** Resolves once the store holds a whole list; never, where no list succeeds. */
  readonly synced: Promise<void>
  /** The `name` label of its metrics. */
  readonly name: string
  /** Milliseconds since the server last said anything of use. More than three minutes is not normal. */
  readonly silentMs: () => number
  /** Milliseconds since the server last answered at all, were it a refusal. It is asked at least every two and a half minutes. */
  readonly unansweredMs: () => number
  /** Has everything listed and projected anew. */
  readonly listAgain: () => void
  /** Nothing is changed or called after this call. Resolves when the last request is over. */
  readonly stop: () => Promise<void>
}

const pageSize = 500
const [shortestBackoffMs, longestBackoffMs] = [800, 30_000]
/**
 * Faults in a row after which a watch is given up for a list: the server may not know its start any more, as after a restore of its data.
 */
const faultsBeforeList = 5
/** The least time between the starts of two watches. A watch that ends sooner without a word is a fault. */
const watchFloorMs = 1000
const listSilenceMs = 30_000
/** A watch silent for this long is opened anew: the API server sends a bookmark about every minute. */
const watchSilenceMs = 150_000
/** The server ends a watch after this up to twice this time, so that watches opened together do not end together. */
const watchSeconds = 300

/** `namespace/name`, or the name alone of an object without a namespace. */
export function keyOf({ metadata: { namespace, name } }: ApiObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}

/** Keeps a copy of a collection by list and watch. Whatever the server does, it goes on until it is stopped. */
export function reflect<T, Index extends string>(
  ports: ReflectorPorts,
  options: ReflectorOptions<T, Index>,
): Reflector<T, Index> {
  const { clock, metrics, random } = ports
  const transport = counted(ports)
  const { path, project, onChange, onSeen = () => {}, failed } = options
  const labels = { name: options.name }
  const selection = options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }
  const store = openStore(options.indices)
  const synced = Promise.withResolvers<void>()
  const stopped = new AbortController()
  /** The version where the next watch begins; null asks for a list first. */
  let resourceVersion: string | null = null
  let heardMs = clock.elapsed()
  let answeredMs = heardMs
  let backoffMs = shortestBackoffMs
  let faults = 0
  /** Whether the server sent anything since the last list. */
  let advanced = false
  let exchange = new AbortController()
  let isListWanted = false
  const silentMs = (): number => clock.elapsed() - heardMs
  metrics.read('reflector_silence_seconds', labels, () => silentMs() / 1000)
  const ended = run()

  return {
    get: store.get,
    list: store.list,
    find: store.find,
    synced: synced.promise,
    name: options.name,
    silentMs,
    unansweredMs: () => clock.elapsed() - Math.max(heardMs, answeredMs),
    listAgain() {
      isListWanted = true
      exchange.abort(new Error(`${path}: everything is listed anew`))
    },
    stop() {
      stopped.abort()
      exchange.abort()
      return ended
    },
  }

  async function run(): Promise<void> {
    // The caller has the reflector before the first callback.
    await null
    while (!stopped.signal.aborted) await sleep(clock, await round(), stopped.signal)
  }

  /** One list or watch. Returns the milliseconds to wait before the next. */
  async function round(): Promise<number> {
    if (isListWanted) resourceVersion = null
    isListWanted = false
    try {
      resourceVersion ??= await list()
      return await watch(resourceVersion)
    } catch (thrown) {
      if (stopped.signal.aborted || isListWanted) return 0
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      const answer = error instanceof ApiError ? error : null
      if (answer?.status === 410) {
        resourceVersion = null
        if (advanced) return 0
      }
      faults += 1
      if (faults % faultsBeforeList === 0) resourceVersion = null
      const retryMs = Math.max(nextBackoffMs(), answer?.retryAfterMs ?? 0)
      metrics.count('reflector_faults_total', labels)
      failed({ error, retryMs })
      return retryMs
    }
  }

  /** Random between the shortest and three times the last back-off, so that clients that failed together do not come back together. */
  function nextBackoffMs(): number {
    const highest = Math.min(longestBackoffMs, 3 * backoffMs)
    return (backoffMs = shortestBackoffMs + random() * (highest - shortestBackoffMs))
  }

  /** Lists the collection and returns its version. The store changes only when the last page is there. */
  async function list(): Promise<string> {
    metrics.count('reflector_lists_total', labels)
    const listed = new Map<string, { readonly version: Version; readonly value: T | null }>()
    let page: Page
    let from = ''
    do {
      const query = { ...selection, limit: String(pageSize), ...(from === '' ? {} : { continue: from }) }
      page = await ask(query, listSilenceMs, async (response) => JSON.parse(await bodyText(response)))
      for (const item of page.items ?? []) listed.set(keyOf(item), { version: versionOf(item), value: project(item) })
      from = page.metadata.continue ?? ''
    } while (from !== '')
    for (const key of [...store.keys()]) if (!listed.has(key)) change(key, null, null)
    for (const [key, { version, value }] of listed) change(key, version, value)
    advanced = false
    synced.resolve()
    return page.metadata.resourceVersion
  }

  /** Watches until the server ends it; returns the milliseconds to wait before the next. */
  async function watch(from: string): Promise<number> {
    metrics.count('reflector_watches_total', labels)
    const started = clock.elapsed()
    const query = {
      ...selection,
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(Math.round(watchSeconds * (1 + random()))),
    }
    let events = 0
    await ask(query, watchSilenceMs, async (response) => {
      for await (const line of linesOf(response)) {
        if (stopped.signal.aborted) return
        take(JSON.parse(line))
        events += 1
      }
    })
    const openMs = clock.elapsed() - started
    if (events === 0 && openMs < watchFloorMs) throw new Error(`${path}: the server ended a watch after ${openMs} ms`)
    return Math.max(0, watchFloorMs - openMs)
  }

  function take(event: WatchEvent): void {
    if (event.type === 'ERROR') {
      const { code, message = '' } = event.object
      throw new ApiError(`${path}: the watch ended with ${code}: ${message}`, code, event.object)
    }
    const { object } = event
    if (event.type === 'DELETED') change(keyOf(object), null, null)
    else if (event.type !== 'BOOKMARK') change(keyOf(object), versionOf(object), project(object))
    resourceVersion = object.metadata.resourceVersion
    backoffMs = shortestBackoffMs
    faults = 0
    advanced = true
  }

  function change(key: string, version: Version | null, value: T | null): void {
    if (stopped.signal.aborted) return
    const before = store.get(key)
    const same = before?.version.resourceVersion === version?.resourceVersion && before?.version.uid === version?.uid
    if (version !== null && value !== null) store.set(key, { version, value })
    else store.delete(key)
    try {
      onSeen(key, version)
      if (!same && (before !== null || value !== null)) onChange(key)
    } catch (error) {
      // A fault of our own, such as in `onChange`, which a new list would only hide.
      clock.after(0, () => {
        throw error
      })
    }
  }

  /** One GET. Ends with an error when the server is silent for too long, and with an ApiError when it refuses. */
  async function ask<R>(
    query: Readonly<Record<string, string>>,
    silenceMs: number,
    read: (response: HttpResponse) => Promise<R>,
  ): Promise<R> {
    exchange = new AbortController()
    if (stopped.signal.aborted) exchange.abort()
    const { signal } = exchange
    const tooSilent = (): void =>
      exchange.abort(new Error(`${path}: not a word from the server for ${silenceMs / 1000} s`))
    let cancel = clock.after(silenceMs, tooSilent)
    try {
      const response = await transport({ method: 'GET', path, query, signal, apart: 'watch' in query })
      answeredMs = clock.elapsed()
      if (response.status !== 200) throw await refusalOf(path, response)
      return await read({ ...response, body: heard(response.body) })
    } catch (error) {
      // What the connection says of being cut by us is not the reason.
      throw signal.aborted ? signal.reason : error
    } finally {
      cancel()
    }

    async function* heard(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
      for await (const part of body) {
        heardMs = clock.elapsed()
        cancel()
        cancel = clock.after(silenceMs, tooSilent)
        yield part
      }
    }
  }
}

type Page = {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
  readonly items: readonly ApiObject[] | null
}

type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: ApiObject }
  | { readonly type: 'ERROR'; readonly object: Refusal & { readonly code: number } }

function versionOf({ metadata: { uid, resourceVersion } }: ApiObject): Version {
  return { uid, resourceVersion }
}

/** Lines of a body. What follows the last line break was cut off and is not given. */
async function* linesOf({ body }: HttpResponse): AsyncIterable<string> {
  let rest: Uint8Array[] = []
  for await (const part of body) {
    let start = 0
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, start)) {
      yield Buffer.concat([...rest, part.subarray(start, end)]).toString()
      rest = []
      start = end + 1
    }
    rest.push(part.subarray(start))
  }
}
