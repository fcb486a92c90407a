import { visible } from '#compiler'
import { padded, widthOf } from './paint.ts'

/** A cell as it is written, and how it is painted once its width is known. */
export type Painted = { readonly text: string; readonly paint: (text: string) => string }

export type TableCell = string | number | null | Painted

/** Columns as wide as their widest cell; numbers are aligned to the right. Texts are made visible; a painted cell keeps its colour. */
export function table(headers: readonly string[], rows: readonly (readonly TableCell[])[]): string {
  const cells = rows.map((row) => row.map(cellOf))
  const right = headers.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  const widths = headers.map((header, column) =>
    Math.max(widthOf(header), ...cells.map((row) => widthOf(row[column]!.text))),
  )
  const line = (row: readonly Painted[]): string =>
    row
      .map(({ text, paint }, column) => paint(padded(text, widths[column]!, right[column] ? 'right' : 'left')))
      .join('  ')
      .trimEnd()
  return [
    line(headers.map((text) => ({ text, paint: asIs }))),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...cells.map(line),
  ].join('\n')
}

function cellOf(cell: TableCell): Painted {
  if (cell === null) return { text: '', paint: asIs }
  if (typeof cell === 'number') return { text: cell.toLocaleString('en'), paint: asIs }
  return typeof cell === 'string' ? { text: visible(cell), paint: asIs } : { ...cell, text: visible(cell.text) }
}

function asIs(text: string): string {
  return text
}
