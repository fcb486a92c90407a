import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DatasetPlan, RunReport, StorePlan } from '#crds'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { comparedSql, identityRulesOf, identitySql } from '../../jobs/merge/identities.ts'
import { findPerson } from '../../jobs/person.ts'
import {
  customers,
  dataOf,
  eventsIn,
  inputOf,
  openWorkspace,
  orders,
  planOf,
  profilesIn,
  storePlan,
  type Workspace,
} from '../ingest/workspace.ts'

const header = 'id,first_name,birth_date,email,points,updated_at\n'
const byEmail: DatasetPlan = { ...orders, identity: { namespace: 'Email', source: 'customer' } }
const stitched: StorePlan['mergePolicy'] = { attributes: 'TimestampOrdered', stitching: 'PrivateGraph' }
type Identity = Omit<StorePlan['identities'][number], 'namespace' | 'path' | 'primary'>

/** The store with more said of its two identities. */
function store(
  { customerId = {}, email = {} }: { readonly customerId?: Identity; readonly email?: Identity } = {},
  mergePolicy = stitched,
): Partial<StorePlan> {
  return {
    mergePolicy,
    identities: [
      { namespace: 'CustomerId', path: 'customerId', primary: true, ...customerId },
      { namespace: 'Email', path: 'personalEmail.address', primary: false, ...email },
    ],
  }
}

function run(workspace: Workspace, changes = store(), datasets = [customers, byEmail]): Promise<RunReport> {
  return ingest({
    plan: planOf(datasets, { store: changes }),
    input: inputOf('2026-01-10T00:00:00Z'),
    ports: workspace.ports,
  })
}

function event(customer: string, at = '2026-01-02'): string {
  return `${JSON.stringify({ customer, at })}\n`
}

/** `id address` of every profile, with how many events it has. */
async function people(workspace: Workspace): Promise<readonly string[]> {
  const events = (await eventsIn(workspace)).map((row) => row['$profile'])
  return (await profilesIn(workspace)).map(
    (row) =>
      `${row['$profile']} ${row['personalEmail.address'] ?? ''} ${events.filter((one) => one === row['$profile']).length}`,
  )
}

function warningsOf(report: RunReport, code: string): readonly string[] {
  return (report.warnings ?? []).filter((warning) => warning.code === code).map(({ message }) => message)
}

describe('an identity is compared', () => {
  test.each<[Identity['normalize'], string, string | null]>([
    ['Email', ' Ann@X.Test\t', 'ann@x.test'],
    ['Email', 'JÖRG@X.TEST', 'jörg@x.test'],
    ['Email', '\u00a0\ufeffann@x.test\u200b\r', 'ann@x.test'],
    ['Email', ' \u3000 ', null],
    ['Trim', ' Ann ', 'Ann'],
    ['Trim', 'A b', 'A b'],
    ['None', ' Ann ', ' Ann '],
    ['Phone', ' 0151 1234567 ', '+491511234567'],
    ['Phone', ' Reception ', 'Reception'],
  ])('as %s: `%s` is `%s`', async (normalize, text, expected) => {
    await using workspace = await openWorkspace()
    const [rule] = identityRulesOf(
      {
        ...storePlan,
        identities: [{ namespace: 'N', path: 'n', primary: true, normalize: normalize!, defaultCountry: 'DE' }],
      },
      { normalizesByNamespace: true },
    )
    const [row] = await workspace.engine.rows(`SELECT ${comparedSql(rule!, `'${text}'`)} AS compared`)
    expect(row).toEqual({ compared: expected })
  })

  test.each<[string, Identity, boolean, string, string | null]>([
    ['the usual placeholders', {}, true, 'NULL', null],
    ['placeholders with white space around them', { normalize: 'Trim' }, true, ' Guest ', null],
    ['zeros', {}, true, '0000', null],
    ['a number that begins with zeros', {}, true, '0001', '0001'],
    ['placeholders of its own instead', { placeholders: ['Kasse-1'] }, true, 'KASSE-1', null],
    ['which then are the only ones', { placeholders: ['Kasse-1'] }, true, 'null', 'null'],
    ['no placeholders', { placeholders: [] }, true, 'null', 'null'],
    ['none in a store that is older', {}, false, 'null', 'null'],
    ['its own in a store that is older', { placeholders: ['x'] }, false, 'X', null],
  ])('with %s', async (_title, identity, normalizesByNamespace, text, expected) => {
    await using workspace = await openWorkspace()
    const [rule] = identityRulesOf(
      { ...storePlan, identities: [{ namespace: 'N', path: 'n', primary: true, ...identity }] },
      { normalizesByNamespace },
    )
    const [row] = await workspace.engine.rows(`SELECT ${identitySql(rule!, `'${text}'`)} AS id`)
    expect(row).toEqual({ id: expected })
  })
})

