import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JobPlan } from '#crds'
import { csv, deliver, rejects, startDatabase, status, zone } from './database.ts'
import { importPlan } from './plan.ts'

let database: Awaited<ReturnType<typeof startDatabase>>
beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database.stop())
beforeEach(() => database.reset())

const run: typeof database.run = (...given) => database.run(...given)
const select = (sql: string) => database.select(sql)
const recipient = (key: string, columns: string) => database.recipient(key, columns)
const members = (segment?: string) => database.members(segment)

describe('matched rows', () => {
  test('update what differs, and leave what is the same untouched', async () => {
    deliver({
      files: [
        csv(`external_id,email,points,${status}`, 'P1,new@example.test,7,realized', 'P2,p2@example.test,2,realized'),
      ],
      backfill: true,
    })
    const [before] = await select(`SELECT xmin::text FROM recipients WHERE external_id = 'P2'`)
    const report = await run()
    expect(report.error).toBeUndefined()
    expect(report.totals).toEqual({
      files: 1,
      rowsRead: 2,
      updated: 1,
      unchanged: 1,
      rejected: 0,
      exited: 0,
      added: 2,
      removed: 0,
      arrived: 0,
      waiting: 0,
    })
    expect(await recipient('P1', 'email, points, name')).toEqual(['new@example.test', 7, 'Name 1'])
    expect(await select(`SELECT xmin::text FROM recipients WHERE external_id = 'P2'`)).toEqual([before])
    expect(existsSync(join(zone, 'zone_gold_20261201T040000Z.csv.rejects.csv'))).toBe(false)
  })

  test('tell null, which empties the column, from the empty string', async () => {
    deliver({ files: [csv(`external_id,email,name,${status}`, 'P1,,"",realized')] })
    await run()
    expect(await recipient('P1', 'email, name')).toEqual([null, ''])
  })

  test('take every type of value', async () => {
    deliver({
      files: [
        csv(
          `external_id,points,score,vip,born,seen,${status}`,
          'P1,-5,12.50,true,1987-03-09,2026-01-15T10:30:00.045Z,realized',
        ),
      ],
    })
    await run()
    expect(await recipient('P1', `points, score::text, vip, born::text, (seen AT TIME ZONE 'UTC')::text`)).toEqual([
      -5,
      '12.50',
      true,
      '1987-03-09',
      '2026-01-15 10:30:00.045',
    ])
  })

  test('keep commas, quotes, line breaks and every script as they were', async () => {
    deliver({
      files: [
        csv(
          `external_id,name,${status}`,
          'P1,"a ""b"", c\nd\r\ne",realized',
          'P2,Zoë 日本 🎯 \\n \\.,realized',
          'P3,\\.,realized',
        ),
      ],
    })
    const report = await run()
    expect(report.totals['rowsRead']).toBe(3)
    expect(await recipient('P1', 'name')).toEqual(['a "b", c\nd\r\ne'])
    expect(await recipient('P2', 'name')).toEqual(['Zoë 日本 🎯 \\n \\.'])
    expect(await recipient('P3', 'name')).toEqual(['\\.'])
  })

  test('never write a column that is opted out', async () => {
    deliver({ files: [csv(`external_id,consent,name,${status}`, 'P1,out,Ann,realized')] })
    await run()
    expect(await recipient('P1', 'consent, name')).toEqual(['in', 'Ann'])
  })

  test('need no status column', async () => {
    deliver({ files: [csv('external_id,name', 'P1,Ann')] })
    await run()
    expect(await recipient('P1', 'name')).toEqual(['Ann'])
    expect(await members()).toEqual(['P1'])
  })

  test('may have nothing but the key', async () => {
    deliver({ files: [csv('external_id', 'P1', 'P9')] })
    expect((await run()).totals).toMatchObject({ rowsRead: 2, updated: 0, unchanged: 1, waiting: 1, added: 1 })
  })

  test('come from split and compressed files alike', async () => {
    deliver({
      files: [
        csv(`external_id,name,${status}`, 'P1,Ann,realized'),
        csv(`external_id,name,${status}`, 'P2,Bob,realized', 'P9,Cy,realized'),
      ],
      gzip: true,
    })
    const report = await run(importPlan({}, {}, { compression: 'GZIP' }))
    expect(report.details).toEqual([
      expect.objectContaining({
        file: 'zone_gold_20261201T040000Z.csv.gz',
        counts: expect.objectContaining({ rowsRead: 1, updated: 1 }),
      }),
      expect.objectContaining({
        file: 'zone_gold_20261201T040000Z_2.csv.gz',
        counts: expect.objectContaining({ rowsRead: 2, updated: 1, waiting: 1 }),
      }),
      { segment: 'gold', counts: { waiting: 1 } },
    ])
    expect(rejects('zone_gold_20261201T040000Z_2.csv.gz')).toContain('3,')
  })

  test('are found by a composite key, of other types than text', async () => {
    await database.admin.query(`UPDATE recipients SET born = ('2000-01-0' || points)::date`)
    deliver({ files: [csv(`points,born,name,${status}`, '3,2000-01-03,Cy,realized', '3,2000-01-04,No,realized')] })
    const report = await run(importPlan({ reconciliationKey: ['points', 'born'] }))
    expect(report.totals).toMatchObject({ updated: 1, waiting: 1 })
    expect(await recipient('P3', 'name')).toEqual(['Cy'])
    expect(await select('SELECT recipient_key FROM convoke.audience_members')).toEqual([[[3, '2000-01-03']]])
  })
})

