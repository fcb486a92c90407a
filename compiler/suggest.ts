/** Up to three candidates that `name` probably means, nearest first; ties in alphabetical order. */
export function nearest(name: string, candidates: Iterable<string>): string[] {
  const limit = Math.max(1, Math.floor(name.length / 3))
  const wanted = name.toLowerCase()
  const distances = new Map<string, number>()
  for (const candidate of candidates) {
    if (candidate === name) continue
    const edits = distance(wanted, candidate.toLowerCase(), limit)
    if (edits <= limit) distances.set(candidate, edits)
  }
  return [...distances]
    .sort(([a, left], [b, right]) => left - right || (a < b ? -1 : 1))
    .slice(0, 3)
    .map(([candidate]) => candidate)
}

/** `a`, `b` or `c`: names as part of a sentence. */
export function alternatives(names: readonly string[], conjunction: 'or' | 'and' = 'or'): string {
  const quoted = names.map((name) => `\`${name}\``)
  return quoted.length < 2 ? (quoted[0] ?? '') : `${quoted.slice(0, -1).join(', ')} ${conjunction} ${quoted.at(-1)}`
}

/** How many edits (insert, delete, replace, swap neighbours) lead from a to b; anything above `limit` may come out as limit + 1. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  let leastBefore = 0
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    let least = i
    for (let j = 1; j <= b.length; j += 1) {
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, beforePrevious[j - 2]! + 1)
      row.push(best)
      if (best < least) least = best
    }
    // It can only grow from here: a swap adds one to the row before last.
    if (least > limit && leastBefore >= limit) return limit + 1
    leastBefore = least
    beforePrevious = previous
    previous = row
  }
  return previous[b.length]!
}
