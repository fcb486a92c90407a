// No Segment comes to a Campaign instance more often than every 3 h, whoever asks, by whichever Activation, before and after a restart.
import { afterEach, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { activation, failing, foundation, minutesOf, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

const waits = (until: string) => ({
  status: 'Unknown',
  reason: 'Pending',
  message: `Waits until ${until}: no Segment is activated to a Campaign instance more often than limits.minActivationInterval says (activation-too-frequent).`,
})

describe.skipIf(cluster === null)('the floor', () => {
  let stage: Stage
  afterEach(() => stage?.leave())

  const slot = (name: string, time: string, days = 1) => `act-${name}-${minutesOf(tomorrow(time, days))}`
  const isPending = (name: string, until: string) =>
    stage.until(async () => expect(conditionOf(await stage.get('Run', name), 'Succeeded')).toEqual(waits(until)))
  const open = async (...bundle: readonly object[]) => {
    stage = await openStage(cluster!, { bundle: [...foundation(), ...bundle] })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
  }

  test('holds for a Run by hand, which begins by itself when it is over', async () => {
    await open(activation('offers', (spec) => ({ ...spec, schedule: { every: '24h', startAt: tomorrow('00:00') } })))
    await stage.looked('Activation', 'offers')
    stage.at(tomorrow('00:00'))
    await stage.finished(slot('offers', '00:00'))
    stage.at(tomorrow('01:00'))
    const byHand = await stage.request({ kind: 'Activation', name: 'offers' })
    await isPending(byHand, tomorrow('03:00'))
    // Another operator knows it, too.
    await stage.kill()
    await stage.start()
    stage.at(tomorrow('01:05'))
    const annotated = 'see-you-at-three'
    await stage.annotate('Activation', 'offers', { 'convoke.dev/requestedAt': annotated })
    await stage.until(async () =>
      expect((await stage.get('Activation', 'offers')).status!.lastHandledRequestedAt).toBe(annotated),
    )
    await isPending(byHand, tomorrow('03:00'))
    stage.at(tomorrow('02:59:59'))
    await stage.finished(byHand)
    const begun = (await stage.get('Run', byHand)).status!.startedAt!
    expect(Date.parse(begun)).toBeGreaterThanOrEqual(Date.parse(tomorrow('03:00')))
    expect(Date.parse(begun)).toBeLessThan(Date.parse(tomorrow('03:00:10')))
    // The one that was asked for by annotation has to wait for three hours more.
    const [other] = (await stage.runs()).filter(({ metadata }) => metadata.labels?.['convoke.dev/request'])
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', other!.metadata.name), 'Succeeded')?.message).toMatch(
        /^Waits until .*T06:00:0/,
      ),
    )
  })

  test('holds over several Activations of one instance that share a Segment, and for no others', async () => {
    const of =
      (...names: string[]) =>
      (spec: object) => ({ ...spec, segmentRefs: names.map((name) => ({ name })) })
    await open(
      activation('first', of('gold-members', 'big-spenders')),
      activation('second', of('gold-members'), tomorrow('01:00')),
      activation('third', of('lapsed-buyers'), tomorrow('01:00')),
      { ...withSpec('CampaignInstance', 'production', (spec) => spec), metadata: { name: 'staging' } },
      {
        ...withSpec('Destination', 'landing-zone', (spec) => ({ ...spec, campaignInstanceRef: { name: 'staging' } })),
        metadata: { name: 'elsewhere' },
      },
      activation(
        'fourth',
        (spec) => ({ ...of('gold-members')(spec), destinationRef: { name: 'elsewhere' } }),
        tomorrow('01:00'),
      ),
    )
    for (const name of ['first', 'second', 'third', 'fourth']) await stage.looked('Activation', name)
    stage.at(tomorrow('00:00'))
    await stage.finished(slot('first', '00:00'))
    stage.at(tomorrow('01:00'))
    await stage.finished(slot('third', '01:00'))
    await stage.finished(slot('fourth', '01:00'))
    await isPending(slot('second', '01:00'), tomorrow('03:00'))
    // Whoever waits begins before the one whose turn has just come: nobody waits for ever.
    stage.at(tomorrow('03:00'))
    await stage.until(async () => {
      const runs = [await stage.get('Run', slot('second', '01:00')), await stage.get('Run', slot('first', '03:00'))]
      const begun = runs.filter(({ status }) => status?.startedAt !== undefined)
      expect(begun).toHaveLength(1)
      const other = runs.find((run) => run !== begun[0])!
      expect(conditionOf(other, 'Succeeded')?.message).toMatch(/^Waits until .*T06:00:0/)
    })
  })

  test('holds for a Segment that has just come from another Activation, also after a restart', async () => {
    const of =
      (...names: string[]) =>
      (spec: object) => ({ ...spec, segmentRefs: names.map((name) => ({ name })) })
    await open(
      activation('first', of('gold-members', 'big-spenders')),
      activation('second', of('lapsed-buyers'), tomorrow('01:00')),
    )
    for (const name of ['first', 'second']) await stage.looked('Activation', name)
    stage.at(tomorrow('00:00'))
    await stage.finished(slot('first', '00:00'))
    await stage.kill()
    await stage.apply(
      activation('first', of('big-spenders')),
      activation('second', of('lapsed-buyers', 'gold-members'), tomorrow('01:00')),
    )
    stage.clock.set(tomorrow('01:00'))
    await stage.start()
    await isPending(slot('second', '01:00'), tomorrow('03:00'))
  })

  test('is none where the instance only warns', async () => {
    await open(
      ...foundation()
        .filter(({ kind }) => kind === 'CampaignInstance')
        .map((instance) => ({
          ...instance,
          spec: { ...instance.spec, enforcement: { minActivationInterval: 'Warn' } },
        })),
      activation('offers'),
    )
    await stage.looked('Activation', 'offers')
    stage.at(tomorrow('00:00'))
    await stage.finished(slot('offers', '00:00'))
    stage.at(tomorrow('00:01'))
    const byHand = await stage.request({ kind: 'Activation', name: 'offers' })
    expect(await stage.finished(byHand)).toMatchObject({ reason: 'Succeeded' })
  })

  test('is not in the way of another try of the Run that failed, and counts from that', async () => {
    await open(activation('offers', (spec) => ({ ...spec, schedule: { every: '6h', startAt: tomorrow('00:00') } })))
    await stage.looked('Activation', 'offers')
    stage.behave((work) => failing(work))
    stage.at(tomorrow('00:00'))
    expect(await stage.finished(slot('offers', '00:00'))).toMatchObject({ status: 'False' })
    stage.behave(succeed)
    stage.at(tomorrow('00:30'))
    await stage.annotate('Run', slot('offers', '00:00'), { 'convoke.dev/requestedAt': 'once more' })
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', slot('offers', '00:00')), 'Succeeded')?.reason).toBe('Succeeded'),
    )
    expect((await stage.get('Run', slot('offers', '00:00'))).status!.activatedTime).toMatch(/T00:30:/)
    stage.at(tomorrow('01:00'))
    const byHand = await stage.request({ kind: 'Activation', name: 'offers' })
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', byHand), 'Succeeded')?.message).toMatch(/^Waits until .*T03:30:/),
    )
  })
})
