import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Column, DeliveryManifest, ExportPlan, RunInput, RunReport } from '#crds'
import { sha256 } from '../../jobs/digest.ts'
import { exportSegments } from '../../jobs/export/index.ts'
import { portsOf } from '../stores/ports.ts'
import { columnsOf, type PlanChoices, planOf, type StoreContent, writeStore } from './store.ts'

let volumes: string
let zone: string

beforeEach(() => {
  volumes = mkdtempSync(join(tmpdir(), 'convoke-export-'))
  for (const claim of ['profile-store', 'landing-zone']) mkdirSync(join(volumes, claim))
  zone = join(volumes, 'landing-zone', 'audiences')
})
afterEach(() => rmSync(volumes, { recursive: true }))

const columns: readonly Column[] = [
  { path: 'id', type: 'string' },
  { path: 'mail', type: 'string' },
  { path: 'name', type: 'string' },
  { path: 'points', type: 'integer' },
  { path: 'score', type: 'number' },
  { path: 'vip', type: 'boolean' },
  { path: 'born', type: 'date' },
  { path: 'seen', type: 'timestamp' },
]
const since = '2026-11-01T00:00:00Z'
const store = (content: Partial<StoreContent>) =>
  writeStore(join(volumes, 'profile-store', 'retail'), {
    version: 'v1',
    columns,
    profiles: {},
    members: {},
    ...content,
  })

/** Profiles a, b, … with id and mail; every one of `members` is in gold. */
const people = (
  ids: string,
  members = ids,
  more: Record<string, Record<string, string>> = {},
): Partial<StoreContent> => ({
  profiles: Object.fromEntries([...ids].map((id) => [`p-${id}`, { id, mail: `${id}@example.test`, ...more[id] }])),
  members: { gold: Object.fromEntries([...members].map((id) => [`p-${id}`, since])) },
})

/** The folder of a run's delivered sets. */
const deliveredOf = (run: string) => join(volumes, 'profile-store/retail/delivered/offers/.runs', run)

const keyed = columnsOf('external_id=id:string!*', 'email=mail:string')

function run(name: string, choices: PlanChoices = {}, input: Partial<RunInput> = {}): Promise<RunReport> {
  const instant = `2026-12-0${name}T04:00:00Z`
  return exportSegments({
    plan: planOf({ columns: keyed, ...choices }),
    input: { run: `act-offers-${name}`, scheduledTime: instant, now: instant, trigger: 'Schedule', ...input },
    ports: portsOf({ volumes }),
  })
}

const files = (): string[] => {
  try {
    return readdirSync(zone).sort()
  } catch {
    return []
  }
}
const text = (name: string): string => readFileSync(join(zone, name), 'utf8')
const manifest = (name: string): DeliveryManifest => JSON.parse(text(`${name}.manifest.json`))

