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
  /** Profiles that segmentation leaves out since they are over a limit. */
  readonly leftOut: { readonly eventsPerProfile: number; readonly identitiesPerProfile: number }
  readonly datasets: readonly DatasetKnowledge[]
  /** Oldest first; the newest one is the current membership. */
  readonly evaluations: readonly EvaluationKnowledge[]
  /** People in any Segment, and in any that is delivered; who came and went since the evaluation before. Null: not looked at. */
  readonly people: { readonly any: PeopleKnowledge; readonly delivered: PeopleKnowledge } | null
  /** The most events that one person has; null: not looked at. */
  readonly eventsOfOnePerson: number | null
  /** Segment → why people came and went at its last evaluation; those of which it is not known are not in it. */
  readonly turnover: ReadonlyMap<string, TurnoverKnowledge>
}

export type TurnoverKnowledge = { readonly entered: ReasonCounts; readonly exited: ReasonCounts }

/** People with new data, people of whom nothing is new so that it was time alone, and people of an edited Segment. */
export type ReasonCounts = { readonly byData: number; readonly byTime: number; readonly byEdit: number }

export type PeopleKnowledge = {
  readonly members: number
  /** Null at the first evaluation. */
  readonly came: number | null
  readonly went: number | null
}

export type DatasetKnowledge = {
  readonly name: string
  readonly files: number
  readonly records: number
  readonly badRows: number
  readonly newestFile: string | null
  /** RFC 3339; null where it has no events, or they were not looked at. */
  readonly newestEvent: string | null
}

export type EvaluationKnowledge = {
  readonly evaluation: 'Batch' | 'Streaming'
  /** RFC 3339. */
  readonly evaluatedAt: string
  /** The Segments it evaluated. */
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
  /** Segment → people in the acknowledged delivered set. */
  readonly delivered: ReadonlyMap<string, number>
  /** Segment → column of Campaign that would be empty → members left out for it. */
  readonly incomplete: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Segment → why rows of the run were rejected → how many. */
  readonly rejects: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Segment → what Campaign made of the delivered set; null where Campaign is not asked. */
  readonly campaign: ReadonlyMap<string, CampaignKnowledge> | null
}

export type CampaignKnowledge = { readonly taken: number; readonly optedOut: number; readonly unknown: number }
