import { describe, expect, it } from 'vitest'
import { isTimeZone, suggestTimeZones } from '../../compiler/schedule/index.ts'

describe('a time zone', () => {
  it.each([
    'Europe/Berlin',
    'Europe/Kyiv',
    'Europe/Kiev',
    'Asia/Kolkata',
    'Asia/Calcutta',
    'America/Port-au-Prince',
    'America/Argentina/Buenos_Aires',
  ])('%s is known', (name) => {
    expect(isTimeZone(name)).toBe(true)
  })
  it.each([
    'UTC',
    'Etc/UTC',
    'Etc/GMT+5',
    'GMT',
    'EST',
    'EST5EDT',
    'CET',
    'US/Eastern',
    'Japan',
    'GB-Eire',
    'NZ-CHAT',
    'W-SU',
    'Antarctica/DumontDUrville',
  ])('%s is known', (name) => {
    expect(isTimeZone(name)).toBe(true)
  })
  it.each(Intl.supportedValuesOf('timeZone'))('%s, which Intl lists, is known', (name) => {
    expect(isTimeZone(name)).toBe(true)
  })
  it.each([
    '',
    'Local',
    'local',
    'Factory',
    'localtime',
    'Etc/Unknown',
    'SystemV/PST8PDT',
    'Mars/Olympus',
    'Europe/Berlin ',
    '/Europe/Berlin',
    'Europe/',
  ])('%j is not known', (name) => {
    expect(isTimeZone(name)).toBe(false)
  })
  it.each(['+01:00', 'UTC+1', 'GMT+5', '-0300', 'Z'])('%s, an offset, is no zone', (name) => {
    expect(isTimeZone(name)).toBe(false)
  })
  it.each(['IST', 'PST', 'CST', 'ACT', 'CEST'])('%s, an abbreviation outside the database, is no zone', (name) => {
    expect(isTimeZone(name)).toBe(false)
  })
  it.each(['europe/berlin', 'Europe/BERLIN', 'utc', 'asia/Kolkata', 'us/eastern', 'Asia/KOLKATA'])(
    '%s is not spelled as in the database',
    (name) => {
      expect(isTimeZone(name)).toBe(false)
    },
  )
})

describe('a name for which no zone exists', () => {
  it.each([
    ['Europe/Berlim', 'Europe/Berlin'],
    ['europe/berlin', 'Europe/Berlin'],
    ['Europ/Berlin', 'Europe/Berlin'],
    ['Berlin', 'Europe/Berlin'],
    ['new york', 'America/New_York'],
    ['America/NewYork', 'America/New_York'],
    ['Asia/Kolkatta', 'Asia/Kolkata'],
    ['Europe/Kyyiv', 'Europe/Kyiv'],
    ['utc', 'UTC'],
    ['UTC+1', 'Etc/GMT-1'],
    ['+05:00', 'Etc/GMT-5'],
    ['GMT-03:00', 'Etc/GMT+3'],
  ])('%s suggests %s first', (name, expected) => {
    expect(suggestTimeZones(name)[0]).toBe(expected)
  })

  it.each(['', 'Local', 'CEST', 'Mars/Olympus', '+05:30', 'UTC+30'])('%j suggests nothing', (name) => {
    expect(suggestTimeZones(name)).toEqual([])
  })
})
