import { describe, expect, test } from 'vitest'
import { compile } from '../../compiler/compile.ts'
import { overlay } from '../support/bundle.ts'
import { interpreted, onDuckdb } from '../support/pql.ts'
import { casesOf, consentTypes, type Kind, peopleOf } from './consent.ts'

const now = '2026-01-15T10:30:00Z'

describe.each<Kind>(['text', 'flag', 'number'])('consent as %s', (kind) => {
  const cases = casesOf(kind)
  const conditions = cases.map(({ condition }) => condition)

  test.each([
    ['the reference interpreter', interpreted],
    ['DuckDB', onDuckdb],
  ] as const)('%s knows who may not be sent, for every combination', async (_, engine) => {
    const found = await engine(conditions, peopleOf(kind), consentTypes, now)
    expect(Object.fromEntries(cases.map(({ name }, index) => [name, found[index]]))).toEqual(
      Object.fromEntries(cases.map(({ name, out }) => [name, out])),
    )
  })
})

describe('the plan of an Activation', () => {
  const consentOf = (documents: string) => {
    const { plans, diagnostics } = compile(overlay(documents))
    expect(diagnostics.map(({ code, message }) => `${code}: ${message}`)).toEqual([])
    return plans.find(({ target }) => target.kind === 'Activation')?.export?.consent
  }
  const store = (consent: string) => `kind: ProfileStore\nmetadata: { name: readers }\nspec:\n  consent: ${consent}\n`
  const channel = 'kind: Destination\nmetadata: { name: letter-box }\nspec:\n  channel: email\n'
  const general = '{ general: { path: noMail, out: ["true"] } }'
  const both = '{ general: { path: noMail, out: ["true"] }, channels: { email: { path: club.level, in: [patron] } } }'

  test('of a store without consent has none', () => {
    expect(consentOf('kind: ProfileStore\nmetadata: { name: readers }\n')).toBeUndefined()
    expect(consentOf(channel)).toBeUndefined()
  })

  test('holds what is general, and the channel of its Destination', () => {
    expect(consentOf(store(general))).toEqual({
      columns: [{ path: 'noMail', type: 'boolean' }],
      withoutConsent: '((("noMail" = TRUE)) IS TRUE)',
    })
    expect(consentOf(store(both))?.columns.map(({ path }) => path)).toEqual(['noMail'])
    expect(consentOf(`${store(both)}---\n${channel}`)?.columns.map(({ path }) => path)).toEqual([
      'club.level',
      'noMail',
    ])
  })

  test('lifts it on purpose', () => {
    const lifted =
      'kind: Activation\nmetadata: { name: win-back }\nspec:\n  consent: { exclude: None, reason: service }\n'
    expect(consentOf(`${store(both)}---\n${channel}---\n${lifted}`)).toBeUndefined()
  })
})
