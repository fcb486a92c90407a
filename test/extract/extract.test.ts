import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JobPlan, RunReport } from '#crds'
import { extract } from '../../jobs/extract/index.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../jobs/postgres/index.ts'
import { commitData, readDataManifest } from '../../jobs/profile-store.ts'
import { portsOf } from '../stores/ports.ts'

const volumes = mkdtempSync(join(tmpdir(), 'convoke-extract-'))
const root = join(volumes, 'profile-store')
let server: EmbeddedPostgres
let admin: pg.Client

beforeAll(async () => {
  server = await startEmbeddedPostgres({ folder: join(volumes, 'postgres'), log: () => {} })
  admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  await admin.query(`CREATE ROLE reader LOGIN PASSWORD 'reader'`)
})
afterAll(async () => {
  await admin.end()
  await server.stop()
  rmSync(volumes, { recursive: true })
})
beforeEach(async () => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  await admin.query(`DROP TABLE IF EXISTS delivery_logs, tracking_logs;
    CREATE TABLE delivery_logs (id integer, external_id text, last_modified timestamptz, status text, "delivery.label" text, cost numeric(8,3));
    INSERT INTO delivery_logs VALUES
      (1, 'P1', '2026-11-20 10:00:00.125+01', 'sent', 'say "hi", \\ Zoë' || chr(10) || 'x', 0.125), (2, 'P2', '2026-11-20 09:30:00+00', NULL, '', NULL);
    CREATE TABLE tracking_logs (n bigint, external_id text, clicked timestamp, status text);
    INSERT INTO tracking_logs VALUES (7, 'P1', '2026-11-20 12:00:00', 'open');
    GRANT SELECT ON delivery_logs, tracking_logs TO reader`)
})

type Tables = NonNullable<JobPlan['extract']>['tables']
const delivery: Tables[number] = { name: 'delivery_logs', eventType: 'sent', watermark: 'last_modified', mapping: [] }

const planOf = (tables: Tables): JobPlan => ({
  apiVersion: 'convoke.dev/v1alpha1',
  kind: 'JobPlan',
  digest: 'sha256:0',
  target: { kind: 'CampaignSource', namespace: 'default', name: 'logs' },
  store: {
    name: 'retail',
    volume: { claimName: 'profile-store' },
    engine: { type: 'DuckDB', duckDB: { threads: 2, memoryLimit: '1Gi' } },
    profile: [{ path: 'customerId', type: 'string' }],
    event: [
      { path: 'timestamp', type: 'timestamp' },
      { path: 'eventType', type: 'string' },
      { path: 'status', type: 'string' },
      { path: 'delivery.label', type: 'string' },
      { path: 'cost', type: 'number' },
    ],
    identities: [{ namespace: 'CustomerId', path: 'customerId', primary: true }],
    mergePolicy: { attributes: 'TimestampOrdered', stitching: 'None' },
  },
  ingest: {
    datasets: [],
    limits: {
      profileRecordBytes: 1e5,
      eventBytes: 1e4,
      eventsPerProfile: 5000,
      eventArrayLength: 10,
      profileArrayLength: 500,
      identitiesPerProfile: 50,
    },
  },
  extract: {
    instance: 'production',
    source: 'logs',
    database: { host: '127.0.0.1', port: 1, database: 'campaign' },
    identity: { namespace: 'CustomerId', column: 'external_id' },
    overlap: '10m',
    tables,
  },
})

const contextOf = (run: string, tables: Tables, now = '2026-12-01T00:00:00Z') => ({
  plan: planOf(tables),
  input: { run, scheduledTime: now, now, trigger: 'Schedule' as const },
  ports: portsOf({ volumes, databases: { production: server.url.replace(/postgres:[^@]+@/, 'reader:reader@') } }),
})
const run = (name: string, tables: Tables = [delivery], now?: string): Promise<RunReport> =>
  extract(contextOf(name, tables, now))

