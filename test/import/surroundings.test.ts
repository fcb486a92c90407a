// What befalls an import from its database: locks, time-outs, rights, poolers, connections that break.
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RunReport } from '#crds'
import { importFiles } from '../../jobs/import/index.ts'
import { freePort } from '../stores/endpoints.ts'
import { portsOf } from '../stores/ports.ts'
import { csv, deliver, startDatabase, status, volumes } from './database.ts'
import { importPlan } from './plan.ts'

let database: Awaited<ReturnType<typeof startDatabase>>
beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database.stop())
beforeEach(async () => {
  await database.reset()
  deliver({ files: [csv(`external_id,name,${status}`, 'P1,Ann,realized', 'P9,Bob,realized')] })
})
afterEach(() => database.admin.query('ALTER ROLE campaign RESET ALL; GRANT TEMPORARY ON DATABASE postgres TO PUBLIC'))

const sleeping = `CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN new; END $$;
  CREATE TRIGGER slow BEFORE UPDATE ON recipients FOR EACH ROW EXECUTE FUNCTION slow();`

/** The import did nothing, and says why. */
const unharmed = async ({ outcome, error }: RunReport, reason: string, said: RegExp) => {
  expect({ outcome, error }).toMatchObject({
    outcome: 'Failed',
    error: { reason, message: expect.stringMatching(said) },
  })
  expect(await database.recipient('P1', 'name')).toEqual(['Name 1'])
}

describe('an import that has to wait', () => {
  test.each([
    ['for the table', 'LOCK TABLE recipients IN ACCESS EXCLUSIVE MODE'],
    ['for a row', `UPDATE recipients SET points = 0 WHERE external_id = 'P1'`],
  ])('%s ends after lock_timeout and names who holds the lock', async (_, lock) => {
    await database.admin.query(`ALTER ROLE campaign SET lock_timeout = '300ms'`)
    const holder = new pg.Client({ connectionString: database.server.url })
    await holder.connect()
    await holder.query(`BEGIN; ${lock}`)
    const report = await database.run()
    await holder.end()
    await unharmed(report, 'DatabaseUnavailable', /lock timeout.* held by session \d+ of postgres.*can be run again/s)
    expect(report.error?.retryable).toBe(true)
    expect((await database.run(importPlan(), { attempt: 2 })).totals).toMatchObject({ updated: 1 })
  })

  test('longer than statement_timeout says which, and what to set', async () => {
    await database.admin.query(`${sleeping} ALTER ROLE campaign SET statement_timeout = '400ms'`)
    await unharmed(await database.run(), 'DatabaseUnavailable', /statement_timeout is 400ms.*ALTER ROLE/s)
  })

  test('ends its statement, and the locks, when it is asked to stop', async () => {
    await database.admin.query(sleeping)
    const stop = new AbortController()
    const instant = '2026-12-01T04:00:00Z'
    const begun = importFiles({
      plan: importPlan(),
      input: { run: 'act-offers-1', scheduledTime: instant, now: instant, trigger: 'Schedule' },
      ports: { ...portsOf({ volumes, databases: { production: database.url } }), signal: stop.signal },
    })
    const running = `SELECT count(*)::integer FROM pg_stat_activity WHERE application_name = 'convoke' AND wait_event = 'PgSleep'`
    while ((await database.select(running))[0]?.[0] === 0) await sleep(20)
    stop.abort()
    await unharmed(await begun, 'Interrupted', /asked to stop/)
    expect(await database.select(running)).toEqual([[0]])
  })
})

test.each([
  [
    'only read',
    'ALTER ROLE campaign SET default_transaction_read_only = on',
    'DatabaseUnavailable',
    /read-only.*default_transaction_read_only/s,
  ],
  [
    'make no temporary tables',
    'REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC',
    'DatabaseRefused',
    /GRANT TEMPORARY ON DATABASE postgres TO campaign;/,
  ],
  [
    'update other columns only',
    'REVOKE UPDATE ON recipients FROM campaign; GRANT UPDATE (email) ON recipients TO campaign',
    'DatabaseRefused',
    /may not update name of public\.recipients.*GRANT SELECT, UPDATE ON "public"."recipients" TO campaign;/,
  ],
  [
    'not read the table',
    'REVOKE SELECT ON recipients FROM campaign',
    'DatabaseRefused',
    /may not read external_id, name of public\.recipients/,
  ],
])('a role that may %s is told what it needs', async (_, prepare, reason, said) => {
  // Our own schema is there already.
  await database.run(importPlan(), { run: 'nothing' })
  await database.admin.query(prepare)
  await unharmed(await database.run(), reason, said)
})

