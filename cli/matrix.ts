import { visible } from '#compiler'
import type { Overlap } from '#jobs'
import { count, percent } from '#views'
import { fitted } from './paint.ts'
import { table } from './table.ts'

/** How many pairs are listed where a matrix is too wide. */
const mostPairs = 40

/** A matrix where it fits into this many columns, else a list of the pairs that share most. */
export function matrixText({ segments, shared }: Overlap, columns: number): string {
  const width = Math.max(3, ...shared.flat().map((people) => count(people).length))
  const names = Math.min(40, Math.max(...segments.map((name) => visible(name).length)))
  if (names + 4 + segments.length * (width + 2) <= columns)
    return `${table(
      ['', '', ...segments.map((_, index) => String(index + 1))],
      segments.map((name, row) => [
        { text: String(row + 1), paint: (text) => text },
        fitted(visible(name), 40),
        ...segments.map((_, column) => shared[row]![column]!),
      ]),
    )}\n`
  const pairs = segments.flatMap((a, row) =>
    segments.slice(row + 1).map((b, index) => {
      const people = shared[row]![row + 1 + index]!
      const smaller = Math.min(shared[row]![row]!, shared[row + 1 + index]![row + 1 + index]!)
      return { a, b, people, smaller }
    }),
  )
  const shown = pairs
    .filter(({ people }) => people > 0)
    .sort((x, y) => y.people - x.people)
    .slice(0, mostPairs)
  const rest = pairs.length - shown.length
  return `${table(
    ['Segment', 'and', 'share', 'of the smaller'],
    shown.map(({ a, b, people, smaller }) => [
      fitted(visible(a), 36),
      fitted(visible(b), 36),
      people,
      percent(people, smaller),
    ]),
  )}\n\n${count(shown.length)} of ${count(pairs.length)} pairs, those that share most${rest > 0 ? '; -o json has all' : ''}\n`
}
