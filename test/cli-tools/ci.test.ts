import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { folderOf } from './command-line.ts'

const root = new URL('../../', import.meta.url).pathname
const bundle = readFileSync(join(root, 'test/fixtures/retail.yaml'), 'utf8')
const faulty = bundle.replace('inSegment("patrons")', 'inSegment("patron")')

describe('the action', () => {
  const action: {
    inputs: Record<string, { default: string }>
    runs: {
      steps: {
        name: string
        run?: string
        uses?: string
        env?: Record<string, string>
        with?: Record<string, string>
      }[]
    }
  } = parse(readFileSync(join(root, 'action.yml'), 'utf8'))

  /** A step's script as the runner runs it, with the action's own defaults. */
  function run(name: string, cwd: string): { readonly status: number | null; readonly stdout: string } {
    const step = action.runs.steps.find((each) => each.name === name)!
    const inputs = Object.entries(step.env ?? {}).map(([key, value]) => [
      key,
      value.replace(/\$\{\{ inputs\.([\w-]+) \}\}/, (_, input: string) => action.inputs[input]!.default),
    ])
    const env = {
      PATH: `${root}bin:${process.env['PATH']}`,
      RUNNER_TEMP: cwd,
      GITHUB_WORKSPACE: cwd,
      ...Object.fromEntries(inputs),
    }
    return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run!], {
      cwd,
      env,
      encoding: 'utf8',
    })
  }

  test('annotates and fails where there are errors, after writing what is uploaded', () => {
    const cwd = folderOf({ 'a/bundle.yaml': faulty })
    expect(run('Findings for code scanning', cwd).status).toBe(0)
    const upload = action.runs.steps.find((step) => step.name === 'Upload')!.with!['sarif_file']!
    const sarif = JSON.parse(readFileSync(upload.replace(/\$\{\{ runner\.temp \}\}/, cwd), 'utf8'))
    expect(sarif.runs[0].results).toHaveLength(1)
    const check = run('Check', cwd)
    expect(check.status).toBe(1)
    expect(check.stdout).toMatch(/^::error file=a\/bundle\.yaml,line=/)
    expect(action.runs.steps.at(-1)!.name).toBe('Check')
  })

  test('passes where there are none', () => {
    expect(run('Check', folderOf({ 'bundle.yaml': bundle }))).toMatchObject({ status: 0, stdout: '' })
  })
})

describe('the hooks', () => {
  const hooks: { id: string; entry: string; args?: string[]; pass_filenames?: boolean }[] = parse(
    readFileSync(join(root, '.pre-commit-hooks.yaml'), 'utf8'),
  )
  const run = (id: string, cwd: string, files: readonly string[]): number | null => {
    const { entry, args = [], pass_filenames } = hooks.find((hook) => hook.id === id)!
    const [script, ...rest] = entry.split(' ')
    return spawnSync(join(root, script!), [...rest, ...args, ...(pass_filenames === false ? [] : files)], { cwd })
      .status
  }

  test.each([
    ['convoke-check', { 'bundle.yaml': bundle }, 0],
    ['convoke-check', { 'bundle.yaml': faulty }, 1],
    ['convoke-fmt', { 'bundle.yaml': bundle }, 0],
  ])('%s ends with the exit code of what it runs', (id, files, status) => {
    expect(run(id, folderOf(files), Object.keys(files))).toBe(status)
  })

  test('convoke-test runs the tests of the folder', () => {
    const cwd = folderOf()
    execFileSync(join(root, 'bin/convoke'), ['init', '.'], { cwd, stdio: 'ignore' })
    expect(run('convoke-test', cwd, [])).toBe(0)
    const file = join(cwd, 'tests/segments.test.yaml')
    writeFileSync(file, readFileSync(file, 'utf8').replace('members: [ben-bought-last-summer]', 'members: []'))
    expect(run('convoke-test', cwd, [])).toBe(1)
  })
})

test('what the documents show of the action is what it takes', () => {
  const inputs = Object.keys(parse(readFileSync(join(root, 'action.yml'), 'utf8')).inputs)
  const manual = readFileSync(join(root, 'docs/ci.md'), 'utf8')
  expect([...manual.matchAll(/^\| `([\w-]+)` +\| `(?:\.|error|false)` /gm)].map(([, name]) => name)).toEqual(inputs)
  const workflow = parse(readFileSync(join(root, 'cli/init/.github/workflows/convoke.yml'), 'utf8'))
  for (const name of Object.keys(workflow.jobs.check.steps[1].with)) expect(inputs).toContain(name)
})
