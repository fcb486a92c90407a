// Ways to be known to an API server, over real TLS: a server that looks at certificate and token, and counts connections.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { transportOf } from '../../cli/cluster-transport.ts'
import { connect } from '../../cli/kubernetes.ts'
import { bodyText, type ClosableTransport } from '../../operator/kernel/transport.ts'

const folder = mkdtempSync(join(tmpdir(), 'convoke-transport-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = (name: string): string => join(folder, name)
const read = (name: string): string => readFileSync(path(name), 'utf8')
const base64 = (name: string): string => Buffer.from(read(name)).toString('base64')
const hasOpenssl = spawnSync('openssl', ['version']).status === 0

/** Who the server saw, in turn: the certificate's name, and what the request said of itself. */
type Seen = { readonly who: string; readonly authorization: string; readonly agent: string }

type World = {
  readonly url: string
  readonly seen: readonly Seen[]
  readonly connections: () => number
  /** The server knows one by the certificate's name or by the token. */
  readonly know: (...names: readonly string[]) => void
  readonly kubeconfig: (user: object, cluster?: object) => string
}

describe.skipIf(!hasOpenssl)('the transport to a cluster', async () => {
  if (!hasOpenssl) return
  makeCertificate('ca')
  makeCertificate('server', 'ca')
  makeCertificate('ann', 'ca')
  makeCertificate('bob', 'ca')
  const open: ClosableTransport[] = []
  afterAll(() => {
    for (const transport of open) transport.close()
  })

  test('keeps one connection for a certificate, and opens another when its files hold a new one', async () => {
    const world = await startWorld()
    for (const part of ['crt', 'key']) writeFileSync(path(`current.${part}`), read(`ann.${part}`))
    const ask = await asking(
      world.kubeconfig({ 'client-certificate': path('current.crt'), 'client-key': path('current.key') }),
    )
    world.know('ann', 'bob')
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 200])
    expect(world.connections()).toBe(1)
    for (const part of ['crt', 'key']) writeFileSync(path(`current.${part}`), read(`bob.${part}`))
    world.know('bob')
    expect([await ask(), await ask(), await ask()]).toEqual([401, 200, 200])
    expect(world.connections()).toBe(2)
    expect(world.seen.map(({ who }) => who)).toEqual(['ann', 'ann', 'ann', 'ann', 'bob', 'bob'])
    expect(world.seen[0]!.agent).toMatch(/^convoke\/\d/)
  })

  test('asks a program for a token once, and again when the server does not know the token', async () => {
    const world = await startWorld()
    writeFileSync(path('count'), '0')
    const script = `echo $(($(cat count) + 1)) > count; echo '{"kind":"ExecCredential","status":{"token":"t'$(cat count)'"}}'`
    const ask = await asking(
      world.kubeconfig({
        exec: { command: 'sh', args: ['-c', `cd ${folder}; ${script}`], apiVersion: 'client.authentication.k8s.io/v1' },
      }),
    )
    world.know('Bearer t1')
    // At once, too.
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([200, 200, 200])
    world.know('Bearer t2')
    expect([await ask(), await ask()]).toEqual([401, 200])
    expect(read('count').trim()).toBe('2')
  })

  test('takes a certificate from a program', async () => {
    const world = await startWorld()
    const status = { clientCertificateData: read('ann.crt'), clientKeyData: read('ann.key') }
    writeFileSync(path('credential.json'), JSON.stringify({ kind: 'ExecCredential', status }))
    const ask = await asking(world.kubeconfig({ exec: { command: 'cat', args: [path('credential.json')] } }))
    world.know('ann')
    expect([await ask(), await ask()]).toEqual([200, 200])
    expect(world.connections()).toBe(1)
  })

  test('asks a program again that failed', async () => {
    const world = await startWorld()
    const ask = await asking(world.kubeconfig({ exec: { command: 'cat', args: [path('later.json')] } }))
    world.know('Bearer late')
    await expect(ask()).rejects.toThrow('later.json')
    writeFileSync(path('later.json'), JSON.stringify({ status: { token: 'late' } }))
    expect(await ask()).toBe(200)
  })

  test.each(['a file that it names', 'itself'])('reads a token that changes in %s of the kubeconfig', async (where) => {
    const world = await startWorld()
    const inFile = where.startsWith('a file')
    const say = (token: string): string => {
      if (inFile) writeFileSync(path('token'), token)
      return world.kubeconfig(inFile ? { tokenFile: 'token' } : { token })
    }
    const ask = await asking(say('old'))
    world.know('Bearer old')
    expect(await ask()).toBe(200)
    say('new')
    world.know('Bearer new')
    expect([await ask(), await ask()]).toEqual([401, 200])
    expect(world.connections()).toBe(1)
  })

  test('goes through a proxy with a certificate', async () => {
    const world = await startWorld()
    let tunnels = 0
    const proxy = createHttpServer().on('connect', ({ url }, socket) => {
      tunnels += 1
      const [host, port] = url!.split(':')
      const out = connectSocket(Number(port), host!, () => {
        socket.write('HTTP/1.1 200 Connected\r\n\r\n')
        socket.pipe(out).pipe(socket)
      })
    })
    const user = { 'client-certificate-data': base64('ann.crt'), 'client-key-data': base64('ann.key') }
    const ask = await asking(world.kubeconfig(user, { 'proxy-url': await listening(proxy) }))
    world.know('ann')
    expect([await ask(), await ask()]).toEqual([200, 200])
    expect(tunnels).toBeGreaterThan(0)
  })

  test('trusts no server that another authority vouches for, and speaks plain http where it is asked to', async () => {
    const world = await startWorld()
    makeCertificate('other')
    const distrusting = await asking(
      world.kubeconfig({ token: 't' }, { 'certificate-authority-data': base64('other.crt') }),
    )
    await expect(distrusting()).rejects.toThrow(/certificate/)
    expect(world.seen).toEqual([])
    const plain = createHttpServer((request, response) => response.end(request.headers.authorization))
    const ask = await asking(world.kubeconfig({ token: 't' }, { server: await listening(plain) }))
    expect(await ask()).toBe(200)
  })

  /** Returns a request's status. */
  async function asking(kubeconfig: string): Promise<() => Promise<number>> {
    const load = () => connect({ kubeconfig, context: null })
    const transport = transportOf(await load(), load)
    open.push(transport)
    return async () => {
      const response = await transport({ method: 'GET', path: '/p', signal: AbortSignal.timeout(10_000) })
      await bodyText(response)
      return response.status
    }
  }
})

