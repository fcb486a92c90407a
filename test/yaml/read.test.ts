import { CORE_SCHEMA, loadAll } from 'js-yaml'
import { expect, test } from 'vitest'
import { decodeUtf8, lineIndexOf, nodeAt, valueOf as plain, readYaml } from '../../compiler/yaml/index.ts'

/** Correct YAML that is easy to get wrong; js-yaml is the second opinion on each value. */
const tricky: readonly (readonly [text: string, ...values: readonly unknown[]])[] = [
  ['a: b # c\n', { a: 'b' }],
  ['a: b#c\n', { a: 'b#c' }],
  ["a: 'b' # c\n", { a: 'b' }],
  ['a: http://b.c/d?e#f\n', { a: 'http://b.c/d?e#f' }],
  ['a: b:c\n', { a: 'b:c' }],
  ['a: "b: c"\n', { a: 'b: c' }],
  ["a: 'it''s'\n", { a: "it's" }],
  ["a: ''\n", { a: '' }],
  ['a: ""\n', { a: '' }],
  ['a:\n', { a: null }],
  ['a:\nb: 1\n', { a: null, b: 1 }],
  ['a: # nothing\nb: 1\n', { a: null, b: 1 }],
  ['a:\n- b\n- c\n', { a: ['b', 'c'] }],
  ['a:\n  - b\n  - c\n', { a: ['b', 'c'] }],
  ['a:\n- b: 1\n  c: 2\n- d: 3\n', { a: [{ b: 1, c: 2 }, { d: 3 }] }],
  ['a:\n-\n  b: 1\n- - c\n  - d\n', { a: [{ b: 1 }, ['c', 'd']] }],
  ['a:\n- b:\n  - c\n  d: e\n', { a: [{ b: ['c'], d: 'e' }] }],
  ['- a\n-\n- b\n', ['a', null, 'b']],
  ['- -1\n- -a\n- - b\n', [-1, '-a', ['b']]],
  ['a: |\n  b\n\n  c\n', { a: 'b\n\nc\n' }],
  ['a: |-\n  b\n\n\n', { a: 'b' }],
  ['a: |+\n  b\n\n\n', { a: 'b\n\n\n' }],
  ['a: |\n  b\n\n# c\nd: e\n', { a: 'b\n', d: 'e' }],
  ['a: |\n  b\n # c\nd: e\n', { a: 'b\n', d: 'e' }],
  ['a: |\n  # b\n  c # d\n', { a: '# b\nc # d\n' }],
  ['a: |2\n    b\n', { a: '  b\n' }],
  ['a: |1-\n  b\n', { a: ' b' }],
  ['a: |\n\n  b\n', { a: '\nb\n' }],
  ['a: |\n  b: c\n  - d\n', { a: 'b: c\n- d\n' }],
  ['a: |\n  b\n   c\n  d\n', { a: 'b\n c\nd\n' }],
  ['a: |\n  b  \n  \tc\n', { a: 'b  \n\tc\n' }],
  ['a: >\n  b\n  c\n\n  d\n', { a: 'b c\nd\n' }],
  ['a: >\n  b\n   c\n  d\n', { a: 'b\n c\nd\n' }],
  ['a: >\n  b\n\n   c\n\n  d\n', { a: 'b\n\n c\n\nd\n' }],
  ['a: >-\n\n\n  b\n  c\n', { a: '\n\nb c' }],
  ['a: >+\n  b\n\nc: d\n', { a: 'b\n\n', c: 'd' }],
  ['- |\n a\n- >\n b\n', ['a\n', 'b\n']],
  ['a: b\n  c\n\n  d\n', { a: 'b c\nd' }],
  ['a:\n  b\n', { a: 'b' }],
  ['a: "b\n  c\\\n  d"\n', { a: 'b cd' }],
  ['a: "b\\n\\x41\\u00e9\\U0001F600\\t\\"\\\\"\n', { a: 'b\nAé😀\t"\\' }],
  ["a: 'b\n\n  c'\n", { a: 'b\nc' }],
  ['a: [b, c]\n', { a: ['b', 'c'] }],
  ['a: [b, c,]\n', { a: ['b', 'c'] }],
  ['a: []\nb: {}\n', { a: [], b: {} }],
  ['a: [[1, 2], {b: [3]}]\n', { a: [[1, 2], { b: [3] }] }],
  ['a: [\n  b,  # c\n  d\n  ]\n', { a: ['b', 'd'] }],
  ['a: {b: c d, "e": \'f\'}\n', { a: { b: 'c d', e: 'f' } }],
  ['a: {"b":1}\n', { a: { b: 1 } }],
  ['a: [b: c]\n', { a: [{ b: 'c' }] }],
  ['a: {b: , c: 1}\n', { a: { b: null, c: 1 } }],
  ['{a: 1,\n b: 2}\n', { a: 1, b: 2 }],
  ['"a b": 1\n\'c\': 2\nd e: 3\n', { 'a b': 1, c: 2, 'd e': 3 }],
  ['? a\n: b\n', { a: 'b' }],
  ['a: &x [1]\nb: *x\n', { a: [1], b: [1] }],
  ['a: !!str 12\n', { a: '12' }],
  ['--- # c\na: 1\n---\nb: 2\n...\n', { a: 1 }, { b: 2 }],
  ['---\n---\na: 1\n---\n# c\n', { a: 1 }],
  ['%YAML 1.2\n---\na: 1\n', { a: 1 }],
  ['a: |\n  ---\n  b\n', { a: '---\nb\n' }],
  ['a: ---b\n', { a: '---b' }],
  ['a: b\r\nc: |\r\n  d\r\n  e\r\n', { a: 'b', c: 'd\ne\n' }],
  ['a:   b   \n', { a: 'b' }],
  ['\n\n  a: 1\n  b: 2\n', { a: 1, b: 2 }],
  ['a: b c: d\n'.replace(': d', ':d'), { a: 'b c:d' }],
  ['a: b, c] }\n', { a: 'b, c] }' }],
  ['😀: "é"\n', { '😀': 'é' }],
  [''],
  ['# only a comment\n'],
]

