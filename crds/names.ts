import { createHash } from 'node:crypto'
import { kinds, type RunnableKind } from './kinds.ts'

/** What the name of a Job or Pod may have: it becomes the value of a label. */
const longest = 63

/**
 * The Run of one slot, the same however often it is asked for: `act-retention-offers-29934960`, the slot in minutes of Unix time.
 * `request` tells manual Runs of one minute apart; null for those of the schedule.
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
  /** ProfileStores only. */
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

/** The name, or its beginning with a hash of the whole behind it where it is over 63 characters. */
export function shortened(name: string): string {
  return name.length <= longest ? name : `${name.slice(0, longest - 9).replace(/-+$/, '')}-${hashOf(name)}`
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