const servers: ReturnType<typeof createHttpServer>[] = []
afterAll(() => {
  for (const server of servers) server.close().closeAllConnections()
})

async function listening(server: ReturnType<typeof createHttpServer>): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // of a TCP server
}

async function startWorld(): Promise<World> {
  const seen: Seen[] = []
  let known: readonly string[] = []
  let connections = 0
  const server = createServer(
    {
      cert: read('server.crt'),
      key: read('server.key'),
      ca: read('ca.crt'),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      const socket = request.socket as TLSSocket // of an https server
      const { authorization = '', 'user-agent': agent = '' } = request.headers
      const who = socket.authorized ? String(socket.getPeerCertificate().subject.CN) : ''
      seen.push({ who, authorization, agent })
      response.writeHead(known.includes(who) || known.includes(authorization) ? 200 : 401).end('{}')
    },
  )
  server.on('secureConnection', () => (connections += 1))
  const url = (await listening(server)).replace('http:', 'https:')
  return {
    url,
    seen,
    connections: () => connections,
    know: (...names) => void (known = names),
    kubeconfig(user, cluster = {}) {
      const file = path('kubeconfig')
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: { server: url, 'certificate-authority-data': base64('ca.crt'), ...cluster } }],
        users: [{ name: 'u', user }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }
      writeFileSync(file, JSON.stringify(config))
      return file
    },
  }
}

/** `name.crt` and `name.key`, by its own word or by an authority's. */
function makeCertificate(name: string, authority?: string): void {
  const by = authority === undefined ? [] : ['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const out = ['-keyout', `${name}.key`, '-out', `${name}.crt`]
  const about = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...by, ...key, ...out, ...about], { cwd: folder, stdio: 'ignore' })
}
