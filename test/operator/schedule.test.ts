// When Runs are made: slots, suspension, what was missed, streaming, after the evaluation.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { reportOf } from './player.ts'
import {
  activation,
  failing,
  foundation,
  gate,
  minutesOf,
  openStage,
  outcomes,
  type Stage,
  succeed,
  tomorrow,
} from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('an Activation every 3 h', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, { bundle: [...foundation(), activation('newsletter')] })
    // Its store's nights are another story.
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('Activation', 'newsletter')
  })
  afterAll(() => stage?.leave())

  const slot = (time: string, days = 1) => `act-newsletter-${minutesOf(tomorrow(time, days))}`

  test('each slot has one Run, named by its minute, that belongs to the Activation', async () => {
    stage.at(tomorrow('00:00'))
    await stage.finished(slot('00:00'))
    const activation = await stage.get('Activation', 'newsletter')
    const [run] = await stage.runs()
    expect(run!.metadata).toMatchObject({
      name: slot('00:00'),
      labels: {
        'app.kubernetes.io/managed-by': 'convoke',
        'convoke.dev/target-kind': 'Activation',
        'convoke.dev/target': 'newsletter',
      },
      ownerReferences: [{ kind: 'Activation', name: 'newsletter', controller: true, blockOwnerDeletion: false }],
    })
    expect(run!.spec).toEqual({
      target: { kind: 'Activation', name: 'newsletter', uid: expect.any(String) },
      scheduledTime: tomorrow('00:00'),
      trigger: 'Schedule',
      planDigest: activation.status!.planDigest,
    })
    stage.at(tomorrow('03:00:01'))
    await stage.finished(slot('03:00'))
    await stage.until(async () =>
      expect((await stage.get('Activation', 'newsletter')).status).toMatchObject({
        lastScheduledTime: tomorrow('03:00'),
        nextScheduledTime: tomorrow('06:00'),
        lastSuccessfulTime: tomorrow('03:00'),
        lastActivatedTime: tomorrow('03:00'),
        activeRuns: [],
      }),
    )
    expect(outcomes(await stage.runs())).toEqual([
      [slot('00:00'), 'Succeeded'],
      [slot('03:00'), 'Succeeded'],
    ])
  })

  test('a clock that is set back runs nothing twice, and waits for its time', async () => {
    stage.clock.set(tomorrow('01:00'))
    await stage.until(async () =>
      expect((await stage.get('Activation', 'newsletter')).status!.nextScheduledTime).toBe(tomorrow('03:00')),
    )
    stage.clock.set(tomorrow('03:30'))
    await stage.looked('Activation', 'newsletter')
    stage.clock.set(tomorrow('06:00'))
    await stage.finished(slot('06:00'))
    expect(outcomes(await stage.runs()).map(([name]) => name)).toEqual([slot('00:00'), slot('03:00'), slot('06:00')])
  })

  test('what was missed while nobody was there is counted once, and the latest of it is made up for', async () => {
    await stage.kill()
    stage.clock.set(tomorrow('16:00'))
    await stage.start()
    await stage.finished(slot('15:00'))
    await stage.looked('Activation', 'newsletter')
    expect((await stage.get('Run', slot('15:00'))).spec.trigger).toBe('CatchUp')
    const missed = { missedSlots: 2, lastMissedTime: tomorrow('12:00') }
    expect((await stage.get('Activation', 'newsletter')).status).toMatchObject(missed)
    expect(stage.operator().events.filter(({ reason }) => reason === 'MissedSlot')).toEqual([
      {
        about: 'Activation/newsletter',
        type: 'Warning',
        reason: 'MissedSlot',
        message: `2 slots, the latest ${tomorrow('12:00')}, were not run and will not be. The one of ${tomorrow('15:00')} is run now.`,
      },
    ])
    // It began an hour late, and the next one would come too soon after it.
    stage.at(tomorrow('18:00'))
    await stage.until(async () =>
      expect((await stage.get('Activation', 'newsletter')).status).toMatchObject({
        missedSlots: 3,
        lastMissedTime: tomorrow('18:00'),
        nextScheduledTime: tomorrow('21:00'),
      }),
    )
    expect(stage.operator().events.at(-1)!.message).toBe(
      `The slot ${tomorrow('18:00')} was not run and will not be. It gives way to the next one, which it would make late: no Segment is activated more often than limits.minActivationInterval says (activation-too-frequent).`,
    )
    stage.at(tomorrow('21:00'))
    await stage.finished(slot('21:00'))
    expect((await stage.get('Run', slot('21:00'))).status!.activatedTime).toBe(tomorrow('21:00'))
    expect(await stage.operator().metrics()).toContain('convoke_missed_slots_total{kind="Activation"} 3')
  })

  test.each([
    ['its spec', { spec: { suspend: true } }, { spec: { suspend: null } }],
    [
      'an annotation',
      { metadata: { annotations: { 'convoke.dev/suspend': 'true' } } },
      { metadata: { annotations: { 'convoke.dev/suspend': null } } },
    ],
  ])('suspended by %s it makes no Runs, and none for the time in between when it is resumed', async (by, on, off) => {
    const days = by === 'its spec' ? 2 : 3
    stage.at(tomorrow('01:00', days))
    await stage.looked('Activation', 'newsletter')
    await stage.patch('Activation', 'newsletter', on)
    await stage.until(async () => {
      const suspended = await stage.get('Activation', 'newsletter')
      expect(conditionOf(suspended, 'Ready')).toEqual({
        status: 'True',
        reason: 'Suspended',
        message: 'No new Runs are made by its schedule.',
      })
      expect(suspended.status).toMatchObject({ observedSchedule: 'suspended' })
      expect(suspended.status).not.toHaveProperty('nextScheduledTime')
    })
    const { missedSlots } = (await stage.get('Activation', 'newsletter')).status!
    stage.at(tomorrow('10:00', days))
    await stage.patch('Activation', 'newsletter', off)
    await stage.until(async () =>
      expect((await stage.get('Activation', 'newsletter')).status).toMatchObject({
        nextScheduledTime: tomorrow('12:00', days),
        scheduleChangedTime: expect.stringMatching(/T10:00:/),
      }),
    )
    stage.at(tomorrow('12:00', days))
    await stage.finished(slot('12:00', days))
    const made = (await stage.runs()).map(({ spec }) => spec.scheduledTime)
    expect(made.filter((time) => time > tomorrow('01:00', days))).toEqual([tomorrow('12:00', days)])
    expect((await stage.get('Activation', 'newsletter')).status!.missedSlots).toBe(missedSlots)
  })
})

