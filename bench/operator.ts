import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kinds, labels, managedBy } from '#crds'
import { readCrds } from '../crds/generate.ts'
import { bundle } from '../image/build.ts'
import { type Api, apiOf } from '../test/cluster/api.ts'
import { startApiServer } from '../test/cluster/api-server.ts'
import { findPrograms } from '../test/cluster/binaries.ts'

const convoke = '/apis/convoke.dev/v1alpha1'

/**
 * `npm run bench -- operator [segments] [activations] [jobs]`: the operator as a process of its own beside a real API server, on one
 * machine. Measures how long until everything is ready, first and after a restart; memory; how late the Runs of Activations that are all
 * due in one second are made, against the plain creation of as many by as many workers; how long there is no leader; what waiting costs.
 * Times in seconds.
 */
export async function run([
  segments = '10000',
  activations = '1000',
  jobs = '20000',
]: readonly string[]): Promise<object> {
  const programs = await findPrograms(['etcd', 'kube-apiserver'])
  if ('skip' in programs) return programs
  const program = await bundled()
  const server = await startApiServer(programs)
  const processes: Operator[] = []
  const operator = async (name: string): Promise<Operator> => {
    const started = await startProcess(program, server.kubeconfig, name)
    processes.push(started)
    return started
  }
  try {
    const api = await apiOf(server.kubeconfig)
    await installCrds(api)
    const startAt = Date.now()
    const scale = { segments: Number(segments), activations: Number(activations), jobs: Number(jobs) }
    await fill(api, scale)
    const fillSeconds = secondsSince(startAt)
    console.error(`filled in ${fillSeconds} s`)

    const bareWrites = await bareStatusWrites(api, scale)
    const first = await operator('first')
    const firstSeconds = await ready(api, first, scale)
    console.error(`ready in ${firstSeconds} s`)
    const firstReconciles = sumOf(await first.metrics(), 'controller_runtime_reconcile_total')
    const firstMemory = first.peakMemoryMiB()
    const firstCpu = valueOf(await first.metrics(), 'process_cpu_seconds_total')
    first.child.kill('SIGTERM')
    await once(first.child, 'exit')

    const second = await operator('second')
    const restartSeconds = await steady(second)
    const restartMemory = second.peakMemoryMiB()

    const idle = await idleMinute(second)

    const skew = await burst(api, second, scale.activations)

    const third = await operator('third')
    await third.synced()
    const cleanSeconds = await failover(second, third, 'SIGTERM')
    const fourth = await operator('fourth')
    await fourth.synced()
    const crashSeconds = await failover(third, fourth, 'SIGKILL')

    return {
      ...scale,
      fillSeconds,
      start: {
        readySeconds: firstSeconds,
        passesPerSecond: Math.round(firstReconciles / firstSeconds),
        statusWritesPerSecond: Math.round((scale.segments + scale.activations) / firstSeconds),
        bareStatusWritesPerSecond: bareWrites,
        peakMemoryMiB: firstMemory,
        cpuSeconds: firstCpu,
      },
      restart: { steadySeconds: restartSeconds, peakMemoryMiB: restartMemory },
      idle,
      skew,
      failover: { cleanSeconds, crashSeconds },
    }
  } finally {
    for (const { child } of processes) child.kill('SIGKILL')
    await server.stop()
  }
}

type Scale = { readonly segments: number; readonly activations: number; readonly jobs: number }

type Operator = {
  readonly child: ChildProcess
  readonly metrics: () => Promise<string>
  readonly synced: () => Promise<void>
  readonly leads: () => Promise<boolean>
  readonly peakMemoryMiB: () => number
}

const namespaces = 10
/** Flags as in the chart. */
const flags = ['--max-semi-space-size=8']
const hands = 32
/** The operator's default concurrency. */
const operatorHands = 16

async function startProcess(program: string, kubeconfig: string, name: string): Promise<Operator> {
  const args = [...flags, program, 'operator', '--kubeconfig', kubeconfig, '--health-port', '0', '--metrics-port', '0']
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, POD_NAME: name },
  })
  const ports = Promise.withResolvers<{ metricsPort: number; healthPort: number }>()
  let text = ''
  child.stdout.on('data', (part: Buffer) => {
    text += part
    const line = text.split('\n').find((each) => each.includes('healthPort'))
    if (line) ports.resolve(JSON.parse(line))
  })
  const { metricsPort, healthPort } = await ports.promise
  // A new connection each time: one that is kept may be closed just when it is used.
  const ask = (port: number, path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  const metrics = async (): Promise<string> => (await ask(metricsPort, '/metrics')).text()
  return {
    child,
    metrics,
    synced: async () => {
      while ((await ask(healthPort, '/readyz')).status !== 200) await sleep(50)
    },
    leads: async () => valueOf(await metrics(), 'leader_election_master_status{name="convoke-operator"}') === 1,
    peakMemoryMiB: () =>
      Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024),
  }
}

