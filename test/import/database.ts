// A Campaign database and a landing zone made by hand.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import pg from 'pg'
import type { DeliveryManifest, JobPlan, RunInput, RunReport } from '#crds'
import { sha256 } from '../../jobs/digest.ts'
import { manifestNameOf } from '../../jobs/export/index.ts'
import { importFiles } from '../../jobs/import/index.ts'
import { startEmbeddedPostgres } from '../../jobs/postgres/index.ts'
import { portsOf, type Surroundings } from '../stores/ports.ts'
import { importPlan, planDigest } from './plan.ts'

export const volumes = mkdtempSync(join(tmpdir(), 'convoke-import-'))
export const zone = join(volumes, 'landing-zone')

const instant = '2026-12-01T04:00:00Z'

/** A server, and a role that may do what an import may and nothing else. */
export async function startDatabase() {
  const server = await startEmbeddedPostgres({ folder: join(volumes, 'postgres'), log: () => {} })
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  await admin.query(`CREATE ROLE campaign LOGIN PASSWORD 'campaign'; GRANT CREATE ON DATABASE postgres TO campaign`)
  const url = server.url.replace(/postgres:[^@]+@/, 'campaign:campaign@')
  /** Rows of a query, as lists of values. */
  const select = async (sql: string): Promise<unknown[][]> => {
    const { rows } = await admin.query({ text: sql, rowMode: 'array' })
    return rows
  }
  return {
    admin,
    url,
    server,
    select,
    /** Imports what was delivered, as the role. */
    run: (
      plan: JobPlan = importPlan(),
      input: Partial<RunInput> = {},
      database = url,
      surroundings: Surroundings = {},
    ): Promise<RunReport> =>
      importFiles({
        plan,
        input: { run: 'act-offers-1', scheduledTime: instant, now: instant, trigger: 'Schedule', ...input },
        ports: portsOf({ volumes, databases: { production: database }, ...surroundings }),
      }),
    recipient: async (key: string, columns: string) =>
      (await select(`SELECT ${columns} FROM recipients WHERE external_id = '${key}'`))[0],
    /** Keys on the list of an audience. */
    members: async (segment = 'gold') =>
      (
        await select(`SELECT recipient_key ->> 0 FROM convoke.audience_members WHERE segment = '${segment}' ORDER BY 1`)
      ).map(([key]) => key),
    /** The recipients of every test, and no trace of an import. */
    reset: async () => {
      await admin.query(`DROP SCHEMA IF EXISTS convoke CASCADE; DROP TABLE IF EXISTS recipients;
        CREATE TABLE recipients (external_id text PRIMARY KEY, email varchar(40), name text, points integer, score numeric(6,2), vip boolean, born date, seen timestamptz, consent text NOT NULL DEFAULT 'in', CHECK (points < 1000000));
        INSERT INTO recipients (external_id, email, name, points) SELECT 'P' || n, 'p' || n || '@example.test', 'Name ' || n, n FROM generate_series(1, 6) n;
        GRANT SELECT, UPDATE ON recipients TO campaign`)
      rmSync(zone, { recursive: true, force: true })
      mkdirSync(zone, { recursive: true })
    },
    stop: async () => {
      await admin.end()
      await server.stop()
      rmSync(volumes, { recursive: true, force: true })
    },
  }
}

export const csv = (...lines: string[]) => lines.join('\n') + '\n'
export const status = 'segmentMembership.status'

/** The rejects file beside a delivered file. */
export const rejects = (name = 'zone_gold_20261201T040000Z.csv') =>
  readFileSync(join(zone, `${name}.rejects.csv`), 'utf8')

export type Delivered = {
  readonly run?: string
  readonly segment?: string
  readonly activation?: string
  readonly export?: 'Full' | 'Incremental'
  readonly backfill?: boolean
  /** One text per file, header included. */
  readonly files: readonly string[]
  readonly gzip?: boolean
  readonly evaluatedAt?: string
  /** Name of the first file, without extension. */
  readonly first?: string
}

/** Writes the files and the manifest as an export would, for scheduledTime 2026-12-01T04:00:00Z; returns the manifest's name. */
export function deliver({
  run = 'act-offers-1',
  segment = 'gold',
  activation = 'offers',
  export: kind = 'Incremental',
  backfill = false,
  files,
  gzip = false,
  evaluatedAt = '2026-12-01T03:00:00Z',
  first = `zone_${segment}_20261201T040000Z`,
}: Delivered): string {
  const end = gzip ? '.csv.gz' : '.csv'
  const listed = files.map((text, index) => {
    const name = `${first}${index === 0 ? '' : `_${index + 1}`}${end}`
    const bytes = gzip ? gzipSync(text) : Buffer.from(text)
    writeFileSync(join(zone, name), bytes)
    return { name, rows: text.trimEnd().split('\n').length - 1, bytes: bytes.length, sha256: sha256(bytes) }
  })
  const header = files[0]!.split('\n')[0]!.split(/[,;]/)
  const manifest: DeliveryManifest = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'DeliveryManifest',
    run,
    activation,
    segment,
    planDigest,
    export: kind,
    backfill,
    evaluatedAt,
    membershipVersion: 'v1',
    columns: header.map((name) => ({ name, source: name, type: 'string' })),
    files: listed,
    counts: { realized: 0, exited: 0, leftOut: { missingMandatory: 0, duplicateKey: 0 } },
  }
  const name = manifestNameOf(`${first}${end}`)
  writeFileSync(join(zone, name), JSON.stringify(manifest))
  return name
}
