import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lockStore } from '../../jobs/writer-lock.ts'

const now = new Date('2026-01-10T00:00:00Z')
const ports = { now: () => now }
const deadPid = spawnSync(process.execPath, ['-e', '']).pid
let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'convoke-lock-'))
})
afterEach(() => rmSync(root, { recursive: true }))

describe('a store whose lock', () => {
  test.each<[string, { readonly host: string; readonly pid: number; readonly secondsAgo: number }, 'busy' | 'taken']>([
    ['a living process on this host holds is busy', { host: hostname(), pid: process.ppid, secondsAgo: 5 }, 'busy'],
    ['a dead process on this host held is taken over', { host: hostname(), pid: deadPid, secondsAgo: 5 }, 'taken'],
    [
      'an earlier process of this number held is taken over',
      { host: hostname(), pid: process.pid, secondsAgo: 5 },
      'taken',
    ],
    ['another host holds is busy', { host: 'elsewhere', pid: 1, secondsAgo: 59 }, 'busy'],
    ['another host has not renewed for a minute is taken over', { host: 'elsewhere', pid: 1, secondsAgo: 61 }, 'taken'],
    [
      'a stopped process on this host has not renewed is taken over',
      { host: hostname(), pid: process.ppid, secondsAgo: 61 },
      'taken',
    ],
  ])('%s', (_case, { host, pid, secondsAgo }, expected) => {
    const heartbeat = new Date(now.getTime() - secondsAgo * 1000).toISOString()
    writeFileSync(join(root, 'writer.lock'), JSON.stringify({ token: 'other', host, pid, heartbeat }))
    if (expected === 'busy') {
      expect(() => lockStore(root, ports)).toThrow(expect.objectContaining({ reason: 'StoreBusy' }))
      expect(readFileSync(join(root, 'writer.lock'), 'utf8')).toContain('"other"')
    } else {
      using lock = lockStore(root, ports)
      expect(lock.check).not.toThrow()
      expect(readFileSync(join(root, 'writer.lock'), 'utf8')).not.toContain('"other"')
    }
    expect(readdirSync(root)).toEqual(expected === 'busy' ? ['writer.lock'] : [])
  })

  test('this process holds is busy for a second writer in it, and free afterwards', () => {
    {
      using _lock = lockStore(root, ports)
      expect(() => lockStore(root, ports)).toThrow(expect.objectContaining({ reason: 'StoreBusy' }))
    }
    using again = lockStore(root, ports)
    expect(again.check).not.toThrow()
  })

  test('was lost to somebody else may no longer commit, and is left to them', () => {
    const lock = lockStore(root, ports)
    writeFileSync(
      join(root, 'writer.lock'),
      JSON.stringify({ token: 'other', host: 'elsewhere', pid: 1, heartbeat: now.toISOString() }),
    )
    expect(lock.check).toThrow(expect.objectContaining({ reason: 'StoreBusy' }))
    lock[Symbol.dispose]()
    expect(readdirSync(root)).toEqual(['writer.lock'])
  })
})
