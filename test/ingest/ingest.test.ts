import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { DatasetPlan, RunReport, StorePlan } from '#crds'
import { ingest } from '../../jobs/ingest/ingest.ts'
import {
  customers,
  dataOf,
  eventsIn,
  inputOf,
  openWorkspace,
  orders,
  planOf,
  profilesIn,
  type Workspace,
} from './workspace.ts'

const header = 'id,first_name,birth_date,email,points,updated_at\n'

function run(
  workspace: Workspace,
  datasets: readonly DatasetPlan[],
  changes: Parameters<typeof planOf>[1] = {},
  evaluation: 'Batch' | 'Streaming' = 'Batch',
): Promise<RunReport> {
  return ingest({
    plan: planOf(datasets, changes),
    input: inputOf('2026-01-10T00:00:00Z', evaluation),
    ports: workspace.ports,
  })
}

function messages(report: RunReport): string {
  return (report.warnings ?? []).map(({ message }) => message).join('\n')
}

describe('a first ingest', () => {
  test('makes profiles and events of a CSV and an NDJSON file', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'customers/a.csv',
      `${header}p1,Ann,1990-05-05,ann@x.test,10,2026-01-01T00:00:00Z\np2,"Bob, Jr.",,,,2026-01-01\n`,
    )
    workspace.land(
      'orders/o.ndjson',
      '{"customer":"p1","at":"2026-01-02T10:00:00+02:00","type":"purchase","order":{"total":5.5},"items":[{"SKU":"a","quantity":2}]}\n{"customer":"p9","at":1767225600123,"type":"view"}\n',
    )
    const report = await run(workspace, [customers, orders])
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { rowsRead: 4, accepted: 4, badRows: 0, profiles: 3, events: 2, buckets: 1 },
    })
    expect(await profilesIn(workspace)).toEqual([
      {
        $profile: 'p1',
        customerId: 'p1',
        'person.name.firstName': 'Ann',
        'person.birthDate': '1990-05-05',
        'personalEmail.address': 'ann@x.test',
        'loyalty.points': '10',
      },
      { $profile: 'p2', customerId: 'p2', 'person.name.firstName': 'Bob, Jr.' },
      { $profile: 'p9', customerId: 'p9' },
    ])
    expect(await eventsIn(workspace)).toEqual([
      {
        $profile: 'p1',
        timestamp: '2026-01-02 08:00:00',
        eventType: 'purchase',
        total: '5.5',
        items: "[{'SKU': a, 'quantity': 2}]",
      },
      { $profile: 'p9', timestamp: '2026-01-01 00:00:00.123', eventType: 'view' },
    ])
  })

  test('of nothing commits an empty version and says which folder is not there', async () => {
    await using workspace = await openWorkspace()
    const report = await run(workspace, [customers])
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { profiles: 0, events: 0 },
      warnings: [{ code: 'missing-folder' }],
    })
    expect(await profilesIn(workspace)).toEqual([])
  })
})

