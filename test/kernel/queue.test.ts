import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ApiError } from '../../operator/kernel/api-error.ts'
import { type Failure, openQueue, type Queue, type Result } from '../../operator/kernel/queue.ts'
import { type MetricsRecord, recordMetrics } from './metrics-record.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

/** One pass over a key: how long it takes, and how it ends. */
type Pass = { readonly takes?: number; readonly ends?: Result | 'fails' | 'stops when told' }

type Bench = {
  readonly clock: VirtualClock
  readonly queue: Queue
  /** `key@milliseconds` of each start, in order. */
  readonly starts: readonly string[]
  readonly failures: readonly Failure[]
  readonly metrics: MetricsRecord
}

/** The passes of each key in turn; with none left, one is done at once. */
function bench(passes: Record<string, readonly Pass[]> = {}, concurrency = 1): Bench {
  const clock = virtualClock()
  const metrics = recordMetrics()
  const starts: string[] = []
  const failures: Failure[] = []
  const left = new Map(Object.entries(passes).map(([key, list]) => [key, [...list]]))
  const queue = openQueue(
    { clock, metrics: metrics.metrics },
    { name: 'q', concurrency, handle, failed: (failure) => failures.push(failure) },
  )
  return { clock, queue, starts, failures, metrics }

  async function handle(key: string, signal: AbortSignal): Promise<Result> {
    starts.push(`${key}@${clock.elapsed()}`)
    const { takes = 0, ends = done } = left.get(key)?.shift() ?? {}
    if (ends === 'stops when told') {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return done
    }
    if (takes > 0) await new Promise<void>((resolve) => clock.after(takes, resolve))
    if (ends === 'fails') throw new Error(`${key} fails`)
    return ends
  }
}

const done: Result = { kind: 'done' }
const retry: Pass = { ends: { kind: 'retry', firstMs: 10, longestMs: 40 } }

function addAll(queue: Queue, keys: readonly string[]): void {
  for (const key of keys) queue.add(key)
}

type Scenario = {
  readonly title: string
  readonly passes?: Record<string, readonly Pass[]>
  readonly concurrency?: number
  readonly act: (queue: Queue, clock: VirtualClock) => void | Promise<void>
  readonly starts: readonly string[]
}

