// One delivered file into a Campaign table, against a raw COPY of the same rows and a plain UPDATE from them; and 100,000 rows of which a
// constraint refuses none, 500 and 10,000.
// npm run bench -- import [recipients = 1000000] [rows = recipients]
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import type { DeliveryManifest } from '#crds'
import { sha256OfFile, startEmbeddedPostgres, steps } from '#jobs'
import { importPlan } from '../test/import/plan.ts'
import { portsOf } from '../test/stores/ports.ts'

export async function run(args: readonly string[]) {
  const [recipients = 1_000_000, rows = recipients] = args.map(Number)
  const volumes = mkdtempSync(join(tmpdir(), 'convoke-bench-import-'))
  const zone = join(volumes, 'landing-zone')
  mkdirSync(zone)
  const server = await startEmbeddedPostgres({ folder: join(volumes, 'postgres'), log: () => {} })
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  const timed = async (work: () => Promise<unknown>) => {
    const started = performance.now()
    await work()
    const seconds = Math.round(performance.now() - started) / 1000
    return { seconds, rowsPerSecond: Math.round(rows / seconds) }
  }
  try {
    await client.query(`CREATE TABLE recipients (external_id text PRIMARY KEY, email text, first_name text, loyalty_points integer, loyalty_tier text, birth_date date) WITH (fillfactor = 80);
      INSERT INTO recipients SELECT 'C' || lpad(n::text, 9, '0'), n || '@example.test', 'Name ' || n % 1000, 0, 'bronze', '1980-01-01' FROM generate_series(1, ${recipients}) n;
      CREATE INDEX ON recipients (email)`)
    await client.query('VACUUM ANALYZE recipients')
    const duckdb = await DuckDBInstance.create(':memory:')
    const connection = await duckdb.connect()
    const deliver = async (name: string, points: string) => {
      const file = join(zone, `${name}.csv`)
      await connection.run(`COPY (SELECT 'C' || lpad(i::VARCHAR, 9, '0') AS external_id, i || '@example.test' AS email, 'Name ' || i % 1000 AS first_name, ${points} AS loyalty_points,
        'gold' AS loyalty_tier, '1980-01-01' AS birth_date, 'realized' AS "segmentMembership.status" FROM range(1, ${rows + 1}) r(i)) TO '${file}' (FORMAT csv, HEADER)`)
      return manifestOf(name, file, rows)
    }
    const manifestOf = async (name: string, file: string, count: number) => {
      const columns = [
        'external_id',
        'email',
        'first_name',
        'loyalty_points',
        'loyalty_tier',
        'birth_date',
        'segmentMembership.status',
      ]
      const manifest: DeliveryManifest = {
        apiVersion: 'convoke.dev/v1alpha1',
        kind: 'DeliveryManifest',
        run: name,
        activation: 'bench',
        segment: 'bench',
        planDigest: `sha256:${'0'.repeat(64)}`,
        export: 'Full',
        backfill: false,
        evaluatedAt: '2026-12-01T03:00:00Z',
        membershipVersion: 'v1',
        columns: columns.map((column) => ({ name: column, source: column, type: 'string' })),
        files: [{ name: `${name}.csv`, rows: count, bytes: statSync(file).size, sha256: await sha256OfFile(file) }],
        counts: { realized: count, exited: 0, leftOut: { missingMandatory: 0, duplicateKey: 0 } },
      }
      writeFileSync(join(zone, `${name}.csv.manifest.json`), JSON.stringify(manifest))
      return file
    }
    const { export: _, ...plan } = importPlan()
    const imported = (name: string, totals: Record<string, number> = { rowsRead: rows }) =>
      timed(async () => {
        const instant = '2026-12-01T04:00:00Z'
        const report = await steps.import({
          plan,
          input: { run: name, scheduledTime: instant, now: instant, trigger: 'Manual' },
          ports: portsOf({ volumes, databases: { production: server.url } }),
        })
        const differs = Object.entries(totals).some(([key, count]) => report.totals[key] !== count)
        if (report.outcome !== 'Succeeded' || differs) throw new Error(JSON.stringify(report))
      })

    const file = await deliver('changed', 'i % 997 + 1')
    await client.query(
      'CREATE UNLOGGED TABLE raw (external_id text, email text, first_name text, loyalty_points integer, loyalty_tier text, birth_date date, status text)',
    )
    const rawCopy = await timed(() =>
      pipeline(createReadStream(file), client.query(from('COPY raw FROM STDIN (FORMAT csv, HEADER)'))),
    )
    const changed = await imported('changed')
    const replayed = await imported('changed')
    await deliver('same', 'i % 997 + 1')
    const unchanged = await imported('same')
    await client.query('VACUUM recipients')
    await client.query('ANALYZE raw')
    const rawUpdate = await timed(() =>
      client.query(
        `UPDATE recipients t SET email = r.email, first_name = r.first_name, loyalty_points = r.loyalty_points + 1, loyalty_tier = r.loyalty_tier, birth_date = r.birth_date FROM raw r WHERE r.external_id = t.external_id`,
      ),
    )
    const refused: Record<string, number> = {}
    await client.query('ALTER TABLE recipients ADD CHECK (loyalty_points < 1000000) NOT VALID')
    const someRows = Math.min(rows, 100_000)
    for (const count of [0, 500, 10_000]) {
      const name = `refused-${count}`
      const file = join(zone, `${name}.csv`)
      // Spread over the file, as refused rows are in practice.
      const points =
        count === 0 ? 'i % 991' : `CASE WHEN i % ${Math.floor(someRows / count)} = 1 THEN 1000001 ELSE i % 991 END`
      await connection.run(`COPY (SELECT 'C' || lpad(i::VARCHAR, 9, '0') AS external_id, i || '@${count}.test' AS email, 'Name ' || i % 1000 AS first_name, ${points} AS loyalty_points,
        'gold' AS loyalty_tier, '1980-01-01' AS birth_date, 'realized' AS "segmentMembership.status" FROM range(1, ${someRows + 1}) r(i)) TO '${file}' (FORMAT csv, HEADER)`)
      await manifestOf(name, file, someRows)
      refused[count] = (await imported(name, { rowsRead: someRows, rejected: count })).seconds
    }
    connection.closeSync()
    duckdb.closeSync()
    const ratio = (other: number, own: number) => Math.round((other / own) * 100) / 100
    return {
      benchmark: 'import',
      recipients,
      rows,
      import: changed,
      importWithoutChange: unchanged,
      replay: replayed,
      rawCopy,
      rawUpdate,
      /** Seconds for 100,000 rows, by how many of them are refused. */
      refused,
      ratio: {
        toRawCopy: ratio(rawCopy.seconds, changed.seconds),
        toRawCopyAndUpdate: ratio(rawCopy.seconds + rawUpdate.seconds, changed.seconds),
        unchangedToRawCopy: ratio(rawCopy.seconds, unchanged.seconds),
        refused10000ToNone: ratio(refused[10_000]!, refused[0]!),
      },
    }
  } finally {
    await client.end()
    await server.stop()
    rmSync(volumes, { recursive: true })
  }
}
