// `convoke why` with the data at hand: what it says is what the evaluation made of them.
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../../cli/why.ts'
import { type Ended, convoke as inProcess } from '../cli-tools/command-line.ts'

const at = '2026-01-15T06:00:00Z'
const now = () => new Date('2026-01-15T08:00:00Z')
const folder = mkdtempSync(join(tmpdir(), 'convoke-why-'))
afterAll(() => rmSync(folder, { recursive: true }))

const further = `
---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: both }
spec:
  profileStoreRef: { name: customers }
  expression: inSegment("gold-members") or (inSegment("lapsed-buyers") and not inSegment("gold-members"))
---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: in-order }
spec:
  profileStoreRef: { name: customers }
  expression: |
    CHAIN(xEvent, timestamp, [A: WHAT(eventType = "purchase"), B: WHAT(eventType = "purchase" and commerce.order.priceTotal > 20)])
`

beforeAll(async () => {
  const minimal = join(import.meta.dirname, '../../examples/minimal')
  cpSync(join(minimal, 'volumes'), join(folder, 'volumes'), { recursive: true })
  // Two customers share an address.
  const customers = join(folder, 'volumes/landing/customers/customers.csv')
  appendFileSync(customers, 'C9,Bea,Okoro,ben@example.test,silver,false,2025-02-03T09:00:00Z\n')
  const resources = readFileSync(join(minimal, 'minimal.yaml'), 'utf8').replace(
    'path: customerId, primary: true }',
    'path: customerId, primary: true }, { namespace: Email, path: personalEmail.address }',
  )
  writeFileSync(join(folder, 'shop.yaml'), resources + further)
  writeFileSync(
    join(folder, 'stitched.yaml'),
    resources.replace(
      'storage: { volume: { claimName: profile-store, path: customers } }',
      'mergePolicy: { stitching: PrivateGraph }\n  storage: { volume: { claimName: profile-store, path: stitched } }',
    ),
  )
  const ran = await convoke('run', '--workdir', '.work')
  expect(ran).toMatchObject({ code: 0, err: expect.not.stringContaining('✗') })
})

function convoke(command: string, ...args: string[]): Promise<Ended> {
  return inProcess(folder, [command, 'shop.yaml', '--volumes', 'volumes', '--at', at, ...args], { now })
}

function why(segment: string, who: string, ...args: string[]): Promise<Ended> {
  return inProcess(folder, ['why', segment, who, 'shop.yaml', '--volumes', 'volumes', '--at', at, ...args], { now })
}

async function answerOf(segment: string, who: string, ...args: string[]): Promise<Answer> {
  return JSON.parse((await why(segment, who, ...args, '-o', 'json')).out)
}

const people = ['C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7', 'C8', 'C9']

