// A namespace that asks too much of the compiler beside a quiet one: threads with limits, which are ended and replaced. Over ten seconds: limits
// are waited for.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterEach, expect, test } from 'vitest'
import { openAdmission } from '../../operator/admission.ts'
import type { Caches } from '../../operator/caches.ts'
import { type Answer, type Compiler, compilerHere, type Question } from '../../operator/compiler.ts'
import { admissionThread, compilerThreads, type ThreadOptions } from '../../operator/compiler-thread.ts'
import { type Definition, keyOf, type Resource } from '../../operator/definition.ts'
import { realClock } from '../../operator/kernel/clock.ts'
import { openNamespaces } from '../../operator/namespaces.ts'
import { openPace } from '../../operator/pace.ts'
import { virtualClock } from '../kernel/virtual-clock.ts'
import { minimal } from './bundle.ts'

const opened: Compiler[] = []
afterEach(async () => {
  for (const compiler of opened.splice(0)) await compiler.stop()
})

function threads(limits: Partial<ThreadOptions>): Compiler {
  const compiler = compilerThreads({ clock: realClock, quickMs: 60_000, longestMs: 60_000, memoryMiB: 512, ...limits })
  opened.push(compiler)
  return compiler
}

const inNamespace = (namespace: string, more: readonly object[] = []): readonly Definition[] =>
  [...minimal(), ...more].map((resource, index) => {
    const { metadata, ...rest } = resource as Definition
    return { ...rest, metadata: { namespace, uid: `${namespace}-${index}`, generation: 1, ...metadata } }
  })

/** Segments as large as the CRD lets them be, each a little different. */
const large = (count: number): readonly object[] =>
  Array.from({ length: count }, (_, segment) => ({
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'Segment',
    metadata: { name: `large-${segment}` },
    spec: {
      profileStoreRef: { name: 'customers' },
      expression: Array.from({ length: 5500 }, (_, index) => `customerId = "${segment}-${index}" or optOut`).join(
        ' or ',
      ),
    },
  }))

const whole = (set: readonly Definition[]): Question => ({ isWhole: true, set, gone: [], accepted: [], delivered: [] })

test('a thread says what the compiler says, and of what changed alone', { timeout: 120_000 }, async () => {
  const shop = inNamespace('shop')
  const [here, there] = [compilerHere(), threads({})]
  const first = await there.ask('shop', () => whole(shop))
  expect(first).toEqual(await here.ask('shop', () => whole(shop)))
  expect([...(first as Answer).plans.values()].every((plan) => plan !== null)).toBe(true)
  const at = shop.findIndex(({ kind }) => kind === 'Segment')
  const segment = shop[at] as Definition<'Segment'>
  const edited = { ...segment, spec: { ...segment.spec, description: 'Other words.' } }
  const second = (await there.ask('shop', (isWhole) => {
    expect(isWhole).toBe(false)
    return { ...whole([edited]), isWhole }
  })) as Answer
  expect([...second.plans.values()].some((plan) => plan !== null)).toBe(false)
  expect([...second.plans.keys()]).toEqual([...(first as Answer).plans.keys()])
  expect(second.views.size).toBe(0)
})

test.each([
  ['time', { quickMs: 300, longestMs: 600 }, /took more than 1 s and was ended\.$/],
  ['memory', { memoryMiB: 48 }, /took more than 48 MiB of memory and was ended\.$/],
] as const)(
  'what takes too much %s is ended, and the next question gets a new thread',
  {
    timeout: 300_000,
  },
  async (_, limits, reason) => {
    const compiler = threads(limits)
    const delay = monitorEventLoopDelay({ resolution: 10 })
    delay.enable()
    const hostile = await compiler.ask('hostile', () => whole(inNamespace('hostile', large(80))))
    delay.disable()
    expect(hostile).toEqual({ stopped: expect.stringMatching(reason) })
    // The Lease is renewed every few seconds.
    expect(delay.max / 1e6).toBeLessThan(5000)
  },
)

