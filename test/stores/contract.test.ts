import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Location } from '#crds'
import { JobError } from '../../jobs/errors.ts'
import { type LandingStore, openLandingStore } from '../../jobs/stores/index.ts'
import { hostKeys } from '../../jobs/stores/sftp.ts'
import { type Endpoint, endpoints } from './endpoints.ts'
import { portsOf } from './ports.ts'

const folder = mkdtempSync(join(tmpdir(), 'convoke-stores-'))
const running: Endpoint[] = []
afterAll(async () => {
  // Here and not per endpoint, whose tests may all be filtered out.
  for (const endpoint of running) await endpoint.stop()
  rmSync(folder, { recursive: true })
})

// The keys of `endpoints` are those of Location.
for (const kind of Object.keys(endpoints) as (keyof Location)[]) {
  const started = await endpoints[kind]()
  if ('skip' in started) {
    describe.skip(`a landing store on ${kind}: ${started.skip}`, () => test('skipped', () => {}))
    continue
  }
  running.push(started)
  describe(`a landing store on ${kind}`, () => contract(started))
}

function contract(endpoint: Endpoint) {
  let store: LandingStore
  beforeAll(async () => {
    store = await openLandingStore(endpoint.location, portsOf(endpoint.surroundings))
  })
  afterAll(async () => {
    await store.close()
  })

  const local = (content: string | Buffer): string => {
    const path = join(folder, randomBytes(8).toString('hex'))
    writeFileSync(path, content)
    return path
  }
  const content = async (name: string): Promise<Buffer | null> => {
    const path = join(folder, randomBytes(8).toString('hex'))
    return (await store.get(name, path)) ? readFileSync(path) : null
  }

  test('an empty place lists nothing and has no file', async () => {
    expect(await store.list('')).toEqual([])
    expect(await store.stat('a.csv')).toBeNull()
    expect(await content('a.csv')).toBeNull()
    await store.remove('a.csv')
  })

  test.each([
    'plain.csv',
    'with spaces and + & % signs.csv',
    'ünïcode-日本語-🎯.csv',
    'quote\'and"double.csv',
    `${'long'.repeat(60)}.csv`,
    'folder/inner.csv',
  ])('%s comes back as it went in, with its size', async (name) => {
    const bytes = Buffer.from(`content of ${name}\n`)
    await store.put(name, local(bytes))
    expect(await content(name)).toEqual(bytes)
    const found = await store.stat(name)
    expect(found?.bytes).toBe(bytes.length)
    expect(Math.abs(Date.now() - found!.modifiedAt.getTime())).toBeLessThan(60_000)
    await store.remove(name)
    expect(await content(name)).toBeNull()
  })

  test('an empty file is a file', async () => {
    await store.put('empty.csv', local(''))
    expect((await store.stat('empty.csv'))?.bytes).toBe(0)
    expect(await content('empty.csv')).toEqual(Buffer.alloc(0))
    await store.remove('empty.csv')
  })

  test('list gives the names of one folder that begin with a prefix, sorted', async () => {
    for (const name of ['b.csv', 'a.csv', 'ab.csv', 'sub/a.csv', 'sub/ab.csv']) await store.put(name, local(name))
    expect(await store.list('')).toEqual(['a.csv', 'ab.csv', 'b.csv'])
    expect(await store.list('a')).toEqual(['a.csv', 'ab.csv'])
    expect(await store.list('sub/ab')).toEqual(['sub/ab.csv'])
    expect(await store.list('none/')).toEqual([])
    for (const name of ['b.csv', 'a.csv', 'ab.csv', 'sub/a.csv', 'sub/ab.csv']) await store.remove(name)
  })

  test('walk gives everything at any depth with its size, sorted', async () => {
    expect((await store.walk()) ?? []).toEqual([])
    const names = ['a.csv', 'a/b.csv', 'a/b/c d.csv', 'Z.csv', 'ünï[1]*.csv']
    for (const name of names) await store.put(name, local(name))
    const found = (await store.walk()) ?? []
    expect(found.map(({ name, bytes, unreadable }) => [name, bytes, unreadable])).toEqual(
      [...names].sort().map((name) => [name, Buffer.byteLength(name), null]),
    )
    for (const { modifiedAt } of found) expect(Math.abs(Date.now() - modifiedAt.getTime())).toBeLessThan(60_000)
    for (const name of names) await store.remove(name)
  })

  const zone = endpoint.surroundings.volumes
    ? join(endpoint.surroundings.volumes, 'landing-zone', 'audiences')
    : (endpoint.location.sftp?.path ?? null)
  test.skipIf(zone === null)(
    'a link to a file is that file; what else lies there is named and not followed',
    async () => {
      const root = zone ?? ''
      mkdirSync(join(root, 'folder'), { recursive: true })
      writeFileSync(join(root, 'folder', 'real.csv'), 'real')
      symlinkSync('folder/real.csv', join(root, 'link.csv'))
      symlinkSync('gone.csv', join(root, 'dangling.csv'))
      symlinkSync('folder', join(root, 'round'))
      execFileSync('mkfifo', [join(root, 'pipe.csv')])
      const found = (await store.walk()) ?? []
      expect(found.map(({ name, unreadable }) => [name, unreadable])).toEqual([
        ['dangling.csv', 'a link that leads nowhere'],
        ['folder/real.csv', null],
        ['link.csv', null],
        ['pipe.csv', expect.stringMatching(/a named pipe|no regular file/)],
        ['round', expect.stringMatching(/a link to (a folder|something that is no file)/)],
      ])
      expect(String(await content('link.csv'))).toBe('real')
      for (const name of ['folder', 'link.csv', 'dangling.csv', 'round', 'pipe.csv'])
        rmSync(join(root, name), { recursive: true })
    },
  )

  test('list gives every name where the service answers in pages', { timeout: 120_000 }, async () => {
    const names = Array.from({ length: 1_100 }, (_, index) => `page/${String(index).padStart(4, '0')}.csv`)
    const file = local('x')
    for (let at = 0; at < names.length; at += 20)
      await Promise.all(names.slice(at, at + 20).map((name) => store.put(name, file)))
    expect(await store.list('page/')).toEqual(names)
    for (let at = 0; at < names.length; at += 20)
      await Promise.all(names.slice(at, at + 20).map((name) => store.remove(name)))
  })

  test('a large file comes back whole', { timeout: 60_000 }, async () => {
    const bytes = randomBytes(20 * 1024 * 1024)
    await store.put('large.csv', local(bytes))
    expect((await content('large.csv'))!.equals(bytes)).toBe(true)
    await store.remove('large.csv')
  })

  test('a reader during an overwrite sees the old content or the new one, never a mixture', {
    timeout: 60_000,
  }, async () => {
    const versions = [Buffer.alloc(3_000_000, 'a'), Buffer.alloc(2_000_000, 'b')]
    const files = versions.map(local)
    await store.put('swap.csv', files[0]!)
    let writing = true
    const writer = (async () => {
      for (let turn = 1; turn <= 6; turn++) await store.put('swap.csv', files[turn % 2]!)
      writing = false
    })()
    const reader = await openLandingStore(endpoint.location, portsOf(endpoint.surroundings))
    let reads = 0
    while (writing) {
      const path = join(folder, `swap-${reads++}`)
      expect(await reader.get('swap.csv', path)).toBe(true)
      const seen = readFileSync(path)
      expect(
        versions.some((version) => version.equals(seen)),
        `read ${seen.length} bytes`,
      ).toBe(true)
    }
    await writer
    await reader.close()
    expect(reads).toBeGreaterThan(0)
    await store.remove('swap.csv')
  })

  test('a process killed in mid-put leaves nothing under the name, and the next put leaves nothing else', {
    timeout: 180_000,
  }, async () => {
    const bytes = randomBytes(24 * 1024 * 1024)
    const file = local(bytes)
    let cutShort = 0
    for (let round = 0; round < 8; round++) {
      const name = `killed-${round}.csv`
      const argument = JSON.stringify({ location: endpoint.location, surroundings: endpoint.surroundings, name, file })
      const child = spawn(process.execPath, [join(import.meta.dirname, 'put-once.ts'), argument], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      await new Promise((started) => child.stdout.once('data', started))
      await sleep(round * 4)
      child.kill('SIGKILL')
      await new Promise((ended) => child.once('close', ended))
      const found = await store.stat(name)
      if (found === null) cutShort++
      else expect((await content(name))!.equals(bytes)).toBe(true)
      expect(await store.list('killed-')).toEqual(found === null ? [] : [name])
      await store.put(name, file)
      expect(await store.list('')).toEqual([name])
      await store.remove(name)
    }
    expect(cutShort).toBeGreaterThan(0)
  })

  test.each(['../out.csv', 'a/../../out.csv', '/etc/passwd', '', 'a//b', './a', 'a\0b'])(
    'the name %j is refused',
    async (name) => {
      await expect(store.put(name, local('x'))).rejects.toMatchObject({ reason: 'InvalidPlan' })
      await expect(store.get(name, join(folder, 'never'))).rejects.toMatchObject({ reason: 'InvalidPlan' })
      await expect(store.remove(name)).rejects.toMatchObject({ reason: 'InvalidPlan' })
      await expect(store.stat(name)).rejects.toMatchObject({ reason: 'InvalidPlan' })
    },
  )

  if (endpoint.refused) {
    const { surroundings, names } = endpoint.refused
    test('wrong credentials give a fault that names the place and what to check', { timeout: 60_000 }, async () => {
      const refused = await openLandingStore(endpoint.location, portsOf(surroundings))
      await expect(refused.put('a.csv', local('x'))).rejects.toMatchObject({
        reason: 'LocationUnavailable',
        message: expect.stringMatching(names),
      })
      await refused.close()
    })
  }

  test('a place that is not there gives a fault that may pass', { timeout: 60_000 }, async () => {
    const port = endpoint.gone.sftp?.port
    const known = endpoint.surroundings.secrets?.['known']?.['known_hosts']?.replace(/:\d+ /, `:${port} `) ?? ''
    const surroundings = {
      ...endpoint.surroundings,
      secrets: { ...endpoint.surroundings.secrets, anyPort: { known_hosts: known } },
    }
    const open = async () => {
      const gone = await openLandingStore(endpoint.gone, portsOf(surroundings))
      await gone.put('a.csv', local('x'))
    }
    const fault = await open().then(
      () => null,
      (error: unknown) => error,
    )
    expect(fault).toBeInstanceOf(JobError)
    expect(['LocationUnavailable', 'MissingVolume']).toContain((fault as JobError).reason)
  })

  if (endpoint.location.sftp) {
    const { sftp } = endpoint.location
    test('a server whose key is not the known one is not talked to', async () => {
      const other = endpoint.surroundings.secrets!['known']!['known_hosts']!.replace(
        /AAAA\S+/,
        `AAAAC3NzaC1lZDI1NTE5AAAAI${'A'.repeat(43)}`,
      )
      const surroundings = { secrets: { ...endpoint.surroundings.secrets, known: { known_hosts: other } } }
      const stranger = await openLandingStore(endpoint.location, portsOf(surroundings))
      await expect(stranger.list('')).rejects.toMatchObject({
        reason: 'LocationUnavailable',
        message: expect.stringMatching(/known_hosts/),
      })
      await stranger.close()
    })

    test('a location without knownHostsSecretRef is refused', async () => {
      const { knownHostsSecretRef: _, ...unchecked } = sftp
      await expect(openLandingStore({ sftp: unchecked }, portsOf(endpoint.surroundings))).rejects.toMatchObject({
        reason: 'InvalidPlan',
      })
    })
  }

  if (endpoint.location.volume) {
    test('a link that leads out of the claim is refused', async () => {
      const zone = join(endpoint.surroundings.volumes!, 'landing-zone', 'audiences')
      mkdirSync(zone, { recursive: true })
      symlinkSync('/etc', join(zone, 'etc'))
      symlinkSync('/etc/hostname', join(zone, 'host.csv'))
      await expect(store.get('etc/hostname', join(folder, 'never'))).rejects.toMatchObject({ reason: 'InvalidPlan' })
      await expect(store.get('host.csv', join(folder, 'never'))).rejects.toMatchObject({ reason: 'InvalidPlan' })
      await expect(store.put('etc/x', local('x'))).rejects.toMatchObject({ reason: 'InvalidPlan' })
    })

    test('a volume path that leaves the claim is refused', async () => {
      const opened = openLandingStore(
        { volume: { claimName: 'landing-zone', path: '../other' } },
        portsOf(endpoint.surroundings),
      )
      await expect(opened).rejects.toMatchObject({ reason: 'InvalidPlan' })
    })
  }
}

describe('known_hosts', () => {
  const key = Buffer.from('key')
  const line = (patterns: string) => `${patterns} ssh-ed25519 ${key.toString('base64')} comment`
  test.each([
    ['the plain name', line('files.example.com'), 'files.example.com', 22, 1],
    ['another name', line('files.example.com'), 'filesXexample.com', 22, 0],
    ['a list', line('a,files.example.com'), 'files.example.com', 22, 1],
    ['a wildcard', line('*.example.com'), 'files.example.com', 22, 1],
    ['a wildcard and its exception', line('*.example.com,!files.example.com'), 'files.example.com', 22, 0],
    ['another port', line('[files.example.com]:2222'), 'files.example.com', 2222, 1],
    ['the name without the port', line('files.example.com'), 'files.example.com', 2222, 0],
    ['a hashed name', line('|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|O0QjXfgSxXUBlyp5ZDwOmuu7Mus='), 'files.example.com', 22, 1],
    ['a revoked key', `@revoked ${line('files.example.com')}`, 'files.example.com', 22, 0],
    ['a comment', `# ${line('files.example.com')}`, 'files.example.com', 22, 0],
  ])('%s', (_, text, host, port, found) => {
    expect(hostKeys(text, host, port)).toHaveLength(found)
  })
})
