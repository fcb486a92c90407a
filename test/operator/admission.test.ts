// The compiler's findings at `kubectl apply`: the API server asks the webhook.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realClock } from '../../operator/kernel/clock.ts'
import { type Operator, startOperator } from '../../operator/start.ts'
import { openCluster, pathOf } from '../api/convoke.ts'
import { type Refusal, serverSideApply } from '../cluster/api.ts'
import { selfSigned } from '../support/certificate.ts'
import { minimal, withSpec } from './bundle.ts'
import { conditionOf, plainJobs, transportOf, type Workshop, workshop } from './harness.ts'

const cluster = await openCluster()

describe.skipIf(cluster === null)('the webhook', () => {
  let operator: Operator
  let shop: Workshop
  const configuration = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
  const certificate = selfSigned()

  beforeAll(async () => {
    const transport = await transportOf(cluster!.kubeconfig)
    shop = await workshop(cluster!, transport)
    operator = await startOperator(
      { clock: realClock, transport, random: Math.random, log: () => {} },
      {
        namespaces: [shop.namespace],
        shard: null,
        concurrency: 4,
        instance: 'test',
        lease: null,
        healthPort: 0,
        metricsPort: 0,
        webhook: { port: 0, certificate: () => certificate },
        jobs: plainJobs,
      },
    )
    await shop.apply(...minimal())
    await shop.until(async () =>
      expect(conditionOf(await shop.get('Activation', 'newsletter'), 'Ready')).toMatchObject({ status: 'True' }),
    )
    await shop.api('POST', configuration, {
      metadata: { name: shop.namespace },
      webhooks: [
        {
          name: 'convoke.convoke.dev',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          timeoutSeconds: 10,
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': shop.namespace } },
          rules: [
            { apiGroups: ['convoke.dev'], apiVersions: ['*'], resources: ['*'], operations: ['CREATE', 'UPDATE'] },
          ],
          clientConfig: {
            url: `https://127.0.0.1:${operator.webhookPort()}/validate`,
            caBundle: Buffer.from(certificate.cert).toString('base64'),
          },
        },
      ],
    })
    // The API server hears of it a moment later.
    await shop.until(async () => expect((await applied(broken)).refused).not.toBeNull())
  })
  afterAll(async () => {
    await shop?.api('DELETE', `${configuration}/${shop.namespace}`)
    operator?.stop()
    await operator?.ended
  })

  const broken = withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.teir = "gold"' }))

  /** What `kubectl apply --dry-run=server` would say. */
  async function applied(
    resource: ReturnType<typeof minimal>[number],
  ): Promise<{ refused: string | null; warnings: readonly string[] }> {
    const { status, body, warnings } = await cluster!.api<Refusal>(
      'PATCH',
      `${pathOf(resource.kind, shop.namespace)}/${resource.metadata.name}?fieldManager=test&force=true&dryRun=All`,
      { body: resource, contentType: serverSideApply },
    )
    return { refused: status < 300 ? null : body.message, warnings }
  }

  test('an error of the resource itself denies, with the code, the words and the next step', async () => {
    const { refused } = await applied(broken)
    expect(refused).toMatch(/unknown-attribute: spec\.expression: .*teir.* Did you mean `tier`\?/)
  })

  test('what is right passes without a word', async () => {
    for (const resource of minimal()) expect(await applied(resource)).toEqual({ refused: null, warnings: [] })
  })

  test('a reference that leads nowhere yet warns: the next file may bring it', async () => {
    const activation = withSpec('Activation', 'newsletter', (spec) => ({
      ...spec,
      segmentRefs: [...spec.segmentRefs!, { name: 'gold-member' }],
    }))
    const { refused, warnings } = await applied(activation)
    expect(refused).toBeNull()
    expect(warnings).toEqual([
      expect.stringMatching(/^unresolved-reference: spec\.segmentRefs\[3\]\.name: There is no Segment `gold-member`/),
    ])
  })

  test('what a change would break elsewhere warns, with the name of what breaks', async () => {
    const store = withSpec('ProfileStore', 'customers', (spec) => {
      const { loyalty: _, ...properties } = (spec.schema.profile as { properties: Record<string, unknown> }).properties
      return { ...spec, schema: { ...spec.schema, profile: { type: 'object', properties } } }
    })
    const { refused, warnings } = await applied(store)
    expect(refused).toBeNull()
    expect(warnings.join('\n')).toMatch(/Segment gold-members: unknown-attribute: .*loyalty/)
    expect(warnings.join('\n')).toMatch(/Activation newsletter: unknown-attribute: /)
  })

  test('an annotation passes', async () => {
    await shop.patch('Segment', 'gold-members', { metadata: { annotations: { note: 'seen' } } })
    await shop.until(async () => expect((await shop.get('Segment', 'gold-members')).status?.observedGeneration).toBe(1))
  })
})
