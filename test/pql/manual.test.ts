import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { pqlManual } from '../../compiler/pql/manual.ts'

test('docs/pql.md is what the code says; `node docs/generate.ts` writes it', () => {
  expect(readFileSync(join(import.meta.dirname, '../../docs/pql.md'), 'utf8')).toBe(pqlManual())
})