test.each(tricky.map(([text, ...values]) => ({ text, values })))('$text is read', ({ text, values }) => {
  const read = readYaml(text)
  expect(read.faults).toEqual([])
  expect(read.documents.map(plain)).toEqual(values)
  expect(loadAll(text, { schema: CORE_SCHEMA }).filter((value) => value !== null)).toEqual(values)
})

test('a byte order mark may begin a file', () => {
  const read = readYaml('\ufeffa: 1\n')
  expect(read).toEqual({ documents: [expect.objectContaining({ start: 1 })], faults: [] })
})

test('a block scalar at the end of a file without line break has none either', () => {
  expect(readYaml('a: |\n  b').documents.map(plain)).toEqual([{ a: 'b' }])
})

/** `^` under each fault, as an editor would show it: the part between ⟦ and ⟧. */
const faulty: readonly (readonly [title: string, text: string, ...faults: string[]])[] = [
  ['a tab indents', 'a:\n⟦\t⟧b: 1\n', 'yaml-syntax'],
  ['a second key on a line', 'a: ⟦b⟧: c\n', 'yaml-syntax'],
  ['a quote is not closed', 'a: ⟦"⟧b\nc: d\n', 'yaml-syntax'],
  ['plain text begins with @', 'a: ⟦@⟧b\n', 'yaml-syntax'],
  ['an unknown escape', 'a: "b⟦\\d⟧"\n', 'yaml-syntax'],
  ['a key twice', 'a: 1\nb: 2\n⟦a⟧: 3\n', 'duplicate-key'],
  ['a key twice in brackets', 'a: {b: 1, ⟦b⟧: 2}\n', 'duplicate-key'],
  ['an alias without anchor', 'a: ⟦*b⟧\n', 'yaml-syntax'],
  ['an unknown tag', 'a: ⟦!b⟧ c\n', 'yaml-syntax'],
  ['a YAML 1.1 tag', 'a: ⟦!!binary⟧ aGk=\n', 'ambiguous-scalar'],
  ['a list as key', '⟦[a]⟧: b\n', 'yaml-syntax'],
  ['countries', 'a: [DE, ⟦NO⟧]\n', 'ambiguous-scalar'],
  ['a document behind `...` alone', 'a: 1\n...\n# c\n⟦b: 2⟧\n', 'yaml-syntax'],
  ['text behind the separator', '--- ⟦{a: 1}⟧\n', 'yaml-syntax'],
]

