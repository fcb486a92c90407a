/**
 * A span of instants through which a zone keeps one offset; all numbers are milliseconds. It may also begin where nothing changes. A wall
 * clock is written as the milliseconds since 1970-01-01T00:00Z that it would be in UTC: instant + offset.
 */
export type Stretch = {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  readonly offset: number
  /**
   * How far the zone's wall clocks had come before `start` (exclusive). Less than `start + offset`: the wall clocks between are skipped.
   * More: the wall clocks between are shown a second time.
   */
  readonly reached: number
}

/** The stretch that holds the instant. The zone must be one that `isTimeZone` accepts. Zone data come from the runtime's Intl. */
export function stretchAt(timeZone: string, instant: number): Stretch {
  if (chunkCount > mostChunks) {
    memo.clear()
    chunkCount = 0
  }
  let chunks = memo.get(timeZone)
  if (!chunks) memo.set(timeZone, (chunks = { offsetAt: offsetsOf(timeZone), stretches: new Map() }))
  const index = Math.floor(instant / chunkMs)
  let stretches = chunks.stretches.get(index)
  if (!stretches) {
    chunkCount += 1
    chunks.stretches.set(index, (stretches = stretchesOf(chunks.offsetAt, index * chunkMs)))
  }
  return stretches.findLast((stretch) => stretch.start <= instant)!
}

type OffsetAt = (instant: number) => number

/** When more chunks are kept than this, all are dropped and found again: only a mistake asks for so many zones and years. */
const mostChunks = 50_000

// Intl gives the same answer for the life of the process, and finding a change costs about 20 calls of a microsecond each.
let chunkCount = 0
const memo = new Map<string, { readonly offsetAt: OffsetAt; readonly stretches: Map<number, readonly Stretch[]> }>()

// Two changes within one probe that cancel each other out would be missed; the closest pair that any zone has had, or plans, is seven
// days apart (Boa Vista in October 2000, Gaza in October 2040).
const probeMs = 3 * 86_400_000
export const chunkMs = 128 * probeMs

/** The stretches that cover `chunkMs` from `from`, cut at both ends. */
export function stretchesOf(offsetAt: OffsetAt, from: number): readonly Stretch[] {
  const stretches: Stretch[] = []
  // One probe earlier, so that a repetition still going on at `from` is known.
  let start = from - probeMs
  let offset = offsetAt(start)
  let reached = start + offset
  const close = (end: number) => {
    // Cut at `from`, a stretch skips nothing there.
    if (end > from)
      stretches.push(
        start < from
          ? { start: from, end, offset, reached: Math.max(reached, from + offset) }
          : { start, end, offset, reached },
      )
    reached = Math.max(reached, end + offset)
  }
  for (let probe = from; probe <= from + chunkMs; probe += probeMs) {
    while (offsetAt(probe) !== offset) {
      const change = firstChange(offsetAt, Math.max(start, probe - probeMs), probe)
      close(change)
      start = change
      offset = offsetAt(change)
    }
  }
  if (start < from + chunkMs) close(from + chunkMs)
  return stretches
}

/** The first instant, to the second, at which the offset differs from that at `same`. */
function firstChange(offsetAt: OffsetAt, same: number, other: number): number {
  const offset = offsetAt(same)
  let low = same / 1000
  let high = other / 1000
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(middle * 1000) === offset) low = middle
    else high = middle
  }
  return high * 1000
}

function offsetsOf(timeZone: string): OffsetAt {
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
  return (instant) => {
    // `GMT`, `GMT+05:30`, `GMT-00:44:30`
    const text = format.format(Math.max(-latestDateMs, Math.min(latestDateMs, instant)))
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text)!
    const seconds = Number(match[2] ?? 0) * 3600 + Number(match[3] ?? 0) * 60 + Number(match[4] ?? 0)
    return (match[1] === '-' ? -seconds : seconds) * 1000
  }
}

/** The last instant a Date can hold. */
const latestDateMs = 8.64e15
