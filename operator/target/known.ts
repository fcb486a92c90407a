// What is known of a target of Runs when a pass over it begins.
import type { RunnableKind } from '#crds'
import type { Evaluation, SlotMemory } from '#protocol'
import type { Slots } from '../compiler.ts'
import type { Resource } from '../definition.ts'
import type { Run } from '../run/known.ts'
import type { Held } from '../settle.ts'
import type { View } from '../views.ts'

/** A resource that Runs are made for. */
export type Target = Resource<RunnableKind>

/** The fields of the three kinds' statuses that a pass reads and writes; each kind has some of them. */
export type TargetStatus = SlotMemory & {
  readonly conditions?: Resource<'Activation'>['status']['conditions']
  readonly planDigest?: string
  readonly lastHandledRequestedAt?: string
  readonly lastHandledApprove?: string
}

export type Seen = {
  readonly target: Target
  readonly view: View
  /** Runs of this target, not of an earlier one with its name. */
  readonly runs: readonly Run[]
  readonly nowMs: number
  /** The digest that new Runs get; undefined: none may be made. */
  readonly planDigest: string | undefined
  /** The slots that the compiler found; none while the target is suspended. */
  readonly scheduled: Slots
  readonly isSuspended: boolean
  /** What is known of the evaluations of the store that an Activation delivers from; null: there is none. */
  readonly store: { readonly lastSuccessfulBatchTime?: string; readonly sinceMs: number | null } | null
  /** How far an Activation's own last start holds up its next one; null where no interval is enforced. */
  readonly floor: { readonly floorMs: number; readonly intervalMs: number } | null
  /** Segments of an Activation that the compiler takes out. */
  readonly held: readonly Held[]
  /** For an Activation whose last Segments were deleted, what it still has to do, in words; null: nothing of that kind. */
  readonly departing: string | null
}

export type RunRequest = {
  readonly evaluation: Evaluation
  readonly slotMs: number
  readonly trigger: 'Schedule' | 'CatchUp' | 'Manual'
  readonly planDigest: string
  readonly request: string | null
}

/** Slots that are not run and never will be. */
export type Skip = {
  readonly count: number
  readonly latestMs: number
  readonly reason: string
  readonly message: string
}

export function statusOf({ status }: Target): TargetStatus {
  return status as unknown as TargetStatus
}
