// Faults put into valid bundles, each with what ought to be said about it: the strongest measure of messages there is.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { applyFixes, type Code, compile, type Source } from '../../compiler/index.ts'
import { tokenize } from '../../compiler/pql/lexer.ts'
import { nodeAt, readYaml, textRangeOf, type YamlNode, type YamlScalar } from '../../compiler/yaml/index.ts'

export type FaultClass =
  | 'misspelt field'
  | 'misspelt reference'
  | 'misspelt attribute'
  | 'misspelt function'
  | 'misspelt enum value'
  | 'missing required field'
  | 'wrong type'
  | 'shouted operator'
  | 'foreign operator'
  | 'unclosed bracket'
  | 'missing operand'
  | 'type mismatch'
  | 'ambiguous scalar'
  | 'duplicate key'
  | 'bad schedule'
  | 'misspelt kind'
  | 'misspelt mapping source'

export type Fault = {
  readonly class: FaultClass
  readonly bundle: string
  readonly file: string
  /** The text after the fault, and where the fault is in it. */
  readonly sources: readonly Source[]
  readonly original: readonly Source[]
  readonly span: { readonly start: number; readonly end: number }
  readonly codes: readonly Code[]
}

export type Verdict = {
  readonly reported: boolean
  readonly rightCode: boolean
  readonly spanHit: boolean
  readonly extra: number
  readonly fixOffered: boolean
  readonly fixRestores: boolean
}

const root = join(import.meta.dirname, '../..')

export const bundles: readonly { readonly name: string; readonly sources: readonly Source[] }[] = [
  {
    name: 'contract',
    sources: [{ file: 'retail.yaml', text: readFileSync(join(root, 'test/fixtures/retail.yaml'), 'utf8') }],
  },
  ...['minimal', 'cdnow', 'retail'].map((name) => ({
    name,
    sources: globSync(name === 'minimal' ? 'examples/minimal/*.yaml' : `examples/${name}/resources/*.yaml`, {
      cwd: root,
    })
      .sort()
      .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') })),
  })),
]

/** All faults of all classes over all bundles; `every` takes each n-th of a class, so that a quick run sees them all a little. */
export function corpus(every = 1): Fault[] {
  return bundles.flatMap((bundle) => {
    const byClass = Map.groupBy(
      bundle.sources.flatMap((source) => faultsIn(bundle.name, bundle.sources, source)),
      (fault) => fault.class,
    )
    return [...byClass.values()].flatMap((faults) => faults.filter((_, index) => index % every === 0))
  })
}

export function judge(fault: Fault): Verdict {
  const { diagnostics } = compile(fault.sources)
  const own = diagnostics.filter(
    (diagnostic) =>
      diagnostic.file === fault.file &&
      diagnostic.span &&
      diagnostic.span.start <= fault.span.end &&
      diagnostic.span.end >= fault.span.start,
  )
  const right = own.filter((diagnostic) => fault.codes.includes(diagnostic.code))
  const safe = right.filter((diagnostic) => diagnostic.fixes.some((fix) => fix.safety === 'safe'))
  const { changed } = applyFixes(fault.sources, safe.slice(0, 1), ['safe'])
  const fixed = fault.sources.map((source) => changed.find((other) => other.file === source.file) ?? source)
  return {
    reported: diagnostics.length > 0,
    rightCode: diagnostics.some((diagnostic) => fault.codes.includes(diagnostic.code)),
    spanHit: right.length > 0,
    extra: Math.max(0, diagnostics.length - 1),
    fixOffered: safe.length > 0,
    fixRestores: safe.length > 0 && compile(fixed).diagnostics.length === 0,
  }
}

type Edit = {
  readonly class: FaultClass
  readonly start: number
  readonly end: number
  readonly text: string
  readonly codes: readonly Code[] /** Where the finding may point, when not at the edited text. */
  readonly at?: { readonly start: number; readonly end: number }
}

