import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { main } from '../../cli/main.ts'

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
    program: 'convoke',
    isTerminal: false,
    columns: 100,
    rows: null,
    colour: false,
    env: {},
    cwd: folder,
    readStdin: () => Buffer.alloc(0),
    now: () => new Date('2026-01-15T00:00:00Z'),
    signal: new AbortController().signal,
  })
  return { code, out, err }
}

let files = 0

async function run(yaml: string, ...args: string[]): Promise<Ran> {
  files += 1
  const file = `suite-${files}.test.yaml`
  writeFileSync(join(folder, file), yaml)
  return convoke('test', file, ...args)
}

const suite = (cases: string): string => `apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: {name: shop}
spec:
  schema:
    profile:
      type: object
      properties:
        name: {type: string}
        born: {type: string, format: date}
        tags: {type: array, items: {type: string}}
        scores: {type: object, additionalProperties: {type: number}}
        address: {type: object, properties: {city: {type: string}}}
        orders: {type: array, items: {type: object, properties: {sku: {type: string}, price: {type: number}}}}
    event: {type: object, properties: {eventType: {type: string}, price: {type: number}, items: {type: array, items: {type: string}}}}
  at: "2026-01-15T10:30:00Z"
  profiles:
    - id: ann
      attributes:
        name: Ann's "place"
        born: "1990-01-15"
        tags: [a, null, b]
        scores: {x: 1.5, z: -2}
        address: {city: Århus}
        orders: [{sku: s1, price: 10}, {sku: s2}]
      events:
        - {timestamp: "2026-01-10T00:00:00Z", eventType: purchase, price: 10, items: [x]}
        - {timestamp: "2026-01-20T00:00:00Z", eventType: return}
    - {id: bob, attributes: {name: null, tags: []}}
    - {id: "O'Hara"}
  cases:
${cases
  .trim()
  .split('\n')
  .map((line) => `    ${line}\n`)
  .join('')}`

const passing = suite(`
- {name: text, expression: 'name = "Ann''s \\"place\\""', members: [ann]}
- {name: nested, expression: 'address.city.startsWith("År")', members: [ann]}
- {name: list, expression: 'tags.count() = 2', members: [ann]}
- {name: map, expression: 'scores.x + scores.z < 0', members: [ann]}
- {name: objects, expression: 'exists O from orders where O.price >= 10 and O.sku = "s1"', members: [ann]}
- {name: event, expression: 'exists E from xEvent where E.eventType = "purchase" and E.items.count() = 1', members: [ann]}
- {name: not yet, expression: 'xEvent[eventType = "return"].count() = 0', members: [ann, bob, "O'Hara"]}
- {name: later, expression: 'xEvent[eventType = "return"].count() = 1', at: "2026-01-20T00:00:00Z", members: [ann]}
- {name: own people, expression: 'name = "X"', profiles: [{id: x, attributes: {name: X}}, {id: w}], members: [x]}
- {name: nobody, expression: 'name = "Y"', members: []}
- {name: attribute, expression: 'nam = "Y"', error: unknown-attribute}
- {name: grammar, expression: 'name = ', error: pql-syntax}
- {name: types, expression: 'name > 3', error: pql-type-mismatch}
- {name: function, expression: 'nam(3)', error: pql-unknown-function}
- {name: reference, expression: 'inSegment("x")', error: unresolved-reference}
- name: window
  expression: exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 7 days before now
  timeline:
    - {at: "2026-01-16T00:00:00Z", members: [ann], entered: [ann], exited: []}
    - {at: "2026-01-17T00:00:00Z", members: [ann], entered: [], exited: []}
    - {at: "2026-01-17T00:00:00.001Z", members: [], exited: [ann]}
    - {at: "2026-01-18T00:00:00Z", events: [{profile: bob, eventType: purchase}], members: [bob], entered: [bob]}
    - {at: "2026-01-20T00:00:00Z", events: [{profile: ann, eventType: purchase, timestamp: "2026-01-19T00:00:00Z"}], members: [ann, bob], entered: [ann]}
    - {at: "2026-02-20T00:00:00Z", members: [], exited: [ann, bob]}
- name: absence, and an event dated ahead that comes to pass
  expression: not (exists E from xEvent where E.eventType = "return")
  timeline:
    - {at: "2026-01-16T00:00:00Z", members: [ann, bob, "O'Hara"]}
    - {at: "2026-01-19T23:59:59.999Z", exited: []}
    - {at: "2026-01-20T00:00:00Z", members: [bob, "O'Hara"], exited: [ann]}
- name: attributes that are replaced, and somebody new
  expression: name.isNotNull()
  timeline:
    - {at: "2026-01-16T00:00:00Z", members: [ann]}
    - {at: "2026-01-16T00:00:00Z", profiles: [{id: ann, attributes: {}}, {id: eve, attributes: {name: Eve}}], members: [eve], entered: [eve], exited: [ann]}
- name: birthday
  expression: born.getMonth() = currentMonth() and born.getDayOfMonth() = currentDayOfMonth()
  timeline:
    - {at: "2026-01-14T23:00:00Z", members: []}
    - {at: "2026-01-15T01:00:00Z", members: [ann]}
    - {at: "2026-01-16T00:00:00Z", exited: [ann]}
    - {at: "2027-01-15T00:00:00Z", entered: [ann]}
`)

