import type { Regex, RegexFault, RegexNode } from '../regex.ts'
import {
  bothCases,
  type Characters,
  categories,
  digits,
  inverse,
  last,
  lineEnds,
  normal,
  only,
  posix,
  type Ranges,
  single,
  singleOf,
  spaces,
  wordCharacters,
} from './characters.ts'
import { mayRepeat, mostStates, sizeOfRegex } from './size.ts'

/** RE2 refuses larger counts. */
const maxRepeat = 1000
const maxDepth = 100

/** Reads a Java regular expression; places in a fault count in `source`. */
export function parseRegex(source: string): Regex | RegexFault {
  const reader = new RegexReader(source)
  try {
    const node = alternatives(reader)
    if (!reader.isAtEnd) reader.stop('`)` closes nothing', escapeHelp, { end: reader.at + 1 })
    const whole = { start: 0, end: source.length, unsupported: true }
    if (!mayRepeat(node, maxRepeat))
      reader.stop(`Repeats inside repeats come to more than ${maxRepeat} times`, 'Repeat less often.', whole)
    if (sizeOfRegex(node) > mostStates)
      reader.stop('The regular expression is too large for the engines', 'Repeat less often, or list less.', whole)
    return { groups: reader.groups, node }
  } catch (error) {
    if (error instanceof Stop) return error.fault
    throw error
  }
}

const escapeHelp = 'Remove it, or escape it with a backslash.'

/** Thrown at the first fault: a regular expression with a fault is not read on. */
class Stop extends Error {
  readonly fault: RegexFault
  constructor(fault: RegexFault) {
    super(fault.message)
    this.fault = fault
  }
}

type Flags = { readonly ignoreCase: boolean; readonly dotAll: boolean }

/** A place in a regular expression, counted in code points, with the flags that hold there. */
class RegexReader {
  at = 0
  groups = 0
  depth = 0
  flags: Flags = { ignoreCase: false, dotAll: false }
  private readonly characters: readonly string[]
  /** Where each character begins, in UTF-16 code units, and the end. */
  private readonly offsets: number[] = []

  constructor(source: string) {
    this.characters = [...source]
    let offset = 0
    for (const character of this.characters) {
      this.offsets.push(offset)
      offset += character.length
    }
    this.offsets.push(offset)
  }

  get isAtEnd(): boolean {
    return this.at >= this.characters.length
  }

  /** The next character; undefined past the end. */
  peek(ahead = 0): string | undefined {
    return this.characters[this.at + ahead]
  }

  /** The code of the next character, which must exist. */
  next(): number {
    const code = this.characters[this.at]!.codePointAt(0)!
    this.at += 1
    return code
  }

  isAhead(text: string): boolean {
    return this.slice(text.length) === text
  }

  /** The match at the start of the next characters, which are not read. */
  match(pattern: RegExp, most: number): RegExpExecArray | null {
    return pattern.exec(this.slice(most))
  }

  private slice(count: number): string {
    return this.characters.slice(this.at, this.at + count).join('')
  }

  /** Throws a fault from `start` to `end`; default: the current place. It covers at least one character, where there is one. */
  stop(message: string, help: string, { start = this.at, end = this.at, unsupported = false }: StopPlace = {}): never {
    const { length } = this.characters
    const to = Math.max(Math.min(end, length), Math.min(start + 1, length))
    throw new Stop({ message, help, unsupported, start: this.offsets[start]!, end: this.offsets[to]! })
  }
}

type StopPlace = { readonly start?: number; readonly end?: number; readonly unsupported?: boolean }

// ---- grammar

function alternatives(reader: RegexReader): RegexNode {
  if ((reader.depth += 1) > maxDepth) reader.stop('The regular expression is nested too deeply', 'Simplify it.')
  const items = [sequence(reader)]
  while (reader.peek() === '|') {
    reader.at += 1
    items.push(sequence(reader))
  }
  reader.depth -= 1
  return items.length === 1 ? items[0]! : { kind: 'or', items }
}

function sequence(reader: RegexReader): RegexNode {
  const items: RegexNode[] = []
  while (!reader.isAtEnd && reader.peek() !== '|' && reader.peek() !== ')') {
    const flags = reader.match(/^\(\?([a-zA-Z-]+)\)/, 12)
    if (!flags) items.push(repeated(reader, atom(reader)))
    else {
      const start = reader.at
      reader.at += flags[0].length
      setFlags(reader, flags[1]!, start)
    }
  }
  return items.length === 1 ? items[0]! : { kind: 'sequence', items }
}

/** Sets flags (`i`, `s`, `-i`) from here to the end of the group. */
function setFlags(reader: RegexReader, written: string, start: number): void {
  const off = written.indexOf('-')
  for (const [index, flag] of [...written].entries()) {
    if (flag === '-') continue
    const value = off === -1 || index < off
    if (flag === 'i') reader.flags = { ...reader.flags, ignoreCase: value }
    else if (flag === 's') reader.flags = { ...reader.flags, dotAll: value }
    else reader.stop(`The flag \`${flag}\` is not supported`, flagsHelp, { start, unsupported: true })
  }
}

