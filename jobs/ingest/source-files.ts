import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, matchesGlob, posix, sep } from 'node:path'
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
  /** What lies there and is not read, sorted in the same way. */
  readonly passedOver: readonly PassedOver[]
  /** How many names `include` and `exclude` leave out. */
  readonly excluded: number
  /** Whether the place exists: an empty folder and a misspelt one differ only in this. */
  readonly exists: boolean
  readonly place: string
  /** A local copy; null where the file has vanished, or is no file any more. */
  readonly fetch: (name: string) => Promise<SourceFile | null>
}

export type ListedFile = Pick<StoredEntry, 'name' | 'bytes' | 'modifiedAt'>

export type PassedOver = {
  readonly name: string
  readonly reason: string
  /** Whether people expect this to be passed over: another tool's mark, not data. */
  readonly expected: boolean
}

/**
 * Opens a location: a folder, or one file of any name. In a folder, at any depth, a file counts if its name has an ending of the format,
 * or if `include` names it. Hidden files, whose own or folder's name begins with a dot or an underscore, count only if a pattern names
 * them. Files of a volume are read where they are; others are downloaded to the scratch folder.
 */
export async function openSourceFolder(dataset: DatasetPlan, ports: Ports): Promise<SourceFolder> {
  const { volume } = dataset.location
  return volume ? openVolume(dataset, volume, ports) : openRemote(dataset, ports)
}

/** Endings of file names for the format; those of tab-separated files only where tabs are asked for. */
function endingsOf({ format, csv }: DatasetPlan): { readonly pattern: RegExp; readonly words: string } {
  const of = (...endings: string[]) => ({
    pattern: new RegExp(`\\.(${endings.join('|')})(\\.(gz|gzip|zst|zstd|bz2|zip))?$`, 'i'),
    words: `.${endings.join(' or .')}`,
  })
  if (format === 'CSV') return csv?.delimiter === '\t' ? of('csv', 'txt', 'tsv', 'tab') : of('csv', 'txt')
  if (format === 'NDJSON') return of('ndjson', 'jsonl', 'json')
  return format === 'JSON' ? of('json') : { pattern: /\.parquet$/i, words: '.parquet' }
}

/** Sorts the content of a folder into what is read and what is not. `named`: the location itself names this one file. */
function sorted(
  dataset: DatasetPlan,
  entries: readonly StoredEntry[],
  named: boolean,
  now: Date,
): Pick<SourceFolder, 'files' | 'passedOver' | 'excluded'> {
  const { include, exclude = [], ready = {} } = dataset
  const endings = endingsOf(dataset)
  const names = new Set(entries.map(({ name }) => name))
  const markerOf = (name: string): string | null => {
    if (ready.marker === undefined) return null
    return ready.marker.includes('{name}')
      ? ready.marker.replaceAll('{name}', name)
      : posix.join(posix.dirname(name), ready.marker)
  }
  const markers = new Set(entries.map(({ name }) => markerOf(name)))
  const files: ListedFile[] = []
  const passedOver: PassedOver[] = []
  let excluded = 0
  for (const { name, bytes, modifiedAt, unreadable } of entries) {
    const isHidden = !named && hidden.test(name)
    const isIncluded =
      include?.some((pattern) => hidden.test(pattern) === isHidden && matchesGlob(name, pattern)) ?? false
    const isData = named || isIncluded || endings.pattern.test(name)
    const isMarker = markers.has(name)
    if (!named && !isMarker && (exclude.some((pattern) => matchesGlob(name, pattern)) || (include && !isIncluded))) {
      excluded++
      continue
    }
    const reasonOf = (): string | null => {
      if (unreadable !== null) return `is ${unreadable}`
      if (isMarker) return 'is a marker'
      if (isHidden && !isIncluded) return 'is hidden, its name begins with a dot or an underscore'
      if (!isData)
        return `does not end in ${endings.words}${dataset.format === 'CSV' && /\.(tsv|tab)/i.test(name) ? '; for tabs set csv.delimiter to "\\t"' : ''}`
      if (bytes === 0) return 'is empty'
      const marker = markerOf(name)
      if (marker !== null && !names.has(marker)) return `waits for its marker ${marker}`
      const { minAgeSeconds } = ready
      return minAgeSeconds !== undefined && now.getTime() - modifiedAt.getTime() < minAgeSeconds * 1000
        ? `was changed less than ${minAgeSeconds} s ago`
        : null
    }
    const reason = reasonOf()
    if (reason === null) files.push({ name, bytes, modifiedAt })
    else passedOver.push({ name, reason, expected: isMarker || (isHidden && !endings.pattern.test(name)) })
  }
  return { files, passedOver, excluded }
}

const hidden = /(^|\/)[._]/

/** The values in the names of a file's folders; null where one of the keys is missing. */
function partitionsOf({ partitions = [] }: DatasetPlan, name: string): Readonly<Record<string, string | null>> | null {
  const said = new Map<string, string | null>()
  for (const part of name.split('/').slice(0, -1)) {
    const at = part.indexOf('=')
    if (at > 0) said.set(part.slice(0, at), unescaped(part.slice(at + 1)))
  }
  if (partitions.some((key) => !said.has(key))) return null
  return Object.fromEntries(partitions.map((key) => [key, said.get(key) ?? null]))
}

/** A partition's value, unescaped as Hive writes it. */
function unescaped(value: string): string | null {
  if (value === '__HIVE_DEFAULT_PARTITION__' || value === '') return null
  return value.replace(/(%[0-9A-Fa-f]{2})+/g, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString())
}

/** Throws JobError UnreadableFile where a folder is missing that is to be a column. */
async function sourceFile(dataset: DatasetPlan, name: string, path: string): Promise<SourceFile> {
  const partitions = partitionsOf(dataset, name)
  if (partitions === null)
    throw new JobError(
      'UnreadableFile',
      `it lies in no folder ${dataset.partitions?.map((key) => `${key}=…`).join('/')}, which partitions asks for. Put it there.`,
    )
  const file = { name, path, sha256: await sha256OfFile(path) }
  return dataset.partitions ? { ...file, partitions } : file
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
    ...sorted(dataset, entries, !isFolder, ports.now()),
    exists: found !== null,
    place,
    fetch: async (name) => {
      const real = await realpath(join(folder, name)).catch(nullIfMissing)
      if (real === null || !isInside(real) || !(await stat(real)).isFile()) return null
      return sourceFile(dataset, name, real)
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
      // There is no such folder: the location may be a file.
      await store.close()
      store = await openLandingStore(file.folder, ports)
      const found = await store.stat(file.name)
      entries = found === null ? null : [{ name: file.name, ...found, unreadable: null }]
    }
    let copies = 0
    return {
      ...sorted(dataset, entries ?? [], file !== null, ports.now()),
      exists: entries !== null,
      place,
      fetch: async (name) => {
        const path = join(ports.scratch, `source-${++copies}`)
        return (await store.get(name, path)) ? sourceFile(dataset, name, path) : null
      },
      [Symbol.asyncDispose]: () => store.close(),
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The folder and the file name of a location; null where the location is the root of a store. */
function splitFile(location: DatasetLocation): { readonly folder: DatasetLocation; readonly name: string } | null {
  const path = folderOf(location).replace(/\/+$/, '')
  const name = posix.basename(path)
  if (name === '' || name === '.' || name === '..') return null
  return { folder: inFolder(location, path.slice(0, -name.length)), name }
}
