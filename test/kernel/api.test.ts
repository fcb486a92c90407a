import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Api, ApiError, NotLeaderError, openApi } from '../../operator/kernel/api.ts'
import type { Metrics } from '../../operator/kernel/metrics.ts'
import { openRegistry } from '../../operator/kernel/metrics-registry.ts'
import { httpTransport } from '../../operator/kernel/transport.ts'
import { recordMetrics } from './metrics-record.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

let server: Server
/** What is answered to the next requests, in turn; to any further one an empty object. */
let answers: Answer[] = []
/** `METHOD /path?query type body` of each request. */
let asked: string[] = []

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const { 'content-type': type = '' } = request.headers
    asked.push([request.method, decodeURIComponent(request.url!), type, Buffer.concat(parts)].join(' ').trim())
    const answer = answers.shift() ?? json({})
    answer(response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})
beforeEach(() => {
  answers = []
  asked = []
})

const json =
  (body: object, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, headers).end(JSON.stringify(body))
const reset: Answer = (_, request) => request.socket.resetAndDestroy()
const hang: Answer = () => {}
const cut: Answer = (response, request) => {
  response.writeHead(200, { 'content-length': 100 })
  response.write('{"half":', () => request.socket.resetAndDestroy())
}

type Scene = { readonly api: Api; readonly clock: VirtualClock; readonly leader: { is: boolean; safeMs: number } }

function scene(metrics: Metrics = recordMetrics().metrics): Scene {
  const { port } = server.address() as AddressInfo // of a TCP server
  const clock = virtualClock()
  const leader = { is: true, safeMs: Infinity }
  const api = openApi(
    {
      clock,
      transport: httpTransport(`http://127.0.0.1:${port}`, async () => ({})),
      metrics,
      mayWrite: () => leader.is,
    },
    { fieldManager: 'me', writeDeadlineMs: () => leader.safeMs },
  )
  return { api, clock, leader }
}

test.each<readonly [string, (api: Api) => Promise<unknown>, string]>([
  ['get', (api) => api.get('/p', { resourceVersion: '0' }), 'GET /p?resourceVersion=0'],
  ['getText', (api) => api.getText('/p/log', { tailLines: '9' }), 'GET /p/log?tailLines=9'],
  [
    'create',
    (api) => api.create('/p', { ä: 1 }),
    'POST /p?fieldManager=me&fieldValidation=Strict application/json {"ä":1}',
  ],
  [
    'replace',
    (api) => api.replace('/p/status', {}),
    'PUT /p/status?fieldManager=me&fieldValidation=Strict application/json {}',
  ],
  [
    'patch, merged',
    (api) => api.patch('/p', { a: 1 }, 'merge'),
    'PATCH /p?fieldManager=me&fieldValidation=Strict application/merge-patch+json {"a":1}',
  ],
  [
    'patch, by operations',
    (api) => api.patch('/p', [{ op: 'test' }], 'json'),
    'PATCH /p?fieldManager=me&fieldValidation=Strict application/json-patch+json [{"op":"test"}]',
  ],
  [
    'patch, applied',
    (api) => api.patch('/p', {}, 'apply', { force: 'true' }),
    'PATCH /p?fieldManager=me&fieldValidation=Strict&force=true application/apply-patch+yaml {}',
  ],
  [
    'delete',
    (api) => api.delete('/p', { propagationPolicy: 'Background', preconditions: { uid: 'u' } }),
    'DELETE /p application/json {"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background","preconditions":{"uid":"u"}}',
  ],
])('%s is sent as the API server wants it', async (_, call, sent) => {
  await call(scene().api)
  expect(asked).toEqual([sent])
})

const missing = json({ kind: 'Status', message: 'no such pod', reason: 'NotFound' }, 404)

test('what is not there is null, false or an error, by what was asked', async () => {
  const { api } = scene()
  answers = [missing, missing, missing, missing]
  expect([await api.get('/p'), await api.getText('/p'), await api.delete('/p')]).toEqual([null, null, false])
  await expect(api.patch('/p', {}, 'merge')).rejects.toMatchObject({ status: 404, reason: 'NotFound' })
})

test('a refusal says what was asked, and carries reason, causes and how long to wait', async () => {
  const causes = [{ reason: 'FieldValueInvalid', message: 'must be more', field: 'spec.x' }]
  answers = [
    json({ kind: 'Status', message: 'no', reason: 'Invalid', details: { causes } }, 422),
    json({ kind: 'Status', message: 'slowly', reason: 'TooManyRequests' }, 429, { 'retry-after': '7' }),
    json({ kind: 'Status', details: { retryAfterSeconds: 3 } }, 500),
    (response) => response.writeHead(502, { 'retry-after': 'Thu, 01 Jan 2026' }).end('<html>bad gateway</html>'),
  ]
  const { api } = scene()
  const refusals: unknown[] = []
  for (let left = answers.length; left > 0; left -= 1) await api.create('/p', {}).catch((error) => refusals.push(error))
  expect(refusals.every((error) => error instanceof ApiError)).toBe(true)
  expect(refusals).toMatchObject([
    { message: 'POST /p: 422: no', status: 422, reason: 'Invalid', causes, retryAfterMs: 0 },
    { message: 'POST /p: 429: slowly', reason: 'TooManyRequests', causes: [], retryAfterMs: 7000 },
    { status: 500, reason: '', retryAfterMs: 3000 },
    { message: 'POST /p: 502: <html>bad gateway</html>', retryAfterMs: 0 },
  ])
  expect(asked).toHaveLength(4)
})