describe('a row goes to the rejects', () => {
  test.each([
    ['without a key', ',a@example.test,1,realized', /no value for the key external_id/],
    ['with an empty key', '"",a@example.test,1,realized', /no value for the key external_id/],
    ['with a value of another type', 'P1,a@example.test,many,realized', /points: 'many' is no integer/],
    ['with a number out of range', 'P1,a@example.test,99999999999,realized', /points: '99999999999' is no integer/],
    [
      'with a text too long for its column',
      `P1,${'x'.repeat(41)},1,realized`,
      /email: .* is no character varying\(40\)/,
    ],
    ['with an unknown status', 'P1,a@example.test,1,active', /neither realized nor exited/],
    [
      'that a constraint refuses',
      'P1,a@example.test,1000001,realized',
      /the database refused it: .*recipients_points_check/,
    ],
    ['with a NUL character', 'P1,a\0b,1,realized', /NUL character/],
    ['whose recipient stood before', 'P2,b@example.test,2,realized', /the same key as line 2/],
  ])('%s', async (_, line, reason) => {
    deliver({
      files: [
        csv(
          `external_id,email,points,${status}`,
          'P2,two@example.test,2,realized',
          line,
          'P3,three@example.test,3,realized',
        ),
      ],
    })
    const report = await run()
    expect(report.outcome).toBe('Succeeded')
    expect(report.totals).toMatchObject({ rowsRead: 3, updated: 2, rejected: 1, added: 2 })
    const [header, reject] = rejects().split('\n')
    expect(header).toBe(`line,reason,external_id,email,points,${status}`)
    expect(reject).toMatch(/^3,/)
    expect(reject).toMatch(reason)
    if (!line.includes('\0')) expect(reject!.endsWith(line.replace('"",', '"",'))).toBe(true)
    expect(await recipient('P3', 'email')).toEqual(['three@example.test'])
    expect(await members()).toEqual(['P2', 'P3'])
  })

  test('with the line on which it begins, however many lines the rows before it took', async () => {
    deliver({
      files: [
        csv(
          `external_id,name,${status}`,
          'P1,"a\nb\nc",realized',
          'P9,x,realized',
          'P2,"\n",realized',
          'P8,x,realized',
        ),
      ],
    })
    await run()
    expect(
      rejects()
        .split('\n')
        .slice(1, -1)
        .map((line) => line.split(',')[0]),
    ).toEqual(['5', '8'])
  })

  test('when its key has several recipients', async () => {
    await database.admin.query(`UPDATE recipients SET name = 'Twin' WHERE external_id IN ('P1', 'P2')`)
    deliver({ files: [csv(`name,points,${status}`, 'Twin,9,realized', 'Name 3,9,realized')] })
    const report = await run(importPlan({ reconciliationKey: ['name'] }))
    expect(report.totals).toMatchObject({ updated: 1, rejected: 1 })
    expect(rejects()).toContain('2 rows of public.recipients have this key')
  })

  test('when it would empty a column that may not be empty', async () => {
    await database.admin.query(`ALTER TABLE recipients ALTER consent DROP DEFAULT`)
    deliver({ files: [csv(`external_id,consent,${status}`, 'P1,,realized', 'P2,out,realized')] })
    const report = await run(importPlan({ optOutColumns: [] }))
    expect(report.totals).toMatchObject({ updated: 1, rejected: 1 })
    expect(rejects()).toContain('consent may not be empty')
  })

  test('and where the name of its file leaves no room for an ending, to one with a shorter name', async () => {
    const first = `${'x'.repeat(225)}_gold_20261201T040000Z`
    deliver({ first, files: [csv(`external_id,name,${status}`, 'P9,Ann,realized')] })
    const plan = importPlan({}, {}, { nameTemplate: `${'x'.repeat(225)}_{segment}_{timestamp}` })
    expect((await run(plan)).totals).toMatchObject({ files: 1, waiting: 1 })
    const [name, ...others] = readdirSync(zone).filter((found) => found.endsWith('.rejects.csv'))
    expect(others).toEqual([])
    expect(name).toHaveLength(255)
    expect(readFileSync(join(zone, name!), 'utf8')).toContain('no row of public.recipients has this key')
  })

  test('an earlier attempt has left a rejects file: it is emptied', async () => {
    writeFileSync(join(zone, 'zone_gold_20261201T040000Z.csv.rejects.csv'), 'old')
    deliver({ files: [csv('external_id,name', 'P1,Ann')] })
    await run()
    expect(rejects()).toBe('line,reason,external_id,name\n')
  })
})

