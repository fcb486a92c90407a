import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readYaml, type YamlFile, type YamlScalar } from '../../compiler/yaml/index.ts'
import { tries } from '../support/soak.ts'
import { randomOf } from './corpus.ts'
import { goVersion, kubernetesReader } from './kubernetes-reader.ts'

/** How each plain scalar is read: our value, and whether it is reported. */
const table: readonly (readonly [text: string, value: YamlScalar['value'], isAmbiguous: boolean])[] = [
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map((text) => [text, text, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map((text) => [text, text, true] as const),
  ...['yEs', 'nO', 'oN', 'tRUE', 'nULL', 'yes!', 'Norway', 'one'].map((text) => [text, text, false] as const),
  ...['true', 'True', 'TRUE'].map((text) => [text, true, false] as const),
  ...['false', 'False', 'FALSE'].map((text) => [text, false, false] as const),
  ...['~', 'null', 'Null', 'NULL'].map((text) => [text, null, false] as const),
  ['0', 0, false],
  ['-0', 0, false],
  ['007', 7, false],
  ['08', 8, false],
  ['010', 10, true],
  ['-010', -10, true],
  ['0o17', 15, false],
  ['0O17', '0O17', true],
  ['-0o17', '-0o17', true],
  ['0x1F', 31, false],
  ['0X1F', '0X1F', true],
  ['-0x1F', '-0x1F', true],
  ['0b11', '0b11', true],
  ['0b+1', '0b+1', true],
  ['0b2', '0b2', false],
  ['1_000', '1_000', true],
  ['_1', '_1', false],
  ['.5_5', '.5_5', true],
  ['.5_', '.5_', false],
  ['12:30:45', '12:30:45', false],
  ['1:30', '1:30', false],
  ['2026-01-01', '2026-01-01', false],
  ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', false],
  ['1.5', 1.5, false],
  ['1e3', 1000, false],
  ['1.e3', 1000, false],
  ['.5', 0.5, false],
  ['1e400', '1e400', true],
  ['1e-400', 0, false],
  ['.nan', '.nan', true],
  ['.inf', '.inf', true],
  ['+.inf', '+.inf', true],
  ['-.Inf', '-.Inf', true],
  ['.iNf', '.iNf', false],
  ['9007199254740991', 9007199254740991, false],
  ['9007199254740992', '9007199254740992', true],
  ['9007199254740993', '9007199254740993', true],
  ['-9007199254740993', '-9007199254740993', true],
  ['99999999999999999999', '99999999999999999999', true],
  ['0xFFFFFFFFFFFFFFFF', '0xFFFFFFFFFFFFFFFF', true],
  ['-0xFFFFFFFFFFFFFFFFFF', '-0xFFFFFFFFFFFFFFFFFF', false],
  ['<<', '<<', false],
  ['=', '=', false],
]

test.each(table)('%s is read as %j, reported: %j', (text, value, isAmbiguous) => {
  const { documents, faults } = readYaml(`v: ${text}\n`)
  expect(scalarOf({ documents, faults })).toMatchObject({ value })
  expect(faults.map(({ code, start, end }) => ({ code, start, end }))).toEqual(
    isAmbiguous ? [{ code: 'ambiguous-scalar', start: 3, end: 3 + text.length }] : [],
  )
  for (const { fix, start, end } of faults) {
    const fixed = readYaml(`${`v: ${text}\n`.slice(0, start)}${fix?.text}${`v: ${text}\n`.slice(end)}`)
    expect(fixed.faults).toEqual([])
    expect(scalarOf(fixed)).toMatchObject({ value: text })
  }
})

const keys: readonly (readonly [text: string, isReported: boolean])[] = [
  ['name', false],
  ['true', false],
  ['1', false],
  ['-7', false],
  ['on', true],
  ['y', true],
  ['True', true],
  ['null', true],
  ['~', true],
  ['010', true],
  ['1.10', true],
  ['1_0', true],
  ['0x1F', true],
  ['<<', true],
  ['"on"', false],
]

test.each(keys)('as a key %s is text, reported: %j', (text, isReported) => {
  const { faults } = readYaml(`${text}: {}\n`)
  expect(faults.map(({ code }) => code)).toEqual(isReported ? ['ambiguous-scalar'] : [])
})

const structure: readonly (readonly [title: string, text: string])[] = [
  ['a colon glued to a key in brackets', 'a: {b:, c: 1}\n'],
  ['a question mark in brackets', 'a: [what?]\n'],
  ['a leading colon in brackets', 'a: [:b]\n'],
  ['an escaped slash', 'a: "b\\/c"\n'],
  ['a tab behind a dash', 'a:\n- \tb\n'],
  ['a blank line with a tab', 'a: b\n\t\nc: d\n'],
  ['an anchor with a point in its name', 'a: &b.c 1\n'],
  ['a key over two lines in brackets', 'a: {b\n  c: 1}\n'],
  ['a line separator', 'a: "b\u2028 c"\n'],
  ['a next-line character in a comment', '# b\u0085a: 1\nc: 2\n'],
  ['a lone carriage return', 'a: "b\rc"\n'],
  ['a deleted character', 'a: "\x7f"\n'],
  ['a text block that is not indented', '|-\n# a\nb\n'],
]

test.each(structure)('%s is reported', (_, text) => {
  expect(readYaml(text).faults.map(({ code }) => code)).toHaveLength(1)
})

const withGo = test.skipIf(goVersion === null)
const skipped = goVersion === null ? ' (skipped: no go on this machine)' : ''

withGo(
  `of the table and of fuzzed plain scalars, exactly those are reported that Kubernetes and YAML 1.2 read differently${skipped}`,
  () => {
    const texts = [...new Set([...table.map(([text]) => text), ...fuzzedScalars(tries(20_000, 1_000_000))])]
    const plain = texts.filter((text) => scalarOf(readYaml(`v: ${text}\n`))?.style === 'plain')
    const readings = kubernetesReader()(plain.map((text) => `v: ${text}\n`))
    const wrong = plain.flatMap((text, index) => {
      const file = readYaml(`v: ${text}\n`)
      const reading = readings[index]!
      // The document is `{"v": …}`.
      const kubernetes = reading.kind === 'value' ? (reading.value as { readonly v: unknown }).v : reading
      const yaml12: unknown = parse(text, { intAsBigInt: true })
      const isSafe = typeof yaml12 !== 'bigint' || Number.isSafeInteger(Number(yaml12))
      const same = isSafe && (kubernetes === plainNumber(yaml12) || Object.is(kubernetes, -0))
      const ours = scalarOf(file)?.value
      return file.faults.length === (same ? 0 : 1) && (!same || ours === plainNumber(yaml12))
        ? []
        : [{ text, ours, kubernetes, faults: file.faults }]
    })
    expect(wrong).toEqual([])
    expect(plain.length).toBeGreaterThan(texts.length / 2)
  },
)

withGo(`every key that Kubernetes turns into another text is reported${skipped}`, () => {
  const texts = [...new Set([...keys.map(([text]) => text), ...fuzzedScalars(10_000)])].filter(
    (text) => text !== '<<' && !text.startsWith('"'),
  )
  const plain = texts.filter((text) => keyOf(readYaml(`${text}: 1\n`))?.style === 'plain' && !/[?:]/.test(text))
  const readings = kubernetesReader()(plain.map((text) => `${text}: 1\n`))
  const wrong = plain.filter((text, index) => {
    const reading = readings[index]!
    const isText = reading.kind === 'value' && Object.keys(Object(reading.value))[0] === text
    const isReported = readYaml(`${text}: 1\n`).faults.length > 0
    // Floats are reported whether they keep their digits or not: `1.5` does, `1.50` and `1.123456789` do not.
    return isText ? isReported && !/^[-+.\d]/.test(text) : !isReported
  })
  expect(wrong).toEqual([])
})

withGo(`what is reported of structure, Kubernetes refuses or reads otherwise${skipped}`, () => {
  const readings = kubernetesReader()(structure.map(([, text]) => text))
  const agreed = structure.filter(([, text], index) => {
    const reading = readings[index]!
    return (
      reading.kind === 'value' && JSON.stringify(reading.value) === JSON.stringify(parse(text, { logLevel: 'silent' }))
    )
  })
  expect(agreed.map(([title]) => title)).toEqual([])
})

function fuzzedScalars(count: number): string[] {
  const random = randomOf(7)
  const pieces = [
    '0',
    '1',
    '7',
    '8',
    '9',
    '00',
    '_',
    '+',
    '-',
    '.',
    'e',
    'E',
    'x',
    'X',
    'o',
    'O',
    'b',
    'B',
    'y',
    'n',
    'N',
    'f',
    'F',
    'inf',
    'nan',
    'a',
    'yes',
    'no',
    'true',
    'null',
    ':',
    'T',
    '999999999',
    '9007199254740993',
    ' ',
    '~',
    '=',
    '<',
  ]
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random(6) }, () => pieces[random(pieces.length)])
      .join('')
      .trim(),
  ).filter((text) => text !== '')
}

function plainNumber(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value === 0 ? 0 : value
}

function scalarOf({ documents }: YamlFile): YamlScalar | undefined {
  const [document] = documents
  const value = document?.kind === 'map' ? document.entries[0]?.value : undefined
  return value?.kind === 'scalar' ? value : undefined
}

function keyOf({ documents }: YamlFile): YamlScalar | undefined {
  return documents[0]?.kind === 'map' ? documents[0].entries[0]?.key : undefined
}
