// What networks and servers do to requests, by a seed. What befalls a request depends on the seed, its method and path, and how often it was
// asked before, and not on the order in which requests of different paths come.
import { createHash } from 'node:crypto'

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

/** By fault the share of the requests that it can befall, from 0 to 1; 0 unless given. */
export type Rates = Readonly<Partial<Record<Fault, number>>>

export function canBefall(fault: Fault, { kind }: Asked): boolean {
  const concern: Concern = table[fault]
  return concern.includes(kind)
}

/** Of a request the lot that decides what befalls it, and how: a number from 0 to less than 1 by what is drawn for. */
export type Draw = (what: string) => number

/** One for each who asks. Names of namespaces, and long numbers such as the minute in the name of a Run, are the same to it. */
export function openDraws(seed: number): (asked: Asked) => Draw {
  const occurrences = new Map<string, number>()
  return ({ method, path, kind }) => {
    const place = `${method} ${kind} ${path.replace(/\/namespaces\/[^/]+/, '').replace(/\d{6,}/g, '#')}`
    const occurrence = occurrences.get(place) ?? 0
    occurrences.set(place, occurrence + 1)
    return (what) =>
      createHash('sha256').update(`${seed} ${place} ${occurrence} ${what}`).digest().readUIntBE(0, 6) / 2 ** 48
  }
}

/** The first that is drawn. */
export function drawn(rates: Rates, asked: Asked, draw: Draw): Fault | null {
  return (
    faults.find((fault) => (rates[fault] ?? 0) > 0 && canBefall(fault, asked) && draw(fault) < rates[fault]!) ?? null
  )
}

export function askedOf(method: string, path: string, query: URLSearchParams): Asked {
  const kind = method !== 'GET' ? 'write' : query.has('watch') ? 'watch' : query.has('limit') ? 'list' : 'get'
  return { method, path, query, kind }
}

/** Leases and Events are no part of what is to be brought in line. */
export function isWork({ kind, path }: Asked): boolean {
  return kind === 'write' && !/\/(?:leases|events)(?:\/|$)/.test(path)
}

export function statusOf(code: number, reason: string): object {
  const message = `a fault says ${code}`
  return { apiVersion: 'v1', kind: 'Status', status: 'Failure', code, reason, message }
}

/** What is answered instead of being done. */
export const refusals: Readonly<Partial<Record<Fault, { readonly code: number; readonly reason: string }>>> = {
  conflict: { code: 409, reason: 'Conflict' },
  tooMany: { code: 429, reason: 'TooManyRequests' },
  error: { code: 500, reason: 'InternalError' },
  errorWhenDone: { code: 500, reason: 'InternalError' },
  gone: { code: 410, reason: 'Expired' },
}
