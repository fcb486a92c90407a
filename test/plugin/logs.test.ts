// `convoke logs` on a real API server; the test is the operator and the kubelet.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { digestOf, type RunReport, reportLinesOf } from '#crds'
import { openCluster } from '../api/convoke.ts'
import { folderOf } from '../cli-tools/command-line.ts'
import { playNode } from './node.ts'
import { conditions, openScene, type Scene } from './scene.ts'

const cluster = await openCluster()
const node = cluster && (await playNode(cluster))
if (cluster && !node) console.warn('Skipped logs of Pods: the API server is not of these tests.')
afterAll(() => node?.[Symbol.asyncDispose]())

const name = 'act-win-back-29935320'
const started = {
  observedGeneration: 1,
  startedAt: '2026-12-01T10:00:01Z',
  conditions: conditions([['Succeeded', 'Unknown', 'Running']]),
}
const succeeded = { conditions: conditions([['Succeeded', 'True', 'Succeeded']]), finishedAt: '2026-12-01T10:00:21Z' }
const times = { startedAt: '2026-12-01T10:00:01Z', finishedAt: '2026-12-01T10:00:13Z' }

const exportReport = withDetails({
  step: 'export',
  run: name,
  attempt: 1,
  outcome: 'Held',
  ...times,
  totals: { files: 2, rows: 8046, missingMandatory: 1 },
  warnings: [{ message: 'patrons is held: 71 % would leave.' }],
  details: [
    { segment: 'patrons', members: 1204, held: '71 % of 1,204 members would leave.' },
    {
      segment: 'quiet-buyers',
      members: 8031,
      realized: 8031,
      exited: 15,
      manifest: 'letter-box_quiet-buyers.json',
      files: [
        { name: 'letter-box_quiet-buyers_20261201T100000Z.csv', rows: 8000, bytes: 1, sha256: '' },
        { name: 'letter-box_quiet-buyers_20261201T100000Z_2.csv', rows: 46, bytes: 1, sha256: '' },
      ],
      counts: { missingMandatory: 1, duplicateKey: 0 },
    },
  ],
})
const importReport = withDetails({
  step: 'import',
  run: name,
  attempt: 1,
  outcome: 'Succeeded',
  ...times,
  totals: { updated: 8040, rejected: 6 },
  details: [
    { file: 'letter-box_quiet-buyers_20261201T100000Z.csv', counts: { rowsRead: 8046, updated: 8040, rejected: 6 } },
  ],
})