const scenarios: readonly Scenario[] = [
  {
    title: 'a key added many times waits once',
    passes: { a: [{ takes: 10 }] },
    act: (queue) => addAll(queue, ['a', 'b', 'b', 'a', 'b']),
    starts: ['a@0', 'b@10'],
  },
  {
    title: 'a key added while in work runs again after it, never beside it',
    passes: { a: [{ takes: 10 }] },
    concurrency: 2,
    act: async (queue, clock) => {
      queue.add('a')
      await clock.advance(5)
      queue.add('a')
      queue.add('a')
      queue.add('b')
    },
    starts: ['a@0', 'b@5', 'a@10'],
  },
  {
    title: 'of two delayed adds the earlier wins, whichever came first',
    act: (queue) => {
      queue.add('a', { afterMs: 50 })
      queue.add('a', { afterMs: 20 })
      queue.add('b', { afterMs: 30 })
      queue.add('b', { afterMs: 60 })
    },
    starts: ['a@20', 'b@30'],
  },
  {
    title: 'an add without delay replaces a delayed one',
    act: (queue) => {
      queue.add('a', { afterMs: 50 })
      queue.add('a')
    },
    starts: ['a@0'],
  },
  {
    title: 'a delayed add that falls due while its key is in work runs right after it',
    passes: { a: [{ takes: 100 }] },
    act: async (queue, clock) => {
      queue.add('a')
      await clock.advance(1)
      queue.add('a', { afterMs: 10 })
    },
    starts: ['a@0', 'a@100'],
  },
  {
    title: 'the highest priority goes first, then the one that waits longest',
    act: (queue) => {
      queue.add('low', { priority: -1 })
      queue.add('first')
      queue.add('second')
      queue.add('due', { priority: 1 })
    },
    starts: ['due@0', 'first@0', 'second@0', 'low@0'],
  },
  {
    title: 'a later add raises the priority of a waiting key and never lowers it',
    act: (queue) => {
      queue.add('a')
      queue.add('b')
      queue.add('b', { priority: 2 })
      queue.add('b')
      queue.add('c', { afterMs: 10 })
      queue.add('d', { afterMs: 10 })
      queue.add('d', { afterMs: 90, priority: 1 })
    },
    starts: ['b@0', 'a@0', 'c@10', 'd@10'],
  },
  {
    title: 'a failing key backs off from 5 ms, doubling; a success starts it over',
    passes: { a: [{ ends: 'fails' }, { ends: 'fails' }, { ends: 'fails' }, {}, { ends: 'fails' }, {}] },
    act: async (queue, clock) => {
      queue.add('a')
      await clock.advance(100)
      queue.add('a')
    },
    starts: ['a@0', 'a@5', 'a@15', 'a@35', 'a@100', 'a@105'],
  },
  {
    title: 'an add ends the wait of a failed key, and does not forgive it',
    passes: { a: [{ ends: 'fails' }, { ends: 'fails' }, {}] },
    act: async (queue, clock) => {
      queue.add('a')
      await clock.advance(2)
      queue.add('a')
    },
    starts: ['a@0', 'a@2', 'a@12'],
  },
  {
    title: 'a pass may ask for another one later',
    passes: { a: [{ takes: 5, ends: { kind: 'again', afterMs: 20 } }, {}] },
    act: (queue) => queue.add('a'),
    starts: ['a@0', 'a@25'],
  },
  {
    title: 'a slow key leaves the other workers free',
    passes: { slow: [{ takes: 100 }], a: [{ takes: 1 }], b: [{ takes: 1 }] },
    concurrency: 2,
    act: (queue) => addAll(queue, ['slow', 'a', 'b', 'c']),
    starts: ['slow@0', 'a@0', 'b@1', 'c@2'],
  },
  {
    title: 'a key that is not done comes back later and later, in a row of its own beside failures',
    passes: { a: [retry, retry, retry, retry, { ends: 'fails' }, retry] },
    act: (queue) => queue.add('a'),
    starts: ['a@0', 'a@10', 'a@30', 'a@70', 'a@110', 'a@115', 'a@125'],
  },
]

test.each(scenarios)('$title', async ({ passes, concurrency, act, starts }) => {
  const { clock, queue, starts: seen } = bench(passes, concurrency)
  queue.start()
  await act(queue, clock)
  await clock.advance(1000)
  expect(seen).toEqual(starts)
})

test('the back-off stops growing at 1000 s, and each failure is told with its error', async () => {
  const { clock, queue, failures } = bench({ a: Array.from({ length: 25 }, () => ({ ends: 'fails' as const })) })
  queue.start()
  queue.add('a')
  await clock.advance(8_000_000)
  expect(failures.slice(15, 20).map(({ failures, retryMs }) => [failures, retryMs])).toEqual([
    [16, 163_840],
    [17, 327_680],
    [18, 655_360],
    [19, 1_000_000],
    [20, 1_000_000],
  ])
  expect(failures[0]?.error).toEqual(new Error('a fails'))
})

test('nothing is handled within add, nor before the start', async () => {
  const { clock, queue, starts } = bench()
  queue.add('a')
  await clock.advance(10)
  expect(starts).toEqual([])
  queue.start()
  expect(starts).toEqual([])
  await clock.advance(0)
  expect(starts).toEqual(['a@10'])
})

test('draining lets the work in hand finish, drops the rest, and takes nothing more', async () => {
  const { clock, queue, starts } = bench({ a: [{ takes: 10, ends: { kind: 'again', afterMs: 1 } }] })
  queue.start()
  queue.add('a')
  queue.add('b')
  queue.add('c', { afterMs: 5 })
  await clock.advance(1)
  let drained = false
  const draining = Promise.all([queue.drain(1000), queue.drain(1000)]).then(() => (drained = true))
  queue.add('d')
  await clock.advance(8)
  expect(drained).toBe(false)
  await clock.advance(1)
  await draining
  await clock.advance(1000)
  expect(starts).toEqual(['a@0'])
  expect(clock.waiting()).toEqual([])
})