describe('the list of an audience', () => {
  const next = (files: string[], choices: Partial<Parameters<typeof deliver>[0]> = {}) => {
    deliver({ run: 'act-offers-2', files, ...choices })
    return run(importPlan(), { run: 'act-offers-2' })
  }
  beforeEach(async () => {
    deliver({
      files: [csv(`external_id,name,${status}`, 'P1,a,realized', 'P2,b,realized', 'P3,c,realized')],
      backfill: true,
    })
    await run()
  })

  test('holds who is in it, since when and by which run', async () => {
    expect(
      await select(`SELECT segment, recipient_key, status, since, run FROM convoke.audience_members ORDER BY 2`),
    ).toEqual(
      ['P1', 'P2', 'P3'].map((key) => ['gold', [key], 'realized', new Date('2026-12-01T03:00:00Z'), 'act-offers-1']),
    )
  })

  test('gains the realized and loses the exited of an increment, and an exit changes no attribute', async () => {
    const report = await next([csv(`external_id,name,${status}`, 'P2,changed,exited', 'P4,d,realized', 'P9,,exited')])
    expect(await members()).toEqual(['P1', 'P3', 'P4'])
    expect(await recipient('P2', 'name')).toEqual(['b'])
    expect(report.totals).toMatchObject({
      rowsRead: 3,
      updated: 1,
      unchanged: 0,
      rejected: 0,
      exited: 2,
      added: 1,
      removed: 1,
    })
  })

  test('loses an exited member whose recipient is gone', async () => {
    await database.admin.query(`DELETE FROM recipients WHERE external_id = 'P3'`)
    await next([csv(`external_id,name,${status}`, 'P3,,exited')])
    expect(await members()).toEqual(['P1', 'P2'])
  })

  test('keeps a member that is both realized and exited', async () => {
    await next([csv(`external_id,name,${status}`, 'P1,old,exited', 'P1,new,realized')])
    expect(await members()).toEqual(['P1', 'P2', 'P3'])
    expect(await recipient('P1', 'name')).toEqual(['new'])
  })

  test.each([
    ['a full file', { export: 'Full' as const }],
    ['a backfill', { backfill: true }],
  ])('is replaced by %s; who stays keeps the date', async (_, choices) => {
    const report = await next([csv(`external_id,name,${status}`, 'P2,b,realized', 'P4,d,realized', 'P9,x,realized')], {
      ...choices,
      evaluatedAt: '2026-12-01T03:30:00Z',
    })
    expect(await select(`SELECT recipient_key ->> 0, run FROM convoke.audience_members ORDER BY 1`)).toEqual([
      ['P2', 'act-offers-1'],
      ['P4', 'act-offers-2'],
    ])
    expect(report.totals).toMatchObject({ added: 1, removed: 2, waiting: 1 })
  })

  test('is emptied by a full file without rows', async () => {
    await next([csv(`external_id,name,${status}`)], { export: 'Full' })
    expect(await members()).toEqual([])
  })

  test('of a Segment that was deleted is emptied by its last increment', async () => {
    deliver({
      segment: 'gone',
      files: [csv(`external_id,name,${status}`, 'P4,d,realized', 'P5,e,realized')],
      backfill: true,
    })
    const departed = [{ name: 'gone', displayName: 'Gone away' }]
    await run(importPlan(), { departed })
    expect(await members('gone')).toEqual(['P4', 'P5'])
    deliver({
      segment: 'gone',
      run: 'act-offers-2',
      files: [csv(`external_id,name,${status}`, 'P4,changed,exited', 'P5,,exited')],
    })
    const last = () => run(importPlan(), { run: 'act-offers-2', departed })
    const report = await last()
    expect(report.details).toMatchObject([{ segment: 'gone', departed: true, counts: { exited: 2, removed: 2 } }])
    expect(await members('gone')).toEqual([])
    expect(await recipient('P4', 'name')).toEqual(['d'])
    expect((await last()).details).toEqual(report.details)
    // One whose name is in the plan again is not asked for twice.
    const plan = importPlan()
    const both = { ...plan, export: { ...plan.export!, segments: departed } }
    expect((await run(both, { run: 'act-offers-2', departed })).details).toHaveLength(1)
  })

  test('of another Segment is not touched', async () => {
    await next([csv(`external_id,name,${status}`, 'P5,x,realized')], { export: 'Full', segment: 'silver' })
    expect(await members()).toEqual(['P1', 'P2', 'P3'])
    expect(await members('silver')).toEqual(['P5'])
  })
})

