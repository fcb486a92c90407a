// What became of each Segment of an Activation in a Run, and what Campaign is known to have after it.
import type { ActivationStatus, Detail, JobPlan, Step } from '#crds'
import { timeText } from './conditions.ts'
import type { RunRecord, SegmentStatus } from './record.ts'

/** What Campaign is known to have of one Segment: the Run whose delivered set was acknowledged. */
export type Baseline = NonNullable<ActivationStatus['baselines']>[number]

/**
 * The Run's Segments after a step, with what the step's details add; null where they add nothing. `succeeded`: the step did all its work.
 */
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
    // A failed attempt may not know what earlier attempts delivered, or may have delivered: what those said stays.
    const doubtful = plan.import ? [] : before.filter(({ acknowledged }) => acknowledged === undefined)
    const delivered = before.filter(({ acknowledged }) => acknowledged)
    return [...new Map([...doubtful, ...told, ...delivered].map((segment) => [segment.segment, segment])).values()]
  }
  if (step !== 'import') return null
  const imported = new Map(details.map((detail) => [detail.segment, detail]))
  return before.map(({ acknowledged, ...segment }) => {
    // Acknowledged stays so. A Segment that import tells of without certainty stays open; one that it does not tell of was not imported.
    const detail = imported.get(segment.segment)
    if (acknowledged || (detail && isCertain(detail))) return { ...segment, acknowledged: true }
    return detail ? segment : { ...segment, acknowledged: false }
  })
}

function deliveryOf(segment: string, detail: Detail, plan: JobPlan): SegmentStatus {
  const { members, realized, exited, backfill, manifest, held, hold, departed } = detail
  const withoutConsent = detail.counts?.['withoutConsent']
  return {
    segment,
    ...(members !== undefined && { members }),
    ...(realized !== undefined && { realized }),
    ...(exited !== undefined && { exited }),
    ...(withoutConsent !== undefined && { withoutConsent }),
    ...(backfill !== undefined && { backfill }),
    ...(manifest !== undefined && { manifest }),
    ...(held !== undefined && { held: held.slice(0, 1024) }),
    ...(hold !== undefined && { hold }),
    ...(departed === true && { departed }),
    // Without an import step nobody confirms the delivery: Campaign reads the landing zone itself, so a written manifest counts as
    // acknowledged.
    ...(!plan.import && isCertain(detail) && { acknowledged: manifest !== undefined }),
  }
}

/** Whether the step knows that its work took effect. It does not where a COMMIT got no answer (`uncertain`). */
function isCertain({ counts }: Detail): boolean {
  return !counts?.['uncertain']
}

/**
 * The Segments at the start of an attempt that has said nothing yet: those acknowledged stay so, for all others `acknowledged` is open
 * again.
 */
export function withoutDoubt(segments: readonly SegmentStatus[]): SegmentStatus[] {
  return segments.map(({ acknowledged, ...segment }) => ({ ...segment, ...(acknowledged && { acknowledged }) }))
}

/** What the Segment's resource says, kept for the time when the resource is gone; null where there is no such resource. */
export type SegmentFacts = (segment: string) => {
  readonly exitsOnDeletion: boolean
  readonly displayName: string | undefined
} | null

/**
 * What Campaign is known to have after the Run, in order of Segment names.
 * A delivery that may or may not have arrived makes its baseline uncertain, or drops it. The next file is then a backfill, which replaces
 * the whole audience: an increment against the wrong set would lose exits for ever.
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
    // Without a baseline the next file is a backfill. An uncertain one is kept only for an audience that must be emptied on deletion.
    if (fate === 'unknown' && !exitsOnDeletion) continue
    baselines.set(segment, {
      segment,
      run: run.name,
      acknowledgedAt: timeText(nowMs),
      ...(exitsOnDeletion && { exitsOnDeletion }),
      // The names of the Segment's last files need its display name when its resource is gone.
      ...(exitsOnDeletion && displayName !== undefined && { displayName: displayName.slice(0, 256) }),
      ...(fate === 'unknown' && { uncertain: true }),
    })
  }
  return [...baselines.values()].sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

/** What became of a Segment's delivery. `none`: Campaign has what it had before; `unknown`: it may have either. */
export type Fate = 'delivered' | 'departed' | 'unknown' | 'none'

/** `told` is the Run's entry for the Segment; undefined where no export has told of it. */
export function fateOf(told: SegmentStatus | undefined, { status }: RunRecord, plan: JobPlan): Fate {
  const stepOf = (step: Step) => status.steps?.find(({ name }) => name === step)
  const exported = stepOf('export')
  const isExported = exported?.outcome === 'Succeeded' || exported?.outcome === 'Held'
  if (!told) {
    // The export ended well, so it did tell of the Segment: that entry is lost.
    if (isExported) return 'unknown'
    // With an import step, the files of a failed export are read by nobody. Without one, an export that reported each attempt has
    // delivered nothing that it did not tell of.
    const saysAll = exported?.reportDigest !== undefined && exported.silentAttempts === undefined
    return plan.import || exported === undefined || saysAll ? 'none' : 'unknown'
  }
  const { manifest, acknowledged, departed } = told
  if (acknowledged && manifest !== undefined) return departed ? 'departed' : 'delivered'
  // An export that ended without a manifest had no member left to send out: done. Otherwise the exits are sent once more, which is
  // harmless.
  if (departed) return isExported && manifest === undefined ? 'departed' : 'none'
  if (plan.import) return manifest !== undefined && acknowledged === undefined && stepOf('import') ? 'unknown' : 'none'
  return acknowledged === undefined ? 'unknown' : 'none'
}

/**
 * The baselines when a delivery since then is possible but unknown: uncertain where exits must be sent on deletion, dropped otherwise
 * (backfill).
 */
export function inDoubt(baselines: readonly Baseline[]): Baseline[] {
  return baselines.flatMap((baseline) => (baseline.exitsOnDeletion ? [{ ...baseline, uncertain: true }] : []))
}
