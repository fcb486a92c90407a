import { type ExportPlan, filePartName, filledFileName, longestNameBytes, type RunInput } from '#crds'
import { sha256 } from '../digest.ts'

/** Name of the last column where membershipStatus is Include; its values are `realized` and `exited`. */
export const statusColumn = 'segmentMembership.status'

/** Name of a Segment's file in one run; `part` counts from 1. The same plan and run always give the same name. */
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
  return filePartName(filledFileName(nameTemplate, macros), part, compression)
}

export function manifestNameOf(firstFile: string): string {
  return besideOf(firstFile, '.manifest.json')
}

/** Name of the file that holds a delivered file's rows that an import could not take. */
export function rejectsNameOf(file: string): string {
  return besideOf(file, '.rejects.csv')
}

/** The file's name with an ending; where that is too long, its beginning, a hash of the whole name, and the ending. */
function besideOf(file: string, ending: string): string {
  if (Buffer.byteLength(file + ending) <= longestNameBytes) return file + ending
  const end = `-${sha256(file).slice(0, 16)}${ending}`
  let start = ''
  for (const character of file) {
    if (Buffer.byteLength(start + character + end) > longestNameBytes) break
    start += character
  }
  return start + end
}
