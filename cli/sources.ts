import { globSync, readdirSync, readFileSync, type Stats, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parse as parseToml } from 'smol-toml'
import {
  type Code,
  type Compilation,
  type CompileOptions,
  codes,
  compile,
  type Diagnostic,
  decodeUtf8,
  nearest,
  type Severity,
  type Source,
} from '#compiler'
import { type Io, UsageError } from './command.ts'

export type Input = { readonly sources: readonly Source[]; readonly diagnostics: readonly Diagnostic[] }

const readable = /\.(?:ya?ml|json)$/i

/**
 * The files of directories (YAML and JSON, without hidden folders and node_modules), globs, single files, and standard input for `-`.
 * Messages have file names relative to the working directory, where that is shorter. Throws UsageError for files that cannot be read; a
 * file that is not UTF-8 is a finding.
 */
export function readSources(paths: readonly string[], io: Io): Input {
  if (paths.length === 0)
    throw new UsageError(
      'Name at least one file or directory, or `-` for standard input; `paths` of convoke.toml is read where none is named.',
    )
  const files = new Set<string>()
  const sources: Source[] = []
  const diagnostics: Diagnostic[] = []
  const add = (file: string, bytes: Uint8Array): void => {
    const decoded = decodeUtf8(bytes)
    if ('text' in decoded) sources.push({ file, text: decoded.text })
    else {
      diagnostics.push({
        code: 'yaml-syntax',
        severity: 'error',
        file,
        span: null,
        resource: null,
        path: '',
        related: [],
        fixes: [],
        message: `The file is not UTF-8: byte ${decoded.offset + 1} does not fit`,
        help: 'Save it as UTF-8.',
      })
    }
  }
  for (const path of paths) {
    if (path === '-') {
      add('<stdin>', io.readStdin())
      continue
    }
    const full = resolve(io.cwd, path)
    const stat = statOf(full)
    if (stat?.isDirectory()) for (const file of filesUnder(full)) files.add(file)
    else if (stat) files.add(full)
    else {
      const found = /[*?[{]/.test(path) ? globSync(path, { cwd: io.cwd }) : []
      if (found.length === 0)
        throw new UsageError(`\`${path}\` does not exist.${/[*?[{]/.test(path) ? ' No file fits the pattern.' : ''}`)
      for (const file of found) files.add(resolve(io.cwd, file))
    }
  }
  for (const file of [...files].sort()) {
    const shown = relative(io.cwd, file)
    try {
      add(shown.startsWith('..') ? file : shown, readFileSync(file))
    } catch (error) {
      throw new UsageError(`\`${shown}\` cannot be read: ${error instanceof Error ? error.message : String(error)}.`)
    }
  }
  return { sources, diagnostics }
}

function statOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesUnder(path)
    return readable.test(entry.name) ? [path] : []
  })
}

/**
 * Reads and compiles with the settings of convoke.toml, which also names the default paths. Findings of reading come first. `namespace`
 * is that of resources which name none; null: `default`.
 */
export function compilePaths(
  paths: readonly string[],
  io: Io,
  namespace: string | null = null,
  more: Pick<CompileOptions, 'strictPql'> = {},
): { readonly input: Input; readonly compilation: Compilation } {
  const config = readConfig(io)
  const read = readSources(paths.length === 0 ? config.paths : paths, io)
  const input =
    namespace === null ? read : { ...read, sources: read.sources.map((source) => ({ ...source, namespace })) }
  const options = { ...config.options, ...more, reading: input.diagnostics }
  return { input, compilation: compile(input.sources, options) }
}

export type Config = {
  readonly file: string | null
  readonly options: CompileOptions
  /** What commands read where no path is given; relative to the working directory, as all paths here. */
  readonly paths: readonly string[]
  readonly volumes: string | null
  readonly workdir: string | null
  /** Connection URLs by CampaignInstance. */
  readonly database: Readonly<Record<string, string>>
}

const settingNames = ['paths', 'volumes', 'workdir', 'strictPql', 'database', 'severities'] as const

/** The working directory's convoke.toml. Throws UsageError for wrong settings. */
export function readConfig(io: Io): Config {
  const file = join(io.cwd, 'convoke.toml')
  const none = { file: null, options: {}, paths: [], volumes: null, workdir: null, database: {} }
  if (!statOf(file)) return none
  let config: Record<string, unknown>
  try {
    config = parseToml(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(
      `convoke.toml cannot be read: ${error instanceof Error ? error.message.trim() : String(error)}`,
    )
  }
  const unknown = Object.keys(config).find((key) => !settingNames.some((name) => name === key))
  if (unknown !== undefined) {
    const near = nearest(unknown, settingNames)[0]
    throw new UsageError(
      `convoke.toml: \`${unknown}\` is not a setting; ${near ? `did you mean \`${near}\`?` : `there are paths, volumes, workdir, strictPql, [database] and [severities].`}`,
    )
  }
  const { paths, database } = config
  const named = typeof paths === 'string' ? [paths] : (paths ?? [])
  if (!Array.isArray(named) || !named.every((path) => typeof path === 'string'))
    throw new UsageError('convoke.toml: `paths` is a list of paths, for example paths = ["audiences", "platform"].')
  if (database !== undefined && !isTable(database))
    throw new UsageError('convoke.toml: [database] has a line for each CampaignInstance: production = "postgres://…".')
  for (const [instance, url] of Object.entries(database ?? {}))
    if (typeof url !== 'string')
      throw new UsageError(`convoke.toml: the database of \`${instance}\` is a URL in quotes.`)
  const { strictPql } = config
  if (strictPql !== undefined && typeof strictPql !== 'boolean')
    throw new UsageError('convoke.toml: `strictPql` is true or false.')
  return {
    file,
    options: { severities: severitiesOf(config['severities']), ...(strictPql === true && { strictPql }) },
    paths: named,
    volumes: folderOf(config, 'volumes'),
    workdir: folderOf(config, 'workdir'),
    database: (database ?? {}) as Readonly<Record<string, string>>, // checked above
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function folderOf(config: Readonly<Record<string, unknown>>, name: 'volumes' | 'workdir'): string | null {
  const value = config[name] ?? null
  if (value !== null && (typeof value !== 'string' || value === ''))
    throw new UsageError(`convoke.toml: \`${name}\` is a folder in quotes.`)
  return value
}

function severitiesOf(value: unknown): NonNullable<CompileOptions['severities']> {
  if (value !== undefined && !isTable(value))
    throw new UsageError('convoke.toml: [severities] has a line for each code.')
  const severities: { [code in Code]?: Severity | 'off' } = {}
  for (const [code, severity] of Object.entries(value ?? {})) {
    const known = codes.find((each) => each === code)
    if (!known)
      throw new UsageError(
        `convoke.toml: there is no code \`${code}\`.${nearest(code, codes)[0] ? ` Did you mean \`${nearest(code, codes)[0]}\`?` : ''}`,
      )
    if (severity !== 'error' && severity !== 'warning' && severity !== 'info' && severity !== 'off')
      throw new UsageError(`convoke.toml: the severity of \`${code}\` is error, warning, info or off.`)
    severities[known] = severity
  }
  return severities
}
