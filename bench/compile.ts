import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, compileObjects, openSession, readYaml, type Source, valueOf } from '#compiler'
import { isKind, kinds, schemaOf } from '#crds'

const store = `apiVersion: convoke.dev/v1alpha1
kind: Organization
metadata: {name: acme}
spec: {imsOrgId: 9A1B2C3D4E5F60718293A4B5@AdobeOrg, entitlements: [RealTimeCDP, Sources, Destinations], productContexts: [Campaign]}
---
apiVersion: convoke.dev/v1alpha1
kind: ProfileStore
metadata: {name: retail}
spec:
  organizationRef: {name: acme}
  schema:
    profile:
      type: object
      properties:
        customerId: {type: string}
        homeAddress: {type: object, properties: {countryCode: {type: string}, city: {type: string}}}
        loyalty: {type: object, properties: {tier: {type: string, enum: [bronze, silver, gold]}, points: {type: integer}}}
    event:
      type: object
      properties:
        timestamp: {type: string, format: date-time}
        eventType: {type: string}
        commerce: {type: object, properties: {order: {type: object, properties: {priceTotal: {type: number}}}}}
  identities: [{namespace: CustomerId, path: customerId, primary: true}]
  storage: {volume: {claimName: profile-store}}
`

/** Segments as people write them: attributes, windows, aggregates, references, sequences, each with its own numbers. */
export function segmentSources(count: number): Source[] {
  const expressions = [
    (n: number) => `loyalty.tier = "gold" and loyalty.points >= ${n}`,
    (n: number) =>
      `homeAddress.countryCode in ["DE", "AT", "CH"]\n    and xEvent[eventType = "purchase"].count() >= ${1 + (n % 9)}`,
    (n: number) =>
      `exists E from xEvent where E.eventType = "purchase" and E.timestamp occurs <= ${1 + (n % 365)} days before now`,
    (n: number) =>
      `xEvent[eventType = "purchase" and timestamp occurs <= ${1 + (n % 90)} days before now].sum(commerce.order.priceTotal) > ${n}.5`,
    (n: number) =>
      `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view"), B: WHAT(eventType = "purchase") WHEN(<= ${1 + (n % 30)} days before now)])`,
    (n: number) => `inSegment("segment-${n - 1}") and not (homeAddress.city.contains("x", false))`,
  ]
  const segments = Array.from(
    { length: count },
    (_, index): Source => ({
      file: `segments/segment-${String(index).padStart(6, '0')}.yaml`,
      text: `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata:
  name: segment-${index}
  labels:
    team: crm
    wave: "${index % 7}"
  annotations:
    owner: marketing
spec:
  profileStoreRef:
    name: retail
  displayName: Segment number ${index}
  description: One of many, made to be measured.
  evaluation: Batch
  deletionPolicy: Retain
  expression: |
    ${expressions[index % expressions.length]!(index)}
`,
    }),
  )
  return [{ file: 'store.yaml', text: store }, ...segments]
}

/**
 * `bench compile [N] [FILES]`: N Segments (1,000) from text to plans, in one process; twice as many, for growth; 10,000 Segments as
 * the operator holds them, of which one changes; and FILES files (10,000) by `convoke check` against kubeconform's schema step, cold processes in
 * turn, where Go is there to build it.
 */
export function run(args: readonly string[]): object {
  const count = Number(args[0] ?? 1000)
  const cold = measure(count)
  const warm = measure(count)
  const double = measure(count * 2)
  const maxRssMiB = Math.round(process.resourceUsage().maxRSS / 1024)
  return {
    cold,
    warm,
    double,
    oneOfObjects: oneChanged(10_000),
    growth: double.cpuSeconds / warm.cpuSeconds,
    maxRssMiB,
    files: sideBySide(Number(args[1] ?? 10_000)),
  }
}

function measure(size: number) {
  const sources = segmentSources(size)
  const before = process.cpuUsage()
  const started = performance.now()
  const { diagnostics, plans } = compile(sources)
  const plansOfStores = plans.length
  const seconds = (performance.now() - started) / 1000
  const cpu = process.cpuUsage(before)
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length
  return { segments: size, seconds, cpuSeconds: (cpu.user + cpu.system) / 1e6, errors, plans: plansOfStores }
}

