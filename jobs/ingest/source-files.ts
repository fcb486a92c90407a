import { readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { type DatasetLocation, type DatasetPlan, folderOf, inFolder, type PlaceOf } from '#crds'
import { sha256OfFile } from '../digest.ts'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import { openLandingStore } from '../stores/index.ts'
import type { SourceFile } from './normalize.ts'

/** Files of a Dataset's location; `fetch` gives a local copy, or null where the file vanished meanwhile. */
export type SourceFolder = AsyncDisposable & {
  /** Sorted by code unit. */
  readonly names: readonly string[]
  /** Whether the place exists; an empty folder and a misspelt one differ in this only. */
  readonly exists: boolean
  readonly place: string
  readonly fetch: (name: string) => Promise<SourceFile | null>
}

/**
 * A location is a folder, of which every file with an extension of the format counts (folders in it do not, nor names that begin with a
 * dot or an underscore), or one file of any name. Files of a volume are read where they are, others are downloaded to the scratch folder.
 */
export async function openSourceFolder(dataset: DatasetPlan, ports: Ports): Promise<SourceFolder> {
  const { volume } = dataset.location
  return volume ? openVolume(dataset, volume, ports) : openRemote(dataset, ports)
}

const extensions = {
  CSV: /\.(csv|txt)(\.gz)?$/i,
  NDJSON: /\.(ndjson|jsonl|json)(\.gz)?$/i,
  Parquet: /\.parquet$/i,
} as const satisfies Record<DatasetPlan['format'], RegExp>

function isData(format: DatasetPlan['format'], name: string): boolean {
  return extensions[format].test(name) && !/^[._]/.test(name)
}

async function openVolume(
  { name: dataset, format }: DatasetPlan,
  { claimName, path = '' }: PlaceOf<'volume'>,
  ports: Ports,
): Promise<SourceFolder> {
  const claim = await realpath(ports.claim(claimName))
  const base = join(claim, path)
  const place = `volume ${claimName}${path === '' ? '' : `/${path}`}`
  const inside = async (file: string): Promise<string> => {
    const real = await realpath(file)
    if (real === claim || real.startsWith(claim + sep)) return real
    throw new JobError(
      'InvalidPlan',
      `Dataset ${dataset}: ${file.slice(claim.length + 1) || path} leads out of the volume ${claimName}. Remove the link.`,
    )
  }
  const found = await stat(base).catch(nullIfMissing)
  const isFile = found?.isFile() ?? false
  if (found !== null) await inside(base)
  const entries = found?.isDirectory() ? await readdir(base, { withFileTypes: true }) : []
  const names = isFile
    ? [path.split('/').at(-1) ?? path]
    : entries.filter((entry) => !entry.isDirectory() && isData(format, entry.name)).map((entry) => entry.name)
  return {
    names: names.sort(),
    exists: found !== null,
    place,
    fetch: async (name) => {
      const file = isFile ? base : join(base, name)
      if ((await stat(file).catch(nullIfMissing)) === null) return null
      const real = await inside(file)
      return { name, path: real, sha256: await sha256OfFile(real) }
    },
    async [Symbol.asyncDispose]() {},
  }
}

async function openRemote({ format, location }: DatasetPlan, ports: Ports): Promise<SourceFolder> {
  const { folder, file } = splitFile(location, format)
  const store = await openLandingStore(folder, ports)
  const listed = await store.list(file ?? '')
  const names = file === null ? listed.filter((name) => isData(format, name)) : listed.filter((name) => name === file)
  return {
    names,
    exists: listed.length > 0,
    place: store.place,
    fetch: async (name) => {
      const path = join(ports.scratch, `source-${name.replaceAll('/', '_')}`)
      return (await store.get(name, path)) ? { name, path, sha256: await sha256OfFile(path) } : null
    },
    [Symbol.asyncDispose]: () => store.close(),
  }
}

/** A path that ends like a data file is one. */
function splitFile(
  location: DatasetLocation,
  format: DatasetPlan['format'],
): { readonly folder: DatasetLocation; readonly file: string | null } {
  const path = folderOf(location)
  if (!extensions[format].test(path)) return { folder: location, file: null }
  const end = path.lastIndexOf('/') + 1
  return { folder: inFolder(location, path.slice(0, end)), file: path.slice(end) }
}

function nullIfMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null
  throw error
}
