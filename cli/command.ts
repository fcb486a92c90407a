/** What a command needs of the process. `main.ts` gives the real one, tests their own. */
export type Io = {
  /** The name that the user typed: kubectl runs this program as its plugin. */
  readonly program: 'convoke' | 'kubectl convoke'
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Standard output for a document that a program reads: it is written unchanged, whatever it contains. */
  readonly document: (text: string) => void
  /** Whether standard error is a terminal, so that progress may be drawn. */
  readonly isTerminal: boolean
  readonly columns: number
  /** How many lines the terminal of standard output has; null where it is no terminal. */
  readonly rows: number | null
  readonly colour: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly readStdin: () => Buffer
  /** Asks the person at the terminal; resolves with the typed line, empty at its end. null: nobody sits there. */
  readonly ask: ((question: string) => Promise<string>) | null
  readonly now: () => Date
  readonly signal: AbortSignal
}

export type OptionSpec = {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** The word that stands for the value in the help; completion uses it (see `complete.ts`) or `words`. */
  readonly value?: string
  /** The possible values, where they are few. */
  readonly words?: readonly string[]
  readonly help: string
}

export type Values = { readonly [name: string]: string | boolean | readonly (string | boolean)[] | undefined }

export type Command = {
  readonly summary: string
  /** The usage without `convoke`: `check PATH…`. */
  readonly usage: string
  /** Words of `complete.ts` for the arguments in turn, the last one for all further ones. Default: PATH where `usage` has it. */
  readonly operands?: readonly string[]
  readonly description?: string
  readonly options: { readonly [name: string]: OptionSpec }
  readonly examples: readonly string[]
  /** What the exit codes mean, where that differs from other commands. */
  readonly exits?: string
  readonly run: (args: {
    readonly positionals: readonly string[]
    readonly values: Values
    readonly io: Io
  }) => Promise<number>
}

/** Wrong use or unreadable input: printed in one or two lines, with exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

export const exitCodes = {
  fine: 0,
  findings: 1,
  wrongUse: 2,
  changes: 3,
  /** A job step failed and would fail again: a Job's podFailurePolicy can tell this from what is worth another try. */
  final: 64,
} as const

export function text(values: Values, name: string): string | null {
  const value = values[name]
  return typeof value === 'string' ? value : null
}

export function texts(values: Values, name: string): readonly string[] {
  const value = values[name]
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string')
    : typeof value === 'string'
      ? [value]
      : []
}

/** One of the words that the option takes; the first one where the option is absent. */
export function choice<T extends string>(values: Values, name: string, of: readonly [T, ...T[]]): T {
  const given = text(values, name)
  if (given === null) return of[0]
  const found = of.find((word) => word === given)
  if (found === undefined) throw new UsageError(`--${name} takes ${of.join(', ')}, not \`${given}\`.`)
  return found
}

/** An instant in RFC 3339, or a date (its first instant in UTC); null where the option is absent. */
export function instant(values: Values, name: string): Date | null {
  const given = text(values, name)
  if (given === null) return null
  const parsed = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(given)
    ? new Date(given)
    : null
  if (parsed === null || Number.isNaN(parsed.getTime()))
    throw new UsageError(`--${name} takes a time like 2026-12-01T04:00:00Z, not \`${given}\`.`)
  return parsed
}
