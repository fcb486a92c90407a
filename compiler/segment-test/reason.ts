import type { UnionTypes } from '../schema.ts'
import { leavesOf } from './leaves.ts'
import { conditionsOf, isIn, type StepResult, segmentsOf } from './run.ts'
import type { Case } from './suite.ts'

/** Why one person is, or is not, in at a step where that was not expected. */
export type Reason = {
  readonly id: string
  /** Should be in and is not, or is in and should not be. */
  readonly kind: 'missing' | 'extra'
  /** The expression's leaf conditions as written, each with its truth for that person at that instant. */
  readonly leaves: readonly { readonly text: string; readonly truth: boolean }[]
  /** The reference interpreter does not agree with the engine that was asked. */
  readonly isDisputed: boolean
}

/** One for each person whose membership is not the expected one; missing ones first. */
export function reasonsOf(each: Case, result: StepResult, types: UnionTypes): readonly Reason[] {
  const { step, members } = result
  const target = each.expressions[0]
  if (!target?.condition || !step.members) return []
  const { condition } = target
  const wanted = step.members
  const leaves = leavesOf(target, types)
  const conditionOf = conditionsOf(segmentsOf(each.expressions))
  const reason =
    (kind: Reason['kind']) =>
    (id: string): Reason[] => {
      const person = step.people.get(id)
      if (!person) return []
      const isTrue = (part: typeof condition): boolean => isIn(part, person, step.at, conditionOf)
      return [
        {
          id,
          kind,
          leaves: leaves.map((leaf) => ({ text: leaf.text, truth: isTrue(leaf.condition) })),
          isDisputed: isTrue(condition) !== (kind === 'extra'),
        },
      ]
    }
  return [
    ...wanted.filter((id) => !members.includes(id)).flatMap(reason('missing')),
    ...members.filter((id) => !wanted.includes(id)).flatMap(reason('extra')),
  ]
}
