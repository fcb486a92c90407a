// What a change does when it is applied: the document of `plan -o json`, and everything that its page shows.
import type { ChangePlan, Compilation } from '#compiler'
import type { JobPlan } from '#crds'
import {
  type Finding,
  findingsOf,
  type GuardrailRow,
  guardrailRows,
  type NextSlot,
  nextSlots,
  type RunDocument,
  type StoreRow,
} from './run-document.ts'

/** What a query found for a Segment that is new, redefined, delivered for the first time, or delivered by another consent. */
export type AudienceCount = {
  readonly segment: string
  readonly namespace: string
  readonly store: string
  /** Members at the last evaluation; null for a Segment that it does not know. */
  readonly before: number | null
  readonly after: number
  readonly entered: number
  readonly exited: number
  /** How many of the members after may not be sent, by Activation; those that send to everybody are left out. */
  readonly withoutConsent: Readonly<Record<string, number>>
  /** What Campaign would make of those who enter, by CampaignInstance. */
  readonly campaign: Readonly<Record<string, { readonly unknown: number; readonly optedOut: number }>>
}

export type PlannedAudience = AudienceCount & {
  readonly displayName: string
  readonly change: 'added' | 'redefined' | 'delivered' | 'consent'
  readonly people: readonly [one: string, many: string]
  readonly deliveries: readonly PlannedDelivery[]
}

/** The next delivery of a Segment by one Activation, as expected from the data of the last evaluation. */
export type PlannedDelivery = {
  readonly activation: string
  /** RFC 3339; null where there is no further slot. */
  readonly at: string | null
  /** Whether this Activation has not delivered it before: everybody is sent, and no breaker looks. */
  readonly isFirst: boolean
  /** How many people are on the list that it changes; null where that is not known. */
  readonly list: number | null
  readonly rows: number
  /** How many members may not be sent, and so are in no file; null: everybody may. */
  readonly withoutConsent: number | null
  /** Why the breaker would hold it; null: it would not. */
  readonly held: {
    readonly direction: 'entered' | 'exited' | 'empty'
    readonly people: number
    readonly percent: number
    readonly limit: number | null
  } | null
}

export type PlanDocument = ChangePlan & {
  readonly at: string
  /** What the resources are compared with, as it was asked for. */
  readonly against: string
  readonly audiences: readonly PlannedAudience[]
  /** Whether data was at hand, so that an empty list of audiences means no change. */
  readonly isCounted: boolean
  readonly next: readonly NextSlot[]
  readonly findings: readonly Finding[]
  /** The stores that audiences were counted in, with the instant of their data; none where no data were at hand. */
  readonly stores: readonly StoreRow[]
  /** Uses of all limits after the change, those closest to their limit first; `guardrails` compares some of them with before. */
  readonly limits: readonly GuardrailRow[]
  readonly gaps: readonly string[]
  readonly summary: {
    readonly resources: number
    readonly errors: number
    readonly added: number
    readonly changed: number
    readonly removed: number
    readonly segments: number
  }
}

/** Segments that an Activation delivers after the change and did not before, by `namespace/name` of the Activation. */
export function newlyDelivered(before: Compilation, after: Compilation): ReadonlyMap<string, readonly string[]> {
  const ways = ({ model }: Compilation): Set<string> =>
    new Set(
      model.activations.flatMap(({ resource, segments }) =>
        segments.map((segment) => `${resource.namespace}/${resource.name}/${segment.resource.name}`),
      ),
    )
  const old = ways(before)
  const found = new Map<string, string[]>()
  for (const way of ways(after)) {
    if (old.has(way)) continue
    const [namespace, activation = '', segment] = way.split('/')
    const key = `${namespace}/${segment}`
    found.set(key, [...(found.get(key) ?? []), activation])
  }
  return found
}

/** Segments of Activations that leave out others for lack of consent than before, as `namespace/name`. */
export function consentChanged(before: Compilation, after: Compilation): ReadonlySet<string> {
  const consents = new Map(
    before.plans.map(({ target, export: exported }) => [
      `${target.kind}/${target.namespace}/${target.name}`,
      exported?.consent?.withoutConsent,
    ]),
  )
  return new Set(
    after.plans.flatMap(({ target: { kind, namespace, name }, export: exported }) =>
      exported && consents.get(`${kind}/${namespace}/${name}`) !== exported.consent?.withoutConsent
        ? exported.segments.map((segment) => `${namespace}/${segment.name}`)
        : [],
    ),
  )
}