/** Events after the next ingest, in order of profile and time. */
async function events(columns = '"$profile", "timestamp"::VARCHAR, "eventType", status'): Promise<unknown[][]> {
  const report = await ingest(contextOf('ingest', [delivery]))
  expect(report.error).toBeUndefined()
  const files = readDataManifest(root)!
    .events.flat()
    .map((file) => `'${join(root, file)}'`)
  if (files.length === 0) return []
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll(
    `SELECT ${columns} FROM read_parquet([${files.join(', ')}]) ORDER BY "$profile", "timestamp", "eventType"`,
  )
  const rows = reader.getRowsJson()
  connection.closeSync()
  instance.closeSync()
  return rows
}

describe('a log table', () => {
  test('becomes events of the identities it names, at the time it was modified', async () => {
    const report = await run('one')
    expect(report.error).toBeUndefined()
    expect(report.totals).toMatchObject({ rowsRead: 2, accepted: 2, badRows: 0 })
    expect(report.details).toEqual([
      { table: 'delivery_logs', counts: expect.objectContaining({ rowsRead: 2, accepted: 2 }) },
    ])
    expect(await events()).toEqual([
      ['P1', '2026-11-20 09:00:00.125', 'sent', 'sent'],
      ['P2', '2026-11-20 09:30:00', 'sent', null],
    ])
  })

  test('keeps texts and numbers as they are', async () => {
    await run('one')
    expect(await events('"delivery.label", cost')).toEqual([
      ['say "hi", \\ Zoë\nx', 0.125],
      ['', null],
    ])
  })

  test('gives what its mapping names and nothing else', async () => {
    await run('one', [{ ...delivery, mapping: [{ source: 'status', target: 'delivery.label', type: 'string' }] }])
    expect(await events('"$profile", status, "delivery.label"')).toEqual([
      ['P1', null, 'sent'],
      ['P2', null, null],
    ])
  })

  test('may have a number as watermark when a column gives the time', async () => {
    const tracking: Tables[number] = {
      name: 'public.tracking_logs',
      eventType: 'click',
      watermark: 'n',
      mapping: [{ source: 'clicked', target: 'timestamp', type: 'timestamp' }],
    }
    await run('one', [tracking])
    await admin.query(`INSERT INTO tracking_logs VALUES (8, 'P2', '2026-11-20 12:00:01', 'x')`)
    expect((await run('two', [tracking])).totals).toMatchObject({ accepted: 1 })
    expect(await events()).toEqual([
      ['P1', '2026-11-20 12:00:00', 'click', null],
      ['P2', '2026-11-20 12:00:01', 'click', null],
    ])
  })
})

describe('the next run', () => {
  test('reads from the watermark less the overlap, and a row it knows stays one event', async () => {
    await run('one')
    // P1's row lies more than ten minutes before the watermark, P2's at it; a late row commits inside the overlap.
    await admin.query(
      `INSERT INTO delivery_logs VALUES (3, 'P3', '2026-11-20 09:25:00+00', 'late', NULL, NULL), (4, 'P4', '2026-11-20 09:40:00+00', 'new', NULL, NULL)`,
    )
    expect((await run('two')).totals).toMatchObject({ rowsRead: 3, accepted: 2 })
    expect((await events()).map(([profile, , , status]) => [profile, status])).toEqual([
      ['P1', 'sent'],
      ['P2', null],
      ['P3', 'late'],
      ['P4', 'new'],
    ])
  })

  test('with nothing new adds no file', async () => {
    await run('one')
    expect((await run('two')).totals).toMatchObject({ rowsRead: 1, accepted: 0 })
    expect(Object.keys(readDataManifest(root)!.sources['logs']!.files)).toHaveLength(1)
  })

  test('takes an updated row as another event', async () => {
    await run('one')
    await admin.query(
      `UPDATE delivery_logs SET status = 'bounced', last_modified = '2026-11-20 11:00:00+00' WHERE id = 2`,
    )
    await run('two')
    expect(await events()).toEqual([
      ['P1', '2026-11-20 09:00:00.125', 'sent', 'sent'],
      ['P2', '2026-11-20 09:30:00', 'sent', null],
      ['P2', '2026-11-20 11:00:00', 'sent', 'bounced'],
    ])
  })

  test('of the same name gives the same events', async () => {
    await run('one')
    await run('one')
    expect(await events()).toHaveLength(2)
  })
})