describe('CSV', () => {
  const names: [string, string | Uint8Array, string][] = [
    ['CRLF line ends', 'a.csv', `${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01\n`.replaceAll('\n', '\r\n')],
    ['mixed line ends', 'a.csv', `${header}p1,Ann,,,,2026-01-01\r\np2,Bob,,,,2026-01-01\n`],
    ['a byte order mark', 'a.csv', `\uFEFF${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01\n`],
    ['no line end after the last row', 'a.csv', `${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01`],
    ['blank lines', 'a.csv', `${header}\np1,Ann,,,,2026-01-01\n\np2,Bob,,,,2026-01-01\n\n`],
    [
      'quotes around everything',
      'a.csv',
      `"id","first_name","birth_date","email","points","updated_at"\n"p1","Ann","","","","2026-01-01"\n"p2","Bob","","","","2026-01-01"\n`,
    ],
    [
      'columns in another order, and more of them',
      'a.csv',
      'updated_at,other,first_name,id,birth_date,email,points\n2026-01-01,x,Ann,p1,,,\n2026-01-01,y,Bob,p2,,,\n',
    ],
    ['.txt', 'a.txt', `${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01\n`],
  ]
  test.each(names)('with %s reads the same two profiles', async (_case, name, content) => {
    await using workspace = await openWorkspace()
    workspace.land(`customers/${name}`, content)
    expect(await run(workspace, [customers])).toMatchObject({
      outcome: 'Succeeded',
      totals: { accepted: 2, badRows: 0 },
    })
    expect(await profilesIn(workspace)).toEqual([
      { $profile: 'p1', customerId: 'p1', 'person.name.firstName': 'Ann' },
      { $profile: 'p2', customerId: 'p2', 'person.name.firstName': 'Bob' },
    ])
  })

  test('in gzip is unpacked', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv.gz', gzipSync(`${header}p1,Ann,,,,2026-01-01\np2,Bob,x,,,2026-01-01\n`))
    workspace.land('orders/a.ndjson.gz', gzipSync('{"customer":"p1","at":"2026-01-02"}\nnonsense\n'))
    const report = await run(workspace, [customers, orders])
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { accepted: 2, badRows: 2, profiles: 1, events: 1 } })
    expect(messages(report)).toContain('line 3, birth_date is not a date')
    expect(messages(report)).toContain('line 2 is no JSON object')
  })

  test('keeps line breaks, commas and quotes inside quotes', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,"Ann ""A""\r\nB, C",,,,2026-01-01\n`)
    await run(workspace, [customers])
    expect(await profilesIn(workspace)).toEqual([
      { $profile: 'p1', customerId: 'p1', 'person.name.firstName': 'Ann "A"\r\nB, C' },
    ])
  })

  test('cells of arrays and maps are JSON', async () => {
    await using workspace = await openWorkspace()
    const mapping = [
      ...customers.mapping,
      { source: 'tags', target: 'tags', type: { items: 'string' } },
      { source: 'scores', target: 'scores', type: { values: 'number' } },
    ] satisfies DatasetPlan['mapping']
    workspace.land(
      'customers/a.csv',
      'id,tags,scores,updated_at\np1,"[""a"",""b""]","{""x"":1}",2026-01-01\np2,a,,2026-01-01\n',
    )
    const report = await run(workspace, [{ ...customers, mapping }])
    expect(messages(report)).toContain('line 3, tags is not a JSON array')
    expect(messages(report)).toContain('has no column first_name, birth_date, email, points')
    expect(await profilesIn(workspace)).toEqual([
      { $profile: 'p1', customerId: 'p1', tags: '[a, b]', scores: '{x=1.0}' },
    ])
  })

  test('rows that cannot be read are counted and listed by line, without their values', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'customers/a.csv',
      `${header}p1,"Ann\nwho",,,,2026-01-01\np2,Bob,,,secret-5,2026-01-01\n\n,No-one,,,,2026-01-01\np4,Dan,,,,\np5,too,few\np6,Fay,,,,never\np7,a,b,c,d,e,f,g\np8,Hal,,,8,2026-01-01\n`,
    )
    const report = await run(workspace, [customers])
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { rowsRead: 8, accepted: 2, badRows: 6, profiles: 2 },
    })
    expect(messages(report)).toMatch(
      /line 4, points is not an integer.*; line 6, id, email has no identity; line 7, updated_at is missing; line 8 has 3 cells, where the header has 6; line 9, updated_at is not a time/,
    )
    expect(messages(report)).not.toContain('secret')
    const [folder = ''] = readdirSync(join(workspace.root, 'rejects'))
    const [file = ''] = readdirSync(join(workspace.root, 'rejects', folder))
    const rejects = readFileSync(join(workspace.root, 'rejects', folder, file), 'utf8')
      .trim()
      .split('\n')
    expect(rejects.map((row) => row.split(',').slice(0, 4).join(','))).toEqual([
      'file,line,column,value',
      'a.csv,4,points,secret-5',
      'a.csv,6,"id, email"',
      'a.csv,7,updated_at,',
      expect.stringContaining('a.csv,8,,"p5'),
      'a.csv,9,updated_at,never',
      expect.stringContaining('a.csv,10,,"p7'),
    ])
  })

  test.each<[string, string, string]>([
    ['a file of line ends', '\n\n', 'is empty'],
    ['a file without the timestamp', 'id,first_name\np1,Ann\n', 'no column for updated_at'],
    ['a file without any identity', 'first_name,updated_at\nAnn,2026-01-01\n', 'no column for any identity'],
  ])('%s is refused and keeps no other file from being read', async (_case, content, message) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', content)
    workspace.land('customers/b.csv', `${header}p1,Ann,,,,2026-01-01\n`)
    const report = await run(workspace, [customers])
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { profiles: 1, files: 1, filesRefused: 1 },
      details: [{ dataset: 'customers', refused: [{ file: 'a.csv' }] }],
    })
    expect(messages(report)).toContain('Dataset customers: a.csv was refused')
    expect(messages(report)).toContain(message)
    // It is not read again, and said again.
    expect(messages(await run(workspace, [customers]))).toContain(message)
    expect(await profilesIn(workspace)).toEqual([{ $profile: 'p1', customerId: 'p1', 'person.name.firstName': 'Ann' }])
  })
})

describe('NDJSON', () => {
  test('takes blank lines, marks, nulls and unknown fields as they come, and counts what is no object', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'orders/a.jsonl',
      '\uFEFF{"customer":"p1","at":"2026-01-01","order":{"total":1},"more":{"a":[1]}}\r\n\n{"customer":7,"at":"2026-01-02","order":null,"type":""}\n[1]\nnot json\n{"customer":"","at":"2026-01-03"}\n{"customer":"p1","at":"2026-01-04","items":[{"quantity":"x"}]}\n',
    )
    const report = await run(workspace, [orders])
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { rowsRead: 6, accepted: 2, badRows: 4 } })
    expect(messages(report)).toContain(
      'line 4 is no JSON object; line 5 is no JSON object; line 6, customer is missing; line 7, items is not a JSON array',
    )
    expect(await eventsIn(workspace)).toEqual([
      { $profile: '7', timestamp: '2026-01-02 00:00:00', eventType: '' },
      { $profile: 'p1', timestamp: '2026-01-01 00:00:00', total: '1.0' },
    ])
  })
})

describe('Parquet', () => {
  test('reads columns, paths into structs and nested types; a file of another format is unreadable', async () => {
    await using workspace = await openWorkspace()
    const path = (name: string) => join(workspace.ports.claim('landing'), 'orders', name)
    workspace.land('orders/broken.parquet', 'id,name\n')
    await workspace.engine.run(`COPY (SELECT 'p' || i AS customer, TIMESTAMPTZ '2026-01-01 00:00:00+02' AS at, 'view' AS type, {total: i / 2} AS "order",
      [{SKU: 'a', quantity: 1}] AS items FROM range(3) t(i)) TO '${path('good.parquet')}'`)
    const report = await run(workspace, [{ ...orders, format: 'Parquet' }])
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { events: 3, filesRefused: 1 } })
    expect(messages(report)).toContain('Dataset orders: broken.parquet was refused: it cannot be read as Parquet')
    expect((await eventsIn(workspace))[1]).toEqual({
      $profile: 'p1',
      timestamp: '2025-12-31 22:00:00',
      eventType: 'view',
      total: '0.5',
      items: "[{'SKU': a, 'quantity': 1}]",
    })
  })
})

describe('files', () => {
  test('the same content again is passed over; changed content replaces; a file that is gone keeps its records', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01\n`)
    workspace.land('customers/b.csv', `${header}p3,Cat,,,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01"}\n')
    await run(workspace, [customers, orders])
    const first = readFileSync(join(workspace.root, 'data.json'), 'utf8')
    expect(await run(workspace, [customers, orders])).toMatchObject({
      totals: { files: 0, skippedFiles: 3, profiles: 3 },
    })
    expect(readFileSync(join(workspace.root, 'data.json'), 'utf8')).toBe(first)
    workspace.land('customers/a.csv', `${header}p1,Anna,,,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-02"}\n{"customer":"p7","at":"2026-01-02"}\n')
    workspace.remove('customers/b.csv')
    expect(await run(workspace, [customers, orders])).toMatchObject({
      totals: { files: 2, skippedFiles: 0, profiles: 3, events: 2 },
    })
    expect((await profilesIn(workspace)).map((row) => [row['$profile'], row['person.name.firstName']])).toEqual([
      ['p1', 'Anna'],
      ['p3', 'Cat'],
      ['p7', undefined],
    ])
    expect((await eventsIn(workspace)).map((row) => row['timestamp'])).toEqual([
      '2026-01-02 00:00:00',
      '2026-01-02 00:00:00',
    ])
  })

  test('equal files and equal lines are distinct events', async () => {
    await using workspace = await openWorkspace()
    const line = '{"customer":"p1","at":"2026-01-01"}\n'
    workspace.land('orders/a.ndjson', line + line)
    workspace.land('orders/b.ndjson', line + line)
    expect(await run(workspace, [orders])).toMatchObject({ totals: { events: 4 } })
  })

  test('a changed mapping reads the files again; those that are gone keep the earlier one, which is said', async () => {
    await using workspace = await openWorkspace()
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01","type":"view","kind":"K"}\n')
    workspace.land('orders/b.ndjson', '{"customer":"p2","at":"2026-01-01","type":"view","kind":"K"}\n')
    await run(workspace, [orders])
    workspace.remove('orders/b.ndjson')
    const report = await run(workspace, [
      { ...orders, mapping: [{ source: 'kind', target: 'eventType', type: 'string' }] },
    ])
    expect(report).toMatchObject({ totals: { files: 1 }, warnings: [{ code: 'outdated-mapping' }] })
    expect((await eventsIn(workspace)).map((row) => row['eventType'])).toEqual(['K', 'view'])
  })

  test('a Dataset that left the plan leaves the profiles, and is whole when it comes back', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01"}\n')
    await run(workspace, [customers, orders])
    workspace.remove('orders/a.ndjson')
    expect(await run(workspace, [customers])).toMatchObject({ totals: { events: 0, profiles: 1 } })
    expect(await run(workspace, [customers])).toMatchObject({ totals: { events: 0, profiles: 1 } })
    expect(await run(workspace, [customers, orders])).toMatchObject({ totals: { events: 1, profiles: 1 } })
  })

  test('a Streaming run reads the Streaming Datasets only', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', '{"customer":"p2","at":"2026-01-01"}\n')
    expect(await run(workspace, [customers, orders], {}, 'Streaming')).toMatchObject({
      totals: { profiles: 1, events: 1 },
      details: [{ dataset: 'orders' }],
    })
    expect(await run(workspace, [customers, orders])).toMatchObject({ totals: { profiles: 2, events: 1 } })
  })

  test('new events are appended to their buckets, and many small files become one again', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\n`)
    for (let file = 0; file < 20; file++) {
      workspace.land(`orders/${file}.ndjson`, `{"customer":"p${file % 3}","at":"2026-01-01","type":"t${file}"}\n`)
      await run(workspace, [customers, orders], {}, 'Streaming')
    }
    await run(workspace, [customers, orders])
    expect(dataOf(workspace).events[0]?.length).toBeLessThanOrEqual(8)
    expect((await eventsIn(workspace)).map((row) => `${row['$profile']} ${row['eventType']}`).sort()).toEqual(
      Array.from({ length: 20 }, (_, file) => `p${file % 3} t${file}`).sort(),
    )
    expect((await profilesIn(workspace)).map((row) => [row['$profile'], row['person.name.firstName']])).toEqual([
      ['p0', undefined],
      ['p1', 'Ann'],
      ['p2', undefined],
    ])
    await using fresh = await openWorkspace()
    fresh.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\n`)
    for (let file = 0; file < 20; file++)
      fresh.land(`orders/${file}.ndjson`, `{"customer":"p${file % 3}","at":"2026-01-01","type":"t${file}"}\n`)
    await run(fresh, [customers, orders])
    expect(await eventsIn(fresh)).toEqual(await eventsIn(workspace))
    expect(await profilesIn(fresh)).toEqual(await profilesIn(workspace))
  })
})

