import { describe, expect, it } from 'vitest'
import {
  type DueInput,
  dueSlot,
  latestSlot,
  nextSlot,
  runsMoreThanOnceADay,
  type Schedule,
  shortestCronGapSeconds,
  slotsBetween,
} from '../../compiler/schedule/index.ts'
import { cronOf } from './cron-of.ts'

const day = (text: string) => new Date(`2026-12-${text}:00Z`)
const texts = (slots: Iterable<Date>) => [...slots].map((slot) => slot.toISOString().slice(8, 16))

const sixHourly: Schedule = { kind: 'every', seconds: 6 * 3600, startAt: day('01T04:00') }
const nightly: Schedule = { kind: 'cron', cron: cronOf('0 2 * * *'), timeZone: 'Europe/Berlin' }
const afterNightly: Schedule = { kind: 'after', evaluation: nightly }

describe('a schedule', () => {
  it.each([
    ['every', sixHourly, '01T00:00', '02T04:00', ['01T04:00', '01T10:00', '01T16:00', '01T22:00']],
    ['every', sixHourly, '01T04:01', '01T16:01', ['01T10:00', '01T16:00']],
    ['every', sixHourly, '01T00:00', '01T04:00', []],
    ['cron', nightly, '01T01:00', '03T01:00', ['01T01:00', '02T01:00']],
    ['after', afterNightly, '01T01:00', '03T01:00', ['01T01:00', '02T01:00']],
  ] as const)('%s has its slots from inclusive to exclusive', (_, schedule, from, to, expected) => {
    expect(texts(slotsBetween(schedule, day(from), day(to)))).toEqual(expected)
  })

  it.each([
    ['every', sixHourly, '01T03:59', null, '01T04:00'],
    ['every', sixHourly, '01T04:00', '01T04:00', '01T10:00'],
    ['every', sixHourly, '09T09:59', '09T04:00', '09T10:00'],
    ['cron', nightly, '05T01:00', '05T01:00', '06T01:00'],
    ['after', afterNightly, '05T00:59', '04T01:00', '05T01:00'],
  ] as const)('%s has a latest slot up to and a next one after an instant', (_, schedule, at, latest, next) => {
    expect(latestSlot(schedule, day(at))).toEqual(latest && day(latest))
    expect(nextSlot(schedule, day(at))).toEqual(day(next))
  })

  it('every counts elapsed time whatever the zones do', () => {
    const schedule: Schedule = { kind: 'every', seconds: 86_400, startAt: new Date('2026-03-27T01:30:00Z') }
    const slots = slotsBetween(schedule, new Date('2026-03-28T00:00:00Z'), new Date('2026-03-31T00:00:00Z'))
    expect([...slots].map((slot) => slot.toISOString().slice(5, 16))).toEqual([
      '03-28T01:30',
      '03-29T01:30',
      '03-30T01:30',
    ])
  })
})

