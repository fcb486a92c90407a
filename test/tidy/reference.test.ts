// Pages of the reference: every field of every kind has a row, and what they show compiles.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compile } from '#compiler'
import { type CrdSchema, readCrds } from '../../crds/generate.ts'
import { referenceFiles } from '../../docs/reference.ts'

const root = join(import.meta.dirname, '../..')
const pages = referenceFiles()

const fieldsOf = ({ properties = {}, items, additionalProperties }: CrdSchema): readonly string[] => [
  ...Object.entries(properties).flatMap(([name, field]) => [name, ...fieldsOf(field)]),
  ...(items ? fieldsOf(items) : []),
  ...(typeof additionalProperties === 'object' ? fieldsOf(additionalProperties) : []),
]

test.each(readCrds().map(({ file, kind, schema }) => [kind, file, schema] as const))('%s', (kind, file, schema) => {
  const page = pages[`docs/reference/${file}.md`] ?? ''
  expect(page, 'an example').toContain('```yaml\napiVersion: convoke.dev/v1alpha1\nkind: ' + kind)
  const rows = page.split('\n').filter((line) => /^\| (\*\*)?`/.test(line))
  const { spec, status } = schema.properties!
  expect(rows).toHaveLength(fieldsOf(spec!).length + fieldsOf(status!).length)
  // A cell more would be one that a bar in a text made.
  for (const row of rows) expect(row.replaceAll('\\|', '').split('|').length, row).toBeOneOf([5, 7])
})

test('the examples of the reference compile beside the smallest bundle', () => {
  const read = (file: string) => ({ file, text: readFileSync(join(root, file), 'utf8') })
  const { diagnostics } = compile([read('examples/minimal/minimal.yaml'), read('docs/reference/examples.yaml')])
  expect(
    diagnostics.filter(({ severity }) => severity === 'error').map(({ code, message }) => `${code}: ${message}`),
  ).toEqual([])
})
