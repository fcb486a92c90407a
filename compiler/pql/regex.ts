/**
 * Regular expressions that mean the same in JavaScript, RE2 (DuckDB) and Java (Spark). Documented PQL takes Java's syntax; what the
 * three engines cannot do alike (look-around, back references, possessive repeats, …) is refused by name. Everything whose meaning
 * differs by engine is written out: `.`, `\d`, `\w`, `\s`, `$`, `\b` and `(?i)` follow Java's defaults (ASCII).
 */
export type Regex = { readonly groups: number; readonly node: RegexNode }

export type RegexNode =
  | { readonly kind: 'or'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | {
      readonly kind: 'repeat'
      readonly item: RegexNode
      readonly min: number
      readonly max: number | null
      readonly lazy: boolean
    }
  | { readonly kind: 'group'; readonly item: RegexNode; readonly capture: boolean }
  /** Ranges of code points, both ends inclusive, and Unicode categories by name. */
  | {
      readonly kind: 'set'
      readonly negated: boolean
      readonly ranges: readonly (readonly [number, number])[]
      readonly categories: readonly string[]
    }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'wordBoundary'; readonly negated: boolean }

export type RegexFault = {
  readonly message: string
  readonly help: string
  readonly unsupported: boolean
  readonly start: number
  readonly end: number
}

type Ranges = readonly (readonly [number, number])[]

const last = 0x10ffff
const digits: Ranges = [[48, 57]]
const wordCharacters: Ranges = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
]
const spaces: Ranges = [
  [9, 13],
  [32, 32],
]
const lineEnds: Ranges = [
  [10, 10],
  [13, 13],
  [0x85, 0x85],
  [0x2028, 0x2029],
]
const posix: Readonly<Record<string, Ranges>> = {
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
}
const categories = /^(?:L|Lu|Ll|Lt|Lm|Lo|M|Mn|Mc|Me|N|Nd|Nl|No|P|Pc|Pd|Ps|Pe|Pi|Pf|Po|S|Sm|Sc|Sk|So|Z|Zs|Zl|Zp)$/
/** RE2 refuses larger counts. */
const maxRepeat = 1000

