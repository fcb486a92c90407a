// What is due, decided in years of virtual time: in every zone, whatever happens to the process and to its clock.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Schedule, slotsBetween } from '#compiler'
import { type Agenda, type AgendaInput, agendaOf } from '#protocol'
import { cronOf } from '../schedule/cron-of.ts'

// CONVOKE_SEED: other accidents.
const seed = Number(process.env['CONVOKE_SEED'] ?? 1)
const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000] as const
const at = (text: string): number => Date.parse(`2026-12-${text}Z`)
const slotText = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString().slice(8, 16))

const sixHourly: Schedule = { kind: 'every', seconds: 6 * 3600, startAt: new Date(at('01T04:00')) }
const threeHourly: Schedule = { kind: 'every', seconds: 3 * 3600, startAt: new Date(at('01T00:00')) }
const daily: Schedule = { kind: 'every', seconds: 86_400, startAt: new Date(at('01T00:00')) }
const nightly: Schedule = { kind: 'cron', cron: cronOf('0 2 * * *'), timeZone: 'Etc/UTC' }
const afterNightly: Schedule = { kind: 'after', evaluation: nightly }

const usual: AgendaInput = {
  schedule: sixHourly,
  nowMs: at('02T00:00'),
  lastMs: null,
  sinceMs: at('01T00:00'),
  catchUp: 'Latest',
  startingDeadlineSeconds: null,
}
const floor = (text: string) => ({ floorMs: at(text), intervalMs: 3 * hour })

