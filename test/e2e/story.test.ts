// One life of an installation on a real node: the chart installed, an example running in it from `kubectl apply` to recipients that are updated, and
// what happens to clusters meanwhile. The tests are chapters: each needs those before it.
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { compile } from '#compiler'
import { annotations, type Run, type RunnableKind } from '#crds'
import { fine } from '../api/convoke.ts'
import { chart } from '../chart/helm.ts'
import { type Campaign, startCampaign } from './campaign.ts'
import { openCluster, type Resources, resourcesIn } from './cluster.ts'
import { type Example, openExample } from './examples.ts'
import { openVolumes, type Volumes } from './volumes.ts'

const found = await openCluster()
if ('skip' in found) console.warn(`Skipped the story of an installation: ${found.skip}.`)

describe.skipIf('skip' in found)('an installation', { timeout: 180_000 }, () => {
  // The tests run only if there is one.
  const cluster = found as Exclude<typeof found, { readonly skip: string }>
  const { api, kubectl, helm, convoke } = cluster
  const release = 'convoke'
  const shop = `shop-${randomUUID().slice(0, 8)}`
  const folder = mkdtempSync(join(tmpdir(), 'convoke-story-'))
  const data = join(folder, 'volumes')
  const seconds: [chapter: string, seconds: number][] = []
  let example: Example
  let resources: Resources
  let volumes: Volumes
  let campaign: Campaign

  beforeAll(() => {
    mkdirSync(data)
    example = openExample(data)
    resources = resourcesIn(cluster, shop)
  })
  afterAll(async () => {
    await campaign?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
    const total = seconds.reduce((sum, [, each]) => sum + each, 0)
    for (const [chapter, each] of [...seconds, ['in all', total] as const])
      console.log(`${each.toFixed(1).padStart(7)} s  ${chapter}`)
  })

  /** A part of the story; once one has failed, nothing is known of what comes after it. */
  let broken: string | null = null
  function chapter(title: string, tell: () => Promise<void>): void {
    test(title, async (context: TestContext) => {
      if (broken !== null) context.skip(`after "${broken}"`)
      const start = performance.now()
      broken = title
      try {
        await tell()
      } catch (error) {
        console.log(await scene())
        throw error
      }
      broken = null
      seconds.push([title, (performance.now() - start) / 1000])
    })
  }

  chapter('the chart is installed, and two operators are ready', async () => {
    await helm(['install', release, chart, '-n', release, '--create-namespace', '--wait', '--timeout=120s'], values())
    expect((await operators()).map(({ ready }) => ready)).toEqual([true, true])
  })

  chapter('an example is applied: claims are bound, data is there, everything is Ready', async () => {
    await kubectl(['create', 'namespace', shop])
    await kubectl(['label', 'namespace', shop, 'pod-security.kubernetes.io/enforce=restricted'])
    const { plans } = compile(example.files)
    const places = plans.flatMap((plan) => [
      plan.store?.volume,
      ...(plan.ingest?.datasets ?? []).map(({ location }) => location.volume),
      plan.export?.destination.location.volume,
    ])
    const claims = [...new Set(places.flatMap((volume) => volume?.claimName ?? []))].sort()
    volumes = await openVolumes(cluster, shop, claims)
    await volumes.load(join(data, 'landing'), 'landing')
    const plan = plans.find((each) => each.import)!.import!
    const csv = join(data, 'campaign', plan.instance, `${plan.target.table}.csv`)
    campaign = await startCampaign(cluster, shop, plan, csv)
    await resources.apply(...example.resources.map(adapted))
    const kinds = [...new Set(example.resources.map(({ kind }) => kind))].join(',')
    await kubectl(['-n', shop, 'wait', kinds, '--all', '--for=condition=Ready', '--timeout=60s'])
  })

  chapter('the store is evaluated as of its time: every Segment has the members it ought to have', async () => {
    const { name } = await runStore(0)
    const run = await finished(name)
    expect(run.status!.steps!.map(({ name: step, attempt, outcome }) => [step, attempt, outcome])).toEqual([
      ['ingest', 1, 'Succeeded'],
      ['evaluate', 1, 'Succeeded'],
    ])
    expect(await members()).toEqual(example.members[example.at[0]])
  })

  chapter(
    'its Activations are run by whoever likes to: files are exported and imported, recipients updated',
    async () => {
      const before = await campaign.query('SELECT external_id FROM recipients ORDER BY 1')
      const [first, ...others] = example.activations as readonly [string, ...string[]]
      const asked = new Date().toISOString()
      for (const name of others)
        await resources.patch('Activation', name, { metadata: { annotations: { [annotations.requestedAt]: asked } } })
      const { code, out, err } = await convoke('run', first, '-n', shop, '--wait', '--timeout', '2m')
      expect([code, err]).toEqual([0, expect.stringMatching(/export[\s\S]*import/)])
      expect(out).toMatch(/^Run\/act-[\s\S]*✓ act-\S+ succeeded/)
      for (const name of others) await finished(await requested('Activation', name, asked))
      // Update only: nobody was made, nobody is gone.
      expect(await campaign.query('SELECT external_id FROM recipients ORDER BY 1')).toEqual(before)
      expect(await campaign.query(example.updated.campaign)).toEqual(await inFiles(example.updated.files))
    },
  )

  const values = (): object => {
    const [repository, tag] = cluster.image.split(/:(?=[^:]+$)/)
    return { image: { repository, tag } }
  }

  /** As in Git but for what a test cannot wait for: nothing runs by itself before its chapter, Segments may be activated at any time, and old news too. */
  function adapted(resource: Example['resources'][number]): Example['resources'][number] {
    const { kind, metadata } = resource
    if (kind === 'CampaignInstance') {
      const { limits, enforcement } = resource.spec
      return {
        ...resource,
        spec: {
          ...resource.spec,
          limits: { ...limits, retention: '1000000h' },
          enforcement: { ...enforcement, minActivationInterval: 'Warn' },
        },
      }
    }
    if (kind !== 'ProfileStore' && kind !== 'Activation') return resource
    const suspended = { ...metadata, annotations: { ...metadata.annotations, [annotations.suspend]: 'true' } }
    return { ...resource, metadata: suspended } as typeof resource
  }

  type Operator = { readonly name: string; readonly ready: boolean }

  async function operators(): Promise<readonly Operator[]> {
    const list: { readonly items: readonly Pod[] } = await fine(
      api('GET', `/api/v1/namespaces/${release}/pods?labelSelector=app.kubernetes.io/component=operator`),
    )
    return list.items.map(({ metadata, status }) => ({
      name: metadata.name,
      ready: status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    }))
  }

  /** A Run of the store as of one of the example's instants. */
  async function runStore(day: 0 | 1, name = `day-${day + 1}`): Promise<{ readonly name: string }> {
    const [target, now] = [{ kind: 'ProfileStore' as const, name: example.store }, example.at[day]]
    await resources.apply({
      apiVersion: 'convoke.dev/v1alpha1',
      kind: 'Run',
      metadata: { name, namespace: shop },
      spec: { target, scheduledTime: now, now, trigger: 'Manual' },
    })
    return { name }
  }

  /** The Run that an annotation asked for. */
  async function requested(kind: RunnableKind, name: string, asked: string): Promise<string> {
    return until(`${kind} ${name} has a Run for ${asked}`, async () => {
      const { status } = (await resources.get(kind, name)) as { status?: { lastHandledRequestedAt?: string } }
      if (status?.lastHandledRequestedAt !== asked) return null
      const runs = await resources.list('Run')
      const own = runs.filter(({ spec }) => spec.target.kind === kind && spec.target.name === name)
      return own.sort(newestFirst)[0]?.metadata.name ?? null
    })
  }

  /** The Run when it has succeeded; it throws what became of it where it has not. */
  async function finished(name: string): Promise<Run> {
    return until(`${name} has succeeded`, async () => {
      const run = await resources.get('Run', name)
      const end = run.status?.conditions?.find(({ type }) => type === 'Succeeded')
      if (end?.status === 'False') throw new Error(`${name}: ${end.reason}: ${end.message}`)
      return end?.status === 'True' ? run : null
    })
  }

  async function members(): Promise<Readonly<Record<string, number | undefined>>> {
    const segments = await resources.list('Segment')
    return Object.fromEntries(segments.map(({ metadata, status }) => [metadata.name, status?.members]))
  }

  async function inFiles(sql: string, values: Readonly<Record<string, string>> = {}): Promise<object[]> {
    const duckdb = await DuckDBInstance.create(':memory:', { file_search_path: data })
    const connection = await duckdb.connect()
    try {
      return (await connection.runAndReadAll(sql, values)).getRowObjectsJson()
    } finally {
      connection.closeSync()
      duckdb.closeSync()
    }
  }

  /** What somebody would look at first after a failure. */
  async function scene(): Promise<string> {
    const looks = [
      ['-n', shop, 'get', 'convoke,jobs,pods', '-o', 'wide'],
      ['-n', shop, 'get', 'events', '--sort-by=.lastTimestamp'],
      ['-n', release, 'get', 'pods', '-o', 'wide'],
      ['-n', release, 'logs', '-l', 'app.kubernetes.io/component=operator', '--tail=40', '--prefix'],
    ]
    const said = looks.map((args) => kubectl(args).then((out) => `kubectl ${args.join(' ')}\n${out}`, String))
    return (await Promise.all(said)).join('\n')
  }
})

type Pod = {
  readonly metadata: { readonly name: string }
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] }
}

/** What `look` finds, however often it must look; it throws after two minutes. */
async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await sleep(200)) {
    const found = await look()
    if (found !== null) return found
  }
  throw new Error(`Not within two minutes: ${what}.`)
}

function newestFirst(a: Run, b: Run): number {
  return Date.parse(b.metadata.creationTimestamp!) - Date.parse(a.metadata.creationTimestamp!)
}
