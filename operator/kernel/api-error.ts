import { bodyText, type HttpResponse } from './transport.ts'

/** A longer Retry-After than this is not believed. */
const longestRetryAfterMs = 300_000

/** What a Status says of one field. */
export type Cause = { readonly reason?: string; readonly message?: string; readonly field?: string }

/** A refusal: the API server, or a proxy before it, answered with a status outside 200 to 299. */
export class ApiError extends Error {
  /** The HTTP status. */
  readonly status: number
  /** Kubernetes' own word: AlreadyExists, Conflict, Forbidden, NotFound, Invalid and so on; empty if the answer has none. */
  readonly reason: string
  readonly causes: readonly Cause[]
  /** How long the server asks to be left alone, 5 min at most; 0 if it asks for nothing. */
  readonly retryAfterMs: number

  constructor(message: string, status: number, { reason = '', details }: Refusal = {}, retryAfterMs = 0) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.reason = reason
    this.causes = details?.causes ?? []
    this.retryAfterMs = Math.min(Math.max(retryAfterMs, (details?.retryAfterSeconds ?? 0) * 1000), longestRetryAfterMs)
  }
}

/** What a client needs of a Kubernetes Status. */
export type Refusal = {
  readonly message?: string
  readonly reason?: string
  readonly details?: { readonly causes?: readonly Cause[]; readonly retryAfterSeconds?: number }
}

/** The error that a refusal stands for; reads the body. The message begins with `what`, which was asked for. */
export async function refusalOf(what: string, response: HttpResponse): Promise<ApiError> {
  const text = await bodyText(response)
  // The API server gives seconds; a date, as a proxy may send, counts as none.
  const retryAfterMs = (Number(response.headers['retry-after'] ?? 0) || 0) * 1000
  const refusal = readRefusal(text)
  const message = `${what}: ${response.status}: ${refusal.message ?? text.slice(0, 200)}`
  return new ApiError(message, response.status, refusal, retryAfterMs)
}

/** A proxy answers in words of its own, perhaps a whole page of them. */
function readRefusal(text: string): Refusal {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? read : {}
  } catch {
    return {}
  }
}