describe('what is due', () => {
  const rows: readonly (readonly [
    what: string,
    input: Partial<AgendaInput>,
    due: readonly [slot: string, trigger: 'Schedule' | 'CatchUp'] | null,
    missed: readonly [count: number, latest: string, because: 'late' | 'floor'] | null,
    next: string | null,
  ])[] = [
    ['nothing before startAt', { nowMs: at('01T03:59') }, null, null, '01T04:00'],
    ['the slot at its instant', { nowMs: at('01T04:00') }, ['01T04:00', 'Schedule'], null, '01T10:00'],
    ['the slot a minute later, on time', { nowMs: at('01T04:01') }, ['01T04:00', 'Schedule'], null, '01T10:00'],
    [
      'what was missed for more than that is caught up',
      { nowMs: at('01T04:02') },
      ['01T04:00', 'CatchUp'],
      null,
      '01T10:00',
    ],
    ['no slot twice', { nowMs: at('01T04:00'), lastMs: at('01T04:00') }, null, null, '01T10:00'],
    [
      'the latest of several, the others are missed',
      { nowMs: at('02T00:00'), lastMs: at('01T04:00') },
      ['01T22:00', 'CatchUp'],
      [2, '01T16:00', 'late'],
      '02T04:00',
    ],
    [
      'nothing late where catchUp is None',
      { nowMs: at('02T00:00'), lastMs: at('01T04:00'), catchUp: 'None' },
      null,
      [3, '01T22:00', 'late'],
      '02T04:00',
    ],
    [
      'nothing after the deadline',
      { nowMs: at('01T05:00'), startingDeadlineSeconds: 1800 },
      null,
      [1, '01T04:00', 'late'],
      '01T10:00',
    ],
    ['nothing before the making', { nowMs: at('01T05:00'), sinceMs: at('01T04:01') }, null, null, '01T10:00'],
    [
      'the slot of the very instant of the making',
      { nowMs: at('01T04:00'), sinceMs: at('01T04:00') },
      ['01T04:00', 'Schedule'],
      null,
      '01T10:00',
    ],
    [
      'nothing of before a change, though the last run is long ago',
      { nowMs: at('03T09:59'), sinceMs: at('03T05:00'), lastMs: at('01T04:00') },
      null,
      null,
      '03T10:00',
    ],
    [
      'nothing while the clock is behind the last run',
      { nowMs: at('01T09:00'), lastMs: at('01T10:00') },
      null,
      null,
      '01T10:00',
    ],
    [
      'nothing while the clock is behind the making',
      { nowMs: at('01T04:00'), sinceMs: at('01T05:00') },
      null,
      null,
      '01T10:00',
    ],
    [
      'a night in its zone',
      { schedule: nightly, nowMs: at('02T02:00') },
      ['02T02:00', 'Schedule'],
      [1, '01T02:00', 'late'],
      '03T02:00',
    ],

    // After the evaluation.
    [
      'nothing before the first evaluation',
      { schedule: afterNightly, evaluation: evaluated(null) },
      null,
      null,
      '02T02:00',
    ],
    [
      'the evaluation that succeeded, however long it took',
      { schedule: afterNightly, nowMs: at('02T09:00'), evaluation: evaluated('02T02:00') },
      ['02T02:00', 'Schedule'],
      [1, '01T02:00', 'late'],
      '03T02:00',
    ],
    [
      'an evaluation once',
      { schedule: afterNightly, nowMs: at('02T09:00'), lastMs: at('02T02:00'), evaluation: evaluated('02T02:00') },
      null,
      null,
      '03T02:00',
    ],
    [
      'nothing while the evaluation of today has not succeeded',
      { schedule: afterNightly, nowMs: at('03T09:00'), lastMs: at('02T02:00'), evaluation: evaluated('02T02:00') },
      null,
      null,
      '04T02:00',
    ],
    [
      'the next evaluation after one that failed',
      { schedule: afterNightly, nowMs: at('04T03:00'), lastMs: at('02T02:00'), evaluation: evaluated('04T02:00') },
      ['04T02:00', 'Schedule'],
      [1, '03T02:00', 'late'],
      '05T02:00',
    ],
    [
      'an evaluation though catchUp is None and its deadline is over: it has only just ended',
      {
        schedule: afterNightly,
        nowMs: at('02T09:00'),
        lastMs: at('01T02:00'),
        evaluation: evaluated('02T02:00'),
        catchUp: 'None',
        startingDeadlineSeconds: 60,
      },
      ['02T02:00', 'Schedule'],
      null,
      '03T02:00',
    ],
    [
      'no evaluation of before the resumption',
      { schedule: afterNightly, nowMs: at('02T09:00'), sinceMs: at('02T05:00'), evaluation: evaluated('02T02:00') },
      null,
      null,
      '03T02:00',
    ],
    [
      'an evaluation whose schedule was changed under way, and none of the new schedule is missed',
      {
        schedule: afterNightly,
        nowMs: at('09T05:00'),
        lastMs: at('02T04:30'),
        evaluation: { latestMs: at('09T04:30'), sinceMs: at('09T04:40') },
      },
      ['09T04:30', 'Schedule'],
      null,
      '10T02:00',
    ],
    [
      'nothing while the clock is behind the evaluation',
      { schedule: afterNightly, nowMs: at('02T01:00'), lastMs: at('01T02:00'), evaluation: evaluated('02T02:00') },
      null,
      null,
      '02T02:00',
    ],

    // The floor.
    [
      'a slot that the floor pushes by no more than a minute',
      { schedule: threeHourly, nowMs: at('01T03:00'), lastMs: at('01T00:00'), floor: floor('01T03:01') },
      ['01T03:00', 'Schedule'],
      null,
      '01T06:00',
    ],
    [
      'no slot that would push the next one in turn',
      { schedule: threeHourly, nowMs: at('01T03:00'), lastMs: at('01T00:00'), floor: floor('01T03:40') },
      null,
      [1, '01T03:00', 'floor'],
      '01T06:00',
    ],
    [
      'a slot that the floor pushes where there is room until the next',
      { schedule: sixHourly, nowMs: at('01T10:00'), lastMs: at('01T04:00'), floor: floor('01T12:50') },
      ['01T10:00', 'Schedule'],
      null,
      '01T16:00',
    ],
    [
      'a daily slot, however far the floor pushes it',
      { schedule: daily, nowMs: at('02T00:00'), lastMs: at('01T00:00'), floor: floor('02T02:59') },
      ['02T00:00', 'Schedule'],
      null,
      '03T00:00',
    ],
    [
      'those before it are missed as well',
      { schedule: threeHourly, nowMs: at('01T09:00'), lastMs: at('01T00:00'), floor: floor('01T10:00') },
      null,
      [3, '01T09:00', 'floor'],
      '01T12:00',
    ],
  ]
  function evaluated(slot: string | null) {
    return { latestMs: slot === null ? null : at(slot), sinceMs: at('01T00:00') }
  }

  test.each(rows)('%s', (_, input, due, missed, next) => {
    const agenda = agendaOf({ ...usual, ...input })
    expect(agenda.due && [slotText(agenda.due.slotMs), agenda.due.trigger]).toEqual(due)
    expect([agenda.missed, slotText(agenda.missedMs), agenda.because]).toEqual(missed ?? [0, null, null])
    expect(slotText(agenda.nextMs)).toBe(next)
  })
})

