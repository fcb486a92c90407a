// A real kube-apiserver on an etcd of its own, both on loopback. No controllers and no nodes: a test plays them.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Binaries, findBinaries } from './binaries.ts'
import type { Order } from './supervisor.ts'

/** A start takes 4 s on an idle machine. */
export const startSeconds = 180

export type ApiServer = {
  /** Path of a file that makes its reader an admin (group system:masters). */
  readonly kubeconfig: string
  readonly url: string
  /** The admin's. */
  readonly token: string
  /** PEM. */
  readonly ca: string
  /** The processes and their data are gone when this resolves. They also go when the process that started them ends. */
  readonly stop: () => Promise<void>
}

/** Kubeconfig of the cluster that all test files of a run share, so each test needs names of its own; in one line what is missing, if there is none. */
export async function sharedCluster(): Promise<{ readonly kubeconfig: string } | { readonly skip: string }> {
  const given = process.env['CONVOKE_TEST_KUBECONFIG']
  if (given !== undefined) return { kubeconfig: given }
  const binaries = await findBinaries()
  if ('skip' in binaries) return binaries
  // The workers of vitest are children of its main process, with which the server ends.
  const owner = process.env['VITEST'] === undefined ? process.pid : process.ppid
  const folder = join(tmpdir(), `convoke-cluster-${owner}`)
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) supervise(binaries, folder, owner)
  return running(folder)
}

/** A server of one's own, for tests that stop it or change all of it. */
export async function startApiServer(binaries: Binaries): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-cluster-'))
  supervise(binaries, folder, process.pid)
  return running(folder)
}

function supervise(binaries: Binaries, folder: string, owner: number): void {
  const order: Order = { folder, owner, etcd: binaries.etcd, kubeApiserver: binaries['kube-apiserver'] }
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
  return { ...server, stop }
}
