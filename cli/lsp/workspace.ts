import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import {
  type Compilation,
  type CompileOptions,
  compile,
  decodeUtf8,
  lineIndexOf,
  openSession,
  type Source,
} from '#compiler'

export type Position = { readonly line: number; readonly character: number }
export type Range = { readonly start: Position; readonly end: Position }

/**
 * All files of a workspace that hold Convoke's resources: as open in an editor, otherwise as on disk. Sources that did not change stay
 * the same objects, so that compiling again costs only what changed.
 */
export type Workspace = {
  /** Reads a folder, or again a file that changed outside the editor. */
  readonly load: (path: string) => void
  /** Takes the text in an editor; null: the file on disk counts again. */
  readonly edit: (uri: string, text: string | null) => void
  readonly sources: () => readonly Source[]
  readonly source: (uri: string) => Source | null
  /** The compilation of the present texts, made on demand. Fixes are as their rules claim. */
  readonly compilation: () => Compilation
  /** The same with verified fixes, which takes a second compilation. */
  readonly verified: () => Compilation
  readonly rangeOf: (file: string, span: { readonly start: number; readonly end: number }) => Range
}

export function openWorkspace(options: () => CompileOptions): Workspace {
  const session = openSession()
  const disk = new Map<string, Source>()
  const open = new Map<string, Source>()
  let all: Source[] | null = null
  let compiled: Compilation | null = null
  let tried: Compilation | null = null

  const changed = (): void => {
    all = null
    compiled = null
    tried = null
  }
  /** Replaces one source; the usual case, one file among thousands, costs no walk over all. */
  const replace = (before: Source | undefined, after: Source): void => {
    const at = before && all && isOurs(after) ? all.indexOf(before) : -1
    const kept = all
    changed()
    if (!kept || at === -1) return
    all = [...kept]
    all[at] = after
  }
  const sources = (): readonly Source[] => {
    all ??= [...new Map([...disk, ...open]).values()].filter(isOurs).sort((a, b) => (a.file < b.file ? -1 : 1))
    return all
  }
  const source = (uri: string): Source | null => {
    const file = fileOf(uri)
    return open.get(file) ?? disk.get(file) ?? null
  }
  return {
    load: (path) => {
      for (const file of filesAt(path)) {
        const text = fileText(file)
        if (text === null) disk.delete(file)
        else if (disk.get(file)?.text !== text) disk.set(file, { file, text })
      }
      changed()
    },
    edit: (uri, text) => {
      const file = fileOf(uri)
      const before = open.get(file) ?? disk.get(file)
      if (text === null) {
        open.delete(file)
        changed()
      } else if (before?.text === text) {
        if (!open.has(file)) open.set(file, before)
      } else {
        const after = { file, text }
        open.set(file, after)
        replace(before, after)
      }
    },
    sources,
    source,
    compilation: () => (compiled ??= compile(sources(), { ...options(), session, verifyFixes: false })),
    verified: () => (tried ??= compile(sources(), { ...options(), session })),
    rangeOf: (file, span) => rangeIn((open.get(file) ?? disk.get(file))?.text ?? '', span),
  }
}

/** The protocol's positions count from 0, in UTF-16 code units. */
export function rangeIn(text: string, span: { readonly start: number; readonly end: number }): Range {
  const index = lineIndexOf(text)
  const at = (offset: number): Position => {
    const { line, column } = index(offset)
    return { line: line - 1, character: column - 1 }
  }
  return { start: at(span.start), end: at(span.end) }
}

/** A document that is not saved yet keeps its URI as its name. */
export function fileOf(uri: string): string {
  return uri.startsWith('file:') ? fileURLToPath(uri) : uri
}

export function uriOf(file: string): string {
  return file.startsWith('/') || /^[A-Za-z]:[\\/]/.test(file) ? pathToFileURL(file).href : file
}

/** A workspace holds other YAML too, and templates that are no YAML; only files that name our group are read. */
function isOurs(source: Source): boolean {
  return source.text.includes('convoke.dev/')
}

function filesAt(path: string): string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) return readable.test(path) ? [path] : []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return []
    const inside = join(path, entry.name)
    if (entry.isDirectory()) return filesAt(inside)
    return readable.test(entry.name) ? [inside] : []
  })
}

const readable = /\.(?:ya?ml|json)$/i

/** null for a file that is gone, or that is no text. */
function fileText(file: string): string | null {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (!stat?.isFile()) return null
  const decoded = decodeUtf8(readFileSync(file))
  return 'text' in decoded ? decoded.text : null
}
