import { expect, test } from 'vitest'
import { nodeAt, readYaml, textRangeOf, type YamlScalar } from '../../compiler/yaml/index.ts'
import { randomOf } from './corpus.ts'

type Random = (limit: number) => number

/** Ways to write `value` as the value of a key in a map at indentation 2; null where the style cannot say it. */
const styles: Readonly<Record<string, (value: string, random: Random) => string | null>> = {
  plain: (value) => (/[\n"]|: | #|:$|^[^a-z(]/.test(value) || value.includes('  ') ? null : value),
  'plain over lines': (value, random) =>
    /["\n]|: | #|:$|^[^a-z(]/.test(value) || value.includes('  ') ? null : folded(value, random, '      '),
  single: (value) => (value.includes('\n') ? null : `'${value.replaceAll("'", "''")}'`),
  'single over lines': (value, random) =>
    /\n|^ | $/.test(value) ? null : `'${folded(value.replaceAll("'", "''"), random, '      ')}'`,
  double: (value, random) => `"${[...value].map((char) => escaped(char, random)).join('')}"`,
  'double over lines': (value, random) =>
    `"${[...value]
      .map((char) => escaped(char, random) + (random(9) === 0 ? '\\\n      ' : ''))
      .join('')
      .replace(/\\\n {6}(?= )/g, '\\\n      \\')}"`,
  literal: (value) => (/^\s|\s$/.test(value) ? null : `|-\n${indented(value)}`),
  'literal, clipped': (value) => (/^\s|\s$/.test(value) ? null : `|\n${indented(value)}`),
  'literal, kept': (value) => (/^\s|\s$/.test(value) ? null : `|+ # why\n${indented(value)}\n\n`),
  'literal with indentation digit': (value) => (/\s$/.test(value) || value === '' ? null : `|2-\n${indented(value)}`),
  folded: (value, random) =>
    /^\s|\s$|\n\s|\s\n/.test(value) ? null : `>-\n    ${folded(value.replaceAll('\n', '\n\n    '), random, '    ')}`,
}

/** What expressions are made of, with characters of one and two code units and with what needs escaping. */
const tokens = [
  'person',
  'homeAddress.city',
  'and',
  'in',
  '(',
  ')',
  '>=',
  '42',
  '"gold"',
  '"it\'s"',
  '"Zoë 😀"',
  "'a'",
  '\\',
  'x.count()',
  '😀',
  'é',
  '["DE",',
  '"AT"]',
  '#1',
  'a:b',
]

test.each(Object.keys(styles))('every token of an expression is found in the file, written %s', (style) => {
  const random = randomOf(Object.keys(styles).indexOf(style) + 1)
  let written = 0
  for (let count = 0; count < 3000; count += 1) {
    const { value, spans } = expression(random)
    const text = styles[style]!(value, random)
    if (text === null) continue
    const lineBreak = random(3) === 0 ? '\r\n' : '\n'
    const file = `# 😀\nkind: Segment\nspec:\n  name: a\n  expression: ${text}\n  next: 1\n`.replaceAll('\n', lineBreak)
    const read = readYaml(file)
    const scalar = nodeAt(read.documents[0]!, ['spec', 'expression'])?.value as YamlScalar // written as one
    expect({ file, faults: read.faults, value: String(scalar.value).trimEnd() }).toEqual({
      file,
      faults: [],
      value: value.trimEnd(),
    })
    written += 1
    const rangeOf = textRangeOf(file, scalar)
    for (const [start, end] of spans) {
      const range = rangeOf(start, end)
      const source = file.slice(range.start, range.end)
      expect({ file, token: unescaped(source, style) }).toEqual({ file, token: value.slice(start, end) })
    }
    expect(rangeOf(0, 0).start).toBeGreaterThanOrEqual(scalar.start)
    expect(rangeOf(value.length, value.length).end).toBeLessThanOrEqual(scalar.end)
  }
  expect(written).toBeGreaterThan(100)
})

function expression(random: Random): { value: string; spans: [number, number][] } {
  let value = ''
  const spans: [number, number][] = []
  for (let count = 1 + random(8); count > 0; count -= 1) {
    const token = tokens[random(tokens.length)]!
    if (value !== '') value += [' ', ' ', ' ', '  ', '\n', '\n  ', '\n\n'][random(7)]!
    spans.push([value.length, value.length + token.length])
    value += token
  }
  return { value, spans }
}

function indented(value: string): string {
  return value
    .split('\n')
    .map((line) => (line === '' ? '' : `    ${line}`))
    .join('\n')
}

/** Some single spaces become line breaks, which fold back to spaces. */
function folded(value: string, random: Random, indent: string): string {
  return value.replace(/(?<=[^ \n]) (?=[^ \n#])/g, () => (random(3) === 0 ? `\n${indent}` : ' '))
}

function escaped(char: string, random: Random): string {
  if (char === '"' || char === '\\') return `\\${char}`
  if (char === '\n') return '\\n'
  const code = char.codePointAt(0)!
  if (random(6) > 0) return char
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : code > 0xff || random(2) === 0
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : `\\x${code.toString(16).padStart(2, '0')}`
}

/** What the slice of a file says, escapes undone; independent of the reader under test. */
function unescaped(source: string, style: string): string {
  if (style.startsWith('single')) return source.replaceAll("''", "'").replace(/\r?\n */g, ' ')
  if (!style.startsWith('double')) return source.replace(/\r?\n */g, ' ')
  return source.replace(/\\\r?\n */g, '').replace(/\\(?:U(.{8})|u(.{4})|x(.{2})|(.))/gs, (_, eight, four, two, one) => {
    const hex = eight ?? four ?? two
    return hex === undefined ? (one === 'n' ? '\n' : one) : String.fromCodePoint(Number.parseInt(hex, 16))
  })
}
