// What stores, landing zones and Campaign know of what was done, as a command line has read it. Nothing here is personal.
import type { RunReport } from '#crds'

export type Named = { readonly namespace: string; readonly name: string }

export type Knowledge = {
  readonly stores: readonly StoreKnowledge[]
  readonly activations: readonly ActivationKnowledge[]
  /** What could not be found out, as sentences. */
  readonly gaps: readonly string[]
}

export type StoreKnowledge = Named & {
  readonly profiles: number
  readonly events: number
  /** How many profiles segmentation leaves out because they exceed a limit. */
  readonly leftOut: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number }
  readonly datasets: readonly DatasetKnowledge[]
  /** Evaluations, oldest first; the newest one is the present membership. */
  readonly evaluations: readonly EvaluationKnowledge[]
  /** People in any Segment, and in any that is delivered, with who came and left since the evaluation before; null: not looked at. */
  readonly people: { readonly any: PeopleKnowledge; readonly delivered: PeopleKnowledge } | null
  /** The most events that one person has; null: not looked at. */
  readonly eventsOfOnePerson: number | null
  /** Why people came and left at a Segment's last evaluation; Segments for which that is not known are missing. */
  readonly turnover: ReadonlyMap<string, TurnoverKnowledge>
}

export type TurnoverKnowledge = { readonly entered: ReasonCounts; readonly exited: ReasonCounts }

/** People with new data; people without new data, who moved by time alone; people of an edited Segment. */
export type ReasonCounts = { readonly byData: number; readonly byTime: number; readonly byEdit: number }

export type PeopleKnowledge = {
  readonly members: number
  /** null at the first evaluation. */
  readonly came: number | null
  readonly went: number | null
}

export type DatasetKnowledge = {
  readonly name: string
  readonly files: number
  readonly records: number
  readonly badRows: number
  readonly newestFile: string | null
  /** RFC 3339; null where the Dataset has no events, or they were not looked at. */
  readonly newestEvent: string | null
}

export type EvaluationKnowledge = {
  readonly evaluation: 'Batch' | 'Streaming'
  /** RFC 3339. */
  readonly evaluatedAt: string
  /** The Segments that it evaluated. */
  readonly segments: readonly {
    readonly segment: string
    readonly digest: string
    readonly members: number
    readonly entered: number
    readonly exited: number
  }[]
}

export type ActivationKnowledge = Named & {
  /** Runs before this one, oldest first. */
  readonly past: readonly { readonly run: string; readonly steps: readonly RunReport[] }[]
  /** How many people the acknowledged delivered set has, by Segment. */
  readonly delivered: ReadonlyMap<string, number>
  /** How many members are left out because a column of Campaign would be empty; by Segment and column. */
  readonly incomplete: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** How many rows of the run were rejected; by Segment and reason. */
  readonly rejects: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** What Campaign made of the delivered set, by Segment; null where Campaign is not asked. */
  readonly campaign: ReadonlyMap<string, CampaignKnowledge> | null
}

export type CampaignKnowledge = { readonly taken: number; readonly optedOut: number; readonly unknown: number }