export function planDocument({
  plan,
  before,
  after,
  at,
  against,
  counts,
  known,
  gaps,
}: {
  readonly plan: ChangePlan
  readonly before: Compilation
  readonly after: Compilation
  readonly at: Date
  readonly against: string
  /** null where no data was at hand. */
  readonly counts: readonly AudienceCount[] | null
  /** The present state, by the resources after the change; null where nobody has looked. */
  readonly known: RunDocument | null
  readonly gaps: readonly string[]
}): PlanDocument {
  const next = nextSlots(after.model, at)
  const fresh = newlyDelivered(before, after)
  const of = (change: string): number => plan.changes.filter((each) => each.change === change).length
  const audiences = (counts ?? []).map((count): PlannedAudience => {
    const { namespace, segment } = count
    const model = after.model.segmentNamed(namespace, segment)
    const changed = plan.segments.find((each) => each.namespace === namespace && each.name === segment)
    const store = known?.stores.find((each) => each.namespace === namespace && each.name === count.store)
    return {
      ...count,
      displayName: model?.resource.spec.displayName ?? segment,
      change:
        changed?.change === 'added'
          ? 'added'
          : changed
            ? 'redefined'
            : fresh.has(`${namespace}/${segment}`)
              ? 'delivered'
              : 'consent',
      people: store?.people ?? ['person', 'people'],
      deliveries: deliveriesOf(count, fresh.get(`${namespace}/${segment}`) ?? [], after, next, known),
    }
  })
  return {
    ...plan,
    at: at.toISOString().replace('.000Z', 'Z'),
    against,
    audiences,
    isCounted: counts !== null,
    next,
    findings: findingsOf(after.diagnostics),
    stores: known?.stores ?? [],
    limits: known?.guardrails ?? guardrailRows(after, { stores: [] }),
    gaps,
    summary: {
      resources: after.count,
      errors: after.diagnostics.filter(({ severity }) => severity === 'error').length,
      added: of('added'),
      changed: of('changed'),
      removed: of('removed'),
      segments: after.model.segments.length,
    },
  }
}

function deliveriesOf(
  { namespace, segment, before, after: members, entered, exited, withoutConsent }: AudienceCount,
  fresh: readonly string[],
  { model, plans }: Compilation,
  next: readonly NextSlot[],
  known: RunDocument | null,
): readonly PlannedDelivery[] {
  return model.activations
    .filter(
      ({ resource, segments }) =>
        resource.namespace === namespace && segments.some((each) => each.resource.name === segment),
    )
    .map(({ resource: { name } }): PlannedDelivery => {
      const exported = plans.find(
        (each) => each.export && each.target.namespace === namespace && each.target.name === name,
      )?.export
      const row = known?.segments.find(
        (each) => each.namespace === namespace && each.segment === segment && each.activation === name,
      )
      const list = row?.standing?.delivered ?? row?.held?.baseline ?? null
      const isFirst = fresh.includes(name) || before === null || list === 0
      const slot = next.find((each) => each.kind === 'Activation' && each.namespace === namespace && each.name === name)
      const whole = isFirst || exported?.export === 'Full'
      return {
        activation: name,
        at: slot?.at ?? null,
        isFirst,
        list,
        rows: whole ? members - (withoutConsent[name] ?? 0) : entered + exited,
        withoutConsent: withoutConsent[name] ?? null,
        held: isFirst
          ? null
          : heldBy(exported?.circuitBreaker ?? null, list ?? before ?? 0, { members, entered, exited }),
      }
    })
}

/** What an Activation's breaker would say: the comparison that an export makes, with what a query found. */
function heldBy(
  breaker: NonNullable<JobPlan['export']>['circuitBreaker'] | null,
  list: number,
  { members, entered, exited }: { readonly members: number; readonly entered: number; readonly exited: number },
): PlannedDelivery['held'] {
  if (!breaker || list === 0) return null
  const percent = (people: number): number => Math.round((people * 1000) / list) / 10
  if (members === 0 && breaker.allowEmpty !== true)
    return { direction: 'empty', people: list, percent: 100, limit: null }
  const { maxEnteredPercent: entries, maxExitedPercent: exits } = breaker
  if (entries !== undefined && entered * 100 > entries * list)
    return { direction: 'entered', people: entered, percent: percent(entered), limit: entries }
  if (exits !== undefined && exited * 100 > exits * list)
    return { direction: 'exited', people: exited, percent: percent(exited), limit: exits }
  return null
}
