import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { main } from '../../cli/main.ts'
import { namesakes, passing, segments, suite } from './suites.ts'

const folder = mkdtempSync(join(tmpdir(), 'convoke-segment-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

type Ran = { readonly code: number; readonly out: string; readonly err: string }

async function convoke(...args: string[]): Promise<Ran> {
  let [out, err] = ['', '']
  const code = await main(args, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    document: () => {},
    program: 'convoke',
    isTerminal: false,
    columns: 100,
    rows: null,
    colour: false,
    // Where there is no Python there is no Spark.
    env: { PYSPARK_PYTHON: '/nowhere/python' },
    cwd: folder,
    readStdin: () => Buffer.alloc(0),
    ask: null,
    now: () => new Date('2026-01-15T00:00:00Z'),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

const withoutSpark = 'Engines: reference and duckdb; Spark is not here: there is no `/nowhere/python`.\n'

let files = 0

async function run(yaml: string, ...args: string[]): Promise<Ran> {
  files += 1
  const file = `suite-${files}.test.yaml`
  writeFileSync(join(folder, file), yaml)
  return convoke('test', file, ...args)
}

test.each(['reference', 'duckdb', 'all'])('all of these pass on the engine: %s', async (engine) => {
  const { code, out, err } = await run(passing, '--engine', engine)
  expect(out.split('\n').filter((line) => line.includes('✗') || line.startsWith('      '))).toEqual([])
  expect([code, err]).toEqual([0, engine === 'all' ? withoutSpark : ''])
})

const failing: readonly (readonly [what: string, cases: string, expected: string])[] = [
  [
    'who is missing, and why',
    `- {name: a, expression: '(name = "Ann" or tags.count() > 1) and not (exists E from xEvent where E.price > 5)', members: [ann]}`,
    `shop
  ✗ a
      at 2026-01-15T10:30:00Z:
        members: expected ann; found nobody
        ann should be in and is not:
          false  name = "Ann"
          true   tags.count() > 1
          true   exists E from xEvent where E.price > 5  (under not)

0 passed, 1 failed`,
  ],
  [
    'who is in and should not be, three of them and how many more',
    `- {name: a, expression: name.isNull(), members: [], profiles: [{id: a}, {id: b}, {id: c}, {id: d}, {id: e}]}`,
    `shop
  ✗ a
      at 2026-01-15T10:30:00Z:
        members: expected nobody; found a, b, c, d, e
        a is in and should not be:
          true   name.isNull()
        b is in and should not be:
          true   name.isNull()
        c is in and should not be:
          true   name.isNull()
        and 2 more

0 passed, 1 failed`,
  ],
  [
    'the step that failed',
    `- {name: a, expression: tags.count() > 1, timeline: [{at: "2026-01-15T10:30:00Z", members: [ann]}, {at: "2026-01-16T10:30:00Z", entered: [bob]}]}`,
    `shop
  ✗ a
      step 2, at 2026-01-16T10:30:00Z:
        entered: expected bob; found nobody
        bob should be in and is not:
          false  tags.count() > 1

0 passed, 1 failed`,
  ],
  [
    'an error that does not come',
    `- {name: a, expression: tags.count() > 1, error: pql-syntax}`,
    `shop
  ✗ a
      expected the error pql-syntax, but it compiles

0 passed, 1 failed`,
  ],
  [
    'another error',
    `- {name: a, expression: nam = 3, error: pql-syntax}`,
    `shop
  ✗ a
      expected the error pql-syntax, but it is refused with unknown-attribute

0 passed, 1 failed`,
  ],
  [
    'what cannot run',
    `- {name: a, expression: nam = 3, members: [ann]}\n- {name: b, expression: tags.count() > 1, members: [eve]}\n- {name: c, expression: tags.count() > 1, members: [ann]}`,
    `shop
  ✗ a
      The expression does not compile.
  ✗ b
      There are findings in the test itself.
  ✓ c

1 passed, 2 failed`,
  ],
]

test.each(failing)('a failure tells %s', async (_, cases, expected) => {
  const { code, out } = await run(suite(cases))
  expect([code, out.trim()]).toEqual([1, expected])
})

describe('Segments that refer to others', () => {
  test.each(['reference', 'duckdb'])('are evaluated with them on the engine: %s', async (engine) => {
    const { code, out, err } = await run(segments, '--engine', engine)
    expect([code, out, err]).toEqual([
      0,
      `of-segments\n  ✓ far references\n  ✓ by expression\n  ✓ over time\n\n3 passed, 0 failed${engine === 'duckdb' ? ', on duckdb' : ''}\n`,
      '',
    ])
  })

  test('may be called like attributes', async () => {
    const { code, out } = await run(namesakes, '--engine', 'all')
    expect([code, out]).toEqual([
      0,
      'of-segments\n  ✓ far references\n  ✓ by expression\n  ✓ over time\n\n3 passed, 0 failed, on reference and duckdb\n',
    ])
  })

  test('are covered with them; conditions that no case tells apart are listed', async () => {
    const { code, out } = await run(
      segments
        .replace('{age: 8}', '{age: 80}')
        .replaceAll('bob, kid', 'bob')
        .replaceAll('ann, kid', 'ann, kid')
        .split('    - name: over time')[0]!
        .replace('members: [ann]}', 'members: [ann, kid]}')
        .replace('age > 25', 'age > 15'),
      '--coverage',
    )
    expect([code, out]).toEqual([
      0,
      `of-segments
  ✓ far references
  ✓ by expression

2 passed, 0 failed

Segment or case             Left open    Leaf condition
──────────────────────────  ───────────  ───────────────────
adults                      never false  age >= 18
recent-adults               never false  inSegment("adults")
untested                    no case
of-segments: by expression  never false  age > 15

4 of 9 leaf conditions were true for some and false for others.
`,
    ])
  })

  test('have their counts in JSON', async () => {
    const { out } = await run(segments, '--coverage', '-o', 'json')
    const { coverage }: { coverage: { segment: string | null; leaves: object[] }[] } = JSON.parse(out)
    expect(coverage.map(({ segment }) => segment)).toEqual([
      'adults',
      'others',
      'recent',
      'recent-adults',
      'untested',
      null,
    ])
    expect(coverage[4]).toEqual({
      segment: 'untested',
      case: null,
      leaves: [
        { text: 'age > 100', true: 0, false: 0, status: 'never evaluated' },
        { text: 'age < 3', true: 0, false: 0, status: 'never evaluated' },
      ],
    })
    // Three people at six instants in all.
    expect(coverage[0]!.leaves).toEqual([{ text: 'age >= 18', true: 12, false: 6, status: 'covered' }])
  })
})

const mixed = suite(`
- {name: good, expression: tags.count() > 1, members: [ann]}
- {name: 'bad & "ugly" <x>', expression: tags.count() > 1, members: [bob]}
- {name: refused, expression: nam = 3, error: unknown-attribute}
- {name: timeline, expression: tags.count() > 1, timeline: [{at: "2026-01-15T10:30:00Z", members: [ann], entered: [bob]}]}
`)

test('the JSON has every case with what was expected and found', async () => {
  const { code, out, err } = await run(mixed, '-o', 'json', '--engine', 'all')
  const document: { cases: { engine: string; diagnostics: { code: string }[] }[] } = JSON.parse(out)
  expect([code, err]).toEqual([1, withoutSpark])
  expect(document).toMatchObject({ passed: 4, failed: 4 })
  for (const engine of ['reference', 'duckdb'])
    expect(
      document.cases
        .filter((each) => each.engine === engine)
        .map(({ diagnostics, ...rest }) => ({ ...rest, diagnostics: diagnostics.map(({ code }) => code) })),
    ).toEqual([
      { suite: 'shop', name: 'good', engine, status: 'passed', expected: ['ann'], actual: ['ann'], diagnostics: [] },
      {
        suite: 'shop',
        name: 'bad & "ugly" <x>',
        engine,
        status: 'failed',
        expected: ['bob'],
        actual: ['ann'],
        diagnostics: [],
      },
      {
        suite: 'shop',
        name: 'refused',
        engine,
        status: 'passed',
        expected: 'unknown-attribute',
        actual: 'unknown-attribute',
        diagnostics: ['unknown-attribute'],
      },
      {
        suite: 'shop',
        name: 'timeline',
        engine,
        status: 'failed',
        expected: [{ at: '2026-01-15T10:30:00Z', members: ['ann'], entered: ['bob'] }],
        actual: [{ at: '2026-01-15T10:30:00Z', members: ['ann'], entered: ['ann'], exited: [] }],
        diagnostics: [],
      },
    ])
})

test('JUnit has a test case for each case, and escapes what it quotes', async () => {
  const { code, out } = await run(mixed, '-o', 'junit')
  expect([code, out]).toEqual([
    1,
    `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="2" errors="0">
 <testsuite name="shop (reference)" tests="4" failures="2" errors="0" skipped="0">
  <testcase classname="shop" name="good"/>
  <testcase classname="shop" name="bad &amp; &quot;ugly&quot; &lt;x&gt;">
    <failure message="at 2026-01-15T10:30:00Z: members: expected bob; found ann">at 2026-01-15T10:30:00Z:
  members: expected bob; found ann
  bob should be in and is not:
    false  tags.count() &gt; 1
  ann is in and should not be:
    true   tags.count() &gt; 1</failure>
  </testcase>
  <testcase classname="shop" name="refused"/>
  <testcase classname="shop" name="timeline">
    <failure message="step 1, at 2026-01-15T10:30:00Z: entered: expected bob; found ann">step 1, at 2026-01-15T10:30:00Z:
  entered: expected bob; found ann</failure>
  </testcase>
 </testsuite>
</testsuites>
`,
  ])
})

test('findings make the exit code 1, and go to standard error', async () => {
  const { code, out, err } = await run(suite('- {name: a, expression: nam = 3, members: [ann]}'), '-o', 'json')
  expect(code).toBe(1)
  expect(err).toContain('error[unknown-attribute]: `nam` is not a field of the profile')
  expect(JSON.parse(out)).toMatchObject({
    passed: 0,
    failed: 1,
    cases: [{ actual: null, diagnostics: [{ code: 'unknown-attribute', path: 'spec.cases[0].expression' }] }],
  })
})

test.each([
  [
    ['--engine', 'spark'],
    'Spark is not here: there is no `/nowhere/python`. It takes Java 17 or newer, and `pip install pyspark`',
  ],
  [['--engine', 'flink'], '--engine takes reference, duckdb, spark, all, not `flink`'],
  [['-o', 'xml'], '--output takes text, json, junit'],
])('%j is wrong use', async (args, said) => {
  const { code, out, err } = await run(passing, ...args)
  expect([code, out]).toEqual([2, ''])
  expect(err).toContain(said)
})

test('paths without a SegmentTest are wrong use', async () => {
  const { code, err } = await run(segments.split('---\n').slice(0, 2).join('---\n'))
  expect(code).toBe(2)
  expect(err).toContain('There is no SegmentTest in what was given')
})
