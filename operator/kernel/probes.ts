import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** null when all is well, else in a few words what is not. */
export type Check = () => string | null

export type ProbeOptions = {
  /** 0 takes any that is free. */
  readonly port: number
  /** All addresses unless given. */
  readonly host?: string
  /** By name; /healthz fails with any of them, and the kubelet starts the container anew: only for what that would cure. */
  readonly live: Readonly<Record<string, Check>>
  /** By name; /readyz fails with any of them. */
  readonly ready: Readonly<Record<string, Check>>
  /** What /metrics says. */
  readonly metrics: { readonly text: () => Promise<string>; readonly contentType: string }
}

export type Probes = { readonly port: number; readonly stop: () => Promise<void> }

/** /healthz, /readyz (each check by name with `?verbose`, or when one fails) and /metrics. That it answers says that the event loop turns. */
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

/** As the API server writes them. */
function lineOf({ name, reason }: Result): string {
  return reason === null ? `[+]${name} ok` : `[-]${name} failed: ${reason}`
}

/** What a pass waits for has a deadline, each of them: one that takes longer than all of those together never ends. */
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
 * Who asks all the time and gets no answer for 5 min, while others do, will not get one in this process. Where nobody gets one, to
 * start anew is no cure. `othersMs`: since the API server answered anybody else.
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

/** `parts` are there when the check is made. */
export function allSynced(parts: Iterable<{ readonly name: string; readonly synced: Promise<unknown> }>): Check {
  const waiting = new Set<{ readonly name: string }>(parts)
  for (const part of parts) void part.synced.then(() => waiting.delete(part))
  return () => (waiting.size === 0 ? null : `not yet read: ${namesOf([...waiting])}`)
}

function namesOf(parts: readonly { readonly name: string }[]): string {
  return parts.map(({ name }) => name).join(', ')
}
