import type { RegexNode } from '../regex.ts'

/**
 * RE2 refuses expressions that would need more than about 170,000 states, and Spark's Java recurses over them. A third of that leaves
 * room, since sizes here are estimates.
 */
export const mostStates = 50_000

/** The states of `\p{L}`, the largest category, in UTF-8. */
const statesOfCategory = 450
/** A range of code points may cross every length of UTF-8. */
const statesOfRange = 12

/** About as many states as RE2 makes: a part that is repeated up to n times is written out n times. */
export function sizeOfRegex(node: RegexNode): number {
  switch (node.kind) {
    case 'or':
    case 'sequence':
      return node.items.reduce((size, item) => size + sizeOfRegex(item) + 1, 1)
    case 'group':
      return sizeOfRegex(node.item) + 2
    case 'repeat':
      return (sizeOfRegex(node.item) + 1) * Math.max(1, node.max ?? node.min + 1)
    case 'set': {
      const ranges = node.ranges.reduce((size, [, high]) => size + (high < 128 ? 1 : statesOfRange), 0)
      return 1 + ranges + node.categories.length * statesOfCategory + (node.negated ? statesOfRange : 0)
    }
    case 'start':
    case 'end':
    case 'wordBoundary':
      return 1
  }
}

/** Whether counted repeats inside each other stay within `most` altogether, counted as RE2 does. */
export function mayRepeat(node: RegexNode, most: number): boolean {
  switch (node.kind) {
    case 'or':
    case 'sequence':
      return node.items.every((item) => mayRepeat(item, most))
    case 'group':
      return mayRepeat(node.item, most)
    case 'repeat': {
      const times = node.max ?? node.min
      const left = times > 1 ? Math.floor(most / times) : most
      return left >= 1 && mayRepeat(node.item, left)
    }
    default:
      return true
  }
}
