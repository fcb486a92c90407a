import { expect, test } from 'vitest'
import { type JsonSchema, type Kind, type SpecOf, schemaOf, withDefaults } from '#crds'

const ref = { name: 'x' }
const volume = { claimName: 'x' }

/** What must be said, and nothing else; blocks that are off when absent are on, but empty. */
const least: { readonly [K in Kind]: SpecOf<K> } = {
  Organization: { imsOrgId: 'X@AdobeOrg', entitlements: [] },
  ProfileStore: {
    organizationRef: ref,
    schema: { profile: { type: 'object', properties: {} } },
    identities: [{ namespace: 'Id', path: 'id' }],
    storage: { volume },
    evaluation: { streaming: {} },
    engine: { spark: {} },
  },
  Dataset: {
    profileStoreRef: ref,
    record: 'Profile',
    format: 'CSV',
    location: { s3: { bucket: 'x' }, sftp: { host: 'x' } },
    timestamp: 't',
    mapping: [],
    expectations: [
      {
        name: 'x',
        freshness: { maxAge: '1h' },
        deliverySize: {},
        requiredColumns: { columns: ['a'] },
        acceptedValues: { column: 'a', values: ['b'] },
      },
    ],
  },
  Segment: { profileStoreRef: ref, expression: 'true' },
  CampaignInstance: {
    organizationRef: ref,
    version: '8.7',
    organizationalUnits: ['x'],
    database: { postgreSQL: { host: 'x', database: 'x' } },
    targetMapping: { table: 't', columns: [], reconciliationKey: [] },
  },
  Destination: { campaignInstanceRef: ref, location: { s3: { bucket: 'x' }, sftp: { host: 'x' } } },
  Activation: {
    destinationRef: ref,
    segmentSelector: {},
    mapping: [{ source: 'a', target: 'b' }],
    schedule: { after: 'Evaluation' },
    circuitBreaker: {},
  },
  CampaignSource: {
    campaignInstanceRef: ref,
    profileStoreRef: ref,
    schedule: '0 * * * *',
    identity: { namespace: 'Id', column: 'id' },
    tables: [{ name: 't', eventType: 'e', watermark: 'w' }],
  },
  Run: { target: { kind: 'Activation', name: 'x' }, scheduledTime: '2026-12-01T04:00:00Z', trigger: 'Manual' },
}
const every = Object.keys(least) as Kind[]

test.each(every)(
  'every default of %s is in the description of its field, and every described default is filled in',
  (kind) => {
    const filled = leaves(withDefaults(kind, least[kind], 'x'), [])
    const given = leaves(least[kind], [])
    const added = Object.entries(filled).filter(([path]) => !(path in given))
    const described = defaultsIn(schemaOf(kind).properties!['spec']!, [])
    for (const [path, value] of added) {
      expect([JSON.stringify(value), String(value)], path).toContain(path === 'displayName' ? 'x' : described[path])
    }
    const places = new Set(added.map(([path]) => path))
    expect(Object.keys(described).filter((path) => isLiteral(described[path]!) && !places.has(path))).toEqual([])
  },
)

/** Other defaults are words for what an absent value means: `none`, `the root`. */
function isLiteral(text: string): boolean {
  return /^(?:["[\d]|true$|false$|[A-Z])/.test(text)
}

test.each(every)('filling in the defaults of %s twice changes nothing, and what was said stays', (kind) => {
  const once = withDefaults(kind, least[kind], 'x')
  expect(withDefaults(kind, once as SpecOf<typeof kind>, 'y')).toEqual(once)
  expect(once).toMatchObject(least[kind])
})

test('what was said wins over a default, field by field', () => {
  const store = withDefaults(
    'ProfileStore',
    { ...least.ProfileStore, evaluation: { batch: { timeZone: 'Europe/Vienna' } }, engine: { duckDB: { threads: 8 } } },
    'x',
  )
  expect(store.evaluation).toEqual({ batch: { schedule: '0 1 * * *', timeZone: 'Europe/Vienna' } })
  expect(store.engine).toEqual({ type: 'DuckDB', duckDB: { threads: 8, memoryLimit: '1Gi' } })
  const instance = withDefaults(
    'CampaignInstance',
    { ...least.CampaignInstance, limits: { segments: 80 }, enforcement: { attributes: 'Warn' } },
    'x',
  )
  expect(instance.limits).toEqual({
    segments: 80,
    attributes: 20,
    minActivationInterval: '3h',
    fileNameLength: 255,
    retention: '168h',
    sourceFields: 20,
  })
  expect(instance.enforcement.attributes).toBe('Warn')
})

test('what is off when absent stays absent', () => {
  const { circuitBreaker: _, ...activation } = least.Activation
  expect(withDefaults('Activation', activation, 'x')).not.toHaveProperty('circuitBreaker')
  expect(withDefaults('Activation', activation, 'x')).not.toHaveProperty('startingDeadlineSeconds')
  const { database: __, ...instance } = least.CampaignInstance
  expect(withDefaults('CampaignInstance', instance, 'x')).not.toHaveProperty('database')
})

/** Dotted path → scalar, or an empty list or map; list indexes are []. */
function leaves(value: unknown, path: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return { [path.join('.')]: Array.isArray(value) ? '[]' : typeof value === 'object' ? '{}' : value }
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, child]) => leaves(child, [...path, Array.isArray(value) ? '[]' : key])),
  )
}

/** Dotted path → what its description says after "Default: ". */
function defaultsIn(schema: JsonSchema, path: readonly string[]): Record<string, string> {
  const [, text] =
    /Default: ("[^"]*"|.*?[^0-9.](?=[.,;] |[.]$)|[^ ]+?(?=[.,;] |[.]$))/.exec(String(schema['description'])) ?? []
  const below = Object.entries(schema.properties ?? {}).map(([name, child]) => defaultsIn(child, [...path, name]))
  if (schema.items) below.push(defaultsIn(schema.items, [...path, '[]']))
  return Object.assign(text === undefined ? {} : { [path.join('.')]: text }, ...below)
}
