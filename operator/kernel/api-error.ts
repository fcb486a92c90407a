import { type HttpResponse, textOf } from './transport.ts'

/** A server asking for more than this is not believed. */
const longestRetryAfterMs = 300_000

/** What a Status says of one field. */
export type Cause = { readonly reason?: string; readonly message?: string; readonly field?: string }

/** The API server, or something before it, answered and refused. */
export class ApiError extends Error {
  /** Of HTTP. */
  readonly status: number
  /** Kubernetes' own word: AlreadyExists, Conflict, Forbidden, NotFound, Invalid and so on; empty if the answer has none. */
  readonly reason: string
  readonly causes: readonly Cause[]
  /** How long the server asks to be left alone, 5 min at most; 0 if it does not. */
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

/** Of a Kubernetes Status what a client needs. */
export type Refusal = {
  readonly message?: string
  readonly reason?: string
  readonly details?: { readonly causes?: readonly Cause[]; readonly retryAfterSeconds?: number }
}

/** `what` was asked, to begin the message with. Reads the body. */
export async function refusalOf(what: string, response: HttpResponse): Promise<ApiError> {
  const text = await textOf(response)
  // Given in seconds by the API server; a date, as a proxy may send, counts as none.
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
