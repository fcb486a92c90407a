import { CronExpressionParser } from 'cron-parser'
import { Cron } from 'croner'
import { cronSlots, latestCronSlot, nextCronSlot, parseCron } from '../compiler/schedule/index.ts'

// One JSON object: microseconds per call, median of the rounds; every library in the same run, on expressions already parsed.

type Library = {
  readonly next: (after: Date) => Date | null
  /** How many slots the year has. */
  readonly year: () => number
}

const rounds = 9
const timeZone = 'Europe/Berlin'
const expressions = { daily: '0 2 * * *', hourly: '30 * * * *', weekly: '0 6 * * MON', leapDay: '0 0 29 2 *' }
const from = new Date('2026-01-01T00:00:00Z')
const to = new Date('2027-01-01T00:00:00Z')
const afters = Array.from({ length: 200 }, (_, index) => new Date(from.getTime() + index * 157_234_567))

const ours = (text: string, zone = timeZone): Library & { readonly latest: (at: Date) => Date | null } => {
  const cron = parseCron(text)
  if (Array.isArray(cron)) throw new Error(`${text}: ${cron[0]?.message}`)
  return {
    next: (after) => nextCronSlot(cron, zone, after),
    latest: (at) => latestCronSlot(cron, zone, at),
    year: () => [...cronSlots(cron, zone, from, to)].length,
  }
}

const croner = (text: string): Library => {
  const cron = new Cron(text, { timezone: timeZone })
  return {
    next: (after) => cron.nextRun(after),
    year: () => {
      let count = 0
      for (let slot = cron.nextRun(new Date(from.getTime() - 1)); slot && slot < to; slot = cron.nextRun(slot))
        count += 1
      return count
    },
  }
}

const cronParser = (text: string): Library => {
  const cron = CronExpressionParser.parse(text, { tz: timeZone })
  return {
    next: (after) => {
      cron.reset(after)
      return cron.next().toDate()
    },
    year: () => {
      cron.reset(new Date(from.getTime() - 1))
      let count = 0
      for (let slot = cron.next().toDate(); slot < to; slot = cron.next().toDate()) count += 1
      return count
    },
  }
}

// A process's first formatters load Intl's data, which takes tens of milliseconds. What counts is a zone that is new to a running
// process.
ours(expressions.daily, 'Etc/UTC').year()
const newZoneStarted = performance.now()
ours(expressions.daily, 'America/New_York').year()
const newZone = round((performance.now() - newZoneStarted) * 1000)

const results = Object.entries(expressions).map(([name, text]) => {
  const libraries = { ours: ours(text), croner: croner(text), cronParser: cronParser(text) }
  const measured = Object.entries(libraries).map(([library, { next, year }]) => [
    library,
    {
      next: perCall(afters.length, () => afters.map(next)),
      year: perCall(1, year),
      slotsInYear: year(),
    },
  ])
  return [
    name,
    {
      text,
      latest: perCall(afters.length, () => afters.map(libraries.ours.latest)),
      ...Object.fromEntries(measured),
    },
  ]
})

console.log(
  JSON.stringify(
    {
      unit: 'microseconds per call',
      node: process.version,
      timeZone,
      yearOfDailySlotsInANewZone: newZone,
      ...Object.fromEntries(results),
    },
    null,
    2,
  ),
)

function perCall(calls: number, run: () => unknown): number {
  const times = Array.from({ length: rounds }, () => {
    const started = performance.now()
    run()
    return ((performance.now() - started) * 1000) / calls
  })
  return round(times.sort((a, b) => a - b)[rounds >> 1]!)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
