// What the operator says of resources as they are written: the compiler's findings as conditions.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { minimal, withSpec } from './bundle.ts'
import { conditionOf, type Operator, startOperator, transportOf, type Workshop, workshop } from './harness.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('conditions', () => {
  let operator: Operator
  let shop: Workshop
  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    shop = await workshop(cluster!, transport)
    operator = await startOperator(transport, { namespaces: [shop.namespace] })
    await shop.apply(...minimal())
  })
  afterAll(() => operator?.kill())

  const isReady = (kind: 'Segment' | 'Activation' | 'ProfileStore', name: string) =>
    shop.until(async () =>
      expect(conditionOf(await shop.get(kind, name), 'Ready')).toMatchObject({ status: 'True', reason: 'Ready' }),
    )

  test('every resource of a good bundle is ready, with the generation that was looked at', async () => {
    for (const { kind, metadata } of minimal())
      await shop.until(async () => {
        const resource = await shop.get(kind, metadata.name)
        expect(resource.status?.observedGeneration).toBe(1)
        for (const type of ['Ready', 'GuardrailsPassed'])
          expect(conditionOf(resource, type)).toMatchObject({ status: 'True', reason: type })
        expect(resource.status?.conditions).toHaveLength(2)
      })
  })

  test('a finding has the code and the words of `convoke check`, within two seconds', async () => {
    const started = Date.now()
    await shop.apply(withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.teir = "gold"' })))
    await shop.until(async () => {
      const segment = await shop.get('Segment', 'gold-members')
      expect(conditionOf(segment, 'GuardrailsPassed')).toEqual({
        status: 'False',
        reason: 'UnknownAttribute',
        message: expect.stringMatching(/^unknown-attribute: .*teir.*\(spec\.expression\)\. Did you mean `tier`\?/),
      })
      expect(conditionOf(segment, 'Stalled')).toMatchObject({ status: 'True', reason: 'CompileFailed' })
    })
    expect(Date.now() - started).toBeLessThan(2000)
    expect(operator.events).toContainEqual(
      expect.objectContaining({ about: 'Segment/gold-members', type: 'Warning', reason: 'UnknownAttribute' }),
    )
    await shop.until(async () => {
      const activation = await shop.get('Activation', 'newsletter')
      // Evaluated by the expression before, and delivered so.
      expect(conditionOf(activation, 'Ready')).toMatchObject({ status: 'True' })
      expect(activation.status).toMatchObject({ segments: 3, held: [] })
    })
    await shop.apply(withSpec('Segment', 'gold-members', (spec) => spec))
    await isReady('Segment', 'gold-members')
    expect(conditionOf(await shop.get('Segment', 'gold-members'), 'Stalled')).toBeUndefined()
  })
})
