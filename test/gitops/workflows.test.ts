// Workflows of GitHub: checked by actionlint, and the scripts of the one for pull requests run on a repository.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { chart, hasHelm, helm, manifestsOf, only } from '../chart/helm.ts'
import { findPrograms } from '../cluster/binaries.ts'

const root = join(import.meta.dirname, '../..')
const hasGo = spawnSync('go', ['version']).status === 0
if (!hasGo) console.warn('Skipped what needs Go ≥ 1.26: actionlint.')
const programs = await findPrograms(['kubectl', 'helm'])
if ('skip' in programs) console.warn(`Skipped what needs kubectl and Helm: ${programs.skip}.`)

const workflows = [
  '.github/workflows/release.yaml',
  'examples/gitops/ci/github.yaml',
  'cli/init/.github/workflows/convoke.yml',
]

describe.skipIf(!hasGo)('actionlint', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-actionlint-'))
    const { status, stderr } = spawnSync('go', ['install', 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'], {
      env: { ...process.env, GOBIN: folder },
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
  }, 600_000)
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each(workflows)('has nothing to say of %s', (workflow) => {
    const { status, stdout } = spawnSync(join(folder, 'actionlint'), ['-shellcheck=', join(root, workflow)], {
      encoding: 'utf8',
    })
    expect([status, stdout]).toEqual([0, ''])
  })
})

type Step = { readonly name?: string; readonly run?: string; readonly env?: Readonly<Record<string, string>> }

describe.skipIf('skip' in programs)('the pipeline for pull requests', () => {
  const steps: readonly Step[] = parse(readFileSync(join(root, 'examples/gitops/ci/github.yaml'), 'utf8')).jobs.check
    .steps
  let folder: string
  let repository: string
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.test', ...args], {
      cwd: repository,
      encoding: 'utf8',
    })
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-pipeline-'))
    repository = join(folder, 'repository')
    cpSync(join(root, 'examples/gitops/audiences'), repository, { recursive: true })
    mkdirSync(join(folder, 'bin'))
    // The only part that is not there: it says what it would post.
    writeFileSync(join(folder, 'bin/gh'), '#!/bin/sh\nprintf "%s " "$@"\n')
    chmodSync(join(folder, 'bin/gh'), 0o755)
    git('init', '-q', '-b', 'main')
    git('add', '-A')
    git('commit', '-qm', 'audiences')
    git('update-ref', 'refs/remotes/origin/main', 'main')
    const audiences = join(repository, 'base/audiences.yaml')
    writeFileSync(audiences, readFileSync(audiences, 'utf8').replace('tier = "gold"', 'tier in ["gold", "silver"]'))
    const expected = join(repository, 'tests/segments.test.yaml')
    writeFileSync(expected, readFileSync(expected, 'utf8').replace('members: [ann]', 'members: [ann, eva]'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function run(name: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    const { run, env = {} } = steps.find((step) => step.name === name)!
    const kubectl = 'skip' in programs ? '' : dirname(programs.kubectl)
    return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run!], {
      cwd: repository,
      encoding: 'utf8',
      env: {
        ...Object.fromEntries(Object.keys(env).map((key) => [key, '7'])),
        PATH: [join(folder, 'bin'), join(root, 'bin'), kubectl, process.env['PATH']].join(delimiter),
        RUNNER_TEMP: folder,
        GITHUB_BASE_REF: 'main',
        HOME: folder,
      },
    })
  }

  test('tests, checks what each environment gets, and says what the change does', () => {
    expect(run('Test').status).toBe(0)
    expect(run('Check what each environment gets')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('staging'),
    })
    expect(run('Plan')).toMatchObject({ status: 0, stderr: expect.not.stringContaining('error') })
    const plan = readFileSync(join(folder, 'plan.md'), 'utf8')
    expect(plan).toContain('### Convoke plan')
    expect(plan).toContain('tier in ["gold", "silver"]')
    expect(run('Comment').stdout).toBe(
      `pr comment 7 --edit-last --create-if-none --body-file ${join(folder, 'plan.md')} `,
    )
  })

  test('stops at what is wrong in one environment only', () => {
    const overlay = join(repository, 'overlays/staging/kustomization.yaml')
    const before = readFileSync(overlay, 'utf8')
    writeFileSync(overlay, before.replace('path: /spec/suspend, value: true', 'path: /spec/suspend, value: "yes"'))
    const { status, stdout } = run('Check what each environment gets')
    writeFileSync(overlay, before)
    expect([status, stdout]).toEqual([1, expect.stringContaining('wrong-type')])
  })
})

const hasJq = spawnSync('jq', ['--version']).status === 0
if (!hasJq) console.warn('Skipped what needs jq: the scripts of the release.')

describe.skipIf(!hasHelm || !hasJq)('the release', () => {
  const { jobs } = parse(readFileSync(join(root, '.github/workflows/release.yaml'), 'utf8'))
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-release-'))
    cpSync(chart, join(folder, 'charts/convoke'), { recursive: true })
    cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function run(job: string, name: string, env: Readonly<Record<string, string>>) {
    const step = (jobs[job].steps as readonly Step[]).find((each) => each.name === name)!
    const path = 'skip' in programs ? '' : dirname(programs.helm)
    return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run!], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: [path, process.env['PATH']].join(delimiter), HOME: folder, GITHUB_ENV: join(folder, 'env'), ...env },
    })
  }

  test('refuses a tag that is not the version', () => {
    const names = { REGISTRY: 'ghcr.io', GITHUB_REPOSITORY: 'Convoke-Dev/Convoke' }
    expect(run('image', 'Names', { ...names, GITHUB_REF_NAME: 'v9.9.9' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('::error file=package.json::the tag is v9.9.9, the version'),
    })
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(run('image', 'Names', { ...names, GITHUB_REF_NAME: `v${version}` }).status).toBe(0)
    // Registries know no capitals.
    expect(readFileSync(join(folder, 'env'), 'utf8')).toBe(`VERSION=${version}\nIMAGE=ghcr.io/convoke-dev/convoke\n`)
  })

  test('packages a chart that installs the image that was built with it', () => {
    const image = 'ghcr.io/fork/convoke'
    const digest = `sha256:${'0a'.repeat(32)}`
    const { status, stderr } = run('publish', 'Package the chart', { VERSION: '1.2.3', IMAGE: image, DIGEST: digest })
    expect([status, stderr]).toEqual([0, ''])
    const { out } = helm(['template', 'convoke', join(folder, 'dist/convoke-1.2.3.tgz')])
    const deployment = only(manifestsOf(out), 'Deployment')
    expect(deployment['spec'].template.spec.containers[0]).toMatchObject({
      image: `${image}@${digest}`,
      args: expect.arrayContaining([`--job-image=${image}@${digest}`]),
    })
    expect(deployment.metadata.labels!['app.kubernetes.io/version']).toBe('1.2.3')
    const sbom = JSON.parse(readFileSync(join(folder, 'dist/convoke-chart.sbom.cdx.json'), 'utf8'))
    expect(sbom.components[0].purl).toBe(
      `pkg:oci/convoke@${encodeURIComponent(digest)}?repository_url=${encodeURIComponent(image)}&tag=1.2.3`,
    )
    // Of what it is made from, nothing.
    const listed = spawnSync('tar', ['-tzf', join(folder, 'dist/convoke-1.2.3.tgz')], { encoding: 'utf8' }).stdout
    expect(listed).toContain('convoke/values.schema.json')
    expect(listed).not.toContain('values.schema.yaml')
  })
})
