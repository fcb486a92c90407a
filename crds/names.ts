import { createHash } from 'node:crypto'
import { kinds, type RunnableKind } from './kinds.ts'

/** The longest name of a Job or Pod: it becomes the value of a label. */
const longest = 63

/**
 * The name of the Run of one slot, always the same: `act-retention-offers-29934960`, with the slot in minutes of Unix time. `request`
 * tells manual Runs within one minute apart; null for Runs of the schedule.
 */
export function runNameOf({
  kind,
  name,
  evaluation,
  slot,
  request = null,
}: {
  readonly kind: RunnableKind
  readonly name: string
  /** For ProfileStores only. */
  readonly evaluation: 'Batch' | 'Streaming' | null
  readonly slot: Date
  readonly request?: string | null
}): string {
  const parts = [
    kinds[kind].shortName,
    name,
    ...(evaluation ? [evaluation.toLowerCase()] : []),
    Math.floor(slot.getTime() / 60_000),
    ...(request === null ? [] : [hashOf(request)]),
  ]
  return shortened(parts.join('-'))
}

/** The name; where it is over 63 characters, its beginning with a hash of the whole. */
export function shortened(name: string): string {
  return name.length <= longest ? name : `${name.slice(0, longest - 9).replace(/-+$/, '')}-${hashOf(name)}`
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