test('a quiet namespace is answered while another one never comes to an end', { timeout: 300_000 }, async () => {
  const compiler = threads({ quickMs: 10_000, longestMs: 10_000 })
  const quiet = inNamespace('quiet')
  await compiler.ask('quiet', () => whole(quiet))
  const giant = inNamespace('hostile', large(350))
  // The first answer is the end of the thread that most share; from then on it has one for itself.
  expect(await compiler.ask('hostile', () => whole(giant))).toHaveProperty('stopped')
  let isOver = false
  const again = compiler.ask('hostile', () => whole(giant)).finally(() => (isOver = true))
  const answer = await compiler.ask('quiet', (isWhole) => {
    expect(isWhole).toBe(true)
    return whole(quiet)
  })
  expect(answer).not.toHaveProperty('stopped')
  expect(isOver).toBe(false)
  expect(await again).toHaveProperty('stopped')
})

test("of many that take long few wait, so that they are in nobody's way", { timeout: 300_000 }, async () => {
  const compiler = threads({ quickMs: 200, longestMs: 1500 })
  const giant = inNamespace('hostile', large(120))
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const answers = await Promise.all(names.map((name) => compiler.ask(name, () => whole(giant))))
  const reasons = answers.map((answer) => ('stopped' in answer ? answer.stopped : 'answered'))
  const later = 'Other namespaces that take long to compile come first.'
  expect(reasons.filter((reason) => reason !== later).length).toBeGreaterThanOrEqual(3)
  expect(reasons).not.toContain('answered')
})

test('what cannot be compiled keeps its last plan, and says so', { timeout: 120_000 }, async () => {
  let definitions = inNamespace('shop')
  const resources = (): readonly Resource[] =>
    definitions.map((definition) => ({
      kind: definition.kind,
      namespace: 'shop',
      name: definition.metadata.name,
      uid: definition.metadata.uid!,
      resourceVersion: '1',
      generation: definition.metadata.generation!,
      definition,
      status: {},
    })) as unknown as readonly Resource[]
  const find = (kind: string, name: string): Resource | null =>
    resources().find((resource) => resource.kind === kind && resource.name === name) ?? null
  const caches = {
    ofNamespace: resources,
    get: (kind: string, _: string, name: string) => find(kind, name),
    memory: () => null,
    excessOf: () => null,
  } as unknown as Caches // the copies, as far as compiling reads them
  let stopped: string | null = null
  const real = compilerHere()
  const namespaces = openNamespaces(caches, {
    ...real,
    ask: async (...args) => (stopped === null ? real.ask(...args) : { stopped }),
  })
  const changed = (): void => {
    for (const { kind, name } of resources()) namespaces.changed(kind, 'shop', name)
  }
  changed()
  expect(await namespaces.compile('shop')).toEqual({ touched: expect.any(Array), stopped: null })
  const store = find('ProfileStore', 'customers')!
  const plan = namespaces.settledOf('shop')!.plans.get(keyOf(store))
  const before = namespaces.viewOf(store)!

  stopped = 'Compiling this namespace took more than 60 s and was ended.'
  definitions = definitions.map((definition) =>
    definition.kind === 'Segment' && definition.metadata.name === 'gold-members'
      ? { ...definition, metadata: { ...definition.metadata, generation: 2 } }
      : definition,
  )
  changed()
  expect(namespaces.isStale('shop')).toBe(true)
  expect((await namespaces.compile('shop')).stopped).toBe(stopped)
  expect(namespaces.settledOf('shop')!.plans.get(keyOf(store))).toBe(plan)
  const claim = { status: 'True', type: 'Reconciling', reason: 'CompileStopped' }
  const message = `${stopped} Until it is smaller, the plans before stay in use.`
  expect(namespaces.viewOf(store)).toEqual({ ...before, claims: [...before.claims, { ...claim, message }] })
  expect(namespaces.viewOf(find('Segment', 'gold-members')!)!.claims).toEqual([
    { type: 'Ready', status: 'False', reason: 'CompileStopped', message },
    { ...claim, message },
  ])
  changed()
  // Runs do not wait for what does not come.
  expect(namespaces.isStale('shop')).toBe(false)

  stopped = null
  const { touched } = await namespaces.compile('shop')
  expect(touched).toHaveLength(definitions.length)
  expect(namespaces.viewOf(store)).toEqual(before)
})

