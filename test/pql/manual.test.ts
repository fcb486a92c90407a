import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { example } from '../../compiler/pql/functions.ts'
import { pqlManual, refusedForms } from '../../compiler/pql/manual.ts'
import { typesOf } from '../support/pql.ts'

test('docs/pql.md is what the code says; `node docs/generate.ts` writes it', () => {
  expect(readFileSync(join(import.meta.dirname, '../../docs/pql.md'), 'utf8')).toBe(pqlManual())
})

const names = { types: typesOf(example.schema), segments: new Set<string>() }

test.each(refusedForms)('%s: refused as the manual says', (_, __, code, pql) => {
  const { faults } = checkPql(pql, names)
  expect(faults.map((fault) => fault.code)).toEqual([code])
})
