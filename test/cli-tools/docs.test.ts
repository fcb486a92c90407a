// `convoke docs`: what it writes, what it replaces, and what it leaves alone.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convoke, folderOf } from './command-line.ts'

const minimal = readFileSync(new URL('../../examples/minimal/minimal.yaml', import.meta.url), 'utf8')

test('a site of all resources; the next one replaces it, page by page', async () => {
  const folder = folderOf({ 'all.yaml': minimal })
  const first = await convoke(folder, ['docs', 'all.yaml', '--out', 'site'])
  expect({ ...first, out: first.out.replace(/\d[\d.]* [kM]B|[\d.]+ s/g, '…') }).toEqual({
    code: 0,
    err: '',
    out: expect.stringMatching(/^\d+ files \(…\) in …\. Open site\/index\.html in a browser\.\n$/),
  })
  const page = join(folder, 'site/segment/default/lapsed-buyers.html')
  expect(readFileSync(page, 'utf8')).toContain('in the last 3 years')
  const document = JSON.parse(readFileSync(join(folder, 'site/catalog.json'), 'utf8'))
  expect(document.segments.map(({ name }: { name: string }) => name)).toContain('lapsed-buyers')

  writeFileSync(join(folder, 'all.yaml'), minimal.replaceAll('lapsed-buyers', 'sleepers'))
  writeFileSync(join(folder, 'site/CNAME'), 'audiences.example.com')
  expect((await convoke(folder, ['docs', 'all.yaml', '--out', 'site'])).code).toBe(0)
  expect(existsSync(page)).toBe(false)
  expect(existsSync(join(folder, 'site/segment/default/sleepers.html'))).toBe(true)
  expect(existsSync(join(folder, 'site/CNAME'))).toBe(true)
})

test('resources with errors have a catalog too, which says so', async () => {
  const folder = folderOf({ 'all.yaml': minimal.replace('loyalty.tier = ', 'loyalty.teir = ') })
  const { code, err } = await convoke(folder, ['docs', 'all.yaml', '--out', 'site'])
  expect(code).toBe(1)
  expect(err).toContain('unknown-attribute')
  expect(readFileSync(join(folder, 'site/index.html'), 'utf8')).toContain('has an error')
})

test.each([
  ['no folder', ['docs', 'all.yaml'], '--out DIR is missing'],
  ['a folder with something else', ['docs', 'all.yaml', '--out', '.'], 'holds something that is no catalog'],
  ['a file', ['docs', 'all.yaml', '--out', 'all.yaml'], 'is not a folder'],
  ['volumes that are not there', ['docs', 'all.yaml', '--out', 'x', '--volumes', 'none'], 'does not exist'],
])('refuses %s', async (_, argv, message) => {
  const { code, err } = await convoke(folderOf({ 'all.yaml': minimal }), argv)
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(message) })
})

test('convoke.toml says what is read, and where its data are', async () => {
  const folder = folderOf({
    'audiences/all.yaml': minimal,
    'convoke.toml': 'paths = ["audiences"]\nvolumes = "none"\n',
  })
  const checked = await convoke(folder, ['check'])
  expect({ code: checked.code, out: checked.out }).toEqual({ code: 0, out: expect.stringContaining('0 errors') })
  expect((await convoke(folder, ['docs', '--out', 'site'])).err).toContain('none` does not exist')
  writeFileSync(join(folder, 'convoke.toml'), 'pathz = "audiences"\n')
  expect((await convoke(folder, ['check'])).err).toContain('did you mean `paths`?')
})

test('several projects at once are named instead of all that they have in common', async () => {
  const folder = folderOf({ 'shops/a/all.yaml': minimal, 'shops/b/platform/all.yaml': minimal })
  const { code, out } = await convoke(folder, ['check', '.'])
  expect({ code, out }).toEqual({
    code: 1,
    out: 'These are 2 projects, and 10 names are in more than one of them. Check each alone:\n  convoke check shops/a\n  convoke check shops/b\n',
  })
})

test.each(['cdnow', 'gitops', 'minimal', 'retail'])('the example %s alone has no finding', async (example) => {
  const folder = new URL(`../../examples/${example}`, import.meta.url).pathname
  const { code, out } = await convoke(folder, ['check', '.', '--fail-on', 'warning'])
  expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^0 errors, 0 warnings in \d+ resources\n$/) })
})

test('--watch checks again when a file changes, until it is interrupted', async () => {
  const folder = folderOf({ 'all.yaml': minimal })
  const stop = new AbortController()
  const said: string[] = []
  const watching = convoke(folder, ['check', '.', '--watch'], {
    signal: stop.signal,
    out: (text) => {
      said.push(text)
      if (said.length === 1)
        writeFileSync(join(folder, 'all.yaml'), minimal.replace('loyalty.tier = ', 'loyalty.teir = '))
      else if (text.includes('1 error')) stop.abort()
    },
  })
  expect((await watching).code).toBe(0)
  expect(said[0]).toContain('0 errors')
  expect(said.join('')).toContain('unknown-attribute')
}, 60_000)