/** Reads a Java regular expression; places in a fault count in `source`. */
export function parseRegex(source: string): Regex | RegexFault {
  const characters = [...source]
  const offsets: number[] = []
  for (let offset = 0, index = 0; index <= characters.length; offset += characters[index]?.length ?? 0, index += 1)
    offsets.push(offset)
  let at = 0
  let groups = 0
  let ignoreCase = false
  let dotAll = false
  let depth = 0

  class Stop extends Error {
    readonly fault: RegexFault
    constructor(fault: RegexFault) {
      super(fault.message)
      this.fault = fault
    }
  }
  const stop = (message: string, help: string, unsupported: boolean, start: number, end = at): never => {
    throw new Stop({
      message,
      help,
      unsupported,
      start: offsets[start]!,
      end: offsets[Math.max(Math.min(end, characters.length), Math.min(start + 1, characters.length))]!,
    })
  }
  const ahead = (text: string): boolean => characters.slice(at, at + text.length).join('') === text

  function alternatives(): RegexNode {
    if ((depth += 1) > 100) stop('The regular expression is nested too deeply', 'Simplify it.', false, at)
    const items = [sequence()]
    while (characters[at] === '|') {
      at += 1
      items.push(sequence())
    }
    depth -= 1
    return items.length === 1 ? items[0]! : { kind: 'or', items }
  }

  function sequence(): RegexNode {
    const items: RegexNode[] = []
    while (at < characters.length && characters[at] !== '|' && characters[at] !== ')') {
      const flags = /^\(\?([a-zA-Z-]+)\)/.exec(characters.slice(at, at + 12).join(''))
      if (flags) {
        const start = at
        at += flags[0].length
        setFlags(flags[1]!, start)
        continue
      }
      const item = atom()
      items.push(repeated(item))
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  function setFlags(flags: string, start: number): void {
    const off = flags.indexOf('-')
    for (const [index, flag] of [...flags].entries()) {
      if (flag === '-') continue
      const value = off === -1 || index < off
      if (flag === 'i') ignoreCase = value
      else if (flag === 's') dotAll = value
      else
        stop(
          `The flag \`${flag}\` is not supported`,
          'Flags are i (ignore ASCII case) and s (dot matches line ends).',
          true,
          start,
        )
    }
  }

  function repeated(item: RegexNode): RegexNode {
    let node = item
    for (;;) {
      const start = at
      let min: number
      let max: number | null
      const counted = /^\{(\d+)(,(\d*))?\}/.exec(characters.slice(at, at + 16).join(''))
      if (characters[at] === '*') [min, max] = [0, null]
      else if (characters[at] === '+') [min, max] = [1, null]
      else if (characters[at] === '?') [min, max] = [0, 1]
      else if (counted) {
        min = Number(counted[1])
        max = counted[2] === undefined ? min : counted[3] === '' ? null : Number(counted[3])
      } else return node
      if (node.kind === 'start' || node.kind === 'end' || node.kind === 'wordBoundary' || node !== item)
        stop('Nothing here can be repeated', 'Put what is repeated in parentheses.', false, start, at + 1)
      at += counted && !'*+?'.includes(characters[at]!) ? counted[0].length : 1
      if (max !== null && max < min) stop('The repeat runs backwards', 'Write the smaller count first.', false, start)
      if (min > maxRepeat || (max ?? 0) > maxRepeat)
        stop(`Repeats above ${maxRepeat} are not supported`, 'Repeat less often.', true, start)
      let lazy = false
      if (characters[at] === '?') {
        lazy = true
        at += 1
      } else if (characters[at] === '+')
        stop('Possessive repeats are not supported', 'Remove the second `+`.', true, start, at + 1)
      node = { kind: 'repeat', item: node, min, max, lazy }
    }
  }

  function atom(): RegexNode {
    const start = at
    const char = characters[at]!
    if (char === '(') return group()
    if (char === '[') return set(bracket())
    if (char === '.') {
      at += 1
      return dotAll
        ? { kind: 'set', negated: false, ranges: [[0, last]], categories: [] }
        : { kind: 'set', negated: true, ranges: lineEnds, categories: [] }
    }
    if (char === '^') {
      at += 1
      return { kind: 'start' }
    }
    if (char === '$') {
      at += 1
      return { kind: 'end' }
    }
    if ('*+?'.includes(char))
      stop(
        `\`${char}\` has nothing to repeat`,
        'Put something before it, or escape it with a backslash.',
        false,
        start,
        at + 1,
      )
    if (char === '\\') {
      const next = characters[at + 1]
      if (next === 'b' || next === 'B') {
        at += 2
        return { kind: 'wordBoundary', negated: next === 'B' }
      }
      if (next === 'A') {
        at += 2
        return { kind: 'start' }
      }
      if (next === 'z') {
        at += 2
        return { kind: 'end' }
      }
      if (next === 'Q') {
        const end = characters.join('').indexOf('\\E') // counted in UTF-16; only its presence matters below
        at += 2
        const items: RegexNode[] = []
        while (at < characters.length && !ahead('\\E'))
          items.push(set({ negated: false, ...literal(characters[at++]!.codePointAt(0)!) }))
        if (end !== -1) at += 2
        return { kind: 'group', capture: false, item: { kind: 'sequence', items } }
      }
      if (next !== undefined && /[1-9k]/.test(next))
        stop(
          'Back references are not supported',
          'Write the text again, or compare in two conditions.',
          true,
          start,
          at + 2,
        )
      return set({ negated: false, ...escape() })
    }
    at += 1
    return set({ negated: false, ...literal(char.codePointAt(0)!) })
  }

  const literal = (code: number): { ranges: Ranges; categories: readonly string[] } => ({
    ranges: [[code, code]],
    categories: [],
  })

  function set(parts: { negated: boolean; ranges: Ranges; categories: readonly string[] }): RegexNode {
    return {
      kind: 'set',
      negated: parts.negated,
      ranges: normal(ignoreCase ? bothCases(parts.ranges) : parts.ranges),
      categories: parts.categories,
    }
  }

  function group(): RegexNode {
    const start = at
    at += 1
    let capture = true
    const outer = { ignoreCase, dotAll }
    if (characters[at] === '?') {
      const inline = /^\?([a-zA-Z-]*):/.exec(characters.slice(at, at + 12).join(''))
      if (inline) {
        at += inline[0].length
        capture = false
        if (inline[1]) setFlags(inline[1], start)
      } else if (/^\?<[A-Za-z]/.test(characters.slice(at, at + 3).join(''))) {
        while (at < characters.length && characters[at] !== '>') at += 1
        at += 1
      } else {
        const what = /^\?(?:=|!|<=|<!)/.test(characters.slice(at, at + 3).join(''))
          ? 'Look-ahead and look-behind are'
          : 'This kind of group is'
        stop(`${what} not supported`, 'Use two conditions joined by `and`, or `not`.', true, start, at + 2)
      }
    }
    if (capture) groups += 1
    const item = alternatives()
    if (characters[at] !== ')') stop('A group is never closed', 'Close it with `)`.', false, start, start + 1)
    at += 1
    ignoreCase = outer.ignoreCase
    dotAll = outer.dotAll
    return { kind: 'group', item, capture }
  }

  function bracket(): { negated: boolean; ranges: Ranges; categories: readonly string[] } {
    const start = at
    at += 1
    const negated = characters[at] === '^'
    if (negated) at += 1
    const ranges: (readonly [number, number])[] = []
    const names: string[] = []
    let first = true
    for (; ; first = false) {
      const char = characters[at]
      if (char === undefined) stop('A character class is never closed', 'Close it with `]`.', false, start, start + 1)
      if (char === ']' && !first) break
      if (char === '[' || ahead('&&'))
        stop(
          'Nested classes and intersections are not supported',
          'Write one flat class, or escape the character.',
          true,
          at,
          at + 1,
        )
      const low = classAtom()
      if (characters[at] === '-' && characters[at + 1] !== ']' && characters[at + 1] !== undefined && isSingle(low)) {
        const dash = at
        at += 1
        const high = classAtom()
        if (!isSingle(high) || high.ranges[0]![0] < low.ranges[0]![0])
          stop('The range runs backwards', 'Write the smaller character first, or escape the dash.', false, dash)
        ranges.push([low.ranges[0]![0], high.ranges[0]![0]])
      } else {
        ranges.push(...low.ranges)
        names.push(...low.categories)
      }
    }
    at += 1
    return { negated, ranges, categories: names }
  }

  const isSingle = (part: { ranges: Ranges; categories: readonly string[] }): boolean =>
    part.ranges.length === 1 && part.categories.length === 0 && part.ranges[0]![0] === part.ranges[0]![1]

  function classAtom(): { ranges: Ranges; categories: readonly string[] } {
    if (characters[at] === '\\') return escape()
    return literal(characters[at++]!.codePointAt(0)!)
  }

  function escape(): { ranges: Ranges; categories: readonly string[] } {
    const start = at
    const char = characters[at + 1]
    at += 2
    const of = (ranges: Ranges): { ranges: Ranges; categories: readonly string[] } => ({ ranges, categories: [] })
    switch (char) {
      case undefined:
        return stop(
          'The regular expression ends in a backslash',
          'Double the backslash for the character itself.',
          false,
          start,
          start + 1,
        )
      case 'd':
        return of(digits)
      case 'D':
        return of(inverse(digits))
      case 'w':
        return of(wordCharacters)
      case 'W':
        return of(inverse(wordCharacters))
      case 's':
        return of(spaces)
      case 'S':
        return of(inverse(spaces))
      case 't':
        return literal(9)
      case 'n':
        return literal(10)
      case 'r':
        return literal(13)
      case 'f':
        return literal(12)
      case 'a':
        return literal(7)
      case 'e':
        return literal(27)
      case 'x':
      case 'u': {
        const pattern = char === 'u' ? /^([0-9a-fA-F]{4})/ : /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/
        const found = pattern.exec(characters.slice(at, at + 8).join(''))
        if (!found) return stop('A character code is incomplete', 'Write \\xhh or \\uhhhh.', false, start)
        at += found[0].length
        return literal(Number.parseInt(found[1] ?? found[2]!, 16))
      }
      case 'p':
      case 'P': {
        const found = /^(?:\{(?:Is)?([A-Za-z]+)\}|([A-Z]))/.exec(characters.slice(at, at + 24).join(''))
        const name = found?.[1] ?? found?.[2]
        if (!found || name === undefined)
          return stop('A Unicode class is incomplete', 'Write it like \\p{L}.', false, start)
        at += found[0].length
        const own = posix[name]
        if (own) return of(char === 'P' ? inverse(own) : own)
        if (char === 'p' && categories.test(name)) return { ranges: [], categories: [name] }
        return stop(
          `The class \`${name}\` is not supported`,
          'Supported are Unicode general categories such as \\p{L} and the POSIX names such as \\p{Alpha}.',
          true,
          start,
        )
      }
      default:
        if (/[A-Za-z0-9]/.test(char))
          return stop(
            `\`\\${char}\` is not supported in a regular expression`,
            'Write the character itself or a class.',
            true,
            start,
          )
        return literal(char.codePointAt(0)!)
    }
  }

  try {
    const node = alternatives()
    if (at < characters.length)
      stop('`)` closes nothing', 'Remove it, or escape it with a backslash.', false, at, at + 1)
    return { groups, node }
  } catch (error) {
    if (error instanceof Stop) return error.fault
    throw error
  }
}

/** Printed for `new RegExp(…, 'u')`. */
export const javaScriptRegex = (regex: Regex): string =>
  printRegex(regex.node, {
    point: (code) => `\\u{${code.toString(16)}}`,
    start: '^',
    end: '$',
    boundary: ['\\b', '\\B'],
  })

/** Printed for RE2, as DuckDB uses it. */
export const re2Regex = (regex: Regex): string =>
  printRegex(regex.node, {
    point: (code) => `\\x{${code.toString(16)}}`,
    start: '^',
    end: '$',
    boundary: ['\\b', '\\B'],
  })

/** Printed for java.util.regex: its `$` would also match before a last line end, its `\b` counts Unicode letters. */
export const javaRegex = (regex: Regex): string => {
  const word = '[0-9A-Z_a-z]'
  return printRegex(regex.node, {
    point: (code) => `\\x{${code.toString(16)}}`,
    start: '\\A',
    end: '\\z',
    boundary: [
      `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`,
      `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`,
    ],
  })
}

type RegexDialect = {
  readonly point: (code: number) => string
  readonly start: string
  readonly end: string
  readonly boundary: readonly [string, string]
}

function printRegex(node: RegexNode, dialect: RegexDialect): string {
  switch (node.kind) {
    case 'or':
      return `(?:${node.items.map((item) => printRegex(item, dialect)).join('|')})`
    case 'sequence':
      return node.items.map((item) => printRegex(item, dialect)).join('')
    case 'group':
      return `${node.capture ? '(' : '(?:'}${printRegex(node.item, dialect)})`
    case 'repeat': {
      const { min, max, lazy } = node
      const count =
        max === null
          ? min === 0
            ? '*'
            : min === 1
              ? '+'
              : `{${min},}`
          : min === 0 && max === 1
            ? '?'
            : `{${min},${max}}`
      return `(?:${printRegex(node.item, dialect)})${count}${lazy ? '?' : ''}`
    }
    case 'start':
      return dialect.start
    case 'end':
      return dialect.end
    case 'wordBoundary':
      return dialect.boundary[node.negated ? 1 : 0]
    case 'set': {
      const point = (code: number): string =>
        /[0-9A-Za-z _]/.test(String.fromCodePoint(code)) && code < 128
          ? String.fromCodePoint(code)
          : dialect.point(code)
      const single =
        !node.negated &&
        node.categories.length === 0 &&
        node.ranges.length === 1 &&
        node.ranges[0]![0] === node.ranges[0]![1]
      if (single) return point(node.ranges[0]![0])
      const body = node.ranges
        .map(([low, high]) => (low === high ? point(low) : `${point(low)}-${point(high)}`))
        .join('')
      return `[${node.negated ? '^' : ''}${body}${node.categories.map((name) => `\\p{${name}}`).join('')}]`
    }
  }
}

function inverse(ranges: Ranges): Ranges {
  const result: [number, number][] = []
  let from = 0
  for (const [low, high] of normal(ranges)) {
    if (low > from) result.push([from, low - 1])
    from = high + 1
  }
  if (from <= last) result.push([from, last])
  return result
}

function bothCases(ranges: Ranges): Ranges {
  const added: [number, number][] = []
  for (const [low, high] of ranges) {
    const lower: [number, number] = [Math.max(low, 97), Math.min(high, 122)]
    const upper: [number, number] = [Math.max(low, 65), Math.min(high, 90)]
    if (lower[0] <= lower[1]) added.push([lower[0] - 32, lower[1] - 32])
    if (upper[0] <= upper[1]) added.push([upper[0] + 32, upper[1] + 32])
  }
  return [...ranges, ...added]
}

/** Sorted, overlaps and neighbours joined. */
function normal(ranges: Ranges): Ranges {
  const result: [number, number][] = []
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = result.at(-1)
    if (previous && low <= previous[1] + 1) previous[1] = Math.max(previous[1], high)
    else result.push([low, high])
  }
  return result
}
