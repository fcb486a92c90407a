/** Characters as sorted ranges of code points, both ends inclusive. */
export type Ranges = readonly (readonly [number, number])[]

/** Ranges of characters, and Unicode categories by name. */
export type Characters = { readonly ranges: Ranges; readonly categories: readonly string[] }

export const last = 0x10ffff
export const digits: Ranges = [[48, 57]]
export const wordCharacters: Ranges = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
]
export const spaces: Ranges = [
  [9, 13],
  [32, 32],
]
export const lineEnds: Ranges = [
  [10, 10],
  [13, 13],
  [0x85, 0x85],
  [0x2028, 0x2029],
]
/** Classes by their names in `\p{…}`. */
export const posix: ReadonlyMap<string, Ranges> = new Map<string, Ranges>(
  Object.entries({
    Lower: [[97, 122]],
    Upper: [[65, 90]],
    ASCII: [[0, 127]],
    Alpha: [
      [65, 90],
      [97, 122],
    ],
    Digit: digits,
    Alnum: [
      [48, 57],
      [65, 90],
      [97, 122],
    ],
    Punct: [
      [33, 47],
      [58, 64],
      [91, 96],
      [123, 126],
    ],
    Space: spaces,
    XDigit: [
      [48, 57],
      [65, 70],
      [97, 102],
    ],
    Blank: [
      [9, 9],
      [32, 32],
    ],
    Cntrl: [
      [0, 31],
      [127, 127],
    ],
  }),
)

/** Unicode general categories that all engines know. */
export const categories = /^(?:L|Lu|Ll|Lt|Lm|Lo|M|Mn|Mc|Me|N|Nd|Nl|No|P|Pc|Pd|Ps|Pe|Pi|Pf|Po|S|Sm|Sc|Sk|So|Z|Zs|Zl|Zp)$/

export function only(...ranges: Ranges): Characters {
  return { ranges, categories: [] }
}

export function single(code: number): Characters {
  return only([code, code])
}

/** The one character that is meant; null where there is none, or more than one. */
export function singleOf({ ranges, categories: names }: Characters): number | null {
  const [range, ...others] = ranges
  return range && others.length === 0 && names.length === 0 && range[0] === range[1] ? range[0] : null
}

/** All other characters. */
export function inverse(ranges: Ranges): Ranges {
  const result: [number, number][] = []
  let from = 0
  for (const [low, high] of normal(ranges)) {
    if (low > from) result.push([from, low - 1])
    from = high + 1
  }
  if (from <= last) result.push([from, last])
  return result
}

/** The ranges, with each ASCII letter in both cases. */
export function bothCases(ranges: Ranges): Ranges {
  const added: [number, number][] = []
  for (const [low, high] of ranges) {
    const lower: [number, number] = [Math.max(low, 97), Math.min(high, 122)]
    const upper: [number, number] = [Math.max(low, 65), Math.min(high, 90)]
    if (lower[0] <= lower[1]) added.push([lower[0] - 32, lower[1] - 32])
    if (upper[0] <= upper[1]) added.push([upper[0] + 32, upper[1] + 32])
  }
  return [...ranges, ...added]
}

/** The ranges, sorted; overlapping and adjacent ones are joined. */
export function normal(ranges: Ranges): Ranges {
  const result: [number, number][] = []
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = result.at(-1)
    if (previous && low <= previous[1] + 1) previous[1] = Math.max(previous[1], high)
    else result.push([low, high])
  }
  return result
}
