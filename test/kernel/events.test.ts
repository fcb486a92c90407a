import { expect, test } from 'vitest'
import { ApiError, NotLeaderError } from '../../operator/kernel/api.ts'
import { type EventRecorder, type Happening, recordEvents } from '../../operator/kernel/events.ts'
import { type MetricsRecord, recordMetrics } from './metrics-record.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

type Event = { readonly message: string; readonly count: number; readonly metadata: { readonly name: string } }

/** What comes of a request: an error is thrown instead of doing it, or `lost` after it was done; a promise is waited for. */
type Fate = Error | 'lost' | Promise<void>

type Scene = {
  readonly clock: VirtualClock
  readonly recorder: EventRecorder
  /** What the API server has, by path. */
  readonly events: Map<string, Event>
  readonly asked: string[]
  /** For the next requests in turn; all go well without one. */
  readonly fates: Fate[]
  readonly leader: { is: boolean }
  readonly metrics: MetricsRecord
  readonly dropped: () => unknown
}

function scene(): Scene {
  const clock = virtualClock()
  const events = new Map<string, Event>()
  const asked: string[] = []
  const fates: Fate[] = []
  const leader = { is: true }
  const metrics = recordMetrics()
  const meet = async (verb: string, path: string, act: () => void): Promise<void> => {
    asked.push(verb)
    const fate = fates.shift()
    if (fate instanceof Promise) await fate
    if (fate instanceof Error) throw fate
    act()
    if (fate === 'lost') throw new Error(`${path}: ECONNRESET`)
  }
  const recorder = recordEvents(
    {
      clock,
      metrics: metrics.metrics,
      mayWrite: () => leader.is,
      random: () => 0,
      api: {
        async create<T>(path: string, object: object) {
          const event = object as Event
          const place = `${path}/${event.metadata.name}`
          await meet('create', path, () => {
            if (events.has(place)) throw new ApiError(path, 409, { reason: 'AlreadyExists' })
            events.set(place, event)
          })
          return object as T
        },
        async patch<T>(path: string, patch: object) {
          await meet('patch', path, () => {
            const event = events.get(path)
            if (event === undefined) throw new ApiError(path, 404)
            events.set(path, { ...event, ...patch })
          })
          return patch as T
        },
      },
    },
    { component: 'convoke-operator', instance: 'pod-1' },
  )
  return {
    clock,
    recorder,
    events,
    asked,
    fates,
    leader,
    metrics,
    dropped: () => metrics.recorded['events_dropped_total'],
  }
}

function happening(fields: Partial<Happening> = {}, name = 'lapsed'): Happening {
  const regarding = { apiVersion: 'convoke.dev/v1alpha1', kind: 'Segment', namespace: 'ns', name, uid: `uid-${name}` }
  return { regarding, type: 'Warning', reason: 'Held', message: 'too many', ...fields }
}

const counts = ({ events }: Scene): unknown => [...events.values()].map(({ message, count }) => `${message} ×${count}`)

test('an Event says what kubectl shows of it', async () => {
  const { clock, recorder, events } = scene()
  recorder.record(happening())
  await clock.advance(0)
  expect([...events]).toEqual([
    [
      expect.stringMatching(/^\/api\/v1\/namespaces\/ns\/events\/lapsed\.[a-z0-9]{20}$/),
      {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { namespace: 'ns', name: expect.any(String) },
        involvedObject: happening().regarding,
        type: 'Warning',
        reason: 'Held',
        message: 'too many',
        count: 1,
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
        source: { component: 'convoke-operator' },
        reportingComponent: 'convoke-operator',
        reportingInstance: 'pod-1',
      },
    ],
  ])
})

test('the same within 10 minutes of the last raises its count; later, or with other words, it is another', async () => {
  const all = scene()
  const { clock, recorder, events, asked } = all
  recorder.record(happening())
  await clock.advance(599_999)
  recorder.record(happening())
  await clock.advance(599_999)
  recorder.record(happening())
  await clock.advance(0)
  expect(counts(all)).toEqual(['too many ×3'])
  expect([...events.values()]).toMatchObject([{ lastTimestamp: '2026-01-01T00:19:59Z' }])
  recorder.record(happening({ message: 'other' }))
  recorder.record(happening({ type: 'Normal' }))
  recorder.record(happening({ reason: 'Other' }))
  recorder.record(happening({}, 'other'))
  await clock.advance(600_000)
  recorder.record(happening())
  await clock.advance(0)
  expect(counts(all)).toEqual(['too many ×3', 'other ×1', 'too many ×1', 'too many ×1', 'too many ×1', 'too many ×1'])
  expect(asked.filter((verb) => verb === 'patch')).toHaveLength(2)
})

test('what happens again while it waits is told once, and what happens meanwhile right after', async () => {
  const all = scene()
  const { clock, recorder, asked, fates } = all
  const slow = Promise.withResolvers<void>()
  fates.push(slow.promise)
  for (let left = 3; left > 0; left -= 1) recorder.record(happening())
  await clock.advance(0)
  for (let left = 2; left > 0; left -= 1) recorder.record(happening())
  slow.resolve()
  await clock.advance(0)
  expect(counts(all)).toEqual(['too many ×5'])
  expect(asked).toEqual(['create', 'patch'])
})

