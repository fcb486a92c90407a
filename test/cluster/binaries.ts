// Where a cluster's programs and its clients come from: KUBEBUILDER_ASSETS, or a build with Go, once per version, into a cache. `findPrograms(['kubectl', 'helm'])`
// gives their paths to a test; `node test/cluster/binaries.ts kubectl helm` builds them ahead and prints the paths.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { constants, homedir, setPriority } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from './process.ts'

/** Of Kubernetes, the newest that is supported; etcd's is the one that its go.mod asks for. */
export const kubernetes = versionIn('go.mod', 'k8s.io/kubernetes')
const kubernetesFolder = `kubernetes-${kubernetes}`
const [major, minor] = kubernetes.slice(1).split('.')

/** The oldest that is supported, in its newest patch. */
export const oldestKubernetes = versionIn('oldest/go.mod', 'k8s.io/kubernetes')

type Build = {
  readonly package: string
  /** Of a module of its own; without it, it is go.mod's Kubernetes. */
  readonly version?: string
  /** Where the package's go.mod is; without it, the module's own is asked for by its version. */
  readonly folder?: string
  /** Variables of the linker: without them programs and those who ask them see `v0.0.0-master`. */
  readonly set?: Readonly<Record<string, string>>
}

const ofKubernetes = (program: string, version = kubernetes): Build => ({
  package: `k8s.io/kubernetes/cmd/${program}`,
  folder: '.',
  set: {
    'k8s.io/component-base/version.gitVersion': version,
    'k8s.io/component-base/version.gitMajor': version.slice(1).split('.')[0]!,
    'k8s.io/component-base/version.gitMinor': version.slice(1).split('.')[1]!,
  },
})

const ofContainerd = (program: string): Build => ({
  package: `github.com/containerd/containerd/v2/cmd/${program}`,
  version: 'v2.2.1',
  set: { 'github.com/containerd/containerd/v2/version.Version': 'v2.2.1' },
})

const builds = {
  etcd: { package: 'go.etcd.io/etcd/server/v3', folder: '.' },
  // The longest: 5–10 minutes and 2.4 GB on two cores; what follows it in this list shares its packages.
  'kube-apiserver': ofKubernetes('kube-apiserver'),
  'kube-controller-manager': ofKubernetes('kube-controller-manager'),
  'kube-scheduler': ofKubernetes('kube-scheduler'),
  kubectl: ofKubernetes('kubectl'),
  kubelet: ofKubernetes('kubelet'),
  'kube-proxy': ofKubernetes('kube-proxy'),
  kwok: { package: 'sigs.k8s.io/kwok/cmd/kwok', version: 'v0.8.0' },
  krew: { package: 'sigs.k8s.io/krew/cmd/krew', version: 'v0.4.4' },
  helm: {
    package: 'helm.sh/helm/v3/cmd/helm',
    version: 'v3.22.0',
    set: {
      'helm.sh/helm/v3/internal/version.version': 'v3.22.0',
      // `helm template` and `helm lint` take it for the cluster's version.
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': major!,
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': minor!,
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor': major!,
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor': minor!,
    },
  },
  containerd: ofContainerd('containerd'),
  'containerd-shim-runc-v2': ofContainerd('containerd-shim-runc-v2'),
  ctr: ofContainerd('ctr'),
  // Another 5–10 minutes: it shares no package with the newest.
  'oldest-kube-apiserver': {
    ...ofKubernetes('kube-apiserver', oldestKubernetes),
    folder: 'oldest',
    version: oldestKubernetes,
  },
  coredns: { package: '.', folder: 'dns', version: versionIn('dns/go.mod', 'github.com/coredns/coredns') },
} satisfies Record<string, Build>

export type Program = keyof typeof builds

function versionIn(file: string, module: string): string {
  const line = readFileSync(join(import.meta.dirname, file), 'utf8')
    .split(/\s*\n\s*/)
    .find((text) => text.includes(`${module} v`))
  return line!.split(' ').find((word) => word.startsWith('v'))!
}

// The keys of a table of literals.
const programs = Object.keys(builds) as readonly Program[]

/** Paths of the programs. */
export type Programs<P extends Program> = { readonly [name in P]: string }

/** What an API server needs. */
export type Binaries = Programs<'etcd' | 'kube-apiserver'>

export type Skip = {
  /** In one line what is missing. */
  readonly skip: string
}

