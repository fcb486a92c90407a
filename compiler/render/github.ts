import type { Diagnostic, Severity } from '../diagnostic.ts'
import type { Source } from '../resource.ts'
import { positionsOf } from './json.ts'
import { visible } from './visible.ts'

/**
 * The lines of `convoke check -o github`: workflow commands, which GitHub Actions shows as annotations of a pull request. Errors come
 * first, because it shows only ten of each kind.
 */
export function githubAnnotations(
  diagnostics: readonly Diagnostic[],
  sources: readonly Source[],
  pathInRepository: (file: string) => string,
): string {
  const positionOf = positionsOf(sources)
  return (['error', 'warning', 'info'] as const)
    .flatMap((severity) => diagnostics.filter((diagnostic) => diagnostic.severity === severity))
    .map(({ severity, code, message, why, help, file, span, resource }) => {
      const start = span && positionOf(file, span.start)
      const end = span && positionOf(file, span.end)
      const properties = {
        ...(file === null ? {} : { file: pathInRepository(file) }),
        ...(start && end ? { line: start.line, col: start.column, endLine: end.line, endColumn: end.column } : {}),
        title: code,
      }
      const place = file === null && resource ? `${resource.kind} ${resource.name}: ` : ''
      const parts = [`${place}${message}`, why, help].filter((part) => part !== undefined)
      const text = parts.flatMap((part) => part.split('\n').map(visible)).join('\n')
      const list = Object.entries(properties).map(([name, value]) => `${name}=${property(visible(String(value)))}`)
      return `::${commands[severity]} ${list.join(',')}::${data(text)}\n`
    })
    .join('')
}

const commands: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'notice' }

/** Escapes for workflow commands ("Workflow commands for GitHub Actions"): one for data, one for properties. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
