import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Column, DeliveryManifest, JobPlan, RunInput, RunReport } from '#crds'
import { exportSegments } from '../../jobs/export/index.ts'
import { importPlan } from '../import/plan.ts'
import { portsOf } from '../stores/ports.ts'
import { columnsOf, type PlanChoices, planOf, writeStore } from './store.ts'

let volumes: string
let zone: string

beforeEach(() => {
  volumes = mkdtempSync(join(tmpdir(), 'convoke-consent-'))
  for (const claim of ['profile-store', 'landing-zone']) mkdirSync(join(volumes, claim))
  zone = join(volumes, 'landing-zone', 'audiences')
})
afterEach(() => rmSync(volumes, { recursive: true }))

const columns: readonly Column[] = ['id', 'mail', 'name', 'val'].map((path) => ({ path, type: 'string' }))
const since = '2026-11-01T00:00:00Z'
const mapped = columnsOf('external_id=id:string!*', 'name')
const consent = { columns: [{ path: 'val', type: 'string' as const }], withoutConsent: `(("val" = 'n') IS TRUE)` }

/** `ab-c`: a and b are members who may be sent, c (after the dash) may not; those in `others` are no members. */
async function store(version: string, members: string, others = '', segments: readonly string[] = ['gold']) {
  const [may = '', not = ''] = members.split('-')
  const [mayToo = '', notToo = ''] = others.split('-')
  const profile = (id: string, val: string | null) => [`p-${id}`, { id, name: `Name ${id}`, val }] as const
  await writeStore(join(volumes, 'profile-store', 'retail'), {
    version,
    columns,
    profiles: Object.fromEntries([
      ...[...may, ...mayToo].map((id) => profile(id, 'y')),
      ...[...not, ...notToo].map((id) => profile(id, 'n')),
    ]),
    members: Object.fromEntries(
      segments.map((segment) => [segment, Object.fromEntries([...may, ...not].map((id) => [`p-${id}`, since]))]),
    ),
  })
}

function run(slot: string, choices: PlanChoices = {}, input: Partial<RunInput> = {}, more: Partial<JobPlan> = {}) {
  const instant = `2026-12-0${slot}T04:00:00Z`
  return exportSegments({
    plan: planOf({ columns: mapped, consent, ...choices }, more),
    input: { run: `act-offers-${slot}`, scheduledTime: instant, now: instant, trigger: 'Schedule', ...input },
    ports: portsOf({ volumes }),
  })
}

const against = (slot: string) => ({ baselines: { gold: `act-offers-${slot}` } })
const file = (slot: string, segment = 'gold') => join(zone, `zone_${segment}_2026120${slot}T040000Z.csv`)
const lines = (slot: string, segment?: string) =>
  readFileSync(file(slot, segment), 'utf8').trimEnd().split('\n').slice(1)
const manifest = (slot: string): DeliveryManifest => JSON.parse(readFileSync(`${file(slot)}.manifest.json`, 'utf8'))
const detail = (report: RunReport) => {
  expect(report.error).toBeUndefined()
  return report.details![0]!
}
/** Everything that lies in the landing zone. */
const everything = () =>
  readdirSync(zone)
    .map((name) => readFileSync(join(zone, name), 'utf8'))
    .join('\n')

describe.each([['Incremental'], ['Full']] as const)('%s', (kind) => {
  test('leaves out who may not be sent, and counts them', async () => {
    await store('v1', 'ab-cd')
    const report = await run('1', { export: kind })
    expect(lines('1')).toEqual(['a,Name a,realized', 'b,Name b,realized'])
    expect(detail(report)).toMatchObject({
      members: 4,
      realized: 2,
      counts: { missingMandatory: 0, duplicateKey: 0, withoutConsent: 2 },
    })
    expect(report.totals).toMatchObject({ withoutConsent: 2, withdrawn: 0 })
    expect(manifest('1').counts.leftOut).toEqual({ missingMandatory: 0, duplicateKey: 0, withoutConsent: 2 })
    expect(everything()).not.toContain('Name c')
    // Told again, it says the same.
    expect(detail(await run('1', { export: kind }))).toMatchObject({ members: 4, counts: { withoutConsent: 2 } })
  })
})

