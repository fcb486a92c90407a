import { describe, expect, it } from 'vitest'
import { type Cron, cronSlots, isReachable, nextCronSlot, parseCron } from '../../compiler/schedule/index.ts'
import { cronOf } from './cron-of.ts'

const all = (low: number, high: number) => Array.from({ length: high - low + 1 }, (_, index) => low + index)
const bits = (values: readonly number[]) => values.reduce((sum, value) => sum | (1 << value), 0)
const everyDay = {
  daysOfMonth: bits(all(1, 31)),
  months: bits(all(1, 12)),
  daysOfWeek: bits(all(0, 6)),
  matchesEitherDay: false,
  followsElapsedTime: false,
}

const read: readonly (readonly [string, Partial<Cron>])[] = [
  ['0 2 * * *', { ...everyDay, minutesOfDay: [120] }],
  ['  5,1\t23-23  * * *\n', { ...everyDay, minutesOfDay: [1381, 1385] }],
  ['*/20 8-10/2 * * *', { ...everyDay, minutesOfDay: [480, 500, 520, 600, 620, 640] }],
  ['50/5 0 * * *', { ...everyDay, minutesOfDay: [50, 55] }],
  ['0 * * * *', { followsElapsedTime: true, minutesOfDay: all(0, 23).map((hour) => hour * 60) }],
  ['0 */1 * * *', { followsElapsedTime: false, minutesOfDay: all(0, 23).map((hour) => hour * 60) }],
  ['0 0-23 * * *', { followsElapsedTime: false, minutesOfDay: all(0, 23).map((hour) => hour * 60) }],
  ['0 0 * jan,Jul-SEP/2 *', { months: bits([1, 7, 9]) }],
  ['0 0 * * 7', { daysOfWeek: bits([0]), matchesEitherDay: false }],
  ['0 0 * * 5-7', { daysOfWeek: bits([0, 5, 6]) }],
  ['0 0 * * MON-FRI', { daysOfWeek: bits([1, 2, 3, 4, 5]) }],
  ['0 0 * * */2', { daysOfWeek: bits([0, 2, 4, 6]), matchesEitherDay: false }],
  ['0 0 * * 1/2', { daysOfWeek: bits([1, 3, 5]) }],
  ['0 0 13 * 5', { daysOfMonth: bits([13]), daysOfWeek: bits([5]), matchesEitherDay: true }],
  ['0 0 */2 * 1', { matchesEitherDay: true }],
  ['0 0 1-31 * 1', { matchesEitherDay: true }],
  ['0 0 */1 * 1', { matchesEitherDay: false }],
  ['0 0 5,* * 1', { daysOfMonth: bits(all(1, 31)), matchesEitherDay: false }],
  ['@hourly', { ...everyDay, followsElapsedTime: true, minutesOfDay: all(0, 23).map((hour) => hour * 60) }],
  ['@daily', { ...everyDay, minutesOfDay: [0] }],
  ['@weekly', { ...everyDay, minutesOfDay: [0], daysOfWeek: bits([0]) }],
  ['@monthly', { ...everyDay, minutesOfDay: [0], daysOfMonth: bits([1]) }],
  ['@yearly', { ...everyDay, minutesOfDay: [0], daysOfMonth: bits([1]), months: bits([1]) }],
]

describe('a cron expression', () => {
  it.each(read)('%j is read', (text, expected) => {
    expect(parseCron(text)).toMatchObject({ text, ...expected })
  })
})

