import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { interrupted } from '../errors.ts'
import type { Ports } from '../ports.ts'

/** Spark on this machine, in a process of its own; one query at a time. */
export type Spark = AsyncDisposable & {
  readonly version: string
  /** One SELECT over Parquet files that are seen as tables. Rejects with what Spark says, or JobError Interrupted. */
  readonly query: (sql: string, tables: Readonly<Record<string, string>>) => Promise<SparkAnswer>
}

export type SparkAnswer = { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] }

/** What stands in the way of a Spark here, for the end of a sentence: "there is no `java`". */
export type SparkMissing = { readonly missing: string }

/** `python` is the interpreter that has `pyspark`; `env` tells it and Spark where the rest is, as Spark's own programs are told. */
export async function openSpark(
  python: string,
  env: Readonly<Record<string, string | undefined>>,
  ports: Pick<Ports, 'scratch' | 'signal'>,
): Promise<Spark | SparkMissing> {
  const child = spawn(python, [join(import.meta.dirname, 'spark_session.py')], {
    cwd: ports.scratch,
    env: { ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let isThere = true
  child.once('error', () => (isThere = false))
  let spoken = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    spoken = (spoken + text).slice(-2000)
  })
  // Whoever waits for the next line is told by its end.
  child.stdin.on('error', () => {})
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = (): void => void child.kill()
  ports.signal.addEventListener('abort', stop)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  /** Null at the end. The Java below speaks on the same stream, in lines that are no object. */
  const next = async (): Promise<Readonly<Record<string, unknown>> | null> => {
    let line = await lines.next()
    while (!line.done && !line.value.startsWith('{')) line = await lines.next()
    if (ports.signal.aborted) throw interrupted()
    return line.done ? null : (JSON.parse(line.value) as Readonly<Record<string, unknown>>) // by the program
  }
  const close = async (): Promise<void> => {
    child.stdin.end()
    await ended
    ports.signal.removeEventListener('abort', stop)
  }

  const { version, missing } = (await next()) ?? {}
  if (typeof version !== 'string') {
    await close()
    if (!isThere) return { missing: `there is no \`${python}\`` }
    return { missing: typeof missing === 'string' ? missing : `\`${python}\` says: ${lastLine(spoken)}` }
  }
  return {
    version,
    query: async (sql, tables) => {
      child.stdin.write(`${JSON.stringify({ tables, sql })}\n`)
      const answer = await next()
      if (!answer) throw new Error(`Spark has ended: ${lastLine(spoken)}`)
      if (typeof answer['error'] === 'string') throw new Error(`${answer['error']}\n${sql}`)
      return answer as SparkAnswer // the other form of the program's answer
    },
    [Symbol.asyncDispose]: close,
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'nothing'
}
