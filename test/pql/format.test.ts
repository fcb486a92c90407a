import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatPql } from '../../compiler/pql/format.ts'
import { functions } from '../../compiler/pql/functions.ts'
import { parsePql } from '../../compiler/pql/parser.ts'
import { worlds } from './arbitrary.ts'
import { withoutSpans } from './without-spans.ts'

test.each<[string, string]>([
  ['loyalty.tier="gold"', 'loyalty.tier = "gold"'],
  ['  a  and(b   or c)\n', 'a and (b or c)'],
  ['!(a)', 'not (a)'],
  ['not   a=b', 'not a = b'],
  ['x in["DE" ,"AT"]', 'x in ["DE", "AT"]'],
  ['t occurs on today', 't occurs today'],
  ['t occurs <=1 days before now', 't occurs <= 1 day before now'],
  ['t occurs > 2 century after date( 2020,1 , 1)', 't occurs > 2 centuries after date(2020, 1, 1)'],
  ['a>- 3', 'a > -3'],
  ['a > 2.50 and b = .5 and c < 2.02E-12', 'a > 2.50 and b = .5 and c < 2.02E-12'],
  ['t.matches("\\\\d+")', 't.matches("\\\\d+")'],
  ['xEvent [ eventType="a" ] . count ( ) > 1', 'xEvent[eventType = "a"].count() > 1'],
  ['exists E from xEvent:E.eventType="a"', 'exists E from xEvent where E.eventType = "a"'],
  ['sum  E.x over E from xEvent>3', 'sum E.x over E from xEvent > 3'],
  ['sum X from numbers > 3', 'sum X from numbers > 3'],
  ['Profile=>Profile.a', '(Profile) => Profile.a'],
  ['m.map((K,G)=>mapEntry(K,G.count()))', 'm.map((K, G) => mapEntry(K, G.count()))'],
  ['let x=1 in(a>x)', 'let x = 1 in (a > x)'],
  [
    'chain(xEvent,timestamp,[A:what(eventType="a")when(<8 days before now)count(>=2),WHAT(b)])',
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "a") WHEN(< 8 days before now) COUNT(2), WHAT(b)])',
  ],
  [
    'loyalty.tier = "gold" and (homeAddress.countryCode in ["DE", "AT", "CH"] or homeAddress.city = "Basel") and loyalty.points >= 1000',
    'loyalty.tier = "gold"\nand (homeAddress.countryCode in ["DE", "AT", "CH"] or homeAddress.city = "Basel")\nand loyalty.points >= 1000',
  ],
  [
    'a and not (exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 30 days before now and E.total > 100)',
    'a\nand not (\n  exists E from xEvent where\n    E.eventType = "purchase" and E.timestamp occurs <= 30 days before now and E.total > 100\n)',
  ],
  [
    'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 7 days before now), B: WHAT(eventType = "purchase") WHEN(today)])',
    'CHAIN(xEvent, timestamp, [\n  A: WHAT(eventType = "view") WHEN(<= 7 days before now),\n  B: WHAT(eventType = "purchase") WHEN(today)\n])',
  ],
  // Line breaks that somebody chose stay, with where their lines begin; spaces within a line do not.
  ['a=1\n  and( b or\n   c )', 'a = 1\n  and (b or\n   c)'],
  ['t occurs <=1\n  days before now\n', 't occurs <= 1\n  day before now'],
  ['\n\na and\n\n\nb\n\n', 'a and\nb'],
  // Words that are no part of its one form leave nobody to say where lines break.
  ['t occurs on\ntoday', 't occurs today'],
])('%s', (written, formatted) => {
  expect(formatPql(written)).toBe(formatted)
})

test('an expression with syntax faults is left alone', () => {
  for (const pql of ['', 'a and', 'a == b', '(a']) expect(formatPql(pql)).toBe(null)
})

function keepsItsMeaning(pql: string): void {
  const formatted = formatPql(pql)
  expect(formatted, pql).not.toBe(null)
  expect(withoutSpans(parsePql(formatted!).expr), pql).toEqual(withoutSpans(parsePql(pql).expr))
  expect(formatPql(formatted!), pql).toBe(formatted)
}

test('every function example keeps its tree, and formatting twice is formatting once', () => {
  for (const entry of Object.values(functions)) for (const [pql] of entry.examples) keepsItsMeaning(pql)
})

test('generated expressions keep their tree, and formatting twice is formatting once', () => {
  fc.assert(
    fc.property(worlds({ people: 0, expressions: 20 }), ({ expressions }) => {
      for (const pql of expressions) keepsItsMeaning(pql)
    }),
    { numRuns: 100 },
  )
})

test('ten thousand operands', () => {
  keepsItsMeaning(Array.from({ length: 10_000 }, (_, index) => `a${index} = ${index}`).join(' or '))
})
