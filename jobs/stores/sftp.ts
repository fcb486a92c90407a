import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { posix } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import SftpClient from 'ssh2-sftp-client'
import type { PlaceOf } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import {
  byName,
  type LandingStore,
  optionalSecret,
  partsOf,
  type StoredEntry,
  safeName,
  splitPrefix,
  temporaryPrefix,
  unfinishedParts,
} from './landing-store.ts'

const attempts = 4
const readyTimeout = 20_000

/**
 * Files are written beside their name and renamed over it (posix-rename@openssh.com). A server without that extension cannot replace a
 * file atomically: the old file is removed first. The server's key must be in `known_hosts`; there is no way around that.
 */
export async function openSftp(location: PlaceOf<'sftp'>, ports: Ports): Promise<LandingStore> {
  const { host, port, path = '.', knownHostsSecretRef, credentialsSecretRef } = location
  const place = `sftp://${host}${port === 22 ? '' : `:${port}`}/${path.replace(/^\.?\/?/, '')}`
  if (knownHostsSecretRef === undefined) {
    throw new JobError(
      'InvalidPlan',
      `${place} has no knownHostsSecretRef, so the server's key cannot be checked. Put the output of \`ssh-keyscan -p ${port} ${host}\`, checked, into the key known_hosts of a secret.`,
    )
  }
  if (credentialsSecretRef === undefined)
    throw new JobError('InvalidPlan', `${place} has no credentialsSecretRef (username and password or privateKey).`)
  const keys = hostKeys(ports.secret(knownHostsSecretRef.name, 'known_hosts'), host, port)
  if (keys.length === 0) {
    throw new JobError(
      'LocationUnavailable',
      `The secret ${knownHostsSecretRef.name} holds no key of ${port === 22 ? host : `[${host}]:${port}`}. Add its line of \`ssh-keyscan -p ${port} ${host}\`, checked, to known_hosts.`,
    )
  }
  const secret = credentialsSecretRef.name
  const privateKey = optionalSecret(ports, secret, 'privateKey')
  const passphrase = optionalSecret(ports, secret, 'passphrase')
  const options: SftpClient.ConnectOptions = {
    host,
    port,
    username: ports.secret(secret, 'username'),
    ...(privateKey === undefined
      ? { password: ports.secret(secret, 'password') }
      : { privateKey, ...(passphrase !== undefined && { passphrase }) }),
    readyTimeout,
    keepaliveInterval: 15_000,
    // Only algorithms of keys in known_hosts; otherwise the server may present another of its keys.
    algorithms: { serverHostKey: [...new Set(keys.flatMap((key) => algorithmsOf(key.type)))] },
    hostVerifier: (key: Buffer) => keys.some((known) => known.key.equals(key)),
  }

  let connection: Promise<SftpClient> | null = null
  const connect = async (): Promise<SftpClient> => {
    // The client's own listeners write to stdout. A broken connection also fails the call that needs it.
    const client = new SftpClient('convoke', { error: () => {}, end: () => {}, close: () => {} })
    // Small packets would wait for each other's acknowledgement, 40 ms a call.
    const sock = createConnection({ host, port, noDelay: true, timeout: readyTimeout })
    sock.once('timeout', () => sock.destroy(new Error(`connection to ${host}:${port} timed out`)))
    await once(sock, 'connect')
    sock.setTimeout(0)
    await client.connect({ ...options, sock })
    return client
  }
  const disconnect = async () => {
    const open = connection
    connection = null
    await open?.then((client) => client.end()).catch(() => {})
  }

  const retried = async <T>(what: string, work: (client: SftpClient) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        connection ??= connect()
        return await work(await connection)
      } catch (error) {
        if (error instanceof JobError) throw error
        if (!isTransient(error)) throw sftpFault(error, what, place, secret)
        await disconnect()
        if (attempt === attempts) throw sftpFault(error, what, place, secret)
        await sleep(250 * 4 ** (attempt - 1))
      }
    }
  }
  // The client keeps its listeners per call, and expects one call at a time.
  let turn: Promise<unknown> = Promise.resolve()
  const guarded = <T>(what: string, work: (client: SftpClient) => Promise<T>): Promise<T> => {
    const result = turn.then(() => retried(what, work))
    turn = result.catch(() => {})
    return result
  }
  const pathOf = (name: string) => posix.join(path, safeName(name, place))
  const unfinished = unfinishedParts()

  return {
    place,
    put: (name, localPath) =>
      guarded(`write ${name}`, async (client) => {
        const target = pathOf(name)
        const folder = posix.dirname(target)
        if (!(await client.exists(folder))) await client.mkdir(folder, true)
        const own = partsOf(posix.basename(target))
        const names = async () => (await client.list(folder)).map(({ name }) => name)
        for (const entry of await unfinished(folder, own, names)) await client.delete(posix.join(folder, entry), true)
        const temporary = posix.join(folder, `${own}${randomBytes(6).toString('hex')}`)
        await client.fastPut(localPath, temporary)
        const [there, here] = [await client.stat(temporary), await stat(localPath)]
        if (there.size !== here.size) throw new Error(`${there.size} of ${here.size} bytes arrived`)
        await replace(client, temporary, target)
      }),
    list: (prefix) =>
      guarded(`list ${prefix || 'files'}`, async (client) => {
        const { folder, start } = splitPrefix(prefix, place)
        try {
          const entries = await client.list(posix.join(path, folder))
          return entries
            .filter(
              (entry) => entry.type !== 'd' && entry.name.startsWith(start) && !entry.name.startsWith(temporaryPrefix),
            )
            .map((entry) => folder + entry.name)
            .sort()
        } catch (error) {
          if (isMissing(error)) return []
          throw error
        }
      }),
    walk: () => guarded('list files', (client) => walk(client, path)),
    get: (name, localPath) =>
      guarded(`read ${name}`, async (client) => {
        const kind = await client.exists(pathOf(name))
        if (kind === false) return false
        // A link itself cannot be fetched.
        await client.fastGet(kind === 'l' ? await client.realPath(pathOf(name)) : pathOf(name), localPath)
        return true
      }),
    stat: (name) =>
      guarded(`look at ${name}`, async (client) => {
        try {
          const found = await client.stat(pathOf(name))
          return found.isFile ? { bytes: found.size, modifiedAt: new Date(found.modifyTime) } : null
        } catch (error) {
          if (isMissing(error)) return null
          throw error
        }
      }),
    remove: (name) =>
      guarded(`remove ${name}`, async (client) => {
        await client.delete(pathOf(name), true)
      }),
    close: disconnect,
  }
}

