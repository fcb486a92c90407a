// What Argo CD, Flux and kstatus (kubectl, Helm, kpt) make of a resource, by their own code and with the files of examples/gitops.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { annotations, type Kind, kinds } from '#crds'
import { exampleOf } from '../crds/documents.ts'

const hasGo = spawnSync('go', ['version']).status === 0
if (!hasGo) console.warn('Skipped what needs Go ≥ 1.26: health as Argo CD and Flux see it.')

const examples = join(import.meta.dirname, '../../examples/gitops')
const argo: Readonly<Record<string, string>> = parse(readFileSync(join(examples, 'argocd/argocd-cm.yaml'), 'utf8')).data
type HealthCheck = { readonly kind: string; readonly current: string; readonly failed: string }
const flux: readonly HealthCheck[] = parseAllDocuments(readFileSync(join(examples, 'flux/kustomizations.yaml'), 'utf8'))
  .map((document) => document.toJS())
  .flatMap(({ spec }) => spec.healthCheckExprs ?? [])

type Answer = {
  readonly lua?: { readonly status: string; readonly message?: string; readonly [field: string]: unknown }
  readonly flux?: string
  readonly kstatus?: string
  readonly error?: string
}

/** Ready, Stalled and so on → `status reason`. */
type Conditions = Readonly<Record<string, string>>

/** metadata.generation is 2. */
const table: readonly (readonly [
  title: string,
  observedGeneration: number,
  conditions: Conditions,
  argo: string,
  flux: string,
  kstatus: string,
])[] = [
  ['nobody has seen', -1, {}, 'Progressing', 'InProgress', 'InProgress'],
  ['was in order before it was edited', 1, { Ready: 'True Ready' }, 'Progressing', 'InProgress', 'InProgress'],
  [
    'was wrong before it was edited',
    1,
    { Ready: 'False CompileFailed', Stalled: 'True CompileFailed' },
    'Progressing',
    'InProgress',
    'InProgress',
  ],
  [
    'is in order',
    2,
    { Ready: 'True Ready', GuardrailsPassed: 'True GuardrailsPassed' },
    'Healthy',
    'Current',
    'Current',
  ],
  [
    'does not compile',
    2,
    { Ready: 'False CompileFailed', Stalled: 'True CompileFailed' },
    'Degraded',
    'Failed',
    'Failed',
  ],
  [
    'waits for what it refers to',
    2,
    { Ready: 'False WaitingForDependency' },
    'Progressing',
    'InProgress',
    'InProgress',
  ],
  [
    'is being worked on',
    2,
    { Ready: 'Unknown Progressing', Reconciling: 'True Progressing' },
    'Progressing',
    'InProgress',
    'InProgress',
  ],
  ['is suspended', 2, { Ready: 'True Suspended' }, 'Suspended', 'Current', 'Current'],
  ['failed last night', 2, { Ready: 'False RunFailed' }, 'Degraded', 'Current', 'InProgress'],
  ['has Segments that are held', 2, { Ready: 'False SegmentsHeld' }, 'Degraded', 'Current', 'InProgress'],
  ['is beyond the limit', 2, { Ready: 'False TooManySegments' }, 'Degraded', 'Failed', 'InProgress'],
  ['has no condition yet', 2, {}, 'Progressing', 'InProgress', 'Current'],
]

const runs: readonly (readonly [title: string, succeeded: string | null, health: string])[] = [
  ['nobody has seen', null, 'Progressing'],
  ['waits for its turn', 'Unknown Pending', 'Progressing'],
  ['runs', 'Unknown Running', 'Progressing'],
  ['succeeded', 'True Succeeded', 'Healthy'],
  ['succeeded but for what is held', 'True Held', 'Healthy'],
  ['failed', 'False ChecksumMismatch', 'Degraded'],
]