test('a profile sync updates and keeps no list', async () => {
  deliver({ files: [csv(`external_id,name,${status}`, 'P1,Ann,realized', 'P2,,exited')] })
  const report = await run(importPlan({}, { syncType: 'Profile' }))
  expect(report.totals).toMatchObject({ updated: 1, added: 0, exited: 1 })
  expect(await select('SELECT * FROM convoke.audience_members')).toEqual([])
})

describe('a replay', () => {
  test('changes nothing and reports the same', async () => {
    deliver({ files: [csv(`external_id,name,${status}`, 'P1,Ann,realized', 'P9,x,realized')] })
    const first = await run()
    await database.admin.query(`UPDATE recipients SET name = 'Later' WHERE external_id = 'P1'`)
    const again = await run(importPlan(), { attempt: 2 })
    expect(again.totals).toEqual(first.totals)
    expect(again.details).toEqual(first.details)
    expect(await recipient('P1', 'name')).toEqual(['Later'])
    expect(await select('SELECT run, file, rows::integer FROM convoke.import_ledger')).toEqual([
      ['act-offers-1', 'zone_gold_20261201T040000Z.csv', 2],
    ])
  })

  test('with other content under the same name and run is refused', async () => {
    deliver({ files: [csv(`external_id,name,${status}`, 'P1,Ann,realized')] })
    await run()
    deliver({ files: [csv(`external_id,name,${status}`, 'P1,Bob,realized')] })
    expect((await run()).error).toMatchObject({ reason: 'ChecksumMismatch' })
    expect(await recipient('P1', 'name')).toEqual(['Ann'])
  })

  test('at the same time as the first run does the work once', async () => {
    deliver({ files: [csv(`external_id,name,${status}`, 'P1,Ann,realized', 'P9,x,realized')] })
    const reports = await Promise.all([run(), run(), run(), run()])
    expect(new Set(reports.map(({ totals }) => JSON.stringify(totals)))).toHaveLength(1)
    expect(reports.every(({ outcome }) => outcome === 'Succeeded')).toBe(true)
    expect(await select('SELECT count(*)::integer FROM convoke.import_ledger')).toEqual([[1]])
  })
})

