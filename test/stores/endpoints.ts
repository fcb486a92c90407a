// Real landing zones for the contract suite. Each starts its server, or says in one line why it cannot.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { ContainerClient } from '@azure/storage-blob'
import type { Location } from '#crds'
import type { Surroundings } from './ports.ts'

export type Endpoint = {
  readonly location: Location
  readonly surroundings: Surroundings
  /** The same place with credentials it refuses, and what the message must name; null where there are none. */
  readonly refused: { readonly surroundings: Surroundings; readonly names: RegExp } | null
  /** The same place when nothing answers there. */
  readonly gone: Location
  readonly stop: () => Promise<void>
}

export type Started = Endpoint | { readonly skip: string }

export const endpoints: Readonly<Record<keyof Location, () => Promise<Started>>> = {
  volume: startVolume,
  s3: startS3,
  sftp: startSftp,
  azureBlob: startAzurite,
}

async function startVolume(): Promise<Started> {
  const volumes = temporaryFolder()
  mkdirSync(join(volumes, 'landing-zone'))
  return {
    location: { volume: { claimName: 'landing-zone', path: 'audiences' } },
    surroundings: { volumes },
    refused: null,
    gone: { volume: { claimName: 'nowhere' } },
    stop: async () => rmSync(volumes, { recursive: true }),
  }
}

const gateway = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'

async function startS3(): Promise<Started> {
  const bin = join(process.env['CONVOKE_CACHE'] ?? join(homedir(), '.cache', 'convoke'), 'bin')
  if (!existsSync(join(bin, 'versitygw'))) {
    if (spawnSync('go', ['version']).status !== 0) return { skip: `no Go to build ${gateway}` }
    mkdirSync(bin, { recursive: true })
    execFileSync('go', ['install', gateway], { env: { ...process.env, GOBIN: bin }, cwd: tmpdir(), stdio: 'ignore' })
  }
  const folder = temporaryFolder()
  for (const part of ['data', 'meta']) mkdirSync(join(folder, part))
  const port = await freePort()
  const credentials = { accessKeyId: 'convoke', secretAccessKey: randomBytes(12).toString('hex') }
  const server = spawn(
    join(bin, 'versitygw'),
    ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--sidecar', join(folder, 'meta'), join(folder, 'data')],
    {
      env: { ...process.env, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
      stdio: 'ignore',
    },
  )
  await answering(port, server)
  const endpoint = `http://127.0.0.1:${port}`
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: 'landing' }))
  client.destroy()
  const s3 = {
    bucket: 'landing',
    prefix: 'zone/audiences',
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
    credentialsSecretRef: { name: 's3' },
  }
  return {
    location: { s3 },
    surroundings: { secrets: { s3: credentials } },
    refused: {
      surroundings: { secrets: { s3: { ...credentials, secretAccessKey: 'wrong' } } },
      names: /s3:\/\/landing\/zone\/audiences.*accessKeyId/s,
    },
    gone: { s3: { ...s3, bucket: 'nowhere' } },
    stop: () => stopped(server, folder),
  }
}

async function startSftp(): Promise<Started> {
  const sshd = ['/usr/sbin/sshd', '/usr/bin/sshd'].find(existsSync)
  if (sshd === undefined) return { skip: 'no sshd; test/setup/openssh.sh installs it' }
  const folder = temporaryFolder()
  const key = (name: string) => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)])
    return readFileSync(join(folder, name), 'utf8')
  }
  key('host')
  const [privateKey, stranger] = [key('user'), key('stranger')]
  writeFileSync(join(folder, 'authorized'), readFileSync(join(folder, 'user.pub')))
  const zone = join(folder, 'zone')
  mkdirSync(zone)
  const port = await freePort()
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true })
  writeFileSync(
    join(folder, 'config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(folder, 'host')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized')}`,
      `PidFile ${join(folder, 'pid')}`,
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'StrictModes no',
      'UsePAM no',
      'MaxStartups 100',
      'Subsystem sftp internal-sftp',
    ].join('\n') + '\n',
  )
  chmodSync(join(folder, 'host'), 0o600)
  const server = spawn(sshd, ['-D', '-f', join(folder, 'config'), '-E', join(folder, 'log')], { stdio: 'ignore' })
  await answering(port, server)
  const known = { known_hosts: `[127.0.0.1]:${port} ${readFileSync(join(folder, 'host.pub'), 'utf8')}` }
  const credentials = { username: userInfo().username, privateKey }
  const sftp = {
    host: '127.0.0.1',
    port,
    path: join(zone, 'audiences'),
    knownHostsSecretRef: { name: 'known' },
    credentialsSecretRef: { name: 'sftp' },
  }
  return {
    location: { sftp },
    surroundings: { secrets: { sftp: credentials, known } },
    refused: {
      surroundings: { secrets: { sftp: { ...credentials, privateKey: stranger }, known } },
      names: /sftp:\/\/127\.0\.0\.1:\d+.*secret sftp/s,
    },
    gone: { sftp: { ...sftp, port: await freePort(), knownHostsSecretRef: { name: 'anyPort' } } },
    stop: () => stopped(server, folder),
  }
}

async function startAzurite(): Promise<Started> {
  const folder = temporaryFolder()
  const port = await freePort()
  const main = resolve(import.meta.dirname, '../../node_modules/azurite/dist/src/blob/main.js')
  if (!existsSync(main)) return { skip: 'azurite is not installed' }
  const server = spawn(
    process.execPath,
    [main, '--blobPort', String(port), '--location', folder, '--silent', '--skipApiVersionCheck'],
    { stdio: 'ignore' },
  )
  await answering(port, server)
  const account = 'devstoreaccount1'
  // Azurite's documented well-known key.
  const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
  const endpoint = `http://127.0.0.1:${port}/${account}`
  await new ContainerClient(
    `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${endpoint};`,
    'landing',
  ).create()
  const azureBlob = {
    account,
    container: 'landing',
    prefix: 'zone/audiences',
    endpoint,
    credentialsSecretRef: { name: 'azure' },
  }
  return {
    location: { azureBlob },
    surroundings: { secrets: { azure: { accountKey } } },
    refused: {
      surroundings: { secrets: { azure: { accountKey: Buffer.from('wrong').toString('base64') } } },
      names: /container landing.*key or signature/s,
    },
    gone: { azureBlob: { ...azureBlob, container: 'nowhere' } },
    stop: () => stopped(server, folder),
  }
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'convoke-landing-'))
}

export function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function answering(port: number, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (server.exitCode !== null) throw new Error(`${server.spawnfile} ended with ${server.exitCode}`)
    const open = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(50)
  }
  throw new Error(`${server.spawnfile} does not answer on port ${port}`)
}

async function stopped(server: ChildProcess, folder: string): Promise<void> {
  const ended = new Promise((done) => server.once('exit', done))
  server.kill('SIGKILL')
  await ended
  rmSync(folder, { recursive: true, force: true })
}
