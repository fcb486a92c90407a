import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { membersSql, readMembershipManifest } from '../../jobs/profile-store.ts'
import { dataOf, eventsIn, openWorkspace, profilesIn, type Workspace } from './workspace.ts'

const child = fileURLToPath(new URL('./killed-child.ts', import.meta.url))
const kills = 16
const profiles = 60_000

/** Day 1 lands everything, day 2 changes a file of each Dataset and adds one. */
async function land(workspace: Workspace, day: string): Promise<void> {
  const landing = workspace.ports.claim('landing')
  const isFirst = day === '05'
  const customers = async (name: string, from: number, to: number, points: number) => {
    workspace.land('customers/.keep', '')
    await workspace.engine.run(`COPY (SELECT 'p' || i AS id, 'n' || i AS first_name, '' AS birth_date, '' AS email, (i * 7 + ${points}) % 100 AS points, '2026-01-${day}' AS updated_at
      FROM range(${from}, ${to}) t(i)) TO '${landing}/customers/${name}.csv' (HEADER)`)
  }
  const orders = async (name: string, from: number, to: number) => {
    workspace.land('orders/.keep', '')
    await workspace.engine.run(`COPY (SELECT 'e' || i AS id, 'p' || ((i * 7919) % ${profiles + 500}) AS customer, (TIMESTAMP '2026-01-${day}' - to_hours(i % 120))::VARCHAR AS at,
      CASE WHEN i % 3 = 0 THEN 'purchase' ELSE 'view' END AS type FROM range(${from}, ${to}) t(i)) TO '${landing}/orders/${name}.ndjson' (FORMAT json)`)
  }
  await customers(isFirst ? 'a' : 'c', 0, profiles / 2, isFirst ? 0 : 13)
  await orders('a', 0, isFirst ? 60_000 : 59_000)
  if (isFirst) await customers('b', profiles / 2, profiles, 0)
  await orders(isFirst ? 'b' : 'c', isFirst ? 60_000 : 119_000, isFirst ? 120_000 : 140_000)
}

type Ending = {
  readonly code: number | null
  readonly lines: number
  readonly milliseconds: number
  readonly errors: string
}

/** Runs the child; kills it after so many milliseconds, or right after so many lines of progress. */
function runChild(
  folder: string,
  day: string,
  kill: { readonly afterMs?: number; readonly afterLines?: number } = {},
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const running = spawn(process.execPath, [child, folder, day], { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = kill.afterMs === undefined ? undefined : setTimeout(() => running.kill('SIGKILL'), kill.afterMs)
    let lines = 0
    let errors = ''
    running.stdout.on('data', (chunk: Buffer) => {
      lines += chunk.toString().split('\n').length - 1
      if (kill.afterLines !== undefined && lines >= kill.afterLines) running.kill('SIGKILL')
    })
    running.stderr.on('data', (chunk: Buffer) => (errors += chunk))
    running.on('error', reject)
    running.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, lines, milliseconds: performance.now() - started, errors })
    })
  })
}

async function state(workspace: Workspace) {
  const membership = readMembershipManifest(workspace.root)
  if (!membership) throw new Error('There is no membership.')
  const members = membership.files.map((_files, bucket) =>
    membersSql(membership, workspace.root, bucket, ['buyers', 'rich']),
  )
  return {
    data: readFileSync(join(workspace.root, 'data.json'), 'utf8'),
    membership: readFileSync(join(workspace.root, 'membership.json'), 'utf8'),
    members: await workspace.engine.rows(
      `SELECT segment, realized, since, count(*) AS rows, bit_xor(md5_number_lower("$profile"))::VARCHAR AS sum FROM (${members.join(' UNION ALL ')}) GROUP BY ALL ORDER BY ALL`,
    ),
    profiles: await profilesIn(workspace),
    events: await eventsIn(workspace),
  }
}

function filesIn(workspace: Workspace): readonly string[] {
  return readdirSync(workspace.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('reports'))
    .map((entry) => join(entry.parentPath, entry.name).slice(workspace.root.length + 1))
    .sort()
}

test('killed at any instant and repeated, a run ends as if nothing had happened', { timeout: 400_000 }, async () => {
  await using undisturbed = await openWorkspace()
  await using disturbed = await openWorkspace()
  const folderOf = (workspace: Workspace) => dirname(workspace.ports.scratch)
  let killed = 0
  for (const day of ['05', '07']) {
    await land(undisturbed, day)
    await land(disturbed, day)
    const whole = await runChild(folderOf(undisturbed), day)
    expect(whole).toMatchObject({ code: 0 })
    for (let kill = 0, before = killed; killed - before < kills; kill++) {
      const share = ((kill % kills) + Math.random()) / kills
      // From when DuckDB is loaded to the end, and at places that a clock alone would seldom hit.
      const ending = await runChild(
        folderOf(disturbed),
        day,
        kill % 2 === 0
          ? { afterMs: 300 + share * (whole.milliseconds - 200) }
          : { afterLines: Math.ceil(share * whole.lines) },
      )
      expect(ending.errors).toBe('')
      if (ending.code === null) killed++
      // A reader sees a whole version or the one before, at any time.
      const data = existsSync(join(disturbed.root, 'data.json')) ? dataOf(disturbed) : null
      if (data !== null) expect(await profilesIn(disturbed)).toHaveLength(data.profileCount)
    }
    expect(await runChild(folderOf(disturbed), day)).toMatchObject({ code: 0, errors: '' })
    const expected = await state(undisturbed)
    expect(dataOf(undisturbed).buckets).toBeGreaterThanOrEqual(4)
    expect(await state(disturbed)).toEqual(expected)
  }
  // What the killed runs left is gone.
  for (const workspace of [undisturbed, disturbed])
    expect(await runChild(folderOf(workspace), '08')).toMatchObject({ code: 0 })
  expect(filesIn(disturbed)).toEqual(filesIn(undisturbed))
})