const flagsHelp = 'Flags are i (ignore ASCII case) and s (dot matches line ends).'

function repeated(reader: RegexReader, item: RegexNode): RegexNode {
  const start = reader.at
  const counts = repeatCounts(reader)
  if (!counts) return item
  const [min, max, length] = counts
  const isPlace = item.kind === 'start' || item.kind === 'end' || item.kind === 'wordBoundary'
  if (isPlace) stopRepeat(reader, start)
  reader.at += length
  if (max !== null && max < min) reader.stop('The repeat runs backwards', 'Write the smaller count first.', { start })
  if (min > maxRepeat || (max ?? 0) > maxRepeat)
    reader.stop(`Repeats above ${maxRepeat} are not supported`, 'Repeat less often.', { start, unsupported: true })
  const lazy = reader.peek() === '?'
  if (lazy) reader.at += 1
  else if (reader.peek() === '+')
    reader.stop('Possessive repeats are not supported', 'Remove the second `+`.', {
      start,
      end: reader.at + 1,
      unsupported: true,
    })
  if (repeatCounts(reader)) stopRepeat(reader, reader.at)
  return { kind: 'repeat', item, min, max, lazy }
}

function stopRepeat(reader: RegexReader, start: number): never {
  return reader.stop('Nothing here can be repeated', 'Put what is repeated in parentheses.', { start, end: start + 1 })
}

/** How often at least and at most (null: unlimited), and how many characters say so; null where nothing is repeated. */
function repeatCounts(reader: RegexReader): readonly [min: number, max: number | null, length: number] | null {
  switch (reader.peek()) {
    case '*':
      return [0, null, 1]
    case '+':
      return [1, null, 1]
    case '?':
      return [0, 1, 1]
    case '{': {
      const [all, least, upTo, most] = reader.match(/^\{(\d+)(,(\d*))?\}/, 16) ?? []
      if (all === undefined) return null
      const min = Number(least)
      return [min, upTo === undefined ? min : most === '' ? null : Number(most), all.length]
    }
    default:
      return null
  }
}

function atom(reader: RegexReader): RegexNode {
  const start = reader.at
  const character = reader.peek()!
  switch (character) {
    case '(':
      return group(reader)
    case '[': {
      const { negated, characters } = bracket(reader)
      return set(reader, characters, negated)
    }
    case '.':
      reader.at += 1
      return reader.flags.dotAll
        ? { kind: 'set', negated: false, ranges: [[0, last]], categories: [] }
        : { kind: 'set', negated: true, ranges: lineEnds, categories: [] }
    case '^':
      reader.at += 1
      return { kind: 'start' }
    case '$':
      reader.at += 1
      return { kind: 'end' }
    case '*':
    case '+':
    case '?':
      return reader.stop(
        `\`${character}\` has nothing to repeat`,
        'Put something before it, or escape it with a backslash.',
        { start, end: start + 1 },
      )
    case '\\':
      return backslash(reader)
    default:
      return set(reader, single(reader.next()))
  }
}

function set({ flags }: RegexReader, { ranges, categories: names }: Characters, negated = false): RegexNode {
  return {
    kind: 'set',
    negated,
    ranges: normal(flags.ignoreCase ? bothCases(ranges) : ranges),
    categories: names,
  }
}

/** A place, a quotation or a character that a backslash begins. */
function backslash(reader: RegexReader): RegexNode {
  const next = reader.peek(1)
  switch (next) {
    case 'b':
    case 'B':
      reader.at += 2
      return { kind: 'wordBoundary', negated: next === 'B' }
    case 'A':
      reader.at += 2
      return { kind: 'start' }
    case 'z':
      reader.at += 2
      return { kind: 'end' }
    case 'Q':
      return quotation(reader)
    default:
      if (next !== undefined && /[1-9k]/.test(next))
        reader.stop('Back references are not supported', 'Write the text again, or compare in two conditions.', {
          end: reader.at + 2,
          unsupported: true,
        })
      return set(reader, escaped(reader))
  }
}

/** `\Q…\E`, or up to the end. */
function quotation(reader: RegexReader): RegexNode {
  reader.at += 2
  const items: RegexNode[] = []
  while (!reader.isAtEnd && !reader.isAhead('\\E')) items.push(set(reader, single(reader.next())))
  if (!reader.isAtEnd) reader.at += 2
  return { kind: 'group', capture: false, item: { kind: 'sequence', items } }
}

function group(reader: RegexReader): RegexNode {
  const start = reader.at
  const outside = reader.flags
  reader.at += 1
  const capture = groupHead(reader, start)
  if (capture) reader.groups += 1
  const item = alternatives(reader)
  if (reader.peek() !== ')') reader.stop('A group is never closed', 'Close it with `)`.', { start, end: start + 1 })
  reader.at += 1
  reader.flags = outside
  return { kind: 'group', item, capture }
}

