const units = { s: 1, m: 60, h: 3600 } as const

/** Seconds of a duration in a spec: a number, whole or decimal, with `s`, `m` or `h`. null for any other text. */
export function parseDurationSeconds(text: string): number | null {
  const [, number, unit] = /^([0-9]+(?:\.[0-9]+)?)([smh])$/.exec(text) ?? []
  if (number === undefined || unit === undefined) return null
  // The pattern allows only the three letters.
  return Number(number) * units[unit as keyof typeof units]
}
