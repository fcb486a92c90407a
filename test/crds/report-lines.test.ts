import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  digestOf,
  isWhole,
  type RunReport,
  readReportLines,
  readTerminationMessage,
  reportLinesOf,
  terminationMessageOf,
  validatorOf,
} from '../../crds/index.ts'

const details = ['gold', 'silver'].map((segment, index) => ({ segment, members: index, files: [] }))
const report: RunReport = {
  step: 'export',
  run: 'act-offers-29934960',
  attempt: 2,
  outcome: 'Failed',
  startedAt: '2026-12-01T04:00:00.000Z',
  finishedAt: '2026-12-01T04:00:01.000Z',
  totals: { files: 2, rows: 3 },
  reportDigest: digestOf(details),
  reportPath: 'reports/act-offers-29934960/export-2.json',
  details,
  warnings: [{ code: 'Held', message: 'line one\nline two' }],
  error: { reason: 'DiskFull', message: 'The disk is full.', retryable: true },
}
const { details: _, ...short } = report
const log = (...lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')

describe('a report in a log', () => {
  test('is read back, whatever else was written there', () => {
    const lines = reportLinesOf(report)
    const found = readReportLines(log('before', lines[0]!, 'a warning in between', ...lines.slice(1), 'after'))
    expect(found).toEqual({ report: short, details })
    expect(isWhole(found!.report, found!.details)).toBe(true)
  })

  test('is the last one where there are several', () => {
    const first = { ...report, attempt: 1, details: [{ segment: 'other' }] }
    expect(readReportLines(log(...reportLinesOf(first), ...reportLinesOf(report)))).toEqual({ report: short, details })
  })

  test('is not whole where the beginning of the log is lost', () => {
    const whole = log(...reportLinesOf(report))
    for (let cut = 1; cut < whole.lastIndexOf('convoke-report'); cut++) {
      const found = readReportLines(whole.slice(cut))!
      expect(found.report).toEqual(short)
      expect(isWhole(found.report, found.details)).toBe(false)
    }
  })

  test.each([
    ['nothing', ''],
    ['details only', log(...reportLinesOf(report).slice(0, 2))],
    ['a line that was cut', log(...reportLinesOf(report)).slice(0, -20)],
    ['no report behind the marker', 'convoke-report: {"step": "export"}'],
    ['no object behind the marker', 'convoke-report: 7'],
  ])('is none where the log holds %s', (_name, text) => {
    expect(readReportLines(text)).toBeNull()
  })

  test('without details is whole', () => {
    const empty = { ...report, details: [], reportDigest: digestOf([]) }
    const found = readReportLines(log(...reportLinesOf(empty)))!
    expect(isWhole(found.report, found.details)).toBe(true)
  })
})

describe('a termination message', () => {
  test('is the report without details and warnings', () => {
    const { warnings: __, ...expected } = short
    expect(JSON.parse(terminationMessageOf(report))).toEqual(expected)
    expect(readTerminationMessage(terminationMessageOf(report))).toEqual(expected)
  })

  test.each(['', 'Error: out of memory', '{"step":"export"}', '[]', 'null'])('is none where it says %j', (message) => {
    expect(readTerminationMessage(message)).toBeNull()
  })

  test('holds all totals and the beginning of a long message', () => {
    const totals = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`count${index}`, index]))
    const error = { ...report.error!, message: 'Naïve "quotes"\n'.repeat(5_000) }
    const message = terminationMessageOf({ ...report, totals, error })
    const found = JSON.parse(message)
    expect(found.totals).toEqual(totals)
    expect(error.message.startsWith(found.error.message.slice(0, -1))).toBe(true)
    expect(Buffer.byteLength(message)).toBeGreaterThan(4_000)
  })

  test('never takes more than 4 KiB, and always says how it ended', () => {
    const name = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, fc.integer()), { maxLength: 300 }),
        fc.string({ maxLength: 6_000, unit: 'binary' }),
        fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,252}$/),
        (totals, text, run) => {
          const long = {
            ...report,
            run,
            reportPath: `reports/${run}/evaluate-2.json`,
            totals: Object.fromEntries(totals),
            error: { ...report.error!, message: text },
          }
          const message = terminationMessageOf(long)
          expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4_096)
          const found = JSON.parse(message)
          expect(validatorOf('RunReport')(found)).toEqual([])
          const { totals: _totals, error, details: __, warnings: ___, ...rest } = long
          expect(found).toMatchObject({ ...rest, error: { reason: error.reason, retryable: true } })
          for (const [key, count] of Object.entries(found.totals)) expect(count).toBe(long.totals[key])
        },
      ),
      { numRuns: 500 },
    )
  })
})
