import { createHash } from 'node:crypto'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'

export type StoredFile = { readonly bytes: number; readonly modifiedAt: Date }

/** Something that lies in a store. `unreadable` says what it is where `get` cannot give it as a file: `a named pipe`. */
export type StoredEntry = StoredFile & { readonly name: string; readonly unreadable: string | null }

/**
 * A folder of files in a Location. Names are relative to it; `/` separates folders. A reader sees a whole file under its name, or none; a
 * file that is still being written is never listed. Every method throws JobError LocationUnavailable once its retries are used up.
 */
export type LandingStore = {
  /** For messages: `s3://bucket/prefix`. */
  readonly place: string
  /** Replaces `name` atomically with the content of a local file, which is on disk (or in the service) when the promise resolves. */
  put(name: string, localPath: string): Promise<void>
  /** Names in the prefix's own folder that begin with `prefix`, sorted by code unit. */
  list(prefix: string): Promise<readonly string[]>
  /**
   * Everything in the store's folder and below, sorted by code unit, without folders and files still being written. A link to a file
   * within the store is that file; no other link is followed. null where there is no such folder.
   */
  walk(): Promise<readonly StoredEntry[] | null>
  /** Downloads to a local file; false where there is no such name. */
  get(name: string, localPath: string): Promise<boolean>
  /** null where there is no such name. */
  stat(name: string): Promise<StoredFile | null>
  /** Removes a file; nothing happens where there is none. */
  remove(name: string): Promise<void>
  close(): Promise<void>
}

function staysInside(name: string): boolean {
  return name !== '' && !name.includes('\0') && !name.split('/').some((part) => ['', '.', '..'].includes(part))
}

/** An entry of a store that keeps names and has no folders. */
export function objectEntry(name: string, { bytes, modifiedAt }: StoredFile): StoredEntry {
  return { name, bytes, modifiedAt, unreadable: staysInside(name) ? null : 'a name that is no path' }
}

export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

/** A name that stays inside its folder, unchanged; throws on one that would leave it. */
export function safeName(name: string, place: string): string {
  if (!staysInside(name)) {
    throw new JobError(
      'InvalidPlan',
      `${JSON.stringify(name)} is no file name inside ${place}: it may not be empty, absolute or hold \`..\`.`,
    )
  }
  return name
}

/** Splits `a/b/na` into the folder `a/b/` and the beginning of a name in it, `na`. Throws where that would leave the store. */
export function splitPrefix(prefix: string, place: string): { readonly folder: string; readonly start: string } {
  const end = prefix.lastIndexOf('/') + 1
  const folder = prefix.slice(0, end)
  if (folder !== '') safeName(folder.slice(0, -1), place)
  return { folder, start: prefix.slice(end) }
}

/** Name prefix of files that are still being written, short enough that a long name has room. */
export const temporaryPrefix = '.convoke-'

/** How the parts of a file begin that are still being written under other names. */
export function partsOf(name: string): string {
  return `${temporaryPrefix}${createHash('sha256').update(name).digest('hex').slice(0, 16)}-`
}

/** Listing a folder costs more than writing a file into it. */
const listingMs = 5000

/**
 * Finds the unfinished parts in a folder that begin in some way. An earlier attempt that was killed left them; one that still runs loses its
 * right to publish. `list` gives all names in the folder, and is asked once in a while.
 */
export function unfinishedParts(): (
  folder: string,
  start: string,
  list: () => Promise<readonly string[]>,
) => Promise<readonly string[]> {
  const listings = new Map<string, { readonly parts: readonly string[]; readonly atMs: number }>()
  return async (folder, start, list) => {
    let found = listings.get(folder)
    if (found === undefined || performance.now() - found.atMs > listingMs) {
      const atMs = performance.now()
      found = { parts: (await list()).filter((name) => name.startsWith(temporaryPrefix)), atMs }
      listings.set(folder, found)
    }
    return found.parts.filter((name) => name.startsWith(start))
  }
}

/** The value of a secret's key that may be absent. */
export function optionalSecret(ports: Ports, name: string | undefined, key: string): string | undefined {
  if (name === undefined) return undefined
  try {
    return ports.secret(name, key)
  } catch (error) {
    if (error instanceof JobError && error.reason === 'MissingSecret') return undefined
    throw error
  }
}
