import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { bodyText, type Credentials, heard, httpTransport, type Transport } from '../../operator/kernel/transport.ts'
import { virtualClock } from './virtual-clock.ts'

/** A server that keeps what it is asked, and counts connections. */
async function startServer() {
  const asked: string[] = []
  const waiting: ServerResponse[] = []
  let connections = 0
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers['authorization'] ?? ''}`.trim())
    if (request.url!.startsWith('/wait')) waiting.push(response)
    else response.end('{}')
  })
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // of a TCP server
  servers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${port}`, asked, waiting, connections: () => connections }
}

const servers: (() => void)[] = []
afterEach(() => {
  for (const stop of servers.splice(0)) stop()
})

const signal = new AbortController().signal

async function ask(transport: Transport, path: string, apart = false): Promise<string> {
  return bodyText(await transport({ method: 'GET', path, signal, apart }))
}

test('a connection is used again, and credentials are asked for before each request', async () => {
  const { url, asked, connections } = await startServer()
  let token = 1
  const transport = httpTransport(`${url}/base/`, async () => ({ headers: { authorization: `Bearer ${token++}` } }))
  for (let left = 3; left > 0; left -= 1) await ask(transport, '/p')
  expect(asked).toEqual(['/base/p Bearer 1', '/base/p Bearer 2', '/base/p Bearer 3'])
  expect(connections()).toBe(1)
  transport.close()
})

test('64 exchanges go on at the same time, the next waits, and those apart do not', async () => {
  const { url, asked, waiting } = await startServer()
  const transport = httpTransport(url, async () => ({}))
  const all = Array.from({ length: 70 }, (_, index) => ask(transport, `/wait/${index}`))
  await expect.poll(() => asked.length).toBe(64)
  await ask(transport, '/apart', true)
  expect(asked).toHaveLength(65)
  for (const response of waiting.splice(0)) response.end('{}')
  await expect.poll(() => asked.length).toBe(71)
  for (const response of waiting) response.end('{}')
  await Promise.all(all)
  transport.close()
})

test('new certificates open new connections; what is under way goes on, and nothing old is kept', async () => {
  const { url, waiting, connections } = await startServer()
  let credentials: Credentials = { tls: {} }
  const transport = httpTransport(url, async () => credentials)
  const slow = ask(transport, '/wait')
  await expect.poll(() => waiting.length).toBe(1)
  await ask(transport, '/p')
  expect(connections()).toBe(2)
  credentials = { tls: {} }
  await ask(transport, '/p')
  await ask(transport, '/p')
  expect(connections()).toBe(3)
  waiting[0]!.end('{"old":true}')
  expect(await slow).toBe('{"old":true}')
  await Promise.all([ask(transport, '/p'), ask(transport, '/p')])
  expect(connections()).toBe(4)
  transport.close()
})

test('credentials that never come are waited for no longer than the request', async () => {
  const { url, asked } = await startServer()
  const transport = httpTransport(url, () => new Promise(() => {}))
  const over = new AbortController()
  const answer = transport({ method: 'GET', path: '/p', signal: over.signal })
  over.abort(new Error('too late'))
  await expect(answer).rejects.toThrow('too late')
  expect(asked).toEqual([])
})

test('a closed transport ends what is under way and what waits, and takes nothing more', async () => {
  const { url, asked } = await startServer()
  const transport = httpTransport(url, async () => ({}))
  const waits = [ask(transport, '/wait', true), ...Array.from({ length: 70 }, () => ask(transport, '/wait'))]
  const ends = Promise.allSettled(waits)
  await expect.poll(() => asked.length).toBe(65)
  transport.close()
  expect((await ends).filter(({ status }) => status === 'rejected')).toHaveLength(71)
  await expect(ask(transport, '/p')).rejects.toThrow('the transport was closed')
  expect(asked).toHaveLength(65)
})

test('any answer counts as heard, and no failure does', async () => {
  const clock = virtualClock()
  const { url } = await startServer()
  const { transport, silentMs } = heard(
    clock,
    httpTransport(url, async () => ({})),
  )
  await clock.advance(5000)
  expect(silentMs()).toBe(5000)
  await ask(transport, '/p')
  expect(silentMs()).toBe(0)
  await clock.advance(5000)
  servers.splice(0).forEach((stop) => void stop())
  await expect(ask(transport, '/p')).rejects.toThrow()
  expect(silentMs()).toBe(5000)
})
