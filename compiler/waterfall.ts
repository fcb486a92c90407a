import type { MembershipQuery } from '#crds'
import type { Model, SegmentModel, StoreModel } from './model.ts'
import type { Condition } from './pql/ir.ts'
import type { Part } from './pql/parts.ts'
import { membershipQuery } from './sql/membership-query.ts'
import { type Phrase, partOf, partPhrase } from './words.ts'

/** What an expression keeps, condition by condition in the order written, and what each alternative adds. */
export type Waterfall = {
  readonly joint: 'and' | 'or'
  readonly steps: readonly {
    readonly phrase: Phrase
    /** Words for those for whom the condition does not hold. */
    readonly otherwise: Phrase
    /** The condition and all before it. */
    readonly condition: Condition
  }[]
}

export function segmentWaterfall({ resource, store, condition }: SegmentModel, model: Model): Waterfall | null {
  return store && condition ? expressionWaterfall(resource.spec.expression, store, model) : null
}

/** null for an expression that does not compile. */
export function expressionWaterfall(expression: string, store: StoreModel, model: Model): Waterfall | null {
  const part = partOf(expression, store, model)
  if (!part) return null
  const joint = part.kind === 'or' ? 'or' : 'and'
  const items = part.kind === 'and' || part.kind === 'or' ? part.items : [part]
  const conditions = items.map(conditionOf)
  return {
    joint,
    steps: items.map((item, index) => ({
      phrase: partPhrase(item),
      otherwise: partPhrase(item, true),
      condition: index === 0 ? conditions[0]! : { kind: joint, items: conditions.slice(0, index + 1) },
    })),
  }
}

function conditionOf(part: Part): Condition {
  switch (part.kind) {
    case 'leaf':
      return part.condition
    case 'not':
      return { kind: 'not', item: conditionOf(part.item) }
    default:
      return { kind: part.kind, items: part.items.map(conditionOf) }
  }
}

/** Conditions over one store as one query, in order; Segments that they refer to are read, not evaluated. */
export function conditionsQuery(conditions: readonly Condition[], store: StoreModel): MembershipQuery {
  const named = conditions.map((condition, index) => ({ name: `$${index}`, condition }))
  return membershipQuery(named, store.eventColumns)
}
