// One cluster, and who sees and plays in it whatever many namespaces live there.
import type { Transport } from '../../operator/kernel/transport.ts'
import { type Api, fineApi } from './api.ts'
import { type Observer, observe } from './observer.ts'
import { type Behaviour, play } from './player.ts'

export type World = {
  readonly kubeconfig: string
  readonly transport: Transport
  readonly api: Api
  readonly observer: Observer
  /** By namespace, what its Jobs do; absent of those that are somebody else's. */
  readonly behaviours: Map<string, Behaviour>
  /** How many times as fast as real time an operator can live here: its shortest deadlines have to leave the API server time to answer. */
  readonly speed: (stands: boolean) => number
  readonly stop: () => Promise<void>
}

const fastest = 20
/** An exchange has to be over within 2 s where a Lease is at stake, else within 30; some take ten times as long as the mean. */
const [leaseMs, otherMs] = [200, 1500]

/** `plays`: Jobs and Pods, or Pods alone. */
export async function openWorld(kubeconfig: string, transport: Transport, plays = play): Promise<World> {
  const behaviours = new Map<string, Behaviour>()
  const isOurs = (namespace: string): boolean => behaviours.has(namespace)
  const observer = await observe(transport, isOurs)
  const player = await plays(transport, (work) => behaviours.get(work.namespace)!(work), isOurs)
  const fine = fineApi(transport)
  let latencyMs = 100
  return {
    kubeconfig,
    transport,
    async api(method, path, body) {
      const askedMs = performance.now()
      try {
        return await fine(method, path, body)
      } finally {
        latencyMs += (performance.now() - askedMs - latencyMs) / 20
      }
    },
    observer,
    behaviours,
    speed: (stands) => Math.min(fastest, Math.max(2, (stands ? leaseMs : otherMs) / latencyMs)),
    async stop() {
      await player.stop()
      await observer.stop()
    },
  }
}
