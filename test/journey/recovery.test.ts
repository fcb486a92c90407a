// What Campaign's list has after days on which something failed, on the smallest example with a real PostgreSQL.
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#jobs'
import { convoke, folderOf } from '../support/cli.ts'

const minimal = join(import.meta.dirname, '../../examples/minimal')
const folder = folderOf({})
let server: EmbeddedPostgres
beforeAll(async () => {
  server = await startEmbeddedPostgres({ folder: join(folder.path, 'postgres'), log: () => {} })
})
afterAll(async () => {
  await server?.stop()
  folder[Symbol.dispose]()
})

type Told = {
  readonly target: { readonly kind: string }
  readonly attempt: number
  readonly steps: readonly { readonly step: string; readonly outcome: string }[]
}

/** The example in a folder, and a database, of its own. */
async function opened(name: string) {
  const place = join(folder.path, name)
  cpSync(minimal, place, { recursive: true })
  const url = new URL(server.url)
  await query(server.url, `CREATE DATABASE ${name}`)
  url.pathname = name
  await query(
    url.href,
    'CREATE TABLE recipients (external_id text PRIMARY KEY, email text, first_name text, loyalty_tier text)',
  )
  for (let index = 1; index <= 8; index += 1) await query(url.href, `INSERT INTO recipients VALUES ('C${index}')`)
  const customers = join(place, 'volumes/landing/customers/customers.csv')
  return {
    place,
    query: (sql: string) => query(url.href, sql),
    /** From now on C2 has that tier. */
    tier(tier: string, since: string) {
      const changed = readFileSync(customers, 'utf8').replace(
        /^C2,.*$/m,
        `C2,Ben,Okoro,ben@example.test,${tier},false,${since}`,
      )
      writeFileSync(customers, changed)
    },
    run(at: string): { readonly code: number; readonly runs: readonly Told[] } {
      const args = ['run', 'minimal.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', at, '-o', 'json']
      const { code, out, err } = convoke([...args, '--database', `production=${url.href}`], { cwd: place })
      if (out === '') throw new Error(err)
      return { code, runs: JSON.parse(out).runs }
    },
    async list(segment: string): Promise<readonly string[]> {
      const rows = await query(
        url.href,
        `SELECT recipient_key->>0 AS id FROM convoke.audience_members WHERE segment = '${segment}' AND status = 'realized' ORDER BY 1`,
      )
      return rows.map(({ id }) => id)
    },
  }
}

async function query(url: string, sql: string): Promise<readonly { readonly id: string }[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** From now on the lists of these Segments cannot be written, as on a full disk. */
const full = (
  segments: readonly string[],
): string => `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF coalesce(NEW.segment, OLD.segment) NOT IN (${segments.map((name) => `'${name}'`).join()}) THEN RETURN coalesce(NEW, OLD); END IF;
    RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
  CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON convoke.audience_members FOR EACH ROW EXECUTE FUNCTION full_disk()`

test('nobody stays on a list for ever who came on it on a day that failed for another Segment', async () => {
  const shop = await opened('never_repaired')
  expect(shop.run('2026-01-15T06:00:00Z').code).toBe(0)
  expect(await shop.list('lapsed-buyers')).toEqual(['C2', 'C5', 'C8'])

  shop.tier('gold', '2026-01-15T12:00:00Z')
  // Of the Segments that change on that day the second one cannot be written.
  await shop.query(full(['lapsed-buyers']))
  const second = shop.run('2026-01-16T06:00:00Z')
  expect(second.code).toBe(1)
  expect(await shop.list('gold-members')).toEqual(['C1', 'C2', 'C5', 'C8'])

  shop.tier('silver', '2026-01-16T12:00:00Z')
  await shop.query('DROP TRIGGER full_disk ON convoke.audience_members')
  expect(shop.run('2026-01-17T06:00:00Z').code).toBe(0)
  expect(await shop.list('gold-members')).toEqual(['C1', 'C5', 'C8'])
  expect(await shop.list('lapsed-buyers')).toEqual(['C2', 'C4', 'C8'])
})

test('a day that failed is tried again by the next call, from the step that failed, and delivers the rest', async () => {
  const shop = await opened('repaired')
  shop.run('2026-01-15T06:00:00Z')
  shop.tier('gold', '2026-01-15T12:00:00Z')
  await shop.query(full(['gold-members', 'lapsed-buyers']))
  expect(shop.run('2026-01-16T06:00:00Z').code).toBe(1)
  await shop.query('DROP TRIGGER full_disk ON convoke.audience_members')
  const again = shop.run('2026-01-16T09:00:00Z')
  expect([again.code, again.runs.map(({ target, attempt }) => [target.kind, attempt])]).toEqual([
    0,
    [['Activation', 2]],
  ])
  expect(await shop.list('gold-members')).toEqual(['C1', 'C2', 'C5', 'C8'])
  expect(await shop.list('lapsed-buyers')).toEqual(['C2', 'C4', 'C8'])
})

test('the membership of before is not delivered where the evaluation of the day failed; the repaired day delivers', async () => {
  const shop = await opened('not_evaluated')
  shop.run('2026-01-15T06:00:00Z')
  const [there, away] = ['volumes/landing', 'volumes/away'].map((path) => join(shop.place, path)) as [string, string]
  renameSync(there, away)
  const failed = shop.run('2026-01-16T06:00:00Z')
  expect([failed.code, failed.runs.map(({ target }) => target.kind)]).toEqual([1, ['ProfileStore']])
  renameSync(away, there)
  const repaired = shop.run('2026-01-16T06:00:00Z')
  expect(repaired.code).toBe(0)
  expect(repaired.runs.map(({ target, attempt }) => [target.kind, attempt])).toEqual([
    ['ProfileStore', 2],
    ['Activation', 1],
  ])
  expect(await shop.list('lapsed-buyers')).toEqual(['C2', 'C4', 'C8'])
})