describe.skipIf(cluster === null)('an Activation that', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, { bundle: foundation() })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
  })
  afterAll(() => stage?.leave())

  const slot = (name: string, time: string, days = 1) => `act-${name}-${minutesOf(tomorrow(time, days))}`

  test('catches up nothing leaves late slots alone', async () => {
    await stage.apply(activation('punctual', (spec) => ({ ...spec, catchUp: 'None' })))
    await stage.looked('Activation', 'punctual')
    stage.at(tomorrow('04:00'))
    await stage.until(async () =>
      expect((await stage.get('Activation', 'punctual')).status).toMatchObject({
        missedSlots: 2,
        lastMissedTime: tomorrow('03:00'),
        nextScheduledTime: tomorrow('06:00'),
      }),
    )
    stage.at(tomorrow('06:00'))
    await stage.finished(slot('punctual', '06:00'))
    expect((await stage.runs('punctual')).map(({ metadata }) => metadata.name)).toEqual([slot('punctual', '06:00')])
    await stage.remove('Activation', 'punctual')
  })

  test('has another schedule now forgets the slots of before', async () => {
    await stage.apply(
      activation('moved', (spec) => ({ ...spec, schedule: { every: '24h', startAt: tomorrow('12:00') } })),
    )
    await stage.looked('Activation', 'moved')
    stage.at(tomorrow('10:00'))
    await stage.apply(
      activation('moved', (spec) => ({ ...spec, schedule: { every: '24h', startAt: tomorrow('09:00') } })),
    )
    await stage.until(async () =>
      expect((await stage.get('Activation', 'moved')).status).toMatchObject({
        observedSchedule: `every 86400 s from ${tomorrow('09:00')}`,
        nextScheduledTime: tomorrow('09:00', 2),
      }),
    )
    expect(await stage.runs('moved')).toEqual([])
    expect((await stage.get('Activation', 'moved')).status).not.toHaveProperty('missedSlots')
    await stage.remove('Activation', 'moved')
  })

  test('could not run while something was broken makes up for the latest slot when it is mended', async () => {
    stage.at(tomorrow('10:00'))
    await stage.apply(activation('patient', (spec) => spec, tomorrow('12:00')))
    await stage.looked('Activation', 'patient')
    await stage.remove('Destination', 'landing-zone')
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Activation', 'patient'), 'Stalled')?.status).toBe('True'),
    )
    stage.at(tomorrow('16:00'))
    await stage.looked('Activation', 'patient')
    expect(await stage.runs('patient')).toEqual([])
    await stage.apply(foundation().find(({ kind }) => kind === 'Destination')!)
    await stage.finished(slot('patient', '15:00'))
    expect((await stage.get('Activation', 'patient')).status).toMatchObject({
      missedSlots: 1,
      lastMissedTime: tomorrow('12:00'),
    })
    await stage.remove('Activation', 'patient')
  })

  test('could not begin in time gives its Run up', async () => {
    stage.at(tomorrow('01:00', 2))
    await stage.apply(activation('urgent', (spec) => ({ ...spec, startingDeadlineSeconds: 600 }), tomorrow('03:00', 2)))
    await stage.looked('Activation', 'urgent')
    const { open, closed } = gate()
    stage.behave(async (work) => {
      await closed
      return succeed(work)
    })
    stage.at(tomorrow('03:00', 2))
    await stage.until(async () => expect(stage.works.at(-1)?.input.run).toBe(slot('urgent', '03:00', 2)))
    stage.at(tomorrow('06:00', 2))
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', slot('urgent', '06:00', 2)), 'Succeeded')).toEqual({
        status: 'Unknown',
        reason: 'Pending',
        message: `Waits for ${slot('urgent', '03:00', 2)}.`,
      }),
    )
    stage.at(tomorrow('06:11', 2))
    expect(await stage.finished(slot('urgent', '06:00', 2))).toEqual({
      status: 'False',
      reason: 'DeadlineExceeded',
      message: 'It could not begin within 600 s of its time (startingDeadlineSeconds).',
    })
    open()
    expect(await stage.finished(slot('urgent', '03:00', 2))).toMatchObject({ reason: 'Succeeded' })
    stage.behave(succeed)
    await stage.remove('Activation', 'urgent')
  })
})