/** The text, then for each fault: what it is about, words of the message, words of the help. */
const refused: readonly (readonly [string, ...(readonly [about: string, message: string, help: string])[]])[] = [
  ['', ['', 'is empty', 'such as `0 2 * * *`']],
  ['   ', ['   ', 'is empty', 'such as `0 2 * * *`']],
  ['60 2 * * *', ['60', '60 is outside the minute field (0 to 59)', 'Use 0 to 59.']],
  ['0 24 * * *', ['24', '24 is outside the hour field (0 to 23)', 'Use 0 to 23.']],
  [
    '0 2 0 13 8',
    ['0', 'day of month field (1 to 31)', '1 to 31'],
    ['13', 'month field (1 to 12)', 'JAN to DEC'],
    ['8', 'day of week field (0 to 7)', 'Sunday'],
  ],
  ['0 2 * * 1,2,9', ['9', '9 is outside the day of week field', 'SUN to SAT']],
  ['0 0 2 * * *', ['0 0 2 * * *', 'has 6 fields instead of five; seconds', 'Remove the first field: `0 2 * * *`.']],
  ['30 0 2 * * *', ['30 0 2 * * *', 'seconds and years are not supported', 'Write minute, hour']],
  ['0 0 0 ? * * 2026', ['0 0 0 ? * * 2026', 'has 7 fields', 'Write minute, hour']],
  ['0 2 * *', ['0 2 * *', 'has 4 fields instead of five.', 'Write minute, hour']],
  ['daily', ['daily', 'has 1 field instead of five.', 'Write minute, hour']],
  ['0  2 * * ? ', ['?', '`?` in the day of week field is not supported', 'Write `*`.']],
  ['0 2 L * *', ['L', '`L` in the day of month field is not supported', 'days 1 to 28']],
  ['0 2 15W * *', ['15W', '`15W` in the day of month field', 'MON-FRI']],
  ['0 2 * * 5L', ['5L', '`5L` in the day of week field', 'last day']],
  ['0 2 * * FRI#2', ['FRI#2', '`FRI#2` in the day of week field', 'n-th weekday']],
  ['H 2 * * *', ['H', '`H` in the minute field', 'a number of your choice']],
  ['0 2 * * monday', ['monday', '`monday` is not a value of the day of week field', 'Write `MON`.']],
  ['0 2 * febr *', ['febr', '`febr` is not a value of the month field', 'Write `FEB`.']],
  ['0 2 * MON *', ['MON', '`MON` is not a value of the month field', 'JAN to DEC']],
  ['0 two * * *', ['two', '`two` is not a value of the hour field', 'Use 0 to 23.']],
  ['0 1.5 * * *', ['1.5', '`1.5` is not a value', '0 to 23']],
  ['-5 2 * * *', ['-5', '`-5` is not a value of the minute field', '0 to 59']],
  ['1-2-3 2 * * *', ['2-3', '`2-3` is not a value', '0 to 59']],
  ['*-5 2 * * *', ['*', '`*` is not a value', '0 to 59']],
  ['5- 2 * * *', ['5-', '`5-` is not a value', '0 to 59']],
  ['5,,6 2 * * *', ['5,,6', 'An item of the minute field is empty', 'Remove the comma']],
  [', 2 * * *', [',', 'An item of the minute field is empty', 'Remove the comma']],
  ['*/0 2 * * *', ['0', 'The step `0` of the minute field', 'from 1 to 60']],
  ['*/ 2 * * *', ['*/', 'The step `*/` of the minute field', 'from 1 to 60']],
  ['*/5/2 2 * * *', ['5/2', 'The step `5/2`', 'from 1 to 60']],
  ['*/90 * * * *', ['90', 'The step `90` is longer than the minute field', 'from 1 to 60']],
  ['0 22-2 * * *', ['22-2', 'runs backwards', 'Write `22-23,0-2`']],
  ['0 2 * * FRI-MON', ['FRI-MON', 'runs backwards', 'Write `FRI-SAT,SUN-MON`']],
  ['0 2 * * SAT-SUN', ['SAT-SUN', 'runs backwards', 'Write `SAT,SUN`']],
  ['0 2 * * 7-1', ['7-1', 'runs backwards', 'Write `7,0-1`']],
  ['TZ=Europe/Berlin 0 2 * * *', ['TZ=Europe/Berlin', 'cannot hold its time zone', 'set `timeZone: Europe/Berlin`']],
  [
    'CRON_TZ=UTC 0 25 * * *',
    ['CRON_TZ=UTC', 'cannot hold its time zone', 'set `timeZone: UTC`'],
    ['25', '25 is outside', '0 to 23'],
  ],
  ['TZ=UTC 0 2 *', ['TZ=UTC', 'cannot hold its time zone', 'set `timeZone: UTC`']],
  ['@every 5m', ['@every 5m', '`@every 5m` is not a known schedule', '@daily']],
  ['@Daily', ['@Daily', '`@Daily` is not a known schedule', '@daily']],
  ['@reboot', ['@reboot', 'not a known schedule', 'five fields']],
]

describe('a wrong cron expression', () => {
  it.each(refused.map(([text, ...expected]) => ({ text, expected })))(
    '$text is refused with the place, the reason and a next step',
    ({ text, expected }) => {
      const faults = parseCron(text)
      if (!Array.isArray(faults)) expect.fail('it was accepted')
      expect(faults.map(({ start, end }) => text.slice(start, end))).toEqual(expected.map(([about]) => about))
      for (const [index, [, message, help]] of expected.entries()) {
        expect(faults[index]!.message).toContain(message)
        expect(faults[index]!.help).toContain(help)
      }
    },
  )

  it('shows the field at fault where an equal one is right', () => {
    expect(parseCron('0 0 0 1 *')).toMatchObject([{ start: 4, end: 5 }])
  })
})

describe('reachability', () => {
  it.each([
    ['0 0 31 2 *', false],
    ['0 0 30,31 FEB *', false],
    ['0 0 31 4,6,9,11 *', false],
    ['0 0 31 2,3 *', true],
    ['0 0 29 2 *', true],
    ['0 0 30 4 *', true],
    ['0 0 31 2 1', true],
    ['0 0 31 2 */1', false],
    ['* * * * *', true],
  ])('of %j is %j', (text, expected) => {
    expect(isReachable(cronOf(text))).toBe(expected)
  })

  it('of a day that never comes means no slots', () => {
    const cron = cronOf('0 0 31 2 *')
    expect(nextCronSlot(cron, 'Europe/Berlin', new Date('2026-01-01T00:00:00Z'))).toBeNull()
    expect([
      ...cronSlots(cron, 'Europe/Berlin', new Date('2026-01-01T00:00:00Z'), new Date('2046-01-01T00:00:00Z')),
    ]).toEqual([])
  })
})
