import { isRecord } from '#crds'
import type { Code } from '../codes.ts'
import { type Diagnostic, pathText, sortDiagnostics } from '../diagnostic.ts'
import { parsePql } from '../pql/parser.ts'
import type { Path, Source } from '../resource.ts'
import { nodeAt, readYaml, textRangeOf, valueOf, type YamlNode } from '../yaml/index.ts'
import { adobeIdAnnotation, annotationsOf, resourceName, segmentReferences } from './adobe-definition.ts'
import { lossesOf } from './definition-fields.ts'
import { expressionTextOf } from './expression.ts'
import { type SegmentDocument, segmentYaml } from './segment-yaml.ts'

export type ConvertOptions = {
  /** Name of the ProfileStore that the Segments belong to. */
  readonly store: string
}

/**
 * Adobe segment definitions (one, a list, or a page as the API gives it: `{"segments": […]}`, `{"children": […]}` of audiences,
 * `{"results": {…}}` of a bulk request) as Segments, one YAML document for each, in the order written. References by id are written with
 * the name of the Segment where it is among those converted. What a Segment cannot say is reported; a
 * definition with an error is left out.
 */
export function segmentsOfAdobe(
  sources: readonly Source[],
  options: ConvertOptions,
): {
  readonly segments: readonly { readonly name: string; readonly yaml: string }[]
  readonly diagnostics: readonly Diagnostic[]
} {
  const diagnostics: Diagnostic[] = []
  const definitions = sources.flatMap((source) => definitionsIn(source, diagnostics))
  reportFurtherPages(sources, definitions.length, diagnostics)
  const names = namesOf(definitions)
  const refused = new Set(definitions.filter((definition) => !isConvertible(definition, diagnostics)))
  const nameOfId = new Map(
    definitions.flatMap((definition, index) =>
      !refused.has(definition) && typeof definition.value['id'] === 'string'
        ? [[definition.value['id'], names[index]!]]
        : [],
    ),
  )
  const segments = definitions.flatMap((definition, index) => {
    if (refused.has(definition)) return []
    const document = documentOf(definition, names[index]!, options, nameOfId, diagnostics)
    return document ? [{ name: document.name, yaml: segmentYaml(document) }] : []
  })
  return { segments, diagnostics: sortDiagnostics(diagnostics) }
}

type Definition = {
  readonly source: Source
  readonly node: YamlNode
  readonly value: Readonly<Record<string, unknown>>
}

function itemsOf(node: YamlNode): readonly YamlNode[] {
  return node.kind === 'sequence' ? node.items : [node]
}

type Report = (path: Path, code: Code, message: string, help: string, more?: Partial<Diagnostic>) => void

function reporterOf({ source, node }: Pick<Definition, 'source' | 'node'>, diagnostics: Diagnostic[]): Report {
  return (path, code, message, help, more = {}) => {
    const written = path
      .map((_, index) => nodeAt(node, path.slice(0, path.length - index))?.value)
      .find((found) => found)
    const at = written ?? node
    diagnostics.push({
      code,
      severity: 'error',
      message,
      help,
      file: source.file,
      span: at.kind === 'scalar' ? { start: at.start, end: at.end } : { start: at.start, end: at.start + 1 },
      resource: null,
      path: pathText(path),
      related: [],
      fixes: [],
      ...more,
    })
  }
}

function definitionsIn(source: Source, diagnostics: Diagnostic[]): Definition[] {
  // JSON is YAML too, and this reader knows where everything stands.
  const { documents, faults } = readYaml(source.text)
  for (const fault of faults) {
    diagnostics.push({
      code: fault.code,
      severity: 'error',
      message: fault.message,
      help: fault.help,
      file: source.file,
      span: { start: fault.start, end: fault.end },
      resource: null,
      path: '',
      related: [],
      fixes: [],
    })
  }
  if (faults.length > 0) return []
  return documents.flatMap((document) => {
    const page = ['segments', 'children', 'results']
      .map((key) => nodeAt(document, [key])?.value)
      .find((value) => value?.kind === 'sequence' || value?.kind === 'map')
    const items = page?.kind === 'map' ? page.entries.map(({ value }) => value) : page ? page.items : itemsOf(document)
    return items.flatMap((node): Definition[] => {
      const value = valueOf(node)
      if (isRecord(value) && ('expression' in value || 'name' in value)) return [{ source, node, value }]
      reporterOf({ source, node }, diagnostics)(
        [],
        'wrong-type',
        'This is not a segment definition',
        'A definition is an object with `name` and `expression`; a file holds one, a list of them, or a page `{"segments": […]}` or `{"children": […]}`.',
      )
      return []
    })
  })
}

