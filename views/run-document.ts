// What one `convoke run` did and how things are after it: the document of `-o json`, and everything that the report shows.
import {
  type Compilation,
  graphOf,
  type Model,
  nextSlot,
  type SegmentModel,
  type StoreModel,
  schedulesOf,
} from '#compiler'
import type { JobPlan, RunReport } from '#crds'
import {
  type DeliveryAt,
  deliveriesOf,
  detailsOf,
  type Held,
  heldOf,
  type Standing,
  standingOf,
  sum,
  toldOf,
} from './delivery.ts'
import type { ActivationKnowledge, Knowledge, PeopleKnowledge, StoreKnowledge, TurnoverKnowledge } from './knowledge.ts'
import { peopleOf } from './words.ts'

/** One run as it was done: its steps in order. */
export type Outcome = {
  readonly run: string
  readonly target: JobPlan['target']
  readonly evaluation: 'Batch' | 'Streaming' | null
  readonly scheduledTime: string
  readonly steps: readonly RunReport[]
  readonly seconds: number
}

export type RunDocument = {
  readonly at: string
  readonly seconds: number
  readonly runs: readonly Outcome[]
  /** Slots that are due and were not run now, and slots that were never run. */
  readonly notices: readonly {
    readonly kind: 'waiting' | 'missed'
    readonly target: string
    readonly message: string
  }[]
  readonly segments: readonly SegmentRow[]
  readonly stores: readonly StoreRow[]
  /** Uses of limits, those closest to their limit first. */
  readonly guardrails: readonly GuardrailRow[]
  /** The next slot of each schedule, the soonest first. */
  readonly next: readonly NextSlot[]
  readonly findings: readonly Finding[]
  /** What could not be found out, as sentences. */
  readonly gaps: readonly string[]
}

export type Finding = {
  readonly code: string
  readonly severity: string
  readonly message: string
  readonly kind: string | null
  readonly name: string | null
  readonly path: string
}

export type NextSlot = {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly evaluation: 'Batch' | 'Streaming' | null
  readonly at: string
  /** How many slots it has within the next 24 hours, up to 1,000. */
  readonly often: number
}

export type GuardrailRow = {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly what: string
  readonly used: number
  readonly limit: number
}

export type StoreRow = {
  readonly namespace: string
  readonly name: string
  /** The words for its people: `household`, `households`. */
  readonly people: readonly [one: string, many: string]
  readonly profiles: number
  readonly events: number
  readonly leftOut: StoreKnowledge['leftOut']
  readonly evaluatedAt: string | null
  /** The evaluation before; null where this one is the first. */
  readonly previousAt: string | null
  /** People in any of its Segments, and in any that is delivered; null: not looked at. */
  readonly inAny: PeopleKnowledge | null
  readonly inDelivered: PeopleKnowledge | null
  readonly datasets: StoreKnowledge['datasets']
}

export type SizeAt = {
  readonly at: string
  readonly members: number
  readonly entered: number
  readonly exited: number
  /** Whether the definition changed since the evaluation before. */
  readonly edited: boolean
}

/** One Segment on one way to Campaign; a Segment that nothing delivers has one row with `activation` null. */
export type SegmentRow = {
  readonly namespace: string
  readonly segment: string
  readonly displayName: string
  readonly description: string | null
  readonly expression: string
  readonly store: string | null
  readonly evaluation: 'Batch' | 'Streaming'
  readonly activation: string | null
  readonly destination: string | null
  readonly instance: string | null
  readonly syncType: 'Audience' | 'Profile' | null
  /** Why the expression does not compile, or how a step failed at it; null: neither. */
  readonly error: string | null
  readonly evaluatedAt: string | null
  readonly members: number | null
  readonly previousMembers: number | null
  /** How many entered at the newest evaluation. */
  readonly entered: number | null
  readonly exited: number | null
  /** Why they came and left; null where that is not known, or there was no evaluation before. */
  readonly turnover: TurnoverKnowledge | null
  /** Sizes, one entry a day, oldest first. */
  readonly history: readonly SizeAt[]

  /** null where it is not held. */
  readonly held: Held | null
  /** Whether a run of this document tried to deliver it. */
  readonly isInRun: boolean
  readonly backfill: boolean
  readonly files: readonly string[]
  /** How many rows these files have: `realized` rows say who is in, `exits` who is no longer in. */
  readonly rows: number | null
  readonly realized: number | null
  readonly exits: number | null
  /** How many rows Campaign took note of: imported, or published where it reads the landing zone itself. */
  readonly delivered: number | null
  readonly updated: number | null
  readonly unchanged: number | null
  readonly rejected: number | null
  /** How many of these rows wait for their recipient. rows = updated + unchanged + rejected + rowsWaiting + exits. */
  readonly rowsWaiting: number | null
  /** How many rows of earlier runs have their recipient now. */
  readonly arrived: number | null
  /** How many rows wait in Campaign for their recipient, including those of earlier runs. */
  readonly waiting: number | null
  /** How many rows were rejected or wait, by reason. */
  readonly rejectedBy: Readonly<Record<string, number>>
  /** How many joined the list in Campaign; `removed`: how many left it. */
  readonly added: number | null
  readonly removed: number | null
  readonly seconds: number

  /** How its members stand after its last delivery; null before the first. */
  readonly standing: Standing | null
  /** The last deliveries, at most seven, the newest first. */
  readonly deliveries: readonly DeliveryAt[]
}

