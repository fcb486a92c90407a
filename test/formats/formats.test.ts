// A store lives longer than the version of convoke that wrote it: earlier forms are read and gone on from, newer ones left alone.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { currentFormat, type ManifestKind } from '../../jobs/store-format.ts'
import { openHouse, type Told, tell } from './life.ts'

const formats = readdirSync(import.meta.dirname).filter((name) => name.startsWith('format-'))
const kinds: readonly ManifestKind[] = ['data', 'membership']

/** A copy of a store as an earlier version left it, with what that version delivered of it. */
async function opened(format: string): Promise<AsyncDisposable & { readonly folder: string; readonly root: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-format-'))
  const root = join(folder, 'profile-store', 'people')
  cpSync(join(import.meta.dirname, format, 'people'), root, { recursive: true })
  cpSync(join(import.meta.dirname, format, 'landing-zone'), join(folder, 'landing-zone'), { recursive: true })
  return { folder, root, [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }) }
}

function formatOf(store: string, kind: ManifestKind): number {
  return JSON.parse(readFileSync(join(store, `${kind}.json`), 'utf8')).formatVersion
}

test('there is a store of every form that was ever written', () => {
  for (const kind of kinds) {
    const found = formats.map((format) => formatOf(join(import.meta.dirname, format, 'people'), kind))
    const wanted = Array.from({ length: currentFormat(kind) }, (_, index) => index + 1)
    expect([...new Set(found)].sort(), `write one with node test/formats/write.ts N: ${kind}`).toEqual(wanted)
  }
})

test.each(formats)('a store of %s says what it said, is delivered as a change, and lives on', async (format) => {
  const told: Told = JSON.parse(readFileSync(join(import.meta.dirname, format, 'told.json'), 'utf8'))
  await using store = await opened(format)
  await using house = await openHouse(store.folder, '2026-03-02T06:00:00Z')
  expect(await tell(house)).toEqual(told)
  for (const kind of kinds) expect(formatOf(store.root, kind)).toBe(currentFormat(kind))
})

/** Every file with its content and time. */
function everything(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  const files = names.filter((name) => statSync(join(folder, name)).isFile())
  const all = names.map((name) => [name, String(statSync(join(folder, name)).mtimeMs)])
  return Object.fromEntries([...all, ...files.map((name) => [`${name}:`, readFileSync(join(folder, name), 'base64')])])
}

describe.each(kinds)('where a newer convoke wrote %s.json', (kind) => {
  const now = '2026-03-06T06:00:00Z'

  test.each(['ingest', 'evaluate', 'deliver'] as const)('%s refuses in words and touches nothing', async (step) => {
    await using store = await opened(formats.at(-1)!)
    const path = join(store.root, `${kind}.json`)
    const manifest = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ ...manifest, formatVersion: currentFormat(kind) + 1, other: [] }))
    await using house = await openHouse(store.folder, '2026-03-02T06:00:00Z')
    house.land('customers/9.csv', 'id,points,joined,updated\nc1,1,2026-02-01,2026-03-06\n')
    const before = everything(store.folder)
    const told = await house[step](now).then(String, String)
    expect(told).toContain(`A newer version of convoke wrote ${path}: it has format ${currentFormat(kind) + 1}`)
    expect(told).toContain('NewerStore')
    expect(everything(store.folder)).toEqual(before)
  })
})

test.each([
  ['is cut off', (text: string) => text.slice(0, 100)],
  ['is empty', () => ''],
  ['has no format', (text: string) => text.replace('formatVersion', 'formatVision')],
])('a manifest that %s is told as damage, with the way back', async (_, damage) => {
  await using store = await opened(formats.at(-1)!)
  await using house = await openHouse(store.folder)
  const path = join(store.root, 'membership.json')
  writeFileSync(path, damage(readFileSync(path, 'utf8')))
  await expect(house.evaluate('2026-03-06T06:00:00Z')).rejects.toThrow(/DamagedStore.*Put it back from a backup/)
})
