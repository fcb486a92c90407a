// Commands that show what a run left: on the minimal example after two days, in this process.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { convoke, folderOf } from './command-line.ts'

const folder = mkdtempSync(join(tmpdir(), 'convoke-look-'))
const places = ['--volumes', 'volumes']
const run = (...argv: string[]) => convoke(folder, argv)
const document = async (...argv: string[]) => JSON.parse((await run(...argv)).out)

// Two runs of the whole way on an embedded database.
beforeAll(async () => {
  const minimal = join(import.meta.dirname, '../../examples/minimal')
  cpSync(join(minimal, 'minimal.yaml'), join(folder, 'all.yaml'))
  for (const part of ['campaign', 'landing'])
    cpSync(join(minimal, 'volumes', part), join(folder, 'volumes', part), { recursive: true })
  for (const part of ['profile-store', 'landing-zone']) mkdirSync(join(folder, 'volumes', part), { recursive: true })
  for (const at of ['2026-01-15T06:00:00Z', '2026-01-16T06:00:00Z']) {
    const { code, err } = await run('run', 'all.yaml', '--workdir', 'work', ...places, '--at', at)
    expect(code, err).toBe(0)
  }
}, 240_000)
afterAll(() => rmSync(folder, { recursive: true }))

test('query says what check would say of the expression', async () => {
  const ask = (expression: string) => run('query', expression, 'all.yaml', ...places, '--sample', '0')
  const warned = await ask('loyalty.tier = "golden"')
  expect(warned.code).toBe(0)
  expect(warned.err).toContain('warning[pql-type-mismatch]: "golden" is not one of the values of this field')
  const wrong = await ask('not (loyalty.teir = "gold")')
  expect(wrong.code).toBe(1)
  expect(wrong.err).toContain('--> <expression>:1:14')
  const counts = ['a', 'b', 'c', 'd'].map((type) => `xEvent[eventType = "${type}"].count() > 1`).join(' and ')
  expect((await ask(counts)).err).toContain('warning[many-aggregations]')
  expect((await ask('loyalty.tier = "gold"')).err).toBe('')
})

describe('members', () => {
  test('are ids and since when; other attributes are shown where they are named', async () => {
    const { code, out } = await run('members', 'gold-members', 'all.yaml', ...places)
    expect(code).toBe(0)
    expect(out).toBe(
      [
        'profile  since',
        '───────  ────────────────',
        ...['C1', 'C5', 'C8'].map((id) => `${id}       2026-01-15 06:00`),
        '',
        '3 members, as of Fri 16 Jan 2026, 06:00 UTC',
        '',
      ].join('\n'),
    )
    expect((await run('members', 'gold-members', 'all.yaml', ...places, '--attribute', 'loyalty.tier')).out).toContain(
      'C1       2026-01-15 06:00  gold',
    )
  })

  test('all of them as a file', async () => {
    const csv = await run('members', 'gold-members', 'all.yaml', ...places, '--format', 'csv')
    expect(csv.out.split('\n').map((line) => line.split(',')[0])).toEqual(['profile', 'C1', 'C5', 'C8', ''])
    const json = await document(
      'members',
      'gold-members',
      'all.yaml',
      ...places,
      '--format',
      'json',
      '--attribute',
      'loyalty.tier',
    )
    expect(json[0]).toMatchObject({ profile: 'C1', 'loyalty.tier': 'gold' })
    const parquet = await run(
      'members',
      'gold-members',
      'all.yaml',
      ...places,
      '--format',
      'parquet',
      '--out',
      'gold.parquet',
    )
    expect(parquet).toMatchObject({ code: 0, err: '3 members in gold.parquet\n' })
    expect(readFileSync(join(folder, 'gold.parquet')).subarray(0, 4).toString()).toBe('PAR1')
    expect(existsSync(join(folder, 'gold.parquet.part'))).toBe(false)
  })

  test.each([
    [['members', 'gold-member'], 2, 'Did you mean `gold-members`?'],
    [['members', 'gold-members', '--attribute', 'loyalty.teir'], 2, 'Did you mean `loyalty.tier`?'],
    [['members', 'gold-members', '--format', 'parquet'], 2, 'Parquet is no text'],
  ])('%j is refused with the next step', async (argv, code, message) => {
    expect(await run(...argv, 'all.yaml', ...places)).toMatchObject({ code, err: expect.stringContaining(message) })
  })
})