describe('a row', () => {
  test.each([
    ['plain text', 'string', 'Ann', 'Ann'],
    ['a comma', 'string', 'a,b', '"a,b"'],
    ['a quote', 'string', 'say "hi"', '"say ""hi"""'],
    ['a line feed', 'string', 'a\nb', '"a\nb"'],
    ['a carriage return', 'string', 'a\rb', '"a\rb"'],
    ['the empty string', 'string', '', '""'],
    ['spaces', 'string', ' a ', ' a '],
    ['leading zeros', 'string', '007', '007'],
    ['not ASCII', 'string', 'Zoë 日本 🎯', 'Zoë 日本 🎯'],
    ['no value', 'string', null, ''],
    ['an integer', 'integer', -42, '-42'],
    ['the largest integer', 'integer', Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['a fraction', 'number', 0.1, '0.1'],
    ['a whole number', 'number', 100000, '100000'],
    ['minus', 'number', -2.5, '-2.5'],
    ['the shortest digits', 'number', 0.1 + 0.2, '0.30000000000000004'],
    ['a large number', 'number', 1e20, '100000000000000000000'],
    ['a small number', 'number', 1.5e-7, '0.00000015'],
    ['a small negative number', 'number', -1e-5, '-0.00001'],
    ['a huge number', 'number', 1e300, '1e+300'],
    ['true', 'boolean', true, 'true'],
    ['false', 'boolean', false, 'false'],
    ['a date', 'date', '1987-03-09', '1987-03-09'],
    ['a timestamp', 'timestamp', '2026-01-15 10:30:00', '2026-01-15T10:30:00Z'],
    ['a timestamp with milliseconds', 'timestamp', '2026-01-15 10:30:00.045', '2026-01-15T10:30:00.045Z'],
    ['a timestamp before 1970', 'timestamp', '1969-07-20 20:17:40.5', '1969-07-20T20:17:40.500Z'],
  ] as const)('holds %s as documented', async (_, type, value, expected) => {
    await writeStore(join(volumes, 'profile-store', 'retail'), {
      version: 'v1',
      columns: [
        { path: 'id', type: 'string' },
        { path: 'x', type },
      ],
      profiles: { p: { id: '1', x: value } },
      members: { gold: { p: since } },
    })
    const report = await run('1', { columns: columnsOf('external_id=id:string!*', `value=x:${type}`) })
    expect(report.error).toBeUndefined()
    expect(text('zone_gold_20261201T040000Z.csv')).toBe(
      `external_id,value,segmentMembership.status\n1,${expected},realized\n`,
    )
  })

  test.each([
    ['Lowercase', 'ÄNN@X', 'änn@x'],
    ['Uppercase', 'zoë', 'ZOË'],
    ['Trim', '\t a b\n\u00a0', 'a b'],
    ['Trim', '   ', '""'],
    ['SHA256', 'a@example.test', sha256('a@example.test')],
    ['SHA256', 'ü', sha256('ü')],
    ['Lowercase', null, ''],
    ['SHA256', null, ''],
  ] as const)('%s of %j is %j', async (transform, value, expected) => {
    await store({ profiles: { p: { id: '1', name: value } }, members: { gold: { p: since } } })
    await run('1', { columns: columnsOf('external_id=id:string!*', `value=name:string/${transform}`) })
    expect(text('zone_gold_20261201T040000Z.csv').split('\n')[1]).toBe(`1,${expected},realized`)
  })

  test.each<[string, Exclude<ExportPlan['columns'][number]['transform'], string>, string]>([
    ['several in order', ['Trim', 'Uppercase'], 'ANN LEE'],
    ['a constant', [{ constant: 'web' }], 'web'],
    [
      'other attributes, of any type',
      [{ concat: [{ source: 'id', type: 'string' }, ', "', null, '" ', { source: 'points', type: 'number' }] }],
      '"1, "" Ann Lee "" 7"',
    ],
    ['a piece', ['Trim', { split: { by: ' ', index: -1 } }, 'SHA256'], sha256('Lee')],
    ['a piece that is not there', [{ split: { by: '|', index: 3 } }], ''],
    ['no JSON', [{ parseJson: [] }], ''],
    ['a value inside', [{ constant: '{"a":{"b":5}}' }, { parseJson: ['a', 'b'] }], '5'],
  ])('%s', async (_, transform, expected) => {
    await store({ profiles: { p: { id: '1', name: ' Ann Lee ', points: 7 } }, members: { gold: { p: since } } })
    const columns = columnsOf('external_id=id:string!*', 'value=name:string')
    await run('1', { columns: columns.map((column, index) => (index === 1 ? { ...column, transform } : column)) })
    expect(text('zone_gold_20261201T040000Z.csv').split('\n')[1]).toBe(`1,${expected},realized`)
  })

  test('keeps null and a text that reads like the null value apart', async () => {
    await store({
      profiles: { p: { id: '1', name: 'NULL' }, q: { id: '2', name: '' }, r: { id: '3' } },
      members: { gold: { p: since, q: since, r: since } },
    })
    await run('1', {
      columns: columnsOf('external_id=id:string!*', 'name'),
      file: { delimiter: ';', nullValue: 'NULL' },
    })
    expect(text('zone_gold_20261201T040000Z.csv')).toBe(
      'external_id;name;segmentMembership.status\n1;"NULL";realized\n2;"";realized\n3;NULL;realized\n',
    )
  })

  test('quotes a tab when the delimiter is one, and the header too', async () => {
    await store({ profiles: { p: { id: '1', name: 'a\tb' } }, members: { gold: { p: since } } })
    await run('1', {
      columns: columnsOf('external_id=id:string!*', 'name'),
      file: { delimiter: '\t' },
      membershipStatus: 'Omit',
    })
    expect(text('zone_gold_20261201T040000Z.csv')).toBe('external_id\tname\n1\t"a\tb"\n')
  })
})

describe('a manifest', () => {
  test('obeys its schema and tells rows, bytes and digests of the files', async () => {
    await store(people('abc'))
    const report = await run('1', { file: { maxRows: 2 } })
    expect(files()).toEqual([
      'zone_gold_20261201T040000Z.csv',
      'zone_gold_20261201T040000Z.csv.manifest.json',
      'zone_gold_20261201T040000Z_2.csv',
    ])
    const found = manifest('zone_gold_20261201T040000Z.csv')
    const ajv = new Ajv({ strict: false })
    formats.default(ajv)
    const validate = ajv.compile(
      parse(readFileSync(join(import.meta.dirname, '../../crds/contracts/delivery-manifest.schema.yaml'), 'utf8')),
    )
    expect(validate(found), JSON.stringify(validate.errors)).toBe(true)
    expect(found).toMatchObject({
      run: 'act-offers-1',
      activation: 'offers',
      segment: 'gold',
      export: 'Incremental',
      backfill: true,
      membershipVersion: 'v1',
      counts: { realized: 3, exited: 0 },
    })
    expect(found.columns.map(({ name }) => name)).toEqual(['external_id', 'email', 'segmentMembership.status'])
    for (const file of found.files) {
      const content = text(file.name)
      expect(file).toEqual({
        name: file.name,
        rows: content.split('\n').length - 2,
        bytes: Buffer.byteLength(content),
        sha256: sha256(content),
      })
    }
    expect(found.files.map(({ rows }) => rows)).toEqual([2, 1])
    expect(report.outcome).toBe('Succeeded')
    expect(report.totals).toMatchObject({ files: 2, rows: 3, realized: 3, exited: 0, held: 0 })
    expect(report.details).toEqual([
      expect.objectContaining({
        segment: 'gold',
        members: 3,
        entered: 3,
        realized: 3,
        exited: 0,
        backfill: true,
        manifest: 'zone_gold_20261201T040000Z.csv.manifest.json',
        files: found.files,
      }),
    ])
  })

  test('of a file whose name leaves no room for an ending has a shorter one, and is known again', async () => {
    await store(people('ab'))
    const choices = { file: { nameTemplate: `${'ä'.repeat(110)}{segment}_{timestamp}`, maxRows: 1 } }
    const first = await run('1', choices)
    expect(first.error).toBeUndefined()
    const [manifest, ...files] = [first.details![0]!.manifest!, ...first.details![0]!.files!.map(({ name }) => name)]
    expect(files[1]).toBe(`${'ä'.repeat(110)}gold_20261201T040000Z_2.csv`)
    expect(manifest).toMatch(/^ä+gold-[0-9a-f]{16}\.manifest\.json$/)
    expect(readdirSync(zone).sort()).toEqual([manifest, ...files].sort())
    expect((await run('1', choices)).details).toMatchObject([{ manifest, files: first.details![0]!.files }])
  })

  test('of a compressed file describes the compressed file, and the same content gives the same bytes', async () => {
    await store(people('abc'))
    await run('1', { file: { compression: 'GZIP' } })
    const [name] = files()
    expect(name).toBe('zone_gold_20261201T040000Z.csv.gz')
    const bytes = readFileSync(join(zone, name!))
    expect(manifest(name!).files[0]).toMatchObject({ rows: 3, bytes: bytes.length, sha256: sha256(bytes) })
    expect(gunzipSync(bytes).toString()).toBe(
      'external_id,email,segmentMembership.status\na,a@example.test,realized\nb,b@example.test,realized\nc,c@example.test,realized\n',
    )
    rmSync(zone, { recursive: true })
    await run('1', { file: { compression: 'GZIP' } })
    expect(readFileSync(join(zone, name!)).equals(bytes)).toBe(true)
  })

  test('is named after every macro of the template', async () => {
    await store(people('a'))
    await run('1', {
      segments: [{ name: 'gold', displayName: 'Gold / members' }],
      file: { nameTemplate: '{organization}-{activation}-{destination}-{segment}-{segmentName}-{timestamp}-{unix}' },
    })
    expect(files()[0]).toBe('acme-offers-zone-gold-Gold _ members-20261201T040000Z-1796097600.csv')
  })
})

describe('an incremental export', () => {
  /** The first run delivers `before`; the second, against it, gives these lines without header. */
  const second = async (
    before: Partial<StoreContent>,
    after: Partial<StoreContent>,
    choices: PlanChoices = {},
  ): Promise<string[] | null> => {
    await store(before)
    await run('1', choices)
    await store({ version: 'v2', ...after })
    await run('2', choices, { baselines: { gold: 'act-offers-1' } })
    return files().includes('zone_gold_20261202T040000Z.csv')
      ? text('zone_gold_20261202T040000Z.csv').trimEnd().split('\n').slice(1)
      : null
  }
  const onAttributes: PlanChoices = { incrementalOn: 'MembershipOrAttributes' }
  const moved = { b: { mail: 'new@example.test' } }

  test.each<[string, Partial<StoreContent>, Partial<StoreContent>, PlanChoices, string[] | null]>([
    [
      'holds entries and exits, in the order of the key',
      people('abc', 'bc'),
      people('abc', 'ab'),
      {},
      ['a,a@example.test,realized', 'c,c@example.test,exited'],
    ],
    ['says nothing when nothing changed', people('abc'), people('abc'), {}, null],
    ['leaves changed values out', people('ab'), people('ab', 'ab', moved), {}, null],
    [
      'sends changed values where asked to',
      people('ab'),
      people('ab', 'ab', moved),
      onAttributes,
      ['b,new@example.test,realized'],
    ],
    ['sends nothing where asked to and nothing changed', people('ab'), people('ab'), onAttributes, null],
    ['holds only the key of a profile that vanished', people('ab'), people('a'), {}, ['b,,exited']],
    ['holds the values of today in an exit', people('ab'), people('ab', 'a', moved), {}, ['b,new@example.test,exited']],
    [
      'leaves exits out when the status is',
      people('abc', 'bc'),
      people('abc', 'ab'),
      { membershipStatus: 'Omit' },
      ['a,a@example.test'],
    ],
    [
      'says nothing when there are only exits and no status',
      people('ab'),
      people('ab', 'a'),
      { membershipStatus: 'Omit' },
      null,
    ],
    ['tells the exit of the last member', people('a'), people('a', ''), {}, ['a,a@example.test,exited']],
    [
      'tells a changed key as an exit of the old and an entry of the new one',
      people('a'),
      { profiles: { 'p-a': { id: 'z', mail: 'a@example.test' } }, members: { gold: { 'p-a': since } } },
      {},
      ['a,a@example.test,exited', 'z,a@example.test,realized'],
    ],
    [
      'tells a delivered member whose mandatory value went missing as an exit',
      people('ab'),
      people('ab', 'ab', { b: { mail: null as unknown as string } }),
      { columns: columnsOf('external_id=id:string!*', 'email=mail:string!') },
      ['b,,exited'],
    ],
    [
      'compares keys as they stand in the file',
      people('a', 'a', { a: { id: 'KEY' } }),
      people('a', 'a', { a: { id: 'key' } }),
      { columns: columnsOf('external_id=id:string!*/Lowercase', 'email=mail:string') },
      null,
    ],
  ])('%s', async (_, before, after, choices, expected) => {
    expect(await second(before, after, choices)).toEqual(expected)
  })

  test('compares by the profile where no column is the key', async () => {
    const choices: PlanChoices = { columns: columnsOf('external_id=id', 'email=mail') }
    expect(await second(people('abcd', 'abc'), people('abd', 'abd', { a: { id: 'changed' } }), choices)).toEqual([
      'd,d@example.test,realized',
    ])
  })

  test('is a backfill of active members where the baseline is unknown, lost or of another key', async () => {
    await store(people('abc'))
    await run('1')
    await store({ version: 'v2', ...people('abc', 'ab') })
    const backfilled = async (number: string, choices: PlanChoices, baselines?: Record<string, string>) => {
      const report = await run(number, choices, baselines ? { baselines } : {})
      expect(report.details![0]).toMatchObject({ backfill: true, realized: 2, exited: 0 })
    }
    await backfilled('2', {})
    await backfilled('3', {}, { gold: 'act-offers-lost' })
    await backfilled('4', { columns: columnsOf('external_id=id', 'email=mail:string!*') }, { gold: 'act-offers-1' })
  })

  test('folds a run that was not acknowledged into the next', async () => {
    await store(people('abc', 'ab'))
    await run('1')
    await store({ version: 'v2', ...people('abc', 'bc') })
    await run('2', {}, { baselines: { gold: 'act-offers-1' } })
    await store({ version: 'v3', ...people('abc', 'ac') })
    await run('3', {}, { baselines: { gold: 'act-offers-1' } })
    expect(text('zone_gold_20261203T040000Z.csv').split('\n').slice(1, -1)).toEqual([
      'b,b@example.test,exited',
      'c,c@example.test,realized',
    ])
  })

  test('of an empty Segment without baseline says nothing', async () => {
    await store({ ...people('a'), members: { gold: { 'p-a': `-${since}` } } })
    const report = await run('1')
    expect(files()).toEqual([])
    expect(report.outcome).toBe('Succeeded')
    expect(report.details![0]).not.toHaveProperty('manifest')
  })

  test('is not compared with a delivered set that is not what was written', async () => {
    await store({ version: 'v0', ...people('abcd', 'ab') })
    await run('1')
    const sets = deliveredOf('act-offers-1')
    const path = join(sets, readdirSync(sets).find((name) => name.endsWith('.parquet'))!)
    const set = readFileSync(path)
    const flipped = Buffer.from(set)
    flipped[Math.floor(set.length / 2)]! ^= 1
    writeFileSync(path, flipped)
    await store({ version: 'v1', ...people('abcd', 'abc') })
    const before = files()
    const report = await run('2', {}, { baselines: { gold: 'act-offers-1' } })
    expect(report).toMatchObject({ outcome: 'Failed', error: { reason: 'DamagedStore', retryable: false } })
    expect(report.error?.message).toMatch(
      /act-offers-1\/1-.*\.parquet is damaged.* delete it: the next file .* is then a backfill/,
    )
    expect(files()).toEqual(before)
    writeFileSync(path, set)
    expect(await run('2', {}, { baselines: { gold: 'act-offers-1' } })).toMatchObject({ outcome: 'Succeeded' })
  })

  test('keeps the delivered sets that may still be compared with, and no older one', async () => {
    for (const [index, members] of ['a', 'ab', 'abc', 'abcd'].entries()) {
      await store({ version: `v${index}`, ...people('abcd', members) })
      await run(String(index + 1), {}, index === 0 ? {} : { baselines: { gold: `act-offers-${index}` } })
    }
    expect(readdirSync(deliveredOf('')).sort()).toEqual(['act-offers-3', 'act-offers-4'])
  })

  test('keeps the set of a Segment that counts from an older run than others', async () => {
    const segments = ['gold', 'slow'].map((name) => ({ name, displayName: name }))
    const members = (gold: string) => {
      const { profiles, members } = people('abcd', gold)
      return { profiles: profiles!, members: { ...members, slow: members!['gold']! } }
    }
    for (const [index, who] of ['a', 'ab', 'abc', 'abcd'].entries()) {
      await store({ version: `v${index}`, ...members(who) })
      const baselines = index === 0 ? {} : { gold: `act-offers-${index}`, slow: 'act-offers-1' }
      const report = await run(String(index + 1), { segments }, { baselines })
      expect(report.details!.map(({ entered }) => entered)).toEqual([1, index === 0 ? 1 : index])
    }
    expect(readdirSync(deliveredOf('')).sort()).toEqual(['act-offers-1', 'act-offers-3', 'act-offers-4'])
  })

  test('counts from a set that an earlier version wrote, a file of the Segment, and removes it when it is not counted from any more', async () => {
    await store({ version: 'v0', ...people('abcd', 'abc') })
    await run('1')
    const sets = deliveredOf('act-offers-1')
    const own = join(volumes, 'profile-store/retail/delivered/offers/gold')
    mkdirSync(own)
    const path = join(own, 'act-offers-1.parquet')
    const { keys, files: parts } = JSON.parse(readFileSync(join(sets, '1.json'), 'utf8'))
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(
      `COPY (SELECT '${keys}' AS keys, * EXCLUDE segment FROM '${join(sets, parts[0].name)}') TO '${path}' (FORMAT parquet)`,
    )
    connection.closeSync()
    instance.closeSync()
    writeFileSync(`${path}.sha256`, sha256(readFileSync(path)))
    rmSync(deliveredOf(''), { recursive: true })
    await store({ version: 'v1', ...people('abcd', 'bcd') })
    expect((await run('2', {}, { baselines: { gold: 'act-offers-1' } })).details![0]).toMatchObject({
      entered: 1,
      exited: 1,
    })
    expect(existsSync(path)).toBe(true)
    await store({ version: 'v2', ...people('abcd', 'cd') })
    expect((await run('3', {}, { baselines: { gold: 'act-offers-2' } })).details![0]).toMatchObject({
      entered: 0,
      exited: 1,
    })
    expect(readdirSync(own)).toEqual([])
  })
})

describe('a full export', () => {
  test('holds active members only, each time', async () => {
    await store(people('abc'))
    await run('1', { export: 'Full' })
    await store({ version: 'v2', ...people('abc', 'a') })
    await run('2', { export: 'Full' }, { baselines: { gold: 'act-offers-1' } })
    expect(text('zone_gold_20261202T040000Z.csv')).toBe(
      'external_id,email,segmentMembership.status\na,a@example.test,realized\n',
    )
    expect(manifest('zone_gold_20261202T040000Z.csv')).toMatchObject({
      export: 'Full',
      backfill: false,
      counts: { realized: 1, exited: 0 },
    })
  })

  test('of an empty Segment is a file with a header', async () => {
    await store({ ...people('a'), members: { gold: { 'p-a': `-${since}` } } })
    await run('1', { export: 'Full' })
    expect(text('zone_gold_20261201T040000Z.csv')).toBe('external_id,email,segmentMembership.status\n')
    expect(manifest('zone_gold_20261201T040000Z.csv').files[0]!.rows).toBe(0)
  })
})

describe('the deduplication key', () => {
  const rows = async (choices: PlanChoices) => {
    const report = await run('1', choices)
    return {
      lines: text('zone_gold_20261201T040000Z.csv').trimEnd().split('\n').slice(1),
      counts: report.details![0]!.counts,
    }
  }

  test('keeps the row that qualified last', async () => {
    await store({
      profiles: {
        p: { id: '1', mail: 'x', name: 'Ann' },
        q: { id: '2', mail: 'x', name: 'Bob' },
        r: { id: '3', mail: 'y', name: 'Cy' },
      },
      members: { gold: { p: '2026-11-01T00:00:00Z', q: '2026-11-02T00:00:00Z', r: since } },
    })
    expect(await rows({ columns: columnsOf('email=mail:string!*', 'name') })).toEqual({
      lines: ['x,Bob,realized', 'y,Cy,realized'],
      counts: { missingMandatory: 0, duplicateKey: 1 },
    })
  })

  test('keeps the smallest row of those that qualified together, by value and not by how it is quoted', async () => {
    await store({
      profiles: { p: { mail: 'x', name: 'Morris' }, q: { mail: 'x', name: 'Doe, Jr' }, r: { mail: 'x', name: 'Abe' } },
      members: { gold: { p: since, q: since, r: since } },
    })
    expect((await rows({ columns: columnsOf('email=mail:string!*', 'name') })).lines).toEqual(['x,Abe,realized'])
  })

  test('of two columns keeps rows that differ in either', async () => {
    await store({
      profiles: {
        p: { id: '1', mail: 'x', name: 'D' },
        q: { id: '2', mail: 'x', name: 'Doe' },
        r: { id: '3', mail: 'x', name: 'D' },
      },
      members: { gold: { p: since, q: since, r: '2026-11-05T00:00:00Z' } },
    })
    expect((await rows({ columns: columnsOf('email=mail:string!*', 'name:string!*', 'id') })).lines).toEqual([
      'x,D,3,realized',
      'x,Doe,2,realized',
    ])
  })

  test('is judged per Segment: a row that loses in one may stand in another', async () => {
    await store({
      profiles: { p: { id: '1', mail: 'x' }, q: { id: '2', mail: 'x' } },
      members: { gold: { p: '2026-11-01T00:00:00Z', q: '2026-11-02T00:00:00Z' }, other: { p: since } },
    })
    await run('1', {
      columns: columnsOf('email=mail:string!*', 'id'),
      segments: [
        { name: 'gold', displayName: '' },
        { name: 'other', displayName: '' },
      ],
    })
    expect(text('zone_gold_20261201T040000Z.csv').split('\n')[1]).toBe('x,2,realized')
    expect(text('zone_other_20261201T040000Z.csv').split('\n')[1]).toBe('x,1,realized')
  })

  test('that changes hands is no change of membership', async () => {
    const profiles = { p: { id: '1', mail: 'x' }, q: { id: '2', mail: 'x' } }
    const choices: PlanChoices = { columns: columnsOf('email=mail:string!*', 'id') }
    await store({ profiles, members: { gold: { p: since, q: '2026-11-02T00:00:00Z' } } })
    await run('1', choices)
    await store({ version: 'v2', profiles, members: { gold: { p: since, q: '-2026-11-03T00:00:00Z' } } })
    const report = await run('2', choices, { baselines: { gold: 'act-offers-1' } })
    expect(report.details![0]).toMatchObject({ entered: 0, realized: 0, exited: 0 })
    expect(files()).toHaveLength(2)
  })
})

test('a row without a mandatory value is left out and counted', async () => {
  await store({
    profiles: { p: { id: '1', mail: 'x' }, q: { id: '2' }, r: { mail: 'z' } },
    members: { gold: { p: since, q: since, r: since } },
  })
  const report = await run('1', { columns: columnsOf('external_id=id:string!*', 'email=mail:string!') })
  expect(text('zone_gold_20261201T040000Z.csv').split('\n').slice(1, -1)).toEqual(['1,x,realized'])
  expect(report.details![0]).toMatchObject({
    members: 3,
    realized: 1,
    counts: { missingMandatory: 2, duplicateKey: 0 },
  })
})

test('every Segment has its own file, and a profile may be in several', async () => {
  await store({
    ...people('abcd', 'ab'),
    members: {
      gold: { 'p-a': since, 'p-b': since },
      silver: { 'p-b': since, 'p-c': since },
      none: { 'p-d': `-${since}` },
    },
  })
  const report = await run('1', { segments: ['gold', 'none', 'silver'].map((name) => ({ name, displayName: name })) })
  expect(text('zone_gold_20261201T040000Z.csv').split('\n').slice(1, -1)).toEqual([
    'a,a@example.test,realized',
    'b,b@example.test,realized',
  ])
  expect(text('zone_silver_20261201T040000Z.csv').split('\n').slice(1, -1)).toEqual([
    'b,b@example.test,realized',
    'c,c@example.test,realized',
  ])
  expect(files()).toHaveLength(4)
  expect(report.details!.map(({ segment, realized }) => [segment, realized])).toEqual([
    ['gold', 2],
    ['none', 0],
    ['silver', 2],
  ])
})

describe('the circuit breaker', () => {
  const breaker = { circuitBreaker: { maxEnteredPercent: 50, maxExitedPercent: 50, allowEmpty: false } }
  const outcome = async (
    before: string,
    after: string,
    choices: PlanChoices = breaker,
    input: Partial<RunInput> = {},
  ) => {
    await store(people('abcdef', before))
    expect((await run('1', choices)).outcome).toBe('Succeeded')
    await store({ version: 'v2', ...people('abcdef', after) })
    return run('2', choices, { baselines: { gold: 'act-offers-1' }, ...input })
  }

  test.each<[string, string, string, PlanChoices, string]>([
    ['lets half of the audience enter', 'abcd', 'abcdef', breaker, 'Succeeded'],
    ['holds when more than half of it enter', 'abc', 'abcdef', breaker, 'Held'],
    ['lets half of it leave', 'abcd', 'ab', breaker, 'Succeeded'],
    ['holds when more than half of it leave', 'abcd', 'a', breaker, 'Held'],
    ['holds an empty audience', 'a', '', { circuitBreaker: { allowEmpty: false } }, 'Held'],
    ['lets an empty audience pass where allowed', 'a', '', { circuitBreaker: { allowEmpty: true } }, 'Succeeded'],
    ['is off when absent', 'abcd', '', {}, 'Succeeded'],
    ['holds a full export too', 'abcd', '', { ...breaker, export: 'Full' }, 'Held'],
  ])('%s', async (_, before, after, choices, expected) => {
    const report = await outcome(before, after, choices)
    expect(report.outcome).toBe(expected)
    if (expected !== 'Held') return
    expect(files()).toHaveLength(2)
    expect(report.details![0]!.held).toMatch(/\d/)
    expect(report.warnings).toEqual([{ code: 'Held', message: expect.stringContaining('gold') }])
  })

  test.each<[string, string, string, number, string]>([
    ['two of three', 'abc', 'a', 3, 'Succeeded'],
    ['as many as it takes', 'abc', 'a', 2, 'Held'],
    ['an audience that becomes empty', 'ab', '', 10, 'Held'],
  ])('lets few people pass whatever they are in percent: %s', async (_, before, after, minPeople, expected) => {
    const report = await outcome(before, after, { circuitBreaker: { ...breaker.circuitBreaker, minPeople } })
    expect(report.outcome).toBe(expected)
  })

  test('a hold says what was compared: the list, its Run, by how much, and who has left it meanwhile', async () => {
    const report = await outcome('ab', 'acdef')
    expect(report.details![0]).toMatchObject({
      held: '4 would enter, 200% of the 2 delivered members; the limit is 50%. 1 of those on the list is no longer in it.',
      hold: { direction: 'entered', people: 4, percent: 200, limit: 50, list: 2, left: 1, baseline: 'act-offers-1' },
    })
  })

  describe('where it holds entries alone', () => {
    const entries = { circuitBreaker: { ...breaker.circuitBreaker, hold: 'Entries' as const } }
    const second = () => text('zone_gold_20261202T040000Z.csv').split('\n').slice(1, -1)

    test('those who left are taken off the list, and the entries wait for approval', async () => {
      const report = await outcome('ab', 'acdef', entries)
      expect(report).toMatchObject({ outcome: 'Held', totals: { held: 1, realized: 0, rows: 1 } })
      expect(report.details![0]).toMatchObject({ manifest: expect.any(String), hold: { left: 0, list: 2 } })
      expect(second()).toEqual(['b,b@example.test,exited'])
      // The next increment counts from the list without them.
      const next = await run('3', entries, { baselines: { gold: 'act-offers-2' }, approved: ['gold'] })
      expect(next.outcome).toBe('Succeeded')
      expect(text('zone_gold_20261203T040000Z.csv').split('\n').slice(1, -1)).toEqual(
        ['c', 'd', 'e', 'f'].map((one) => `${one},${one}@example.test,realized`),
      )
    })

    test('also where everybody has left, so that nobody is written to who is gone', async () => {
      const report = await outcome('ab', '', entries)
      expect(report.outcome).toBe('Held')
      expect(second()).toEqual(['a,a@example.test,exited', 'b,b@example.test,exited'])
    })

    test.each<[string, PlanChoices]>([
      ['full files', { ...entries, export: 'Full' }],
      ['files without the status column', { ...entries, membershipStatus: 'Omit' }],
    ])('%s cannot name exits and wait whole', async (_, choices) => {
      const report = await outcome('ab', 'acdef', choices)
      expect(report.outcome).toBe('Held')
      expect(files()).toHaveLength(2)
    })
  })

  test('lets an approved Segment pass', async () => {
    const report = await outcome('abcd', 'a', breaker, { approved: ['gold'] })
    expect(report.outcome).toBe('Succeeded')
    expect(files()).toHaveLength(4)
  })

  test('holds one Segment and delivers the rest', async () => {
    const segments = ['gold', 'silver'].map((name) => ({ name, displayName: name }))
    const both = { ...breaker, segments }
    const all = people('abcd')
    await store({ ...all, members: { gold: all.members!['gold']!, silver: all.members!['gold']! } })
    await run('1', both)
    await store({ version: 'v2', ...all, members: { gold: { 'p-a': since }, silver: people('abc').members!['gold']! } })
    const report = await run('2', both, { baselines: { gold: 'act-offers-1', silver: 'act-offers-1' } })
    expect(report.outcome).toBe('Held')
    expect(files().filter((name) => name.includes('1202'))).toEqual([
      'zone_silver_20261202T040000Z.csv',
      'zone_silver_20261202T040000Z.csv.manifest.json',
    ])
  })
})

describe('a Segment that was deleted', () => {
  const gone = { name: 'gone', displayName: 'Gone away' }
  const gold = { name: 'gold', displayName: 'Gold' }
  const file = { nameTemplate: '{segmentName}_{timestamp}' }
  const name = 'Gone away_20261202T040000Z.csv'
  const exits = ['a,a@example.test,exited', 'b,b@example.test,exited', 'c,c@example.test,exited']
  const lines = () => (files().includes(name) ? text(name).trimEnd().split('\n').slice(1) : null)

  /** Three people are in both Segments and delivered; then one of these is deleted, and this is its first run without it. */
  const departing = async (
    choices: PlanChoices = {},
    { after = people('abc'), input = {} }: { after?: Partial<StoreContent>; input?: Partial<RunInput> } = {},
  ) => {
    const everybody = people('abc')
    await store({ ...everybody, members: { ...everybody.members, gone: everybody.members!['gold']! } })
    await run('1', { file, ...choices, segments: [gold, gone] })
    await store({ version: 'v2', ...after })
    return run(
      '2',
      { file, segments: [gold], ...choices },
      { baselines: { gold: 'act-offers-1', gone: 'act-offers-1' }, departed: [gone], ...input },
    )
  }

  test('exits whole, beside Segments that go on', async () => {
    const report = await departing({}, { after: people('abcd') })
    expect(lines()).toEqual(exits)
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { segments: 2, held: 0, files: 2, rows: 4, realized: 1, exited: 3 },
      details: [
        { segment: 'gold', realized: 1, exited: 0 },
        {
          segment: 'gone',
          departed: true,
          members: 0,
          realized: 0,
          exited: 3,
          backfill: false,
          manifest: `${name}.manifest.json`,
        },
      ],
    })
    expect(manifest(name)).toMatchObject({
      segment: 'gone',
      backfill: false,
      evaluatedAt: '2026-12-02T04:00:00Z',
      counts: { realized: 0, exited: 3 },
    })
  })

  test.each<[string, PlanChoices, Partial<StoreContent> | undefined, readonly string[] | null]>([
    ['is the only one left', { segments: [] }, undefined, exits],
    [
      'would be held if it were there',
      { circuitBreaker: { allowEmpty: false, maxExitedPercent: 1 } },
      undefined,
      exits,
    ],
    ['had a person who is gone', {}, people('ab'), [...exits.slice(0, 2), 'c,,exited']],
    [
      'is still known to the store',
      {},
      { ...people('abc'), members: { gold: {}, gone: people('abc').members!['gold']! } },
      exits,
    ],
    ['has files that are split', { file: { ...file, maxRows: 2 } }, undefined, exits.slice(0, 2)],
    ['is delivered without status', { membershipStatus: 'Omit' }, undefined, null],
    ['is delivered in full files', { export: 'Full' }, undefined, null],
    [
      'has no key, and a person who is gone',
      { columns: columnsOf('external_id=id', 'email=mail') },
      people('ab'),
      exits.slice(0, 2),
    ],
  ])('exits where it %s', async (_, choices, after, expected) => {
    const report = await departing(choices, after === undefined ? {} : { after })
    expect(report.error).toBeUndefined()
    expect(lines()).toEqual(expected)
    const detail = report.details!.find(({ segment }) => segment === 'gone')
    expect(detail).toMatchObject({ departed: true, exited: expected === null ? 0 : expect.any(Number) })
    expect(detail?.manifest === undefined).toBe(expected === null)
  })

  test('is delivered where no other Segment is evaluated yet', async () => {
    const report = await departing({ segments: [{ name: 'new', displayName: 'New' }] })
    expect(report).toMatchObject({ outcome: 'Succeeded', warnings: [{ code: 'NotEvaluated' }] })
    expect(lines()).toEqual(exits)
  })

  test('has nothing to say where nothing of it was acknowledged, or nobody was left', async () => {
    const report = await departing({}, { input: { baselines: { gold: 'act-offers-1' } } })
    expect(report.details).toMatchObject([{ segment: 'gold' }, { segment: 'gone', departed: true, exited: 0 }])
    await departing()
    const third = await run(
      '3',
      { file, segments: [gold] },
      { baselines: { gold: 'act-offers-1', gone: 'act-offers-2' }, departed: [gone] },
    )
    expect(third.details).toMatchObject([{ segment: 'gold' }, { segment: 'gone', departed: true, exited: 0 }])
    expect(files().filter((found) => found.includes('20261203'))).toEqual([])
  })

  test('and whose name is there again is a Segment like any other', async () => {
    const report = await departing(
      { segments: [gold, gone] },
      {
        after: {
          ...people('abc'),
          members: {
            gold: people('abc').members!['gold']!,
            gone: people('ab').members!['gold']!,
          },
        },
      },
    )
    expect(lines()).toEqual(exits.slice(2))
    expect(report.details).toHaveLength(2)
    expect(report.details![1]).not.toHaveProperty('departed')
  })

  test('exits again in the next run where the one before was not acknowledged', async () => {
    await departing()
    const third = await run(
      '3',
      { file, segments: [gold] },
      { baselines: { gold: 'act-offers-1', gone: 'act-offers-1' }, departed: [gone] },
    )
    expect(third.details![1]).toMatchObject({ departed: true, exited: 3 })
  })

  test('and whose delivered set is lost is emptied by a file without rows', async () => {
    const report = await departing({}, { input: { baselines: { gold: 'act-offers-1', gone: 'act-offers-0' } } })
    expect(lines()).toEqual([])
    expect(manifest(name)).toMatchObject({ backfill: true, counts: { realized: 0, exited: 0 } })
    expect(report.warnings).toMatchObject([{ code: 'LostBaseline' }])
  })

  test('a run that is repeated changes nothing and reports the same', async () => {
    const first = await departing()
    const before = files().map((found) => [found, text(found)])
    await store({ version: 'v3', ...people('a') })
    const again = await run(
      '2',
      { file, segments: [gold] },
      { baselines: { gold: 'act-offers-1', gone: 'act-offers-1' }, departed: [gone], attempt: 2 },
    )
    expect(
      files()
        .map((found) => [found, text(found)])
        .filter(([found]) => found!.startsWith('Gone')),
    ).toEqual(before.filter(([found]) => found!.startsWith('Gone')))
    const { entered: _, ...detail } = first.details![1]!
    expect(again.details![1]).toEqual(detail)
  })
})

