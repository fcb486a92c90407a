import type { Ranges } from './regex/characters.ts'

/**
 * Regular expressions that mean the same in JavaScript, RE2 (DuckDB) and Java (Spark). Documented PQL takes Java's syntax; what the three
 * engines cannot do alike (look-around, back references, possessive repeats, …) is refused by name. Everything whose meaning differs by
 * engine is written out: `.`, `\d`, `\w`, `\s`, `$`, `\b` and `(?i)` follow Java's defaults (ASCII).
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
      readonly ranges: Ranges
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

/** The text for `new RegExp(…, 'u')`. */
export const javaScriptRegex = (regex: Regex): string =>
  printRegex(regex.node, {
    point: (code) => `\\u{${code.toString(16)}}`,
    start: '^',
    end: '$',
    boundary: ['\\b', '\\B'],
  })

/** The text for RE2, which DuckDB uses. */
export const re2Regex = (regex: Regex): string =>
  printRegex(regex.node, {
    point: (code) => `\\x{${code.toString(16)}}`,
    start: '^',
    end: '$',
    boundary: ['\\b', '\\B'],
  })

/** The text for java.util.regex, whose own `$` would also match before a last line end, and whose `\b` counts Unicode letters. */
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
