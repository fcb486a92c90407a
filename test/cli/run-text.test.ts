// The table of a run: it fits every terminal, balances, and says in words what numbers do not.
import { describe, expect, test } from 'vitest'
import { widthOf } from '../../cli/paint.ts'
import { progressText } from '../../cli/progress.ts'
import { runText } from '../../cli/run-text.ts'
import { sparkText } from '../../cli/spark.ts'
import { stepWords } from '../../views/index.ts'
import { compiled, type Fate, oddNames, project, sceneOf } from '../views/scenes.ts'

const names = [
  'small',
  'held-one',
  'unknown-people',
  'a-segment-with-a-name-that-is-longer-than-any-column',
  ...oddNames.map((_, index) => `odd-${index}`),
]
const document = sceneOf(
  compiled(project(names.map((name) => ({ name })))),
  new Map<string, Fate>([
    ['small', { members: 1_234_567, entered: 10, exited: 5, missing: 7, unknown: 3, wasBefore: 1_234_562 }],
    [
      'held-one',
      {
        members: 9,
        entered: 1,
        exited: 60,
        held: '60 would leave, 60% of the 100 delivered members; the limit is 50%.',
        wasBefore: 68,
      },
    ],
    ['unknown-people', { members: 625, missing: 625 }],
    ...names.slice(3).map((name) => [name, { members: 5, wasBefore: 5 }] as const),
  ]),
)

describe('a run', () => {
  test.each([80, 100, 120, 160, 200])('fits %d columns', (columns) => {
    for (const colour of [false, true]) {
      const lines = runText(document, '.work', { columns, colour }).split('\n')
      expect(lines.filter((line) => widthOf(line) > columns)).toEqual([])
    }
  })

  test('says why nobody can be delivered, what is held, and that all adds up', () => {
    const text = runText(document, '.work', { columns: 200, colour: false })
    expect(text).toContain('0 of 625 deliverable: no email')
    expect(text).toContain('held: 60 would leave a list of 10')
    expect(text).not.toContain('(no change)')
    const [, members, delivered, leftOut, held] =
      /([\d,]+) memberships = ([\d,]+) delivered \+ ([\d,]+) left out \(no email\) \+ ([\d,]+) held/
        .exec(text)!
        .map((part) => Number(part.replaceAll(',', '')))
    expect(members).toBe(delivered! + leftOut! + held!)
    const [, rows, updated, unchanged, waiting, exits] =
      /([\d,]+) rows = ([\d,]+) updated \+ ([\d,]+) unchanged \+ ([\d,]+) waiting for a recipient \+ ([\d,]+) exits/
        .exec(text)!
        .map((part) => Number(part.replaceAll(',', '')))
    expect(rows).toBe(updated! + unchanged! + waiting! + exits!)
  })

  test('times are told from the run on', () => {
    expect(runText(document, '.work', { columns: 100, colour: false })).toContain('next in 19 h 00')
  })
})

test.each([
  [
    'ingest',
    { files: 2, accepted: 1200, badRows: 1, buckets: 1, profiles: 8, events: 1 },
    '2 files, 1,200 records, 1 row could not be read, 8 profiles and 1 event in all',
  ],
  ['ingest', { skippedFiles: 5, buckets: 2 }, 'nothing new in 5 files'],
  ['ingest', {}, 'no file'],
  ['evaluate', { segments: 1, members: 1, entered: 1, exited: 0 }, '1 Segment with 1 member, 1 came, 0 went'],
  [
    'export',
    { segments: 3, files: 2, rows: 103, bytes: 3784, realized: 55, exited: 48, missingMandatory: 54, held: 1 },
    '103 rows in 2 files, 3.8 kB, 54 left out, 1 Segment held',
  ],
  ['export', { segments: 3 }, 'nothing to send'],
  [
    'import',
    { files: 1, rowsRead: 5, unchanged: 4, rejected: 1, added: 4 },
    '5 rows, 4 unchanged, 1 rejected, 4 joined a list',
  ],
  ['import', { files: 1, rowsRead: 5, newlyCounted: 2 }, '5 rows, 2 newly counted'],
] as const)('%s of %o: %s', (step, totals, words) => {
  expect(stepWords({ step, totals })).toBe(words)
})

test.each([
  [[0, 5, 10], 8, '▁▅█'],
  [[3], 8, null],
  [[1, 2, 3, 4], 2, '▆█'],
  [[0, 0], 8, '▁▁'],
])('sizes %j in %d characters', (values, most, line) => {
  expect(sparkText(values, most)).toBe(line)
})

test.each([
  [
    { step: 'ingest', subject: 'orders', done: 50_000, total: 200_000, unit: 'rows' },
    50_000,
    10,
    'ingest   orders █████░░░░░░░░░░░░░░░ 25 % · 5,000 rows/s · 30 s left',
  ],
  [
    { step: 'evaluate', subject: 'shop', done: 1, total: 4, unit: 'buckets' },
    1,
    5,
    'evaluate shop █████░░░░░░░░░░░░░░░ 25 % · 15 s left',
  ],
  [{ step: 'ingest', subject: 'orders', done: 10, total: null, unit: 'rows' }, 10, 1, 'ingest   orders 10 rows'],
  [
    { step: 'database', subject: 'PostgreSQL', done: 0, total: null, unit: 'starting' },
    0,
    9,
    'database PostgreSQL starting',
  ],
])('progress %o', (progress, since, seconds, line) => {
  expect(progressText(progress, since, seconds)).toBe(line)
})
