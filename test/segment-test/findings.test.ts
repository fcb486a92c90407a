import { expect, test } from 'vitest'
import { compile, type Diagnostic } from '#compiler'

const schema = `  schema:
    profile: {type: object, properties: {
      name: {type: string}, tier: {type: string, enum: [gold, silver]}, age: {type: integer}, born: {type: string, format: date},
      seen: {type: string, format: date-time}, optIn: {type: boolean}, tags: {type: array, items: {type: string}},
      scores: {type: object, additionalProperties: {type: number}}, address: {type: object, properties: {city: {type: string}}}}}
    event: {type: object, properties: {eventType: {type: string}, price: {type: number}}}
`
const profiles = `  profiles:
    - {id: p1, attributes: {name: Ann}}
    - {id: p2}
`
const at = '  at: "2026-01-15T00:00:00Z"\n'
const fine = `  cases: [{name: a, expression: name = "Ann", members: [p1]}]\n`

const suite = (spec: string, name = 'suite'): string =>
  `apiVersion: convoke.dev/v1alpha1\nkind: SegmentTest\nmetadata: {name: ${name}}\nspec:\n${spec}`
const cases = (...items: string[]): string =>
  suite(`${schema}${profiles}${at}  cases:\n${items.map((item) => `    - ${item}\n`).join('')}`)
const people = (...items: string[]): string =>
  suite(
    `${schema}${at}  profiles:\n${items.map((item) => `    - ${item}\n`).join('')}  cases: [{name: a, expression: name = "Ann", members: []}]\n`,
  )

/** A store with a Segment, and one in another store. */
const resources = `apiVersion: convoke.dev/v1alpha1
kind: Organization
metadata: {name: acme}
spec: {imsOrgId: 0123456789ABCDEF01234567@AdobeOrg, entitlements: [RealTimeCDP, Sources]}
${['retail', 'other']
  .map(
    (store) => `---
apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: {name: ${store}}
spec:
  organizationRef: {name: acme}
  schema: {profile: {type: object, properties: {id: {type: string}, name: {type: string}}}}
  identities: [{namespace: id, path: id, primary: true}]
  storage: {volume: {claimName: store, path: /}}
---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: of-${store}}
spec: {profileStoreRef: {name: ${store}}, expression: name = "Ann"}
`,
  )
  .join('')}---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: {name: broken}
spec: {profileStoreRef: {name: retail}, expression: 5}
---
`
const stored = (...items: string[]): string =>
  resources +
  suite(
    `  profileStoreRef: {name: retail}\n${profiles}${at}  cases:\n${items.map((item) => `    - ${item}\n`).join('')}`,
  )

type Found = readonly [code: string, text: string, message: string]

const clean: readonly (readonly [what: string, yaml: string])[] = [
  ['a suite with a schema of its own', suite(`${schema}${profiles}${at}${fine}`)],
  [
    'a suite of a store, by expression and by Segment',
    stored(
      '{name: a, expression: name = "Ann", members: [p1]}',
      '{name: b, segmentRef: {name: of-retail}, members: [p1]}',
    ),
  ],
  ['an error that is expected', cases('{name: a, expression: nam = "Ann", error: unknown-attribute}')],
  [
    'a Segment nobody defines, expected',
    cases(`{name: a, expression: 'inSegment("nobody")', error: unresolved-reference}`),
  ],
  ['a fault of grammar, expected', cases('{name: a, expression: "name = ", error: pql-syntax}')],
  [
    'a case with people and an instant of its own',
    suite(
      `${schema}  cases: [{name: a, expression: name = "Ann", at: "2026-01-15T00:00:00Z", profiles: [{id: x}], members: []}]\n`,
    ),
  ],
  [
    'every kind of value, and absent ones',
    people(
      '{id: a, attributes: {name: null, tier: gold, age: 3, born: "1990-02-28", seen: "2026-01-01T00:00:00Z", optIn: false, tags: [a, null], scores: {x: 1.5, y: null}, address: {city: X}}}',
    ),
  ],
  [
    'a new profile that arrives in a timeline',
    cases(
      '{name: a, expression: name = "Ann", timeline: [{at: "2026-01-16T00:00:00Z", profiles: [{id: p3, attributes: {name: Ann}}], members: [p1, p3]}]}',
    ),
  ],
  [
    'a Segment that is there but broken is reported once, itself',
    stored('{name: a, segmentRef: {name: broken}, members: []}').replace('expression: 5', 'expression: name =  "Bob"'),
  ],
]