function faultsIn(bundle: string, original: readonly Source[], source: Source): Fault[] {
  return readYaml(source.text)
    .documents.flatMap((document) => [
      ...resourceEdits(source.text, document),
      ...expressionEdits(source.text, document),
    ])
    .map((edit) => {
      const text = source.text.slice(0, edit.start) + edit.text + source.text.slice(edit.end)
      const span = edit.at ?? { start: edit.start, end: edit.start + Math.max(1, edit.text.length) }
      return {
        class: edit.class,
        bundle,
        file: source.file,
        original,
        span,
        codes: edit.codes,
        sources: original.map((other) => (other.file === source.file ? { file: source.file, text } : other)),
      }
    })
}

/** Two letters in the middle swapped, or one doubled where they are alike: what fingers do. */
function misspelt(word: string): string {
  const at = Math.max(1, Math.floor(word.length / 2) - 1)
  return word[at] === word[at + 1]
    ? word.slice(0, at) + word[at] + word.slice(at)
    : word.slice(0, at) + (word[at + 1] ?? 'x') + word[at] + word.slice(at + 2)
}

function scalarAt(document: YamlNode, path: readonly (string | number)[]): YamlScalar | null {
  const found = nodeAt(document, path)?.value
  return found?.kind === 'scalar' && found.end > found.start ? found : null
}

function resourceEdits(text: string, document: YamlNode): Edit[] {
  const edits: Edit[] = []
  const kind = scalarAt(document, ['kind'])
  const spec = nodeAt(document, ['spec'])?.value
  if (!kind || spec?.kind !== 'map') return edits
  edits.push({
    class: 'misspelt kind',
    start: kind.start,
    end: kind.end,
    text: misspelt(String(kind.value)),
    codes: ['unknown-kind'],
  })
  for (const { key, value } of spec.entries) {
    if (String(key.value).length < 4) continue
    edits.push({
      class: 'misspelt field',
      start: key.start,
      end: key.end,
      text: misspelt(String(key.value)),
      codes: ['unknown-field', 'missing-field'],
    })
    if (value.kind === 'scalar' && value.style === 'plain')
      edits.push({
        class: 'duplicate key',
        start: value.end,
        end: value.end,
        text: lineAfter(text, key, value),
        codes: ['duplicate-key'],
        at: { start: value.end, end: value.end + lineAfter(text, key, value).length },
      })
  }
  for (const [field, ref] of [
    ['profileStoreRef', 'name'],
    ['organizationRef', 'name'],
    ['campaignInstanceRef', 'name'],
    ['destinationRef', 'name'],
  ] as const) {
    const name = scalarAt(spec, [field, ref])
    if (name)
      edits.push({
        class: 'misspelt reference',
        start: name.start,
        end: name.end,
        text: misspelt(String(name.value)),
        codes: ['unresolved-reference', 'missing-organization'],
      })
  }
  const enums: readonly (readonly (string | number)[])[] = [
    ['evaluation'],
    ['record'],
    ['format'],
    ['export'],
    ['membershipStatus'],
    ['syncType'],
    ['deletionPolicy'],
    ['mergePolicy', 'attributes'],
  ]
  for (const path of enums) {
    const value = scalarAt(spec, path)
    if (value && typeof value.value === 'string' && value.style === 'plain')
      edits.push({
        class: 'misspelt enum value',
        start: value.start,
        end: value.end,
        text: misspelt(value.value),
        codes: ['invalid-value'],
      })
  }
  for (const field of ['displayName', 'imsOrgId', 'timestamp']) {
    const value = scalarAt(spec, [field])
    if (!value) continue
    edits.push({ class: 'wrong type', start: value.start, end: value.end, text: '12', codes: ['wrong-type'] })
    // Quoted, `NO` is a good name and a good column; it is no organization.
    if (field === 'imsOrgId') continue
    edits.push({
      class: 'ambiguous scalar',
      start: value.start,
      end: value.end,
      text: 'NO',
      codes: ['ambiguous-scalar'],
    })
  }
  const mapping = nodeAt(spec, ['mapping'])?.value
  if (mapping?.kind === 'sequence' && kind.value === 'Activation') {
    for (const [index] of mapping.items.entries()) {
      const from = scalarAt(mapping, [index, 'source'])
      if (from)
        edits.push({
          class: 'misspelt mapping source',
          start: from.start,
          end: from.end,
          text: misspelt(String(from.value)),
          codes: ['unknown-attribute'],
        })
    }
  }
  const schedule = scalarAt(spec, ['schedule']) ?? scalarAt(spec, ['evaluation', 'batch', 'schedule'])
  if (schedule)
    edits.push({
      class: 'bad schedule',
      start: schedule.start,
      end: schedule.end,
      text: '"61 2 * * *"',
      codes: ['invalid-schedule'],
    })
  // Removing a whole line is the fault of a careless merge; only block-style lines are one field.
  for (const field of ['imsOrgId', 'version', 'record', 'format', 'timestamp', 'storage']) {
    const found = nodeAt(spec, [field])
    if (!found?.key || found.value.kind !== 'scalar') continue
    const start = text.lastIndexOf('\n', found.key.start) + 1
    const end = text.indexOf('\n', found.value.end) + 1
    if (text.slice(start, found.key.start).trim() !== '' || end === 0) continue
    const specKey = nodeAt(document, ['spec'])!.key!
    edits.push({
      class: 'missing required field',
      start,
      end,
      text: '',
      codes: ['missing-field'],
      at: { start: specKey.start, end: specKey.end },
    })
  }
  return edits
}

