// The harness: controllers and a fake node beside the API server do what operators rely on.
import { afterAll, describe, expect, test, vi } from 'vitest'
import { type ApiObject, apiOf } from '../cluster/api.ts'
import { runningJobs, startApiServer } from '../cluster/api-server.ts'
import { findPrograms } from '../cluster/binaries.ts'

const programs = await findPrograms(runningJobs)
if ('skip' in programs) console.warn(`Skipped what needs controllers: ${programs.skip}.`)

describe.skipIf('skip' in programs)('with controllers and a fake node', async () => {
  if ('skip' in programs) return
  const server = await startApiServer(programs)
  afterAll(server.stop)
  const api = await apiOf(server.kubeconfig)
  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 })

  const create = async (path: string, body: object): Promise<ApiObject> => {
    const answer = await api('POST', path, { body })
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
    return answer.body
  }

  const namespaceOf = async (name: string): Promise<string> => {
    await create('/api/v1/namespaces', { metadata: { name } })
    await eventually(async () =>
      expect(await api('GET', `/api/v1/namespaces/${name}/serviceaccounts/default`)).toMatchObject({ status: 200 }),
    )
    return `/api/v1/namespaces/${name}`
  }

  const job = (name: string, annotations: Record<string, string>, spec: object = {}): object => ({
    metadata: { name },
    spec: {
      backoffLimit: 0,
      ...spec,
      template: {
        metadata: { annotations },
        spec: { restartPolicy: 'Never', containers: [{ name: 'job', image: 'none' }] },
      },
    },
  })

  test('a Job gets a Pod that ends as its annotations say', async () => {
    const core = await namespaceOf('jobs')
    const jobs = '/apis/batch/v1/namespaces/jobs/jobs'
    const started = Date.now()
    await create(jobs, job('good', { 'test.convoke.dev/takes': '2s', 'test.convoke.dev/message': '{"rows":1}' }))
    await create(jobs, job('bad', { 'test.convoke.dev/exit-code': '3' }))
    await eventually(async () => {
      expect((await api('GET', `${jobs}/bad`)).body.status).toMatchObject({ failed: 1 })
      expect((await api('GET', `${jobs}/good`)).body.status).toMatchObject({ succeeded: 1 })
    })
    expect(Date.now() - started).toBeGreaterThan(2000)
    const ends = async (name: string) =>
      (await api<{ items: ApiObject[] }>('GET', `${core}/pods?labelSelector=job-name=${name}`)).body.items[0]!.status
    expect(await ends('good')).toMatchObject({
      phase: 'Succeeded',
      containerStatuses: [{ state: { terminated: { exitCode: 0, message: '{"rows":1}' } } }],
    })
    expect(await ends('bad')).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 3 } } }],
    })
  })

  test('what an object owns goes with it, and all that is in a namespace goes with that', async () => {
    const core = await namespaceOf('garbage')
    const owner = await create(`${core}/configmaps`, { metadata: { name: 'owner' } })
    const { apiVersion, kind } = { apiVersion: 'v1', kind: 'ConfigMap' }
    const ownerReferences = [{ apiVersion, kind, name: 'owner', uid: owner.metadata['uid'] }]
    await create(`${core}/configmaps`, { metadata: { name: 'owned', ownerReferences } })
    await create('/apis/batch/v1/namespaces/garbage/jobs', job('endless', { 'test.convoke.dev/takes': '1h' }))
    await api('DELETE', `${core}/configmaps/owner`)
    await eventually(async () => expect(await api('GET', `${core}/configmaps/owned`)).toMatchObject({ status: 404 }))
    await api('DELETE', core)
    await eventually(async () => expect(await api('GET', core)).toMatchObject({ status: 404 }))
  })
})
