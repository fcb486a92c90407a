import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { adobePages } from '../../compiler/adobe-guardrails.ts'
import { codes } from '../../compiler/codes.ts'
import { measured } from '../../compiler/measured.ts'
import { rules } from '../../compiler/rules/index.ts'

const all = adobePages.flatMap(({ guardrails }) => guardrails)
const told = new Set<string>(all.flatMap((each) => each.codes))

test('each guardrail of Adobe has a code, or a reason for having none', () => {
  expect(all.filter((each) => each.codes.length === 0 && (each.note ?? '') === '')).toEqual([])
  const known = new Set<string>([...codes, ...Object.keys(measured)])
  expect([...told].filter((code) => !known.has(code))).toEqual([])
})

test('each code that has its limit from one of these pages stands at a guardrail', () => {
  const isFromThem = (source: string) =>
    /guardrail/i.test(source) || adobePages.some(({ title }) => source.includes(title))
  const fromThem = codes.filter((code) => rules[code].check !== undefined && isFromThem(rules[code].page.source))
  expect(fromThem.length).toBeGreaterThan(40)
  expect(fromThem.filter((code) => !told.has(code))).toEqual([])
  expect(Object.keys(measured).filter((code) => !told.has(code))).toEqual([])
})

test('what is hard at Adobe is an error, what is soft a warning, except where the page of the code says why', () => {
  const severities = all.flatMap(({ guardrail, kind, codes: own }) =>
    own.flatMap((code) =>
      code in measured || kind === 'unsaid'
        ? []
        : [{ guardrail, kind, code, severity: rules[code as keyof typeof rules].severity }],
    ),
  )
  const otherwise = severities.filter(({ kind, severity }) => (kind === 'hard') !== (severity === 'error'))
  expect([...new Set(otherwise.map(({ code, kind }) => `${code}: ${kind}`))].sort()).toEqual([
    'incremental-without-membership-status: hard', // Campaign's own increments always have the status
    'many-segments: hard', // the default of newer instances; a setting says where this one ends
    'segment-activated-twice: hard', // each Activation is a dataflow of its own
    'stream-on-batch-segment: hard', // it is evaluated, only later
    'stream-without-source: hard',
    'too-many-attributes: soft', // enforced at the connector
    'too-many-segments: soft',
  ])
})

test('numbers that the job measures by are those of the pages', () => {
  const plan = readFileSync(new URL('../../compiler/plan.ts', import.meta.url), 'utf8')
  expect(plan).toContain('eventsPerProfile: 5_000')
  expect(plan).toContain('identitiesPerProfile: 50')
  expect(plan).toContain('eventBytes: 10 * 1024')
})