/** The same field again, in the style of the map it is in. */
function lineAfter(text: string, key: YamlScalar, value: YamlScalar): string {
  const line = text.lastIndexOf('\n', key.start) + 1
  const indent = text.slice(line, key.start)
  const field = text.slice(key.start, value.end)
  return indent.trim() === '' ? `\n${indent}${field}` : `, ${field}`
}

function expressionEdits(text: string, document: YamlNode): Edit[] {
  const scalar = scalarAt(document, ['spec', 'expression'])
  if (!scalar || typeof scalar.value !== 'string' || !['literal', 'plain'].includes(scalar.style)) return []
  const range = textRangeOf(text, scalar)
  const tokens = tokenize(scalar.value, () => {})
  const edits: Edit[] = []
  const edit = (
    className: FaultClass,
    start: number,
    end: number,
    replacement: string,
    codes: readonly Code[],
    whole = false,
  ): void => {
    const place = range(start, end)
    const all = range(0, String(scalar.value).length)
    edits.push({
      class: className,
      start: place.start,
      end: place.end,
      text: replacement,
      codes,
      ...(whole ? { at: { start: all.start, end: all.end } } : {}),
    })
  }
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]
    const previous = tokens[index - 1]
    const isField = token.kind === 'name' && token.text.length >= 4 && previous?.text === '.' && next?.text !== '('
    if (isField) edit('misspelt attribute', token.start, token.end, misspelt(token.text), ['unknown-attribute'])
    if (token.kind === 'name' && token.text.length >= 4 && previous?.text === '.' && next?.text === '(')
      edit('misspelt function', token.start, token.end, misspelt(token.text), ['pql-unknown-function'])
    if (token.kind === 'name' && (token.text === 'and' || token.text === 'or')) {
      edit('shouted operator', token.start, token.end, token.text.toUpperCase(), ['pql-syntax'])
      edit('foreign operator', token.start, token.end, token.text === 'and' ? '&&' : '||', ['pql-syntax'])
      edit('missing operand', token.start, token.end, `${token.text} ${token.text}`, ['pql-syntax'])
    }
    if (token.text === '=' && token.kind === 'punctuation')
      edit('foreign operator', token.start, token.end, '==', ['pql-syntax'])
    if ((token.text === ')' || token.text === ']') && token.kind === 'punctuation')
      edit('unclosed bracket', token.start, token.end, '', ['pql-syntax'], true)
    if (token.kind === 'number' && ['>', '>=', '<', '<='].includes(previous?.text ?? '') && next?.kind !== 'name')
      edit('type mismatch', token.start, token.end, '"many"', ['pql-type-mismatch'])
  }
  const reference = /inSegment\("([^"]+)"\)/.exec(scalar.value)
  if (reference) {
    const start = reference.index + 'inSegment("'.length
    edit('misspelt reference', start, start + reference[1]!.length, misspelt(reference[1]!), ['unresolved-reference'])
  }
  return edits
}
