import type { Unit } from './ast.ts'

/** Milliseconds of the units with a fixed length (a UTC day has 24 hours); null for the others. */
export const unitMilliseconds: Readonly<Record<Unit, number | null>> = {
  millisecond: 1,
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
  month: null,
  year: null,
  decade: null,
  century: null,
  millennium: null,
}

/** Months of the units with calendar length; null for the others. */
export const unitMonths: Readonly<Record<Unit, number | null>> = {
  millisecond: null,
  second: null,
  minute: null,
  hour: null,
  day: null,
  week: null,
  month: 1,
  year: 12,
  decade: 120,
  century: 1_200,
  millennium: 12_000,
}

/** Epoch milliseconds, moved by whole units in UTC; where the new month lacks the day, its last day counts. */
export function shift(milliseconds: number, amount: number, unit: Unit): number {
  const fixed = unitMilliseconds[unit]
  if (fixed !== null) return milliseconds + amount * fixed
  const date = new Date(milliseconds)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + amount * unitMonths[unit]!)
  date.setUTCDate(Math.min(day, daysInMonth(date.getUTCFullYear(), date.getUTCMonth() + 1)))
  return date.getTime()
}

/** Epoch milliseconds of the start of the unit, in UTC; weeks start on Sunday. */
export function floor(milliseconds: number, unit: Unit): number {
  const fixed = unitMilliseconds[unit]
  if (unit === 'week') {
    // 1970-01-01 was a Thursday; 1970-01-04 a Sunday.
    const sunday = 3 * 86_400_000
    return Math.floor((milliseconds - sunday) / 604_800_000) * 604_800_000 + sunday
  }
  if (fixed !== null) return Math.floor(milliseconds / fixed) * fixed
  const date = new Date(milliseconds)
  if (unit === 'month') return dayStart(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
  const years = unitMonths[unit]! / 12
  return dayStart(Math.floor(date.getUTCFullYear() / years) * years, 1, 1)
}

/** Epoch milliseconds of a calendar day's start in UTC; null where there is no such day, or a part is not whole. Years 1 to 9999. */
export function makeDate(year: number, month: number, day: number): number | null {
  if (!Number.isInteger(year) || !Number.isInteger(month) || !Number.isInteger(day)) return null
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null
  return dayStart(year, month, day)
}

/** Whether data and literals may hold the time: it lies in the years 1 to 9999. */
export function isWithinCalendar(milliseconds: number): boolean {
  return milliseconds >= -62_135_596_800_000 && milliseconds < 253_402_300_800_000
}

function dayStart(year: number, month: number, day: number): number {
  const date = new Date(0)
  // Date.UTC reads years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day)
  return date.getTime()
}

function daysInMonth(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
}

const dateTimePattern =
  /^\s*(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?\s*$/

/**
 * Epoch milliseconds of an ISO 8601 date or date-time of the years 1 to 9999; UTC where there is no offset. null for any other text or
 * day.
 */
export function parseTime(value: string): number | null {
  const found = dateTimePattern.exec(value)
  if (!found) return null
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset = 'Z'] = found
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return null
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  date.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.slice(0, 3).padEnd(3, '0')))
  const minutes =
    offset === 'Z' ? 0 : Number(`${offset[0]}1`) * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2)))
  const milliseconds = date.getTime() - minutes * 60_000
  return isWithinCalendar(milliseconds) ? milliseconds : null
}
