// What Campaign is known to have, and what the next files are therefore counted against.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Detail, ResourceByKind } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { type Behaviour, type Played, reportOf, type Work } from './player.ts'
import { activation, detailsOf, failing, foundation, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

type Change = Parameters<typeof activation>[1]

describe.skipIf(cluster === null)('what Campaign has', () => {
  let stage: Stage
  let name = ''
  let count = 0
  const instance = (of: string, change: (spec: ResourceByKind['CampaignInstance']['spec']) => object) => ({
    ...withSpec('CampaignInstance', 'production', (spec) => ({
      ...change(spec),
      enforcement: { minActivationInterval: 'Warn' },
    })),
    metadata: { name: of },
  })
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation().filter(({ kind }) => kind !== 'CampaignInstance'),
        instance('production', (spec) => spec),
        instance('cloud', ({ database: _, ...spec }) => spec),
        {
          ...withSpec('Destination', 'landing-zone', (spec) => ({ ...spec, campaignInstanceRef: { name: 'cloud' } })),
          metadata: { name: 'files' },
        },
      ],
      retry: { limit: 2, backoff: '0.05s' },
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
  })
  afterAll(() => stage?.leave())

  const names = ['big-spenders', 'gold-members', 'lapsed-buyers']
  /** What another test may have taken away. */
  const needed = () => foundation().filter(({ kind }) => kind === 'Destination' || kind === 'Segment')
  /** An Activation of one's own. */
  const open = async (change: Change = (spec) => spec, ...bundle: readonly object[]): Promise<void> => {
    if (name !== '') await stage.remove('Activation', name)
    count += 1
    name = `offers-${count}`
    await stage.apply(...needed(), ...bundle, activation(name, change, tomorrow('00:00', 4000)))
    await stage.until(async () => expect((await stage.get('Activation', name)).status?.planDigest).toBeDefined())
  }
  /** The next Run, done so. */
  const next = async (behaviour: Behaviour = succeed): Promise<string> => {
    stage.behave(behaviour)
    const run = await stage.request({ kind: 'Activation', name })
    await stage.finished(run)
    return run
  }
  const baselines = async (): Promise<Readonly<Record<string, string>>> =>
    stage.until(async () => {
      const { status } = await stage.get('Activation', name)
      expect(status!.activeRuns).toEqual([])
      return Object.fromEntries(status!.baselines?.map(({ segment, run }) => [segment, run]) ?? [])
    })
  const activationHas = (segments: number) =>
    stage.until(async () => expect((await stage.get('Activation', name)).status!.segments).toBe(segments))
  const all = (run: string): Readonly<Record<string, string>> => Object.fromEntries(names.map((name) => [name, run]))
  const inputOf = (run: string) => stage.works.find(({ input, step }) => input.run === run && step === 'export')!.input
  const killed: Played = { kind: 'crash', exitCode: 137, reason: 'OOMKilled', message: '' }
  const unavailable = (work: Work, details: readonly Detail[] = []) => failing(work, true, details)
  const only = (work: Work, ...segments: readonly string[]): readonly Detail[] =>
    detailsOf(work).filter(({ segment }) => segments.includes(segment!))

  test('is what was imported, and what the next export counts from', async () => {
    await open()
    const first = await next()
    expect(inputOf(first).baselines).toEqual({})
    expect(await baselines()).toEqual(all(first))
    const second = await next()
    expect(inputOf(second).baselines).toEqual(all(first))
    expect(await baselines()).toEqual(all(second))
    expect((await stage.get('Destination', 'landing-zone')).status!.lastDeliveredTime).toBeDefined()
  })

  test('stays where nothing was to be said, or was held', async () => {
    await open()
    const first = await next()
    const second = await next((work) => {
      const details = detailsOf(work)
      if (work.step === 'import') return { kind: 'report', report: reportOf(work, only(work, 'lapsed-buyers')) }
      const told = details.map(({ manifest, ...detail }) =>
        detail.segment === 'lapsed-buyers'
          ? { ...detail, manifest: manifest! }
          : detail.segment === 'gold-members'
            ? { ...detail, held: 'It would be empty.' }
            : detail,
      )
      return { kind: 'report', report: reportOf(work, told, { outcome: 'Held' }) }
    })
    expect(await baselines()).toEqual({ ...all(first), 'lapsed-buyers': second })
    expect(inputOf(await next()).baselines).toEqual({ ...all(first), 'lapsed-buyers': second })
  })

  test('stays where a file is known not to be imported: the next increment holds both', async () => {
    await open()
    const first = await next()
    const second = await next((work) =>
      work.step === 'import' ? failing(work, false, only(work, 'big-spenders')) : succeed(work),
    )
    expect(await baselines()).toEqual({ ...all(first), 'big-spenders': second })
    expect(
      (await stage.get('Run', second)).status!.segments!.map(({ segment, acknowledged }) => [segment, acknowledged]),
    ).toEqual([
      ['big-spenders', true],
      ['gold-members', false],
      ['lapsed-buyers', false],
    ])
    expect(inputOf(await next()).baselines).toEqual({ ...all(first), 'big-spenders': second })
  })

  test('is unknown where an import said nothing: the next file holds everybody', async () => {
    await open()
    await next()
    await next((work) => (work.step === 'import' ? killed : succeed(work)))
    expect(await baselines()).toEqual({})
    const third = await next()
    expect(inputOf(third).baselines).toEqual({})
    expect(await baselines()).toEqual(all(third))
  })

  test('is unknown where nobody knows whether it was committed', async () => {
    await open()
    const first = await next()
    await next((work) => {
      if (work.step !== 'import') return succeed(work)
      const details = only(work, 'big-spenders').map((detail) => ({ ...detail, counts: { uncertain: 1 } }))
      return unavailable(work, details)
    })
    const { 'big-spenders': _, ...others } = all(first)
    expect(await baselines()).toEqual(others)
  })

  test('is what any attempt imported, though the last one could not even connect', async () => {
    await open()
    const first = await next()
    const second = await next((work) =>
      work.step !== 'import'
        ? succeed(work)
        : work.input.attempt === 1
          ? unavailable(work, only(work, 'big-spenders'))
          : unavailable(work),
    )
    expect(await baselines()).toEqual({ ...all(first), 'big-spenders': second })
  })

  test('is unknown of what an attempt may have imported that said nothing', async () => {
    await open()
    await next()
    const second = await next((work) =>
      work.step !== 'import'
        ? succeed(work)
        : work.input.attempt === 1
          ? unavailable(work, only(work, 'big-spenders'))
          : killed,
    )
    expect(await baselines()).toEqual({ 'big-spenders': second })
  })

  test('is what it was when an export failed: its files are imported by nobody', async () => {
    await open()
    const first = await next()
    await next((work) => (work.step === 'export' ? killed : succeed(work)))
    expect(await baselines()).toEqual(all(first))
    await next((work) => (work.step === 'export' ? failing(work, true, only(work, 'gold-members')) : succeed(work)))
    expect(await baselines()).toEqual(all(first))
    expect(inputOf(await next()).baselines).toEqual(all(first))
  })

  describe('without a database, where Campaign takes what lies in the landing zone,', () => {
    test('is what was published', async () => {
      await open((spec) => ({ ...spec, destinationRef: { name: 'files' } }))
      const first = await next()
      expect((await stage.get('Run', first)).status!.steps!.map(({ name }) => name)).toEqual(['export'])
      expect(await baselines()).toEqual(all(first))
      expect(inputOf(await next()).baselines).toEqual(all(first))
    })

    test('is what an export says to have published before it failed, and unknown of what it was at', async () => {
      await open((spec) => ({ ...spec, destinationRef: { name: 'files' } }))
      const first = await next()
      const second = await next((work) => {
        const [done, atWork, left] = detailsOf(work) as [Detail, Detail, Detail]
        return failing(work, false, [
          done,
          { segment: atWork.segment!, counts: { uncertain: 1 } },
          { segment: left.segment! },
        ])
      })
      expect(await baselines()).toEqual({ 'big-spenders': second, 'lapsed-buyers': first })
    })

    test('is unknown where an export said nothing', async () => {
      await open((spec) => ({ ...spec, destinationRef: { name: 'files' } }))
      await next()
      await next(() => killed)
      expect(await baselines()).toEqual({})
    })

    test('is what it was when an export says that it published nothing', async () => {
      await open((spec) => ({ ...spec, destinationRef: { name: 'files' } }))
      const first = await next()
      await next((work) => failing(work))
      expect(await baselines()).toEqual(all(first))
    })
  })

  describe('of a Segment that is deleted', () => {
    const leaving = (...segments: readonly string[]) =>
      foundation()
        .filter(({ kind, metadata }) => kind === 'Segment' && segments.includes(metadata.name))
        .map((segment) => ({ ...segment, spec: { ...segment.spec, deletionPolicy: 'ExportExits' } }))
    const departedIn = (run: string) => inputOf(run).departed?.map(({ name, displayName }) => [name, displayName])

    test('with exits leaves Campaign with the next Run, once', async () => {
      await open(({ segmentRefs: _, ...spec }) => ({ ...spec, segmentSelector: {} }), ...leaving('gold-members'))
      const first = await next()
      expect((await stage.get('Activation', name)).status!.baselines).toContainEqual({
        segment: 'gold-members',
        run: first,
        acknowledgedAt: expect.any(String),
        exitsOnDeletion: true,
        displayName: 'Gold members',
      })
      await stage.remove('Segment', 'gold-members')
      await activationHas(2)
      const second = await next((work) =>
        work.step === 'import' ? failing(work, false, only(work, 'lapsed-buyers', 'big-spenders')) : succeed(work),
      )
      expect(departedIn(second)).toEqual([['gold-members', 'Gold members']])
      // It was not imported, so it is said again.
      const third = await next()
      expect(departedIn(third)).toEqual([['gold-members', 'Gold members']])
      expect(inputOf(third).baselines!['gold-members']).toBe(first)
      expect(await baselines()).toEqual({ 'big-spenders': third, 'lapsed-buyers': third })
      expect(departedIn(await next())).toBeUndefined()
    })

    test('with exits leaves though the Activation still names it, and the others are delivered', async () => {
      await open((spec) => spec, ...leaving('gold-members'))
      await next()
      await stage.remove('Segment', 'gold-members')
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Activation', name), 'Ready')).toEqual({
          status: 'False',
          reason: 'SegmentsHeld',
          message: expect.stringMatching(
            /^2 of 3 Segments are delivered\. gold-members is held: unresolved-reference: /,
          ),
        }),
      )
      const second = await next()
      expect(departedIn(second)).toEqual([['gold-members', 'Gold members']])
      expect(await baselines()).toEqual({ 'big-spenders': second, 'lapsed-buyers': second })
    })

    test.each([
      ['by name', ({ segmentRefs: _, ...spec }) => ({ ...spec, segmentRefs: [{ name: 'gold-members' }] })],
      ['by label', ({ segmentRefs: _, ...spec }) => ({ ...spec, segmentSelector: { matchLabels: { team: 'crm' } } })],
    ] as const satisfies readonly (readonly [string, NonNullable<Change>])[])(
      'with exits leaves though it was the last one that the Activation chose %s',
      async (_, change) => {
        const labelled = leaving('gold-members').map((segment) => ({
          ...segment,
          metadata: { ...segment.metadata, labels: { team: 'crm' } },
        }))
        await open(change, ...labelled)
        await next()
        await stage.remove('Segment', 'gold-members')
        await stage.until(async () =>
          expect(conditionOf(await stage.get('Activation', name), 'Ready')).toEqual({
            status: 'True',
            reason: 'Ready',
            message: 'Its Segments were deleted. The next Run tells Campaign who leaves gold-members.',
          }),
        )
        const second = await next()
        const [work] = stage.works.filter(({ input }) => input.run === second)
        expect(work!.plan.export!.segments).toEqual([])
        expect(departedIn(second)).toEqual([['gold-members', 'Gold members']])
        expect(await baselines()).toEqual({})
        // There is nothing left to run.
        await stage.until(async () => {
          const { status } = await stage.get('Activation', name)
          expect(status).not.toHaveProperty('planDigest')
        })
      },
    )

    test('with exits stays known where there is something else that keeps the Activation from running', async () => {
      await open((spec) => spec, ...leaving(...names))
      const first = await next()
      await stage.remove('Destination', 'landing-zone')
      for (const segment of names) await stage.remove('Segment', segment)
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Activation', name), 'Stalled')?.status).toBe('True'),
      )
      expect(await baselines()).toEqual(all(first))
      const waiting = await stage.request({ kind: 'Activation', name })
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Run', waiting), 'Succeeded')).toEqual({
          status: 'Unknown',
          reason: 'WaitingForDependency',
          message: `The Activation ${name} has no plan: see its conditions.`,
        }),
      )
      await stage.apply(...needed().filter(({ kind }) => kind === 'Destination'))
      await stage.finished(waiting)
      expect(departedIn(waiting)).toHaveLength(3)
      expect(await baselines()).toEqual({})
    })

    test('with exits is forgotten where nothing can be said of it', async () => {
      await open((spec) => spec, ...leaving('gold-members'))
      await next()
      await stage.remove('Segment', 'gold-members')
      await activationHas(2)
      const second = await next((work) => {
        const details = detailsOf(work).map(({ manifest, ...detail }) =>
          detail.departed ? detail : { ...detail, manifest: manifest! },
        )
        return {
          kind: 'report',
          report: reportOf(work, work.step === 'import' ? only(work, 'big-spenders', 'lapsed-buyers') : details),
        }
      })
      expect(await baselines()).toEqual({ 'big-spenders': second, 'lapsed-buyers': second })
    })

    test('without exits stays in Campaign', async () => {
      await open()
      const first = await next()
      await stage.remove('Segment', 'gold-members')
      await activationHas(2)
      const second = await next()
      expect(departedIn(second)).toBeUndefined()
      expect(await baselines()).toEqual({ ...all(second), 'gold-members': first })
    })

    test('and made anew under its name goes on where it was', async () => {
      await open((spec) => spec, ...leaving('gold-members'))
      const first = await next()
      await stage.kill()
      await stage.remove('Segment', 'gold-members')
      await stage.apply(...leaving('gold-members'))
      await stage.start()
      const second = await next()
      expect(departedIn(second)).toBeUndefined()
      expect(inputOf(second).baselines).toEqual(all(first))
    })
  })

  test('of a Segment that an Activation delivers no more stays, for the day when it does again', async () => {
    await open()
    const first = await next()
    await stage.patch('Activation', name, { spec: { segmentRefs: [{ name: 'gold-members' }] } })
    await activationHas(1)
    const second = await next()
    expect(inputOf(second).departed).toBeUndefined()
    expect(await baselines()).toEqual({ ...all(first), 'gold-members': second })
  })
})
