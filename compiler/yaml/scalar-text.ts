import type { YamlScalar } from './node.ts'

/** Half-open, UTF-16 code units of the file. */
export type TextRange = { readonly start: number; readonly end: number }

/**
 * A piece of a scalar's value, and where it stands in the file. A copied piece has the same characters on both sides; other pieces
 * (escapes, folded line breaks) stand for their source as a whole.
 */
type Piece = {
  readonly value: number
  readonly length: number
  readonly start: number
  readonly end: number
  readonly copied: boolean
}

type Decoded = { readonly value: string; readonly pieces: readonly Piece[] }

/**
 * Turns a range inside the scalar's value into the file's characters that say it. An escape or a folded line break belongs to the range
 * as a whole. The first call does the work for later calls of the same function.
 */
export function textRangeOf(text: string, scalar: YamlScalar): (start: number, end: number) => TextRange {
  let pieces: readonly Piece[] | undefined
  return (start, end) => {
    pieces ??= piecesOf(text, scalar)
    const from = startIn(pieces, start, scalar)
    return { start: from, end: end > start ? endIn(pieces, end, scalar) : from }
  }
}

/** The value of a plain or quoted scalar at start..end (with quotes), line folding and escapes applied; null for a bad escape. */
export function decodeFlowScalar(
  text: string,
  start: number,
  end: number,
  style: 'plain' | 'single' | 'double',
): Decoded | null {
  const builder = new Builder(text)
  const stop = style === 'plain' ? end : end - 1
  let at = style === 'plain' ? start : start + 1
  let copiedFrom = at
  const copyUntil = (until: number) => {
    if (until > copiedFrom) builder.copy(copiedFrom, until)
  }
  while (at < stop) {
    const char = text[at]!
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') {
      const { next, breaks } = whiteSpace(text, at, stop)
      if (breaks > 0) {
        copyUntil(at)
        builder.make(breaks === 1 ? ' ' : '\n'.repeat(breaks - 1), at, next)
        copiedFrom = next
      }
      at = next
    } else if (style === 'single' && char === "'") {
      copyUntil(at)
      builder.make("'", at, at + 2)
      copiedFrom = at += 2
    } else if (style === 'double' && char === '\\') {
      copyUntil(at)
      const escaped = escapeAt(text, at, stop)
      if (escaped === null) return null
      builder.make(escaped.value, at, escaped.next)
      copiedFrom = at = escaped.next
    } else {
      at += 1
    }
  }
  copyUntil(stop)
  return builder
}

/** Joins the lines of a folded block scalar, without indentation. `breakBetween` is told how each gap was joined. */
export function foldLines(lines: readonly string[], breakBetween?: (lineIndex: number, joint: string) => void): string {
  let value = ''
  let blanks = 0
  let wasMoreIndented = false
  let isFirst = true
  lines.forEach((line, index) => {
    if (line === '') {
      blanks += 1
      return
    }
    const isMoreIndented = line[0] === ' ' || line[0] === '\t'
    const keepsBreaks = isMoreIndented || wasMoreIndented
    const joint = isFirst
      ? '\n'.repeat(blanks)
      : keepsBreaks
        ? '\n'.repeat(blanks + 1)
        : blanks === 0
          ? ' '
          : '\n'.repeat(blanks)
    breakBetween?.(index, joint)
    value += joint + line
    blanks = 0
    wasMoreIndented = isMoreIndented
    isFirst = false
  })
  return value
}

class Builder {
  value = ''
  readonly pieces: Piece[] = []
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  copy(start: number, end: number): void {
    this.pieces.push({ value: this.value.length, length: end - start, start, end, copied: true })
    this.value += this.#text.slice(start, end)
  }

  make(value: string, start: number, end: number): void {
    if (value !== '') this.pieces.push({ value: this.value.length, length: value.length, start, end, copied: false })
    this.value += value
  }
}

function whiteSpace(text: string, from: number, stop: number): { readonly next: number; readonly breaks: number } {
  let next = from
  let breaks = 0
  for (; next < stop; next += 1) {
    const char = text[next]
    if (char === '\n' || (char === '\r' && text[next + 1] !== '\n')) breaks += 1
    else if (char !== ' ' && char !== '\t' && char !== '\r') break
  }
  return { next, breaks }
}

const simpleEscapes: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  '\t': '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  '/': '/',
  '\\': '\\',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
}

const hexDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

