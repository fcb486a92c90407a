import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isWhole, type JobPlan, readReportLines, readTerminationMessage } from '../../crds/index.ts'
import { planConfigMaps } from '../../protocol/index.ts'
import { columnsOf, planOf, writeStore } from '../export/store.ts'
import { convoke, folderOf } from '../support/cli.ts'
import { largePlan } from '../support/large-plan.ts'

const input = {
  run: 'act-offers-1',
  scheduledTime: '2026-12-01T04:00:00Z',
  now: '2026-12-01T04:00:00Z',
  trigger: 'Schedule',
}

/** Writes the parts of a plan as a kubelet mounts them: links through `..data` into a folder of a time. */
function mount(folder: string, plan: JobPlan, without: readonly string[] = []): string {
  const path = join(folder, 'plan')
  mkdirSync(join(path, '..2026_12_01'), { recursive: true })
  symlinkSync('..2026_12_01', join(path, '..data'))
  for (const { binaryData } of planConfigMaps(plan))
    for (const [name, part] of Object.entries(binaryData)) {
      if (without.includes(name)) continue
      writeFileSync(join(path, '..2026_12_01', name), Buffer.from(part, 'base64'))
      symlinkSync(join('..data', name), join(path, name))
    }
  return path
}

const exportWith = (folder: string, plan: string) =>
  convoke(['export', '--plan', plan, '--run', 'run.json', '--volumes', '.'], { cwd: folder })

describe('a plan given as a folder', () => {
  test('is read from its mounted parts', () => {
    using folder = folderOf({ 'run.json': JSON.stringify(input) })
    const { code, out } = exportWith(folder.path, mount(folder.path, largePlan()))
    // So far it comes: the claim is not there.
    expect(JSON.parse(out)).toMatchObject({ step: 'export', error: { reason: 'MissingVolume' } })
    expect(code).toBe(1)
  })

  test.each([
    ['a part in the middle', ['plan.json.gz.001'], 'there is no plan.json.gz.001 in it'],
    ['its last part', ['plan.json.gz.002'], 'its 2 parts are not one whole plan'],
    [
      'every part',
      ['plan.json.gz.000', 'plan.json.gz.001', 'plan.json.gz.002'],
      'there is no plan.json.gz.000 in it; mount every ConfigMap',
    ],
  ])('is refused without %s', (_, without, message) => {
    using folder = folderOf({ 'run.json': JSON.stringify(input) })
    const { code, err } = exportWith(folder.path, mount(folder.path, largePlan(), without))
    expect(err).toContain(message)
    expect(code).toBe(2)
  })

  test('is refused where it is not the plan that its digest names', () => {
    using folder = folderOf({ 'run.json': JSON.stringify(input) })
    const plan = planOf({})
    const { code, err } = exportWith(
      folder.path,
      mount(folder.path, { ...plan, target: { ...plan.target, name: 'other' } }),
    )
    expect(err).toContain(`says it is ${plan.digest} but is sha256:`)
    expect(code).toBe(2)
  })
})

const plan = planOf({
  columns: columnsOf('external_id=id:string!*'),
  segments: ['gold', 'silver'].map((name) => ({ name, displayName: name })),
})

/** A folder with plan, run input, and a store in which two Segments have been evaluated. */
async function podOf(files: Readonly<Record<string, string>> = {}) {
  const folder = folderOf({
    'plan.json': JSON.stringify(plan),
    'run.json': JSON.stringify(input),
    'landing-zone/.keep': '',
    ...files,
  })
  await writeStore(join(folder.path, 'profile-store/retail'), {
    version: 'v1',
    columns: [{ path: 'id', type: 'string' }],
    profiles: { p: { id: 'P1' }, q: { id: 'P2' } },
    members: { gold: { p: '2026-11-01T00:00:00Z', q: '2026-11-01T00:00:00Z' }, silver: { q: '2026-11-01T00:00:00Z' } },
  })
  return folder
}

const inPod = ['--plan', 'plan.json', '--run', 'run.json', '--volumes', '.', '--termination-log', 'message']
const messageIn = (folder: { readonly path: string }) =>
  readTerminationMessage(readFileSync(join(folder.path, 'message'), 'utf8'))