describe('a row with a key', () => {
  const keyed = { ...delivery, key: ['id'] }

  test('that changes is the same event, as it is now', async () => {
    await run('one', [keyed])
    await admin.query(
      `UPDATE delivery_logs SET status = 'bounced', last_modified = '2026-11-20 11:00:00+00' WHERE id = 2`,
    )
    expect((await run('two', [keyed])).totals).toMatchObject({ rowsRead: 1, accepted: 1 })
    expect(await events()).toEqual([
      ['P1', '2026-11-20 09:00:00.125', 'sent', 'sent'],
      ['P2', '2026-11-20 11:00:00', 'sent', 'bounced'],
    ])
    expect((await run('three', [keyed])).totals).toMatchObject({ rowsRead: 1, accepted: 0 })
  })

  test('that is the primary key of the table, and nobody named another, is the same event as well', async () => {
    await admin.query('ALTER TABLE delivery_logs ADD PRIMARY KEY (id)')
    await run('one')
    await admin.query(
      `UPDATE delivery_logs SET status = 'bounced', last_modified = '2026-11-20 11:00:00+00' WHERE id = 2`,
    )
    expect((await run('two')).totals).toMatchObject({ rowsRead: 1, accepted: 1 })
    expect(await events()).toHaveLength(2)
  })

  test('that it was given later is known by what it was', async () => {
    await run('one')
    await admin.query(`INSERT INTO delivery_logs VALUES (4, 'P4', '2026-11-20 09:40:00+00', 'new', NULL, NULL)`)
    expect((await run('two', [keyed])).totals).toMatchObject({ rowsRead: 2, accepted: 1 })
    expect(await events()).toHaveLength(3)
  })

  test('of which a part is missing is known by all its columns', async () => {
    await admin.query('UPDATE delivery_logs SET id = NULL')
    await run('one', [keyed])
    expect(await events()).toHaveLength(2)
  })
})