test('a plan without consent sends to everybody, and says nothing of it', async () => {
  await store('v1', 'ab-c')
  const instant = '2026-12-01T04:00:00Z'
  const report = await exportSegments({
    plan: planOf({ columns: mapped }),
    input: { run: 'act-offers-1', scheduledTime: instant, now: instant, trigger: 'Schedule' },
    ports: portsOf({ volumes }),
  })
  expect(lines('1')).toHaveLength(3)
  expect(detail(report).counts).toEqual({ missingMandatory: 0, duplicateKey: 0 })
  expect(report.totals).not.toHaveProperty('withoutConsent')
})

test('who lacks a mandatory value and may not be sent is left out once', async () => {
  await writeStore(join(volumes, 'profile-store', 'retail'), {
    version: 'v1',
    columns,
    profiles: { p: { id: '1', val: 'n' }, q: { val: 'n' }, r: { val: 'y' }, s: { id: '4', val: null } },
    members: { gold: { p: since, q: since, r: since, s: since } },
  })
  expect(detail(await run('1'))).toMatchObject({
    realized: 1,
    counts: { missingMandatory: 1, duplicateKey: 0, withoutConsent: 2 },
  })
})

test('of two profiles with one key, that of the person who may be sent is delivered', async () => {
  await writeStore(join(volumes, 'profile-store', 'retail'), {
    version: 'v1',
    columns,
    profiles: { p: { id: '1', name: 'later', val: 'n' }, q: { id: '1', name: 'earlier', val: 'y' } },
    members: { gold: { p: '2026-11-05T00:00:00Z', q: since } },
  })
  expect(detail(await run('1')).counts).toEqual({ missingMandatory: 0, duplicateKey: 0, withoutConsent: 1 })
  expect(lines('1')).toEqual(['1,earlier,realized'])
})

describe('consent that is taken back', () => {
  test('is an exit in the next file, with the key alone', async () => {
    await store('v1', 'abc')
    await run('1')
    await store('v2', 'ab-c')
    const report = await run('2', {}, against('1'))
    expect(lines('2')).toEqual(['c,,exited'])
    expect(detail(report)).toMatchObject({ members: 3, exited: 1, counts: { withoutConsent: 1 } })
    expect(detail(await run('3', {}, against('2')))).toMatchObject({ realized: 0, exited: 0 })
  })

  test('is an exit too where the person left the Segment as well', async () => {
    await store('v1', 'abc')
    await run('1')
    await store('v2', 'a', 'b-c')
    await run('2', {}, against('1'))
    expect(lines('2')).toEqual(['b,Name b,exited', 'c,,exited'])
  })

  test('and given again, brings the person back', async () => {
    await store('v1', 'ab-c')
    await run('1')
    await store('v2', 'abc')
    await run('2', {}, against('1'))
    expect(lines('2')).toEqual(['c,Name c,realized'])
  })

  test('stays in no file where a row has to be told again', async () => {
    await store('v1', 'ab')
    await run('1', { incrementalOn: 'MembershipOrAttributes' })
    await store('v2', 'a-b')
    await run('2', { incrementalOn: 'MembershipOrAttributes' }, against('1'))
    expect(lines('2')).toEqual(['b,,exited'])
  })
})

