import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  type Scalar,
  Schema,
  type YAMLError,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { kubernetesFaults } from './kubernetes-syntax.ts'
import type { YamlEntry, YamlFault, YamlNode, YamlScalar } from './node.ts'
import { disagreementOn, isAmbiguousKey, isBeyondExact, readPlain } from './plain-scalar.ts'
import { doubleQuoted } from './quote.ts'
import { decodeFlowScalar, type TextRange } from './scalar-text.ts'
import { maxDepth } from './subset-reader.ts'

/**
 * Reads text with all of YAML 1.2, and reports every fault. A document with a syntax fault is given as far as it could be read. Slow (1-3
 * MB/s): it gets only what the subset reader hands on. `base` is added to every offset.
 */
export function readFull(
  source: string,
  base: number,
): { readonly documents: YamlNode[]; readonly faults: YamlFault[] } {
  const documents: YamlNode[] = []
  const faults: YamlFault[] = []
  const parsed = parseAllDocuments(source, {
    schema: failsafe,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  for (const document of parsed) {
    const walk = new Walk(source, base)
    const node = document.contents === null ? null : walk.node(document.contents)
    const found = [...document.errors.map((error) => syntaxFault(error, walk, source, base)), ...walk.faults]
    if (node && !found.some(({ code }) => code === 'yaml-syntax')) found.push(...kubernetesFaults(source, base, node))
    found.sort((a, b) => a.start - b.start)
    faults.push(...withoutConsequences(found, source, base))
    if (node && (node.kind !== 'scalar' || node.end > node.start)) documents.push(node)
  }
  return { documents, faults }
}

/** The library leaves every scalar as text; this project resolves scalars itself, with Kubernetes in mind. */
const failsafe = new Schema({ schema: 'failsafe', resolveKnownTags: false })

/** How many nodes aliases may add to a document; more is a bomb, not a configuration. */
const maxAliasedNodes = 10_000

/** How many syntax faults of a document are reported; a text with more is not YAML. */
const maxFaults = 20

const stringTag = 'tag:yaml.org,2002:str'
const mapTag = 'tag:yaml.org,2002:map'
const sequenceTag = 'tag:yaml.org,2002:seq'

type Anchored = { readonly node: YamlNode; readonly size: number }

/** One document: its nodes in our shape, and the faults that are not of syntax. */
class Walk {
  readonly faults: YamlFault[] = []
  /**
   * For each end of a list or map in brackets, the start of the outermost one that ends there: the library reports an unclosed one at its
   * end.
   */
  readonly bracketsByEnd = new Map<number, number>()
  readonly #source: string
  readonly #base: number
  readonly #anchors = new Map<string, Anchored>()
  /** Where the node that was read last ends in the file; an alias ends at its own name, not at its anchor. */
  #end = 0
  #depth = 0
  /** How many nodes there are so far, each alias counted with everything it stands for. */
  #size = 0
  #aliased = 0

  constructor(source: string, base: number) {
    this.#source = source
    this.#base = base
  }

  node(node: Node): YamlNode {
    if (isAlias(node)) return this.#alias(node)
    const sizeBefore = this.#size
    this.#size += 1
    this.#checkTag(node)
    this.#depth += 1
    const read = this.#depth > maxDepth ? this.#tooDeep(node) : this.#content(node)
    this.#depth -= 1
    const { anchor } = node as Scalar | YAMLMap | YAMLSeq // an Alias was returned above
    if (anchor) this.#anchors.set(anchor, { node: read, size: this.#size - sizeBefore })
    return read
  }

  #content(node: Node): YamlNode {
    if (isScalar(node)) return this.#value(node)
    const { start, end } = this.#rangeOf(node)
    this.#end = start
    const isFlow = /[[{]/.test(this.#source[start - this.#base] ?? '')
    if (isFlow && !this.bracketsByEnd.has(end)) this.bracketsByEnd.set(end, start)
    if (isMap(node)) {
      const entries = this.#entries(node)
      if (isFlow) this.#end = end
      return { kind: 'map', start, end: this.#end, entries }
    }
    const items = (node as YAMLSeq<Node>).items.map((item) => this.node(item)) // the last kind; the composer puts only nodes into it
    if (isFlow) this.#end = end
    return { kind: 'sequence', start, end: this.#end, items }
  }

  #entries(map: YAMLMap): YamlEntry[] {
    const entries: YamlEntry[] = []
    const keys = new Map<string, YamlScalar>()
    const merged: YamlNode[] = []
    for (const pair of map.items) {
      const key = this.#key(pair.key as Node) // keys and values of a composed document are nodes
      const value = pair.value === null ? this.#absent(this.#end) : this.node(pair.value as Node)
      const name = String(key.value)
      const first = keys.get(name)
      if (key.style === 'plain' && name === '<<') merged.push(value)
      else if (first) this.faults.push(duplicateKey(name, first, key))
      else {
        keys.set(name, key)
        entries.push({ key, value })
      }
    }
    const sources = merged.flatMap((value) => (value.kind === 'sequence' ? value.items : [value]))
    for (const entry of sources.flatMap((source) => (source.kind === 'map' ? source.entries : []))) {
      const name = String(entry.key.value)
      if (keys.has(name)) continue
      keys.set(name, entry.key)
      entries.push(entry)
    }
    return entries
  }

  #key(node: Node): YamlScalar {
    const { start, end } = this.#rangeOf(node)
    this.#size += 1
    if (!isScalar(node)) {
      this.#syntax(start, end, 'A key must be text', 'Write the key out as plain or quoted text.')
      this.#end = end
      return scalar(start, end, 'plain', this.#source.slice(start - this.#base, end - this.#base))
    }
    this.#checkTag(node)
    const key = this.#scalar(node, String)
    if (node.anchor) this.#anchors.set(node.anchor, { node: key, size: 1 })
    if (key.style !== 'plain' || node.tag === stringTag) return key
    const name = String(key.value)
    if (name === '<<') this.faults.push(mergeKey(key))
    else if (isAmbiguousKey(name)) this.faults.push(ambiguousKey(key, name))
    return key
  }

  #value(node: Scalar): YamlScalar {
    const { start, end } = this.#rangeOf(node)
    if (node.type === 'PLAIN' && start === end && node.tag !== stringTag) return this.#absent(start)
    const read = this.#scalar(node, (text) => {
      if (node.type !== 'PLAIN' || node.tag === stringTag) return text
      const value = readPlain(text)
      if (value !== undefined) return value
      this.faults.push(ambiguousScalar(start, end, text))
      return disagreementOn(text).ours
    })
    return read
  }

  #scalar(node: Scalar, resolve: (text: string) => YamlScalar['value']): YamlScalar {
    const { start, end } = this.#rangeOf(node)
    const style = styles[node.type ?? 'PLAIN'] ?? 'plain'
    const isBlock = style === 'literal' || style === 'folded'
    const text = this.#text(node, style)
    if (style === 'single' || style === 'double') this.#checkQuoted(start, end, style, text)
    this.#end = isBlock ? this.#base + blockEnd(this.#source, start - this.#base, end - this.#base, text) : end
    return scalar(start, this.#end, style, resolve(text))
  }

  /** The text of a scalar, corrected where the library strays from YAML 1.2 and from Kubernetes. */
  #text(node: Scalar, style: YamlScalar['style']): string {
    const { start, end } = this.#rangeOf(node)
    const text = String(node.value)
    const written = this.#source.slice(start - this.#base, end - this.#base)
    // The library ends every block with a line break, also where the file ends without one.
    const isCut = end - this.#base === this.#source.length && !written.endsWith('\n')
    if (isCut && (style === 'literal' || style === 'folded')) return text.replace(/\n$/, '')
    // The library loses the blank lines behind an escaped line break.
    if (style === 'double' && /\\\r?\n/.test(written))
      return decodeFlowScalar(written, 0, written.length, style)?.value ?? text
    return text
  }

  #checkQuoted(start: number, end: number, style: 'single' | 'double', value: string): void {
    const quote = style === 'single' ? "'" : '"'
    const raw = this.#source.slice(start - this.#base, end - this.#base)
    if (!isClosed(raw, quote)) {
      this.#syntax(start, start + 1, unclosedQuote, `Put a ${quote} at the end of the text.`)
    } else if (
      style === 'double' &&
      /\\u[dD][89a-fA-F]/.test(raw) &&
      (!value.isWellFormed() || !/^\s*[{[]/.test(this.#source))
    ) {
      // JSON escapes the two halves of a surrogate pair separately, and kubectl hands JSON to a JSON reader.
      this.#syntax(
        start,
        end,
        'A \\u escape stands for half a character',
        'Write the character itself, or its eight digits after \\U.',
      )
    }
  }

  #absent(at: number): YamlScalar {
    let place = at
    while (/[ \t]/.test(this.#source[place - this.#base - 1] ?? '')) place -= 1
    this.#end = place
    return scalar(place, place, 'plain', null)
  }

  #alias(node: Alias): YamlNode {
    const { start, end } = this.#rangeOf(node)
    const anchored = this.#anchors.get(node.source)
    this.#end = end
    if (!anchored) {
      this.#syntax(
        start,
        end,
        `No anchor \`&${node.source}\` stands before this alias`,
        'Define the anchor first, or write the value out.',
      )
      return scalar(start, end, 'plain', null)
    }
    const before = this.#aliased
    this.#aliased += anchored.size
    if (this.#aliased <= maxAliasedNodes) {
      this.#size += anchored.size
      return anchored.node
    }
    if (before <= maxAliasedNodes) {
      this.#syntax(
        start,
        end,
        `Aliases make this document grow by over ${maxAliasedNodes} nodes`,
        'Write the values out.',
      )
    }
    this.#aliased = maxAliasedNodes + 1
    return scalar(start, end, 'plain', null)
  }

  #checkTag(node: Node): void {
    const tag = (node as Scalar | YAMLMap | YAMLSeq).tag
    if (
      tag === undefined ||
      (tag === stringTag && isScalar(node)) ||
      (tag === mapTag && isMap(node)) ||
      (tag === sequenceTag && isSeq(node))
    ) {
      return
    }
    const nodeStart = this.#rangeOf(node).start
    const at = this.#source.lastIndexOf('!', nodeStart - this.#base - 1)
    const start = this.#source[at - 1] === '!' ? at - 1 : at
    const written = /^\S*/.exec(this.#source.slice(start))![0]
    const isKnown = tag.startsWith('tag:yaml.org,2002:')
    this.faults.push({
      code: isKnown ? 'ambiguous-scalar' : 'yaml-syntax',
      message: isKnown
        ? `Kubernetes and YAML 1.2 read the tag \`${written}\` differently`
        : `The tag \`${written}\` has no meaning here`,
      help: 'Remove the tag and write the value as it is meant.',
      start: start + this.#base,
      end: start + written.length + this.#base,
    })
  }

  #tooDeep(node: Node): YamlNode {
    const { start } = this.#rangeOf(node)
    this.#end = start
    if (!this.faults.some((fault) => fault.message === tooDeepMessage))
      this.#syntax(start, start + 1, tooDeepMessage, tooDeepHelp)
    return scalar(start, start, 'plain', null)
  }

  #syntax(start: number, end: number, message: string, help: string): void {
    this.faults.push({ code: 'yaml-syntax', message, help, start, end })
  }

  #rangeOf(node: Node): TextRange {
    const [start, end] = node.range! // only a node made by hand has none
    return { start: start + this.#base, end: end + this.#base }
  }
}

