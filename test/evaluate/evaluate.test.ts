import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EvaluatePlan, JobPlan } from '#crds'
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { changesSql } from '../../jobs/memberships.ts'
import { membersSql, readMembershipManifest } from '../../jobs/profile-store.ts'
import { customers, inputOf, openWorkspace, orders, planOf, type Workspace } from '../ingest/workspace.ts'

/** Segments over profiles `p` and per-profile aggregates `a`: the shape that the compiler prints. */
const segments = {
  'has-points': 'coalesce(p."loyalty.points" > 0, false)',
  'no-purchase-in-2-days': 'coalesce(a.recent, 0) = 0',
  'purchase-in-2-days': 'coalesce(a.recent, 0) > 0',
  purchasers: 'coalesce(a.purchases, 0) > 0',
} as const
type Name = keyof typeof segments
const all = Object.keys(segments) as Name[] // the literal above has no other keys

function evaluatePlanOf(names: readonly Name[], streaming: readonly Name[] = []): EvaluatePlan {
  const query = (some: readonly Name[]) => ({
    segments: [...some],
    references: [],
    profileColumns: ['loyalty.points'],
    eventColumns: ['eventType', 'timestamp'],
    duckdb: `WITH a AS (SELECT "$profile",
        count(*) FILTER (eventType = 'purchase' AND "timestamp" <= $now) AS purchases,
        count(*) FILTER (eventType = 'purchase' AND "timestamp" <= $now AND "timestamp" >= $now - INTERVAL 2 DAYS) AS recent
      FROM events GROUP BY 1)
      SELECT p."$profile"${some.map((name) => `, ${segments[name]} AS "${name}"`).join('')} FROM profiles p LEFT JOIN a ON a."$profile" = p."$profile"`,
  })
  return {
    segments: [...names].sort().map((name) => ({
      name,
      digest: `sha256:${name}`,
      evaluation: streaming.includes(name) ? 'Streaming' : 'Batch',
    })),
    full: query(names),
    ...(streaming.length > 0 ? { streaming: query(streaming) } : {}),
  }
}

function planWith(evaluatePlan: EvaluatePlan, digest = 'sha256:plan'): JobPlan {
  return { ...planOf([customers, orders]), evaluate: evaluatePlan, digest }
}

async function members(workspace: Workspace, names: readonly string[] = all) {
  const manifest = readMembershipManifest(workspace.root)
  if (manifest === null) throw new Error('Nothing was committed.')
  const selects = manifest.files.map((_files, bucket) => membersSql(manifest, workspace.root, bucket, names))
  const rows = await workspace.engine.rows(
    `SELECT * FROM (${selects.join(' UNION ALL ')}) ORDER BY segment, "$profile"`,
  )
  return Object.fromEntries(
    names.map((name) => [
      name,
      rows
        .filter((row) => row['segment'] === name)
        .map(
          (row) =>
            `${row['realized'] ? '' : '-'}${row['$profile']} ${row['since'] instanceof Date ? row['since'].toISOString().slice(5, 10) : ''}`,
        ),
    ]),
  )
}

async function transitions(workspace: Workspace) {
  const manifest = readMembershipManifest(workspace.root)
  const changes = manifest && changesSql(manifest, workspace.root, { ordinal: manifest.ordinal ?? 0 })
  if (!changes) return []
  const rows = await workspace.engine.rows(`SELECT * FROM (${changes}) ORDER BY segment, "$profile"`)
  return rows.map((row) => `${row['segment']} ${row['change']} ${row['$profile']}`)
}

async function openFilled(): Promise<Workspace> {
  const workspace = await openWorkspace()
  workspace.land(
    'customers/a.csv',
    'id,first_name,birth_date,email,points,updated_at\np1,Ann,,,10,2026-01-01\np2,Bob,,,0,2026-01-01\np3,Cat,,,,2026-01-01\n',
  )
  workspace.land(
    'orders/o.ndjson',
    '{"customer":"p1","at":"2026-01-02T00:00:00Z","type":"purchase"}\n{"customer":"p2","at":"2026-01-06T00:00:00Z","type":"purchase"}\n',
  )
  return workspace
}