test('history of a Segment, and of a person', async () => {
  const { evaluations } = await document('history', 'lapsed-buyers', 'all.yaml', ...places, '-o', 'json')
  expect(evaluations.map((each: { members: number; entered: number }) => [each.members, each.entered])).toEqual([
    [3, 3],
    [3, 1],
  ])
  expect((await run('history', 'lapsed-buyers', 'all.yaml', ...places)).out).toMatch(/^lapsed-buyers {2}██ {2}3\n/)
  const { transitions } = await document('history', 'C1', 'all.yaml', ...places, '-o', 'json')
  expect(transitions).toContainEqual({ at: '2026-01-15T06:00:00.000Z', segment: 'gold-members', change: 'entered' })
  expect(await run('history', 'C99', 'all.yaml', ...places)).toMatchObject({
    code: 1,
    err: expect.stringContaining('neither a Segment there, nor anybody'),
  })
})

test('a run says why people came and went: new data, time alone, or an edit', async () => {
  const at = (when: string, ...more: string[]) =>
    document(...['run', 'all.yaml', '--workdir', 'turn', '--volumes', 'turning', '--at', when, '-o', 'json', ...more])
  cpSync(join(folder, 'volumes/landing'), join(folder, 'turning/landing'), { recursive: true })
  for (const part of ['profile-store', 'landing-zone', 'campaign'])
    mkdirSync(join(folder, 'turning', part), { recursive: true })
  const reasonsIn = ({ segments }: { segments: { segment: string; turnover: unknown }[] }) =>
    Object.fromEntries(segments.map(({ segment, turnover }) => [segment, turnover]))
  expect(reasonsIn(await at('2026-01-15T06:00:00Z'))).toMatchObject({ 'gold-members': null, 'big-spenders': null })

  // Somebody becomes gold; the purchases that made somebody a big spender are too long ago.
  const customers = join(folder, 'turning/landing/customers/customers.csv')
  writeFileSync(customers, readFileSync(customers, 'utf8').replace(/^(C2,.*?,)silver,/m, '$1gold,'))
  const none = { byData: 0, byTime: 0, byEdit: 0 }
  const second = reasonsIn(await at('2026-01-16T06:00:00Z'))
  expect(second).toMatchObject({
    'gold-members': { entered: { ...none, byData: 1 }, exited: none },
    'big-spenders': { exited: { byTime: 1, byEdit: 0 } },
  })

  const resources = readFileSync(join(folder, 'all.yaml'), 'utf8')
  writeFileSync(join(folder, 'all.yaml'), resources.replace('loyalty.tier = "gold"', 'loyalty.tier != "gold"'))
  const edited = await at('2026-01-17T06:00:00Z')
  writeFileSync(join(folder, 'all.yaml'), resources)
  const gold = edited.segments.find(({ segment }: { segment: string }) => segment === 'gold-members')
  expect(gold.turnover).toEqual({
    entered: { ...none, byEdit: gold.entered },
    exited: { ...none, byEdit: gold.exited },
  })
  expect(gold.exited).toBeGreaterThan(0)
}, 120_000)

test('overlap is a matrix with sizes on its diagonal', async () => {
  const { segments, shared } = await document('overlap', 'all.yaml', ...places, '-o', 'json')
  for (const [row, own] of shared.entries())
    for (const [column, people] of own.entries()) expect(people).toBe(shared[column][row])
  expect(shared[segments.indexOf('gold-members')][segments.indexOf('gold-members')]).toBe(3)
  const { out } = await run('overlap', 'gold-members', 'big-spenders', 'all.yaml', ...places)
  expect(
    out
      .split('\n')
      .slice(2, 4)
      .map((line) => line.split(/ {2,}/).slice(0, 2)),
  ).toEqual([
    ['1', 'gold-members'],
    ['2', 'big-spenders'],
  ])
})

test('query tells what each condition keeps, and by an attribute', async () => {
  const argv = [
    'query',
    'xEvent.count() >= 1 and loyalty.tier = "gold"',
    'all.yaml',
    ...places,
    '--at',
    '2026-01-16T06:00:00Z',
  ]
  const found = await document(...argv, '--by', 'loyalty.tier', '--attribute', 'loyalty.tier', '-o', 'json')
  const [first, second] = found.waterfall.steps
  expect(found.waterfall.steps).toHaveLength(2)
  expect(second.people).toBe(found.members)
  expect(first.people).toBeGreaterThanOrEqual(second.people)
  expect(found.by).toEqual({ attribute: 'loyalty.tier', values: [{ value: 'gold', people: found.members }] })
  expect(found.sampleAttributes[0]).toEqual({ 'loyalty.tier': 'gold' })
  const { out } = await run(...argv, '--by', 'loyalty.tier')
  expect(out).toContain('and loyalty tier is “gold”')
  expect(out).not.toContain('@')
})

