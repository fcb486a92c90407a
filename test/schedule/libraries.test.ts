import { CronExpressionParser } from 'cron-parser'
import { Cron } from 'croner'
import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, it } from 'vitest'
import { cronSlots } from '../../compiler/schedule/index.ts'
import { cronOf } from './cron-of.ts'

// Both libraries have their own ideas of what happens around a change of the clocks; away from one, all three must agree.
const zones = Intl.supportedValuesOf('timeZone').filter((_, index) => index % 5 === 0)
const day = 86_400_000

/** Lists hold no value twice, which cron-parser refuses, and no `*`, which croner reads as a restriction. */
const between = (min: number, max: number) => {
  const value = fc.integer({ min, max })
  const list = fc.uniqueArray(value, { minLength: 1, maxLength: 4 }).map((values) => values.join(','))
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
  const steps = fc
    .tuple(fc.oneof(range, fc.constant('*')), fc.integer({ min: 2, max: 7 }))
    .map(([span, step]) => `${span}/${step}`)
  return fc.oneof(fc.constant('*'), list, range, steps)
}
const cronText = fc
  .tuple(between(0, 59), between(0, 23), between(1, 28), between(1, 12), between(0, 6))
  .map((fields) => fields.join(' '))

describe.each([
  [
    'croner',
    (text: string, timeZone: string, from: Date) =>
      new Cron(text, { timezone: timeZone }).nextRuns(20, new Date(from.getTime() - 1)),
  ],
  [
    'cron-parser',
    (text: string, timeZone: string, from: Date) => {
      const cron = CronExpressionParser.parse(text, { tz: timeZone, currentDate: new Date(from.getTime() - 1) })
      return Array.from({ length: 20 }, () => cron.next().toDate())
    },
  ],
])('away from changes of the clock, %s', (_, nextRuns) => {
  it('finds the same slots', () => {
    let compared = 0
    for (const [index, zone] of zones.entries()) {
      const [from, to] = quietDays(zone, Date.UTC(2019 + (index % 10), index % 12, 1 + (index % 28)))
      for (const text of fc.sample(cronText, { seed: index, numRuns: 5 })) {
        const theirs = nextRuns(text, zone, from).filter((slot) => slot < to)
        const ours = [...cronSlots(cronOf(text), zone, from, to)].slice(0, 20)
        expect(ours, `${text} in ${zone} from ${from.toISOString()}`).toEqual(theirs)
        compared += ours.length
      }
    }
    expect(compared).toBeGreaterThan(zones.length)
  })
})

/** The days from a change of the zone, or from the instant, to the next change, at most 120 of them, without their first and last. */
function quietDays(zone: string, instant: number): readonly [Date, Date] {
  const start = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone)
  const first = (start.getTimeZoneTransition('next') ?? start).epochMilliseconds + 2 * day
  const next = Temporal.Instant.fromEpochMilliseconds(first).toZonedDateTimeISO(zone).getTimeZoneTransition('next')
  return [
    new Date(first),
    new Date(Math.min(first + 120 * day, (next?.epochMilliseconds ?? Number.POSITIVE_INFINITY) - 2 * day)),
  ]
}
