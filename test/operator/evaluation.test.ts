import { expect, test } from 'vitest'
import { withEvaluation } from '#protocol'

const ready = {
  type: 'Ready',
  status: 'True',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: 'Ready',
  message: '',
} as const
const at = (day: number) => Date.UTC(2026, 0, day)

test('a Segment that cannot be evaluated says so until it is again, and others never speak of it', () => {
  expect(withEvaluation([ready], undefined, 1, at(2))).toEqual([ready])
  const failed = withEvaluation([ready], 'Conversion Error', 2, at(2))
  expect(failed).toEqual([
    ready,
    {
      type: 'Evaluated',
      status: 'False',
      observedGeneration: 2,
      lastTransitionTime: '2026-01-02T00:00:00Z',
      reason: 'EvaluationFailed',
      message: 'Its members are as they were, and all other Segments are evaluated. The engine says: Conversion Error',
    },
  ])
  const again = withEvaluation(failed, 'Another Error', 2, at(3))
  expect(again[1]).toMatchObject({ lastTransitionTime: '2026-01-02T00:00:00Z' })
  const mended = withEvaluation(again, undefined, 3, at(4))
  expect(mended[1]).toMatchObject({ status: 'True', reason: 'Evaluated', message: '' })
  expect(withEvaluation(mended, undefined, 3, at(5))).toEqual(mended)
})
