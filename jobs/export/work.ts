// What the phases of an export share.
import type { DeliveryManifest, Detail, ExportPlan } from '#crds'
import type { Engine } from '../engines/duckdb.ts'
import type { DataManifest, MembershipManifest, MembershipSegment } from '../profile-store.ts'
import type { StepContext } from '../step.ts'
import type { LandingStore } from '../stores/index.ts'
import type { DeliveredSet, deliveredSets } from './delivered-set.ts'

export type Segment = ExportPlan['segments'][number]

/** What the phases of an export share. */
export type Work = {
  readonly context: StepContext
  readonly plan: ExportPlan
  readonly engine: Engine
  readonly landing: LandingStore
  readonly listing: Listing
  readonly root: string
  readonly data: DataManifest
  readonly membership: MembershipManifest
  readonly scratch: string
  readonly key: Key
  readonly sets: ReturnType<typeof deliveredSets>
}

/** The deduplication key; the profile id where the mapping has none. */
export type Key = {
  /** Indexes into the plan's columns; empty: the key is the profile id. */
  readonly columns: readonly number[]
  /** `k0, k1`: the key's columns, as every relation here calls them. */
  readonly list: string
  readonly names: readonly string[]
  /** Text that says what the key is made of; sets with different texts cannot be compared. */
  readonly definition: string
}

export type Evaluated = { readonly segment: Segment; readonly evaluated: MembershipSegment }

/** What is known of a Segment before anything is compared. */
export type Active = {
  readonly segment: Segment
  readonly departed: boolean
  readonly members: number
  readonly evaluatedAt: string
  /** null: nobody is in it, since it is deleted. */
  readonly slot: number | null
  /** Whether its rows are found by its bit, not in table `members`. */
  readonly isLarge: boolean
  /** How many rows a complete file has. */
  readonly active: number
  readonly leftOut: DeliveryManifest['counts']['leftOut']
}

/** The acknowledged delivered sets; a Segment without one is backfilled. */
export type Baselines = ReadonlyMap<Active, DeliveredSet & { readonly rows: number }>

/** A Segment to deliver. */
export type Delivery = Active & {
  /** null: this is a backfill. */
  readonly baseline: DeliveredSet | null
  readonly baselineSize: number
  /** Whether the file holds every active member, rather than changes against the baseline. */
  readonly complete: boolean
  /** How many keys the baseline does not have, and how many only the baseline has. */
  readonly entered: number
  readonly left: number
  /** How many of those that only the baseline has may no longer be sent. */
  readonly withdrawn: number
  /** How many rows of this file are realized. */
  readonly realized: number
  readonly exited: number
  /** The circuit breaker holds it: then it is of the exits of those who may no longer be sent alone. null: it is not held. */
  readonly held: Held | null
  /** Whether, though it is held, everybody leaves who has left, and only entries wait. */
  readonly onlyExits?: boolean
}

/** Why a delivery is held, and what it would say as a whole. */
export type Held = { readonly because: string; readonly detail: Detail }

/** Whether files can say that somebody leaves: only increments with a status column can. */
export function canExit(plan: ExportPlan): boolean {
  return plan.export === 'Incremental' && plan.membershipStatus === 'Include'
}

/** Whether a file can say that who takes consent back leaves, while the circuit breaker holds all else. */
export function canWithdraw(plan: ExportPlan, isImported: boolean): boolean {
  return (
    plan.consent !== undefined && plan.membershipStatus === 'Include' && (plan.export === 'Incremental' || isImported)
  )
}

/** Which names there are in a landing zone; each folder is listed once, when it is first asked about. */
export type Listing = { readonly has: (name: string) => Promise<boolean> }

export function listingOf(landing: LandingStore): Listing {
  const folders = new Map<string, Promise<ReadonlySet<string>>>()
  return {
    async has(name) {
      const folder = name.slice(0, name.lastIndexOf('/') + 1)
      const names = folders.get(folder) ?? landing.list(folder).then((all) => new Set(all))
      folders.set(folder, names)
      return (await names).has(name)
    },
  }
}