describe('a data version names whom it differs in from the one before', () => {
  const order = (customer: string, at = '2026-01-02', id?: string) => `${JSON.stringify({ customer, at, id })}\n`
  const withIds = { ...orders, eventId: 'id' }

  /** `anybody`, or the sorted profiles. */
  async function touched(workspace: Workspace): Promise<string | readonly string[]> {
    const [files] = dataOf(workspace).touched ?? []
    if (files === undefined || files === null) return 'anybody'
    if (files.length === 0) return []
    const list = files.map((file) => `'${join(workspace.root, file)}'`).join(', ')
    const rows = await workspace.engine.rows(
      `SELECT DISTINCT "$profile" FROM read_parquet([${list}], union_by_name = true) ORDER BY 1`,
    )
    return rows.map((row) => String(row['$profile']))
  }

  test.each<[string, readonly DatasetPlan[], Readonly<Record<string, string>>, string | readonly string[]]>([
    ['new events', [customers, orders], { 'orders/b.ndjson': order('p1') + order('p9') }, ['p1', 'p9']],
    [
      'new and changed profiles',
      [customers, orders],
      { 'customers/a.csv': `${header}p2,Bea,,,,2026-01-03\np5,Eve,,,,2026-01-01\n` },
      // What the file said before of p1 and p2 is taken back.
      ['p1', 'p2', 'p5'],
    ],
    [
      'both',
      [customers, orders],
      { 'orders/b.ndjson': order('p1'), 'customers/b.csv': `${header}p3,Cid,,,,2026-01-01\n` },
      ['p1', 'p3'],
    ],
    ['events that are taken back', [customers, orders], { 'orders/a.ndjson': order('p2') }, 'anybody'],
    ['an event that is known', [customers, withIds], { 'orders/b.ndjson': order('p1', '2026-01-02', 'e1') }, 'anybody'],
    ['another plan', [customers], {}, 'anybody'],
  ])('%s', async (_, datasets, files, expected) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', order('p1', '2026-01-01', 'e1') + order('p4', '2026-01-01', 'e2'))
    await run(workspace, [customers, datasets.includes(withIds) ? withIds : orders])
    expect(await touched(workspace)).toBe('anybody')
    const before = dataOf(workspace)
    for (const [name, content] of Object.entries(files)) workspace.land(name, content)
    await run(workspace, datasets)
    expect(dataOf(workspace).previous).toBe(before.version)
    expect(await touched(workspace)).toEqual(expected)
  })

  test('also where the bucket is put together from many files', async () => {
    await using workspace = await openWorkspace()
    for (let file = 0; file < 12; file++) {
      workspace.land(`orders/${file}.ndjson`, order(`p${file}`))
      await run(workspace, [orders])
      if (file > 0) expect(await touched(workspace)).toEqual([`p${file}`])
    }
    await run(workspace, [orders])
    expect(await touched(workspace)).toEqual(['p11'])
  })
})

