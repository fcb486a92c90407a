import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { DatasetPlan, RunReport } from '#crds'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { customers, eventsIn, inputOf, openWorkspace, orders, planOf, profilesIn, type Workspace } from './workspace.ts'

function run(workspace: Workspace, datasets: readonly DatasetPlan[], now = '2026-01-10T00:00:00Z'): Promise<RunReport> {
  return ingest({ plan: planOf(datasets), input: inputOf(now), ports: workspace.ports })
}

function messages(report: RunReport): string {
  return (report.warnings ?? []).map(({ message }) => message).join('\n')
}

const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le')
const rows = (...lines: string[]) => `${['id,first_name,updated_at', ...lines].join('\n')}\n`
const two = rows('p1,Ann,2026-01-01', 'p2,Bob,2026-01-01')

/** Names of all profiles, or the message of the first warning. */
async function namesOf(name: string, content: string | Uint8Array, changes: Partial<DatasetPlan> = {}) {
  await using workspace = await openWorkspace()
  workspace.land(`customers/${name}`, content)
  const report = await run(workspace, [{ ...customers, ...changes }])
  const { totals } = report
  expect(totals['rowsRead']).toBe(
    (totals['accepted'] ?? 0) + (totals['badRows'] ?? 0) + (totals['oversize'] ?? 0) + (totals['rowsRefused'] ?? 0),
  )
  const names = (await profilesIn(workspace)).map((row) => String(row['person.name.firstName'] ?? '-'))
  return { names, said: messages(report), totals }
}

describe('packed text', () => {
  const gzip = gzipSync(two)
  const zstd = zstdCompressSync(two)
  const bzip2 = execFileSync('bzip2', ['-c'], { input: two })
  test.each<[string, string, Uint8Array, readonly string[] | RegExp]>([
    ['gzip', 'a.CSV.GZ', gzip, ['Ann', 'Bob']],
    ['gzip of another name', 'a.csv', gzip, ['Ann', 'Bob']],
    ['gzip in parts', 'a.csv.gz', Buffer.concat([gzipSync(two.slice(0, 30)), gzipSync(two.slice(30))]), ['Ann', 'Bob']],
    ['text with the name of gzip', 'a.csv.gz', Buffer.from(two), ['Ann', 'Bob']],
    ['zstd', 'a.csv.zst', zstd, ['Ann', 'Bob']],
    [
      'zstd in frames',
      'a.csv.zst',
      Buffer.concat([zstdCompressSync(two.slice(0, 30)), zstdCompressSync(two.slice(30))]),
      ['Ann', 'Bob'],
    ],
    ['bzip2', 'a.csv.bz2', bzip2, ['Ann', 'Bob']],
    ['cut gzip', 'a.csv.gz', gzip.subarray(0, -5), /gzip is damaged or cut off/],
    [
      'gzip with a wrong checksum',
      'a.csv.gz',
      Buffer.from(gzip.map((byte, at) => (at === gzip.length - 6 ? byte ^ 1 : byte))),
      /gzip is damaged/,
    ],
    [
      'gzip and something else',
      'a.csv.gz',
      Buffer.concat([gzip, Buffer.from('p3,Cid,2026-01-01\n')]),
      /gzip is damaged/,
    ],
    ['cut zstd', 'a.csv.zst', zstd.subarray(0, -3), /zstd is damaged or cut off/],
    ['zstd and something else', 'a.csv.zst', Buffer.concat([zstd, Buffer.from('p3,Cid')]), /zstd is damaged/],
    ['cut bzip2', 'a.csv.bz2', bzip2.subarray(0, -4), /bzip2 is damaged or cut off/],
  ])('%s', async (_case, name, content, expected) => {
    const { names, said } = await namesOf(name, content)
    if (Array.isArray(expected)) expect(names).toEqual(expected)
    else {
      expect(names).toEqual([])
      expect(said).toMatch(expected as RegExp)
    }
  })

  test('zip of one file, and of several', async () => {
    const zipOf = (...names: string[]) =>
      execFileSync(
        'python3',
        [
          '-c',
          `import sys,zipfile,io
b=io.BytesIO()
z=zipfile.ZipFile(b,'w',zipfile.ZIP_DEFLATED)
[z.writestr(n, sys.stdin.read() if i==0 else '') for i,n in enumerate(sys.argv[1:])]
z.close()
sys.stdout.buffer.write(b.getvalue())`,
          ...names,
        ],
        { input: two },
      )
    expect((await namesOf('a.csv.zip', zipOf('export/a.csv', '__MACOSX/._a.csv'))).names).toEqual(['Ann', 'Bob'])
    expect((await namesOf('a.csv.zip', zipOf('a.csv', 'b.csv'))).said).toMatch(/archive of 2 files/)
    const damaged = zipOf('a.csv')
    damaged[45] = (damaged[45] ?? 0) ^ 0xff
    expect((await namesOf('a.csv.zip', damaged)).said).toMatch(/zip is damaged/)
  })
})

