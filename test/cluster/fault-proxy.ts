// A proxy before a real API server that does to requests what networks and servers do to them, by a seed: plain HTTP in front, the
// kubeconfig's TLS and credentials behind. What befalls a request depends on the seed, its method and path, and how often it was asked
// before, and not on the order in which requests of different paths come.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../cli/kubernetes.ts'

export type Asked = {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly kind: 'get' | 'list' | 'watch' | 'write'
}

/** Kinds of requests that a fault can befall. */
type Concern = readonly Asked['kind'][]

const reads: Concern = ['get', 'list']
const writes: Concern = ['write']
const watches: Concern = ['watch']
const all: Concern = [...reads, ...writes, ...watches]

const table = {
  /** Not done, and never answered. */
  drop: all,
  /** Not done; the connection breaks. */
  reset: all,
  /** Done, after a while. */
  delay: all,
  /** Done at once, and answered after a while. */
  answerLate: all,
  /** Done, and the connection breaks instead of the answer. */
  loseAnswer: [...reads, ...writes],
  /** Done, and the connection breaks within the answer. */
  cutAnswer: reads,
  /** Not done: answered 409 Conflict. */
  conflict: writes,
  /** Not done: answered 429 with Retry-After of 1 s. */
  tooMany: all,
  /** Not done: answered 500. */
  error: all,
  /** Done, and answered 500 all the same, as when the API server waits too long for etcd. */
  errorWhenDone: writes,
  /** Answered 410, as for a version or a page that is forgotten. */
  gone: ['list', 'watch'],
  /** Ended by the server, as it should be, after a while. */
  endWatch: watches,
  /** Broken after a while. */
  resetWatch: watches,
  /** Ended after a while by an ERROR of 410. */
  goneInWatch: watches,
  /** Open, and silent after a while. */
  stallWatch: watches,
  /** Each event comes late: whoever watches sees an old state. */
  slowWatch: watches,
  /** From this request on no request comes through and no answer, for a while; after it some of what was sent comes late. */
  partition: all,
} as const satisfies Record<string, Concern>

export type Fault = keyof typeof table

// The keys of a table of literals.
export const faults = Object.keys(table) as readonly Fault[]

export type FaultProxyOptions = {
  /** Of the API server behind. */
  readonly kubeconfig: string
  readonly seed: number
  /** By fault the share of the requests that it can befall, from 0 to 1; 0 unless given. */
  readonly rates?: Readonly<Partial<Record<Fault, number>>>
  /** Requests that nothing befalls by seed; partitions aside. */
  readonly spare?: (asked: Asked) => boolean
  /** How long a while is, from and to, in milliseconds; 10 to 500 unless given. */
  readonly whileMs?: readonly [number, number]
  /** When a connection breaks whose request was dropped; 60 s unless given. */
  readonly dropMs?: number
}

export type Exchange = {
  readonly asked: Asked
  readonly fault: Fault | null
  /** What the API server answered; null while it has not, or was not asked. */
  status: number | null
}

export type FaultProxy = {
  readonly url: string
  /** Path of a file that leads its reader through the proxy. */
  readonly kubeconfig: string
  /** Every request, in the order in which they came. */
  readonly exchanges: readonly Exchange[]
  /** How often each fault befell a request, partitions by their number. */
  readonly counts: () => Readonly<Record<Fault, number>>
  /** Nothing befalls requests by seed until `resume`; what has begun goes on. */
  readonly pause: () => void
  readonly resume: () => void
  /** Befalls the next request that is meant, before the seed is asked, paused or not. */
  readonly next: (fault: Fault, isMeant?: (asked: Asked) => boolean) => void
  /** Until `heal`. */
  readonly partition: () => void
  readonly heal: () => void
  /**
   * For the server it is as if the process behind died at the write of that number, counted from 0 and from now, Leases and Events
   * aside: with it done or not. Resolves then; nothing comes through any more until `revive`.
   */
  readonly dieAt: (write: number, isDone: boolean) => Promise<void>
  /** Also takes back a death to come. */
  readonly revive: () => void
  readonly stop: () => Promise<void>
}

