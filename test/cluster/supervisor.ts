// A process of its own that runs a control plane for as long as its owner lives, however that ends: `node supervisor.ts ORDER`.
// On SIGUSR2 the API server is killed and started anew. It writes server.json into the folder when the API server is ready, or failed.txt with the ends of the logs; at the end it removes the folder.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { childrenIn, publish } from './children.ts'
import { type ControlPlanePrograms, onLoopback, startControlPlane } from './control-plane.ts'
import { isAlive } from './process.ts'

export type Order = {
  readonly folder: string
  /** Process id. */
  readonly owner: number
  readonly programs: ControlPlanePrograms
}

const order: Order = JSON.parse(process.argv[2]!)
const children = childrenIn(order.folder)

process.on('SIGTERM', end)
process.on('SIGUSR2', () => void children.restart('kube-apiserver'))
process.on('uncaughtException', children.fail)
setInterval(() => {
  if (!isAlive(order.owner)) end()
}, 200)
onLoopback()
  .then((place) => startControlPlane(children, order.programs, place))
  .then(
    (server) => publish(join(order.folder, 'server.json'), JSON.stringify({ ...server, supervisor: process.pid })),
    children.fail,
  )

async function end(): Promise<never> {
  await children.end()
  rmSync(order.folder, { recursive: true, force: true, maxRetries: 10 })
  process.exit()
}
