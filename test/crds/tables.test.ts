import { expect, test } from 'vitest'
import { inFolder, type JobPlan, type Location, locationIdentity, mountsOf, stepNames, steps, stepsOf } from '#crds'

test('a step needs each claim and each Secret once, by name, wherever its part of the plan names them', () => {
  const sftp = { host: 'h', port: 22, credentialsSecretRef: { name: 'b' }, knownHostsSecretRef: { name: 'a' } }
  const volume = { claimName: 'landing', path: 'x' }
  const plan = {
    store: { volume: { claimName: 'store' } },
    ingest: { datasets: [{ location: { sftp } }, { location: { volume } }, { location: { sftp } }] },
    import: { database: { host: 'db', credentialsSecretRef: { name: 'campaign' } }, location: { volume } },
  } as unknown as JobPlan
  expect(mountsOf(plan, 'ingest')).toEqual({ claims: ['landing', 'store'], secrets: ['a', 'b'] })
  expect(mountsOf(plan, 'import')).toEqual({ claims: ['landing', 'store'], secrets: ['campaign'] })
  expect(mountsOf(plan, 'evaluate')).toEqual({ claims: ['store'], secrets: [] })
})

test.each<[readonly (keyof JobPlan)[], readonly string[]]>([
  [
    ['evaluate', 'store', 'ingest'],
    ['ingest', 'evaluate'],
  ],
  [['store', 'export'], ['export']],
  [
    ['import', 'export'],
    ['export', 'import'],
  ],
  [['extract'], ['extract']],
])('a plan with %j has the steps %j', (parts, expected) => {
  expect(stepsOf(Object.fromEntries(parts.map((part) => [part, {}])) as unknown as JobPlan)).toEqual(expected)
})

test('whose Pod template a step has', () => {
  const plan = {
    store: { name: 's' },
    export: { destination: { name: 'd' } },
    import: { instance: 'i' },
    extract: { instance: 'j' },
  } as unknown as JobPlan
  expect(stepNames.map((step) => steps[step].owner(plan))).toEqual([
    { kind: 'ProfileStore', name: 's' },
    { kind: 'ProfileStore', name: 's' },
    { kind: 'Destination', name: 'd' },
    { kind: 'CampaignInstance', name: 'i' },
    { kind: 'CampaignInstance', name: 'j' },
  ])
})

const s3 = { bucket: 'b', forcePathStyle: false }
test.each<[string, Location, Location, boolean]>([
  [
    'a folder however it is written',
    { volume: { claimName: 'c', path: 'a//b/' } },
    { volume: { claimName: 'c', path: './a/b' } },
    true,
  ],
  ['another claim', { volume: { claimName: 'c' } }, { volume: { claimName: 'd' } }, false],
  ['by other keys', { s3 }, { s3: { ...s3, credentialsSecretRef: { name: 'k' }, region: 'eu-central-1' } }, true],
  ['of another server', { s3 }, { s3: { ...s3, endpoint: 'http://minio:9000' } }, false],
  [
    'a host however it is written',
    { sftp: { host: 'SFTP.example.org', port: 22 } },
    { sftp: { host: 'sftp.example.org', port: 22 } },
    true,
  ],
  ['another port', { sftp: { host: 'h', port: 22 } }, { sftp: { host: 'h', port: 2222 } }, false],
  ['another kind of place', { s3: { ...s3, prefix: 'p' } }, { azureBlob: { container: 'b', prefix: 'p' } }, false],
  [
    'another account',
    { azureBlob: { account: 'a', container: 'c' } },
    { azureBlob: { account: 'b', container: 'c' } },
    false,
  ],
])('the same place: %s', (_, a, b, same) => {
  expect(locationIdentity(a) === locationIdentity(b)).toBe(same)
})

test('another folder of the same place', () => {
  expect(inFolder({ s3: { ...s3, prefix: 'a/b.csv' } }, 'a/')).toEqual({ s3: { ...s3, prefix: 'a/' } })
  expect(inFolder({ volume: { claimName: 'c' } }, 'x')).toEqual({ volume: { claimName: 'c', path: 'x' } })
})
