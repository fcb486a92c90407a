import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, posix, sep } from 'node:path'
import { type DatasetLocation, type DatasetPlan, folderOf, inFolder, type PlaceOf, visible } from '#crds'
import { sha256OfFile } from '../digest.ts'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import { openLandingStore } from '../stores/index.ts'
import type { StoredEntry } from '../stores/landing-store.ts'
import { nullIfMissing, walkFolder } from '../stores/volume.ts'
import type { SourceFile } from './normalize.ts'

/** What lies at a Dataset's location. */
export type SourceFolder = AsyncDisposable & {
  /** The files to read, sorted by code unit. */
  readonly files: readonly ListedFile[]
  /** What lies there and is not read, sorted likewise. */
  readonly passedOver: readonly PassedOver[]
  /** Whether the place exists; an empty folder and a misspelt one differ in this only. */
  readonly exists: boolean
  readonly place: string
  /** A local copy, or null where the file vanished or is no file any more. */
  readonly fetch: (name: string) => Promise<SourceFile | null>
}

export type ListedFile = Pick<StoredEntry, 'name' | 'bytes' | 'modifiedAt'>

export type PassedOver = {
  readonly name: string
  readonly reason: string
  /** Whether people expect it to be passed over: a mark of another tool, not data. */
  readonly expected: boolean
}

/**
 * A location is a folder, of which every file with an ending of the format counts, at any depth (hidden ones do not, whose own name or a
 * folder's begins with a dot or an underscore), or one file of any name. Files of a volume are read where they are, others are downloaded
 * to the scratch folder.
 */
export async function openSourceFolder(dataset: DatasetPlan, ports: Ports): Promise<SourceFolder> {
  const { volume } = dataset.location
  return volume ? openVolume(dataset, volume, ports) : openRemote(dataset, ports)
}

const endings = {
  CSV: /\.(csv|txt)(\.gz)?$/i,
  NDJSON: /\.(ndjson|jsonl|json)(\.gz)?$/i,
  Parquet: /\.parquet$/i,
} as const satisfies Record<DatasetPlan['format'], RegExp>

const endingWords = {
  CSV: '.csv or .txt',
  NDJSON: '.ndjson, .jsonl or .json',
  Parquet: '.parquet',
} as const satisfies Record<DatasetPlan['format'], string>

/** Sorts what lies in a folder into what is read and what is not. `named`: it is one file that the location names itself. */
function sorted(
  { format }: DatasetPlan,
  entries: readonly StoredEntry[],
  named: boolean,
): Pick<SourceFolder, 'files' | 'passedOver'> {
  const files: ListedFile[] = []
  const passedOver: PassedOver[] = []
  for (const entry of entries) {
    const { name, bytes, modifiedAt, unreadable } = entry
    const isData = named || endings[format].test(name)
    const isHidden = !named && /(^|\/)[._]/.test(name)
    const reason =
      unreadable !== null
        ? `is ${unreadable}`
        : isHidden
          ? 'is hidden, its name begins with a dot or an underscore'
          : !isData
            ? `does not end in ${endingWords[format]}`
            : bytes === 0
              ? 'is empty'
              : null
    if (reason === null) files.push({ name, bytes, modifiedAt })
    else passedOver.push({ name, reason, expected: isHidden && !isData })
  }
  return { files, passedOver }
}

async function openVolume(
  dataset: DatasetPlan,
  { claimName, path = '' }: PlaceOf<'volume'>,
  ports: Ports,
): Promise<SourceFolder> {
  const claim = await realpath(ports.claim(claimName))
  const base = join(claim, path)
  const place = `volume ${claimName}${path === '' ? '' : `/${path}`}`
  const isInside = (real: string) => real === claim || real.startsWith(claim + sep)
  const found = await stat(base).catch(nullIfMissing)
  if (found !== null && !isInside(await realpath(base)))
    throw new JobError(
      'InvalidPlan',
      `Dataset ${dataset.name}: its path ${visible(path)} leads out of the volume ${claimName}. Remove the link.`,
    )
  const isFolder = found?.isDirectory() ?? false
  const folder = isFolder ? base : dirname(base)
  const entries = isFolder
    ? ((await walkFolder(base, claim)) ?? [])
    : found === null
      ? []
      : [
          {
            name: basename(base),
            bytes: found.size,
            modifiedAt: found.mtime,
            unreadable: found.isFile() ? null : 'no regular file',
          },
        ]
  return {
    ...sorted(dataset, entries, !isFolder),
    exists: found !== null,
    place,
    fetch: async (name) => {
      const real = await realpath(join(folder, name)).catch(nullIfMissing)
      if (real === null || !isInside(real) || !(await stat(real)).isFile()) return null
      return { name, path: real, sha256: await sha256OfFile(real) }
    },
    async [Symbol.asyncDispose]() {},
  }
}

async function openRemote(dataset: DatasetPlan, ports: Ports): Promise<SourceFolder> {
  const { location } = dataset
  let store = await openLandingStore(location, ports)
  try {
    const { place } = store
    let entries = await store.walk()
    const file = entries === null ? splitFile(location) : null
    if (file !== null) {
      // No folder is called so: it may be a file.
      await store.close()
      store = await openLandingStore(file.folder, ports)
      const found = await store.stat(file.name)
      entries = found === null ? null : [{ name: file.name, ...found, unreadable: null }]
    }
    let copies = 0
    return {
      ...sorted(dataset, entries ?? [], file !== null),
      exists: entries !== null,
      place,
      fetch: async (name) => {
        const path = join(ports.scratch, `source-${++copies}`)
        return (await store.get(name, path)) ? { name, path, sha256: await sha256OfFile(path) } : null
      },
      [Symbol.asyncDispose]: () => store.close(),
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The folder and the name of what a location leads to; null where it leads to the root of a store. */
function splitFile(location: DatasetLocation): { readonly folder: DatasetLocation; readonly name: string } | null {
  const path = folderOf(location).replace(/\/+$/, '')
  const name = posix.basename(path)
  if (name === '' || name === '.' || name === '..') return null
  return { folder: inFolder(location, path.slice(0, -name.length)), name }
}