test.each(clean)('nothing is found in %s', (_, yaml) => {
  expect(said(yaml)).toEqual([])
})

const faults: readonly (readonly [what: string, yaml: string, ...Found[]])[] = [
  [
    'a field that does not exist',
    cases('{name: a, expresion: name = "Ann", members: [p1]}'),
    ['unknown-field', 'expresion', '`expresion` is not a field of `cases[0]`'],
  ],
  [
    'no name',
    cases('{expression: name = "Ann", members: [p1]}'),
    ['missing-field', 'cases', '`name` is missing in `cases[0]`'],
  ],
  ['no cases', suite(`${schema}${profiles}${at}`), ['missing-field', 'spec', '`cases` is missing in `spec`']],
  [
    'an empty list of cases',
    suite(`${schema}${at}  cases: []\n`),
    ['invalid-value', 'cases', '`cases` has fewer than 1 item'],
  ],
  [
    'neither schema nor store',
    suite(`${profiles}${at}${fine}`),
    ['missing-field', 'spec', 'A SegmentTest needs either `profileStoreRef` or `schema`'],
  ],
  [
    'schema and store',
    suite(`${schema}  profileStoreRef: {name: retail}\n${profiles}${at}${fine}`),
    ['invalid-value', 'schema', 'A SegmentTest takes only one of `profileStoreRef` or `schema`'],
  ],
  [
    'expression and Segment',
    cases('{name: a, expression: name = "Ann", segmentRef: {name: b}, members: [p1]}'),
    ['invalid-value', 'segmentRef', '`cases[0]` takes only one of `expression` or `segmentRef`'],
  ],
  [
    'members that are no list',
    cases('{name: a, expression: name = "Ann", members: p1}'),
    ['wrong-type', 'p1', '`members` is a list, here it is the text "p1"'],
  ],
  [
    'an instant that is none',
    cases('{name: a, expression: name = "Ann", at: tomorrow, members: [p1]}'),
    ['invalid-value', 'tomorrow', '`tomorrow` is not a point in time'],
  ],
  [
    'an event without a time',
    people('{id: a, events: [{eventType: x}]}'),
    ['missing-field', 'events', '`timestamp` is missing in `events[0]`'],
  ],
  [
    'no instant at all',
    suite(`${schema}${profiles}${fine}`),
    ['missing-field', 'cases', 'Case `a` has no evaluation instant'],
  ],
  [
    'a case that expects nothing',
    cases('{name: a, expression: name = "Ann"}'),
    ['missing-field', 'cases', 'Case `a` expects nothing'],
  ],
  [
    'a case that expects two things',
    cases('{name: a, expression: name = "Ann", members: [p1], error: pql-syntax}'),
    ['invalid-value', 'error', 'A case takes only one of `members`, `error` or `timeline`'],
  ],
  [
    'an instant beside a timeline',
    cases(
      '{name: a, expression: name = "Ann", at: "2026-01-15T00:00:00Z", timeline: [{at: "2026-01-15T00:00:00Z", members: [p1]}]}',
    ),
    ['invalid-value', 'at', 'A case with a `timeline` has an instant for each step'],
  ],
  [
    'a last step that expects nothing',
    cases('{name: a, expression: name = "Ann", timeline: [{at: "2026-01-15T00:00:00Z"}]}'),
    ['missing-field', 'timeline', 'The last step expects nothing'],
  ],
  [
    'steps out of order',
    cases(
      '{name: a, expression: name = "Ann", timeline: [{at: "2026-01-15T00:00:00Z", members: [p1]}, {at: "2026-01-14T00:00:00Z", members: [p1]}]}',
    ),
    ['invalid-value', '"2026-01-14T00:00:00Z"', '`2026-01-14T00:00:00Z` lies before the step before it'],
  ],
  [
    'two cases of one name',
    cases('{name: a, expression: name = "Ann", members: [p1]}', '{name: a, expression: name = "Bob", members: []}'),
    ['invalid-value', 'a', 'There are two cases `a`'],
  ],
  [
    'two suites of one name',
    `${suite(schema + profiles + at + fine)}---\n${suite(schema + profiles + at + fine)}`,
    ['invalid-value', 'suite', 'There are two SegmentTests `suite`'],
  ],
  ['two profiles of one id', people('{id: a}', '{id: a}'), ['invalid-value', 'a', 'There are two profiles `a`']],
  [
    'a member nobody knows',
    cases('{name: a, expression: name = "Ann", members: [p3]}'),
    ['invalid-value', 'p3', 'There is no profile `p3`'],
  ],
  [
    'a member listed twice',
    cases('{name: a, expression: name = "Ann", members: [p1, p1]}'),
    ['invalid-value', 'p1', '`p1` is listed twice'],
  ],
  [
    'somebody who enters and is not there',
    cases('{name: a, expression: name = "Ann", timeline: [{at: "2026-01-15T00:00:00Z", entered: [p9]}]}'),
    ['invalid-value', 'p9', 'There is no profile `p9`'],
  ],
  [
    'an event of a profile that is not there',
    cases(
      '{name: a, expression: name = "Ann", timeline: [{at: "2026-01-15T00:00:00Z", events: [{profile: p9, eventType: x}], members: [p1]}]}',
    ),
    ['invalid-value', 'p9', 'There is no profile `p9`'],
  ],
  [
    'an event without an event schema',
    suite(
      `${schema.replace(/ {4}event.*\n/, '')}${at}  profiles: [{id: a, events: [{timestamp: "2026-01-01T00:00:00Z"}]}]\n  cases: [{name: a, expression: name = "Ann", members: []}]\n`,
    ),
    ['invalid-value', 'events', 'There are no events here: the schema has no `event` part'],
  ],
  [
    'an attribute the schema does not have',
    people('{id: a, attributes: {nam: Ann}}'),
    ['unknown-attribute', 'nam', 'The schema has no attribute `nam`'],
  ],
  [
    'an attribute an object does not have',
    people('{id: a, attributes: {address: {cty: X}}}'),
    ['unknown-attribute', 'cty', '`address` has no attribute `cty`'],
  ],
  [
    'an attribute an event does not have',
    people('{id: a, events: [{timestamp: "2026-01-01T00:00:00Z", prize: 3}]}'),
    ['unknown-attribute', 'prize', 'The schema has no attribute `prize`'],
  ],
  [
    'a number where text is',
    people('{id: a, attributes: {name: 5}}'),
    ['wrong-type', '5', '`name` is text, here it is `5`'],
  ],
  [
    'text where a whole number is',
    people('{id: a, attributes: {age: old}}'),
    ['wrong-type', 'old', '`age` is an integer, here it is the text "old"'],
  ],
  [
    'a fraction where a whole number is',
    people('{id: a, attributes: {age: 1.5}}'),
    ['wrong-type', '1.5', '`age` is an integer, here it is `1.5`'],
  ],
  [
    'a day there is not',
    people('{id: a, attributes: {born: "1990-02-30"}}'),
    ['wrong-type', '"1990-02-30"', '`born` is a date, here it is the text "1990-02-30"'],
  ],
  [
    'a time without its zone',
    people('{id: a, attributes: {seen: at noon}}'),
    ['wrong-type', 'at noon', '`seen` is a timestamp, here it is the text "at noon"'],
  ],
  [
    'text where true or false is',
    people('{id: a, attributes: {optIn: "yes"}}'),
    ['wrong-type', '"yes"', '`optIn` is true or false, here it is the text "yes"'],
  ],
  [
    'one value where a list is',
    people('{id: a, attributes: {tags: x}}'),
    ['wrong-type', 'x', '`tags` is an array of text, here it is the text "x"'],
  ],
  [
    'a number in a list of texts',
    people('{id: a, attributes: {tags: [x, 5]}}'),
    ['wrong-type', '5', '`tags[1]` is text, here it is `5`'],
  ],
  [
    'text in a map of numbers',
    people('{id: a, attributes: {scores: {x: high}}}'),
    ['wrong-type', 'high', '`x` is a number, here it is the text "high"'],
  ],
  [
    'a list where an object is',
    people('{id: a, attributes: {address: [X]}}'),
    ['wrong-type', 'address', '`address` is an object, here it is a list'],
  ],
  [
    'a value outside its enum, as a warning',
    people('{id: a, attributes: {tier: bronze}}'),
    ['invalid-value', 'bronze', '`bronze` is not a value of `tier`'],
  ],
  [
    'replaced attributes that do not fit',
    cases(
      '{name: a, expression: name = "Ann", timeline: [{at: "2026-01-15T00:00:00Z", profiles: [{id: p1, attributes: {age: x}}], members: [p1]}]}',
    ),
    ['wrong-type', 'x', '`age` is an integer, here it is the text "x"'],
  ],
  [
    'a faulty schema',
    suite(`${schema.replace('{type: integer}', '{type: int}')}${profiles}${at}${fine}`),
    ['invalid-value', 'int', '`int` is not a type of a union schema'],
  ],
  [
    'a faulty expression',
    cases('{name: a, expression: nam = "Ann", members: [p1]}'),
    ['unknown-attribute', 'nam', '`nam` is not a field of the profile'],
  ],
  [
    'another error than the expected one',
    cases('{name: a, expression: nam = "Ann", error: pql-syntax}'),
    ['unknown-attribute', 'nam', '`nam` is not a field of the profile'],
  ],
  [
    'an expected code that does not exist',
    cases('{name: a, expression: nam = "Ann", error: unknown-atribute}'),
    ['unknown-attribute', 'nam', '`nam` is not a field of the profile'],
    ['invalid-value', 'unknown-atribute', 'There is no code `unknown-atribute`'],
  ],
  [
    'a store nobody defines',
    resources + suite(`  profileStoreRef: {name: retial}\n${profiles}${at}${fine}`),
    ['unresolved-reference', 'retial', 'There is no ProfileStore `retial` in namespace `default`'],
  ],
  [
    'a Segment nobody defines',
    stored('{name: a, segmentRef: {name: of-retial}, members: []}'),
    ['unresolved-reference', 'of-retial', 'There is no Segment `of-retial` in namespace `default`'],
  ],
  [
    'a Segment of another store',
    stored('{name: a, segmentRef: {name: of-other}, members: []}'),
    ['invalid-value', 'of-other', 'Segment `of-other` belongs to the ProfileStore `other`'],
  ],
  [
    'a Segment that does not fit the schema of the test',
    resources +
      suite(
        `  schema: {profile: {type: object, properties: {age: {type: integer}}}}\n  profiles: [{id: a}]\n${at}  cases: [{name: a, segmentRef: {name: of-retail}, members: []}]\n`,
      ),
    ['invalid-value', 'of-retail', 'Segment `of-retail` does not fit the schema of this test'],
  ],
]

