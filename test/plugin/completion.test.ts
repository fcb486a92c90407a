// What is offered at Tab: by the command line itself, by each shell that is there, and by kubectl.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../cli/command.ts'
import { shells } from '../../cli/commands/completion.ts'
import { knownPlaceholders } from '../../cli/complete.ts'
import { commands } from '../../cli/main.ts'
import { openCluster } from '../api/convoke.ts'
import { folderOf, convoke as inProcess } from '../cli-tools/command-line.ts'
import { findPrograms } from '../cluster/binaries.ts'
import { conditions, openScene } from './scene.ts'

const root = join(import.meta.dirname, '../..')
const bin = join(root, 'bin')

type Offered = { readonly words: readonly string[]; readonly directive: number }

async function offered(line: readonly string[], args: { readonly cwd?: string } = {}): Promise<Offered> {
  return read((await inProcess(args.cwd ?? root, ['__complete', ...line])).out)
}

function read(out: string): Offered {
  const lines = out.trimEnd().split('\n')
  return {
    words: lines.slice(0, -1).map((line) => line.replace(/\t.*/, '')),
    directive: Number(lines.at(-1)!.slice(1)),
  }
}

const noFiles = 4
const minimal = 'examples/minimal'

test.each<[string, readonly string[], readonly string[], number]>([
  ['a command by its beginning', ['sta'], ['status'], noFiles],
  ['a command to be helped with', ['help', 'lo'], ['logs'], noFiles],
  ['nothing for what is no command', ['nothing', ''], [], noFiles],
  ['options', ['logs', '--t'], ['--tail', '--timestamps'], noFiles],
  ['no option twice', ['logs', '--tail', '3', '--t'], ['--timestamps'], noFiles],
  ['an option that may be given again', ['run', '--database', 'a=b', '--data'], ['--database'], noFiles],
  ['help everywhere', ['explain', '--'], ['--help'], noFiles],
  ['the words of an option', ['check', '-o', ''], ['text', 'json', 'sarif', 'github', 'junit'], noFiles],
  ['the words of an option behind =', ['check', '--output=s'], ['sarif'], noFiles],
  [
    'codes',
    ['explain', 'too-many-s'],
    ['too-many-sequential-events', 'too-many-segments', 'too-many-source-fields', 'too-many-streaming-segments'],
    noFiles,
  ],
  ['one code only', ['explain', 'yaml-syntax', ''], [], noFiles],
  ['kinds, ready for a name', ['status', 'Seg'], ['Segment'], noFiles | 2],
  ['kinds where there are no names', ['schema', 'Camp'], ['CampaignInstance', 'CampaignSource'], noFiles],
  ['shells', ['completion', ''], shells, noFiles],
  ['files', ['check', ''], [], 0],
  ['files behind an option', ['import', '--run', ''], [], 0],
  ['folders', ['compile', '--out', ''], [], 16],
  ['names of the files that are given', ['query', 'true', minimal, '--store', ''], ['customers'], noFiles],
  ['nothing for a person', ['why', 'gold-members', ''], [], noFiles],
  ['files behind a person', ['why', 'gold-members', 'C1', ''], [], 0],
])('offers %s', async (_, line, words, directive) => {
  expect(await offered(line)).toEqual({ words, directive })
})

test('offers every command, with what it does', async () => {
  const { out } = await inProcess(root, ['__complete', ''])
  expect(read(out).words).toEqual(Object.keys(commands))
  expect(out).toContain('\nstatus\tWhat needs attention in the cluster')
})

test('offers names of the files at hand where there is no cluster', async () => {
  const home = { HOME: '/nowhere', KUBECONFIG: '' }
  const ran = spawnSync(join(bin, 'convoke'), ['__complete', 'why', 'go'], {
    cwd: join(root, minimal),
    env: { ...process.env, ...home },
    encoding: 'utf8',
  })
  expect(read(ran.stdout)).toEqual({ words: ['gold-members'], directive: noFiles })
})

