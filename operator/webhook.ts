import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { AdmissionRequest, AdmissionResponse } from './admission.ts'

export type Certificate = { readonly cert: string; readonly key: string }

export type WebhookOptions = {
  /** 0 takes any that is free. */
  readonly port: number
  readonly certificate: Certificate
  readonly admit: (request: AdmissionRequest) => AdmissionResponse
  /** Told of what was no request, and of our own faults. */
  readonly failed: (error: unknown) => void
}

export type Webhook = {
  readonly port: number
  /** Connections that are open keep theirs. */
  readonly renew: (certificate: Certificate) => void
  readonly stop: () => Promise<void>
}

/** A request holds one resource, which etcd takes at most 1.5 MiB of. */
const longestBody = 4 * 2 ** 20

/** `POST /validate`, an AdmissionReview of admission.k8s.io/v1. Whatever goes wrong, the API server does as its failurePolicy says. */
export async function serveWebhook({ port, certificate, admit, failed }: WebhookOptions): Promise<Webhook> {
  const server: Server = createServer({ ...certificate, requestTimeout: 10_000 }, (request, response) => {
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
  return {
    port: (server.address() as AddressInfo).port, // of a TCP server
    renew: (fresh) => server.setSecureContext(fresh),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', 'https://webhook')
    if (pathname !== '/validate') return void response.writeHead(404).end()
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
    const body = { apiVersion, kind: 'AdmissionReview', response: admit(review.request) }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}
