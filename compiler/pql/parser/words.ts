import { type AggregateName, type BinaryOp, type Unit, units } from '../ast.ts'

/** Binding powers: a higher one binds tighter. `not` binds looser than comparison, so `not a = b and c` is `(not (a = b)) and c`. */
const powers: Readonly<Record<BinaryOp, number>> = {
  or: 1,
  and: 2,
  '=': 4,
  '!=': 4,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  in: 4,
  notIn: 4,
  like: 4,
  matches: 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
}
export const notPower = 3
export const comparisonPower = 4
export const negatePower = 7

/** How tightly an operator binds its sides; a greater number binds tighter. */
export function bindingPower(op: BinaryOp): number {
  return powers[op]
}

export function isOperator(written: string): written is BinaryOp {
  return Object.hasOwn(powers, written)
}

export const wordOperators: ReadonlyMap<string, BinaryOp> = new Map(
  (['and', 'or', 'in', 'notIn', 'like', 'matches'] as const).map((word) => [word, word]),
)

/** Operators by their name in lower case. */
export const shoutedOperators: ReadonlyMap<string, BinaryOp> = new Map(
  (['and', 'or', 'notIn', 'like', 'matches'] as const).map((word) => [word.toLowerCase(), word]),
)

const keywords: ReadonlySet<string> = new Set([
  'and',
  'or',
  'not',
  'in',
  'notIn',
  'like',
  'matches',
  'occurs',
  'exists',
  'forall',
  'select',
  'where',
  'from',
  'over',
  'let',
])

/** Whether a word belongs to the language and can begin no operand; `not` can. */
export function isKeyword(word: string): boolean {
  return keywords.has(word)
}

const aggregateNames: ReadonlySet<string> = new Set<AggregateName>(['sum', 'average', 'min', 'max', 'count'])

export function isAggregateName(word: string): word is AggregateName {
  return aggregateNames.has(word)
}

/** Words that begin a clause of a CHAIN's step. */
export const clauseWords: ReadonlySet<string> = new Set(['WHAT', 'WHEN', 'WHERE', 'COUNT'])

export type Direction = 'before' | 'after' | 'from'

export function isDirection(word: string): word is Direction {
  return word === 'before' || word === 'after' || word === 'from'
}

export type TimeWord = 'now' | 'today' | 'yesterday' | 'tomorrow'

export function isTimeWord(word: string): word is TimeWord {
  return word === 'now' || word === 'today' || word === 'yesterday' || word === 'tomorrow'
}

const unitWords: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ...units.flatMap((unit): [string, Unit][] => [
    [unit, unit],
    [`${unit}s`, unit],
  ]),
  ['centuries', 'century'],
  ['millennia', 'millennium'],
])

/** The unit that a word names, singular or plural; null for any other word. */
export function unitOf(word: string): Unit | null {
  return unitWords.get(word) ?? null
}