describe('CSV as others write it', () => {
  const german = 'id;first_name;updated_at\np1;Jörg;2026-01-01\n'
  test.each<[string, string | Uint8Array, DatasetPlan['csv'], readonly string[]]>([
    ['semicolons', german, { delimiter: ';' }, ['Jörg']],
    ['tabs', german.replaceAll(';', '\t'), { delimiter: '\t' }, ['Jörg']],
    ['several characters', german.replaceAll(';', '||'), { delimiter: '||' }, ['Jörg']],
    ['a delimiter beyond ASCII', german.replaceAll(';', '¦'), { delimiter: '¦' }, ['Jörg']],
    ['windows-1252', Buffer.from(german, 'latin1'), { delimiter: ';', encoding: 'windows-1252' }, ['Jörg']],
    ['UTF-16 by its mark', utf16(german), { delimiter: ';' }, ['Jörg']],
    ['UTF-16, big end first', Buffer.from(utf16(german)).swap16(), { delimiter: ';', encoding: 'UTF-16' }, ['Jörg']],
    [
      'quotes and escapes of another kind',
      "id,first_name,updated_at\np1,'O\\'Neil, \\\\ Ann',2026-01-01\n",
      { quote: "'", escape: '\\' },
      ["O'Neil, \\ Ann"],
    ],
    ['no quotes at all', 'id,first_name,updated_at\np1,5" Ann,2026-01-01\n', { quote: '' }, ['5" Ann']],
    ['carriage returns alone', two.replaceAll('\n', '\r'), {}, ['Ann', 'Bob']],
    ['lines before the header', `Export of today\n"never closed\n${two}`, { skipLines: 2 }, ['Ann', 'Bob']],
    ['comments', `#made by hand\n${two}# the end\n`, { comment: '#' }, ['Ann', 'Bob']],
    ['no header', 'p1,Ann,2026-01-01\n', { header: false, columns: ['id', 'first_name', 'updated_at'] }, ['Ann']],
    ['another header', two, { columns: ['id', 'birth_name', 'updated_at'] }, ['-', '-']],
    ['words for nothing', rows('p1,NULL,2026-01-01', 'p2,\\N,2026-01-01'), { nullValues: ['NULL', '\\N'] }, ['-', '-']],
    [
      'leniency',
      rows('p1,5" Ann,2026-01-01', 'p2,"Bob" B.,2026-01-01,,', 'p3,"Cid,2026-01-01', 'p4,Dan,2026-01-01'),
      { lenient: true },
      ['5" Ann', 'Bob B.', '"Cid', 'Dan'],
    ],
  ])('%s', async (_case, content, csv, expected) => {
    expect((await namesOf('a.csv', content, csv ? { csv } : {})).names).toEqual(expected)
  })

  test.each<[string, string | Uint8Array, RegExp, readonly string[]]>([
    [
      'a quote in a cell without quotes',
      rows('p1,5" Ann,2026-01-01', 'p2,Bob,2026-01-01'),
      /line 2 has a quote inside a cell/,
      ['Bob'],
    ],
    [
      'text after a quote',
      rows('p1,"Ann" A.,2026-01-01', 'p2,Bob,2026-01-01'),
      /line 2 has text after a closing quote/,
      ['Bob'],
    ],
    [
      'too many cells',
      rows('p1,Ann,2026-01-01,x', 'p2,Bob,2026-01-01'),
      /line 2 has 4 cells, where the header has 3/,
      ['Bob'],
    ],
    [
      'what is no UTF-8',
      Buffer.from(rows('p1,Jörg,2026-01-01', 'p2,Bob,2026-01-01'), 'latin1'),
      /line 2 is not UTF-8; csv.encoding/,
      ['Bob'],
    ],
    ['a NUL', rows('p1,A\0nn,2026-01-01', 'p2,Bob,2026-01-01'), /line 2 holds a NUL/, ['Bob']],
    [
      'a quote that never closes',
      rows('p1,Ann,2026-01-01', 'p2,"Bob,2026-01-01', 'p3,Cid,2026-01-01'),
      /a quote opens on line 3 and does not close: the 2 lines from there/,
      [],
    ],
    ['a column twice', 'id,id,updated_at\np1,p2,2026-01-01\n', /it has the column id twice/, []],
    [
      'a column twice that nobody asks for',
      'id,x,x,first_name,updated_at\np1,,,Ann,2026-01-01\n',
      /has x more than once/,
      ['Ann'],
    ],
    ['another delimiter', german, /They are parted by ";"/, []],
    ['a line for spreadsheets', `sep=;\n${german}`, /set csv.skipLines to 1 and csv.delimiter to ";"/, []],
    ['JSON', '[{"id": "p1"}]\n', /looks like JSON/, []],
    [
      'an identity that was a number once',
      rows('7.0,Ann,2026-01-01', '8,Bob,2026-01-01', '12e4,Cid,2026-01-01', '1.2E+16,Dan,2026-01-01'),
      /line 2, id is not an identity/,
      ['Cid', 'Bob'],
    ],
  ])('%s', async (_case, content, expected, names) => {
    const result = await namesOf('a.csv', content)
    expect(result.said).toMatch(expected)
    expect(result.names).toEqual(names)
  })

  test('a record that is none counts as many rows as it has lines, which are those of the file', async () => {
    const { said, totals } = await namesOf(
      'a.csv',
      rows('p1,"Ann\nA." B,2026-01-01', '', 'p2,Bob,never', 'p3,Cid,2026-01-01'),
    )
    expect(totals).toMatchObject({ rowsRead: 4, accepted: 1, badRows: 3 })
    expect(said).toMatch(/line 2 has text after a closing quote; line 5, updated_at is not a time/)
  })
})

