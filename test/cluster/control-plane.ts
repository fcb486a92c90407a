// etcd and kube-apiserver, and what gives Jobs their Pods where its programs are there: controllers, a scheduler, KWOK's fake node.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiOf } from './api.ts'
import { startSeconds } from './api-server.ts'
import type { Binaries, Programs } from './binaries.ts'
import { type Children, read } from './children.ts'

export type ControlPlane = {
  /** Path of a file that makes its reader an admin (group system:masters). */
  readonly kubeconfig: string
  readonly url: string
  /** The admin's. */
  readonly token: string
  /** PEM. */
  readonly ca: string
  /** For whoever wants to do to its data what the API server does not. */
  readonly etcdUrl: string
}

export type ControlPlanePrograms = Binaries & Partial<Programs<'kube-controller-manager' | 'kube-scheduler' | 'kwok'>>

export type Place = {
  /** Of the API server, for those on its machine. */
  readonly url: string
  /** Of kube-apiserver, beyond and before what every control plane has. */
  readonly flags: Readonly<Record<string, string>>
  /** Rows of a token file beside the admin's: token,user,uid,"group,group". */
  readonly users: readonly string[]
}

/** On loopback, with an endpoint in no Service: loopback is no address to publish. */
export async function onLoopback(): Promise<Place> {
  const port = await freePort()
  return {
    url: `https://127.0.0.1:${port}`,
    flags: { 'bind-address': '127.0.0.1', 'secure-port': String(port), 'endpoint-reconciler-type': 'none' },
    users: [],
  }
}

export async function startControlPlane(
  children: Children,
  programs: ControlPlanePrograms,
  { url, flags, users }: Place,
): Promise<ControlPlane> {
  const { folder } = children
  const etcdUrl = `http://127.0.0.1:${await freePort()}`
  children.start('etcd', programs.etcd, {
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
  writeFileSync(join(folder, 'tokens.csv'), [`${token},admin,admin,system:masters`, ...users, ''].join('\n'))
  const controllers = programs['kube-controller-manager']
  children.start('kube-apiserver', programs['kube-apiserver'], {
    'etcd-servers': etcdUrl,
    'cert-dir': join(folder, 'certificates'),
    'token-auth-file': join(folder, 'tokens.csv'),
    'authorization-mode': 'Node,RBAC',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': key,
    'service-account-signing-key-file': key,
    'service-cluster-ip-range': '10.96.0.0/16',
    // Without controllers nothing makes the service accounts that Pods would need.
    ...(controllers === undefined ? { 'disable-admission-plugins': 'ServiceAccount' } : {}),
    ...flags,
  })
  const ca = await ready(children, url, token)
  const kubeconfig = join(folder, 'kubeconfig')
  writeKubeconfig(kubeconfig, { url, ca, token })
  if (controllers !== undefined)
    children.start('kube-controller-manager', controllers, {
      ...ofController(kubeconfig),
      'service-account-private-key-file': key,
      'root-ca-file': join(folder, 'certificates', 'apiserver.crt'),
      // The certificate is no authority's, as that one wants it.
      controllers: '*,-kube-apiserver-serving-clustertrustbundle-publisher-controller',
      'concurrent-job-syncs': '20',
      // A quota of a kind that is new is counted when the next round comes.
      'resource-quota-sync-period': '10s',
      // A Pod of a node that died is gone as fast as tests want to see it.
      'node-monitor-grace-period': '20s',
    })
  if (programs['kube-scheduler'] !== undefined)
    children.start('kube-scheduler', programs['kube-scheduler'], ofController(kubeconfig))
  if (programs.kwok !== undefined) {
    children.start('kwok', programs.kwok, {
      kubeconfig,
      config: join(import.meta.dirname, 'kwok.yaml'),
      'manage-all-nodes': 'true',
      'node-lease-duration-seconds': '40',
    })
    const api = await apiOf(kubeconfig)
    await api('POST', '/api/v1/nodes', { body: { metadata: { name: 'kwok' } } })
  }
  return { kubeconfig, url, token, ca, etcdUrl }
}

function ofController(kubeconfig: string): Record<string, string> {
  return {
    kubeconfig,
    'leader-elect': 'false',
    // Nobody asks them.
    'secure-port': '0',
    // A benchmark is of what it is about, not of their politeness.
    'kube-api-qps': '1000',
    'kube-api-burst': '2000',
  }
}

/** JSON is YAML. */
export function writeKubeconfig(path: string, { url, ca, token }: Pick<ControlPlane, 'url' | 'ca' | 'token'>): void {
  const cluster = { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
}

/** The certificate the API server made for itself. */
async function ready(children: Children, url: string, token: string): Promise<string> {
  const certificate = join(children.folder, 'certificates', 'apiserver.crt')
  for (const until = Date.now() + startSeconds * 1000; Date.now() < until; await sleep(100)) {
    children.check()
    const ca = read(certificate)
    if (ca !== null && (await answers(`${url}/readyz`, ca, token))) return ca
  }
  throw new Error(`kube-apiserver was not ready within ${startSeconds} s`)
}

/** Whether it is well. */
export function answers(url: string, ca: string, token: string): Promise<boolean> {
  return new Promise((done) => {
    get(url, { ca, agent: false, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume()
      done(response.statusCode === 200)
    }).on('error', () => done(false))
  })
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
