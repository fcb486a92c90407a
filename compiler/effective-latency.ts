import { parseDurationSeconds, streamingInterval } from '#crds'
import type { SegmentModel } from './model.ts'
import type { Relations } from './relations.ts'

/**
 * The Segment that decides how late a membership may be: the one itself, or, among all it refers to directly or through others, the
 * one evaluated most seldom. `seconds` is the longest time until a change of the data shows.
 */
export function slowestOf(
  segment: SegmentModel,
  relations: Relations,
): { readonly segment: SegmentModel; readonly seconds: number } {
  const seen = new Set([segment])
  let slowest = { segment, seconds: ownLatencySeconds(segment) }
  for (const current of seen) {
    const seconds = ownLatencySeconds(current)
    if (seconds > slowest.seconds) slowest = { segment: current, seconds }
    for (const name of current.references) {
      const next = relations.sibling(current, name)
      if (next) seen.add(next)
    }
  }
  return slowest
}

const daySeconds = 86_400

function ownLatencySeconds({ resource, store }: SegmentModel): number {
  if (resource.spec.evaluation === 'Batch') return daySeconds
  return parseDurationSeconds(store?.resource.spec.evaluation.streaming?.every ?? streamingInterval) ?? daySeconds
}

/** `5m`, `24h`: the largest unit that leaves no rest. */
export function durationText(seconds: number): string {
  return seconds % 3600 === 0 ? `${seconds / 3600}h` : seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`
}