describe.skipIf(cluster === null)('a ProfileStore', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation().filter(({ kind, metadata }) => !(kind === 'Segment' && metadata.name === 'gold-members')),
        withSpec('Segment', 'gold-members', (spec) => ({ ...spec, evaluation: 'Streaming' })),
        withSpec('Activation', 'newsletter', (spec) => ({ ...spec, startingDeadlineSeconds: 600 })),
      ],
    })
    await stage.looked('ProfileStore', 'customers')
  })
  afterAll(() => stage?.leave())

  const batch = (time: string, days = 1) => `pstore-customers-batch-${minutesOf(tomorrow(time, days))}`
  const streaming = (time: string, days = 1) => `pstore-customers-streaming-${minutesOf(tomorrow(time, days))}`
  const delivery = (time: string, days = 1) => `act-newsletter-${minutesOf(tomorrow(time, days))}`
  const seen = () => stage.player.seen.map(({ name }) => name)

  test('streams every 5 min, never two at once, and makes up for nothing', async () => {
    stage.at(tomorrow('01:00'))
    await stage.finished(streaming('01:00'))
    const { open, closed } = gate()
    stage.behave(async (work) => {
      await closed
      return succeed(work)
    })
    stage.at(tomorrow('01:05'))
    await stage.until(async () => expect(seen()).toContain(`${streaming('01:05')}-ingest`))
    // It takes twelve minutes.
    for (const time of ['01:10', '01:15', '01:17:30'])
      await stage.until(async () => {
        stage.at(tomorrow(time))
        const { nextStreamingTime } = (await stage.get('ProfileStore', 'customers')).status!
        expect(Date.parse(nextStreamingTime!)).toBeGreaterThan(stage.clock.now())
      })
    open()
    expect(await stage.finished(streaming('01:05'))).toMatchObject({ reason: 'Succeeded' })
    stage.behave(succeed)
    stage.at(tomorrow('01:20'))
    await stage.finished(streaming('01:20'))
    const made = (await stage.runs('customers')).map(({ metadata }) => metadata.name)
    expect(made).toEqual([streaming('01:00'), streaming('01:05'), streaming('01:20')])
    expect((await stage.get('ProfileStore', 'customers')).status).not.toHaveProperty('missedSlots')
  })

  test('has its night evaluation before the Activations that wait for it, and not while one streams', async () => {
    stage.at(tomorrow('02:00'))
    await stage.finished(batch('02:00'))
    expect(await stage.finished(delivery('02:00'))).toMatchObject({ reason: 'Succeeded' })
    expect(seen().filter((name) => name.includes(String(minutesOf(tomorrow('02:00')))))).toEqual([
      `${batch('02:00')}-ingest`,
      `${batch('02:00')}-evaluate`,
      `${delivery('02:00')}-export`,
      `${delivery('02:00')}-import`,
    ])
    expect((await stage.get('ProfileStore', 'customers')).status).toMatchObject({
      lastBatchTime: tomorrow('02:00'),
      lastSuccessfulBatchTime: tomorrow('02:00'),
      nextBatchTime: tomorrow('02:00', 2),
    })
  })

  test('whose evaluation failed delivers nothing that night, and says so; the next night does', async () => {
    stage.behave((work) => (work.step === 'evaluate' ? failing(work) : succeed(work)))
    stage.at(tomorrow('02:00', 2))
    await stage.finished(batch('02:00', 2))
    await stage.until(async () =>
      expect(conditionOf(await stage.get('ProfileStore', 'customers'), 'Ready')).toEqual({
        status: 'False',
        reason: 'RunFailed',
        message: `${batch('02:00', 2)}: DatabaseRefused: There is no table recipients. Create it.`,
      }),
    )
    await stage.looked('Activation', 'newsletter')
    stage.behave(succeed)
    stage.at(tomorrow('02:00', 3))
    await stage.finished(delivery('02:00', 3))
    expect((await stage.runs('newsletter')).map(({ metadata }) => metadata.name)).toEqual([
      delivery('02:00'),
      delivery('02:00', 3),
    ])
    await stage.until(async () =>
      expect(conditionOf(await stage.get('ProfileStore', 'customers'), 'Ready')?.status).toBe('True'),
    )
  })

  test('whose evaluation takes hours is waited for: the deadline of what comes after counts from its end', async () => {
    const { open, closed } = gate()
    stage.behave(async (work) => {
      if (work.step === 'evaluate') await closed
      return succeed(work)
    })
    stage.at(tomorrow('02:00', 4))
    await stage.until(async () => expect(seen()).toContain(`${batch('02:00', 4)}-evaluate`))
    stage.at(tomorrow('05:00', 4))
    open()
    expect(await stage.finished(delivery('02:00', 4))).toMatchObject({ reason: 'Succeeded' })
    // Three hours and a half from when it really began.
    expect((await stage.get('Run', delivery('02:00', 4))).status!.activatedTime).toMatch(/T05:00:/)
    stage.behave(succeed)
  })

  test('by hand is evaluated at once, which is not the night that Activations wait for', async () => {
    stage.at(tomorrow('12:02', 4))
    const before = await stage.runs('newsletter')
    const name = await stage.request({ kind: 'ProfileStore', name: 'customers' })
    expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    await stage.until(async () =>
      expect((await stage.get('ProfileStore', 'customers')).status!.evaluatedAt).toMatch(/T12:02:/),
    )
    expect((await stage.get('ProfileStore', 'customers')).status!.lastSuccessfulBatchTime).toBe(tomorrow('02:00', 4))
    await stage.looked('Activation', 'newsletter')
    expect((await stage.runs('newsletter')).length).toBe(before.length)
  })
})