/** Whether text that begins with a quote ends with its closing quote; the library takes an escaped quote for one. */
function isClosed(written: string, quote: string): boolean {
  let backslashes = 0
  if (quote === '"') while (written[written.length - 2 - backslashes] === '\\') backslashes += 1
  return written.length > 1 && written.endsWith(quote) && backslashes % 2 === 0
}

const styles: Readonly<Record<string, YamlScalar['style']>> = {
  PLAIN: 'plain',
  QUOTE_SINGLE: 'single',
  QUOTE_DOUBLE: 'double',
  BLOCK_LITERAL: 'literal',
  BLOCK_FOLDED: 'folded',
}

/** The library ends a block scalar behind all blank lines below it; here it ends with its last line, without the line break. */
function blockEnd(source: string, start: number, end: number, value: string): number {
  const header = /^[^\r\n]*/.exec(source.slice(start, end))![0]
  const keepsBlanks = /^[|>][0-9]?\+/.test(header) || /[ \t]\n?$/.test(value)
  if (keepsBlanks) return end - /(?:\r?\n)?$/.exec(source.slice(Math.max(end - 2, start), end))![0].length
  let last = end
  while (last > start && ' \t\r\n'.includes(source[last - 1]!)) last -= 1
  return last
}

function scalar(start: number, end: number, style: YamlScalar['style'], value: YamlScalar['value']): YamlScalar {
  return { kind: 'scalar', start, end, style, value }
}

