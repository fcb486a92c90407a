// A process of its own that runs etcd and kube-apiserver for as long as their owner lives, however that ends: `node supervisor.ts ORDER`.
// It writes server.json into the folder when the API server is ready, or failed.txt with the ends of the logs; at the end it removes the folder.
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiServer, startSeconds } from './api-server.ts'
import { isAlive } from './process.ts'

export type Order = {
  readonly folder: string
  /** Process id. */
  readonly owner: number
  readonly etcd: string
  readonly kubeApiserver: string
}

const order: Order = JSON.parse(process.argv[2]!)
const children = new Map<string, ChildProcess>()

process.on('SIGTERM', end)
process.on('uncaughtException', fail)
setInterval(() => {
  if (!isAlive(order.owner)) end()
}, 200)
start().then((server) => publish('server.json', JSON.stringify(server)), fail)

async function start(): Promise<Omit<ApiServer, 'stop'> & { readonly supervisor: number }> {
  const { folder } = order
  const [etcdPort, port] = [await freePort(), await freePort()]
  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  run('etcd', order.etcd, {
    'data-dir': join(folder, 'etcd'),
    'listen-client-urls': etcdUrl,
    'advertise-client-urls': etcdUrl,
    'listen-peer-urls': 'http://127.0.0.1:0',
    // The data goes with the process.
    'unsafe-no-fsync': 'true',
    'log-level': 'warn',
  })
  const token = randomBytes(16).toString('hex')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = join(folder, 'service-account.key')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`)
  run('kube-apiserver', order.kubeApiserver, {
    'etcd-servers': etcdUrl,
    'bind-address': '127.0.0.1',
    'secure-port': String(port),
    'cert-dir': join(folder, 'certificates'),
    'token-auth-file': join(folder, 'tokens.csv'),
    'authorization-mode': 'Node,RBAC',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': key,
    'service-account-signing-key-file': key,
    'service-cluster-ip-range': '10.96.0.0/16',
    // Nothing here makes the service accounts that Pods would need, and loopback is no address to publish.
    'disable-admission-plugins': 'ServiceAccount',
    'endpoint-reconciler-type': 'none',
  })
  const url = `https://127.0.0.1:${port}`
  const ca = await ready(url, token)
  const kubeconfig = join(folder, 'kubeconfig')
  // JSON is YAML.
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'test', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
      ],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test',
    }),
  )
  return { kubeconfig, url, token, ca, supervisor: process.pid }
}

function run(name: string, program: string, flags: Readonly<Record<string, string>>): void {
  const log = openSync(join(order.folder, `${name}.log`), 'w')
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
  children.set(name, spawn(program, args, { stdio: ['ignore', log, log] }))
}

/** The certificate the API server made for itself. */
async function ready(url: string, token: string): Promise<string> {
  const certificate = join(order.folder, 'certificates', 'apiserver.crt')
  for (const until = Date.now() + startSeconds * 1000; Date.now() < until; await sleep(100)) {
    for (const [name, { exitCode, signalCode }] of children)
      if (exitCode !== null || signalCode !== null) throw new Error(`${name} ended with ${exitCode ?? signalCode}`)
    const ca = read(certificate)
    if (ca !== null && (await answers(`${url}/readyz`, ca, token))) return ca
  }
  throw new Error(`kube-apiserver was not ready within ${startSeconds} s`)
}

function answers(url: string, ca: string, token: string): Promise<boolean> {
  return new Promise((done) => {
    get(url, { ca, agent: false, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume()
      done(response.statusCode === 200)
    }).on('error', () => done(false))
  })
}

/** The owner reads why; the folder stays until it ends. */
function fail(reason: unknown): void {
  const logs = [...children.keys()].map(
    (name) => `--- the end of ${name}.log:\n${tail(join(order.folder, `${name}.log`))}`,
  )
  publish('failed.txt', [String(reason), ...logs].join('\n'))
}

async function end(): Promise<never> {
  const running = [...children.values()].filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  const ended = Promise.all(running.map((child) => once(child, 'exit')))
  for (const child of running) child.kill('SIGKILL')
  await ended
  rmSync(order.folder, { recursive: true, force: true, maxRetries: 10 })
  process.exit()
}

function publish(name: string, text: string): void {
  writeFileSync(join(order.folder, `${name}.part`), text)
  renameSync(join(order.folder, `${name}.part`), join(order.folder, name))
}

function tail(path: string): string {
  return (read(path) ?? '').split('\n').slice(-30).join('\n')
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