describe('JSON', () => {
  const json = { format: 'JSON' } as const
  test.each<[string, string, readonly string[] | RegExp]>([
    [
      'an array',
      '[{"id":"p1","first_name":"Ann","updated_at":"2026-01-01"},\n {"id":"p2","first_name":"B]\\"o,b","updated_at":"2026-01-01"}]',
      ['Ann', 'B]"o,b'],
    ],
    [
      'objects over several lines',
      '{\n "id": "p1",\n "first_name": "Ann", "updated_at": "2026-01-01"\n}\n{"id":"p2","updated_at":"2026-01-01"}',
      ['Ann', '-'],
    ],
    [
      'an array that does not end',
      '[{"id":"p1","first_name":"Ann","updated_at":"2026-01-01"},',
      /its array does not end/,
    ],
    [
      'an object that does not end',
      '[{"id":"p1","first_name":"Ann","upd',
      /line 1: a value begins there and does not end/,
    ],
    ['something after the array', '[{"id":"p1","updated_at":"2026-01-01"}] x', /stands between its values/],
    ['items that are no objects', '[1, {"id":"p1","first_name":"Ann","updated_at":"2026-01-01"}, "x", [{}]]', ['Ann']],
  ])('%s', async (_case, content, expected) => {
    const { names, said } = await namesOf('a.json', content, json)
    if (Array.isArray(expected)) expect(names).toEqual(expected)
    else expect(said).toMatch(expected as RegExp)
  })

  test('an array where lines are expected says which format reads it; an empty one replaces nothing', async () => {
    expect((await namesOf('a.json', '[\n{"id":"p1"}\n]\n', { format: 'NDJSON' })).said).toMatch(/`format: JSON`/)
    await using workspace = await openWorkspace()
    workspace.land('customers/a.json', '[{"id":"p1","updated_at":"2026-01-01"}]')
    await run(workspace, [{ ...customers, ...json }])
    workspace.land('customers/a.json', '[]')
    expect(messages(await run(workspace, [{ ...customers, ...json }]))).toContain('it has no row, where it had 1 row')
    expect(await profilesIn(workspace)).toHaveLength(1)
  })

  test('keys with points, fields that lines nearly have, numbers that were written as decimal ones', async () => {
    const { names, said } = await namesOf(
      'a.ndjson',
      '{"id":7.0,"first.name":"Ann","Birth-Date":"1990-01-01","updated_at":"2026-01-01"}\n{"id":1.2345678901234568e+16,"updated_at":"2026-01-01"}\n',
      {
        format: 'NDJSON',
        mapping: customers.mapping.map((one) => (one.source === 'first_name' ? { ...one, source: 'first.name' } : one)),
      },
    )
    expect(names).toEqual(['Ann'])
    expect(said).toContain('has no column birth_date (it has Birth-Date)')
    expect(said).toContain('line 2, id is not an identity')
  })
})