function ambiguousScalar(start: number, end: number, text: string): YamlFault {
  const fix = { title: 'Put it in quotes', text: doubleQuoted(text) }
  if (isBeyondExact(text)) {
    return {
      code: 'ambiguous-scalar',
      message: `\`${text}\` is a whole number beyond ±${Number.MAX_SAFE_INTEGER}, of which readers keep other digits`,
      help: 'Where it is an id, make its field text and put it in quotes; a number is written within these bounds.',
      start,
      end,
      fix,
    }
  }
  const { yaml12, kubernetes } = disagreementOn(text)
  const reading = kubernetes === null ? 'Kubernetes refuses it' : `Kubernetes reads ${kubernetes}`
  return {
    code: 'ambiguous-scalar',
    message: `\`${text}\` is ambiguous: ${reading}, YAML 1.2 reads ${yaml12}`,
    help: 'Put it in quotes if it is text; otherwise write the value out, as `true`, `false` or a plain decimal number.',
    start,
    end,
    fix,
  }
}

function ambiguousKey(key: YamlScalar, name: string): YamlFault {
  return {
    code: 'ambiguous-scalar',
    message: `The key \`${name}\` is not read as text`,
    help: 'Put it in quotes: Kubernetes turns keys like this one into another text.',
    start: key.start,
    end: key.end,
    ...(key.end > key.start ? { fix: { title: 'Put it in quotes', text: doubleQuoted(name) } } : {}),
  }
}