/** CPU milliseconds to compile everything again when one Segment has changed: in one store, in namespaces of 50, and with all plans. */
function oneChanged(size: number): object {
  const [bundle, ...segments] = segmentSources(size).map(({ text }) => readYaml(text).documents.map(valueOf))
  const resources = (bundle ?? []) as Resource[] // maps with metadata, as they are written above
  const all = segments.flat() as Resource[]
  const into = (namespace: string) => (resource: Resource) => ({
    ...resource,
    metadata: { ...resource.metadata, namespace },
  })
  const apart = all.flatMap((segment, index) => {
    const own = into(`n${Math.floor(index / 50)}`)
    return index % 50 === 0 ? [...resources.map(own), own(segment)] : [own(segment)]
  })
  return {
    oneStore: recompiled([...resources, ...all], false),
    storesOf50: recompiled(apart, false),
    storesOf50WithPlans: recompiled(apart, true),
  }
}

type Resource = { readonly metadata: object; readonly spec: object }

function recompiled(objects: readonly Resource[], withPlans: boolean): object {
  const session = openSession()
  const at = objects.length - 1
  const milliseconds = Array.from({ length: 40 }, (_, round) => {
    const changed = { ...objects[at]!, spec: { ...objects[at]!.spec, expression: `loyalty.points > ${round}` } }
    const before = process.threadCpuUsage()
    const compilation = compileObjects(objects.with(at, changed), { session })
    if (withPlans) void compilation.plans.length
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1000
  })
  const [first, ...others] = milliseconds
  others.sort((a, b) => a - b)
  return { first: Math.round(first!), fastest: Math.round(others[0]!), median: Math.round(others[others.length >> 1]!) }
}

const kubeconformVersion = 'v0.8.0'

function sideBySide(count: number): object {
  const root = join(import.meta.dirname, '..')
  const bin = join(root, '.cache', 'bin')
  const kubeconform = join(bin, 'kubeconform')
  if (!existsSync(kubeconform)) {
    const built = spawnSync('go', ['install', `github.com/yannh/kubeconform/cmd/kubeconform@${kubeconformVersion}`], {
      env: { ...process.env, GOBIN: bin },
    })
    if (built.status !== 0) return { skipped: 'kubeconform could not be built: Go is missing or has no modules' }
  }
  const folder = mkdtempSync(join(tmpdir(), 'convoke-bench-'))
  try {
    mkdirSync(join(folder, 'resources', 'segments'), { recursive: true })
    mkdirSync(join(folder, 'schemas'))
    for (const { file, text } of segmentSources(count)) writeFileSync(join(folder, 'resources', file), text)
    for (const kind of Object.keys(kinds).filter(isKind))
      writeFileSync(join(folder, 'schemas', `${kind.toLowerCase()}.json`), JSON.stringify(schemaOf(kind)))
    const commands = {
      convokeCheck: `${join(root, 'bin/convoke')} check ${folder}/resources`,
      kubeconform: `${kubeconform} -n 1 -summary -schema-location '${folder}/schemas/{{.ResourceKind}}.json' ${folder}/resources`,
    }
    const rounds = 5
    const figures = Object.entries(commands).map(([name]) => [name, [] as number[], [] as number[]] as const)
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, command] of Object.values(commands).entries()) {
        const { stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='%R %U %S'; time ${command} >/dev/null 2>&1`], {
          encoding: 'utf8',
        })
        const [wall = 0, user = 0, system = 0] = stderr.trim().split(' ').map(Number)
        figures[index]![1].push(wall)
        figures[index]![2].push(user + system)
      }
    }
    const median = (values: number[]): number => values.sort((a, b) => a - b)[rounds >> 1]!
    const result = Object.fromEntries(
      figures.map(([name, wall, cpu]) => [name, { wallSeconds: median(wall), cpuSeconds: median(cpu) }]),
    )
    return { files: count, ...result, cpuRatio: result['convokeCheck']!.cpuSeconds / result['kubeconform']!.cpuSeconds }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