function cacheFolder(): string {
  return process.env['CONVOKE_CACHE'] ?? join(homedir(), '.cache', 'convoke')
}

export function findBinaries(): Promise<Binaries | Skip> {
  return findPrograms(['etcd', 'kube-apiserver'])
}

/** Builds those that are not there, one after the other, which takes minutes each. Without Go ≥ 1.26 what is on PATH will do. */
export async function findPrograms<P extends Program>(wanted: readonly P[]): Promise<Programs<P> | Skip> {
  const assets = process.env['KUBEBUILDER_ASSETS']
  const folders = assets === undefined ? [] : [assets]
  if (wanted.some((program) => pathOf(program, folders) === null)) {
    if (goMinor() >= 26) await buildAll(wanted.filter((program) => pathOf(program, folders) === null))
    else folders.push(...(process.env['PATH'] ?? '').split(delimiter))
  }
  const missing = wanted.filter((program) => pathOf(program, folders) === null)
  if (missing.length > 0)
    return { skip: `no ${missing.join(' and no ')} in KUBEBUILDER_ASSETS or on PATH, and no Go ≥ 1.26 to build with` }
  // What Object.fromEntries cannot say: a path for each.
  return Object.fromEntries(wanted.map((program) => [program, pathOf(program, folders)])) as Programs<P>
}

function pathOf(program: Program, folders: readonly string[]): string | null {
  const places = [...folders.map((folder) => join(folder, program)), cached(program)]
  return places.find((path) => existsSync(path)) ?? null
}

function cached(program: Program): string {
  const { version }: Build = builds[program]
  return join(cacheFolder(), version === undefined ? kubernetesFolder : `${program}-${version}`, program)
}

/** 26 of go1.26.8; 0 without Go. */
function goMinor(): number {
  const go = /go1\.(\d+)/.exec(spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout ?? '')
  return Number(go?.[1] ?? 0)
}

async function buildAll(wanted: readonly Program[]): Promise<void> {
  mkdirSync(join(cacheFolder(), kubernetesFolder), { recursive: true })
  using _ = await lock(join(cacheFolder(), kubernetesFolder, 'building'))
  // In the table's order; another process may have built some while this one waited.
  for (const program of programs) if (wanted.includes(program) && !existsSync(cached(program))) await build(program)
}

/** Held by one process of this machine at a time; a holder that is gone holds nothing. */
async function lock(path: string): Promise<Disposable> {
  for (;;) {
    try {
      // Made in one step with what it says.
      symlinkSync(String(process.pid), path)
      return { [Symbol.dispose]: () => rmSync(path) }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    if (!isAlive(holderOf(path))) rmSync(path, { force: true })
    await sleep(500)
  }
}

/** NaN where it has just been given back. */
function holderOf(path: string): number {
  try {
    return Number(readlinkSync(path))
  } catch {
    return Number.NaN
  }
}

async function build(program: Program): Promise<void> {
  const { package: name, version, folder: module, set = {} }: Build = builds[program]
  const target = cached(program)
  console.warn(`Building ${program} once, into ${target}; this takes minutes.`)
  const folder = `${target}.${process.pid}`
  mkdirSync(folder, { recursive: true })
  const variables = Object.entries(set).map(([variable, value]) => `-X ${variable}=${value}`)
  const flags = ['-trimpath', '-ldflags', ['-s -w', ...variables].join(' ')]
  const go = spawn(
    'go',
    module === undefined
      ? ['install', ...flags, `${name}@${version}`]
      : ['build', ...flags, '-o', join(folder, program), name],
    {
      cwd: join(import.meta.dirname, module ?? '.'),
      env: { ...process.env, GOBIN: folder },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
  if (go.pid !== undefined) setPriority(go.pid, constants.priority.PRIORITY_LOW)
  const [code] = await once(go, 'exit')
  if (code === 0) renameSync(join(folder, program), target)
  rmSync(folder, { recursive: true, force: true })
  if (code !== 0) throw new Error(`The build of ${program} ended with ${code}.`)
}

if (import.meta.main) {
  const wanted = process.argv.slice(2)
  const unknown = wanted.filter((name) => !programs.some((program) => program === name))
  if (unknown.length > 0) throw new Error(`No program ${unknown.join(', ')} among ${programs.join(', ')}.`)
  console.log(
    await findPrograms(wanted.length === 0 ? programs : programs.filter((program) => wanted.includes(program))),
  )
}
