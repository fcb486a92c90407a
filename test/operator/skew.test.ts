// CRDs in the cluster that are not this version's, and a Kubernetes that is too old: said before anything is dropped.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openApi } from '../../operator/kernel/api.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import type { HttpResponse, Transport } from '../../operator/kernel/transport.ts'
import { type Skew, skewOf } from '../../operator/skew.ts'
import { openCluster } from '../api/convoke.ts'
import { recordMetrics } from '../kernel/metrics-record.ts'
import { bodyOf, fineApi } from './api.ts'
import { conditionOf, transportOf } from './harness.ts'
import { openStage, type Stage, tomorrow } from './stage.ts'

const cluster = await openCluster()

type Schema = { properties?: Record<string, Schema>; items?: Schema }
type Document = {
  components: { schemas: Record<string, Schema & { 'x-kubernetes-group-version-kind'?: readonly { kind: string }[] }> }
}

describe.skipIf(cluster === null)('CRDs', () => {
  /** What the real API server publishes, after a change. */
  async function skewAfter(change: (document: Document) => void): Promise<string | null> {
    const document = await fineApi(await transportOf(cluster!.kubeconfig))<Document>('GET', published)
    change(document)
    const found = await skewWhere(published, answerOf(200, document))
    if (found !== null) expect(found.reason).toBe('CrdOutdated')
    return found?.message ?? null
  }
  /** Where the real API server gives another answer. */
  async function skewWhere(path: string | RegExp, answer: HttpResponse): Promise<Skew | null> {
    const real = await transportOf(cluster!.kubeconfig)
    const isMeant = (asked: string): boolean => (typeof path === 'string' ? asked === path : path.test(asked))
    const transport: Transport = async (request) => (isMeant(request.path) ? answer : real(request))
    return skewOf(
      openApi(
        { clock: realClock, transport, metrics: recordMetrics().metrics, mayWrite: () => false },
        { fieldManager: 'test' },
      ),
      null,
    )
  }
  const schemaOf = ({ components: { schemas } }: Document, kind: string): Schema =>
    Object.values(schemas).find((schema) =>
      schema['x-kubernetes-group-version-kind']?.some((each) => each.kind === kind),
    )!

  test('of this version are right', async () => {
    expect(await skewAfter(() => {})).toBeNull()
  })

  test('with more fields than this version has are right', async () => {
    expect(
      await skewAfter((document) => {
        schemaOf(document, 'Run').properties!['status']!.properties!['mood'] = {}
      }),
    ).toBeNull()
  })

  test.each([
    [
      'Activation',
      (schema: Schema) => delete schema.properties!['status']!.properties!['baselines'],
      /The CRD of Activation is older than this operator: it lacks status\.baselines, status\.baselines\[\], .* and \d+ more fields\. Upgrade the CRDs/,
    ],
    [
      'Segment',
      (schema: Schema) => delete schema.properties!['spec']!.properties!['deletionPolicy'],
      /it lacks spec\.deletionPolicy\. Upgrade/,
    ],
    ['Run', (schema: Schema) => delete schema.properties!['status'], /The CRD of Run is older/],
  ])('of %s that lack a field are said to be old', async (kind, change, message) => {
    expect(await skewAfter((document) => void change(schemaOf(document, kind)))).toMatch(message)
  })

  test('a kind that is served and whose schema is not published, or not yet, is not said to be missing', async () => {
    const document = await fineApi(await transportOf(cluster!.kubeconfig))<Document>('GET', published)
    for (const [name, schema] of Object.entries(document.components.schemas))
      if (schema === schemaOf(document, 'Dataset')) delete document.components.schemas[name]
    const found = await skewWhere(published, answerOf(200, document))
    expect(found).toMatchObject({ message: expect.stringMatching(/^The API server serves Dataset /), late: 'always' })
    const whole = await skewWhere(published, answerOf(404, {}))
    expect(whole).toMatchObject({
      message: expect.stringMatching(/^The API server serves Organization /),
      late: 'always',
    })
  })

  test('a field that is lacking may be of the CRD before an upgrade', async () => {
    const document = await fineApi(await transportOf(cluster!.kubeconfig))<Document>('GET', published)
    delete schemaOf(document, 'Run').properties!['status']
    expect(await skewWhere(published, answerOf(200, document))).toMatchObject({ late: 'first' })
  })

  test('that are not there at all are said, with the next step', async () => {
    expect(await skewWhere(/convoke\.dev\/v1alpha1/, answerOf(404, {}))).toEqual({
      reason: 'CrdOutdated',
      message: expect.stringMatching(
        /^The API server does not know convoke\.dev\/v1alpha1: .*Install them with the chart/,
      ),
      late: 'never',
    })
  })

  const versions: readonly (readonly [said: string, answer: HttpResponse, message: RegExp | null])[] = [
    ['1.30', kubernetes('30', 'v1.30.14'), /^Kubernetes v1\.30\.14 is older than 1\.31, .*Upgrade the cluster, or/],
    ['1.9', kubernetes('9+', 'v1.9.7-gke.11'), /^Kubernetes v1\.9\.7-gke\.11 is older than 1\.31/],
    ['1.31', kubernetes('31', 'v1.31.0'), null],
    ['1.31 of a cloud', kubernetes('31+', 'v1.31.14-eks-1'), null],
    ['1.100', kubernetes('100', 'v1.100.0'), null],
    ['no version', answerOf(200, {}), null],
    ['a version to nobody', answerOf(403, {}), null],
  ]
  test.each(versions)('an API server that says %s is judged by it', async (_, answer, message) => {
    const found = await skewWhere('/version', answer)
    if (message === null) return expect(found).toBeNull()
    expect(found).toEqual({ reason: 'KubernetesOutdated', message: expect.stringMatching(message), late: 'never' })
  })
})

