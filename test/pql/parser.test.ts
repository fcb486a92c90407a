import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { example, functions } from '../../compiler/pql/functions.ts'
import { parsePql } from '../../compiler/pql/parser.ts'
import { typesOf } from '../support/pql.ts'
import { worlds } from './arbitrary.ts'

const types = typesOf(example.schema)
const check = (pql: string): ReturnType<typeof checkPql> => checkPql(pql, { types, segments: new Set(['gold']) })
const examples = Object.values(functions).flatMap((entry): string[] => entry.examples.map(([pql]) => pql))
const longer = [
  'loyalty.tier = "gold" and (homeAddress.countryCode in ["DE", "AT"] or not (loyalty.points < 100))',
  'exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= 30 days before now',
  'CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 7 days before now) COUNT(2), B: WHAT(eventType = "purchase")])',
  'sum E.commerce.order.priceTotal over E from xEvent where E.eventType = "purchase" > 100',
  'let total = xEvent.sum(commerce.order.priceTotal) in (total > 100 and total < 1000)',
  'xEvent[eventType = "purchase" and ^.loyalty.tier = "gold"].topN(timestamp, 3).productListItems.exists(SKU = "A1")',
  'person.birthDate occurs between date(1980, 1, 1) and date(1990, 12, 31)',
  'if(loyalty.tier = "gold", loyalty.points * 2, loyalty.points) >= 240',
]

function spansInside(
  pql: string,
  faults: readonly { readonly span: { readonly start: number; readonly end: number } }[],
): void {
  for (const { span } of faults)
    expect(span.start >= 0 && span.start <= span.end && span.end <= pql.length, JSON.stringify({ pql, span })).toBe(
      true,
    )
}

describe('whatever is written is read without a throw, and faults point into the text', () => {
  const words = fc.constantFrom(
    ...[
      'and',
      'or',
      'not',
      'in',
      'notIn',
      'like',
      'occurs',
      'exists',
      'forall',
      'select',
      'from',
      'where',
      'over',
      'let',
      'if',
      'sum',
      'CHAIN',
      'WHAT',
      'WHEN',
      'COUNT',
      'before',
      'between',
      'now',
      'last',
      'month',
      'days',
      'xEvent',
      'loyalty',
      'tier',
      'toString',
      'constructor',
      '__proto__',
    ],
    ...[
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      ',',
      '.',
      ':',
      '=',
      '!=',
      '<=',
      '=>',
      '+',
      '-',
      '*',
      '/',
      '%',
      '^',
      '$',
      '$1',
      '!',
      '"',
      "'",
      '“',
      '\\',
      '#',
      '//',
      '/*',
      '"a"',
      '3',
      '.5',
      '1e9',
      '1_0',
      '\u0000',
      '\ud800',
      '😀',
      '\n',
    ],
  )
  test('random text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (pql) => spansInside(pql, check(pql).faults)),
      { numRuns: 1000 },
    )
  })
  test('random words of the language', () => {
    fc.assert(
      fc.property(fc.array(words, { maxLength: 25 }), fc.constantFrom('', ' '), (parts, separator) => {
        const pql = parts.join(separator)
        spansInside(pql, check(pql).faults)
      }),
      { numRuns: 4000 },
    )
  })
  test('valid expressions with something cut out, doubled or put in', () => {
    fc.assert(
      fc.property(fc.constantFrom(...examples, ...longer), fc.nat(), fc.nat(12), words, (pql, place, length, word) => {
        const at = place % (pql.length + 1)
        for (const changed of [
          pql.slice(0, at) + pql.slice(at + length),
          pql.slice(0, at) + pql.slice(Math.max(0, at - length)),
          `${pql.slice(0, at)} ${word} ${pql.slice(at)}`,
        ])
          spansInside(changed, check(changed).faults)
      }),
      { numRuns: 1000 },
    )
  })
})

test.each([...examples, ...longer])('one token left out of %s gives at most two faults', (pql) => {
  const { tokens } = parsePql(pql)
  for (const token of tokens.slice(0, -1)) {
    const changed = pql.slice(0, token.start) + pql.slice(token.end)
    const { faults } = parsePql(changed)
    expect(faults.length, `${changed}\n${faults.map((fault) => fault.message).join('\n')}`).toBeLessThanOrEqual(2)
    spansInside(changed, faults)
  }
})

test('generated well-typed expressions are read without a fault', () => {
  fc.assert(
    fc.property(worlds({ people: 0, expressions: 20 }), ({ expressions }) => {
      for (const pql of expressions) expect(parsePql(pql).faults, pql).toEqual([])
    }),
    { numRuns: 40 },
  )
})

describe('hostile input ends cleanly within a second', () => {
  const many = (count: number, part: string): string => part.repeat(count)
  test.each<[string, string]>([
    ['500 parentheses', `${many(500, '(')}loyalty.tier = "gold"${many(500, ')')}`],
    ['10,000 open parentheses', many(10_000, '(')],
    ['10,000 closing brackets', many(10_000, ']')],
    ['500 filters inside each other', `${many(500, 'xEvent[')}true${many(500, '].exists(true)')}`],
    ['10,000 operands', many(10_000, 'loyalty.tier = "gold" or ') + 'true'],
    ['10,000 faulty operands', many(10_000, 'loyalty.teir = "gold" and ') + 'true'],
    ['10,000 nots', `${many(10_000, 'not ')}true`],
    ['10,000 minus signs', `${many(10_000, '-')}1 = 1`],
    ['10,000 additions', `${many(10_000, 'loyalty.points + ')}1 > 0`],
    ['10,000 fields', `loyalty${many(10_000, '.tier')} = "gold"`],
    ['10,000 calls', `loyalty.tier${many(10_000, '.isNull()')}`],
    ['10,000 list items', `loyalty.tier in [${many(10_000, '"gold", ')}"x"]`],
    ['a text of a megabyte', `loyalty.tier = "${many(1_000_000, 'a')}"`],
    ['a name of a megabyte', many(1_000_000, 'a')],
    ['10,000 quotes', many(10_000, '"')],
    ['10,000 backslashes in a text', `"${many(10_000, '\\')}"`],
    ['10,000 lets', `${many(10_000, 'let x = 1 in ')}true`],
    ['10,000 comparisons', `1${many(10_000, ' < 2')}`],
    ['10,000 chain steps', `CHAIN(xEvent, timestamp, [${many(10_000, 'WHAT(true),')}WHAT(true)])`],
    ['10,000 generators', `exists ${many(10_000, 'E from xEvent,')} E from xEvent`],
    ['a regular expression of 10,000 groups', `loyalty.tier.matches("${many(10_000, '(')}")`],
    ['10,000 sums', `${many(10_000, 'sum ')}`],
  ])('%s', (_, pql) => {
    const start = performance.now()
    const { faults } = check(pql)
    expect(performance.now() - start).toBeLessThan(1500)
    spansInside(pql, faults)
  })
})