export function runDocument({
  compilation,
  at,
  outcomes,
  notices,
  knowledge,
}: {
  readonly compilation: Compilation
  readonly at: Date
  readonly outcomes: readonly Outcome[]
  readonly notices: RunDocument['notices']
  readonly knowledge: Knowledge
}): RunDocument {
  const { model, diagnostics } = compilation
  return {
    at: at.toISOString().replace('.000Z', 'Z'),
    seconds: outcomes.reduce((total, outcome) => total + outcome.seconds, 0),
    runs: outcomes,
    notices,
    segments: segmentRows(compilation, outcomes, knowledge),
    stores: model.stores.map((store) => storeRow(store, knowledge)),
    guardrails: guardrailRows(compilation, knowledge),
    next: nextSlots(model, at),
    findings: findingsOf(diagnostics),
    gaps: knowledge.gaps,
  }
}

function storeRow({ resource }: StoreModel, knowledge: Knowledge): StoreRow {
  const { namespace, name, spec } = resource
  const known = storeKnowledge(knowledge, namespace, name)
  const primary = spec.identities.find((identity) => identity.primary)?.namespace ?? null
  return {
    namespace,
    name,
    people: peopleOf(primary),
    profiles: known?.profiles ?? 0,
    events: known?.events ?? 0,
    leftOut: known?.leftOut ?? { eventsPerProfile: 0, identitiesPerProfile: 0 },
    evaluatedAt: known?.evaluations.at(-1)?.evaluatedAt ?? null,
    previousAt: known?.evaluations.at(-2)?.evaluatedAt ?? null,
    inAny: known?.people?.any ?? null,
    inDelivered: known?.people?.delivered ?? null,
    datasets: known?.datasets ?? [],
  }
}

function storeKnowledge({ stores }: Knowledge, namespace: string, name: string | undefined): StoreKnowledge | null {
  return stores.find((store) => store.namespace === namespace && store.name === name) ?? null
}

/** What the compiler found, as rows of a document. */
export function findingsOf(diagnostics: Compilation['diagnostics']): readonly Finding[] {
  return diagnostics.map(({ code, severity, message, resource, path }) => ({
    code,
    severity,
    message,
    kind: resource?.kind ?? null,
    name: resource?.name ?? null,
    path,
  }))
}

/** How much of each limit is used, by the resources and by what the stores have; those closest to their limit first. */
export function guardrailRows(
  compilation: Compilation,
  { stores }: Pick<Knowledge, 'stores'>,
): readonly GuardrailRow[] {
  const declared = graphOf(compilation).nodes.flatMap(({ id, kind, uses }) => {
    const [, namespace = '', name = ''] = id.split('/')
    return uses.map(({ what, used, limit }) => ({ kind, namespace, name, what, used, limit }))
  })
  const limits = new Map(
    compilation.plans.flatMap(({ target, ingest }) =>
      ingest ? [[`${target.namespace}/${target.name}`, ingest.limits.eventsPerProfile] as const] : [],
    ),
  )
  const found = stores.flatMap(({ namespace, name, eventsOfOnePerson }) => {
    const limit = limits.get(`${namespace}/${name}`)
    return eventsOfOnePerson === null || limit === undefined
      ? []
      : [{ kind: 'ProfileStore', namespace, name, what: 'events of one person', used: eventsOfOnePerson, limit }]
  })
  const share = ({ used, limit }: GuardrailRow): number => (limit === 0 ? (used > 0 ? 2 : 0) : used / limit)
  return [...found, ...declared].filter(({ used }) => used > 0).sort((a, b) => share(b) - share(a))
}

