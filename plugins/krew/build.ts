// The plugin as krew installs it. `node plugins/krew/build.ts FOLDER` writes the archive for this machine there, and the manifest for all archives that
// lie there; so each system makes its own, and the last one, with all of them in its folder, makes the manifest. Needs GNU tar.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  createReadStream,
  createWriteStream,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { parse, stringify } from 'yaml'
import { buildApp, licensesOf } from '../../image/build.ts'

const root = join(import.meta.dirname, '../..')
/** Go's names for what Node calls otherwise. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

const launcher = `#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
CONVOKE_PROGRAM='kubectl convoke'
export CONVOKE_PROGRAM
exec "$root/bin/node" --disable-warning=ExperimentalWarning "$root/app/cli/main.js" "$@"
`

/** Name of the archive for this machine, written into the folder; the same bytes for the same files. */
export async function buildArchive(folder: string): Promise<string> {
  const name = `convoke-${process.platform}-${architectures[process.arch]}.tar.gz`
  const work = mkdtempSync(join(tmpdir(), 'convoke-krew-'))
  try {
    const files = join(work, 'convoke')
    const packages = await buildApp(join(files, 'app'))
    const duckdb = `@duckdb/node-bindings-${process.platform}-${process.arch}`
    const modules = join(root, 'node_modules')
    cpSync(join(modules, duckdb), join(files, 'app/node_modules', duckdb), { recursive: true })
    mkdirSync(join(files, 'bin'))
    cpSync(realpathSync(join(modules, 'node/bin/node')), join(files, 'bin/node'))
    writeFileSync(join(files, 'bin/kubectl-convoke'), launcher)
    cpSync(join(root, 'LICENSE'), join(files, 'LICENSE'))
    writeFileSync(join(files, 'licenses.txt'), licensesOf(new Set([...packages, 'node', duckdb])))
    execFileSync('chmod', ['-R', 'u=rwX,go=rX', files])
    for (const program of ['node', 'kubectl-convoke']) chmodSync(join(files, 'bin', program), 0o755)
    const tar = join(work, 'archive.tar')
    const same = ['--format=gnu', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
    execFileSync('tar', ['--create', ...same, `--file=${tar}`, `--directory=${work}`, 'convoke'])
    await pipeline(createReadStream(tar), createGzip({ level: 6 }), createWriteStream(join(folder, name)))
    return name
  } finally {
    rmSync(work, { recursive: true })
  }
}

/** The manifest for the archives of a folder, as a release of `repository` offers them. */
export async function manifestOf(folder: string, repository: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const manifest = parse(readFileSync(join(import.meta.dirname, 'convoke.yaml'), 'utf8'))
  const archives = globSync('convoke-*.tar.gz', { cwd: folder }).sort()
  const platforms = archives.map(async (archive) => {
    const [, os, arch] = /^convoke-(\w+)-(\w+)\.tar\.gz$/.exec(archive) ?? []
    const hash = createHash('sha256')
    await pipeline(createReadStream(join(folder, archive)), hash)
    return {
      selector: { matchLabels: { os, arch } },
      uri: `https://github.com/${repository}/releases/download/v${version}/${archive}`,
      sha256: hash.digest('hex'),
      files: [{ from: 'convoke/*', to: '.' }],
      bin: 'bin/kubectl-convoke',
    }
  })
  const spec = { version: `v${version}`, ...manifest.spec, platforms: await Promise.all(platforms) }
  return stringify({ ...manifest, spec }, { lineWidth: 0, blockQuote: 'literal' })
}

if (import.meta.main) {
  const [folder, repository = 'convoke-dev/convoke'] = process.argv.slice(2)
  if (folder === undefined) throw new Error('node plugins/krew/build.ts FOLDER [OWNER/REPOSITORY]')
  mkdirSync(folder, { recursive: true })
  console.log(await buildArchive(folder))
  writeFileSync(join(folder, 'convoke.yaml'), await manifestOf(folder, repository))
}
