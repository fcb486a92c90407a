// The harness: whatever ends a test, nothing of its cluster is left.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { apiOf } from '../cluster/api.ts'
import { type ApiServer, startApiServer } from '../cluster/api-server.ts'
import { type Binaries, findBinaries } from '../cluster/binaries.ts'

const binaries = await findBinaries()
if ('skip' in binaries) console.warn(`Skipped what starts an API server: ${binaries.skip}.`)

describe.skipIf('skip' in binaries)("an API server of one's own", () => {
  // The tests run only if there are.
  const own = binaries as Binaries

  test('answers as the version it was built from, and is gone when it is stopped', async () => {
    const server = await startApiServer(own)
    const api = await apiOf(server.kubeconfig)
    const version = /k8s\.io\/kubernetes (v\S+)/.exec(
      readFileSync(join(import.meta.dirname, '../cluster/go.mod'), 'utf8'),
    )
    const { body } = await api<{ readonly gitVersion: string }>('GET', '/version')
    if (process.env['KUBEBUILDER_ASSETS'] === undefined) expect(body.gitVersion).toBe(version?.[1])
    await server.stop()
    await expect(api('GET', '/version')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|socket hang up/)
    expect(existsSync(dirname(server.kubeconfig))).toBe(false)
  })

  test('is gone soon after the process that started it was killed', async () => {
    const module = JSON.stringify(join(import.meta.dirname, '../cluster/api-server.ts'))
    const script = `const { startApiServer } = await import(${module})
      console.log(JSON.stringify(await startApiServer(${JSON.stringify(own)})))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout, 'data')
    const server: ApiServer = JSON.parse(String(line))
    const api = await apiOf(server.kubeconfig)
    expect(await api('GET', '/readyz')).toMatchObject({ status: 200 })
    child.kill('SIGKILL')
    for (let tries = 0; existsSync(dirname(server.kubeconfig)) && tries < 100; tries++) await sleep(50)
    expect(existsSync(dirname(server.kubeconfig))).toBe(false)
    await expect(api('GET', '/readyz')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|socket hang up/)
  })

  test('that does not start says how its logs end', async () => {
    // etcd does not know the flags of kube-apiserver.
    await expect(startApiServer({ ...own, 'kube-apiserver': own.etcd })).rejects.toThrow(
      /kube-apiserver ended with \d+.*--- the end of kube-apiserver\.log:\n.*etcd-servers/s,
    )
    await expect(startApiServer({ ...own, etcd: '/nowhere/etcd' })).rejects.toThrow(/ENOENT/)
  })
})
