// A real Spark for the tests: pyspark in an environment of its own.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { openSpark, type Spark } from '../../jobs/engines/spark.ts'

const pyspark = 'pyspark==4.0.1'

/** Why there is no Spark here, or null. `CONVOKE_SPARK=off` says so too. */
export function whyNoSpark(): string | null {
  if (process.env['CONVOKE_SPARK'] === 'off') return 'Spark is switched off by CONVOKE_SPARK'
  for (const program of ['java', 'python3'])
    if (spawnSync(program, ['--version']).status !== 0) return `Spark is not tested: there is no ${program}`
  return null
}

/** The engine of the product, on that Spark. */
export async function startSpark(scratch: string): Promise<Spark> {
  const spark = await openSpark(python(), process.env, { scratch, signal: new AbortController().signal })
  if ('missing' in spark) throw new Error(spark.missing)
  return spark
}

/** A Python that has Spark; the first time it is fetched, which takes minutes. */
export function python(): string {
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
