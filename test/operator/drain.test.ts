// Pods that a drain takes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiVersion } from '#crds'
import { openCluster, pathOf } from '../api/convoke.ts'
import { minimal } from './bundle.ts'
import { conditionOf, type Operator, startOperator, transportOf, type Workshop, workshop } from './harness.ts'
import { type Player, play, reportOf } from './player.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('a Pod that is gone when its Job is complete', () => {
  let operator: Operator
  let shop: Workshop
  let player: Player
  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    shop = await workshop(cluster!, transport)
    player = await play(
      transport,
      (work) => ({ kind: 'report', report: reportOf(work), gone: !work.reprint && work.step === 'evaluate' }),
      (namespace) => namespace === shop.namespace,
    )
    operator = await startOperator(transport, { namespaces: [shop.namespace] })
  })
  afterAll(async () => {
    await operator?.kill()
    await player?.stop()
  })

  test('is not missed: what the step did is read from the store, and it is not done again', async () => {
    await shop.claims('profile-store', 'landing', 'landing-zone')
    await shop.apply(...minimal())
    await shop.api('POST', pathOf('Run', shop.namespace), {
      apiVersion,
      kind: 'Run',
      metadata: { name: 'drained' },
      spec: {
        target: { kind: 'ProfileStore', name: 'customers' },
        scheduledTime: '2026-01-15T06:00:00Z',
        trigger: 'Manual',
      },
    })
    await shop.until(async () => {
      expect(conditionOf(await shop.get('Run', 'drained'), 'Succeeded')).toMatchObject({ status: 'True' })
    }, 25)
    expect(player.seen.map(({ name }) => name)).toEqual([
      'drained-ingest',
      'drained-evaluate',
      'drained-evaluate-report',
    ])
    const { status } = await shop.get('Run', 'drained')
    expect(status!.steps!.map(({ name, attempt, outcome }) => [name, attempt, outcome])).toEqual([
      ['ingest', 1, 'Succeeded'],
      ['evaluate', 1, 'Succeeded'],
    ])
  })
})
