import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { interrupted } from '../errors.ts'
import type { Ports } from '../ports.ts'

/** Spark on this machine, in a process of its own. It runs one query at a time. */
export type Spark = AsyncDisposable & {
  readonly version: string
  /** One SELECT over Parquet files that appear as tables. Rejects with Spark's error, or with JobError Interrupted. */
  readonly query: (sql: string, tables: Readonly<Record<string, string>>) => Promise<SparkAnswer>
}

export type SparkAnswer = { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] }

/** What is missing to run Spark here, as the end of a sentence: "there is no `java`". */
export type SparkMissing = { readonly missing: string }

/** `python` is the interpreter that has `pyspark`. `env` tells it and Spark where the rest is, as for Spark's own programs. */
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
  // The end of the output tells whoever waits for the next line.
  child.stdin.on('error', () => {})
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = (): void => void child.kill()
  ports.signal.addEventListener('abort', stop)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  /** The next answer; null at the end. Java writes to the same stream, in lines that are no object. */
  const next = async (): Promise<Readonly<Record<string, unknown>> | null> => {
    let line = await lines.next()
    while (!line.done && !line.value.startsWith('{')) line = await lines.next()
    if (ports.signal.aborted) throw interrupted()
    return line.done ? null : (JSON.parse(line.value) as Readonly<Record<string, unknown>>) // written by the program below
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