describe('normalising', () => {
  test('makes one person of addresses that differ in case and white space; attributes stay as written', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,, Ann@X.test,,2026-01-01\n,Bob,,ANN@X.TEST,3,2026-01-02\n`)
    workspace.land('orders/a.ndjson', event('ann@x.test ') + event('aNN@x.test') + event('Zoe@x.test'))
    await run(workspace)
    expect(await people(workspace)).toEqual(['Email:zoe@x.test zoe@x.test 1', 'p1 ANN@X.TEST 2'])
  })

  test('without stitching names the profile', async () => {
    await using workspace = await openWorkspace()
    workspace.land('orders/a.ndjson', event('Ann@X.test') + event('ann@x.test'))
    await run(workspace, store({}, storePlan.mergePolicy))
    expect(await people(workspace)).toEqual(['Email:ann@x.test ann@x.test 2'])
  })

  test('reaches records whose files are gone when the field changes, and leaves none behind when it changes back', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,Ann@x.test,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', event('ann@x.test'))
    const asWritten = ['Email:ann@x.test ann@x.test 1', 'p1 Ann@x.test 0']
    await run(workspace, store({ email: { normalize: 'None' } }))
    expect(await people(workspace)).toEqual(asWritten)
    workspace.remove('customers/a.csv')
    workspace.remove('orders/a.ndjson')
    await run(workspace)
    expect(await people(workspace)).toEqual(['p1 Ann@x.test 1'])
    await run(workspace, store({ email: { normalize: 'None' } }))
    expect(await people(workspace)).toEqual(asWritten)
  })

  test('changes no record file: nothing is read again', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,Ann@x.test,,2026-01-01\n`)
    await run(workspace, store({ email: { normalize: 'None' } }))
    expect(await run(workspace)).toMatchObject({ totals: { files: 0, skippedFiles: 1 } })
  })

  test('a store whose data began without it stays as it is and says so, until the field says otherwise', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,Ann@x.test,,2026-01-01\n0,Zed,,zed@x.test,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', event('ann@x.test') + event('null'))
    await run(workspace, store({ customerId: { placeholders: [] }, email: { normalize: 'None', placeholders: [] } }))
    // What an earlier version of convoke left.
    const path = join(workspace.root, 'data.json')
    const { normalizesByNamespace: _, ...manifest } = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...manifest, formatVersion: 1 }))

    const before = await people(workspace)
    expect(before).toHaveLength(4)
    const report = await run(workspace)
    expect(await people(workspace)).toEqual(before)
    expect(dataOf(workspace).version).toBe(manifest.version)
    expect(warningsOf(report, 'identities-as-written')).toEqual([
      expect.stringMatching(/Email is compared as written.*`normalize: Email`.*`normalize: None`/),
    ])
    workspace.land('orders/b.ndjson', event('ANN@x.test'))
    await run(workspace)
    expect(await people(workspace)).toHaveLength(5)

    const told = await run(workspace, store({ email: { normalize: 'Email' } }))
    expect(warningsOf(told, 'identities-as-written')).toEqual([])
    expect(await people(workspace)).toEqual(['0 zed@x.test 0', 'Email:null null 1', 'p1 Ann@x.test 2'])
    expect(warningsOf(await run(workspace, store({ email: { normalize: 'None' } })), 'identities-as-written')).toEqual(
      [],
    )
  })

  test('finds a person by what somebody types', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,Ann@x.test,,2026-01-01\n`)
    for (const changes of [store(), store({}, storePlan.mergePolicy)]) {
      await run(workspace, changes)
      const found = await findPerson({ ...storePlan, ...changes }, 'Email: ANN@X.test', [], workspace.ports)
      expect(found).toMatchObject({ kind: 'found', person: { id: 'p1' } })
      const nobody = await findPerson({ ...storePlan, ...changes }, 'Email:null', [], workspace.ports)
      expect(nobody).toEqual({ kind: 'not one', ids: [] })
    }
  })
})

describe('placeholders', () => {
  test('link nobody; a record that has nothing else is left away; both are counted and named', async () => {
    await using workspace = await openWorkspace()
    workspace.land(
      'customers/a.csv',
      `${header}p1,Ann,,guest,,2026-01-01\np2,Bob,,Guest,,2026-01-01\n0,Cat,,cat@x.test,,2026-01-01\n0,Dan,,guest,,2026-01-01\n`,
    )
    workspace.land('orders/a.ndjson', event('guest') + event('cat@x.test'))
    const report = await run(workspace)
    expect(await people(workspace)).toEqual(['Email:cat@x.test cat@x.test 1', 'p1 guest 0', 'p2 Guest 0'])
    expect(report).toMatchObject({
      outcome: 'Succeeded',
      totals: { placeholders: 6, profiles: 3, events: 1 },
      details: [
        { dataset: 'customers', counts: { placeholders: 5 } },
        { dataset: 'orders', counts: { placeholders: 1 } },
      ],
    })
    expect(warningsOf(report, 'placeholder-identities')).toEqual([
      expect.stringContaining('Dataset customers, Email: what stands for nobody links nobody: `guest` in 3 rows.'),
      expect.stringContaining('Dataset customers, CustomerId: what stands for nobody links nobody: `0` in 2 rows.'),
      expect.stringContaining('Dataset orders, Email: what stands for nobody links nobody: `guest` in 1 row.'),
    ])
    // Of records that are known nothing is said again.
    expect(await run(workspace)).toMatchObject({ totals: { placeholders: 0 } })
  })

  test('an address that more than a thousand people have is none of theirs; it is counted, not named', async () => {
    await using workspace = await openWorkspace()
    const rows = (count: number) =>
      Array.from({ length: count }, (_, index) => `p${index},N,,shop@x.test,,2026-01-01\n`).join('')
    workspace.land('customers/a.csv', `${header}${rows(1000)}lone,L,,lone@x.test,,2026-01-01\n`)
    workspace.land('orders/a.ndjson', event('Shop@x.test') + event('lone@x.test'))
    expect(await run(workspace)).toMatchObject({ totals: { profiles: 1, leftOutIdentitiesPerProfile: 1, events: 1 } })
    workspace.land('customers/b.csv', `${header}p1000,N,,SHOP@x.test,,2026-01-01\n`)
    const report = await run(workspace)
    expect(report).toMatchObject({
      totals: { profiles: 1002, leftOutIdentitiesPerProfile: 0, events: 1, placeholders: 1 },
    })
    expect(warningsOf(report, 'placeholder-identities')).toEqual([
      expect.stringContaining(
        'Email: what stands for nobody links nobody: one that more than 1,000 people have in 1 row.',
      ),
    ])
    expect(JSON.stringify(report)).not.toContain('shop@')
    // New events meet the graph as it is.
    workspace.land('orders/b.ndjson', event('shop@x.test') + event('lone@x.test'))
    expect(await run(workspace)).toMatchObject({ totals: { profiles: 1002, events: 2, placeholders: 1 } })
    await run(workspace, store({ email: { placeholders: [] } }))
    expect(dataOf(workspace).leftOut.identitiesPerProfile).toBe(1)
  })
})

describe('a unique identity', () => {
  const unique = store({ customerId: { unique: true } })

  test('keeps two people apart who shared an address, which goes to the later; each keeps their own record', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/a.csv', `${header}p1,Ann,,home@x.test,1,2026-01-01\np2,Bob,,home@x.test,2,2026-01-02\n`)
    workspace.land('orders/a.ndjson', event('home@x.test'))
    expect(await run(workspace, unique)).toMatchObject({ totals: { profiles: 2, splitGraphs: 1 } })
    expect(await people(workspace)).toEqual(['p1 home@x.test 0', 'p2 home@x.test 1'])
    // The first comes back later.
    workspace.land('customers/b.csv', `${header}p1,Ann,,home@x.test,1,2026-01-03\n`)
    await run(workspace, unique)
    expect(await people(workspace)).toEqual(['p1 home@x.test 1', 'p2 home@x.test 0'])
    await run(workspace)
    expect(await people(workspace)).toEqual(['p1 home@x.test 1'])
  })

  test('of records with the same time, those of the later file link last', async () => {
    await using workspace = await openWorkspace()
    workspace.land('customers/b.csv', `${header}p1,Ann,,home@x.test,1,2026-01-01\n`)
    workspace.land('customers/a.csv', `${header}p2,Bob,,home@x.test,1,2026-01-01\n`)
    workspace.land('orders/a.ndjson', event('home@x.test'))
    await run(workspace, unique)
    expect(await people(workspace)).toEqual(['p1 home@x.test 1', 'p2 home@x.test 0'])
  })

  test('parts many graphs at once, and leaves all others as they are', async () => {
    await using workspace = await openWorkspace()
    const rows = Array.from({ length: 3000 }, (_, index) => {
      const address = `h${Math.floor(index / 3)}@x.test`
      return `p${index},N,,${address},,2026-01-0${1 + (index % 3)}\nq${index},M,,q${index}@x.test,,2026-01-01\n`
    })
    workspace.land('customers/a.csv', `${header}${rows.join('')}`)
    workspace.land('orders/a.ndjson', Array.from({ length: 1000 }, (_, index) => event(`h${index}@x.test`)).join(''))
    expect(await run(workspace, unique)).toMatchObject({
      totals: { profiles: 6000, splitGraphs: 1000, events: 1000 },
    })
    const owners = new Set((await eventsIn(workspace)).map((row) => row['$profile']))
    expect(owners).toEqual(new Set(Array.from({ length: 1000 }, (_, index) => `p${3 * index + 2}`)))
  })
})

describe('the report says of each Dataset whom it met', () => {
  const counts = (report: RunReport) =>
    Object.fromEntries(
      (report.details ?? []).map(({ dataset, counts: { matched, new: fresh, unmatched } = {} }) => [
        dataset,
        [matched, fresh, unmatched],
      ]),
    )

  test.each(['None', 'PrivateGraph'] as const)('with stitching %s', async (stitching) => {
    await using workspace = await openWorkspace()
    const changes = store({}, { ...stitched, stitching })
    workspace.land(
      'customers/a.csv',
      `${header}p1,Ann,,a@x.test,,2026-01-01\np2,Bob,,b@x.test,,2026-01-01\n,Cy,,c@x.test,,2026-01-01\n`,
    )
    workspace.land('orders/a.ndjson', event('a@x.test') + event('A@x.test') + event('z@x.test'))
    const isStitched = stitching === 'PrivateGraph'
    expect(counts(await run(workspace, changes))).toEqual({
      customers: [0, 2, 1],
      orders: isStitched ? [1, 0, 1] : [0, 0, 2],
    })
    // Only what is new counts: p2 was there, p3 was not; and c turns out to be p3.
    workspace.land('customers/b.csv', `${header}p2,Bob,,b@x.test,,2026-01-02\np3,Cy,,c@x.test,,2026-01-02\n`)
    workspace.land('orders/b.ndjson', event('c@x.test') + event('b@x.test'))
    expect(counts(await run(workspace, changes))).toEqual({
      customers: [1, 1, 0],
      orders: isStitched ? [2, 0, 0] : [0, 0, 2],
    })
    expect(counts(await run(workspace, changes))).toEqual({
      customers: [undefined, undefined, undefined],
      orders: [undefined, undefined, undefined],
    })
    expect(existsSync(join(workspace.root, 'data.json'))).toBe(true)
  })
})
