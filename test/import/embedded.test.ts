import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureTarget, startEmbeddedPostgres } from '../../jobs/postgres/index.ts'
import { importPlan } from './plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'convoke-embedded-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query({ text: sql, rowMode: 'array' })
    return rows
  } finally {
    await client.end()
  }
}

describe('an embedded PostgreSQL', () => {
  const home = join(folder, 'lived-in')
  const start = () => startEmbeddedPostgres({ folder: home, log: () => {} })

  test('keeps its data from one start to the next, and starts in less than 3 s', async () => {
    const first = await start()
    await query(first.url, 'CREATE TABLE kept (n integer); INSERT INTO kept VALUES (1)')
    await first.stop()
    const before = Date.now()
    const second = await start()
    expect(Date.now() - before).toBeLessThan(3_000)
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([[1]])
    await second.stop()
    await expect(query(second.url, 'SELECT 1')).rejects.toThrow()
  })

  test('is taken over by the next process when the one that started it was killed', async () => {
    const script = `const { startEmbeddedPostgres } = await import(process.argv[1]); const { url } = await startEmbeddedPostgres({ folder: process.argv[2], log: () => {} }); console.log(url); setInterval(() => {}, 1000)`
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', script, resolve(import.meta.dirname, '../../jobs/postgres/index.ts'), home],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const url = String(await new Promise((said) => child.stdout.once('data', said))).trim()
    child.kill('SIGKILL')
    await new Promise((ended) => child.once('close', ended))
    await query(url, 'INSERT INTO kept VALUES (2)')
    const lines: string[] = []
    const next = await startEmbeddedPostgres({ folder: home, log: (line) => lines.push(line) })
    expect(next.url).toBe(url)
    expect(lines.join()).toContain('earlier process')
    expect(await query(next.url, 'SELECT n FROM kept ORDER BY 1')).toEqual([[1], [2]])
    await next.stop()
  })

  test('says so where its folder was copied without its data', async () => {
    const copy = join(folder, 'copied')
    mkdirSync(copy)
    cpSync(join(home, 'home'), join(copy, 'home'))
    await expect(startEmbeddedPostgres({ folder: copy, log: () => {} })).rejects.toThrow(
      /was in .*, and is not in .*: the folder was copied without it, or it was removed\./,
    )
  })

  test.runIf(userInfo().uid === 0)('says so where its folder was copied without its owners', async () => {
    const open = mkdtempSync(join(tmpdir(), 'convoke-open-'))
    chmodSync(open, 0o755)
    mkdirSync(join(open, 'data'))
    await expect(startEmbeddedPostgres({ folder: open, log: () => {} })).rejects.toThrow(
      /belongs to uid 0, and PostgreSQL runs as uid \d+: the folder was copied without its owners\. Give it back with `chown -R/,
    )
    rmSync(open, { recursive: true })
  })

  test('starts after its own server was killed, with what was committed', async () => {
    const first = await start()
    await query(first.url, 'INSERT INTO kept VALUES (3)')
    const [[pid]] = (await query(first.url, `SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)`)) as [
      [string],
    ]
    process.kill(Number(pid), 'SIGKILL')
    const second = await start()
    expect(await query(second.url, 'SELECT n FROM kept ORDER BY 1')).toEqual([[1], [2], [3]])
    await second.stop()
  })

  test('needs its password', async () => {
    const server = await start()
    await expect(query(server.url.replace(/postgres:[^@]+@/, 'postgres:wrong@'), 'SELECT 1')).rejects.toThrow(
      /password/,
    )
    await server.stop()
  })

  test.runIf(userInfo().uid === 0)('moves out of a folder that its user may not enter, and says so', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o700)
    const lines: string[] = []
    const server = await startEmbeddedPostgres({ folder: join(closed, 'database'), log: (line) => lines.push(line) })
    expect(await query(server.url, 'SELECT 1')).toEqual([[1]])
    await server.stop()
    const [, home] = /its data is in (\S+)\.$/.exec(lines[0]!)!
    expect(readdirSync(home!)).toContain('data')
    rmSync(home!, { recursive: true })
  })
})

describe('the target table', () => {
  let server: Awaited<ReturnType<typeof startEmbeddedPostgres>>
  const csv = join(folder, 'recipients.csv')
  const plan = importPlan({
    schema: 'crm',
    columns: (['Text', 'Integer', 'Double', 'Boolean', 'Date', 'DateTime'] as const).map((type) => ({
      name: type === 'Text' ? 'external_id' : type,
      type,
    })),
  }).import!
  beforeAll(async () => {
    server = await startEmbeddedPostgres({ folder: join(folder, 'target'), log: () => {} })
  })
  afterAll(() => server.stop())

  test('has the mapped types and a unique key, and holds the file once', async () => {
    writeFileSync(
      csv,
      '\uFEFFexternal_id,Integer,"extra, one",DateTime,Boolean,Double\nP1,5,"a ""b""",2026-01-15T10:30:00Z,true,0.5\nP2,,,,,\n',
    )
    await ensureTarget(server.url, plan, csv)
    await ensureTarget(server.url, plan, csv)
    expect(
      await query(
        server.url,
        `SELECT external_id, "Integer"::text, "extra, one", "DateTime"::text, "Boolean", "Double", "Date" FROM crm.recipients ORDER BY 1`,
      ),
    ).toEqual([
      ['P1', '5', 'a "b"', expect.stringContaining('2026-01-15'), true, 0.5, null],
      ['P2', null, null, null, null, null, null],
    ])
    expect(
      await query(
        server.url,
        `SELECT data_type FROM information_schema.columns WHERE table_schema = 'crm' ORDER BY ordinal_position`,
      ),
    ).toEqual(
      ['text', 'bigint', 'double precision', 'boolean', 'date', 'timestamp with time zone', 'text'].map((type) => [
        type,
      ]),
    )
    await expect(query(server.url, `INSERT INTO crm.recipients (external_id) VALUES ('P1')`)).rejects.toThrow(/unique/)
  })

  test('is empty without a file, and not left half made by a bad one', async () => {
    const other = { ...plan, target: { ...plan.target, table: 'others' } }
    writeFileSync(csv, 'external_id,Integer\nP1,many\n')
    await expect(ensureTarget(server.url, other, csv)).rejects.toMatchObject({
      reason: 'UnreadableFile',
      message: expect.stringContaining('Integer'),
    })
    expect(await query(server.url, `SELECT to_regclass('crm.others')`)).toEqual([[null]])
    await ensureTarget(server.url, other, null)
    expect(await query(server.url, 'SELECT count(*)::integer FROM crm.others')).toEqual([[0]])
  })
})