describe('values', () => {
  const columns = ['person.birthDate', 'loyalty.points', 'loyalty.joinedAt', 'score', 'optOut'] as const
  const mapping: DatasetPlan['mapping'] = [
    { source: 'id', target: 'customerId', type: 'string' },
    { source: 'born', target: 'person.birthDate', type: 'date' },
    { source: 'points', target: 'loyalty.points', type: 'integer' },
    { source: 'joined', target: 'loyalty.joinedAt', type: 'timestamp' },
    { source: 'score', target: 'score', type: 'number' },
    { source: 'out', target: 'optOut', type: 'boolean' },
  ]
  test.each<[string, Partial<DatasetPlan>, string, readonly (string | undefined)[] | RegExp]>([
    ['dates by a format', { timeFormats: ['%d.%m.%Y', 'ISO8601'] }, '31.01.1990,,,,', ['1990-01-31']],
    [
      'times by a format and a zone',
      { timeFormats: ['%d/%m/%Y %H:%M', 'ISO8601'], timeZone: 'Europe/Berlin' },
      ',,15/07/2026 12:30,,',
      [undefined, undefined, '2026-07-15 10:30:00'],
    ],
    [
      'a zone for times that say none',
      { timeZone: 'America/New_York' },
      ',,2026-01-01T00:00:00,,',
      [undefined, undefined, '2026-01-01 05:00:00'],
    ],
    [
      'and not for those that do',
      { timeZone: 'America/New_York' },
      ',,2026-01-01T00:00:00+01:00,,',
      [undefined, undefined, '2025-12-31 23:00:00'],
    ],
    [
      'seconds',
      { timeFormats: ['EpochSeconds', 'ISO8601'] },
      ',,1768348800,,',
      [undefined, undefined, '2026-01-14 00:00:00'],
    ],
    [
      'none of the formats',
      { timeFormats: ['%d.%m.%Y', 'ISO8601'] },
      '01/31/1990,,,,',
      /born is not a date written as %d.%m.%Y or ISO8601/,
    ],
    [
      'words for yes and no',
      { booleans: { trueValues: ['j', 'ja'], falseValues: ['n'] } },
      ',,,,JA',
      [undefined, undefined, undefined, undefined, 'true'],
    ],
    ['and no others', { booleans: { trueValues: ['j'], falseValues: ['n'] } }, ',,,,yes', /out is not j, n/],
    ['a decimal comma', { decimal: ',' }, ',"5,0",,"1,5",', [undefined, '5', undefined, '1.5']],
    ['and no point with it', { decimal: ',' }, ',,,1.5,', /score is not a number with a decimal comma/],
  ])('%s', async (_case, changes, cells, expected) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `id,born,points,joined,score,out,updated_at\np1,${cells},2026-01-01\n`)
    const report = await run(workspace, [{ ...customers, mapping, ...changes }])
    if (!Array.isArray(expected)) return expect(messages(report)).toMatch(expected as RegExp)
    const [profile] = await profilesIn(workspace)
    expect(columns.map((column) => profile?.[column]).slice(0, expected.length)).toEqual(expected)
  })

  test('a number of which nobody said the unit lies between 1990 and the next year, or is bad', async () => {
    await using workspace = await openWorkspace()
    const at = [1768348800, 1768348800000, 1768348800000000, 631151999999, 631152000000, 1830297600000]
    workspace.land('orders/a.ndjson', at.map((time) => `{"customer":"p1","at":${time}}\n`).join(''))
    expect(await run(workspace, [orders])).toMatchObject({ totals: { accepted: 2, badRows: 4 } })
    expect((await eventsIn(workspace)).map((row) => row['timestamp'])).toEqual([
      '1990-01-01 00:00:00',
      '2026-01-14 00:00:00',
    ])
  })

  test('what the schema says of values holds; a bad cell takes its row along, or is left out alone', async () => {
    const constrained: DatasetPlan = {
      ...customers,
      mapping: customers.mapping.map((one) =>
        one.source === 'email'
          ? { ...one, constraints: { format: 'email' } }
          : one.source === 'points'
            ? { ...one, constraints: { minimum: 0, maximum: 100 } }
            : one.source === 'first_name'
              ? { ...one, constraints: { enum: ['Ann', 'Bob'], maxLength: 3 } }
              : one,
      ),
    }
    const content =
      'id,first_name,email,points,updated_at\np1,Ann,a@x.test,5,2026-01-01\np2,Cid,b@x.test,5,2026-01-01\np3,Ann,c@x.test,-1,2026-01-01\np4,Bob,nobody,101,2026-01-01\np5,Bob,,x,never\n'
    for (const [onBadCell, counts, names] of [
      ['DropRow', { accepted: 1, badRows: 4, badCells: 0 }, ['Ann']],
      ['DropCell', { accepted: 3, badRows: 2, badCells: 2 }, ['Ann', undefined, 'Ann']],
    ] as const) {
      await using workspace = await openWorkspace()
      workspace.land('customers/a.csv', content)
      const report = await run(workspace, [{ ...constrained, onBadCell }])
      expect(report.totals).toMatchObject(counts)
      expect((await profilesIn(workspace)).map((row) => row['person.name.firstName'])).toEqual(names)
      expect(messages(report)).toMatch(/line 3, first_name is not text that is one of Ann, Bob, of maxLength 3/)
    }
  })

  test.each<[string, string, readonly string[] | RegExp]>([
    ['a list whose items are among them', '["new","vip"]', ['[new, vip]']],
    ['an item that is none', '["new","old"]', /tags is not a JSON array, each item text that is one of new, vip/],
    ['no list at all', '', ['-']],
  ])('what the schema says of items holds as well: %s', async (_, tags, expected) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `id,tags,updated_at\np1,"${tags.replaceAll('"', '""')}",2026-01-01\n`)
    const constraints = { items: { enum: ['new', 'vip'] } }
    const mapping = [
      customers.mapping[0]!,
      { source: 'tags', target: 'tags', type: { items: 'string' as const }, constraints },
    ]
    const report = await run(workspace, [{ ...customers, mapping }])
    if (expected instanceof RegExp) expect(messages(report)).toMatch(expected)
    else expect((await profilesIn(workspace)).map((row) => row['tags'] ?? '-')).toEqual(expected)
  })

  test.each<[string, object, number, RegExp | null]>([
    ['fields of objects in a list', [{ SKU: 'abc', quantity: 2 }], 1, null],
    [
      'a field over its bound',
      [{ SKU: 'abc', quantity: 200 }],
      0,
      /items is not a JSON array, each item a JSON object .*quantity an integer .* of maximum 99/,
    ],
    ['a field that is not there', [{ SKU: 'abc' }], 1, null],
  ])('and of fields: %s', async (_, items, accepted, said) => {
    await using workspace = await openWorkspace()
    workspace.land('orders/a.ndjson', `${JSON.stringify({ customer: 'p1', at: '2026-01-02', items })}\n`)
    const constraints = { items: { fields: { quantity: { minimum: 0, maximum: 99 } } } }
    const type = { items: { fields: { SKU: 'string', quantity: 'integer' } } } as const
    const report = await run(workspace, [
      { ...orders, mapping: [{ source: 'items', target: 'items', type, constraints }] },
    ])
    expect(report.totals['accepted']).toBe(accepted)
    if (said) expect(messages(report)).toMatch(said)
  })

  test.each([
    ['a field', '{"customer":"p1","customer":"p2","at":"2026-01-01","type":"x"}', 0],
    ['an object around one', '{"customer":"p1","at":"2026-01-01","order":{"total":1},"order":{"total":2}}', 0],
    ['a field that nobody reads', '{"customer":"p1","at":"2026-01-01","note":1,"note":2}', 1],
    ['a null and a value', '{"customer":"p1","at":"2026-01-01","type":null,"type":"x"}', 0],
    ['none, and some are absent', '{"customer":"p1","at":"2026-01-01"}', 1],
  ])('a line in which %s stands twice', async (_, line, accepted) => {
    await using workspace = await openWorkspace()
    workspace.land('orders/a.ndjson', `${line}\n`)
    const report = await run(workspace, [orders])
    expect(report.totals['accepted']).toBe(accepted)
    if (accepted === 0) expect(messages(report)).toContain('line 1 has a field that is read more than once')
  })

  test('an empty cell and a JSON null take a value away where that is asked for', async () => {
    const clearing: DatasetPlan = {
      ...customers,
      mapping: customers.mapping.map((one) => (one.source === 'first_name' ? { ...one, emptyOverwrites: true } : one)),
    }
    for (const [format, files] of [
      [
        'CSV',
        [
          'id,first_name,points,updated_at\np1,Ann,5,2026-01-01\n',
          'id,first_name,points,updated_at\np1,,,2026-01-02\n',
        ],
      ],
      [
        'NDJSON',
        [
          '{"id":"p1","first_name":"Ann","points":5,"updated_at":"2026-01-01"}\n',
          '{"id":"p1","first_name":null,"points":null,"updated_at":"2026-01-02"}\n',
        ],
      ],
    ] as const) {
      await using workspace = await openWorkspace()
      for (const [index, content] of files.entries()) {
        workspace.land(`customers/${index}.${format === 'CSV' ? 'csv' : 'ndjson'}`, content)
        await run(workspace, [{ ...clearing, format }])
      }
      expect(await profilesIn(workspace)).toEqual([{ $profile: 'p1', customerId: 'p1', 'loyalty.points': '5' }])
      await run(workspace, [{ ...customers, format }])
      expect((await profilesIn(workspace))[0]).toMatchObject({ 'person.name.firstName': 'Ann' })
    }
  })
})

