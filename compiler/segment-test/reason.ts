import type { UnionTypes } from '../schema.ts'
import { leavesOf } from './leaves.ts'
import { conditionsOf, isIn, type StepResult, segmentsOf } from './run.ts'
import type { Case } from './suite.ts'

/** Why a person is, or is not, in the Segment at a step where that was not expected. */
export type Reason = {
  readonly id: string
  /** `missing`: should be in and is not; `extra`: is in and should not be. */
  readonly kind: 'missing' | 'extra'
  /** The expression's leaf conditions as written, each with its truth for that person at that instant. */
  readonly leaves: readonly { readonly text: string; readonly isNegated: boolean; readonly truth: boolean }[]
  /** Whether the reference interpreter disagrees with the engine that was asked. */
  readonly isDisputed: boolean
}

/** One reason for each person whose membership is not as expected; missing people first. */
export function reasonsOf(each: Case, result: StepResult, types: UnionTypes): readonly Reason[] {
  const target = each.expressions[0]
  if (!target?.condition) return []
  const { condition } = target
  const { people, at } = result.step
  const leaves = leavesOf(target, types)
  const conditionOf = conditionsOf(segmentsOf(each.expressions))
  const reason = (kind: Reason['kind'], id: string): Reason[] => {
    const person = people.get(id)
    if (!person) return []
    const isTrue = (part: typeof condition): boolean => isIn(part, person, at, conditionOf)
    return [
      {
        id,
        kind,
        leaves: leaves.map(({ text, isNegated, condition }) => ({ text, isNegated, truth: isTrue(condition) })),
        isDisputed: isTrue(condition) !== (kind === 'extra'),
      },
    ]
  }
  const { missing, extra } = differenceOf(result)
  return [...missing.flatMap((id) => reason('missing', id)), ...extra.flatMap((id) => reason('extra', id))]
}

/** Where a step does not say who is in, those who were expected to enter or exit show the difference. */
function differenceOf({ step, members, entered, exited }: StepResult): { missing: string[]; extra: string[] } {
  const without = (ids: readonly string[] | null, others: readonly string[] | null): string[] =>
    ids && others ? ids.filter((id) => !others.includes(id)) : []
  if (step.members) return { missing: without(step.members, members), extra: without(members, step.members) }
  return {
    missing: [...new Set([...without(step.entered, entered), ...without(exited, step.exited)])],
    extra: [...new Set([...without(entered, step.entered), ...without(step.exited, exited)])],
  }
}