/** null where the folder is missing. */
async function walk(client: SftpClient, root: string): Promise<readonly StoredEntry[] | null> {
  const entries: StoredEntry[] = []
  const folders = ['']
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let listed: SftpClient.FileInfo[]
    try {
      listed = await client.list(posix.join(root, folder))
    } catch (error) {
      if (folder === '') {
        if (isMissing(error)) return null
        throw error
      }
      if (!isMissing(error) && !/permission denied/i.test(messageOf(error))) throw error
      if (!isMissing(error)) entries.push({ name: folder, ...nothing, unreadable: 'a folder that may not be read' })
      continue
    }
    for (const { name: own, type, size: bytes, modifyTime } of listed) {
      const name = posix.join(folder, own)
      const modifiedAt = new Date(modifyTime)
      if (own.startsWith(temporaryPrefix)) continue
      if (type === 'd') folders.push(name)
      else if (type === '-') entries.push({ name, bytes, modifiedAt, unreadable: null })
      else if (type === 'l') entries.push(await linked(client, root, name))
      else entries.push({ name, bytes, modifiedAt, unreadable: 'no regular file' })
    }
  }
  return entries.sort(byName)
}

const nothing = { bytes: 0, modifiedAt: new Date(0) }

/** A link's entry, by what it leads to; the server decides how far it may lead. */
async function linked(client: SftpClient, root: string, name: string): Promise<StoredEntry> {
  try {
    const found = await client.stat(posix.join(root, name))
    const entry = { name, bytes: found.size, modifiedAt: new Date(found.modifyTime) }
    return { ...entry, unreadable: found.isFile ? null : 'a link to something that is no file' }
  } catch (error) {
    if (isTransient(error)) throw error
    return { name, ...nothing, unreadable: 'a link that leads nowhere' }
  }
}

async function replace(client: SftpClient, temporary: string, target: string): Promise<void> {
  try {
    await client.posixRename(temporary, target)
  } catch (error) {
    if (!/does not support/i.test(messageOf(error))) throw error
    await client.delete(target, true)
    await client.rename(temporary, target)
  }
}

type HostKey = { readonly type: string; readonly key: Buffer }

/** The keys that an OpenSSH known_hosts text holds for a host, without revoked keys and certificate authorities. */
export function hostKeys(knownHosts: string, host: string, port: number): readonly HostKey[] {
  const name = port === 22 ? host : `[${host}]:${port}`
  return knownHosts.split('\n').flatMap((line) => {
    const [patterns, type, key] = line.trim().split(/\s+/)
    if (patterns === undefined || type === undefined || key === undefined || /^[#@]/.test(patterns)) return []
    return hostMatches(patterns, name) ? [{ type, key: Buffer.from(key, 'base64') }] : []
  })
}

function hostMatches(patterns: string, name: string): boolean {
  const hashed = /^\|1\|([^|]+)\|(.+)$/.exec(patterns)
  if (hashed) return createHmac('sha1', Buffer.from(hashed[1]!, 'base64')).update(name).digest('base64') === hashed[2]
  const matching = patterns.split(',').filter((pattern) => {
    const glob = pattern
      .replace(/^!/, '')
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replace(/\*/g, '.*')
      .replace(/\?/g, '.')
    return new RegExp(`^${glob}$`, 'i').test(name)
  })
  return matching.length > 0 && !matching.some((pattern) => pattern.startsWith('!'))
}

type ServerHostKey =
  | 'ssh-rsa'
  | 'rsa-sha2-256'
  | 'rsa-sha2-512'
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'

function algorithmsOf(type: string): readonly ServerHostKey[] {
  switch (type) {
    case 'ssh-rsa':
      return ['rsa-sha2-512', 'rsa-sha2-256']
    case 'ssh-ed25519':
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return [type]
    default:
      return []
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === '2' || /no such file/i.test(messageOf(error))
}

function isTransient(error: unknown): boolean {
  const text = `${codeOf(error)} ${messageOf(error)}`
  if (/authentication|host denied|verification failed|permission denied|no such file/i.test(text)) return false
  return /ECONN|ETIMEDOUT|EPIPE|EAI_AGAIN|EHOSTUNREACH|ENOTCONN|ERR_NOT_CONNECTED|ERR_GENERIC_CLIENT|timed out|timeout|not connected|connection|end event|close|bytes arrived/i.test(
    text,
  )
}

function sftpFault(error: unknown, what: string, place: string, secret: string): JobError {
  const said = messageOf(error)
  const next = /authentication/i.test(said)
    ? `Check username and password or privateKey in the secret ${secret}.`
    : /host denied|verification failed|handshake/i.test(said)
      ? "The server's key is not the one in known_hosts: find out why before you replace it."
      : /permission denied/i.test(said)
        ? 'Give the user write access to that folder.'
        : 'Check host, port and path and that the job may reach them.'
  return new JobError('LocationUnavailable', `Cannot ${what} in ${place}: ${said}. ${next}`, error)
}
