import { expect, test } from 'vitest'
import { apiVersion } from '#crds'
import { withEvaluation } from '#protocol'
import { resourceOf } from '../../operator/definition.ts'
import { openGauges } from '../../operator/gauges.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { openRegistry } from '../../operator/kernel/metrics-registry.ts'
import { operatorMetrics } from '../../operator/metrics.ts'

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

test('a gauge names Segments that cannot be evaluated, while they are there and cannot', async () => {
  const registry = openRegistry(operatorMetrics)
  const gauges = openGauges(registry, realClock)
  const segment = (name: string, fault: string | undefined) =>
    resourceOf('Segment', {
      apiVersion,
      kind: 'Segment',
      metadata: { namespace: 'shop', name, uid: name, resourceVersion: '1' },
      status: { conditions: withEvaluation(before, fault, 1, at(2)) },
    })
  const before = withEvaluation([ready], 'Binder Error', 1, at(1))
  const named = async () =>
    [...(await registry.text()).matchAll(/^convoke_segment_faulty\{.*segment="(.*?)".*\} 1$/gm)].map(([, name]) => name)
  gauges.show(segment('lately', 'Binder Error'))
  gauges.show(segment('offers', 'Binder Error'))
  gauges.show(segment('sound', undefined))
  expect(await named()).toEqual(['lately', 'offers'])
  gauges.show(segment('lately', undefined))
  expect(await named()).toEqual(['offers'])
  gauges.hide('Segment', 'shop', 'offers')
  expect(await named()).toEqual([])
})
