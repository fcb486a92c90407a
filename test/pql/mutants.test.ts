// Texts as accidents and strangers make them, through the compiler and the engine: nothing throws, and what passes is accepted. Over ten seconds:
// 20,000 of them, 200,000 in soak.
import { expect, test } from 'vitest'
import { compile } from '../../compiler/compile.ts'
import { checkPql } from '../../compiler/pql/check.ts'
import { example, functions } from '../../compiler/pql/functions.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import { bundle } from '../support/bundle.ts'
import { onDuckdb, typesOf } from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'

const types = typesOf(example.schema)
const people = [{ id: 'P1', attributes: example.profile, events: example.events }]
const sound = Object.values(functions).flatMap(({ examples }) => examples.map(([pql]) => pql))
const tokens = [
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '\\',
    '\0',
    '\u2028',
    '\ud800',
    '😀',
    ',',
    '.',
    ':',
    '-',
    '*',
    '?',
    '|',
    '#',
    '&a',
    '*a',
    '!!x',
  ],
  ...[
    'and',
    'or',
    'not',
    'let x = ',
    ' in ',
    'now',
    '1e999',
    '9'.repeat(330),
    '-0',
    '%',
    'inSegment("x")',
    '.count()',
    '.distinct()',
    '^',
    '$1',
    '$now',
  ],
  ...[
    '\n',
    '\t',
    '  ',
    '---\n',
    '...',
    '<<: ',
    '? ',
    '- ',
    '"\\u0000"',
    '0x1',
    '1_000',
    '~',
    'null',
    'true',
    '__proto__',
    'constructor',
  ],
]

/** Whole numbers below a limit, the same for the same seed (mulberry32). */
function drawn(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

/** The text with one to four small things done to it. */
function mutant(text: string, others: readonly string[], draw: (limit: number) => number): string {
  let made = text
  for (let times = draw(4); times >= 0; times -= 1) {
    const [at, length] = [draw(made.length + 1), draw(12)]
    const [before, part, after] = [made.slice(0, at), made.slice(at, at + length), made.slice(at + length)]
    const other = others[draw(others.length)]!
    made = [
      () => before + after,
      () => before + part + part + after,
      () => before + tokens[draw(tokens.length)]! + part + after,
      () => before + other.slice(draw(other.length), draw(other.length) + 20) + after,
      () => `${before}${[...part].reverse().join('')}${after}`,
      () => `(${made}) ${['and', 'or'][draw(2)]} (${other})`,
    ][draw(6)]!()
  }
  return made.slice(0, 100_000)
}

test('mutants of expressions', { timeout: patience(600_000) }, async () => {
  const draw = drawn(13)
  let passed = 0
  let pending: { readonly pql: string; readonly condition: Condition }[] = []
  const together = async (some: typeof pending): Promise<void> => {
    passed += some.length
    const conditions = some.map(({ condition }) => condition)
    try {
      await onDuckdb(conditions, people, types, '2026-01-15T10:30:00Z')
    } catch (error) {
      // Which of them it was.
      for (const { pql, condition } of some)
        await expect(onDuckdb([condition], people, types, '2026-01-15T10:30:00Z'), pql).resolves.toBeDefined()
      throw error
    }
  }
  for (let count = tries(17_000, 170_000); count > 0; count -= 1) {
    const pql = mutant(sound[draw(sound.length)]!, sound, draw)
    const { condition, faults } = checkPql(pql, { types, segments: new Set() })
    expect(condition === null, pql).toBe(faults.some(({ severity }) => severity !== 'warning'))
    if (condition) pending.push({ pql, condition })
    if (pending.length === 40) {
      await together(pending)
      pending = []
    }
  }
  await together(pending)
  expect(passed).toBeGreaterThan(1000)
})

test('mutants of bundles', { timeout: patience(600_000) }, () => {
  const draw = drawn(31)
  const lines = bundle.split('\n')
  for (let count = tries(3000, 30_000); count > 0; count -= 1) {
    const text = mutant(bundle, lines, draw)
    const { diagnostics } = compile([{ file: 'a.yaml', text }], { verifyFixes: false })
    for (const { message, span } of diagnostics) {
      expect(message.length, text).toBeGreaterThan(0)
      if (span) expect(span.end, message).toBeLessThanOrEqual(text.length)
    }
  }
})