describe.skipIf(!node)('logs', () => {
  test('are those of every Pod of the Run, with each report as a table at the end', async () => {
    const scene = await runOf([
      { name: 'export', job: 'x-export', outcome: 'Held', ...times },
      { name: 'import', job: 'x-import', outcome: 'Succeeded', ...times },
    ])
    await said(scene, 'x-export', 'export-1', `reading 4 buckets\n${linesOf(exportReport)}`)
    await said(scene, 'x-import', 'import-1', `${linesOf(importReport)}`)
    const { code, out, err } = await scene.convoke(['logs', name])
    expect(out).toMatchInlineSnapshot(`
      "── export export-1
      reading 4 buckets

      ! export   win-back                12 s  8,046 rows in 2 files, 1 left out
      ! patrons is held: 71 % would leave.

      Segment       members  realized  exited   rows  missing mandatory  duplicate key  files                                            held
      ────────────  ───────  ────────  ──────  ─────  ─────────────────  ─────────────  ───────────────────────────────────────────────  ──────────────────────────────────
      patrons         1,204                                                                                                              71 % of 1,204 members would leave.
      quiet-buyers    8,031     8,031      15  8,046                  1              0  letter-box_quiet-buyers_20261201T100000Z.csv +1

      ── import import-1

      ✓ import   win-back                12 s  8,040 updated, 6 rejected

      file                                          rows read  updated  rejected
      ────────────────────────────────────────────  ─────────  ───────  ────────
      letter-box_quiet-buyers_20261201T100000Z.csv      8,046    8,040         6

      "
    `)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  test('can be a page of the whole Run, also where Pods are gone', async () => {
    const scene = await runOf([
      { name: 'export', job: 'p-export', outcome: 'Held', ...times },
      { name: 'import', job: 'p-import', outcome: 'Succeeded', ...times, totals: { updated: 8040 } },
    ])
    await said(scene, 'p-export', 'p-export-1', linesOf(exportReport))
    const folder = folderOf()
    const { code, err } = await scene.convoke(['logs', name, '--report', 'run.html'], { cwd: folder })
    expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/^Report: run\.html \([\d.]+ kB\)\n$/) })
    const page = readFileSync(join(folder, 'run.html'), 'utf8')
    const [, headline] = /<h1>(.*?)<\/h1>/s.exec(page) ?? []
    expect(headline).toContain('is held and waits for you')
    expect(page).toContain('71 % of 1,204 members would leave')
    expect((await scene.convoke(['logs', name, '--report', 'x.html', '--step', 'export'])).code).toBe(2)
  })

  test('can be those of one step, of the last lines, with times, or as they are', async () => {
    const scene = await runOf([
      { name: 'export', job: 'y-export', outcome: 'Held', ...times },
      { name: 'import', job: 'y-import', outcome: 'Succeeded', ...times },
    ])
    await said(scene, 'y-export', 'y-export-1', `one\ntwo\nthree\n`)
    await said(scene, 'y-import', 'y-import-1', `four\n${linesOf(importReport)}`)
    const out = async (...args: string[]): Promise<string> => (await scene.convoke(['logs', name, ...args])).out
    expect(await out('--step', 'export')).toBe('── export y-export-1\none\ntwo\nthree\n')
    expect(await out('--step', 'export', '--tail', '2')).toBe('── export y-export-1\ntwo\nthree\n')
    const stamp = '2026-12-01T12:00:00.000000001Z '
    const stamped = await out('--step', 'import', '--timestamps')
    expect(stamped).toContain(`── import y-import-1\n${stamp}four\n\n✓ import`)
    expect(stamped).toContain('rows read')
    expect(await out('--step', 'import', '--raw')).toContain('\nconvoke-report: {"step":"import"')
    const document = JSON.parse(await out('-o', 'json'))
    expect(document).toMatchObject({
      run: name,
      steps: [
        { step: 'export', pod: 'y-export-1', report: null },
        { step: 'import', details: importReport.details },
      ],
    })
  })

  test('of every attempt of a Job are shown, and how a Pod ended that could say nothing', async () => {
    const scene = await runOf([{ name: 'export', job: 'z-export', outcome: 'Succeeded', ...times }])
    await said(scene, 'z-export', 'z-export-1', 'reading\n', { exitCode: 137, reason: 'OOMKilled' })
    await said(scene, 'z-export', 'z-export-2', 'reading again\n')
    expect((await scene.convoke(['logs', `Run/${name}`])).out).toBe(
      '── export z-export-1\nreading\n\n✗ The Pod was ended without a report: OOMKilled, exit code 137.\n\n── export z-export-2\nreading again\n',
    )
  })

  test('are followed from step to step until the Run is finished', async () => {
    const scene = await runOf([])
    const ended = scene.convoke(['logs', name, '-f'])
    await sleep(700)
    const step = { name: 'export', job: 'f-export', startedAt: times.startedAt }
    await scene.status('Run', name, { steps: [step] })
    await node!.pod(scene.namespace, 'f-export', 'f-export-1', {
      waiting: { reason: 'ImagePullBackOff', message: 'no such image' },
    })
    await sleep(700)
    await scene.status('Run', name, { steps: [step] })
    await cluster!.api('DELETE', `/api/v1/namespaces/${scene.namespace}/pods/f-export-1?gracePeriodSeconds=0`)
    await node!.pod(scene.namespace, 'f-export', 'f-export-2')
    node!.says('f-export-2', 'one\n')
    await sleep(700)
    node!.says('f-export-2', `two\n${linesOf(exportReport)}`)
    await node!.ends(scene.namespace, 'f-export-2')
    await scene.status('Run', name, {
      steps: [
        { ...step, ...times, outcome: 'Held' },
        { name: 'import', job: 'f-import' },
      ],
    })
    await node!.pod(scene.namespace, 'f-import', 'f-import-1')
    node!.says('f-import-1', linesOf(importReport))
    await node!.ends(scene.namespace, 'f-import-1')
    await sleep(700)
    await scene.status('Run', name, succeeded)
    const { code, out, err } = await ended
    expect(out.split('\n').filter((line) => /^(?:── |one|two|[✓!] )/.test(line))).toEqual([
      '── export f-export-2',
      'one',
      'two',
      expect.stringMatching(/^! export/),
      '! patrons is held: 71 % would leave.',
      '── import f-import-1',
      expect.stringMatching(/^✓ import/),
    ])
    expect(err).toBe(
      '· The Run has not started a step. Running\n· export: f-export-1 waits: ImagePullBackOff: no such image\n',
    )
    expect(code).toBe(0)
  })

  test('end when the user has seen enough', async () => {
    const scene = await runOf([{ name: 'export', job: 'e-export' }])
    await node!.pod(scene.namespace, 'e-export', 'e-export-1')
    node!.says('e-export-1', 'one\n')
    const abort = new AbortController()
    const ended = scene.convoke(['logs', name, '-f'], { signal: abort.signal })
    await sleep(900)
    abort.abort()
    expect(await ended).toEqual({ code: 0, out: '── export e-export-1\none\n', err: '' })
  })
})

