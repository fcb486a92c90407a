import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DatasetPlan, ExpectationPlan, RunReport } from '#crds'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { customers, dataOf, inputOf, openWorkspace, orders, planOf, type Workspace } from './workspace.ts'

const header = 'id,first_name,birth_date,email,points,updated_at\n'
type Expectation = Omit<ExpectationPlan, 'name' | 'severity'>

function expecting(expectation: Expectation, severity: ExpectationPlan['severity'] = 'Warn'): DatasetPlan {
  return { ...customers, expectations: [{ name: 'it', severity, ...expectation }] }
}

function run(
  workspace: Workspace,
  datasets: readonly DatasetPlan[],
  now = '2026-01-10T00:00:00Z',
  evaluation: 'Batch' | 'Streaming' = 'Batch',
): Promise<RunReport> {
  return ingest({ plan: planOf(datasets), input: inputOf(now, evaluation), ports: workspace.ports })
}

function findings(report: RunReport, dataset = 'customers') {
  return report.details?.find((detail) => detail.dataset === dataset)?.expectations
}

const people = (count: number, of: (index: number) => string) =>
  header + Array.from({ length: count }, (_, index) => of(index)).join('')
const plain = (count: number) => people(count, (index) => `p${index},N,,a${index}@x.test,1,2026-01-01\n`)

const columnOf = (source: string) => ({
  source,
  column: {
    id: 'customerId',
    first_name: 'person.name.firstName',
    email: 'personalEmail.address',
    points: 'loyalty.points',
    birth_date: 'person.birthDate',
    updated_at: '$time',
  }[source]!,
})

describe('one delivery', () => {
  test.each<[string, Expectation, string, boolean, RegExp]>([
    [
      'every required column filled',
      { requiredColumns: { columns: [columnOf('email'), columnOf('updated_at')], minPercent: 100 } },
      plain(10),
      true,
      /in 10 records/,
    ],
    [
      'a required value missing',
      { requiredColumns: { columns: [columnOf('id'), columnOf('email')], minPercent: 100 } },
      people(10, (index) => `p${index},N,,${index === 3 ? '' : 'a@x.test'},,2026-01-01\n`),
      false,
      /no value for email in 1 of 10 records; none may be missing/,
    ],
    [
      'as many as may be missing',
      { requiredColumns: { columns: [columnOf('email')], minPercent: 90 } },
      people(10, (index) => `p${index},N,,${index === 3 ? '' : 'a@x.test'},,2026-01-01\n`),
      true,
      /./,
    ],
    [
      'a column that the file does not have',
      { requiredColumns: { columns: [columnOf('email')], minPercent: 1 } },
      'id,updated_at\np1,2026-01-01\n',
      false,
      /no value for email in 1 of 1 records; 1% of them have to have one/,
    ],
    ['ids once each', { uniqueIds: { columns: [columnOf('id')] } }, plain(10), true, /no two records have the same id/],
    [
      'an id twice',
      { uniqueIds: { columns: [columnOf('id')] } },
      plain(3) + 'p1,N,,,,2026-01-01\np1,N,,,,2026-01-01\np2,N,,,,2026-01-01\n',
      false,
      /2 values of id stand in 5 records/,
    ],
    [
      'an id twice, with different times',
      { uniqueIds: { columns: [columnOf('id'), columnOf('updated_at')] } },
      plain(3) + 'p1,N,,,,2026-01-02\n',
      true,
      /id, updated_at/,
    ],
    [
      'records without the id',
      { uniqueIds: { columns: [columnOf('email')] } },
      `${header}p1,,,,,2026-01-01\np2,,,,,2026-01-01\n`,
      true,
      /./,
    ],
    [
      'accepted values',
      { acceptedValues: { column: columnOf('first_name'), values: ['N', 'M'], minPercent: 100 } },
      plain(4),
      true,
      /all 4 values of first_name/,
    ],
    [
      'another value',
      { acceptedValues: { column: columnOf('first_name'), values: ['M', "O'Hara"], minPercent: 100 } },
      plain(4) + "p9,O'Hara,,,,2026-01-01\n",
      false,
      /4 of 5 values of first_name are none of the 2 accepted ones$/,
    ],
    [
      'few enough others',
      { acceptedValues: { column: columnOf('first_name'), values: ['N'], minPercent: 75 } },
      plain(3) + 'p9,X,,,,2026-01-01\n',
      true,
      /1 of 4 values of first_name.*75% have to be/,
    ],
    [
      'no value at all',
      { acceptedValues: { column: columnOf('first_name'), values: ['N'], minPercent: 100 } },
      'id,updated_at\np1,2026-01-01\n',
      true,
      /all 0 values/,
    ],
    [
      'numbers however they are written',
      { acceptedValues: { column: columnOf('points'), values: ['1.0', '2'], minPercent: 100 } },
      plain(3),
      true,
      /./,
    ],
    [
      'dates',
      { acceptedValues: { column: columnOf('birth_date'), values: ['1990-05-05'], minPercent: 100 } },
      `${header}p1,,1990-05-05,,,2026-01-01\n`,
      true,
      /./,
    ],
  ])('with %s', async (_title, expectation, file, met, message) => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', file)
    const report = await run(workspace, [expecting(expectation)])
    expect(report.outcome).toBe('Succeeded')
    expect(findings(report)).toEqual([{ name: 'it', severity: 'Warn', met, message: expect.stringMatching(message) }])
    expect((report.warnings ?? []).filter(({ code }) => code === 'unmet-expectation')).toHaveLength(met ? 0 : 1)
  })

  test('of events is told apart by their ids', async () => {
    await using workspace = await openWorkspace()
    const event = (id: string) => `${JSON.stringify({ id, customer: 'p1', at: '2026-01-01' })}\n`
    workspace.land('orders/a.ndjson', event('1') + event('2') + event('1'))
    const dataset: DatasetPlan = {
      ...orders,
      eventId: 'id',
      expectations: [{ name: 'once', severity: 'Warn', uniqueIds: { columns: [{ source: 'id', column: '$event' }] } }],
    }
    expect(findings(await run(workspace, [dataset]), 'orders')).toMatchObject([{ met: false }])
  })
})

