import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { JobError } from './errors.ts'
import type { Ports } from './ports.ts'
import { refuseNewer } from './store-format.ts'

/** The right to write a store, held while the process lives. */
export type WriterLock = Disposable & {
  /** Throws JobError StoreBusy where another process took the store over. Call it right before each commit. */
  readonly check: () => void
}

type Holder = { readonly token: string; readonly pid: number; readonly host: string; readonly heartbeat: string }

/** A holder without a heartbeat for this long counts as dead. */
const staleAfterMs = 60_000
const heartbeatMs = 10_000

/** Takes `writer.lock` of a store, as `lockFolder` does. Throws JobError NewerStore where a newer version of convoke wrote the store. */
export function lockStore(root: string, ports: Pick<Ports, 'now'>): WriterLock {
  refuseNewer(root)
  const lock = lockFolder(root, 'writer.lock', ports)
  try {
    // The process that held the lock a moment ago may have been a newer version.
    refuseNewer(root)
    return lock
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
}

/**
 * Takes the lock of a folder, also from a dead holder: one without a heartbeat for 60 s, or whose process on this host is gone. Throws
 * JobError StoreBusy where a living process holds it.
 */
export function lockFolder(root: string, name: string, ports: Pick<Ports, 'now'>): WriterLock {
  mkdirSync(root, { recursive: true })
  const path = join(root, name)
  const own: Holder = { token: randomUUID(), pid: process.pid, host: hostname(), heartbeat: '' }
  const temporary = `${path}.${own.token}`
  const beat = () => writeFileSync(temporary, JSON.stringify({ ...own, heartbeat: ports.now().toISOString() }))
  try {
    beat()
    if (!linked(temporary, path)) {
      const holder = holderOf(path)
      if (holder !== null && isAlive(holder, ports.now())) throw busy(holder)
      removeStale(path, holder, own.token)
      if (!linked(temporary, path)) throw busy(holderOf(path))
    }
  } finally {
    rmSync(temporary, { force: true })
  }
  heldHere.add(own.token)
  const isOurs = () => holderOf(path)?.token === own.token
  const timer = setInterval(() => {
    if (!isOurs()) return
    beat()
    renameSync(temporary, path)
  }, heartbeatMs)
  timer.unref()
  const release = () => {
    clearInterval(timer)
    heldHere.delete(own.token)
    if (isOurs()) rmSync(path, { force: true })
  }
  // A process that ends without waiting for its work must not keep the next one waiting.
  process.once('exit', release)
  return {
    check: () => {
      if (!isOurs()) throw busy(holderOf(path))
    },
    [Symbol.dispose]: () => {
      process.off('exit', release)
      release()
    },
  }
}

/** Tokens of this process: after a container's restart, a process may have the same id as the one that died. */
const heldHere = new Set<string>()

function busy(holder: Holder | null): JobError {
  const who =
    holder === null
      ? 'another process'
      : `process ${holder.pid} on ${holder.host}, last heard of at ${holder.heartbeat}`
  return new JobError(
    'StoreBusy',
    `The store is being written by ${who}. Wait for it to end; one that died is replaced after 60 s.`,
  )
}

/** Creates `path` as a second name of the complete file `temporary`; false where it exists. */
function linked(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** The lock's holder; null where there is none, or where the file cannot be read. */
function holderOf(path: string): Holder | null {
  try {
    // only `lockStore` writes this file
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch {
    return null
  }
}

function isAlive(holder: Holder, now: Date): boolean {
  if (now.getTime() - Date.parse(holder.heartbeat) > staleAfterMs) return false
  if (holder.host !== hostname()) return true
  if (holder.pid === process.pid) return heldHere.has(holder.token)
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Moves the stale lock away; if somebody else has replaced it meanwhile, theirs is put back. */
function removeStale(path: string, stale: Holder | null, token: string): void {
  const aside = `${path}.${token}.stale`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (holderOf(aside)?.token !== stale?.token) linked(aside, path)
  rmSync(aside, { force: true })
}
