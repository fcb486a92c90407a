// The organization's hard limits, judged by a real API server.
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { Kind } from '#crds'
import { applied, fine, openCluster, pathOf } from '../api/convoke.ts'
import { type Refusal, serverSideApply } from '../cluster/api.ts'
import { type Change, changed, exampleOf } from '../crds/documents.ts'
import { hasHelm, render } from './helm.ts'

const cluster = await openCluster()

/** The example's instance only warns of a limit. */
const instance: Change = ['spec.enforcement', undefined]

const table: readonly (readonly [title: string, kind: Kind, changes: readonly Change[], message: string | null])[] = [
  [
    'no limits of its own',
    'CampaignInstance',
    [instance, ['spec.limits', undefined], ['spec.enforcement', undefined]],
    null,
  ],
  [
    'limits at the limits',
    'CampaignInstance',
    [
      instance,
      [
        'spec.limits',
        { segments: 50, attributes: 20, minActivationInterval: '3h', fileNameLength: 255, retention: '168h' },
      ],
    ],
    null,
  ],
  [
    'limits within',
    'CampaignInstance',
    [instance, ['spec.limits', { segments: 1, minActivationInterval: '180m', retention: '1h' }]],
    null,
  ],
  [
    'too many Segments',
    'CampaignInstance',
    [instance, ['spec.limits', { segments: 51 }]],
    'too-many-segments: limits.segments is 51; this organization allows at most 50.',
  ],
  [
    'too many attributes',
    'CampaignInstance',
    [instance, ['spec.limits', { attributes: 21 }]],
    'too-many-attributes: limits.attributes is 21; this organization allows at most 20.',
  ],
  [
    'too short an interval',
    'CampaignInstance',
    [instance, ['spec.limits', { minActivationInterval: '179m' }]],
    'activation-too-frequent: limits.minActivationInterval is 179m; this organization allows no less than 3h.',
  ],
  [
    'too long names',
    'CampaignInstance',
    [instance, ['spec.limits', { fileNameLength: 256 }]],
    'file-name-too-long: limits.fileNameLength is 256; this organization allows at most 255.',
  ],
  [
    'too long a retention',
    'CampaignInstance',
    [instance, ['spec.limits', { retention: '168.5h' }]],
    'retention-exceeded: limits.retention is 168.5h; this organization allows at most 168h.',
  ],
  ['a limit that is enforced', 'CampaignInstance', [['spec.enforcement', { segments: 'Enforce' }]], null],
  [
    'a limit that only warns',
    'CampaignInstance',
    [['spec.enforcement', { retention: 'Warn' }]],
    'invalid-value: this organization enforces every limit; remove `Warn` from spec.enforcement.',
  ],
  [
    'as many Segments as may be',
    'Activation',
    [
      ['spec.segmentSelector', undefined],
      ['spec.segmentRefs', references(50)],
    ],
    null,
  ],
  [
    'one Segment more',
    'Activation',
    [
      ['spec.segmentSelector', undefined],
      ['spec.segmentRefs', references(51)],
    ],
    'too-many-segments: 51 Segments are activated; this organization allows at most 50.',
  ],
  ['as many attributes as may be', 'Activation', [['spec.mapping', mapping(20)]], null],
  [
    'one attribute more',
    'Activation',
    [['spec.mapping', mapping(21)]],
    'too-many-attributes: 21 attributes are mapped; this organization allows at most 20.',
  ],
  ['every three hours', 'Activation', [['spec.schedule', { every: '3h', startAt: '2026-01-01T00:00:00Z' }]], null],
  [
    'every two hours',
    'Activation',
    [['spec.schedule', { every: '2h', startAt: '2026-01-01T00:00:00Z' }]],
    'activation-too-frequent: activated every 2h; this organization allows no less than 3h.',
  ],
  ['after the evaluation', 'Activation', [['spec.schedule', { after: 'Evaluation' }]], null],
]

function references(count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => ({ name: `segment-${index}` }))
}

function mapping(count: number): readonly object[] {
  return Array.from({ length: count }, (_, index) => ({ source: `field${index}`, target: `column_${index}` }))
}

describe.skipIf(!hasHelm || cluster === null)('an API server with the limits', () => {
  let namespace: string
  let outside: string
  beforeAll(async () => {
    namespace = await cluster!.namespace()
    outside = await cluster!.namespace()
    const selector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } }
    // The tests of all files share the server, so these limits hold in one namespace.
    const values = { fullnameOverride: namespace, admissionPolicy: { enabled: true, namespaceSelector: selector } }
    await installed(values)
    const tooMany = changed(exampleOf('CampaignInstance'), ['spec.limits', { segments: 51 }])
    // A policy holds a moment after it is stored.
    await vi.waitUntil(async () => (await said(namespace, tooMany)) !== null, { timeout: 30_000, interval: 100 })
  })

  test.each(table)('%s', async (_, kind, changes, message) => {
    const answer = await said(namespace, changed(exampleOf(kind), ...changes))
    if (message === null) expect(answer).toBeNull()
    else expect(answer).toContain(`denied request: ${message}`)
  })

  test('lets other namespaces be', async () => {
    expect(await said(outside, changed(exampleOf('CampaignInstance'), ['spec.limits', { segments: 51 }]))).toBeNull()
  })

  test('lets what was there before be labelled, but not changed', async () => {
    const before = changed(exampleOf('CampaignInstance'), ['metadata', { name: 'before' }], instance, [
      'spec.limits',
      { segments: 40 },
    ])
    await applied(cluster!, namespace, before as never)
    const limits = `/api/v1/namespaces/${namespace}/configmaps/${namespace}-limits`
    const set = (segments: string): Promise<unknown> =>
      fine(cluster!.api('PATCH', limits, { body: { data: { segments } }, contentType: 'application/merge-patch+json' }))
    await set('30')
    // The ConfigMap alone says what holds.
    await expect
      .poll(() => said(namespace, changed(before as never, ['spec.limits', { segments: 31 }])))
      .toContain('at most 30.')
    expect(await said(namespace, changed(before as never, ['metadata.labels', { team: 'crm' }]))).toBeNull()
    await set('50')
  })

  /** The server's refusal, or null. */
  async function said(place: string, resource: Record<string, unknown>): Promise<string | null> {
    const { kind, metadata } = resource as { readonly kind: string; readonly metadata: { readonly name: string } }
    const path = `${pathOf(kind, place)}/${metadata.name}?fieldManager=test&force=true&dryRun=All`
    const { status, body } = await cluster!.api<Refusal>('PATCH', path, {
      body: resource,
      contentType: serverSideApply,
    })
    return status < 300 ? null : body.message
  }

  async function installed(values: object): Promise<void> {
    for (const manifest of render(values, { namespace })) {
      const { apiVersion, kind, metadata } = manifest
      if (!/^ValidatingAdmissionPolicy|^ConfigMap$/.test(kind) || metadata.annotations?.['helm.sh/hook']) continue
      const plurals: Readonly<Record<string, string>> = {
        ConfigMap: `/api/v1/namespaces/${namespace}/configmaps`,
        ValidatingAdmissionPolicy: `/apis/${apiVersion}/validatingadmissionpolicies`,
        ValidatingAdmissionPolicyBinding: `/apis/${apiVersion}/validatingadmissionpolicybindings`,
      }
      const path = `${plurals[kind]}/${metadata.name}?fieldManager=test&force=true`
      await fine(cluster!.api('PATCH', path, { body: manifest, contentType: serverSideApply }))
    }
  }
})
