import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DatasetPlan, RunReport } from '#crds'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { customers, inputOf, openWorkspace, orders, planOf, profilesIn, type Workspace } from './workspace.ts'

const header = 'id,first_name,birth_date,email,points,updated_at\n'
const person = (id: string, name = 'Ann') => `${header}${id},${name},,,,2026-01-01\n`

function run(
  workspace: Workspace,
  datasets: readonly DatasetPlan[] = [customers],
  approved: string[] = [],
): Promise<RunReport> {
  const input = { ...inputOf('2026-01-10T00:00:00Z'), approved }
  return ingest({ plan: planOf(datasets), input, ports: workspace.ports })
}

async function ids(workspace: Workspace): Promise<readonly unknown[]> {
  return (await profilesIn(workspace)).map((row) => row['$profile'])
}

function messages(report: RunReport): string {
  return (report.warnings ?? []).map(({ message }) => message).join('\n')
}

describe('which files', () => {
  test('at any depth, by their ending; what is not read is named with its reason', async () => {
    await using workspace = await openWorkspace()
    const landing = workspace.ports.claim('landing')
    for (const name of ['a.csv', 'B.CSV', 'deep/down/c.txt', '.d.csv', '_e/f.csv', 'g.csv.tmp', 'part-00000'])
      workspace.land(`customers/${name}`, person(name))
    workspace.land('customers/h.csv', '')
    workspace.land('customers/_SUCCESS', '')
    workspace.land('elsewhere/i.csv', person('linked'))
    writeFileSync(join(landing, '..', 'outside.csv'), person('outside'))
    const folder = join(landing, 'customers')
    symlinkSync('../elsewhere/i.csv', join(folder, 'in.csv'))
    symlinkSync('../../outside.csv', join(folder, 'out.csv'))
    symlinkSync('nowhere', join(folder, 'dangling.csv'))
    symlinkSync('.', join(folder, 'round.csv'))
    execFileSync('mkfifo', [join(folder, 'pipe.csv')])
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/M`), Buffer.from([0xfc]), Buffer.from('ller.csv')]), 'x')
    const report = await run(workspace)
    expect(await ids(workspace)).toEqual(['B.CSV', 'a.csv', 'deep/down/c.txt', 'linked'])
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { files: 4, filesPassedOver: 11 } })
    const reasons = Object.fromEntries((report.details?.[0]?.passedOver ?? []).map((one) => [one.file, one.reason]))
    expect(reasons).toEqual({
      '.d.csv': expect.stringContaining('is hidden'),
      '_e/f.csv': expect.stringContaining('is hidden'),
      _SUCCESS: expect.stringContaining('is hidden'),
      'g.csv.tmp': expect.stringContaining('does not end in'),
      'part-00000': expect.stringContaining('does not end in'),
      'h.csv': 'is empty',
      'out.csv': 'is a link out of the claim',
      'dangling.csv': 'is a link that leads nowhere',
      'round.csv': 'is a link to a folder',
      'pipe.csv': 'is a named pipe',
      'M\uFFFDller.csv': 'is a name that is no UTF-8',
    })
    // A mark of another tool is no news.
    expect(messages(report)).toContain('10 files were not read')
  })

  test('one file of any name, where the location names it', async () => {
    await using workspace = await openWorkspace()
    workspace.land('_one', person('one'))
    await run(workspace, [{ ...customers, location: { volume: { claimName: 'landing', path: '_one' } } }])
    expect(await ids(workspace)).toEqual(['one'])
  })

  test('a path that a link leads out of its claim fails its Dataset alone', async () => {
    await using workspace = await openWorkspace()
    const landing = workspace.ports.claim('landing')
    mkdirSync(join(landing, '..', 'outside'))
    writeFileSync(join(landing, '..', 'outside', 'a.csv'), person('outside'))
    symlinkSync('../outside', join(landing, 'customers'))
    workspace.land('orders/a.ndjson', '{"customer":"p1","at":"2026-01-01"}\n')
    expect(await run(workspace, [customers, orders])).toMatchObject({
      outcome: 'Failed',
      error: { reason: 'InvalidPlan' },
      totals: { events: 1 },
    })
  })

  test('a name means that file, whatever pattern, folder of a table or command it looks like', async () => {
    await using workspace = await openWorkspace()
    const names = [
      '*.csv',
      'a[1].csv',
      'a1.csv',
      'a?.csv',
      'id=9/b.csv',
      "it's.csv",
      '-rf.csv',
      'CON.csv',
      'new\nline.csv',
    ]
    for (const [index, name] of names.entries())
      workspace.land(`customers/${name}`, person(`p${index}`, `name ${index}`))
    await workspace.engine.run(
      `COPY (SELECT '007' AS id, 'Bond' AS first_name, '2026-01-01' AS updated_at) TO '${join(workspace.ports.claim('landing'), 'customers', 'id=9', 'c.parquet')}'`,
    )
    const parquet: DatasetPlan = { ...customers, name: 'parquet', format: 'Parquet' }
    expect(await run(workspace, [customers, parquet])).toMatchObject({
      outcome: 'Succeeded',
      totals: { files: 10, accepted: 10, badRows: 0 },
    })
    expect((await profilesIn(workspace)).map((row) => [row['$profile'], row['person.name.firstName']])).toEqual([
      ['007', 'Bond'],
      ...names.map((_, index) => [`p${index}`, `name ${index}`]),
    ])
  })

  test('names and headers are shown without what a terminal would act on', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/\x1b]0;x\x07.csv', 'a\x1b[2J,b\u202e\n1,2\n')
    workspace.land('customers/\x9b.tmp', 'x')
    const report = await run(workspace)
    expect(JSON.stringify(report)).not.toMatch(/\\u00(1b|07|9b)|\u202e/i)
    expect(messages(report)).toContain('\\u{1b}]0;x\\u{7}.csv was refused')
    expect(messages(report)).toContain('a\\u{1b}[2J, b\\u{202e}')
  })
})

describe('a file that yields nothing, or much less than it did, never replaces what was there', () => {
  const many = (count: number, row: (index: number) => string, head = header) =>
    `${head}${Array.from({ length: count }, (_, index) => row(index)).join('')}`
  const good = (index: number) => `p${index},Ann,,,${index},2026-01-01\n`
  const small = many(3, good)
  const large = many(200, good)

  test.each<[string, string, string, number, RegExp | null]>([
    ['0 bytes', small, '', 3, /is empty/],
    ['a header alone', small, header, 3, /it has no row, where it had 3 rows/],
    [
      'rows none of which can be read',
      small,
      many(3, (index) => `p${index},Ann,,,,yesterday\n`),
      3,
      /not one of its 3 rows can be read \(line 2, updated_at is not a time/,
    ],
    ['other columns', small, 'kunde;name\n1;Ann\n', 3, /no column for updated_at/],
    ['a page that says no', small, '<html><body>Forbidden</body></html>\n', 3, /no column for updated_at/],
    ['few of its rows', large, many(99, good), 200, /it has 99 rows, where it had 200/],
    ['half of its rows', large, many(100, good), 100, null],
    ['few rows of few', small, many(1, good), 1, null],
    [
      'more bad rows than 1%',
      large,
      many(200, (index) => (index < 3 ? 'x,,,,,\n' : good(index))),
      200,
      /3 of its 200 rows cannot be read/,
    ],
    ['bad rows up to 1%', large, many(200, (index) => (index < 2 ? 'x,,,,,\n' : good(index))), 198, null],
    [
      'a column less',
      small,
      many(3, (index) => `p${index},2026-01-01\n`, 'id,updated_at\n'),
      3,
      /no value any more for person.name.firstName \(3 before\), loyalty.points/,
    ],
    [
      'a column without its values',
      large,
      many(200, (index) => `p${index},Ann,,,,2026-01-01\n`),
      200,
      /no value any more for loyalty.points \(200 before\)/,
    ],
    ['a column without its few values', small, many(3, (index) => `p${index},Ann,,,,2026-01-01\n`), 3, null],
  ])('%s', async (_case, before, after, expected, reason) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', before)
    await run(workspace)
    workspace.land('customers/a.csv', after)
    const report = await run(workspace)
    expect(report.outcome).toBe('Succeeded')
    expect(await ids(workspace)).toHaveLength(expected)
    const { totals } = report
    expect(totals['rowsRead']).toBe(
      (totals['accepted'] ?? 0) + (totals['badRows'] ?? 0) + (totals['oversize'] ?? 0) + (totals['rowsRefused'] ?? 0),
    )
    if (reason === null) expect(totals).toMatchObject({ files: 1, filesRefused: 0 })
    else expect(messages(report)).toMatch(reason)
    // Nothing changes by running again, and it is said as long as it is so.
    const again = await run(workspace)
    expect(await ids(workspace)).toHaveLength(expected)
    if (reason !== null) expect(messages(again)).toMatch(reason)
  })

  test('a wrong change of the Dataset is refused like a wrong change of the file', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', small)
    await run(workspace)
    const report = await run(workspace, [{ ...customers, timestamp: 'first_name' }])
    expect(messages(report)).toMatch(/not one of its 3 rows can be read/)
    expect(await ids(workspace)).toHaveLength(3)
  })

  test('tolerance says how much', async () => {
    await using workspace = await openWorkspace()
    const strict = { ...customers, tolerance: { badRows: 0, maxShrink: 10, minRows: 150 } }
    workspace.land('customers/a.csv', many(120, good))
    expect(messages(await run(workspace, [strict]))).toContain('it has 120 rows, where 150 are the least')
    workspace.land('customers/a.csv', large)
    expect(await run(workspace, [strict])).toMatchObject({ totals: { accepted: 200, filesRefused: 0 } })
    workspace.land('customers/a.csv', many(179, good))
    expect(messages(await run(workspace, [strict]))).toContain('it shrank by more than 10%')
    workspace.land(
      'customers/a.csv',
      many(201, (index) => (index < 1 ? 'x,,,,,\n' : good(index))),
    )
    expect(messages(await run(workspace, [strict]))).toContain('1 of its 201 rows cannot be read')
    const lax = { ...customers, tolerance: { badRows: 100, maxShrink: 100 } }
    workspace.land(
      'customers/a.csv',
      many(200, (index) => (index > 0 ? 'x,,,,,\n' : good(index))),
    )
    expect(await run(workspace, [lax])).toMatchObject({ totals: { accepted: 1, badRows: 199, profiles: 1 } })
  })

  test('somebody may let it pass, once, and only what was refused', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', large)
    await run(workspace)
    workspace.land('customers/a.csv', many(2, good))
    // What nobody has seen refused is not approved.
    expect((await run(workspace, [customers], ['customers'])).totals).toMatchObject({ filesRefused: 1, profiles: 200 })
    const refused = (await run(workspace)).details?.[0]?.refused?.[0]
    expect((await run(workspace, [customers], ['customers'])).totals).toMatchObject({ filesRefused: 0, profiles: 2 })
    workspace.land('customers/a.csv', large)
    await run(workspace)
    workspace.land('customers/a.csv', many(3, good))
    await run(workspace)
    // By what the report calls it, which is one content of one file.
    const approved = { ...customers, approved: [refused?.approval ?? ''] }
    expect((await run(workspace, [approved])).totals).toMatchObject({ filesRefused: 1, profiles: 200 })
    workspace.land('customers/a.csv', many(2, good))
    expect((await run(workspace, [approved])).totals).toMatchObject({ filesRefused: 0, profiles: 2 })
  })

  test('a corrected file is taken in, and a file that is gone is not refused any more', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'customers/a.csv',
      many(2, () => ',,,,,\n'),
    )
    workspace.land(
      'customers/b.csv',
      many(2, () => ',,,,,\n'),
    )
    const report = await run(workspace)
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { filesRefused: 2, badRows: 4, profiles: 0 } })
    expect(readdirSync(join(workspace.root, 'rejects', 'customers'))).toHaveLength(2)
    workspace.land('customers/a.csv', small)
    workspace.remove('customers/b.csv')
    expect(await run(workspace)).toMatchObject({ totals: { filesRefused: 0, profiles: 3 } })
  })
})
