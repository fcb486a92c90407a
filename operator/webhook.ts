import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createSecureContext, type TLSSocket } from 'node:tls'
import type { AdmissionRequest, AdmissionResponse } from './admission.ts'
import type { Clock } from './kernel/clock.ts'

export type Certificate = {
  readonly cert: string
  readonly key: string
  /** Clients need a certificate signed by one of these; absent: anybody may ask, as API servers show no certificate unless told to. */
  readonly clientCa?: string
}

export type WebhookOptions = {
  readonly clock: Clock
  /** 0 takes any port that is free. */
  readonly port: number
  /** The certificate as it is now: read anew from time to time. Throws with words for people where it cannot be read. */
  readonly certificate: () => Certificate
  /** Told once of each reason why a new certificate is not taken, and with null when one is again; meanwhile the one before stays. */
  readonly renewed: (reason: string | null) => void
  readonly admit: (request: AdmissionRequest) => Promise<AdmissionResponse>
  /** Told of bodies that are no request, and of our own faults. */
  readonly failed: (error: unknown) => void
}

export type Webhook = {
  readonly port: number
  readonly stop: () => Promise<void>
}

const renewMs = 60_000

/** A request holds one resource, of which etcd takes at most 1.5 MiB. */
const longestBody = 4 * 2 ** 20

/** Serves `POST /validate`, an AdmissionReview of admission.k8s.io/v1. Whatever goes wrong, the API server follows its failurePolicy. */
export async function serveWebhook(options: WebhookOptions): Promise<Webhook> {
  const { clock, port, certificate, renewed, admit, failed } = options
  let current = certificate()
  const server: Server = createServer({ ...tlsOf(current), requestTimeout: 10_000 }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      failed(error)
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, resolve)
  })
  let refused: string | null = null
  let cancel = clock.after(renewMs, renew)
  return {
    port: (server.address() as AddressInfo).port, // of a TCP server
    stop: () =>
      new Promise((resolve) => {
        cancel()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  /** Takes a new certificate for new connections; open ones keep theirs. */
  function renew(): void {
    cancel = clock.after(renewMs, renew)
    try {
      const fresh = certificate()
      if (fresh.cert !== current.cert || fresh.key !== current.key || fresh.clientCa !== current.clientCa)
        server.setSecureContext(tlsOf(fresh))
      current = fresh
      if (refused !== null) renewed((refused = null))
    } catch (error) {
      const reason = messageOf(error)
      if (reason !== refused) renewed((refused = reason))
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', 'https://webhook')
    if (pathname !== '/validate') return void response.writeHead(404).end()
    // A client that may not ask learns nothing of any schema.
    if (current.clientCa !== undefined && !(request.socket as TLSSocket).authorized)
      return void response.writeHead(401).end()
    if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end()
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of request) {
      bytes += part.length
      if (bytes > longestBody) return void response.writeHead(413).end()
      parts.push(part)
    }
    let review: { readonly apiVersion?: string; readonly request?: AdmissionRequest }
    try {
      review = JSON.parse(Buffer.concat(parts).toString())
    } catch {
      return void response.writeHead(400).end()
    }
    if (!review.request) return void response.writeHead(400).end()
    const { apiVersion = 'admission.k8s.io/v1' } = review
    const body = { apiVersion, kind: 'AdmissionReview', response: await admit(review.request) }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}

/** Throws where key and certificate do not belong together, or are not valid. */
function tlsOf({ cert, key, clientCa }: Certificate) {
  // A client certificate is always asked for, since one may be required later; it is checked only where one is required.
  const options = {
    cert,
    key,
    requestCert: true,
    rejectUnauthorized: false,
    ...(clientCa !== undefined && { ca: clientCa }),
  }
  try {
    createSecureContext(options)
  } catch (error) {
    throw new Error(`the certificate cannot be used: ${messageOf(error)}`)
  }
  return options
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
