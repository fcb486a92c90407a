import { digestOf, type JobPlan, type RunInput } from '#crds'
import type { Baseline } from './deliveries.ts'
import type { RunRecord } from './record.ts'

/** What Campaign has of an Activation's Segments, and of its Segments that were deleted meanwhile. */
export type Delivered = { readonly baselines: readonly Baseline[]; readonly departed: readonly Departed[] }
export type Departed = NonNullable<RunInput['departed']>[number]

/** The RunInput of one attempt, the same for every step. `delivered: null`: the Run delivers nothing. */
export function runInputOf({ name, spec, status }: RunRecord, attempt: number, delivered: Delivered | null): RunInput {
  const { target, scheduledTime, trigger, evaluation, approved } = spec
  return {
    run: name,
    attempt,
    scheduledTime,
    now: status.now ?? scheduledTime,
    trigger: attempt > 1 ? 'Retry' : trigger,
    ...(target.kind === 'ProfileStore' && { evaluation: evaluation ?? 'Batch' }),
    ...(delivered && {
      baselines: countedFrom(delivered),
      ...(delivered.departed.length > 0 && { departed: [...delivered.departed] }),
    }),
    ...(approved && approved.length > 0 && { approved }),
  }
}

/**
 * The Run that each Segment counts from. A deleted Segment whose baseline is uncertain counts from no delivered set: its file empties the
 * audience.
 */
function countedFrom({ baselines, departed }: Delivered): NonNullable<RunInput['baselines']> {
  const gone = new Set(departed.map(({ name }) => name))
  return Object.fromEntries(
    baselines.flatMap(({ segment, run, uncertain }) =>
      !uncertain ? [[segment, run]] : gone.has(segment) ? [[segment, 'unknown']] : [],
    ),
  )
}

/**
 * Segments that were deleted with `deletionPolicy: ExportExits` and whose exits Campaign does not have yet. Only increments with a status
 * column can say that somebody leaves.
 */
export function departedOf(
  baselines: readonly Baseline[],
  plan: Pick<JobPlan, 'export'>,
  isThere: (segment: string) => boolean,
): readonly Departed[] {
  if (plan.export?.membershipStatus !== 'Include' || plan.export.export !== 'Incremental') return []
  return baselines.flatMap(({ segment, exitsOnDeletion, displayName = segment }) =>
    exitsOnDeletion === true && !isThere(segment) ? [{ name: segment, displayName }] : [],
  )
}

/** The plan of an Activation that has no Segment left: all it can deliver is who leaves. */
export function planWithoutSegments(plan: JobPlan): JobPlan {
  const { digest: _, ...body } = { ...plan, ...(plan.export && { export: { ...plan.export, segments: [] } }) }
  return { ...body, digest: digestOf(body) }
}
