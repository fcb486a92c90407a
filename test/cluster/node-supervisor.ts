// A process of its own that keeps a node for as long as its owner lives, however that ends: `node node-supervisor.ts ORDER`. The node's processes are
// in namespaces of their own (processes, mounts, network), whose first process is killed with this one. With it the kernel ends all the others and
// takes back mounts, interfaces, routes and iptables' rules; what is left are a folder and empty cgroups. The network of the node leads nowhere: tests
// reach its API server by a socket in the folder, and through it its Pods.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { childrenIn, publish, read } from './children.ts'
import { type ControlPlane, writeKubeconfig } from './control-plane.ts'
import { forward } from './forward.ts'
import { apiSocket, type NodeParts } from './node.ts'
import type { InitOrder } from './node-init.ts'
import { isAlive } from './process.ts'

export type NodeOrder = {
  readonly folder: string
  /** Process id. */
  readonly owner: number
  readonly parts: NodeParts
}

const order: NodeOrder = JSON.parse(process.argv[2]!)
const { folder, parts } = order
const children = childrenIn(folder)
const cgroup = `convoke-node-${process.pid}`

sweep()
writeFileSync(join(folder, 'supervisor.pid'), String(process.pid))
// A shell is the first process: it takes in the orphans that containerd's shims become.
const namespaces = spawn(
  'setpriv',
  [
    ['--pdeathsig', 'KILL', parts.tools.unshare, '--fork', '--kill-child', '--pid', '--mount-proc', '--mount', '--net'],
    ['sh', '-c', '"$@" & wait $!', 'sh', process.execPath, join(import.meta.dirname, 'node-init.ts')],
    [JSON.stringify({ folder, parts, cgroup } satisfies InitOrder)],
  ].flat(),
  { stdio: 'inherit' },
)
namespaces.on('exit', () => {
  if (!existsSync(join(folder, 'failed.txt'))) children.fail(`The node ended:\n${read(join(folder, 'supervisor.log'))}`)
})
process.on('SIGTERM', end)
process.on('uncaughtException', children.fail)
setInterval(() => {
  if (!isAlive(order.owner)) end()
}, 200)
start()

async function start(): Promise<void> {
  const door = forward({ path: join(folder, apiSocket) }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  const address = door.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const started = join(folder, 'inside.json')
  while (!existsSync(started)) await sleep(50)
  const inside: ControlPlane = JSON.parse(readFileSync(started, 'utf8'))
  const kubeconfig = join(folder, 'kubeconfig-outside')
  // The API server's certificate is for this name too.
  writeKubeconfig(kubeconfig, { ...inside, url: `https://localhost:${port}` })
  publish(join(folder, 'server.json'), JSON.stringify({ kubeconfig, supervisor: process.pid }))
}

/** What those left that were killed themselves. */
function sweep(): void {
  for (const path of globSync(join(tmpdir(), 'convoke-node-*', 'supervisor.pid'))) {
    const pid = Number(read(path))
    if (isAlive(pid)) continue
    removeCgroups(`convoke-node-${pid}`)
    rmSync(dirname(path), { recursive: true, force: true, maxRetries: 10 })
  }
}

async function end(): Promise<never> {
  if (namespaces.exitCode === null && namespaces.signalCode === null) {
    const ended = once(namespaces, 'exit')
    // By the kernel's word all that was in the namespace is gone before its first process is.
    const first = read(`/proc/${namespaces.pid}/task/${namespaces.pid}/children`)?.trim()
    process.kill(first ? Number(first) : namespaces.pid!, 'SIGKILL')
    await ended
  }
  removeCgroups(cgroup)
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  process.exit()
}

/** Of every hierarchy of version 1, or of the one of version 2. They are empty. */
function removeCgroups(name: string): void {
  for (const root of globSync([`/sys/fs/cgroup/${name}`, `/sys/fs/cgroup/*/${name}`])) {
    const nested = globSync(`${root}/**/`).sort().reverse()
    for (const path of nested) rmdirSync(path)
  }
}
