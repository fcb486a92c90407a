import { apiVersion } from '#crds'
import { nodeAt, quoteIfNeeded, readYaml } from '../yaml/index.ts'
import { doubleQuoted } from '../yaml/quote.ts'

export type SegmentDocument = {
  readonly name: string
  readonly annotations: Readonly<Record<string, string>>
  readonly store: string
  /** null where it equals the name. */
  readonly displayName: string | null
  readonly description: string | null
  readonly evaluation: 'Batch' | 'Streaming'
  readonly expression: string
}

/** The Segment as a person would write it: without defaults, and with a long expression on lines of its own. */
export function segmentYaml(segment: SegmentDocument): string {
  const annotations = Object.entries(segment.annotations)
  return [
    `apiVersion: ${apiVersion}`,
    'kind: Segment',
    'metadata:',
    `  name: ${quoteIfNeeded(segment.name)}`,
    ...(annotations.length > 0
      ? ['  annotations:', ...annotations.map(([key, value]) => `    ${key}: ${quoteIfNeeded(value)}`)]
      : []),
    'spec:',
    `  profileStoreRef: { name: ${quoteIfNeeded(segment.store)} }`,
    ...(segment.displayName === null ? [] : [`  displayName: ${scalar(segment.displayName)}`]),
    ...(segment.description === null ? [] : [`  description: ${scalar(segment.description)}`]),
    ...(segment.evaluation === 'Batch' ? [] : ['  evaluation: Streaming']),
    `  expression: ${scalar(segment.expression)}`,
    '',
  ].join('\n')
}

/** The text in the first style that every reader understands: a literal block for several lines, bare, single quotes, double quotes. */
function scalar(text: string): string {
  const lines = text.split('\n')
  const styles =
    lines.length > 1
      ? [['|-', ...lines.map((line) => (line === '' ? '' : `    ${line}`))].join('\n')]
      : [text, `'${text.replaceAll("'", "''")}'`]
  return styles.find((written) => reads(written, text)) ?? doubleQuoted(text)
}

function reads(written: string, text: string): boolean {
  const { documents, faults } = readYaml(`spec:\n  field: ${written}\n`)
  const found = documents[0] && nodeAt(documents[0], ['spec', 'field'])?.value
  return documents.length === 1 && faults.length === 0 && found?.kind === 'scalar' && found.value === text
}
