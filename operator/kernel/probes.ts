import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** null when all is well, else in a few words what is amiss. */
export type Check = () => string | null

export type ProbeOptions = {
  /** The port; 0 takes any that is free. */
  readonly port: number
  /** The address to listen on; default: all. */
  readonly host?: string
  /** Checks by name; /healthz fails with any of them, and the kubelet restarts the container: only for faults that a restart cures. */
  readonly live: Readonly<Record<string, Check>>
  /** Checks by name; /readyz fails with any of them. */
  readonly ready: Readonly<Record<string, Check>>
  /** What /metrics says. */
  readonly metrics: { readonly text: () => Promise<string>; readonly contentType: string }
}

export type Probes = { readonly port: number; readonly stop: () => Promise<void> }

/**
 * Serves /healthz, /readyz (checks by name with `?verbose`, or when one fails) and /metrics. Any answer shows that the event loop turns.
 */
export async function serveProbes({ port, host, live, ready, metrics }: ProbeOptions): Promise<Probes> {
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => void answer(request, response))
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port, // of a TCP server
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  async function answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(url, 'http://probes')
    if (method !== 'GET' && method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end()
    switch (pathname) {
      case '/healthz':
      case '/readyz': {
        const name = pathname.slice(1)
        const results = Object.entries(pathname === '/healthz' ? live : ready).map(resultOf)
        const passed = results.every(({ reason }) => reason === null)
        const lines = results.map(lineOf)
        const verdict = `${name} check ${passed ? 'passed' : 'failed'}`
        const text = passed && !searchParams.has('verbose') ? 'ok' : [...lines, verdict].join('\n')
        return void response.writeHead(passed ? 200 : 500, { 'content-type': 'text/plain' }).end(`${text}\n`)
      }
      case '/metrics':
        try {
          const text = await metrics.text()
          return void response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
        } catch (error) {
          return void response.writeHead(500).end(`${error}\n`)
        }
    }
    response.writeHead(404).end()
  }
}

type Result = { readonly name: string; readonly reason: string | null }

function resultOf([name, check]: readonly [string, Check]): Result {
  try {
    return { name, reason: check() }
  } catch (error) {
    return { name, reason: String(error) }
  }
}

/** A check's line, as the API server writes it. */
function lineOf({ name, reason }: Result): string {
  return reason === null ? `[+]${name} ok` : `[-]${name} failed: ${reason}`
}

/** Whether passes end. Each request of a pass has a deadline: a pass that takes longer than all of them together never ends. */
export function passesEnd(
  queues: () => Iterable<{ readonly name: string; readonly longestWorkMs: () => number }>,
  longestMs: number,
): Check {
  return () => {
    const stuck = [...queues()].filter(({ longestWorkMs }) => longestWorkMs() > longestMs)
    return stuck.length === 0 ? null : `a key has been in work for more than ${longestMs / 1000} s: ${namesOf(stuck)}`
  }
}

/**
 * Whether each collection is answered. One that gets no answer for 5 min, while others do, will get none in this process. Where nothing
 * is answered, a restart is no cure. `othersMs`: milliseconds since the API server answered anything else.
 */
export function allAnswered(
  askers: () => Iterable<{ readonly name: string; readonly unansweredMs: () => number }>,
  othersMs: () => number,
): Check {
  return () => {
    const all = [...askers()]
    const silent = all.filter(({ unansweredMs }) => unansweredMs() > longestSilenceMs)
    const heardMs = Math.min(othersMs(), ...all.map(({ unansweredMs }) => unansweredMs()))
    if (silent.length === 0 || heardMs > longestSilenceMs) return null
    return `no answer for more than ${longestSilenceMs / 1000} s, while the API server answers others: ${namesOf(silent)}`
  }
}

const longestSilenceMs = 300_000

/** Whether all parts are synced. `parts` is read when the check is made. */
export function allSynced(parts: Iterable<{ readonly name: string; readonly synced: Promise<unknown> }>): Check {
  const waiting = new Set<{ readonly name: string }>(parts)
  for (const part of parts) void part.synced.then(() => waiting.delete(part))
  return () => (waiting.size === 0 ? null : `not yet read: ${namesOf([...waiting])}`)
}

function namesOf(parts: readonly { readonly name: string }[]): string {
  return parts.map(({ name }) => name).join(', ')
}
