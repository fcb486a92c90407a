/**
 * How a CSV file is written. `delimiter` may be several characters; `quote`, `escape` and `comment` are one character, or empty for none.
 * Every text here is "binary", one character a byte, so that what is no UTF-8 stays as it is.
 */
export type CsvDialect = {
  readonly delimiter: string
  readonly quote: string
  /** Stands before a quote inside quotes; in RFC 4180 this is the quote itself. */
  readonly escape: string
  /** A line that begins with this is not data. */
  readonly comment: string
  /** How many lines stand before the header. */
  readonly skipLines: number
  /**
   * Takes files that break RFC 4180: a misplaced or unclosed quote is text, short records are filled up, and empty cells after the last
   * column are dropped.
   */
  readonly lenient: boolean
}

export const rfc4180: CsvDialect = {
  delimiter: ',',
  quote: '"',
  escape: '"',
  comment: '',
  skipLines: 0,
  lenient: false,
}

export type CsvRecord = {
  /** The line on which the record begins, counted from 1, and how many lines it spans. */
  readonly line: number
  readonly lines: number
  readonly cells: readonly string[]
  /** Why this is no record; null where it is one. The caller checks the number of its cells. */
  readonly fault: string | null
  /** The record as it stands in the file, where there is a fault. */
  readonly text: string
}

/** The longest record, in bytes: a quote that has not closed by then never does. */
const longestRecord = 16 << 20

/** A quote in a record is never closed: what follows cannot be told apart. */
export class UnclosedQuote extends Error {
  readonly line: number

  constructor(line: number) {
    super(`a quote opens on line ${line} and does not close`)
    this.line = line
  }
}

/** The records of a CSV file in order, with its header; without blank lines, comments and skipped lines. Throws UnclosedQuote. */
export async function* csvRecords(
  bytes: AsyncIterable<Buffer>,
  dialect: CsvDialect,
): AsyncGenerator<readonly CsvRecord[]> {
  const parser = new CsvParser(dialect)
  let isFirst = true
  for await (const chunk of bytes) {
    const text = chunk.toString('latin1')
    yield parser.feed(isFirst ? text.replace(/^\xEF\xBB\xBF/, '') : text, false)
    isFirst = false
  }
  yield parser.feed('', true)
}

class CsvParser {
  readonly #dialect: CsvDialect
  /** What was read and is not yet a whole record. */
  #rest = ''
  #line = 1
  #skip: number

  constructor(dialect: CsvDialect) {
    this.#dialect = dialect
    this.#skip = dialect.skipLines
  }

