import type { ExportPlan, RunInput } from '#crds'
import { sha256 } from '../digest.ts'

/** The last column where membershipStatus is Include: `realized` or `exited`. */
export const statusColumn = 'segmentMembership.status'

/** Name of a Segment's file in one run; `part` counts from 1. The same plan and run always give the same names. */
export function fileNameOf(
  plan: ExportPlan,
  segment: ExportPlan['segments'][number],
  input: RunInput,
  part: number,
): string {
  const { nameTemplate, compression } = plan.destination.file
  const scheduled = new Date(input.scheduledTime)
  const macros: Readonly<Record<string, string>> = {
    destination: plan.destination.name,
    activation: plan.activation,
    segment: segment.name,
    segmentName: segment.displayName,
    organization: plan.organization,
    timestamp: scheduled.toISOString().replace(/[-:]|\.\d+/g, ''),
    unix: String(Math.floor(scheduled.getTime() / 1000)),
  }
  const name = nameTemplate.replace(/\{(\w+)\}/g, (macro, key: string) => macros[key] ?? macro)
  // A display name is free text; a file name is not a path.
  const safe = name.replace(/[/\\\u0000-\u001f]/g, '_')
  return `${safe}${part === 1 ? '' : `_${part}`}.csv${compression === 'GZIP' ? '.gz' : ''}`
}

export function manifestNameOf(firstFile: string): string {
  return besideOf(firstFile, '.manifest.json')
}

/** Name of the file with a delivered file's rows that an import could not take. */
export function rejectsNameOf(file: string): string {
  return besideOf(file, '.rejects.csv')
}

/** What a file system takes as a name, in bytes. Delivered files may have names of that length, which leaves nothing for an ending. */
const longestName = 255

/** The file's name and an ending, or, where that is too long, the beginning of it, a hash of the whole, and the ending. */
function besideOf(file: string, ending: string): string {
  if (Buffer.byteLength(file + ending) <= longestName) return file + ending
  const end = `-${sha256(file).slice(0, 16)}${ending}`
  let start = ''
  for (const character of file) {
    if (Buffer.byteLength(start + character + end) > longestName) break
    start += character
  }
  return start + end
}
