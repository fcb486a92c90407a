const units = { s: 1, m: 60, h: 3600 } as const

/** Seconds of a duration as specs write it: a number, whole or decimal, and `s`, `m` or `h`. null for any other text. */
export function parseDurationSeconds(text: string): number | null {
  const [, number, unit] = /^([0-9]+(?:\.[0-9]+)?)([smh])$/.exec(text) ?? []
  if (number === undefined || unit === undefined) return null
  // The pattern leaves only the three letters.
  return Number(number) * units[unit as keyof typeof units]
}
