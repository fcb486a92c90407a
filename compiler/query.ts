import type { MembershipQuery, StorePlan } from '#crds'
import type { Model, StoreModel } from './model.ts'
import { storePlan } from './plan.ts'
import { checkPql } from './pql/check.ts'
import type { PqlFault } from './pql/fault.ts'
import { membershipQuery } from './sql/membership-query.ts'

export type ExpressionQuery =
  | { readonly kind: 'query'; readonly store: StorePlan; readonly query: MembershipQuery }
  | { readonly kind: 'faults'; readonly faults: readonly PqlFault[] }

/** A query of its own for one expression over a store; Segments that it refers to are read, not evaluated. */
export function expressionQuery(expression: string, store: StoreModel, model: Model): ExpressionQuery {
  const segments = new Set(
    model.segments.filter((segment) => segment.store === store).map((segment) => segment.resource.name),
  )
  const checked = checkPql(expression, { types: store.types, segments })
  if (!checked.condition) return { kind: 'faults', faults: checked.faults }
  const query = membershipQuery([{ name: '$query', condition: checked.condition }], store.eventColumns)
  return { kind: 'query', store: storePlan(store), query }
}
