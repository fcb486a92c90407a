// A namespace of more text than the operator holds of any: what is held of it is bounded, it says so, and it is taken up once it is smaller.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiVersion, type Kind } from '#crds'
import { openBudget } from '../../operator/budget.ts'
import { keyOf, type Resource, resourceOf } from '../../operator/definition.ts'
import { openCluster } from '../api/convoke.ts'
import { minimal } from './bundle.ts'
import { conditionOf, type Operator, startOperator, transportOf, type Workshop, workshop } from './harness.ts'

const segment = (name: string, expression: string) => ({
  apiVersion,
  kind: 'Segment' as const,
  metadata: { name },
  spec: { profileStoreRef: { name: 'customers' }, expression },
})
const large = (index: number) =>
  segment(`large-${index}`, Array.from({ length: 400 }, (_, n) => `customerId = "${index}-${n}"`).join(' or '))

describe('what is held', () => {
  const held = (kind: Kind, name: string, length: number): Resource =>
    resourceOf(kind, {
      ...segment(name, 'x'.repeat(length)),
      kind,
      metadata: { namespace: 'shop', name, uid: name, resourceVersion: '1' },
    })
  const expressionOf = ({ definition }: Resource): string => (definition.spec as { expression: string }).expression

  test('is whole as long as there is room, then digests of long texts, and is asked for again when there is', () => {
    const asked: (readonly string[])[] = []
    const budget = openBudget(3000, (_, keys) => asked.push(keys))
    const [a, b, c] = ['a', 'b', 'c'].map((name) => held('Segment', name, 1000)) as [Resource, Resource, Resource]
    expect([a, b].map((each) => budget.take(each) === each)).toEqual([true, true])
    expect(budget.excessOf('shop')).toBeNull()
    const short = budget.take(c)
    expect(expressionOf(short)).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(short.definition.spec).toMatchObject({ profileStoreRef: { name: 'customers' } })
    expect(budget.excessOf('shop')).toMatch(
      /^The resources of this namespace come to 3,\d{3} characters; they may be 3,000\.$/,
    )
    // What runs is held whole whatever there is, and others' room is their own.
    const store = held('ProfileStore', 'customers', 1000)
    expect(budget.take(store)).toBe(store)
    expect(budget.excessOf('other')).toBeNull()
    budget.drop(keyOf(store), 'shop')
    expect(asked).toEqual([])
    budget.drop(keyOf(a), 'shop')
    expect(asked).toEqual([['Segment/shop/c']])
    expect(budget.excessOf('shop')).toMatch(/are being read again/)
    // Not before the copy shows it as a whole.
    expect(budget.take(c)).toBe(c)
    expect(budget.excessOf('shop')).not.toBeNull()
    expect([budget.shown(keyOf(b), 'shop'), budget.shown(keyOf(c), 'shop')]).toEqual([false, true])
    expect(budget.excessOf('shop')).toBeNull()
    expect(asked).toHaveLength(1)
  })
})

const cluster = await openCluster()

describe.skipIf(cluster === null)('a namespace that is too large', () => {
  let operator: Operator
  let shop: Workshop
  let other: Workshop
  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    ;[shop, other] = [await workshop(cluster!, transport), await workshop(cluster!, transport)]
    operator = await startOperator(transport, {
      namespaces: [shop.namespace, other.namespace],
      mostCharacters: 60_000,
    })
    for (const each of [shop, other]) await each.apply(...minimal())
    for (const each of [shop, other]) await each.until(() => isReady(each, 'gold-members'))
  })
  afterAll(() => operator?.kill())

  const isReady = async (own: Workshop, name: string) =>
    expect(conditionOf(await own.get('Segment', name), 'Ready')).toMatchObject({ status: 'True' })
  const heldCharacters = () =>
    JSON.stringify(operator.controllers.caches.ofNamespace(shop.namespace).map(({ definition }) => definition)).length

  test('is held in part, says so and keeps its plan; others go on; smaller again, all of it is read and compiled', async () => {
    const before = await shop.get('ProfileStore', 'customers')
    for (let index = 0; index < 20; index++) await shop.apply(large(index))
    await shop.until(async () => {
      expect(conditionOf(await shop.get('ProfileStore', 'customers'), 'Reconciling')).toMatchObject({
        reason: 'CompileStopped',
        message: expect.stringMatching(
          /^The resources of this namespace come to [\d,]+ characters; they may be 60,000\./,
        ),
      })
    }, 30)
    expect(operator.controllers.caches.ofNamespace(shop.namespace).length).toBeGreaterThanOrEqual(20)
    expect(heldCharacters()).toBeLessThan(90_000)
    expect((await shop.get('ProfileStore', 'customers')).status?.planDigest).toBe(before.status?.planDigest)
    await other.apply(segment('more', 'loyalty.tier = "gold"'))
    await other.until(() => isReady(other, 'more'), 30)

    for (let index = 0; index < 19; index++) await shop.remove('Segment', `large-${index}`)
    await shop.until(() => isReady(shop, 'large-19'), 60)
    await shop.until(async () => {
      const store = await shop.get('ProfileStore', 'customers')
      expect(conditionOf(store, 'Reconciling')).toBeUndefined()
      expect(store.status?.planDigest).not.toBe(before.status?.planDigest)
    }, 60)
    expect(operator.controllers.caches.excessOf(shop.namespace)).toBeNull()
    expect(operator.controllers.caches.get('Segment', shop.namespace, 'large-19')?.definition.spec).toEqual(
      large(19).spec,
    )
  })
})
