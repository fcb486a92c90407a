import { readFileSync } from 'node:fs'
import Ajv4 from 'ajv-draft-04'
import formats from 'ajv-formats'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { describe, expect, test } from 'vitest'
import { type Diagnostic, sarifDocument } from '#compiler'
import { convoke, folderOf } from '../cli-tools/command-line.ts'

const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')

const schema = new URL('../../node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json', import.meta.url)
const ajv = new Ajv4.default({ strict: false, allErrors: true, unicodeRegExp: false })
formats.default(ajv)
const validSarif = ajv.compile(JSON.parse(readFileSync(schema, 'utf8')))

/** What the schema of SARIF 2.1.0 says against a document. */
function sarifFaults(log: unknown): unknown[] {
  validSarif(log)
  return validSarif.errors ?? []
}

/** One error with evidence in another file and a fix, and one file without a fault. */
const faulty = {
  'bundle.yaml': bundle,
  'segments/odd, name: 100%.yaml': `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: strays }
spec:
  profileStoreRef: { name: readers }
  expression: |
    clubb.credits > 0 and club.level = "nobody"
`,
}

const broken = (count: number) => ({
  'broken.yaml': Array.from({ length: count }, (_, index) => `a${index}: *x\n---\n`).join(''),
})

describe('sarif', () => {
  test('is valid SARIF 2.1.0 and says rules, places, evidence and fixes', async () => {
    const { code, out, err } = await convoke(folderOf(faulty), ['check', '.', '-o', 'sarif'])
    expect([code, err]).toEqual([1, ''])
    const log = JSON.parse(out)
    expect(sarifFaults(log)).toEqual([])
    const run = log.runs[0]
    expect(run.columnKind).toBe('utf16CodeUnits')
    expect(run.tool.driver.rules).toMatchObject([
      { id: 'pql-type-mismatch' },
      {
        id: 'unknown-attribute',
        shortDescription: { text: 'The union schema has no such attribute' },
        help: { markdown: expect.stringContaining('```yaml') },
        defaultConfiguration: { level: 'error' },
      },
    ])
    const result = run.results.find((each: { ruleId: string }) => each.ruleId === 'unknown-attribute')
    expect(result).toMatchObject({
      level: 'error',
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: 'segments/odd%2C%20name%3A%20100%25.yaml', uriBaseId: '%SRCROOT%' },
            region: { startLine: 7, startColumn: 5, endLine: 7, endColumn: 10, charLength: 5 },
          },
          logicalLocations: [{ fullyQualifiedName: 'default/Segment/strays/spec.expression' }],
        },
      ],
      partialFingerprints: { primaryLocationLineHash: expect.stringMatching(/^[0-9a-f]{16}:1$/) },
      fixes: [{ artifactChanges: [{ replacements: [{ insertedContent: { text: 'club' } }] }] }],
    })
    expect(run.tool.driver.rules[result.ruleIndex].id).toBe('unknown-attribute')
  })

  test('has an empty list of results where nothing is wrong', async () => {
    const { code, out } = await convoke(folderOf({ 'bundle.yaml': bundle }), ['check', '.', '-o', 'sarif'])
    expect(code).toBe(0)
    expect(JSON.parse(out).runs[0].results).toEqual([])
    expect(sarifFaults(JSON.parse(out))).toEqual([])
  })

  test('keeps fingerprints when lines move and the file is renamed', async () => {
    const prints = async (files: Record<string, string>): Promise<string[]> =>
      JSON.parse((await convoke(folderOf(files), ['check', '.', '-o', 'sarif'])).out).runs[0].results.map(
        (result: { partialFingerprints: object }) => JSON.stringify(result.partialFingerprints),
      )
    const [name, text] = Object.entries(faulty)[1]!
    const before = await prints({ 'bundle.yaml': bundle, [name]: text })
    expect(before.length).toBeGreaterThan(0)
    expect(await prints({ 'bundle.yaml': bundle, 'moved.yaml': `# a line\n\n${text}` })).toEqual(before)
    expect(new Set(before).size).toBe(before.length)
  })

  test('gives 25,000 results at most, errors first, and says how many it left out', () => {
    const finding = (severity: 'error' | 'warning', index: number): Diagnostic => ({
      code: 'yaml-syntax',
      severity,
      message: `fault ${index}`,
      file: 'a.yaml',
      span: null,
      resource: null,
      path: '',
      related: [],
      fixes: [],
    })
    const many = Array.from({ length: 25_010 }, (_, index) => finding(index < 20 ? 'warning' : 'error', index))
    const options = { version: '1.0.0', pathInRepository: (file: string) => file }
    // What the schema says of the document as a whole it says of its JSON.
    const log = JSON.parse(JSON.stringify(sarifDocument(many, [], options)))
    const [run] = log.runs
    expect(run.results).toHaveLength(25_000)
    expect(run.results[0].message.text).toBe('fault 20.')
    expect(run.invocations[0].toolExecutionNotifications[0].message.text).toBe(
      '10 of 25010 findings were left out: a run takes 25000 results.',
    )
  })

  test('counts paths from the root of the checkout', async () => {
    const folder = folderOf({ 'a/b/broken.yaml': 'a: *x\n' })
    const { out } = await convoke(`${folder}/a`, ['check', 'b', '-o', 'sarif'], { env: { GITHUB_WORKSPACE: folder } })
    expect(JSON.parse(out).runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri).toBe(
      'a/b/broken.yaml',
    )
  })
})

