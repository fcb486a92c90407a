import { describe, expect, it } from 'vitest'
import { cronSlots, latestCronSlot, nextCronSlot } from '../../compiler/schedule/index.ts'
import { cronOf } from './cron-of.ts'

type Case = readonly [what: string, cron: string, timeZone: string, from: string, to: string, slots: readonly string[]]

const cases: readonly Case[] = [
  // Berlin, 29 March 2026: 02:00 +01:00 becomes 03:00 +02:00 at 01:00Z; 25 October 2026: 03:00 +02:00 becomes 02:00 +01:00 at 01:00Z.
  [
    'a skipped slot happens right after the gap',
    '30 2 * * *',
    'Europe/Berlin',
    '2026-03-28',
    '2026-03-31',
    ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
  ],
  [
    'a repeated slot happens at its first pass',
    '30 2 * * *',
    'Europe/Berlin',
    '2026-10-24',
    '2026-10-27',
    ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'],
  ],
  [
    'slots that fall on one instant are one run',
    '0 2,3 * * *',
    'Europe/Berlin',
    '2026-03-29',
    '2026-03-30',
    ['2026-03-29T01:00'],
  ],
  ['all slots of a gap are one run', '*/15 2 * * *', 'Europe/Berlin', '2026-03-29', '2026-03-30', ['2026-03-29T01:00']],
  [
    'a slot at the end of the gap is not moved',
    '0 3 * * *',
    'Europe/Berlin',
    '2026-03-29',
    '2026-03-30',
    ['2026-03-29T01:00'],
  ],
  [
    'a slot at the end of the repetition happens once',
    '0 3 * * *',
    'Europe/Berlin',
    '2026-10-25',
    '2026-10-26',
    ['2026-10-25T02:00'],
  ],
  [
    'hour * takes none of a skipped hour',
    '30 * * * *',
    'Europe/Berlin',
    '2026-03-29T00:00',
    '2026-03-29T03:00',
    ['2026-03-29T00:30', '2026-03-29T01:30', '2026-03-29T02:30'],
  ],
  [
    'hour * takes both passes of a repeated hour',
    '30 * * * *',
    'Europe/Berlin',
    '2026-10-25T00:00',
    '2026-10-25T03:00',
    ['2026-10-25T00:30', '2026-10-25T01:30', '2026-10-25T02:30'],
  ],
  [
    'hour */1 takes each local hour once',
    '30 */1 * * *',
    'Europe/Berlin',
    '2026-10-25T00:00',
    '2026-10-25T03:00',
    ['2026-10-25T00:30', '2026-10-25T02:30'],
  ],
  [
    'hour 0-23 takes each local hour once',
    '30 0-23 * * *',
    'Europe/Berlin',
    '2026-03-29T00:00',
    '2026-03-29T03:00',
    ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30', '2026-03-29T02:30'],
  ],
  [
    'every minute is every elapsed minute',
    '* * * * *',
    'Europe/Berlin',
    '2026-10-25T00:59',
    '2026-10-25T01:02',
    ['2026-10-25T00:59', '2026-10-25T01:00', '2026-10-25T01:01'],
  ],
  // Lord Howe moves by half an hour: at 2026-10-03T15:30Z from 02:00 to 02:30, at 2026-04-04T15:00Z from 02:00 to 01:30.
  [
    'a gap of half an hour',
    '15 2 * * *',
    'Australia/Lord_Howe',
    '2026-10-02T12:00',
    '2026-10-05',
    ['2026-10-02T15:45', '2026-10-03T15:30', '2026-10-04T15:15'],
  ],
  [
    'a repetition of half an hour',
    '45 1 * * *',
    'Australia/Lord_Howe',
    '2026-04-04',
    '2026-04-05T23:00',
    ['2026-04-04T14:45', '2026-04-05T15:15'],
  ],
  [
    'hour * over a repetition of half an hour',
    '45 * * * *',
    'Australia/Lord_Howe',
    '2026-04-04T14:00',
    '2026-04-04T17:00',
    ['2026-04-04T14:45', '2026-04-04T15:15', '2026-04-04T16:15'],
  ],
  // Apia never saw 30 December 2011.
  [
    'a skipped day',
    '0 12 * * *',
    'Pacific/Apia',
    '2011-12-29',
    '2012-01-01',
    ['2011-12-29T22:00', '2011-12-30T10:00', '2011-12-30T22:00', '2011-12-31T22:00'],
  ],
  ['a skipped day under hour *', '0 * 30 12 *', 'Pacific/Apia', '2011-12-01', '2012-01-31', []],
  [
    'a skipped day of the week',
    '0 12 * * FRI',
    'Pacific/Apia',
    '2011-12-24',
    '2012-01-07',
    ['2011-12-30T10:00', '2012-01-05T22:00'],
  ],
  // ... and 4 July 1892 twice, until 11:26:56Z at +12:33:04, then at -11:26:56.
  [
    'a repeated day',
    '0 12 * * *',
    'Pacific/Apia',
    '1892-07-02',
    '1892-07-07',
    ['1892-07-02T23:26:56', '1892-07-03T23:26:56', '1892-07-05T23:26:56', '1892-07-06T23:26:56'],
  ],
  [
    'a day skipped in Kwajalein',
    '0 6 * * *',
    'Pacific/Kwajalein',
    '1993-08-20',
    '1993-08-23',
    ['1993-08-20T18:00', '1993-08-21T12:00', '1993-08-21T18:00', '1993-08-22T18:00'],
  ],
  // Midnight itself is skipped or repeated.
  [
    'midnight skipped in Havana',
    '0 0 * * *',
    'America/Havana',
    '2026-03-07',
    '2026-03-10',
    ['2026-03-07T05:00', '2026-03-08T05:00', '2026-03-09T04:00'],
  ],
  [
    'midnight repeated in Havana',
    '30 0 * * *',
    'America/Havana',
    '2026-11-01',
    '2026-11-03',
    ['2026-11-01T04:30', '2026-11-02T05:30'],
  ],
  [
    'midnight skipped in São Paulo on its Sunday',
    '0 0 * * SUN',
    'America/Sao_Paulo',
    '2018-11-01',
    '2018-11-12',
    ['2018-11-04T03:00', '2018-11-11T02:00'],
  ],
  [
    'the hour before midnight repeated in São Paulo',
    '30 23 * * SAT',
    'America/Sao_Paulo',
    '2019-02-15',
    '2019-02-25',
    ['2019-02-17T01:30', '2019-02-24T02:30'],
  ],
  // Troll moves by two hours, at 01:00Z.
  [
    'a gap of two hours',
    '30 1,2 * * *',
    'Antarctica/Troll',
    '2026-03-29',
    '2026-03-30T03:00',
    ['2026-03-29T01:00', '2026-03-29T23:30', '2026-03-30T00:30'],
  ],
  [
    'a repetition of two hours',
    '30 1,2 * * *',
    'Antarctica/Troll',
    '2026-10-24T12:00',
    '2026-10-26',
    ['2026-10-24T23:30', '2026-10-25T00:30'],
  ],
  [
    'hour * over a repetition of two hours',
    '30 * * * *',
    'Antarctica/Troll',
    '2026-10-24T23:00',
    '2026-10-25T04:00',
    ['2026-10-24T23:30', '2026-10-25T00:30', '2026-10-25T01:30', '2026-10-25T02:30', '2026-10-25T03:30'],
  ],
  // Winter time is the exception in Dublin, Ramadan in Casablanca.
  ['negative summer time in Dublin', '30 1 * * *', 'Europe/Dublin', '2026-03-29', '2026-03-30', ['2026-03-29T01:00']],
  [
    'Ramadan begins in Casablanca',
    '30 2 * * *',
    'Africa/Casablanca',
    '2026-02-14',
    '2026-02-17',
    ['2026-02-14T01:30', '2026-02-15T01:30', '2026-02-16T02:30'],
  ],
  [
    'Ramadan ends in Casablanca',
    '30 2 * * *',
    'Africa/Casablanca',
    '2026-03-21',
    '2026-03-24',
    ['2026-03-21T02:30', '2026-03-22T02:00', '2026-03-23T01:30'],
  ],
  // Pyongyang left +09:00 at midnight of 15 August 2015 and came back at 23:30 of 4 May 2018.
  [
    'standard time set back',
    '45 23 * * *',
    'Asia/Pyongyang',
    '2015-08-14',
    '2015-08-16',
    ['2015-08-14T14:45', '2015-08-15T15:15'],
  ],
  [
    'standard time set forward',
    '45 23 * * *',
    'Asia/Pyongyang',
    '2018-05-03T12:00',
    '2018-05-06',
    ['2018-05-03T15:15', '2018-05-04T15:00', '2018-05-05T14:45'],
  ],
  // No changes: the calendar.
  [
    'either day',
    '0 0 13 * FRI',
    'Etc/UTC',
    '2026-03-10',
    '2026-03-28',
    ['2026-03-13T00:00', '2026-03-20T00:00', '2026-03-27T00:00'],
  ],
  [
    'a stepped day of month and a day of week',
    '0 0 */15 * MON',
    'Etc/UTC',
    '2026-04-01',
    '2026-04-21',
    ['2026-04-01T00:00', '2026-04-06T00:00', '2026-04-13T00:00', '2026-04-16T00:00', '2026-04-20T00:00'],
  ],
  [
    '29 February over 2100',
    '0 0 29 2 *',
    'Asia/Kolkata',
    '2090-01-01',
    '2110-01-01',
    ['2092-02-28T18:30', '2096-02-28T18:30', '2104-02-28T18:30', '2108-02-28T18:30'],
  ],
  ['an empty window', '* * * * *', 'Etc/UTC', '2026-01-02', '2026-01-01', []],
]

const instant = (text: string) => new Date(text.includes('T') ? `${text}Z` : `${text}T00:00Z`)

describe('around changes of a zone', () => {
  it.each(cases)('%s (%s in %s)', (_, text, timeZone, from, to, expected) => {
    const cron = cronOf(text)
    const slots = expected.map(instant)
    expect([...cronSlots(cron, timeZone, instant(from), instant(to))]).toEqual(slots)
    for (const [index, slot] of slots.entries()) {
      expect(latestCronSlot(cron, timeZone, slot)).toEqual(slot)
      expect(nextCronSlot(cron, timeZone, new Date(slot.getTime() - 1))).toEqual(slot)
      if (index > 0) expect(latestCronSlot(cron, timeZone, new Date(slot.getTime() - 1))).toEqual(slots[index - 1])
      if (index > 0) expect(nextCronSlot(cron, timeZone, slots[index - 1]!)).toEqual(slot)
    }
  })

  it('takes `from` and leaves out `to`', () => {
    const slots = cronSlots(cronOf('0 * * * *'), 'Etc/UTC', instant('2026-01-01T01:00'), instant('2026-01-01T03:00'))
    expect([...slots]).toEqual([instant('2026-01-01T01:00'), instant('2026-01-01T02:00')])
  })
})
