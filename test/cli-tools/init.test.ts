import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { kinds } from '#crds'
import { convoke, folderOf } from './command-line.ts'

async function project(): Promise<string> {
  const folder = folderOf()
  expect(await convoke(folder, ['init'])).toMatchObject({ code: 0, out: expect.stringContaining('files written') })
  return folder
}

test('a new project passes check and test on every engine', async () => {
  const folder = await project()
  expect(await convoke(folder, ['check', '.', '--fail-on', 'warning'])).toMatchObject({
    code: 0,
    out: '0 errors, 0 warnings in 11 resources\n',
  })
  expect(await convoke(folder, ['test', '.', '--engine', 'all'])).toMatchObject({ code: 0 })
})

test('a new project runs with its sample data, and still passes check afterwards', async () => {
  const folder = await project()
  const run = await convoke(folder, [
    'run',
    '.',
    '--workdir',
    '.convoke',
    '--volumes',
    'volumes',
    '--at',
    '2026-01-15T06:00:00Z',
  ])
  expect(run.code, run.err).toBe(0)
  const files = readdirSync(join(folder, 'volumes/landing-zone/audiences'))
  expect(files.filter((file) => file.endsWith('.csv'))).toHaveLength(2)
  expect((await convoke(folder, ['check', '.'])).code).toBe(0)
}, 60_000)

test('every kind that people write is there, the one without sample data as a comment that passes when it counts', async () => {
  const folder = await project()
  const source = join(folder, 'platform/campaign-logs.yaml')
  writeFileSync(source, readFileSync(source, 'utf8').replace(/^# (?=apiVersion|kind|metadata|spec| )/gm, ''))
  const { code, out } = await convoke(folder, ['check', '.', '-o', 'json'])
  expect(code, out).toBe(0)
  const texts = ['platform', 'audiences'].flatMap((name) =>
    readdirSync(join(folder, name)).map((file) => readFileSync(join(folder, name, file), 'utf8')),
  )
  const written = texts.flatMap((text) => [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind))
  expect(new Set(written)).toEqual(new Set(Object.keys(kinds).filter((kind) => kind !== 'Run')))
})

test('nothing that is there is overwritten', async () => {
  const folder = folderOf({ 'README.md': 'mine', '.github/workflows/convoke.yml': 'mine too' })
  const { code, err } = await convoke(folder, ['init', '.', '--yes'])
  expect(code).toBe(0)
  expect(err).toContain('kept     README.md')
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('mine')
  expect(readFileSync(join(folder, '.github/workflows/convoke.yml'), 'utf8')).toBe('mine too')
  expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toContain('.convoke/')
  expect((await convoke(folder, ['init', '--yes'])).out).toBe('Nothing was written: every file is there already.\n')
})

test('a folder with something in it is left alone, one of a fresh repository is not', async () => {
  const folder = folderOf({ 'a.txt': '', 'b.txt': '', '.git/HEAD': '' })
  expect(await convoke(folder, ['init'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('it holds a.txt, b.txt. Name another folder, or give --yes'),
  })
  expect(readdirSync(folder).sort()).toEqual(['.git', 'a.txt', 'b.txt'])
  expect(await convoke(folderOf({ '.git/HEAD': '', 'README.md': 'mine' }), ['init'])).toMatchObject({ code: 0 })
})

test.each([
  ['y', 0],
  [' YES ', 0],
  ['n', 1],
  ['', 1],
  ['yesterday', 1],
])('on a terminal it asks before it writes beside something: %j', async (answer, code) => {
  const folder = folderOf({ 'a.txt': '' })
  const asked: string[] = []
  const ask = async (question: string) => {
    asked.push(question)
    return answer
  }
  const ended = await convoke(folder, ['init'], { ask })
  expect(ended.code).toBe(code)
  expect(asked).toEqual(['`.` is not empty: it holds a.txt. Write beside that? Nothing is overwritten. (y/N) '])
  expect(readdirSync(folder).length > 1).toBe(code === 0)
  expect(await convoke(folder, ['init', '--yes'], { ask })).toMatchObject({ code: 0 })
  expect(await convoke(folderOf(), ['init'], { ask })).toMatchObject({ code: 0 })
  expect(asked).toHaveLength(1)
})

test('convoke.toml says where everything is, so that nothing needs an option', async () => {
  const folder = await project()
  expect((await convoke(folder, ['check'])).out).toBe('0 errors, 0 warnings in 11 resources\n')
  const run = await convoke(folder, ['run', '--at', '2026-01-15T06:00:00Z'])
  expect(run.code, run.err).toBe(0)
  const plan = await convoke(folder, ['plan', '--at', '2026-01-15T06:00:00Z', '-o', 'json'])
  expect(JSON.parse(plan.out)).toMatchObject({ isCounted: true })
}, 60_000)

test('the workflow checks, tests and plans', async () => {
  const workflow = parse(readFileSync(join(await project(), '.github/workflows/convoke.yml'), 'utf8'))
  const steps: { uses?: string; run?: string }[] = workflow.jobs.check.steps
  expect(steps.map((step) => step.uses?.split('@')[0] ?? step.run?.split(' ').slice(0, 2).join(' '))).toEqual([
    'actions/checkout',
    'convoke-dev/convoke',
    'convoke test',
    'convoke plan',
  ])
})