describe('evaluation', () => {
  test('time alone makes profiles enter and leave, and since changes with the status only', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(evaluatePlanOf(all))
    expect(await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })).toMatchObject({
      outcome: 'Succeeded',
    })

    const first = await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    expect(first).toMatchObject({
      outcome: 'Succeeded',
      totals: { segments: 4, members: 5, entered: 5, exited: 0 },
      details: [
        { segment: 'has-points', members: 1, entered: 1, exited: 0 },
        { segment: 'no-purchase-in-2-days', members: 2, entered: 2, exited: 0 },
        { segment: 'purchase-in-2-days', members: 1, entered: 1, exited: 0 },
        { segment: 'purchasers', members: 1, entered: 1, exited: 0 },
      ],
    })
    expect(await members(workspace)).toEqual({
      'has-points': ['p1 01-03'],
      'no-purchase-in-2-days': ['p2 01-03', 'p3 01-03'],
      'purchase-in-2-days': ['p1 01-03'],
      purchasers: ['p1 01-03'],
    })

    expect(await evaluate({ plan, input: inputOf('2026-01-07T00:00:00Z'), ports })).toMatchObject({
      outcome: 'Succeeded',
      totals: { entered: 3, exited: 2 },
    })
    expect(await members(workspace)).toEqual({
      'has-points': ['p1 01-03'],
      'no-purchase-in-2-days': ['p1 01-07', '-p2 01-07', 'p3 01-03'],
      'purchase-in-2-days': ['-p1 01-07', 'p2 01-07'],
      purchasers: ['p1 01-03', 'p2 01-07'],
    })
    expect(await transitions(workspace)).toEqual([
      'no-purchase-in-2-days entered p1',
      'no-purchase-in-2-days exited p2',
      'purchase-in-2-days exited p1',
      'purchase-in-2-days entered p2',
      'purchasers entered p2',
    ])
  })

  test('a run that is repeated after its commit makes no version and reports the same', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(evaluatePlanOf(all))
    const input = inputOf('2026-01-03T00:00:00Z')
    await ingest({ plan, input, ports })
    const first = await evaluate({ plan, input, ports })
    const manifest = readMembershipManifest(workspace.root)
    const second = await evaluate({ plan, input: { ...input, attempt: 2, trigger: 'Retry' }, ports })
    expect(readMembershipManifest(workspace.root)).toEqual(manifest)
    expect({ details: second.details, totals: second.totals, digest: second.reportDigest }).toEqual({
      details: first.details,
      totals: first.totals,
      digest: first.reportDigest,
    })
  })

  test('a streaming run evaluates its Segments only and carries the others over', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(evaluatePlanOf(all, ['purchasers']))
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    workspace.land('customers/b.csv', 'id,first_name,birth_date,email,points,updated_at\np2,Bob,,,7,2026-01-02\n')
    workspace.land('orders/p.ndjson', '{"customer":"p3","at":"2026-01-03T12:00:00Z","type":"purchase"}\n')
    const input = inputOf('2026-01-07T00:00:00Z', 'Streaming')
    expect(await ingest({ plan, input, ports })).toMatchObject({
      details: [{ dataset: 'orders', counts: { files: 1, skippedFiles: 1 } }],
    })
    expect(await evaluate({ plan, input, ports })).toMatchObject({
      details: [{ segment: 'purchasers', members: 3, entered: 2, exited: 0 }],
    })
    expect(await members(workspace)).toEqual({
      'has-points': ['p1 01-03'],
      'no-purchase-in-2-days': ['p2 01-03', 'p3 01-03'],
      'purchase-in-2-days': ['p1 01-03'],
      purchasers: ['p1 01-03', 'p2 01-07', 'p3 01-07'],
    })
    expect(readMembershipManifest(workspace.root)?.segments).toMatchObject([
      { segment: 'has-points', evaluatedAt: '2026-01-03T00:00:00Z', members: 1, entered: 0 },
      { segment: 'no-purchase-in-2-days', members: 2 },
      { segment: 'purchase-in-2-days' },
      { segment: 'purchasers', evaluatedAt: '2026-01-07T00:00:00Z', members: 3, entered: 2 },
    ])
  })

  test('a profile that is gone leaves every Segment it was in', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(evaluatePlanOf(all))
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    workspace.land('customers/a.csv', 'id,first_name,birth_date,email,points,updated_at\np1,Ann,,,10,2026-01-01\n')
    await ingest({ plan, input: inputOf('2026-01-04T00:00:00Z'), ports })
    await evaluate({ plan, input: inputOf('2026-01-04T00:00:00Z'), ports })
    expect(await members(workspace, ['no-purchase-in-2-days', 'has-points'])).toEqual({
      'no-purchase-in-2-days': ['p2 01-03', '-p3 01-04'],
      'has-points': ['p1 01-03'],
    })
  })

  test('members of a Segment that left the plan exit, then its slot serves another', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(evaluatePlanOf(['has-points', 'purchasers']))
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    const fewer = planWith(evaluatePlanOf(['purchasers']))
    expect(await evaluate({ plan: fewer, input: inputOf('2026-01-04T00:00:00Z'), ports })).toMatchObject({
      details: [
        { segment: 'has-points', members: 0, entered: 0, exited: 1 },
        { segment: 'purchasers', members: 1 },
      ],
    })
    expect(await members(workspace, ['has-points'])).toEqual({ 'has-points': ['-p1 01-04'] })
    const other = planWith(evaluatePlanOf(['purchasers', 'purchase-in-2-days']))
    await evaluate({ plan: other, input: inputOf('2026-01-05T00:00:00Z'), ports })
    expect(readMembershipManifest(workspace.root)?.segments.map(({ segment, slot }) => [segment, slot])).toEqual([
      ['purchase-in-2-days', 0],
      ['purchasers', 1],
    ])
    expect(await members(workspace, ['purchase-in-2-days', 'purchasers', 'has-points'])).toEqual({
      'purchase-in-2-days': [],
      purchasers: ['p1 01-03'],
      'has-points': [],
    })
  })

  test('a query reads the membership before by reference, and knows no member of what was never evaluated', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const base = evaluatePlanOf(['purchasers'])
    const plan = planWith({
      ...base,
      segments: [...base.segments, { name: 'stream', digest: 'sha256:s', evaluation: 'Streaming' }],
      streaming: {
        segments: ['stream'],
        references: ['purchasers', 'unheard-of'],
        profileColumns: ['loyalty.points'],
        eventColumns: [],
        duckdb: `SELECT p."$profile", coalesce(m.purchasers, false) AND NOT coalesce(m."unheard-of", false) AS stream FROM profiles p LEFT JOIN members m ON m."$profile" = p."$profile"`,
      },
    })
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    expect(await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z', 'Streaming'), ports })).toMatchObject({
      outcome: 'Succeeded',
      details: [{ segment: 'stream', members: 0 }],
    })
    await evaluate({ plan, input: inputOf('2026-01-04T00:00:00Z'), ports })
    expect(await evaluate({ plan, input: inputOf('2026-01-05T00:00:00Z', 'Streaming'), ports })).toMatchObject({
      details: [{ segment: 'stream', members: 1, entered: 1 }],
    })
  })

  test('more Segments than a word has bits, and columns that no file has', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const names = Array.from({ length: 130 }, (_, index) => `s${String(index).padStart(3, '0')}`)
    const plan = planWith({
      segments: names.map((name) => ({ name, digest: `sha256:${name}`, evaluation: 'Batch' })),
      full: {
        segments: names,
        references: [],
        profileColumns: ['customerId', 'score', 'tags', 'scores'],
        eventColumns: [],
        duckdb: `SELECT "$profile", ${names.map((name, index) => `(CASE WHEN score > 1 OR len(tags) > 0 OR scores['x'] > 0 THEN false ELSE ${index} % (substr("$profile", 2)::INTEGER + 1) = 0 END) AS ${name}`).join(', ')} FROM profiles`,
      },
    })
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    const report = await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    expect(report.outcome).toBe('Succeeded')
    const of = (index: number) => [1, 2, 3].filter((profile) => index % (profile + 1) === 0)
    expect(report.details?.map(({ members: count }) => count)).toEqual(names.map((_, index) => of(index).length))
    expect(await members(workspace, ['s059', 's060', 's129'])).toEqual({
      s059: [],
      s060: ['p1 01-03', 'p2 01-03', 'p3 01-03'],
      s129: ['p2 01-03'],
    })
  })

  test('a store without data is not evaluated, and says what to do', async () => {
    await using workspace = await openWorkspace()
    expect(
      await evaluate({
        plan: planWith(evaluatePlanOf(all)),
        input: inputOf('2026-01-03T00:00:00Z'),
        ports: workspace.ports,
      }),
    ).toMatchObject({
      outcome: 'Failed',
      error: { reason: 'NotEvaluated', retryable: true },
    })
  })

  test('the files of a version stay for the readers of the two versions after it, the log of changes for longer', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(evaluatePlanOf(all))
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    const versions: string[] = []
    for (const day of ['03', '05', '07', '09', '11']) {
      await evaluate({ plan, input: inputOf(`2026-01-${day}T00:00:00Z`), ports })
      versions.push(readMembershipManifest(workspace.root)?.version ?? '')
    }
    const left = versions.map((version) => readdirSync(join(workspace.root, 'membership', version)).sort())
    expect(left).toEqual([
      // Its members are what it says of them first: no changes.
      ['manifest.json'],
      ['log-0.parquet', 'manifest.json'],
      ['log-0.parquet', 'manifest.json', 'members-0.parquet'],
      ['log-0.parquet', 'manifest.json', 'members-0.parquet'],
      // Nothing changed: its manifest names the files before.
      ['manifest.json'],
    ])
  })
})