/** Reads `?:`, flags or a name after the parenthesis; returns whether the group is counted. */
function groupHead(reader: RegexReader, start: number): boolean {
  if (reader.peek() !== '?') return true
  const inline = reader.match(/^\?([a-zA-Z-]*):/, 12)
  if (inline) {
    reader.at += inline[0].length
    if (inline[1]) setFlags(reader, inline[1], start)
    return false
  }
  if (reader.match(/^\?<[A-Za-z]/, 3)) {
    while (!reader.isAtEnd && reader.peek() !== '>') reader.at += 1
    reader.at += 1
    return true
  }
  const what = reader.match(/^\?(?:=|!|<=|<!)/, 3) ? 'Look-ahead and look-behind are' : 'This kind of group is'
  return reader.stop(`${what} not supported`, 'Use two conditions joined by `and`, or `not`.', {
    start,
    end: reader.at + 2,
    unsupported: true,
  })
}

/** `[…]` */
function bracket(reader: RegexReader): { readonly negated: boolean; readonly characters: Characters } {
  const start = reader.at
  reader.at += 1
  const negated = reader.peek() === '^'
  if (negated) reader.at += 1
  const ranges: (readonly [number, number])[] = []
  const names: string[] = []
  for (let isFirst = true; isFirst || reader.peek() !== ']'; isFirst = false) {
    if (reader.isAtEnd)
      reader.stop('A character class is never closed', 'Close it with `]`.', { start, end: start + 1 })
    if (reader.peek() === '[' || reader.isAhead('&&'))
      reader.stop(
        'Nested classes and intersections are not supported',
        'Write one flat class, or escape the character.',
        { end: reader.at + 1, unsupported: true },
      )
    const characters = classAtom(reader)
    const low = singleOf(characters)
    const isRange = low !== null && reader.peek() === '-' && reader.peek(1) !== ']' && reader.peek(1) !== undefined
    if (isRange) ranges.push([low, rangeEnd(reader, low)])
    else {
      for (const range of characters.ranges) ranges.push(range)
      names.push(...characters.categories)
    }
  }
  reader.at += 1
  return { negated, characters: { ranges, categories: names } }
}

function rangeEnd(reader: RegexReader, low: number): number {
  const dash = reader.at
  reader.at += 1
  const high = singleOf(classAtom(reader))
  if (high === null || high < low)
    return reader.stop('The range runs backwards', 'Write the smaller character first, or escape the dash.', {
      start: dash,
    })
  return high
}

function classAtom(reader: RegexReader): Characters {
  return reader.peek() === '\\' ? escaped(reader) : single(reader.next())
}

const classes: Readonly<Record<string, Ranges>> = {
  d: digits,
  D: inverse(digits),
  w: wordCharacters,
  W: inverse(wordCharacters),
  s: spaces,
  S: inverse(spaces),
}

const controls: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, a: 7, e: 27 }

/** The characters that a backslash and what follows stand for. */
function escaped(reader: RegexReader): Characters {
  const start = reader.at
  const character = reader.peek(1)
  reader.at += 2
  if (character === undefined)
    return reader.stop('The regular expression ends in a backslash', 'Double the backslash for the character itself.', {
      start,
      end: start + 1,
    })
  const ranges = classes[character]
  if (ranges) return only(...ranges)
  const control = controls[character]
  if (control !== undefined) return single(control)
  if (character === 'x' || character === 'u') return coded(reader, character, start)
  if (character === 'p' || character === 'P') return unicodeClass(reader, character === 'P', start)
  if (/[A-Za-z0-9]/.test(character))
    return reader.stop(
      `\`\\${character}\` is not supported in a regular expression`,
      'Write the character itself or a class.',
      { start, unsupported: true },
    )
  return single(character.codePointAt(0)!)
}

/** `\xhh`, `\x{h…}` and `\uhhhh`, after the letter. */
function coded(reader: RegexReader, letter: 'x' | 'u', start: number): Characters {
  const pattern = letter === 'u' ? /^([0-9a-fA-F]{4})/ : /^(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,6})\})/
  const found = reader.match(pattern, 8)
  if (!found) return reader.stop('A character code is incomplete', 'Write \\xhh or \\uhhhh.', { start })
  reader.at += found[0].length
  return single(Number.parseInt(found[1] ?? found[2]!, 16))
}

/** `\p{L}`, `\pL`, `\p{Alpha}` and their opposites, after the letter. */
function unicodeClass(reader: RegexReader, negated: boolean, start: number): Characters {
  const found = reader.match(/^(?:\{(?:Is)?([A-Za-z]+)\}|([A-Z]))/, 24)
  const name = found?.[1] ?? found?.[2]
  if (!found || name === undefined)
    return reader.stop('A Unicode class is incomplete', 'Write it like \\p{L}.', { start })
  reader.at += found[0].length
  const own = posix.get(name)
  if (own) return only(...(negated ? inverse(own) : own))
  if (!negated && categories.test(name)) return { ranges: [], categories: [name] }
  return reader.stop(
    `The class \`${name}\` is not supported`,
    'Supported are Unicode general categories such as \\p{L} and the POSIX names such as \\p{Alpha}.',
    { start, unsupported: true },
  )
}
