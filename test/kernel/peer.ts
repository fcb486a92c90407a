// An API server's list and watch over HTTP, with the faults that one asks for. Its versions are text without order.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { httpTransport, type Transport } from '../../operator/kernel/transport.ts'

export type Misbehaviour =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly body?: string }
  /** The connection breaks before the answer, */
  | { readonly kind: 'reset' }
  /** or after half of it, */
  | { readonly kind: 'cut' }
  /** or nothing ever comes. */
  | { readonly kind: 'hang' }

export type Peer = {
  readonly transport: Transport
  /** What was asked, in order: `list`, `list …` from a page on, or `watch` with where it begins. */
  readonly asked: readonly string[]
  readonly queries: readonly URLSearchParams[]
  /** Told to the watches, too. */
  readonly put: (name: string, fields?: Readonly<Record<string, unknown>>) => string
  readonly remove: (name: string) => void
  /** Done to the next requests, one each; null answers one as it should be. */
  readonly misbehave: (...list: readonly (Misbehaviour | null)[]) => void
  /** Versions up to now are no longer good to begin a watch at. */
  readonly compact: () => void
  /** To every open watch, as it is. */
  readonly say: (text: string | Uint8Array) => void
  readonly bookmark: () => string
  readonly endWatches: () => void
  readonly resetWatches: () => void
  readonly openWatches: () => number
  readonly stop: () => Promise<void>
}

type Happening = { readonly type: string; readonly object: Record<string, unknown>; readonly version: string }

export async function startPeer(): Promise<Peer> {
  const objects = new Map<string, Record<string, unknown>>()
  const history: Happening[] = []
  const versions = [textOfVersion(0)]
  const asked: string[] = []
  const queries: URLSearchParams[] = []
  const misbehaviours: (Misbehaviour | null)[] = []
  const watches = new Set<ServerResponse>()
  const sockets = new Set<Socket>()
  let oldest = 0
  let uids = 0

  const server = createServer(answer)
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // of a TCP server

  return {
    transport: httpTransport(`http://127.0.0.1:${port}`, async () => ({})),
    asked,
    queries,
    put(name, fields = {}) {
      const version = nextVersion()
      const before = objects.get(name)
      const uid = (before?.['metadata'] as { uid: string } | undefined)?.uid ?? `uid-${++uids}`
      const object = { ...fields, metadata: { namespace: 'ns', name, uid, resourceVersion: version } }
      objects.set(name, object)
      happen({ type: before === undefined ? 'ADDED' : 'MODIFIED', object, version })
      return version
    },
    remove(name) {
      const version = nextVersion()
      const { metadata, ...rest } = objects.get(name) as { metadata: object }
      objects.delete(name)
      happen({ type: 'DELETED', object: { ...rest, metadata: { ...metadata, resourceVersion: version } }, version })
    },
    misbehave: (...list) => void misbehaviours.push(...list),
    compact() {
      oldest = versions.length
      nextVersion()
    },
    say,
    bookmark() {
      const version = nextVersion()
      say(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: version } } })}\n`)
      return version
    },
    endWatches: () => leaveWatches((watch) => watch.end()),
    resetWatches: () => leaveWatches((watch) => watch.socket?.resetAndDestroy()),
    openWatches: () => watches.size,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }

  function nextVersion(): string {
    return versions[versions.push(textOfVersion(versions.length)) - 1]!
  }

  function happen(happening: Happening): void {
    history.push(happening)
    say(lineOf(happening))
  }

  function say(text: string | Uint8Array): void {
    for (const watch of watches) watch.write(text)
  }

  function leaveWatches(how: (watch: ServerResponse) => void): void {
    for (const watch of watches) how(watch)
    watches.clear()
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const query = new URL(request.url!, 'http://peer').searchParams
    queries.push(query)
    const from = query.get('resourceVersion')
    asked.push(query.has('watch') ? `watch ${from}` : query.has('continue') ? `list ${query.get('continue')}` : 'list')
    const misbehaviour = misbehaviours.shift()
    switch (misbehaviour?.kind) {
      case 'reset':
        return void request.socket.resetAndDestroy()
      case 'hang':
        return
      case 'status': {
        const {
          status,
          retryAfter,
          body = JSON.stringify({ kind: 'Status', message: `says ${status}` }),
        } = misbehaviour
        return void response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end(body)
      }
    }
    if (query.has('watch')) return void watch(from!, response)
    const text = JSON.stringify(pageOf(Number(query.get('continue') ?? 0), Number(query.get('limit'))))
    if (misbehaviour?.kind !== 'cut') return void response.end(text)
    response.writeHead(200, { 'content-length': text.length })
    response.write(text.slice(0, text.length / 2), () => request.socket.resetAndDestroy())
  }

  function pageOf(start: number, limit: number): object {
    const end = start + limit
    const metadata = { resourceVersion: versions.at(-1), ...(end < objects.size ? { continue: String(end) } : {}) }
    return { metadata, items: [...objects.values()].slice(start, end) }
  }

  function watch(from: string, response: ServerResponse): void {
    const place = versions.indexOf(from)
    if (place < oldest) {
      const object = { kind: 'Status', code: 410, message: 'too old' }
      return void response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
    }
    response.flushHeaders()
    for (const happening of history) if (versions.indexOf(happening.version) > place) response.write(lineOf(happening))
    watches.add(response)
    response.on('close', () => watches.delete(response))
  }
}

function lineOf({ type, object }: Happening): string {
  return `${JSON.stringify({ type, object })}\n`
}

/** No order, neither as text nor as a number. */
function textOfVersion(index: number): string {
  return `${(index * 7919) % 1000}~${index}`
}
