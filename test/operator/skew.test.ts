// CRDs in the cluster that are not this version's: said before anything is dropped.
import { describe, expect, test } from 'vitest'
import { openApi } from '../../operator/kernel/api.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import type { Transport } from '../../operator/kernel/transport.ts'
import { skewOf } from '../../operator/skew.ts'
import { openCluster } from '../api/convoke.ts'
import { recordMetrics } from '../kernel/metrics-record.ts'
import { fineApi } from './api.ts'
import { transportOf } from './harness.ts'

const cluster = await openCluster()

type Schema = { properties?: Record<string, Schema>; items?: Schema }
type Document = {
  components: { schemas: Record<string, Schema & { 'x-kubernetes-group-version-kind'?: readonly { kind: string }[] }> }
}

describe.skipIf(cluster === null)('CRDs', () => {
  /** What the real API server publishes, after a change. */
  async function skewAfter(change: (document: Document) => void): Promise<string | null> {
    const real = await transportOf(cluster!.kubeconfig)
    const document = await fineApi(real)<Document>('GET', '/openapi/v3/apis/convoke.dev/v1alpha1')
    change(document)
    const transport: Transport = async () => ({ status: 200, headers: {}, body: bodyOf(JSON.stringify(document)) })
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
})

async function* bodyOf(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}
