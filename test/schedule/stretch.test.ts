import { describe, expect, it } from 'vitest'
import { chunkMs, stretchesOf } from '../../compiler/schedule/stretch.ts'

const hour = 3_600_000
const end = chunkMs

/** A zone that has offset 0 until the first change; hours. */
const zoneOf = (changes: readonly (readonly [at: number, offset: number])[]) => (instant: number) =>
  (changes.findLast(([at]) => at * hour <= instant)?.[1] ?? 0) * hour

describe('stretches of one offset', () => {
  const cases: readonly (readonly [
    what: string,
    changes: readonly (readonly [number, number])[],
    stretches: readonly (readonly [number, number, number, number])[],
  ])[] = [
    ['without changes', [], [[0, end / hour, 0, 0]]],
    [
      'with a gap',
      [[1000, 1]],
      [
        [0, 1000, 0, 0],
        [1000, end / hour, 1, 1000],
      ],
    ],
    [
      'with a repetition',
      [[1000, -1]],
      [
        [0, 1000, 0, 0],
        [1000, end / hour, -1, 1000],
      ],
    ],
    [
      'with two changes close together',
      [
        [1000, 2],
        [1001, 1],
      ],
      [
        [0, 1000, 0, 0],
        [1000, 1001, 2, 1000],
        [1001, end / hour, 1, 1003],
      ],
    ],
    [
      'with a repetition inside a repetition',
      [
        [1000, -10],
        [1001, -11],
      ],
      [
        [0, 1000, 0, 0],
        [1000, 1001, -10, 1000],
        [1001, end / hour, -11, 1000],
      ],
    ],
    ['with a gap at the start', [[0, 1]], [[0, end / hour, 1, 0]]],
    ['with a gap shortly before the start', [[-1, 1]], [[0, end / hour, 1, 1]]],
    ['with a repetition going on at the start', [[-1, -24]], [[0, end / hour, -24, -1]]],
    [
      'with a change in the last hour',
      [[end / hour - 1, 1]],
      [
        [0, end / hour - 1, 0, 0],
        [end / hour - 1, end / hour, 1, end / hour - 1],
      ],
    ],
    ['with a change at the end, which is the next ones', [[end / hour, 1]], [[0, end / hour, 0, 0]]],
  ]
  it.each(cases)('are found %s', (_, changes, stretches) => {
    const expected = stretches.map(([start, stop, offset, reached]) => ({
      start: start * hour,
      end: stop * hour,
      offset: offset * hour,
      reached: reached * hour,
    }))
    expect(stretchesOf(zoneOf(changes), 0)).toEqual(expected)
  })
})
