// The numbers of an expression with which one can play, and what else they might be.
import { expect, test } from 'vitest'
import { numbersOf, valuesAround } from '#compiler'

test.each<[string, readonly string[]]>([
  [
    'xEvent.count() >= 10 and not (exists B from xEvent where B.timestamp occurs <= 30 days before now)',
    ['30 days', '10'],
  ],
  ['a > 1.5 * b and c > 30', ['30', '1.5']],
  ['a occurs > 60 days before now and b occurs <= 60 day before now', ['60 days ×2']],
  ['CHAIN(xEvent, timestamp, [A: WHAT(p >= 50) WHEN(<= 24 hours before now)])', ['24 hours', '50']],
  ['a = "30 days" and b = $1', []],
  ['a occurs < 2 centuries before now', ['2 centuries']],
  ['this is >= no ( "language', []],
])('%s', (expression, expected) => {
  expect(
    numbersOf(expression).map(({ text, places }) => (places.length > 1 ? `${text} ×${places.length}` : text)),
  ).toEqual(expected)
  for (const { value, places } of numbersOf(expression))
    for (const { start, end } of places) expect(Number(expression.slice(start, end))).toBe(value)
})

test.each([
  [30, [10, 15, 20, 30, 40, 60, 90]],
  [1, [0, 1, 2, 3, 4]],
  [0, [0, 1, 2, 3]],
  [1.5, [0.5, 0.75, 1, 1.5, 2, 3, 4.5]],
])('around %d', (value, expected) => {
  expect(valuesAround({ value })).toEqual(expected)
})
