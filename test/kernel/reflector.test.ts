import { afterEach, expect, test, vi } from 'vitest'
import { type Fault, type Reflector, reflect } from '../../operator/kernel/reflector.ts'
import type { Version } from '../../operator/kernel/store.ts'
import { recordMetrics } from './metrics-record.ts'
import { type Misbehaviour, type Peer, startPeer } from './peer.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

type Bench = {
  readonly peer: Peer
  readonly clock: VirtualClock
  readonly changes: string[]
  readonly seen: (readonly [string, Version | null])[]
  readonly faults: Fault[]
  readonly recorded: () => Readonly<Record<string, number | readonly number[]>>
  readonly start: (options?: {
    labelSelector?: string
    onChange?: (key: string) => void
  }) => Reflector<string, 'byLetter'>
}

const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Keeps `text` of each object that has one, indexed by its letters. Random numbers are all 0.5. */
async function bench(): Promise<Bench> {
  const peer = await startPeer()
  cleanups.push(peer.stop)
  const clock = virtualClock()
  const metrics = recordMetrics()
  const [changes, seen, faults]: [string[], Bench['seen'], Fault[]] = [[], [], []]
  return {
    peer,
    clock,
    changes,
    seen,
    faults,
    recorded: () => metrics.recorded,
    start(options = {}) {
      const reflector = reflect(
        { clock, transport: peer.transport, metrics: metrics.metrics, random: () => 0.5 },
        {
          name: 'things',
          path: '/apis/example.org/v1/things',
          project: ({ text }) => (typeof text === 'string' ? text : null),
          indices: { byLetter: (text: string) => [...text] },
          onChange: (key) => changes.push(key),
          onSeen: (key, version) => seen.push([key, version]),
          failed: (fault) => faults.push(fault),
          ...options,
        },
      )
      cleanups.push(reflector.stop)
      return reflector
    },
  }
}

/** Waits in real time for what comes over the network. */
function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 5000, interval: 2 })
}

test('a list and then a watch fill the store, and each change is told once it is there', async () => {
  const { peer, changes, start } = await bench()
  peer.put('a', { text: 'x' })
  peer.put('b', { text: 'xy' })
  const things = start()
  await things.synced
  expect(things.list()).toEqual(['x', 'xy'])
  expect(changes.splice(0)).toEqual(['ns/a', 'ns/b'])
  await eventually(() => expect(peer.openWatches()).toBe(1))
  peer.put('a', { text: 'z' })
  peer.put('c', { text: 'y' })
  peer.remove('b')
  await eventually(() => expect(changes).toEqual(['ns/a', 'ns/c', 'ns/b']))
  expect(things.get('ns/a')?.value).toBe('z')
  expect(things.get('ns/b')).toBeNull()
  expect(things.find('byLetter', 'y')).toEqual(['y'])
  expect(things.find('byLetter', 'x')).toEqual([])
})

test('a long list comes in pages of 500, and shows only when all are there', async () => {
  const { peer, start } = await bench()
  for (let index = 0; index < 1201; index += 1) peer.put(`n${index}`, { text: 'x' })
  const things = start()
  await things.synced
  await eventually(() => expect(peer.openWatches()).toBe(1))
  expect(peer.asked.slice(0, 3)).toEqual(['list', 'list 500', 'list 1000'])
  expect(peer.queries[0]?.get('limit')).toBe('500')
  expect(things.list()).toHaveLength(1201)
  expect(things.find('byLetter', 'x')).toHaveLength(1201)
})

test('the label selector goes with lists and watches; watches ask for bookmarks and an end', async () => {
  const { peer, start } = await bench()
  start({ labelSelector: 'managed-by=me,shard in (1, 2)' })
  await eventually(() => expect(peer.openWatches()).toBe(1))
  expect(peer.queries.map((query) => query.get('labelSelector'))).toEqual(
    Array(2).fill('managed-by=me,shard in (1, 2)'),
  )
  expect(peer.queries[1]?.get('allowWatchBookmarks')).toBe('true')
  expect(peer.queries[1]?.get('timeoutSeconds')).toBe('450')
})

