// What the operator can do without: its webhook and its metrics. While they are down, all else works.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { serveWebhook } from '../../operator/webhook.ts'
import { openCluster } from '../api/convoke.ts'
import { virtualClock } from '../kernel/virtual-clock.ts'
import { selfSigned } from '../support/certificate.ts'
import { convokeStarted } from '../support/cli.ts'

const [first, second] = [selfSigned(), selfSigned()]

test('a new certificate of the webhook is taken up, and one that cannot be used is not', async () => {
  const clock = virtualClock()
  const renewed: (string | null)[] = []
  let certificate: () => typeof first = () => first
  const webhook = await serveWebhook({
    clock,
    port: 0,
    certificate: () => certificate(),
    renewed: (reason) => renewed.push(reason),
    admit: async () => ({ uid: '', allowed: true }),
    failed: () => {},
  })
  const shown = async (): Promise<string> => {
    const socket = connect({ port: webhook.port, host: '127.0.0.1', rejectUnauthorized: false })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const { raw } = socket.getPeerCertificate()
    socket.destroy()
    return raw.toString('base64')
  }
  const body = ({ cert }: typeof first): string => cert.replace(/-----.*?-----|\s/g, '')
  expect(await shown()).toBe(body(first))
  certificate = () => ({ cert: first.cert, key: second.key })
  await clock.advance(180_000)
  certificate = () => {
    throw new Error('its certificate cannot be read: ENOENT')
  }
  await clock.advance(60_000)
  expect(await shown()).toBe(body(first))
  certificate = () => second
  await clock.advance(60_000)
  expect(await shown()).toBe(body(second))
  expect(renewed).toEqual([
    expect.stringMatching(/^the certificate cannot be used: .*key values mismatch/),
    'its certificate cannot be read: ENOENT',
    null,
  ])
  await webhook.stop()
})

test('where the API server shows a certificate, nobody else is answered', async () => {
  const told: string[] = []
  const webhook = await serveWebhook({
    clock: virtualClock(),
    port: 0,
    certificate: () => ({ ...first, clientCa: second.cert }),
    renewed: () => {},
    admit: async ({ uid }) => {
      told.push(uid)
      return { uid, allowed: true }
    },
    failed: () => {},
  })
  const review = JSON.stringify({ request: { uid: 'u', kind: { group: '', kind: 'Segment' }, operation: 'CREATE' } })
  const asked = (how: { readonly cert?: string; readonly key?: string }, body = review): Promise<number | string> =>
    new Promise((resolve) => {
      const options = { port: webhook.port, path: '/validate', method: 'POST', rejectUnauthorized: false, agent: false }
      const sent = request({ ...options, ...how }, (response) => {
        response.resume()
        resolve(response.statusCode!)
      })
      sent.on('error', ({ message }) => resolve(message))
      sent.end(body)
    })
  expect(await asked({})).toBe(401)
  expect(await asked(first)).toBe(401)
  expect(await asked(second)).toBe(200)
  expect(await asked(second, 'no JSON')).toBe(400)
  expect(await asked(second, 'x'.repeat(5 * 2 ** 20))).not.toBe(200)
  expect(told).toEqual(['u'])
  await webhook.stop()
})

const cluster = await openCluster()

describe.skipIf(cluster === null)('convoke operator', () => {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-parts-'))
  const taken = createServer().listen(0)
  afterAll(() => {
    taken.close()
    rmSync(folder, { recursive: true })
  })
  const place = ['--kubeconfig', cluster?.kubeconfig ?? '', '--namespace', 'nowhere', '--alone']
  const port = (): string => String((taken.address() as { readonly port: number }).port)

  test('works with a certificate that fits no key and a port of its metrics that is taken, says so, and ends when it is asked to', async () => {
    writeFileSync(join(folder, 'tls.crt'), first.cert)
    writeFileSync(join(folder, 'tls.key'), second.key)
    await using operator = convokeStarted(folder, [
      'operator',
      ...place,
      ...['--health-port', '0', '--metrics-port', port(), '--webhook-port', '0', '--webhook-certs', folder],
    ])
    await operator.until(/"message":"leading"/)
    await operator.until(/metrics: listen EADDRINUSE.*All else goes on/)
    await operator.until(/webhook: the certificate cannot be used: .*All else goes on/)
    const [, health] = await operator.until(/"healthPort":(\d+),"metricsPort":"down"/)
    expect((await fetch(`http://127.0.0.1:${health}/healthz`)).status).toBe(200)
    operator.kill('SIGTERM')
    expect(await operator.ended).toBe(0)
  })

  test('ends where nobody could ask how it is', async () => {
    await using operator = convokeStarted(folder, [
      'operator',
      ...place,
      '--health-port',
      port(),
      '--metrics-port',
      '0',
    ])
    expect(await operator.ended).toBe(2)
    expect(operator.said()).toMatch(/EADDRINUSE.*Choose another port with --health-port/)
  })
})
