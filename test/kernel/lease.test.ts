import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Candidate, standForElection } from '../../operator/kernel/lease.ts'
import { LeaseServer, type Line } from './lease-server.ts'
import { recordMetrics } from './metrics-record.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

type Stand = {
  readonly candidate: Candidate
  readonly happened: string[]
  readonly setLine: (line: Line) => void
  readonly master: () => unknown
}

/** `skewMs`: how far this candidate's wall clock is ahead. */
function stand(server: LeaseServer, clock: VirtualClock, identity: string, skewMs = 0): Stand {
  let line: Line = 'good'
  const happened: string[] = []
  const metrics = recordMetrics()
  const candidate = standForElection(
    {
      clock: { ...clock, now: () => clock.now() + skewMs },
      transport: server.transport(() => line),
      metrics: metrics.metrics,
      random: () => 0,
    },
    {
      namespace: 'ns',
      name: 'operator',
      identity,
      elected: () => happened.push(`elected@${clock.elapsed()}`),
      lost: (reason) => happened.push(`lost@${clock.elapsed()}: ${reason}`),
      failed: (error) => happened.push(error.message),
    },
  )
  return {
    candidate,
    happened,
    setLine: (next) => void (line = next),
    master: () => metrics.recorded['leader_election_master_status'],
  }
}

test.each([
  ['agree', 0],
  ['differ by an hour', 3_600_000],
  ['differ by an hour the other way', -3_600_000],
])('of two candidates whose clocks %s one leads, and goes on leading', async (_, skewMs) => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const a = stand(server, clock, 'a')
  await clock.advance(1)
  const b = stand(server, clock, 'b', skewMs)
  await clock.advance(600_000)
  expect([a.candidate.isLeader(), b.candidate.isLeader()]).toEqual([true, false])
  expect([a.happened, b.happened]).toEqual([['elected@20'], []])
  expect([a.master(), b.master()]).toEqual([1, 0])
  expect(server.lease?.spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 15, leaseTransitions: 0 })
  expect(server.lease?.spec['renewTime']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
})

test.each([
  ['at the same wall time', 0],
  ['an hour ahead', 3_600_000],
  ['an hour behind', -3_600_000],
])('the Lease of a leader that died is taken over after 15 to 17 s, by a candidate %s', async (_, skewMs) => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const a = stand(server, clock, 'a')
  await clock.advance(1)
  const b = stand(server, clock, 'b', skewMs)
  await clock.advance(60_000)
  a.setLine('silent')
  const died = Date.parse(String(server.lease?.spec['renewTime'])) - Date.UTC(2026, 0, 1)
  await clock.advance(30_000)
  const [, at] = /^elected@(\d+)$/.exec(b.happened[0] ?? '') ?? []
  expect(Number(at) - died).toBeGreaterThanOrEqual(15_000)
  expect(Number(at) - died).toBeLessThanOrEqual(17_100)
  expect(server.lease?.spec['leaseTransitions']).toBe(1)
})

test.each<readonly [string, Line]>([
  ['refuses', 'refused'],
  ['is silent', 'silent'],
])('a leader whose server %s stops leading 10 s after its last renewal, and for good', async (_, line) => {
  const clock = virtualClock()
  const a = stand(new LeaseServer(clock), clock, 'a')
  // Elected by the exchange begun at 10, which renews next at 2020, 4030, 6040.
  await clock.advance(6500)
  a.setLine(line)
  let ledUntil = 0
  for (let at = 6500; at < 40_000; at += 10) {
    if (a.candidate.isLeader()) ledUntil = clock.elapsed()
    await clock.advance(10)
  }
  expect(ledUntil).toBeGreaterThan(15_900)
  expect(ledUntil).toBeLessThan(16_100)
  expect(a.happened.at(-1)).toMatch(/^lost@16\d\d\d: .*could not be renewed for 10 s$/)
  a.setLine('good')
  await clock.advance(60_000)
  expect(a.candidate.isLeader()).toBe(false)
  expect(a.master()).toBe(0)
  expect(clock.waiting()).toEqual([])
})

test('a leader that slept, or was busy, is none when it wakes, before it has noticed', async () => {
  const clock = virtualClock()
  const a = stand(new LeaseServer(clock), clock, 'a')
  await clock.advance(100)
  expect(a.candidate.isLeader()).toBe(true)
  clock.jump(60_000)
  expect(a.candidate.isLeader()).toBe(false)
  await clock.advance(3000)
  expect(a.happened.at(-1)).toMatch(/^lost@/)
})

