const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

/** A length of time in its largest unit, with the next smaller one where the number is below 10: `42s`, `3h10m`, `12d`. */
export function lengthOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const index = units.findIndex(([, size]) => seconds >= size)
  const [unit, size] = units[index] ?? units[3]
  const whole = Math.floor(seconds / size)
  const [finer, part] = units[index + 1] ?? [unit, size]
  const rest = whole < 10 && finer !== unit && part >= 60 ? Math.floor((seconds % size) / part) : 0
  return `${whole}${unit}${rest > 0 ? `${rest}${finer}` : ''}`
}

/** `2h ago`, `in 5m`, `now` within five seconds. */
export function relativeTo(now: Date, instant: Date): string {
  const difference = instant.getTime() - now.getTime()
  if (Math.abs(difference) < 5000) return 'now'
  return difference < 0 ? `${lengthOf(-difference)} ago` : `in ${lengthOf(difference)}`
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function wholeSeconds(instant: Date): string {
  return instant.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** RFC 3339, without a fraction where there is none. */
export function rfc3339(instant: Date): string {
  return instant.toISOString().replace('.000Z', 'Z')
}
