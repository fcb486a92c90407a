import { randomBytes } from 'node:crypto'
import { constants, type Dirent, type Stats } from 'node:fs'
import { copyFile, lstat, mkdir, open, readdir, realpath, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import type { PlaceOf } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import {
  byName,
  type LandingStore,
  partsOf,
  type StoredEntry,
  safeName,
  splitPrefix,
  temporaryPrefix,
  unfinishedParts,
} from './landing-store.ts'

export async function openVolume({ claimName, path }: PlaceOf<'volume'>, ports: Ports): Promise<LandingStore> {
  const place = `volume ${claimName}${path === undefined ? '' : `/${path}`}`
  const claim = await realpath(ports.claim(claimName))
  const root =
    path === undefined || path === '' ? claim : join(claim, safeName(path.replace(/\/+$/, ''), `volume ${claimName}`))

  /** Where a name lies, with links resolved. Throws when that is outside the claim. */
  const pathOf = async (name: string): Promise<string> => {
    const full = join(root, safeName(name, place))
    let existing = full
    let real = await realOrNull(existing)
    while (real === null) {
      existing = dirname(existing)
      real = await realOrNull(existing)
    }
    if (!isInside(real, claim)) {
      throw new JobError('InvalidPlan', `${name} in ${place} leads out of the claim, to ${real}. Remove the link.`)
    }
    return full
  }

  const unfinished = unfinishedParts()
  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw error instanceof JobError ? error : volumeFault(error, what, place)
    }
  }

  return {
    place,
    put: (name, localPath) =>
      guarded(`write ${name}`, async () => {
        const target = await pathOf(name)
        const folder = dirname(target)
        await mkdir(folder, { recursive: true })
        const own = partsOf(basename(target))
        for (const entry of await unfinished(folder, own, () => readdir(folder)))
          await unlink(join(folder, entry)).catch(ignoreMissing)
        const temporary = join(folder, `${own}${randomBytes(6).toString('hex')}`)
        await copyFile(localPath, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
        await flush(temporary)
        await rename(temporary, target)
        await flush(folder)
      }),
    list: (prefix) =>
      guarded(`list ${prefix || 'files'}`, async () => {
        const { folder, start } = splitPrefix(prefix, place)
        const entries = await readdir(folder === '' ? root : await pathOf(folder.slice(0, -1)), {
          withFileTypes: true,
        }).catch(emptyIfMissing)
        return entries
          .filter(
            (entry) => !entry.isDirectory() && entry.name.startsWith(start) && !entry.name.startsWith(temporaryPrefix),
          )
          .map((entry) => folder + entry.name)
          .sort()
      }),
    walk: () => guarded('list files', () => walkFolder(root, claim)),
    get: (name, localPath) =>
      guarded(`read ${name}`, async () => {
        try {
          await copyFile(await pathOf(name), localPath, constants.COPYFILE_FICLONE)
          return true
        } catch (error) {
          if (isMissing(error)) return false
          throw error
        }
      }),
    stat: (name) =>
      guarded(`look at ${name}`, async () => {
        try {
          const found = await stat(await pathOf(name))
          return found.isFile() ? { bytes: found.size, modifiedAt: found.mtime } : null
        } catch (error) {
          if (isMissing(error)) return null
          throw error
        }
      }),
    remove: (name) =>
      guarded(`remove ${name}`, async () => {
        const target = await pathOf(name)
        await unlink(target).catch(ignoreMissing)
      }),
    close: async () => {},
  }
}

/** See LandingStore's `walk`; links may not leave `claim`. */
export async function walkFolder(root: string, claim: string): Promise<readonly StoredEntry[] | null> {
  const found: StoredEntry[] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: Dirent[]
    try {
      entries = await readdir(join(root, folder), { withFileTypes: true })
    } catch (error) {
      if (folder === '') {
        if (isMissing(error)) return null
        throw error
      }
      if (!isMissing(error)) found.push({ name: folder, ...nothing, unreadable: 'a folder that may not be read' })
      continue
    }
    for (const entry of entries) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) folders.push(name)
      else if (!entry.name.startsWith(temporaryPrefix)) {
        const known = await entryOf(root, claim, name)
        if (known !== null) found.push(known)
      }
    }
  }
  return found.sort(byName)
}

const nothing = { bytes: 0, modifiedAt: new Date(0) }

/** null where the entry has vanished meanwhile. */
async function entryOf(root: string, claim: string, name: string): Promise<StoredEntry | null> {
  const path = join(root, name)
  const own = await lstat(path).catch(nullIfMissing)
  // Bytes that are no UTF-8 become this character, and the file cannot be found by it.
  if (own === null) return name.includes('\uFFFD') ? { name, ...nothing, unreadable: 'a name that is no UTF-8' } : null
  const entry = { name, bytes: own.size, modifiedAt: own.mtime }
  if (!own.isSymbolicLink()) return { ...entry, unreadable: own.isFile() ? null : kindOf(own) }
  const real = await realpath(path).catch(() => null)
  if (real === null) return { ...entry, unreadable: 'a link that leads nowhere' }
  if (!isInside(real, claim)) return { ...entry, unreadable: 'a link out of the claim' }
  const target = await stat(path).catch(nullIfMissing)
  if (target === null) return { ...entry, unreadable: 'a link that leads nowhere' }
  return {
    name,
    bytes: target.size,
    modifiedAt: target.mtime,
    unreadable: target.isFile() ? null : `a link to ${kindOf(target)}`,
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a named pipe'
  if (stats.isSocket()) return 'a socket'
  return 'a device'
}

function isInside(real: string, claim: string): boolean {
  return real === claim || real.startsWith(claim + sep)
}

async function realOrNull(path: string): Promise<string | null> {
  try {
    return await realpath(path)
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}

export function nullIfMissing(error: unknown): null {
  ignoreMissing(error)
  return null
}

function emptyIfMissing(error: unknown): [] {
  ignoreMissing(error)
  return []
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function volumeFault(error: unknown, what: string, place: string): JobError {
  const code = codeOf(error)
  const said = error instanceof Error ? error.message : String(error)
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new JobError(
        'DiskFull',
        `Cannot ${what} in ${place}: no space is left. Enlarge the claim or remove old files.`,
        error,
      )
    case 'ENAMETOOLONG':
      return new JobError(
        'InvalidPlan',
        `Cannot ${what} in ${place}: the name is longer than the file system allows (255 bytes). Shorten the Destination's nameTemplate.`,
        error,
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new JobError(
        'LocationUnavailable',
        `Cannot ${what} in ${place}: ${said}. Give the job's user access to the claim (fsGroup).`,
        error,
      )
    default:
      return new JobError('LocationUnavailable', `Cannot ${what} in ${place}: ${said}.`, error)
  }
}