/** Reports pages that are missing: a page says how many definitions there are in all. */
function reportFurtherPages(sources: readonly Source[], given: number, diagnostics: Diagnostic[]): void {
  for (const source of sources) {
    for (const node of readYaml(source.text).documents) {
      const place = ['page', '_page'].find((key) => nodeAt(node, [key, 'totalCount']))
      if (!place) continue
      const count = nodeAt(node, [place, 'totalCount'])?.value
      const total = count?.kind === 'scalar' ? Number(count.value) : 0
      if (total <= given) continue
      reporterOf({ source, node }, diagnostics)(
        [place, 'totalCount'],
        'pql-unsupported',
        `There are ${total} definitions at Adobe, and ${given} are given here`,
        'Give the files of all pages together.',
        { severity: 'warning' },
      )
      return
    }
  }
}

/** Reports what of the definition no Segment can say; false where no Segment can be made of it. */
function isConvertible(definition: Definition, diagnostics: Diagnostic[]): boolean {
  const report = reporterOf(definition, diagnostics)
  const losses = lossesOf(definition.value)
  for (const { path, code, severity, message, help } of losses) report(path, code, message, help, { severity })
  return losses.every(({ severity }) => severity !== 'error')
}

/** Unique names that Kubernetes accepts: the definitions' own, else made from their names at Adobe, numbered where two are the same. */
function namesOf(definitions: readonly Definition[]): string[] {
  const said = definitions.map(({ value }) => {
    const own = isRecord(value['convoke']) ? value['convoke']['name'] : null
    return typeof own === 'string' && own !== '' && resourceName(own) === own ? own : null
  })
  const taken = new Set<string>()
  const once = (base: string): string => {
    let name = base
    for (let number = 2; taken.has(name); number += 1) name = `${base}-${number}`
    taken.add(name)
    return name
  }
  const kept = said.map((name) => (name === null ? null : once(name)))
  return definitions.map(
    ({ value }, index) => kept[index] ?? once(resourceName(String(value['name'] ?? value['id'] ?? '')) || 'segment'),
  )
}

function documentOf(
  definition: Definition,
  name: string,
  { store }: ConvertOptions,
  nameOfId: ReadonlyMap<string, string>,
  diagnostics: Diagnostic[],
): SegmentDocument | null {
  const { value, node, source } = definition
  const report = reporterOf(definition, diagnostics)
  const { expression, evaluationInfo } = value
  if (!isRecord(expression)) {
    report(
      [],
      'missing-field',
      `\`${String(value['name'] ?? name)}\` has no \`expression\``,
      'A definition has `expression: {"type": "PQL", "format": "pql/text", "value": "…"}`.',
    )
    return null
  }
  const found = expressionTextOf(expression)
  if ('faults' in found) {
    for (const fault of found.faults) report(['expression', ...fault.path], fault.code, fault.message, fault.help)
    return null
  }
  const isEnabled = (way: string): boolean =>
    isRecord(evaluationInfo) && isRecord(evaluationInfo[way]) && evaluationInfo[way]['enabled'] === true
  if (isEnabled('synchronous'))
    report(
      ['evaluationInfo', 'synchronous'],
      'pql-unsupported',
      `\`${String(value['name'] ?? name)}\` is evaluated on the edge; the Segment is a Streaming one`,
      'The integration pattern knows batch and streaming evaluation only.',
      { severity: 'warning' },
    )

  let text = found.text
  const { offset } = found
  const scalar = nodeAt(node, ['expression', 'value'])?.value
  const rangeOf = scalar?.kind === 'scalar' ? textRangeOf(source.text, scalar) : null
  const place = ({ start, end }: { readonly start: number; readonly end: number }): Partial<Diagnostic> =>
    rangeOf && offset !== null ? { span: rangeOf(offset + start, offset + end) } : {}
  const { faults } = parsePql(text)
  for (const fault of faults)
    report(['expression', 'value'], fault.code, fault.message, fault.help ?? '', {
      ...place(fault.span),
      severity: fault.severity ?? 'error',
    })
  if (faults.some((fault) => fault.severity !== 'warning')) return null
  for (const { name: id, span } of segmentReferences(text)) {
    if (nameOfId.has(id)) continue
    report(
      ['expression', 'value'],
      'unresolved-reference',
      `The segment \`${id}\` is not among the definitions converted`,
      'Convert them together, or write the name of the Segment it is here.',
      { ...place(span), severity: 'warning' },
    )
  }
  for (const { name: id, span } of segmentReferences(text).toReversed()) {
    const referred = nameOfId.get(id)
    if (referred) text = text.slice(0, span.start) + referred + text.slice(span.end)
  }
  return {
    name,
    annotations: {
      ...(typeof value['id'] === 'string' && { [adobeIdAnnotation]: value['id'] }),
      ...annotationsOf(value),
    },
    store,
    displayName: typeof value['name'] === 'string' && value['name'] !== name ? value['name'] : null,
    description: typeof value['description'] === 'string' && value['description'] !== '' ? value['description'] : null,
    evaluation: isEnabled('continuous') || isEnabled('synchronous') ? 'Streaming' : 'Batch',
    expression: text,
  }
}