test('a drain whose grace is over tells the handlers to stop', async () => {
  const { clock, queue } = bench({ a: [{ ends: 'stops when told' }] })
  queue.start()
  queue.add('a')
  await clock.advance(0)
  const draining = queue.drain(50)
  await clock.advance(49)
  expect(clock.waiting()).toEqual([1])
  await clock.advance(1)
  await draining
})

test('draining a queue that does nothing is over at once', async () => {
  const { clock, queue } = bench()
  await queue.drain(1000)
  expect(clock.waiting()).toEqual([])
})

test('the metrics tell how many wait, how long they waited, how long they took and how it ended', async () => {
  const { clock, queue, metrics } = bench({ a: [{ takes: 2000, ends: 'fails' }, { takes: 500 }] })
  queue.start()
  queue.add('a')
  queue.add('b')
  queue.add('b')
  queue.add('c', { afterMs: 1000 })
  await clock.advance(0)
  expect(metrics.recorded).toMatchObject({ workqueue_depth: 1, controller_runtime_active_workers: 1 })
  await clock.advance(1500)
  expect(queue.longestWorkMs()).toBe(1500)
  expect(metrics.recorded).toMatchObject({
    workqueue_depth: 2,
    workqueue_unfinished_work_seconds: 1.5,
    workqueue_longest_running_processor_seconds: 1.5,
  })
  await clock.advance(10_000)
  expect(queue.longestWorkMs()).toBe(0)
  expect(metrics.recorded).toEqual({
    controller_runtime_reconcile_total: 4,
    controller_runtime_reconcile_errors_total: 1,
    controller_runtime_reconcile_time_seconds: [2, 0, 0, 0.5],
    controller_runtime_active_workers: 0,
    controller_runtime_max_concurrent_reconciles: 1,
    workqueue_depth: 0,
    workqueue_adds_total: 4,
    workqueue_retries_total: 1,
    workqueue_queue_duration_seconds: [0, 2, 1, 0],
    workqueue_work_duration_seconds: [2, 0, 0, 0.5],
    workqueue_unfinished_work_seconds: 0,
    workqueue_longest_running_processor_seconds: 0,
  })
})

test('of several at work the unfinished add up, and the longest counts', async () => {
  const { clock, queue, metrics } = bench({ a: [{ takes: 3000 }], b: [{ takes: 9000 }] }, 2)
  queue.start()
  queue.add('a')
  await clock.advance(1000)
  queue.add('b')
  await clock.advance(1000)
  expect([metrics.recorded['workqueue_unfinished_work_seconds'], queue.longestWorkMs()]).toEqual([3, 2000])
  await clock.advance(2000)
  expect([metrics.recorded['workqueue_unfinished_work_seconds'], queue.longestWorkMs()]).toEqual([3, 3000])
})

test.each([
  ['longer than its back-off', 20_000, 'a@20000'],
  ['shorter', 2, 'a@5'],
])('a key comes back not before the API server wishes, were it %s', async (_, retryAfterMs, again) => {
  const clock = virtualClock()
  const starts: string[] = []
  const failures: Failure[] = []
  const queue = openQueue(
    { clock, metrics: recordMetrics().metrics },
    {
      name: 'q',
      concurrency: 1,
      async handle(key) {
        starts.push(`${key}@${clock.elapsed()}`)
        if (starts.length === 1) throw new ApiError('slowly', 429, {}, retryAfterMs)
        return done
      },
      failed: (failure) => failures.push(failure),
    },
  )
  queue.start()
  queue.add('a')
  await clock.advance(60_000)
  expect(starts).toEqual(['a@0', again])
  expect(failures).toMatchObject([{ retryMs: Math.max(5, retryAfterMs) }])
})

