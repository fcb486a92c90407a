import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { formatSource } from '#compiler'
import { convoke, folderOf } from './command-line.ts'

const head =
  'apiVersion: convoke.dev/v1alpha1\nkind: Segment # who\nmetadata: {   name: strays }\nspec:\n  profileStoreRef: {name: readers}\n'
const long =
  'club.level="patron" and   club.credits>10 and homeAddress.countryCode in ["DE","AT"] and person.name.firstName.startsWith("A")'
const broken = [
  'club.level = "patron"',
  'and club.credits > 10',
  'and homeAddress.countryCode in ["DE", "AT"]',
  'and person.name.firstName.startsWith("A")',
]
const lines = (indent: string, of: readonly string[] = broken): string =>
  of.map((line) => `${indent}${line}\n`).join('')

const cases: readonly (readonly [title: string, before: string, after: string])[] = [
  ['bare text', '  expression: club.credits>0   # why\n', '  expression: club.credits > 0   # why\n'],
  ['double quotes stay', '  expression: "club.level=\\"patron\\""\n', '  expression: "club.level = \\"patron\\""\n'],
  ['single quotes stay', `  expression: 'club.level="patron"'\n`, `  expression: 'club.level = "patron"'\n`],
  ['a literal block stays one', '  expression: |\n      club.credits>0\n', '  expression: |\n      club.credits > 0\n'],
  [
    'a block keeps its chomping',
    '  expression: |+\n    club.credits>0\n\n',
    '  expression: |+\n    club.credits > 0\n\n',
  ],
  [
    'a folded block of one line stays one',
    '  expression: >-\n    club.credits>0\n',
    '  expression: >-\n    club.credits > 0\n',
  ],
  [
    'a long line becomes a literal block',
    `  expression: ${long}\n  evaluation: Batch\n`,
    `  expression: |-\n${lines('    ')}  evaluation: Batch\n`,
  ],
  [
    'so does a long folded one',
    `  expression: >\n    ${long.replace(' and', '\n    and')}\n`,
    `  expression: |\n${lines('    ')}`,
  ],
  ['what is formatted stays', `  expression: |\n${lines('    ')}`, `  expression: |\n${lines('    ')}`],
  ['what has a fault stays', '  expression: club.credits>  and\n', '  expression: club.credits>  and\n'],
  [
    'text in an expression keeps its spaces',
    `  expression: 'a  =  "x  and  y"'\n`,
    `  expression: 'a = "x  and  y"'\n`,
  ],
]

describe('formatting changes expressions and nothing else', () => {
  test.each(cases)('%s', (_, before, after) => {
    expect(formatSource({ file: 'a.yaml', text: head + before })).toBe(head + after)
    expect(formatSource({ file: 'a.yaml', text: head + after })).toBe(head + after)
  })

  test.each(cases)('with CRLF: %s', (_, before, after) => {
    const crlf = (text: string): string => (head + text).replaceAll('\n', '\r\n')
    expect(formatSource({ file: 'a.yaml', text: crlf(before) })).toBe(crlf(after))
  })

  test('inside brackets of YAML an expression stays on one line', () => {
    const text = `apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: a }\nspec: { profileStoreRef: { name: r }, expression: '${long}' }\n`
    expect(formatSource({ file: 'a.yaml', text })).toBe(text.replace(long, broken.join(' ')))
  })

  test('cases of SegmentTests, items of Lists and every document are formatted, other groups are not', () => {
    const document = (more: string, expression: string): string => `${more}\nspec:\n  expression: ${expression}\n`
    const text = [
      document('apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: a }', 'a=1'),
      'apiVersion: convoke.dev/v1alpha1\nkind: SegmentTest\nspec:\n  cases:\n    - name: one\n      expression: b=2\n',
      'apiVersion: v1\nkind: List\nitems:\n  - apiVersion: convoke.dev/v1alpha1\n    kind: Segment\n    spec: { expression: c=3 }\n',
      document('apiVersion: other.dev/v1\nkind: Segment', 'd=4'),
    ].join('---\n')
    expect(formatSource({ file: 'a.yaml', text })).toBe(
      text.replace('a=1', 'a = 1').replace('b=2', 'b = 2').replace('c=3', 'c = 3'),
    )
  })
})

test('the examples are formatted', () => {
  const folder = new URL('../../examples/', import.meta.url).pathname
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.ya?ml$/.test(file))
  const byExample = Map.groupBy(files, (file) => file.split('/')[0])
  expect(files.length).toBeGreaterThan(5)
  for (const own of byExample.values()) {
    const sources = own.map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }))
    const formatted = sources.map((source) => ({ file: source.file, text: formatSource(source) }))
    for (const [index, source] of formatted.entries()) expect(source.text).toBe(sources[index]!.text)
  }
})

describe('convoke fmt', () => {
  const files = { 'a.yaml': `${head}  expression: a=1\n`, 'b.yaml': `${head}  expression: a = 1\n` }

  test('writes what is not formatted, and names it', async () => {
    const folder = folderOf(files)
    expect(await convoke(folder, ['fmt', '.'])).toEqual({
      code: 0,
      out: 'a.yaml\n',
      err: '1 of 2 files was formatted\n',
    })
    expect(readFileSync(join(folder, 'a.yaml'), 'utf8')).toBe(files['b.yaml'])
    expect(await convoke(folder, ['fmt', '.', '--check'])).toMatchObject({ code: 0, out: '' })
  })

  test('--check and --diff write nothing', async () => {
    const folder = folderOf(files)
    const { code, out } = await convoke(folder, ['fmt', '.', '--check', '--diff'])
    expect(code).toBe(1)
    expect(out).toContain('--- a.yaml\n+++ a.yaml\n@@ -3,4 +3,4 @@')
    expect(out).toContain('-  expression: a=1\n+  expression: a = 1\n')
    expect((await convoke(folder, ['fmt', '.', '--diff'])).code).toBe(0)
    expect(readFileSync(join(folder, 'a.yaml'), 'utf8')).toBe(files['a.yaml'])
  })

  test('- reads standard input and prints all of it', async () => {
    const io = { readStdin: () => Buffer.from(files['a.yaml']) }
    expect(await convoke(folderOf(), ['fmt', '-'], io)).toMatchObject({ code: 0, out: files['b.yaml'] })
  })
})