/** What the operator keeps in a status: all that is left of it after a restart. */
type Memory = { lastMs: number | null; lastMissedMs: number | null }

/** The passes over one resource at one instant, as `reconcileTarget` makes them: what is missed is stored first, then the slot is run. */
function passes(memory: Memory, input: Omit<AgendaInput, 'lastMs'>, took: { run: Took[]; missed: number }): Agenda {
  for (let pass = 0; ; pass += 1) {
    if (pass > 3) expect.fail(`there is no end of what is due at ${new Date(input.nowMs).toISOString()}`)
    const known = [memory.lastMs, memory.lastMissedMs].filter((ms) => ms !== null)
    const agenda = agendaOf({ ...input, lastMs: known.length === 0 ? null : Math.max(...known) })
    if (agenda.missed > 0) {
      took.missed += agenda.missed
      memory.lastMissedMs = agenda.missedMs
      continue
    }
    if (agenda.due === null) return agenda
    took.run.push({ ...agenda.due, atMs: input.nowMs })
    memory.lastMs = agenda.due.slotMs
  }
}

type Took = { readonly slotMs: number; readonly trigger: string; readonly atMs: number }

/** Evenly from 0 to less than 1, the same for every seed. */
function randomOf(number: number): () => number {
  let state = number
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('in every zone of the database', () => {
  const zones = Intl.supportedValuesOf('timeZone')
  const [from, to] = [Date.parse('2024-01-01T12:00:00Z'), Date.parse('2028-01-01T12:00:00Z')]

  test('a daily slot runs exactly once a local day for four years', { timeout: 120_000 }, () => {
    let runs = 0
    for (const [index, timeZone] of zones.entries()) {
      const random = randomOf(seed * 1000 + index)
      // Most clocks change at night.
      const text = `${Math.floor(random() * 60)} ${Math.floor(random() * 4)} * * *`
      const schedule: Schedule = { kind: 'cron', cron: cronOf(text), timeZone }
      const memory: Memory = { lastMs: null, lastMissedMs: null }
      const took = { run: [] as Took[], missed: 0 }
      for (let now = from; now < to; ) {
        const agenda = passes(memory, { ...usual, schedule, nowMs: now, sinceMs: from }, took)
        now = agenda.nextMs!
      }
      const date = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' })
      const days = took.run.map(({ slotMs }) => date.format(slotMs))
      expect(took.missed, timeZone).toBe(0)
      // Each day of the calendar follows the one before it.
      for (let i = 1; i < days.length; i += 1)
        expect(Date.parse(days[i]!) - Date.parse(days[i - 1]!), `${text} in ${timeZone} after ${days[i - 1]}`).toBe(day)
      expect(took.run.filter(({ slotMs, trigger, atMs }) => trigger !== 'Schedule' || slotMs !== atMs)).toEqual([])
      runs += days.length
    }
    expect(runs).toBeGreaterThan(zones.length * 1459)
  })

  test('whatever happens to the process, each slot is run or missed, once, and never in a burst', {
    timeout: 120_000,
  }, () => {
    let runs = 0
    for (const [index, timeZone] of zones.entries()) {
      const random = randomOf(seed * 2000 + index)
      const text = ['15 1,2,3 * * *', '30 */2 * * *', '45 2 * * *', '*/20 1-3 * * SUN'][index % 4]!
      const schedule: Schedule = { kind: 'cron', cron: cronOf(text), timeZone }
      const catchUp = index % 3 === 0 ? 'None' : 'Latest'
      const startingDeadlineSeconds = index % 5 === 0 ? 1800 : null
      const [began, ended] = [from + index * day, from + (index + 366) * day]
      const memory: Memory = { lastMs: null, lastMissedMs: null }
      const took = { run: [] as Took[], missed: 0 }
      let now = began
      while (now < ended) {
        const before = took.run.length
        const { nextMs } = passes(
          memory,
          { ...usual, schedule, nowMs: now, sinceMs: began, catchUp, startingDeadlineSeconds },
          took,
        )
        expect(took.run.length - before).toBeLessThanOrEqual(1)
        // On time, or looked at early for some reason, or late by seconds, or down for up to three days.
        const accident = random()
        if (accident < 0.6) now = nextMs!
        else if (accident < 0.8) now += random() * (nextMs! - now)
        else if (accident < 0.9) now = nextMs! + random() * 30 * second
        else now += random() * 3 * day
      }
      passes(memory, { ...usual, schedule, nowMs: now, sinceMs: began, catchUp, startingDeadlineSeconds }, took)
      const slots = [...slotsBetween(schedule, new Date(began), new Date(now + 1))].map(Number)
      const ran = took.run.map(({ slotMs }) => slotMs)
      expect(new Set(ran).size, timeZone).toBe(ran.length)
      expect(ran.filter((slot) => !slots.includes(slot))).toEqual([])
      expect(ran).toEqual([...ran].sort((a, b) => a - b))
      expect(ran.length + took.missed, `${text} in ${timeZone}`).toBe(slots.length)
      for (const { slotMs, atMs } of took.run) {
        expect(atMs).toBeGreaterThanOrEqual(slotMs)
        const allowedMs = startingDeadlineSeconds
          ? startingDeadlineSeconds * second
          : catchUp === 'None'
            ? minute
            : Infinity
        if (atMs - slotMs > allowedMs) expect.fail(`${text} in ${timeZone}: ${slotMs} ran at ${atMs}`)
      }
      runs += ran.length
    }
    expect(runs).toBeGreaterThan(zones.length * 100)
  })
})

describe('whatever the clock does', () => {
  const jump = fc.record({
    afterMs: fc.integer({ min: 0, max: 2 * day }),
    byMs: fc.oneof(
      fc.constant(0),
      fc.integer({ min: -3 * hour, max: 3 * hour }),
      fc.integer({ min: -40 * day, max: 40 * day }),
    ),
  })

  test('no slot is run twice, and none before its time', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Schedule>(sixHourly, nightly, threeHourly, {
          kind: 'cron',
          cron: cronOf('30 1,2 * * *'),
          timeZone: 'Europe/Berlin',
        }),
        fc.constantFrom('None' as const, 'Latest' as const),
        fc.array(jump, { minLength: 1, maxLength: 60 }),
        (schedule, catchUp, jumps) => {
          const memory: Memory = { lastMs: null, lastMissedMs: null }
          const took = { run: [] as Took[], missed: 0 }
          const sinceMs = at('01T00:00')
          let now = sinceMs
          for (const { afterMs, byMs } of jumps) {
            // Woken for every slot until the clock is set.
            for (const until = now + afterMs; ; ) {
              const { nextMs } = passes(memory, { ...usual, schedule, nowMs: now, sinceMs, catchUp }, took)
              if (nextMs === null || nextMs > until) break
              now = nextMs
            }
            now += afterMs + byMs
          }
          const slots = took.run.map(({ slotMs }) => slotMs)
          expect(slots).toEqual([...new Set(slots)].sort((a, b) => a - b))
          for (const { slotMs, atMs } of took.run) expect(atMs).toBeGreaterThanOrEqual(slotMs)
          expect(slots.every((slot) => slot >= sinceMs)).toBe(true)
        },
      ),
      { seed, numRuns: 500 },
    )
  })
})

