// What a change does when it is applied: the document of `plan -o json`, and everything that its page shows.
import { type ChangePlan, type Compilation, effectiveLatency } from '#compiler'
import { isLargeAudience, parseDurationSeconds, type Trip, tripOf } from '#crds'
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
  /** Other Segments that most of its members are in as well, those with most first; absent where nobody has looked. */
  readonly overlaps?: readonly { readonly segment: string; readonly people: number }[]
  /** What Campaign would make of those who enter, by CampaignInstance. */
  readonly campaign: Readonly<Record<string, { readonly unknown: number; readonly optedOut: number }>>
}

export type PlannedAudience = AudienceCount & {
  readonly displayName: string
  /** `data`: its definition is the same, but the data of its store would be others. */
  readonly change: 'added' | 'redefined' | 'delivered' | 'consent' | 'data'
  /** Whether it would have more of all profiles than Experience Platform recommends. */
  readonly isLarge: boolean
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
  /** The longest time from an event until Campaign has it: until the evaluation, and until the delivery after that. */
  readonly latency: string | null
  /** Why the breaker would hold it; null: it would not. */
  readonly held: Trip | null
}

export type PlanWarning = {
  readonly namespace: string
  readonly store: string
  readonly code: string
  readonly message: string
}

/** What the next delivery of one Segment by one Activation holds. */
export type ExpectedDelivery = {
  readonly namespace: string
  readonly activation: string
  readonly segment: string
  /** RFC 3339; null where there is no further slot. */
  readonly at: string | null
  readonly files: readonly { readonly name: string; readonly rows: number; readonly bytes: number }[]
  readonly realized: number
  readonly exited: number
  readonly isFirst: boolean
  /** How many members have no row, for lack of a mandatory value or of consent, or because another has their key. */
  readonly leftOut: number
  /** Rows that Campaign would reject because it has no such recipient; null where it was not asked. */
  readonly rejects: number | null
  /** Why the circuit breaker holds it, in whole or but for the exits; null where it does not. */
  readonly held: string | null
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
  /** What an ingest of changed stores would say: missing columns, rows that are kept out, people who are parted. */
  readonly warnings: readonly PlanWarning[]
  /** What the next deliveries hold, as found by making them without sending; null where nobody has asked. */
  readonly expected: readonly ExpectedDelivery[] | null
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
  warnings = [],
  expected = null,
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
  readonly warnings?: readonly PlanWarning[]
  readonly expected?: readonly Omit<ExpectedDelivery, 'at'>[] | null
}): PlanDocument {
  const next = nextSlots(after.model, at)
  const isOther = new Set(plan.changedStores.map(({ namespace, name }) => `${namespace}/${name}`))
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
              : isOther.has(`${namespace}/${count.store}`)
                ? 'data'
                : 'consent',
      isLarge: store !== undefined && isLargeAudience(count.after, store.profiles) && !mayBeLarge(after, count),
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
    warnings,
    expected:
      expected?.map((each) => ({
        ...each,
        at:
          next.find(
            ({ kind, namespace, name }) =>
              kind === 'Activation' && namespace === each.namespace && name === each.activation,
          )?.at ?? null,
      })) ?? null,
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

/** Whether somebody has said that the Segment may be large. */
function mayBeLarge({ plans }: Compilation, { namespace, store, segment }: AudienceCount): boolean {
  return plans.some(
    ({ target, evaluate, store: own }) =>
      target.namespace === namespace &&
      own?.name === store &&
      evaluate?.segments.some(({ name, mayBeLarge: may }) => name === segment && may === true),
  )
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
    .map(({ resource }): PlannedDelivery => {
      const { name } = resource
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
        latency: latencyOf(resource, model.segmentNamed(namespace, segment), model),
        held: isFirst
          ? null
          : tripOf(exported?.circuitBreaker, { list: list ?? before ?? 0, active: members, entered, left: exited }),
      }
    })
}

/** A Segment's own latency and the longest time until the next delivery after it; null for one that does not exist. */
function latencyOf(
  { spec: { schedule } }: Compilation['model']['activations'][number]['resource'],
  segment: ReturnType<Compilation['model']['segmentNamed']>,
  model: Compilation['model'],
): string | null {
  if (!segment) return null
  const { seconds } = effectiveLatency(segment, model)
  // A delivery after each evaluation adds nothing to it, but for Segments that are evaluated more often.
  const wait =
    schedule.every === undefined ? Math.max(0, 86_400 - seconds) : (parseDurationSeconds(schedule.every) ?? 0)
  const minutes = Math.round((seconds + wait) / 60)
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${Math.floor(minutes / 60)}h${minutes % 60}m`
}