describe('what is not evaluated', () => {
  test('a store without membership fails with NotEvaluated', async () => {
    mkdirSync(join(volumes, 'profile-store', 'retail'))
    expect((await run('1')).error).toMatchObject({ reason: 'NotEvaluated', retryable: true })
  })

  test('a Segment that the version does not know is reported, and the others are delivered', async () => {
    await store(people('a'))
    const report = await run('1', { segments: ['fresh', 'gold'].map((name) => ({ name, displayName: name })) })
    expect(report.outcome).toBe('Succeeded')
    expect(report.details).toEqual([{ segment: 'fresh' }, expect.objectContaining({ segment: 'gold', realized: 1 })])
    expect(report.warnings).toEqual([{ code: 'NotEvaluated', message: expect.stringContaining('fresh') }])
  })

  test('no known Segment at all fails with NotEvaluated', async () => {
    await store(people('a'))
    expect((await run('1', { segments: [{ name: 'fresh', displayName: 'Fresh' }] })).error).toMatchObject({
      reason: 'NotEvaluated',
    })
  })
})

describe('a fault at one Segment', () => {
  const three = ['copper', 'gold', 'silver'].map((name) => ({ name, displayName: name }))
  const everywhere = () => {
    const { profiles, members } = people('ab')
    return store({
      profiles: profiles!,
      members: Object.fromEntries(three.map(({ name }) => [name, members!['gold']!])),
    })
  }

  test('leaves what was delivered delivered, and says so; of the one that failed nobody knows', async () => {
    await everywhere()
    // No file can take the place of a folder.
    mkdirSync(join(zone, 'zone_gold_20261201T040000Z.csv', 'inside'), { recursive: true })
    const report = await run('1', { segments: three })
    expect(report).toMatchObject({ outcome: 'Failed', error: { reason: expect.any(String) } })
    const [copper, gold, silver] = report.details!
    expect(gold).toEqual({ segment: 'gold', counts: { uncertain: 1 } })
    // Others were at work at the same time, or had not begun.
    for (const other of [copper, silver]) {
      const name = `zone_${other!.segment}_20261201T040000Z.csv.manifest.json`
      expect(other).toEqual(
        files().includes(name) ? expect.objectContaining({ realized: 2, manifest: name }) : { segment: other!.segment },
      )
    }
    rmSync(join(zone, 'zone_gold_20261201T040000Z.csv'), { recursive: true })
    const again = await run('1', { segments: three }, { attempt: 2 })
    expect(
      again.details!.map(({ segment, manifest, realized }) => [segment, manifest !== undefined, realized]),
    ).toEqual(three.map(({ name }) => [name, true, 2]))
  })
})