describe('github', () => {
  test('escapes properties and messages, and names line and columns', async () => {
    const { code, out, err } = await convoke(folderOf(faulty), ['check', '.', '-o', 'github'])
    expect(code).toBe(1)
    expect(out.split('\n')[0]).toMatch(
      /^::error file=segments\/odd%2C name%3A 100%25\.yaml,line=7,col=5,endLine=7,endColumn=10,title=unknown-attribute::`clubb` .*%0A/,
    )
    expect(
      out
        .trimEnd()
        .split('\n')
        .every((line) => /^::(error|warning|notice) /.test(line)),
    ).toBe(true)
    expect(err).toMatch(/^\d+ error/)
  })

  test('prints nothing where nothing is wrong', async () => {
    expect((await convoke(folderOf({ 'bundle.yaml': bundle }), ['check', '.', '-o', 'github'])).out).toBe('')
  })
})

describe('junit', () => {
  test('has a case for each file, the faulty ones with their findings', async () => {
    const { code, out, err } = await convoke(folderOf(faulty), ['check', '.', '-o', 'junit'])
    expect([code, err]).toEqual([1, ''])
    expect(XMLValidator.validate(out)).toBe(true)
    const suites = new XMLParser({ ignoreAttributes: false }).parse(out).testsuites
    expect([suites['@_tests'], suites['@_failures']]).toEqual(['2', '1'])
    const [fine, odd] = suites.testsuite.testcase
    expect(fine).toEqual({ '@_classname': 'convoke.check', '@_name': 'bundle.yaml' })
    expect(odd.failure['#text']).toContain('error[unknown-attribute]: `clubb` ')
  })

  test('has warnings as output, unless they count', async () => {
    const files = {
      'bundle.yaml': bundle.replace(
        'metadata: { name: patrons, labels: { team: club } }',
        'metadata: { name: patrons, labels: { team: club }, annotations: { convoke.dev/allow: "many-segments: none" } }',
      ),
    }
    const read = async (...more: string[]) =>
      new XMLParser({ ignoreAttributes: false }).parse(
        (await convoke(folderOf(files), ['check', '.', '-o', 'junit', ...more])).out,
      ).testsuites.testsuite.testcase
    expect((await read())['system-out']).toContain('unused-suppression')
    expect((await read('--fail-on', 'warning')).failure['@_type']).toBe('unused-suppression')
  })

  test('stays XML whatever a file holds', async () => {
    const { out } = await convoke(folderOf({ 'odd & <file>.yaml': 'a: "\u0001<&>\ud83d"\nb: *\u0007\n' }), [
      'check',
      '.',
      '-o',
      'junit',
    ])
    expect(XMLValidator.validate(out)).toBe(true)
    expect(out).toContain('odd &amp; &lt;file&gt;.yaml')
  })
})

test.each(['text', 'json', 'sarif', 'github', 'junit'])(
  '%s is the same on every run and for any order of files',
  async (format) => {
    const folder = folderOf({ ...faulty, ...broken(5) })
    const first = await convoke(folder, ['check', 'bundle.yaml', 'segments', 'broken.yaml', '-o', format])
    const second = await convoke(folder, ['check', 'broken.yaml', 'segments', 'bundle.yaml', '-o', format])
    expect(second).toEqual(first)
  },
)

test('--max-diagnostics shows errors before warnings and says how many it left out', async () => {
  const { out } = await convoke(folderOf(broken(30)), ['check', '.', '--max-diagnostics', '3'])
  expect(out.match(/^error\[/gm)).toHaveLength(3)
  expect(out).toContain('27 more are not shown (--max-diagnostics 3)\n30 errors, 0 warnings')
  expect((await convoke(folderOf(broken(1)), ['check', '.', '--max-diagnostics', 'all'])).code).toBe(2)
})
