import { afterEach, expect, test, vi } from 'vitest'
import { realClock, sleep } from '../../operator/kernel/clock.ts'
import { virtualClock } from './virtual-clock.ts'

const day = 86_400_000

afterEach(() => void vi.useRealTimers())

test.each([
  ['a millisecond', 1],
  ['the longest a timer can wait', 2 ** 31 - 1],
  ['a millisecond more than a timer can wait', 2 ** 31],
  ['a year', 365 * day],
])('the real clock waits %s, and not less', (_, milliseconds) => {
  vi.useFakeTimers()
  const called = vi.fn()
  realClock.after(milliseconds, called)
  vi.advanceTimersByTime(milliseconds - 1)
  expect(called).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(called).toHaveBeenCalledTimes(1)
})

test('the real clock never calls back for Infinity', () => {
  vi.useFakeTimers()
  const called = vi.fn()
  realClock.after(Infinity, called)
  vi.advanceTimersByTime(100 * day)
  expect(called).not.toHaveBeenCalled()
})

test('what is cancelled is not called, even after it was armed again', () => {
  vi.useFakeTimers()
  const called = vi.fn()
  const cancel = realClock.after(60 * day, called)
  vi.advanceTimersByTime(50 * day)
  cancel()
  cancel()
  vi.advanceTimersByTime(50 * day)
  expect(called).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})

test('the real clock calls back in real time, never early', async () => {
  const started = realClock.elapsed()
  await new Promise<void>((resolve) => realClock.after(20.7, resolve))
  expect(realClock.elapsed() - started).toBeGreaterThanOrEqual(20.7)
})

test('sleep ends at once when its signal is aborted, and leaves no timer behind', async () => {
  const clock = virtualClock()
  const controller = new AbortController()
  const slept = sleep(clock, 1000, controller.signal)
  expect(clock.waiting()).toEqual([1000])
  controller.abort()
  await slept
  expect(clock.waiting()).toEqual([])
  await sleep(clock, 1000, controller.signal)
  expect(clock.waiting()).toEqual([])
})

test('the virtual clock calls in order of time, with the time of each, and durations ignore a jump of the wall clock', async () => {
  const clock = virtualClock(0)
  const calls: (readonly [string, number, number])[] = []
  clock.after(20, () => calls.push(['late', clock.elapsed(), clock.now()]))
  clock.after(10, () => {
    calls.push(['early', clock.elapsed(), clock.now()])
    clock.after(5, () => calls.push(['nested', clock.elapsed(), clock.now()]))
    clock.jump(-1000)
  })
  await clock.advance(30)
  expect(calls).toEqual([
    ['early', 10, 10],
    ['nested', 15, -985],
    ['late', 20, -980],
  ])
  expect(clock.elapsed()).toBe(30)
})
