import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { bytes } from '#views'
import { type Io, type OptionSpec, text, UsageError, type Values } from './command.ts'

export const reportOption = (help: string): OptionSpec => ({ type: 'string', value: 'FILE', help })

/** Where `--report` asks for a page; null where it is absent. Throws UsageError for a folder, before any work is done. */
export function reportFile(values: Values, io: Io): string | null {
  const given = text(values, 'report')
  if (given === null) return null
  const path = resolve(io.cwd, given)
  if (given === '' || statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`--report takes a file to write, for example report.html, not the folder \`${given}\`.`)
  return path
}

/** Writes the page whole or not at all, and prints where it is. false where it could not be written, which is printed too. */
export function writeReport(path: string, page: string, io: Io): boolean {
  const shown = relative(io.cwd, path).startsWith('..') ? path : relative(io.cwd, path)
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.part`, page)
    renameSync(`${path}.part`, path)
  } catch (error) {
    io.err(
      `convoke: the report could not be written to ${shown}: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    return false
  }
  io.err(`Report: ${shown} (${bytes(Buffer.byteLength(page))})\n`)
  return true
}

/** A page's name for the project at these paths: as they were given, without what only this machine knows. */
export function projectName(paths: readonly string[], io: Io): string {
  const names = paths.map((path) => {
    const full = resolve(io.cwd, path)
    const shown = relative(io.cwd, full)
    return shown === '' || shown.startsWith('..') ? basename(full) : shown
  })
  return names.length > 2 ? `${names[0]} and ${names.length - 1} more` : names.join(', ')
}
