import { expect, test } from 'vitest'
import {
  editScalar,
  nodeAt,
  valueOf as plain,
  quoteIfNeeded,
  readYaml,
  type YamlScalar,
} from '../../compiler/yaml/index.ts'
import { randomOf } from './corpus.ts'
import { goVersion, kubernetesReader } from './kubernetes-reader.ts'

/** The value of `a` edited to `value`: the style stays where it can. */
const edits: readonly (readonly [text: string, value: string, edited: string])[] = [
  ['a: b # c\n', 'd', 'a: d # c\n'],
  ['a: b\n', 'x in ["y"]', 'a: x in ["y"]\n'],
  ['a: {a: b}\n'.replace('a: b', 'c: d'), 'x', 'a: x\n'],
  ['a: b\n', 'NO', 'a: "NO"\n'],
  ['a: b\n', '', 'a: ""\n'],
  ['a: b\n', 'c: d', 'a: "c: d"\n'],
  ['a: b\n', 'c\nd', 'a: "c\\nd"\n'],
  ["a: 'b'\n", "it's", "a: 'it''s'\n"],
  ["a: 'b'\n", 'c\nd', 'a: "c\\nd"\n'],
  ['a: "b"\n', 'c "d"', 'a: "c \\"d\\""\n'],
  ['a: |\n  b\nc: d\n', 'x\n  y\n', 'a: |\n  x\n    y\nc: d\n'],
  ['a: |\n  b\nc: d\n', 'x', 'a: |-\n  x\nc: d\n'],
  ['a: |\r\n  b\r\nc: d\r\n', 'x\ny\n', 'a: |\r\n  x\r\n  y\r\nc: d\r\n'],
  ['a: |\n  b\nc: d\n', ' x\n', 'a: " x\\n"\nc: d\n'],
  ['a: >-\n  b\nc: d\n', 'x\ny', 'a: >-\n  x\n\n  y\nc: d\n'],
  ['x: 1\n---\na: b\n---\ny: 2\n', 'z', 'x: 1\n---\na: z\n---\ny: 2\n'],
]

test.each(edits)('%j with %j', (text, value, edited) => {
  expect(edit(text, value)).toBe(edited)
})

test('inside brackets text that ends an item is quoted', () => {
  const text = 'a: [b, c]\n'
  const item = nodeAt(readYaml(text).documents[0]!, ['a', 0])?.value as YamlScalar // written as one
  expect(editScalar(text, item, 'x, y')).toBe('"x, y"')
  expect(editScalar(text, item, 'x y')).toBe('x y')
})

const bare: readonly (readonly [value: string, written: string])[] = [
  ['gold members', 'gold members'],
  ['', '""'],
  ['NO', '"NO"'],
  ['12', '"12"'],
  ['a: b', '"a: b"'],
  ['a #b', '"a #b"'],
  ['[a]', '"[a]"'],
  ['- a', '"- a"'],
  ['a\u2028b', '"a\\u2028b"'],
  ['a\x7f', '"a\\u007f"'],
  [' a', '" a"'],
]

test.each(bare)('%j is written %s', (value, written) => {
  expect(quoteIfNeeded(value)).toBe(written)
})

test('whatever is written or edited reads back as the same text, also for Kubernetes', () => {
  const random = randomOf(3)
  const pieces = [
    'a',
    'NO',
    '1',
    ' ',
    '\n',
    '"',
    "'",
    ':',
    ': ',
    '#',
    ' #',
    '[',
    ']',
    '{',
    ',',
    '-',
    '?',
    '&',
    '*',
    '!',
    '|',
    '>',
    '%',
    '@',
    '\\',
    'é',
    '😀',
    '\t',
    '.',
    '_',
    '~',
    '<<',
    '\x85',
    '\u2028',
    '\ufeff',
    '\0',
    '=',
  ]
  const templates = [
    'a: b\n',
    "a: 'b'\nc: d\n",
    'a: "b"\n',
    'a: |\n  b\nc: d\n',
    'a: >\n  b\n  c\nd: e\n',
    'x:\n- {a: b, c: d}\n'.replace('x:\n- {a: b', 'a: b\nx:\n- {e: f'),
  ]
  const texts: string[] = []
  const values: string[] = []
  for (let count = 0; count < 4000; count += 1) {
    const value = Array.from({ length: random(7) }, () => pieces[random(pieces.length)]).join('')
    const text =
      count % 2 === 0
        ? `a: [${quoteIfNeeded(value)}, {b: ${quoteIfNeeded(value)}}]\n`
        : edit(templates[random(templates.length)]!, value)
    const [document] = readYaml(text).documents
    const expected = count % 2 === 0 ? [value, { b: value }] : value
    expect({ text, faults: readYaml(text).faults, value: plain(nodeAt(document!, ['a'])!.value) }).toEqual({
      text,
      faults: [],
      value: expected,
    })
    texts.push(text)
    values.push(JSON.stringify(expected))
  }
  if (goVersion === null) return
  const wrong = kubernetesReader()(texts).flatMap((reading, index) => {
    // Each text is a map with the key `a`.
    const value =
      reading.kind === 'value' ? JSON.stringify((reading.value as { readonly a: unknown }).a) : reading.message
    return value === values[index] ? [] : [{ text: texts[index], value, expected: values[index] }]
  })
  expect(wrong).toEqual([])
})

function edit(text: string, value: string): string {
  const document = readYaml(text).documents.find((candidate) => nodeAt(candidate, ['a']) !== null)!
  const node = nodeAt(document, ['a'])!.value
  const scalar =
    node.kind === 'scalar'
      ? node
      : { kind: 'scalar' as const, start: node.start, end: node.end, style: 'plain' as const, value: '' }
  return text.slice(0, scalar.start) + editScalar(text, scalar, value) + text.slice(scalar.end)
}
