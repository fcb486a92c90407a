import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { adobeOfSegments, segmentsOfAdobe } from '#compiler'
import { convoke, folderOf } from './command-line.ts'

const home = '5afe34ae-8c98-4513-8a1d-67ccaa54bc05'
const page = {
  segments: [
    {
      id: home,
      schema: { name: '_xdm.context.profile' },
      profileInstanceId: 'ups',
      imsOrgId: '4C2E8A7B51D09F6634AB77C1@AdobeOrg',
      name: 'People who live in the US',
      description: 'Home address: "US"',
      expression: { type: 'PQL', format: 'pql/text', value: 'homeAddress.countryCode = "US"' },
      evaluationInfo: { batch: { enabled: true }, continuous: { enabled: false }, synchronous: { enabled: false } },
      lifecycleState: 'published',
    },
    {
      id: 'ca763983-5572-4ea4-809c-b7dff7e0d79b',
      name: 'Käufer & Gäste',
      expression: {
        type: 'PQL',
        format: 'pql/text',
        value: ` inSegment("${home}")\nand loyalty.tier = "gold"\n`,
      },
      evaluationInfo: { batch: { enabled: false }, continuous: { enabled: true }, synchronous: { enabled: false } },
    },
  ],
  page: { totalCount: 2, totalPages: 1 },
}

test('a page of definitions becomes Segments with names, ids, references and the way of evaluation', async () => {
  const { code, out, err } = await convoke(folderOf({ 'page.json': JSON.stringify(page) }), [
    'convert',
    'page.json',
    '--store',
    'readers',
  ])
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatchInlineSnapshot(`
    "apiVersion: convoke.dev/v1alpha1
    kind: Segment
    metadata:
      name: people-who-live-in-the-us
      annotations:
        convoke.dev/adobe-segment-id: 5afe34ae-8c98-4513-8a1d-67ccaa54bc05
    spec:
      profileStoreRef: { name: readers }
      displayName: People who live in the US
      description: 'Home address: "US"'
      expression: homeAddress.countryCode = "US"
    ---
    apiVersion: convoke.dev/v1alpha1
    kind: Segment
    metadata:
      name: kaufer-gaste
      annotations:
        convoke.dev/adobe-segment-id: ca763983-5572-4ea4-809c-b7dff7e0d79b
    spec:
      profileStoreRef: { name: readers }
      displayName: Käufer & Gäste
      evaluation: Streaming
      expression: |-
        inSegment("people-who-live-in-the-us")
        and loyalty.tier = "gold"
    "
  `)
})

test('--out writes a file for each and overwrites none', async () => {
  const folder = folderOf({ 'page.json': JSON.stringify(page.segments) })
  expect((await convoke(folder, ['convert', 'page.json', '--out', 'a'])).code).toBe(0)
  expect(readdirSync(join(folder, 'a'))).toEqual(['kaufer-gaste.yaml', 'people-who-live-in-the-us.yaml'])
  const before = readFileSync(join(folder, 'a/kaufer-gaste.yaml'), 'utf8')
  const again = await convoke(folder, ['convert', 'page.json', '--out', 'a', '--store', 'other'])
  expect([again.code, readFileSync(join(folder, 'a/kaufer-gaste.yaml'), 'utf8')]).toEqual([2, before])
})

test('there and back gives the same definition', async () => {
  const folder = folderOf({ 'page.json': JSON.stringify(page) })
  await convoke(folder, ['convert', 'page.json', '--out', 'a'])
  const { code, out, err } = await convoke(folder, ['convert', '--to', 'adobe', 'a'])
  expect([code, err]).toEqual([0, ''])
  const known = page.segments.map(({ id, name, description, expression, evaluationInfo }) => ({
    id,
    name,
    ...(description === undefined ? {} : { description }),
    expression: { ...expression, value: expression.value.trim() },
    schema: { name: '_xdm.context.profile' },
    dataGovernancePolicy: { excludeOptOut: true },
    evaluationInfo,
  }))
  expect(JSON.parse(out)).toEqual([known[1], known[0]])
})

