import type { ObjectType } from '../../schema.ts'
import { type ChainStep, type Expr, nodesOf } from '../ast.ts'
import type { Condition, Value } from '../ir.ts'
import { type Checking, inside, mismatch, syntax, unsupported } from './context.ts'
import { allOf, always, conditionMeaning, type Meaning, type Scope, variableOf, withVariable } from './meaning.ts'
import { conditionIn, listIn, valueIn } from './operand.ts'
import { whenHolds } from './time.ts'

/** What the steps of a CHAIN run through: events, or other items, in the order of a time property. */
type Ordered = {
  readonly list: Value
  readonly items: ObjectType
  readonly property: string
  readonly arrayExpr: Expr
}

/** `CHAIN(array, property, [A: WHAT(…) WHEN(…), …])` */
export function chain(checking: Checking, expr: Extract<Expr, { kind: 'chain' }>, scope: Scope): Meaning {
  const list = listIn(checking, expr.array, scope, 'CHAIN')
  if (!list) return null
  const { items } = list
  if (items.kind !== 'object')
    return mismatch(checking, expr.array.span, 'CHAIN needs an array of events', 'Write xEvent.')
  if (expr.steps.length === 0)
    return syntax(checking, expr.span, 'CHAIN has no steps', 'Write [A: WHAT(…), B: WHAT(…)].')
  if (expr.property.kind === 'error') return null
  const property = expr.property.kind === 'name' ? expr.property.name : null
  const type = property === null ? undefined : items.fields.get(property)
  if (property === null || (type?.kind !== 'timestamp' && type?.kind !== 'date'))
    return mismatch(checking, expr.property.span, 'CHAIN orders events by a time property', 'Write timestamp.')
  const ordered: Ordered = { list: list.value, items, property, arrayExpr: expr.array }
  if (property !== 'timestamp' || list.value.kind !== 'events' || areCorrelated(expr.steps))
    return conditionMeaning(correlatedChain(checking, expr.steps, ordered, scope))
  const steps: { what: Condition; count: number }[] = []
  for (const step of expr.steps) {
    const inner = inside(checking, items, expr.array, scope)
    const what = stepCondition(checking, step, ordered, inner)
    const count = step.count ? countIn(checking, step.count, scope) : 1
    if (!what || count === null) return null
    steps.push({ what, count })
  }
  const sequence: Condition = { kind: 'sequence', variable: scope.depth + 1, steps }
  checking.place(sequence, expr.array.span)
  return conditionMeaning(sequence)
}

/** Whether a step refers to another one, by reading a label. */
function areCorrelated(steps: readonly ChainStep[]): boolean {
  const labels = new Set(steps.flatMap(({ label }) => (label ? [label.name] : [])))
  return steps.some(({ where, when, what }) => [where, when, what].some((clause) => mentions(clause, labels)))
}

/** Whether any name in the node belongs to the set. */
function mentions(part: unknown, names: ReadonlySet<string>): boolean {
  return nodesOf(part).some((node) => node.kind === 'name' && names.has(node.name))
}

/** WHAT, WHEN and WHERE of a step, for the item that is the scope's variable. */
function stepCondition(
  checking: Checking,
  step: ChainStep,
  ordered: Ordered,
  { scope, variable }: { readonly scope: Scope; readonly variable: number },
): Condition | null {
  const what = step.what ? conditionIn(checking, step.what, scope) : always
  const when = step.when ? whenHolds(checking, timeOf(ordered, variable), step.when, scope) : always
  const where = step.where ? conditionIn(checking, step.where, openToProfile(scope)) : always
  if (!what || !when || !where) return null
  return flat(allOf([what, when, where]))
}

/** The same scope, in which names that the item does not have are read from the profile. */
function openToProfile(scope: Scope): Scope {
  const item = scope.elements.at(-1)
  return item ? { ...scope, elements: [...scope.elements.slice(0, -1), { ...item, isOpen: true }] } : scope
}

/** Joins an `and` inside an `and` into one. */
function flat(condition: Condition): Condition {
  return condition.kind === 'and'
    ? { kind: 'and', items: condition.items.flatMap((part) => (part.kind === 'and' ? part.items : [part])) }
    : condition
}

function timeOf({ items, property }: Ordered, variable: number): Value {
  return { kind: 'member', object: variableOf(variable, items), path: [property], type: 'timestamp' }
}

function countIn(checking: Checking, expr: Expr, scope: Scope): number | null {
  const typed = valueIn(checking, expr, scope)
  if (!typed) return null
  const value = typed.value.kind === 'literal' ? typed.value.value : null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 1000) return value
  return unsupported(
    checking,
    expr.span,
    'COUNT takes a whole number from 1 to 1000',
    'For events that must not happen write `and not (CHAIN(…))`.',
  )
}

/** A chain whose steps refer to each other, as nested quantifiers: some first event, some later second event, … */
function correlatedChain(
  checking: Checking,
  steps: readonly ChainStep[],
  ordered: Ordered,
  scope: Scope,
): Condition | null {
  const build = (index: number, outer: Scope, previous: Value | null): Condition | null => {
    const step = steps[index]
    if (!step) return always
    if (step.count && countIn(checking, step.count, scope) !== 1)
      return unsupported(
        checking,
        step.count.span,
        'COUNT above 1 cannot stand in a CHAIN whose steps refer to each other',
        'Write the step several times.',
      )
    const { scope: own, variable, item } = inside(checking, ordered.items, ordered.arrayExpr, outer)
    const labelled = step.label ? withVariable(own, step.label.name, item) : own
    const holds = stepCondition(checking, step, ordered, { scope: labelled, variable })
    const time = timeOf(ordered, variable)
    const later: Condition = previous
      ? { kind: 'within', subject: time, from: { value: previous, inclusive: false }, to: null }
      : always
    // Names in later steps are read from their own event; labels stay visible.
    const rest = build(index + 1, { ...labelled, elements: outer.elements }, time)
    if (!holds || !rest) return null
    return { kind: 'any', list: ordered.list, variable, where: allOf([later, holds, rest]) }
  }
  return build(0, scope, null)
}
