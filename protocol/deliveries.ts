// What became of each Segment of an Activation in a Run, and what Campaign is known to have after it.
import type { ActivationStatus, Detail, JobPlan, Step } from '#crds'
import { timeText } from './conditions.ts'
import type { RunRecord, SegmentStatus } from './record.ts'

/** What Campaign is known to have of one Segment: the Run whose delivered set was acknowledged. */
export type Baseline = NonNullable<ActivationStatus['baselines']>[number]

/** What became of each Segment, with what this step adds; null where it adds nothing. `succeeded`: the step did all its work. */
export function deliveriesAfter(
  before: readonly SegmentStatus[],
  step: Step,
  plan: JobPlan,
  details: readonly Detail[] | null,
  succeeded: boolean,
): SegmentStatus[] | null {
  if (details === null) return null
  if (step === 'export') {
    const told = details.flatMap((detail) =>
      detail.segment === undefined ? [] : [deliveryOf(detail.segment, detail, plan)],
    )
    if (succeeded) return told
    // An attempt that failed may know nothing of what the one before it delivered, or may have delivered.
    const doubtful = plan.import ? [] : before.filter(({ acknowledged }) => acknowledged === undefined)
    const delivered = before.filter(({ acknowledged }) => acknowledged)
    return [...new Map([...doubtful, ...told, ...delivered].map((segment) => [segment.segment, segment])).values()]
  }
  if (step !== 'import') return null
  const imported = new Map(details.map((detail) => [detail.segment, detail]))
  return before.map(({ acknowledged, ...segment }) => {
    const detail = imported.get(segment.segment)
    if (acknowledged || (detail && isCertain(detail))) return { ...segment, acknowledged: true }
    return detail ? segment : { ...segment, acknowledged: false }
  })
}

function deliveryOf(segment: string, detail: Detail, plan: JobPlan): SegmentStatus {
  const { members, realized, exited, backfill, manifest, held, departed } = detail
  return {
    segment,
    ...(members !== undefined && { members }),
    ...(realized !== undefined && { realized }),
    ...(exited !== undefined && { exited }),
    ...(backfill !== undefined && { backfill }),
    ...(manifest !== undefined && { manifest }),
    ...(held !== undefined && { held: held.slice(0, 1024) }),
    ...(departed === true && { departed }),
    // Without a database Campaign reads the landing zone itself.
    ...(!plan.import && isCertain(detail) && { acknowledged: manifest !== undefined }),
  }
}

/** Whether the step knows that what it says was done; of a commit without an answer it does not. */
function isCertain({ counts }: Detail): boolean {
  return !counts?.['uncertain']
}

/** What nobody knows of a step that has begun and said nothing yet: whether a Segment that was not acknowledged before is by now. */
export function withoutDoubt(segments: readonly SegmentStatus[]): SegmentStatus[] {
  return segments.map(({ acknowledged, ...segment }) => ({ ...segment, ...(acknowledged && { acknowledged }) }))
}

/** What the Segment's resource says for the time when it is gone; null where there is no such resource. */
export type SegmentFacts = (segment: string) => {
  readonly exitsOnDeletion: boolean
  readonly displayName: string | undefined
} | null

/**
 * What Campaign is known to have after the Run, by Segment name. A Segment whose delivery may or may not have reached it is uncertain, or known
 * of no more: its next file is a backfill, which replaces the whole audience; an increment against the wrong set would lose exits for ever.
 */
export function baselinesAfter(
  before: readonly Baseline[],
  run: RunRecord,
  plan: JobPlan,
  factsOf: SegmentFacts,
  nowMs: number,
): Baseline[] {
  const baselines = new Map(before.map((baseline) => [baseline.segment, baseline]))
  const told = new Map((run.status.segments ?? []).map((segment) => [segment.segment, segment]))
  const names = new Set([...(plan.export?.segments ?? []).map(({ name }) => name), ...told.keys()])
  for (const segment of names) {
    const fate = fateOf(told.get(segment), run, plan)
    const known = baselines.get(segment)
    if (fate === 'none') continue
    baselines.delete(segment)
    if (fate === 'departed') continue
    const { exitsOnDeletion = known?.exitsOnDeletion ?? false, displayName = known?.displayName } =
      factsOf(segment) ?? {}
    // Of one that may have to be emptied that much is kept.
    if (fate === 'unknown' && !exitsOnDeletion) continue
    baselines.set(segment, {
      segment,
      run: run.name,
      acknowledgedAt: timeText(nowMs),
      ...(exitsOnDeletion && { exitsOnDeletion }),
      // The names of its last files need it when nobody else knows it any more.
      ...(exitsOnDeletion && displayName !== undefined && { displayName: displayName.slice(0, 256) }),
      ...(fate === 'unknown' && { uncertain: true }),
    })
  }
  return [...baselines.values()].sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

/** What became of a Segment's delivery. `none`: Campaign has what it had before; `unknown`: it may have either. */
export type Fate = 'delivered' | 'departed' | 'unknown' | 'none'

export function fateOf(told: SegmentStatus | undefined, { status }: RunRecord, plan: JobPlan): Fate {
  const stepOf = (step: Step) => status.steps?.find(({ name }) => name === step)
  const exported = stepOf('export')
  const isExported = exported?.outcome === 'Succeeded' || exported?.outcome === 'Held'
  if (!told) {
    // What was told of it is lost.
    if (isExported) return 'unknown'
    // Nobody but our own import reads the files of an export that failed; attempts that say why have delivered nothing else.
    const saysAll = exported?.reportDigest !== undefined && exported.silentAttempts === undefined
    return plan.import || exported === undefined || saysAll ? 'none' : 'unknown'
  }
  const { manifest, acknowledged, departed } = told
  if (acknowledged && manifest !== undefined) return departed ? 'departed' : 'delivered'
  // Where there was nobody left to say so of, it is done; else they leave once more, which harms nobody.
  if (departed) return isExported && manifest === undefined ? 'departed' : 'none'
  if (plan.import) return manifest !== undefined && acknowledged === undefined && stepOf('import') ? 'unknown' : 'none'
  return acknowledged === undefined ? 'unknown' : 'none'
}

/** What is known of baselines when somebody may have delivered since, and nobody knows what. */
export function inDoubt(baselines: readonly Baseline[]): Baseline[] {
  return baselines.flatMap((baseline) => (baseline.exitsOnDeletion ? [{ ...baseline, uncertain: true }] : []))
}
