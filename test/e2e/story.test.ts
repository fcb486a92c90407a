// One life of an installation on a real node: the chart installed, an example running in it from `kubectl apply` to recipients that are updated, and
// what happens to clusters meanwhile. The tests are chapters: each needs those before it.
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile } from '#compiler'
import { annotations, apiVersion, group, type Kind, kinds, labels, type ResourceByKind } from '#crds'
import { fine, pathOf } from '../api/convoke.ts'
import { grantsOf } from '../chart/grants.ts'
import { chart, manifestsOf } from '../chart/helm.ts'
import type { ApiObject } from '../cluster/api.ts'
import { type Campaign, startCampaign } from './campaign.ts'
import { manifests, openCluster, type Resources, resourcesIn } from './cluster.ts'
import { type Example, openExample } from './examples.ts'
import { operatorsOf } from './operators.ts'
import { newField, type Release, releaseBefore } from './release-before.ts'
import { type Span, usedBy } from './rights.ts'
import { type Runs, runsIn, until } from './runs.ts'
import { openVolumes, type Volumes } from './volumes.ts'

/** Rights that a story may do without, and when they are used. test/chart/rights.test.ts has all that are no matter of chance used. */
const rare: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [...Object.values(kinds).map(({ plural }) => `${group}/${plural}`), 'batch/jobs'].map((what) => [
      `get ${what}`,
      'a watch does not show for 2 s what was written',
    ]),
  ),
  'delete batch/jobs': 'a later Run takes the place of one (concurrencyPolicy: Replace)',
  'patch core/configmaps': 'a plan has outlived its target, which was made anew',
  'list core/events': 'a Job has had no Pod for 20 s',
  'patch core/events': 'something is told again',
}

const found = await openCluster()
if ('skip' in found) console.warn(`Skipped the story of an installation: ${found.skip}.`)

