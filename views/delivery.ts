// How a Segment's deliveries by one Activation went, and how its members stand after the last one, from the reports of runs.
import { type Detail, type JobPlan, type RunReport, type Trip, tripOf } from '#crds'
import type { ActivationKnowledge } from './knowledge.ts'

export type RunSteps = { readonly run: string; readonly steps: readonly RunReport[] }

/** One run that tried to deliver a Segment. */
export type DeliveryAt = {
  readonly run: string
  /** Its slot in RFC 3339; null: its name has none. */
  readonly at: string | null
  readonly outcome: 'delivered' | 'held' | 'failed'
  /** Whether everybody was sent, rather than changes. */
  readonly backfill: boolean
  /** How many rows its files have, which is realized + exits; null where it was held. */
  readonly rows: number | null
  readonly realized: number | null
  readonly exits: number | null
  /** How many joined the list in Campaign; `removed`: how many left it; null where Campaign reads files itself. */
  readonly added: number | null
  readonly removed: number | null
  readonly rejected: number | null
  /** How many rows wait for their recipient. */
  readonly waiting: number | null
}

/** How many deliveries are shown. */
const shownDeliveries = 7

/** The last deliveries, the newest first. */
export function deliveriesOf(
  segment: string,
  outcome: RunSteps | null,
  known: ActivationKnowledge | null,
): readonly DeliveryAt[] {
  const runs = [...(known?.past ?? []), ...(outcome ? [outcome] : [])].toReversed()
  return runs
    .flatMap(({ run, steps }): DeliveryAt[] => {
      const exported = detailsOf(steps, 'export').find((each) => each.segment === segment)
      if (exported?.members === undefined) return []
      const { files = [], held, realized, exited, backfill, counts } = exported
      const names = files.map(({ name }) => name)
      const imported = detailsOf(steps, 'import').filter(({ file }) => file !== undefined && names.includes(file))
      const isFailed = steps.some(({ error }) => error !== undefined) || counts?.['uncertain'] === 1
      const rows = files.reduce((total, file) => total + file.rows, 0)
      // Where entries alone are held, the file names the exits.
      const isSent = held === undefined || exported.manifest !== undefined
      return [
        {
          run,
          at: slotOf(run),
          outcome: held !== undefined ? 'held' : isFailed ? 'failed' : 'delivered',
          backfill: backfill === true,
          rows: isSent ? rows : null,
          realized: isSent ? (rows === 0 ? 0 : (realized ?? null)) : null,
          exits: isSent ? (rows === 0 ? 0 : (exited ?? null)) : null,
          added: sum(imported, 'added'),
          removed: sum(imported, 'removed'),
          rejected: sum(imported, 'rejected'),
          waiting: sum(imported, 'waiting'),
        },
      ]
    })
    .slice(0, shownDeliveries)
}

/** The sum of a count over details; null where there are none. */
export function sum(details: readonly Detail[], name: string): number | null {
  return details.length === 0 ? null : details.reduce((total, { counts }) => total + (counts?.[name] ?? 0), 0)
}

export type Held = {
  readonly message: string
  /** Whether the list would grow too much, shrink too much, or be empty. */
  readonly direction: 'entered' | 'exited' | 'empty'
  /** How many people would come or go. */
  readonly wouldChange: number | null
  /** How many people are on the list that it is compared with. */
  readonly baseline: number | null
  readonly percent: number | null
  readonly limit: number | null
  /** The slot of the first of the consecutive runs that held it, as far as reports go back. RFC 3339. */
  readonly since: string | null
  readonly runs: number
  /** How many people on the list are no longer members. */
  readonly noLongerMembers: number | null
}

/** Members who are in no file, by the reason. */
export type LeftOut = {
  readonly missingMandatory: number
  readonly duplicateKey: number
  /** They may not be sent. */
  readonly withoutConsent: number
}

export function leftOutIn({ missingMandatory, duplicateKey, withoutConsent }: LeftOut): number {
  return missingMandatory + duplicateKey + withoutConsent
}

/**
 * members = delivered + leftOut + held + undelivered + unaccounted; delivered = inCampaign + waiting + rejected where Campaign was asked.
 */
export type Standing = {
  /** Members at the delivery's evaluation. */
  readonly members: number
  readonly delivered: number
  readonly leftOut: LeftOut
  /** How many of those left out lack a value, by the column that would be empty. */
  readonly missing: Readonly<Record<string, number>>
  readonly held: number
  /** How many members no run has delivered yet: it failed, or has not come to them. */
  readonly undelivered: number
  /** What the sum lacks; 0 unless something is wrong. */
  readonly unaccounted: number
  readonly inCampaign: number | null
  /** Delivered, but Campaign has no such recipient yet: they wait for one. */
  readonly waiting: number | null
  /** Delivered, and refused for another reason. */
  readonly rejected: number | null
  readonly optedOut: number | null
}

