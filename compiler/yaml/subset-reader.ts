import type { YamlEntry, YamlMap, YamlNode, YamlScalar, YamlSequence } from './node.ts'
import { isAmbiguousKey, readPlain } from './plain-scalar.ts'
import { decodeFlowScalar, foldLines } from './scalar-text.ts'

/**
 * Reads a document the quick way if it keeps to the plain part of YAML that people and tools write: block and flow collections, simple
 * keys, plain and quoted scalars, block scalars without indentation digit, comments. It only ever accepts. Anything doubtful or faulty
 * (anchors, tags, tabs, duplicate or ambiguous scalars, wrong indentation) is handed on to the full reader, which knows the whole
 * language and reports. `start` is at the beginning of a line; the range holds no second `---`, no control characters, and no line break
 * but LF and CRLF.
 */
export function readSubset(text: string, start: number, end: number): YamlNode | 'empty' | 'handed-on' {
  try {
    return new SubsetReader(text, start, end).document()
  } catch (signal) {
    if (signal === handOn) return 'handed-on'
    throw signal
  }
}

/** No document of ours nests deeper than the schema of a profile written inline, two levels to an object. */
export const maxDepth = 200

/** Thrown inside this file only, to leave the recursion at once. */
const handOn = Symbol('handed on to the full reader')

const LF = 0x0a
const CR = 0x0d
const TAB = 0x09
const SPACE = 0x20
const HASH = 0x23
const DOUBLE = 0x22
const SINGLE = 0x27
const COMMA = 0x2c
const DASH = 0x2d
const COLON = 0x3a
const BACKSLASH = 0x5c

const KEY_START = 1
const KEY_PART = 2
const BLOCK_START = 4
const FLOW_START = 8
const FLOW_PART = 16

/** What an ASCII character may do; all other characters are text wherever text may stand. */
const roles = new Uint8Array(128)
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const digits = '0123456789'
for (const [chars, role] of [
  [`${letters}_`, KEY_START],
  [`${letters}${digits}_./-`, KEY_PART],
  [`${letters}${digits}_./+(<=$^~;\\`, BLOCK_START],
  [`${letters}${digits}_./+(<=$^~`, FLOW_START],
  [`${letters}${digits} _./+-()<=>$^~;@%*|!`, FLOW_PART],
] as const) {
  for (const char of chars) roles[char.charCodeAt(0)]! |= role
}

function plays(code: number, role: number): boolean {
  return code > 0x7f || (roles[code]! & role) !== 0
}

class SubsetReader {
  readonly #text: string
  readonly #end: number
  #at: number
  /** The column of the content at `#at`, after `#nextContent`; -1 at the end of the document. */
  #indent = -1
  #depth = 0

  constructor(text: string, start: number, end: number) {
    this.#text = text
    this.#at = start
    this.#end = end
  }

  document(): YamlNode | 'empty' {
    if (this.#text.startsWith('---', this.#at)) {
      this.#at += 3
      this.#endOfLine()
    } else {
      this.#nextContent()
    }
    if (this.#indent === -1) return 'empty'
    // Readers differ on brackets that begin deeper than the lines they go on with.
    if (this.#indent > 0 && /[[{]/.test(this.#text[this.#at]!)) throw handOn
    const node = this.#block(-1)
    if (this.#indent !== -1) throw handOn
    return node
  }

  /** The code at a place; LF behind the end, since a document ends as a line does. */
  #code(at: number): number {
    return at < this.#end ? this.#text.charCodeAt(at) : LF
  }

  /** Moves from the beginning of a line to the next character that is neither blank nor comment. */
  #nextContent(): void {
    const text = this.#text
    const end = this.#end
    let lineStart = this.#at
    while (lineStart < end) {
      let at = lineStart
      while (at < end && text.charCodeAt(at) === SPACE) at += 1
      const code = this.#code(at)
      if (code === HASH) {
        lineStart = this.#lineAfter(at)
      } else if (code === LF) {
        lineStart = at + 1
      } else if (code === CR) {
        lineStart = at + 2
      } else if (code === TAB) {
        throw handOn
      } else {
        this.#at = at
        this.#indent = at - lineStart
        return
      }
    }
    this.#at = end
    this.#indent = -1
  }

  #lineAfter(at: number): number {
    const lineBreak = this.#text.indexOf('\n', at)
    return lineBreak === -1 || lineBreak >= this.#end ? this.#end : lineBreak + 1
  }

