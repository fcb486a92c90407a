// A process of its own that keeps a cluster of kind for as long as its owner lives, however that ends: `node kind-supervisor.ts ORDER`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { childrenIn, publish } from './children.ts'
import { isAlive } from './process.ts'

export type KindOrder = {
  readonly folder: string
  /** Process id. */
  readonly owner: number
  /** Path of the program. */
  readonly kind: string
}

const { folder, owner, kind: program }: KindOrder = JSON.parse(process.argv[2]!)
const children = childrenIn(folder)
const cluster = `convoke-test-${process.pid}`
const kubeconfig = join(folder, 'kubeconfig')
let ending: Promise<void> | null = null

process.on('SIGTERM', () => (ending ??= end()))
process.on('uncaughtException', children.fail)
setInterval(() => {
  if (!isAlive(owner)) ending ??= end()
}, 200)
const created = kind('create', 'cluster', '--wait', '180s')
created.then(
  () => publish(join(folder, 'server.json'), JSON.stringify({ kubeconfig, supervisor: process.pid, cluster })),
  children.fail,
)

async function kind(...args: readonly string[]): Promise<void> {
  const child = spawn(program, [...args, '--name', cluster, '--kubeconfig', kubeconfig], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`kind ${args.join(' ')} ended with ${code}; see ${join(folder, 'supervisor.log')}`)
}

async function end(): Promise<void> {
  // Half a cluster is not deleted whole.
  await created.catch(() => null)
  await kind('delete', 'cluster')
  rmSync(folder, { recursive: true, force: true })
  process.exit()
}
