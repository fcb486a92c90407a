import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { columnsOf } from '../export/store.ts'
import { csv, deliver, rejects, startDatabase, status } from './database.ts'
import { importPlan } from './plan.ts'

let database: Awaited<ReturnType<typeof startDatabase>>
beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database.stop())
beforeEach(() => database.reset())

type Choices = Parameters<typeof importPlan>
/** A plan that maps these columns. */
const planWith = (columns: readonly string[], ...choices: Choices) => {
  const plan = importPlan(...choices)
  return { ...plan, export: { ...plan.export!, columns: columnsOf(...columns) } }
}
const usual = ['external_id', 'name', 'points']

let runs = 0
/** Delivers files in a run of their own and imports them; without files the import alone. */
const next = async (files: readonly string[] | null, choices: Partial<Parameters<typeof deliver>[0]> = {}) => {
  const run = `act-offers-w${++runs}`
  if (files !== null) deliver({ run, files: [csv(`external_id,name,points,${status}`, ...files)], ...choices })
  return database.run(planWith(usual), { run })
}
const waiting = (columns = 'segment, recipient_key ->> 0') =>
  database.select(`SELECT ${columns} FROM convoke.waiting_rows ORDER BY segment, recipient_key`)
const arrive = (...keys: string[]) =>
  database.admin.query('INSERT INTO recipients (external_id, name) SELECT key, NULL FROM unnest($1::text[]) AS key', [
    keys,
  ])

