// A Segment that the engine does not take at all, by the query that the compiler prints: found, left out, and said; whatever refers to it too.
import { describe, expect, test } from 'vitest'
import type { EvaluatePlan, JobPlan } from '#crds'
import { example } from '../../compiler/pql/functions.ts'
import { streamingQuery } from '../../compiler/sql/flip-query.ts'
import { membershipQuery } from '../../compiler/sql/membership-query.ts'
import { evaluate } from '../../jobs/evaluate/evaluate.ts'
import { partOfQuery } from '../../jobs/evaluate/part-of-query.ts'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { membersSql, readMembershipManifest } from '../../jobs/profile-store.ts'
import { customers, inputOf, openWorkspace, orders, planOf, storePlan, type Workspace } from '../ingest/workspace.ts'
import { constructs } from '../pql/constructs.ts'
import { compileOne, onDuckdb, typesOf } from '../support/pql.ts'

const text = { type: 'string' }
const types = typesOf({
  profile: {
    type: 'object',
    properties: {
      customerId: text,
      loyalty: { type: 'object', properties: { points: { type: 'integer' }, gone: { type: 'integer' } } },
    },
  },
  event: { type: 'object', properties: { eventType: text, total: { type: 'number' }, gone: { type: 'number' } } },
})

const sound = {
  'has-points': 'loyalty.points > 0',
  bought: 'exists E from xEvent where E.eventType = "purchase"',
  'bought-lately': 'exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 2 days before now',
  'bought-with-points': 'inSegment("has-points") and inSegment("bought")',
  'bought-twice': 'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "purchase"), B: WHAT(eventType = "purchase")])',
}

/** Each reads what is not in the store, as one would that a compiler prints wrongly: the engine takes no query with it. */
const refused: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a condition of its own': { odd: 'loyalty.gone > 3' },
  'a condition that two share': { odd: 'loyalty.gone > 3 and loyalty.points > 0', odder: 'loyalty.gone > 3' },
  'an aggregate': { odd: 'xEvent.sum(gone) > 3' },
  'the filter of an aggregate': { odd: 'xEvent[gone > 3].count() > 0' },
  'a step of a sequence': { odd: 'CHAIN(xEvent, timestamp, [A: WHAT(gone > 3), B: WHAT(eventType = "purchase")])' },
  'a list': { odd: 'xEvent.topN(gone, 2)[eventType = "purchase"].count() > 0' },
  'what turns with time': { odd: 'exists E from xEvent where E.gone > 3 and E.timestamp occurs <= 2 days before now' },
  'one that another refers to': { odd: 'loyalty.gone > 3', odder: 'inSegment("odd") or inSegment("bought")' },
}

function planWith(own: Readonly<Record<string, string>>, evaluation: 'Batch' | 'Streaming'): JobPlan {
  const known = new Set(Object.keys(own))
  const names = [...known].sort()
  const conditions = names.map((name) => ({ name, condition: compileOne(own[name]!, types, known) }))
  const columns = [...storePlan.event, { path: 'gone', type: 'number' as const }]
  const plan: EvaluatePlan = {
    segments: names.map((name) => ({ name, digest: `sha256:${name}`, evaluation })),
    full: membershipQuery(conditions, columns),
    ...(evaluation === 'Streaming' && { streaming: streamingQuery(conditions, columns) }),
  }
  return { ...planOf([customers, orders]), evaluate: plan, digest: `sha256:${names.join()}` }
}

async function openFilled(): Promise<Workspace> {
  const workspace = await openWorkspace()
  const rows = ['p1,Ann,,,10', 'p2,Bob,,,0', 'p3,Cat,,,5'].map((row) => `${row},2026-01-01\n`).join('')
  workspace.land('customers/a.csv', `id,first_name,birth_date,email,points,updated_at\n${rows}`)
  const order = (customer: string, at: string) => `${JSON.stringify({ customer, at, type: 'purchase' })}\n`
  workspace.land('orders/o.ndjson', order('p1', '2026-01-02T00:00:00Z') + order('p2', '2026-01-06T00:00:00Z'))
  return workspace
}

async function members(workspace: Workspace, names: readonly string[]): Promise<unknown> {
  const manifest = readMembershipManifest(workspace.root)!
  const own = names.filter((name) => manifest.segments.some(({ segment }) => segment === name))
  const selects = manifest.files.map((_files, bucket) => membersSql(manifest, workspace.root, bucket, own))
  const rows = await workspace.engine.rows(`SELECT * FROM (${selects.join(' UNION ALL ')}) ORDER BY 1, 2`)
  return rows.map((row) => [row['segment'], row['$profile'], row['realized'], row['since']])
}

