import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { codes } from '../../compiler/codes.ts'
import { compile } from '../../compiler/compile.ts'
import { rules } from '../../compiler/rules/index.ts'
import { bundle, overlay } from '../support/bundle.ts'

const codesOf = (documents: string): readonly string[] =>
  compile(overlay(documents)).diagnostics.map(({ code }) => code)

test('the example bundle is clean', () => {
  expect(compile([{ file: 'bundle.yaml', text: bundle }]).diagnostics).toEqual([])
})

describe.each(codes)('%s', (code) => {
  const { page } = rules[code]

  test('has a file and fixtures of its name', () => {
    expect(existsSync(new URL(`../../compiler/rules/${code}.ts`, import.meta.url))).toBe(true)
    expect(existsSync(new URL(`${code}.md`, import.meta.url))).toBe(true)
  })

  test('reports its bad example, and nothing else', () => {
    expect(codesOf(page.bad)).toEqual([code])
  })

  test('finds nothing wrong with its good example', () => {
    expect(codesOf(page.good)).toEqual([])
  })

  test('has a page that reads well', () => {
    expect(page.title).not.toMatch(/\.$/)
    for (const text of [page.checks, page.why]) expect(text).toMatch(/\.$/)
    expect(page.source).not.toMatch(/\.$/)
  })
})
