import type { DatasetPlan } from '#crds'

/** What was taken from one file, or from all files of a delivery. */
export type Yield = {
  /** How many rows were read, and how many of them became records. */
  readonly rowsRead: number
  readonly accepted: number
  /** How many records have a value in each column. */
  readonly filled: Readonly<Record<string, number>>
  /** The columns among these that the file has no field for. */
  readonly missing: readonly string[]
}

/** Percentages of fewer rows than this mean nothing. */
const countsFrom = 100

export const defaultTolerance = { badRows: 1, maxShrink: 50 } satisfies DatasetPlan['tolerance']

/**
 * Why a file must not be taken in, as the end of a sentence that begins with its name; null where it may be. `before` is what it would
 * replace; null: nothing.
 */
export function refusalOf(
  now: Yield,
  before: Pick<Yield, 'accepted' | 'filled'> | null,
  { badRows, maxShrink, minRows = 0 }: NonNullable<DatasetPlan['tolerance']>,
): string | null {
  const bad = now.rowsRead - now.accepted
  if (now.accepted === 0 && bad > 0)
    return `${bad === 1 ? 'its only row' : `not one of its ${bad} rows`} can${bad === 1 ? 'not' : ''} be read`
  if (now.accepted === 0 && before !== null && before.accepted > 0)
    return `it has no row, where it had ${rows(before.accepted)}`
  if (now.rowsRead >= countsFrom && bad * 100 > now.rowsRead * badRows)
    return `${bad} of its ${rows(now.rowsRead)} cannot be read, which is more than ${badRows}%`
  if (now.accepted < minRows) return `it has ${rows(now.accepted)}, where ${minRows} are the least`
  if (before === null) return null
  if (before.accepted >= countsFrom && (before.accepted - now.accepted) * 100 > before.accepted * maxShrink)
    return `it has ${rows(now.accepted)}, where it had ${before.accepted}: it shrank by more than ${maxShrink}%`
  // A column that loses all its values is as bad as one that is gone.
  const emptied = Object.entries(before.filled)
    .filter(([column, count]) => count > 0 && now.filled[column] === 0)
    .filter(([column, count]) => now.missing.includes(column) || count >= countsFrom)
    .map(([column, count]) => `${column} (${count} before)`)
  return emptied.length === 0 || maxShrink >= 100
    ? null
    : `it has no value any more for ${emptied.slice(0, 5).join(', ')}${emptied.length > 5 ? ', …' : ''}`
}

function rows(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`
}
