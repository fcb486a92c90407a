// A release's life on a real API server of its own: installed, upgraded, uninstalled, and back. No Pods run there.
import { X509Certificate } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { kinds } from '#crds'
import { fine, pathOf } from '../api/convoke.ts'
import { type Api, apiOf } from '../cluster/api.ts'
import { type ApiServer, startApiServer } from '../cluster/api-server.ts'
import { type Binaries, findBinaries } from '../cluster/binaries.ts'
import { exampleOf } from '../crds/documents.ts'
import { chart, hasHelm, helm, type Manifest } from './helm.ts'

const binaries = await findBinaries()
if ('skip' in binaries) console.warn(`Skipped what installs the chart: ${binaries.skip}.`)

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const secret = '/api/v1/namespaces/convoke/secrets/convoke-webhook-tls'

describe.skipIf(!hasHelm || 'skip' in binaries)('a release', () => {
  let server: ApiServer
  let api: Api
  beforeAll(async () => {
    // The tests run only if there are.
    server = await startApiServer(binaries as Binaries)
    api = await apiOf(server.kubeconfig)
  }, 200_000)
  afterAll(() => server?.stop())
  // The kinds stay for the next test, which finds them: one that is made right after it was deleted may hang for minutes.
  afterEach(() => void helm(['uninstall', 'convoke', '-n', 'convoke', '--ignore-not-found'], server))

  const names = async (): Promise<readonly string[]> =>
    (await fine(api<{ items: readonly Manifest[] }>('GET', definitions))).items
      .map(({ metadata }) => metadata.name)
      .sort()
  const all = Object.values(kinds)
    .map(({ plural }) => `${plural}.convoke.dev`)
    .sort()

  /** What Helm printed; throws what it complained of. */
  function release(verb: 'install' | 'upgrade' | 'uninstall', values: object = {}, ...more: readonly string[]): string {
    const place = verb === 'uninstall' ? [] : [chart]
    const options = ['-n', 'convoke', ...(verb === 'install' ? ['--create-namespace'] : []), ...more]
    const { code, out, err } = helm([verb, 'convoke', ...place, ...options], { values, kubeconfig: server.kubeconfig })
    if (code !== 0) throw new Error(err)
    return out
  }

  test('brings the kinds, and says what to do next', async () => {
    const notes = release('install', { watchNamespaces: ['default'], replicas: 1 })
    expect(await names()).toEqual(all)
    expect(notes.slice(notes.indexOf('NOTES:'))).toMatchSnapshot()
  })

  test('that is upgraded brings what is new in the kinds', async () => {
    const before = olderChart((crd) => {
      delete crd.spec.versions[0].schema.openAPIV3Schema.properties.status.properties.effectiveLatency
    })
    const { code, err } = helm(['install', 'convoke', before, '-n', 'convoke', '--create-namespace'], server)
    expect([code, err]).toEqual([0, ''])
    rmSync(before, { recursive: true })
    const fields = async (): Promise<object> =>
      (await fine(api<Manifest>('GET', `${definitions}/segments.convoke.dev`)))['spec'].versions[0].schema
        .openAPIV3Schema.properties.status.properties
    expect(await fields()).not.toHaveProperty('effectiveLatency')
    release('upgrade')
    expect(await fields()).toHaveProperty('effectiveLatency')
  })

  test('that is uninstalled leaves the audiences, and finds them again', async () => {
    release('install')
    await segment()
    release('uninstall')
    expect(await names()).toEqual(all)
    expect((await api('GET', '/apis/apps/v1/namespaces/convoke/deployments/convoke')).status).toBe(404)
    const kept = await fine(api('GET', `${pathOf('Segment', 'default')}/patrons`))
    release('install')
    expect(await fine(api('GET', `${pathOf('Segment', 'default')}/patrons`))).toEqual(kept)
  })

  test('takes over kinds that kubectl applied, if it is told to', async () => {
    release('install')
    await segment()
    release('uninstall')
    for (const name of all)
      await fine(
        api('PATCH', `${definitions}/${name}`, {
          body: { metadata: { annotations: null, labels: null } },
          contentType: 'application/merge-patch+json',
        }),
      )
    expect(() => release('install')).toThrow(
      /exists and cannot be imported into the current release: invalid ownership/,
    )
    release('install', {}, '--take-ownership')
    expect((await api('GET', `${pathOf('Segment', 'default')}/patrons`)).status).toBe(200)
    expect(
      (await fine(api<Manifest>('GET', `${definitions}/segments.convoke.dev`))).metadata.annotations,
    ).toMatchObject({
      'helm.sh/resource-policy': 'keep',
    })
  })

  test('stands beside one that has the kinds', () => {
    release('install')
    const second = { crds: { install: false }, rbac: { aggregate: false }, shard: 'shard=2' }
    const { code, err } = helm(['install', 'shard-2', chart, '-n', 'convoke'], {
      values: second,
      kubeconfig: server.kubeconfig,
    })
    helm(['uninstall', 'shard-2', '-n', 'convoke'], server)
    expect([code, err]).toEqual([0, ''])
  })

  test("keeps the webhook's certificate when it is upgraded, until a year before its end", async () => {
    const values = { webhook: { enabled: true } }
    const read = async (): Promise<Manifest> => fine(api<Manifest>('GET', secret))
    const trusted = async (): Promise<string> => {
      const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/convoke-webhook'
      return (await fine(api<Manifest>('GET', path)))['webhooks'][0].clientConfig.caBundle
    }
    release('install', values)
    const first = await read()
    expect(await trusted()).toBe(first['data']['ca.crt'])
    const certificate = new X509Certificate(Buffer.from(first['data']['tls.crt'], 'base64'))
    expect(certificate.checkHost('convoke-webhook.convoke.svc')).toBe('convoke-webhook.convoke.svc')
    expect(certificate.checkIssued(new X509Certificate(Buffer.from(first['data']['ca.crt'], 'base64')))).toBe(true)
    expect(certificate.validToDate.toISOString().slice(0, 10)).toBe(first.metadata.annotations!['convoke.dev/expires'])

    release('upgrade', { ...values, replicas: 3 })
    expect((await read())['data']).toEqual(first['data'])
    expect(await trusted()).toBe(first['data']['ca.crt'])

    const soon = new Date(Date.now() + 360 * 86_400_000).toISOString().slice(0, 10)
    await fine(
      api('PATCH', secret, {
        body: { metadata: { annotations: { 'convoke.dev/expires': soon } } },
        contentType: 'application/merge-patch+json',
      }),
    )
    release('upgrade', values)
    const renewed = await read()
    expect(renewed['data']['tls.crt']).not.toBe(first['data']['tls.crt'])
    expect(await trusted()).toBe(renewed['data']['ca.crt'])
  })

  // The last: nothing is left for others.
  test('that is uninstalled takes all with it where that is wanted', { timeout: 120_000 }, async () => {
    release('install', { crds: { keep: false } })
    await segment()
    release('uninstall')
    await expect.poll(names, { timeout: 100_000 }).toEqual([])
  })

  async function segment(): Promise<void> {
    const example = { ...exampleOf('Segment'), metadata: { name: 'patrons' } }
    const made = async (): Promise<number> =>
      (await api('POST', pathOf('Segment', 'default'), { body: example })).status
    // A kind is served a moment after it is there; a test before may have made it.
    await expect.poll(made, { timeout: 20_000 }).toSatisfy((status) => status === 201 || status === 409)
  }

  /** A copy of the chart whose Segment is of a time before. */
  // biome-ignore lint/suspicious/noExplicitAny: the CRD as it lies there.
  function olderChart(change: (crd: any) => void): string {
    const copy = join(mkdtempSync(join(tmpdir(), 'convoke-chart-')), 'convoke')
    cpSync(chart, copy, { recursive: true })
    const path = join(copy, 'files/crds/segment.yaml')
    const crd = parse(readFileSync(path, 'utf8'))
    change(crd)
    writeFileSync(path, stringify(crd))
    return copy
  }
})