test.each(faults.map(([what, yaml, ...wanted]) => ({ what, yaml, wanted })))('found: $what', ({ yaml, wanted }) => {
  expect(said(yaml)).toEqual(wanted)
})

test('every finding says what to do next', () => {
  for (const [, yaml] of faults) for (const { help } of found(yaml)) expect(help).toMatch(/[.?]$/)
})

test('a value outside its enum is a warning, the others are errors', () => {
  const severities = faults.flatMap(([, yaml]) => found(yaml).map(({ severity }) => severity))
  expect(severities.filter((severity) => severity === 'warning')).toHaveLength(1)
})

/** Findings in the SegmentTest, with the text they point at. */
function said(yaml: string): Found[] {
  return found(yaml).map(({ code, span, message }) => [code, span ? yaml.slice(span.start, span.end) : '', message])
}

function found(yaml: string): Diagnostic[] {
  return compile([{ file: 'a.test.yaml', text: yaml }]).diagnostics.filter(
    ({ resource }) => resource?.kind === 'SegmentTest',
  )
}

test.each([
  [
    'age: 9007199254740993',
    '`9007199254740993` is a whole number beyond ±9007199254740991, of which readers keep other digits',
  ],
  ['optIn: NO', '`NO` is ambiguous: Kubernetes reads false, YAML 1.2 reads the text "NO"'],
  ['tier: NO', '`NO` is ambiguous: Kubernetes reads false, YAML 1.2 reads the text "NO"'],
])('what readers take for different things is one finding, and not of the wrong type too: %s', (attribute, message) => {
  const { diagnostics } = compile([{ file: 'a.test.yaml', text: people(`{id: p1, attributes: {${attribute}}}`) }])
  expect(diagnostics.map((each) => [each.code, each.message])).toEqual([['ambiguous-scalar', message]])
})