describe('event ids', () => {
  const withIds: DatasetPlan = { ...orders, eventId: 'id' }
  const event = (id: string, customer: string, at: string, type: string) =>
    `${JSON.stringify({ id, customer, at, type })}\n`
  /** File contents in the order of their arrival, one run each; what is in at the end. */
  test.each<[string, readonly (readonly [string, string])[], readonly string[]]>([
    [
      'an id twice in a file is one event, the later one',
      [['a', event('1', 'p1', '2026-01-01', 'x') + event('1', 'p1', '2026-01-02', 'y')]],
      ['p1 y'],
    ],
    [
      'an id again in a later file replaces the event',
      [
        ['a', event('1', 'p1', '2026-01-01', 'x')],
        ['b', event('1', 'p1', '2026-01-02', 'y')],
      ],
      ['p1 y'],
    ],
    [
      'an older version of an event changes nothing',
      [
        ['a', event('1', 'p1', '2026-01-02', 'y')],
        ['b', event('1', 'p1', '2026-01-01', 'x')],
      ],
      ['p1 y'],
    ],
    [
      'an event read again is the same event',
      [
        ['a', event('1', 'p1', '2026-01-01', 'x')],
        ['b', event('1', 'p1', '2026-01-01', 'x') + event('2', 'p1', '2026-01-01', 'x')],
      ],
      ['p1 x', 'p1 x'],
    ],
    [
      'an id may move to another profile',
      [
        ['a', event('1', 'p1', '2026-01-01', 'x')],
        ['b', event('1', 'p2', '2026-01-02', 'y')],
      ],
      ['p2 y'],
    ],
    [
      'a replaced file gives back the event it stood for',
      [
        ['a', event('1', 'p1', '2026-01-01', 'x')],
        ['b', event('1', 'p2', '2026-01-02', 'y')],
        ['b', event('2', 'p3', '2026-01-02', 'z')],
      ],
      ['p1 x', 'p3 z'],
    ],
    [
      'events without an id stay distinct',
      [['a', '{"customer":"p1","at":"2026-01-01","type":"x"}\n'.repeat(2)]],
      ['p1 x', 'p1 x'],
    ],
  ])('%s', async (_case, files, expected) => {
    await using workspace = await openWorkspace()
    for (const [name, content] of files) {
      workspace.land(`orders/${name}.ndjson`, content)
      expect(await run(workspace, [withIds])).toMatchObject({ outcome: 'Succeeded' })
    }
    expect((await eventsIn(workspace)).map((row) => `${row['$profile']} ${row['eventType']}`)).toEqual(expected)
    // The order of the files' arrival must not show.
    await using atOnce = await openWorkspace()
    for (const [name, content] of files) atOnce.land(`orders/${name}.ndjson`, content)
    await run(atOnce, [withIds])
    expect(await eventsIn(atOnce)).toEqual(await eventsIn(workspace))
  })

  test('of two versions with the same time the one of the later ingest stands, then the later name, then the later row', async () => {
    await using workspace = await openWorkspace()
    const stands = async () => (await eventsIn(workspace)).map((row) => row['eventType'])
    workspace.land(
      'orders/b.ndjson',
      event('1', 'p1', '2026-01-01', 'b1') +
        event('1', 'p1', '2026-01-01', 'b2') +
        event('2', 'p1', '2026-01-01', 'b3'),
    )
    workspace.land('orders/c.ndjson', event('2', 'p1', '2026-01-01', 'c1'))
    await run(workspace, [withIds])
    expect(await stands()).toEqual(['b2', 'c1'])
    workspace.land(
      'orders/a.ndjson',
      event('1', 'p1', '2026-01-01', 'a1') +
        event('3', 'p1', '2026-01-01', 'a2') +
        event('3', 'p1', '2026-01-01', 'a3'),
    )
    await run(workspace, [withIds])
    expect(await stands()).toEqual(['a1', 'a3', 'c1'])
    // Content that is read again is no later than it was.
    await run(workspace, [{ ...withIds, mapping: withIds.mapping.slice(0, 2) }])
    expect(await stands()).toEqual(['a1', 'a3', 'c1'])
  })
})

