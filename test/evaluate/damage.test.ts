// One bit of a store's files is another: nothing is made of it, and it is told as damage, with the way back.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JobPlan, RunReport } from '#crds'
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { membersSql, readMembershipManifest } from '../../jobs/profile-store.ts'
import { customers, inputOf, openWorkspace, orders, planOf, type Workspace } from '../ingest/workspace.ts'

const duckdb = `SELECT p."$profile", p."loyalty.points" > 0 AS "has-points", a."$profile" IS NOT NULL AS buyers
  FROM profiles p LEFT JOIN (SELECT DISTINCT "$profile" FROM events WHERE eventType = 'purchase') a ON a."$profile" = p."$profile"`
const names = ['buyers', 'has-points']
const plan: JobPlan = {
  ...planOf([customers, orders]),
  digest: 'sha256:plan',
  evaluate: {
    segments: names.map((name) => ({ name, digest: `sha256:${name}`, evaluation: 'Batch' as const })),
    full: {
      segments: names,
      references: [],
      profileColumns: ['loyalty.points'],
      eventColumns: ['eventType', 'timestamp'],
      duckdb,
    },
  },
}

async function evaluated(workspace: Workspace, now: string): Promise<RunReport> {
  return evaluate({ plan, input: inputOf(now), ports: workspace.ports })
}

async function filled(): Promise<Workspace> {
  const workspace = await openWorkspace()
  const rows = Array.from({ length: 200 }, (_, index) => index)
  workspace.land(
    'customers/a.csv',
    `id,first_name,birth_date,email,points,updated_at\n${rows.map((n) => `p${n},Ann,,,${n % 3},2026-01-01\n`).join('')}`,
  )
  const order = (n: number) => JSON.stringify({ customer: `p${n}`, at: '2026-01-02T00:00:00Z', type: 'purchase' })
  workspace.land('orders/o.ndjson', `${rows.slice(0, 50).map(order).join('\n')}\n`)
  await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports: workspace.ports })
  expect(await evaluated(workspace, '2026-01-03T00:00:00Z')).toMatchObject({ outcome: 'Succeeded' })
  return workspace
}

async function members(workspace: Workspace): Promise<unknown> {
  const manifest = readMembershipManifest(workspace.root)!
  const selects = manifest.files.map((_files, bucket) => membersSql(manifest, workspace.root, bucket, names))
  return workspace.engine.rows(
    `SELECT segment, count_if(realized) AS n FROM (${selects.join(' UNION ALL ')}) GROUP BY 1`,
  )
}

test('each file that is read is looked at, and no flipped bit changes a membership', { timeout: 300_000 }, async () => {
  await using workspace = await filled()
  const parquet = (readdirSync(workspace.root, { recursive: true }) as string[]).filter((name) =>
    /^(?:data|membership)\/.*\/(?!transitions).*\.parquet$/.test(name),
  )
  expect(parquet.length).toBeGreaterThanOrEqual(3)
  const sound = await members(workspace)
  let minute = 0
  let told = 0
  for (const name of parquet)
    for (const share of [0.1, 0.5, 0.9]) {
      const path = join(workspace.root, name)
      const before = readFileSync(path)
      const flipped = Buffer.from(before)
      flipped[Math.floor(before.length * share)]! ^= 1
      writeFileSync(path, flipped)
      minute += 1
      const report = await evaluated(workspace, `2026-01-04T00:${String(minute).padStart(2, '0')}:00Z`)
      writeFileSync(path, before)
      // What no evaluation reads does no harm to one.
      if (report.outcome === 'Succeeded') continue
      told += 1
      expect(report.error).toMatchObject({ reason: 'DamagedStore', retryable: false })
      expect(report.error?.message).toMatch(
        /is damaged: it is not what was written\. Nothing was changed or delivered\./,
      )
      expect(report.error?.message).toContain('from a backup')
    }
  expect(told).toBeGreaterThanOrEqual(9)
  expect(await evaluated(workspace, '2026-01-05T00:00:00Z')).toMatchObject({
    outcome: 'Succeeded',
    totals: { entered: 0, exited: 0 },
  })
  expect(await members(workspace)).toEqual(sound)
})

test('a record file that a merge reads as a whole is looked at too', { timeout: 300_000 }, async () => {
  await using workspace = await filled()
  const records = (readdirSync(join(workspace.root, 'records'), { recursive: true }) as string[]).filter((name) =>
    name.endsWith('.parquet'),
  )
  expect(records).toHaveLength(2)
  const order = (customer: string) => `${JSON.stringify({ customer, at: '2026-01-02T00:00:00Z', type: 'purchase' })}\n`
  workspace.land('orders/p.ndjson', order('p1'))
  let minute = 0
  const ingested = () => {
    minute += 1
    const now = `2026-01-04T00:${String(minute).padStart(2, '0')}:00Z`
    return ingest({ plan, input: inputOf(now), ports: workspace.ports })
  }
  expect(await ingested()).toMatchObject({ outcome: 'Succeeded' })
  for (const name of records)
    for (const share of [0.1, 0.5, 0.9]) {
      const path = join(workspace.root, 'records', name)
      const sound = readFileSync(path)
      const flipped = Buffer.from(sound)
      flipped[Math.floor(sound.length * share)]! ^= 1
      writeFileSync(path, flipped)
      // Other content: both kinds of records are merged again.
      workspace.land(
        'customers/b.csv',
        `id,first_name,birth_date,email,points,updated_at\nq${minute},Bea,,,1,2026-01-01\n`,
      )
      workspace.land('orders/p.ndjson', order(`p${minute + 1}`))
      const before = readFileSync(join(workspace.root, 'data.json'), 'utf8')
      const report = await ingested()
      expect(report.error).toMatchObject({ reason: 'DamagedStore', retryable: false })
      expect(report.error?.message).toContain('from a backup')
      expect(readFileSync(join(workspace.root, 'data.json'), 'utf8')).toBe(before)
      writeFileSync(path, sound)
      expect(await ingested()).toMatchObject({ outcome: 'Succeeded' })
    }
})