describe('a row without a recipient', () => {
  test('waits, is counted and listed, and is loaded by the first import that finds its recipient', async () => {
    const first = await next(['P1,Ann,1,realized', 'P9,Bob,9,realized'])
    expect(first.totals).toMatchObject({ rowsRead: 2, updated: 1, rejected: 0, waiting: 1, added: 1 })
    expect(rejects()).toContain(
      '3,no row of public.recipients has this key yet; the row waits for one,P9,Bob,9,realized',
    )
    expect((await next(null)).totals).toMatchObject({ files: 0, updated: 0, arrived: 0, waiting: 1 })
    await arrive('P9')
    const third = await next(null)
    expect(third.totals).toMatchObject({ files: 0, arrived: 1, updated: 1, added: 1, waiting: 0 })
    expect(third.details).toEqual([
      { segment: 'gold', counts: { arrived: 1, updated: 1, unchanged: 0, added: 1, waiting: 0 } },
    ])
    expect(await database.recipient('P9', 'name, points')).toEqual(['Bob', 9])
    expect(await database.members()).toEqual(['P1', 'P9'])
    expect(
      await database.select(`SELECT since, run FROM convoke.audience_members WHERE recipient_key = '["P9"]'`),
    ).toEqual([[new Date('2026-12-01T03:00:00Z'), `act-offers-w${runs - 2}`]])
    expect((await next(null)).details).toEqual([])
  })

  test('is loaded once, and reported the same when the run is repeated', async () => {
    await next(['P9,Bob,9,realized'])
    await arrive('P9')
    const first = await next(null)
    const again = await database.run(planWith(usual), { run: `act-offers-w${runs}`, attempt: 2 })
    expect([again.totals, again.details]).toEqual([first.totals, first.details])
  })

  test('gives way to a newer one of the same recipient', async () => {
    await next(['P9,Bob,9,realized'])
    await next(['P9,Bobby,10,realized'])
    expect(await waiting(`attributes ->> 'name'`)).toEqual([['Bobby']])
    await arrive('P9')
    await next(null)
    expect(await database.recipient('P9', 'name, points')).toEqual(['Bobby', 10])
  })

  test('waits no more when it exits', async () => {
    await next(['P8,Ann,8,realized', 'P9,Bob,9,realized'])
    expect((await next(['P9,,,exited'])).totals).toMatchObject({ exited: 1, removed: 0, waiting: 1 })
    expect(await waiting()).toEqual([['gold', 'P8']])
  })

  test('waits no more when a newer file loads it', async () => {
    await next(['P9,Bob,9,realized'])
    await arrive('P9')
    expect((await next(['P9,Bobby,10,realized'])).totals).toMatchObject({ updated: 1, arrived: 0, waiting: 0 })
    expect(await database.recipient('P9', 'name')).toEqual(['Bobby'])
  })

  test.each([
    ['a full file', { export: 'Full' as const }],
    ['a backfill', { backfill: true }],
  ])('waits no more when %s does not name it', async (_, choices) => {
    await next(['P8,Ann,8,realized', 'P9,Bob,9,realized'])
    await next(['P7,New,7,realized', 'P9,Bob,9,realized'], choices)
    expect(await waiting()).toEqual([
      ['gold', 'P7'],
      ['gold', 'P9'],
    ])
  })

  test('of one Segment says nothing of the other', async () => {
    await next(['P9,Bob,9,realized'])
    await next(['P9,Bob,9,realized'], { segment: 'silver' })
    await next(['P9,,,exited'])
    expect(await waiting()).toEqual([['silver', 'P9']])
  })

  test('of several Segments is loaded for each, and the newest has the last word', async () => {
    await next(['P9,Old,1,realized'], { segment: 'silver', evaluatedAt: '2026-12-01T02:00:00Z' })
    await next(['P9,New,2,realized', 'P8,Ann,8,realized'])
    await arrive('P8', 'P9')
    expect((await next(null)).totals).toMatchObject({ arrived: 3, updated: 2, added: 3, waiting: 0 })
    expect(await database.recipient('P9', 'name')).toEqual(['New'])
    expect([await database.members(), await database.members('silver')]).toEqual([['P8', 'P9'], ['P9']])
  })

  test('that the database refuses when its recipient is there waits on, with the reason', async () => {
    await next(['P9,Bob,1000001,realized', 'P8,Ann,8,realized'])
    await next(['P9,Bob,1000001,realized'], { segment: 'silver' })
    await arrive('P8', 'P9')
    expect((await next(null)).totals).toMatchObject({ arrived: 1, rejected: 0, waiting: 2 })
    expect(await waiting('segment, reason')).toEqual([
      ['gold', expect.stringContaining('recipients_points_check')],
      ['silver', expect.stringContaining('recipients_points_check')],
    ])
    await next(['P9,Bob,9,realized'])
    expect(await waiting()).toEqual([['silver', 'P9']])
  })

  test('writes the columns that it was delivered with, and of those only what is still mapped', async () => {
    await next(['P9,Bob,9,realized'])
    await arrive('P9')
    await database.admin.query(`UPDATE recipients SET email = 'kept@example.test' WHERE external_id = 'P9'`)
    await database.run(planWith(['external_id', 'email', 'name']), { run: 'act-offers-new' })
    expect(await database.recipient('P9', 'name, email, points')).toEqual(['Bob', 'kept@example.test', null])
  })

  test('of a Segment that the Activation does not deliver any more is left alone', async () => {
    await next(['P9,Bob,9,realized'])
    await arrive('P9')
    const plan = planWith(usual)
    const segments = [{ name: 'silver', displayName: 'silver' }]
    const report = await database.run({ ...plan, export: { ...plan.export, segments } }, { run: 'act-offers-new' })
    expect(report.totals).toMatchObject({ arrived: 0, waiting: 0 })
    expect(await waiting()).toEqual([['gold', 'P9']])
  })

  test('of a profile sync waits as well', async () => {
    deliver({ files: [csv(`external_id,name,${status}`, 'P9,Bob,realized')] })
    await database.run(planWith(usual, {}, { syncType: 'Profile' }))
    await arrive('P9')
    await database.run(planWith(usual, {}, { syncType: 'Profile' }), { run: 'act-offers-2' })
    expect(await database.recipient('P9', 'name')).toEqual(['Bob'])
    expect(await database.select('SELECT * FROM convoke.audience_members')).toEqual([])
  })
})

test('keys of several columns and of other types find their recipients', async () => {
  const plan = planWith(['points', 'born', 'name'], { reconciliationKey: ['points', 'born'] })
  deliver({ files: [csv(`points,born,name,${status}`, '9,2000-01-09,Bob,realized')] })
  await database.run(plan)
  await database.admin.query(`INSERT INTO recipients (external_id, points, born) VALUES ('P9', 9, '2000-01-09')`)
  expect((await database.run(plan, { run: 'act-offers-2' })).totals).toMatchObject({ arrived: 1, updated: 1 })
  expect(await database.recipient('P9', 'name')).toEqual(['Bob'])
})
