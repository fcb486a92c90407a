// One pass over profiles and memberships to the files of many Segments, against a raw COPY of the same rows.
// npm run bench -- export [profiles = 1000000] [segments = 50] [columns = 20]
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { steps } from '#jobs'
import { bucketSql } from '../jobs/profile-store.ts'
import { planOf } from '../test/export/store.ts'
import { portsOf } from '../test/stores/ports.ts'
import { commitStore, evaluatedAt } from './support/store.ts'

export async function run(args: readonly string[]) {
  const [profiles = 1_000_000, segments = 50, columns = 20] = args.map(Number)
  const buckets = Math.max(1, 2 ** Math.ceil(Math.log2(profiles / 200_000)))
  const volumes = mkdtempSync(join(tmpdir(), 'convoke-bench-export-'))
  const root = join(volumes, 'profile-store', 'retail')
  for (const folder of ['data', 'membership']) mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(volumes, 'landing-zone'))

  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  // Keys, short texts, numbers, booleans, dates and times, as recipients have them.
  const kinds = ['string', 'string', 'string', 'integer', 'number', 'boolean', 'date', 'timestamp'] as const
  const values = [
    (n: number) => `'value ${n} of ' || i % 1000`,
    (n: number) => `CASE WHEN i % 7 = ${n % 7} THEN NULL ELSE 'Zoë, ' || i % 97 END`,
    () => `substr(md5(i::VARCHAR), 1, 12)`,
    (n: number) => `i * ${n + 1} % 10007`,
    (n: number) => `(i % 9973) / ${n + 3}.0`,
    (n: number) => `i % ${n + 2} = 0`,
    () => `DATE '1950-01-01' + (i % 20000)::INTEGER`,
    () => `TIMESTAMP '2026-01-01' + to_seconds(i % 10000000)`,
  ]
  const mapped = Array.from({ length: columns }, (_, n) => ({
    path: n === 0 ? 'id' : `c${n}`,
    type: n === 0 ? ('string' as const) : kinds[n % kinds.length]!,
  }))
  await connection.run(`CREATE TABLE profiles AS SELECT 'C' || lpad(i::VARCHAR, 9, '0') AS "$profile", 'C' || lpad(i::VARCHAR, 9, '0') AS id
  ${mapped
    .slice(1)
    .map(({ path }, at) => `, ${values[(at + 1) % values.length]!(at + 1)} AS ${path}`)
    .join('')} FROM range(${profiles}) r(i)`)
  // About four memberships for each profile.
  const share = Math.min(1, 4 / segments)
  const bits = Array.from(
    { length: segments },
    (_, s) =>
      `CASE WHEN hash("$profile", ${s}) % 10000 < ${Math.round(share * 10_000)} THEN 1::BIGINT << ${s % 60} ELSE 0 END`,
  )
  const words = Array.from(
    { length: Math.ceil(segments / 60) },
    (_, w) => `${bits.slice(w * 60, w * 60 + 60).join(' | ')} AS m${w}`,
  )
  await connection.run(
    `CREATE TABLE members AS SELECT "$profile", ${words.join(', ')}${bits.map((_, s) => `, TIMESTAMP '2026-11-01' AS t${s}`).join('')} FROM profiles`,
  )

  const write = async (table: string, folder: string) => {
    const files: string[][] = []
    for (let bucket = 0; bucket < buckets; bucket++) {
      files.push([`${folder}/${bucket}.parquet`])
      await connection.run(
        `COPY (SELECT * FROM ${table} WHERE ${bucketSql('"$profile"', buckets)} = ${bucket} ORDER BY "$profile") TO '${join(root, folder, `${bucket}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`,
      )
    }
    return files
  }
  const names = Array.from({ length: segments }, (_, s) => `segment-${String(s).padStart(3, '0')}`)
  commitStore(root, {
    profiles,
    segments: names,
    membersEach: Math.round(share * profiles),
    profileFiles: await write('profiles', 'data'),
    memberFiles: await write('members', 'membership'),
  })

  const plan = planOf({
    segments: names.map((name) => ({ name, displayName: name })),
    columns: mapped.map(({ path, type }, n) => ({
      source: path,
      target: path,
      type,
      transform: n === 1 ? 'Lowercase' : 'None',
      deduplicationKey: n === 0,
      mandatory: n === 0,
    })),
  })
  const exported = async (name: string, more = {}) => {
    const [started, cpu] = [performance.now(), process.cpuUsage()]
    const report = await steps.export({
      plan,
      input: { run: name, scheduledTime: `2026-12-0${name}T04:00:00Z`, now: evaluatedAt, trigger: 'Manual', ...more },
      ports: portsOf({ volumes }),
    })
    if (report.outcome !== 'Succeeded') throw new Error(JSON.stringify(report.error ?? report.warnings))
    return { ...measured(started, cpu), rows: report.totals['rows']!, bytes: report.totals['bytes']! }
  }

  /** As many rows as the Segments hold, copied from one table to one CSV file. */
  const rawCopy = async (rows: number) => {
    const times = Math.ceil(rows / profiles)
    await connection.run(`CREATE TABLE raw AS SELECT ${mapped.map(({ path }) => path).join(', ')} FROM profiles`)
    const [started, cpu] = [performance.now(), process.cpuUsage()]
    const all = Array.from({ length: times }, () => 'SELECT * FROM raw').join(' UNION ALL ')
    await connection.run(
      `COPY (SELECT *, 'realized' AS status FROM (${all}) LIMIT ${rows}) TO '${join(volumes, 'raw.csv')}' (FORMAT csv, HEADER)`,
    )
    return measured(started, cpu)
  }

  const backfill = await exported('1')
  const raw = await rawCopy(backfill.rows)
  const unchanged = await exported('2', { baselines: Object.fromEntries(names.map((name) => [name, '1'])) })
  const result = {
    benchmark: 'export',
    profiles,
    segments,
    columns,
    rows: backfill.rows,
    megabytes: Math.round(backfill.bytes / 1e6),
    export: { ...backfill, rowsPerSecond: Math.round(backfill.rows / backfill.seconds) },
    rawCopy: { ...raw, rowsPerSecond: Math.round(backfill.rows / raw.seconds) },
    ratio: { seconds: round(raw.seconds / backfill.seconds), cpuSeconds: round(raw.cpuSeconds / backfill.cpuSeconds) },
    incrementWithoutChange: unchanged,
    peakMemoryMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
  }
  connection.closeSync()
  instance.closeSync()
  rmSync(volumes, { recursive: true })
  return result
}

function measured(started: number, cpu: NodeJS.CpuUsage) {
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: round((performance.now() - started) / 1000), cpuSeconds: round((user + system) / 1e6) }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
