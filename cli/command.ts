/** What a command needs of the process; `main.ts` gives the real one, tests their own. */
export type Io = {
  /** What the user typed: kubectl runs this program as its plugin. */
  readonly program: 'convoke' | 'kubectl convoke'
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Standard output too, for a document that a program reads: it stays as it is, whatever is in it. */
  readonly document: (text: string) => void
  /** Is standard error a terminal: may progress be drawn? */
  readonly isTerminal: boolean
  readonly columns: number
  /** Lines of the terminal that standard output is; null where it is none. */
  readonly rows: number | null
  readonly colour: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly readStdin: () => Buffer
  /** Asks whoever sits at the terminal, and gives the line they typed; empty where they end it. Null: nobody sits there. */
  readonly ask: ((question: string) => Promise<string>) | null
  readonly now: () => Date
  readonly signal: AbortSignal
}

export type OptionSpec = {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** Word that stands for the value in the help; what it may be is completed by this word (see `complete.ts`) or `words`. */
  readonly value?: string
  /** The values there are, where they are a few. */
  readonly words?: readonly string[]
  readonly help: string
}

export type Values = { readonly [name: string]: string | boolean | readonly (string | boolean)[] | undefined }

export type Command = {
  readonly summary: string
  /** Without `convoke`: `check PATH…`. */
  readonly usage: string
  /** What its arguments are in turn, the last one for all that follow: words of `complete.ts`. Default: PATH where `usage` has it. */
  readonly operands?: readonly string[]
  readonly description?: string
  readonly options: { readonly [name: string]: OptionSpec }
  readonly examples: readonly string[]
  /** What the exit codes say, where it is more than with the others. */
  readonly exits?: string
  readonly run: (args: {
    readonly positionals: readonly string[]
    readonly values: Values
    readonly io: Io
  }) => Promise<number>
}

/** Wrong use or unreadable input: said in one or two lines, exit code 2. */
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
  /** A job step failed, and would fail again: a Job's podFailurePolicy can tell it from what is worth another try. */
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

/** One of the words the option takes, the first where it is not given. */
export function choice<T extends string>(values: Values, name: string, of: readonly [T, ...T[]]): T {
  const given = text(values, name)
  if (given === null) return of[0]
  const found = of.find((word) => word === given)
  if (found === undefined) throw new UsageError(`--${name} takes ${of.join(', ')}, not \`${given}\`.`)
  return found
}

/** An instant in RFC 3339, or a date (its first instant in UTC). */
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
