// The CRDs of other projects whose resources the chart and the examples hold, from those projects' own Go modules.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { type Cluster, fine } from '../api/convoke.ts'
import { serverSideApply } from '../cluster/api.ts'
import type { Manifest } from './helm.ts'

/** Module → files of CRDs in it. */
const modules = {
  prometheus: [
    'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    ['podmonitors', 'prometheusrules', 'servicemonitors'].map(
      (plural) => `example/prometheus-operator-crd/monitoring.coreos.com_${plural}.yaml`,
    ),
  ],
  certManager: [
    'github.com/cert-manager/cert-manager@v1.21.2',
    ['certificates', 'issuers'].map((plural) => `deploy/crds/cert-manager.io_${plural}.yaml`),
  ],
  argo: ['github.com/argoproj/argo-cd/v3@v3.4.0', ['manifests/crds/application-crd.yaml']],
  fluxKustomize: [
    'github.com/fluxcd/kustomize-controller@v1.9.0',
    ['config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml'],
  ],
  fluxHelm: ['github.com/fluxcd/helm-controller@v1.4.0', ['config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml']],
  fluxSource: [
    'github.com/fluxcd/source-controller@v1.7.0',
    ['gitrepositories', 'ocirepositories'].map((plural) => `config/crd/bases/source.toolkit.fluxcd.io_${plural}.yaml`),
  ],
} as const satisfies Record<string, readonly [module: string, files: readonly string[]]>

export type Neighbour = keyof typeof modules

/** Teaches the cluster their kinds. False, with a line that says why, where their modules cannot be had. */
export async function installNeighbours(cluster: Cluster, neighbours: readonly Neighbour[]): Promise<boolean> {
  for (const neighbour of neighbours) {
    const [module, files] = modules[neighbour]
    const { stdout } = spawnSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' })
    const { Dir, Error: reason }: { Dir?: string; Error?: string } = JSON.parse(stdout || '{"Error": "no Go"}')
    if (Dir === undefined) {
      console.warn(`Skipped what needs the CRDs of ${module}: ${reason}.`)
      return false
    }
    for (const file of files)
      for (const document of parseAllDocuments(readFileSync(join(Dir, file), 'utf8')))
        if (document.contents !== null) await install(cluster, document.toJS())
  }
  return true
}

async function install({ api }: Cluster, crd: Manifest): Promise<void> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}`
  const { status: _, ...body } = crd
  await fine(api('PATCH', `${path}?fieldManager=test&force=true`, { body, contentType: serverSideApply }))
  const { group, names, versions } = crd['spec']
  const served = versions.findLast((version: { readonly served: boolean }) => version.served).name
  while ((await api('GET', `/apis/${group}/${served}/${names.plural}`)).status !== 200) await sleep(50)
}
