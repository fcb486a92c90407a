import type { Condition } from '../pql/ir.ts'
import { type Part, partsOf } from '../pql/parts.ts'
import type { UnionTypes } from '../schema.ts'
import type { Expression } from './suite.ts'

/** A part of an expression that `and`, `or` and `not` combine with others. */
export type Leaf = {
  readonly text: string
  readonly condition: Condition
  /** Whether it stands under an odd number of `not`s. */
  readonly isNegated: boolean
}

/** The leaf conditions of an expression, as written and in order; empty when it does not compile. */
export function leavesOf({ text, condition, segments }: Expression, types: UnionTypes): readonly Leaf[] {
  const part = condition && partsOf(text, types, segments)
  return part === null ? [] : leavesIn(part, false)
}

function leavesIn(part: Part, isNegated: boolean): readonly Leaf[] {
  switch (part.kind) {
    case 'and':
    case 'or':
      return part.items.flatMap((item) => leavesIn(item, isNegated))
    case 'not':
      return leavesIn(part.item, !isNegated)
    case 'leaf':
      return [{ text: part.text, condition: part.condition, isNegated }]
  }
}
