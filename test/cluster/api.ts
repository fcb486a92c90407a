// The API server's own HTTP, for tests that look at exactly what it is sent and what it answers.
import { Agent, request } from 'node:https'
import { connect } from '../../cli/kubernetes.ts'

/** The body is read as JSON; it is the text where it is none. `T` is what the caller knows of the API. */
export type Answer<T> = {
  readonly status: number
  readonly body: T
  /** What kubectl shows as `Warning: …`. */
  readonly warnings: readonly string[]
}

/** Of every object and of every list of the API, what tests look at. */
export type ApiObject = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly resourceVersion: string
    readonly [field: string]: unknown
  }
  readonly spec?: unknown
  readonly status?: unknown
}

/** What stands in the place of an object that is refused. */
export type Refusal = {
  readonly message: string
  readonly details?: { readonly causes?: readonly Cause[] }
}

export type Cause = { readonly reason: string; readonly message: string; readonly field: string }

export type Call = {
  /** An object goes as JSON, a text as it is. */
  readonly body?: object | string
  /** application/json. */
  readonly contentType?: string
  readonly accept?: string
}

export type Api = <T = ApiObject>(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  call?: Call,
) => Promise<Answer<T>>

/** kubectl's own content type; the server reads the text with the same reader of YAML as kubectl. */
export const serverSideApply = 'application/apply-patch+yaml'

export async function apiOf(kubeconfig: string): Promise<Api> {
  const config = await connect({ kubeconfig, context: null })
  const options: { ca?: string; headers?: Record<string, string> } = {}
  await config.applyToHTTPSOptions(options)
  const agent = new Agent({ keepAlive: true, maxSockets: 8, ...options })
  const { server } = config.getCurrentCluster()!
  return (method, path, { body, contentType = 'application/json', accept = 'application/json' } = {}) =>
    new Promise((done, fail) => {
      const headers = { ...options.headers, accept, ...(body === undefined ? {} : { 'content-type': contentType }) }
      const sent = request(server + path, { ...options, method, agent, headers }, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () =>
          done({
            status: response.statusCode ?? 0,
            body: read(Buffer.concat(parts).toString()),
            warnings: warningsIn(response.headers['warning']),
          }),
        )
      })
      sent.on('error', fail)
      sent.end(typeof body === 'object' ? JSON.stringify(body) : body)
    })
}

/** Of the header that holds them all. */
function warningsIn(header: string | undefined): readonly string[] {
  return [...(header ?? '').matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, warning]) =>
    warning!.replace(/\\(.)/g, '$1'),
  )
}

/**
 * What of an object that was sent is not in what was stored, each as its path and both values: what an API server does not know, or what a
 * feature gate holds back, it drops without a word. Null and what is empty are as good as absent; 1 and "1" are the same.
 */
export function lostOf(sent: unknown, stored: unknown, path = ''): readonly string[] {
  if (typeof sent !== 'object' || sent === null)
    return (sent ?? '') === (stored ?? '') || String(sent) === String(stored)
      ? []
      : [`${path}: ${JSON.stringify(sent)}, not ${JSON.stringify(stored)}`]
  return Object.entries(sent).flatMap(([name, value]) => {
    // Of a version that is asked for there is a later one after the writing.
    if (path === 'metadata' && name === 'resourceVersion') return []
    // Of a Secret; it is kept as data.
    if (path === '' && name === 'stringData') return lostOf(value, decoded(Object(stored).data), name)
    return lostOf(value, Object(stored)[name], path === '' ? name : `${path}.${name}`)
  })
}

function decoded(data: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(data).map(([name, text]) => [name, Buffer.from(text, 'base64').toString()]))
}

/** What the caller says it is; a test that is wrong about that fails at what it expects. */
function read<T>(text: string): T {
  try {
    return JSON.parse(text)
  } catch {
    return text as T
  }
}