describe.skipIf(!hasGo)('a resource that', () => {
  let folder: string
  let program: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-judges-'))
    program = join(folder, 'judges')
    const build = spawnSync('go', ['build', '-trimpath', '-o', program, '.'], {
      cwd: join(import.meta.dirname, 'judges'),
      encoding: 'utf8',
    })
    if (build.status !== 0) throw new Error(`go build failed:\n${build.stderr}`)
  }, 900_000)
  afterAll(() => rmSync(folder, { recursive: true }))

  function ask(question: object): Answer {
    const { status, stdout, stderr } = spawnSync(program, { input: JSON.stringify([question]), encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    const [answer]: Answer[] = JSON.parse(stdout)
    expect(answer?.error).toBeUndefined()
    return answer!
  }

  test.each(table)('%s', (_, observedGeneration, conditions, argoHealth, fluxHealth, kstatus) => {
    for (const kind of Object.keys(kinds) as Kind[]) {
      if (kind === 'Run') continue
      const object = objectOf(kind, { observedGeneration, conditions: conditionsOf(conditions) })
      const cel = flux.find((check) => check.kind === kind)
      const answer = ask({ object, lua: argo[`resource.customizations.health.convoke.dev_${kind}`], cel })
      expect([kind, answer.lua?.status, answer.flux, answer.kstatus]).toEqual([kind, argoHealth, fluxHealth, kstatus])
      const said = conditions['Stalled'] ? 'Stalled' : conditions['Reconciling'] ? 'Reconciling' : 'Ready'
      if (observedGeneration === 2 && said in conditions) expect(answer.lua?.message).toBe(`what ${said} says`)
    }
  })

  test.each(runs)('is a Run and %s', (_, succeeded, health) => {
    const conditions = succeeded === null ? {} : { Succeeded: succeeded }
    const object = objectOf('Run', { observedGeneration: 2, conditions: conditionsOf(conditions) })
    const lua = argo['resource.customizations.health.convoke.dev_Run']
    expect(ask({ object, lua }).lua?.status).toBe(health)
  })

  describe('Argo CD offers', () => {
    const offered = (
      kind: Kind,
      change: { readonly metadata?: object; readonly status?: object },
    ): readonly string[] => {
      const actions = parse(argo[`resource.customizations.actions.convoke.dev_${kind}`]!)
      const { lua } = ask({ object: objectOf(kind, {}, change), lua: actions['discovery.lua'] })
      const names = actions.definitions.map(({ name }: { readonly name: string }) => name)
      // What is offered can be done.
      expect(Object.keys(lua!).sort()).toEqual([...names].sort())
      return names.filter((name: string) => !(lua![name] as { readonly disabled?: boolean }).disabled)
    }
    const done = (kind: Kind, action: string, change: object): Readonly<Record<string, string>> => {
      const { definitions } = parse(argo[`resource.customizations.actions.convoke.dev_${kind}`]!)
      const script = definitions.find(({ name }: { readonly name: string }) => name === action)['action.lua']
      const object = objectOf(kind, {}, change)
      const { lua } = ask({ object, lua: script })
      expect(lua?.['spec']).toEqual(object.spec)
      return (lua as unknown as { metadata: { annotations: Record<string, string> } }).metadata.annotations
    }
    const held = {
      status: {
        held: [
          { segment: 'patrons', reason: 'CircuitBreaker' },
          { segment: 'broken', reason: 'CompileFailed' },
          { segment: 'lapsed', reason: 'CircuitBreaker' },
        ],
      },
    }
    const suspended = { metadata: { annotations: { [annotations.suspend]: 'true', other: 'stays' } } }

    test('to run and to suspend what runs, and nothing of what does not', () => {
      expect(offered('ProfileStore', {})).toEqual(['run', 'suspend'])
      expect(offered('CampaignSource', {})).toEqual(['run', 'suspend'])
      expect(offered('Activation', {})).toEqual(['run', 'suspend'])
      expect(offered('Activation', suspended)).toEqual(['run', 'resume'])
      expect(offered('Activation', held)).toEqual(['run', 'suspend', 'approve'])
      expect(Object.keys(argo).filter((key) => key.includes('.actions.')).length).toBe(3)
    })

    test('what is done to stand in the annotations that the operator reads, and nowhere else', () => {
      const asked = done('Activation', 'run', suspended)[annotations.requestedAt]!
      expect(Math.abs(Date.parse(asked) - Date.now())).toBeLessThan(60_000)
      expect(done('Activation', 'suspend', {})).toEqual({ [annotations.suspend]: 'true' })
      expect(done('Activation', 'resume', suspended)).toEqual({ other: 'stays' })
      expect(done('Activation', 'approve', held)).toEqual({ [annotations.approve]: 'patrons,lapsed' })
    })
  })
})

function objectOf(kind: Kind, status: object, change: { readonly metadata?: object; readonly status?: object } = {}) {
  const { metadata, ...example } = exampleOf(kind)
  return {
    ...example,
    metadata: { name: metadata.name, generation: 2, ...change.metadata },
    status: { ...status, ...change.status },
  }
}

function conditionsOf(conditions: Conditions): readonly object[] {
  return Object.entries(conditions).map(([type, claim]) => {
    const [status, reason] = claim.split(' ')
    return { type, status, reason, message: `what ${type} says` }
  })
}