describe.skipIf('skip' in found)('an installation', { timeout: 180_000 }, () => {
  // The tests run only if there is one.
  const cluster = found as Exclude<typeof found, { readonly skip: string }>
  const { api, kubectl, helm, convoke } = cluster
  const release = 'convoke'
  /** Where it is, with an account that no other file's operators have. */
  const system = 'convoke-story'
  const operators = operatorsOf(api, system, release)
  const shop = `shop-${randomUUID().slice(0, 8)}`
  const folder = mkdtempSync(join(tmpdir(), 'convoke-story-'))
  const data = join(folder, 'volumes')
  const seconds: (readonly [chapter: string, seconds: number])[] = []
  let example: Example
  let store: { readonly kind: 'ProfileStore'; readonly name: string }
  let activation: { readonly kind: 'Activation'; readonly name: string }
  let before: Release
  let uninstalled: Span
  let free: () => Promise<void>
  /** Resources as they were applied last, the latest first. */
  const changed: Applied[] = []
  let resources: Resources
  let runs: Runs
  let volumes: Volumes
  let campaign: Campaign

  beforeAll(() => {
    mkdirSync(data)
    example = openExample(data)
    store = { kind: 'ProfileStore', name: example.store }
    activation = { kind: 'Activation', name: example.activations[0]! }
    resources = resourcesIn(cluster, shop)
    runs = runsIn(cluster, shop, resources)
  })
  afterAll(async () => {
    await campaign?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
    const total = seconds.reduce((sum, [, each]) => sum + each, 0)
    const table = [...seconds, ['in all', total] as const]
    console.log(table.map(([chapter, each]) => `${each.toFixed(1).padStart(7)} s  ${chapter}`).join('\n'))
  })

  let broken: string | null = null
  /** A part of the story. Once one has failed, nothing is known of what comes after it. */
  function chapter(title: string, tell: () => Promise<void>): void {
    test(title, async (context) => {
      if (broken !== null) context.skip(`after "${broken}"`)
      const start = performance.now()
      broken = title
      await tell().catch(async (error: unknown) => {
        console.log(await scene())
        throw error
      })
      broken = null
      seconds.push([title, (performance.now() - start) / 1000])
    })
  }

  chapter('claims are bound, data is in them, and Campaign has its recipients', async () => {
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
  })

  chapter('a release of the chart is installed: two operators are ready, one of them leads', async () => {
    await kubectl(['apply', '-f', '-'], manifests({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: system } }))
    // Other files of a run may have left them, of today.
    const definitions = Object.values(kinds).map(({ plural }) => `${plural}.${group}`)
    await kubectl(['delete', 'customresourcedefinitions', ...definitions, '--ignore-not-found', '--timeout=60s'])
    before = await releaseBefore(cluster, system, volumes, folder)
    await install('install', before.chart, before.values)
    expect((await operators.list()).map(({ ready }) => ready)).toEqual([true, true])
    await until('one leads', operators.leader)
  })

  chapter('an example is applied: everything is Ready', async () => {
    await resources.apply(...example.resources.map(adapted))
    await ready()
  })

  chapter('its store is evaluated: every Segment has the members it ought to have', async () => {
    await runs.make('day-1', store, { now: example.at[0] })
    await runs.finished('day-1')
    expect(await members()).toEqual(example.members[example.at[0]])
  })

  chapter('its Activations deliver, asked for by command or annotation: recipients are updated', async () => {
    const recipients = await campaign.query('SELECT external_id FROM recipients ORDER BY 1')
    const [, ...others] = example.activations
    const asked = new Date().toISOString()
    for (const name of others)
      await resources.patch('Activation', name, { metadata: { annotations: { [annotations.requestedAt]: asked } } })
    const { code, out, err } = await convoke('run', activation.name, '-n', shop, '--wait', '--timeout', '2m')
    expect([code, err]).toEqual([0, expect.stringMatching(/export[\s\S]*import/)])
    expect(out).toMatch(/^Run\/act-[\s\S]*✓ act-\S+ succeeded/)
    for (const name of others) await runs.finished(await runs.answered({ kind: 'Activation', name }, asked))
    // Update only: nobody was made, nobody is gone.
    expect(await campaign.query('SELECT external_id FROM recipients ORDER BY 1')).toEqual(recipients)
    expect(await campaign.query(example.updated.campaign)).toEqual(await inFiles(example.updated.files))
  })

  chapter('statuses and metrics say what happened', async () => {
    const { status } = await resources.get('ProfileStore', store.name)
    expect(status).toMatchObject({ ...example.counted, evaluatedAt: example.at[0], activeRuns: [] })
    for (const name of example.activations) {
      const delivered = await resources.get('Activation', name)
      expect(delivered.status).toMatchObject({ activeRuns: [], held: [] })
      expect(delivered.status?.baselines).not.toEqual([])
    }
    const { pod } = (await operators.leader())!
    const series = await operators.metrics(pod)
    const count = (kind: string): number | undefined =>
      series.get(`convoke_runs_total{kind="${kind}",outcome="Succeeded"}`)
    expect([count('ProfileStore'), count('Activation')]).toEqual([1, example.activations.length])
    for (const [segment, count] of Object.entries(example.members[example.at[0]]!))
      expect(series.get(`convoke_segment_members{namespace="${shop}",segment="${segment}"}`)).toBe(count)
    for (const operator of await operators.list()) {
      const master = await operators.metrics(operator.pod)
      const leads = [...master].filter(([name]) => name.startsWith('leader_election_master_status'))
      expect(leads.map(([, value]) => value)).toEqual([operator.pod === pod ? 1 : 0])
    }
    const { code, out } = await convoke('status', '-n', shop)
    expect([code, out]).toEqual([0, expect.stringContaining(activation.name)])
    expect((await convoke('logs', 'day-1', '-n', shop)).out).toContain('evaluate')
  })

  chapter('a Segment is edited: who is not in it any more is delivered as an exit and leaves the list', async () => {
    const { segment, from, to } = example.edit
    const listed = await list(segment)
    await edit(segment, (expression) => expression.replace(from, to))
    await runs.make('edited', store, { now: example.at[0] })
    await runs.finished('edited')
    const stay = await leftInEdited(example.at[0])
    expect(await members()).toEqual({ ...example.members[example.at[0]], [segment]: stay.length })

    const { code, out } = await convoke('run', activation.name, '-n', shop, '--wait', '--timeout', '2m')
    expect([code, out]).toEqual([0, expect.stringContaining('succeeded')])
    expect(await list(segment)).toEqual(listed.filter((id) => stay.includes(id)))
    const run = await runs.finished(/Run\/(\S+)/.exec(out)![1]!)
    const { manifest, exited } = run.status!.segments!.find((each) => each.segment === segment)!
    const files = await volumes.read('landing-zone')
    const [, text] = Object.entries(files).find(([path]) => manifest!.endsWith(path.replace(/.*\//, '')))!
    const [{ name }] = JSON.parse(text).files
    const [, file] = Object.entries(files).find(([path]) => path.endsWith(`/${name}`))!
    const exits = file.split('\n').filter((line) => line.endsWith(',exited'))
    expect(exits).toHaveLength(exited!)
    const ids = exits.map((line) => line.split(',')[0]!)
    expect(ids).toEqual(expect.arrayContaining(listed.filter((id) => !stay.includes(id))))
    expect(ids.filter((id) => stay.includes(id))).toEqual([])
  })

  chapter('a day later only who entered or left is news', async () => {
    await runs.make('day-2', store, { now: example.at[1] })
    await runs.finished('day-2')
    const { segment } = example.edit
    const { length } = await leftInEdited(example.at[1])
    expect(await members()).toEqual({ ...example.members[example.at[1]], [segment]: length })
  })

  chapter('what Campaign logs comes back as an event of the store', async () => {
    const campaignLogs = { kind: 'CampaignSource', name: 'campaign-logs' } as const
    await campaign.query(`CREATE TABLE delivery_logs AS
      SELECT external_id, now() AS last_modified FROM recipients ORDER BY 1 LIMIT 1; GRANT SELECT ON delivery_logs TO convoke`)
    const instance = example.resources.find(({ kind }) => kind === 'CampaignInstance')!
    await resources.apply({
      apiVersion,
      kind: campaignLogs.kind,
      metadata: { name: campaignLogs.name, annotations: { [annotations.suspend]: 'true' } },
      spec: {
        campaignInstanceRef: { name: instance.metadata.name },
        profileStoreRef: { name: example.store },
        schedule: '30 * * * *',
        identity: { namespace: example.identity, column: 'external_id' },
        tables: [{ name: 'delivery_logs', eventType: 'campaign.sent', watermark: 'last_modified' }],
      },
    })
    await kubectl(['-n', shop, 'wait', `campaignsource/${campaignLogs.name}`, '--for=condition=Ready', '--timeout=60s'])
    await runs.make('logs', campaignLogs)
    await onceEach('logs', ['extract'])
    const { status } = await resources.get(campaignLogs.kind, campaignLogs.name)
    expect(status).toMatchObject({ rows: 1, activeRuns: [] })
  })

  chapter('the leader is killed in mid-Run: another operator ends the Runs, and nothing is done twice', async () => {
    const leader = (await operators.leader())!
    await runs.make('evaluated-by-two', store, { now: example.at[1] })
    await runs.make('delivered-by-two', activation)
    await Promise.all([runs.pods('evaluated-by-two', 'ingest'), runs.pods('delivered-by-two', 'export')])
    operators.crash(leader.pod)
    await onceEach('evaluated-by-two', ['ingest', 'evaluate'])
    await onceEach('delivered-by-two', ['export', 'import'])
    const next = await operators.leader()
    expect(next).not.toBeNull()
    expect(next!.identity).not.toBe(leader.identity)
  })

  chapter(
    'the node is drained: a step waits for another place, one operator stays; and back: the Run ends',
    async () => {
      const leader = (await operators.leader())!
      await runs.make('drained', store, { now: example.at[1] })
      const pods = await runs.pods('drained', 'ingest')
      await kubectl(['cordon', '--selector=kubernetes.io/os=linux'])
      try {
        for (const pod of pods) expect(await evict(shop, pod)).toBe(201)
        const others = (await operators.list()).filter(({ pod }) => pod !== leader.pod)
        // The one that was killed counts again when it is ready.
        await until('the leader is evicted', async () => ((await evict(system, leader.pod)) === 201 ? true : null))
        // Nothing takes the place of the first one while there is none to have.
        for (const { pod } of others) expect(await evict(system, pod)).toBe(429)
        await until('the other one leads', async () => {
          const next = await operators.leader()
          return next !== null && next.pod !== leader.pod ? next : null
        })
      } finally {
        await kubectl(['uncordon', '--selector=kubernetes.io/os=linux'])
      }
      await runs.finished('drained')
      expect(await runs.steps('drained')).toEqual([
        ['ingest', 1, 'Succeeded'],
        ['evaluate', 1, 'Succeeded'],
      ])
      await kubectl(['-n', system, 'rollout', 'status', `deployment/${release}`, '--timeout=60s'])
    },
  )

  chapter('a suspended Activation lets its slot pass; resumed, it runs at the next one', async () => {
    const name = example.activations.at(-1)!
    const scheduled = async (): Promise<string[]> => {
      const own = (await resources.list('Run')).filter(({ spec }) => spec.target.name === name)
      return own.filter(({ spec }) => spec.trigger !== 'Manual').map(({ spec }) => spec.scheduledTime)
    }
    const missed = inSeconds(6)
    await change('Activation', name, { schedule: { every: '24h', startAt: missed } })
    await sleep(Date.parse(missed) - Date.now() + 1500)
    expect(await scheduled()).toEqual([])
    const slot = inSeconds(10)
    await change('Activation', name, { schedule: { every: '24h', startAt: slot } }, { [annotations.suspend]: 'false' })
    const times = await until('it was run', async () => {
      const found = await scheduled()
      return found.length > 0 ? found : null
    })
    expect(times).toEqual([slot])
    const [run] = (await resources.list('Run')).filter(({ spec }) => spec.scheduledTime === slot)
    await runs.finished(run!.metadata.name)
    await change('Activation', name, {}, { [annotations.suspend]: 'true' })
  })

  chapter("the operator's image alone is upgraded: it says that the kinds are older, and runs nothing", async () => {
    const { segment } = example.edit
    await edit(segment, (expression) => expression)
    await runs.make('edited-back', store, { now: example.at[1] })
    await runs.finished('edited-back')
    free = await campaign.occupy()
    // Where a circuit breaker is, so many who enter at once are not let in unasked.
    await runs.make('in-flight', activation, { approved: [segment] })
    await runs.pods('in-flight', 'import')

    await install('upgrade', before.chart)
    for (const { kind, metadata } of example.resources)
      await until(`${kind} ${metadata.name} says what is wrong`, async () => {
        const { status } = (await resources.get(kind, metadata.name)) as Conditioned
        const is = status?.conditions?.find(({ type }) => type === 'Ready')
        return is?.reason === 'CrdOutdated' && is.message.includes(`lacks spec.${newField.name}.`) ? is : null
      })
    await runs.make('asked-for-meanwhile', store, { now: example.at[1] })
  })

  chapter('the chart is upgraded: the Run that was in flight ends, and what is new can be used', async () => {
    const { status } = await resources.get('Run', 'asked-for-meanwhile')
    expect(status?.startedAt).toBeUndefined()
    const { segment } = example.edit
    const narrower = await campaign.query('SELECT 1 FROM convoke.audience_members WHERE segment = $1', [segment])
    await install('upgrade', chart)
    await ready()
    await free()
    await onceEach('in-flight', ['export', 'import'])
    await onceEach('asked-for-meanwhile', ['ingest', 'evaluate'])
    expect(await members()).toEqual(example.members[example.at[1]])
    expect((await list(segment)).length).toBeGreaterThan(narrower.length)

    const { planDigest } = (await resources.get('Activation', activation.name)).status!
    await change(newField.kind, activation.name, { [newField.name]: newField.value })
    await until('the Activation has another plan', async () => {
      const found = await resources.get('Activation', activation.name)
      return found.status?.planDigest === planDigest ? null : found
    })
  })

  chapter('helm test runs one tiny Activation', async () => {
    const said = await helm(['test', release, '-n', system, '--logs', '--timeout=120s'])
    expect(said).toMatch(/Phase: +Succeeded[\s\S]*1 membership = 1 delivered/)
  })

  chapter('the release is uninstalled and installed again: nothing is lost, nothing is done again', async () => {
    const state = async () => ({
      resources: await everything(),
      campaign: await campaign.query('SELECT * FROM convoke.audience_members ORDER BY 1, 2'),
      files: [await volumes.list('profile-store'), await volumes.list('landing-zone')],
    })
    const known = await state()
    const from = new Date()
    await helm(['uninstall', release, '-n', system, '--wait', '--timeout=60s'])
    expect(await state()).toEqual(known)
    uninstalled = [from, new Date()]
    await install('install', chart)
    const { pod } = await until('one leads', operators.leader)
    await until('it has looked at everything', async () => {
      const passes = [...(await operators.metrics(pod))].filter(([name]) =>
        name.startsWith('controller_runtime_reconcile_total'),
      )
      const count = passes.reduce((sum, [, each]) => sum + each, 0)
      return count > Object.keys(known.resources).length ? count : null
    })
    expect(await state()).toEqual(known)
  })

  chapter('the namespace is deleted in mid-Run, and is gone', async () => {
    await runs.make('never-ended', store, { now: example.at[1] })
    await runs.pods('never-ended', 'ingest')
    await kubectl(['delete', 'namespace', shop, '--timeout=90s'])
    expect((await api('GET', `/api/v1/namespaces/${shop}`)).status).toBe(404)
  })

  chapter('the operators used their rights, all of them, and asked for no more', async () => {
    const text = await helm(['get', 'manifest', release, '-n', system])
    const granted: Record<string, readonly string[]> = {}
    for (const grants of Object.values(grantsOf(manifestsOf(text), { release, namespace: system })))
      for (const [what, verbs] of Object.entries(grants)) {
        const resource = what.replace(/:.*/, '')
        granted[resource] = [...new Set([...(granted[resource] ?? []), ...verbs])].sort()
      }
    const used = usedBy(`system:serviceaccount:${system}:${release}`, cluster.audit, uninstalled)
    expect(used.forbidden).toEqual([])
    const unused = Object.entries(granted).flatMap(([what, verbs]) =>
      verbs.filter((verb) => !used.verbs[what]?.includes(verb)).map((verb) => `${verb} ${what}`),
    )
    const count = (by: Readonly<Record<string, readonly string[]>>): number => Object.values(by).flat().length
    console.log(`verbs used: ${count(used.verbs)} of ${count(granted)}; not used: ${unused.join(', ')}`)
    expect(unused.filter((each) => !(each in rare))).toEqual([])
  })

  chapter('the release and its kinds are uninstalled, and nothing is left', async () => {
    await install('upgrade', chart, { crds: { keep: false } })
    await helm(['uninstall', release, '-n', system, '--wait', '--timeout=60s'])
    await until('the kinds are gone', async () => ((await api('GET', pathOf('Run'))).status === 404 ? true : null))
    await kubectl(['delete', 'namespace', system, '--wait=false'])
  })

  const [repository, tag] = cluster.image.split(/:(?=[^:]+$)/)

  async function install(verb: 'install' | 'upgrade', path: string, values: object = {}): Promise<void> {
    const options = ['-n', system, '--create-namespace', '--wait', '--timeout=120s']
    await helm([verb, release, path, ...options], { image: { repository, tag }, ...values })
  }

  /** As in Git but for what a test cannot wait for: nothing runs by itself before its chapter, Segments may be activated at any time, and old news too. */
  function adapted(resource: Applied): Applied {
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

  /** Applies one of the example's resources with these fields of its spec, and those of before. */
  async function change(
    kind: Kind,
    name: string,
    spec: object,
    own: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const is = (each: Applied): boolean => each.kind === kind && each.metadata.name === name
    const { metadata, ...before } = changed.find(is) ?? adapted(example.resources.find(is)!)
    const after = {
      ...before,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...own } },
      spec: { ...before.spec, ...spec },
    } as Applied
    changed.unshift(after)
    await resources.apply(after)
  }

  /** Applies a Segment with an expression made of the example's; the store has its plan when it resolves. */
  async function edit(segment: string, to: (expression: string) => string): Promise<void> {
    const { planDigest } = (await resources.get('ProfileStore', store.name)).status!
    const own = example.resources.find(({ kind, metadata }) => kind === 'Segment' && metadata.name === segment)!
    await change('Segment', segment, { expression: to((own as ResourceByKind['Segment']).spec.expression) })
    await until('the store has another plan', async () => {
      const { status } = await resources.get('ProfileStore', store.name)
      return status?.planDigest === planDigest ? null : status
    })
  }

  async function ready(): Promise<void> {
    const own = [...new Set(example.resources.map(({ kind }) => kinds[kind].plural))].join(',')
    await kubectl(['-n', shop, 'wait', own, '--all', '--for=condition=Ready', '--timeout=60s'])
  }

  /** What a drain does to each Pod of a node: 429 where a disruption budget is against it. */
  async function evict(namespace: string, pod: string): Promise<number> {
    const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod, namespace } }
    return (await api('POST', `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`, { body })).status
  }

  /** A Run that has succeeded, each step by one Pod of one Job, and what it delivered imported once. */
  async function onceEach(name: string, steps: readonly string[]): Promise<void> {
    const { status } = await runs.finished(name)
    expect(status!.steps!.map((step) => [step.name, step.attempt, step.outcome])).toEqual(
      steps.map((step) => [step, 1, 'Succeeded']),
    )
    const path = `/api/v1/namespaces/${shop}/pods?labelSelector=${labels.run}=${name}`
    const { items } = await fine(api<{ readonly items: readonly ApiObject[] }>('GET', path))
    expect(items.map(({ metadata }) => (metadata['labels'] as Record<string, string>)[labels.step]).sort()).toEqual(
      [...steps].sort(),
    )
    const imported = await campaign.query('SELECT file FROM convoke.import_ledger WHERE run = $1', [name])
    const delivered = status!.steps!.find((step) => step.name === 'export')?.totals?.['files'] ?? 0
    expect(imported).toHaveLength(Number(delivered))
  }

  /** Every resource of Convoke's, which none has a finalizer. */
  async function everything(): Promise<Readonly<Record<string, object>>> {
    const found: Record<string, object> = {}
    // The keys of a table.
    for (const kind of Object.keys(kinds) as Kind[])
      for (const { metadata, spec, status } of await resources.list(kind)) {
        expect(metadata.finalizers).toBeUndefined()
        found[`${kind}/${metadata.name}`] = { uid: metadata.uid, spec, status }
      }
    return found
  }

  async function members(): Promise<Readonly<Record<string, number | undefined>>> {
    const segments = await resources.list('Segment')
    return Object.fromEntries(segments.map(({ metadata, status }) => [metadata.name, status?.members]))
  }

  /** Keys of a Segment's list in Campaign. */
  async function list(segment: string): Promise<readonly string[]> {
    const sql = 'SELECT recipient_key->>0 AS id FROM convoke.audience_members WHERE segment = $1 ORDER BY 1'
    return (await campaign.query(sql, [segment])).map(({ id }) => String(id))
  }

  async function leftInEdited(now: string): Promise<readonly string[]> {
    return (await inFiles(example.edit.left, { now })).map(({ id }) => String(id))
  }

  /** Rows of SQL over the example's files. */
  async function inFiles(sql: string, values: Readonly<Record<string, string>> = {}) {
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
      ['-n', system, 'get', 'pods', '-o', 'wide'],
      ['-n', system, 'logs', '-l', 'app.kubernetes.io/component=operator', '--tail=40', '--prefix'],
    ]
    const said = looks.map((args) => kubectl(args).then((out) => `kubectl ${args.join(' ')}\n${out}`, String))
    return (await Promise.all(said)).join('\n')
  }
})

type Applied = Example['resources'][number]

type Conditioned = {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly reason: string
      readonly message: string
    }[]
  }
}

function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z/, 'Z')
}
