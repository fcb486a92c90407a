import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Clock } from './clock.ts'
import type { Metrics } from './metrics.ts'

/** One authenticated exchange with the API server. Rejects when there is no answer; an answer of any status resolves. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** The path from the server's root, without a query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** The request's body, sent as JSON. */
  readonly body?: object
  /** The body's content type; default: application/json. */
  readonly contentType?: string
  /** This exchange never waits for others to end: for a request that others wait for, and for a watch, which may not end for long. */
  readonly apart?: boolean
  /** Aborting ends the exchange at once, also while its body is read: the promise or the iteration then rejects. */
  readonly signal: AbortSignal
}

export type HttpResponse = {
  readonly status: number
  /** Headers by name in lower case. */
  readonly headers: IncomingHttpHeaders
  /** It must be read to the end or left (`break`, `return`); else its connection stays taken. */
  readonly body: AsyncIterable<Uint8Array>
}

export type ClosableTransport = Transport & {
  /** Every exchange under way, and every later one, ends with an error. */
  readonly close: () => void
}

export type Credentials = {
  readonly headers?: Readonly<Record<string, string>>
  /** Certificates and the like. With another object new connections are opened, and the old ones end with their exchanges. */
  readonly tls?: AgentOptions
  /** An agent, such as for a proxy, to use instead of the transport's own connections. */
  readonly agent?: HttpAgent
}

/** Exchanges at the same time, those `apart` not counted; client-go by default allows 50 a second. */
const connectionLimit = 64
/** The API server closes a connection that was idle for 90 s, load balancers before it after 60 s: ours must close first. */
const idleMs = 30_000

/** `server` is a URL with or without a path. `credentialsOf` is asked before each request. */
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
      // Without this header Node would send the body of a DELETE without its length.
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

  /** One agent for exchanges that may wait for each other, one for those `apart`. */
  function openAgents(): readonly [HttpAgent, HttpAgent] {
    const limited = { ...settled, maxSockets: connectionLimit }
    // Certificates are read once here, not once per connection.
    const known = { ...tls, secureContext: createSecureContext(tls) }
    return secure
      ? [new HttpsAgent({ ...limited, ...known }), new HttpsAgent({ ...settled, ...known })]
      : [new HttpAgent(limited), new HttpAgent(settled)]
  }
}

/** Exchanges under way go on; their connections are not kept for later. */
function retire(agent: HttpAgent): void {
  agent.maxFreeSockets = 0
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

/** The transport, with each exchange counted and timed under client-go's names. */
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

/** The transport, and how many milliseconds ago the server last answered, whatever the answer. */
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

/** Rejects when the signal is aborted: credentials may come from a program that hangs. */
function unlessAborted<R>(promise: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** The whole body as text. */
export async function bodyText({ body }: HttpResponse): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString()
}
