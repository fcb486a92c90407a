import { describe, expect, test } from 'vitest'
import type { Kind } from '#crds'
import { kinds, parseDurationSeconds, parseQuantityBytes, schemaOf, validatorOf } from '#crds'
import { bundle, type Change, changed, exampleOf } from './documents.ts'

test.each(bundle().map((resource) => [resource.kind, resource.metadata.name, resource] as const))(
  '%s %s of the example bundle is valid',
  (kind, _, resource) => {
    expect(validatorOf(kind)(resource)).toEqual([])
  },
)

const faults: readonly (readonly [title: string, kind: Kind, changes: readonly Change[], expected: string])[] = [
  ['an unknown field', 'Segment', [['spec.expresion', 'true']], '/spec additionalProperties'],
  ['an unknown field of the resource', 'Segment', [['sepc', {}]], ' additionalProperties'],
  ['an unknown field of metadata', 'Segment', [['metadata.lables', {}]], '/metadata additionalProperties'],
  [
    'an unknown field in a list',
    'Activation',
    [['spec.mapping.1.targte', 'x']],
    '/spec/mapping/1 additionalProperties',
  ],
  ['no spec', 'Segment', [['spec', undefined]], ' required'],
  ['no name', 'Segment', [['metadata.name', undefined]], '/metadata required'],
  ['no expression', 'Segment', [['spec.expression', undefined]], '/spec required'],
  ['another version', 'Segment', [['apiVersion', 'convoke.dev/v1']], '/apiVersion const'],
  ['a name that Kubernetes refuses', 'Segment', [['metadata.name', 'Patrons']], '/metadata/name pattern'],
  [
    'a name that does not fit into a label',
    'Activation',
    [['metadata.name', 'a'.repeat(64)]],
    '/metadata/name maxLength',
  ],
  ['a label that is a number', 'Segment', [['metadata.labels', { year: 2026 }]], '/metadata/labels/year type'],
  ['a number for a text', 'CampaignInstance', [['spec.version', 8.7]], '/spec/version type'],
  ['a text for a number', 'CampaignInstance', [['spec.limits.segments', '50']], '/spec/limits/segments type'],
  ['a fraction for a whole number', 'Destination', [['spec.file.maxRows', 1.5]], '/spec/file/maxRows type'],
  ['null', 'Segment', [['spec.displayName', null]], '/spec/displayName type'],
  ['a word that is not in the list', 'Segment', [['spec.evaluation', 'Stream']], '/spec/evaluation enum'],
  ['a delimiter of two characters', 'Destination', [['spec.file.delimiter', '||']], '/spec/file/delimiter maxLength'],
  ['no identities', 'ProfileStore', [['spec.identities', []]], '/spec/identities minItems, /spec/identities contains'],
  ['no primary identity', 'ProfileStore', [['spec.identities.0.primary', false]], '/spec/identities contains'],
  ['two primary identities', 'ProfileStore', [['spec.identities.1.primary', true]], '/spec/identities contains'],
  [
    'a duration in words',
    'ProfileStore',
    [['spec.evaluation.streaming.every', '5 minutes']],
    '/spec/evaluation/streaming/every pattern',
  ],
  [
    'memory without meaning',
    'ProfileStore',
    [['spec.engine.duckDB.memoryLimit', '1 GB']],
    '/spec/engine/duckDB/memoryLimit pattern',
  ],
  ['events of nobody', 'Dataset', [['spec.record', 'Event']], '/spec required'],
  ['no location', 'Destination', [['spec.location', {}]], '/spec/location oneOf'],
  ['two locations', 'Destination', [['spec.location.s3', { bucket: 'b' }]], '/spec/location oneOf'],
  [
    'a misspelled location',
    'Destination',
    [['spec.location', { volumes: { claimName: 'c' } }]],
    '/spec/location oneOf, /spec/location additionalProperties',
  ],
  ['Segments named and selected', 'Activation', [['spec.segmentSelector', {}]], '/spec oneOf'],
  ['no Segments', 'Activation', [['spec.segmentRefs', undefined]], '/spec oneOf'],
  ['two schedules', 'Activation', [['spec.schedule.after', 'Evaluation']], '/spec/schedule oneOf'],
  ['an empty schedule', 'Activation', [['spec.schedule', {}]], '/spec/schedule oneOf'],
  ['an interval that begins nowhere', 'Activation', [['spec.schedule.startAt', undefined]], '/spec/schedule required'],
  [
    'a start of nothing',
    'Activation',
    [['spec.schedule', { after: 'Evaluation', startAt: '2026-12-01T04:00:00Z' }]],
    '/spec/schedule required',
  ],
  [
    'a day that is not in the calendar',
    'Activation',
    [['spec.schedule.startAt', '2026-11-31T04:00:00Z']],
    '/spec/schedule/startAt format',
  ],
  [
    'a time without offset',
    'Activation',
    [['spec.schedule.startAt', '2026-12-01T04:00:00']],
    '/spec/schedule/startAt format',
  ],
  ['a digest that is none', 'Run', [['spec.planDigest', 'latest']], '/spec/planDigest pattern'],
]

