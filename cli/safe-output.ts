// Nothing from data, files or a cluster controls a terminal, a log's reader or a build's runner.
import type { Io } from './command.ts'

/** What the command line itself writes to a terminal: its colours, and how it draws over a line or clears the screen. */
const own = String.raw`\x1b\[(?:0|1|2|3[1-6]|1;3[1-4])m|\r\x1b\[2K|\x1b\[H\x1b\[2J`
const obeyed = new RegExp(
  `(${own})|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]`,
  'g',
)

/**
 * The text with everything else that a terminal obeys written as `\u001b`, which means the same inside JSON; and without lines that a
 * build's runner would take for commands.
 */
export function safe(text: string, isOwnAllowed: boolean): string {
  return text
    .replace(obeyed, (found, sequence: string | undefined) =>
      sequence !== undefined && isOwnAllowed ? found : found.replace(/[^\x20-\x7e]/g, codeOf),
    )
    .replace(/^([^\S\n]*):(?=:)/gm, '$1\\u003a')
    .replace(/#(?=#(?:\[|vso\[))/g, '\\u0023')
}

function codeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The process with all its output made safe; documents stay as they are, except on a terminal. */
export function safeIo(io: Io): Io {
  const say = (write: Io['out']) => (text: string) => write(safe(text, io.colour || io.isTerminal))
  return {
    ...io,
    out: say(io.out),
    err: say(io.err),
    ask: io.ask && ((question) => io.ask!(safe(question, true))),
    document: (text) => (io.rows === null ? io.document(text) : io.document(safe(text, false))),
  }
}