describe('large Segments and small ones', () => {
  const names = ['copper', 'gold', 'silver', 'tin']
  const segments = names.map((name) => ({ name, displayName: name }))
  const ids = Array.from({ length: 60 }, (_, index) => `p${index}`)
  // Two of three people share their key with somebody, and one in seven has none.
  const profiles = Object.fromEntries(
    ids.map((id, index) => [
      id,
      { id: index % 7 === 3 ? null : `k${index % 3 === 0 ? index : index >> 1}`, mail: `${id}@example.test` },
    ]),
  )
  const content = (version: string, shift: number, large: readonly string[]) => ({
    version,
    profiles,
    members: Object.fromEntries(
      names.map((name, at) => [
        name,
        Object.fromEntries(ids.filter((_, index) => (index + shift) % (at + 2) === 0).map((id) => [id, since])),
      ]),
    ),
    saidMembers: Object.fromEntries(large.map((name) => [name, 1_000_000])),
  })

  test.each(['Membership', 'MembershipOrAttributes'] as const)(
    'are exported alike, incremental on %s',
    async (incrementalOn) => {
      const choices: PlanChoices = { segments, incrementalOn, file: { maxRows: 11 } }
      const exported = async (large: readonly string[]) => {
        await store(content('v1', 0, large))
        const first = await run('1', choices)
        await store(content('v2', 1, large))
        const baselines = Object.fromEntries(names.map((name) => [name, 'act-offers-1']))
        const second = await run('2', choices, { baselines })
        const full = await run('3', { ...choices, export: 'Full' }, { baselines })
        const found = Object.fromEntries(files().map((name) => [name, text(name)]))
        rmSync(zone, { recursive: true })
        rmSync(deliveredOf(''), { recursive: true })
        return {
          found,
          details: [first, second, full].map(({ details }) => details!.map(({ members: _, ...rest }) => rest)),
        }
      }
      const small = await exported([])
      expect(Object.keys(small.found).length).toBeGreaterThan(20)
      expect(await exported(names)).toEqual(small)
      expect(await exported(['gold', 'tin'])).toEqual(small)
    },
  )
})