describe.each(['Batch', 'Streaming'] as const)('of a %s run', (evaluation) => {
  const instants = ['2026-01-03T00:00:00Z', '2026-01-07T00:00:00Z', '2026-01-07T00:05:00Z']
  let known: Promise<readonly unknown[]> | undefined
  const membersWithoutOdd = async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const plan = planWith(sound, evaluation)
    await ingest({ plan, input: inputOf(instants[0]!), ports })
    const found: unknown[] = []
    for (const now of instants) {
      await evaluate({ plan, input: { ...inputOf(now), evaluation }, ports })
      found.push(await members(workspace, Object.keys(sound)))
    }
    return found
  }

  test.each(Object.entries(refused))('%s', async (_, odd) => {
    const without = (known ??= membersWithoutOdd())
    await using workspace = await openFilled()
    const { ports } = workspace
    const run = (plan: JobPlan, now: string) => evaluate({ plan, input: { ...inputOf(now), evaluation }, ports })
    const [plain, with_] = [planWith(sound, evaluation), planWith({ ...sound, ...odd }, evaluation)]
    expect(await ingest({ plan: plain, input: inputOf('2026-01-03T00:00:00Z'), ports })).toMatchObject({
      outcome: 'Succeeded',
    })
    for (const [index, now] of instants.entries()) {
      const report = await run(with_, now)
      expect(report).toMatchObject({ outcome: 'Succeeded', totals: { segments: Object.keys(sound).length } })
      const failed = report.details?.filter((detail) => detail['failed'] !== undefined)
      expect(failed?.map(({ segment }) => segment)).toEqual(Object.keys(odd))
      for (const { failed: message } of failed ?? []) expect(message).toMatch(/Binder Error: .*gone/)
      expect(await members(workspace, Object.keys(sound))).toEqual((await without)[index])
    }
  })

  test('its members stay as they were, until the engine takes it', async () => {
    await using workspace = await openFilled()
    const { ports } = workspace
    const run = (plan: JobPlan, now: string) => evaluate({ plan, input: { ...inputOf(now), evaluation }, ports })
    const plain = planWith(sound, evaluation)
    const plan: JobPlan = JSON.parse(JSON.stringify({ ...plain, digest: 'sha256:damaged' }), (key, value) =>
      key === 'duckdb' ? value.replaceAll('"loyalty.points"', 'no_such_function("loyalty.points")') : value,
    )
    await ingest({ plan: plain, input: inputOf('2026-01-03T00:00:00Z'), ports })
    await run(plain, '2026-01-03T00:00:00Z')
    const own = ['bought-with-points', 'has-points']
    const before = await members(workspace, own)
    const report = await run(plan, '2026-01-07T00:00:00Z')
    expect(report).toMatchObject({ outcome: 'Succeeded', totals: { segments: 3 } })
    const left = report.warnings?.filter(({ code }) => code !== 'large-audience')
    expect(left?.map(({ message }) => message)).toEqual(
      ['bought-with-points', 'has-points'].map((name) =>
        expect.stringMatching(`^${name} was not evaluated, and its members stay.*no_such_function`),
      ),
    )
    expect(await members(workspace, own)).toEqual(before)
    expect(await run(plain, '2026-01-08T00:00:00Z')).toMatchObject({ totals: { segments: 5, entered: 0 } })
    expect(await members(workspace, own)).toEqual(before)
  })
})

test('every third construct of the language alone gives what it gives among all', { timeout: 120_000 }, async () => {
  const own = typesOf(example.schema)
  const people = [{ id: 'P1', attributes: example.profile, events: example.events }]
  const conditions = Object.values(constructs).flatMap((cases) => cases.map(([pql]) => compileOne(pql, own)))
  const all = await onDuckdb(conditions, people, own, example.now)
  for (const [index, wanted] of all.entries()) {
    if (index % 3 !== 0) continue
    const alone = await onDuckdb(conditions, people, own, example.now, (sql) => partOfQuery(sql, [`s${index}`]))
    expect(alone[index]).toEqual(wanted)
  }
})

test.each([
  ['SELECT "$p", a AS "x", b AS "y" FROM t', ['x'], 'SELECT "$p", a AS "x", NULL AS "y" FROM t'],
  [
    'SELECT "$p", f(a, \'AS "y",\') AS "x", "X" + 1 AS "y" FROM t',
    ['y'],
    'SELECT "$p", f(a, \'AS "y",\') AS "x", "X" + 1 AS "y" FROM t',
  ],
  [
    'SELECT "p", u AS "y" FROM (SELECT *, z AS "u", v AS "v" FROM t)',
    ['y'],
    'SELECT "p", u AS "y" FROM (SELECT *, z AS "u", NULL AS "v" FROM t)',
  ],
])('%s', (sql, segments, part) => {
  expect(partOfQuery(sql, segments)).toBe(part)
})
