// An operator's share of the namespaces, by label.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { minimal } from './bundle.ts'
import { conditionOf, type Operator, startOperator, transportOf, type Workshop, workshop } from './harness.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('a shard', () => {
  let operator: Operator
  let mine: Workshop
  let other: Workshop
  let shard: string
  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    mine = await workshop(cluster!, transport)
    other = await workshop(cluster!, transport)
    shard = mine.namespace
    operator = await startOperator(transport, { shard: `test.convoke.dev/shard=${shard}` })
  })
  afterAll(() => operator?.kill())

  const label = (shop: Workshop, value: string | null) =>
    shop.api('PATCH', `/api/v1/namespaces/${shop.namespace}`, {
      metadata: { labels: { 'test.convoke.dev/shard': value } },
    })
  const seen = async (shop: Workshop) => (await shop.get('Organization', 'corner-shop')).status?.observedGeneration

  test('is the namespaces that have its labels, as soon as they have them', async () => {
    await mine.apply(...minimal())
    await other.apply(...minimal())
    await label(mine, shard)
    await mine.until(async () =>
      expect(conditionOf(await mine.get('Activation', 'newsletter'), 'Ready')).toMatchObject({ status: 'True' }),
    )
    expect(await seen(other)).toBe(-1)
    await label(other, shard)
    await other.until(async () =>
      expect(conditionOf(await other.get('Activation', 'newsletter'), 'Ready')).toMatchObject({ status: 'True' }),
    )
  })

  test('a namespace that leaves it is let alone', async () => {
    await label(mine, null)
    // Something that the operator sees later than that.
    await other.patch('Organization', 'corner-shop', { spec: { productContexts: [] } })
    await other.until(async () => expect(await seen(other)).toBe(2))
    await mine.patch('Organization', 'corner-shop', { spec: { productContexts: [] } })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(await seen(mine)).toBe(1)
  })
})