test('of one object 25 are told at once, then one in 5 minutes, and of another its own 25', async () => {
  const all = scene()
  const { clock, recorder, dropped } = all
  for (let index = 0; index < 30; index += 1) recorder.record(happening({ message: `${index}` }))
  recorder.record(happening({}, 'other'))
  await clock.advance(0)
  expect([all.events.size, dropped()]).toEqual([26, 5])
  await clock.advance(299_999)
  recorder.record(happening({ message: 'early' }))
  await clock.advance(1)
  recorder.record(happening({ message: 'in time' }))
  recorder.record(happening({ message: 'early again' }))
  await clock.advance(0)
  expect((counts(all) as string[]).slice(26)).toEqual(['in time ×1'])
  expect(dropped()).toBe(7)
})

test('a message is cut to 1,024 bytes, between characters', async () => {
  const all = scene()
  const { clock, recorder, events } = all
  const messages = ['x'.repeat(1024), 'x'.repeat(1025), `${'x'.repeat(1020)}€€`, '€'.repeat(400)]
  for (const message of messages) recorder.record(happening({ message }))
  await clock.advance(0)
  expect([...events.values()].map(({ message }) => message)).toEqual([
    'x'.repeat(1024),
    `${'x'.repeat(1021)}…`,
    `${'x'.repeat(1020)}…`,
    `${'€'.repeat(340)}…`,
  ])
})

test.each<readonly [string, Fate, readonly string[]]>([
  ['a broken connection', new Error('ECONNRESET'), ['create', 'create']],
  ['an answer that was lost', 'lost', ['create', 'create', 'patch']],
  ['429', new ApiError('slowly', 429, {}, 12_000), ['create', 'create']],
  ['500', new ApiError('broken', 500), ['create', 'create']],
])('after %s it is told again, and once', async (_, fate, expected) => {
  const all = scene()
  const { clock, recorder, asked, fates, dropped } = all
  fates.push(fate)
  recorder.record(happening())
  await clock.advance(9_999)
  expect(asked).toEqual(['create'])
  await clock.advance(2_001)
  expect(asked).toEqual(expected)
  expect([counts(all), dropped()]).toEqual([['too many ×1'], undefined])
})

test('an Event that the API server has forgotten is made again', async () => {
  const all = scene()
  const { clock, recorder, events } = all
  recorder.record(happening())
  await clock.advance(1000)
  events.clear()
  recorder.record(happening())
  await clock.advance(0)
  recorder.record(happening())
  await clock.advance(0)
  expect(counts(all)).toEqual(['too many ×3'])
})

test('what is refused is dropped, and what could not be told for 5 minutes', async () => {
  const all = scene()
  const { clock, recorder, asked, fates, dropped } = all
  fates.push(new ApiError('the namespace ends', 403), ...Array.from({ length: 60 }, () => new Error('refused')))
  recorder.record(happening())
  recorder.record(happening({ message: 'second' }))
  await clock.advance(310_000)
  expect([all.events.size, dropped()]).toEqual([0, 2])
  const before = asked.length
  await clock.advance(600_000)
  expect([asked.length, clock.waiting()]).toEqual([before, []])
})

test('one that does not lead tells nothing', async () => {
  const { clock, recorder, asked, leader, fates, events, dropped } = scene()
  leader.is = false
  recorder.record(happening())
  await clock.advance(0)
  expect(asked).toEqual([])
  leader.is = true
  fates.push(new NotLeaderError('lost in between'))
  recorder.record(happening())
  await clock.advance(60_000)
  expect([asked, events.size, dropped()]).toEqual([['create'], 0, 2])
})

test('while the API server is silent at most 1,000 wait', async () => {
  const { clock, recorder, fates, events, dropped } = scene()
  const slow = Promise.withResolvers<void>()
  fates.push(slow.promise)
  for (let index = 0; index < 1200; index += 1) recorder.record(happening({}, `object-${index}`))
  await clock.advance(0)
  expect(dropped()).toBe(200)
  slow.resolve()
  await clock.advance(0)
  expect(events.size).toBe(1000)
})

test('stop waits until all is told, but not beyond its grace, and takes nothing more', async () => {
  const all = scene()
  const { clock, recorder, fates, events } = all
  const slow = Promise.withResolvers<void>()
  fates.push(slow.promise)
  recorder.record(happening())
  recorder.record(happening({ message: 'second' }))
  let stopped = false
  const stopping = recorder.stop(1000).then(() => (stopped = true))
  recorder.record(happening({ message: 'third' }))
  await clock.advance(500)
  expect(stopped).toBe(false)
  slow.resolve()
  await stopping
  expect([events.size, clock.waiting()]).toEqual([2, []])

  const hopeless = scene()
  hopeless.fates.push(new Promise(() => {}))
  hopeless.recorder.record(happening())
  const over = hopeless.recorder.stop(1000)
  await hopeless.clock.advance(1000)
  await over
  await scene().recorder.stop(1000)
})