test('does not wait for a cluster that does not answer', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const config = {
    clusters: [{ name: 'silent', cluster: { server: `https://127.0.0.1:${port}` } }],
    users: [{ name: 'me', user: { token: 'x' } }],
    contexts: [{ name: 'silent', context: { cluster: 'silent', user: 'me' } }],
    'current-context': 'silent',
  }
  const folder = folderOf({ kubeconfig: JSON.stringify(config) })
  const ran = spawnSync(join(bin, 'convoke'), ['__complete', 'logs', '--kubeconfig', join(folder, 'kubeconfig'), ''], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  expect([ran.signal, ran.stdout]).toEqual([null, ':36\n'])
  server.close()
})

/** Values that nobody can foretell. */
const anything = new Set(
  'EXPR TIME DURATION N WHAT NAME KEY INSTANCE=URL IMAGE SELECTOR POLICY SECONDS PORT LEVEL NUMBER'.split(' '),
)

test('knows the word for every argument and every value', async () => {
  const unknown: string[] = []
  for (const [name, load] of Object.entries(commands)) {
    const { command }: { readonly command: Command } = await load()
    const values = Object.values(command.options).flatMap(({ words, value = '' }) => (words ? [] : [value]))
    for (const word of [...(command.operands ?? []), ...values])
      if (word !== '' && !knownPlaceholders.has(word) && !anything.has(word)) unknown.push(`${name} ${word}`)
  }
  expect(unknown).toEqual([])
})

describe('in a shell', () => {
  const path = `${bin}${delimiter}${process.env['PATH']}`
  const shell = (program: string, script: string): string[] => {
    const ran = spawnSync(program, ['-c', script], { cwd: root, env: { ...process.env, PATH: path }, encoding: 'utf8' })
    expect(ran.stderr).toBe('')
    return ran.stdout.trimEnd().split('\n')
  }
  const isThere = (program: string): boolean => {
    if (spawnSync(program, ['--version']).status === 0) return true
    console.warn(`Skipped completion in ${program}: it is not installed.`)
    return false
  }

  const inBash = (words: readonly string[]): string[] =>
    shell(
      'bash',
      `compopt() { echo "compopt $*"; }
       source <(convoke completion bash)
       COMP_WORDS=(${words.map((word) => JSON.stringify(word)).join(' ')}); COMP_CWORD=${words.length - 1}
       _convoke; printf '%s\\n' "\${COMPREPLY[@]}"`,
    )
  test.skipIf(!isThere('bash')).each<[string, readonly string[], readonly string[]]>([
    ['a command', ['convoke', 'sta'], ['status']],
    ['words behind = apart', ['convoke', 'check', '--output', '=', 's'], ['sarif']],
    ['words behind an option', ['convoke', 'check', '-o', 's'], ['sarif']],
    ['a kind, and no space', ['convoke', 'status', 'Seg'], ['compopt -o nospace', 'Segment']],
    ['files', ['convoke', 'check', 'ex'], ['compopt -o default']],
    ['folders', ['convoke', 'compile', '--out', 'ex'], ['compopt -o plusdirs']],
  ])('bash offers %s', (_, words, expected) => {
    expect(inBash(words)).toEqual(expected)
  })

  test.skipIf(!isThere('fish')).each([
    ['convoke sta', 'status\tWhat needs attention in the cluster, then a table per kind'],
    ['convoke check --output=s', '--output=sarif'],
    ['convoke status Seg', 'Segment'],
    ['convoke check exampl', 'examples/'],
    ['convoke compile --out exampl', 'examples/\tDirectory'],
  ])('fish offers what follows `%s`', (line, expected) => {
    expect(shell('fish', `convoke completion fish | source; complete -C '${line}'`)).toEqual([expected])
  })

  const inZsh = (line: string): string[] => {
    // A terminal of its own, in which what is offered is told.
    const ran = spawnSync('zsh', ['-f', join(import.meta.dirname, 'offered.zsh'), line], {
      cwd: root,
      env: { ...process.env, PATH: path },
      encoding: 'utf8',
    })
    return ran.stdout.trimEnd().split('\n')
  }
  test.skipIf(!isThere('zsh')).each([
    ['convoke sta', 'status'],
    ['convoke check --output=s', 'sarif'],
    ['convoke check -o s', 'sarif'],
    ['convoke check exampl', 'examples'],
  ])('zsh offers what follows `%s`', (line, expected) => {
    expect(inZsh(line)).toEqual([expected])
  })

  test('PowerShell gets a completer, and every shell a script that names itself', async () => {
    for (const name of shells) {
      const { code, out } = await inProcess(root, ['completion', name])
      expect(code).toBe(0)
      expect(out).toContain(name === 'kubectl' ? 'kubectl convoke __complete' : 'convoke __complete')
    }
    expect((await inProcess(root, ['completion', 'tcsh'])).err).toMatch(/Name a shell: bash, zsh, fish, powershell/)
  })
})

