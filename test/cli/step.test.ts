import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { planConfigMaps } from '../../compiler/index.ts'
import type { JobPlan } from '../../crds/index.ts'
import { planOf } from '../export/store.ts'
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
