import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { inputOf, openWorkspace, orders, planOf } from './workspace.ts'

/** A small file system of its own, where this machine lets us make one. */
const folder = mkdtempSync(join(tmpdir(), 'convoke-full-'))
mkdirSync(join(folder, 'store'))
const canMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', join(folder, 'store')]).status === 0

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.skipIf(!canMount)('a full disk is told as such, and readers keep the version they had', async () => {
  await using workspace = await openWorkspace(folder)
  // Unmounted before the workspace is removed.
  using _mounted = { [Symbol.dispose]: () => spawnSync('umount', ['-l', join(folder, 'store')]) }
  const context = { plan: planOf([orders]), input: inputOf('2026-01-10T00:00:00Z'), ports: workspace.ports }
  workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01"}\n')
  expect(await ingest(context)).toMatchObject({ outcome: 'Succeeded' })
  const before = readFileSync(join(workspace.root, 'data.json'), 'utf8')
  const random = () => Math.random().toString(36).slice(2)
  const lines = Array.from(
    { length: 60_000 },
    () => `{"customer":"${random()}","at":"2026-01-01","type":"${random()}"}\n`,
  )
  workspace.land('orders/b.ndjson', lines.join(''))
  expect(await ingest(context)).toMatchObject({ outcome: 'Failed', error: { reason: 'DiskFull', retryable: true } })
  expect(readFileSync(join(workspace.root, 'data.json'), 'utf8')).toBe(before)
  workspace.land('orders/b.ndjson', lines.slice(0, 100).join(''))
  expect(await ingest(context)).toMatchObject({ outcome: 'Succeeded', totals: { events: 101 } })
})
