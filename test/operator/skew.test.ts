// CRDs in the cluster that are not this version's, and a Kubernetes that is too old: said before anything is dropped.
import { describe, expect, test } from 'vitest'
import { openApi } from '../../operator/kernel/api.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import type { HttpResponse, Transport } from '../../operator/kernel/transport.ts'
import { type Skew, skewOf } from '../../operator/skew.ts'
import { openCluster } from '../api/convoke.ts'
import { recordMetrics } from '../kernel/metrics-record.ts'
import { bodyOf, fineApi } from './api.ts'
import { transportOf } from './harness.ts'

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
  async function skewWhere(path: string, answer: HttpResponse): Promise<Skew | null> {
    const real = await transportOf(cluster!.kubeconfig)
    const transport: Transport = async (request) => (request.path === path ? answer : real(request))
    return skewOf(
      openApi(
        { clock: realClock, transport, metrics: recordMetrics().metrics, mayWrite: () => false },
        { fieldManager: 'test' },
      ),
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

  test('a kind that is not there is said', async () => {
    expect(
      await skewAfter((document) => {
        for (const [name, schema] of Object.entries(document.components.schemas))
          if (schema === schemaOf(document, 'Dataset')) delete document.components.schemas[name]
      }),
    ).toMatch(/The CRD of Dataset is not installed/)
  })

  test('that are not there at all are said, with the next step', async () => {
    const found = await skewWhere(published, answerOf(404, {}))
    expect(found?.message).toMatch(
      /^The API server does not know convoke\.dev\/v1alpha1: .*Install them with the chart/,
    )
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
    expect(found).toEqual({ reason: 'KubernetesOutdated', message: expect.stringMatching(message) })
  })
})

const published = '/openapi/v3/apis/convoke.dev/v1alpha1'

function kubernetes(minor: string, gitVersion: string): HttpResponse {
  return answerOf(200, { major: '1', minor, gitVersion })
}

function answerOf(status: number, body: object): HttpResponse {
  return { status, headers: {}, body: bodyOf(JSON.stringify(body)) }
}
