// Every recipe of docs/bringing-data-in.md is tried with the files that stand beside it: all of it is read, and each mapping finds something.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { compile } from '#compiler'
import { previewDatasets } from '#jobs'
import { literal, openDuckDB } from '../../jobs/engines/duckdb.ts'
import type { Ports } from '../../jobs/ports.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/bringing-data-in.md'), 'utf8')
const bundle = { file: 'minimal.yaml', text: readFileSync(join(root, 'examples/minimal/minimal.yaml'), 'utf8') }

type Block = { readonly language: string; readonly name: string; readonly how: string; readonly text: string }
type Recipe = { readonly name: string; readonly yaml: string; readonly files: readonly Block[] }

const blocks = [...page.matchAll(/^```(\w+)(?: (\S+))?(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', name = '', how = '', text = '']): Block => ({ language, name, how, text }),
)
/** A Dataset, and the files that follow it. */
const recipes = blocks.flatMap((block, index): Recipe[] => {
  if (block.language !== 'yaml') return []
  const after = blocks.slice(index + 1)
  const end = after.findIndex(({ language }) => language === 'yaml')
  const files = (end < 0 ? after : after.slice(0, end)).filter(({ name }) => name !== '')
  return [{ name: /name: ([\w-]+)/.exec(block.text)![1]!, yaml: block.text, files }]
})

async function write(path: string, { language, how, text }: Block, ports: Ports): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  if (language === 'sql') {
    await using engine = await openDuckDB(
      { engine: { type: 'DuckDB', duckDB: { threads: 1, memoryLimit: '1Gi' } } },
      ports,
    )
    await engine.run(`COPY (${text}) TO ${literal(path)} (FORMAT parquet)`)
  } else if (how === 'gzip') writeFileSync(path, gzipSync(text))
  else writeFileSync(path, text, how === 'windows-1252' || how === 'ISO-8859-1' ? 'latin1' : 'utf8')
}

test('the page has recipes', () => expect(recipes.length).toBeGreaterThan(9))

test.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', async (name, { yaml, files }) => {
  const { diagnostics, plans } = compile([bundle, { file: 'recipe.yaml', text: yaml }])
  const errors = diagnostics.filter(({ severity }) => severity !== 'info')
  expect(errors.map(({ code, message }) => `${code}: ${message}`)).toEqual([])
  if (files.length === 0) return
  const folder = mkdtempSync(join(tmpdir(), 'convoke-recipe-'))
  try {
    for (const claim of ['landing', 'profile-store', 'scratch']) mkdirSync(join(folder, claim))
    const ports: Ports = {
      now: () => new Date(),
      claim: (claim) => join(folder, claim),
      secret: () => '',
      scratch: join(folder, 'scratch'),
      progress: () => {},
      database: () => null,
      signal: new AbortController().signal,
    }
    const { store, ingest } = plans.find((plan) => plan.ingest)!
    const dataset = ingest!.datasets.find((each) => each.name === name)!
    for (const file of files)
      await write(join(folder, 'landing', dataset.location.volume?.path ?? '', file.name), file, ports)
    const [preview] = await previewDatasets(store!, ingest!, [name], new Date('2026-01-15T20:00:00Z'), ports)
    const { rows, badRows, mapping, files: found } = preview!
    const data = files.filter(({ language }) => language !== 'text')
    expect({ refused: found.refused, badRows, read: found.read.map((file) => file.name).sort() }).toEqual({
      refused: [],
      badRows: [],
      read: data.map((file) => file.name).sort(),
    })
    expect(rows.accepted).toBeGreaterThan(0)
    expect(mapping.filter(({ filled }) => filled === 0)).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