test('a role for which a schema was made that belongs to another is told so', async () => {
  await database.admin.query('CREATE SCHEMA convoke')
  await unharmed(await database.run(), 'DatabaseRefused', /ALTER SCHEMA convoke OWNER TO campaign/)
})

describe('a connection that is reset', () => {
  /** A way to the database on which `cut` says of each connection, by its number and what it sends, whether it is reset now. */
  async function through(cut: (connection: number, sent: Buffer) => boolean) {
    const { hostname, port } = new URL(database.url)
    let connections = 0
    const open = new Set<Socket>()
    const server = createServer((client) => {
      const number = ++connections
      const other = connect(Number(port), hostname)
      for (const socket of [client, other]) {
        open.add(socket)
        socket.on('error', () => {})
      }
      client.on('data', (data) => {
        if (!cut(number, data)) return void other.write(data)
        client.resetAndDestroy()
        other.destroy()
      })
      other.on('data', (data) => client.write(data)).on('close', () => client.destroy())
      client.on('close', () => other.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = database.url.replace(/:\d+\//, `:${(server.address() as AddressInfo).port}/`)
    return {
      url,
      close: () => {
        for (const socket of open) socket.destroy()
        server.close()
      },
    }
  }

  test('before its first statement is tried again', async () => {
    const way = await through((connection, sent) => connection < 3 && sent.includes('quote_ident'))
    const report = await database.run(importPlan(), {}, way.url)
    way.close()
    expect(report.totals).toMatchObject({ updated: 1 })
  })

  test.each(['quote_ident', 'BEGIN', 'CREATE SCHEMA', 'COPY staging', 'UPDATE "public"', 'import_ledger'])(
    'always at %j is the fault of the surroundings',
    async (statement) => {
      const way = await through((_, sent) => sent.includes(statement))
      const report = await database.run(importPlan(), {}, way.url)
      way.close()
      await unharmed(report, 'DatabaseUnavailable', /127\.0\.0\.1.*cannot be used.*can be run again/s)
      expect(report.error?.retryable).toBe(true)
    },
  )
})

describe('through a pooler in transaction mode', () => {
  test.skipIf(!existsSync('/usr/sbin/pgbouncer'))(
    'an import works, and leaves nothing behind for the next client (test/setup/pgbouncer.sh installs PgBouncer)',
    async () => {
      const { hostname, port } = new URL(database.url)
      const own = await freePort()
      const file = (name: string, text: string) => {
        const path = join(volumes, name)
        writeFileSync(path, text, { mode: 0o644 })
        return path
      }
      const users = file('users.txt', '"campaign" "campaign"\n')
      const config = file(
        'pgbouncer.ini',
        `[databases]\npostgres = host=${hostname} port=${port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${own}\nunix_socket_dir =
auth_type = plain\nauth_file = ${users}\npool_mode = transaction\ndefault_pool_size = 1\nserver_reset_query =\nuser = nobody\n`,
      )
      const pooler = spawn('/usr/sbin/pgbouncer', ['-q', config], { stdio: 'ignore' })
      const ended = new Promise((resolve) => pooler.once('exit', resolve))
      const url = database.url.replace(/:\d+\//, `:${own}/`)
      let neighbour: pg.Client
      for (;;) {
        neighbour = new pg.Client({ connectionString: url })
        neighbour.on('error', () => {})
        const isUp = await neighbour.connect().then(
          () => true,
          () => false,
        )
        if (isUp) break
        await sleep(50)
      }
      const settings = async () => {
        const { rows } = await neighbour.query(
          `SELECT name, setting FROM pg_settings WHERE name IN ('temp_buffers', 'work_mem', 'lock_timeout', 'TimeZone', 'DateStyle', 'client_min_messages', 'IntervalStyle')`,
        )
        return rows
      }
      await neighbour.query(`SET TimeZone = 'Asia/Tokyo'`)
      // Temporary tables are accessed from here on.
      await neighbour.query('BEGIN; CREATE TEMP TABLE tt (x integer) ON COMMIT DROP; INSERT INTO tt VALUES (1); COMMIT')
      const before = await settings()
      const report = await database.run(importPlan(), {}, url)
      expect(report.error).toBeUndefined()
      expect(report.totals).toMatchObject({ updated: 1, waiting: 1 })
      expect(await settings()).toEqual(before)
      await neighbour.end()
      pooler.kill('SIGTERM')
      await ended
    },
  )
})
