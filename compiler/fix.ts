import type { Diagnostic, Edit, Fix } from './diagnostic.ts'
import type { Source } from './resource.ts'

/**
 * Applies fixes of the given safety, one for each finding, and skips any that overlaps one already applied. Comments and layout stay:
 * only the edited ranges change. Returns the changed sources and how many fixes were applied.
 */
export function applyFixes(
  sources: readonly Source[],
  diagnostics: readonly Diagnostic[],
  safeties: readonly Fix['safety'][],
): { readonly changed: readonly Source[]; readonly applied: number } {
  const taken = new Map<string, Edit[]>()
  let applied = 0
  for (const diagnostic of diagnostics) {
    const fix = diagnostic.fixes.find((candidate) => safeties.includes(candidate.safety))
    if (!fix || fix.edits.some((edit) => isTaken(taken.get(edit.file) ?? [], edit))) continue
    for (const edit of fix.edits) {
      const edits = taken.get(edit.file) ?? []
      edits.splice(placeIn(edits, edit.start), 0, edit)
      taken.set(edit.file, edits)
    }
    applied += 1
  }
  const changed = sources.flatMap((source) => {
    const edits = taken.get(source.file)
    return edits ? [{ file: source.file, text: edited(source.text, edits) }] : []
  })
  return { changed, applied }
}

/** Whether an edit overlaps one of `edits`, which are sorted by start. An insertion occupies the character that it stands before. */
function isTaken(edits: readonly Edit[], edit: Edit): boolean {
  const place = placeIn(edits, edit.start)
  const [before, behind] = [edits[place - 1], edits[place]]
  const endOf = ({ start, end }: Edit): number => Math.max(end, start + 1)
  return (before !== undefined && edit.start < endOf(before)) || (behind !== undefined && behind.start < endOf(edit))
}

/** How many of the edits start before a place. */
function placeIn(edits: readonly Edit[], start: number): number {
  let [low, high] = [0, edits.length]
  // Most findings come in the order of the file.
  if (high > 0 && edits[high - 1]!.start < start) return high
  while (low < high) {
    const middle = (low + high) >> 1
    if (edits[middle]!.start < start) low = middle + 1
    else high = middle
  }
  return low
}

function edited(text: string, edits: readonly Edit[]): string {
  let at = 0
  const parts: string[] = []
  for (const edit of edits) {
    parts.push(text.slice(at, edit.start), edit.text)
    at = edit.end
  }
  return parts.join('') + text.slice(at)
}