describe('the watermark', () => {
  test.each(['2099-01-01T00:00:00Z', 'infinity'])(
    '%s lies ahead: the row is left out with a word, and the next ones are read',
    async (ahead) => {
      await admin.query(`INSERT INTO delivery_logs VALUES (9, 'P9', '${ahead}', 'sent', NULL, NULL)`)
      const report = await run('one')
      expect(report.totals).toMatchObject({ rowsRead: 2, accepted: 2, ahead: 1 })
      expect(report.warnings).toEqual([
        {
          code: 'dated-ahead',
          message: expect.stringMatching(
            /^Table delivery_logs: 1 rows have a last_modified later than this Run, the latest (2099-|infinity)/,
          ),
        },
      ])
      await admin.query(`INSERT INTO delivery_logs VALUES (4, 'P4', '2026-11-20 09:40:00+00', 'new', NULL, NULL)`)
      expect((await run('two')).totals).toMatchObject({ accepted: 1, ahead: 1 })
      expect((await events()).map(([profile]) => profile)).toEqual(['P1', 'P2', 'P4'])
    },
  )

  test('in the second of the Run itself, which has no smaller part, is there', async () => {
    await admin.query(`INSERT INTO delivery_logs VALUES (9, 'P9', '2026-12-01 00:00:00.9+00', 'sent', NULL, NULL)`)
    expect((await run('one')).totals).toMatchObject({ rowsRead: 3, accepted: 3 })
  })

  test('that an earlier version remembered ahead is forgotten, and nothing is doubled', async () => {
    await run('one')
    const data = readDataManifest(root)!
    const source = { ...data.sources['logs']!, watermarks: { delivery_logs: '2099-01-01 00:00:00+00' } }
    commitData(root, { ...data, sources: { logs: source } }, false)
    await admin.query(`INSERT INTO delivery_logs VALUES (4, 'P4', '2026-11-20 08:00:00+00', 'new', NULL, NULL)`)
    expect((await run('two')).totals).toMatchObject({ rowsRead: 3, accepted: 1 })
    expect(await events()).toHaveLength(3)
  })

  test('of a row that is dated ahead is reached in time', async () => {
    await admin.query(`INSERT INTO delivery_logs VALUES (9, 'P9', '2026-12-01 00:30:00+00', 'sent', NULL, NULL)`)
    await run('one')
    expect((await run('two', [delivery], '2026-12-01T01:00:00Z')).totals).toMatchObject({ accepted: 1, ahead: 0 })
  })

  test('that is a number reads the last rows before it again', async () => {
    const tracking: Tables[number] = {
      name: 'tracking_logs',
      eventType: 'click',
      watermark: 'n',
      mapping: [{ source: 'clicked', target: 'timestamp', type: 'timestamp' }],
    }
    await run('one', [tracking])
    // Its transaction began earlier and committed later.
    await admin.query(`INSERT INTO tracking_logs VALUES (6, 'P2', '2026-11-20 11:59:00', 'x')`)
    expect((await run('two', [tracking])).totals).toMatchObject({ accepted: 1 })
    const plan = planOf([tracking])
    await admin.query(`INSERT INTO tracking_logs VALUES (5, 'P3', '2026-11-20 11:58:00', 'x')`)
    const none = { ...contextOf('three', [tracking]), plan: { ...plan, extract: { ...plan.extract!, overlapRows: 0 } } }
    expect((await extract(none)).totals).toMatchObject({ rowsRead: 1, accepted: 0 })
  })

  test('that is missing keeps nothing out', async () => {
    await admin.query(`ALTER TABLE tracking_logs ADD changed timestamptz`)
    const tracking: Tables[number] = {
      name: 'tracking_logs',
      eventType: 'click',
      watermark: 'changed',
      mapping: [{ source: 'clicked', target: 'timestamp', type: 'timestamp' }],
    }
    expect((await run('one', [tracking])).totals).toMatchObject({ accepted: 1 })
    await admin.query(`INSERT INTO tracking_logs VALUES (8, 'P2', '2026-11-20 12:00:01', 'x')`)
    expect((await run('two', [tracking])).totals).toMatchObject({ rowsRead: 2, accepted: 1 })
    expect(await events()).toHaveLength(2)
  })

  test('that is no number keeps nothing else out', async () => {
    await admin.query(
      `ALTER TABLE tracking_logs ALTER n TYPE numeric; INSERT INTO tracking_logs VALUES ('NaN', 'P3', '2026-11-20 12:00:01', 'x')`,
    )
    const tracking: Tables[number] = {
      name: 'tracking_logs',
      eventType: 'click',
      watermark: 'n',
      mapping: [{ source: 'clicked', target: 'timestamp', type: 'timestamp' }],
    }
    expect((await run('one', [tracking])).totals).toMatchObject({ accepted: 1, ahead: 1 })
    await admin.query(`INSERT INTO tracking_logs VALUES (8, 'P2', '2026-11-20 12:00:01', 'x')`)
    expect((await run('two', [tracking])).totals).toMatchObject({ accepted: 1 })
  })
})

