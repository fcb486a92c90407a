import { readFileSync } from 'node:fs'
import { isKind, schemaOf } from '#crds'
import type { Source } from '../../compiler/resource.ts'

/** The bundle that nothing is wrong with; examples and fixtures are written against it. */
export const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')

export const caseFile = 'case.yaml'

/**
 * The bundle with documents put in the place of those of the same kind and name, or added. A document is completed: with the fields
 * of `spec` that it leaves out, from the document it replaces; a new one only with the required fields, from the first of its kind.
 * `# without: field` leaves a field out after all. `# repeat: 1..20` makes one document of each number, written `$n`. What is added
 * stands below the lines that were given, so lines keep their numbers.
 */
export function overlay(documents: string): readonly Source[] {
  const written = documentsOf(documents)
  const given = written.flatMap(({ text, line }) => repeated(text).map((one) => ({ text: one, line, ...headOf(one) })))
  const kept = base.filter(
    (own) => !given.some(({ kind, name, namespace }) => namespace === '' && kind === own.kind && name === own.name),
  )
  return [
    { file: 'bundle.yaml', text: kept.map(({ text }) => text).join('---\n') },
    ...given.map((document, index) => ({
      file: given.length === 1 ? caseFile : `${caseFile}#${String(index).padStart(5, '0')}`,
      text: '\n'.repeat(document.line) + completed(document),
    })),
  ]
}

type Document = { readonly text: string; readonly kind: string; readonly name: string; readonly namespace: string }

const base: readonly Document[] = documentsOf(bundle).map(({ text }) => ({ text, ...headOf(text) }))

/** Texts between `---` lines, with the number of lines before each. */
function documentsOf(text: string): readonly { readonly text: string; readonly line: number }[] {
  let line = 0
  return text.split(/^---\n/m).map((part) => {
    const at = line
    line += part.split('\n').length
    return { text: part, line: at }
  })
}

function repeated(text: string): readonly string[] {
  const range = /^# repeat: (\d+)\.\.(\d+)$/m.exec(text)
  if (!range) return [text]
  const [from, to] = [Number(range[1]), Number(range[2])]
  return Array.from({ length: to - from + 1 }, (_, index) => text.replaceAll('$n', String(from + index)))
}

/** Read by eye rather than by a reader of YAML: the text may be no YAML. */
function headOf(text: string): Omit<Document, 'text'> {
  const metadata = /^metadata:([^\n]*\n(?: {2}[^\n]*\n)*)/m.exec(text)?.[1] ?? ''
  const field = (name: string): string => new RegExp(`\\b${name}: *"?([\\w.-]+)`).exec(metadata)?.[1] ?? ''
  return { kind: /^kind: *(\w+)/m.exec(text)?.[1] ?? '', name: field('name'), namespace: field('namespace') }
}

function completed({ text, kind, name, namespace }: Document): string {
  const closed = text.endsWith('\n') || text === '' ? text : `${text}\n`
  const version = /^apiVersion:/m.test(text) || !isKind(kind) ? '' : 'apiVersion: convoke.dev/v1alpha1\n'
  const own = namespace === '' ? base.find((document) => document.kind === kind && document.name === name) : undefined
  const model = own ?? base.find((document) => document.kind === kind)
  const block = /^spec:[ \t]*(?:#[^\n]*)?\n/m.test(text)
  if (!model || !isKind(kind) || (/^spec:/m.test(text) && !block)) return closed + version
  const required = [schemaOf(kind).properties?.['spec']?.['required'] ?? []].flat().map(String)
  const without = [...text.matchAll(/# without: (\w+)/g)].map((match) => match[1])
  if (/^ {2}segmentSelector:/m.test(text)) without.push('segmentRefs')
  const fields = [...specFieldsOf(model.text)].filter(
    ([field]) => !specFieldsOf(text).has(field) && !without.includes(field) && (own || required.includes(field)),
  )
  // The rest of `spec` goes to the end of it, which is the end of the text.
  return closed + (block ? '' : 'spec:\n') + fields.map(([, lines]) => lines).join('') + version
}

/** The fields of a block-style `spec`, each with its lines. */
function specFieldsOf(text: string): ReadonlyMap<string, string> {
  const spec = /^spec:[^\n]*\n((?:(?: |#|\n)[^\n]*\n?)*)/m.exec(text)?.[1] ?? ''
  return new Map(
    [...spec.matchAll(/^ {2}(\w+):[^\n]*\n(?:(?: {3,}[^\n]*)?\n)*/gm)].map((match) => [match[1]!, match[0]]),
  )
}