function escapeAt(text: string, at: number, stop: number): { readonly value: string; readonly next: number } | null {
  const char = text[at + 1]
  if (char === undefined || at + 1 >= stop) return null
  if (char === '\n' || char === '\r') {
    const { next, breaks } = whiteSpace(text, at + 1, stop)
    return breaks === 0 ? null : { value: '\n'.repeat(breaks - 1), next }
  }
  const simple = simpleEscapes[char]
  if (simple !== undefined) return { value: simple, next: at + 2 }
  const digits = text.slice(at + 2, at + 2 + (hexDigits[char] ?? 0))
  const code = Number.parseInt(digits, 16)
  if (digits.length !== hexDigits[char] || !/^[0-9a-fA-F]+$/.test(digits) || code > 0x10ffff) return null
  return { value: String.fromCodePoint(code), next: at + 2 + digits.length }
}

function piecesOf(text: string, scalar: YamlScalar): readonly Piece[] {
  const { start, end, style } = scalar
  const decoded =
    style === 'literal' || style === 'folded'
      ? decodeBlockScalar(text, scalar)
      : decodeFlowScalar(text, start, end, style)
  const value = typeof scalar.value === 'string' ? scalar.value : text.slice(start, end)
  return decoded?.value === value ? decoded.pieces : [{ value: 0, length: value.length, start, end, copied: false }]
}

function decodeBlockScalar(text: string, scalar: YamlScalar): Decoded {
  const value = String(scalar.value)
  const lines = sourceLines(text, scalar)
  const firstLine = lines.find(({ start, end }) => /[^ ]/.test(text.slice(start, end)))
  const firstValueLine = value.split('\n').find((line) => /[^ ]/.test(line))
  const indent =
    firstLine && firstValueLine
      ? leadingSpaces(text.slice(firstLine.start, firstLine.end)) - leadingSpaces(firstValueLine)
      : 0
  const bodies = lines.map((line) => ({ ...line, start: Math.min(line.start + indent, line.end) }))
  let last = bodies.length - 1
  while (last >= 0 && bodies[last]!.start === bodies[last]!.end) last -= 1
  const builder = new Builder(text)
  const content = bodies.slice(0, last + 1)
  const joints: string[] = []
  if (scalar.style === 'folded') {
    foldLines(
      content.map(({ start, end }) => text.slice(start, end)),
      (index, joint) => {
        joints[index] = joint
      },
    )
  }
  let previousEnd = scalar.start
  content.forEach((line, index) => {
    const joint = scalar.style === 'folded' ? joints[index] : index === 0 ? '' : '\n'
    if (joint === undefined) return
    builder.make(joint, previousEnd, line.start)
    if (line.end > line.start) builder.copy(line.start, line.end)
    previousEnd = line.end
  })
  for (let index = Math.max(last, 0); builder.value.length < value.length && index < bodies.length; index += 1) {
    const line = bodies[index]!
    builder.make('\n', line.end, line.next)
  }
  return builder
}

/** The lines below the header; `next` is where the following line begins. */
function sourceLines(text: string, scalar: YamlScalar): { start: number; end: number; next: number }[] {
  const lines: { start: number; end: number; next: number }[] = []
  const header = text.indexOf('\n', scalar.start)
  let start = header === -1 ? text.length : header + 1
  while (start <= scalar.end && start < text.length) {
    const lineBreak = text.indexOf('\n', start)
    const next = lineBreak === -1 ? text.length : lineBreak + 1
    let end = lineBreak === -1 ? text.length : lineBreak
    if (text[end - 1] === '\r' && end > start) end -= 1
    lines.push({ start, end, next })
    start = next
  }
  return lines
}

function leadingSpaces(line: string): number {
  let count = 0
  while (line[count] === ' ') count += 1
  return count
}

function startIn(pieces: readonly Piece[], offset: number, scalar: YamlScalar): number {
  const piece = pieceAt(pieces, offset)
  if (!piece) return scalar.start
  if (!piece.copied) return offset < piece.value + piece.length ? piece.start : piece.end
  return Math.min(piece.start + offset - piece.value, piece.end)
}

function endIn(pieces: readonly Piece[], end: number, scalar: YamlScalar): number {
  const piece = pieceAt(pieces, end - 1)
  if (!piece) return scalar.end
  return piece.copied ? Math.min(piece.start + end - piece.value, piece.end) : piece.end
}

/** The last piece that begins at or before the offset. */
function pieceAt(pieces: readonly Piece[], offset: number): Piece | undefined {
  let low = 0
  let high = pieces.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (pieces[middle]!.value <= offset) low = middle + 1
    else high = middle
  }
  return pieces[low - 1]
}
