// What is edited, broken or deleted while Runs are made and at work: what is in flight goes on as it began, and neighbours go on.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ResourceByKind } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { type Bundle, withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { activation, foundation, gate, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('while', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation().filter(({ kind }) => kind !== 'CampaignInstance'),
        instance({}),
        activation('offers', (spec) => spec, tomorrow('00:00', 4000)),
      ],
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('Activation', 'offers')
  })
  afterAll(() => stage?.leave())

  function instance(limits: object) {
    return withSpec('CampaignInstance', 'production', (spec) => ({
      ...spec,
      ...(Object.keys(limits).length > 0 && { limits }),
      enforcement: { minActivationInterval: 'Warn' },
    }))
  }
  const of = (kind: string, name: string): Bundle[number] =>
    foundation().find((resource) => resource.kind === kind && resource.metadata.name === name)!
  const offers = { kind: 'Activation', name: 'offers' } as const
  const customers = { kind: 'ProfileStore', name: 'customers' } as const
  const worksOf = (run: string) => stage.works.filter(({ input }) => input.run === run)
  const ready = async (kind: 'Activation' | 'ProfileStore' | 'Segment', name: string) =>
    conditionOf(await stage.get(kind, name), 'Ready')
  const isReady = (kind: 'Activation' | 'ProfileStore' | 'Segment', name: string) =>
    stage.until(async () => expect(await ready(kind, name)).toMatchObject({ status: 'True' }))
  const done = async (target: typeof offers | typeof customers): Promise<string> => {
    const name = await stage.request(target)
    expect(await stage.finished(name)).toMatchObject({ status: 'True' })
    return name
  }
  const expressionOf = (run: string, segment: string): unknown =>
    worksOf(run)[0]!.plan.evaluate!.segments.find(({ name }) => name === segment)?.digest

  test('a Run is in flight, its Activation is edited: the Run keeps its plan, the next one has the new', async () => {
    const { open, closed } = gate()
    stage.behave(async (work) => {
      if (work.step === 'export') await closed
      return succeed(work)
    })
    const run = await stage.request(offers)
    await stage.until(async () => expect(worksOf(run)).toHaveLength(1))
    const before = (await stage.get('Activation', 'offers')).status!.planDigest!
    await stage.patch('Activation', 'offers', { spec: { membershipStatus: 'Omit' } })
    await stage.until(async () => expect((await stage.get('Activation', 'offers')).status!.planDigest).not.toBe(before))
    // Another operator has it from the cluster alone.
    await stage.kill()
    await stage.start()
    open()
    await stage.finished(run)
    expect(worksOf(run).map(({ step, plan }) => [step, plan.digest])).toEqual([
      ['export', before],
      ['import', before],
    ])
    stage.behave(succeed)
    expect(worksOf(await done(offers))[0]!.plan.export!.membershipStatus).toBe('Omit')
    await stage.patch('Activation', 'offers', { spec: { membershipStatus: null } })
  })

  test('a Segment is broken by an edit: it is evaluated as before, and all goes on', async () => {
    const first = await done(customers)
    await stage.apply(withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.teir = "gold"' })))
    await stage.until(async () =>
      expect(await ready('Segment', 'gold-members')).toEqual({
        status: 'False',
        reason: 'CompileFailed',
        message: expect.stringMatching(
          /^unknown-attribute: [\s\S]*Until it is corrected, the expression before is evaluated\.$/,
        ),
      }),
    )
    expect(await ready('Activation', 'offers')).toMatchObject({ status: 'True' })
    // Also by an operator that has never seen the one before.
    await stage.kill()
    await stage.start()
    const second = await done(customers)
    expect(expressionOf(second, 'gold-members')).toBe(expressionOf(first, 'gold-members'))
    expect(worksOf(await done(offers))[0]!.plan.export!.segments.map(({ name }) => name)).toContain('gold-members')
    await stage.apply(
      withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.tier = "silver"' })),
    )
    await isReady('Segment', 'gold-members')
    const third = await done(customers)
    expect(expressionOf(third, 'gold-members')).not.toBe(expressionOf(first, 'gold-members'))
    await stage.apply(of('Segment', 'gold-members'))
  })

  test('a Segment is new and broken: the others are delivered, and the Activation says which is not, and why', async () => {
    await stage.apply({
      ...withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.teir = "x"' })),
      metadata: { name: 'novel' },
    })
    await stage.apply(
      activation(
        'offers',
        (spec) => ({ ...spec, segmentRefs: [...spec.segmentRefs!, { name: 'novel' }] }),
        tomorrow('00:00', 4000),
      ),
    )
    await stage.until(async () =>
      expect(await ready('Activation', 'offers')).toEqual({
        status: 'False',
        reason: 'SegmentsHeld',
        message: expect.stringMatching(/^3 of 4 Segments are delivered\. novel is held: unknown-attribute: /),
      }),
    )
    expect((await stage.get('Activation', 'offers')).status).toMatchObject({
      segments: 3,
      held: [{ segment: 'novel', reason: 'CompileFailed', message: expect.stringMatching(/^unknown-attribute: /) }],
    })
    const run = await done(offers)
    expect(worksOf(run)[0]!.plan.export!.segments).toHaveLength(3)
    expect(worksOf(await done(customers))[0]!.plan.evaluate!.segments.map(({ name }) => name)).not.toContain('novel')
    await stage.apply(activation('offers', (spec) => spec, tomorrow('00:00', 4000)))
    await stage.remove('Segment', 'novel')
    await isReady('Activation', 'offers')
  })

  test('a Dataset is broken: the store is evaluated with the plan of before', async () => {
    const first = await done(customers)
    await stage.apply(
      withSpec('Dataset', 'orders', (spec) => ({
        ...spec,
        timestamp: 'at',
        mapping: [{ source: 'x', target: 'no.such.path' }],
      })),
    )
    await stage.until(async () =>
      expect(await ready('ProfileStore', 'customers')).toEqual({
        status: 'False',
        reason: 'WaitingForDependency',
        message: 'The Dataset orders has an error; until it is corrected, the plan before is run.',
      }),
    )
    // A Segment is edited meanwhile; that waits, too.
    await stage.apply(
      withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.tier = "bronze"' })),
    )
    await isReady('Segment', 'gold-members')
    const second = await done(customers)
    expect(worksOf(second)[0]!.plan.digest).toBe(worksOf(first)[0]!.plan.digest)
    await stage.apply(of('Dataset', 'orders'))
    await isReady('ProfileStore', 'customers')
    const third = await done(customers)
    expect(worksOf(third)[0]!.plan.ingest!.datasets).toHaveLength(2)
    expect(worksOf(third)[0]!.plan.digest).not.toBe(worksOf(first)[0]!.plan.digest)
    await stage.apply(of('Segment', 'gold-members'))
  })

  test('a Run is in flight, its Destination is broken and mended: the Run goes on, and another waits', async () => {
    const { open, closed } = gate()
    stage.behave(async (work) => {
      if (work.step === 'export') await closed
      return succeed(work)
    })
    const run = await stage.request(offers)
    await stage.until(async () => expect(worksOf(run)).toHaveLength(1))
    await stage.remove('Destination', 'landing-zone')
    await stage.until(async () =>
      expect(await ready('Activation', 'offers')).toMatchObject({ reason: 'CompileFailed' }),
    )
    const next = await stage.request(offers)
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', next), 'Succeeded')).toEqual({
        status: 'Unknown',
        reason: 'WaitingForDependency',
        message: 'The Activation offers has no plan: see its conditions.',
      }),
    )
    open()
    expect(await stage.finished(run)).toMatchObject({ reason: 'Succeeded' })
    stage.behave(succeed)
    await stage.apply(of('Destination', 'landing-zone'))
    expect(await stage.finished(next)).toMatchObject({ reason: 'Succeeded' })
  })

  test('the instance is at its limit: the newest Segment is held, those that ran go on', async () => {
    await done(offers)
    const fresh = (name: string) => ({ ...withSpec('Segment', 'gold-members', (spec) => spec), metadata: { name } })
    await stage.apply(instance({ segments: 3 }), fresh('a-newcomer'))
    await stage.apply(
      activation(
        'offers',
        (spec) => ({ ...spec, segmentRefs: [{ name: 'a-newcomer' }, ...spec.segmentRefs!] }),
        tomorrow('00:00', 4000),
      ),
    )
    await stage.until(async () =>
      expect((await stage.get('Activation', 'offers')).status).toMatchObject({
        segments: 3,
        held: [{ segment: 'a-newcomer', reason: 'TooManySegments' }],
      }),
    )
    expect(await ready('Segment', 'a-newcomer')).toEqual({
      status: 'False',
      reason: 'TooManySegments',
      message:
        'too-many-segments: 4 Segments are activated to `production`, the limit is 3. It is evaluated and not delivered.',
    })
    const run = await done(offers)
    expect(worksOf(run)[0]!.plan.export!.segments.map(({ name }) => name)).toEqual([
      'big-spenders',
      'gold-members',
      'lapsed-buyers',
    ])
    expect(worksOf(await done(customers))[0]!.plan.evaluate!.segments.map(({ name }) => name)).toContain('a-newcomer')
    expect((await stage.get('CampaignInstance', 'production')).status).toMatchObject({
      segments: 3,
      segmentLimit: 3,
      heldSegments: 1,
    })
    await stage.apply(instance({ segments: 4 }))
    await isReady('Activation', 'offers')
    expect(worksOf(await done(offers))[0]!.plan.export!.segments).toHaveLength(4)
    await stage.apply(
      activation('offers', (spec) => spec, tomorrow('00:00', 4000)),
      instance({}),
    )
    await stage.remove('Segment', 'a-newcomer')
    await isReady('Activation', 'offers')
  })

  test('a Run is in flight, its Activation is made anew under its name: the Run is none of the new one’s', async () => {
    const first = (await stage.get('Activation', 'offers')) as ResourceByKind['Activation']
    expect(first.status!.baselines!.length).toBeGreaterThan(0)
    const { open, closed } = gate()
    stage.behave(async (work) => {
      if (work.input.run === old && work.step === 'import') await closed
      return succeed(work)
    })
    const old = await stage.request(offers)
    await stage.until(async () => expect(worksOf(old)).toHaveLength(2))
    await stage.remove('Activation', 'offers')
    await stage.apply(activation('offers', (spec) => spec, tomorrow('00:00', 4000)))
    await isReady('Activation', 'offers')
    const fresh = await stage.request(offers)
    // The old one still writes files of this name.
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', fresh), 'Succeeded')?.message).toBe(`Waits for ${old}.`),
    )
    expect((await stage.get('Activation', 'offers')).status).not.toHaveProperty('baselines')
    open()
    expect(await stage.finished(old)).toMatchObject({ reason: 'Succeeded' })
    await stage.finished(fresh)
    // What it delivered belongs to nobody.
    expect(worksOf(fresh)[0]!.input.baselines).toEqual({})
    const runs = new Set((await stage.get('Activation', 'offers')).status!.baselines!.map(({ run }) => run))
    expect([...runs]).toEqual([fresh])
  })

  test('a Run is in flight, its Activation is deleted with all that is its own: nothing is left, and nothing waits for it', async () => {
    stage.behave((work) => (work.step === 'export' && work.input.run === run ? { kind: 'hang' } : succeed(work)))
    const run = await stage.request(offers)
    await stage.until(async () => expect(worksOf(run)).toHaveLength(1))
    await stage.remove('Activation', 'offers')
    // As the garbage collector does.
    await stage.remove('Run', run)
    await stage.until(async () => {
      const path = `/apis/batch/v1/namespaces/${stage.namespace}/jobs?labelSelector=convoke.dev/run=${run}`
      expect((await stage.api<{ items: unknown[] }>('GET', path)).items).toEqual([])
    })
    await stage.apply(activation('offers', (spec) => spec, tomorrow('00:00', 4000)))
    await isReady('Activation', 'offers')
    await done(offers)
  })

  test('a Run waits, its target goes: it ends and says so', async () => {
    await stage.apply(
      activation('passing', (spec) => ({ ...spec, destinationRef: { name: 'nowhere' } }), tomorrow('00:00', 4000)),
    )
    const run = await stage.request({ kind: 'Activation', name: 'passing' })
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', run), 'Succeeded')?.reason).toBe('WaitingForDependency'),
    )
    await stage.remove('Activation', 'passing')
    expect(await stage.finished(run)).toEqual({
      status: 'False',
      reason: 'TargetGone',
      message: 'There is no Activation passing.',
    })
  })

  test('a claim is missing: Runs say so, and begin by themselves when it is there', async () => {
    await stage.apply(
      withSpec('Destination', 'landing-zone', (spec) => ({ ...spec, location: { volume: { claimName: 'later' } } })),
    )
    await isReady('Activation', 'offers')
    await stage.until(async () => {
      const { generation } = (await stage.get('Destination', 'landing-zone')).metadata
      expect((await stage.get('Destination', 'landing-zone')).status!.observedGeneration).toBe(generation)
    })
    const run = await stage.request(offers)
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', run), 'Succeeded')).toEqual({
        status: 'Unknown',
        reason: 'MissingVolume',
        message: `There is no PersistentVolumeClaim later in namespace ${stage.namespace}. Create it; the Run begins then.`,
      }),
    )
    await stage.claims('later')
    expect(await stage.finished(run, 25)).toMatchObject({ reason: 'Succeeded' })
    await stage.apply(of('Destination', 'landing-zone'))
  })
})
