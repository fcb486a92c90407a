// What happens when a Run is due while another is not finished.
import { afterEach, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { conditionOf } from './harness.ts'
import { activation, foundation, gate, minutesOf, openStage, outcomes, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('a Run that is due while another is not finished', () => {
  let stage: Stage
  afterEach(() => stage?.leave())

  const slot = (time: string) => `act-offers-${minutesOf(tomorrow(time))}`
  const open = async (change: object) => {
    stage = await openStage(cluster!, {
      bundle: [...foundation(), activation('offers', (spec) => ({ ...spec, ...change }))],
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('Activation', 'offers')
  }
  /** Exports of the slot wait for the gate. */
  const slow = (time: string, step = 'export') => {
    const { open, closed } = gate()
    stage.behave(async (work) => {
      if (work.input.run === slot(time) && work.step === step) await closed
      return succeed(work)
    })
    return open
  }
  const jobs = () => stage.player.seen.map(({ name }) => name)
  const isAtWork = (name: string) => stage.until(async () => expect(jobs()).toContain(name))
  const message = async (name: string) => conditionOf(await stage.get('Run', name), 'Succeeded')?.message

  test('waits for it (Forbid), and begins by itself', async () => {
    await open({})
    const done = slow('00:00')
    stage.at(tomorrow('00:00'))
    await isAtWork(`${slot('00:00')}-export`)
    stage.at(tomorrow('03:00'))
    await stage.until(async () => expect(await message(slot('03:00'))).toBe(`Waits for ${slot('00:00')}.`))
    expect((await stage.get('Activation', 'offers')).status!.activeRuns).toEqual([slot('00:00'), slot('03:00')])
    // Another operator knows who was at work.
    await stage.kill()
    await stage.start()
    await stage.until(async () => expect(await message(slot('03:00'))).toBe(`Waits for ${slot('00:00')}.`))
    done()
    await stage.finished(slot('03:00'))
    expect(jobs()).toEqual([
      `${slot('00:00')}-export`,
      `${slot('00:00')}-import`,
      `${slot('03:00')}-export`,
      `${slot('03:00')}-import`,
    ])
  })

  test('gives way to the one after it when that is due as well (Forbid)', async () => {
    await open({})
    const done = slow('00:00')
    stage.at(tomorrow('00:00'))
    await isAtWork(`${slot('00:00')}-export`)
    stage.at(tomorrow('03:00'))
    await stage.until(async () => expect(await message(slot('03:00'))).toBe(`Waits for ${slot('00:00')}.`))
    stage.at(tomorrow('06:00'))
    expect(await stage.finished(slot('03:00'))).toEqual({
      status: 'False',
      reason: 'Replaced',
      message: `It had not begun when ${slot('06:00')} was due, which does its work too.`,
    })
    done()
    await stage.finished(slot('06:00'))
    expect(conditionOf(await stage.get('Activation', 'offers'), 'Ready')?.status).toBe('True')
    expect(stage.operator().events).toContainEqual({
      about: 'Activation/offers',
      type: 'Normal',
      reason: 'RunReplaced',
      message: expect.stringContaining(slot('03:00')),
    })
  })

  test('runs beside it (Allow), where every file says all there is', async () => {
    const first = tomorrow('00:00')
    const second = tomorrow('00:00', 2)
    // Full files are exported once a day.
    await open({ concurrencyPolicy: 'Allow', export: 'Full', schedule: { every: '24h', startAt: first } })
    const done = slow('00:00')
    stage.at(first)
    await isAtWork(`${slot('00:00')}-export`)
    stage.at(second)
    expect(await stage.finished(`act-offers-${minutesOf(second)}`)).toMatchObject({ reason: 'Succeeded' })
    done()
    expect(await stage.finished(slot('00:00'))).toMatchObject({ reason: 'Succeeded' })
    await stage.until(async () =>
      // Whoever is finished last.
      expect((await stage.get('Activation', 'offers')).status).toMatchObject({
        lastActivatedTime: second,
        lastSuccessfulTime: second,
      }),
    )
  })

  test('waits for it all the same (Allow) where a file says what changed since the one before', async () => {
    await open({ concurrencyPolicy: 'Allow', export: 'Incremental' })
    const done = slow('00:00')
    stage.at(tomorrow('00:00'))
    await isAtWork(`${slot('00:00')}-export`)
    stage.at(tomorrow('03:00'))
    await stage.until(async () => expect(await message(slot('03:00'))).toBe(`Waits for ${slot('00:00')}.`))
    done()
    await stage.finished(slot('03:00'))
    const input = stage.works.find(({ input, step }) => input.run === slot('03:00') && step === 'export')!.input
    expect(input.baselines).toEqual({
      'big-spenders': slot('00:00'),
      'gold-members': slot('00:00'),
      'lapsed-buyers': slot('00:00'),
    })
  })

  test('ends it (Replace): its Job goes first, and what Campaign has of it is known of no more', async () => {
    await open({ concurrencyPolicy: 'Replace' })
    stage.at(tomorrow('00:00'))
    await stage.finished(slot('00:00'))
    const done = slow('03:00', 'import')
    stage.at(tomorrow('03:00'))
    await isAtWork(`${slot('03:00')}-import`)
    stage.at(tomorrow('06:00'))
    expect(await stage.finished(slot('03:00'))).toEqual({
      status: 'False',
      reason: 'Replaced',
      message: `${slot('06:00')} took its place (concurrencyPolicy: Replace).`,
    })
    await stage.finished(slot('06:00'))
    done()
    const of = (step: string) =>
      stage.works.find(({ input, step: own }) => input.run === slot('06:00') && own === step)!
    // The import may have been done or not, so the next files hold everybody.
    expect(of('export').input.baselines).toEqual({})
    expect(outcomes(await stage.runs()).map(([, outcome]) => outcome)).toEqual(['Succeeded', 'Replaced', 'Succeeded'])
  })

  test('ends nothing (Replace) before it could begin itself', async () => {
    await open({ concurrencyPolicy: 'Replace', schedule: { every: '24h', startAt: tomorrow('00:00') } })
    const done = slow('00:00')
    stage.at(tomorrow('00:00'))
    await isAtWork(`${slot('00:00')}-export`)
    stage.at(tomorrow('00:10'))
    const byHand = await stage.request({ kind: 'Activation', name: 'offers' })
    await stage.until(async () => expect(await message(byHand)).toMatch(/^Waits until .*T03:00:00Z/))
    done()
    expect(await stage.finished(slot('00:00'))).toMatchObject({ reason: 'Succeeded' })
  })

  test('ends it (Replace) after what is done already', async () => {
    await open({ concurrencyPolicy: 'Replace' })
    stage.at(tomorrow('00:00'))
    await isAtWork(`${slot('00:00')}-export`)
    await stage.kill()
    // The Job ends while nobody looks, and the next slot comes.
    await stage.until(async () => {
      const job = await stage.api<{ status: { succeeded?: number } }>(
        'GET',
        `/apis/batch/v1/namespaces/${stage.namespace}/jobs/${slot('00:00')}-export`,
      )
      expect(job.status.succeeded).toBe(1)
    })
    stage.clock.set(tomorrow('03:00'))
    await stage.start()
    await stage.finished(slot('03:00'))
    const { status } = await stage.get('Run', slot('00:00'))
    expect(status!.steps!.find(({ name }) => name === 'export')!.outcome).toBe('Succeeded')
  })
})
