// The chart on a real node: its Pods under Pod Security "restricted", its own test, metrics, and the compiler's words at `kubectl apply`.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { exampleOf } from '../crds/documents.ts'
import { minimal, withSpec } from '../operator/bundle.ts'
import { manifests, openCluster } from './cluster.ts'

const found = await openCluster()
if ('skip' in found) console.warn(`Skipped the chart on a node: ${found.skip}.`)

describe.skipIf('skip' in found)('the chart', { timeout: 180_000 }, () => {
  // The tests run only if there is one.
  const { api, image, kubectl, helm } = found as Exclude<typeof found, { readonly skip: string }>
  // Other files of a run have the same release, or the kinds alone, before or after this one: the kinds become its, and stay.
  const release = ['convoke', '-n', 'convoke'] as const
  beforeAll(async () => {
    const [repository, tag] = image.split(/:(?=[^:]+$)/)
    const values = { image: { repository, tag }, webhook: { enabled: true }, admissionPolicy: { enabled: true } }
    await kubectl(['apply', '-f', '-'], manifests(namespaceOf('convoke'), namespaceOf('chart-shop')))
    const options = ['--take-ownership', '--wait', '--timeout=120s']
    await helm(['upgrade', '--install', ...release, 'charts/convoke', ...options], values)
  }, 200_000)
  afterAll(async () => {
    await helm(['uninstall', ...release, '--ignore-not-found', '--wait'])
    await kubectl(['delete', 'namespace', 'chart-shop', '--ignore-not-found', '--wait=false'])
  })

  const apply = (...resources: readonly object[]): Promise<string> =>
    kubectl(['-n', 'chart-shop', 'apply', '--server-side', '-f', '-'], manifests(...resources))

  test('has a test that runs one Activation, from records to a file', async () => {
    const said = await helm(['test', ...release, '--logs', '--timeout=120s'])
    expect(said).toContain('Phase:          Succeeded')
    expect(said).toMatch(/gold +1 +0 +1 +0/)
    expect(said).toContain('1 membership = 1 delivered')
  })

  test('has two operators, of which one leads, and both say how they are', async () => {
    const texts = await vi.waitFor(async () => {
      const { body } = await api<{ readonly items: readonly { readonly metadata: { readonly name: string } }[] }>(
        'GET',
        '/api/v1/namespaces/convoke/pods?labelSelector=app.kubernetes.io/component%3Doperator',
      )
      expect(body.items).toHaveLength(2)
      const asked = body.items.map(({ metadata }) =>
        api<string>('GET', `/api/v1/namespaces/convoke/pods/${metadata.name}:8080/proxy/metrics`, { accept: '*/*' }),
      )
      return (await Promise.all(asked)).map((answer) => answer.body)
    })
    const leads = texts.map((text) => /^leader_election_master_status\{.*\} (\d)$/m.exec(text)?.[1])
    expect(leads.toSorted()).toEqual(['0', '1'])
  })

  test('lets the compiler speak at kubectl apply', async () => {
    const platform = minimal().filter(({ kind }) => kind === 'Organization' || kind === 'ProfileStore')
    await apply(...platform)
    // Operators know of what was applied a moment later.
    const wrong = withSpec('Segment', 'gold-members', (spec) => ({ ...spec, expression: 'loyalty.teir = "gold"' }))
    await vi.waitFor(() =>
      expect(apply(wrong)).rejects.toThrow(
        /admission webhook "check\.convoke\.dev" denied the request: unknown-attribute: .*Did you mean `tier`\?/,
      ),
    )
    await apply(withSpec('Segment', 'gold-members', (spec) => spec))
  })

  test("holds the organization's limits without a webhook", async () => {
    const instance = { ...exampleOf('CampaignInstance'), metadata: { name: 'greedy' } }
    const greedy = { ...instance, spec: { ...instance.spec, enforcement: undefined, limits: { segments: 51 } } }
    await expect(apply(greedy)).rejects.toThrow(
      /too-many-segments: limits\.segments is 51; this organization allows at most 50\./,
    )
  })
})

function namespaceOf(name: string): object {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
}