function mergeKey(key: YamlScalar): YamlFault {
  return {
    code: 'ambiguous-scalar',
    message: '`<<` merges maps for Kubernetes, but is a key like any other in YAML 1.2',
    help: 'Write the merged fields out.',
    start: key.start,
    end: key.end,
  }
}

function duplicateKey(name: string, first: YamlScalar, second: YamlScalar): YamlFault {
  return {
    code: 'duplicate-key',
    message: `\`${name}\` is set twice in this map`,
    help: 'Keep one of the two.',
    start: second.start,
    end: second.end,
    related: [{ start: first.start, end: first.end, message: 'set here first' }],
  }
}

const unclosedQuote = 'This quote is not closed'
const tooDeepMessage = `This is nested deeper than ${maxDepth} levels`
const tooDeepHelp = 'Check for brackets or dashes that are never closed or repeat.'

/** Our words for the library's errors; errors that are missing here keep its own words. */
const explanations: Readonly<Record<string, { readonly message?: string; readonly help: string }>> = {
  BAD_ALIAS: { help: 'Put the text in quotes if it should begin with `*` or `&`.' },
  BAD_DIRECTIVE: { help: 'Remove the line that begins with `%`.' },
  BAD_DQ_ESCAPE: {
    message: 'This is not an escape of double-quoted text',
    help: 'Double the backslash, or use single quotes, where a backslash is itself.',
  },
  BAD_INDENT: { help: 'Give all keys of a map, and all items of a list, the same indentation.' },
  BAD_SCALAR_START: { message: 'Plain text cannot begin with this character', help: 'Put the text in quotes.' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'A second key on the line of the first',
    help: 'Put the value in quotes if it holds a colon and a space; otherwise begin a new, deeper line.',
  },
  BLOCK_IN_FLOW: {
    message: 'A block list or map cannot stand inside brackets',
    help: 'Close the brackets first, or write the inner part in brackets too.',
  },
  KEY_OVER_1024_CHARS: { message: 'A key of more than 1,024 characters', help: 'Shorten the key.' },
  MULTILINE_IMPLICIT_KEY: {
    message: 'A key must stand on one line with its colon',
    help: 'Look for a missing colon, or a quote that is not closed, here or above.',
  },
  MISSING_CHAR: { help: 'Add what is missing, or put the text in quotes.' },
  RESOURCE_EXHAUSTION: { message: tooDeepMessage, help: tooDeepHelp },
  TAB_AS_INDENT: { message: 'A tab indents this line', help: 'Indent with spaces.' },
}

/** One syntax fault for each line, because faults have consequences behind them, and none behind a quote that is never closed. */
function withoutConsequences(faults: readonly YamlFault[], source: string, base: number): YamlFault[] {
  const kept: YamlFault[] = []
  let silentUntil = -1
  for (const fault of faults) {
    if (fault.code === 'yaml-syntax') {
      if (fault.start < silentUntil || kept.length >= maxFaults) continue
      const lineEnd = source.indexOf('\n', fault.start - base)
      silentUntil = lineEnd === -1 || fault.message === unclosedQuote ? Number.POSITIVE_INFINITY : lineEnd + base + 1
    }
    kept.push(fault)
  }
  return kept
}

function syntaxFault({ code, message, pos }: YAMLError, walk: Walk, source: string, base: number): YamlFault {
  const bracket = / end with a [\]}]$/.test(message) ? walk.bracketsByEnd.get(pos[0] + base) : undefined
  if (bracket !== undefined) {
    return {
      code: 'yaml-syntax',
      message: 'This bracket is not closed',
      help: 'Close it; lines inside brackets stand deeper than the key they belong to.',
      start: bracket,
      end: bracket + 1,
    }
  }
  const explanation = explanations[code]
  const start = Math.min(pos[0], source.length)
  const end = code === 'BAD_DQ_ESCAPE' ? start + 2 : Math.max(pos[1], start)
  return {
    code: 'yaml-syntax',
    message: explanation?.message ?? message,
    help: explanation?.help ?? 'Correct the text here, or put it in quotes if it is meant literally.',
    start: start + base,
    end: Math.min(end, source.length) + base,
  }
}
