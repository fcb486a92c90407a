import { expect, test } from 'vitest'
import { adobeOfSegments, segmentsOfAdobe } from '#compiler'
import { definitionFields } from '../../compiler/convert/definition-fields.ts'

// Every field that the pages of the Segmentation Service API document, with a value of their samples and one that matters.

type Outcome =
  /** It stands in the Segment. */
  | 'converted'
  /** Of the record: the Segment is the same without it, and nothing is said. */
  | 'nothing'
  /** What is said in a warning, and the Segment is made. */
  | RegExp
  /** What is said in an error, and there is no Segment. */
  | { readonly refused: RegExp }

const people = 'https://ns.adobe.com/xdm/context/profile__union'
const rows: readonly (readonly [field: string, value: unknown, outcome: Outcome])[] = [
  ['id', '3da8bad9-29fb-40e0-b39e-f80322e964de', 'converted'],
  ['name', 'People who ordered', 'converted'],
  ['description', 'Last 30 days', 'converted'],
  ['description', '', 'nothing'],
  ['convoke', { name: 'ordered' }, 'converted'],
  ['expression', { type: 'PQL', format: 'pql/text', value: 'a = 2' }, 'converted'],
  ['expression', { type: 'PQL', format: 'pql/text', value: 'a = 1', meta: 'x' }, 'nothing'],
  ['expression', { type: 'SQL', value: 'a = 1' }, { refused: /type `SQL`/ }],
  ['evaluationInfo', { batch: { enabled: true }, continuous: { enabled: false } }, 'nothing'],
  ['evaluationInfo', { continuous: { enabled: true } }, 'converted'],
  ['evaluationInfo', { synchronous: { enabled: true } }, /on the edge/],
  ['schema', { name: '_xdm.context.profile' }, 'nothing'],
  ['schema', { id: people }, 'nothing'],
  ['schema', { name: '_xdm.context.account' }, { refused: /`Gold` is an audience of `_xdm\.context\.account`/ }],
  ['schema', { name: '_xdm.context.individual-prospect-profile' }, { refused: /prospect/ }],
  ['schema', { name: '_xdm.context.opportunity' }, { refused: /opportunity/ }],
  ['schema', { name: '_xdm.context.experienceevent' }, { refused: /experienceevent/ }],
  ['schema', { id: 'https://ns.adobe.com/xdm/context/account__union' }, { refused: /account__union/ }],
  ['definedOn', [{ 'meta:resourceType': 'unions', 'meta:containerId': 'tenant', $ref: people }], 'nothing'],
  ['definedOn', [{ $ref: people }, { $ref: 'https://ns.adobe.com/tenant/schemas/1f' }], { refused: /schemas\/1f/ }],
  ['type', 'SegmentDefinition', 'nothing'],
  ['type', 'ExternalSegment', { refused: /`Gold` is an external audience/ }],
  ['originName', 'REAL_TIME_CUSTOMER_PROFILE', 'nothing'],
  ['originName', 'CUSTOM_UPLOAD', { refused: /`Gold` comes from `CUSTOM_UPLOAD`/ }],
  ['originName', 'AUDIENCE_ORCHESTRATION', { refused: /AUDIENCE_ORCHESTRATION/ }],
  ['originName', 'AUDIENCE_MANAGER', { refused: /AUDIENCE_MANAGER/ }],
  ['originName', 'AUDIENCE_MATCH', { refused: /AUDIENCE_MATCH/ }],
  ['namespace', 'AEPSegments', 'nothing'],
  ['namespace', 'AAM', { refused: /`AAM`/ }],
  ['namespace', 'AAMTraits', { refused: /`AAMTraits`/ }],
  ['datasetId', '6254cf3c97f8e31b639fb14d', { refused: /dataset/ }],
  ['linkedAudienceRef', { flowId: '4685ea90-d2b6-11ec-9d64-0242ac120002' }, { refused: /another system/ }],
  ['linkedAudienceRef', {}, 'nothing'],
  ['lifecycleState', 'published', 'nothing'],
  ['lifecycleState', 'active', 'nothing'],
  ['lifecycleState', 'inactive', /inactive at Adobe \(`lifecycleState`\); the Segment is evaluated/],
  ['lifecycleState', 'draft', /draft at Adobe/],
  ['lifecycleState', 'deleted', { refused: /deleted/ }],
  ['dataGovernancePolicy', { excludeOptOut: false }, 'converted'],
  [
    'dataGovernancePolicy',
    { excludeOptOut: true },
    /leaves out who has opted out \(`excludeOptOut`\).*`spec\.consent`/,
  ],
  ['dataGovernancePolicy', { excludeMinors: true }, /`dataGovernancePolicy\.excludeMinors`, which is not known/],
  ['mergePolicyId', 'b83185bb-0bc6-489c-9363-0075eb30b4c8', /`mergePolicyId`, b83185bb/],
  ['mergePolicyId', null, 'nothing'],
  ['labels', ['core/C1'], /labels \["core\/C1"\]/],
  ['labels', [], 'nothing'],
  ['ttlInDays', 60, /60 days/],
  ['audienceMeta', { source: 'x' }, /`audienceMeta`/],
  ['audienceId', '60ccea95-1435-4180-97a5-58af4aa285ab', 'nothing'],
  ['profileInstanceId', 'ups', 'nothing'],
  ['imsOrgId', '6A29340459CA8D350A49413A@AdobeOrg', 'nothing'],
  ['sandbox', { sandboxId: '28e74200', sandboxName: 'prod', type: 'production', default: true }, 'nothing'],
  ['payloadSchema', 'string', 'nothing'],
  ['isSystem', false, 'nothing'],
  ['creationTime', 1573253640000, 'nothing'],
  ['createEpoch', 1650374572, 'nothing'],
  ['createdBy', '{CREATED_BY_ID}', 'nothing'],
  ['updateTime', 1575588309000, 'nothing'],
  ['updateEpoch', 1575588309, 'nothing'],
  ['baselineTime', 1574327114, 'nothing'],
  ['_etag', '"33120d7c-0000-0200-0000-625eb7ad0000"', 'nothing'],
  ['overridePerformanceWarnings', true, 'nothing'],
  ['dependents', ['b'], 'nothing'],
  ['dependencies', ['b'], 'nothing'],
  ['whatComesNext', true, /`whatComesNext`, which is not known and not converted/],
]

