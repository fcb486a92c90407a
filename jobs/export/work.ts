// What the phases of an export share.
import type { DeliveryManifest, ExportPlan } from '#crds'
import type { Engine } from '../engines/duckdb.ts'
import type { DataManifest, MembershipManifest, MembershipSegment } from '../profile-store.ts'
import type { StepContext } from '../step.ts'
import type { LandingStore } from '../stores/index.ts'

export type Segment = ExportPlan['segments'][number]

/** Everything the phases share. */
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

/** The deduplication key, or the profile id where the mapping has none. */
export type Key = {
  /** Indexes into the plan's columns; empty: the profile id. */
  readonly columns: readonly number[]
  /** `k0, k1`: the key's columns in every relation here. */
  readonly list: string
  readonly names: readonly string[]
  /** Says what the key is made of. */
  readonly definition: string
}

export type Evaluated = { readonly segment: Segment; readonly evaluated: MembershipSegment }

/** What is to be known of a Segment before anything is compared. */
export type Active = {
  readonly segment: Segment
  readonly departed: boolean
  readonly members: number
  readonly evaluatedAt: string
  /** SQL of the rows that a complete file holds, and their number. */
  readonly current: string
  readonly active: number
  readonly leftOut: DeliveryManifest['counts']['leftOut']
}

/** A Segment to deliver. */
export type Delivery = Active & {
  /** The acknowledged delivered set's file; null: backfill. */
  readonly baseline: string | null
  readonly baselineSize: number
  /** The file holds every active member, not the changes against the baseline. */
  readonly complete: boolean
  /** Keys that the baseline does not have, and keys that only the baseline has. */
  readonly entered: number
  readonly left: number
  /** Rows of this file. */
  readonly realized: number
  readonly exited: number
}

/** Only increments with a status can say that somebody leaves. */
export function canExit(plan: ExportPlan): boolean {
  return plan.export === 'Incremental' && plan.membershipStatus === 'Include'
}
