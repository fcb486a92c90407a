// How the Jobs of a Run end, and what becomes of the Run then.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { reportLinesOf } from '#crds'
import type { ApiObject } from '../../operator/kernel/reflector.ts'
import { openCluster } from '../api/convoke.ts'
import { withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { type Behaviour, type Played, reportOf, type Work } from './player.ts'
import { activation, detailsOf, failing, foundation, gate, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('a step', () => {
  let stage: Stage
  let day = 0
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      retry: { limit: 2, backoff: '0.1s' },
      bundle: [
        ...foundation().filter(({ kind }) => kind !== 'CampaignInstance'),
        withSpec('CampaignInstance', 'production', (spec) => ({
          ...spec,
          enforcement: { minActivationInterval: 'Warn' },
        })),
        activation('offers', (spec) => spec, tomorrow('00:00', 4000)),
      ],
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('Activation', 'offers')
  })
  afterAll(() => stage?.leave())
  // What one test leaves undone is in no other's way.
  afterEach(async () => {
    for (const run of await stage.runs())
      if (run.status?.finishedAt === undefined) await stage.remove('Run', run.metadata.name)
  })

  /** A Run by hand, done so; its name. */
  const run = async (behaviour: Behaviour, spec: object = {}): Promise<string> => {
    day += 1
    stage.at(tomorrow('12:00', day))
    stage.behave(behaviour)
    return stage.request({ kind: 'Activation', name: 'offers' }, spec)
  }
  const worksOf = (name: string) => stage.works.filter(({ input }) => input.run === name)
  const stepOf = async (name: string, step: string) =>
    (await stage.get('Run', name)).status!.steps!.find((each) => each.name === step)
  /** The first attempt of an export ends so, everything else well. */
  const first =
    (played: (work: Work) => Played): Behaviour =>
    (work) =>
      work.step === 'export' && work.input.attempt === 1 && !work.reprint ? played(work) : succeed(work)
  const ofExport = (name: string) =>
    worksOf(name).map(({ step, input, reprint }) => `${step} ${input.attempt}${reprint ? ' report' : ''}`)

  test('that failed for what may pass is tried again, as often as its target says', async () => {
    await stage.patch('Activation', 'offers', { spec: { retry: { limit: 2, backoff: '1m' } } })
    await stage.looked('Activation', 'offers')
    const name = await run((work) => (work.step === 'export' ? failing(work, true) : succeed(work)))
    for (const [attempt, time] of [
      [1, '12:02'],
      [2, '12:04'],
    ] as const) {
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Run', name), 'Succeeded')).toEqual({
          status: 'Unknown',
          reason: 'Failed',
          message: expect.stringMatching(
            new RegExp(
              `^Attempt ${attempt} of export failed \\(LocationUnavailable\\): The landing zone does not answer\\. Tried again at .*Z\\.$`,
            ),
          ),
        }),
      )
      stage.at(tomorrow(time, day))
    }
    await stage.patch('Activation', 'offers', { spec: { retry: { limit: 2, backoff: '0.1s' } } })
    expect(await stage.finished(name)).toEqual({
      status: 'False',
      reason: 'LocationUnavailable',
      message: 'The landing zone does not answer.',
    })
    expect(worksOf(name).map(({ job, input }) => [job, input.attempt, input.trigger])).toEqual([
      [`${name}-export`, 1, 'Manual'],
      [`${name}-export-2`, 2, 'Retry'],
      [`${name}-export-3`, 3, 'Retry'],
    ])
    expect(await stepOf(name, 'export')).toMatchObject({ outcome: 'Failed', attempt: 3, reason: 'LocationUnavailable' })
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Activation', 'offers'), 'Ready')).toEqual({
        status: 'False',
        reason: 'RunFailed',
        message: `${name}: LocationUnavailable: The landing zone does not answer.`,
      }),
    )
  })

  test('that failed for what does not pass is not tried again', async () => {
    const name = await run((work) => (work.step === 'import' ? failing(work) : succeed(work)))
    expect(await stage.finished(name)).toMatchObject({ reason: 'DatabaseRefused' })
    expect(ofExport(name)).toEqual(['export 1', 'import 1'])
  })

  test.each<readonly [what: string, played: Played, reason: string, message: RegExp]>([
    [
      'was killed for its memory',
      { kind: 'crash', exitCode: 137, reason: 'OOMKilled', message: '' },
      'OOMKilled',
      /^The Pod ended with exit code 137 and no report\. Raise the memory limit of the podTemplate/,
    ],
    [
      'was evicted',
      { kind: 'evicted', message: 'The node was low on resource: memory.' },
      'Evicted',
      /^The node was low on resource: memory\. Its node was short of something/,
    ],
    ['took too long', { kind: 'deadline' }, 'DeadlineExceeded', /^The step took longer than 3600 s\. /],
    [
      'ended well and says nothing',
      { kind: 'crash', exitCode: 0, reason: 'Completed', message: '' },
      'ReportLost',
      /^The Pod ended with exit code 0 and no report\.$/,
    ],
    [
      'says something that is no report',
      { kind: 'crash', exitCode: 1, reason: 'Error', message: 'one\ntwo\nSegmentation fault\n' },
      'PodFailed',
      /^The Pod ended with exit code 1 and no report: one two Segmentation fault$/,
    ],
  ])('that %s is tried again, and says what to do', async (_, played, reason, message) => {
    const name = await run((work) => (work.step === 'export' ? played : succeed(work)))
    expect(await stage.finished(name)).toEqual({ status: 'False', reason, message: expect.stringMatching(message) })
    expect(ofExport(name)).toEqual(['export 1', 'export 2', 'export 3'])
  })

  describe('whose log', () => {
    const cut = (work: Work): Played => {
      const report = reportOf(work, detailsOf(work), { reportPath: `reports/${work.input.run}/export-1.json` })
      return { kind: 'report', report, log: `${reportLinesOf(report).slice(1).join('\n')}\n` }
    }
    const lost = (work: Work): Played => ({ ...(cut(work) as Extract<Played, { kind: 'report' }>), log: null })
    const stored = (work: Work): Played => ({
      kind: 'report',
      report: reportOf(work, detailsOf(work), { reportPath: `reports/${work.input.run}/export-1.json` }),
    })

    test.each([
      ['is lost', lost],
      ['is not what the report has the digest of', cut],
    ])('%s: a Job reads its report from the store', async (_, played) => {
      const name = await run((work) =>
        work.step !== 'export' ? succeed(work) : work.reprint ? stored(work) : played(work),
      )
      expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
      expect(ofExport(name)).toEqual(['export 1', 'export 1 report', 'import 1'])
      expect(worksOf(name)[1]!.job).toBe(`${name}-export-report`)
      expect(
        (await stage.get('Run', name)).status!.segments!.map(({ segment, acknowledged }) => [segment, acknowledged]),
      ).toEqual([
        ['big-spenders', true],
        ['gold-members', true],
        ['lapsed-buyers', true],
      ])
    })

    test('is lost while the store is slow: the Run says what it waits for', async () => {
      const { open, closed } = gate()
      const name = await run(async (work) => {
        if (work.step !== 'export') return succeed(work)
        if (!work.reprint) return lost(work)
        await closed
        return stored(work)
      })
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Run', name), 'Succeeded')?.message).toBe(
          `What export said is lost; its report is read from the store by ${name}-export-report.`,
        ),
      )
      open()
      expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    })

    test.each<readonly [string, (work: Work) => Played]>([
      ['the store has no report either', (work) => failing(work)],
      [
        'the store has another attempt’s',
        (work) => ({ kind: 'report', report: reportOf(work, detailsOf(work).slice(1)) }),
      ],
      ['the Job that reads it is killed', () => ({ kind: 'crash', exitCode: 137, reason: 'OOMKilled', message: '' })],
    ])('is lost, and %s: the step is done again and tells', async (_, reprint) => {
      const name = await run((work) => {
        if (work.step !== 'export' || work.input.attempt !== 1) return succeed(work)
        return work.reprint ? reprint(work) : lost(work)
      })
      expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
      expect(ofExport(name)).toEqual(['export 1', 'export 1 report', 'export 2', 'import 2'])
    })

    test('is lost where it only counts: the Run goes on', async () => {
      stage.behave((work) => {
        const report = reportOf(work, detailsOf(work), { totals: { profiles: 10 } })
        return work.step === 'ingest' ? { kind: 'report', report, log: null } : succeed(work)
      })
      const name = await stage.request({ kind: 'ProfileStore', name: 'customers' })
      expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    })
  })

  test.each<readonly [string, (work: Work) => Played]>([
    [
      'another Run',
      (work) => ({ kind: 'report', report: reportOf({ ...work, input: { ...work.input, run: 'other' } }) }),
    ],
    [
      'an earlier attempt',
      (work) => ({ kind: 'report', report: reportOf({ ...work, input: { ...work.input, attempt: 7 } }) }),
    ],
    ['another step', (work) => ({ kind: 'report', report: reportOf({ ...work, step: 'evaluate' }) })],
  ])('does not believe the report of %s, and reads its own from the store', async (_, played) => {
    const name = await run(first(played))
    expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    expect(ofExport(name)).toEqual(['export 1', 'export 1 report', 'import 1'])
  })

  test('whose report is the end of its log is believed', async () => {
    const name = await run(
      first((work) => ({
        kind: 'crash',
        exitCode: 1,
        reason: 'Error',
        message: `cannot write /dev/termination-log\n${reportLinesOf(
          reportOf(work, [], {
            outcome: 'Failed',
            error: { reason: 'InvalidPlan', message: 'The plan has no export part.', retryable: false },
          }),
        ).join('\n')}`,
      })),
    )
    expect(await stage.finished(name)).toEqual({
      status: 'False',
      reason: 'InvalidPlan',
      message: 'The plan has no export part.',
    })
  })

  test('of a version that says what no status can hold is held all the same', async () => {
    const name = await run((work) => ({
      kind: 'report',
      report: reportOf(work, [], {
        outcome: 'Failed',
        totals: {
          rowsRead: 1.5,
          seconds: Number.MAX_SAFE_INTEGER,
          ...Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`count${index}`, index])),
        },
        error: { reason: 'no such word', message: 'x'.repeat(2000), retryable: false },
      }),
    }))
    expect(await stage.finished(name)).toMatchObject({ status: 'False', reason: 'Failed' })
    expect((await stepOf(name, 'export'))!.totals).toMatchObject({ rowsRead: 2, seconds: Number.MAX_SAFE_INTEGER })
  })

  test('whose Job is deleted under way is begun again; one whose result is stored is not', async () => {
    const { open, closed } = gate()
    let times = 0
    const name = await run(async (work) => {
      times += 1
      if (times === 1) return { kind: 'hang' }
      if (work.step === 'import') await closed
      return succeed(work)
    })
    const job = (step: string) => `/apis/batch/v1/namespaces/${stage.namespace}/jobs/${name}-${step}`
    await stage.until(async () => expect(times).toBe(1))
    await stage.api('DELETE', job('export'), { propagationPolicy: 'Background' })
    await stage.until(async () => expect(ofExport(name)).toEqual(['export 1', 'export 1', 'import 1']))
    await stage.api('DELETE', job('export'), { propagationPolicy: 'Background' })
    open()
    expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
    expect(ofExport(name)).toEqual(['export 1', 'export 1', 'import 1'])
  })

  test('keeps its Job, until its Run is finished; then it goes after a day', async () => {
    const { open, closed } = gate()
    const name = await run(async (work) => {
      if (work.step === 'import') await closed
      return succeed(work)
    })
    const ttls = async () => {
      const path = `/apis/batch/v1/namespaces/${stage.namespace}/jobs?labelSelector=convoke.dev/run=${name}`
      const { items } = await stage.api<{ items: { spec: { ttlSecondsAfterFinished?: number } }[] }>('GET', path)
      return items.map(({ spec }) => spec.ttlSecondsAfterFinished)
    }
    await stage.until(async () => expect(await ttls()).toHaveLength(2))
    expect(await ttls()).toEqual([undefined, undefined])
    open()
    await stage.finished(name)
    await stage.until(async () => expect(await ttls()).toEqual([86_400, 86_400]))
  })

  test('whose Pod does not work says why after a while, and no longer than that is so', async () => {
    let pod: string | null = null
    const name = await run((work) => {
      if (work.step !== 'export') return succeed(work)
      pod = work.job
      return { kind: 'pending', reason: 'ImagePullBackOff', message: 'Back-off pulling image "convoke:tset"' }
    })
    await stage.until(async () => expect(pod).not.toBeNull())
    const message = async () => conditionOf(await stage.get('Run', name), 'Succeeded')?.message
    expect(await message()).toBe('export is running.')
    stage.at(tomorrow('12:01', day))
    await stage.until(async () => {
      // The Pod may say so a moment later.
      stage.operator().controllers.surroundings.touch(`Run/${stage.namespace}/${name}`)
      expect(await message()).toBe('export waits for its Pod: ImagePullBackOff: Back-off pulling image "convoke:tset"')
    })
    await stage.api('PATCH', `/apis/batch/v1/namespaces/${stage.namespace}/jobs/${name}-export/status`, {
      status: { ready: 1 },
    })
    await stage.until(async () => expect(await message()).toBe('export is running.'))
  })

  test('whose Job gets no Pod says why', async () => {
    const name = await run(() => ({ kind: 'hang' }))
    await stage.until(async () => expect(ofExport(name)).toEqual(['export 1']))
    const path = `/api/v1/namespaces/${stage.namespace}`
    const job = `${name}-export`
    const { items } = await stage.api<{ items: ApiObject[] }>(
      'GET',
      `${path}/pods?labelSelector=batch.kubernetes.io/job-name=${job}`,
    )
    for (const { metadata } of items)
      await stage.api('DELETE', `${path}/pods/${metadata.name}`, { gracePeriodSeconds: 0 })
    await stage.api('POST', `${path}/events`, {
      metadata: { name: `${job}.1` },
      involvedObject: { apiVersion: 'batch/v1', kind: 'Job', namespace: stage.namespace, name: job },
      type: 'Warning',
      reason: 'FailedCreate',
      message: 'Error creating: pods is forbidden: exceeded quota: compute',
      lastTimestamp: new Date().toISOString(),
    })
    await stage.api('PATCH', `/apis/batch/v1/namespaces/${stage.namespace}/jobs/${job}/status`, {
      status: { ready: 0 },
    })
    stage.at(tomorrow('12:01', day))
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', name), 'Succeeded')?.message).toBe(
        'export waits for its Pod: Error creating: pods is forbidden: exceeded quota: compute',
      ),
    )
  })

  test('whose plan somebody takes away before its Pod could read it gets it back', async () => {
    const name = await run(() => ({ kind: 'pending', reason: 'ContainerCreating', message: '' }))
    await stage.until(async () => expect(ofExport(name)).toEqual(['export 1']))
    const path = `/api/v1/namespaces/${stage.namespace}/configmaps`
    const digest = (await stage.get('Run', name)).status!.planDigest!
    const plan = `${path}/plan-${digest.slice('sha256:'.length, 'sha256:'.length + 40)}`
    await stage.api('DELETE', plan)
    await stage.api('DELETE', `${path}/${name}-export-1`)
    stage.at(tomorrow('12:01', day))
    await stage.until(async () => {
      stage.operator().controllers.surroundings.touch(`Run/${stage.namespace}/${name}`)
      await stage.api('GET', plan)
      await stage.api('GET', `${path}/${name}-export-1`)
    })
  })

  test('of a Run that is deleted ends, and the next Run begins when it has', async () => {
    const name = await run(() => ({ kind: 'hang' }))
    await stage.until(async () => expect(ofExport(name)).toEqual(['export 1']))
    stage.behave(succeed)
    stage.at(tomorrow('12:01', day))
    const next = await stage.request({ kind: 'Activation', name: 'offers' })
    await stage.until(async () =>
      expect(conditionOf(await stage.get('Run', next), 'Succeeded')?.message).toBe(`Waits for ${name}.`),
    )
    await stage.remove('Run', name)
    expect(await stage.finished(next)).toMatchObject({ reason: 'Succeeded' })
  })
})
