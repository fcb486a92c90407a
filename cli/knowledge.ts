import type { Compilation } from '#compiler'
import type { JobPlan, StorePlan } from '#crds'
import {
  campaignSides,
  countIncomplete,
  countPeople,
  deliveredCounts,
  evaluationsOf,
  JobError,
  largestRecords,
  type OpenStore,
  openStore,
  type Ports,
  rejectsOf,
  reportedRuns,
  turnoverOf,
} from '#jobs'
import type { ActivationKnowledge, Knowledge, Outcome, StoreKnowledge } from '#views'

/** How many days of history a picture shows. */
const shownDays = 31
/** How many Runs of an Activation are read to find since when something has been so. */
const pastRuns = 60

type Asked = {
  readonly compilation: Compilation
  /** What was run just now. */
  readonly outcomes: readonly Outcome[]
  /** Only runs before this instant count as earlier ones. */
  readonly at: Date
  /** The run whose delivered set is acknowledged, by Segment. */
  readonly baselinesOf: (activation: JobPlan['target']) => Readonly<Record<string, string>>
  /** Whether to find what only pictures need, which costs a look at every person. */
  readonly isWhole: boolean
}

/** Reads what stores, landing zones and Campaign know; what cannot be read is listed in `gaps`. */
export async function knowledgeOf(asked: Asked, ports: Ports): Promise<Knowledge> {
  const gaps: string[] = []
  const stores: StoreKnowledge[] = []
  const activations: ActivationKnowledge[] = []
  for (const plan of asked.compilation.plans) {
    const { store, target } = plan
    if (!store || !plan.evaluate) continue
    const exports = asked.compilation.plans.filter(
      (each) => each.export && each.target.namespace === target.namespace && each.store?.name === store.name,
    )
    await orGap(gaps, `What the ProfileStore ${store.name} holds is not known`, async () => {
      await using open = await openStore(store, ports)
      stores.push(await storeKnowledge(plan, store, exports, open, asked, ports, gaps))
      for (const each of exports) activations.push(await activationKnowledge(each, open, asked, ports, gaps))
    })
  }
  return { stores, activations, gaps }
}

async function orGap(gaps: string[], what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof JobError)) throw error
    // A store for which nothing was run yet knows nothing.
    if (error.reason !== 'NotEvaluated') gaps.push(`${what}: ${error.message}`)
  }
}

async function storeKnowledge(
  { target, evaluate }: JobPlan,
  store: StorePlan,
  exports: readonly JobPlan[],
  open: OpenStore,
  { isWhole }: Asked,
  ports: Ports,
  gaps: string[],
): Promise<StoreKnowledge> {
  const { data } = open
  let people: StoreKnowledge['people'] = null
  let records: Awaited<ReturnType<typeof largestRecords>> | null = null
  if (isWhole)
    await orGap(gaps, `How many people the Segments of ${store.name} hold is not known`, async () => {
      const delivered = exports.flatMap((each) => each.export?.segments.map(({ name }) => name) ?? [])
      people = {
        any: await countPeople(open, evaluate?.segments.map(({ name }) => name) ?? []),
        delivered: await countPeople(open, delivered),
      }
      records = await largestRecords(open)
    })
  let turnover: StoreKnowledge['turnover'] = new Map()
  if (isWhole)
    await orGap(gaps, `Why people came and went in ${store.name} is not known`, async () => {
      turnover = await turnoverOf(open)
    })
  // A function assigns it, which the type checker does not see.
  const found = records as Awaited<ReturnType<typeof largestRecords>> | null
  return {
    namespace: target.namespace,
    name: target.name,
    profiles: data.profileCount,
    events: data.eventCount,
    leftOut: data.leftOut,
    datasets: Object.entries(data.sources).map(([name, { files }]) => {
      const counts = Object.values(files).map((file) => file.counts)
      const sum = (count: string): number => counts.reduce((total, each) => total + (each[count] ?? 0), 0)
      return {
        name,
        files: counts.length,
        records: sum('accepted'),
        badRows: sum('badRows'),
        newestFile: Object.keys(files).sort().at(-1) ?? null,
        newestEvent: found?.newestEvents.get(name) ?? null,
      }
    }),
    evaluations: evaluationsOf(store, { days: shownDays }, ports),
    people,
    eventsOfOnePerson: found?.eventsOfOnePerson ?? null,
    turnover,
  }
}

async function activationKnowledge(
  plan: JobPlan,
  open: OpenStore,
  { outcomes, at, baselinesOf, isWhole }: Asked,
  ports: Ports,
  gaps: string[],
): Promise<ActivationKnowledge> {
  const { target, export: exported, import: into, store } = plan
  const { namespace, name } = target
  const own = outcomes.find((outcome) => outcome.target.kind === 'Activation' && isSame(outcome.target, target))
  const past = reportedRuns(
    store!,
    { kind: 'Activation', name, evaluation: null },
    { most: pastRuns + 1, before: at },
    ports,
  )
    .filter(({ run }) => run !== own?.run)
    .slice(-pastRuns)
  const baselines = baselinesOf(target)
  const lacking = [...past, ...(own ? [own] : [])]
    .flatMap(({ steps }) => steps.flatMap(({ details = [] }) => details))
    .flatMap(({ segment, counts }) =>
      segment !== undefined && (counts?.['missingMandatory'] ?? 0) > 0 ? [segment] : [],
    )
  let incomplete: ActivationKnowledge['incomplete'] = new Map()
  await orGap(gaps, `What the members that ${name} leaves out lack is not known`, async () => {
    if (lacking.length > 0) incomplete = await countIncomplete(open, exported!, [...new Set(lacking)])
  })
  const rejects = new Map<string, Map<string, number>>()
  const rejected = new Map(
    (own?.steps.find(({ step }) => step === 'import')?.details ?? []).flatMap(({ segment, file, counts }) =>
      segment !== undefined && file !== undefined && (counts?.['rejected'] ?? 0) + (counts?.['waiting'] ?? 0) > 0
        ? [[file, segment] as const]
        : [],
    ),
  )
  await orGap(gaps, `Why Campaign rejected rows of ${name} is not known`, async () => {
    if (!into) return
    const { delimiter } = exported!.destination.file
    for (const { file, reasons } of await rejectsOf(store!, into, { files: [...rejected.keys()], delimiter }, ports)) {
      const of = rejects.get(rejected.get(file)!) ?? new Map<string, number>()
      for (const [reason, rows] of reasons) of.set(reason, (of.get(reason) ?? 0) + rows)
      rejects.set(rejected.get(file)!, of)
    }
  })
  let campaign: ActivationKnowledge['campaign'] = null
  await orGap(gaps, `How Campaign stands to what ${name} delivered is not known`, async () => {
    if (isWhole && into && ports.database(into.instance) !== null)
      campaign = await campaignSides(open, into, exported!, baselines, ports)
  })
  return {
    namespace,
    name,
    past,
    delivered: await deliveredCounts(open, exported!.activation, baselines),
    incomplete,
    rejects,
    campaign,
  }
}

function isSame(a: JobPlan['target'], b: JobPlan['target']): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name
}
