// Where the programs of a control plane come from: KUBEBUILDER_ASSETS, or a build of go.mod's modules with Go, once per version.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { constants, homedir, setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from './process.ts'

/** Paths of the programs. */
export type Binaries = { readonly [name in Program]: string }

const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
} as const

type Program = keyof typeof packages

// The keys of a table of literals.
const programs = Object.keys(packages) as readonly Program[]

/** In one line what is missing, if they are not there and cannot be built. */
export async function findBinaries(): Promise<Binaries | { readonly skip: string }> {
  const assets = process.env['KUBEBUILDER_ASSETS']
  if (assets !== undefined) {
    const missing = programs.filter((program) => !existsSync(join(assets, program)))
    if (missing.length > 0) return { skip: `KUBEBUILDER_ASSETS (${assets}) has no ${missing.join(' and no ')}` }
    return inFolder(assets)
  }
  const version = /k8s\.io\/kubernetes (v\S+)/.exec(readFileSync(join(import.meta.dirname, 'go.mod'), 'utf8'))![1]!
  const folder = join(process.env['CONVOKE_CACHE'] ?? join(homedir(), '.cache', 'convoke'), `kubernetes-${version}`)
  if (programs.every((program) => existsSync(join(folder, program)))) return inFolder(folder)
  const go = /go1\.(\d+)/.exec(spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout ?? '')
  if (Number(go?.[1] ?? 0) < 26)
    return { skip: 'no KUBEBUILDER_ASSETS, and no Go ≥ 1.26 to build kube-apiserver and etcd' }
  mkdirSync(folder, { recursive: true })
  using _ = await lock(join(folder, 'building'))
  for (const program of programs) if (!existsSync(join(folder, program))) await build(program, folder, version)
  return inFolder(folder)
}

function inFolder(folder: string): Binaries {
  return { etcd: join(folder, 'etcd'), 'kube-apiserver': join(folder, 'kube-apiserver') }
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

/** With its version inside: without it clients see `v0.0.0-master`. kube-apiserver takes 5–10 minutes and 2.4 GB on two cores. */
async function build(program: Program, folder: string, version: string): Promise<void> {
  console.warn(`Building ${program} of Kubernetes ${version} once, into ${folder}; this takes minutes.`)
  const [major, minor] = version.slice(1).split('.')
  const set = Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor })
    .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
    .join(' ')
  const target = join(folder, program)
  const part = `${target}.${process.pid}`
  const go = spawn('go', ['build', '-trimpath', '-ldflags', `-s -w ${set}`, '-o', part, packages[program]], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (go.pid !== undefined) setPriority(go.pid, constants.priority.PRIORITY_LOW)
  const [code] = await once(go, 'exit')
  if (code !== 0) throw new Error(`go build ${packages[program]} ended with ${code}.`)
  renameSync(part, target)
}
