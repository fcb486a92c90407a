import type { RunSpec, RunStatus } from '#crds'
import { conditionOf } from './conditions.ts'

/** One Run as its driver keeps it: a Run resource in a cluster, an entry of a work directory's `state.json`. */
export type RunRecord = { readonly name: string; readonly spec: RunSpec; readonly status: RunStatus }

/** A Run's status of one of its steps. Without `outcome` the step has begun, and its end is not stored yet. */
export type StepStatus = NonNullable<RunStatus['steps']>[number]
/** A Run's status of one Segment. */
export type SegmentStatus = NonNullable<RunStatus['segments']>[number]

export function isFinished({ status }: Pick<RunRecord, 'status'>): boolean {
  const condition = conditionOf(status.conditions, 'Succeeded')
  return condition !== null && condition.status !== 'Unknown'
}

export function hasSucceeded({ status }: Pick<RunRecord, 'status'>): boolean {
  return conditionOf(status.conditions, 'Succeeded')?.status === 'True'
}

/** Whether the Run was made for its target's schedule; false for one that somebody asked for. */
export function isScheduled({ spec }: Pick<RunRecord, 'spec'>): boolean {
  return spec.trigger === 'Schedule' || spec.trigger === 'CatchUp'
}