describe('why', () => {
  test.each(['gold-members', 'big-spenders', 'lapsed-buyers', 'both', 'in-order'])(
    'for everybody and %s, says what the evaluation at that instant found',
    async (segment) => {
      const answers = await Promise.all(people.map((who) => answerOf(segment, who)))
      expect(answers.map(({ profile, isMember }) => [profile, isMember])).toEqual(
        answers.map(({ profile, lastEvaluation }) => [profile, lastEvaluation?.isMember]),
      )
      expect(answers.map(({ why }) => why.holds)).toEqual(answers.map(({ isMember }) => isMember))
      expect(new Set(answers.map(({ isMember }) => isMember)).size).toBe(2)
    },
  )

  test('shows each condition with the attributes it read', async () => {
    const { code, out, err } = await why('gold-members', 'C3')
    expect(out).toMatchInlineSnapshot(`
      "✗ C3 is not in gold-members at 2026-01-15T06:00:00Z.
        By the last evaluation, 2026-01-15T06:00:00Z (2h ago), it is not in and never was.
        May not be sent: optOut is true.

      ✗ all of
      ├─ ✓ loyalty.tier = "gold"
      │      loyalty.tier is "gold"
      └─ ✗ not
         └─ ✓ optOut = true
                optOut is true
      "
    `)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  test('shows the events that count, with what is read of them', async () => {
    expect((await why('big-spenders', 'C1')).out).toMatchInlineSnapshot(`
      "✓ C1 is in big-spenders at 2026-01-15T06:00:00Z.
        By the last evaluation, 2026-01-15T06:00:00Z (2h ago), it is in, since 2026-01-15T06:00:00Z.
        Time alone makes it leave at 2026-01-15T20:00:00.001Z.
        May be sent: optOut is false.

      ✓ xEvent[eventType = "purchase" and timestamp occurs <= 30 days before now].sum(commerce.order.priceTotal) >= 200
          xEvent[eventType = "purchase" and timestamp occurs <= 30 days before now].sum(commerce.order.priceTotal) is 230
          2 of 2 events:
            2026-01-03T09:10:00Z  eventType "purchase"  commerce.order.priceTotal 80
            2025-12-16T20:00:00Z  eventType "purchase"  commerce.order.priceTotal 150
      "
    `)
  })

  test('shows the nearest events where none counts, and what will change', async () => {
    const { out } = await inProcess(
      folder,
      ['why', 'big-spenders', 'C1', 'shop.yaml', '--volumes', 'volumes', '--at', '2026-03-01T00:00:00Z'],
      { now },
    )
    expect(out).toMatchInlineSnapshot(`
      "✗ C1 is not in big-spenders at 2026-03-01T00:00:00Z.
        By the last evaluation, 2026-01-15T06:00:00Z (2h ago), it is in, since 2026-01-15T06:00:00Z. An evaluation at 2026-03-01T00:00:00Z makes it leave.
        May be sent: optOut is false.

      ✗ xEvent[eventType = "purchase" and timestamp occurs <= 30 days before now].sum(commerce.order.priceTotal) >= 200
          xEvent[eventType = "purchase" and timestamp occurs <= 30 days before now].sum(commerce.order.priceTotal) is 0
          0 of 2 events; the nearest:
            2026-01-03T09:10:00Z  eventType "purchase"  commerce.order.priceTotal 80
            2025-12-16T20:00:00Z  eventType "purchase"  commerce.order.priceTotal 150
      "
    `)
  })

  test('says whether the store lets the person be sent', async () => {
    const consentOf = async (who: string) => (await answerOf('gold-members', who)).consent
    expect(await Promise.all(['C1', 'C3', 'C7'].map(consentOf))).toEqual(
      [
        [true, false],
        [false, true],
        [true, null],
      ].map(([maySend, value]) => [{ channel: null, maySend, path: 'optOut', value }]),
    )
  })

  test('has value, bound and distance as fields, and when time alone makes it another answer', async () => {
    const spender = await answerOf('big-spenders', 'C1')
    expect(spender).toMatchObject({
      isMember: true,
      // The purchase of 16 December is no longer within 30 days.
      turnsAt: '2026-01-15T20:00:00.001Z',
      why: { compared: { value: 230, op: '>=', bound: 200, distance: 30, unit: 'number' } },
    })
    const turned = await inProcess(
      folder,
      [...['why', 'big-spenders', 'C1', 'shop.yaml', '--volumes', 'volumes', '-o', 'json'], '--at', spender.turnsAt!],
      { now },
    )
    expect(JSON.parse(turned.out)).toMatchObject({ isMember: false, turnsAt: null })
    expect((await answerOf('gold-members', 'C1')).turnsAt).toBe(null)
  })

  test('says on request not who it is', async () => {
    const { out } = await why('both', 'Email:ada@example.test', '--anonymous', '-o', 'json')
    expect(JSON.parse(out)).toMatchObject({ profile: null, lastEvaluation: { since: at.slice(0, 10) } })
    expect(out).not.toMatch(/C1"|ada@|"gold"|\d\dT(?!06:00:00Z)/)
    expect(out).toContain('"(withheld)"')
    expect((await why('big-spenders', 'C1', '--anonymous')).out).toMatch(
      /^✓ Somebody is in big-spenders.*commerce\.order\.priceTotal 80\n/s,
    )
  })

  test('shows the conditions of Segments that it refers to, each once', async () => {
    expect((await why('both', 'C8')).out).toMatchInlineSnapshot(`
      "✓ C8 is in both at 2026-01-15T06:00:00Z.
        By the last evaluation, 2026-01-15T06:00:00Z (2h ago), it is in, since 2026-01-15T06:00:00Z.
        May be sent: optOut is false.

      ✓ any of
      ├─ ✓ inSegment("gold-members")
      │  └─ ✓ all of
      │     ├─ ✓ loyalty.tier = "gold"
      │     │      loyalty.tier is "gold"
      │     └─ ✓ not
      │        └─ ✗ optOut = true
      │               optOut is false
      └─ ✗ all of
         ├─ ✓ inSegment("lapsed-buyers")
         │  └─ ✓ all of
         │     ├─ ✓ xEvent[eventType = "purchase" and timestamp occurs <= 3 years before now].count() >= 2
         │     │      xEvent[eventType = "purchase" and timestamp occurs <= 3 years before now].count() is 2
         │     │      2 of 2 events:
         │     │        2025-04-20T18:40:00Z  eventType "purchase"
         │     │        2025-03-04T10:15:00Z  eventType "purchase"
         │     └─ ✓ not
         │        └─ ✗ exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 90 days before now
         │               0 of 2 events; the nearest:
         │                 2025-04-20T18:40:00Z  eventType "purchase"
         │                   ✗ E.timestamp occurs <= 90 days before now
         │                 2025-03-04T10:15:00Z  eventType "purchase"
         │                   ✗ E.timestamp occurs <= 90 days before now
         └─ ✗ not
            └─ ✓ inSegment("gold-members")
      "
    `)
  })

  test('is coloured where there are colours', async () => {
    const { out } = await inProcess(
      folder,
      ['why', 'gold-members', 'C1', 'shop.yaml', '--volumes', 'volumes', '--at', at],
      { now, colour: true },
    )
    expect(out).toContain('\x1b[32m✓\x1b[0m \x1b[1mC1\x1b[0m is in')
  })

  test.each([
    ['CustomerId:C1', 'C1'],
    ['Email:ada@example.test', 'C1'],
    ['@who.txt', 'C2'],
  ])('knows a person by %s', async (who, profile) => {
    writeFileSync(join(folder, 'who.txt'), 'C2\n')
    expect((await answerOf('gold-members', who)).profile).toBe(profile)
  })

  test.each([
    ['gold-member', 'C1', /There is no Segment `gold-member` there\. Did you mean `gold-members`\?/],
    ['gold-members', 'C99', /No profile of customers has that identity\. Give a value of CustomerId, or Email:VALUE\./],
    ['gold-members', 'Email:nobody@example.test', /No profile of customers has that identity\./],
    [
      'gold-members',
      'Email:ben@example.test',
      /2 profiles of customers have that identity: C2, C9\. Name one by its CustomerId\./,
    ],
    ['gold-members', '@nothing.txt', /`nothing\.txt` cannot be read/],
  ])('of %s and %s is refused with what there is', async (segment, who, message) => {
    expect(await why(segment, who)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) })
  })

  test('knows a person that was stitched together by any of the identities', async () => {
    const args = ['stitched.yaml', '--volumes', 'volumes', '--at', at]
    expect(await inProcess(folder, ['run', ...args, '--workdir', '.stitched'], { now })).toMatchObject({ code: 0 })
    for (const who of ['C2', 'C9', 'CustomerId:C9', 'Email:ben@example.test']) {
      const { out } = await inProcess(folder, ['why', 'gold-members', who, ...args, '-o', 'json'], { now })
      expect(JSON.parse(out).profile).toBe('C2')
    }
  })

  test('of a store that nobody ran says so', async () => {
    mkdirSync(join(folder, 'elsewhere'), { recursive: true })
    const empty = await inProcess(folder, ['why', 'gold-members', 'C1', 'shop.yaml', '--volumes', 'elsewhere'], { now })
    expect(empty).toMatchObject({ code: 1, err: expect.stringContaining('There is no volume for the claim') })
  })
})
