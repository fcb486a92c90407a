import { expect } from 'vitest'
import type { HttpRequest, HttpResponse, Transport } from '../../operator/kernel/transport.ts'
import type { VirtualClock } from './virtual-clock.ts'

type Lease = { metadata: Record<string, unknown>; spec: Record<string, unknown> }

/** How a candidate's exchanges go: a lost answer, or one 6 s late, is of a request that was done. */
export type Line = 'good' | 'refused' | 'silent' | 'answer lost' | 'answer late'

/** The one Lease of an API server, with its conflicts. Each exchange takes 10 ms. */
export class LeaseServer {
  lease: Lease | null = null
  readonly holders: unknown[] = []
  #versions = 0
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  transport(line: () => Line): Transport {
    return async (request) => {
      const how = line()
      await this.#pass(10, request.signal)
      if (how === 'refused') throw new Error('ECONNREFUSED')
      if (how === 'silent') await this.#pass(Infinity, request.signal)
      const answer = this.#answer(request)
      if (how === 'answer late') await this.#pass(6000, request.signal)
      if (how === 'answer lost') throw new Error('ECONNRESET')
      return answer
    }
  }

  #pass(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const cancel = this.#clock.after(milliseconds, resolve)
      signal.addEventListener('abort', () => {
        cancel()
        reject(signal.reason)
      })
    })
  }

  #answer({ method, path, body }: HttpRequest): HttpResponse {
    const sent = body as Lease // of PUT and POST
    expect(path.split('/').slice(0, 7).join('/')).toBe('/apis/coordination.k8s.io/v1/namespaces/ns/leases')
    if (method === 'GET') return this.lease === null ? response(404, {}) : response(200, this.lease)
    const expected = method === 'POST' ? undefined : sent.metadata['resourceVersion']
    if (this.lease?.metadata['resourceVersion'] !== expected) return response(409, {})
    this.lease = structuredClone({ ...sent, metadata: { ...sent.metadata, resourceVersion: `v${++this.#versions}` } })
    if (this.holders.at(-1) !== sent.spec['holderIdentity']) this.holders.push(sent.spec['holderIdentity'])
    return response(200, this.lease)
  }
}

function response(status: number, body: object): HttpResponse {
  return {
    status,
    headers: {},
    body: (async function* () {
      yield Buffer.from(JSON.stringify(body))
    })(),
  }
}
