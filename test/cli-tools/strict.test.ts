import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convoke, folderOf } from './command-line.ts'

const minimal = readFileSync(join(import.meta.dirname, '../../examples/minimal/minimal.yaml'), 'utf8')
const beyond = minimal.replace('expression: loyalty.tier = "gold"', 'expression: loyalty.tier.trim() = "gold"')

async function codesOf(folder: string, ...more: string[]): Promise<readonly string[]> {
  const { out } = await convoke(folder, ['check', 'shop.yaml', '-o', 'json', ...more])
  return (JSON.parse(out) as { diagnostics: { code: string }[] }).diagnostics.map(({ code }) => code)
}

test('what PQL does not have is refused where only PQL is asked for', async () => {
  const folder = folderOf({ 'shop.yaml': beyond })
  expect(await codesOf(folder)).toEqual([])
  expect(await codesOf(folder, '--strict-pql')).toEqual(['beyond-pql'])
  const set = folderOf({ 'shop.yaml': beyond, 'convoke.toml': 'strictPql = true\n' })
  expect(await codesOf(set)).toEqual(['beyond-pql'])
  const wrong = folderOf({ 'shop.yaml': beyond, 'convoke.toml': 'strictPql = "yes"\n' })
  expect((await convoke(wrong, ['check', 'shop.yaml'])).err).toContain('`strictPql` is true or false')
})

test('it is never converted to Adobe', async () => {
  const folder = folderOf({ 'shop.yaml': beyond })
  const { code, out, err } = await convoke(folder, ['convert', '--to', 'adobe', 'shop.yaml'])
  expect(code).toBe(1)
  expect(err).toContain('error[beyond-pql]')
  const names = (JSON.parse(out) as { name: string }[]).map(({ name }) => name)
  expect(names).toEqual(['Big spenders', 'Lapsed buyers'])
})
