// The operators of a release, as somebody who looks after them sees them.
import { globSync, readFileSync } from 'node:fs'
import { fine } from '../api/convoke.ts'
import type { Api, ApiObject } from '../cluster/api.ts'

export type Operators = {
  readonly list: () => Promise<readonly Operator[]>
  /** Who leads, by the Lease: the Pod and which of its containers. Null while nobody does. */
  readonly leader: () => Promise<{ readonly pod: string; readonly identity: string } | null>
  /** Series as `/metrics` of a Pod has them, with their labels. */
  readonly metrics: (pod: string) => Promise<ReadonlyMap<string, number>>
  /** Without a chance to say goodbye. */
  readonly crash: (pod: string) => void
}

export type Operator = { readonly pod: string; readonly ready: boolean }

type Pod = ApiObject & {
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
}

export function operatorsOf(api: Api, namespace: string, release: string): Operators {
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const list = async (): Promise<readonly Operator[]> => {
    const selector = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=operator`
    const { items } = await fine(api<{ readonly items: readonly Pod[] }>('GET', `${pods}?labelSelector=${selector}`))
    return items.map(({ metadata, status }) => ({
      pod: metadata.name,
      ready: (status.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    }))
  }
  return {
    list,
    async leader() {
      type Lease = ApiObject & { readonly spec: { readonly holderIdentity?: string } }
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${release}`
      const { spec } = await fine(api<Lease>('GET', path))
      const identity = spec.holderIdentity ?? ''
      // One that was uninstalled loses its rights first, and so cannot give the Lease back.
      const found = (await list()).find(({ pod }) => identity.startsWith(`${pod}_`))
      return found ? { pod: found.pod, identity } : null
    },
    async metrics(pod) {
      const text = await fine(api<string>('GET', `${pods}/${pod}:8080/proxy/metrics`))
      const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
      return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(/\S+$/.exec(line)![0])]))
    },
    crash(pod) {
      // Of this machine, since the node is. Nobody in a container can kill its first process.
      const found = globSync('/proc/[0-9]*/environ').filter((path) => environment(path).includes(`POD_NAME=${pod}`))
      if (found.length !== 1) throw new Error(`${found.length} processes of Pod ${pod}`)
      process.kill(Number(found[0]!.split('/')[2]), 'SIGKILL')
    },
  }
}

function environment(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\0')
  } catch {
    // A process that has just ended.
    return []
  }
}
