import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, it } from 'vitest'
import { cronSlots, latestCronSlot, nextCronSlot } from '../../compiler/schedule/index.ts'
import { patience, tries } from '../support/soak.ts'
import { cronOf } from './cron-of.ts'

// CONVOKE_SCHEDULE_CHANGES: clock changes looked at per zone; CONVOKE_SEED: another sample.
const changesPerZone = tries(1, 20)
const seed = Number(process.env['CONVOKE_SEED'] ?? 1)
const cronsPerChange = 4

const zones = Intl.supportedValuesOf('timeZone')
const minute = 60_000
const day = 1440 * minute

/** Where the calendar allows it, an expression that matches near every change. */
const cronText = fc
  .tuple(
    fc.constantFrom('0', '30', '*/15', '*/20', '7-9', '0,59', '13', '*'),
    fc.constantFrom(
      '*',
      '*',
      '*',
      '*/1',
      '*/2',
      '0-23',
      '0',
      '1',
      '2',
      '3',
      '23',
      '0-3',
      '1,2',
      '2-22/2',
      '22,23,0,1,2,3',
    ),
    fc.constantFrom('*', '*', '*', '*', '*/2', '1-15', '30'),
    fc.constantFrom('*', '*', '*', '1-12/2'),
    fc.constantFrom('*', '*', '*', 'SUN', '5-7', '*/2'),
  )
  .map((fields) => fields.join(' '))

describe('in every zone of the database', () => {
  it('slots are what a scan of every minute finds around changes of the clock', { timeout: patience(600_000) }, () => {
    const count = zones.length * changesPerZone
    const crons = fc.sample(cronText, { seed, numRuns: count * cronsPerChange })
    // From 1973 on all offsets are whole minutes, which the scan relies on.
    const starts = fc.sample(fc.integer({ min: Date.UTC(1973, 0, 1), max: Date.UTC(2040, 0, 1) }), {
      seed,
      numRuns: count,
    })
    const splits = fc.sample(fc.integer({ min: -day, max: day - 1 }), { seed, numRuns: count * cronsPerChange })

    let compared = 0
    for (const [index, start] of starts.entries()) {
      const zone = zones[index % zones.length]!
      const change = changeNear(zone, start)
      const from = change - day
      const to = change + day
      const scanned = scan(zone, from, to)
      for (const k of Array(cronsPerChange).keys()) {
        const text = crons[index * cronsPerChange + k]!
        const place = `${text} in ${zone} around ${new Date(change).toISOString()}`
        const expected = scannedSlots(text, scanned, from, to)
        const cron = cronOf(text)
        const between = (a: number, b: number) => [...cronSlots(cron, zone, new Date(a), new Date(b))].map(Number)
        const slots = between(from, to)
        expect(slots.map(isoOf), place).toEqual(expected.map(isoOf))

        const split = change + splits[index * cronsPerChange + k]!
        expect([...between(from, split), ...between(split, to)], `${place}, split at ${isoOf(split)}`).toEqual(slots)
        for (const at of [split, change, change - 1, ...slots.slice(0, 3)]) {
          const latest = slots.findLast((slot) => slot <= at)
          const next = slots.find((slot) => slot > at)
          if (latest !== undefined)
            expect(Number(latestCronSlot(cron, zone, new Date(at))), `${place}, latest at ${isoOf(at)}`).toBe(latest)
          if (next !== undefined)
            expect(Number(nextCronSlot(cron, zone, new Date(at))), `${place}, next after ${isoOf(at)}`).toBe(next)
        }
        compared += slots.length
      }
    }
    expect(compared).toBeGreaterThan(count * cronsPerChange)
  })

  it('latest and next walk the same slots back and forth over years', () => {
    const crons = fc.sample(cronText, { seed, numRuns: zones.length })
    const from = new Date('2024-01-01T00:00:00Z')
    for (const [index, zone] of zones.entries()) {
      const cron = cronOf(crons[index]!)
      const forth: number[] = []
      for (let at: Date | null = from; at && forth.length < 200; at = nextCronSlot(cron, zone, at))
        if (at !== from) forth.push(Number(at))
      const back: number[] = []
      for (let at = new Date(forth.at(-1)!); at > from; at = new Date(back[0]! - 1))
        back.unshift(Number(latestCronSlot(cron, zone, at)))
      expect(
        back.filter((slot) => slot > Number(from)),
        `${crons[index]} in ${zone}`,
      ).toEqual(forth)
    }
  })
})