const keys = ['a', 'b', 'c', 'd']
const pass = fc.record<Pass>({
  takes: fc.nat(20),
  ends: fc.constantFrom<NonNullable<Pass['ends']>>(
    done,
    'fails',
    { kind: 'again', afterMs: 7 },
    { kind: 'again', afterMs: 0, priority: 1 },
  ),
})
const step = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    key: fc.constantFrom(...keys),
    afterMs: fc.oneof(fc.constant(0), fc.nat(30)),
    priority: fc.constantFrom(0, 0, 1, 2),
  }),
  fc.record({ kind: fc.constant('wait' as const), milliseconds: fc.nat(25) }),
)

test('whatever is added, fails and is delayed: no key runs twice at once, none early, none late, none for nothing, the most urgent first', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.dictionary(fc.constantFrom(...keys), fc.array(pass, { maxLength: 4 })),
      fc.array(step, { maxLength: 40 }),
      async (concurrency, passes, steps) => {
        const clock = virtualClock()
        const left = new Map(Object.entries(passes).map(([key, list]) => [key, [...list]]))
        const working = new Set<string>()
        const failures = new Map<string, number>()
        const freed = new Map<string, number>()
        const wrong: string[] = []
        // The model: what each key is owed, found by looking at everything every time.
        const owed = new Map<string, { at: number; priority: number }>()
        const owe = (key: string, afterMs: number, priority: number): void => {
          const [before, at] = [owed.get(key), clock.elapsed() + afterMs]
          owed.set(key, {
            at: Math.min(at, before?.at ?? at),
            priority: Math.max(priority, before?.priority ?? priority),
          })
        }
        /** Owed, not in work, and so for longer than this very instant, in which one thing happens after another. */
        const overdue = (): string[] =>
          [...owed.keys()].filter(
            (key) => Math.max(owed.get(key)!.at, freed.get(key) ?? -1) < clock.elapsed() && !working.has(key),
          )
        const claim = (holds: boolean, sentence: string): void => void (holds || wrong.push(sentence))

        const queue = openQueue({ clock, metrics: recordMetrics().metrics }, { name: 'q', concurrency, handle, failed })
        queue.start()
        for (const one of steps) {
          if (one.kind === 'add') {
            owe(one.key, one.afterMs, one.priority)
            queue.add(one.key, one)
            continue
          }
          for (let passed = 0; passed < one.milliseconds; passed += 1) {
            await clock.advance(1)
            claim(working.size === concurrency || overdue().length === 0, 'late')
          }
        }
        await clock.advance(5000)
        expect(wrong).toEqual([])
        expect([owed.size, working.size]).toEqual([0, 0])

        async function handle(key: string): Promise<Result> {
          const { at, priority } = owed.get(key) ?? { at: Infinity, priority: 0 }
          claim(at <= clock.elapsed(), `${key} early or for nothing`)
          claim(!working.has(key), `${key} twice at once`)
          claim(working.size < concurrency, 'too many at once')
          claim(
            overdue().every((other) => owed.get(other)!.priority <= priority),
            `${key} before a more urgent one`,
          )
          owed.delete(key)
          working.add(key)
          const { takes = 0, ends = done } = left.get(key)?.shift() ?? {}
          await new Promise<void>((resolve) => clock.after(takes, resolve))
          working.delete(key)
          freed.set(key, clock.elapsed())
          failures.set(key, ends === 'fails' ? (failures.get(key) ?? 0) + 1 : 0)
          if (ends === 'fails') {
            owe(key, backoffMs(key), priority)
            throw new Error('fails')
          }
          if (ends === 'stops when told') return done
          if (ends.kind === 'again') owe(key, ends.afterMs, ends.priority ?? 0)
          return ends
        }

        function failed({ key, retryMs }: Failure): void {
          claim(retryMs === backoffMs(key), `${key} backs off ${retryMs}`)
        }

        function backoffMs(key: string): number {
          return 5 * 2 ** (failures.get(key)! - 1)
        }
      },
    ),
    { numRuns: 300 },
  )
}, 60_000)