test.each(faults)('%s is found', (_, kind, changes, expected) => {
  const found = validatorOf(kind)(changed(exampleOf(kind), ...changes))
  expect(found.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`).join(', ')).toBe(expected)
  for (const { message } of found) expect(message).toMatch(/^must /)
})

const passed: readonly (readonly [title: string, kind: Kind, changes: readonly Change[]])[] = [
  ['an encrypted file', 'Destination', [['spec.file.encryption', 'PGP']]],
  ['an instance that creates profiles', 'CampaignInstance', [['spec.unknownProfiles', 'Create']]],
  ['two organizational units', 'CampaignInstance', [['spec.organizationalUnits', ['north', 'south']]]],
  ['Campaign Classic', 'CampaignInstance', [['spec.version', '7.3']]],
  [
    '30 attributes',
    'Activation',
    [['spec.mapping', Array.from({ length: 30 }, (_, i) => ({ source: `a${i}`, target: `c${i}` }))]],
  ],
  ['60 Segments', 'Activation', [['spec.segmentRefs', Array.from({ length: 60 }, (_, i) => ({ name: `s${i}` }))]]],
  ['an activation every minute', 'Activation', [['spec.schedule.every', '1m']]],
  ['a file name of 1000 characters', 'Destination', [['spec.file.nameTemplate', 'x'.repeat(1000)]]],
  ['a display name of 1000 characters', 'Segment', [['spec.displayName', 'x'.repeat(1000)]]],
  ['a cron expression that is none', 'ProfileStore', [['spec.evaluation.batch.schedule', 'daily']]],
  ['a time zone that is none', 'ProfileStore', [['spec.evaluation.batch.timeZone', 'Mars/Olympus']]],
  ['an organization without entitlements', 'Organization', [['spec.entitlements', []]]],
  ['an IMS Organization of another form', 'Organization', [['spec.imsOrgId', 'folio']]],
  [
    'a status and metadata of the API server',
    'Segment',
    [
      ['status', { anything: true }],
      ['metadata.managedFields', [{}]],
      ['metadata.uid', 'u'],
    ],
  ],
  ['annotations of any length', 'Segment', [['metadata.annotations', { 'convoke.dev/allow': 'x: y\n'.repeat(1000) }]]],
  ['any union schema', 'ProfileStore', [['spec.schema.profile', { type: 'wrong', $anything: [1] }]]],
]

test.each(passed)('%s is for the compiler to judge, not for the schema', (_, kind, changes) => {
  expect(validatorOf(kind)(changed(exampleOf(kind), ...changes))).toEqual([])
})

test('a fault says what there is to choose from', () => {
  const typo = changed(exampleOf('Segment'), ['spec.evalution', 'Batch'])
  expect(validatorOf('Segment')(typo)[0]?.params).toMatchObject({
    additionalProperty: 'evalution',
    known: expect.arrayContaining(['evaluation', 'expression']),
  })
  const both = changed(exampleOf('Destination'), ['spec.location.sftp', { host: 'h' }])
  expect(validatorOf('Destination')(both)[0]?.params).toMatchObject({
    of: ['volume', 's3', 'sftp', 'azureBlob'],
    found: ['volume', 'sftp'],
  })
  const inList = changed(exampleOf('Activation'), ['spec.mapping.0.trasform', 'Trim'])
  expect(validatorOf('Activation')(inList)[0]?.params['known']).toContain('transform')
})

test('the contracts between rooms have validators too', () => {
  expect(
    validatorOf('RunInput')({
      run: 'r',
      scheduledTime: '2026-12-01T04:00:00Z',
      now: '2026-12-01T04:00:00.500Z',
      trigger: 'Manual',
    }),
  ).toEqual([])
  expect(
    validatorOf('RunInput')({ run: 'r', scheduledTime: 'soon', now: 1, trigger: 'Whim' }).map(
      ({ instancePath }) => instancePath,
    ),
  ).toEqual(['/scheduledTime', '/now', '/trigger'])
})

test('schemas for editors describe their fields', () => {
  for (const kind of Object.keys(kinds))
    expect(schemaOf(kind as Kind).properties?.['spec']?.['description']).toMatch(/\w/)
})

describe('parseDurationSeconds', () => {
  test.each([
    ['90s', 90],
    ['5m', 300],
    ['3h', 10800],
    ['1.5h', 5400],
    ['0s', 0],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDurationSeconds(text)).toBe(seconds)
  })
  test.each(['', '5', 'm', '5d', '-5m', '1h30m', '5 m', '.5h', '5m\n'])('%j is no duration', (text) => {
    expect(parseDurationSeconds(text)).toBeNull()
  })
})

describe('parseQuantityBytes', () => {
  test.each([
    ['1Gi', 1073741824],
    ['1G', 1e9],
    ['512Mi', 536870912],
    ['1.5Ki', 1536],
    ['1e3', 1000],
    ['2E', 2e18],
    ['1500m', 2],
    ['.5k', 500],
    ['+1', 1],
    ['0', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseQuantityBytes(text)).toBe(bytes)
  })
  test.each(['', 'Gi', '1GB', '-1Gi', '1 Gi', '1gi', '1e', '1,5Gi'])('%j is no quantity', (text) => {
    expect(parseQuantityBytes(text)).toBeNull()
  })
})
