// A version's manifest holds checksums of its files, so that damage is reported as damage and nothing is delivered from it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sha256OfFile } from './digest.ts'
import { JobError } from './errors.ts'
import type { DataManifest, MembershipManifest } from './profile-store.ts'

/** SHA-256 by path, in the order of the paths. */
export type Checksums = Readonly<Record<string, string>>

/** The manifest with the checksums of its files; the checksums of files that the version before has too are taken from there. */
export async function sealed<M extends DataManifest | MembershipManifest>(
  root: string,
  manifest: M,
  before: M | null,
): Promise<M> {
  const known = before?.checksums ?? {}
  const checksums: [string, string][] = []
  for (const path of [...new Set(filesOf(manifest))].sort())
    checksums.push([path, known[path] ?? (await sha256OfFile(join(root, path)))])
  return { ...manifest, checksums: Object.fromEntries(checksums) }
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
    if (existsSync(file) && (await sha256OfFile(file)) !== wanted) throw damaged(file)
  }
}

function filesOf(manifest: DataManifest | MembershipManifest): readonly string[] {
  return 'profiles' in manifest
    ? [
        ...[manifest.profiles, manifest.events, manifest.leftOutProfiles].flat(2),
        ...(manifest.identities === null ? [] : [manifest.identities]),
      ]
    : [...manifest.files.flat(), ...(manifest.changed ?? []).flat(), ...manifest.transitions]
}

function damaged(file: string): JobError {
  return new JobError(
    'DamagedStore',
    `${file} is damaged: it is not what was written. Nothing was changed or delivered. ${wayBack}`,
  )
}

export const wayBack =
  "Put the store's folder back from a backup; without one, move it away and let the next run build it again from the Datasets: who is in a Segment is then found anew, and the next files are backfills."
