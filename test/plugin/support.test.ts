// `convoke support-bundle`: all that helps, and nothing of anybody.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { maskedExpression, maskedObject, maskedText } from '../../cli/cluster/masked.ts'
import { packed } from '../../cli/tar.ts'
import { fine, openCluster } from '../api/convoke.ts'
import { playNode } from './node.ts'
import { conditions, openScene } from './scene.ts'

test.each([
  ['ann.lee+x@example.co.uk is not there', '(e-mail) is not there'],
  ['call +49 (30) 1234-5678 now', 'call (phone) now'],
  ['postgres://ann:hunter2@db:5432/x refuses', 'postgres://(account)@db:5432/x refuses'],
  ['https://x.blob/y?sv=1&sig=abc%2Fdef&se=2', 'https://x.blob/y?sv=1&sig=(secret)&se=2'],
  ['password="hun ter2" and token: abcdef', 'password=(secret) and token: (secret)'],
  ['Authorization: Bearer abcdef.123456', 'Authorization: Bearer (token)'],
  ['eyJhbGciOiJI.eyJzdWIi.c2ln', '(token)'],
  ['AKIAIOSFODNN7EXAMPLE', '(key)'],
  ['-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----', '(PEM)'],
  ['IBAN DE89 3704 0044 0532 0130 00', 'IBAN (IBAN)'],
  ['2026-12-01T12:00:00.000Z run act-win-back-29935320 took 12345678 rows', null],
  ['sha256:0123456789abcdef0123456789abcdef', null],
])('%s', (text, masked) => {
  expect(maskedText(text)).toBe(masked ?? text)
})

test('texts in expressions, contents, and what other tools write down are left out', () => {
  expect(maskedExpression('id = "ann" and tier in ["gold", "a\\"b"] and n > 3')).toBe(
    'id = "···" and tier in ["····", "····"] and n > 3',
  )
  expect(
    maskedObject({
      kind: 'ConfigMap',
      metadata: { annotations: { 'convoke.dev/suspend': 'true', 'tool.example.com/note': 'ann' }, managedFields: [1] },
      data: { 'delivered.json': 'ann' },
      spec: { containers: [{ env: [{ name: 'A', value: 'b' }] }], expression: 'id = "x"' },
    }),
  ).toEqual({
    kind: 'ConfigMap',
    metadata: { annotations: { 'convoke.dev/suspend': 'true', 'tool.example.com/note': '(left out)' } },
    data: ['delivered.json'],
    spec: { containers: [{ env: [{ name: 'A', value: '(left out)' }] }], expression: 'id = "·"' },
  })
})

const folder = mkdtempSync(join(tmpdir(), 'convoke-support-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('is an archive that tar reads', () => {
  const files = new Map([
    ['a.txt', 'ä\n'],
    ['b/c.json', 'x'.repeat(1000)],
    ['empty', ''],
  ])
  const archive = packed(files, new Date('2026-12-01T12:00:00Z'))
  for (const [path, text] of files)
    expect(execFileSync('tar', ['-xzO', path], { input: archive, encoding: 'utf8' })).toBe(text)
})

const cluster = await openCluster()
const node = cluster && (await playNode(cluster))
afterAll(() => node?.[Symbol.asyncDispose]())

describe.skipIf(!node)('a namespace', () => {
  test('is in one file: resources, statuses, Jobs, logs, versions; what cannot be had is named', async () => {
    const scene = await openScene(cluster!)
    const { namespace } = scene
    await scene.run(
      { target: { kind: 'Activation', name: 'win-back' }, scheduledTime: '2026-12-01T10:00:00Z' },
      'act-win-back-29935320',
    )
    await scene.status('Activation', 'win-back', {
      conditions: conditions([['Ready', 'False', 'RunFailed', 'ann.lee@example.com was refused']]),
    })
    const path = `/api/v1/namespaces/${namespace}`
    await fine(
      cluster!.api('POST', `${path}/secrets`, {
        body: { metadata: { name: 'db' }, stringData: { password: 'hunter2' } },
      }),
    )
    const labels = { 'app.kubernetes.io/managed-by': 'convoke' }
    const memory = { metadata: { name: 'delivered-win-back', labels }, data: { 'delivered.json': '{"who":"ann.lee"}' } }
    await fine(cluster!.api('POST', `${path}/configmaps`, { body: memory }))
    await node!.pod(namespace, 'x-export', 'export-1')
    await fine(
      cluster!.api('PATCH', `${path}/pods/export-1`, {
        body: { metadata: { labels } },
        contentType: 'application/merge-patch+json',
      }),
    )
    node!.says('export-1', 'reading 4 buckets\npassword=hunter2 of ann.lee@example.com\n')
    await node!.ends(namespace, 'export-1')

    const file = join(folder, 'bundle.tar.gz')
    const { code, out } = await scene.convoke(['support-bundle', '--file', file])
    expect(code).toBe(0)
    expect(out).toMatch(/bundle\.tar\.gz: \d+ files\.\n$/)
    const archive = readFileSync(file)
    const read = (name: string): string => execFileSync('tar', ['-xzO', name], { input: archive, encoding: 'utf8' })
    const names = execFileSync('tar', ['-tz'], { input: archive, encoding: 'utf8' }).trim().split('\n')
    expect(names).toEqual(
      expect.arrayContaining([
        'versions.json',
        'status.json',
        'resources/Activation.json',
        'resources/Run.json',
        'resources/Segment.json',
        'pods.json',
        'logs/export-1.log',
        'left-out.txt',
      ]),
    )
    expect(JSON.parse(read('versions.json'))).toMatchObject({ namespace, kubernetes: { major: '1' } })
    expect(read('logs/export-1.log')).toMatch(/reading 4 buckets\n.*password=\(secret\) of \(e-mail\)\n$/)
    expect(read('resources/Activation.json')).toContain('(e-mail) was refused')
    const all = names.map(read).join('\n')
    for (const secret of ['hunter2', 'ann.lee', 'level = \\"patron']) expect(all).not.toContain(secret)
    for (const needed of ['act-win-back-29935320', 'delivered-win-back', 'club.level = ']) expect(all).toContain(needed)
  })
})