describe('Parquet of other tools', () => {
  const parquet = { ...customers, format: 'Parquet' } as const
  test.each<[string, string, readonly (string | undefined)[] | RegExp]>([
    ['text as bytes', `'p1'::BLOB AS id, encode('Jörg') AS first_name`, ['p1', 'Jörg']],
    ['bytes that are no text', `'p1' AS id, '\\xFF'::BLOB AS first_name`, /first_name is not text/],
    ['whole numbers as doubles', `7.0::DOUBLE AS id, 8::FLOAT AS first_name`, ['7', '8']],
    ['doubles that lost digits', `1.2345678901234568e16::DOUBLE AS id`, /id is not an identity/],
    [
      'wide decimals',
      `12345678901234567890::DECIMAL(38,0) AS id, 7::DECIMAL(38,9) AS first_name`,
      ['12345678901234567890', '7'],
    ],
    ['lists into text', `'p1' AS id, ['a'] AS first_name`, /first_name is not text/],
    [
      'names that the engine has a meaning for',
      `'p1' AS id, 'Ann' AS first_name, 1 AS file_row_number, 2 AS filename, 3 AS file_index`,
      ['p1', 'Ann'],
    ],
    [
      'a zoned midnight into a date',
      `'p1' AS id, 'Ann' AS first_name, TIMESTAMPTZ '1990-01-31 00:00:00+00' AS birth_date`,
      ['p1', 'Ann', '1990-01-31'],
    ],
    [
      'nanoseconds into a date',
      `'p1' AS id, 'Ann' AS first_name, TIMESTAMP_NS '1990-01-31 00:00:00' AS birth_date`,
      ['p1', 'Ann', '1990-01-31'],
    ],
    [
      'another time of day into a date',
      `'p1' AS id, TIMESTAMP '1990-01-31 10:00:00' AS birth_date`,
      /birth_date is not a date/,
    ],
  ])('%s', async (_case, select, expected) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/.keep', '')
    const path = join(workspace.ports.claim('landing'), 'customers', 'a.parquet')
    await workspace.engine.run(`COPY (SELECT ${select}, TIMESTAMP_NS '2026-01-01 00:00:00' AS updated_at) TO '${path}'`)
    const report = await run(workspace, [parquet])
    if (!Array.isArray(expected)) return expect(messages(report)).toMatch(expected as RegExp)
    const [profile] = await profilesIn(workspace)
    expect(
      ['$profile', 'person.name.firstName', 'person.birthDate']
        .map((name) => profile?.[name])
        .slice(0, expected.length),
    ).toEqual(expected)
  })
})