const page = (items: readonly string[] | null, next = ''): Answer => json({ items, metadata: { continue: next } })
const expired = json({ kind: 'Status', reason: 'Expired' }, 410)

test.each<readonly [string, readonly Answer[], readonly string[] | null, readonly string[]]>([
  ['has all pages', [page(['a'], '2'), page(['b'])], ['a', 'b'], ['', '2']],
  ['of nothing is empty', [page(null)], [], ['']],
  ['begins again when it has expired', [page(['a'], '2'), expired, page(['c'])], ['c'], ['', '2', '']],
  ['that expires twice fails', [page(['a'], '2'), expired, page(['a'], '2'), expired], null, ['', '2', '', '2']],
])('a list %s', async (_, script, items, continued) => {
  answers = [...script]
  const list = scene().api.list('/p', { labelSelector: 'a=b' })
  if (items === null) await expect(list).rejects.toMatchObject({ status: 410 })
  else expect(await list).toEqual(items)
  expect(asked).toEqual(continued.map((from) => `GET /p?labelSelector=a=b&limit=500${from && `&continue=${from}`}`))
})

test.each([
  ['before the answer', reset],
  ['within it', cut],
])('a read whose connection breaks %s is done once more, and not again', async (_, broken) => {
  const { api } = scene()
  answers = [broken, json({ is: 'there' }), broken, broken]
  expect(await api.get('/p')).toEqual({ is: 'there' })
  await expect(api.get('/p')).rejects.toThrow(/^GET \/p: /)
  expect(asked).toHaveLength(4)
})

const writes: readonly ((api: Api) => Promise<unknown>)[] = [
  (api) => api.create('/p', {}),
  (api) => api.replace('/p', {}),
  (api) => api.patch('/p', {}, 'merge'),
  (api) => api.delete('/p'),
]

test('a write whose connection breaks is not repeated: it may have been done', async () => {
  const { api } = scene()
  for (const write of writes) {
    answers = [reset]
    await expect(write(api)).rejects.toThrow(/ECONNRESET|socket hang up/)
  }
  expect(asked).toHaveLength(4)
})

test('without an answer a read and a write end after 30 s, a write sooner if the Lease does', async () => {
  const { api, clock, leader } = scene()
  const endOf = async (call: Promise<unknown>, afterMs: number): Promise<string> => {
    let message = ''
    call.catch((error) => (message = error.message))
    await expect.poll(() => asked.length).toBe(1)
    asked = []
    await clock.advance(afterMs - 1)
    expect(message).toBe('')
    await clock.advance(1)
    await expect.poll(() => message).not.toBe('')
    return message
  }
  answers = [hang, hang, hang]
  expect(await endOf(api.get('/p'), 30_000)).toBe('GET /p: no answer within 30 s')
  expect(await endOf(api.replace('/p', {}), 30_000)).toBe('PUT /p: no answer within 30 s')
  leader.safeMs = 4000
  expect(await endOf(api.replace('/p', {}), 4000)).toBe('PUT /p: no answer within 4 s')
  expect(clock.waiting()).toEqual([])
})

test.each<readonly [string, boolean, number]>([
  ['while another may lead', false, 9000],
  ['with no time left to the Lease', true, 0],
])('nothing is written %s, and reading goes on', async (_, is, safeMs) => {
  const { api, leader } = scene()
  Object.assign(leader, { is, safeMs })
  for (const write of writes) await expect(write(api)).rejects.toBeInstanceOf(NotLeaderError)
  await api.get('/p')
  expect(asked).toEqual(['GET /p'])
})

test('of a text beyond 8 MiB the end is given, from the beginning of a line', async () => {
  const line = `${'x'.repeat(1022)}ü\n`
  const lines = (count: number): Answer => {
    return (response) => {
      for (let left = count; left > 0; left -= 1) response.write(`${left}${line}`)
      response.end('last')
    }
  }
  answers = [lines(20), lines(9000)]
  const { api } = scene()
  expect(await api.getText('/p')).toHaveLength(20 * 1024 + 9 + 22 + 4)
  const end = (await api.getText('/p'))!
  expect(Buffer.byteLength(end)).toBeLessThanOrEqual(8 * 2 ** 20)
  expect(Buffer.byteLength(end)).toBeGreaterThan(8 * 2 ** 20 - 1100)
  expect(end).toMatch(/^\d{4}x{1022}ü\n/)
  expect(end).toMatch(/\n1x+ü\nlast$/)
})

test('requests are counted by status and method, also those without an answer', async () => {
  const registry = openRegistry({})
  const { api } = scene(registry)
  answers = [json({}), missing, reset, json({}), reset]
  await api.get('/p')
  await api.get('/p')
  await api.get('/p')
  await expect(api.create('/p', {})).rejects.toThrow()
  const text = await registry.text()
  expect(text.match(/^rest_client_requests_total.*/gm)).toEqual([
    'rest_client_requests_total{code="200",method="GET"} 2',
    'rest_client_requests_total{code="404",method="GET"} 1',
    'rest_client_requests_total{code="<error>",method="GET"} 1',
    'rest_client_requests_total{code="<error>",method="POST"} 1',
  ])
  expect(text).toContain('rest_client_request_duration_seconds_count{method="GET"} 4')
})
