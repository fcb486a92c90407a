// A version's manifest holds checksums of its files, so that damage is reported as damage and nothing is delivered from it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { crc32OfFile, sha256OfFile } from './digest.ts'
import { JobError } from './errors.ts'
import type { DataManifest, MembershipManifest } from './profile-store.ts'

/** Checksums in the order of the paths: SHA-256, and `crc32:…` of record files, which a merge reads by the gigabyte. */
export type Checksums = Readonly<Record<string, string>>

/** The manifest with the checksums of its files; the checksums of files that the version before has too are taken from there. */
export async function sealed<M extends DataManifest | MembershipManifest>(
  root: string,
  manifest: M,
  before: M | null,
): Promise<M> {
  const known = before?.checksums ?? {}
  // Files that an earlier version of convoke took in are not read again for this.
  const earlier = new Set(before && 'merged' in before ? before.merged.records : [])
  const checksums: [string, string][] = []
  for (const path of [...new Set(filesOf(manifest))].sort())
    if (known[path] !== undefined || !earlier.has(path))
      checksums.push([path, known[path] ?? (await checksumOf(join(root, path), isRecords(path)))])
  return { ...manifest, checksums: Object.fromEntries(checksums) }
}

const ofRecords = 'crc32:'

const isRecords = (path: string): boolean => path.startsWith('records/')

async function checksumOf(file: string, isQuick: boolean): Promise<string> {
  return isQuick ? `${ofRecords}${await crc32OfFile(file)}` : sha256OfFile(file)
}

/** Throws JobError DamagedStore for a file that is not what was written. Files of earlier versions of convoke have no checksum. */
export async function checkFiles(
  root: string,
  paths: readonly string[],
  ...checksums: readonly (Checksums | undefined)[]
): Promise<void> {
  for (const path of new Set(paths)) {
    const wanted = checksums.map((each) => each?.[path]).find((each) => each !== undefined)
    if (wanted === undefined) continue
    const file = join(root, path)
    // A missing file is reported by its reader, with the likely reason.
    if (existsSync(file) && (await checksumOf(file, wanted.startsWith(ofRecords))) !== wanted) throw damaged(file)
  }
}

function filesOf(manifest: DataManifest | MembershipManifest): readonly string[] {
  return 'profiles' in manifest
    ? [
        ...[manifest.profiles, manifest.events, manifest.leftOutProfiles].flat(2),
        ...(manifest.identities === null ? [] : [manifest.identities]),
        ...Object.values(manifest.sources).flatMap(({ files }) =>
          Object.values(files).flatMap(({ records }) => records),
        ),
      ]
    : [
        ...manifest.files.flat(),
        ...(manifest.changed ?? []).flat(),
        ...(manifest.log ?? []).flat(),
        ...manifest.transitions,
      ]
}

function damaged(file: string): JobError {
  return new JobError(
    'DamagedStore',
    `${file} is damaged: it is not what was written. Nothing was changed or delivered. ${wayBack}`,
  )
}

export const wayBack =
  "Put the store's folder back from a backup; without one, move it away and let the next run build it again from the Datasets: who is in a Segment is then found anew, and the next files are backfills."