describe('an Activation after the evaluation', () => {
  test('runs once for each evaluation that succeeded, as soon as it did', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            succeeds: fc.boolean(),
            tookMs: fc.integer({ min: minute, max: 20 * hour }),
            downMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 * day })),
          }),
          { minLength: 5, maxLength: 60 },
        ),
        (nights) => {
          const memory: Memory = { lastMs: null, lastMissedMs: null }
          const took = { run: [] as Took[], missed: 0 }
          const sinceMs = at('01T00:00')
          let latestMs: number | null = null
          let upMs = 0
          const expected: number[] = []
          for (const [index, { succeeds, tookMs, downMs }] of nights.entries()) {
            const slotMs = at('01T02:00') + index * day
            if (succeeds) latestMs = slotMs
            const nowMs = slotMs + tookMs
            upMs = Math.max(upMs, nowMs + downMs)
            if (upMs > nowMs && downMs > 0) continue
            if (nowMs < upMs) continue
            passes(
              memory,
              { ...usual, schedule: afterNightly, nowMs, sinceMs, evaluation: { latestMs, sinceMs } },
              took,
            )
            if (latestMs !== null && expected.at(-1) !== latestMs) expected.push(latestMs)
          }
          expect(took.run.map(({ slotMs }) => slotMs)).toEqual(expected)
          const slots = expected.length === 0 ? 0 : (expected.at(-1)! - at('01T02:00')) / day + 1
          expect(took.run.length + took.missed).toBe(slots)
        },
      ),
      { seed, numRuns: 300 },
    )
  })
})

