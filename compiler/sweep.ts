import type { Model, StoreModel } from './model.ts'
import { type Unit, units } from './pql/ast.ts'
import { checkPql } from './pql/check.ts'
import type { Condition } from './pql/ir.ts'
import { type Token, tokenize } from './pql/lexer.ts'

/** A number in an expression; the same number with the same unit counts as one, however often it occurs. */
export type NumberOf = {
  readonly value: number
  /** The unit of a length of time; null: a plain number. */
  readonly unit: Unit | null
  /** `30 days`, `200` */
  readonly text: string
  readonly places: readonly { readonly start: number; readonly end: number }[]
}

export type Sweep = {
  readonly number: NumberOf
  /** The values in ascending order, with the written number among them. */
  readonly points: readonly { readonly value: number; readonly condition: Condition }[]
}

/**
 * The numbers of an expression, those first that people most likely vary: lengths of time, those in years last, since they are mostly
 * there to end a look-back; then bounds, then others.
 */
export function numbersOf(expression: string): readonly NumberOf[] {
  const tokens = tokenize(expression, () => {})
  const found = new Map<string, NumberOf & { readonly rank: number }>()
  for (const [index, token] of tokens.entries()) {
    // `$1` is a parameter.
    if (token.kind !== 'number' || tokens[index - 1]?.text === '$') continue
    const unit = unitOf(tokens[index + 1])
    // A factor on the right of a comparison is no bound.
    const isBound = bounds.has(tokens[index - 1]?.text ?? '') && !factorMarks.has(tokens[index + 1]?.text ?? '')
    const rank = unit !== null ? (inYears.has(unit) ? 1 : 0) : isBound ? 2 : 3
    const text = unit === null ? token.text : `${token.text} ${tokens[index + 1]!.text}`
    const key = `${Number(token.text)} ${unit ?? ''}`
    const known = found.get(key)
    const place = { start: token.start, end: token.end }
    found.set(key, {
      value: Number(token.text),
      unit,
      text: known?.text ?? text,
      places: [...(known?.places ?? []), place],
      rank: Math.min(rank, known?.rank ?? rank),
    })
  }
  return [...found.values()].sort((a, b) => a.rank - b.rank).map(({ rank: _, ...number }) => number)
}

const inYears: ReadonlySet<Unit> = new Set(['year', 'decade', 'century', 'millennium'])
const bounds = new Set(['=', '!=', '<', '<=', '>', '>='])
const factorMarks = new Set(['*', '/', '%'])

function unitOf(token: Token | undefined): Unit | null {
  if (token?.kind !== 'name') return null
  const word = token.text.toLowerCase()
  return units.find((unit) => word === unit || word === `${unit}s` || word === plurals[unit]) ?? null
}

const plurals: { readonly [unit in Unit]?: string } = { century: 'centuries', millennium: 'millennia' }

const factors = [1 / 3, 1 / 2, 2 / 3, 1, 4 / 3, 2, 3]

/** Values around a number, the number itself among them; whole ones around a whole number. */
export function valuesAround({ value }: Pick<NumberOf, 'value'>): readonly number[] {
  const isWhole = Number.isInteger(value)
  // For a small number its neighbours say more than its thirds.
  const around =
    isWhole && value < 6
      ? [value - 2, value - 1, value, value + 1, value + 2, value + 3].filter((each) => each >= 0)
      : factors.map((factor) => (isWhole ? Math.round(value * factor) : Number((value * factor).toPrecision(6))))
  return [...new Set(around)].sort((a, b) => a - b)
}

/** An expression with other values for one of its numbers; values with which it does not compile are left out. */
export function sweepOf(
  expression: string,
  store: StoreModel,
  model: Model,
  number: NumberOf,
  values: readonly number[],
): Sweep {
  const segments = new Set(
    model.segments.filter((segment) => segment.store === store).map((segment) => segment.resource.name),
  )
  const points = [...new Set([...values, number.value])]
    .sort((a, b) => a - b)
    .flatMap((value) => {
      const { condition } = checkPql(replaced(expression, number, value), { types: store.types, segments })
      return condition ? [{ value, condition }] : []
    })
  return { number, points }
}

function replaced(expression: string, { places }: NumberOf, value: number): string {
  return [...places]
    .sort((a, b) => b.start - a.start)
    .reduce((text, { start, end }) => `${text.slice(0, start)}${value}${text.slice(end)}`, expression)
}