test('Parquet columns that differ by case are two', async () => {
  await using workspace = await openWorkspace()
  const path = join(workspace.ports.claim('landing'), 'made.parquet')
  await workspace.engine.run(
    `COPY (SELECT 'x' AS "ID", 'p1' AS "zz", TIMESTAMP '2026-01-01' AS updated_at) TO '${path}'`,
  )
  // The engine cannot write such a file.
  workspace.land('customers/a.parquet', Buffer.from(readFileSync(path, 'latin1').replaceAll('zz', 'id'), 'latin1'))
  await run(workspace, [{ ...customers, format: 'Parquet' }])
  expect((await profilesIn(workspace)).map((row) => row['$profile'])).toEqual(['p1'])
})

describe('which files, by their Dataset', () => {
  const land = (workspace: Workspace, ...names: string[]) => {
    for (const name of names) workspace.land(`customers/${name}`, rows(`${name},Ann,2026-01-01`))
  }
  const filesRead = async (names: readonly string[], changes: Partial<DatasetPlan>) => {
    await using workspace = await openWorkspace()
    land(workspace, ...names)
    const report = await run(workspace, [{ ...customers, ...changes }])
    const passedOver = (report.details?.[0]?.passedOver ?? []).map(({ file, reason }) => `${file} ${reason}`)
    return { ids: (await profilesIn(workspace)).map((row) => row['$profile']), passedOver, totals: report.totals }
  }

  test('include and exclude name them', async () => {
    const names = ['part-00000', 'a/part-00001', 'archive/part-1', 'b.csv', '_c/part-2']
    expect(await filesRead(names, { include: ['**/part-*'], exclude: ['archive/**'] })).toMatchObject({
      ids: ['a/part-00001', 'part-00000'],
      totals: { filesExcluded: 3 },
    })
    expect((await filesRead(names, { include: ['_c/*', '*.csv'] })).ids).toEqual(['_c/part-2', 'b.csv'])
  })

  test('a marker for each file, or for a folder, and an age', async () => {
    const each = await filesRead(['a.csv', 'a.csv.done', 'b.csv'], { ready: { marker: '{name}.done' } })
    expect(each.ids).toEqual(['a.csv'])
    expect(each.passedOver).toEqual(['a.csv.done is a marker', 'b.csv waits for its marker b.csv.done'])
    expect((await filesRead(['d/a.csv', 'd/_SUCCESS', 'e/b.csv'], { ready: { marker: '_SUCCESS' } })).ids).toEqual([
      'd/a.csv',
    ])
    const young = await filesRead(['a.csv'], { ready: { minAgeSeconds: 300 } })
    expect(young.passedOver).toEqual(['a.csv was changed less than 300 s ago'])
    expect((await filesRead(['a.csv'], { ready: { minAgeSeconds: 0 } })).ids).toEqual(['a.csv'])
  })

  test('folders are columns when asked for', async () => {
    await using workspace = await openWorkspace()
    const mapping: DatasetPlan['mapping'] = [
      { source: 'id', target: 'customerId', type: 'string' },
      { source: 'name', target: 'person.name.firstName', type: 'string' },
    ]
    const partitioned: DatasetPlan = { ...customers, mapping, timestamp: 'dt', partitions: ['dt', 'name'] }
    workspace.land('customers/dt=2026-01-01/name=M%C3%BCller/a.csv', 'id,name\np1,own\n')
    workspace.land('customers/dt=2026-01-02/name=__HIVE_DEFAULT_PARTITION__/a.csv', 'id\np2\n')
    workspace.land('customers/dt=2026-01-03/a.csv', 'id\np3\n')
    const report = await run(workspace, [partitioned])
    expect((await profilesIn(workspace)).map((row) => [row['$profile'], row['person.name.firstName']])).toEqual([
      ['p1', 'Müller'],
      ['p2', undefined],
    ])
    expect(messages(report)).toContain('it lies in no folder dt=…/name=…')
  })
})

