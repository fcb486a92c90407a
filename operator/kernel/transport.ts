import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Clock } from './clock.ts'
import type { Metrics } from './metrics.ts'

/** One exchange with the API server, authenticated. Rejects when there is no answer; an answer of any status resolves. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** From the root of the server, without a query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: object
  /** Of the body; application/json unless given. */
  readonly contentType?: string
  /** Never waits for other exchanges to end: what others wait for, and a watch, which itself may not end for long. */
  readonly apart?: boolean
  /** Aborting ends the exchange at once, also while its body is read: the promise or the iteration rejects. */
  readonly signal: AbortSignal
}

export type HttpResponse = {
  readonly status: number
  /** By name in lower case. */
  readonly headers: IncomingHttpHeaders
  /** Must be read or left (`break`, `return`), or its connection stays taken. */
  readonly body: AsyncIterable<Uint8Array>
}

export type ClosableTransport = Transport & {
  /** Every exchange under way ends with an error, and every later one. */
  readonly close: () => void
}

export type Credentials = {
  readonly headers?: Readonly<Record<string, string>>
  /** Certificates and the like. Another object than before: new connections are opened, and the old ones end with their exchanges. */
  readonly tls?: AgentOptions
  /** Instead of the transport's own connections, such as through a proxy. */
  readonly agent?: HttpAgent
}

/** Exchanges at the same time, those apart not counted; client-go's default rate is 50 a second at most. */
const connectionLimit = 64
/** The API server closes a connection that was idle for 90 s, balancers before it after 60 s: we must be first. */
const idleMs = 30_000

/** To `server`, with or without a path. `credentialsOf` is asked before each request. */
export function httpTransport(server: string, credentialsOf: () => Promise<Credentials>): ClosableTransport {
  const root = server.replace(/\/$/, '')
  const secure = root.startsWith('https:')
  const settled: AgentOptions = { keepAlive: true, timeout: idleMs }
  const underWay = new Set<ClientRequest>()
  let isClosed = false
  let tls: AgentOptions = {}
  let agents = openAgents()

  return Object.assign(exchange, {
    close() {
      isClosed = true
      for (const sent of underWay) sent.destroy(closedError())
      for (const agent of agents) agent.destroy()
    },
  })

  async function exchange({ method, path, query = {}, body, ...request }: HttpRequest): Promise<HttpResponse> {
    const { signal, contentType = 'application/json' } = request
    const credentials = await unlessAborted(credentialsOf(), signal)
    if (isClosed) throw closedError()
    if (credentials.tls !== undefined && credentials.tls !== tls) {
      tls = credentials.tls
      agents.forEach(retire)
      agents = openAgents()
    }
    const agent = credentials.agent ?? agents[request.apart === true ? 1 : 0]
    const search = new URLSearchParams(query).toString()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      accept: 'application/json',
      ...credentials.headers,
      // Node would send the body of a DELETE without its length.
      ...(text === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }),
    }
    return new Promise((resolve, reject) => {
      const sent = (secure ? httpsRequest : httpRequest)(
        root + path + (search === '' ? '' : `?${search}`),
        { agent, method, headers, signal },
        (response) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response }),
      )
      underWay.add(sent)
      sent.on('error', reject)
      sent.on('close', () => underWay.delete(sent))
      sent.end(text)
    })
  }

  function closedError(): Error {
    return new Error(`${root}: the transport was closed`)
  }

  /** One for exchanges that may wait for one another, one for those apart. */
  function openAgents(): readonly [HttpAgent, HttpAgent] {
    const limited = { ...settled, maxSockets: connectionLimit }
    // Read once, and not for each connection.
    const known = { ...tls, secureContext: createSecureContext(tls) }
    return secure
      ? [new HttpsAgent({ ...limited, ...known }), new HttpsAgent({ ...settled, ...known })]
      : [new HttpAgent(limited), new HttpAgent(settled)]
  }
}

/** What is under way goes on; nothing is kept for later. */
function retire(agent: HttpAgent): void {
  agent.maxFreeSockets = 0
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

/** Counts and times each exchange under client-go's names. */
export function counted({
  clock,
  transport,
  metrics,
}: {
  readonly clock: Clock
  readonly transport: Transport
  readonly metrics: Metrics
}): Transport {
  return async (request) => {
    const { method } = request
    const started = clock.elapsed()
    let code = '<error>'
    try {
      const response = await transport(request)
      code = String(response.status)
      return response
    } finally {
      metrics.count('rest_client_requests_total', { code, method })
      metrics.observe('rest_client_request_duration_seconds', { method }, (clock.elapsed() - started) / 1000)
    }
  }
}

/** The same, and how many milliseconds ago the server last answered, whatever it was. */
export function heard(
  clock: Clock,
  transport: Transport,
): { readonly transport: Transport; readonly silentMs: () => number } {
  let answeredMs = clock.elapsed()
  return {
    async transport(request) {
      const response = await transport(request)
      answeredMs = clock.elapsed()
      return response
    },
    silentMs: () => clock.elapsed() - answeredMs,
  }
}

/** Credentials may come from a program that hangs. */
function unlessAborted<R>(promise: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** The whole body as text. */
export async function textOf({ body }: HttpResponse): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString()
}