  /** Moves to the next content; only spaces and a comment may follow on this line. */
  #endOfLine(): void {
    const from = this.#at
    this.#skipSpaces()
    const code = this.#code(this.#at)
    if (code === LF) this.#at += 1
    else if (code === CR) this.#at += 2
    else if (code === HASH && this.#at > from) this.#at = this.#lineAfter(this.#at)
    else throw handOn
    this.#nextContent()
  }

  #skipSpaces(): void {
    while (this.#code(this.#at) === SPACE) this.#at += 1
  }

  #isDash(): boolean {
    return this.#code(this.#at) === DASH && isBlank(this.#code(this.#at + 1))
  }

  /** A node that begins its own line, or follows a dash, at column `#indent`. */
  #block(parentIndent: number): YamlNode {
    if (this.#isDash()) return this.#sequence(this.#indent)
    const key = this.#key()
    return key ? this.#map(this.#indent, key) : this.#inline(parentIndent)
  }

  #map(indent: number, firstKey: YamlScalar): YamlMap {
    this.#descend()
    const entries: YamlEntry[] = []
    const keys = new KeySet()
    let key: YamlScalar | null = firstKey
    let end = firstKey.end
    while (key !== null) {
      if (!keys.add(String(key.value))) throw handOn
      const value = this.#mapValue(indent)
      entries.push({ key, value })
      end = value.end
      if (this.#indent > indent) throw handOn
      key = this.#indent === indent ? this.#key() : null
    }
    // Text in this column that is no key does not belong to the map.
    if (this.#indent === indent) throw handOn
    this.#depth -= 1
    return { kind: 'map', start: firstKey.start, end, entries }
  }

  #mapValue(indent: number): YamlNode {
    const colonEnd = this.#at
    this.#skipSpaces()
    const code = this.#code(this.#at)
    if (code !== LF && code !== CR && code !== HASH) return this.#inline(indent)
    this.#at = colonEnd
    this.#endOfLine()
    if (this.#indent > indent) return this.#block(indent)
    if (this.#indent === indent && this.#isDash()) return this.#sequence(indent)
    return absent(colonEnd)
  }

  #sequence(indent: number): YamlSequence {
    this.#descend()
    const start = this.#at
    const items: YamlNode[] = []
    let end: number
    do {
      const item = this.#item(indent)
      items.push(item)
      end = item.end
      if (this.#indent > indent) throw handOn
    } while (this.#indent === indent && this.#isDash())
    this.#depth -= 1
    return { kind: 'sequence', start, end, items }
  }

  #item(indent: number): YamlNode {
    const dashEnd = this.#at + 1
    this.#at = dashEnd
    this.#skipSpaces()
    const code = this.#code(this.#at)
    if (code === LF || code === CR || code === HASH) {
      this.#at = dashEnd
      this.#endOfLine()
      return this.#indent > indent ? this.#block(indent) : absent(dashEnd)
    }
    this.#indent = indent + 1 + this.#at - dashEnd
    return this.#block(indent)
  }

  #descend(): void {
    this.#depth += 1
    if (this.#depth > maxDepth) throw handOn
  }

  /** A key and its colon; null where there is none, and nothing is read then. */
  #key(): YamlScalar | null {
    const start = this.#at
    const code = this.#code(start)
    if (code === DOUBLE || code === SINGLE) {
      const end = this.#quotedKeyEnd(start, code)
      if (end === -1 || this.#code(end) !== COLON || !isBlank(this.#code(end + 1))) return null
      this.#at = end + 1
      return scalar(start, end, code === DOUBLE ? 'double' : 'single', this.#text.slice(start + 1, end - 1))
    }
    if (!((roles[code] ?? 0) & KEY_START)) return null
    let end = start + 1
    while ((roles[this.#code(end)] ?? 0) & KEY_PART) end += 1
    if (this.#code(end) !== COLON || !isBlank(this.#code(end + 1))) return null
    const name = this.#text.slice(start, end)
    if (isAmbiguousKey(name)) throw handOn
    this.#at = end + 1
    return scalar(start, end, 'plain', name)
  }

  /** The end of a quoted key on one line without escapes; -1 for any other key. */
  #quotedKeyEnd(start: number, quote: number): number {
    for (let at = start + 1; at < this.#end; at += 1) {
      const code = this.#text.charCodeAt(at)
      if (code === quote) return quote === SINGLE && this.#code(at + 1) === SINGLE ? -1 : at + 1
      if (code === LF || code === CR || (code === BACKSLASH && quote === DOUBLE)) return -1
    }
    return -1
  }

  /** A scalar or flow collection, and the rest of its line. */
  #inline(parentIndent: number): YamlNode {
    const code = this.#code(this.#at)
    let node: YamlNode
    if (code === 0x7c || code === 0x3e) {
      node = this.#blockScalar(parentIndent)
      this.#nextContent()
    } else {
      if (code === DOUBLE || code === SINGLE) node = this.#quoted(parentIndent, code)
      else if (code === 0x5b || code === 0x7b) node = this.#flow(parentIndent)
      else node = this.#plain(parentIndent)
      this.#endOfLine()
    }
    if (this.#indent > parentIndent) throw handOn
    return node
  }

  #plain(parentIndent: number): YamlScalar {
    const start = this.#at
    if (!plays(this.#code(start), BLOCK_START) && (this.#code(start) !== DASH || isBlank(this.#code(start + 1))))
      throw handOn
    let stop = this.#plainStop(start)
    let end = this.#trimmed(stop)
    const firstEnd = end
    for (let next = this.#goesOn(stop, parentIndent); next !== -1; next = this.#goesOn(stop, parentIndent)) {
      stop = this.#plainStop(next)
      end = this.#trimmed(stop)
    }
    return this.#plainScalar(start, end, end > firstEnd)
  }

  /** The line break or comment at which plain text on one line ends. */
  #plainStop(start: number): number {
    const text = this.#text
    let at = start
    for (; at < this.#end; at += 1) {
      const code = text.charCodeAt(at)
      if (code > COLON) continue
      if (code === LF || code === CR) break
      if (code === TAB || (code === COLON && isBlank(this.#code(at + 1)))) throw handOn
      if (code === HASH && text.charCodeAt(at - 1) === SPACE) break
    }
    return at
  }

  #trimmed(end: number): number {
    let at = end
    while (this.#text.charCodeAt(at - 1) === SPACE) at -= 1
    return at
  }

  /** Where plain text goes on below a line break, deeper than its parent; -1 where it does not. */
  #goesOn(stop: number, parentIndent: number): number {
    let lineStart = stop
    while (lineStart < this.#end) {
      const lineBreak = this.#code(lineStart)
      if (lineBreak !== LF && lineBreak !== CR) return -1
      lineStart += lineBreak === LF ? 1 : 2
      let at = lineStart
      while (this.#code(at) === SPACE) at += 1
      const code = this.#code(at)
      if (code === LF || code === CR) lineStart = at
      else if (at - lineStart <= parentIndent || code === HASH) return -1
      // Text that begins otherwise may be meant as a list or a key.
      else if (parentIndent < 0 || !plays(code, BLOCK_START)) throw handOn
      else return at
    }
    return -1
  }

  #plainScalar(start: number, end: number, isFolded = false): YamlScalar {
    const text = isFolded ? decodeFlowScalar(this.#text, start, end, 'plain')?.value : this.#text.slice(start, end)
    const value = text === undefined ? undefined : readPlain(text)
    if (value === undefined) throw handOn
    this.#at = end
    return scalar(start, end, 'plain', value)
  }

  #quoted(parentIndent: number, quote: number): YamlScalar {
    const text = this.#text
    const start = this.#at
    const style = quote === DOUBLE ? 'double' : 'single'
    let isVerbatim = true
    let at = start + 1
    for (; at < this.#end; at += 1) {
      const code = text.charCodeAt(at)
      if (code === quote) {
        if (quote === DOUBLE || this.#code(at + 1) !== SINGLE) break
        isVerbatim = false
        at += 1
      } else if (code === LF || code === CR) {
        isVerbatim = false
        at = this.#continued(code === LF ? at + 1 : at + 2, parentIndent) - 1
      } else if (code === BACKSLASH && quote === DOUBLE) {
        isVerbatim = false
        if (this.#code(at + 1) !== LF && this.#code(at + 1) !== CR) at += 1
      }
    }
    if (at >= this.#end) throw handOn
    this.#at = at + 1
    if (isVerbatim) return scalar(start, at + 1, style, text.slice(start + 1, at))
    // Readers differ on these escapes: an escaped slash or line break, half of a surrogate pair.
    if (/\\(?:\/|\r?\n|u[dD][89a-fA-F])/.test(text.slice(start, at))) throw handOn
    const decoded = decodeFlowScalar(text, start, at + 1, style)
    if (decoded === null || !decoded.value.isWellFormed()) throw handOn
    return scalar(start, at + 1, style, decoded.value)
  }

  /** The first character of a continued line, which must stand deeper than its parent. */
  #continued(lineStart: number, parentIndent: number): number {
    let from = lineStart
    while (from < this.#end) {
      let at = from
      while (this.#code(at) === SPACE) at += 1
      const code = this.#code(at)
      if (at >= this.#end || code === TAB || (code !== LF && code !== CR && at - from <= parentIndent)) throw handOn
      if (code !== LF && code !== CR) return at
      from = code === LF ? at + 1 : at + 2
    }
    throw handOn
  }

  #flow(parentIndent: number): YamlMap | YamlSequence {
    this.#descend()
    const start = this.#at
    const node =
      this.#code(start) === 0x7b ? this.#flowMap(start, parentIndent) : this.#flowSequence(start, parentIndent)
    this.#depth -= 1
    return node
  }

  #flowMap(start: number, parentIndent: number): YamlMap {
    const entries: YamlEntry[] = []
    const keys = new KeySet()
    this.#at += 1
    while (this.#flowSpace(parentIndent) !== 0x7d) {
      const key = this.#key() ?? this.#jsonKey()
      if (!keys.add(String(key.value))) throw handOn
      this.#flowSpace(parentIndent)
      entries.push({ key, value: this.#flowNode(parentIndent) })
      if (!this.#hasComma(parentIndent, 0x7d)) break
    }
    this.#at += 1
    return { kind: 'map', start, end: this.#at, entries }
  }

  #flowSequence(start: number, parentIndent: number): YamlSequence {
    const items: YamlNode[] = []
    this.#at += 1
    while (this.#flowSpace(parentIndent) !== 0x5d) {
      items.push(this.#flowNode(parentIndent))
      if (!this.#hasComma(parentIndent, 0x5d)) break
    }
    this.#at += 1
    return { kind: 'sequence', start, end: this.#at, items }
  }

  #hasComma(parentIndent: number, closing: number): boolean {
    const code = this.#flowSpace(parentIndent)
    if (code === closing) return false
    if (code !== COMMA) throw handOn
    this.#at += 1
    return true
  }

  /** `"key":value` without a space, as JSON has it. */
  #jsonKey(): YamlScalar {
    const start = this.#at
    const end = this.#code(start) === DOUBLE ? this.#quotedKeyEnd(start, DOUBLE) : -1
    if (end === -1 || this.#code(end) !== COLON) throw handOn
    this.#at = end + 1
    return scalar(start, end, 'double', this.#text.slice(start + 1, end - 1))
  }

  #flowNode(parentIndent: number): YamlNode {
    const text = this.#text
    const start = this.#at
    const code = this.#code(start)
    if (code === DOUBLE || code === SINGLE) return this.#quoted(parentIndent, code)
    if (code === 0x5b || code === 0x7b) return this.#flow(parentIndent)
    if (!plays(code, FLOW_START) && (code !== DASH || !plays(this.#code(start + 1), KEY_PART))) throw handOn
    let at = start + 1
    // A colon inside a word is text, as in a time of day.
    while (at < this.#end && (plays(text.charCodeAt(at), FLOW_PART) || this.#isInnerColon(at))) at += 1
    const stop = this.#code(at)
    if (stop !== COMMA && stop !== 0x5d && stop !== 0x7d && stop !== LF && stop !== CR) throw handOn
    while (text.charCodeAt(at - 1) === SPACE) at -= 1
    return this.#plainScalar(start, at)
  }

  #isInnerColon(at: number): boolean {
    return (
      this.#text.charCodeAt(at) === COLON &&
      /[A-Za-z0-9]/.test(this.#text[at + 1] ?? '') &&
      !isBlank(this.#code(at - 1))
    )
  }

  /** Skips space, line breaks and comments between the tokens of a flow collection; returns the code of the token that follows. */
  #flowSpace(parentIndent: number): number {
    while (true) {
      const from = this.#at
      this.#skipSpaces()
      const code = this.#code(this.#at)
      if (this.#at >= this.#end || (code === HASH && this.#at === from)) throw handOn
      if (code !== LF && code !== CR && code !== HASH) return code
      this.#at = this.#lineAfter(this.#at)
      this.#nextContent()
      if (this.#indent <= parentIndent || (this.#indent === 0 && !'[]{}"'.includes(this.#text[this.#at]!))) throw handOn
    }
  }

  #blockScalar(parentIndent: number): YamlScalar {
    const text = this.#text
    const start = this.#at
    const isFolded = this.#code(start) === 0x3e
    this.#at += 1
    const chomping = this.#code(this.#at)
    if (chomping === DASH || chomping === 0x2b) this.#at += 1
    const header = this.#at
    this.#skipSpaces()
    if (this.#code(this.#at) === HASH && this.#at > header) this.#at = this.#lineAfter(this.#at)
    else if (this.#code(this.#at) === LF) this.#at += 1
    else if (this.#code(this.#at) === CR) this.#at += 2
    else throw handOn

    const lines: string[] = []
    let indent = -1
    let deepestBlank = 0
    let contentLines = 0
    let contentEnd = 0
    let lastEnd = 0
    while (this.#at < this.#end) {
      const lineStart = this.#at
      let at = lineStart
      while (at < this.#end && text.charCodeAt(at) === SPACE) at += 1
      const code = this.#code(at)
      const spaces = at - lineStart
      if (code === LF || code === CR) {
        if (at >= this.#end || (indent !== -1 && spaces > indent)) throw handOn
        deepestBlank = Math.max(deepestBlank, spaces)
        lines.push('')
        lastEnd = at
        this.#at = code === LF ? at + 1 : at + 2
        continue
      }
      if (indent === -1) {
        if (spaces <= Math.max(parentIndent, 0) || spaces < deepestBlank || code === TAB) throw handOn
        indent = spaces
      }
      if (spaces < indent) break
      const next = this.#lineAfter(at)
      if (text.charCodeAt(next - 1) !== LF) throw handOn
      lastEnd = contentEnd = text.charCodeAt(next - 2) === CR ? next - 2 : next - 1
      lines.push(text.slice(lineStart + indent, contentEnd))
      contentLines = lines.length
      this.#at = next
    }
    if (indent === -1) throw handOn
    const blanks = lines.length - contentLines
    lines.length = contentLines
    const body = isFolded ? foldLines(lines) : lines.length === 1 ? lines[0]! : lines.join('\n')
    const isKept = chomping === 0x2b
    const ending = chomping === DASH ? '' : isKept ? '\n'.repeat(blanks + 1) : '\n'
    return scalar(start, isKept ? lastEnd : contentEnd, isFolded ? 'folded' : 'literal', body + ending)
  }
}

/** Small maps are searched, large ones hashed. */
class KeySet {
  readonly #few: string[] = []
  #many: Set<string> | undefined

  /** false: the key was there already. */
  add(key: string): boolean {
    if (this.#many) {
      if (this.#many.has(key)) return false
      this.#many.add(key)
      return true
    }
    if (this.#few.includes(key)) return false
    this.#few.push(key)
    if (this.#few.length > 12) this.#many = new Set(this.#few)
    return true
  }
}

function isBlank(code: number): boolean {
  return code === SPACE || code === LF || code === CR
}

function scalar(start: number, end: number, style: YamlScalar['style'], value: YamlScalar['value']): YamlScalar {
  return { kind: 'scalar', start, end, style, value }
}

function absent(at: number): YamlScalar {
  return scalar(at, at, 'plain', null)
}