export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { seed, rates = {}, spare = () => false, whileMs = [10, 500], dropMs = 60_000 } = options
  const config = await connect({ kubeconfig: options.kubeconfig, context: null })
  const credentials: RequestOptions = {}
  await config.applyToHTTPSOptions(credentials)
  const behind = config.getCurrentCluster()!.server.replace(/\/$/, '')
  const agent = new Agent({ keepAlive: true, ...(credentials as object) })

  const exchanges: Exchange[] = []
  const counts = Object.fromEntries(faults.map((fault) => [fault, 0])) as Record<Fault, number> // one for each
  const occurrences = new Map<string, number>()
  const scripted: { readonly fault: Fault; readonly isMeant: (asked: Asked) => boolean }[] = []
  const sockets = new Set<Socket>()
  let paused = false
  /** Resolved when there is no partition (any more). */
  let whole = Promise.withResolvers<void>()
  whole.resolve()
  let parted = false
  let death: { left: number; readonly isDone: boolean; readonly died: () => void } | null = null
  let dead = false

  const server = createServer((request, response) => void take(request, response).catch(() => breakOff(response)))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // of a TCP server
  const folder = mkdtempSync(join(tmpdir(), 'convoke-faults-'))

  return {
    url,
    kubeconfig: writeKubeconfig(folder, url),
    exchanges,
    counts: () => ({ ...counts }),
    pause: () => void (paused = true),
    resume: () => void (paused = false),
    next: (fault, isMeant = () => true) => void scripted.push({ fault, isMeant }),
    partition: part,
    heal,
    dieAt: (write, isDone) => new Promise((died) => void (death = { left: write, isDone, died })),
    revive() {
      dead = false
      death = null
    },
    stop: () =>
      new Promise((resolve) => {
        dead = true
        heal()
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
        agent.destroy()
        rmSync(folder, { recursive: true, force: true })
      }),
  }

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = askedOf(request)
    const body = await bytesOf(request)
    const draw = drawFor(asked)
    const dies = isDeath(asked)
    const fault = dead || dies ? null : faultOf(asked, draw)
    const exchange: Exchange = { asked, fault, status: null }
    exchanges.push(exchange)
    if (fault !== null) counts[fault] += 1
    if (fault === 'partition') {
      part()
      later(someMs(draw('lasts')), heal)
    }
    if (parted) {
      await whole.promise
      // It was on its way, or it was not; whoever sent it may be gone.
      if (draw('comes late') < 0.5) return breakOff(response)
    }
    if (dies && !death!.isDone) return die()
    if (dead) return breakOff(response)
    switch (fault) {
      case 'drop':
        return later(dropMs, () => breakOff(response))
      case 'reset':
        return breakOff(response)
      case 'delay':
        await sleep(someMs(draw('delay')))
        break
      case 'conflict':
        return refuse(response, 409, 'Conflict')
      case 'tooMany':
        return refuse(response, 429, 'TooManyRequests', { 'retry-after': '1' })
      case 'error':
        return refuse(response, 500, 'InternalError')
      case 'gone':
        return refuse(response, 410, 'Expired')
    }
    const answer = await forward(request, body)
    exchange.status = answer.statusCode ?? null
    if (asked.kind === 'watch') return stream(answer, response, fault, draw)
    const text = await bytesOf(answer)
    if (dies) return die()
    await whole.promise
    switch (fault) {
      case 'answerLate':
        await sleep(someMs(draw('delay')))
        break
      case 'loseAnswer':
        return breakOff(response)
      case 'errorWhenDone':
        return refuse(response, 500, 'InternalError')
    }
    const { 'transfer-encoding': _, ...headers } = answer.headers
    response.writeHead(answer.statusCode ?? 502, { ...headers, 'content-length': text.length })
    if (fault !== 'cutAnswer') return void response.end(text)
    response.write(text.subarray(0, text.length / 2), () => breakOff(response))
  }

  /** A number from 0 to less than 1 by what is drawn for; the same for the same seed. */
  function drawFor({ method, path, kind }: Asked): (what: string) => number {
    const place = `${method} ${kind} ${path}`
    const occurrence = occurrences.get(place) ?? 0
    occurrences.set(place, occurrence + 1)
    return (what) =>
      createHash('sha256').update(`${seed} ${place} ${occurrence} ${what}`).digest().readUIntBE(0, 6) / 2 ** 48
  }

  function someMs(drawn: number): number {
    const [from, to] = whileMs
    return from + drawn * (to - from)
  }

  function faultOf(asked: Asked, draw: (what: string) => number): Fault | null {
    const place = scripted.findIndex(({ fault, isMeant }) => canBefall(fault, asked) && isMeant(asked))
    if (place >= 0) return scripted.splice(place, 1)[0]!.fault
    if (paused || spare(asked)) return null
    return faults.find((fault) => canBefall(fault, asked) && draw(fault) < (rates[fault] ?? 0)) ?? null
  }

  function isDeath({ kind, path }: Asked): boolean {
    if (death === null || kind !== 'write' || /\/(?:leases|events)(?:\/|$)/.test(path)) return false
    death.left -= 1
    return death.left < 0
  }

  function die(): void {
    dead = true
    for (const socket of sockets) socket.resetAndDestroy()
    death?.died()
    death = null
  }

  function part(): void {
    if (parted) return
    parted = true
    whole = Promise.withResolvers()
  }

  function heal(): void {
    parted = false
    whole.resolve()
  }

  async function forward(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { host: _, connection: __, ...headers } = request.headers
    const sent = httpsRequest(behind + request.url, {
      agent,
      method: request.method!,
      headers: { ...(credentials.headers as object), ...headers },
    })
    sent.end(body)
    const [answer] = await once(sent, 'response')
    return answer
  }

  async function stream(
    answer: IncomingMessage,
    response: ServerResponse,
    fault: Fault | null,
    draw: (what: string) => number,
  ): Promise<void> {
    response.on('close', () => answer.destroy())
    response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' })
    response.flushHeaders()
    const end = fault === null ? undefined : watchEnds[fault]
    if (end !== undefined) later(someMs(draw('ends')), () => end(response))
    let stalled = false
    if (fault === 'stallWatch') later(someMs(draw('ends')), () => void (stalled = true))
    const lateMs = fault === 'slowWatch' || fault === 'answerLate' ? someMs(draw('delay')) : 0
    let told = Promise.resolve()
    for await (const part of answer) {
      const dueMs = performance.now() + lateMs
      told = told.then(async () => {
        if (lateMs > 0) await sleep(Math.max(0, dueMs - performance.now()))
        await whole.promise
        if (!stalled && !response.writableEnded) response.write(part)
      })
    }
    await told
    if (!stalled) response.end()
  }
}

