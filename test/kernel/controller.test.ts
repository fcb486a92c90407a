import { expect, test } from 'vitest'
import { type Controllers, type Leadership, type Opened, runControllers } from '../../operator/kernel/controller.ts'
import { openQueue, type Queue } from '../../operator/kernel/queue.ts'
import { LeaseServer, type Line } from './lease-server.ts'
import { recordMetrics } from './metrics-record.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

type Process = {
  readonly controllers: Controllers
  readonly leadership: Leadership
  readonly queue: Queue
  /** What happened, each with its time. */
  readonly happened: string[]
  readonly sync: () => void
  readonly setLine: (line: Line) => void
  /** How the next pass over a key ends: after so many milliseconds, or never, whoever tells it to. */
  readonly passTakes: (takesMs: number) => void
}

type Options = { readonly alone?: boolean; readonly isSynced?: boolean; readonly elected?: () => void }

function start(server: LeaseServer, clock: VirtualClock, identity: string, options: Options = {}): Process {
  const happened: string[] = []
  const say = (what: string): void => void happened.push(`${what}@${clock.elapsed()}`)
  const synced = Promise.withResolvers<void>()
  const metrics = recordMetrics().metrics
  let line: Line = 'good'
  let takesMs = 0
  const queue = openQueue(
    { clock, metrics },
    {
      name: 'q',
      concurrency: 1,
      async handle(key, signal) {
        say(key)
        signal.addEventListener('abort', () => say('told to end'))
        if (takesMs > 0) await new Promise<void>((resolve) => clock.after(takesMs, resolve))
        return { kind: 'done' }
      },
      failed: ({ error }) => say(String(error)),
    },
  )
  const opened: Opened = {
    synced: synced.promise,
    queues: [queue],
    settle: async () => say('settle'),
    stop: async () => say(`stop, ${server.lease?.spec['holderIdentity'] || 'nobody'} leads`),
    elected: () => {
      say('elected')
      options.elected?.()
    },
  }
  const given: Leadership[] = []
  const controllers = runControllers(
    { clock, transport: server.transport(() => line), metrics, random: () => 0 },
    {
      lease: options.alone === true ? null : { namespace: 'ns', name: 'operator', identity },
      open(leadership) {
        given.push(leadership)
        say('open')
        return opened
      },
      failed: (error) => say(String(error)),
    },
  )
  void controllers.ended.then((ended) =>
    say(
      ended.kind === 'lost'
        ? `lost: ${ended.reason}`
        : ended.kind === 'crashed'
          ? `crashed: ${ended.error}`
          : 'stopped',
    ),
  )
  if (options.isSynced !== false) synced.resolve()
  return {
    controllers,
    leadership: given[0]!,
    queue,
    happened,
    sync: synced.resolve,
    setLine: (next) => void (line = next),
    passTakes: (next) => void (takesMs = next),
  }
}

test('caches open at once; nothing is handled or written before they are whole and the Lease is held', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { leadership, queue, happened, sync } = start(server, clock, 'a', { isSynced: false })
  expect(happened).toEqual(['open@0'])
  queue.add('early')
  await clock.advance(5000)
  expect([server.lease, leadership.mayWrite(), leadership.writeDeadlineMs()]).toEqual([null, false, Infinity])
  sync()
  await clock.advance(100)
  expect(happened).toEqual(['open@0', 'elected@5020', 'early@5020'])
  expect(leadership.mayWrite()).toBe(true)
  expect(leadership.writeDeadlineMs()).toBeGreaterThan(14_000)
})

test('a process without a Lease leads when its caches are whole, and asks nobody', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { controllers, leadership, queue, happened, sync } = start(server, clock, 'a', { alone: true, isSynced: false })
  queue.add('key')
  await clock.advance(10)
  expect(leadership.mayWrite()).toBe(false)
  sync()
  await clock.advance(10)
  expect([leadership.mayWrite(), leadership.writeDeadlineMs()]).toEqual([true, Infinity])
  controllers.stop()
  await clock.advance(0)
  expect(happened).toEqual(['open@0', 'elected@10', 'key@10', 'settle@20', 'stop, nobody leads@20', 'stopped@20'])
  expect([leadership.mayWrite(), server.lease, clock.waiting()]).toEqual([false, null, []])
})

test('a standby gathers keys, and handles them within 2 s of the end of the leader', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const a = start(server, clock, 'a')
  await clock.advance(1000)
  const b = start(server, clock, 'b')
  b.queue.add('one')
  b.queue.add('one')
  await clock.advance(60_000)
  expect([b.happened, b.controllers.isLeading()]).toEqual([['open@1000'], false])
  a.controllers.stop()
  await clock.advance(2000)
  expect(a.happened.at(-1)).toMatch(/^stopped@610\d\d$/)
  expect(b.happened.map((one) => one.replace(/@.*/, ''))).toEqual(['open', 'elected', 'one'])
})