test('of what the projection drops nothing is kept or told, but its versions are seen', async () => {
  const { peer, changes, seen, start } = await bench()
  const things = start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  const versions = [peer.put('a'), peer.put('a', { text: 'x' }), peer.put('a')]
  peer.remove('a')
  await eventually(() => expect(seen).toHaveLength(4))
  expect(seen).toEqual([
    ...versions.map((resourceVersion) => ['ns/a', { uid: 'uid-1', resourceVersion }]),
    ['ns/a', null],
  ])
  expect(changes).toEqual(['ns/a', 'ns/a'])
  expect(things.list()).toEqual([])
})

test('a watch that ends in good order is opened again from the last bookmark, without a list, a second after the last', async () => {
  const { peer, clock, faults, start } = await bench()
  start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  const version = peer.bookmark()
  await eventually(() => expect(clock.waiting()).toHaveLength(1))
  await new Promise((resolve) => setTimeout(resolve, 20))
  peer.endWatches()
  await eventually(() => expect(clock.waiting()).toEqual([1000]))
  await clock.advance(1000)
  await eventually(() => expect(peer.openWatches()).toBe(1))
  expect(peer.asked).toEqual(['list', expect.stringMatching(/^watch/), `watch ${version}`])
  await clock.advance(5000)
  peer.endWatches()
  await eventually(() => expect(peer.asked).toHaveLength(4))
  expect(peer.asked[3]).toBe(`watch ${version}`)
  expect(faults).toEqual([])
})

test('a watch that ends at once and without a word is a fault', async () => {
  const { peer, clock, faults, start } = await bench()
  start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  peer.endWatches()
  await eventually(() => expect(faults).toHaveLength(1))
  expect(faults[0]?.retryMs).toBe(1600)
  await eventually(() => expect(clock.waiting()).toEqual([1600]))
})

test.each<readonly [string, Misbehaviour, RegExp, number]>([
  ['is reset', { kind: 'reset' }, /ECONNRESET|socket hang up/, 1600],
  ['is answered with 500', { kind: 'status', status: 500 }, /500: says 500/, 1600],
  ['is forbidden', { kind: 'status', status: 403 }, /403: says 403/, 1600],
  ['is answered by a proxy in HTML', { kind: 'status', status: 502, body: '<html>bad</html>' }, /502: <html>/, 1600],
  ['is too many, with Retry-After', { kind: 'status', status: 429, retryAfter: '7' }, /429/, 7000],
  [
    'is too many, with a Retry-After beyond belief',
    { kind: 'status', status: 429, retryAfter: '86400' },
    /429/,
    300_000,
  ],
  [
    'is too many, with a date',
    { kind: 'status', status: 429, retryAfter: 'Wed, 21 Oct 2026 07:28:00 GMT' },
    /429/,
    1600,
  ],
])(
  'a list that %s is asked for again after a wait, and so is a watch, from where it was',
  async (_, misbehaviour, message, retryMs) => {
    const { peer, clock, faults, recorded, start } = await bench()
    peer.put('a', { text: 'x' })
    peer.misbehave(misbehaviour, null, misbehaviour)
    const things = start()
    await eventually(() => expect(faults).toHaveLength(1))
    expect(faults[0]?.error.message).toMatch(message)
    expect(faults[0]?.retryMs).toBe(retryMs)
    expect(peer.asked).toEqual(['list'])
    await clock.advance(retryMs - 1)
    expect(peer.asked).toEqual(['list'])
    await clock.advance(1)
    await things.synced
    await eventually(() => expect(faults).toHaveLength(2))
    expect(faults[1]?.retryMs).toBe(Math.max(retryMs, 2800))
    peer.put('b', { text: 'y' })
    await clock.advance(faults[1]!.retryMs)
    await eventually(() => expect(things.list()).toEqual(['x', 'y']))
    expect(peer.asked.map((one) => one.split(' ')[0])).toEqual(['list', 'list', 'watch', 'watch'])
    expect(recorded()['reflector_faults_total']).toBe(2)
  },
)

test('a list that is cut in the middle changes nothing and is asked for again', async () => {
  const { peer, clock, faults, changes, start } = await bench()
  peer.put('a', { text: 'x' })
  peer.misbehave({ kind: 'cut' })
  const things = start()
  await eventually(() => expect(faults).toHaveLength(1))
  expect(changes).toEqual([])
  await clock.advance(faults[0]!.retryMs)
  await things.synced
  expect(things.list()).toEqual(['x'])
})