describe('a fault', () => {
  const good = csv(`external_id,name,${status}`, 'P1,Ann,realized')

  test.each<[string, () => void, string]>([
    [
      'a byte differs',
      () => writeFileSync(join(zone, 'zone_gold_20261201T040000Z.csv'), good.replace('Ann', 'Bob')),
      'ChecksumMismatch',
    ],
    [
      'the file is longer',
      () => writeFileSync(join(zone, 'zone_gold_20261201T040000Z.csv'), `${good}P2,x,realized\n`),
      'ChecksumMismatch',
    ],
    [
      'the manifest is older than the landing zone keeps files',
      () => utimesSync(join(zone, 'zone_gold_20261201T040000Z.csv.manifest.json'), 0, 1_000_000),
      'RetentionExceeded',
    ],
    [
      'the manifest is no JSON',
      () => writeFileSync(join(zone, 'zone_gold_20261201T040000Z.csv.manifest.json'), '{'),
      'UnreadableFile',
    ],
  ])('where %s imports nothing of it', async (_, damage, reason) => {
    deliver({ files: [good] })
    damage()
    const report = await run()
    expect(report).toMatchObject({
      outcome: 'Failed',
      error: { reason, message: expect.stringContaining('zone_gold_20261201T040000Z') },
    })
    expect(await recipient('P1', 'name')).toEqual(['Name 1'])
  })

  test('of one Segment does not keep the others out', async () => {
    deliver({ files: [good] })
    deliver({ segment: 'silver', files: [csv(`external_id,name,${status}`, 'P2,Bob,realized')] })
    writeFileSync(join(zone, 'zone_gold_20261201T040000Z.csv'), 'damaged')
    const report = await run()
    expect(report).toMatchObject({
      outcome: 'Failed',
      error: { reason: 'ChecksumMismatch' },
      details: [{ segment: 'silver' }],
    })
    expect(await members('silver')).toEqual(['P2'])
  })

  test.each([
    ['before', [], []],
    ['after', ['P1'], ['P2']],
  ] as const)(
    'in the moment of the commit, %s it was done, is told as one of which nobody knows',
    async (moment, gold, silver) => {
      deliver({ files: [good] })
      deliver({ segment: 'silver', files: [csv(`external_id,name,${status}`, 'P2,Bob,realized')] })
      await run(importPlan(), { run: 'nothing-yet' })
      const { port, close } = await cuttingAtCommit(new URL(database.url), moment)
      const url = database.url.replace(/:\d+\//, `:${port}/`)
      const report = await run(importPlan(), {}, url)
      expect(report).toMatchObject({ outcome: 'Failed', error: { reason: 'DatabaseUnavailable', retryable: true } })
      expect(report.details).toEqual([
        { segment: 'gold', manifest: 'zone_gold_20261201T040000Z.csv.manifest.json', counts: { uncertain: 1 } },
        { segment: 'silver', manifest: 'zone_silver_20261201T040000Z.csv.manifest.json', counts: { uncertain: 1 } },
      ])
      await close()
      expect([await members(), await members('silver')]).toEqual([gold, silver])
      // Another attempt finds out.
      const again = await run(importPlan(), { attempt: 2 })
      expect(again).toMatchObject({ outcome: 'Succeeded', details: [{ segment: 'gold' }, { segment: 'silver' }] })
      expect(await members()).toEqual(['P1'])
    },
  )

  test('of the files is told where they were evaluated longer ago than the landing zone keeps them', async () => {
    deliver({ files: [good] })
    expect((await run(importPlan(), { now: '2026-12-09T04:00:00Z' })).error).toMatchObject({
      reason: 'RetentionExceeded',
      message: expect.stringMatching(/evaluation 193 h ago; .* 168h\. Evaluate its ProfileStore/),
    })
  })

  test('of a CSV that is none names the file', async () => {
    deliver({ files: [csv(`external_id,name,${status}`, 'P1,Ann')] })
    expect((await run()).error).toMatchObject({
      reason: 'UnreadableFile',
      message: expect.stringContaining('zone_gold'),
    })
  })

  test.each<[string, () => Promise<unknown> | JobPlan, string, RegExp]>([
    ['a missing table', () => importPlan({ table: 'nobody' }), 'DatabaseRefused', /no table public\.nobody/],
    [
      'a missing column',
      async () => database.admin.query('ALTER TABLE recipients DROP COLUMN name'),
      'DatabaseRefused',
      /no column name/,
    ],
    [
      'a missing privilege',
      async () => database.admin.query('REVOKE UPDATE ON recipients FROM campaign'),
      'DatabaseRefused',
      /GRANT SELECT, UPDATE ON "public"\."recipients" TO campaign/,
    ],
  ])('of the database, %s, says what to do', async (_, prepare, reason, message) => {
    deliver({ files: [good] })
    const prepared = await prepare()
    const plan = prepared && typeof prepared === 'object' && 'digest' in prepared ? (prepared as JobPlan) : importPlan()
    expect((await run(plan)).error).toMatchObject({ reason, message: expect.stringMatching(message) })
    expect(await select('SELECT * FROM convoke.import_ledger')).toEqual([])
  })

  test('of a role that may create no schema says what to grant', async () => {
    deliver({ files: [good] })
    await database.admin.query('REVOKE CREATE ON DATABASE postgres FROM campaign')
    const report = await run()
    await database.admin.query('GRANT CREATE ON DATABASE postgres TO campaign')
    expect(report.error).toMatchObject({
      reason: 'DatabaseRefused',
      message: expect.stringContaining('CREATE SCHEMA convoke AUTHORIZATION campaign'),
    })
  })

  test('of a wrong password is refused, of a database that is down may pass', async () => {
    deliver({ files: [good] })
    const wrong = await run(importPlan(), {}, database.url.replace('campaign:campaign', 'campaign:wrong'))
    expect(wrong.error).toMatchObject({
      reason: 'DatabaseRefused',
      message: expect.not.stringContaining('campaign:wrong'),
    })
    const down = await run(importPlan(), {}, 'postgresql://campaign:secret@127.0.0.1:1/postgres')
    expect(down.error).toMatchObject({
      reason: 'DatabaseUnavailable',
      retryable: true,
      message: expect.not.stringContaining('secret'),
    })
  })
})

test('a run without manifests has nothing to import', async () => {
  deliver({ run: 'act-offers-7', files: [csv('external_id', 'P1')] })
  expect(await run()).toMatchObject({ outcome: 'Succeeded', totals: { files: 0 } })
})

test.each([
  ['5', 'integer', true],
  ['5.5', 'integer', false],
  ['99999999999', 'integer', false],
  ['123456.00', 'numeric(6,2)', false],
  ['true', 'boolean', true],
  ['maybe', 'boolean', false],
  ['2026-02-30', 'date', false],
  ['2026-01-15T10:30:00Z', 'timestamp with time zone', true],
  ["it's", 'text', true],
])('a server before PostgreSQL 16 judges %j as %s the same way', async (value, type, valid) => {
  deliver({ files: [csv('external_id,name', 'P1,Ann')] })
  await run()
  const { rows } = await database.admin.query(
    'SELECT convoke.input_is_valid($1, $2) AS ours, pg_input_is_valid($1, $2) AS builtin',
    [value, type],
  )
  expect(rows).toEqual([{ ours: valid, builtin: valid }])
})

/** A way to the database that breaks when an import is committed: before the database hears of it, or before it can answer. */
async function cuttingAtCommit(
  { hostname, port }: URL,
  moment: 'before' | 'after',
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server = createServer((client) => {
    const database = connect(Number(port), hostname)
    let isLast = false
    for (const socket of [client, database]) socket.on('error', () => {})
    database.on('data', (data) => client.write(data))
    client.on('data', (data) => {
      isLast ||= data.includes('INSERT INTO convoke.import_results')
      if (!isLast || !data.includes('COMMIT\0')) return database.write(data)
      if (moment === 'before') database.destroy()
      else {
        // Until it is idle again, nobody hears anything.
        database.removeAllListeners('data')
        database.on('data', (answer) => answer.includes('COMMIT') && client.destroy())
        database.write(data)
      }
      if (moment === 'before') client.destroy()
    })
    client.on('close', () => database.destroy())
    database.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port, // of a TCP server
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
