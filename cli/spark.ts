const bars = '▁▂▃▄▅▆▇█'

/** Sizes over time as one line of blocks, from zero; only the last `most`. null for fewer than two sizes. */
export function sparkText(values: readonly number[], most: number): string | null {
  const shown = values.slice(-most)
  if (shown.length < 2) return null
  const highest = Math.max(1, ...shown)
  return shown
    .map((value) => bars[Math.min(bars.length - 1, Math.round((value / highest) * (bars.length - 1)))])
    .join('')
}