test('a list without an answer is given up after 30 s', async () => {
  const { peer, clock, faults, start } = await bench()
  peer.misbehave({ kind: 'hang' })
  const things = start()
  await eventually(() => expect(peer.asked).toHaveLength(1))
  await clock.advance(29_999)
  expect(faults).toEqual([])
  await clock.advance(1)
  await eventually(() => expect(faults).toHaveLength(1))
  expect(faults[0]?.error.message).toMatch(/not a word from the server for 30 s/)
  await clock.advance(1600)
  await things.synced
})

test('a watch that says nothing for 150 s is opened again; a bookmark is a word', async () => {
  const { peer, clock, faults, start } = await bench()
  const things = start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  await clock.advance(149_000)
  expect(things.silentMs()).toBe(149_000)
  const version = peer.bookmark()
  await eventually(() => expect(things.silentMs()).toBe(0))
  await clock.advance(149_999)
  expect(faults).toEqual([])
  await clock.advance(1)
  await eventually(() => expect(faults).toHaveLength(1))
  await clock.advance(1600)
  await eventually(() => expect(peer.asked.at(-1)).toBe(`watch ${version}`))
})

test.each<readonly [string, (peer: Peer) => void]>([
  ['in the watch', (peer) => peer.resetWatches()],
  [
    'as a status',
    (peer) => {
      peer.misbehave({ kind: 'status', status: 410 })
      peer.endWatches()
    },
  ],
])('410 %s asks for a list, which tells what came, changed and went meanwhile', async (_, interrupt) => {
  const { peer, clock, changes, start } = await bench()
  for (const name of ['same', 'changed', 'gone']) peer.put(name, { text: 'x' })
  const things = start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  changes.length = 0
  await clock.advance(2000)
  interrupt(peer)
  peer.put('changed', { text: 'y' })
  peer.put('new', { text: 'z' })
  peer.remove('gone')
  peer.compact()
  await eventually(() => {
    void clock.advance(100)
    expect(things.list()).toEqual(['x', 'y', 'z'])
  })
  expect(new Set(changes)).toEqual(new Set(['ns/changed', 'ns/new', 'ns/gone']))
  expect(peer.asked.filter((one) => one === 'list')).toHaveLength(2)
})

test('410 after any progress asks for a list at once, but not twice without progress', async () => {
  const { peer, clock, faults, start } = await bench()
  start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  peer.put('a', { text: 'x' })
  await clock.advance(2000)
  const gone = { kind: 'status', status: 410 } as const
  peer.misbehave(gone, null, gone)
  peer.endWatches()
  await eventually(() => expect(faults).toHaveLength(1))
  expect(peer.asked.map((one) => one.split(' ')[0])).toEqual(['list', 'watch', 'watch', 'list', 'watch'])
  expect(clock.elapsed()).toBe(2000)
})

test('an event ends the growth of the waits', async () => {
  const { peer, clock, faults, start } = await bench()
  peer.misbehave({ kind: 'reset' }, { kind: 'reset' })
  const things = start()
  for (let count = 1; count <= 2; count += 1) {
    await eventually(() => expect(faults).toHaveLength(count))
    await clock.advance(faults.at(-1)!.retryMs)
  }
  await eventually(() => expect(peer.openWatches()).toBe(1))
  peer.put('a', { text: 'x' })
  await eventually(() => expect(things.list()).toEqual(['x']))
  peer.resetWatches()
  await eventually(() => expect(faults).toHaveLength(3))
  expect(faults.map(({ retryMs }) => retryMs)).toEqual([1600, 2800, 1600])
})

test('410 right after a list waits before the next list, longer each time', async () => {
  const { peer, clock, faults, start } = await bench()
  const gone = { kind: 'status', status: 410 } as const
  peer.misbehave(gone, gone, gone, gone, gone, gone)
  start()
  const waits: number[] = []
  for (let count = 1; count <= 6; count += 1) {
    await eventually(() => expect(faults).toHaveLength(count))
    waits.push(faults.at(-1)!.retryMs)
    await clock.advance(faults.at(-1)!.retryMs)
  }
  expect(waits).toEqual([1600, 2800, 4600, 7300, 11_350, 15_400])
})

