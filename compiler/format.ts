import { formatPql } from './pql/format.ts'
import type { Source } from './resource.ts'
import { editScalar, nodeAt, readYaml, type YamlNode, type YamlScalar } from './yaml/index.ts'
import { documentEnd } from './yaml/read.ts'

/**
 * The text with its expressions (of Segments, and in cases of SegmentTests) in their canonical layout, and everything else as written. An
 * expression with a syntax fault stays as it is, and so does a file whose YAML has one.
 */
export function formatSource({ text }: Source): string {
  let formatted = text
  // From last to first, so that places found earlier stay valid.
  for (const place of expressionsIn(text).reverse()) {
    const { scalar } = place
    const expression = formatPql(String(scalar.value))
    const written = expression === null ? null : writtenAs(text, place, expression)
    if (written !== null) formatted = formatted.slice(0, scalar.start) + written + formatted.slice(scalar.end)
  }
  return formatted
}

type Place = {
  /** The document that holds the expression, from its start to the start of the next. */
  readonly start: number
  readonly end: number
  readonly path: readonly (string | number)[]
  readonly scalar: YamlScalar
  readonly key: YamlScalar
}

function expressionsIn(text: string): Place[] {
  const { documents, faults } = readYaml(text)
  if (faults.length > 0) return []
  return documents.flatMap((root) => {
    const start = text.lastIndexOf('\n---', root.start) + 1
    const end = documentEnd(text, root.start)
    const items = nodeAt(root, ['items'])?.value
    const paths: (string | number)[][] =
      items?.kind === 'sequence' ? items.items.map((_, index) => ['items', index]) : [[]]
    return paths
      .flatMap((base) => pathsOf(root, base))
      .flatMap((path): Place[] => {
        const found = nodeAt(root, path)
        if (!found?.key || found.value.kind !== 'scalar' || typeof found.value.value !== 'string') return []
        return [{ start, end, path, scalar: found.value, key: found.key }]
      })
  })
}

function pathsOf(root: YamlNode, base: readonly (string | number)[]): (string | number)[][] {
  const word = (field: string): unknown => {
    const value = nodeAt(root, [...base, field])?.value
    return value?.kind === 'scalar' ? value.value : null
  }
  if (!String(word('apiVersion')).startsWith('convoke.dev/')) return []
  if (word('kind') === 'Segment') return [[...base, 'spec', 'expression']]
  const cases = word('kind') === 'SegmentTest' ? nodeAt(root, [...base, 'spec', 'cases'])?.value : null
  return cases?.kind === 'sequence'
    ? cases.items.map((_, index) => [...base, 'spec', 'cases', index, 'expression'])
    : []
}

/** What to write for the expression, in the first form that a reader understands; null where there is none. */
function writtenAs(text: string, place: Place, expression: string): string | null {
  const { start, end, path, scalar } = place
  const before = text.slice(scalar.start, scalar.end)
  const forms = [inItsStyle, asBlock, onOneLine].map((form) => form(text, place, expression))
  return (
    forms.find((written) => {
      if (written === null || written === before) return written === before
      const { documents, faults } = readYaml(text.slice(start, scalar.start) + written + text.slice(scalar.end, end))
      const found = documents.length === 1 && faults.length === 0 ? nodeAt(documents[0]!, path)?.value : null
      return found?.kind === 'scalar' && formatPql(String(found.value)) === expression
    }) ?? null
  )
}

/** null where the scalar's style cannot hold several lines, or (folded) only with a blank line after each. */
function inItsStyle(text: string, { scalar }: Place, expression: string): string | null {
  const isBlock = scalar.style === 'literal' || scalar.style === 'folded'
  if (expression.includes('\n') && scalar.style !== 'literal') return null
  const wanted = isBlock ? expression + /\n*$/.exec(String(scalar.value))![0] : expression
  return wanted === scalar.value ? text.slice(scalar.start, scalar.end) : editScalar(text, scalar, wanted)
}

/** Writes a literal block, two columns deeper than the key. */
function asBlock(text: string, { scalar, key }: Place, expression: string): string | null {
  if (!expression.includes('\n')) return null
  const column = key.start - (text.lastIndexOf('\n', key.start - 1) + 1)
  const lineBreak = text.includes('\r\n') ? '\r\n' : '\n'
  const header = text.slice(scalar.start, scalar.end)
  const chomping = scalar.style === 'folded' ? (/^>[1-9]?([+-]?)/.exec(header)?.[1] ?? '') : '-'
  return [`|${chomping}`, ...expression.split('\n').map((line) => ' '.repeat(column + 2) + line)].join(lineBreak)
}

/** Inside YAML's brackets there can be only one line: the layout's line breaks become spaces. */
function onOneLine(text: string, { scalar }: Place, expression: string): string | null {
  const line = expression
    .replace(/([([])\n\s*/g, '$1')
    .replace(/\n\s*([)\]])/g, '$1')
    .replace(/\n\s*/g, ' ')
  if (formatPql(line) !== expression) return null
  return line === scalar.value ? text.slice(scalar.start, scalar.end) : editScalar(text, scalar, line)
}