test.each(['reference', 'duckdb', 'all'])('all of these pass on the engine: %s', async (engine) => {
  const { code, out, err } = await run(passing, '--engine', engine)
  expect(out.split('\n').filter((line) => line.includes('✗') || line.startsWith('      '))).toEqual([])
  expect([code, err]).toEqual([0, engine === 'all' ? 'Engines: reference and duckdb; Spark is not here.\n' : ''])
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

const segments = `apiVersion: convoke.dev/v1alpha1
kind: Organization
metadata: {name: acme}
spec: {imsOrgId: 0123456789ABCDEF01234567@AdobeOrg, entitlements: [RealTimeCDP, CampaignV8]}
---
apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: {name: shop}
spec:
  organizationRef: {name: acme}
  schema:
    profile: {type: object, properties: {id: {type: string}, age: {type: integer}}}
    event: {type: object, properties: {eventType: {type: string}}}
  identities: [{namespace: id, path: id, primary: true}]
  storage: {volume: {claimName: store, path: /}}
${[
  ['adults', 'age >= 18'],
  ['recent', 'exists E from xEvent where E.timestamp occurs <= 7 days before now'],
  ['recent-adults', 'inSegment("adults") and inSegment("recent")'],
  ['others', 'not inSegment("recent-adults")'],
  ['untested', 'age > 100 or age < 3'],
]
  .map(
    ([name, expression]) => `---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: ${name}}
spec: {profileStoreRef: {name: shop}, expression: '${expression}'}
`,
  )
  .join('')}---
apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: {name: of-segments}
spec:
  profileStoreRef: {name: shop}
  at: "2026-01-15T00:00:00Z"
  profiles:
    - {id: ann, attributes: {age: 30}, events: [{timestamp: "2026-01-14T00:00:00Z"}]}
    - {id: bob, attributes: {age: 20}}
    - {id: kid, attributes: {age: 8}, events: [{timestamp: "2026-01-14T00:00:00Z"}]}
  cases:
    - {name: far references, segmentRef: {name: others}, members: [bob, kid]}
    - {name: by expression, expression: 'inSegment("recent-adults") and age > 25', members: [ann]}
    - name: over time
      segmentRef: {name: others}
      timeline:
        - {at: "2026-01-15T00:00:00Z", members: [bob, kid]}
        - {at: "2026-01-21T00:00:00.001Z", members: [ann, bob, kid], entered: [ann]}
        - {at: "2026-01-22T00:00:00Z", events: [{profile: bob}], members: [ann, kid], exited: [bob]}
        - {at: "2026-01-30T00:00:00Z", entered: [bob]}
`

describe('Segments that refer to others', () => {
  test.each(['reference', 'duckdb'])('are evaluated with them on the engine: %s', async (engine) => {
    const { code, out, err } = await run(segments, '--engine', engine)
    expect([code, out, err]).toEqual([
      0,
      `of-segments\n  ✓ far references\n  ✓ by expression\n  ✓ over time\n\n3 passed, 0 failed${engine === 'duckdb' ? ', on duckdb' : ''}\n`,
      '',
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
  expect([code, err]).toEqual([1, 'Engines: reference and duckdb; Spark is not here.\n'])
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
  [['--engine', 'spark'], 'Spark is not here'],
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
