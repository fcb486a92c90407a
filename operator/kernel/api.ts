import { ApiError, refusalOf } from './api-error.ts'
import type { Clock } from './clock.ts'
import type { Metrics } from './metrics.ts'
import { bodyText, counted, type HttpRequest, type HttpResponse, type Transport } from './transport.ts'

export { ApiError } from './api-error.ts'

export type ApiPorts = {
  readonly clock: Clock
  readonly transport: Transport
  readonly metrics: Metrics
  /** Asked before each write; where it says false nothing is sent. */
  readonly mayWrite: () => boolean
}

export type ApiOptions = {
  /** The name under which Kubernetes keeps who wrote each field. */
  readonly fieldManager: string
  /** How long from now a write may be under way, such as a Lease's `safeMs`. Default: as long as a read. */
  readonly writeDeadlineMs?: () => number
}

export type Query = Readonly<Record<string, string>>

export type DeleteOptions = {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
  readonly gracePeriodSeconds?: number
}

/**
 * The API server's verbs. Paths are whole, such as `/apis/batch/v1/namespaces/ns/jobs/name`, or with `/status` behind. Only the caller
 * knows what T is. A refusal is an ApiError, except 404 where null or false stands for it. Without an answer within 30 s, or with a
 * broken one, the error is another: a write may then have been done all the same.
 */
export type Api = {
  readonly get: <T>(path: string, query?: Query) => Promise<T | null>
  /** A Pod's log or its like. Of more than 8 MiB only the end is given, from the beginning of a line; null: 404. */
  readonly getText: (path: string, query?: Query) => Promise<string | null>
  /** All pages of a list. Items of built-in kinds come without `apiVersion` and `kind`. */
  readonly list: <T>(path: string, query?: Query) => Promise<readonly T[]>
  readonly create: <T>(path: string, object: object, query?: Query) => Promise<T>
  readonly replace: <T>(path: string, object: object) => Promise<T>
  readonly patch: <T>(path: string, patch: object, kind: PatchKind, query?: Query) => Promise<T>
  /** false: it was not there. */
  readonly delete: (path: string, options?: DeleteOptions) => Promise<boolean>
}

/** Nothing was sent: this process may not write, or may no longer. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError'
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  // The body is JSON, which is YAML.
  apply: 'application/apply-patch+yaml',
}

export type PatchKind = keyof typeof patchTypes

const deadlineMs = 30_000
const pageSize = 500
const textLimitBytes = 8 * 2 ** 20

export function openApi(ports: ApiPorts, { fieldManager, writeDeadlineMs = () => Infinity }: ApiOptions): Api {
  const { clock, mayWrite } = ports
  const transport = counted(ports)
  // The server refuses fields that it does not know, instead of dropping them silently.
  const manager = { fieldManager, fieldValidation: 'Strict' }

  return {
    get: <T>(path: string, query: Query = {}) => orNull(read<T>(path, query, jsonOf)),
    getText: (path, query = {}) => orNull(read(path, query, endOf)),
    async list<T>(path: string, query: Query = {}) {
      try {
        return await pages<T>(path, query)
      } catch (error) {
        // The server has forgotten the state that the first page was of: begin anew.
        if (error instanceof ApiError && error.status === 410) return pages(path, query)
        throw error
      }
    },
    create: (path, object, query) => write({ method: 'POST', path, body: object, query: { ...manager, ...query } }),
    replace: (path, object) => write({ method: 'PUT', path, body: object, query: manager }),
    patch: (path, patch, kind, query) =>
      write({ method: 'PATCH', path, body: patch, contentType: patchTypes[kind], query: { ...manager, ...query } }),
    async delete(path, options = {}) {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...options }
      return (await orNull(write({ method: 'DELETE', path, body }))) !== null
    },
  }

  async function pages<T>(path: string, query: Query): Promise<readonly T[]> {
    const items: T[] = []
    let from = ''
    do {
      const page = await read<Page<T>>(
        path,
        { ...query, limit: String(pageSize), ...(from === '' ? {} : { continue: from }) },
        jsonOf,
      )
      for (const item of page.items ?? []) items.push(item)
      from = page.metadata.continue ?? ''
    } while (from !== '')
    return items
  }

  /** A connection that breaks is tried once more, as an idle one may break just when it is used. Asking twice does no harm. */
  async function read<R>(path: string, query: Query, take: (response: HttpResponse) => Promise<R>): Promise<R> {
    const started = clock.elapsed()
    const request = { method: 'GET', path, query } as const
    try {
      return await exchange(request, deadlineMs, take)
    } catch (error) {
      const leftMs = deadlineMs - (clock.elapsed() - started)
      if (!isReset(error) || leftMs <= 0) throw error
      return exchange(request, leftMs, take)
    }
  }

  async function write<T>(request: Omit<HttpRequest, 'signal'>): Promise<T> {
    const timeMs = Math.min(deadlineMs, writeDeadlineMs())
    if (!mayWrite() || timeMs <= 0)
      throw new NotLeaderError(`${request.method} ${request.path}: not sent, for another may be the leader`)
    return exchange<T>(request, timeMs, jsonOf)
  }

  async function exchange<R>(
    request: Omit<HttpRequest, 'signal'>,
    timeMs: number,
    take: (response: HttpResponse) => Promise<R>,
  ): Promise<R> {
    const what = `${request.method} ${request.path}`
    const over = new AbortController()
    const cancel = clock.after(timeMs, () => over.abort(new Error(`${what}: no answer within ${timeMs / 1000} s`)))
    try {
      const response = await transport({ ...request, signal: over.signal })
      if (response.status >= 300) throw await refusalOf(what, response)
      return await take(response)
    } catch (error) {
      // What the connection says of being cut by us is not the reason.
      if (over.signal.aborted) throw over.signal.reason
      if (error instanceof ApiError) throw error
      throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error })
    } finally {
      cancel()
    }
  }
}

type Page<T> = { readonly metadata: { readonly continue?: string }; readonly items: readonly T[] | null }

async function orNull<R>(asked: Promise<R>): Promise<R | null> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw error
  }
}

async function jsonOf<T>(response: HttpResponse): Promise<T> {
  return JSON.parse(await bodyText(response))
}

/** Reads the body to its end, and holds no more than the limit and one chunk of it. */
async function endOf({ body }: HttpResponse): Promise<string> {
  const parts: Uint8Array[] = []
  let [sizeBytes, cut] = [0, false]
  for await (const part of body) {
    parts.push(part)
    sizeBytes += part.length
    while (sizeBytes - parts[0]!.length >= textLimitBytes) {
      sizeBytes -= parts.shift()!.length
      cut = true
    }
  }
  const whole = Buffer.concat(parts)
  if (!cut && sizeBytes <= textLimitBytes) return whole.toString()
  const end = whole.subarray(sizeBytes - textLimitBytes)
  return end.subarray(end.indexOf(10) + 1).toString()
}

function isReset(error: unknown): boolean {
  const { code } = error instanceof Error ? ((error.cause ?? {}) as { readonly code?: unknown }) : {}
  return code === 'ECONNRESET' || code === 'EPIPE'
}