describe('the slot that is due', () => {
  const usual = {
    schedule: sixHourly,
    lastRun: null,
    createdAt: null,
    catchUp: 'Latest',
    startingDeadlineSeconds: null,
  } as const
  const cases: readonly (readonly [
    what: string,
    at: string,
    input: Partial<DueInput>,
    slot: string | null,
    missed: number,
  ])[] = [
    ['before startAt is none', '01T03:59', {}, null, 0],
    ['of a first run is the latest', '09T09:59', {}, '09T04:00', 0],
    ['is none where the latest has run', '09T09:59', { lastRun: day('09T04:00') }, null, 0],
    ['is none where a later one has run', '09T09:59', { lastRun: day('09T10:00') }, null, 0],
    ['is the latest of several, which are counted', '09T09:59', { lastRun: day('08T10:00') }, '09T04:00', 2],
    ['is the next one on time', '08T16:00', { lastRun: day('08T10:00') }, '08T16:00', 0],
    ['is never before the creation', '09T09:59', { createdAt: day('09T04:01') }, null, 0],
    ['may be at the creation', '09T09:59', { createdAt: day('09T04:00') }, '09T04:00', 0],
    ['leaves slots before the creation uncounted', '09T09:59', { createdAt: day('08T16:01') }, '09T04:00', 1],
    [
      'leaves slots before a change of the schedule uncounted',
      '09T09:59',
      { lastRun: day('01T04:00'), createdAt: day('09T00:00') },
      '09T04:00',
      0,
    ],
    ['is none after a deadline', '09T04:11', { lastRun: day('08T22:00'), startingDeadlineSeconds: 600 }, null, 1],
    [
      'is there up to the deadline',
      '09T04:10',
      { lastRun: day('08T22:00'), startingDeadlineSeconds: 600 },
      '09T04:00',
      0,
    ],
    ['is not caught up where catchUp is None', '09T05:00', { lastRun: day('08T16:00'), catchUp: 'None' }, null, 2],
    ['is run on time where catchUp is None', '09T04:01', { lastRun: day('08T16:00'), catchUp: 'None' }, '09T04:00', 1],
    [
      'is on time within the deadline where catchUp is None',
      '09T05:00',
      { lastRun: day('08T22:00'), catchUp: 'None', startingDeadlineSeconds: 3600 },
      '09T04:00',
      0,
    ],
    ['follows the evaluation', '05T01:05', { schedule: afterNightly, lastRun: day('03T01:00') }, '05T01:00', 1],
  ]
  it.each(cases)('%s', (_, at, input, slot, missed) => {
    expect(dueSlot({ ...usual, at: day(at), ...input })).toEqual({ slot: slot && day(slot), missed })
  })

  it('is at most one after a year of downtime', () => {
    const schedule: Schedule = { kind: 'cron', cron: cronOf('*/5 * * * *'), timeZone: 'Europe/Berlin' }
    const due = dueSlot({
      ...usual,
      schedule,
      at: new Date('2027-01-01T00:00:00Z'),
      lastRun: new Date('2026-01-01T00:00:00Z'),
    })
    expect(due).toEqual({ slot: new Date('2027-01-01T00:00:00Z'), missed: 365 * 288 - 1 })
  })
})

describe('the frequency of a cron expression', () => {
  it.each([
    ['0 2 * * *', false],
    ['0 2 * * MON', false],
    ['0 2,14 * * *', true],
    ['0,30 2 * * *', true],
    ['0 * * * *', true],
  ])('%s runs more than once a day: %j', (text, expected) => {
    expect(runsMoreThanOnceADay(cronOf(text))).toBe(expected)
  })

  it.each([
    ['* * * * *', 'Etc/UTC', 60],
    ['0,10 2 * * *', 'Etc/UTC', 600],
    ['30 0,23 * * *', 'Etc/UTC', 3600],
    ['30 0,23 * * MON', 'Etc/UTC', 23 * 3600],
    ['0 2 * * *', 'Etc/UTC', 86_400],
    ['0 2 * * MON,TUE', 'Etc/UTC', 86_400],
    ['0 2 * * MON,THU', 'Etc/UTC', 3 * 86_400],
    ['0 2 1,31 * *', 'Etc/UTC', 86_400],
    ['0 2 1 * *', 'Etc/UTC', 28 * 86_400],
    ['0 2 29 2 *', 'Etc/UTC', 1461 * 86_400],
    ['0 2 1 * MON', 'Etc/UTC', 86_400],
    ['0 2 31 2 *', 'Etc/UTC', Number.POSITIVE_INFINITY],
    ['0 2 31 2 *', 'Europe/Berlin', Number.POSITIVE_INFINITY],
    // Where clocks spring forward: 00:00 and 03:00 are two hours apart, 01:30 and the moved 02:30 half an hour, 02:30 and the next day's a bit less than a day.
    ['0 0,3 * * *', 'Europe/Berlin', 7200],
    ['30 1,2 * * *', 'Europe/Berlin', 1800],
    ['30 2 * * *', 'Europe/Berlin', 23.5 * 3600],
    ['0 1 * * *', 'Europe/Berlin', 23 * 3600],
    ['0 1 * * *', 'Asia/Tokyo', 86_400],
    ['0 * * * *', 'Europe/Berlin', 3600],
    ['0 1 * * *', 'Antarctica/Troll', 22 * 3600],
  ])('%s in %s has slots no closer than %d s', (text, timeZone, seconds) => {
    expect(shortestCronGapSeconds(cronOf(text), timeZone)).toBe(seconds)
  })
})
