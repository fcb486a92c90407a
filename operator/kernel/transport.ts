import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https'
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

/** `optionsOf` gives certificates and headers before each request, so that a token may change in between. */
export function httpTransport(server: string, optionsOf: () => Promise<RequestOptions>): Transport {
  const root = server.replace(/\/$/, '')
  const secure = root.startsWith('https:')
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  return async ({ method, path, query = {}, body, contentType = 'application/json', signal }) => {
    const options = await unlessAborted(optionsOf(), signal)
    const search = new URLSearchParams(query).toString()
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      ...options.headers,
      accept: 'application/json',
      // Node would send the body of a DELETE without its length.
      ...(text === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }),
    }
    return new Promise((resolve, reject) => {
      const sent = (secure ? httpsRequest : httpRequest)(
        root + path + (search === '' ? '' : `?${search}`),
        { agent, ...options, method, headers, signal },
        (response) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response }),
      )
      sent.on('error', reject)
      sent.end(text)
    })
  }
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
