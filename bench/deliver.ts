// Many small Segments from a store to Campaign: export and import, against one raw COPY of the same rows to CSV, and a raw COPY and UPDATE of them.
// npm run bench -- deliver [segments = 3000] [members = 500000]
import { createReadStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import type { RunReport } from '#crds'
import { startEmbeddedPostgres, steps } from '#jobs'
import { slotsPerWord } from '../jobs/memberships.ts'
import { bucketSql } from '../jobs/profile-store.ts'
import { importPlan } from '../test/import/plan.ts'
import { portsOf } from '../test/stores/ports.ts'
import { commitStore } from './support/store.ts'

const columns = [
  ['external_id', 'string', `'C' || lpad(i::VARCHAR, 9, '0')`],
  ['email', 'string', `i || '@example.test'`],
  ['first_name', 'string', `'Name ' || i % 1000`],
  ['loyalty_points', 'integer', 'i % 997'],
  ['loyalty_tier', 'string', `'gold'`],
  ['birth_date', 'date', `DATE '1980-01-01' + (i % 20000)::INTEGER`],
] as const

export async function run(args: readonly string[]) {
  const [segments = 3000, members = 500_000] = args.map(Number)
  const volumes = mkdtempSync(join(tmpdir(), 'convoke-bench-deliver-'))
  const root = join(volumes, 'profile-store', 'retail')
  for (const folder of ['data', 'membership']) mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(volumes, 'landing-zone'))
  const names = Array.from({ length: segments }, (_, slot) => `segment-${String(slot).padStart(5, '0')}`)

  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const duckdb = await instance.connect()
  await writeStore(duckdb, root, names, members)
  const server = await startEmbeddedPostgres({ folder: join(volumes, 'postgres'), log: () => {} })
  const campaign = new pg.Client({ connectionString: server.url })
  await campaign.connect()
  try {
    await campaign.query(`CREATE TABLE recipients (external_id text PRIMARY KEY, email text, first_name text, loyalty_points integer, loyalty_tier text, birth_date date) WITH (fillfactor = 80);
      INSERT INTO recipients SELECT 'C' || lpad(n::text, 9, '0'), '', '', 0, 'bronze', '1980-01-01' FROM generate_series(0, ${members - 1}) n`)
    await campaign.query('VACUUM ANALYZE recipients')
    const plan = importPlan({ optOutColumns: [] })
    const activation = {
      ...plan,
      store: { ...plan.store!, engine: { ...plan.store!.engine, duckDB: { threads: 2, memoryLimit: '1Gi' } } },
      export: {
        ...plan.export!,
        segments: names.map((name) => ({ name, displayName: name })),
        columns: columns.map(([path, type], at) => ({
          source: path,
          target: path,
          type,
          transform: 'None' as const,
          deduplicationKey: at === 0,
          mandatory: at === 0,
        })),
      },
    }
    const step = async (kind: 'export' | 'import', name: string, more = {}) => {
      const now = `2026-12-0${name}T04:00:00Z`
      const input = { run: name, scheduledTime: now, now, trigger: 'Manual' as const, ...more }
      const ports = portsOf({ volumes, databases: { production: server.url } })
      const [started, cpu] = [performance.now(), process.cpuUsage()]
      const report: RunReport = await steps[kind]({ plan: activation, input, ports })
      if (report.outcome !== 'Succeeded') throw new Error(JSON.stringify(report.error ?? report.warnings?.[0]))
      return { ...measured(started, cpu), totals: report.totals }
    }
    const exported = await step('export', '1')
    const imported = await step('import', '1')
    const baselines = Object.fromEntries(names.map((name) => [name, '1']))
    const unchanged = await step('export', '2', { baselines })

    const raw = join(volumes, 'raw.csv')
    const [copyStarted, copyCpu] = [performance.now(), process.cpuUsage()]
    await duckdb.run(
      `COPY (SELECT ${columns.map(([path]) => path).join(', ')}, 'realized' AS status FROM profiles) TO '${raw}' (FORMAT csv, HEADER)`,
    )
    const rawCopy = measured(copyStarted, copyCpu)
    await campaign.query('UPDATE recipients SET loyalty_points = 0')
    await campaign.query('VACUUM recipients')
    const updateStarted = performance.now()
    await campaign.query(
      'CREATE TABLE raw (external_id text, email text, first_name text, loyalty_points integer, loyalty_tier text, birth_date date, status text)',
    )
    await pipeline(createReadStream(raw), campaign.query(from('COPY raw FROM STDIN (FORMAT csv, HEADER)')))
    await campaign.query(
      'UPDATE recipients t SET email = r.email, first_name = r.first_name, loyalty_points = r.loyalty_points, loyalty_tier = r.loyalty_tier, birth_date = r.birth_date FROM raw r WHERE r.external_id = t.external_id',
    )
    const rawUpdate = { seconds: round((performance.now() - updateStarted) / 1000) }
    return {
      benchmark: 'deliver',
      segments,
      members,
      export: exported,
      import: imported,
      exportUnchanged: unchanged,
      rawCopy,
      rawUpdate,
      secondsPer1000Segments: round(((exported.seconds + imported.seconds) * 1000) / segments),
      exportToCopy: round(rawCopy.cpuSeconds / exported.cpuSeconds),
      importToUpdate: round(rawUpdate.seconds / imported.seconds),
      peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    }
  } finally {
    await campaign.end()
    await server.stop()
    duckdb.closeSync()
    instance.closeSync()
    rmSync(volumes, { recursive: true })
  }
}

type Connection = Awaited<ReturnType<DuckDBInstance['connect']>>

/** Each profile is in one Segment. */
async function writeStore(duckdb: Connection, root: string, names: readonly string[], members: number): Promise<void> {
  const buckets = Math.max(1, 2 ** Math.ceil(Math.log2(members / 200_000)))
  await duckdb.run(
    `CREATE TABLE profiles AS SELECT external_id AS "$profile", * FROM (SELECT ${columns.map(([path, , sql]) => `${sql} AS ${path}`).join(', ')}, hash(i) % ${names.length} AS slot FROM range(${members}) r(i))`,
  )
  const words = Array.from(
    { length: Math.ceil(names.length / slotsPerWord) },
    (_, word) =>
      `CASE WHEN slot // ${slotsPerWord} = ${word} THEN 1::BIGINT << (slot % ${slotsPerWord})::INTEGER ELSE 0 END AS m${word}`,
  )
  const write = async (select: string, folder: string): Promise<string[][]> => {
    const files = Array.from({ length: buckets }, (_, bucket) => [`${folder}/${bucket}.parquet`])
    for (const [bucket, [file]] of files.entries())
      await duckdb.run(
        `COPY (${select} WHERE ${bucketSql('"$profile"', buckets)} = ${bucket} ORDER BY "$profile") TO '${join(root, file!)}' (FORMAT parquet)`,
      )
    return files
  }
  commitStore(root, {
    profiles: members,
    segments: names,
    membersEach: Math.round(members / names.length),
    profileFiles: await write('SELECT * EXCLUDE slot FROM profiles', 'data'),
    memberFiles: await write(`SELECT "$profile", ${words.join(', ')} FROM profiles`, 'membership'),
  })
}

function measured(started: number, cpu: NodeJS.CpuUsage) {
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: round((performance.now() - started) / 1000), cpuSeconds: round((user + system) / 1e6) }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