test('a wall clock set back does not lengthen the lead', async () => {
  const clock = virtualClock()
  const a = stand(new LeaseServer(clock), clock, 'a')
  await clock.advance(100)
  a.setLine('silent')
  clock.jump(-3_600_000)
  await clock.advance(9800)
  expect(a.candidate.isLeader()).toBe(true)
  await clock.advance(200)
  expect(a.candidate.isLeader()).toBe(false)
})

test('a leader that stops gives the Lease back, and the next leads within 2 s', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const a = stand(server, clock, 'a')
  await clock.advance(1)
  const b = stand(server, clock, 'b')
  // While a renewal is under way, too.
  await clock.advance(2025)
  const stopped = a.candidate.stop()
  expect(a.candidate.isLeader()).toBe(false)
  await clock.advance(100)
  await stopped
  await clock.advance(2100)
  expect(b.candidate.isLeader()).toBe(true)
  expect(server.holders).toEqual(['a', '', 'b'])
  expect(a.happened).toEqual(['elected@20'])
})

test('a candidate that stops takes nothing, leaves the leader alone and waits for nothing', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const a = stand(server, clock, 'a')
  await clock.advance(1)
  const b = stand(server, clock, 'b')
  await clock.advance(5000)
  await b.candidate.stop()
  await clock.advance(5000)
  expect(a.candidate.isLeader()).toBe(true)
  a.setLine('silent')
  await clock.advance(60_000)
  expect(b.happened).toEqual([])
  expect(server.holders).toEqual(['a'])
  expect(clock.waiting()).toEqual([])
})

test('a renewal whose answer is lost does not cost the lead', async () => {
  const clock = virtualClock()
  const a = stand(new LeaseServer(clock), clock, 'a')
  await clock.advance(1000)
  a.setLine('answer lost')
  await clock.advance(3000)
  a.setLine('good')
  await clock.advance(60_000)
  expect(a.candidate.isLeader()).toBe(true)
  expect(a.happened.filter((one) => /^(elected|lost)/.test(one))).toEqual(['elected@20'])
})

test('the lead counts from when a renewal was sent, not from when its answer came', async () => {
  const clock = virtualClock()
  const a = stand(new LeaseServer(clock), clock, 'a')
  await clock.advance(1000)
  a.setLine('answer late')
  // Sent at about 2020.
  await clock.advance(2000)
  a.setLine('silent')
  await clock.advance(8500)
  expect([clock.elapsed(), a.candidate.isLeader()]).toEqual([11_500, true])
  await clock.advance(500)
  expect(a.candidate.safeMs()).toBeGreaterThan(5000)
  await clock.advance(500)
  expect([a.candidate.isLeader(), a.candidate.safeMs()]).toEqual([false, 0])
})

test('a leader that finds the Lease in other hands stops at once', async () => {
  const clock = virtualClock()
  const server = new LeaseServer(clock)
  const a = stand(server, clock, 'a')
  await clock.advance(100)
  server.lease = {
    metadata: { ...server.lease?.metadata, resourceVersion: 'edited' },
    spec: { ...server.lease?.spec, holderIdentity: 'x' },
  }
  await clock.advance(3000)
  expect(a.candidate.isLeader()).toBe(false)
  expect(a.happened.at(-1)).toMatch(/^lost@20\d\d: .* is held by x$/)
})

test('whatever their lines and clocks do, never do two lead; with good lines one does', async () => {
  const lines: readonly Line[] = ['good', 'good', 'refused', 'silent', 'answer lost', 'answer late']
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -7_200_000, max: 7_200_000 }), { minLength: 2, maxLength: 3 }),
      fc.array(
        fc.record({ who: fc.nat(2), line: fc.constantFrom(...lines), lastsMs: fc.integer({ min: 100, max: 12_000 }) }),
        { maxLength: 15 },
      ),
      async (skews, steps) => {
        const clock = virtualClock()
        const server = new LeaseServer(clock)
        const stands = skews.map((skewMs, index) => stand(server, clock, `c${index}`, skewMs))
        for (const { who, line, lastsMs } of steps) {
          stands[who % stands.length]!.setLine(line)
          for (let passed = 0; passed < lastsMs; passed += 500) {
            await clock.advance(500)
            expect(stands.filter(({ candidate }) => candidate.isLeader()).length).toBeLessThanOrEqual(1)
            // Nor does one lead while another's write may be under way.
            expect(stands.filter(({ candidate }) => candidate.safeMs() > 0).length).toBeLessThanOrEqual(1)
          }
        }
        for (const { setLine } of stands) setLine('good')
        // One that lost the lead takes no further part; a new process stands in its place.
        const next = stand(server, clock, 'next')
        await clock.advance(30_000)
        expect([...stands, next].filter(({ candidate }) => candidate.isLeader())).toHaveLength(1)
      },
    ),
    { numRuns: 60 },
  )
}, 60_000)
