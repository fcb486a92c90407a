const bars = '▁▂▃▄▅▆▇█'

/** Sizes over time in one line of blocks, from zero; the last `most` of them. Null for fewer than two: one size is no line. */
export function sparkText(values: readonly number[], most: number): string | null {
  const shown = values.slice(-most)
  if (shown.length < 2) return null
  const highest = Math.max(1, ...shown)
  return shown
    .map((value) => bars[Math.min(bars.length - 1, Math.round((value / highest) * (bars.length - 1)))])
    .join('')
}
