import type { Diagnostic, Place } from '../diagnostic.ts'
import type { Source } from '../resource.ts'
import { lineIndexOf } from '../yaml/index.ts'

export type Position = { readonly line: number; readonly column: number; readonly offset: number }

/**
 * Turns offsets into positions; each file's lines are counted once. Lines and columns count from 1, offsets from 0, in UTF-16 code units.
 */
export function positionsOf(sources: readonly Source[]): (file: string | null, offset: number) => Position | null {
  const texts = new Map(sources.map((source) => [source.file, source.text]))
  const indexes = new Map<string, ReturnType<typeof lineIndexOf>>()
  return (file, offset) => {
    const text = file === null ? undefined : texts.get(file)
    if (file === null || text === undefined) return null
    const index = indexes.get(file) ?? lineIndexOf(text)
    indexes.set(file, index)
    return { ...index(offset), offset }
  }
}

/** The document of `convoke check -o json`. */
export function checkDocument(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  resources: number,
): { readonly diagnostics: readonly object[]; readonly summary: object } {
  const positionOf = positionsOf(sources)
  const range = (place: Place): object =>
    place.span ? { start: positionOf(place.file, place.span.start), end: positionOf(place.file, place.span.end) } : {}
  return {
    diagnostics: diagnostics.map((diagnostic) => ({
      code: diagnostic.code,
      severity: diagnostic.severity,
      message: diagnostic.message,
      file: diagnostic.file,
      resource: diagnostic.resource,
      path: diagnostic.path,
      ...range(diagnostic),
      related: diagnostic.related.map((related) => ({
        file: related.file,
        ...range(related),
        message: related.message,
      })),
      ...(diagnostic.why === undefined ? {} : { why: diagnostic.why }),
      ...(diagnostic.help === undefined ? {} : { help: diagnostic.help }),
      fixes: diagnostic.fixes,
    })),
    summary: {
      resources,
      errors: diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length,
      warnings: diagnostics.filter((diagnostic) => diagnostic.severity === 'warning').length,
    },
  }
}