test('query with other numbers, the Segments they are in, and without ids', async () => {
  const at = ['all.yaml', ...places, '--at', '2026-01-16T06:00:00Z']
  const gold = await document('query', 'inSegment("gold-members")', ...at, '--sample', '0', '-o', 'json')
  expect(gold).toMatchObject({ members: 3, sample: [] })
  expect(gold.overlap[0]).toEqual({ segment: 'gold-members', people: 3 })
  const { shared, segments } = await document('overlap', 'all.yaml', ...places, '-o', 'json')
  for (const { segment, people } of gold.overlap)
    expect(people).toBe(shared[segments.indexOf('gold-members')][segments.indexOf(segment)])

  const expression = (days: number) =>
    `xEvent[timestamp occurs <= ${days} days before now].count() >= 1 and xEvent.count() >= 2`
  const { members, sweep } = await document('query', expression(30), ...at, '--sweep', '30', '-o', 'json')
  expect(sweep).toMatchObject({ number: '30 days', value: 30, unit: 'day' })
  expect(sweep.points.map(({ value }: { value: number }) => value)).toEqual([10, 15, 20, 30, 40, 60, 90])
  expect(sweep.points).toContainEqual({ value: 30, people: members })
  const [least, most] = [sweep.points[0], sweep.points.at(-1)]
  for (const { value, people } of [least, most])
    expect((await document('query', expression(value), ...at, '-o', 'json')).members).toBe(people)
  expect(least.people).toBeLessThan(most.people)

  const { out } = await run('query', expression(30), ...at, '--sweep', '30 days=400', '--overlap', '--sample', '0')
  expect(out).toMatch(/another number than 30 days\n30 days +\d.*\n400 days +\d/)
  expect(out).toMatch(/also in\n\S+ +\d/)
  expect(out).not.toContain('for example')
})

test.each([
  ['xEvent.count() >= 2', '3', '--sweep takes a number of the expression: 2.'],
  ['xEvent.count() >= 2', '2=a,b', 'up to 50 numbers'],
  ['loyalty.tier = "gold"', '3', 'has no number'],
])('query %s --sweep %s is refused with the next step', async (expression, number, message) => {
  expect(await run('query', expression, 'all.yaml', ...places, '--sweep', number)).toMatchObject({
    code: 2,
    err: expect.stringContaining(message),
  })
})

test('graph as JSON has sizes where the data are at hand, and none elsewhere', async () => {
  const { nodes, edges, at, gaps } = await document('graph', 'all.yaml', ...places, '--workdir', 'work', '-o', 'json')
  expect({ at, gaps }).toEqual({ at: '2026-01-16T06:00:00Z', gaps: [] })
  const sizes = Object.fromEntries(
    nodes.map(({ id, size }: { id: string; size: { count: number; unit: string } | null }) => [
      id.split('/')[2],
      size && `${size.count} ${size.unit}`,
    ]),
  )
  expect(sizes).toMatchObject({ 'gold-members': '3 members', customers: '8 profiles' })
  const between = (from: string, to: string) =>
    edges.find((edge: { from: string; to: string }) => edge.from.endsWith(`/${from}`) && edge.to.endsWith(`/${to}`))
  expect(between('customers', 'gold-members')).toMatchObject({ size: { count: 3, unit: 'members' }, held: false })
  const ids = nodes.map(({ id }: { id: string }) => id)
  for (const { from, to } of edges) expect(ids).toEqual(expect.arrayContaining([from, to]))
  const bare = await document('graph', 'all.yaml', '-o', 'json')
  expect(bare.at).toBe(null)
  expect(bare.nodes.map(({ id }: { id: string }) => id)).toEqual(ids)
  expect(bare.nodes.every(({ size }: { size: null }) => size === null)).toBe(true)
})

describe('campaign', () => {
  const campaign = (...more: string[]) => run('campaign', 'all.yaml', ...places, '--workdir', 'work', ...more)

  test('has recipients and lists, and shows that Ada is gold now', async () => {
    const { code, out } = await campaign()
    expect(code).toBe(0)
    expect(out).toContain('public.recipients: 7 recipients, known by external_id')
    expect(out).toMatch(/gold-members +2 /)
    const ada = await campaign('--recipient', 'C1', '--column', 'loyalty_tier')
    expect(ada.out).toMatch(/C1 +gold\n\nOn the lists of .*gold-members/)
    expect(ada.out).not.toContain('Ada')
    const list = await campaign('--list', 'gold-members')
    expect(list.out).toMatch(/C1\nC5\n\n2 recipients on the list of gold-members\n$/)
  })

  test('rows that wait are told with their key', async () => {
    const { waiting } = JSON.parse((await campaign('--rejects', '-o', 'json')).out)
    expect(waiting).toContainEqual(expect.objectContaining({ key: ['C8'], segment: 'gold-members' }))
  })

  test.each([
    [['--list', 'nothing'], 2, 'There is no list of `nothing`'],
    [['--recipient', 'C1', '--column', 'name'], 2, '`name` is not a column'],
    [['--recipient', 'C99'], 1, 'no recipient with this key'],
    [['--list', 'gold-members', '--rejects'], 2, 'Give one of'],
  ])('%j is refused with the next step', async (argv, code, message) => {
    expect(await campaign(...argv)).toMatchObject({ code, err: expect.stringContaining(message) })
  })
})

