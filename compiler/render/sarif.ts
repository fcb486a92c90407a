import { digestOf } from '#crds'
import { type Code, codes } from '../codes.ts'
import type { Diagnostic, Edit, FileSpan, Fix, Place, Severity } from '../diagnostic.ts'
import type { Source } from '../resource.ts'
import { rules } from '../rules/index.ts'
import { positionsOf } from './json.ts'

/** Limits of GitHub code scanning ("SARIF support for code scanning"): results in a run, and places of a result. */
const maxResults = 25_000
const maxRelated = 999

export type SarifOptions = {
  /** Version of Convoke. */
  readonly version: string
  /** A file's path from the root of the repository. */
  readonly pathInRepository: (file: string) => string
}

/**
 * The document of `convoke check -o sarif` (SARIF 2.1.0). Errors come first, because code scanning shows the first 5,000 results and
 * accepts 25,000; a notification counts the rest.
 */
export function sarifDocument(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  options: SarifOptions,
): object {
  const bySeverity = (['error', 'warning', 'info'] as const).flatMap((severity) =>
    diagnostics.filter((diagnostic) => diagnostic.severity === severity),
  )
  const kept = bySeverity.slice(0, maxResults)
  const used = codes.filter((code) => kept.some((diagnostic) => diagnostic.code === code))
  const places = placesIn(sources, options)
  const fingerprintOf = fingerprints(sources)
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'Convoke', semanticVersion: options.version, rules: used.map(ruleOf) } },
        columnKind: 'utf16CodeUnits',
        invocations: [
          {
            executionSuccessful: true,
            ...(kept.length < bySeverity.length ? { toolExecutionNotifications: [cut(bySeverity.length)] } : {}),
          },
        ],
        results: kept.map((diagnostic) => ({
          ruleId: diagnostic.code,
          ruleIndex: used.indexOf(diagnostic.code),
          level: levels[diagnostic.severity],
          message: { text: sentences(diagnostic) },
          locations: [places.location(diagnostic)],
          ...(diagnostic.related.length > 0
            ? {
                relatedLocations: diagnostic.related.slice(0, maxRelated).map((related, index) => ({
                  id: index + 1,
                  ...places.location(related),
                  message: { text: related.message },
                })),
              }
            : {}),
          partialFingerprints: { primaryLocationLineHash: fingerprintOf(diagnostic) },
          ...(diagnostic.fixes.some(isComplete)
            ? { fixes: diagnostic.fixes.filter(isComplete).map((fix) => places.fix(fix)) }
            : {}),
        })),
      },
    ],
  }
}

const levels: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' }

function cut(found: number): object {
  return {
    level: 'warning',
    message: { text: `${found - maxResults} of ${found} findings were left out: a run takes ${maxResults} results.` },
  }
}

function ruleOf(code: Code): object {
  const rule = rules[code]
  if (!rule) return { id: code }
  const { page, severity } = rule
  const text = `${page.checks}\n\nWhy: ${page.why}\n\nSource: ${page.source}.`
  return {
    id: code,
    shortDescription: { text: page.title },
    fullDescription: { text: page.checks },
    help: {
      text: `${text}\n\nRefused:\n${page.bad}\nFine:\n${page.good}`,
      markdown: `${text}\n\nRefused:\n\n\`\`\`yaml\n${page.bad.trim()}\n\`\`\`\n\nFine:\n\n\`\`\`yaml\n${page.good.trim()}\n\`\`\``,
    },
    defaultConfiguration: { level: levels[severity] },
  }
}

/** Message, reason and next step in one text, since code scanning shows only one. */
function sentences({ message, why, help }: Diagnostic): string {
  return [`${message}.`, why, help].filter((part) => part !== undefined).join(' ')
}

/** Whether a fix can be applied as it stands: a template needs a value that only a person knows. */
function isComplete(fix: Fix): boolean {
  return fix.safety !== 'template'
}

function placesIn(
  sources: readonly Source[],
  { pathInRepository }: SarifOptions,
): { readonly location: (place: Place) => object; readonly fix: (fix: Fix) => object } {
  const positionOf = positionsOf(sources)

  function region(file: string | null, span: FileSpan | null): object {
    const start = span && positionOf(file, span.start)
    const end = span && positionOf(file, span.end)
    // Code scanning needs a line: a finding about a whole file stands at its top.
    if (!start || !end) return { startLine: 1 }
    return {
      startLine: start.line,
      startColumn: start.column,
      endLine: end.line,
      endColumn: end.column,
      charOffset: start.offset,
      charLength: end.offset - start.offset,
    }
  }

  function artifact(file: string): object {
    const path = pathInRepository(file).replaceAll('\\', '/')
    const uri = path.split('/').map(encodeURIComponent).join('/')
    return path.startsWith('/') ? { uri: `file://${uri}` } : { uri, uriBaseId: '%SRCROOT%' }
  }

  return {
    location: ({ file, span, resource, path }) => ({
      ...(file === null ? {} : { physicalLocation: { artifactLocation: artifact(file), region: region(file, span) } }),
      ...(resource
        ? {
            logicalLocations: [
              {
                name: resource.name,
                kind: resource.kind,
                fullyQualifiedName: [resource.namespace, resource.kind, resource.name, ...(path ? [path] : [])].join(
                  '/',
                ),
              },
            ],
          }
        : {}),
    }),
    fix: (fix) => ({
      description: { text: fix.title },
      artifactChanges: [...Map.groupBy(fix.edits, (edit: Edit) => edit.file)].map(([file, edits]) => ({
        artifactLocation: artifact(file),
        replacements: edits.map((edit) => ({
          deletedRegion: region(file, edit),
          ...(edit.text === '' ? {} : { insertedContent: { text: edit.text } }),
        })),
      })),
    }),
  }
}

/**
 * What identifies a finding after lines have moved or the file was renamed: its code, resource, field, and the text that it points at.
 * Equal ones are numbered in their order.
 */
function fingerprints(sources: readonly Source[]): (diagnostic: Diagnostic) => string {
  const texts = new Map(sources.map((source) => [source.file, source.text]))
  const seen = new Map<string, number>()
  return ({ code, file, span, resource, path }) => {
    const text = span && file !== null ? (texts.get(file)?.slice(span.start, span.end) ?? '') : ''
    const digest = digestOf([code, resource ?? file, path, text]).slice('sha256:'.length, 'sha256:'.length + 16)
    const count = (seen.get(digest) ?? 0) + 1
    seen.set(digest, count)
    return `${digest}:${count}`
  }
}
