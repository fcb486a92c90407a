// A real kube-apiserver on an etcd of its own, both on loopback. Controllers and a node are played by the test, or are there too:
// `startApiServer(await findPrograms(runningJobs))`.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Binaries, findBinaries, findPrograms } from './binaries.ts'
import { answers, type ControlPlane, type ControlPlanePrograms } from './control-plane.ts'
import type { Order } from './supervisor.ts'

/** A start takes 4 s on an idle machine. */
export const startSeconds = 180

export type ApiServer = ControlPlane & {
  /** The processes and their data are gone when this resolves. They also go when the process that started them ends. */
  readonly stop: () => Promise<void>
  /** The API server is killed, and another is ready on the same data when this resolves. */
  readonly restart: () => Promise<void>
}

/**
 * Programs with which Deployments and Jobs get Pods, which the fake node `kwok` says to run: a Job's for as long as the Pod's annotation
 * test.convoke.dev/takes says ("2.5s", else not at all), to the exit code test.convoke.dev/exit-code (0) with the termination message
 * test.convoke.dev/message. Garbage is collected, namespaces are emptied, default service accounts are made.
 */
export const runningJobs = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok'] as const

/** Kubeconfig of the cluster that all test files of a run share, so each test needs names of its own; in one line what is missing, if there is none. */
export async function sharedCluster(): Promise<{ readonly kubeconfig: string } | { readonly skip: string }> {
  const given = process.env['CONVOKE_TEST_KUBECONFIG']
  if (given !== undefined) return { kubeconfig: given }
  const binaries = await findBinaries()
  return 'skip' in binaries ? binaries : shared('convoke-cluster', binaries)
}

/** Of the oldest Kubernetes that is supported, and shared in the same way. */
export async function sharedOldestCluster(): Promise<{ readonly kubeconfig: string } | { readonly skip: string }> {
  const found = await findPrograms(['etcd', 'oldest-kube-apiserver'])
  if ('skip' in found) return found
  return shared('convoke-oldest-cluster', { etcd: found.etcd, 'kube-apiserver': found['oldest-kube-apiserver'] })
}

function shared(name: string, binaries: Binaries): Promise<ApiServer> {
  // The workers of vitest are children of its main process, with which the server ends.
  const owner = process.env['VITEST'] === undefined ? process.pid : process.ppid
  const folder = join(tmpdir(), `${name}-${owner}`)
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) supervise(binaries, folder, owner)
  return running(folder)
}

/** A server of one's own, for tests that stop it or change all of it, with those of the other programs that are given. */
export async function startApiServer(programs: ControlPlanePrograms): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-cluster-'))
  supervise(programs, folder, process.pid)
  return running(folder)
}

function supervise(programs: ControlPlanePrograms, folder: string, owner: number): void {
  const order: Order = { folder, owner, programs }
  const log = openSync(join(folder, 'supervisor.log'), 'w')
  // A group of its own: Ctrl-C would leave nobody to clean up.
  spawn(process.execPath, [join(import.meta.dirname, 'supervisor.ts'), JSON.stringify(order)], {
    detached: true,
    stdio: ['ignore', log, log],
  }).unref()
}

async function running(folder: string): Promise<ApiServer> {
  const [ready, failed] = [join(folder, 'server.json'), join(folder, 'failed.txt')]
  for (const until = Date.now() + startSeconds * 1000; !existsSync(ready); await sleep(50)) {
    if (existsSync(failed)) throw new Error(readFileSync(failed, 'utf8'))
    if (Date.now() > until) throw new Error(`No API server within ${startSeconds} s; see ${folder}.`)
  }
  const { supervisor, ...server } = JSON.parse(readFileSync(ready, 'utf8'))
  const stop = async (): Promise<void> => {
    process.kill(supervisor, 'SIGTERM')
    while (existsSync(folder)) await sleep(20)
  }
  const restart = async (): Promise<void> => {
    const until = Date.now() + startSeconds * 1000
    process.kill(supervisor, 'SIGUSR2')
    for (const isReady of [false, true])
      while ((await answers(`${server.url}/readyz`, server.ca, server.token)) !== isReady) {
        if (Date.now() > until) throw new Error(`No API server within ${startSeconds} s; see ${folder}.`)
        await sleep(20)
      }
  }
  return { ...server, stop, restart }
}