describe.skipIf(cluster === null)('a CampaignSource', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation(),
        {
          apiVersion: 'convoke.dev/v1alpha1',
          kind: 'CampaignSource',
          metadata: { name: 'logs' },
          spec: {
            campaignInstanceRef: { name: 'production' },
            profileStoreRef: { name: 'customers' },
            schedule: '30 4 * * *',
            timeZone: 'America/New_York',
            tables: [{ name: 'broadlog', eventType: 'delivery', watermark: 'event_date' }],
            identity: { namespace: 'CustomerId', column: 'external_id' },
          },
        } as never,
      ],
    })
  })
  afterAll(() => stage?.leave())

  test('extracts at its time in its zone, not while the store is written by another', async () => {
    await stage.looked('CampaignSource', 'logs')
    const { open, closed } = gate()
    stage.behave(async (work) => {
      if (work.step === 'ingest') await closed
      return work.step === 'extract'
        ? { kind: 'report', report: reportOf(work, [], { totals: { rowsRead: 3 } }) }
        : succeed(work)
    })
    const evaluation = await stage.request({ kind: 'ProfileStore', name: 'customers' })
    await stage.until(async () => expect(stage.works.at(-1)?.step).toBe('ingest'))
    const { nextScheduledTime } = (await stage.get('CampaignSource', 'logs')).status!
    expect(new Date(nextScheduledTime!).toLocaleTimeString('sv-SE', { timeZone: 'America/New_York' })).toBe('04:30:00')
    stage.at(nextScheduledTime!)
    const name = `csrc-logs-${minutesOf(nextScheduledTime!)}`
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', name), 'Succeeded')?.message).toBe(`Waits for ${evaluation}.`),
    )
    open()
    expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    await stage.until(async () =>
      expect((await stage.get('CampaignSource', 'logs')).status).toMatchObject({
        lastSuccessfulTime: nextScheduledTime,
        rows: 3,
      }),
    )
  })
})
