// The harness: whatever ends a node, nothing of it is left, or the next one takes it away.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { apiOf } from '../cluster/api.ts'
import { findNodeParts, type NodeParts, startNode } from '../cluster/node.ts'

const parts = await findNodeParts()
if ('skip' in parts) console.warn(`Skipped what starts a node: ${parts.skip}.`)

describe.skipIf('skip' in parts)("a node of one's own", { timeout: 120_000 }, () => {
  // The tests run only if there are.
  const own = parts as NodeParts

  /** The node's folder, processes that have it in their command line, mounts under it, and cgroups of its supervisor's. */
  const traces = (folder: string, supervisor: number): string[] => [
    ...globSync('/proc/[0-9]*/cmdline').filter((path) => read(path).includes(folder)),
    ...read('/proc/mounts')
      .split('\n')
      .filter((line) => line.includes(folder)),
    ...globSync([folder, `/sys/fs/cgroup/convoke-node-${supervisor}`, `/sys/fs/cgroup/*/convoke-node-${supervisor}`]),
  ]

  const gone = (find: () => string[]): Promise<void> =>
    vi.waitFor(() => expect(find()).toEqual([]), { timeout: 20_000, interval: 50 })

  test('leaves nothing when it is stopped', async () => {
    const node = await startNode(own)
    const folder = dirname(node.kubeconfig)
    const api = await apiOf(node.kubeconfig)
    expect(await api('GET', '/api/v1/nodes/node')).toMatchObject({ status: 200 })
    expect(traces(folder, node.supervisor)).not.toEqual([])
    await node.stop()
    await gone(() => traces(folder, node.supervisor))
  })

  test('leaves nothing soon after the process that started it was killed', async () => {
    const module = JSON.stringify(join(import.meta.dirname, '../cluster/node.ts'))
    const script = `const { startNode } = await import(${module})
      const { kubeconfig, supervisor } = await startNode(${JSON.stringify(own)})
      console.log(JSON.stringify({ kubeconfig, supervisor }))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout, 'data')
    const { kubeconfig, supervisor } = JSON.parse(String(line))
    child.kill('SIGKILL')
    await gone(() => traces(dirname(kubeconfig), supervisor))
  })

  test('ends with its supervisor, whose leavings the next one takes away', async () => {
    const killed = await startNode(own)
    const folder = dirname(killed.kubeconfig)
    process.kill(killed.supervisor, 'SIGKILL')
    await gone(() => traces(folder, killed.supervisor).filter((path) => path !== folder && !path.startsWith('/sys/')))
    const next = await startNode(own)
    expect(traces(folder, killed.supervisor)).toEqual([])
    await next.stop()
  })

  test('that does not start says how its logs end', async () => {
    // CoreDNS does not know the flags of kubelet.
    const programs = { ...own.programs, kubelet: own.programs.coredns }
    await expect(startNode({ ...own, programs })).rejects.toThrow(
      /kubelet ended with \d+.*--- the end of kubelet\.log/s,
    )
  })
})

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // A process that has just ended.
    return ''
  }
}
