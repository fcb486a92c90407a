// Expressions that are sound, or nearly, and larger, longer, deeper or further out than anybody writes.
import fc from 'fast-check'
import { example } from '../../compiler/pql/functions.ts'
import { type TestPerson, typesOf } from '../support/pql.ts'

/** Whom extremes are about: the example of the manual. */
export const types = typesOf(example.schema)
export const people: readonly TestPerson[] = [{ id: 'P1', attributes: example.profile, events: example.events }]
export const now = '2026-01-15T10:30:00Z'

const length = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 120 }))

/** Regular expressions, some of which ask much. */
const pattern = fc
  .array(
    fc
      .tuple(
        fc.constantFrom(
          'a',
          '.',
          '\\w',
          '[^a-z]',
          '\\p{L}',
          '\\P{Lu}',
          '(a|b)',
          '(?:x{2})',
          'é',
          '(?i)k',
          '\\bz',
          '[\\p{L}\\d]',
        ),
        fc.constantFrom('', '?', '*', '+', '{3}', '{2,40}', '{1000}', '{1001}', '{0,200}?'),
      )
      .map(([atom, count]) => atom + count),
    { maxLength: 12 },
  )
  .chain((parts) =>
    fc.tuple(fc.constantFrom(1, 1, 1, 40, 400), fc.nat(3)).map(([times, depth]) => {
      let whole = parts.join('').repeat(times)
      for (let level = 0; level < depth; level += 1) whole = `(?:${whole}){1,30}`
      return whole
    }),
  )

const words = (parts: readonly unknown[]): string => parts.join(' ')
const quoted = (text: string): string => JSON.stringify(text).replaceAll(/\\u00([01].)/g, '\\u00$1')

/** The same again and again, each a little different. */
function row(one: string, by: string, times: number): string {
  const most = Math.max(1, Math.min(times, Math.floor(50_000 / one.length)))
  return `(${Array.from({ length: most }, (_, index) => `${one} or loyalty.points = ${index}`).join(by)})`
}

function alternating(one: string, times: number): string {
  let whole = one
  for (let index = 0; index < times; index += 1) whole = `(${whole} or loyalty.points = ${index}) and not optOut`
  return `(${whole})`
}

/** Each `let` the double of the one before. */
function doubled(one: string, times: number, twice: (name: string) => string): string {
  const lets = Array.from({ length: times }, (_, index) => `let a${index + 1} = ${twice(`a${index}`)} in `)
  return `let a0 = ${one} in ${lets.join('')}a${times}`
}

/** One of a few of the right kind, mostly; what it is about is one of the people's attributes. */
export const extremes: fc.Arbitrary<string> = fc.letrec<{
  condition: string
  number: string
  text: string
  list: string
  time: string
}>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('optOut', 'not optOut', 'loyalty.tier = "gold"', 'person.name.firstName.isNull()'),
    fc.tuple(tie('number'), fc.constantFrom('<', '<=', '=', '!=', '>=', '>'), tie('number')).map(words),
    fc.tuple(tie('text'), fc.constantFrom('=', '!=', 'like'), tie('text')).map(words),
    fc.tuple(tie('text'), pattern).map(([text, regex]) => `${text}.matches(${quoted(regex)})`),
    fc.tuple(tie('text'), fc.array(tie('text'), { maxLength: 5 })).map(([text, all]) => `${text} in [${all}]`),
    fc.tuple(tie('list'), tie('list')).map(([left, right]) => `${left}.intersects(${right})`),
    tie('time').map((time) => `loyalty.joinedAt occurs ${time}`),
    tie('time').map((time) => `(exists E from xEvent where E.timestamp occurs ${time})`),
    fc.tuple(tie('condition'), fc.nat(60)).map(([one, times]) => `(${'not '.repeat(times)}${one})`),
    fc.tuple(tie('condition'), fc.constantFrom(' and ', ' or '), length).map(([one, by, n]) => row(one, by, n)),
    fc.tuple(tie('condition'), fc.nat(12)).map(([one, n]) => doubled(`(${one})`, n, (a) => `(${a} and ${a})`)),
    fc.tuple(tie('condition'), fc.nat(30)).map(([one, n]) => alternating(one, n)),
    fc
      .tuple(tie('list'), fc.nat(8))
      .map(([one, n]) => `${doubled(one, n, (a) => `${a}.intersection(${a})`)}.count() > 1`),
  ),
  number: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('loyalty.points', 'xEvent.count()', 'tags.count()', 'currentYear()'),
    fc.constantFrom(
      '1e308',
      '1e309',
      '5e-324',
      '1e-400',
      '9007199254740993',
      '9223372036854775807',
      '9223372036854775808',
    ),
    fc.nat(400).map((digits) => '9'.repeat(digits + 1)),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }).map(String),
    fc.tuple(tie('number'), fc.constantFrom('+', '-', '*', '/', '%'), tie('number')).map((all) => `(${words(all)})`),
    fc.tuple(tie('number'), fc.nat(10)).map(([one, n]) => `(${doubled(one, n, (a) => `(${a} + ${a})`)})`),
    fc.tuple(tie('condition'), tie('number')).map(([test, one]) => `if(${test}, ${one}, 0)`),
  ),
  text: fc.oneof(
    fc.constantFrom('loyalty.tier', 'person.name.firstName', 'homeAddress.city'),
    fc.constantFrom(
      '""',
      '"\\u0000"',
      '"a\\u0000b"',
      '"\\ud800"',
      '"\\udfff\\ud800"',
      '"\'"',
      '"$now"',
      '"$since"',
      '"%_\\\\"',
    ),
    fc.string({ unit: 'binary' }).map(quoted),
    fc.nat(30_000).map((n) => `"${"x'".repeat(n)}"`),
  ),
  list: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('tags', '["a", "b"]'),
    fc.nat(150).map((n) => `[${Array.from({ length: n + 1 }, (_, index) => `"${index}"`)}]`),
    fc.tuple(tie('list'), tie('list')).map(([left, right]) => `${left}.intersection(${right})`),
    fc.tuple(tie('list'), fc.nat(20)).map(([list, n]) => `${list}${'.distinct()'.repeat(n)}`),
  ),
  time: fc
    .tuple(
      fc.constantFrom('<', '<=', '=', '!=', '>', '>='),
      fc.oneof(fc.nat(100), fc.nat(4_000_000), fc.nat()),
      fc.constantFrom('milliseconds', 'days', 'weeks', 'months', 'years', 'centuries', 'millenniums'),
      fc.constantFrom(
        'before now',
        'after now',
        'before today',
        'after last month',
        'before "0001-01-01"',
        'after "9999-12-31"',
      ),
    )
    .map(words),
})).condition