/** The zone's first change after the instant, or the last one before; the instant itself, in whole minutes, where there is none. */
function changeNear(zone: string, instant: number): number {
  const start = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone)
  const change = start.getTimeZoneTransition('next') ?? start.getTimeZoneTransition('previous')
  const at = change?.epochMilliseconds ?? instant
  return at < Date.UTC(1973, 0, 1) ? instant - (instant % minute) : at
}

type Wall = {
  readonly text: string
  readonly fields: readonly [minute: number, hour: number, date: number, month: number, weekday: number]
}

type Scan = {
  /** What the zone shows at each minute, in order. */
  readonly walls: readonly { readonly instant: number; readonly wall: Wall }[]
  /** Every minute of the calendar between the first and the last of them, shown or not. */
  readonly calendar: readonly Wall[]
}

/** Wide enough that a day skipped or repeated lies inside. */
function scan(zone: string, from: number, to: number): Scan {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  const shown: { readonly instant: number; readonly text: string }[] = []
  for (let at = from - 1.2 * day; at < to + 1.2 * day; at += minute)
    shown.push({ instant: at, text: format.format(at) })

  const calendar: Wall[] = []
  const utc = (text: string) => Date.parse(`${text.replace(' ', 'T')}Z`)
  const end = utc(shown.at(-1)!.text)
  // A day earlier and later, since the first and last minutes need not be the extremes.
  for (let at = utc(shown[0]!.text) - day; at <= end + day; at += minute) {
    const date = new Date(at)
    const text = date.toISOString().slice(0, 16).replace('T', ' ')
    calendar.push({
      text,
      fields: [date.getUTCMinutes(), date.getUTCHours(), date.getUTCDate(), date.getUTCMonth() + 1, date.getUTCDay()],
    })
  }
  const byText = new Map(calendar.map((wall) => [wall.text, wall]))
  return {
    walls: shown.map(({ instant, text }) => ({ instant, wall: byText.get(text)! })),
    calendar: calendar.slice(1440, -1440),
  }
}

/** The definition, slowly: which minutes of the wall clock match, and when each is first shown, or what is shown instead. */
function scannedSlots(cron: string, { walls, calendar }: Scan, from: number, to: number): readonly number[] {
  const matches = matcherOf(cron)
  const found = new Set<number>()
  if (cron.split(' ')[1] === '*') {
    for (const { instant, wall } of walls) if (matches(wall)) found.add(instant)
  } else {
    const shown = new Map<string, number>()
    for (const { instant, wall } of walls) if (!shown.has(wall.text)) shown.set(wall.text, instant)
    for (const wanted of calendar.filter(matches)) {
      const after = () =>
        walls.find(
          ({ wall }, index) => index > 0 && walls[index - 1]!.wall.text < wanted.text && wall.text > wanted.text,
        )!.instant
      found.add(shown.get(wanted.text) ?? after())
    }
  }
  return [...found].filter((instant) => instant >= from && instant < to).sort((a, b) => a - b)
}

function matcherOf(cron: string): (wall: Wall) => boolean {
  const texts = cron.replace('SUN', '0').replace('5-7', '5,6,0').split(' ')
  const tables = texts.map((text, index) =>
    Array.from({ length: 60 }, (_, value) => holds(text, value, index === 2 || index === 3 ? 1 : 0)),
  )
  const either = texts[2] !== '*' && texts[4] !== '*'
  return ({ fields }) => {
    const [inMinute, inHour, inDate, inMonth, inWeek] = fields.map((value, index) => tables[index]![value]!)
    return inMinute! && inHour! && inMonth! && (either ? inDate! || inWeek! : inDate! && inWeek!)
  }
}

function holds(field: string, value: number, least: number): boolean {
  return field.split(',').some((item) => {
    const [range, step] = item.split('/') as [string, string?]
    const [low, high] = range === '*' ? [least, 99] : (range.split('-').map(Number) as [number, number?])
    return value >= low && value <= (high ?? low) && (value - low) % Number(step ?? 1) === 0
  })
}

function isoOf(instant: number): string {
  return new Date(instant).toISOString()
}