const mostOften = 1000

/** The order of targets that are due at the same instant. */
const order: readonly string[] = ['CampaignSource', 'ProfileStore', 'Activation']

/** The next slot of each schedule after an instant. */
export function nextSlots(model: Model, at: Date): readonly NextSlot[] {
  return schedulesOf(model)
    .flatMap(({ resource, evaluation, schedule }): NextSlot[] => {
      const first = nextSlot(schedule, at)
      if (!first) return []
      const end = at.getTime() + 86_400_000
      let often = 0
      for (let slot: Date | null = first; slot && slot.getTime() <= end && often < mostOften; often += 1)
        slot = nextSlot(schedule, slot)
      const { kind, namespace, name } = resource
      return [{ kind, namespace, name, evaluation, at: first.toISOString().replace('.000Z', 'Z'), often }]
    })
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : order.indexOf(a.kind) - order.indexOf(b.kind)))
}

function segmentRows(
  compilation: Compilation,
  outcomes: readonly Outcome[],
  knowledge: Knowledge,
): readonly SegmentRow[] {
  const { model, diagnostics, plans } = compilation
  const errors = new Map(
    diagnostics.flatMap(({ severity, resource, code, message }) =>
      severity === 'error' && resource?.kind === 'Segment'
        ? [[`${resource.namespace}/${resource.name}`, `${code}: ${message}`] as const]
        : [],
    ),
  )
  const rows = model.segments.flatMap((segment): SegmentRow[] => {
    const { namespace, name } = segment.resource
    const about = aboutSegment(segment, knowledge, errors.get(`${namespace}/${name}`) ?? null)
    const ways = model.activations.filter((activation) => activation.segments.includes(segment))
    if (ways.length === 0) return [{ ...about, ...nothingDelivered }]
    return ways.map(({ resource, destination, instance }) => {
      const plan = plans.find(
        ({ target, export: exported }) =>
          exported && target.namespace === resource.namespace && target.name === resource.name,
      )
      const outcome = outcomes.find(
        ({ target }) =>
          target.kind === 'Activation' && target.namespace === resource.namespace && target.name === resource.name,
      )
      const known = knowledge.activations.find(
        (each) => each.namespace === resource.namespace && each.name === resource.name,
      )
      return {
        ...about,
        ...nothingDelivered,
        activation: resource.name,
        destination: destination?.name ?? null,
        instance: instance?.name ?? null,
        syncType: destination?.spec.syncType ?? null,
        ...deliveryOf(name, outcome ?? null, plan ?? null, known ?? null, about),
      }
    })
  })
  // Segments that are delivered come first, by Activation.
  const key = (row: SegmentRow): string =>
    `${row.activation === null ? 1 : 0}/${row.activation ?? ''}/${row.namespace}/${row.segment}`
  return rows.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

const nothingDelivered = {
  activation: null,
  destination: null,
  instance: null,
  syncType: null,
  held: null,
  isInRun: false,
  backfill: false,
  files: [],
  rows: null,
  realized: null,
  exits: null,
  delivered: null,
  updated: null,
  unchanged: null,
  rejected: null,
  rowsWaiting: null,
  arrived: null,
  waiting: null,
  rejectedBy: {},
  added: null,
  removed: null,
  seconds: 0,
  standing: null,
  deliveries: [],
} as const

type About = Omit<SegmentRow, keyof typeof nothingDelivered>

function aboutSegment({ resource, store }: SegmentModel, knowledge: Knowledge, error: string | null): About {
  const { namespace, name, spec } = resource
  const known = storeKnowledge(knowledge, namespace, store?.resource.name)
  const history = historyOf(name, known)
  const last = history.at(-1)
  const newest = newestOf(name, known)
  return {
    namespace,
    segment: name,
    displayName: spec.displayName ?? name,
    description: spec.description ?? null,
    expression: spec.expression.trim(),
    store: store?.resource.name ?? null,
    evaluation: spec.evaluation,
    error,
    evaluatedAt: newest?.at ?? null,
    members: newest?.members ?? null,
    previousMembers: newest && history.length > 1 && last ? newest.members - newest.entered + newest.exited : null,
    entered: newest?.entered ?? null,
    exited: newest?.exited ?? null,
    turnover: known?.turnover.get(name) ?? null,
    history,
  }
}

function newestOf(segment: string, known: StoreKnowledge | null): SizeAt | null {
  for (const { evaluatedAt, segments } of (known?.evaluations ?? []).toReversed()) {
    const found = segments.find((each) => each.segment === segment)
    if (found)
      return {
        at: evaluatedAt,
        members: found.members,
        entered: found.entered,
        exited: found.exited,
        edited: false,
      }
  }
  return null
}

/** A Segment's sizes, one a day: the last of the day, with everybody who came and left on that day. */
export function historyOf(segment: string, known: StoreKnowledge | null): readonly SizeAt[] {
  const days: SizeAt[] = []
  let digest: string | null = null
  for (const { evaluatedAt, segments } of known?.evaluations ?? []) {
    const found = segments.find((each) => each.segment === segment)
    if (!found) continue
    const edited = digest !== null && digest !== found.digest
    digest = found.digest
    const { members, entered, exited } = found
    const last = days.at(-1)
    if (last?.at.slice(0, 10) === evaluatedAt.slice(0, 10))
      days[days.length - 1] = {
        at: evaluatedAt,
        members,
        entered: last.entered + entered,
        exited: last.exited + exited,
        edited: edited || last.edited,
      }
    else days.push({ at: evaluatedAt, members, entered, exited, edited })
  }
  return days
}

function deliveryOf(
  segment: string,
  outcome: Outcome | null,
  plan: JobPlan | null,
  known: ActivationKnowledge | null,
  about: About,
): Partial<SegmentRow> {
  const steps = outcome?.steps ?? []
  const exported = detailsOf(steps, 'export').find((detail) => detail.segment === segment) ?? null
  const hasImport = steps.some(({ step }) => step === 'import')
  const files = exported?.files ?? []
  const names = files.map(({ name }) => name)
  const imported = detailsOf(steps, 'import').filter((detail) =>
    detail.file === undefined ? detail.segment === segment : names.includes(detail.file),
  )
  // Rows of earlier runs that arrive are told apart from the files of this run.
  const ofFiles = imported.filter(({ file }) => file !== undefined)
  const failed = steps.find(({ error }) => error !== undefined)
  const isUncertain = [exported, ...imported].some((detail) => detail?.counts?.['uncertain'] === 1)
  const told = toldOf(segment, outcome, known)
  const rows = exported === null ? null : files.reduce((total, file) => total + file.rows, 0)
  const isUnreached =
    outcome !== null &&
    failed !== undefined &&
    !isUncertain &&
    (exported?.members === undefined || (hasImport && files.length > 0 && imported.length === 0))
  const error = isUncertain
    ? `Whether it was delivered is not known: ${failed?.error?.message ?? ''}`
    : isUnreached
      ? (failed.error?.message ?? null)
      : null
  return {
    ...(error === null ? {} : { error }),
    isInRun: outcome !== null,
    backfill: exported?.backfill === true,
    held: heldOf(segment, told, plan, known),
    files: names,
    rows,
    realized: exported && files.length > 0 ? (exported.realized ?? null) : rows,
    exits: exported && files.length > 0 ? (exported.exited ?? null) : rows,
    delivered: hasImport ? sum(ofFiles, 'rowsRead') : files.length === 0 ? null : rows,
    updated: sum(ofFiles, 'updated'),
    unchanged: sum(ofFiles, 'unchanged'),
    rejected: sum(ofFiles, 'rejected'),
    rowsWaiting: sum(ofFiles, 'waiting'),
    arrived: hasImport ? (imported.find(({ file }) => file === undefined)?.counts?.['arrived'] ?? 0) : null,
    // An import tells of waiting rows apart from files, where there are any.
    waiting: hasImport ? (imported.find(({ file }) => file === undefined)?.counts?.['waiting'] ?? 0) : null,
    rejectedBy: Object.fromEntries(known?.rejects.get(segment) ?? []),
    added: sum(imported, 'added'),
    removed: sum(imported, 'removed'),
    seconds: outcome?.seconds ?? 0,
    standing: standingOf(segment, told, known, about.members),
    deliveries: deliveriesOf(segment, outcome, known),
  }
}
