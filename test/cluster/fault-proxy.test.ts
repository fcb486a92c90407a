// The proxy does what it says: what is asked through it is compared with what the server has, asked without it.
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { transportOf } from '../../cli/cluster-transport.ts'
import { connect } from '../../cli/kubernetes.ts'
import { bodyText, httpTransport, type Transport } from '../../operator/kernel/transport.ts'
import { apiOf } from './api.ts'
import { sharedCluster } from './api-server.ts'
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy.ts'
import type { Fault } from './faults.ts'

const cluster = await sharedCluster()
const namespace = `faults-${randomUUID().slice(0, 8)}`
const path = `/api/v1/namespaces/${namespace}/configmaps`

describe.skipIf('skip' in cluster)('before a real API server', async () => {
  if ('skip' in cluster) return
  const { kubeconfig } = cluster
  const direct = await apiOf(kubeconfig)
  await direct('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
  afterAll(() => direct('DELETE', `/api/v1/namespaces/${namespace}`))
  const proxies: FaultProxy[] = []
  const transports: { close: () => void }[] = []
  afterEach(async () => {
    for (const transport of transports.splice(0)) transport.close()
    for (const proxy of proxies.splice(0)) await proxy.stop()
  })
  let names = 0

  async function start(options: Partial<FaultProxyOptions> = {}): Promise<FaultProxy> {
    const proxy = await startFaultProxy({
      kubeconfig,
      seed: 1,
      dropMs: 100,
      whileMs: [100, 200],
      ...options,
    })
    proxies.push(proxy)
    return proxy
  }

  function through({ url }: FaultProxy): Transport {
    const transport = httpTransport(url, async () => ({}))
    transports.push(transport)
    return transport
  }

  /** Its status and how long it took; `broken` for no answer, or half of one. */
  async function ask(
    transport: Transport,
    method: 'GET' | 'POST',
    to: string,
    { query = {}, body }: { query?: Record<string, string>; body?: object } = {},
  ): Promise<{ readonly status: number | 'broken'; readonly tookMs: number; readonly retryAfter?: unknown }> {
    const started = performance.now()
    const signal = AbortSignal.timeout(10_000)
    try {
      const response = await transport({ method, path: to, query, signal, ...(body === undefined ? {} : { body }) })
      await bodyText(response)
      const { 'retry-after': retryAfter } = response.headers
      return { status: response.status, tookMs: performance.now() - started, retryAfter }
    } catch {
      return { status: 'broken', tookMs: performance.now() - started }
    }
  }

  async function isThere(name: string): Promise<boolean> {
    return (await direct('GET', `${path}/${name}`)).status === 200
  }

  async function write(transport: Transport, name = `w${names++}`) {
    return { name, ...(await ask(transport, 'POST', path, { body: { metadata: { name } } })) }
  }

  test.each<readonly [Fault, number | 'broken', boolean, number]>([
    ['drop', 'broken', false, 100],
    ['reset', 'broken', false, 0],
    ['delay', 201, true, 100],
    ['answerLate', 201, true, 100],
    ['loseAnswer', 'broken', true, 0],
    ['conflict', 409, false, 0],
    ['tooMany', 429, false, 0],
    ['error', 500, false, 0],
    ['errorWhenDone', 500, true, 0],
  ])('%s: a write is answered %s, and done: %s', async (fault, status, isDone, leastMs) => {
    const proxy = await start()
    const transport = through(proxy)
    proxy.next(fault)
    const answer = await write(transport)
    expect([answer.status, await isThere(answer.name)]).toEqual([status, isDone])
    expect(answer.tookMs).toBeGreaterThanOrEqual(leastMs)
    expect(answer.retryAfter).toBe(fault === 'tooMany' ? '1' : undefined)
    expect(proxy.counts()[fault]).toBe(1)
    expect((await write(transport)).status).toBe(201)
    expect(proxy.exchanges.map(({ fault }) => fault)).toEqual([fault, null])
  })

  test.each<readonly [Fault, number | 'broken']>([
    ['drop', 'broken'],
    ['reset', 'broken'],
    ['delay', 200],
    ['answerLate', 200],
    ['loseAnswer', 'broken'],
    ['cutAnswer', 'broken'],
    ['tooMany', 429],
    ['error', 500],
    ['gone', 410],
  ])('%s: a list is answered %s', async (fault, status) => {
    const proxy = await start()
    proxy.next(fault)
    const list = () => ask(through(proxy), 'GET', path, { query: { limit: '500' } })
    expect((await list()).status).toBe(status)
    expect((await list()).status).toBe(200)
  })

  type Watch = { readonly lines: string[]; readonly end: () => 'open' | 'ended' | 'broken' }

  async function watch(proxy: FaultProxy): Promise<Watch> {
    const { body } = await direct<{ metadata: { resourceVersion: string } }>('GET', path)
    const query = { watch: '1', resourceVersion: body.metadata.resourceVersion }
    const lines: string[] = []
    let end: 'open' | 'ended' | 'broken' = 'open'
    const response = await through(proxy)({ method: 'GET', path, query, signal: AbortSignal.timeout(20_000) })
    void (async () => {
      try {
        for await (const part of response.body) lines.push(...part.toString().trim().split('\n'))
        end = 'ended'
      } catch {
        end = 'broken'
      }
    })()
    return { lines, end: () => end }
  }

  const make = (): Promise<unknown> => direct('POST', path, { body: { metadata: { name: `w${names++}` } } })

  test.each<readonly [Fault, 'open' | 'ended' | 'broken']>([
    ['endWatch', 'ended'],
    ['resetWatch', 'broken'],
    ['goneInWatch', 'ended'],
    ['stallWatch', 'open'],
  ])('%s: a watch is %s after a while', async (fault, end) => {
    const proxy = await start({ whileMs: [300, 300] })
    proxy.next(fault)
    const seen = await watch(proxy)
    await make()
    await vi.waitFor(() => expect(seen.lines).toHaveLength(1))
    if (fault === 'stallWatch') {
      await new Promise((resolve) => setTimeout(resolve, 350))
      await make()
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(seen.lines).toHaveLength(1)
    } else await vi.waitFor(() => expect(seen.end()).not.toBe('open'))
    expect(seen.end()).toBe(end)
    const [, last] = seen.lines.map((line) => JSON.parse(line))
    expect(last).toEqual(
      fault === 'goneInWatch' ? { type: 'ERROR', object: expect.objectContaining({ code: 410 }) } : undefined,
    )
  })

  test('slowWatch: each event comes late, all in order, however many there are', async () => {
    const proxy = await start({ whileMs: [400, 400] })
    proxy.next('slowWatch')
    const seen = await watch(proxy)
    const started = performance.now()
    for (let left = 10; left > 0; left -= 1) await make()
    const madeMs = performance.now() - started
    await vi.waitFor(() => expect(seen.lines).toHaveLength(10), 5000)
    expect(performance.now() - started).toBeGreaterThanOrEqual(400)
    expect(performance.now() - started).toBeLessThan(madeMs + 2000)
    const versions = seen.lines.map((line) => Number(JSON.parse(line).object.metadata.resourceVersion))
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
  })

  test('partition: nothing comes through until it is healed, and then some of what was sent comes late', async () => {
    const proxy = await start()
    const transport = through(proxy)
    const seen = await watch(proxy)
    proxy.partition()
    let answered = 0
    const answers = Array.from({ length: 12 }, async () => {
      const answer = await write(transport)
      answered += 1
      return answer
    })
    await make()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect([answered, seen.lines, seen.end()]).toEqual([0, [], 'open'])
    proxy.heal()
    const ends = await Promise.all(answers)
    for (const { name, status } of ends) expect([name, await isThere(name)]).toEqual([name, status === 201])
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set([201, 'broken']))
    await vi.waitFor(() => expect(seen.lines.length).toBeGreaterThan(1))
    expect((await write(transport)).status).toBe(201)
  })

  test('partition by seed: it begins with a request, and ends by itself', async () => {
    const proxy = await start()
    proxy.next('partition')
    expect((await write(through(proxy))).tookMs).toBeGreaterThanOrEqual(100)
    expect((await write(through(proxy))).status).toBe(201)
    expect(proxy.counts().partition).toBe(1)
  })

  test.each([true, false])(
    'a process that dies at its third write, done: %s, reaches nothing until it is revived',
    async (isDone) => {
      const proxy = await start()
      const transport = through(proxy)
      let died = false
      const death = proxy.dieAt(2, isDone).then(() => (died = true))
      expect([(await write(transport)).status, (await write(transport)).status]).toEqual([201, 201])
      const lease = { metadata: { name: `w${names++}`, namespace }, spec: { holderIdentity: 'a' } }
      const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
      expect((await ask(transport, 'POST', leases, { body: lease })).status).toBe(201)
      expect(died).toBe(false)
      const third = await write(transport)
      await death
      expect([third.status, await isThere(third.name)]).toEqual(['broken', isDone])
      const fourth = await write(transport)
      expect([fourth.status, await isThere(fourth.name)]).toEqual(['broken', false])
      expect((await ask(transport, 'GET', path)).status).toBe('broken')
      proxy.revive()
      expect((await write(transport)).status).toBe(201)
    },
  )

  test('what is meant is met, at pause as well; by seed nothing happens at pause, nor to what is spared', async () => {
    const proxy = await start({ rates: { error: 1 }, spare: ({ path }) => path.endsWith('/spared') })
    const transport = through(proxy)
    const status = async (name: string) => (await ask(transport, 'GET', `${path}/${name}`)).status
    expect([await status('a'), await status('spared')]).toEqual([500, 404])
    proxy.pause()
    proxy.next('tooMany', ({ path }) => path.endsWith('/b'))
    expect([await status('a'), await status('b'), await status('b')]).toEqual([404, 429, 404])
    proxy.resume()
    expect(await status('b')).toBe(500)
  })

  test('what befalls a request depends on the seed and how often it was asked, and not on the order of others', async () => {
    const rates = { tooMany: 0.2, error: 0.2, reset: 0.1 }
    const paths = Array.from({ length: 8 }, (_, index) => `/api/v1/namespaces/none/configmaps/n${index}`)
    const outcomes = async (seed: number, order: readonly string[]): Promise<Record<string, unknown>> => {
      const proxy = await start({ seed, rates })
      const transport = through(proxy)
      const seen: Record<string, unknown[]> = {}
      for (let round = 0; round < 20; round += 1)
        for (const to of order) (seen[to] ??= []).push((await ask(transport, 'GET', to)).status)
      const befell = proxy.exchanges.filter(({ fault }) => fault !== null).length
      expect(befell / proxy.exchanges.length).toBeGreaterThan(0.3)
      expect(befell / proxy.exchanges.length).toBeLessThan(0.6)
      return seen
    }
    const first = await outcomes(7, paths)
    expect(await outcomes(7, paths.toReversed())).toEqual(first)
    expect(await outcomes(8, paths)).not.toEqual(first)
  })

  test('its kubeconfig leads through it', async () => {
    const proxy = await start()
    const load = () => connect({ kubeconfig: proxy.kubeconfig, context: null })
    const transport = transportOf(await load(), load)
    transports.push(transport)
    expect((await ask(transport, 'GET', path)).status).toBe(200)
    expect(proxy.exchanges).toMatchObject([{ status: 200, asked: { method: 'GET', path, kind: 'get' } }])
  })
})