export function detailsOf(steps: readonly RunReport[], step: string): readonly Detail[] {
  return steps.find((report) => report.step === step)?.details ?? []
}

export type Told = { readonly detail: Detail; readonly slot: string | null; readonly isWhole: boolean }

/** What the runs said of a Segment, newest first: this one, then those before it. */
export function toldOf(segment: string, outcome: RunSteps | null, known: ActivationKnowledge | null): readonly Told[] {
  const runs = [...(known?.past ?? []), ...(outcome ? [outcome] : [])].toReversed()
  return runs.flatMap(({ run, steps }): Told[] => {
    const detail = detailsOf(steps, 'export').find((each) => each.segment === segment)
    const isWhole = steps.every(({ error }) => error === undefined) && detail?.counts?.['uncertain'] !== 1
    return detail?.members === undefined ? [] : [{ detail, slot: slotOf(run), isWhole }]
  })
}

export function standingOf(
  segment: string,
  told: readonly Told[],
  known: ActivationKnowledge | null,
  ownMembers: number | null,
): Standing | null {
  const last = told[0]
  const members = last?.detail.members ?? ownMembers
  if (members === null || members === undefined) return null
  const set = known?.delivered.get(segment) ?? null
  const side = known?.campaign?.get(segment) ?? null
  const standing: Standing = {
    members,
    delivered: 0,
    leftOut: { missingMandatory: 0, duplicateKey: 0, withoutConsent: 0 },
    missing: {},
    held: 0,
    undelivered: 0,
    unaccounted: 0,
    inCampaign: side?.taken ?? null,
    waiting: side?.unknown ?? null,
    rejected: side && set !== null ? set - side.taken - side.unknown : null,
    optedOut: side?.optedOut ?? null,
  }
  if (!last) return { ...standing, undelivered: members }
  if (last.detail.held !== undefined) return { ...standing, held: members }
  const { missingMandatory = 0, duplicateKey = 0, withoutConsent = 0 } = last.detail.counts ?? {}
  const leftOut = { missingMandatory, duplicateKey, withoutConsent }
  const possible = members - leftOutIn(leftOut)
  // A run that did not come to its end may have delivered some of what was possible; any other has delivered all of it.
  const delivered = last.isWhole ? (set ?? possible) : Math.min(set ?? 0, possible)
  return {
    ...standing,
    delivered,
    leftOut,
    missing: Object.fromEntries(known?.incomplete.get(segment) ?? []),
    undelivered: last.isWhole ? 0 : possible - delivered,
    unaccounted: last.isWhole ? possible - delivered : 0,
  }
}

export function heldOf(
  segment: string,
  told: readonly Told[],
  plan: JobPlan | null,
  known: ActivationKnowledge | null,
): Held | null {
  const last = told[0]?.detail
  if (last?.held === undefined) return null
  const free = told.findIndex(({ detail }) => detail.held === undefined)
  const inARow = free === -1 ? told.length : free
  const baseline = known?.delivered.get(segment) ?? null
  // Reports of earlier versions do not say what was compared.
  const trip = last.hold ?? tripFor(last, plan, baseline)
  const exited = last.hold?.left ?? last.exited ?? 0
  return {
    message: last.held,
    direction: trip.direction,
    wouldChange: trip.people,
    baseline: last.hold?.list ?? baseline,
    percent: trip.percent,
    limit: trip.limit ?? null,
    since: told[inARow - 1]?.slot ?? null,
    runs: inARow,
    noLongerMembers: plan?.export?.export === 'Incremental' ? exited : null,
  }
}

type Compared = {
  readonly direction: Trip['direction']
  readonly people: number | null
  readonly percent: number | null
  readonly limit?: number | null
}

/** What the breaker said, by the counts of a report alone. */
function tripFor(
  { members = 0, entered = 0, exited = 0, counts }: Detail,
  plan: JobPlan | null,
  list: number | null,
): Compared {
  const active =
    members - (counts?.['missingMandatory'] ?? 0) - (counts?.['duplicateKey'] ?? 0) - (counts?.['withoutConsent'] ?? 0)
  const trip = list === null ? null : tripOf(plan?.export?.circuitBreaker, { list, active, entered, left: exited })
  return (
    trip ?? {
      direction: active === 0 ? 'empty' : 'exited',
      people: active === 0 ? list : exited,
      percent: null,
      limit: null,
    }
  )
}

/** The slot in a run's name, in RFC 3339; null: none. */
function slotOf(run: string): string | null {
  const [, minutes] = /-(\d{7,9})(?:-[0-9a-f]{8})?$/.exec(run) ?? []
  return minutes === undefined ? null : new Date(Number(minutes) * 60_000).toISOString().replace('.000Z', 'Z')
}
