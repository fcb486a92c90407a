// What the operator makes: names, owners, what others have by the same name, what is kept and what goes.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ApiObject } from '../../operator/kernel/reflector.ts'
import { openCluster } from '../api/convoke.ts'
import { withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { activation, failing, foundation, gate, minutesOf, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('what the operator makes', () => {
  let stage: Stage
  const free = withSpec('CampaignInstance', 'production', (spec) => ({
    ...spec,
    enforcement: { minActivationInterval: 'Warn' },
  }))
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [...foundation().filter(({ kind }) => kind !== 'CampaignInstance'), free],
      retry: { limit: 1, backoff: '0.05s' },
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
    await stage.looked('ProfileStore', 'customers')
  })
  afterAll(() => stage?.leave())
  afterEach(async () => {
    stage.behave(succeed)
    for (const { metadata } of await stage.list('Activation')) await stage.remove('Activation', metadata.name)
    for (const { metadata } of await stage.list('Run')) await stage.remove('Run', metadata.name)
  })

  const path = (resource: string, name = '') =>
    `/${resource === 'jobs' ? 'apis/batch/v1' : 'api/v1'}/namespaces/${stage.namespace}/${resource}${name === '' ? '' : `/${name}`}`
  const listed = async (resource: string, selector: string) =>
    (await stage.api<{ items: ApiObject[] }>('GET', `${path(resource)}?labelSelector=${encodeURIComponent(selector)}`))
      .items
  const open = async (
    name: string,
    change: Parameters<typeof activation>[1] = (spec) => spec,
    startAt = tomorrow('00:00', 4000),
  ) => {
    await stage.apply(activation(name, change, startAt))
    await stage.until(async () => expect((await stage.get('Activation', name)).status?.planDigest).toBeDefined())
  }
  const run = async (name: string): Promise<string> => {
    const made = await stage.request({ kind: 'Activation', name })
    await stage.finished(made)
    return made
  }

  describe('has names', () => {
    test('of 63 characters at most, the same ones again, and each its own', async () => {
      const long = `offers-${'x'.repeat(56)}`
      expect(long).toHaveLength(63)
      await open(long, (spec) => spec, tomorrow('00:00'))
      stage.behave((work) => (work.step === 'export' && work.input.attempt === 1 ? failing(work, true) : succeed(work)))
      stage.at(tomorrow('00:00'))
      const made = await stage.until(async () => {
        const [first] = await stage.runs(long)
        expect(conditionOf(first!, 'Succeeded')?.status).toBe('True')
        return first!.metadata.name
      })
      expect(made).toHaveLength(63)
      expect(made).toMatch(/^act-offers-x+-[0-9a-f]{8}$/)
      const jobs = stage.player.seen.map(({ name }) => name).filter((name) => name.startsWith('act-offers-x'))
      expect(new Set(jobs).size).toBe(3)
      for (const job of jobs) expect(job).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      for (const job of jobs) expect(job.length).toBeLessThanOrEqual(63)
      for (const resource of ['jobs', 'pods'])
        expect((await listed(resource, `convoke.dev/run=${made}`)).map(({ metadata }) => metadata['labels'])).toEqual(
          expect.arrayContaining([
            expect.objectContaining({ 'convoke.dev/target': long, 'convoke.dev/target-kind': 'Activation' }),
          ]),
        )
      // The one of the next slot is another.
      stage.at(tomorrow('03:00'))
      await stage.until(async () => expect(await stage.runs(long)).toHaveLength(2))
    })

    test('that somebody else’s Run has: the slot is skipped, told and counted, and the next one is run', async () => {
      await open('offers', (spec) => ({ ...spec, segmentRefs: [{ name: 'gold-members' }] }), tomorrow('06:00'))
      await open('others', (spec) => ({ ...spec, segmentRefs: [{ name: 'lapsed-buyers' }] }))
      const taken = `act-offers-${minutesOf(tomorrow('06:00'))}`
      await stage.api('POST', `/apis/convoke.dev/v1alpha1/namespaces/${stage.namespace}/runs`, {
        apiVersion: 'convoke.dev/v1alpha1',
        kind: 'Run',
        metadata: { name: taken },
        spec: { target: { kind: 'Activation', name: 'others' }, scheduledTime: tomorrow('05:00'), trigger: 'Manual' },
      })
      await stage.finished(taken)
      stage.at(tomorrow('06:00'))
      await stage.until(async () =>
        expect((await stage.get('Activation', 'offers')).status).toMatchObject({
          missedSlots: 1,
          lastMissedTime: tomorrow('06:00'),
          nextScheduledTime: tomorrow('09:00'),
          activeRuns: [],
        }),
      )
      expect(stage.operator().events).toContainEqual({
        about: 'Activation/offers',
        type: 'Warning',
        reason: 'NameCollision',
        message: `The slot ${tomorrow('06:00')} is skipped: there is a Run of its name that has another target. Delete it, or rename one of the two.`,
      })
      stage.at(tomorrow('09:00'))
      await stage.finished(`act-offers-${minutesOf(tomorrow('09:00'))}`)
    })

    test('that somebody else’s Job has: the Run fails and says what to do, and then goes on', async () => {
      await open('offers')
      const name = 'unlucky'
      const foreign = {
        metadata: { name: `${name}-export` },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'other', image: 'other' }] } } },
      }
      await stage.api('POST', path('jobs'), foreign)
      const message = `There is a Job ${name}-export that is not of this Run. Try the Run again: that of its next attempt has another name.`
      await stage.api('POST', `/apis/convoke.dev/v1alpha1/namespaces/${stage.namespace}/runs`, {
        apiVersion: 'convoke.dev/v1alpha1',
        kind: 'Run',
        metadata: { name },
        spec: { target: { kind: 'Activation', name: 'offers' }, scheduledTime: tomorrow('05:00'), trigger: 'Manual' },
      })
      expect(await stage.finished(name)).toEqual({ status: 'False', reason: 'NameCollision', message })
      expect((await stage.api<ApiObject>('GET', path('jobs', `${name}-export`)))['spec']).toMatchObject({
        template: { spec: { containers: [{ name: 'other' }] } },
      })
      await stage.annotate('Run', name, { 'convoke.dev/requestedAt': 'do' })
      await stage.until(async () =>
        expect(conditionOf(await stage.get('Run', name), 'Succeeded')).toMatchObject({ status: 'True' }),
      )
      await stage.api('DELETE', path('jobs', `${name}-export`), { propagationPolicy: 'Background' })
    })

    test('that a Run before it had: what is left of that goes first', async () => {
      await open('offers')
      const make = (minute: string) =>
        stage.api('POST', `/apis/convoke.dev/v1alpha1/namespaces/${stage.namespace}/runs`, {
          apiVersion: 'convoke.dev/v1alpha1',
          kind: 'Run',
          metadata: { name: 'twice' },
          spec: {
            target: { kind: 'Activation', name: 'offers' },
            scheduledTime: tomorrow(`05:0${minute}`),
            trigger: 'Manual',
          },
        })
      await make('1')
      await stage.finished('twice')
      await stage.kill()
      const before = await stage.get('Run', 'twice')
      await stage.remove('Run', 'twice')
      await make('2')
      await stage.start()
      await stage.finished('twice')
      expect((await stage.get('Run', 'twice')).metadata.uid).not.toBe(before.metadata.uid)
      const inputs = stage.works.filter(({ job }) => job === 'twice-export').map(({ input }) => input)
      expect(inputs.map(({ scheduledTime }) => scheduledTime)).toEqual([tomorrow('05:01'), tomorrow('05:02')])
      expect(inputs[1]!.baselines!['gold-members']).toBe('twice')
    })

    test('whose owner somebody takes away: they are its own all the same', async () => {
      await open('offers')
      const { open: done, closed } = gate()
      stage.behave(async (work) => {
        await closed
        return succeed(work)
      })
      const name = await stage.request({ kind: 'Activation', name: 'offers' })
      await stage.until(async () => expect(stage.works.at(-1)?.input.run).toBe(name))
      for (const [resource, of] of [
        ['jobs', `${name}-export`],
        ['configmaps', `${name}-export-1`],
      ] as const)
        await stage.api('PATCH', path(resource, of), { metadata: { ownerReferences: null } })
      await stage.kill()
      await stage.start()
      done()
      expect(await stage.finished(name)).toMatchObject({ reason: 'Succeeded' })
      expect(stage.works.filter(({ input }) => input.run === name)).toHaveLength(2)
    })

    test('that an earlier pass of its own used: it takes what is there', async () => {
      await open('offers')
      await stage.kill()
      const name = await stage.request({ kind: 'Activation', name: 'offers' })
      const { metadata } = await stage.get('Run', name)
      // Its first Job, made by an operator whose memory of it is lost.
      await stage.start()
      await stage.finished(name)
      const uids = stage.player.seen.filter((job) => job.name.startsWith(name)).map(({ uid }) => uid)
      expect(new Set(uids).size).toBe(2)
      const [job] = await listed('jobs', `convoke.dev/run=${name},convoke.dev/step=export`)
      expect(job!.metadata['ownerReferences']).toEqual([
        {
          apiVersion: 'convoke.dev/v1alpha1',
          kind: 'Run',
          name,
          uid: metadata.uid,
          controller: true,
          blockOwnerDeletion: false,
        },
      ])
    })
  })

  describe('is kept', () => {
    test('as long as the history limits say, of those that succeeded and those that failed', async () => {
      await open('offers', (spec) => ({ ...spec, historyLimits: { successful: 2, failed: 1 } }))
      const names: string[] = []
      for (const [index, fails] of [false, true, false, true, false].entries()) {
        stage.at(tomorrow(`1${index}:00`))
        stage.behave((work) => (fails ? failing(work) : succeed(work)))
        names.push(await run('offers'))
      }
      // One by hand may be for a time of long ago, and somebody waits for how it ends.
      const spec = { scheduledTime: '2020-01-01T00:01:00Z' }
      const late = await stage.request({ kind: 'Activation', name: 'offers' }, spec)
      await stage.finished(late)
      await stage.until(async () =>
        expect((await stage.runs('offers')).map(({ metadata }) => metadata.name)).toEqual([late, names[3], names[4]]),
      )
    })

    test('of a store, for batch and streaming evaluations apart', async () => {
      await stage.apply(withSpec('Segment', 'gold-members', (spec) => ({ ...spec, evaluation: 'Streaming' })))
      await stage.patch('ProfileStore', 'customers', { spec: { historyLimits: { successful: 2 } } })
      await stage.at(tomorrow('01:00', 3))
      await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': null })
      await stage.until(async () =>
        expect((await stage.get('ProfileStore', 'customers')).status!.nextStreamingTime).toBeDefined(),
      )
      for (const minute of ['05', '10', '15', '20']) {
        stage.at(tomorrow(`01:${minute}`, 3))
        const name = `pstore-customers-streaming-${minutesOf(tomorrow(`01:${minute}`, 3))}`
        await stage.finished(name)
        await stage.until(async () =>
          expect((await stage.get('ProfileStore', 'customers')).status!.activeRuns).toEqual([]),
        )
      }
      stage.at(tomorrow('02:00', 3))
      const batch = `pstore-customers-batch-${minutesOf(tomorrow('02:00', 3))}`
      await stage.finished(batch)
      await stage.until(async () =>
        expect((await stage.runs('customers')).map(({ metadata }) => metadata.name)).toEqual([
          `pstore-customers-streaming-${minutesOf(tomorrow('01:15', 3))}`,
          `pstore-customers-streaming-${minutesOf(tomorrow('01:20', 3))}`,
          batch,
        ]),
      )
      await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
      await stage.apply(foundation().find(({ metadata }) => metadata.name === 'gold-members')!)
    })

    test('of plans, those that a Run has or will have', async () => {
      await open('offers', (spec) => ({ ...spec, historyLimits: { successful: 1, failed: 1 } }))
      const plans = async () =>
        (await listed('configmaps', 'convoke.dev/plan,convoke.dev/target=offers')).map(
          ({ metadata }) => (metadata['labels'] as Record<string, string>)['convoke.dev/plan'],
        )
      const digits = async () => {
        const { planDigest } = (await stage.get('Activation', 'offers')).status!
        return planDigest!.slice('sha256:'.length, 'sha256:'.length + 40)
      }
      const edited = async (displayName: string) => {
        const before = await digits()
        await stage.patch('Activation', 'offers', {
          spec: { circuitBreaker: { maxExitedPercent: Number(displayName) } },
        })
        await stage.until(async () => expect(await digits()).not.toBe(before))
        return digits()
      }
      const ofRun = await digits()
      stage.at(tomorrow('12:00', 3))
      await run('offers')
      const [second, third, fourth] = [await edited('10'), await edited('20'), await edited('30')]
      // That of the Run, that of now, and the one before, which a Run just being made may have.
      await stage.until(async () => expect([...(await plans())].sort()).toEqual([ofRun, third, fourth].sort()))
      expect(await plans()).not.toContain(second)
      stage.at(tomorrow('13:00', 3))
      await run('offers')
      await stage.until(async () => expect(await plans()).toEqual([fourth]))
      const [map] = await listed('configmaps', 'convoke.dev/plan,convoke.dev/target=offers')
      expect(map!['immutable']).toBe(true)
      expect(map!.metadata['ownerReferences']).toMatchObject([{ kind: 'Activation', name: 'offers', controller: true }])
      // What went can come again.
      await stage.patch('Activation', 'offers', { spec: { circuitBreaker: { maxExitedPercent: 10 } } })
      await stage.until(async () => expect(await digits()).toBe(second))
      stage.at(tomorrow('14:00', 3))
      await run('offers')
    })
  })

  describe('as Pods', () => {
    const podTemplate = {
      labels: { 'kueue.x-k8s.io/queue-name': 'marketing', 'convoke.dev/run': 'not-this' },
      annotations: { 'sidecar.example.com/inject': 'false' },
      nodeSelector: { pool: 'batch' },
      tolerations: [{ key: 'batch', operator: 'Exists', effect: 'NoSchedule' }],
      serviceAccountName: 'reader',
      resources: { requests: { cpu: '500m', memory: '1Gi' }, limits: { memory: '2Gi' } },
    }
    type Template = {
      readonly metadata: { readonly labels: Record<string, string>; readonly annotations?: Record<string, string> }
      readonly spec: Record<string, unknown> & { readonly containers: readonly Record<string, unknown>[] }
    }
    const templateOf = async (name: string, step: string) => {
      const [job] = await listed('jobs', `convoke.dev/run=${name},convoke.dev/step=${step}`)
      return { job: job!, template: (job!['spec'] as { template: Template }).template }
    }

    test('has the template of whoever owns the place: store, Destination, instance', async () => {
      await stage.apply(
        withSpec('ProfileStore', 'customers', (spec) => ({ ...spec, podTemplate: { nodeSelector: { of: 'store' } } })),
        withSpec('Destination', 'landing-zone', (spec) => ({ ...spec, podTemplate })),
        { ...free, spec: { ...free.spec, podTemplate: { nodeSelector: { of: 'instance' } } } },
      )
      await open('offers')
      const name = await run('offers')
      const { job, template } = await templateOf(name, 'export')
      for (const labels of [job.metadata['labels'], template.metadata.labels])
        expect(labels).toMatchObject({
          'kueue.x-k8s.io/queue-name': 'marketing',
          // Ours stay ours.
          'convoke.dev/run': name,
          'convoke.dev/step': 'export',
          'app.kubernetes.io/managed-by': 'convoke',
        })
      expect(template.metadata.annotations).toMatchObject(podTemplate.annotations)
      expect(template.spec).toMatchObject({
        nodeSelector: { pool: 'batch' },
        tolerations: podTemplate.tolerations,
        serviceAccountName: 'reader',
        automountServiceAccountToken: false,
        containers: [{ resources: podTemplate.resources }],
      })
      expect((await templateOf(name, 'import')).template.spec['nodeSelector']).toEqual({ of: 'instance' })
      const evaluation = await stage.request({ kind: 'ProfileStore', name: 'customers' })
      await stage.finished(evaluation)
      for (const step of ['ingest', 'evaluate'])
        expect((await templateOf(evaluation, step)).template.spec['nodeSelector']).toEqual({ of: 'store' })
      await stage.apply(...foundation().filter(({ kind }) => kind === 'ProfileStore' || kind === 'Destination'), free)
    })

    test('is what a namespace lets in that is restricted', async () => {
      await open('offers')
      const [name, evaluation] = [await run('offers'), await stage.request({ kind: 'ProfileStore', name: 'customers' })]
      await stage.finished(evaluation)
      const jail = `${stage.namespace}-jail`
      await stage.api('POST', '/api/v1/namespaces', {
        metadata: { name: jail, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
      })
      const made = async (spec: object) =>
        stage.api('POST', `/api/v1/namespaces/${jail}/pods?dryRun=All`, { metadata: { name: 'one' }, spec })
      for (const [of, step] of [
        [name, 'export'],
        [name, 'import'],
        [evaluation, 'ingest'],
        [evaluation, 'evaluate'],
      ] as const) {
        const { template } = await templateOf(of, step)
        await made(template.spec)
        // The namespace is really so.
        const { securityContext: _, ...loose } = template.spec.containers[0]!
        await expect(made({ ...template.spec, containers: [loose] })).rejects.toThrow(
          /violates PodSecurity .{1,3}restricted/,
        )
      }
    })

    test('mounts the claims and Secrets of its step, and the Secret may be missing', async () => {
      await stage.apply(
        withSpec('Destination', 'landing-zone', (spec) => ({
          ...spec,
          location: { s3: { bucket: 'audiences', endpoint: 'http://s3', credentialsSecretRef: { name: 'bucket' } } },
        })),
      )
      await open('offers')
      const name = await run('offers')
      const mounts = (template: Template) =>
        (template.spec.containers[0]!['volumeMounts'] as { mountPath: string; readOnly?: boolean }[]).map(
          ({ mountPath, readOnly }) => `${mountPath}${readOnly ? ' ro' : ''}`,
        )
      const ours = ['/convoke/plan ro', '/convoke/run ro', '/tmp']
      expect(mounts((await templateOf(name, 'export')).template)).toEqual([
        ...ours,
        '/volumes/profile-store',
        '/secrets/bucket ro',
      ])
      expect(mounts((await templateOf(name, 'import')).template)).toEqual([
        ...ours,
        '/volumes/profile-store',
        '/secrets/bucket ro',
        '/secrets/campaign-db ro',
      ])
      const volumes = (await templateOf(name, 'import')).template.spec['volumes'] as {
        secret?: { optional?: boolean }
      }[]
      for (const { secret } of volumes) if (secret) expect(secret.optional).toBe(true)
      await stage.apply(foundation().find(({ kind }) => kind === 'Destination')!)
    })
  })
})