test('rows that are no events are counted, told with the reason, and listed by the names of their columns', async () => {
  await admin.query(`ALTER TABLE delivery_logs ALTER cost TYPE text; UPDATE delivery_logs SET cost = 'dear' WHERE id = 2;
    INSERT INTO delivery_logs VALUES (3, NULL, '2026-11-20 09:25:00+00', 'sent', NULL, NULL), (4, 'P4', '-infinity', 'sent', NULL, NULL)`)
  const report = await run('one')
  expect(report.totals).toMatchObject({ rowsRead: 4, accepted: 1, badRows: 3 })
  const [warning] = report.warnings!
  expect(warning!.message).toMatch(/^Table delivery_logs: 3 rows were left out \(/)
  for (const reason of ['external_id is missing', 'cost is not a number', 'last_modified is missing'])
    expect(warning!.message).toContain(reason)
  const path = /The store's (\S+) lists them/.exec(warning!.message)![1]!
  const listed = readFileSync(join(root, path), 'utf8')
  for (const column of ['external_id', 'cost', 'last_modified'])
    expect(listed).toMatch(new RegExp(`^[^,]+,\\d+,${column},`, 'm'))
  await events()
  expect(existsSync(join(root, path))).toBe(true)
})

test.each(['row', 'whole', 't', 'line', 'event', 'c0', 'select "x"'])(
  'a column named %s is a column like others',
  async (column) => {
    const quoted = `"${column.replaceAll('"', '""')}"`
    await admin.query(
      `ALTER TABLE delivery_logs ADD ${quoted} text; UPDATE delivery_logs SET ${quoted} = 'value ' || id`,
    )
    await run('one', [{ ...delivery, mapping: [{ source: column, target: 'status', type: 'string' }] }])
    expect((await events()).map(([, , , status]) => status)).toEqual(['value 1', 'value 2'])
  },
)

test('a table may have more mapped columns than a function takes arguments', async () => {
  const names = Array.from({ length: 120 }, (_, n) => `x${n}`)
  await admin.query(`ALTER TABLE delivery_logs ${names.map((name) => `ADD ${name} text DEFAULT 'v'`).join(', ')}`)
  const mapping = names.map((source) => ({ source, target: 'status', type: 'string' as const }))
  expect((await run('one', [{ ...delivery, mapping: mapping.slice(0, 1) }])).totals).toMatchObject({ accepted: 2 })
  const plan = planOf([
    { ...delivery, mapping: names.map((source) => ({ source, target: source, type: 'string' as const })) },
  ])
  const event = [...plan.store!.event, ...names.map((path) => ({ path, type: 'string' as const }))]
  const wide = { ...contextOf('two', []), plan: { ...plan, store: { ...plan.store!, event } } }
  expect((await extract(wide)).error).toBeUndefined()
})

test('a column that is added to the log makes no second event of a row', async () => {
  await run('one')
  await admin.query(`ALTER TABLE delivery_logs ADD reason text DEFAULT 'none'`)
  expect((await run('two')).totals).toMatchObject({ rowsRead: 1, accepted: 0 })
})

test('a table that cannot be read does not keep out the others', async () => {
  const report = await run('one', [{ ...delivery, name: 'nobody' }, delivery])
  expect(report).toMatchObject({
    outcome: 'Failed',
    error: { reason: 'DatabaseRefused', message: expect.stringMatching(/no table nobody.*All other tables were read/) },
    totals: { accepted: 2 },
  })
  expect(await events()).toHaveLength(2)
})

test.each<[string, Tables[number], string, string, RegExp]>([
  ['a missing table', { ...delivery, name: 'nobody' }, 'SELECT 1', 'DatabaseRefused', /no table nobody/],
  ['a missing column', { ...delivery, watermark: 'changed' }, 'SELECT 1', 'DatabaseRefused', /no column changed/],
  [
    'a table it may not read',
    delivery,
    'REVOKE SELECT ON delivery_logs FROM reader',
    'DatabaseRefused',
    /GRANT SELECT ON "delivery_logs" TO reader/,
  ],
  ['a table without a time', { ...delivery, watermark: 'id' }, 'SELECT 1', 'InvalidPlan', /gives no event time/],
])('%s is told with the next step, and nothing is committed', async (_, table, prepare, reason, message) => {
  await admin.query(prepare)
  expect((await run('one', [table])).error).toMatchObject({ reason, message: expect.stringMatching(message) })
  expect(readDataManifest(root)).toBeNull()
})
