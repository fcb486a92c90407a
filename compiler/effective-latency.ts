import { parseDurationSeconds, streamingInterval } from '#crds'
import type { Model, SegmentModel } from './model.ts'

export type EffectiveLatency = {
  /** The longest time until a change in the data shows in the membership. */
  readonly seconds: number
  /** `5m`, `24h` */
  readonly text: string
  /**
   * The Segment that decides the latency: of this Segment and all that it refers to, directly or through others, the one evaluated least
   * often.
   */
  readonly slowest: SegmentModel
}

/** A Segment is as late as the slowest one it refers to. */
export function effectiveLatency(segment: SegmentModel, model: Model): EffectiveLatency {
  const { sibling } = model.relations
  const ceiling = Math.max(batchSeconds, streamingSeconds(segment))
  const seen = new Set([segment])
  let slowest = segment
  let seconds = ownLatencySeconds(segment)
  for (const current of seen) {
    const own = ownLatencySeconds(current)
    if (own > seconds) [slowest, seconds] = [current, own]
    // References stay within a store, so no other Segment can be slower.
    if (seconds === ceiling) break
    for (const name of current.references) {
      const next = sibling(current, name)
      if (next) seen.add(next)
    }
  }
  return { seconds, text: durationText(seconds), slowest }
}

/** The Segment's latency if everything it refers to were known at once. */
export function ownLatencySeconds(segment: SegmentModel): number {
  return segment.resource.spec.evaluation === 'Batch' ? batchSeconds : streamingSeconds(segment)
}

const batchSeconds = 86_400

function streamingSeconds({ store }: SegmentModel): number {
  return parseDurationSeconds(store?.resource.spec.evaluation.streaming?.every ?? streamingInterval) ?? batchSeconds
}

/** `5m`, `24h`: in the largest unit without a remainder. */
export function durationText(seconds: number): string {
  return seconds % 3600 === 0 ? `${seconds / 3600}h` : seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`
}
