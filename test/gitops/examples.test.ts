// examples/gitops: what lies there is what the tools take, in an order that lets every wave become healthy.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { kinds } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { refusalOf } from '../chart/dry-run.ts'
import { chart, hasHelm, helm, type Manifest, manifestsOf } from '../chart/helm.ts'
import { installNeighbours } from '../chart/neighbours.ts'
import { findPrograms } from '../cluster/binaries.ts'
import { convoke } from '../support/cli.ts'

const examples = join(import.meta.dirname, '../../examples/gitops')
const read = (path: string): Manifest[] => manifestsOf(readFileSync(join(examples, path), 'utf8'))

const cluster = await openCluster()
const programs = await findPrograms(['kubectl'])
if ('skip' in programs) console.warn(`Skipped what needs kubectl: ${programs.skip}.`)

function kustomize(overlay: string): string {
  const { status, stdout, stderr } = spawnSync(
    'skip' in programs ? 'kubectl' : programs.kubectl,
    ['kustomize', join(examples, 'audiences/overlays', overlay)],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
  return stdout
}

function kubectl(...args: readonly (string | { readonly input: string })[]) {
  const options = args.filter((each) => typeof each !== 'string')
  return spawnSync(
    'skip' in programs ? 'kubectl' : programs.kubectl,
    ['--kubeconfig', cluster!.kubeconfig, ...args.filter((each) => typeof each === 'string')],
    { encoding: 'utf8', ...options[0] },
  )
}

describe('the repository of audiences', () => {
  test('passes check, and its tests pass', () => {
    expect(convoke(['check', join(examples, 'audiences'), '--fail-on', 'warning']).code).toBe(0)
    expect(convoke(['test', join(examples, 'audiences')]).code).toBe(0)
  })

  describe.skipIf('skip' in programs).each(['staging', 'production'])('for %s', (overlay) => {
    test('passes check as kustomize makes it', () => {
      expect(convoke(['check', '-', '--fail-on', 'warning'], { stdin: kustomize(overlay) }).code).toBe(0)
    })

    test.skipIf(cluster === null)('is taken by the API server', async () => {
      const namespace = await cluster!.namespace()
      for (const manifest of manifestsOf(kustomize(overlay)))
        expect(await refusalOf(cluster!.api, manifest, namespace)).toBeNull()
    })

    test.skipIf(cluster === null).each([[['--server-side']], [[]]])(
      'differs from nothing once it is applied (kubectl apply %s)',
      async (options) => {
        const text = kustomize(overlay)
        const namespace = manifestsOf(text)[0]!.metadata.namespace!
        kubectl('create', 'namespace', namespace)
        const apply = kubectl('apply', ...options, '-f', '-', { input: text })
        expect([apply.status, apply.stderr]).toEqual([0, ''])
        expect(kubectl('diff', ...options, '-f', '-', { input: text })).toMatchObject({ status: 0, stdout: '' })
        kubectl('delete', '-f', '-', { input: text })
      },
    )

    test('has every resource in a later wave than what it refers to', () => {
      const manifests = manifestsOf(kustomize(overlay))
      const waveOf = ({ metadata }: Manifest): number =>
        Number(metadata.annotations?.['argocd.argoproj.io/sync-wave'] ?? 0)
      let references = 0
      for (const manifest of manifests)
        for (const [, kind, name] of referencesIn(manifest)) {
          const target = manifests.find((each) => each.kind === kind && each.metadata.name === name)!
          expect([manifest.kind, kind, waveOf(target) < waveOf(manifest)]).toEqual([manifest.kind, kind, true])
          references += 1
        }
      expect(references).toBeGreaterThan(5)
    })
  })
})

/** By the names of fields: `profileStoreRef: {name}` is a ProfileStore. */
function referencesIn({ spec }: Manifest): (readonly [field: string, kind: string, name: string])[] {
  return Object.entries(spec as Record<string, { name: string } | { name: string }[]>).flatMap(([field, value]) => {
    const kind = Object.keys(kinds).find((each) => field.toLowerCase().startsWith(`${each.toLowerCase()}ref`))
    return kind === undefined ? [] : [value].flat().map(({ name }) => [field, kind, name] as const)
  })
}

describe('for Flux and Argo CD', () => {
  let hasNeighbours = false
  beforeAll(async () => {
    if (cluster !== null)
      hasNeighbours = await installNeighbours(cluster, ['argo', 'fluxKustomize', 'fluxHelm', 'fluxSource'])
  }, 300_000)

  test
    .skipIf(cluster === null)
    .each([
      'argocd/convoke.yaml',
      'argocd/audiences.yaml',
      'argocd/argocd-cm.yaml',
      'flux/kustomizations.yaml',
      'flux/convoke/release.yaml',
    ])('%s is taken by an API server that knows their kinds', async (path) => {
    if (!hasNeighbours && !path.endsWith('argocd-cm.yaml')) return
    const namespace = await cluster!.namespace()
    for (const manifest of read(path)) expect(await refusalOf(cluster!.api, manifest, namespace)).toBeNull()
  })

  test('Flux knows the health of every kind that lies in Git', () => {
    const checks = read('flux/kustomizations.yaml').flatMap(({ spec }) => spec.healthCheckExprs ?? [])
    expect(checks.map(({ kind }: { kind: string }) => kind)).toEqual(
      Object.keys(kinds).filter((kind) => kind !== 'Run'),
    )
    expect(new Set(checks.map(({ kind, ...rest }: { kind: string }) => JSON.stringify(rest))).size).toBe(1)
  })

  test.skipIf(!hasHelm)('the values they give to the chart are values of the chart', () => {
    const application = read('argocd/convoke.yaml')[0]!['spec'].source.helm.valuesObject
    const release = read('flux/convoke/release.yaml').find(({ kind }) => kind === 'HelmRelease')!['spec'].values
    for (const values of [application, release]) {
      const { code, err } = helm(['template', 'convoke', chart], { values })
      expect([code, err]).toEqual([0, ''])
    }
  })
})