describe('mode Snapshot: the newest whole delivery is the truth', () => {
  const people = (...ids: string[]) => rows(...ids.map((id) => `${id},Ann,2026-01-01`))
  const snapshot: DatasetPlan = { ...customers, mode: 'Snapshot' }
  const folders: DatasetPlan = { ...snapshot, delivery: 'Folder' }
  const many = (count: number) => Array.from({ length: count }, (_, index) => `p${100 + index}`)
  const ids = async (workspace: Workspace) => (await profilesIn(workspace)).map((row) => String(row['$profile']))

  test('a file of each name, or of one name again: who is missing in it is gone', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/1.csv', people('a', 'b'))
    workspace.land('customers/2.csv', people('b', 'c'))
    await run(workspace, [snapshot])
    expect(await ids(workspace)).toEqual(['b', 'c'])
    workspace.land('customers/3.csv', people('d'))
    await run(workspace, [snapshot])
    expect(await ids(workspace)).toEqual(['d'])
    const data = JSON.stringify((await run(workspace, [snapshot])).totals)
    expect(await ids(workspace)).toEqual(['d'])
    expect(data).toContain('"files":0')
    // What came later counts, whatever it is called.
    workspace.land('customers/1.csv', people('a', 'e'))
    await run(workspace, [snapshot])
    expect(await ids(workspace)).toEqual(['a', 'e'])
    for (const name of ['1', '2', '3']) workspace.remove(`customers/${name}.csv`)
    await run(workspace, [snapshot])
    expect(await ids(workspace)).toEqual(['a', 'e'])
  })

  test('a folder with all its files, once its marker is there', async () => {
    await using workspace = await openWorkspace()
    const marked: DatasetPlan = { ...folders, ready: { marker: '_SUCCESS' } }
    workspace.land('customers/day1/a.csv', people('a'))
    workspace.land('customers/day1/b.csv', people('b'))
    workspace.land('customers/day1/_SUCCESS', '')
    workspace.land('customers/day2/a.csv', people('c'))
    await run(workspace, [marked])
    expect(await ids(workspace)).toEqual(['a', 'b'])
    workspace.land('customers/day2/_SUCCESS', '')
    await run(workspace, [marked])
    expect(await ids(workspace)).toEqual(['c'])
  })

  test.each<[string, string, RegExp]>([
    ['empty', '', /is empty/],
    ['a header alone', people(), /has no row/],
    ['unreadable', 'kunde\n1\n', /no column for updated_at/],
    ['much smaller', people('x'), /it shrank by more than 50%/],
    ['of bad rows', rows('x,Ann,never'), /its only row cannot be read/],
  ])('a delivery that is %s leaves everything as it is, until it is let pass', async (_case, content, said) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/1.csv', people(...many(120)))
    await run(workspace, [snapshot])
    workspace.land('customers/2.csv', content)
    for (let again = 0; again < 2; again++) {
      const report = await run(workspace, [snapshot])
      expect(report.outcome).toBe('Succeeded')
      expect(messages(report)).toMatch(said)
      expect(await ids(workspace)).toHaveLength(120)
    }
    const input = { ...inputOf('2026-01-10T00:00:00Z'), approved: ['customers'] }
    await ingest({ plan: planOf([snapshot]), input, ports: workspace.ports })
    expect(await ids(workspace)).toHaveLength(said.source.includes('shrank') ? 1 : 120)
  })

  test('one broken file of a folder refuses all of it', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/day1/a.csv', people('a'))
    await run(workspace, [folders])
    workspace.land('customers/day2/a.csv', people('b'))
    workspace.land('customers/day2/b.csv.gz', gzipSync(people('c')).subarray(0, 30))
    expect(messages(await run(workspace, [folders]))).toMatch(/day2 was refused: day2\/b.csv.gz: its gzip is damaged/)
    expect(await ids(workspace)).toEqual(['a'])
  })
})
