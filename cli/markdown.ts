// Text from data and YAML inside Markdown for a pull request's page: nothing in it is markup, mentions anybody, or links anywhere.
import { visible } from '#compiler'

/** The text as it is, with a backslash before everything that Markdown or HTML would interpret. */
export function plainMarkdown(text: string): string {
  return (
    visible(text.replace(/\s*[\r\n]\s*/g, ' '))
      .replace(/[\\`*_{}[\]<>()#+!|~&]/g, '\\$&')
      // No mention, no reference to an issue, and no address that becomes a link.
      .replace(/@(?=\w)/g, '@\u2060')
      .replace(/\b(https?|www)(?=[:.])/g, '$1\u2060')
  )
}

/** The text as code; its fence is longer than any run of backticks in it. In a table, bars get a backslash. */
export function codeMarkdown(text: string, isInTable = false): string {
  const shown = visible(text.replace(/\s*[\r\n]\s*/g, ' '))
  const fence = '`'.repeat(longestRun(shown) + 1)
  const space = /^`|`$|^ .* $/.test(shown) ? ' ' : ''
  return `${fence}${space}${isInTable ? shown.replaceAll('|', '\\|') : shown}${space}${fence}`
}

/** Lines as a block of code. */
export function blockMarkdown(lines: readonly string[], language: string): string {
  const shown = lines.map(visible)
  const fence = '`'.repeat(Math.max(3, longestRun(shown.join('\n')) + 1))
  return `${fence}${language}\n${shown.join('\n')}\n${fence}`
}

/** A message in which words in backticks become code, and the rest plain text. */
export function messageMarkdown(message: string): string {
  return message
    .split('`')
    .map((part, index) => (index % 2 === 1 ? codeMarkdown(part) : plainMarkdown(part)))
    .join('')
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
}

/** A table from cells that are Markdown already; numbers are aligned to the right. */
export function tableMarkdown(
  headers: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cell = (value: string | number | null): string =>
    value === null ? '' : typeof value === 'number' ? value.toLocaleString('en') : value
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = headers.map((_, column) => (rows.some((row) => typeof row[column] === 'number') ? '--:' : '---'))
  return [line(headers), line(rule), ...rows.map((row) => line(row.map(cell)))].join('\n')
}
