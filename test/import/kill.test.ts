import { afterAll, beforeAll, expect, test } from 'vitest'
import { runInChild } from '../export/killed.ts'
import { deliver, startDatabase, volumes } from './database.ts'
import { importPlan } from './plan.ts'

const rounds = 32
let database: Awaited<ReturnType<typeof startDatabase>>
beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database.stop())

const instant = '2026-12-01T04:00:00Z'
const input = { run: 'act-offers-1', scheduledTime: instant, now: instant, trigger: 'Schedule' }

/** Many recipients, two audiences with split files, and something for the lists to lose. */
async function prepare() {
  await database.reset()
  await database.admin.query(
    `INSERT INTO recipients (external_id, name) SELECT 'R' || n, 'Name ' || n FROM generate_series(1, 8000) n`,
  )
  for (const [index, segment] of ['gold', 'silver'].entries()) {
    const rows = (from: number, to: number) =>
      `external_id,name,segmentMembership.status\n${Array.from({ length: to - from }, (_, at) => `R${from + at},${segment} ${from + at},realized\n`).join('')}`
    deliver({
      segment,
      backfill: true,
      files: [rows(1 + index * 2000, 4000 + index * 2000), rows(4000 + index * 2000, 9000)],
    })
  }
}

async function state() {
  const { rows } = await database.admin.query(`SELECT
    (SELECT md5(string_agg(r::text, ',' ORDER BY external_id)) FROM recipients r) AS recipients,
    (SELECT md5(string_agg(m::text, ',' ORDER BY segment, recipient_key)) FROM convoke.audience_members m) AS members,
    (SELECT md5(string_agg(w::text, ',' ORDER BY segment, recipient_key)) FROM convoke.waiting_rows w) AS waiting,
    (SELECT string_agg(file || rows, ',' ORDER BY file) FROM convoke.import_ledger) AS ledger,
    (SELECT string_agg(manifest || details::text, ',' ORDER BY manifest) FROM convoke.import_results) AS results`)
  return rows[0]
}

test(`an import killed at ${rounds} instants and run once more leaves what an undisturbed one leaves`, {
  timeout: 400_000,
}, async () => {
  const argument = {
    step: 'import',
    plan: importPlan(),
    input,
    surroundings: { volumes, databases: { production: database.url } },
  }
  await prepare()
  expect(await runInChild(argument, null)).toBe(true)
  const undisturbed = await state()
  expect(undisturbed.ledger.split(',')).toHaveLength(4)

  let killed = 0
  for (let round = 0; round < rounds; round++) {
    await prepare()
    if (!(await runInChild(argument, 10 + Math.random() * 450))) killed++
    expect(await runInChild(argument, null)).toBe(true)
    expect(await state()).toEqual(undisturbed)
  }
  expect(killed).toBeGreaterThanOrEqual(rounds / 2)
})
