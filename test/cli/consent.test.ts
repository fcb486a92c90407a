// Consent on the whole way: from a customer's row to Campaign's list, and what people are told of it.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { RunDocument } from '#views'
import { convoke as inProcess } from '../cli-tools/command-line.ts'

const folder = mkdtempSync(join(tmpdir(), 'convoke-consent-'))
afterAll(() => rmSync(folder, { recursive: true }))

const minimal = join(import.meta.dirname, '../../examples/minimal')
cpSync(join(minimal, 'volumes'), join(folder, 'volumes'), { recursive: true })
const resources = readFileSync(join(minimal, 'minimal.yaml'), 'utf8')
  .replace(' and not (optOut = true)', '')
  .replace('  export: Incremental\n', '  export: Incremental\n  circuitBreaker: { maxExitedPercent: 10 }\n')
writeFileSync(join(folder, 'shop.yaml'), resources)

const convoke = (command: string, day: number, ...args: string[]) =>
  inProcess(folder, [command, 'shop.yaml', '--volumes', 'volumes', '--at', `2026-01-${day}T06:00:00Z`, ...args], {
    now: () => new Date(`2026-01-${day}T08:00:00Z`),
  })

const run = async (day: number) => {
  const { code, out, err } = await convoke('run', day, '--workdir', '.work', '-o', 'json')
  expect(code, err).toBe(0)
  const document: RunDocument = JSON.parse(out)
  return document.segments.find(({ segment }) => segment === 'gold-members')!.standing!
}

/** The rows of the file of a day. */
const linesOf = (segment: string, day: number): readonly string[] => {
  const zone = join(folder, 'volumes/landing-zone/audiences')
  const name = readdirSync(zone).find((each) => each.includes(`_${segment}_202601${day}`) && each.endsWith('.csv'))
  return name === undefined ? [] : readFileSync(join(zone, name), 'utf8').trimEnd().split('\n').slice(1)
}

function consentOf(customer: string, optOut: boolean, day: number): void {
  const file = join(folder, 'volumes/landing/customers/customers.csv')
  const changed = readFileSync(file, 'utf8').replace(
    new RegExp(`^(${customer},.*),(?:true|false),.*$`, 'm'),
    `$1,${optOut},2026-01-${day}T01:00:00Z`,
  )
  writeFileSync(file, changed)
}

test('who may not be sent is on no list, and who takes consent back leaves with the next file', async () => {
  const first = await run(15)
  expect(first).toMatchObject({ members: 4, delivered: 3, inCampaign: 2, unaccounted: 0 })
  expect(first.leftOut).toEqual({ missingMandatory: 0, duplicateKey: 0, withoutConsent: 1 })
  expect(linesOf('gold-members', 15).map((line) => line.split(',')[0])).toEqual(['C1', 'C5', 'C8'])

  consentOf('C5', true, 16)
  const second = await run(16)
  expect(second).toMatchObject({ members: 4, delivered: 2, inCampaign: 1, held: 0, unaccounted: 0 })
  expect(second.leftOut.withoutConsent).toBe(2)
  expect(linesOf('gold-members', 16)).toEqual(['C5,,,,exited'])

  consentOf('C5', false, 17)
  expect(await run(17)).toMatchObject({ members: 4, delivered: 3, inCampaign: 2 })
  expect(linesOf('gold-members', 17)).toEqual(['C5,eve@example.test,Eve,gold,realized'])

  const told = await convoke('run', 18, '--workdir', '.work')
  expect(told.out).toContain('left out (1 without consent)')
})

test('the circuit breaker holds all else, and who takes consent back leaves the list', async () => {
  const file = join(folder, 'volumes/landing/customers/customers.csv')
  const before = readFileSync(file, 'utf8')
  const listed = async () =>
    (
      await inProcess(folder, [
        'campaign',
        'shop.yaml',
        '--volumes',
        'volumes',
        '--workdir',
        '.work',
        '--recipient',
        'C5',
      ])
    ).out
  expect(await listed()).toContain('gold-members')
  consentOf('C5', true, 19)
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^(C8,.*),gold,.*$/m, '$1,silver,false,2026-01-19T01:00:00Z'))
  expect(await run(19)).toMatchObject({ held: 3, inCampaign: 1 })
  expect(linesOf('gold-members', 19)).toEqual(['C5,,,,exited'])
  expect(await listed()).not.toContain('gold-members')

  // Nothing more is said of them; the breaker holds on, and counts from the list without them.
  expect(await run(20)).toMatchObject({ held: 3, inCampaign: 1 })
  expect(linesOf('gold-members', 20)).toEqual([])
  writeFileSync(
    file,
    before.replaceAll('2026-01-17T01', '2026-01-21T01').replace(/^(C8,.*),.*$/m, '$1,2026-01-21T01:00:00Z'),
  )
  expect(await run(21)).toMatchObject({ members: 4, delivered: 3, inCampaign: 2, held: 0 })
  expect(linesOf('gold-members', 21)).toEqual(['C5,eve@example.test,Eve,gold,realized'])
})

test('a plan says how many another consent leaves out', async () => {
  writeFileSync(join(folder, 'before.yaml'), resources.replace(/^ {2}consent: .*\n/m, ''))
  const plan = await convoke('plan', 22, '--workdir', '.work', '--against', 'before.yaml')
  expect(plan.out).toContain('gold-members: newsletter leaves out 1 of 4, who may not be sent.')
  const markdown = await convoke('plan', 22, '--workdir', '.work', '--against', 'before.yaml', '-o', 'markdown')
  expect(markdown.out).toContain('#### Left out for consent')
  const { audiences } = JSON.parse(
    (await convoke('plan', 22, '--workdir', '.work', '--against', 'before.yaml', '-o', 'json')).out,
  )
  expect(audiences.find(({ segment }: { segment: string }) => segment === 'gold-members')).toMatchObject({
    change: 'consent',
    withoutConsent: { newsletter: 1 },
  })
})

test('check asks what the schema means where the store does not say it', async () => {
  writeFileSync(join(folder, 'before.yaml'), resources.replace(/^ {2}consent: .*\n/m, ''))
  const { code, out } = await inProcess(folder, ['check', 'before.yaml'])
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('unstated-consent') })
})