  feed(text: string, atEnd: boolean): CsvRecord[] {
    const all = this.#rest + text
    const records: CsvRecord[] = []
    let at = 0
    while (at < all.length) {
      const next = this.#next(all, at, atEnd)
      if (next === null) break
      if (next.record !== null) records.push(next.record)
      this.#line += next.lines
      at = next.end
    }
    this.#rest = all.slice(at)
    if (this.#rest.length <= longestRecord) return records
    const record = this.#dialect.lenient ? this.#record(this.#rest, 0, true, true) : null
    if (record === null || record === 'unclosed') throw new UnclosedQuote(this.#line)
    this.#line += record.lines
    this.#rest = this.#rest.slice(record.end)
    return [...records, record.record]
  }

  /** The record at `at` and where it ends; null while that is not known. */
  #next(all: string, at: number, atEnd: boolean): { record: CsvRecord | null; lines: number; end: number } | null {
    const { comment, lenient } = this.#dialect
    if (this.#skip > 0 || (comment !== '' && all.startsWith(comment, at)) || isBreak(all, at)) {
      const end = afterLine(all, at, atEnd)
      if (end === null) return null
      if (this.#skip > 0) this.#skip--
      return { record: null, lines: 1, end }
    }
    const read = this.#record(all, at, atEnd, false)
    if (read !== 'unclosed') return read
    const literal = lenient ? this.#record(all, at, true, true) : null
    if (literal !== null && literal !== 'unclosed') return literal
    throw new UnclosedQuote(this.#line)
  }

  /** `literally`: quotes are text. */
  #record(
    all: string,
    start: number,
    atEnd: boolean,
    literally: boolean,
  ): { record: CsvRecord; lines: number; end: number } | null | 'unclosed' {
    const { delimiter, quote, escape, lenient } = this.#dialect
    const cells: string[] = []
    let fault: string | null = null
    let lines = 1
    let at = start
    for (;;) {
      let cell = ''
      if (!literally && quote !== '' && all[at] === quote) {
        let from = at + 1
        for (;;) {
          const closing = closingQuote(all, from, quote, escape)
          if (closing === null) return atEnd ? 'unclosed' : null
          cell += all.slice(from, closing.at)
          if (!closing.escaped) {
            at = closing.at + 1
            // The next character decides whether the quote closes.
            if (at >= all.length && !atEnd) return null
            break
          }
          if (closing.at + 1 >= all.length) return atEnd ? 'unclosed' : null
          cell += all[closing.at + 1]
          from = closing.at + 2
        }
        lines += breaksIn(cell)
        const end = endOfCell(all, at, delimiter)
        if (end > at) {
          const more = all.slice(at, end)
          if (lenient) cell = `${cell}${more}`
          else fault ??= 'has text after a closing quote'
          at = end
        }
      } else {
        const end = endOfCell(all, at, delimiter)
        cell = all.slice(at, end)
        if (!lenient && !literally && quote !== '' && cell.includes(quote))
          fault ??= 'has a quote inside a cell without quotes'
        at = end
      }
      cells.push(cell)
      if (at >= all.length) {
        if (!atEnd) return null
        break
      }
      // More of a delimiter of several characters may follow.
      if (!atEnd && all.length - at < delimiter.length) return null
      if (all.startsWith(delimiter, at)) {
        at += delimiter.length
        // An empty cell ends the file.
        if (at >= all.length && !atEnd) return null
        continue
      }
      break
    }
    const end = at >= all.length ? at : afterBreak(all, at, atEnd)
    if (end === null) return null
    const text = fault === null ? '' : all.slice(start, at)
    return { record: { line: this.#line, lines, cells, fault, text }, lines, end }
  }
}

/** The closing quote, or an escape and the quote it stands before; null where there is neither. */
function closingQuote(
  all: string,
  from: number,
  quote: string,
  escape: string,
): { at: number; escaped: boolean } | null {
  if (escape === quote || escape === '') {
    const at = all.indexOf(quote, from)
    if (at < 0) return null
    return { at, escaped: escape !== '' && all[at + 1] === quote }
  }
  for (let at = from; at < all.length; at++) {
    if (all[at] === quote) return { at, escaped: false }
    if (all[at] === escape) return { at, escaped: true }
  }
  return null
}

function isBreak(all: string, at: number): boolean {
  return all[at] === '\n' || all[at] === '\r'
}

/** Where an unquoted cell ends: at the delimiter, a line break, or the end of the text so far. */
function endOfCell(all: string, from: number, delimiter: string): number {
  const first = delimiter.charCodeAt(0)
  for (let at = from; at < all.length; at++) {
    const code = all.charCodeAt(at)
    if (code === newline || code === carriageReturn) return at
    if (code === first && (delimiter.length === 1 || all.startsWith(delimiter, at))) return at
  }
  return all.length
}

/** The position after a line break at `at`; null while the line break may go on. */
function afterBreak(all: string, at: number, atEnd: boolean): number | null {
  if (all[at] !== '\r') return at + 1
  if (at + 1 >= all.length) return atEnd ? at + 1 : null
  return all[at + 1] === '\n' ? at + 2 : at + 1
}

function afterLine(all: string, from: number, atEnd: boolean): number | null {
  let at = from
  while (at < all.length && !isBreak(all, at)) at++
  if (at >= all.length) return atEnd ? at : null
  return afterBreak(all, at, atEnd)
}

function breaksIn(cell: string): number {
  let count = 0
  for (let at = 0; at < cell.length; at++) {
    const code = cell.charCodeAt(at)
    if (code === newline || (code === carriageReturn && cell.charCodeAt(at + 1) !== newline)) count++
  }
  return count
}

const newline = 0x0a
const carriageReturn = 0x0d
const quoteByte = 0x22

/**
 * Searches the bytes of a file with a one-byte delimiter and RFC 4180 quotes for anything that readers may read differently. While
 * `isPlain`, `records` counts its records with the header, and each has as many cells as the header.
 */
export class PlainCsv {
  isPlain = true
  records = 0
  readonly #delimiter: number
  #columns = 0
  #cells = 1
  #bytes = 0
  #state: 0 | 1 | 2 | 3 = startOfCell
  /** Whether the record has no byte yet. */
  #isBlank = true
  /** Whether line breaks have a carriage return; null before the first one. */
  #returns: boolean | null = null
  #hasReturn = false

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0)
  }

  feed(chunk: Buffer): void {
    const delimiter = this.#delimiter
    let state = this.#state
    let cells = this.#cells
    let isBlank = this.#isBlank
    let hasReturn = this.#hasReturn
    let start = -this.#bytes
    for (let at = 0; at < chunk.length && this.isPlain; at++) {
      const byte = chunk[at]
      if (state === quotedCell) {
        if (byte === quoteByte) state = closedCell
        else if (byte === 0) this.isPlain = false
      } else if (byte === newline) {
        this.#returns ??= hasReturn
        if (this.#returns !== hasReturn || at - start > longestPlainRecord) this.isPlain = false
        if (!isBlank) this.#count(cells)
        ;[state, cells, isBlank, hasReturn] = [startOfCell, 1, true, false]
        start = at + 1
      } else if (hasReturn) this.isPlain = false
      else if (byte === carriageReturn) hasReturn = true
      else {
        isBlank = false
        if (byte === delimiter) {
          cells++
          state = startOfCell
        } else if (byte === quoteByte) {
          if (state === bareCell) this.isPlain = false
          state = quotedCell
        } else {
          if (byte === 0 || state === closedCell) this.isPlain = false
          state = bareCell
        }
      }
    }
    this.#bytes = chunk.length - start
    ;[this.#state, this.#cells, this.#isBlank, this.#hasReturn] = [state, cells, isBlank, hasReturn]
  }

  end(): void {
    if (this.#state === quotedCell || this.#hasReturn || this.#bytes > longestPlainRecord) this.isPlain = false
    if (!this.#isBlank) this.#count(this.#cells)
  }

  #count(cells: number): void {
    if (this.records === 0) this.#columns = cells
    else if (cells !== this.#columns) this.isPlain = false
    this.records++
  }
}

const [startOfCell, bareCell, quotedCell, closedCell] = [0, 1, 2, 3] as const
/** Longer records exceed the engine's own limit. */
export const longestPlainRecord = 1 << 20
