// What kube-apiserver makes of the CRDs, by its own code (test/crds/apiserver, built with Go): the TypeScript validators are
// compared with the schemas they come from, but only this says that a cluster takes them.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Kind, kinds } from '#crds'
import { readCrds } from '../../crds/generate.ts'
import { bundle, type Change, changed, exampleOf } from './documents.ts'

const hasGo = spawnSync('go', ['version']).status === 0
if (!hasGo) console.warn('Skipped what needs Go ≥ 1.26: the check of the CRDs by the code of kube-apiserver.')

type Answer = {
  readonly crds: readonly (readonly string[])[]
  readonly documents: readonly {
    readonly errors: readonly string[]
    readonly pruned: readonly string[]
    readonly stored: { readonly [field: string]: unknown }
  }[]
}

describe.skipIf(!hasGo)('kube-apiserver', () => {
  let folder: string
  let program: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-apiserver-'))
    program = join(folder, 'apiserver')
    const build = spawnSync('go', ['build', '-trimpath', '-o', program, '.'], {
      cwd: join(import.meta.dirname, 'apiserver'),
      encoding: 'utf8',
    })
    if (build.status !== 0) throw new Error(`go build failed:\n${build.stderr}`)
  }, 900_000)
  afterAll(() => rmSync(folder, { recursive: true }))

  function ask(documents: readonly { readonly new: object; readonly old?: object }[]): Answer {
    const input = JSON.stringify({ crds: readCrds().map(({ crd }) => crd), documents })
    const run = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 2 ** 28 })
    if (run.status !== 0) throw new Error(run.stderr)
    return JSON.parse(run.stdout)
  }

  test('takes every CRD: structural, and its rules within the cost limit', () => {
    expect(ask([]).crds).toEqual(Object.keys(kinds).map(() => []))
  })

  test('takes every resource of the example bundle as it is written, and adds nothing but an unobserved status', () => {
    const resources = [...bundle(), exampleOf('Run')]
    ask(resources.map((resource) => ({ new: resource }))).documents.forEach(({ errors, pruned, stored }, index) => {
      expect(errors).toEqual([])
      expect(pruned).toEqual([])
      expect(stored).toEqual({ ...resources[index], status: { observedGeneration: -1 } })
    })
  })

  const refused: readonly (readonly [title: string, kind: Kind, changes: readonly Change[], message: RegExp])[] = [
    [
      'an encrypted file',
      'Destination',
      [['spec.file.encryption', 'PGP']],
      /^spec\.file\.encryption: .*encrypted-file: /,
    ],
    [
      'an instance that creates profiles',
      'CampaignInstance',
      [['spec.unknownProfiles', 'Create']],
      /creates-profiles: /,
    ],
    [
      'two organizational units',
      'CampaignInstance',
      [['spec.organizationalUnits', ['north', 'south']]],
      /^spec\.organizationalUnits: .*multiple-organizational-units: /,
    ],
    ['Campaign Classic', 'CampaignInstance', [['spec.version', '7.3']], /unsupported-campaign-version: /],
    ['an IMS Organization of another form', 'Organization', [['spec.imsOrgId', 'folio']], /invalid-ims-org: /],
    ['no location', 'Destination', [['spec.location', {}]], /missing-field: a location is exactly one/],
    ['two locations', 'Dataset', [['spec.location.sftp', { host: 'h' }]], /invalid-value: a location is exactly one/],
    [
      'no primary identity',
      'ProfileStore',
      [['spec.identities.0.primary', false]],
      /missing-field: exactly one identity/,
    ],
    [
      'two primary identities',
      'ProfileStore',
      [['spec.identities.1.primary', true]],
      /invalid-value: exactly one identity/,
    ],
    ['events of nobody', 'Dataset', [['spec.record', 'Event']], /^spec\.identity: .*missing-field: /],
    ['Segments named and selected', 'Activation', [['spec.segmentSelector', {}]], /invalid-value: name the Segments/],
    ['two schedules', 'Activation', [['spec.schedule.after', 'Evaluation']], /invalid-value: a schedule is either/],
    [
      'an interval that begins nowhere',
      'Activation',
      [['spec.schedule.startAt', undefined]],
      /^spec\.schedule\.startAt: .*missing-field: /,
    ],
    [
      'a name that does not fit into a label',
      'Activation',
      [['metadata.name', 'a'.repeat(64)]],
      /^metadata\.name: Too long/,
    ],
  ]
  test('refuses what one resource alone decides, with the code the compiler gives', () => {
    const answers = ask(refused.map(([, kind, changes]) => ({ new: changed(exampleOf(kind), ...changes) }))).documents
    refused.forEach(([title, , , message], index) => {
      expect(answers[index]?.errors, title).toEqual([expect.stringMatching(message)])
    })
  })

  test('a Run cannot be changed, but its status can', () => {
    const run = exampleOf('Run')
    const [same, other] = ask([
      { old: run, new: { ...run, status: { step: 'export' } } },
      { old: run, new: changed(run, ['spec.trigger', 'Manual']) },
    ]).documents
    expect(same?.errors).toEqual([])
    expect(other?.errors).toEqual([
      expect.stringMatching(/^spec: .*invalid-value: the spec of a Run cannot be changed/),
    ])
  })
})
