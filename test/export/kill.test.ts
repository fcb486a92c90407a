import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256 } from '../../jobs/digest.ts'
import { deliveredSets } from '../../jobs/export/delivered-set.ts'
import { runInChild } from './killed.ts'
import { columnsOf, planOf, writeStore } from './store.ts'

const rounds = 34
const folder = mkdtempSync(join(tmpdir(), 'convoke-kill-'))
afterAll(() => rmSync(folder, { recursive: true }))

const segments = ['a', 'b', 'c', 'd'].map((name) => ({ name, displayName: name }))
// Deleted between the first run and the second.
const gone = { name: 'gone', displayName: 'gone' }
const planWith = (some: typeof segments) =>
  planOf({
    columns: columnsOf('external_id=id:string!*', 'email=mail:string'),
    segments: some,
    file: { maxRows: 700, compression: 'GZIP' },
  })
const plan = planWith(segments)
const input = (run: string, more = {}) => ({
  run,
  scheduledTime: `2026-12-0${run}T04:00:00Z`,
  now: `2026-12-0${run}T04:00:00Z`,
  trigger: 'Schedule',
  ...more,
})
const second = input('2', {
  baselines: Object.fromEntries([...segments, gone].map(({ name }) => [name, '1'])),
  departed: [gone],
})

const ids = Array.from({ length: 2_000 }, (_, index) => `p${index}`)
const membersOf = (some: typeof segments, shift: number) =>
  Object.fromEntries(
    some.map(({ name }, index) => [
      name,
      Object.fromEntries(
        ids.filter((_, at) => (at + shift) % (index + 2) === 0).map((id) => [id, '2026-11-01T00:00:00Z']),
      ),
    ]),
  )
const zoneOf = (volumes: string) => join(volumes, 'landing-zone', 'audiences')

/** Every file of the landing zone and of the delivered sets, without what a killed upload may have left unfinished. */
function contentOf(volumes: string): Record<string, string> {
  const zone = zoneOf(volumes)
  return Object.fromEntries(
    readdirSync(zone)
      .sort()
      .map((name) => [name, sha256(readFileSync(join(zone, name)))]),
  )
}

let undisturbed: Record<string, string>
let start: string

beforeAll(async () => {
  start = join(folder, 'start')
  for (const claim of ['profile-store', 'landing-zone']) mkdirSync(join(start, claim), { recursive: true })
  const profiles = Object.fromEntries(ids.map((id) => [id, { id, mail: `${id}@example.test` }]))
  const columns = [
    { path: 'id', type: 'string' as const },
    { path: 'mail', type: 'string' as const },
  ]
  const root = join(start, 'profile-store', 'retail')
  await writeStore(root, { version: 'v1', columns, profiles, members: membersOf([...segments, gone], 0) })
  expect(
    await runInChild(
      { step: 'export', plan: planWith([...segments, gone]), input: input('1'), surroundings: { volumes: start } },
      null,
    ),
  ).toBe(true)
  await writeStore(root, { version: 'v2', columns, profiles, members: membersOf(segments, 1) })
  const whole = join(folder, 'whole')
  cpSync(start, whole, { recursive: true })
  expect(await runInChild({ step: 'export', plan, input: second, surroundings: { volumes: whole } }, null)).toBe(true)
  undisturbed = contentOf(whole)
  expect(Object.keys(undisturbed).length).toBeGreaterThan(20)
  expect(Object.keys(undisturbed)).toContain('zone_gone_20261202T040000Z.csv.gz.manifest.json')
}, 120_000)

test(`an export killed at ${rounds} instants and run once more leaves what an undisturbed one leaves, and no manifest before its files`, {
  timeout: 400_000,
}, async () => {
  let killed = 0
  for (let round = 0; round < rounds; round++) {
    const volumes = join(folder, `round-${round}`)
    cpSync(start, volumes, { recursive: true })
    const incomplete: string[] = []
    const watcher = setInterval(() => incomplete.push(...incompleteManifests(volumes)), 5)
    const argument = { step: 'export', plan, input: second, surroundings: { volumes } }
    if (!(await runInChild(argument, 20 + Math.random() * 500))) killed++
    incomplete.push(...incompleteManifests(volumes))
    expect(await runInChild(argument, null)).toBe(true)
    clearInterval(watcher)
    expect(incomplete).toEqual([])
    expect(contentOf(volumes)).toEqual(undisturbed)
    rmSync(volumes, { recursive: true })
  }
  expect(killed).toBeGreaterThanOrEqual(rounds / 2)
})

/** Manifests whose files or delivered set are not there, or not whole. */
function incompleteManifests(volumes: string): string[] {
  const zone = zoneOf(volumes)
  return readdirSync(zone)
    .filter((name) => name.endsWith('.manifest.json') && !name.startsWith('.'))
    .filter((name) => {
      const { files, segment, run } = JSON.parse(readFileSync(join(zone, name), 'utf8'))
      // The set of the run before goes once a newer one is acknowledged.
      const isKept =
        run === '1' || deliveredSets(join(volumes, 'profile-store/retail'), 'offers').of(segment, run) !== null
      return (
        !isKept ||
        files.some(
          (file: { name: string; bytes: number }) =>
            !existsSync(join(zone, file.name)) || statSync(join(zone, file.name)).size !== file.bytes,
        )
      )
    })
}
