// Since when somebody is in a Segment: read by another Segment from the version before, and delivered as a column. Runs of a work
// directory go the whole way, so this takes over ten seconds.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convoke, folderOf } from '../support/cli.ts'

const root = join(import.meta.dirname, '../..')
const long = 'segmentMembership.get("ups").get("gold-members")'
const bundle = readFileSync(join(root, 'examples/minimal/minimal.yaml'), 'utf8')
  .replace(/ {2}database:\n.*\n/, '')
  .replace(
    'segmentRefs: [{ name: gold-members }, { name: big-spenders }, { name: lapsed-buyers }]',
    'segmentRefs: [{ name: gold-members }, { name: long-gold }]',
  )
  .replace(
    '- { name: email, type: Text }',
    '- { name: email, type: Text }\n      - { name: gold_since, type: DateTime }\n      - { name: gold, type: Text }',
  )
  .replace(
    '    - { source: personalEmail.address, target: email, transform: Lowercase }\n    - { source: person.name.firstName, target: first_name }\n    - { source: loyalty.tier, target: loyalty_tier }\n',
    `    - { source: '${long}.lastQualificationTime', target: gold_since }\n    - { source: segmentMembership.ups.gold-members.status, target: gold }\n`,
  )
const segment = `
---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: long-gold }
spec:
  profileStoreRef: { name: customers }
  displayName: Gold for long
  expression: ${long}.status = "realized" and ${long}.lastQualificationTime occurs > 7 days before now
`
const customers = (tier: string) =>
  `id,first_name,last_name,email,tier,opt_out,updated_at\nC1,Ada,L,ada@example.test,gold,false,2026-01-01T00:00:00Z\nC2,Ben,L,ben@example.test,${tier},false,2026-01-02T00:00:00Z\n`

test('the time of qualification is read from the version before, and delivered', { timeout: 120_000 }, () => {
  using folder = folderOf({
    'shop.yaml': `${bundle}${segment}`,
    'volumes/landing/customers/1.csv': customers('silver'),
    'volumes/landing/orders/none.ndjson': '',
    'volumes/profile-store/.keep': '',
    'volumes/landing-zone/.keep': '',
  })
  const members = (at: string): Record<string, number> => {
    const args = ['run', 'shop.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', at, '-o', 'json']
    const { out, err, code } = convoke(args, { cwd: folder.path })
    expect(code, err).toBe(0)
    const { segments } = JSON.parse(out) as { segments: readonly { segment: string; members: number }[] }
    return Object.fromEntries(segments.map(({ segment, members }) => [segment, members]))
  }
  expect(members('2026-01-10T03:00:00Z')).toMatchObject({ 'gold-members': 1, 'long-gold': 0 })
  writeFileSync(join(folder.path, 'volumes/landing/customers/2.csv'), customers('gold'))
  expect(members('2026-01-17T02:30:00Z')).toMatchObject({ 'gold-members': 2, 'long-gold': 0 })
  expect(members('2026-01-19T03:00:00Z')).toMatchObject({ 'gold-members': 2, 'long-gold': 1 })
  expect(members('2026-01-26T03:00:00Z')).toMatchObject({ 'gold-members': 2, 'long-gold': 2 })
  const audiences = join(folder.path, 'volumes/landing-zone/audiences')
  const files = readdirSync(audiences, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.csv'))
  const lines = files.sort().map((name) => [name, readFileSync(join(audiences, name), 'utf8')])
  const head = 'external_id,gold_since,gold,segmentMembership.status'
  const c1 = 'C1,2026-01-10T03:00:00Z,realized,realized'
  const c2 = 'C2,2026-01-17T02:30:00Z,realized,realized'
  expect(lines).toEqual([
    ['landing-zone_gold-members_20260110T020000Z.csv', `${head}\n${c1}\n`],
    ['landing-zone_gold-members_20260117T020000Z.csv', `${head}\n${c2}\n`],
    ['landing-zone_long-gold_20260119T020000Z.csv', `${head}\n${c1}\n`],
    ['landing-zone_long-gold_20260126T020000Z.csv', `${head}\n${c2}\n`],
  ])
  const asked = convoke(
    [
      'query',
      `${long}.lastQualificationTime occurs > 3 days before now`,
      'shop.yaml',
      '--store',
      'customers',
      '--volumes',
      'volumes',
      '--at',
      '2026-01-19T04:00:00Z',
      '-o',
      'json',
    ],
    { cwd: folder.path },
  )
  expect(JSON.parse(asked.out)).toMatchObject({ members: 1 })
  const why = convoke(['why', 'long-gold', 'C1', 'shop.yaml', '--volumes', 'volumes', '--at', '2026-01-26T04:00:00Z'], {
    cwd: folder.path,
  })
  expect(why.out).toContain(`${long}.lastQualificationTime`)
  expect(why.out).toContain('2026-01-10T03:00:00Z')
})

const suite = `apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: { name: since-when }
spec:
  profileStoreRef: { name: customers }
  at: "2026-01-20T00:00:00Z"
  profiles:
    - id: old
      attributes: { loyalty: { tier: gold } }
      segmentMembership: { gold-members: { status: realized, lastQualificationTime: "2026-01-01T00:00:00Z" } }
    - { id: new, attributes: { loyalty: { tier: gold } } }
    - id: gone
      attributes: { loyalty: { tier: silver } }
      segmentMembership: { gold-members: { status: exited, lastQualificationTime: "2026-01-19T00:00:00Z" } }
  cases:
    - { name: at once, segmentRef: { name: long-gold }, members: [old] }
    - { name: exited, expression: '${long}.status = "exited"', members: [gone] }
    - name: over time
      segmentRef: { name: long-gold }
      timeline:
        - { at: "2026-01-20T00:00:00Z", members: [old] }
        - { at: "2026-01-27T00:00:00Z", members: [old] }
        - at: "2026-01-27T00:00:01Z"
          profiles: [{ id: old, attributes: { loyalty: { tier: silver } } }]
          members: [old, new]
        - { at: "2026-01-27T00:05:00Z", members: [new], exited: [old] }
`

test('SegmentTests say what was before, and later steps read what earlier ones found', { timeout: 120_000 }, () => {
  using folder = folderOf({ 'shop.yaml': `${bundle}${segment}`, 'since.test.yaml': suite })
  const { code, out, err } = convoke(['test', '.', '--engine', 'duckdb', '-o', 'json'], { cwd: folder.path })
  expect(err).toBe('')
  const { cases } = JSON.parse(out) as { cases: readonly { name: string; status: string; actual: unknown }[] }
  expect(cases.map(({ name, status, actual }) => [name, status, status === 'failed' && actual])).toEqual(
    ['at once', 'exited', 'over time'].map((name) => [name, 'passed', false]),
  )
  expect(code).toBe(0)
})

test('an Activation cannot map the membership in a Segment that the store does not have', () => {
  const text = `${bundle.replaceAll('segmentMembership.ups.gold-members', 'segmentMembership.ups.gold-member')}${segment}`
  using folder = folderOf({ 'shop.yaml': text })
  const { code, out } = convoke(['check', 'shop.yaml', '-o', 'json'], { cwd: folder.path })
  const { diagnostics } = JSON.parse(out) as { diagnostics: readonly { code: string; path: string }[] }
  expect(diagnostics.map(({ code, path }) => [code, path])).toEqual([
    ['unresolved-reference', 'spec.mapping[2].source'],
  ])
  expect(code).toBe(1)
})