test('there and back keeps the names of the examples, whatever they are displayed as', async () => {
  const examples = new URL('../../examples/', import.meta.url).pathname
  for (const example of ['retail/resources', 'cdnow/resources', 'minimal']) {
    const adobe = await convoke(join(examples, example), ['convert', '--to', 'adobe', '.'])
    const folder = folderOf({ 'definitions.json': adobe.out })
    const { out } = await convoke(folder, ['convert', 'definitions.json'])
    const namesIn = (text: string): string[] =>
      [...text.matchAll(/kind: Segment\nmetadata:(?: \{|\n {2}) ?name: ([\w-]+)/g)].map(([, name]) => name!)
    const files = readdirSync(join(examples, example), { encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'))
    const written = files.map((file) => readFileSync(join(examples, example, file), 'utf8')).join('\n')
    expect(namesIn(written).length).toBeGreaterThan(2)
    expect(namesIn(out)).toEqual(namesIn(written))
  }
})

test('there and back gives the same definition, whatever texts it holds', () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .map((each) => each.replace(/\r|\ufeff|[\x80-\x9f\u2028\u2029]/g, ' '))
  const lines = fc.array(text, { minLength: 1, maxLength: 4 }).map((each) => each.join('\n'))
  fc.assert(
    fc.property(lines, lines, lines, (name, description, literal) => {
      const value = `a.b = ${JSON.stringify(literal)}\n  and\n\n c = "x"`
      const definition = { name, description, expression: { type: 'PQL', format: 'pql/text', value } }
      const { segments, diagnostics } = segmentsOfAdobe([{ file: 'a.json', text: JSON.stringify(definition) }], {
        store: 's',
      })
      expect(diagnostics).toEqual([])
      const back = adobeOfSegments(segments.map(({ yaml }) => ({ file: 'a.yaml', text: yaml })))
      expect(back.diagnostics).toEqual([])
      expect(back.definitions).toMatchObject([{ name, description, expression: { value } }])
    }),
    { numRuns: 300 },
  )
})

test('pql/json is read as a tree or as its text, and written', async () => {
  const tree = {
    nodeType: 'fnApply',
    fnName: '=',
    params: [
      {
        nodeType: 'fieldLookup',
        fieldName: 'country',
        object: {
          nodeType: 'fieldLookup',
          fieldName: 'workAddress',
          object: { nodeType: 'parameterReference', position: 1 },
        },
      },
      { nodeType: 'literal', literalType: 'String', value: 'US' },
    ],
  }
  for (const value of [tree, JSON.stringify(tree)]) {
    const folder = folderOf({
      'a.json': JSON.stringify({ name: 'x', expression: { type: 'PQL', format: 'pql/json', value } }),
    })
    const { code, out, err } = await convoke(folder, ['convert', 'a.json', '--out', '.'])
    expect([code, out, err]).toEqual([0, '', 'x.yaml\n'])
    expect(readFileSync(join(folder, 'x.yaml'), 'utf8')).toContain('  expression: workAddress.country = "US"\n')
    const back = JSON.parse((await convoke(folder, ['convert', 'x.yaml', '--to', 'adobe', '--format', 'pql/json'])).out)
    expect(back[0].expression.format).toBe('pql/json')
    expect(JSON.parse(back[0].expression.value)).toEqual(tree)
  }
})

test('a fault in a tree is pointed at', async () => {
  const value = { nodeType: 'fnApply', fnName: 'and', params: [{ nodeType: 'nonsense' }] }
  const folder = folderOf({
    'a.json': JSON.stringify({ name: 'x', expression: { type: 'PQL', format: 'pql/json', value } }, null, 1),
  })
  const { code, err } = await convoke(folder, ['convert', 'a.json'])
  expect(code).toBe(1)
  expect(err).toMatch(/error\[pql-unsupported\].*\n +--> a\.json:\d+:\d+ \(expression\.value\.params\[0\]/)
})

describe('what cannot be converted is said where it stands, and the rest is converted', () => {
  const definition = (more: object): object => ({
    name: 'x',
    expression: { type: 'PQL', format: 'pql/text', value: 'a = 1' },
    ...more,
  })
  test.each([
    ['no expression', { name: 'x' }, 'missing-field', 'a.json:1:2', 1],
    [
      'another format',
      definition({ expression: { type: 'PQL', format: 'pql/xml', value: '<a/>' } }),
      'pql-unsupported',
      'a.json:1:50',
      1,
    ],
    [
      'a fault of the language',
      definition({ expression: { value: '  a = and b = 1' } }),
      'pql-syntax',
      'a.json:1:43',
      1,
    ],
    [
      'an unknown reference',
      definition({ expression: { value: 'inSegment("x-y")' } }),
      'unresolved-reference',
      'a.json:1:49',
      0,
    ],
    [
      'evaluation on the edge',
      definition({ evaluationInfo: { synchronous: { enabled: true } } }),
      'pql-unsupported',
      'a.json:1:',
      0,
    ],
    ['no definition', [1], 'wrong-type', 'a.json:1:2', 1],
  ])('%s', async (_, faulty, code, place, exit) => {
    const list = [faulty, definition({ name: 'sound' })]
    const ended = await convoke(folderOf({ 'a.json': JSON.stringify(list) }), ['convert', 'a.json'])
    expect(ended.err).toMatch(new RegExp(`(error|warning)\\[${code}\\]`))
    expect(ended.err).toContain(place)
    expect(ended.out).toContain('name: sound')
    expect(ended.code).toBe(exit)
  })
})

test('a Segment without an id at Adobe keeps its name in references, with a warning', async () => {
  const segment = (name: string, expression: string): string =>
    `apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: ${name} }\nspec: { profileStoreRef: { name: p }, expression: '${expression}' }\n---\n`
  const folder = folderOf({ 'a.yaml': segment('a', 'x = 1') + segment('b', 'inSegment("a")') })
  const { code, out, err } = await convoke(folder, ['convert', 'a.yaml', '--to', 'adobe'])
  expect(code).toBe(0)
  expect(err).toContain("Adobe's id of the Segment `a` is not known")
  expect(JSON.parse(out)[1].expression.value).toBe('inSegment("a")')
})