describe.skipIf(cluster === null)('of a Run whose Pods are gone', () => {
  test('the Run itself tells what it remembers', async () => {
    const scene = await runOf([
      {
        name: 'export',
        job: 'gone-export',
        attempt: 1,
        outcome: 'Succeeded',
        ...times,
        totals: { files: 2, rows: 8046 },
        reportPath: `reports/${name}/export-1.json`,
      },
      {
        name: 'import',
        job: 'gone-import',
        attempt: 2,
        outcome: 'Failed',
        ...times,
        reason: 'DatabaseUnreachable',
        message: 'letters-db refuses the connection.',
      },
    ])
    await scene.status('Run', name, {
      ...succeeded,
      segments: [{ segment: 'quiet-buyers', members: 8031, realized: 8031, exited: 15, manifest: 'm.json' }],
    })
    const { code, out, err } = await scene.convoke(['logs', name])
    expect(out).toMatchInlineSnapshot(`
      "── export its Pods are gone; the Run remembers:
      ✓ export   win-back                12 s  8,046 rows in 2 files
        The whole report: reports/act-win-back-29935320/export-1.json

      ── import its Pods are gone; the Run remembers:
      ✗ import   win-back                12 s  Failed: DatabaseUnreachable: letters-db refuses the connection.

      Segment       members  realized  exited  delivery
      ────────────  ───────  ────────  ──────  ────────────────
      quiet-buyers    8,031     8,031      15  not acknowledged
      "
    `)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  })

  test('or that nothing has begun', async () => {
    const scene = await runOf([])
    await scene.status('Run', name, {
      conditions: conditions([['Succeeded', 'Unknown', 'Pending', 'Another Run writes to the store.']]),
    })
    expect(await scene.convoke(['logs', name])).toEqual({
      code: 0,
      out: '',
      err: '· The Run has not started a step. Pending: Another Run writes to the store.\n',
    })
    expect(await scene.convoke(['logs', 'act-win-bak'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('There is no Run `act-win-bak`'),
    })
    await scene.status('Run', name, { steps: [{ name: 'export' }] })
    expect((await scene.convoke(['logs', name, '--step', 'import'])).err).toBe(
      '· The Run has no step import yet; it has export.\n',
    )
  })
})

async function runOf(steps: readonly object[]): Promise<Scene> {
  const scene = await openScene(cluster!)
  await scene.run({ target: { kind: 'Activation', name: 'win-back' }, scheduledTime: '2026-12-01T10:00:00Z' }, name)
  const isOver = steps.length > 0 && steps.every((step) => 'outcome' in step)
  await scene.status('Run', name, { ...started, ...(isOver ? succeeded : {}), steps })
  return scene
}

async function said(scene: Scene, job: string, pod: string, text: string, terminated?: object): Promise<void> {
  await node!.pod(scene.namespace, job, pod)
  node!.says(pod, text)
  await node!.ends(scene.namespace, pod, terminated)
  // Pods are told apart by the second in which they were made.
  await sleep(terminated ? 1000 : 0)
}

function linesOf(report: RunReport): string {
  return reportLinesOf(report)
    .map((line) => `${line}\n`)
    .join('')
}

function withDetails(report: RunReport): RunReport {
  return { ...report, reportDigest: digestOf(report.details ?? []) }
}