describe('a Segment that the engine cannot evaluate', () => {
  /** The plan's query with one Segment more, in the place of `purchasers`. */
  const withFault = (sql: string, names: readonly Name[] = all): JobPlan => {
    const own = evaluatePlanOf(names)
    const duckdb = own.full.duckdb.replace(segments.purchasers, () => sql)
    return planWith({ ...own, full: { ...own.full, duckdb } }, `sha256:${sql}`)
  }
  const broken = `CAST(p."$profile" AS INTEGER) > 0`

  test('is found and left out: its members stay as they were, the others are evaluated, and it is said', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const run = (plan: JobPlan, now: string) => evaluate({ plan, input: inputOf(now), ports })
    const sound = planWith(evaluatePlanOf(all))
    await ingest({ plan: sound, input: inputOf('2026-01-03T00:00:00Z'), ports })
    await run(sound, '2026-01-03T00:00:00Z')
    const before = await members(workspace, ['purchasers'])

    const report = await run(withFault(broken), '2026-01-07T00:00:00Z')
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { segments: 3 },
      details: [
        { segment: 'has-points', members: 1 },
        { segment: 'no-purchase-in-2-days', members: 2, entered: 1, exited: 1 },
        { segment: 'purchase-in-2-days', members: 1, entered: 1, exited: 1 },
        { segment: 'purchasers', failed: expect.stringContaining('Could not convert string') },
      ],
      warnings: [
        { code: 'EvaluationFailed', message: expect.stringMatching(/^purchasers was not evaluated, and/) },
        { code: 'large-audience', message: expect.stringMatching(/^3 Segments have more than 30 % of the 3 profiles/) },
      ],
    })
    expect(await members(workspace, ['purchasers'])).toEqual(before)
    // Said again of what was committed already.
    expect(await run(withFault(broken), '2026-01-07T00:00:00Z')).toMatchObject({ warnings: report.warnings })

    expect(await run(sound, '2026-01-08T00:00:00Z')).toMatchObject({ totals: { segments: 4, entered: 1 } })
    expect((await members(workspace, ['purchasers'])).purchasers).toEqual(['p1 01-03', 'p2 01-08'])
  })

  test('that was never evaluated has no members yet', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = withFault(broken)
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    const report = await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { segments: 3 } })
    expect(readMembershipManifest(workspace.root)?.segments.map(({ segment }) => segment)).not.toContain('purchasers')
  })

  test('and whatever refers to it are left out together', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const own = evaluatePlanOf(all)
    const first = own.full.duckdb.replace(segments.purchasers, () => broken)
    const duckdb = `SELECT "$profile", "has-points", "no-purchase-in-2-days", purchasers, purchasers AND "has-points" AS "purchase-in-2-days" FROM (${first})`
    const plan = planWith({ ...own, full: { ...own.full, duckdb } })
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    const report = await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    expect(report.details?.filter(({ failed }) => failed !== undefined).map(({ segment }) => segment)).toEqual([
      'purchase-in-2-days',
      'purchasers',
    ])
  })

  test('a query that fails without any Segment is a fault of the step', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const own = evaluatePlanOf(all)
    const plan = planWith({ ...own, full: { ...own.full, duckdb: 'SELECT nothing FROM nowhere' } })
    await ingest({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })
    expect(await evaluate({ plan, input: inputOf('2026-01-03T00:00:00Z'), ports })).toMatchObject({
      outcome: 'Failed',
      error: { reason: 'InternalError' },
    })
  })
})
