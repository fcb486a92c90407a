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

/** The three kinds' fields that a pass reads and writes, each with those it has. */
export type TargetStatus = SlotMemory & {
  readonly conditions?: Resource<'Activation'>['status']['conditions']
  readonly planDigest?: string
  readonly lastHandledRequestedAt?: string
  readonly lastHandledApprove?: string
}

export type Seen = {
  readonly target: Target
  readonly view: View
  /** Those of the target, not of one that had its name before. */
  readonly runs: readonly Run[]
  readonly nowMs: number
  /** The digest that new Runs get; undefined: none may be made. */
  readonly planDigest: string | undefined
  /** By the compiler; none while it is suspended. */
  readonly scheduled: Slots
  readonly isSuspended: boolean
  /** The store that an Activation delivers of, as far as its evaluation is concerned; null: there is none. */
  readonly store: { readonly lastSuccessfulBatchTime?: string; readonly sinceMs: number | null } | null
  /** How far an Activation's own last start pushes its next one; null where no interval is enforced. */
  readonly floor: { readonly floorMs: number; readonly intervalMs: number } | null
  /** Segments of an Activation that the compiler takes out. */
  readonly held: readonly Held[]
  /** Of an Activation whose last Segments were deleted, what it still has to do; null: nothing of that kind. */
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