describe('the size of a delivery', () => {
  const sized = expecting({ deliverySize: { deliveries: 3, minPercent: 50, maxPercent: 200 } })

  test('compares a delivery with the median of those before it', async () => {
    await using workspace = await openWorkspace()
    const told: (boolean | undefined)[] = []
    for (const [index, count] of [100, 110, 1000, 90, 56, 49, 45, 20, 200, 56].entries()) {
      workspace.land(`customers/${index}.csv`, plain(count))
      told.push(findings(await run(workspace, [sized]))?.[0]?.met)
      // A run that brings nothing leaves what was found.
      expect(findings(await run(workspace, [sized]))?.[0]?.met).toBe(told.at(-1))
    }
    // Of the first nothing can be said; 1000 is far over 105, 49 under half of 90, …
    expect(told).toEqual([undefined, true, false, true, true, true, true, false, false, true])
  })

  test('counts the files of one ingest as one delivery', async () => {
    await using workspace = await openWorkspace()
    for (const name of ['a', 'b', 'c']) workspace.land(`customers/${name}.csv`, plain(10))
    await run(workspace, [sized])
    expect(dataOf(workspace).sources['customers']?.deliveries).toMatchObject([{ rows: 30, at: '2026-01-10T00:00:00Z' }])
    workspace.land('customers/a.csv', plain(16))
    expect(findings(await run(workspace, [sized]))).toEqual([
      expect.objectContaining({ met: true, message: expect.stringContaining('has 16 records, the one before had 30') }),
    ])
  })
})