describe('merging', () => {
  const crm: DatasetPlan = { ...customers, name: 'crm', location: { volume: { claimName: 'landing', path: 'crm' } } }
  type Row = readonly [dataset: 'customers' | 'crm', name: string, points: string, at: string]
  const cases: readonly (readonly [
    string,
    readonly Row[],
    { readonly policy?: 'DatasetPrecedence'; readonly precedence?: number },
    string,
  ])[] = [
    [
      'the latest record wins per attribute',
      [
        ['customers', 'Ann', '1', '2026-01-01'],
        ['customers', 'Bea', '2', '2026-01-02'],
      ],
      {},
      'Bea 2',
    ],
    [
      'an absent value never overwrites',
      [
        ['customers', 'Ann', '1', '2026-01-01'],
        ['customers', 'Bea', '', '2026-01-02'],
      ],
      {},
      'Bea 1',
    ],
    [
      'by timestamp the Dataset does not matter',
      [
        ['customers', 'Ann', '1', '2026-01-02'],
        ['crm', 'Bea', '2', '2026-01-01'],
      ],
      { precedence: 5 },
      'Ann 1',
    ],
    [
      'a tie goes to the higher precedence',
      [
        ['customers', 'Ann', '1', '2026-01-01'],
        ['crm', 'Bea', '2', '2026-01-01'],
      ],
      { precedence: 5 },
      'Bea 2',
    ],
    [
      'a tie without precedence goes to the first Dataset by name',
      [
        ['customers', 'Ann', '1', '2026-01-01'],
        ['crm', 'Bea', '2', '2026-01-01'],
      ],
      {},
      'Bea 2',
    ],
    [
      'by precedence the time does not matter',
      [
        ['customers', 'Ann', '1', '2026-01-02'],
        ['crm', 'Bea', '', '2026-01-01'],
      ],
      { policy: 'DatasetPrecedence', precedence: 5 },
      'Bea 1',
    ],
    [
      'within a Dataset the time decides',
      [
        ['crm', 'Ann', '1', '2026-01-01'],
        ['crm', 'Bea', '2', '2026-01-02'],
      ],
      { policy: 'DatasetPrecedence', precedence: 5 },
      'Bea 2',
    ],
  ]
  test.each(cases)('%s', async (_case, rows, { policy, precedence = 0 }, expected) => {
    for (const order of [rows, [...rows].reverse()]) {
      await using workspace = await openWorkspace()
      order.forEach(([dataset, name, points, at], index) => {
        workspace.land(`${dataset}/${index}.csv`, `${header}p1,${name},,,${points},${at}\n`)
      })
      await run(workspace, [customers, { ...crm, precedence }], {
        store: { mergePolicy: { attributes: policy ?? 'TimestampOrdered', stitching: 'None' } },
      })
      const [profile] = await profilesIn(workspace)
      expect(`${profile?.['person.name.firstName']} ${profile?.['loyalty.points']}`).toBe(expected)
    }
  })

  /** Files of one Dataset, each run's together; the record that stands at the end. All have the same time. */
  test.each<[string, readonly Readonly<Record<string, string>>[], string]>([
    ['the later ingest', [{ 'b.csv': 'p1,old,,,,2026-01-01' }, { 'a.csv': 'p1,new,,,,2026-01-01' }], 'new'],
    [
      'a file that changed',
      [{ 'a.csv': 'p1,a,,,,2026-01-01' }, { 'b.csv': 'p1,b,,,,2026-01-01' }, { 'a.csv': 'p1,c,,,,2026-01-01' }],
      'c',
    ],
    [
      'the later name',
      [{ 'a.csv': 'p1,a,,,,2026-01-01', 'c.csv': 'p1,c,,,,2026-01-01', 'b.csv': 'p1,b,,,,2026-01-01' }],
      'c',
    ],
    ['the later row', [{ 'a.csv': 'p1,z,,,,2026-01-01\np1,a,,,,2026-01-01\np1,m,,,,2026-01-01' }], 'm'],
    [
      'the later row of many, bad ones among them',
      [
        {
          'a.csv': `${Array.from({ length: 9000 }, (_, row) => `p${row % 3},n${row},${row % 997 === 0 ? 'bad' : ''},,,2026-01-01`).join('\n')}`,
        },
      ],
      'n8998',
    ],
    ['a later time all the same', [{ 'b.csv': 'p1,b,,,,2026-01-02' }, { 'c.csv': 'p1,c,,,,2026-01-01' }], 'b'],
  ])('of records with the same time %s stands', async (_case, runs, expected) => {
    await using workspace = await openWorkspace()
    for (const files of runs) {
      for (const [name, rows] of Object.entries(files)) workspace.land(`customers/${name}`, `${header}${rows}\n`)
      await run(workspace, [customers])
    }
    const person = (await profilesIn(workspace)).find((row) => row['$profile'] === 'p1')
    expect(person?.['person.name.firstName']).toBe(expected)
  })

  test('without stitching another identity is a profile of its own, which has that identity alone', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,ann@x.test,,2026-01-01\n,Bob,,bob@x.test,3,2026-01-01\n`)
    workspace.land('orders/a.ndjson', '{"customer":"ann@x.test","at":"2026-01-01"}\n')
    await run(workspace, [customers, { ...orders, identity: { namespace: 'Email', source: 'customer' } }])
    expect(await profilesIn(workspace)).toEqual([
      { $profile: 'Email:ann@x.test', 'personalEmail.address': 'ann@x.test' },
      {
        $profile: 'Email:bob@x.test',
        'person.name.firstName': 'Bob',
        'personalEmail.address': 'bob@x.test',
        'loyalty.points': '3',
      },
      { $profile: 'p1', customerId: 'p1', 'person.name.firstName': 'Ann', 'personalEmail.address': 'ann@x.test' },
    ])
  })

  const graph: Partial<StorePlan> = { mergePolicy: { attributes: 'TimestampOrdered', stitching: 'PrivateGraph' } }

  test('a private graph joins identities that occur together, over any chain, also in hindsight', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'customers/a.csv',
      `${header}p2,Ann,,a@x.test,,2026-01-01\n,Bob,,b@x.test,3,2026-01-02\np5,Eve,,e@x.test,,2026-01-01\n`,
    )
    workspace.land(
      'orders/a.ndjson',
      '{"customer":"b@x.test","at":"2026-01-01"}\n{"customer":"z@x.test","at":"2026-01-01"}\n',
    )
    const datasets = [customers, { ...orders, identity: { namespace: 'Email', source: 'customer' } }]
    await run(workspace, datasets, { store: graph })
    const short = async () =>
      (await profilesIn(workspace)).map((row) => [row['$profile'], row['person.name.firstName'], row['loyalty.points']])
    expect(await short()).toEqual([
      ['Email:b@x.test', 'Bob', '3'],
      ['Email:z@x.test', undefined, undefined],
      ['p2', 'Ann', undefined],
      ['p5', 'Eve', undefined],
    ])
    workspace.land('customers/b.csv', `${header}p1,,,a@x.test,,2026-01-03\np1,,,b@x.test,,2026-01-03\n`)
    await run(workspace, datasets, { store: graph })
    expect(await short()).toEqual([
      ['Email:z@x.test', undefined, undefined],
      ['p1', 'Bob', '3'],
      ['p5', 'Eve', undefined],
    ])
    expect((await eventsIn(workspace)).map((row) => row['$profile'])).toEqual(['Email:z@x.test', 'p1'])
    workspace.land('orders/b.ndjson', '{"customer":"a@x.test","at":"2026-01-02"}\n')
    await run(workspace, datasets, { store: graph })
    expect((await eventsIn(workspace)).map((row) => row['$profile'])).toEqual(['Email:z@x.test', 'p1', 'p1'])
  })

  test('a long chain of identities is one profile, and one over the limit is left out', async () => {
    await using workspace = await openWorkspace()
    const rows = Array.from(
      { length: 30 },
      (_, index) => `c${index},,,m${index}@x.test,,2026-01-01\nc${index + 1},,,m${index}@x.test,,2026-01-01\n`,
    )
    workspace.land('customers/a.csv', `${header}${rows.join('')}lone,,,,,2026-01-01\n`)
    expect(await run(workspace, [customers], { store: graph, limits: { identitiesPerProfile: 61 } })).toMatchObject({
      totals: { profiles: 2, leftOutIdentitiesPerProfile: 0 },
    })
    const report = await run(workspace, [customers], { store: graph, limits: { identitiesPerProfile: 60 } })
    expect(report).toMatchObject({
      totals: { profiles: 1, leftOutIdentitiesPerProfile: 1 },
      warnings: [{ code: 'too-many-identities' }],
    })
  })
})

describe('guardrails', () => {
  test('records over the size are dropped, long arrays only counted', async () => {
    await using workspace = await openWorkspace()
    const items = (count: number) => JSON.stringify(Array.from({ length: count }, () => ({ SKU: 'a', quantity: 1 })))
    workspace.land(
      'orders/a.ndjson',
      `{"customer":"p1","at":"2026-01-01","type":"${'x'.repeat(10_300)}"}\n{"customer":"p1","at":"2026-01-01","items":${items(11)}}\n{"customer":"p1","at":"2026-01-01","items":${items(10)}}\n`,
    )
    const report = await run(workspace, [orders])
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { rowsRead: 3, accepted: 2, oversize: 1, longArrays: 1, badRows: 0, events: 2 },
    })
    expect(report.warnings?.map(({ code }) => code)).toEqual(['oversize-records', 'long-arrays'])
  })

  test('a profile with too many events is left out, and back in when it has fewer', async () => {
    await using workspace = await openWorkspace()
    const events = (profile: string, count: number) => `{"customer":"${profile}","at":"2026-01-01"}\n`.repeat(count)
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\np2,Bob,,,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', events('p1', 5) + events('p2', 5))
    const step = (changes: Parameters<typeof planOf>[1] = { limits: { eventsPerProfile: 5 } }) =>
      run(workspace, [customers, orders], changes)
    expect(await step()).toMatchObject({ totals: { profiles: 2, events: 10, leftOutEventsPerProfile: 0 } })
    workspace.land('orders/b.ndjson', events('p1', 1))
    expect(await step()).toMatchObject({
      totals: { profiles: 1, events: 5, leftOutEventsPerProfile: 1 },
      warnings: [{ code: 'too-many-events' }],
    })
    workspace.land('customers/b.csv', `${header}p1,Anna,,,,2026-01-02\n`)
    workspace.land('orders/c.ndjson', events('p1', 1) + events('p3', 1))
    expect(await step()).toMatchObject({ totals: { profiles: 2, events: 6, leftOutEventsPerProfile: 1 } })
    workspace.land('orders/b.ndjson', events('p3', 1))
    workspace.land('orders/c.ndjson', events('p3', 1))
    expect(await step()).toMatchObject({ totals: { profiles: 3, events: 12, leftOutEventsPerProfile: 0 } })
    expect((await profilesIn(workspace))[0]).toMatchObject({ 'person.name.firstName': 'Anna' })
  })
})

describe('the report', () => {
  test('lies in the store under the run, step and attempt, and its digest is of its details', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,,,2026-01-01\n`)
    const report = await run(workspace, [customers])
    expect(report.reportPath).toBe('reports/pstore-retail-29466720/ingest-1.json')
    expect(JSON.parse(readFileSync(join(workspace.root, report.reportPath ?? ''), 'utf8'))).toEqual(report)
    expect(report.reportDigest).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  test('a missing volume is a fault that may pass', async () => {
    await using workspace = await openWorkspace()
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01"}\n')
    const elsewhere: DatasetPlan = { ...customers, location: { volume: { claimName: 'elsewhere' } } }
    expect(await run(workspace, [elsewhere, orders])).toMatchObject({
      outcome: 'Failed',
      error: { reason: 'MissingVolume', retryable: true },
      totals: { events: 1 },
    })
    const plan = planOf([customers], { store: { volume: { claimName: 'elsewhere' } } })
    expect(await ingest({ plan, input: inputOf('2026-01-10T00:00:00Z'), ports: workspace.ports })).toMatchObject({
      outcome: 'Failed',
      error: { reason: 'MissingVolume' },
    })
  })

  test('too little memory is told as such', async () => {
    await using workspace = await openWorkspace()
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01"}\n')
    const report = await run(workspace, [orders], {
      store: { engine: { type: 'DuckDB', duckDB: { threads: 2, memoryLimit: '1Ki' } } },
    })
    expect(report).toMatchObject({ outcome: 'Failed', error: { reason: 'OutOfMemory', retryable: true } })
  })
})