describe('the floor', () => {
  const schedules = [3, 6, 8, 12, 24].map((hours) => [hours, hours * hour] as const)

  test.each(schedules)(
    'every %d h: never sooner than 3 h, and one late start makes no later one late',
    (hours, everyMs) => {
      const schedule: Schedule = { kind: 'every', seconds: everyMs / second, startAt: new Date(at('01T00:00')) }
      fc.assert(
        fc.property(
          fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5 * hour })), { minLength: 30, maxLength: 200 }),
          (delays) => {
            const memory: Memory = { lastMs: null, lastMissedMs: null }
            const took = { run: [] as Took[], missed: 0 }
            const begun: { readonly slotMs: number; readonly atMs: number }[] = []
            const intervalMs = 3 * hour
            let floorMs = 0
            let now = at('01T00:00')
            for (const delayMs of [...delays, 0, 0, 0]) {
              const before = took.run.length
              const { nextMs } = passes(
                memory,
                { ...usual, schedule, nowMs: now, sinceMs: at('01T00:00'), floor: { floorMs, intervalMs } },
                took,
              )
              const run = took.run[before]
              if (run) {
                // It begins when the one before it is over, when there is a node, and when the floor lets it.
                const atMs = Math.max(now + delayMs, floorMs)
                begun.push({ slotMs: run.slotMs, atMs })
                floorMs = (atMs - run.slotMs <= minute ? run.slotMs : atMs) + intervalMs
                now = Math.max(atMs, nextMs!)
              } else now = nextMs!
            }
            for (const [index, { atMs }] of begun.entries())
              if (index > 0) expect(atMs - begun[index - 1]!.atMs).toBeGreaterThanOrEqual(intervalMs - minute)
            // Three slots after the last accident all is on time.
            const last = begun.at(-1)!
            expect(last.atMs - last.slotMs).toBeLessThanOrEqual(minute)
            expect(new Set(begun.map(({ slotMs }) => slotMs)).size).toBe(begun.length)
            if (hours > 6) expect(took.missed).toBe(0)
          },
        ),
        { seed, numRuns: 200 },
      )
    },
  )
})