/** The program of the product's image. */
async function bundled(): Promise<string> {
  const folder = join(import.meta.dirname, '../.work/bench-operator')
  await bundle(join(folder, 'cli'))
  cpSync(join(import.meta.dirname, '../package.json'), join(folder, 'package.json'))
  return join(folder, 'cli', 'main.js')
}

async function installCrds(api: Api): Promise<void> {
  for (const { crd } of readCrds())
    await api('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: crd })
  for (const { plural } of Object.values(kinds))
    while ((await api('GET', `${convoke}/${plural}`)).status !== 200) await sleep(100)
}

async function fill(api: Api, { segments, activations, jobs }: Scale): Promise<void> {
  const tasks: (() => Promise<unknown>)[] = []
  const create = (path: string, body: object): void =>
    void tasks.push(async () => {
      const answer = await api('POST', path, { body })
      if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    })
  const [ownSegments, ownActivations, ownJobs] = [segments, activations, jobs].map((all) =>
    Math.ceil(all / namespaces),
  ) as [number, number, number]
  for (let index = 0; index < namespaces; index++)
    await api('POST', '/api/v1/namespaces', { body: { metadata: { name: `bench-${index}` } } })
  for (let index = 0; index < namespaces; index++) {
    const place = `${convoke}/namespaces/bench-${index}`
    for (const [plural, body] of platform(ownSegments)) create(`${place}/${plural}`, body)
    for (let each = 0; each < ownSegments; each++) create(`${place}/segments`, segment(each))
    for (let each = 0; each < ownActivations; each++)
      create(`${place}/activations`, activation(each, Math.max(1, Math.floor(ownSegments / ownActivations))))
    for (let each = 0; each < ownJobs; each++) tasks.push(() => finishedJob(api, `bench-${index}`, each))
  }
  await inParallel(tasks)
}

function platform(segments: number): readonly (readonly [plural: string, body: object])[] {
  const of = (kind: string, spec: object): object => ({
    apiVersion: 'convoke.dev/v1alpha1',
    kind,
    metadata: { name: 'shop' },
    spec,
  })
  return [
    [
      'organizations',
      of('Organization', {
        imsOrgId: '1F2E3D4C5B6A79880A1B2C3D@AdobeOrg',
        entitlements: ['RealTimeCDP', 'Sources', 'Destinations'],
        productContexts: ['Campaign'],
      }),
    ],
    [
      'profilestores',
      of('ProfileStore', {
        organizationRef: { name: 'shop' },
        schema: {
          profile: {
            type: 'object',
            properties: {
              customerId: { type: 'string' },
              email: { type: 'string' },
              loyalty: { type: 'object', properties: { tier: { type: 'string' }, points: { type: 'integer' } } },
            },
          },
          event: { type: 'object', properties: { eventType: { type: 'string' }, total: { type: 'number' } } },
        },
        identities: [{ namespace: 'CustomerId', path: 'customerId', primary: true }],
        storage: { volume: { claimName: 'profile-store', path: 'shop' } },
      }),
    ],
    [
      'campaigninstances',
      of('CampaignInstance', {
        organizationRef: { name: 'shop' },
        version: '8.7',
        organizationalUnits: ['shop'],
        limits: { segments },
        targetMapping: {
          table: 'recipients',
          columns: [
            { name: 'external_id', type: 'Text' },
            { name: 'email', type: 'Text' },
          ],
          reconciliationKey: ['external_id'],
        },
      }),
    ],
    [
      'destinations',
      of('Destination', {
        campaignInstanceRef: { name: 'shop' },
        location: { volume: { claimName: 'landing-zone', path: 'audiences' } },
      }),
    ],
  ]
}

function segment(index: number): object {
  const tier = ['gold', 'silver', 'bronze'][index % 3]
  return {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Segment',
    metadata: { name: `segment-${index}` },
    spec: {
      profileStoreRef: { name: 'shop' },
      expression: `loyalty.tier = "${tier}" and loyalty.points >= ${index} and xEvent[eventType = "purchase" and total > ${index % 50}].count() >= ${1 + (index % 5)}`,
    },
  }
}

/** An Activation that is not due before `burst` says when. */
function activation(index: number, segments: number): object {
  return {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Activation',
    metadata: { name: `activation-${index}` },
    spec: {
      destinationRef: { name: 'shop' },
      segmentRefs: Array.from({ length: segments }, (_, each) => ({ name: `segment-${index * segments + each}` })),
      schedule: { every: '24h', startAt: '2099-01-01T00:00:00Z' },
      mapping: [
        { source: 'customerId', target: 'external_id', deduplicationKey: true, mandatory: true },
        { source: 'email', target: 'email' },
      ],
    },
  }
}

async function finishedJob(api: Api, namespace: string, index: number): Promise<void> {
  const name = `act-activation-${index}-29000000-export`
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const own = {
    [labels.managedBy]: managedBy,
    [labels.run]: `act-activation-${index}-29000000`,
    [labels.step]: 'export',
  }
  const container = {
    name: 'convoke',
    image: 'convoke:bench',
    args: ['export', '--plan', '/convoke/plan', '--run', '/convoke/run/run.json'],
  }
  await api('POST', path, {
    body: {
      metadata: { name, labels: own },
      spec: {
        managedBy: 'bench.convoke.dev/nobody',
        template: { metadata: { labels: own }, spec: { restartPolicy: 'Never', containers: [container] } },
      },
    },
  })
  const time = '2026-01-01T00:00:00Z'
  const condition = (type: string): object => ({
    type,
    status: 'True',
    reason: 'CompletionsReached',
    message: '',
    lastProbeTime: time,
    lastTransitionTime: time,
  })
  const answer = await api('PATCH', `${path}/${name}/status`, {
    contentType: 'application/merge-patch+json',
    body: {
      status: {
        startTime: time,
        completionTime: time,
        succeeded: 1,
        conditions: [condition('SuccessCriteriaMet'), condition('Complete')],
      },
    },
  })
  if (answer.status >= 300) throw new Error(`${name}: ${JSON.stringify(answer.body)}`)
}

/** How many statuses a second the API server takes from as many workers as the operator has, without any work between. */
async function bareStatusWrites(api: Api, { segments }: Scale): Promise<number> {
  const count = Math.min(1000, segments)
  const started = performance.now()
  await inParallel(
    Array.from({ length: count }, (_, index) => () => {
      const path = `${convoke}/namespaces/bench-${index % namespaces}/segments/segment-${Math.floor(index / namespaces)}/status`
      const body = { status: { effectiveLatency: '24h', activations: 0 } }
      return api('PATCH', path, { body, contentType: 'application/merge-patch+json' })
    }),
    operatorHands,
  )
  return Math.round(count / ((performance.now() - started) / 1000))
}

/** Seconds from the start of the process until every resource says that it is ready. */
async function ready(api: Api, operator: Operator, scale: Scale): Promise<number> {
  const started = Date.now()
  type List = {
    readonly items: readonly {
      readonly status?: { readonly conditions?: readonly { type: string; status: string }[] }
    }[]
    readonly metadata: { readonly continue?: string }
  }
  const isReady = ({ status }: List['items'][number]): boolean =>
    status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
  const wanted = scale.segments + scale.activations
  // The operator's own counts are asked first: listing thousands again and again would slow down what is measured.
  await steady(operator)
  for (;;) {
    let count = 0
    for (const plural of ['segments', 'activations']) {
      let next = ''
      do {
        const { body } = await api<List>(
          'GET',
          `${convoke}/${plural}?limit=500${next === '' ? '' : `&continue=${next}`}`,
        )
        count += body.items.filter(isReady).length
        next = body.metadata.continue ?? ''
      } while (next !== '')
    }
    if (count >= wanted) return secondsSince(started)
    await sleep(500)
  }
}

/** Seconds until the operator leads, and nothing is in work or waits within a second. */
async function steady(operator: Operator): Promise<number> {
  const started = Date.now()
  for (let quiet = 0, before = -1; quiet < 4; await sleep(250)) {
    const text = await operator.metrics()
    const passes = sumOf(text, 'controller_runtime_reconcile_total')
    const busy = sumOf(text, 'workqueue_depth') + sumOf(text, 'controller_runtime_active_workers')
    quiet = passes > 0 && passes === before && busy === 0 ? quiet + 1 : 0
    before = passes
  }
  return Math.max(0, secondsSince(started) - 1)
}

async function idleMinute(operator: Operator): Promise<object> {
  const before = await operator.metrics()
  await sleep(60_000)
  const after = await operator.metrics()
  const grown = (name: string): number => sumOf(after, name) - sumOf(before, name)
  return {
    cpuSecondsPerMinute: round(grown('process_cpu_seconds_total')),
    watchesPerMinute: grown('reflector_watches_total'),
    requestsPerMinute: grown('rest_client_requests_total'),
    residentMiB: Math.round(valueOf(after, 'process_resident_memory_bytes') / 2 ** 20),
  }
}

/** Makes all Activations due in one second. */
async function burst(api: Api, operator: Operator, activations: number): Promise<object> {
  const each = Math.ceil(activations / namespaces)
  const names = Array.from(
    { length: each * namespaces },
    (_, index) => [`bench-${Math.floor(index / each)}`, index % each] as const,
  )
  // For comparison: as many Runs, made by as many workers as the operator has.
  const bareStarted = performance.now()
  const bare: number[] = []
  await inParallel(
    names.map(([namespace, index]) => async () => {
      const spec = {
        target: { kind: 'Activation', name: `nobody-${index}` },
        scheduledTime: '2026-01-01T00:00:00Z',
        trigger: 'Manual',
      }
      await api('POST', `${convoke}/namespaces/${namespace}/runs`, {
        body: { apiVersion: 'convoke.dev/v1alpha1', kind: 'Run', metadata: { name: `bare-${index}` }, spec },
      })
      bare.push(performance.now() - bareStarted)
    }),
    operatorHands,
  )
  await steady(operator)
  const leadMs = 5000 + names.length * 12
  const due = new Date(Math.ceil((Date.now() + leadMs) / 1000) * 1000)
  const started = Date.now()
  await inParallel(
    names.map(([namespace, index]) => async () => {
      const body = { spec: { schedule: { every: '24h', startAt: due.toISOString().replace('.000', '') } } }
      await api('PATCH', `${convoke}/namespaces/${namespace}/activations/activation-${index}`, {
        body,
        contentType: 'application/merge-patch+json',
      })
    }),
  )
  const patchSeconds = secondsSince(started)
  if (Date.now() > due.getTime() - 2000) console.error(`The schedules were written too late (${patchSeconds} s).`)
  const count = async (): Promise<number> => sumOf(await operator.metrics(), 'convoke_run_start_skew_seconds_count')
  const countBefore = await count()
  while ((await count()) - countBefore < names.length) await sleep(100)
  const text = await operator.metrics()
  const buckets = [
    ...text.matchAll(/^convoke_run_start_skew_seconds_bucket\{le="([^"]+)",kind="Activation"\} (\d+)/gm),
  ].map(([, le, value]) => [Number(le === '+Inf' ? Infinity : le), Number(value)] as const)
  const within = (share: number): number =>
    buckets.find(([, value]) => value >= share * names.length)?.[0] ?? Number.NaN
  const sum = valueOf(text, 'convoke_run_start_skew_seconds_sum{kind="Activation"}')
  bare.sort((a, b) => a - b)
  return {
    due: names.length,
    meanSeconds: round(sum / names.length),
    p99AtMostSeconds: within(0.99),
    bareCreationMeanSeconds: round(bare.reduce((all, one) => all + one, 0) / bare.length / 1000),
    bareCreationP99Seconds: round(bare[Math.floor(bare.length * 0.99)]! / 1000),
  }
}

/** Seconds from the signal to the leader until the other process leads. */
async function failover(leader: Operator, other: Operator, signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
  const started = Date.now()
  leader.child.kill(signal)
  while (!(await other.leads())) await sleep(20)
  return secondsSince(started)
}

async function inParallel(tasks: readonly (() => Promise<unknown>)[], width = hands): Promise<void> {
  const left = tasks.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const task of left) await task()
    }),
  )
}

/** The value of one series, or of the first with that name. */
function valueOf(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `) || each.startsWith(`${series}{`))
  return Number(line?.split(' ').at(-1) ?? Number.NaN)
}

function sumOf(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

function secondsSince(started: number): number {
  return round((Date.now() - started) / 1000)
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
