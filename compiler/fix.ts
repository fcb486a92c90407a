import type { Diagnostic, Edit, Fix } from './diagnostic.ts'
import type { Source } from './resource.ts'

/**
 * Applies the fixes of the given safety, one for each finding, skipping any that overlaps one already taken. Comments and layout stay:
 * only the edited ranges change. Gives the changed sources and how many fixes were applied.
 */
export function applyFixes(
  sources: readonly Source[],
  diagnostics: readonly Diagnostic[],
  safeties: readonly Fix['safety'][],
): { readonly changed: readonly Source[]; readonly applied: number } {
  const taken: Edit[] = []
  let applied = 0
  for (const diagnostic of diagnostics) {
    const fix = diagnostic.fixes.find((candidate) => safeties.includes(candidate.safety))
    if (
      !fix ||
      fix.edits.some((edit) =>
        taken.some(
          (other) =>
            other.file === edit.file &&
            edit.start < Math.max(other.end, other.start + 1) &&
            other.start < Math.max(edit.end, edit.start + 1),
        ),
      )
    )
      continue
    taken.push(...fix.edits)
    applied += 1
  }
  const changed = sources.flatMap((source) => {
    const edits = taken.filter((edit) => edit.file === source.file).sort((a, b) => b.start - a.start)
    if (edits.length === 0) return []
    return [
      {
        file: source.file,
        text: edits.reduce((text, edit) => text.slice(0, edit.start) + edit.text + text.slice(edit.end), source.text),
      },
    ]
  })
  return { changed, applied }
}
