// `convoke ingest --preview`: what lies at a Dataset's location, and what would become of it.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convoke, folderOf } from '../support/cli.ts'

const bundle = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8')
const at = '2026-01-15T06:00:00Z'
const customers = [
  'id,first_name,last_name,e_mail,tier,opt_out,updated_at',
  'C1,Ada,Larsen,ada@example.test,gold,false,2026-01-10T09:00:00Z',
  'C2,Ben,Lind,ben@example.test,gold,yes,2026-01-11T09:00:00Z',
  'C3,Chloe,Sato,,silver,maybe,2026-01-11T09:00:00Z',
  'C4,Dan,Toft,dan@example.test,bronze,no,yesterday',
]
const orders = [
  '{"customer":"C1","type":"purchase","at":"2026-01-12T10:00:00Z","total":120,"shop":{"city":"Bonn"}}',
  '{"customer":"C9","type":"purchase","at":"2026-01-12T11:00:00Z","total":15}',
  '{"customer":"guest","type":"purchase","at":"2026-01-12T12:00:00Z","total":"7.50"}',
  'no JSON',
]
const files = {
  'minimal.yaml': bundle,
  'volumes/landing/customers/customers.csv': `${customers.join('\n')}\n`,
  'volumes/landing/customers/customers.csv.bak': 'x',
  'volumes/landing/customers/empty.csv': '',
  'volumes/landing/customers/sheet.csv': 'sep=;\nid;first_name\n',
  'volumes/landing/orders/orders.ndjson': `${orders.join('\n')}\n`,
}
const preview = (cwd: string, ...more: string[]) =>
  convoke(['ingest', '--preview', 'minimal.yaml', '--volumes', 'volumes', '--at', at, ...more], { cwd })

type Document = {
  readonly stores: readonly {
    readonly store: string
    readonly datasets: readonly Readonly<Record<string, unknown>>[]
  }[]
}

test('as a document: files, bad rows by reason, columns, what the mapping does not find, whom identities meet', () => {
  using folder = folderOf(files)
  const { code, out } = preview(folder.path, '-o', 'json')
  expect(code).toBe(0)
  const { stores } = JSON.parse(out) as Document
  expect(stores.map(({ store }) => store)).toEqual(['customers'])
  const [people, events] = stores[0]!.datasets
  expect(people).toMatchObject({
    dataset: 'customers',
    exists: true,
    files: {
      read: [{ name: 'customers.csv', rows: 4, accepted: 2 }],
      refused: [
        { name: 'sheet.csv', reason: expect.stringContaining('set csv.skipLines to 1 and csv.delimiter to ";"') },
      ],
      passedOver: [
        { name: 'customers.csv.bak', reason: 'does not end in .csv or .txt' },
        { name: 'empty.csv', reason: 'is empty' },
      ],
    },
    rows: { read: 4, accepted: 2, bad: 2 },
    identities: { namespace: 'CustomerId', ids: 2, matched: 0, placeholders: 0 },
  })
  expect(people!['badRows']).toEqual([
    {
      column: 'opt_out',
      reason: 'is not true, false, 1, 0, yes or no',
      rows: 1,
      example: { file: 'customers.csv', line: 4 },
    },
    {
      column: 'updated_at',
      reason: expect.stringMatching(/^is not a time/),
      rows: 1,
      example: { file: 'customers.csv', line: 5 },
    },
  ])
  expect(people!['mapping']).toContainEqual({
    source: 'email',
    target: 'personalEmail.address',
    type: 'string',
    filled: 0,
    near: 'e_mail',
  })
  expect(people!['columns']).toContainEqual({
    name: 'tier',
    type: 'text',
    empty: 0,
    distinct: 3,
    min: 'bronze',
    max: 'silver',
    samples: ['gold', 'bronze', 'silver'],
    targets: ['loyalty.tier'],
  })
  expect(events).toMatchObject({
    rows: { read: 4, accepted: 3, bad: 1 },
    badRows: [{ column: '', reason: 'is no JSON object', rows: 1, example: { file: 'orders.ndjson', line: 4 } }],
    identities: { namespace: 'CustomerId', ids: 2, matched: 1, placeholders: 1 },
  })
  const columns = events!['columns'] as readonly {
    name: string
    type: string
    min: string
    max: string
    empty: number
  }[]
  expect(columns.find(({ name }) => name === 'total')).toMatchObject({
    type: 'number',
    min: '7.50',
    max: '120',
    empty: 0,
  })
  expect(columns.find(({ name }) => name === 'shop.city')).toMatchObject({ type: 'text', min: 'Bonn', empty: 2 })
})

test('for people, and writes nothing', () => {
  using folder = folderOf(files)
  const { code, out, err } = preview(folder.path, '--dataset', 'customers')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  for (const words of [
    'customers  profiles as CSV, volume landing/customers',
    '1 file read',
    'sheet.csv would be refused: it has no column',
    'empty.csv is passed over: it is empty',
    '4 rows read, 2 of them good, 2 bad',
    '1 row: opt_out is not true, false, 1, 0, yes or no (customers.csv, line 4)',
    'Nothing is found for email → personalEmail.address; the files have e_mail',
    '2 different CustomerId, none of them known from elsewhere',
    'becomes',
  ])
    expect(out.replace(/\s+/g, ' ')).toContain(words.replace(/\s+/g, ' '))
  expect(out).not.toContain('orders')
  expect(existsSync(join(folder.path, 'volumes/profile-store'))).toBe(false)
  expect(readdirSync(folder.path).sort()).toEqual(['minimal.yaml', 'volumes'])
})

test('after a run, people are known from the store; Parquet has its own types', () => {
  using folder = folderOf(files)
  execFileSync('mkdir', ['-p', join(folder.path, 'volumes/profile-store'), join(folder.path, 'volumes/landing-zone')])
  convoke(['run', 'minimal.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', at], { cwd: folder.path })
  const before = readFileSync(join(folder.path, 'volumes/profile-store/customers/data.json'), 'utf8')
  const { out } = preview(folder.path, '-o', 'json')
  const [people] = (JSON.parse(out) as Document).stores[0]!.datasets
  expect(people).toMatchObject({ identities: { ids: 2, matched: 2 } })
  expect(readFileSync(join(folder.path, 'volumes/profile-store/customers/data.json'), 'utf8')).toBe(before)
})

test.each([
  [['--preview', 'minimal.yaml'], 2, '--volumes DIR is missing'],
  [
    ['--preview', 'minimal.yaml', '--volumes', 'volumes', '--dataset', 'nobody'],
    2,
    'There is no Dataset `nobody` there',
  ],
  [['--preview', 'minimal.yaml', '--volumes', 'volumes', '--plan', 'x'], 2, 'not --plan'],
  [['minimal.yaml', '--plan', 'x', '--run', 'y'], 2, 'Paths of resources go with --preview'],
  [['--preview', 'minimal.yaml', '--volumes', 'nowhere'], 1, 'There is no volume for the claim `landing`'],
])('%j is %i', (args, code, words) => {
  using folder = folderOf(files)
  const outcome = convoke(['ingest', ...args], { cwd: folder.path })
  expect(outcome.code).toBe(code)
  expect(outcome.err).toContain(words)
})
