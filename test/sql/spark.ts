// A real Spark for the tests: pyspark in an environment of its own, driven by spark_runner.py.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const pyspark = 'pyspark==4.0.1'

export type Spark = {
  readonly version: string
  /** Runs SQL over Parquet files seen as tables; an error of Spark is thrown. */
  readonly run: (
    sql: string,
    views?: Readonly<Record<string, string>>,
  ) => Promise<{ readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] }>
  readonly close: () => void
}

/** Why there is no Spark here, or null. `CONVOKE_SPARK=off` says so too. */
export function whyNoSpark(): string | null {
  if (process.env['CONVOKE_SPARK'] === 'off') return 'Spark is switched off by CONVOKE_SPARK'
  for (const program of ['java', 'python3'])
    if (spawnSync(program, ['--version']).status !== 0) return `Spark is not tested: there is no ${program}`
  return null
}

/** Starts Spark; the first time it is fetched, which takes minutes. */
export async function startSpark(): Promise<Spark> {
  const process = spawn(python(), [join(import.meta.dirname, 'spark_runner.py')], { stdio: ['pipe', 'pipe', 'ignore'] })
  const answers = createInterface({ input: process.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<Record<string, unknown>> => {
    const line = await answers.next()
    if (line.done) throw new Error('Spark has ended')
    return JSON.parse(line.value) as Record<string, unknown> // the runner writes one object a line
  }
  const { version } = await next()
  return {
    version: String(version),
    run: async (sql, views = {}) => {
      process.stdin.write(`${JSON.stringify({ views, sql })}\n`)
      const answer = await next()
      if (typeof answer['error'] === 'string') throw new Error(`${answer['error']}\n${sql}`)
      return answer as { columns: string[]; rows: unknown[][] } // the other form of the runner's answer
    },
    close: () => process.stdin.end(),
  }
}

function python(): string {
  const cache = process.env['CONVOKE_CACHE'] ?? join(homedir(), '.cache', 'convoke')
  const environment = join(cache, 'spark-venv')
  const executable = join(environment, 'bin', 'python')
  const stands = existsSync(executable) && spawnSync(executable, ['-c', 'import pyspark']).status === 0
  if (!stands) {
    mkdirSync(cache, { recursive: true })
    execFileSync('python3', ['-m', 'venv', environment])
    execFileSync(executable, ['-m', 'pip', 'install', '--quiet', pyspark], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  return executable
}
