// Since when somebody is in a Segment, and what changed lately, is read from a log that is put together again and again. Over many versions,
// with Segments that come and go, it must say what a list of all changes says.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { EvaluatePlan, JobPlan } from '#crds'
import { timestampLiteral } from '../../jobs/engines/duckdb.ts'
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { evaluationsOf } from '../../jobs/history.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { transitionsOf } from '../../jobs/members.ts'
import { changesSql } from '../../jobs/memberships.ts'
import { membersSql, readDataManifest, readMembershipManifest } from '../../jobs/profile-store.ts'
import { customers, inputOf, openWorkspace, planOf, type Workspace } from '../ingest/workspace.ts'

const day = 86_400_000
const start = Date.parse('2026-01-03T00:00:00Z')
const at = (days: number) => new Date(start + days * day).toISOString()

/** Who is in a Segment changes from day to day as dice fall; some stay for ever. */
const holds = (name: string) =>
  `(md5_number_lower("$profile" || '${name}' || $now::VARCHAR) % 4 = 0) <> (md5_number_lower("$profile" || '${name}') % 5 = 0)`

function planWith(names: readonly string[]): JobPlan {
  const plan: EvaluatePlan = {
    segments: names.map((name) => ({ name, digest: `sha256:${name}`, evaluation: 'Batch' })),
    full: {
      segments: [...names],
      references: [],
      profileColumns: [],
      eventColumns: [],
      duckdb: `SELECT "$profile", ${names.map((name) => `${holds(name)} AS "${name}"`).join(', ')} FROM profiles`,
    },
  }
  return { ...planOf([customers]), evaluate: plan, digest: `sha256:${names.join()}` }
}

async function membersAt(workspace: Workspace, names: readonly string[], now: string) {
  const rows = await workspace.engine.rows(
    `SELECT "$profile", ${names.map((name) => `${holds(name)} AS "${name}"`).join(', ')} FROM (SELECT 'p' || i AS "$profile" FROM range(40) t(i))`.replaceAll(
      '$now',
      () => timestampLiteral(now),
    ),
  )
  return new Map(
    names.map((name) => [
      name,
      new Set(rows.filter((row) => row[name] === true).map((row) => String(row['$profile']))),
    ]),
  )
}

test('after many versions, times and changes are as if all had been written down', { timeout: 300_000 }, async () => {
  await using workspace = await openWorkspace()
  const { ports } = workspace
  const lines = Array.from({ length: 40 }, (_, index) => `p${index},Ann,,,1,2026-01-01\n`).join('')
  workspace.land('customers/a.csv', `id,first_name,birth_date,email,points,updated_at\n${lines}`)
  await ingest({ plan: planWith(['a']), input: inputOf(at(0)), ports })

  const since = new Map<string, { realized: boolean; at: string }>()
  let changes: string[] = []
  const many = Array.from({ length: 70 }, (_, index) => `many-${String(index).padStart(2, '0')}`)
  const namesAt = (index: number): readonly string[] =>
    index < 12 ? ['a', 'b', 'c'] : index < 14 ? ['a', 'c'] : index < 40 ? ['a', 'c', 'd'] : ['a', 'c', 'd', ...many]
  for (let index = 0; index < 64; index += 1) {
    const [now, names, before] = [at(index), namesAt(index), index === 0 ? [] : namesAt(index - 1)]
    expect(await evaluate({ plan: planWith(names), input: inputOf(now), ports })).toMatchObject({
      outcome: 'Succeeded',
    })
    const found = await membersAt(workspace, names, now)
    const own: string[] = []
    for (const name of new Set([...names, ...before]))
      for (let person = 0; person < 40; person += 1) {
        const key = `${name} p${person}`
        const [was, is] = [since.get(key)?.realized ?? false, found.get(name)?.has(`p${person}`) ?? false]
        if (was === is) continue
        since.set(key, { realized: is, at: now })
        own.push(`${now} ${name} ${is ? 'entered' : 'exited'} p${person}`)
      }
    changes.push(...own)
    const manifest = readMembershipManifest(workspace.root)!
    const rowsOf = async (sql: string | null) =>
      sql === null
        ? []
        : (await workspace.engine.rows(sql)).map(
            (row) => `${(row['at'] as Date).toISOString()} ${row['segment']} ${row['change']} ${row['$profile']}`,
          )
    expect((await rowsOf(changesSql(manifest, workspace.root, { ordinal: manifest.ordinal! }))).sort()).toEqual(
      own.sort(),
    )
    if (index % 9 !== 0 && index !== 63) continue
    const rows = await workspace.engine.rows(
      manifest.files.map((_, bucket) => membersSql(manifest, workspace.root, bucket, names)).join(' UNION ALL '),
    )
    expect(
      rows
        .map((row) => `${row['segment']} ${row['$profile']} ${row['realized']} ${(row['since'] as Date).toISOString()}`)
        .sort(),
    ).toEqual(
      [...since]
        .filter(([key]) => names.includes(key.split(' ')[0]!))
        .map(([key, { realized, at: moment }]) => `${key} ${realized} ${moment}`)
        .sort(),
    )
    // What is older than 30 days may be forgotten.
    const isLate = (line: string) => Date.parse(now) - Date.parse(line.split(' ')[0]!) < 30 * day
    changes = changes.filter(isLate)
    const remembered = await rowsOf(changesSql(manifest, workspace.root))
    expect(remembered.filter(isLate).sort()).toEqual([...changes].sort())
    const open = {
      root: workspace.root,
      engine: workspace.engine,
      data: readDataManifest(workspace.root)!,
      membership: manifest,
    }
    const told = await transitionsOf(open, 'p7')
    expect(
      told
        .map(({ at: moment, segment, change }) => `${moment} ${segment} ${change} p7`)
        .filter(isLate)
        .sort(),
    ).toEqual(changes.filter((line) => line.endsWith(' p7')).sort())
    expect(manifest.log!.flat().length).toBeLessThanOrEqual(25)
  }
  // Totals outlive the versions.
  const totals = evaluationsOf(planWith(['a']).store!, { days: 400 }, ports)
  expect(totals.map(({ evaluatedAt }) => evaluatedAt)).toEqual(Array.from({ length: 64 }, (_, index) => at(index)))
  expect(totals.map(({ segments }) => segments.length)).toEqual(
    // A Segment that left is told of once more, when its members exit.
    totals.map((_, index) => namesAt(index).length + (index === 12 ? 1 : 0)),
  )
  const folder = join(workspace.root, 'membership')
  expect(readdirSync(folder, { recursive: true }).filter((name) => String(name).includes('/log-')).length).toBeLessThan(
    40,
  )
})
