import { JobError } from '../errors.ts'

/** A JSON value of a file: the line on which it begins, counted from 1, and its text on one line, one character a byte. */
export type JsonValue = {
  readonly line: number
  readonly text: string
  /** Why this is no JSON object, as far as it was examined; null where no fault was found. */
  readonly fault: string | null
}

/** The longest value, in bytes; this is the engine's own limit. */
const longestValue = 16_000_000

/** The lines of NDJSON that are not blank. */
export async function* jsonLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<readonly JsonValue[]> {
  let rest = ''
  let line = 1
  const values = (lines: readonly string[]): JsonValue[] => {
    const found: JsonValue[] = []
    for (const text of lines) {
      if (!/^[ \t\r]*$/.test(text)) found.push({ line, text, fault: lineFaultOf(text) })
      line++
    }
    return found
  }
  for await (const chunk of bytes) {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    if (line === 1) lines[0] = withoutMark(lines[0] ?? '')
    rest = lines.pop() ?? ''
    if (rest.length > longestValue) throw tooLong(line)
    yield values(lines)
  }
  yield values([rest])
}

export function lineFaultOf(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return null
  } catch {
    if (/^\s*[[{]\s*,?\s*$/.test(text))
      return 'is no JSON object; a JSON array, or objects over several lines, are `format: JSON`'
  }
  return 'is no JSON object'
}

/**
 * The values of a JSON file: the items of its one array, or objects one after another, over any number of lines. Throws JobError
 * UnreadableFile where the file ends within a value, or something else stands between values.
 */
export async function* jsonItems(bytes: AsyncIterable<Buffer>): AsyncGenerator<readonly JsonValue[]> {
  const reader = new JsonItems()
  for await (const chunk of bytes) yield reader.feed(chunk.toString('latin1'))
  reader.end()
}

class JsonItems {
  #line = 1
  #isFirst = true
  /** What may come next outside a value. */
  #expects: 'any' | 'item' | 'firstItem' | 'comma' | 'nothing' = 'any'
  /** The value that is being read; null between values. */
  #value: {
    line: number
    parts: string[]
    length: number
    depth: number
    inString: boolean
    escaped: boolean
    fault: string | null
  } | null = null

  feed(chunk: string): JsonValue[] {
    const text = this.#isFirst ? withoutMark(chunk) : chunk
    this.#isFirst = false
    const values: JsonValue[] = []
    let from = 0
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at)
      const value = this.#value
      if (value === null) {
        if (code === newline) this.#line++
        if (code === newline || code === space || code === tab || code === carriageReturn) continue
        if (this.#between(code)) continue
        this.#value = { line: this.#line, parts: [], length: 0, depth: 0, inString: false, escaped: false, fault: null }
        from = at
        at--
        continue
      }
      if (value.inString) {
        if (value.escaped) value.escaped = false
        else if (code === backslash) value.escaped = true
        else if (code === quote) value.inString = false
        else if (code === newline) value.fault = 'has a line break inside a text'
        if (code === newline) this.#line++
        if (value.depth > 0 || value.inString || code !== quote) continue
      } else if (code === quote) {
        value.inString = true
        continue
      } else if (code === openBrace || code === openBracket) {
        value.depth++
        continue
      } else if (code === closeBrace || code === closeBracket) {
        if (value.depth === 0) at--
        else if (--value.depth > 0) continue
      } else if (value.depth > 0) {
        if (code === newline) this.#line++
        continue
      } else if (code === comma || code === newline || code === space || code === tab || code === carriageReturn) at--
      else continue
      // The value ends with this character.
      value.parts.push(text.slice(from, at + 1))
      values.push({ line: value.line, text: value.parts.join('').replace(/[\r\n]/g, ' '), fault: value.fault })
      this.#value = null
      this.#expects = this.#expects === 'any' ? 'any' : 'comma'
      from = at + 1
    }
    if (this.#value !== null) {
      this.#value.parts.push(text.slice(from))
      this.#value.length += text.length - from
      if (this.#value.length > longestValue) throw tooLong(this.#value.line)
    }
    return values
  }

  end(): void {
    if (this.#value !== null) throw unreadable(`line ${this.#value.line}: a value begins there and does not end`)
    if (this.#expects !== 'any' && this.#expects !== 'nothing') throw unreadable('its array does not end')
  }

  /** Takes a character between values; false: a value begins with it. */
  #between(code: number): boolean {
    const expects = this.#expects
    if (expects === 'any' && code === openBracket) this.#expects = 'firstItem'
    else if (expects === 'comma' && code === comma) this.#expects = 'item'
    else if ((expects === 'comma' || expects === 'firstItem') && code === closeBracket) this.#expects = 'nothing'
    else if ((expects === 'any' && code === openBrace) || expects === 'item' || expects === 'firstItem') {
      if (code === comma || code === closeBrace || code === closeBracket)
        throw unreadable(`line ${this.#line}: a value is missing`)
      return false
    } else
      throw unreadable(`line ${this.#line}: ${JSON.stringify(String.fromCharCode(code))} stands between its values`)
    return true
  }
}

function withoutMark(text: string): string {
  return text.replace(/^\xEF\xBB\xBF/, '')
}

function tooLong(line: number): JobError {
  return new JobError('UnreadableFile', `line ${line} begins a value longer than 16 MB. Deliver smaller records.`)
}

function unreadable(what: string): JobError {
  return new JobError('UnreadableFile', `it is no JSON: ${what}. Deliver it again.`)
}

const [newline, carriageReturn, space, tab, quote, backslash, comma] = [0x0a, 0x0d, 0x20, 0x09, 0x22, 0x5c, 0x2c]
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d]
