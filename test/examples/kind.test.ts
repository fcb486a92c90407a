// `make kind`, as far as it goes without Docker: what is missing, what is applied, and in which order.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openCluster } from '../api/convoke.ts'
import { refusalOf } from '../chart/dry-run.ts'
import { chart, hasHelm, helm, manifestsOf } from '../chart/helm.ts'
import { folderOf } from '../support/cli.ts'

const root = join(import.meta.dirname, '../..')
const cluster = await openCluster()
const shop = manifestsOf(readFileSync(join(root, 'examples/kind/shop.yaml'), 'utf8'))
const minimal = manifestsOf(readFileSync(join(root, 'examples/minimal/minimal.yaml'), 'utf8'))

function kind(path: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, ['examples/kind.ts'], { cwd: root, encoding: 'utf8', env: { PATH: path } })
}

/** A folder with programs that write down how they are called, and say what is given. */
function programsOf(said: Readonly<Record<string, string>>) {
  const folder = folderOf({})
  mkdirSync(join(folder.path, 'bin'))
  for (const name of ['docker', 'kind', 'kubectl', 'helm']) {
    if (!(name in said)) continue
    const path = join(folder.path, 'bin', name)
    const log = join(folder.path, 'log')
    writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> ${log}\n${said[name]}\n`)
    chmodSync(path, 0o755)
  }
  return folder
}

describe('make kind', () => {
  test('says what is missing, and where it is from', () => {
    expect(kind('/nowhere')).toMatchObject({
      status: 2,
      stdout: '',
      stderr:
        'make kind: there is no docker here. Install Docker (https://docs.docker.com/engine/install/), or start it if it is installed.\n',
    })
    using asleep = programsOf({ docker: 'echo "Cannot connect. Is the docker daemon running?" >&2; exit 1' })
    expect(kind(`${asleep.path}/bin:/bin:/usr/bin`).stderr).toBe(
      'make kind: `docker info` says: Cannot connect. Is the docker daemon running. Install Docker (https://docs.docker.com/engine/install/), or start it if it is installed.\n',
    )
    using some = programsOf({ docker: '', kind: '', kubectl: '' })
    expect(kind(`${some.path}/bin`).stderr).toContain('there is no helm here. Install Helm (https://helm.sh/')
  })

  test('stops where a step fails, and says which', () => {
    using folder = programsOf({ docker: '', kind: '[ "$1" != create ]', kubectl: '', helm: '' })
    const { status, stderr } = kind(`${folder.path}/bin:/bin:/usr/bin`)
    expect([status, stderr]).toEqual([1, '\nmake kind: `kind create cluster --name convoke` failed, see above.\n'])
  })

  test('touches no cluster but its own, and runs what was run before no second time', () => {
    using folder = programsOf({
      docker: '',
      kind: '[ "$1" = get ] && echo convoke || true',
      kubectl: 'case "$*" in *"get runs"*) echo run/before;; esac',
      helm: '',
    })
    // `convoke status` asks a cluster that is not there.
    kind(`${folder.path}/bin:/bin:/usr/bin`)
    const calls = readFileSync(join(folder.path, 'log'), 'utf8').trimEnd().split('\n').slice(4)
    expect(calls.map((call) => call.split(' ').slice(0, 2).join(' ')).slice(0, 4)).toEqual([
      'kind get',
      'docker build',
      'kind load',
      'helm upgrade',
    ])
    for (const call of calls.filter((each) => /^(kubectl|helm)/.test(each)))
      expect(call).toMatch(/context kind-convoke/)
    const values = /--set (\S+)/.exec(calls.find((call) => call.startsWith('helm'))!)![1]!
    expect(values).toBe('image.repository=convoke,image.tag=dev,image.pullPolicy=Never')
    if (hasHelm) expect(helm(['template', 'convoke', chart, '--set', values]).code).toBe(0)
  })
})

describe('examples/kind', () => {
  test.skipIf(cluster === null)('is taken by the API server', async () => {
    const namespace = await cluster!.namespace()
    for (const manifest of shop)
      expect([manifest.kind, await refusalOf(cluster!.api, manifest, namespace)]).toEqual([manifest.kind, null])
  })

  test('has what the example asks for: its volumes, its database and the Secret of it', () => {
    const names = (kind: string): readonly string[] =>
      shop.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name)
    const text = JSON.stringify(minimal)
    const claims = new Set([...text.matchAll(/"claimName":"([^"]+)"/g)].map(([, name]) => name))
    expect(names('PersistentVolumeClaim').toSorted()).toEqual([...claims].toSorted())
    const { host, database, credentialsSecretRef } = minimal.find((each) => each.kind === 'CampaignInstance')!['spec']
      .database.postgreSQL
    expect([names('Service'), names('Secret')]).toEqual([[host], [credentialsSecretRef.name]])
    const { containers } = shop.find((each) => each.kind === 'Deployment')!['spec'].template.spec
    expect(containers[0].env[0]).toEqual({ name: 'POSTGRES_DB', value: database })
  })

  test('makes the table of the target mapping', () => {
    const sql = shop.find((each) => each.kind === 'ConfigMap')!['data']['recipients.sql']
    const [, columns = ''] = /CREATE TABLE recipients \((.*)\)/.exec(sql) ?? []
    const { targetMapping } = minimal.find((each) => each.kind === 'CampaignInstance')!['spec']
    expect(columns.split(', ').map((column) => column.split(' ')[0])).toEqual(
      targetMapping.columns.map(({ name }: { readonly name: string }) => name),
    )
    const [head] = readFileSync(
      join(root, 'examples/minimal/volumes/campaign/production/recipients.csv'),
      'utf8',
    ).split('\n')
    expect(head!.split(',')).toEqual(columns.split(', ').map((column) => column.split(' ')[0]))
  })
})