test('a watch that the server cannot bear is given up for a list after five faults', async () => {
  const { peer, clock, faults, start } = await bench()
  start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  peer.misbehave(...Array(4).fill({ kind: 'status', status: 504 }))
  peer.resetWatches()
  for (let count = 1; count <= 5; count += 1) {
    await eventually(() => expect(faults).toHaveLength(count))
    await clock.advance(faults.at(-1)!.retryMs)
  }
  await eventually(() => expect(peer.openWatches()).toBe(1))
  expect(peer.asked.map((one) => one.split(' ')[0])).toEqual(['list', ...Array(5).fill('watch'), 'list', 'watch'])
})

test('lines may be cut anywhere, also within a letter; what is cut off at the end is not taken', async () => {
  const { peer, changes, start, clock } = await bench()
  const things = start()
  await eventually(() => expect(peer.openWatches()).toBe(1))
  const line = Buffer.from(
    `${JSON.stringify({ type: 'ADDED', object: { text: 'ü€', metadata: { name: 'a', uid: 'u', resourceVersion: 'v' } } })}\n`,
  )
  for (const byte of line) {
    // Each in a packet of its own.
    peer.say(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await eventually(() => expect(things.get('a')?.value).toBe('ü€'))
  peer.say('{"type":"DELETED","object":{"metadata":{"name":"a"')
  await clock.advance(2000)
  peer.endWatches()
  await eventually(() => expect(peer.asked).toContain('watch v'))
  expect(changes.slice(0, 1)).toEqual(['a'])
})

test('what a callback throws is no fault of the server: it goes where nobody catches it, and the watch goes on', async () => {
  const { peer, clock, faults, start } = await bench()
  peer.put('a', { text: 'x' })
  const things = start({
    onChange() {
      throw new Error('a bug of ours')
    },
  })
  await things.synced
  await expect(clock.advance(0)).rejects.toThrow('a bug of ours')
  await eventually(() => expect(peer.openWatches()).toBe(1))
  expect([things.list(), faults]).toEqual([['x'], []])
})

test('a refusal is an answer, though not of use; the metric tells what is of use', async () => {
  const { peer, clock, faults, recorded, start } = await bench()
  peer.misbehave({ kind: 'hang' }, { kind: 'status', status: 403 })
  const things = start()
  await clock.advance(31_000)
  await eventually(() => expect(faults).toHaveLength(1))
  expect([things.unansweredMs(), things.silentMs()]).toEqual([31_000, 31_000])
  await clock.advance(2000)
  await eventually(() => expect(faults).toHaveLength(2))
  await clock.advance(1000)
  expect([things.unansweredMs(), things.silentMs()]).toEqual([1000, 34_000])
  expect(recorded()['reflector_silence_seconds']).toBe(34)
})

test('stop is at once and final, whatever it interrupts', async () => {
  for (const when of ['before anything', 'in a list', 'in a watch', 'in a wait'] as const) {
    const { peer, clock, changes, faults, start } = await bench()
    if (when === 'in a list') peer.misbehave({ kind: 'hang' })
    if (when === 'in a wait') peer.misbehave({ kind: 'reset' })
    const things = start()
    if (when === 'in a list') await eventually(() => expect(peer.asked).toHaveLength(1))
    if (when === 'in a watch') await eventually(() => expect(peer.openWatches()).toBe(1))
    if (when === 'in a wait') await eventually(() => expect(faults).toHaveLength(1))
    if (when === 'in a watch') peer.put('a', { text: 'x' })
    await things.stop()
    const [asked, told] = [peer.asked.length, faults.length]
    await clock.advance(100_000)
    peer.put('b', { text: 'x' })
    await eventually(() => expect(peer.openWatches()).toBe(0))
    expect([when, clock.waiting(), peer.asked.length, faults.length]).toEqual([when, [], asked, told])
    expect(changes).toEqual([])
  }
})

test('asked to, it lists everything anew at once, also in the middle of a watch, and no fault is told', async () => {
  const { peer, seen, faults, changes, start } = await bench()
  peer.put('a', { text: 'x' })
  const things = start()
  await things.synced
  await eventually(() => expect(peer.openWatches()).toBe(1))
  seen.splice(0)
  changes.splice(0)
  things.listAgain()
  await eventually(() =>
    expect(peer.asked).toEqual(['list', expect.stringMatching(/^watch/), 'list', expect.stringMatching(/^watch/)]),
  )
  expect(seen.map(([key]) => key)).toEqual(['ns/a'])
  expect([changes, faults]).toEqual([[], []])
  peer.put('a', { text: 'y' })
  await eventually(() => expect(things.get('ns/a')?.value).toBe('y'))
})
