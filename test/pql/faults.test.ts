import { expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { example } from '../../compiler/pql/functions.ts'
import { typesOf } from '../support/pql.ts'
import { faulty } from './faulty.ts'

const types = typesOf(example.schema)
const check = (pql: string): ReturnType<typeof checkPql> =>
  checkPql(pql, { types, segments: new Set(['gold', 'recent-buyers']) })

test('every faulty expression is reported in these words', async () => {
  await expect(`# What is said of faulty expressions\n\n${faulty.map(section).join('\n')}`).toMatchFileSnapshot(
    'faults.md',
  )
})

test.each(faulty.map((pql) => [pql]))('%s: one fault, said briefly, with a next step', (pql) => {
  const { faults } = check(pql)
  const several = severalFaults.has(pql)
  expect(faults.map((fault) => fault.message)).toHaveLength(several ? faults.length : 1)
  for (const fault of faults) {
    expect(fault.message.length, fault.message).toBeLessThanOrEqual(90)
    expect(fault.message).not.toMatch(/\.$/)
    expect(fault.help).toMatch(/[.?]$/)
  }
})

test('a safe fix leaves an expression that compiles', () => {
  let fixed = 0
  for (const pql of faulty) {
    const { faults } = check(pql)
    const fix = faults.length === 1 ? faults[0]!.fixes?.find((candidate) => candidate.safety === 'safe') : undefined
    if (!fix) continue
    fixed += 1
    expect(check(pql.slice(0, fix.span.start) + fix.text + pql.slice(fix.span.end)).faults, pql).toEqual([])
  }
  expect(fixed).toBeGreaterThan(40)
})

/** Expressions with more than one thing wrong. */
const severalFaults = new Set([
  'loyalty.tier = @gold',
  'loyalty.teir = "gold" and homeAdress.city = "x" and foo(3)',
  'loyalty.tier = "gold" AND loyalty.points > 3 OR optOut',
])

function section(pql: string): string {
  const { faults } = check(pql)
  const said = faults.map((fault) => {
    const fixes = (fault.fixes ?? []).map((fix) => `  - fix (${fix.safety}): ${fix.title}`)
    return [
      `- ${fault.severity ?? 'error'} ${fault.code} at \`${pql.slice(fault.span.start, fault.span.end)}\`: ${fault.message}`,
      `  - help: ${fault.help ?? ''}`,
      ...fixes,
    ].join('\n')
  })
  return `\`\`\`\n${pql}\n\`\`\`\n${said.join('\n')}\n`
}
