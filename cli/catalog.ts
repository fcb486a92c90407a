import {
  type Compilation,
  conditionsQuery,
  coverageOf,
  numbersOf,
  reference,
  runCase,
  type SegmentModel,
  type StoreModel,
  type Sweep,
  segmentWaterfall,
  sweepOf,
  valuesAround,
  type Waterfall,
} from '#compiler'
import { countConditions, JobError, openStore, overlapOf, type Ports } from '#jobs'
import {
  type Catalog,
  type CountedSweep,
  type CountedWaterfall,
  catalogOf,
  runDocument,
  type Shared,
  type TestedCase,
} from '#views'
import type { Io } from './command.ts'
import { lookAround } from './look-around.ts'
import type { ProgressLine } from './progress.ts'
import type { Whereabouts } from './whereabouts.ts'

/** The most Segments of a store whose overlaps are computed: every pair of a person's Segments is looked at. */
const mostCompared = 500
/** The most Segments of a store that are counted with other numbers, which takes about seven conditions for each. */
const mostSwept = 150
/** How many conditions one query has at most. */
const mostConditions = 300

/** Everything known of a project: its resources, what its tests say, and what its stores hold, where they are at hand. */
export async function readCatalog(
  compilation: Compilation,
  { where, at }: { readonly where: Whereabouts; readonly at: Date },
  io: Io,
  line: ProgressLine,
): Promise<Catalog> {
  const { suites, model } = compilation
  const cases = await testedCases(compilation)
  const coverage = coverageOf(suites, model)
  return lookAround(compilation, { where, at, isWhole: true }, io, line, async (seen) => {
    const waterfalls = new Map<string, CountedWaterfall>()
    const overlaps = new Map<string, readonly Shared[]>()
    const sweeps = new Map<string, CountedSweep>()
    const gaps: string[] = []
    for (const store of seen ? model.stores : []) {
      try {
        await lookInto(store, compilation, seen!.ports, { waterfalls, overlaps, sweeps, gaps })
      } catch (error) {
        if (!(error instanceof JobError)) throw error
        if (error.reason !== 'NotEvaluated')
          gaps.push(`What the conditions of the Segments of ${store.resource.name} keep is not known: ${error.message}`)
      }
    }
    const knowledge = seen?.knowledge ?? { stores: [], activations: [], gaps: [] }
    const all = { ...knowledge, gaps: [...new Set([...knowledge.gaps, ...gaps])] }
    const run = runDocument({ compilation, at, outcomes: [], notices: [], knowledge: all })
    line.clear()
    return catalogOf({ compilation, run, cases, coverage, waterfalls, overlaps, sweeps })
  })
}

async function testedCases({ suites }: Compilation): Promise<readonly TestedCase[]> {
  const cases: TestedCase[] = []
  for (const { document, cases: all } of suites)
    for (const each of all) {
      const [first] = each.expressions
      cases.push({
        suite: document.name,
        namespace: document.namespace,
        name: each.name,
        // A name that no Segment can have stands for a case's own expression.
        segment: first === undefined || first.name.startsWith('$') ? null : first.name,
        passed: (await runCase(each, reference)).passed,
      })
    }
  return cases
}

type Found = {
  readonly waterfalls: Map<string, CountedWaterfall>
  readonly overlaps: Map<string, readonly Shared[]>
  readonly sweeps: Map<string, CountedSweep>
  readonly gaps: string[]
}

async function lookInto(store: StoreModel, { model, plans }: Compilation, ports: Ports, found: Found): Promise<void> {
  const { namespace, name } = store.resource
  const plan = plans.find(
    (each) => each.evaluate && each.target.namespace === namespace && each.target.name === name,
  )?.store
  if (!plan) return
  await using open = await openStore(plan, ports)
  if (!open.membership) return
  const now = open.membership.evaluatedAt
  const known = new Set(open.membership.segments.map(({ segment }) => segment))
  const segments = model.segments.filter((segment) => segment.store === store && known.has(segment.resource.name))
  const falls = segments.flatMap((segment): (readonly [SegmentModel, Waterfall])[] => {
    const fall = segmentWaterfall(segment, model)
    return fall ? [[segment, fall]] : []
  })
  for (const some of batches(falls, ({ steps }) => steps.length)) {
    const query = conditionsQuery(
      some.flatMap(([, { steps }]) => steps.map(({ condition }) => condition)),
      store,
    )
    ports.progress({
      step: 'conditions',
      subject: name,
      done: found.waterfalls.size,
      total: falls.length,
      unit: 'Segments',
    })
    const counts = await countConditions(open, plan, query, now)
    let at = 0
    for (const [segment, { joint, steps }] of some) {
      const key = `${namespace}/${segment.resource.name}`
      const counted = steps.map(({ phrase, otherwise }, index) => ({
        phrase,
        otherwise,
        value: counts[at + index] ?? 0,
      }))
      found.waterfalls.set(key, { joint, whole: open.data.profileCount, steps: counted })
      at += steps.length
    }
  }
  if (segments.length > mostCompared) {
    found.gaps.push(
      `Whom the Segments of ${name} share is not told: there are ${segments.length}, and up to ${mostCompared} are compared`,
    )
    return
  }
  const swept = segments.length <= mostSwept ? segments : []
  if (swept.length < segments.length)
    found.gaps.push(
      `How large the Segments of ${name} would be with other numbers is not told: there are ${segments.length}, and up to ${mostSwept} are looked at`,
    )
  const sweeps = swept.flatMap((segment): (readonly [SegmentModel, Sweep])[] => {
    const expression = segment.resource.spec.expression
    const [number] = numbersOf(expression)
    if (!segment.condition || !number) return []
    const sweep = sweepOf(expression, store, model, number, valuesAround(number))
    return sweep.points.length > 1 ? [[segment, sweep]] : []
  })
  for (const some of batches(sweeps, ({ points }) => points.length)) {
    const conditions = some.flatMap(([, { points }]) => points.map(({ condition }) => condition))
    const counts = await countConditions(open, plan, conditionsQuery(conditions, store), now)
    let at = 0
    for (const [segment, { number, points }] of some) {
      const { value, unit, text } = number
      found.sweeps.set(`${namespace}/${segment.resource.name}`, {
        number: { value, unit, text },
        points: points.map((point, index) => ({ value: point.value, people: counts[at + index] ?? 0 })),
      })
      at += points.length
    }
  }
  const names = segments.map(({ resource }) => resource.name)
  const { shared } = await overlapOf(open, names)
  for (const [row, own] of names.entries())
    found.overlaps.set(
      `${namespace}/${own}`,
      names
        .map((segment, column) => ({ segment, people: shared[row]![column]! }))
        .filter(({ segment }) => segment !== own)
        .sort((a, b) => b.people - a.people),
    )
}

/** The items in order, in lists of as many conditions as one query takes. */
function batches<T>(
  all: readonly (readonly [SegmentModel, T])[],
  sizeOf: (each: T) => number,
): readonly (readonly (readonly [SegmentModel, T])[])[] {
  const parts: (readonly [SegmentModel, T])[][] = []
  let size = mostConditions
  for (const each of all) {
    if (size >= mostConditions) {
      parts.push([])
      size = 0
    }
    parts.at(-1)!.push(each)
    size += sizeOf(each[1])
  }
  return parts
}