test('stop lets work in hand finish, then tells the last, gives the Lease back, and closes', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { controllers, leadership, queue, happened, passTakes } = start(server, clock, 'a')
  await clock.advance(1000)
  passTakes(8000)
  queue.add('first')
  queue.add('second')
  await clock.advance(1000)
  controllers.stop()
  await clock.advance(5000)
  expect(leadership.mayWrite()).toBe(true)
  controllers.stop()
  await clock.advance(60_000)
  expect(happened.slice(2)).toEqual(['first@1000', 'settle@9000', 'stop, nobody leads@9020', 'stopped@9020'])
  expect([leadership.mayWrite(), clock.waiting()]).toEqual([false, []])
})

test('work that does not end after 20 s and 5 more is left behind, and the Lease is kept until it runs out', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { controllers, leadership, queue, happened, passTakes } = start(server, clock, 'a')
  await clock.advance(1000)
  passTakes(Infinity)
  queue.add('hangs')
  await clock.advance(0)
  controllers.stop()
  await clock.advance(60_000)
  expect(happened.slice(2)).toEqual([
    'hangs@1000',
    'told to end@21000',
    'settle@26000',
    'stop, a leads@26000',
    'stopped@26000',
  ])
  expect(leadership.mayWrite()).toBe(false)
})

test('who loses the Lease ends at once, and writes nothing more', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { leadership, queue, happened, passTakes, setLine } = start(server, clock, 'a')
  await clock.advance(1000)
  passTakes(Infinity)
  queue.add('hangs')
  setLine('silent')
  await clock.advance(8500)
  expect(leadership.mayWrite()).toBe(true)
  await clock.advance(2000)
  expect(leadership.mayWrite()).toBe(false)
  const [lost, ...rest] = happened.slice(3).sort()
  expect(lost).toMatch(/^.*no answer in time@10\d\d\d$/)
  expect(rest.sort()).toEqual([
    expect.stringMatching(/^lost: .* could not be renewed for 10 s@10\d\d\d$/),
    expect.stringMatching(/^stop, a leads@10\d\d\d$/),
    expect.stringMatching(/^told to end@10\d\d\d$/),
  ])
})

test('who loses the Lease while it ends does not wait for its work', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { controllers, queue, happened, passTakes, setLine } = start(server, clock, 'a')
  await clock.advance(1000)
  passTakes(Infinity)
  queue.add('hangs')
  await clock.advance(0)
  setLine('refused')
  controllers.stop()
  await clock.advance(12_000)
  expect(happened.some((one) => /^lost: .*@10\d\d\d$/.test(one))).toBe(true)
})

test('a crash ends writing at once, and gives the Lease back when all work has ended', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { controllers, leadership, queue, happened, passTakes } = start(server, clock, 'a')
  await clock.advance(1000)
  passTakes(3000)
  queue.add('key')
  await clock.advance(0)
  controllers.crash(new Error('first'))
  expect(leadership.mayWrite()).toBe(false)
  controllers.crash(new Error('second'))
  await clock.advance(60_000)
  expect(happened.slice(2)).toEqual([
    'key@1000',
    'Error: second@1000',
    'told to end@1000',
    'stop, nobody leads@4020',
    'crashed: Error: first@4020',
  ])
})

test('an exception at the election is a crash', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const { leadership, queue, happened } = start(server, clock, 'a', {
    elected() {
      throw new Error('unexpected')
    },
  })
  queue.add('key')
  await clock.advance(1000)
  expect(happened).toEqual(['open@0', 'elected@20', 'stop, nobody leads@40', 'crashed: Error: unexpected@40'])
  expect([leadership.mayWrite(), server.lease!.spec['holderIdentity']]).toEqual([false, ''])
})

test('one that never became whole or leader ends, too', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const leader = start(server, clock, 'leader')
  await clock.advance(1000)
  const unsynced = start(server, clock, 'unsynced', { isSynced: false })
  const standby = start(server, clock, 'standby')
  await clock.advance(1000)
  for (const { controllers } of [unsynced, standby]) controllers.stop()
  await clock.advance(20)
  expect([unsynced.happened.at(-1), standby.happened.at(-1)]).toEqual(['stopped@2000', 'stopped@2000'])
  unsynced.sync()
  await clock.advance(60_000)
  expect(unsynced.happened).toHaveLength(3)
  expect(leader.controllers.isLeading()).toBe(true)
})
