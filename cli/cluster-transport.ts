import type { RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { type ClosableTransport, type Credentials, httpTransport } from '#operator'
import { version } from './version.ts'

/** How long credentials from files and programs are used; after an answer of 401 they are asked for at once. */
const freshMs = 10_000

type Asked = { readonly credentials: Promise<Credentials>; readonly atMs: number }

/**
 * A transport to a configuration's current cluster, as its current user, whatever the credentials: certificates, a token, a program, or
 * files that others rewrite; through a proxy if there is one. `reload` is called when the server refuses the credentials, which may be
 * written in the kubeconfig itself.
 */
export function transportOf(config: KubeConfig, reload: () => Promise<KubeConfig>): ClosableTransport {
  const server = config.getCurrentCluster()!.server
  let current = config
  let refused = false
  let asked: Asked | null = null
  let tls: { readonly text: string; readonly options: NonNullable<Credentials['tls']> } | null = null
  const transport = httpTransport(server, credentials)

  return Object.assign(
    async (request: Parameters<typeof transport>[0]) => {
      const response = await transport(request)
      if (response.status === 401) [refused, asked] = [true, null]
      return response
    },
    { close: transport.close },
  )

  /** Many requests ask at once, and the credentials are fetched once. */
  function credentials(): Promise<Credentials> {
    if (asked !== null && performance.now() - asked.atMs < freshMs) return asked.credentials
    const now: Asked = { credentials: make(), atMs: performance.now() }
    asked = now
    now.credentials.catch(() => {
      if (asked === now) asked = null
    })
    return now.credentials
  }

  async function make(): Promise<Credentials> {
    if (refused) current = await reload()
    refused = false
    const options: RequestOptions = {}
    await current.applyToHTTPSOptions(options)
    const headers = {
      'user-agent': `convoke/${version()}`,
      ...(options.auth ? { authorization: `Basic ${Buffer.from(options.auth).toString('base64')}` } : {}),
      ...(options.headers as Record<string, string>),
    }
    // client-node's own agent keeps no connection open, but knows the way through a proxy.
    const { agent } = options
    if (current.getCurrentCluster()!.proxyUrl && typeof agent === 'object') return { headers, agent }
    const { ca, cert, key, passphrase, pfx, rejectUnauthorized, servername } = options
    const material = Object.entries({ ca, cert, key, passphrase, pfx, rejectUnauthorized, servername })
    const text = material.map(([name, value]) => `${name} ${value}`).join()
    if (text !== tls?.text)
      tls = { text, options: Object.fromEntries(material.filter(([, value]) => value !== undefined)) }
    return { headers, tls: tls.options }
  }
}
