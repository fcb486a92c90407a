// Writes crds/generated/ from the schemas: TypeScript types (json-schema-to-typescript). Run by `npm run generate`;
// test/tidy.test.ts calls `generatedFiles` and says when a committed file is stale.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile, type JSONSchema } from 'json-schema-to-typescript'
import { parse } from 'yaml'

const here = import.meta.dirname
const banner = '// Generated from crds/ by `npm run generate`. Do not edit.\n'

/** Name in crds/generated/ → content. */
export async function generatedFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const file of readdirSync(here).filter((name) => name.endsWith('.schema.yaml')).sort()) {
    const name = basename(file, '.schema.yaml')
    const schema: JSONSchema = parse(readFileSync(join(here, file), 'utf8'))
    files[`${name}.ts`] =
      banner + (await compile(schema, schema.title ?? name, { bannerComment: '', style: { semi: false, singleQuote: true } }))
  }
  return files
}

if (import.meta.main) {
  mkdirSync(join(here, 'generated'), { recursive: true })
  for (const [name, text] of Object.entries(await generatedFiles())) writeFileSync(join(here, 'generated', name), text)
}
