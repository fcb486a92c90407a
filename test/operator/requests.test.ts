// What people ask for: a Run by hand, by annotation, another try, an approval.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { conditionOf } from './harness.ts'
import { reportOf, type Work } from './player.ts'
import {
  activation,
  detailsOf,
  dyingAfter,
  failing,
  foundation,
  gate,
  openStage,
  type Run,
  type Stage,
  succeed,
  tomorrow,
} from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('somebody asks', () => {
  let stage: Stage
  let day = 0
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation(),
        activation('offers', (spec) => ({ ...spec, schedule: { every: '24h', startAt: tomorrow('00:00', 400) } })),
      ],
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('Activation', 'offers')
  })
  afterAll(() => stage?.leave())

  const target = { kind: 'Activation', name: 'offers' } as const
  /** Where no floor is in the way. */
  const nextDay = () => {
    day += 1
    stage.behave(succeed)
    stage.at(tomorrow('12:00', day))
  }
  const told = (event: object) => stage.until(async () => expect(stage.operator().events).toContainEqual(event))
  const isRunMade = ({ method, path }: { readonly method: string; readonly path: string }) =>
    method === 'POST' && path.endsWith('/runs')
  const requested = async (value: string): Promise<readonly Run[]> => {
    await stage.annotate('Activation', 'offers', { 'convoke.dev/requestedAt': value })
    await stage.until(async () =>
      expect((await stage.get('Activation', 'offers')).status!.lastHandledRequestedAt).toBe(value),
    )
    return (await stage.runs()).filter(({ metadata }) => metadata.labels?.['convoke.dev/request'] !== undefined)
  }

  test('by kubectl create: the Run is taken in, and goes with its target', async () => {
    nextDay()
    const name = await stage.request(target)
    expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    const { metadata, status } = await stage.get('Run', name)
    const { metadata: owner, status: known } = await stage.get('Activation', 'offers')
    expect(metadata).toMatchObject({
      labels: {
        'app.kubernetes.io/managed-by': 'convoke',
        'convoke.dev/target-kind': 'Activation',
        'convoke.dev/target': 'offers',
      },
      ownerReferences: [{ uid: owner.uid, controller: true }],
    })
    expect(status).toMatchObject({ planDigest: known!.planDigest, attempt: 1, step: 'import' })
    const [work] = stage.works.filter(({ input }) => input.run === name)
    expect(work!.input).toMatchObject({ trigger: 'Manual', now: expect.stringMatching(/T12:00:/) })
  })

  test('by kubectl create, with labels, an owner and an instant of its own', async () => {
    nextDay()
    const made = await stage.api<Run>('POST', `/apis/convoke.dev/v1alpha1/namespaces/${stage.namespace}/runs`, {
      apiVersion: 'convoke.dev/v1alpha1',
      kind: 'Run',
      metadata: {
        generateName: 'by-hand-',
        labels: { team: 'crm' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'somebody', uid: 'somebody', controller: true }],
      },
      spec: { target, scheduledTime: tomorrow('04:00', day), trigger: 'Manual', now: tomorrow('03:00', day) },
    })
    expect(await stage.finished(made.metadata.name)).toMatchObject({ reason: 'Succeeded' })
    const { metadata, status } = await stage.get('Run', made.metadata.name)
    expect(metadata.labels).toMatchObject({ team: 'crm', 'convoke.dev/target': 'offers' })
    expect(metadata.ownerReferences?.map(({ name, controller }) => [name, controller])).toEqual([
      ['somebody', true],
      ['offers', false],
    ])
    expect(status!.now).toBe(tomorrow('03:00', day))
    // By hand is no slot.
    expect((await stage.get('Activation', 'offers')).status).not.toHaveProperty('lastScheduledTime')
  })

  test.each([
    [
      'a target that does not exist',
      { kind: 'Activation', name: 'offer' },
      {},
      'TargetGone',
      'There is no Activation offer.',
    ],
    [
      'a target of before',
      { ...target, uid: '00000000-0000-0000-0000-000000000000' },
      {},
      'TargetGone',
      'The Activation offers was made anew since.',
    ],
    [
      'a plan that is not there',
      target,
      { planDigest: `sha256:${'a'.repeat(64)}` },
      'Failed',
      'Its plan sha256:aaaaaaaaaaaa… is not there any more. Run offers again.',
    ],
  ] as const)('for %s: it is told so', async (_, of, spec, reason, message) => {
    const name = await stage.request(of, spec)
    expect(await stage.finished(name)).toEqual({ status: 'False', reason, message })
  })

  test('by annotation: once for each value, acknowledged, whatever happens in between', async () => {
    nextDay()
    const runs = await requested('2026-11-26T10:00:00Z')
    expect(runs).toHaveLength(1)
    expect(runs[0]!.spec).toMatchObject({ trigger: 'Manual', target })
    expect(await stage.finished(runs[0]!.metadata.name)).toMatchObject({ reason: 'Succeeded' })
    await stage.kill()
    stage.clock.set(tomorrow('23:00', day))
    await stage.start()
    await stage.looked('Activation', 'offers')
    expect(await requested('2026-11-26T10:00:00Z')).toHaveLength(1)
    nextDay()
    const more = await requested('again')
    expect(more).toHaveLength(2)
    await stage.finished(more[1]!.metadata.name)
  })

  test('by annotation, and the operator dies before it can say so: still one Run', async () => {
    nextDay()
    await stage.kill()
    const { through, died } = dyingAfter(isRunMade)
    await stage.start({ through })
    await stage.annotate('Activation', 'offers', { 'convoke.dev/requestedAt': 'before it died' })
    await died
    await stage.kill()
    expect((await stage.get('Activation', 'offers')).status!.lastHandledRequestedAt).not.toBe('before it died')
    // Some minutes later the name would be another.
    stage.clock.set(tomorrow('12:30', day))
    const before = await stage.runs()
    await stage.start()
    const runs = await requested('before it died')
    expect(runs.filter(({ metadata }) => !before.some((run) => run.metadata.name === metadata.name))).toEqual([])
    await stage.finished(runs.at(-1)!.metadata.name)
  })

  test('while it is suspended: what somebody asks for by hand is run', async () => {
    nextDay()
    await stage.annotate('Activation', 'offers', { 'convoke.dev/suspend': 'true' })
    const runs = await requested('though suspended')
    await stage.finished(runs.at(-1)!.metadata.name)
    await stage.annotate('Activation', 'offers', { 'convoke.dev/suspend': null })
  })

  describe('to try a failed Run again', () => {
    const again = (name: string, value: string) => stage.annotate('Run', name, { 'convoke.dev/requestedAt': value })
    const answered = (name: string, value: string) =>
      stage.until(async () => expect((await stage.get('Run', name)).status!.lastHandledRequestedAt).toBe(value))

    test('from the step that failed, with the same input and the plan of then', async () => {
      nextDay()
      stage.behave((work) => (work.step === 'import' ? failing(work) : succeed(work)))
      const name = await stage.request(target)
      expect(await stage.finished(name)).toEqual({
        status: 'False',
        reason: 'DatabaseRefused',
        message: 'There is no table recipients. Create it.',
      })
      const first = (await stage.get('Run', name)).status!
      stage.behave(succeed)
      stage.at(tomorrow('12:20', day))
      await again(name, 'the table is there')
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Run', name), 'Succeeded')?.reason).toBe('Succeeded'),
      )
      const { status } = await stage.get('Run', name)
      expect(status).toMatchObject({
        attempt: 2,
        lastHandledRequestedAt: 'the table is there',
        planDigest: first.planDigest,
        now: first.now,
        startedAt: first.startedAt,
      })
      const works = stage.works.filter(({ input }) => input.run === name)
      expect(works.map(({ step, job, input }) => [step, job, input.attempt, input.trigger])).toEqual([
        ['export', `${name}-export`, 1, 'Manual'],
        ['import', `${name}-import`, 1, 'Manual'],
        ['import', `${name}-import-2`, 2, 'Retry'],
      ])
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Activation', 'offers'), 'Ready')?.status).toBe('True'),
      )
    })

    test('that has not failed: nothing happens, and it says so', async () => {
      nextDay()
      const name = await stage.request(target)
      await stage.finished(name)
      await again(name, 'why not')
      await answered(name, 'why not')
      await told({
        about: `Run/${name}`,
        type: 'Warning',
        reason: 'NothingToRetry',
        message: `${name} is not tried again: no step of it failed. Make a new Run instead.`,
      })
      expect((await stage.get('Run', name)).status!.attempt).toBe(1)
    })

    test('after a later one has begun: its files would come over those of the later one', async () => {
      nextDay()
      stage.behave((work) => (work.step === 'import' ? failing(work) : succeed(work)))
      const name = await stage.request(target)
      await stage.finished(name)
      nextDay()
      const later = await stage.request(target)
      await stage.finished(later)
      await again(name, 'too late')
      await answered(name, 'too late')
      await told({
        about: `Run/${name}`,
        type: 'Warning',
        reason: 'Outdated',
        message: `${name} is not tried again: ${later} began after it. Run the Activation offers anew instead.`,
      })
      expect(stage.works.filter(({ input }) => input.run === name).map(({ step }) => step)).toEqual([
        'export',
        'import',
      ])
    })

    test('as a value that is longer than anybody needs', async () => {
      nextDay()
      stage.behave((work) => (work.step === 'export' ? failing(work) : succeed(work)))
      const name = await stage.request(target)
      await stage.finished(name)
      stage.behave(succeed)
      await again(name, 'x'.repeat(4000))
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Run', name), 'Succeeded')?.reason).toBe('Succeeded'),
      )
      expect((await stage.get('Run', name)).status!.attempt).toBe(2)
    })
  })

  describe('for an audience that the circuit breaker holds', () => {
    const holding = (work: Work) => {
      if (work.step !== 'export') {
        const held = work.input.approved ?? []
        return {
          kind: 'report',
          report: reportOf(
            work,
            detailsOf(work).filter(({ segment }) => segment !== 'gold-members' || held.includes(segment)),
          ),
        } as const
      }
      const details = detailsOf(work).map((detail) => {
        if (detail.segment !== 'gold-members' || work.input.approved?.includes(detail.segment)) return detail
        const { manifest: _, ...rest } = detail
        return { ...rest, held: '90 % of its members leave, 20 % may.' }
      })
      const isHeld = details.some(({ held }) => held !== undefined)
      return { kind: 'report', report: reportOf(work, details, isHeld ? { outcome: 'Held' } : {}) } as const
    }

    test('to let it pass: the others are delivered, it is shown as held until the approval has its Run', async () => {
      nextDay()
      stage.behave(holding)
      const name = await stage.request(target)
      expect(await stage.finished(name)).toEqual({
        status: 'True',
        reason: 'Held',
        message: 'All was delivered but gold-members: 90 % of its members leave, 20 % may.',
      })
      await stage.until(async () =>
        expect((await stage.get('Activation', 'offers')).status!.held).toEqual([
          {
            segment: 'gold-members',
            reason: 'CircuitBreaker',
            message: '90 % of its members leave, 20 % may.',
            run: name,
            since: expect.stringMatching(/T12:00:/),
            runs: 1,
          },
        ]),
      )
      const { baselines } = (await stage.get('Activation', 'offers')).status!
      expect(baselines!.filter(({ run }) => run === name).map(({ segment }) => segment)).toEqual([
        'big-spenders',
        'lapsed-buyers',
      ])
      await told({
        about: 'Activation/offers',
        type: 'Warning',
        reason: 'SegmentsHeld',
        message: `${name}: Held: All was delivered but gold-members: 90 % of its members leave, 20 % may.`,
      })

      nextDay()
      stage.behave(holding)
      await stage.annotate('Activation', 'offers', { 'convoke.dev/approve': 'gold-members@2026-11-26' })
      const approved = (await requested('with the approval')).at(-1)!
      expect(approved.spec.approved).toEqual(['gold-members'])
      expect(await stage.finished(approved.metadata.name)).toMatchObject({ reason: 'Succeeded' })
      await stage.until(async () =>
        expect((await stage.get('Activation', 'offers')).status).toMatchObject({
          held: [],
          lastHandledApprove: 'gold-members@2026-11-26',
        }),
      )
      // It was for once.
      nextDay()
      const after = (await requested('without')).at(-1)!
      expect(after.spec).not.toHaveProperty('approved')
      await stage.finished(after.metadata.name)
    })

    test('just when a Run is made: the approval is not taken for one that does not have it', async () => {
      nextDay()
      stage.behave(succeed)
      await stage.kill()
      const { through, died } = dyingAfter(isRunMade)
      await stage.start({ through })
      await stage.annotate('Activation', 'offers', { 'convoke.dev/requestedAt': 'a moment before' })
      await died
      await stage.kill()
      await stage.annotate('Activation', 'offers', { 'convoke.dev/approve': 'gold-members@late' })
      await stage.start()
      const run = (await requested('a moment before')).at(-1)!
      expect(run.spec).not.toHaveProperty('approved')
      await stage.finished(run.metadata.name)
      expect((await stage.get('Activation', 'offers')).status!.lastHandledApprove).not.toBe('gold-members@late')
      nextDay()
      const next = (await requested('a moment after')).at(-1)!
      expect(next.spec.approved).toEqual(['gold-members'])
      await stage.finished(next.metadata.name)
    })
  })

  test('for a change and a Run in one breath: the Run has the change', async () => {
    nextDay()
    await stage.patch('Activation', 'offers', { spec: { export: 'Full' } })
    const name = await stage.request(target)
    await stage.finished(name)
    const [work] = stage.works.filter(({ input }) => input.run === name)
    expect(work!.plan.export!.export).toBe('Full')
  })

  test('for two Runs at once: one after the other', async () => {
    nextDay()
    await stage.patch('CampaignInstance', 'production', { spec: { enforcement: { minActivationInterval: 'Warn' } } })
    const { open, closed } = gate()
    stage.behave(async (work) => {
      await closed
      return succeed(work)
    })
    const first = await stage.request(target, { scheduledTime: tomorrow('12:01', day) })
    await stage.until(async () => expect((await stage.get('Run', first)).status?.startedAt).toBeDefined())
    const second = await stage.request(target, { scheduledTime: tomorrow('12:02', day) })
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', second), 'Succeeded')?.message).toBe(`Waits for ${first}.`),
    )
    open()
    await stage.finished(second)
    const order = stage.works.filter(({ input }) => [first, second].includes(input.run)).map(({ job }) => job)
    expect(order).toEqual([`${first}-export`, `${first}-import`, `${second}-export`, `${second}-import`])
  })
})
