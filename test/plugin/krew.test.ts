// The plugin as krew installs it: built here, installed by krew itself, run by kubectl.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { findPrograms } from '../cluster/binaries.ts'

const root = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'convoke-krew-'))
afterAll(() => rmSync(folder, { recursive: true }))

type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly version: string
    readonly shortDescription: string
    readonly platforms: readonly {
      readonly selector: { readonly matchLabels: { readonly os: string; readonly arch: string } }
      readonly uri: string
      readonly sha256: string
      readonly bin: string
    }[]
    readonly [field: string]: unknown
  }
}

describe.skipIf(process.platform !== 'linux')('the plugin for krew', { timeout: 300_000 }, () => {
  let manifest: Manifest
  let archive: string
  beforeAll(() => {
    // A process of its own: vitest would take the bundler's modules through its own.
    const build = join(root, 'plugins/krew/build.ts')
    archive = join(folder, execFileSync(process.execPath, [build, folder], { encoding: 'utf8' }).trim())
    manifest = parse(readFileSync(join(folder, 'convoke.yaml'), 'utf8'))
  }, 300_000)

  test('has a manifest as krew wants it', () => {
    const { apiVersion, kind, metadata, spec } = manifest
    expect([apiVersion, kind, metadata.name]).toEqual([
      'krew.googlecontainertools.github.com/v1alpha2',
      'Plugin',
      'convoke',
    ])
    // What krew's index asks of a plugin beside.
    expect(spec.version).toBe(`v${version}`)
    expect(spec.version).toMatch(/^v\d+\.\d+\.\d+/)
    expect(spec.shortDescription.length).toBeLessThanOrEqual(50)
    expect(spec['homepage']).toMatch(/^https:/)
    expect(spec['description']).not.toBe('')
    expect(spec.platforms).toHaveLength(1)
    const [platform] = spec.platforms
    expect(platform!.selector.matchLabels.os).toBe('linux')
    expect(platform!.uri).toBe(
      `https://github.com/convoke-dev/convoke/releases/download/v${version}/convoke-linux-${platform!.selector.matchLabels.arch}.tar.gz`,
    )
    expect(platform!.sha256).toBe(createHash('sha256').update(readFileSync(archive)).digest('hex'))
  })

  test('is installed by krew, and does with kubectl what convoke does', async () => {
    const programs = await findPrograms(['kubectl', 'krew'])
    if ('skip' in programs) return console.warn(`Skipped krew: ${programs.skip}.`)
    const krewRoot = join(folder, 'krew')
    const { status, stderr } = spawnSync(
      programs.krew,
      ['install', `--manifest=${join(folder, 'convoke.yaml')}`, `--archive=${archive}`],
      { env: { ...process.env, KREW_ROOT: krewRoot }, encoding: 'utf8', input: '' },
    )
    expect([status, stderr]).toEqual([0, expect.stringContaining('Installed plugin: convoke')])
    // Nothing of the sources and of their Node is on this PATH.
    const env = { PATH: [join(krewRoot, 'bin'), '/usr/bin', '/bin'].join(delimiter), HOME: folder }
    const convoke = (...args: string[]): string =>
      execFileSync(programs.kubectl, ['convoke', ...args], { env, cwd: folder, encoding: 'utf8', stdio: 'pipe' })
    expect(convoke('version')).toBe(`convoke ${version}\n`)
    expect(convoke('status', '--help')).toContain('kubectl convoke status -A --watch')
    expect(convoke('completion', 'fish')).toContain('complete -c convoke')
    // With the native code of its database engine.
    const minimal = join(root, 'examples/minimal')
    cpSync(join(minimal, 'volumes'), join(folder, 'volumes'), { recursive: true })
    // PostgreSQL is no part of it.
    const resources = readFileSync(join(minimal, 'minimal.yaml'), 'utf8').replace(/ {2}database:\n.*\n/, '')
    writeFileSync(join(folder, 'shop.yaml'), resources)
    const data = ['shop.yaml', '--volumes', 'volumes', '--at', '2026-01-15T06:00:00Z']
    expect(convoke('run', ...data, '--workdir', '.work')).toContain('gold-members')
    expect(convoke('why', 'gold-members', 'C1', ...data)).toContain('✓ C1 is in gold-members')
  })
})
