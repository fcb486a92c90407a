import { widthOf } from './paint.ts'

/** Columns as wide as their widest cell; numbers stand right. */
export function table(headers: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (cell === null ? '' : typeof cell === 'number' ? cell.toLocaleString('en') : cell)),
  )
  const right = headers.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  const widths = headers.map((header, column) =>
    Math.max(widthOf(header), ...cells.map((row) => widthOf(row[column]!))),
  )
  const padding = (cell: string, column: number): string => ' '.repeat(widths[column]! - widthOf(cell))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (right[column] ? padding(cell, column) + cell : cell + padding(cell, column)))
      .join('  ')
      .trimEnd()
  return [line(headers), widths.map((width) => '─'.repeat(width)).join('  '), ...cells.map(line)].join('\n')
}

/** The same as a Markdown table; numbers stand right. */
export function markdownTable(
  headers: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const cell = (value: string | number | null): string =>
    value === null ? '' : typeof value === 'number' ? value.toLocaleString('en') : value.replaceAll('|', '\\|')
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = headers.map((_, column) => (rows.some((row) => typeof row[column] === 'number') ? '--:' : '---'))
  return [line(headers), line(rule), ...rows.map((row) => line(row.map(cell)))].join('\n')
}
