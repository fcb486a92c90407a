import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readDataManifest, readDataVersion } from '../profile-store.ts'

/** Removes data files that no reader may hold: the current data version and the one before stay. */
export function removeOrphans(root: string): void {
  const current = readDataManifest(root)
  const previous = current?.previous ? readDataVersion(root, current.previous) : null
  const kept = new Set<string>()
  for (const manifest of [current, previous]) {
    if (!manifest) continue
    kept.add(`data/${manifest.version}/manifest.json`)
    for (const files of [manifest.profiles, manifest.events, manifest.leftOutProfiles])
      for (const file of files.flat()) kept.add(file)
    for (const files of manifest.touched ?? []) for (const file of files ?? []) kept.add(file)
    if (manifest.identities !== null) kept.add(manifest.identities)
    for (const path of manifest.merged.records) kept.add(path)
    for (const source of Object.values(manifest.sources)) {
      for (const file of Object.values(source.files)) for (const path of file.records) kept.add(path)
      for (const { rejects } of Object.values(source.refused ?? {})) if (rejects !== null) kept.add(rejects)
    }
  }
  for (const path of [...kept])
    if (path.startsWith('records/'))
      kept.add(path.replace(/^records\//, 'rejects/').replace(/\.[a-z]+\.parquet$/, '.csv'))
  for (const top of ['data', 'records', 'rejects']) prune(root, top, kept)
}

function prune(root: string, folder: string, kept: ReadonlySet<string>): void {
  const absolute = join(root, folder)
  if (!existsSync(absolute)) return
  for (const entry of readdirSync(absolute, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) prune(root, path, kept)
    else if (!kept.has(path)) rmSync(join(root, path), { force: true })
  }
  if (folder.includes('/') && readdirSync(absolute).length === 0) rmdirSync(absolute)
}
