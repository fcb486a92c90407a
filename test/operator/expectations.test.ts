// Data that is not as a Dataset expects it: where it is said, and that nothing of the store is delivered while it is so.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Detail } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { conditionOf } from './harness.ts'
import { reportOf } from './player.ts'
import { activation, detailsOf, foundation, minutesOf, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('an expectation of severity HoldActivations', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, { bundle: [...foundation(), activation('newsletter')] })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('Activation', 'newsletter')
  })
  afterAll(() => stage?.leave())

  const run = `act-newsletter-${minutesOf(tomorrow('03:00'))}`
  /** What an ingest by hand says of the first Dataset. */
  const ingests = async (met: boolean): Promise<void> => {
    const found = { name: 'size', severity: 'HoldActivations', met, message: 'it has 3 records' } as const
    stage.behave((work) => {
      if (work.step !== 'ingest') return succeed(work)
      const [first, ...others] = detailsOf(work)
      const details: Detail[] = [{ ...first!, expectations: [found] }, ...others]
      return { kind: 'report', report: reportOf(work, details) }
    })
    await stage.finished(await stage.request({ kind: 'ProfileStore', name: 'customers' }))
  }
  const said = async (kind: 'Dataset' | 'ProfileStore', name: string) => {
    const { conditions = [] } = (await stage.get(kind, name)).status ?? {}
    return conditions.find(({ type }) => type === 'ExpectationsMet')
  }

  test('keeps the Run of a slot from beginning until it is met, and is said where somebody looks', async () => {
    await ingests(false)
    const [dataset = ''] = foundation()
      .filter(({ kind }) => kind === 'Dataset')
      .map(({ metadata }) => metadata.name!)
      .sort()
    expect(await said('Dataset', dataset)).toMatchObject({ status: 'False', reason: 'ActivationsHeld' })
    expect(await said('ProfileStore', 'customers')).toMatchObject({
      status: 'False',
      message: `Nothing of the store is delivered until this is met. ${dataset}, size: it has 3 records.`,
    })
    stage.at(tomorrow('03:00'))
    await stage.until(async () => {
      expect(conditionOf(await stage.get('Run', run), 'Succeeded')).toMatchObject({
        status: 'Unknown',
        reason: 'ActivationsHeld',
        message: expect.stringContaining(`${dataset}, size: it has 3 records.`),
      })
      expect(conditionOf(await stage.get('Activation', 'newsletter'), 'Ready')).toMatchObject({
        status: 'False',
        reason: 'ActivationsHeld',
      })
      const metrics = await stage.operator().metrics()
      expect(metrics).toMatch(/^convoke_dataset_amiss\{.*reason="ActivationsHeld".*\} 1$/m)
      expect(metrics).toMatch(/^convoke_run_stuck\{.*reason="ActivationsHeld".*\} 1$/m)
    })
    expect(stage.operator().events).toContainEqual(
      expect.objectContaining({ about: 'Activation/newsletter', reason: 'ActivationsHeld' }),
    )
    expect(stage.works.map(({ step }) => step)).toEqual(['ingest', 'evaluate'])

    await ingests(true)
    expect((await stage.finished(run))?.status).toBe('True')
    expect(await said('ProfileStore', 'customers')).toMatchObject({ status: 'True', reason: 'ExpectationsMet' })
    await stage.until(async () =>
      expect(await stage.operator().metrics()).not.toMatch(/^convoke_(dataset_amiss|run_stuck)\{/m),
    )
  })
})