describe.skipIf(cluster === null)('an operator that begins before the schemas are published', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!)
    await stage.kill()
  })
  afterAll(() => stage?.leave())

  test.each([
    ['none is', () => answerOf(404, {})],
    ['those of before an upgrade are', (document: Document) => answerOf(200, withoutField(document))],
  ])('says nothing and runs nothing until they are: %s', async (_, early) => {
    const real = stage.transport
    const document = await fineApi(real)<Document>('GET', published)
    let isEarly = true
    await stage.patch('Segment', 'gold-members', { spec: { description: `after ${Math.random()}` } })
    await stage.start({
      through: () => async (request) =>
        isEarly && request.path === published ? early(structuredClone(document)) : real(request),
    })
    stage.at(tomorrow('05:00', 2))
    await sleep(2500)
    expect((await stage.get('Segment', 'gold-members')).status).not.toHaveProperty('conditions.0.reason', 'CrdOutdated')
    expect(await stage.runs()).toEqual([])
    expect(stage.operator().log).toEqual([expect.objectContaining({ level: 'warning' })])
    isEarly = false
    await stage.until(async () => {
      const segment = await stage.get('Segment', 'gold-members')
      expect(segment.status?.observedGeneration).toBe(segment.metadata.generation)
      expect(conditionOf(segment, 'Ready')).toMatchObject({ status: 'True' })
    })
    await stage.kill()
    for (const { metadata } of await stage.runs()) await stage.remove('Run', metadata.name)
  })
})

function withoutField(document: Document): Document {
  for (const schema of Object.values(document.components.schemas))
    if (schema['x-kubernetes-group-version-kind']?.some(({ kind }) => kind === 'Segment'))
      delete schema.properties!['status']!.properties!['effectiveLatency']
  return document
}

const published = '/openapi/v3/apis/convoke.dev/v1alpha1'

function kubernetes(minor: string, gitVersion: string): HttpResponse {
  return answerOf(200, { major: '1', minor, gitVersion })
}

function answerOf(status: number, body: object): HttpResponse {
  return { status, headers: {}, body: bodyOf(JSON.stringify(body)) }
}
