// A proxy before a real API server that does to requests what networks and servers do to them, by a seed: plain HTTP in front, the
// kubeconfig's TLS and credentials behind.
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../cli/kubernetes.ts'
import {
  type Asked,
  askedOf,
  canBefall,
  type Draw,
  drawn,
  type Fault,
  faults,
  isWork,
  openDraws,
  type Rates,
  refusals,
  statusOf,
} from './faults.ts'

export type FaultProxyOptions = {
  /** Of the API server behind. */
  readonly kubeconfig: string
  readonly seed: number
  readonly rates?: Rates
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
  readonly die: () => void
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
  const drawFor = openDraws(seed)
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
    die,
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
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://proxy')
    const asked = askedOf(request.method ?? '', pathname, searchParams)
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
      case 'tooMany':
      case 'error':
      case 'gone':
        return refuse(response, fault)
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
        return refuse(response, fault)
    }
    const { 'transfer-encoding': _, ...headers } = answer.headers
    response.writeHead(answer.statusCode ?? 502, { ...headers, 'content-length': text.length })
    if (fault !== 'cutAnswer') return void response.end(text)
    response.write(text.subarray(0, text.length / 2), () => breakOff(response))
  }

  function someMs(share: number): number {
    const [from, to] = whileMs
    return from + share * (to - from)
  }

  function faultOf(asked: Asked, draw: Draw): Fault | null {
    const place = scripted.findIndex(({ fault, isMeant }) => canBefall(fault, asked) && isMeant(asked))
    if (place >= 0) return scripted.splice(place, 1)[0]!.fault
    if (paused || spare(asked)) return null
    return drawn(rates, asked, draw)
  }

  function isDeath(asked: Asked): boolean {
    if (death === null || !isWork(asked)) return false
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
    draw: Draw,
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

function breakOff(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

function refuse(response: ServerResponse, fault: Fault): void {
  const { code, reason } = refusals[fault]!
  response
    .writeHead(code, { 'content-type': 'application/json', ...(code === 429 && { 'retry-after': '1' }) })
    .end(JSON.stringify(statusOf(code, reason)))
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