const cluster = await openCluster()

test.skipIf(cluster === null)('offers names of a cluster', async () => {
  const { place, run, status } = await openScene(cluster!)
  const target = { kind: 'Activation', name: 'win-back' } as const
  await run({ target, scheduledTime: '2026-12-01T10:00:00Z' }, 'act-win-back-1')
  await status('Run', 'act-win-back-1', { conditions: conditions([['Succeeded', 'False', 'OutOfSpace']]) })
  await status('Activation', 'win-back', {
    held: [
      { segment: 'patrons', reason: 'CircuitBreaker', message: '71 % would leave.' },
      { segment: 'quiet-buyers', reason: 'TooManySegments' },
    ],
  })
  const offer = async (command: string, ...words: string[]): Promise<readonly string[]> =>
    (await inProcess(root, ['__complete', command, ...place, ...words])).out.trimEnd().split('\n')
  expect(await offer('why', 'pat')).toEqual(['patrons\tPatrons of the club', ':4'])
  expect(await offer('logs', '')).toEqual(['act-win-back-1\twin-back, failed', ':36'])
  expect(await offer('run', '--retry', '')).toEqual(['act-win-back-1\twin-back, failed', ':36'])
  expect(await offer('run', '')).toEqual([
    'ProfileStore/readers\tProfileStore',
    'win-back\tActivation',
    'CampaignSource/letter-logs\tCampaignSource',
    ':0',
  ])
  expect(await offer('status', 'dest/')).toEqual(['dest/letter-box', ':4'])
  expect(await offer('approve', 'win-back', '')).toEqual(['patrons\t71 % would leave.', ':4'])
  expect(await offer('approve', 'win-back', 'patrons', '')).toEqual([':4'])
  expect(await offer('status', '--context', '')).toEqual(['test\ttest', ':4'])
  const namespaces = (await offer('status', '--namespace', 'test-')).map((line) => line.replace(/\t.*/, ''))
  expect(namespaces).toContain(place.at(-1))
})

test('offers what kubectl asks for behind `kubectl convoke`', async () => {
  const found = await findPrograms(['kubectl'])
  if ('skip' in found) return console.warn(`Skipped completion by kubectl: ${found.skip}.`)
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` }
  const ran = spawnSync(found.kubectl, ['__complete', 'convoke', 'explain', 'too-many-s'], { env, encoding: 'utf8' })
  expect(read(ran.stdout)).toMatchObject({
    words: ['too-many-sequential-events', 'too-many-segments', 'too-many-source-fields', 'too-many-streaming-segments'],
  })
  const listed = spawnSync(found.kubectl, ['plugin', 'list'], { env, encoding: 'utf8' })
  expect(listed.stdout).toContain(join(bin, 'kubectl-convoke'))
  const helped = spawnSync(found.kubectl, ['convoke', 'status', '--help'], { env, encoding: 'utf8' })
  expect(helped.stdout).toContain('Usage: kubectl convoke status ')
  expect(helped.stdout).toContain('\n  kubectl convoke status -A --watch\n')
  expect(readFileSync(join(bin, 'kubectl_complete-convoke'), 'utf8')).toContain('__complete "$@"')
})
