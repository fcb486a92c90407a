// What the phases of an export share.
import type { DeliveryManifest, ExportPlan } from '#crds'
import type { Engine } from '../engines/duckdb.ts'
import type { DataManifest, MembershipManifest, MembershipSegment } from '../profile-store.ts'
import type { StepContext } from '../step.ts'
import type { LandingStore } from '../stores/index.ts'

export type Segment = ExportPlan['segments'][number]

/** What the phases of an export share. */
export type Work = {
  readonly context: StepContext
  readonly plan: ExportPlan
  readonly engine: Engine
  readonly landing: LandingStore
  readonly root: string
  readonly data: DataManifest
  readonly membership: MembershipManifest
  readonly scratch: string
  readonly key: Key
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
  /** SQL of the rows that a complete file has, and how many they are. */
  readonly current: string
  readonly active: number
  readonly leftOut: DeliveryManifest['counts']['leftOut']
}

/** A Segment to deliver. */
export type Delivery = Active & {
  /** The file of the acknowledged delivered set; null: this is a backfill. */
  readonly baseline: string | null
  readonly baselineSize: number
  /** Whether the file holds every active member, rather than changes against the baseline. */
  readonly complete: boolean
  /** How many keys the baseline does not have, and how many only the baseline has. */
  readonly entered: number
  readonly left: number
  /** How many rows of this file are realized. */
  readonly realized: number
  readonly exited: number
}

/** Whether files can say that somebody leaves: only increments with a status column can. */
export function canExit(plan: ExportPlan): boolean {
  return plan.export === 'Incremental' && plan.membershipStatus === 'Include'
}