describe('a run that is repeated', () => {
  const snapshot = () => Object.fromEntries(files().map((name) => [name, text(name)]))

  test('changes nothing and reports the same, even when the store has moved on', async () => {
    await store(people('abc'))
    const first = await run('1')
    const before = snapshot()
    await store({ version: 'v2', ...people('abc', 'a') })
    const again = await run('1', {}, { attempt: 2 })
    expect(snapshot()).toEqual(before)
    expect(again.totals).toEqual(first.totals)
  })

  test('puts back a file that went missing', async () => {
    await store(people('abc'))
    await run('1', { file: { maxRows: 2 } })
    const before = snapshot()
    unlinkSync(join(zone, 'zone_gold_20261201T040000Z_2.csv'))
    await run('1', { file: { maxRows: 2 } })
    expect(snapshot()).toEqual(before)
  })

  test('does not take the files of a Run of the same name with another plan for its own', async () => {
    await store(people('abc'))
    await run('1', { file: { maxRows: 1 } })
    const report = await run('1', { file: { maxRows: 2 } }, { attempt: 2 })
    expect(report.totals).toMatchObject({ files: 2, rows: 3 })
    expect(manifest('zone_gold_20261201T040000Z.csv').files.map(({ rows }) => rows)).toEqual([2, 1])
    expect(files().filter((name) => name.endsWith('.csv'))).toHaveLength(2)
  })

  test('with a static name replaces the earlier files, and removes the parts that only they had', async () => {
    const choices: PlanChoices = { export: 'Full', file: { nameTemplate: '{segment}', maxRows: 1 } }
    await store(people('abc'))
    await run('1', choices)
    expect(files()).toEqual(['gold.csv', 'gold.csv.manifest.json', 'gold_2.csv', 'gold_3.csv'])
    writeFileSync(join(zone, 'gold_4.csv'), 'not ours')
    await store({ version: 'v2', ...people('abc', 'ab') })
    await run('2', choices)
    expect(files()).toEqual(['gold.csv', 'gold.csv.manifest.json', 'gold_2.csv', 'gold_4.csv'])
    expect(manifest('gold.csv').run).toBe('act-offers-2')
  })

  test('does not touch the file of another Activation under the same name', async () => {
    await store(people('a'))
    await run('1')
    const before = snapshot()
    const report = await run('1', { activation: 'second' })
    expect(report.error).toMatchObject({ reason: 'InvalidPlan', message: expect.stringContaining('{activation}') })
    expect(snapshot()).toEqual(before)
  })
})

test('leaves nothing in the scratch folder', async () => {
  await store(people('abc'))
  const ports = portsOf({ volumes })
  await exportSegments({
    plan: planOf({ columns: keyed }),
    input: { run: 'r', scheduledTime: '2026-12-01T00:00:00Z', now: '2026-12-01T00:00:00Z', trigger: 'Manual' },
    ports,
  })
  expect(readdirSync(ports.scratch)).toEqual([])
})
