// Text from data and YAML inside Markdown, which a pull request's page shows: none of it is markup there, names nobody, and links nowhere.
import { visible } from '#compiler'

/** The text as it is: what Markdown or HTML would take for more has a backslash before it. */
export function plainMarkdown(text: string): string {
  return (
    visible(text.replace(/\s*[\r\n]\s*/g, ' '))
      .replace(/[\\`*_{}[\]<>()#+!|~&]/g, '\\$&')
      // Nobody is called, no issue is named, and no address becomes a link.
      .replace(/@(?=\w)/g, '@\u2060')
      .replace(/\b(https?|www)(?=[:.])/g, '$1\u2060')
  )
}

/** The text as code; its fence is longer than any run of backticks in it. In a table a bar has a backslash. */
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

/** A message whose words stand in backticks: code where they do, plain text elsewhere. */
export function messageMarkdown(message: string): string {
  return message
    .split('`')
    .map((part, index) => (index % 2 === 1 ? codeMarkdown(part) : plainMarkdown(part)))
    .join('')
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
}

/** Columns of a table; numbers stand right. Cells are Markdown already. */
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
