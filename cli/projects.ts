import { dirname } from 'node:path'
import type { Diagnostic } from '#compiler'

/** Resources of which a project has one of each name: where several of them are there twice, so is a project. */
const ofAProject = new Set(['Organization', 'ProfileStore', 'CampaignInstance'])

/**
 * The folders of projects that were given at once, where what is there twice says that they are several; null where it does not. A project
 * is the folder right below what two files with a name in common lie in together.
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
