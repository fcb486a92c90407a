import { dirname } from 'node:path'
import type { Diagnostic } from '#compiler'

/** Kinds of which a project has one resource of each name: where several of these occur twice, there are two projects. */
const ofAProject = new Set(['Organization', 'ProfileStore', 'CampaignInstance'])

/**
 * The folders of several projects that were given at once, recognised by resources that occur twice; null where there is one project. A
 * project is the folder right below the folder that two files with a common name share.
 */
export function projectsIn(
  diagnostics: readonly Diagnostic[],
): { readonly folders: readonly string[]; readonly collisions: number } | null {
  const folders = new Set<string>()
  let collisions = 0
  let isProject = false
  for (const { code, file, related, resource } of diagnostics) {
    const other = related[0]?.file
    if (code !== 'duplicate-resource' || !file || !other) continue
    const [a, b] = [dirname(file).split('/'), dirname(other).split('/')]
    const common = a.findIndex((part, index) => part !== b[index])
    if (common === -1 || b.length <= common) continue
    collisions += 1
    isProject ||= ofAProject.has(resource?.kind ?? '')
    folders.add(a.slice(0, common + 1).join('/'))
    folders.add(b.slice(0, common + 1).join('/'))
  }
  return isProject && folders.size > 1 ? { folders: [...folders].sort(), collisions } : null
}
