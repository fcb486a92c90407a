/**
 * The forms of a store's manifests, and how those of earlier versions of convoke are read. A manifest's `formatVersion` names its form.
 * Readers bring an older manifest into today's form and refuse a newer one; whatever is committed has today's form.
 *
 * To change a manifest's form: add a row to `migrations`, change its type in `profile-store.ts`, and write the fixture of the new form
 * with `node test/formats/write.ts N`. A field that may be absent, and that an older reader may drop, needs no row.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { JobError } from './errors.ts'

/** A store's manifests, by the name of the file that holds the current one; each version's folder holds its own as well. */
export type ManifestKind = 'data' | 'membership'

type Manifest = Readonly<Record<string, unknown>>

/** Migrations in order: the first makes form 2 out of form 1. A migration changes manifests, never files: these stay readable. */
const migrations: Readonly<Record<ManifestKind, readonly ((manifest: Manifest) => Manifest)[]>> = {
  data: [
    // Identities were compared as they were written.
    (manifest) => ({ ...manifest, normalizesByNamespace: false }),
  ],
  membership: [
    // Times were columns beside the bits, and changes files of each version: both are read where they are, until the next version.
    (manifest) => manifest,
  ],
}

const kinds = Object.keys(migrations) as ManifestKind[] // the literal above has no other keys

/** The form in which this version of convoke writes manifests. */
export function currentFormat(kind: ManifestKind): number {
  return migrations[kind].length + 1
}

/** A manifest as it is written. */
export function manifestText(kind: ManifestKind, manifest: object): object {
  return { formatVersion: currentFormat(kind), ...manifest }
}

/**
 * A manifest in today's form, without its `formatVersion`; null where there is none. Throws JobError NewerStore where a newer version of
 * convoke wrote it, DamagedStore where it cannot be read.
 */
export function readManifest(kind: ManifestKind, path: string): object | null {
  const found = parsed(path)
  if (found === null) return null
  const { formatVersion, ...manifest } = found
  const format = formatOf(path, formatVersion)
  if (format > currentFormat(kind)) throw newer(path, format, currentFormat(kind))
  return migrations[kind].slice(format - 1).reduce<Manifest>((older, migrate) => migrate(older), manifest)
}

/**
 * Throws JobError NewerStore where a current manifest of the store is newer than this version of convoke, which must then leave the store
 * alone. A damaged manifest is reported by its reader.
 */
export function refuseNewer(root: string): void {
  for (const kind of kinds) {
    try {
      readManifest(kind, join(root, `${kind}.json`))
    } catch (error) {
      if (!(error instanceof JobError && error.reason === 'DamagedStore')) throw error
    }
  }
}

function parsed(path: string): Manifest | null {
  if (!existsSync(path)) return null
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(path, error)
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw damaged(path)
  return value as Manifest
}

function formatOf(path: string, format: unknown): number {
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 1) throw damaged(path)
  return format
}

function newer(path: string, format: number, current: number): JobError {
  return new JobError(
    'NewerStore',
    `A newer version of convoke wrote ${path}: it has format ${format}, and this version reads formats up to ${current}. Nothing was touched. Use the version that wrote it, or a newer one.`,
  )
}

function damaged(path: string, cause?: unknown): JobError {
  return new JobError(
    'DamagedStore',
    `${path} is damaged: it is no manifest of a store. Put it back from a backup; without one, move the store's folder away and let the next run build it again from the Datasets.`,
    cause,
  )
}
