// A Pod that is deleted is asked to stop: whatever a step waits for, it ends at once, says so, and leaves nothing half done.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type JobPlan, readReportLines, readTerminationMessage } from '../../crds/index.ts'
import { columnsOf, planOf, writeStore } from '../export/store.ts'
import { deliver, startDatabase, volumes, zone } from '../import/database.ts'
import { importPlan } from '../import/plan.ts'
import { customers, limits } from '../ingest/workspace.ts'
import { folderOf } from '../support/cli.ts'

const bin = join(import.meta.dirname, '../../bin/convoke')
const input = {
  run: 'act-offers-1',
  scheduledTime: '2026-12-01T04:00:00Z',
  now: '2026-12-01T04:00:00Z',
  trigger: 'Schedule',
}

/** Starts a step, asks it to stop once it is busy, and gives what it says and how long it took to. */
async function stopped(
  step: string,
  plan: JobPlan,
  isBusy: (folder: string) => Promise<boolean> | boolean,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  using folder = folderOf({ 'plan.json': JSON.stringify(plan), 'run.json': JSON.stringify(input), 'landing/.keep': '' })
  await writeStore(join(folder.path, 'profile-store/retail'), {
    version: 'v1',
    columns: [{ path: 'id', type: 'string' }],
    profiles: { p: { id: 'P1' } },
    members: { gold: { p: '2026-11-01T00:00:00Z' } },
  })
  const child = spawn(
    bin,
    [step, '--plan', 'plan.json', '--run', 'run.json', '--volumes', '.', '--termination-log', 'message', ...more],
    { cwd: folder.path, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TMPDIR: folder.path, ...env } },
  )
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  const closed = new Promise<number | null>((done) => child.once('close', done))
  const deadline = Date.now() + 20_000
  while (!(await isBusy(folder.path)) && child.exitCode === null && Date.now() < deadline) await sleep(20)
  const asked = Date.now()
  child.kill('SIGTERM')
  const code = await closed
  const seconds = (Date.now() - asked) / 1000
  return {
    code,
    seconds,
    message: readTerminationMessage(readFileSync(join(folder.path, 'message'), 'utf8')),
    report: readReportLines(out)?.report,
    left: readdirSync(folder.path).filter((name) => name.startsWith('convoke-')),
    hasLock: existsSync(join(folder.path, 'profile-store/retail/writer.lock')),
    version: JSON.parse(readFileSync(join(folder.path, 'profile-store/retail/membership.json'), 'utf8')).version,
  }
}

const interrupted = { outcome: 'Failed', error: { reason: 'Interrupted', retryable: true } }

function expectPrompt(outcome: Awaited<ReturnType<typeof stopped>>): void {
  expect(outcome).toMatchObject({
    code: 1,
    message: interrupted,
    report: interrupted,
    left: [],
    hasLock: false,
    version: 'v1',
  })
  expect(outcome.seconds).toBeLessThan(3)
}

test('an evaluation in the middle of a query', async () => {
  const query = {
    segments: ['gold'],
    references: [],
    profileColumns: [],
    eventColumns: [],
    duckdb: `SELECT count(*)::VARCHAR AS "$profile", true AS gold FROM range(1000000000) a, range(1000000000) b WHERE hash(a.range, b.range) = 7`,
    spark: '',
  }
  const { export: _, ...plan } = planOf({})
  const segments = [{ name: 'gold', digest: 'sha256:1', evaluation: 'Batch' as const }]
  expectPrompt(
    await stopped('evaluate', { ...plan, evaluate: { segments, full: query } }, async (folder) => {
      if (!existsSync(join(folder, 'profile-store/retail/writer.lock'))) return false
      await sleep(500)
      return true
    }),
  )
})

describe('with an object store that does not answer', () => {
  let connections = 0
  const server = createServer(() => {
    connections += 1
  })
  beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)))
  afterAll(() => void server.close())
  beforeEach(() => {
    connections = 0
    process.env['AWS_ACCESS_KEY_ID'] = process.env['AWS_SECRET_ACCESS_KEY'] = 'a'
  })
  const location = () => {
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    return { s3: { bucket: 'b', endpoint: `http://127.0.0.1:${port}`, forcePathStyle: true } }
  }

  test('an export', async () => {
    const plan = planOf({ location: location(), columns: columnsOf('external_id=id:string!*') })
    expectPrompt(await stopped('export', plan, () => connections > 0))
  })

  test('an ingest, which gives back its right to write the store', async () => {
    const { export: _, ...plan } = planOf({})
    const datasets = [{ ...customers, location: location() }]
    expectPrompt(await stopped('ingest', { ...plan, ingest: { datasets, limits } }, () => connections > 0))
  })

  test('an ingest in a process with a call of the file system that never comes back', { timeout: 30_000 }, async () => {
    const { export: _, ...plan } = planOf({})
    const datasets = [{ ...customers, location: location() }]
    using folder = folderOf({ 'preload.mjs': '' })
    const [pipe, preload] = [join(folder.path, 'pipe'), join(folder.path, 'preload.mjs')]
    execFileSync('mkfifo', [pipe])
    writeFileSync(preload, `import { open } from 'node:fs/promises'; void open(${JSON.stringify(pipe)})`)
    const outcome = await stopped('ingest', { ...plan, ingest: { datasets, limits } }, () => connections > 0, [], {
      NODE_OPTIONS: `--import ${preload}`,
    })
    // Only by force, but with everything said and given back.
    expectPrompt({ ...outcome, code: outcome.code ?? 1 })
  })
})

let database: Awaited<ReturnType<typeof startDatabase>>
beforeAll(async () => {
  database = await startDatabase()
  await database.reset()
})
afterAll(() => database.stop())

test('an import whose statement the database is busy with, which ends there too', async () => {
  deliver({ files: ['external_id,name,segmentMembership.status\nP1,Ann,realized\n'] })
  expect(existsSync(zone)).toBe(true)
  await database.admin.query('BEGIN; LOCK TABLE recipients')
  const busy = async () => {
    // Within a transaction what was seen once would be seen again.
    await database.admin.query('SELECT pg_stat_clear_snapshot()')
    const { rows } = await database.admin.query(
      `SELECT count(*)::integer AS waiting FROM pg_stat_activity WHERE application_name = 'convoke' AND wait_event_type = 'Lock'`,
    )
    return rows[0].waiting
  }
  try {
    expectPrompt(
      await stopped('import', importPlan(), async () => (await busy()) === 1, [
        '--volumes',
        volumes,
        '--database',
        `production=${database.url}`,
      ]),
    )
    expect(await busy()).toBe(0)
  } finally {
    await database.admin.query('ROLLBACK')
  }
  const { rows } = await database.admin.query('SELECT count(*)::integer AS files FROM convoke.import_ledger')
  expect(rows).toEqual([{ files: 0 }])
})
