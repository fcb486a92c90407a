// What Campaign has of each Activation is remembered beside it: through edits, deletions, restores and lost Runs, and beyond what a status shows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ResourceByKind } from '#crds'
import { openCluster, pathOf } from '../api/convoke.ts'
import { patience, tries } from '../support/soak.ts'
import { withSpec } from './bundle.ts'
import { conditionOf } from './harness.ts'
import { activation, foundation, openStage, type Stage, succeed, tomorrow } from './stage.ts'

const cluster = await openCluster()
/** So often nobody waits for the shortest interval. */
const free = withSpec('CampaignInstance', 'production', (spec) => ({
  ...spec,
  enforcement: { minActivationInterval: 'Warn' },
}))
/** By one place for each the Activations of these tests do not meet. */
const place = withSpec('Destination', 'landing-zone', (spec) => ({
  ...spec,
  file: { nameTemplate: '{destination}_{activation}_{segment}_{timestamp}' },
}))
const never = tomorrow('00:00', 4000)

describe.skipIf(cluster === null)('what Campaign has', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(cluster!, {
      bundle: [
        ...foundation().filter(({ kind }) => kind !== 'CampaignInstance' && kind !== 'Destination'),
        free,
        place,
      ],
    })
    await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
  })
  afterAll(() => stage?.leave())

  const apply = async (name: string, change = (spec: object): object => spec): Promise<void> => {
    await stage.apply(activation(name, change, never))
    await stage.looked('Activation', name)
  }
  const run = async (name: string): Promise<string> => {
    const made = await stage.request({ kind: 'Activation', name })
    expect(await stage.finished(made)).toMatchObject({ reason: 'Succeeded' })
    return made
  }
  /** What its export was told that Campaign has: the Run of each Segment. */
  const told = (made: string): readonly string[] => {
    const { input } = stage.works.find((work) => work.input.run === made && work.step === 'export')!
    return [...new Set(Object.values(input.baselines ?? {}))]
  }
  const gone = (name: string) =>
    stage.until(async () =>
      expect((await stage.list('Activation')).map(({ metadata }) => metadata.name)).not.toContain(name),
    )
  const remove = async (name: string): Promise<void> => {
    await stage.remove('Activation', name)
    await gone(name)
    await collected(stage, name)
  }
  const memoryPath = (name: string) => `/api/v1/namespaces/${stage.namespace}/configmaps/delivered-${name}`

  test('is there when its Activation is made anew, in the same place', async () => {
    await apply('anew')
    const first = await run('anew')
    await remove('anew')
    await apply('anew')
    expect(told(await run('anew'))).toEqual([first])
  })

  test('is not taken for that of another place', async () => {
    await stage.apply({ ...place, metadata: { name: 'elsewhere' } })
    await apply('moved')
    await run('moved')
    await remove('moved')
    await apply('moved', (spec) => ({ ...spec, destinationRef: { name: 'elsewhere' } }))
    expect(told(await run('moved'))).toEqual([])
  })

  test('is there when a restore has dropped all statuses', async () => {
    await apply('restored')
    const first = await run('restored')
    await stage.api('PATCH', `${pathOf('Activation', stage.namespace)}/restored/status`, {
      status: { baselines: null, lastActivatedTime: null },
    })
    expect(told(await run('restored'))).toEqual([first])
  })

  test('is taken over from the status where an earlier operator left it there', async () => {
    await apply('earlier')
    const first = await run('earlier')
    await stage.api('DELETE', memoryPath('earlier'))
    expect(told(await run('earlier'))).toEqual([first])
  })

  test('is unknown where it cannot be read', async () => {
    await apply('damaged')
    await run('damaged')
    await stage.api('PATCH', memoryPath('damaged'), { data: { 'delivered.json': '{"formatVersion": 1, "base' } })
    const second = await run('damaged')
    expect(told(second)).toEqual([])
    expect(told(await run('damaged'))).toEqual([second])
  })

  test('is unknown after a Run that was taken away at work', async () => {
    await apply('lost')
    await run('lost')
    stage.behave((work) =>
      work.step === 'import' && work.plan.target.name === 'lost' ? { kind: 'hang' } : succeed(work),
    )
    const taken = await stage.request({ kind: 'Activation', name: 'lost' })
    await stage.until(async () => expect((await stage.get('Run', taken)).status?.step).toBe('import'))
    await stage.remove('Run', taken)
    stage.behave(succeed)
    const after = await run('lost')
    expect(told(after)).toEqual([])
    expect(told(await run('lost'))).toEqual([after])
  })

  test('is whole beyond what a status shows', { timeout: patience(240_000) }, async () => {
    const names = Array.from({ length: tries(230, 2000) }, (_, index) => `many-${String(index).padStart(4, '0')}`)
    await stage.patch('CampaignInstance', 'production', { spec: { limits: { segments: 5000 } } })
    await stage.apply(...names.map((name) => segment(name)))
    await apply('many', (spec) => ({ ...spec, segmentRefs: names.map((name) => ({ name })) }))
    await stage.until(
      async () => expect((await stage.get('Activation', 'many')).status?.segments).toBe(names.length),
      60,
    )
    const first = await run('many')
    const second = await run('many')
    const { input } = stage.works.find((work) => work.input.run === second && work.step === 'export')!
    expect([Object.keys(input.baselines!).length, told(second)]).toEqual([names.length, [first]])
    expect((await stage.get('Run', second)).status!.segments).toHaveLength(names.length)
    expect((await stage.get('Activation', 'many')).status!.baselines).toHaveLength(200)
  })
})

/** As by the garbage collector. */
async function collected(stage: Stage, target: string): Promise<void> {
  for (const { metadata } of await stage.runs(target)) await stage.remove('Run', metadata.name)
}

function segment(name: string): ResourceByKind['Segment'] {
  return {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Segment',
    metadata: { name },
    spec: {
      profileStoreRef: { name: 'customers' },
      expression: 'loyalty.tier = "gold"',
      deletionPolicy: 'ExportExits',
    },
  }
}

describe.skipIf(cluster === null)('when Campaign got it', () => {
  test('is remembered though the Activation has another name since, and the operator was started anew', async () => {
    const stage = await openStage(cluster!, { bundle: [...foundation(), activation('before')] })
    try {
      await stage.annotate('ProfileStore', 'customers', { 'convoke.dev/suspend': 'true' })
      await stage.looked('Activation', 'before')
      stage.at(tomorrow('00:00'))
      await stage.until(async () => expect((await stage.runs('before'))[0]?.status?.finishedAt).toBeDefined())
      await stage.remove('Activation', 'before')
      await collected(stage, 'before')
      await stage.kill()
      await stage.start()
      await stage.apply(activation('after', (spec) => spec, tomorrow('01:00')))
      await stage.looked('Activation', 'after')
      stage.at(tomorrow('01:00'))
      await stage.until(async () => {
        const [run] = await stage.runs('after')
        expect(run && conditionOf(run, 'Succeeded')?.message).toMatch(new RegExp(`^Waits until ${tomorrow('03:00')}`))
      })
      stage.at(tomorrow('03:00'))
      expect(await stage.finished((await stage.runs('after'))[0]!.metadata.name)).toMatchObject({ reason: 'Succeeded' })
    } finally {
      await stage.leave()
    }
  })
})