test('the catalog has sizes, what conditions keep, and what Campaign has', async () => {
  const { code, err } = await run(
    'docs',
    'all.yaml',
    '--out',
    'site',
    ...places,
    '--workdir',
    'work',
    '--at',
    '2026-01-16T06:00:00Z',
  )
  expect(code, err).toBe(0)
  const page = readFileSync(join(folder, 'site/segment/default/lapsed-buyers.html'), 'utf8')
  expect(page).toContain('What each condition keeps')
  expect(page).toContain('in Campaign')
  expect(page).toContain('The last two deliveries')
  expect(page).toContain('If it said another number of days')
  const { segments } = JSON.parse(readFileSync(join(folder, 'site/catalog.json'), 'utf8'))
  const lapsed = segments.find(({ name }: { name: string }) => name === 'lapsed-buyers')
  expect(lapsed.sweep.points).toContainEqual({ value: 90, people: lapsed.rows[0].members })
  for (const { rows, realized, exits, outcome } of lapsed.rows[0].deliveries)
    expect([outcome, rows]).toEqual(['delivered', realized + exits])
  for (const personal of ['Ada', 'example.test', '>C1<']) expect(page).not.toContain(personal)
})

test('a held Segment of a work directory is approved, and the next run delivers it', async () => {
  const own = folderOf({
    'all.yaml': readFileSync(join(folder, 'all.yaml'), 'utf8').replace(
      /(metadata: \{ name: newsletter \}\nspec:\n)/,
      '$1  circuitBreaker: { maxExitedPercent: 10 }\n',
    ),
    'convoke.toml': 'paths = "all.yaml"\nvolumes = "volumes"\nworkdir = "work"\n',
  })
  for (const part of ['campaign', 'landing'])
    cpSync(join(folder, 'volumes', part), join(own, 'volumes', part), { recursive: true })
  for (const part of ['profile-store', 'landing-zone']) mkdirSync(join(own, 'volumes', part), { recursive: true })
  const at = async (instant: string) => {
    const { code, out, err } = await convoke(own, ['run', '--at', instant, '-o', 'json'])
    expect(code, err).toBe(0)
    const rows: { segment: string; held: object | null }[] = JSON.parse(out).segments
    return rows.filter(({ held }) => held !== null).map(({ segment }) => segment)
  }
  await at('2026-01-15T06:00:00Z')
  const held = await at('2026-01-16T06:00:00Z')
  expect(held).toEqual(['big-spenders', 'lapsed-buyers'])
  // One look at the work directory, as `watch` draws it.
  const watched = async (now: string) => {
    const end = new AbortController()
    const look = () => {
      end.abort()
      return new Date(now)
    }
    const io = { rows: 60, now: look, signal: end.signal }
    return (await convoke(own, ['watch', '--workdir', 'work'], io)).out
  }
  const screen = await watched('2026-01-16T07:00:00Z')
  expect(screen).toContain('Work directory work, run last for 2026-01-16T06:00:00Z (1h ago)')
  expect(screen).toMatch(
    /! Activation\/newsletter holds big-spenders\n.*\n {4}→ convoke approve newsletter big-spenders --workdir work/,
  )
  expect(screen).toMatch(/ProfileStore\/customers Batch +up to date +next in \d+h.* 1h ago +2026-01-16T\S+ +succeeded/)
  expect(screen).not.toContain('→ convoke run')
  expect(await watched('2026-01-18T07:00:00Z')).toMatch(
    /ProfileStore\/customers Batch +due .*→ convoke run --workdir work/s,
  )
  expect(await convoke(own, ['watch', '--workdir', 'work', '-n', 'x'], { rows: 60 })).toMatchObject({
    code: 2,
    err: expect.stringContaining('--workdir is about this machine'),
  })
  const approve = (...argv: string[]) =>
    convoke(own, ['approve', 'newsletter', ...argv], { now: () => new Date('2026-01-16T07:00:00Z') })
  expect(await approve('gold-members')).toMatchObject({
    code: 2,
    err: expect.stringContaining('Held: big-spenders, lapsed-buyers.'),
  })
  expect(await approve('big-spenders')).toMatchObject({
    code: 0,
    out: expect.stringContaining('The next `convoke run`'),
  })
  expect(await at('2026-01-16T12:00:00Z')).toEqual(['lapsed-buyers'])
}, 240_000)