test.each(faulty)('%s: one fault, at its place', (_, marked, ...codes) => {
  const start = marked.indexOf('⟦')
  const { faults } = readYaml(marked.replace('⟦', '').replace('⟧', ''))
  expect(faults.map(({ code }) => code)).toEqual(codes)
  expect(faults[0]).toMatchObject({ start, end: marked.indexOf('⟧') - 1 })
})

test('faults in several documents are all reported, and the other documents are read', () => {
  const text = 'a: 1\n---\nb: "x\n---\nc: NO\nd: 010\n---\ne: [1\n---\nf: 2\n'
  const { documents, faults } = readYaml(text)
  expect(faults.map(({ code, start }) => `${code}@${lineIndexOf(text)(start).line}`)).toEqual([
    'yaml-syntax@3',
    'ambiguous-scalar@5',
    'ambiguous-scalar@6',
    'yaml-syntax@8',
  ])
  expect(documents.map(plain)).toEqual(expect.arrayContaining([{ a: 1 }, { c: 'NO', d: 10 }, { f: 2 }]))
})

test('a duplicate key tells the place of the first', () => {
  const [fault] = readYaml('a: 1\nb: 2\na: 3\n').faults
  expect(fault?.related).toEqual([{ start: 0, end: 1, message: expect.any(String) }])
})

test('a node is found by its path, with its key', () => {
  const [document] = readYaml('spec:\n  list:\n    - name: a\n    - name: b\n').documents
  expect(nodeAt(document!, ['spec', 'list', 1, 'name'])).toMatchObject({
    key: { value: 'name' },
    value: { value: 'b', start: 40 },
  })
  expect(nodeAt(document!, ['spec', 'list', 2])).toBeNull()
  expect(nodeAt(document!, ['spec', 'list', 1, 'name', 'x'])).toBeNull()
  expect(nodeAt(document!, [])).toEqual({ value: document })
})

test('offsets become lines and columns in UTF-16 code units', () => {
  const at = lineIndexOf('a\r\n😀b\n\n')
  expect([0, 1, 3, 5, 6, 7, 8, 99].map(at).map(({ line, column }) => `${line}:${column}`)).toEqual([
    '1:1',
    '1:2',
    '2:1',
    '2:3',
    '2:4',
    '3:1',
    '4:1',
    '4:1',
  ])
})

const bytes: readonly (readonly [title: string, bytes: number[], expected: unknown])[] = [
  ['text', [0x61, 0xc3, 0xa9], { kind: 'text', text: 'aé' }],
  ['a byte order mark', [0xef, 0xbb, 0xbf, 0x61], { kind: 'text', text: '\ufeffa' }],
  ['a stray byte', [0x61, 0x62, 0xff, 0x63], { kind: 'fault', offset: 2 }],
  ['a character cut at the end', [0x61, 0xe2, 0x82], { kind: 'fault', offset: 1 }],
  ['a character cut inside', [0xc3, 0x28, 0x61], { kind: 'fault', offset: 0 }],
  ['Latin-1', [0x5a, 0x6f, 0xeb, 0x20, 0x61], { kind: 'fault', offset: 2 }],
  ['a surrogate', [0x61, 0xed, 0xa0, 0x80], { kind: 'fault', offset: 1 }],
  ['UTF-16', [0xff, 0xfe, 0x61, 0x00], { kind: 'fault', offset: 0 }],
]

test.each(bytes)('of bytes: %s', (_, given, expected) => {
  expect(decodeUtf8(Uint8Array.from(given))).toMatchObject(expected as object) // the table's last column
})