const plain = { name: 'Gold', expression: { type: 'PQL', format: 'pql/text', value: 'a = 1' } }
const convert = (document: unknown): ReturnType<typeof segmentsOfAdobe> =>
  segmentsOfAdobe([{ file: 'a.json', text: JSON.stringify(document) }], { store: 's' })

test.each(rows)('%s: %j', (field, value, outcome) => {
  const without = convert(plain).segments[0]!.yaml
  const { segments, diagnostics } = convert({ ...plain, [field]: value })
  const said = diagnostics.map(({ severity, message, path }) => ({ severity, message, path }))
  if (outcome === 'converted' || outcome === 'nothing') {
    expect(said).toEqual([])
    expect(segments).toHaveLength(1)
    expect(segments[0]!.yaml === without).toBe(outcome === 'nothing')
    return
  }
  const refused = 'refused' in outcome
  const message = expect.stringMatching(refused ? outcome.refused : outcome)
  expect(said).toEqual([
    { severity: refused ? 'error' : 'warning', message, path: expect.stringMatching(new RegExp(`^${field}`)) },
  ])
  expect(segments).toHaveLength(refused ? 0 : 1)
})

test('each field of the table has a row, and each row but the unknown one a field', () => {
  const tried = new Set(rows.map(([field]) => field))
  expect(Object.keys(definitionFields).filter((field) => !tried.has(field))).toEqual([])
  expect([...tried].filter((field) => !Object.hasOwn(definitionFields, field))).toEqual(['whatComesNext'])
})

const account = { ...plain, id: 'acc', name: 'Accounts', schema: { name: '_xdm.context.account' } }
test.each([
  ['of segment definitions', { segments: [plain, account], page: { totalCount: 2, totalPages: 1 }, link: {} }, null],
  ['of audiences', { children: [plain, account], _page: { totalCount: 2, pageSize: 2 }, _links: {} }, null],
  ['of a bulk request', { results: { a: plain, acc: account } }, null],
  ['one of several', { children: [plain, account], _page: { totalCount: 111, pageSize: 2 } }, /are 111 .* 2 are given/],
] as const)('a page %s is read', (_, page, more) => {
  const { segments, diagnostics } = convert(page)
  expect(segments.map(({ name }) => name)).toEqual(['gold'])
  const [refusals, others] = [true, false].map((is) =>
    diagnostics.filter(({ severity }) => (severity === 'error') === is),
  )
  expect(refusals!.map(({ message }) => message)).toEqual([expect.stringMatching(/`Accounts` is an audience of/)])
  expect(others!.map(({ message }) => message)).toEqual(more === null ? [] : [expect.stringMatching(more)])
})

test('a reference to what is refused is said, not written as the name of a Segment that there is not', () => {
  const referring = { ...plain, expression: { type: 'PQL', format: 'pql/text', value: 'inSegment("acc")' } }
  const { segments, diagnostics } = convert([account, referring])
  expect(segments.map(({ yaml }) => yaml.includes('inSegment("acc")'))).toEqual([true])
  expect(diagnostics.map(({ code }) => code)).toEqual(['pql-unsupported', 'unresolved-reference'])
})

const store = (consent: string): string =>
  `apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: { name: s }
spec:
  organizationRef: { name: o }
  schema: { profile: { type: object, properties: { a: { type: integer } } } }
  identities: [{ namespace: A, path: a, primary: true }]
  storage: { volume: { claimName: s } }
${consent}`

test('what governs an audience goes there and back', () => {
  const governed = {
    ...plain,
    dataGovernancePolicy: { excludeOptOut: false },
    mergePolicyId: 'b83185bb-0bc6-489c-9363-0075eb30b4c8',
    labels: ['core/C1', 'core/C5'],
  }
  const { segments } = convert(governed)
  const back = adobeOfSegments([{ file: 'a.yaml', text: segments[0]!.yaml }])
  expect(back).toMatchObject({ definitions: [governed], diagnostics: [] })
})

test.each([
  ['nobody says, Adobe leaves them out', '', true],
  ['the store has no consent rules, everybody is in it', store(''), false],
])('opt-outs, where %s', (_, text, excludeOptOut) => {
  const { segments } = convert(plain)
  const { definitions } = adobeOfSegments([
    { file: 'a.yaml', text: segments[0]!.yaml },
    { file: 'b.yaml', text },
  ])
  expect(definitions[0]!.dataGovernancePolicy).toEqual({ excludeOptOut })
})
