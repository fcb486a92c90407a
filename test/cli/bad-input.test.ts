// What bad input gets: a message that names the place and the next step, the exit code as designed, and nothing half-delivered.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { convoke, folderOf } from '../support/cli.ts'

const root = join(import.meta.dirname, '../..')
const minimal = join(root, 'examples/minimal')
const bundle = readFileSync(join(minimal, 'minimal.yaml'), 'utf8')
const at = '2026-01-15T06:00:00Z'

const segment = (expression: string): string => `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: extra}
spec:
  profileStoreRef: {name: customers}
  expression: ${JSON.stringify(expression)}
`

describe('check', () => {
  test.each([
    { title: 'broken YAML', yaml: 'kind: Segment\n  name: [', codes: ['yaml-syntax'] },
    { title: 'a wrong type', yaml: segment('true').replace('{name: extra}', '{name: 12}'), codes: ['wrong-type'] },
    {
      title: 'an unknown reference',
      yaml: segment('true').replace('{name: customers}', '{name: costumers}'),
      codes: ['unresolved-reference'],
    },
    { title: 'an expression that does not type-check', yaml: segment('customerId > 3'), codes: ['pql-type-mismatch'] },
    { title: 'an expression that cannot be read', yaml: segment('customerId = '), codes: ['pql-syntax'] },
  ])('$title is a finding at its place, and exit code 1', ({ yaml, codes }) => {
    using folder = folderOf({ 'bundle.yaml': bundle, 'extra.yaml': yaml })
    const { code, out } = convoke(['check', '-o', 'json', '.'], { cwd: folder.path })
    const document = JSON.parse(out)
    const own = document.diagnostics.filter((diagnostic: { file: string }) => diagnostic.file === 'extra.yaml')
    expect({ code, codes: [...new Set(own.map((diagnostic: { code: string }) => diagnostic.code))] }).toEqual({
      code: 1,
      codes,
    })
    expect(own[0].start.line).toBeGreaterThan(0)
    expect(own[0].help).toBeTruthy()
  })

  test('a file that does not exist is wrong use: exit code 2, its name, nothing on standard output', () => {
    const { code, out, err } = convoke(['check', '/nowhere/at-all.yaml'])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('/nowhere/at-all.yaml')
  })

  test('a file that is not UTF-8 is a finding that says so', () => {
    using folder = folderOf({ 'a.yaml': Buffer.from([0x6b, 0x3a, 0x20, 0xff, 0xfe]) })
    const { code, out } = convoke(['check', '.'], { cwd: folder.path })
    expect(code).toBe(1)
    expect(out).toContain('not UTF-8')
  })

  test.each([
    [['chekc', '.'], 'Did you mean `check`?'],
    [['check'], 'Name at least one file'],
    [['check', '--outptu', 'json', '.'], '--outptu'],
    [['check', '-o', 'xml', '.'], '`xml`'],
    [['run', '.'], '--workdir'],
    [['slots', '.', '--from', 'yesterday'], 'yesterday'],
    [['explain', 'too-many-segmets'], 'too-many-segments'],
    [['ingest', '--plan', '/nowhere.json', '--run', '/nowhere.json'], '/nowhere.json'],
  ])('%j is wrong use: exit code 2 and the next step', (args, expected) => {
    const { code, err } = convoke(args)
    expect(code).toBe(2)
    expect(err).toContain(expected)
  })
})

describe('run', () => {
  const landed = (volumes: string): string[] => {
    const folder = join(volumes, 'landing-zone', 'audiences')
    return existsSync(folder) ? readdirSync(folder) : []
  }

  function workspace(): Disposable & { path: string; run: (...more: string[]) => ReturnType<typeof convoke> } {
    const folder = folderOf({ 'bundle.yaml': bundle })
    cpSync(join(minimal, 'volumes'), join(folder.path, 'volumes'), { recursive: true })
    return {
      path: folder.path,
      run: (...more) =>
        convoke(['run', 'bundle.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', at, ...more], {
          cwd: folder.path,
        }),
      [Symbol.dispose]: () => folder[Symbol.dispose](),
    }
  }

  test('resources with errors: nothing is run, exit code 1', () => {
    using space = workspace()
    writeFileSync(join(space.path, 'bundle.yaml'), bundle.replace('loyalty.tier = ', 'loyalty.tir = '))
    const { code, err } = space.run()
    expect(code).toBe(1)
    expect(err).toContain('unknown-attribute')
    expect(err).toContain('Nothing was run')
    expect(existsSync(join(space.path, 'work'))).toBe(false)
  })

  test('a missing volume: its folder is named, and how to make it', () => {
    using space = workspace()
    rmSync(join(space.path, 'volumes/landing-zone'), { recursive: true })
    const { code, out } = space.run()
    expect(code).toBe(1)
    expect(out).toContain(join(space.path, 'volumes/landing-zone'))
    mkdirSync(join(space.path, 'volumes/landing-zone'))
    expect(space.run().code).toBe(0)
    expect(landed(join(space.path, 'volumes')).filter((name) => name.endsWith('.csv'))).toHaveLength(5)
  })

  test('a bad row is left out, counted and told, and the rest is delivered', () => {
    using space = workspace()
    const file = join(space.path, 'volumes/landing/customers/customers.csv')
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    writeFileSync(file, `${[...lines, 'C99,only,three'].join('\n')}\n`)
    const { code, out } = space.run('-o', 'json')
    const [ingest] = JSON.parse(out).runs[0].steps
    expect({ code, outcome: ingest.outcome, bad: ingest.totals.badRows }).toEqual({
      code: 0,
      outcome: 'Succeeded',
      bad: 1,
    })
    expect(JSON.stringify(ingest.warnings)).toContain('customers.csv')
    expect(landed(join(space.path, 'volumes')).length).toBeGreaterThan(0)
  })

  test('a file of no readable row: every bad row is counted, the file is named, the rest goes on', () => {
    using space = workspace()
    writeFileSync(join(space.path, 'volumes/landing/orders/zz.ndjson'), Buffer.from([0, 1, 2, 3, 255, 254]))
    const { code, out } = space.run()
    expect(code).toBe(0)
    expect(out).toContain('zz.ndjson')
  })

  test('a file that cannot be read at all is refused by its name, and all else goes on', () => {
    using space = workspace()
    const file = join(space.path, 'volumes/landing/orders/zz.ndjson.gz')
    writeFileSync(file, 'this is no gzip')
    const { code, out } = space.run()
    expect(code).toBe(0)
    expect(out).toContain('zz.ndjson.gz was refused')
  })

  test('a database that is down: said with its address, nothing imported, and the next run catches up', () => {
    using space = workspace()
    const { code, out } = space.run('--database', 'production=postgres://nobody:x@127.0.0.1:1/none')
    expect(code).toBe(1)
    expect(out).toContain('127.0.0.1')
    const again = space.run('-o', 'json')
    expect(again.code).toBe(0)
    const document = JSON.parse(again.out)
    expect(document.runs.map((run: { target: { kind: string } }) => run.target.kind)).toEqual(['Activation'])
    expect(document.runs[0].steps.map((step: { attempt: number }) => step.attempt)).toEqual([1, 2])
  })

  test('a second run at the same instant has nothing to do', () => {
    using space = workspace()
    expect(space.run().code).toBe(0)
    const { code, out } = space.run()
    expect(code).toBe(0)
    expect(out).toContain('Nothing is due')
  })
})