test('namespaces that together are too large are not even asked about', async () => {
  const giant = inNamespace('shop', large(1)).map((definition) =>
    definition.metadata.name === 'large-0'
      ? { ...definition, spec: { ...definition.spec, expression: 'x'.repeat(100_000_001) } }
      : definition,
  )
  const resources = giant.map((definition) => ({
    kind: definition.kind,
    namespace: 'shop',
    name: definition.metadata.name,
    definition,
  }))
  const caches = {
    ofNamespace: () => resources,
    get: () => null,
    memory: () => null,
    excessOf: () => null,
  } as unknown as Caches
  const { compile } = openNamespaces(caches, { ...compilerHere(), ask: () => Promise.reject(new Error('asked')) })
  expect((await compile('shop')).stopped).toBe(
    'The expressions of this namespace come to 100 million characters; they may be 100 million.',
  )
})

const review = (object: Definition) => ({
  uid: 'u',
  kind: { group: 'convoke.dev', kind: object.kind },
  namespace: 'shop',
  operation: 'UPDATE' as const,
  object,
})

test('a resource that is applied is examined on a thread; what takes too long there is let in with a warning', {
  timeout: 300_000,
}, async () => {
  const admitter = admissionThread({ clock: realClock, longestMs: 3000, memoryMiB: 1024 })
  const shop = inNamespace('shop')
  const segment = shop.find(({ kind }) => kind === 'Segment') as Definition<'Segment'>
  const others = (more: readonly object[]) => ({
    excessOf: () => null,
    ofNamespace: () =>
      inNamespace('shop', more).map((definition) => ({
        ...definition,
        namespace: 'shop',
        name: definition.metadata.name,
        definition,
      })),
  })
  const wrong = { ...segment, spec: { ...segment.spec, expression: 'loyalty.teir = "gold"' } } as Definition
  const quiet = openAdmission(others([]) as unknown as Caches, admitter)
  // The first answer may take the start of the thread, which is not counted.
  expect(await quiet(review(wrong))).toMatchObject({ allowed: false, status: { code: 422 } })
  expect(await quiet(review(segment))).toEqual({ uid: 'u', allowed: true })
  const hostile = openAdmission(others(large(300)) as unknown as Caches, admitter)
  expect(await hostile(review(segment))).toEqual({
    uid: 'u',
    allowed: true,
    warnings: [
      'Convoke has not checked this: Compiling this namespace took more than 3 s and was ended. Its conditions will say what is found.',
    ],
  })
  expect(await quiet(review(segment))).toEqual({ uid: 'u', allowed: true })
  await admitter.stop()
})

test('thousands of unknown fields are refused in a few lines', async () => {
  const shop = inNamespace('shop')
  const segment = shop.find(({ kind }) => kind === 'Segment')!
  const keys = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`key${index}`, 1]))
  const admit = openAdmission({ ofNamespace: () => [], excessOf: () => null } as unknown as Caches)
  const { allowed, status } = await admit(review({ ...segment, spec: { ...segment.spec, ...keys } } as Definition))
  expect(allowed).toBe(false)
  expect(status?.message.length).toBeLessThan(5000)
})

test('who takes long has its turn the more seldom', () => {
  const clock = virtualClock()
  const pace = openPace(clock)
  expect(pace.waitMs('a')).toBe(50)
  expect(pace.note('a', 200, false)).toBe(0)
  expect(pace.waitMs('a')).toBe(400)
  expect(pace.note('a', 5000, false)).toBe(5000)
  expect([pace.restMs('a'), pace.waitMs('a'), pace.restMs('b')]).toEqual([5000, 5000, 0])
  expect([1, 2, 3, 4, 5, 6, 7].map(() => pace.note('a', 60_000, true) / 60_000)).toEqual([1, 2, 4, 8, 16, 30, 30])
  expect(pace.note('a', 100, false)).toBe(0)
  expect(pace.note('a', 60_000, true)).toBe(60_000)
})
