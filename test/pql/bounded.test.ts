// What is written small stays small, and what is wrong a thousand times is said a few times: each in time and size linear in the text.
import { expect, test } from 'vitest'
import { compile } from '../../compiler/compile.ts'
import { checkPql } from '../../compiler/pql/check.ts'
import { example } from '../../compiler/pql/functions.ts'
import { bundle } from '../support/bundle.ts'
import { interpreted, onDuckdb, queryOf, typesOf } from '../support/pql.ts'

const types = typesOf(example.schema)
const people = [{ id: 'P1', attributes: example.profile, events: example.events }]
const now = '2026-01-15T10:30:00Z'
const check = (pql: string) => checkPql(pql, { types, segments: new Set() })

function doubled(first: string, times: number, twice: (name: string) => string): string {
  const lets = Array.from({ length: times }, (_, index) => `let a${index + 1} = ${twice(`a${index}`)} in `)
  return `let a0 = ${first} in ${lets.join('')}a${times}`
}

test.each([
  ['conditions', doubled('(loyalty.tier = "gold")', 24, (a) => `(${a} and ${a})`), true],
  ['conditions that are negated', doubled('(loyalty.tier != "gold")', 20, (a) => `(not ${a} or not ${a})`), false],
  ['numbers', `${doubled('(loyalty.points + 1)', 9, (a) => `(${a} + ${a})`)} > 3`, true],
])('%s named by let and used twice at every step are shared', async (_, pql, isNegatable) => {
  const { condition, faults } = check(pql)
  expect(faults).toEqual([])
  expect(queryOf([condition!], types, now, 'duckdb').sql.length).toBeLessThan(60_000)
  const wanted = interpreted([condition!], people, types, now)
  expect(await onDuckdb([condition!], people, types, now)).toEqual(wanted)
  if (isNegatable) expect(wanted).toEqual([['P1']])
})

test('a condition that is used often or is large is shared, a small one is written out', () => {
  const small = check('let a = optOut in a or (a and loyalty.points > 3)').condition
  expect(small).toEqual(check('optOut or (optOut and loyalty.points > 3)').condition)
})

const many = (count: number, one: (index: number) => string, by = ' or '): string =>
  Array.from({ length: count }, (_, index) => one(index)).join(by)

test.each([
  ['unknown names', many(5000, (n) => `nothing${n} = 1`), 'unknown-attribute'],
  ['unknown functions', many(5000, (n) => `nothing${n}(optOut)`), 'pql-unknown-function'],
  ['characters without a meaning', `optOut ${';'.repeat(50_000)}`, 'pql-syntax'],
  ['texts without quotes', many(5000, (n) => `loyalty.tier = x${n}`), 'unknown-attribute'],
  ['types that do not fit', many(5000, () => 'loyalty.points = "many"'), 'pql-type-mismatch'],
  ['lists that double', `${doubled('tags', 30, (a) => `${a}.intersection(${a})`)}.count() > 1`, 'expression-too-large'],
  [
    'more terms than engines take',
    many(9000, () => 'optOut and tags.count()=1 and tags.count()=2'),
    'expression-too-large',
  ],
  ['a number beyond double', 'loyalty.points > 1e309', 'pql-unsupported'],
  ['a number of 400 digits', `loyalty.points > ${'9'.repeat(400)}`, 'pql-unsupported'],
  ['a text of such a number', 'loyalty.points > "1e309"', 'pql-type-mismatch'],
  ['U+0000', 'person.name.firstName = "a\\u0000"', 'pql-unsupported'],
  ['U+0000 as it is', 'person.name.firstName = "a\0"', 'pql-unsupported'],
  ['half a character', 'person.name.firstName = "\\ud83d"', 'pql-unsupported'],
  ['repeats inside repeats', 'loyalty.tier.matches("(a{1,100}){1,100}")', 'pql-unsupported'],
  ['a regular expression of many classes', `loyalty.tier.matches("${'\\\\pL'.repeat(3000)}")`, 'pql-unsupported'],
])('%s: a finding, and few of them', (_, pql, code) => {
  const { condition, faults } = check(pql)
  expect(condition).toBe(null)
  expect(new Set(faults.map((fault) => fault.code))).toEqual(new Set([code]))
  expect(faults.length).toBeLessThanOrEqual(20)
  const more = / more faults? follows? in this expression\./
  if (faults.length === 20) expect(faults.some(({ help }) => more.test(help ?? ''))).toBe(true)
})

test.each([
  ['unknown fields', 'spec', 50_000],
  ['unknown fields of metadata', 'metadata', 50_000],
])('%s: a few are named, and how many more there are', (_, owner, count) => {
  const keys = Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 1]))
  const resource = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Segment',
    metadata: { name: 'wide', ...(owner === 'metadata' && { labels: keys }) },
    spec: { profileStoreRef: { name: 'readers' }, expression: 'noMail', ...(owner === 'spec' && keys) },
  }
  const { diagnostics } = compile([{ file: 'a.yaml', text: `${bundle}\n---\n${JSON.stringify(resource)}` }])
  expect(diagnostics.length).toBeLessThanOrEqual(30)
  if (owner === 'spec') expect(diagnostics.map(({ message }) => message).join('\n')).toContain('more faults like these')
})

test('thousands of anchors are read', () => {
  const anchors = many(20_000, (n) => `k${n}: &a${n} x`, ', ')
  const text = `apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: a, annotations: { ${anchors} } }\nspec: { profileStoreRef: { name: readers }, expression: noMail }\n`
  expect(compile([{ file: 'a.yaml', text: `${bundle}\n---\n${text}` }]).diagnostics).toEqual([])
})
