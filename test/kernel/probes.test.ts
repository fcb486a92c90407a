import { afterEach, expect, test } from 'vitest'
import {
  allAnswered,
  allSynced,
  type Check,
  type Probes,
  passesEnd,
  serveProbes,
} from '../../operator/kernel/probes.ts'

const open: Probes[] = []
afterEach(async () => {
  for (const probes of open.splice(0)) await probes.stop()
})

type Checks = Readonly<Record<string, Check>>

async function serve(live: Checks = {}, ready: Checks = {}, metrics = async () => 'up 1\n') {
  const probes = await serveProbes({ port: 0, live, ready, metrics: { text: metrics, contentType: 'text/plain; x=y' } })
  open.push(probes)
  return async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`http://127.0.0.1:${probes.port}${path}`, init)
    return [response.status, await response.text()]
  }
}

const well: Check = () => null
const ill: Check = () => 'it hurts'

test('a probe passes with all its checks, and names them when asked', async () => {
  const ask = await serve({ a: well, b: well }, { c: well })
  expect(await ask('/healthz')).toEqual([200, 'ok\n'])
  expect(await ask('/healthz?verbose')).toEqual([200, '[+]a ok\n[+]b ok\nhealthz check passed\n'])
  expect(await ask('/readyz?verbose=1')).toEqual([200, '[+]c ok\nreadyz check passed\n'])
})

test('a probe fails with any of its checks, and says which and why; a check that throws is one that fails', async () => {
  const broken: Check = () => {
    throw new Error('no idea')
  }
  const ask = await serve({ a: well, b: ill }, { c: broken })
  expect(await ask('/healthz')).toEqual([500, '[+]a ok\n[-]b failed: it hurts\nhealthz check failed\n'])
  expect(await ask('/readyz')).toEqual([500, '[-]c failed: Error: no idea\nreadyz check failed\n'])
})

test('metrics come as they are; other paths and methods are refused', async () => {
  const ask = await serve()
  expect(await ask('/metrics')).toEqual([200, 'up 1\n'])
  expect(await ask('/')).toEqual([404, ''])
  expect(await ask('/healthz', { method: 'POST' })).toEqual([405, ''])
  expect(await ask('/healthz', { method: 'HEAD' })).toEqual([200, ''])
  const broken = await serve({}, {}, () => Promise.reject(new Error('no numbers')))
  expect(await broken('/metrics')).toEqual([500, 'Error: no numbers\n'])
})

test('a port that is taken is an error', async () => {
  await serve()
  const { port } = open[0]!
  const metrics = { text: async () => '', contentType: '' }
  await expect(serveProbes({ port, live: {}, ready: {}, metrics })).rejects.toThrow('EADDRINUSE')
})

test('passes that take too long are named by their queues', () => {
  const queue = (name: string, minutes: number) => ({ name, longestWorkMs: () => minutes * 60_000 })
  expect(passesEnd(() => [queue('runs', 0), queue('segments', 10)], 600_000)()).toBe(null)
  expect(passesEnd(() => [queue('runs', 0), queue('segments', 11)], 600_000)()).toBe(
    'a key has been in work for more than 600 s: segments',
  )
})

test.each<readonly [string, readonly number[], number, string | null]>([
  ['all are answered', [10, 250], 1, null],
  ['one is not, while another is', [400, 250], 1000, 'a'],
  ['one is not, while others than these are', [400, 400], 1, 'a, b'],
  ['nobody is: to start anew is no cure', [400, 500], 301, null],
  ['there is nobody', [], 1000, null],
])('of those who ask all the time, %s', (_, unansweredSeconds, othersSeconds, names) => {
  const askers = unansweredSeconds.map((seconds, index) => ({ name: 'ab'[index]!, unansweredMs: () => seconds * 1000 }))
  const reason = allAnswered(
    () => askers,
    () => othersSeconds * 1000,
  )()
  expect(reason).toBe(
    names === null ? null : `no answer for more than 300 s, while the API server answers others: ${names}`,
  )
})

test('ready are those who have read all', async () => {
  const [a, b] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const check = allSynced([
    { name: 'jobs', synced: a.promise },
    { name: 'runs', synced: b.promise },
  ])
  expect(check()).toBe('not yet read: jobs, runs')
  a.resolve()
  await null
  expect(check()).toBe('not yet read: runs')
  b.resolve()
  await null
  expect(check()).toBe(null)
})