describe('a step in a Pod', () => {
  test('ends its log with the whole report, and leaves it without details as the message', async () => {
    using folder = await podOf()
    const { code, out } = convoke(['export', ...inPod], { cwd: folder.path })
    expect(code).toBe(0)
    const { report, details } = readReportLines(out)!
    expect(details.map(({ segment }) => segment)).toEqual(['gold', 'silver'])
    expect(isWhole(report, details)).toBe(true)
    expect(report).toMatchObject({ step: 'export', run: input.run, outcome: 'Succeeded', totals: { rows: 3 } })
    expect(messageIn(folder)).toEqual(report)
  })

  test.each([
    ['cannot be read', '{', 'cannot be read as a JobPlan'],
    ['is of another version', JSON.stringify({ ...plan, kind: 'Plan' }), 'is not a JobPlan this version understands'],
  ])('reports a plan that %s, which is no use to try again', async (_, text, message) => {
    using folder = await podOf({ 'plan.json': text })
    const { code, out } = convoke(['export', ...inPod], { cwd: folder.path })
    expect(code).toBe(64)
    const expected = {
      step: 'export',
      run: input.run,
      attempt: 1,
      outcome: 'Failed',
      error: { reason: 'InvalidPlan', message: expect.stringContaining(message), retryable: false },
    }
    expect(messageIn(folder)).toMatchObject(expected)
    expect(readReportLines(out)?.report).toMatchObject(expected)
  })

  test.each(['{', JSON.stringify({ ...input, run: '../elsewhere' })])(
    'leaves no message where it does not know whose: %s',
    async (text) => {
      using folder = await podOf({ 'run.json': text })
      const { code, err } = convoke(['export', ...inPod], { cwd: folder.path })
      expect(code).toBe(2)
      expect(err).toContain('run.json')
      expect(existsSync(join(folder.path, 'message'))).toBe(false)
    },
  )

  test('reports in the log what it cannot leave as a message', async () => {
    using folder = await podOf({ message: '' })
    const { code, out, err } = convoke(['export', ...inPod.slice(0, -1), 'nowhere/message'], { cwd: folder.path })
    expect(code).toBe(0)
    expect(err).toContain('`nowhere/message` cannot be written')
    expect(readReportLines(out)?.report.outcome).toBe('Succeeded')
  })

  test.each([
    ['a claim', {}, {}, 'PersistentVolumeClaim `none` is not mounted in this Pod'],
    [
      'a secret',
      { location: { s3: { bucket: 'b', forcePathStyle: false, credentialsSecretRef: { name: 'keys' } } } },
      {},
      'Create it: `kubectl -n default create secret generic keys --from-file=accessKeyId=FILE`',
    ],
    [
      'a secret, which is mounted as an empty folder',
      { location: { s3: { bucket: 'b', forcePathStyle: false, credentialsSecretRef: { name: 'keys' } } } },
      { 'secrets/keys/..data/.keep': '' },
      'There is no Secret `keys` with the key `accessKeyId`. Create it',
    ],
    [
      'a key of a secret',
      { location: { s3: { bucket: 'b', forcePathStyle: false, credentialsSecretRef: { name: 'keys' } } } },
      { 'secrets/keys/accessKeyId': 'a' },
      `Add it: \`kubectl -n default patch secret keys -p '{"stringData":{"secretAccessKey":"…"}}'\``,
    ],
  ])('says in words of a cluster that %s is missing, and may be tried again', async (_, choices, files, message) => {
    using folder = await podOf({
      'plan.json': JSON.stringify(planOf({ location: { volume: { claimName: 'none' } }, ...choices })),
      ...files,
    })
    const { code } = convoke(['export', ...inPod, '--secrets', 'secrets'], { cwd: folder.path })
    expect(messageIn(folder)?.error).toMatchObject({
      message: expect.stringContaining(message),
      retryable: true,
    })
    expect(code).toBe(1)
  })
})

describe('convoke report', () => {
  const again = ['report', ...inPod, '--step', 'export']

  test('prints what the step had printed', async () => {
    using folder = await podOf()
    const { out } = convoke(['export', ...inPod], { cwd: folder.path })
    const message = readFileSync(join(folder.path, 'message'), 'utf8')
    writeFileSync(join(folder.path, 'message'), '')
    expect(convoke(again, { cwd: folder.path })).toMatchObject({ code: 0, out })
    expect(readFileSync(join(folder.path, 'message'), 'utf8')).toBe(message)
    expect(
      convoke(
        again.filter((word) => !/message|termination/.test(word)),
        { cwd: folder.path },
      ).out,
    ).toBe(out)
  })

  test('prints a failed attempt too, and counts as fine', async () => {
    using folder = await podOf({ 'plan.json': JSON.stringify(planOf({ segments: [{ name: 'x', displayName: 'x' }] })) })
    const { code, out } = convoke(['export', ...inPod], { cwd: folder.path })
    expect(code).toBe(1)
    expect(convoke(again, { cwd: folder.path })).toMatchObject({ code: 0, out })
  })

  test.each([
    ['there is none', null, 'there is no reports/act-offers-1/export-1.json'],
    ['it is cut', (text: string) => text.slice(0, -20), 'cannot be read'],
    ['it was changed', (text: string) => text.replace('"members": 2', '"members": 3'), 'is not what its digest says'],
    ['it is something else', () => '{}', 'is no report'],
  ])('reports a fault where %s', async (_, change, message) => {
    using folder = await podOf()
    const path = join(folder.path, 'profile-store/retail/reports/act-offers-1/export-1.json')
    if (change !== null) {
      convoke(['export', ...inPod], { cwd: folder.path })
      writeFileSync(path, change(readFileSync(path, 'utf8')))
    }
    const { code, out } = convoke(again, { cwd: folder.path })
    const expected = {
      step: 'export',
      run: 'act-offers-1',
      outcome: 'Failed',
      error: { reason: 'MissingReport', message: expect.stringContaining(message), retryable: true },
    }
    expect(readReportLines(out)?.report).toMatchObject(expected)
    expect(messageIn(folder)).toMatchObject(expected)
    expect(code).toBe(1)
  })
})