describe('the circuit breaker', () => {
  const breaker = { circuitBreaker: { maxExitedPercent: 20, allowEmpty: false } }

  test('does not look at consent that is taken back', async () => {
    await store('v1', 'abcdef')
    await run('1', breaker)
    await store('v2', 'a-bcdef')
    const report = await run('2', breaker, against('1'))
    expect(report.outcome).toBe('Succeeded')
    expect(lines('2')).toHaveLength(5)
  })

  test('does not keep the last who may no longer be sent on a list', async () => {
    await store('v1', 'ab')
    await run('1', breaker)
    await store('v2', '-ab')
    expect((await run('2', breaker, against('1'))).outcome).toBe('Succeeded')
    expect(lines('2')).toEqual(['a,,exited', 'b,,exited'])
  })

  test('holds all else, and lets who may no longer be sent leave', async () => {
    await store('v1', 'abcdef')
    await run('1', breaker)
    await store('v2', 'ag-f', 'bc-d')
    const report = await run('2', breaker, against('1'))
    expect(report.outcome).toBe('Held')
    expect(lines('2')).toEqual(['d,,exited', 'f,,exited'])
    expect(detail(report)).toMatchObject({
      held: expect.stringContaining('3 would leave'),
      manifest: expect.any(String),
      counts: { withoutConsent: 1, withdrawn: 2 },
    })
    expect(report.warnings![0]!.message).toContain('2 who may no longer be sent leave all the same')
    expect(manifest('2')).toMatchObject({ backfill: false, counts: { realized: 0, exited: 2 } })
    // An attempt of the same Run says it again, and writes nothing.
    expect(await run('2', breaker, against('1'))).toMatchObject({
      outcome: 'Held',
      details: [{ counts: { withdrawn: 2 } }],
    })
    // What is compared next is what Campaign has now.
    const next = await run('3', breaker, { ...against('2'), approved: ['gold'] })
    expect(next.outcome).toBe('Succeeded')
    expect(lines('3')).toEqual(['b,Name b,exited', 'c,Name c,exited', 'e,,exited', 'g,Name g,realized'])
  })

  test('of a Run that was approved meanwhile lets everything pass', async () => {
    await store('v1', 'abcdef')
    await run('1', breaker)
    await store('v2', 'a-f', 'bcde')
    expect((await run('2', breaker, against('1'))).outcome).toBe('Held')
    expect((await run('2', breaker, { ...against('1'), approved: ['gold'] })).outcome).toBe('Succeeded')
    expect(lines('2')).toHaveLength(5)
  })

  test('of whole files that are imported lets them leave by a file of exits', async () => {
    const { import: imported } = importPlan()
    const whole = { ...breaker, export: 'Full' } as const
    await store('v1', 'abcdef')
    await run('1', whole, {}, { import: imported! })
    await store('v2', 'a-f', 'bcd')
    const report = await run('2', whole, against('1'), { import: imported! })
    expect(report.outcome).toBe('Held')
    expect(lines('2')).toEqual(['f,,exited'])
    expect(manifest('2')).toMatchObject({ export: 'Incremental', backfill: false })
  })

  test.each([
    ['whole files that Campaign reads itself', { export: 'Full' }],
    ['files without a status column', { membershipStatus: 'Omit' }],
  ] as const)('of %s waits for approval', async (_, choices) => {
    await store('v1', 'abcdef')
    await run('1', { ...breaker, ...choices })
    await store('v2', 'a-f', 'bcd')
    const report = await run('2', { ...breaker, ...choices }, against('1'))
    expect(report.outcome).toBe('Held')
    expect(readdirSync(zone)).toHaveLength(2)
  })
})

test('a deleted Segment exits everybody, and names who may not be sent by the key alone', async () => {
  const gone = { name: 'gone', displayName: 'Gone' }
  const both = { segments: [{ name: 'gold', displayName: 'Gold' }, gone] }
  await store('v1', 'ab', '', ['gold', 'gone'])
  await run('1', both)
  await store('v2', 'a-b')
  await run('2', {}, { baselines: { gold: 'act-offers-1', gone: 'act-offers-1' }, departed: [gone] })
  expect(lines('2', 'gone')).toEqual(['a,Name a,exited', 'b,,exited'])
})
