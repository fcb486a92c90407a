// A cluster with a real node: kubelet and containerd run Pods from images, Services and names work, claims are bound.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPrograms, type Programs, type Skip } from './binaries.ts'
import { forward } from './forward.ts'
import type { KindOrder } from './kind-supervisor.ts'
import type { NodeOrder } from './node-supervisor.ts'

/** A start takes 5 s on an idle machine. */
export const nodeStartSeconds = 240

export type NodeCluster = {
  /** Path of a file that makes its reader an admin (group system:masters). */
  readonly kubeconfig: string
  /** Makes the images of an archive (docker-archive or OCI layout, as a tar file) known to the node, under the names inside of it. */
  readonly load: (archive: string) => Promise<void>
  /** Lets Pods come to a port of this machine's loopback, for as long as this process lives, at the address given; null where there is no such way. */
  readonly reach: ((port: number) => Promise<{ readonly host: string; readonly port: number }>) | null
  /** Path of the API server's audit log: each request of a service account, without bodies. Null where nobody keeps one for us. */
  readonly audit: string | null
}

/** Built from Go modules. */
export const nodePrograms = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'coredns',
] as const

/** Of the machine; the Debian packages that bring them. */
const tools = { runc: 'runc', iptables: 'iptables', busybox: 'busybox-static', ip: 'iproute2', unshare: 'util-linux' }

/** Where distributions put the CNI plugins. */
const pluginFolders = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni']

export type NodeParts = {
  readonly programs: Programs<(typeof nodePrograms)[number]>
  readonly tools: { readonly [name in keyof typeof tools]: string }
  readonly plugins: string
}

/** The cluster that all test files of a run share, so each test needs names of its own; in one line what is missing, if there is none. */
export async function sharedNode(): Promise<NodeCluster | Skip> {
  const given = process.env['CONVOKE_TEST_KUBECONFIG']
  // Whoever gives a cluster gives it the image.
  if (given !== undefined) return { kubeconfig: given, load: async () => {}, reach: null, audit: null }
  // The workers of vitest are children of its main process, with which the node ends.
  const owner = process.env['VITEST'] === undefined ? process.pid : process.ppid
  const folder = join(tmpdir(), `convoke-node-${owner}`)
  const kind = findKind()
  const parts = kind === null ? await findNodeParts() : null
  if (parts !== null && 'skip' in parts) return parts
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) {
    if (kind !== null) supervise('kind-supervisor.ts', { folder, owner, kind })
    if (parts !== null) supervise('node-supervisor.ts', { folder, owner, parts })
  }
  const { kubeconfig, cluster } = await running(folder)
  return {
    kubeconfig,
    load: async (archive) => {
      if (parts !== null) importImages(parts.programs.ctr, folder, archive)
      else run(kind!, ['load', 'image-archive', archive, '--name', cluster])
    },
    reach: parts === null ? null : (port) => reach(folder, port),
    audit: parts === null ? null : join(folder, auditLog),
  }
}

/** A node of one's own, for tests that end it. `supervisor` is the process with which all of it ends. */
export async function startNode(
  parts: NodeParts,
): Promise<NodeCluster & { readonly supervisor: number; readonly stop: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-node-'))
  supervise('node-supervisor.ts', { folder, owner: process.pid, parts })
  const { kubeconfig, supervisor } = await running(folder)
  return {
    kubeconfig,
    supervisor,
    load: async (archive) => importImages(parts.programs.ctr, folder, archive),
    reach: (port) => reach(folder, port),
    audit: join(folder, auditLog),
    stop: async () => {
      process.kill(supervisor, 'SIGTERM')
      while (existsSync(folder)) await sleep(20)
    },
  }
}

/** Path of kind, where Docker answers. */
function findKind(): string | null {
  const kind = onPath('kind')
  return kind !== null && spawnSync('docker', ['info'], { timeout: 10_000 }).status === 0 ? kind : null
}

export async function findNodeParts(): Promise<NodeParts | Skip> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return { skip: 'a node needs Linux and root, or CONVOKE_TEST_KUBECONFIG, or Docker and kind' }
  const paths = Object.entries(tools).map(([name, from]) => ({ name, from, path: onPath(name) }))
  const missing = paths.filter(({ path }) => path === null).map(({ from }) => from)
  const plugins = pluginFolders.find((folder) => existsSync(join(folder, 'ptp')))
  if (plugins === undefined) missing.push('containernetworking-plugins')
  if (missing.length > 0) return { skip: `no ${missing.join(', no ')} (Debian's packages)` }
  // Root of a container may not be root of much.
  const namespaces = spawnSync('unshare', ['--fork', '--pid', '--mount-proc', '--mount', '--net', 'true'])
  if (namespaces.status !== 0) return { skip: 'a node needs the right to make namespaces (CAP_SYS_ADMIN)' }
  const programs = await findPrograms(nodePrograms)
  if ('skip' in programs) return programs
  return {
    programs,
    // Each is there: none is missing.
    tools: Object.fromEntries(paths.map(({ name, path }) => [name, path])) as NodeParts['tools'],
    plugins: plugins!,
  }
}

/** Also where root's programs are, which not every PATH has. */
function onPath(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null
}

function supervise(script: string, order: NodeOrder | KindOrder): void {
  const log = openSync(join(order.folder, 'supervisor.log'), 'w')
  // A group of its own: Ctrl-C would leave nobody to clean up.
  spawn(process.execPath, [join(import.meta.dirname, script), JSON.stringify(order)], {
    detached: true,
    stdio: ['ignore', log, log],
  }).unref()
}

/** What the supervisor wrote when Pods could run. */
async function running(folder: string): Promise<{ kubeconfig: string; supervisor: number; cluster: string }> {
  const [ready, failed] = [join(folder, 'server.json'), join(folder, 'failed.txt')]
  for (const until = Date.now() + nodeStartSeconds * 1000; !existsSync(ready); await sleep(50)) {
    if (existsSync(failed)) throw new Error(readFileSync(failed, 'utf8'))
    if (Date.now() > until) throw new Error(`No node within ${nodeStartSeconds} s; see ${folder}.`)
  }
  return JSON.parse(readFileSync(ready, 'utf8'))
}

/** The node's own address, and all that its Pods know of the world outside. */
export const nodeAddress = '10.0.0.1'

async function reach(folder: string, port: number): Promise<{ host: string; port: number }> {
  const path = join(folder, `port-${port}.sock`)
  // Another test file may have asked for the same.
  if (!existsSync(path)) forward({ host: '127.0.0.1', port }).listen(path).unref()
  while (!existsSync(`${path}.open`)) await sleep(20)
  return { host: nodeAddress, port }
}

/** In the node's folder. */
export const auditLog = 'audit.log'

/** In the node's folder: who is outside of its namespaces comes in by these. */
export const [containerdSocket, apiSocket] = ['containerd.sock', 'api.sock']

/** What containerd has already costs a second to find out. */
export function importImages(ctr: string, folder: string, archive: string): void {
  run(ctr, ['--address', join(folder, containerdSocket), '-n', 'k8s.io', 'images', 'import', archive])
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')} ended with ${status}: ${stderr}`)
}