/** Keeps no process alive. */
function later(milliseconds: number, act: () => void): void {
  setTimeout(act, milliseconds).unref()
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(message as AsyncIterable<Buffer>))
}

const watchEnds: Readonly<Partial<Record<Fault, (response: ServerResponse) => void>>> = {
  endWatch: (response) => response.end(),
  resetWatch: breakOff,
  goneInWatch: (response) => response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(410, 'Expired') })}\n`),
}

function canBefall(fault: Fault, { kind }: Asked): boolean {
  const concern: Concern = table[fault]
  return concern.includes(kind)
}

function askedOf({ method = '', url = '' }: IncomingMessage): Asked {
  const { pathname: path, searchParams: query } = new URL(url, 'http://proxy')
  const kind = method !== 'GET' ? 'write' : query.has('watch') ? 'watch' : query.has('limit') ? 'list' : 'get'
  return { method, path, query, kind }
}

function breakOff(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

function refuse(response: ServerResponse, code: number, reason: string, headers: object = {}): void {
  response
    .writeHead(code, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(statusOf(code, reason)))
}

function statusOf(code: number, reason: string): object {
  const message = `the fault proxy says ${code}`
  return { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason, message }
}

function writeKubeconfig(folder: string, server: string): string {
  const file = join(folder, 'kubeconfig')
  // JSON is YAML.
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'proxy', cluster: { server } }],
    users: [{ name: 'anybody', user: {} }],
    contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'anybody' } }],
    'current-context': 'proxy',
  }
  writeFileSync(file, JSON.stringify(config))
  return file
}
