import { evaluated } from '#crds'
import { type Condition, timeText } from './conditions.ts'

/**
 * The conditions of a Segment, with the one that says whether its latest evaluation came to an end. That one appears with the first
 * failure. `fault`: the engine's message; undefined: no failure.
 */
export function withEvaluation(
  before: readonly Condition[] | undefined,
  fault: string | undefined,
  generation: number,
  nowMs: number,
): Condition[] {
  const known = before?.find(({ type }) => type === evaluated)
  if (fault === undefined && (!known || known.status === 'True')) return [...(before ?? [])]
  const status = fault === undefined ? 'True' : 'False'
  return [
    ...(before ?? []).filter(({ type }) => type !== evaluated),
    {
      type: evaluated,
      status,
      observedGeneration: generation,
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : timeText(nowMs),
      reason: fault === undefined ? 'Evaluated' : 'EvaluationFailed',
      message:
        fault === undefined
          ? ''
          : `Its members are as they were, and all other Segments are evaluated. The engine says: ${fault}`.slice(
              0,
              4096,
            ),
    },
  ]
}
