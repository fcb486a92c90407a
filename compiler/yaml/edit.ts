import type { YamlNode, YamlScalar } from './node.ts'
import { doubleQuoted, quoteIfNeeded } from './quote.ts'
import { documentEnd, readYaml } from './read.ts'

/**
 * The text to write at scalar.start..scalar.end, so that every reader finds `value` there. The style stays if it can say the value;
 * otherwise double quotes are used. `scalar` is a value or key of `text`, from `readYaml`.
 */
export function editScalar(text: string, scalar: YamlScalar, value: string): string {
  const begin = documentStart(text, scalar.start)
  const end = documentEnd(text, scalar.start)
  const faultsBefore = readYaml(text.slice(begin, end)).faults.length
  // A style may fail because of its surroundings (plain text in brackets, the lines below a block); reading the result is the sure test.
  const fitting = [inStyle(text, scalar, value), quoteIfNeeded(value)].find((candidate) => {
    if (candidate === null) return false
    const from = scalar.start - begin
    const { documents, faults } = readYaml(text.slice(begin, scalar.start) + candidate + text.slice(scalar.end, end))
    const isFaulty =
      faults.length > faultsBefore || faults.some((fault) => fault.start < from + candidate.length && fault.end > from)
    return !isFaulty && documents.some((document) => holds(document, from, value))
  })
  return fitting ?? doubleQuoted(value)
}

function documentStart(text: string, offset: number): number {
  let start = 0
  for (let end = documentEnd(text, 0); end <= offset && end < text.length; end = documentEnd(text, end)) start = end
  return start
}

function holds(node: YamlNode, start: number, value: string): boolean {
  switch (node.kind) {
    case 'scalar':
      return node.start === start && node.value === value
    case 'sequence':
      return node.items.some((item) => holds(item, start, value))
    case 'map':
      return node.entries.some((entry) => holds(entry.key, start, value) || holds(entry.value, start, value))
  }
}

function inStyle(text: string, scalar: YamlScalar, value: string): string | null {
  switch (scalar.style) {
    case 'plain':
      return /\n|^\s|\s$/.test(value) ? null : value
    case 'single':
      return /[\n\r]/.test(value) ? null : `'${value.replaceAll("'", "''")}'`
    case 'double':
      return doubleQuoted(value)
    case 'literal':
    case 'folded':
      return inBlock(text, scalar, value)
  }
}

function inBlock(text: string, scalar: YamlScalar, value: string): string | null {
  const written = text.slice(scalar.start, scalar.end)
  const indent = /\n( *)[^\s]/.exec(written)?.[1]
  const body = value.replace(/\n+$/, '')
  if (indent === undefined || body === '' || /^\s|\r/.test(body)) return null
  const breaks = value.length - body.length
  const chomping = breaks === 0 ? '-' : breaks === 1 ? '' : '+'
  const lines = scalar.style === 'literal' ? body.split('\n') : unfolded(body)
  const lineBreak = written.includes('\r\n') ? '\r\n' : '\n'
  const indented = lines.map((line) => (line === '' ? '' : indent + line)).join(lineBreak)
  return written[0] + chomping + lineBreak + indented + lineBreak.repeat(Math.max(breaks - 1, 0))
}

/** Lines that fold to the text: a blank line for each of its line breaks, except around lines that begin with a space. */
function unfolded(body: string): string[] {
  return body.split('\n').flatMap((line, index, all) => {
    const previous = all[index - 1]
    const isFolded =
      previous !== undefined && previous !== '' && line !== '' && !/^[ \t]/.test(previous) && !/^[ \t]/.test(line)
    return isFolded ? ['', line] : [line]
  })
}