describe('freshness', () => {
  test('is of the newest record that is not ahead, at the time of the run', async () => {
    await using workspace = await openWorkspace()
    const dataset = expecting({ freshness: { maxAge: '26h', of: 'Records' } }, 'HoldActivations')
    expect(findings(await run(workspace, [dataset]))).toEqual([
      {
        name: 'it',
        severity: 'HoldActivations',
        met: false,
        message: 'nothing has come yet; the newest record may be 26h old',
      },
    ])
    workspace.land('customers/a.csv', `${header}p1,,,,,2026-01-09T00:00:00Z\np2,,,,,2026-01-12T00:00:00Z\n`)
    expect(findings(await run(workspace, [dataset], '2026-01-10T00:00:00Z'))).toMatchObject([{ met: true }])
    expect(findings(await run(workspace, [dataset], '2026-01-10T02:00:00Z'))).toMatchObject([{ met: true }])
    const late = await run(workspace, [dataset], '2026-01-10T03:00:00Z')
    expect(late.outcome).toBe('Succeeded')
    expect(findings(late)).toMatchObject([
      {
        met: false,
        message: 'the newest record is of 2026-01-09T00:00:00.000Z, 27 h before this Run; 26h are allowed',
      },
    ])
    expect(late.warnings).toContainEqual({
      code: 'unmet-expectation',
      message: expect.stringMatching(
        /^Dataset customers does not meet its expectation it: .* Activations deliver nothing until it is met\.$/,
      ),
    })
  })

  test('of deliveries is of when something was taken in', async () => {
    await using workspace = await openWorkspace()
    const dataset = expecting({ freshness: { maxAge: '1h', of: 'Deliveries' } })
    workspace.land('customers/a.csv', plain(1))
    expect(findings(await run(workspace, [dataset], '2026-01-10T00:00:00Z'))).toMatchObject([{ met: true }])
    expect(findings(await run(workspace, [dataset], '2026-01-10T02:00:00Z'))).toMatchObject([{ met: false }])
    workspace.land('customers/b.csv', plain(1))
    expect(findings(await run(workspace, [dataset], '2026-01-10T02:00:00Z'))).toMatchObject([{ met: true }])
  })

  test('of a store of before is of all its records', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', plain(1))
    await run(workspace, [customers])
    const path = join(workspace.root, 'data.json')
    const { deliveries: _, ...rest } = dataOf(workspace).sources['customers']!
    const files = Object.fromEntries(Object.entries(rest.files).map(([name, { taken: __, ...file }]) => [name, file]))
    const manifest = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...manifest, sources: { customers: { ...rest, files } } }))
    expect(findings(await run(workspace, [expecting({ freshness: { maxAge: '1h', of: 'Records' } })]))).toMatchObject([
      { met: false, message: expect.stringContaining('the newest record is of 2026-01-01T') },
    ])
    expect(
      findings(await run(workspace, [expecting({ freshness: { maxAge: '1h', of: 'Deliveries' } })])),
    ).toBeUndefined()
    expect(findings(await run(workspace, [expecting({ uniqueIds: { columns: [columnOf('id')] } })]))).toBeUndefined()
  })

  test('of a Dataset of the day is looked at by streaming runs as well', async () => {
    await using workspace = await openWorkspace()
    const dataset = expecting({ freshness: { maxAge: '1h', of: 'Deliveries' } })
    workspace.land('customers/a.csv', plain(1))
    await run(workspace, [dataset, orders])
    const report = await run(workspace, [dataset, orders], '2026-01-10T02:00:00Z', 'Streaming')
    expect(findings(report)).toMatchObject([{ met: false }])
    expect(report.details?.map(({ dataset: name, counts }) => [name, counts !== undefined])).toEqual([
      ['customers', false],
      ['orders', true],
    ])
  })
})

test('one that fails fails the step, and what was read is in; corrected data passes', async () => {
  await using workspace = await openWorkspace()
  const dataset = expecting({ uniqueIds: { columns: [columnOf('id')] } }, 'Fail')
  workspace.land('customers/a.csv', `${plain(2)}p1,N,,,,2026-01-01\n`)
  const report = await run(workspace, [dataset])
  expect(report).toMatchObject({
    outcome: 'Failed',
    error: {
      reason: 'UnmetExpectation',
      message: expect.stringMatching(/^Dataset customers does not meet its expectation it: .*committed\.$/),
    },
  })
  expect(dataOf(workspace).profileCount).toBe(2)
  expect(await run(workspace, [dataset])).toMatchObject({ outcome: 'Failed' })
  workspace.land('customers/a.csv', plain(2))
  expect(await run(workspace, [dataset])).toMatchObject({ outcome: 'Succeeded' })
})

test('an expectation that changes is looked at again, without new data', async () => {
  await using workspace = await openWorkspace()
  workspace.land('customers/a.csv', plain(4))
  const accepting = (values: string[]) =>
    expecting({ acceptedValues: { column: columnOf('first_name'), values, minPercent: 100 } })
  expect(findings(await run(workspace, [accepting(['M'])]))).toMatchObject([{ met: false }])
  expect(findings(await run(workspace, [accepting(['M', 'N'])]))).toMatchObject([{ met: true }])
  await run(workspace, [customers])
  expect(dataOf(workspace).sources['customers']?.expectations).toBeUndefined()
})
