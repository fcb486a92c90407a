import stringWidth from 'string-width'
import type { Io } from './command.ts'

/** Colours on a terminal; elsewhere the text unchanged. */
export type Paint = Readonly<Record<keyof typeof styles, (text: string) => string>>

const styles = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const

export function painterOf({ colour }: Pick<Io, 'colour'>): Paint {
  const styled = Object.entries(styles).map(([name, code]) => [
    name,
    (text: string) => (colour && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text),
  ])
  return Object.fromEntries(styled)
}

/** How many columns a text takes on a terminal: wide characters and emoji two, colours and combining marks none. */
export function widthOf(text: string): number {
  return stringWidth(text)
}

/** The text, padded with spaces to this many columns, behind it or before it. */
export function padded(text: string, columns: number, side: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, columns - widthOf(text)))
  return side === 'left' ? text + space : space + text
}

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** As much of a text without colours as fits into this many columns, with an ellipsis where it is cut. */
export function fitted(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let [kept, width] = ['', 0]
  for (const { segment } of characters.segment(text)) {
    width += widthOf(segment)
    if (width > columns - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** Lines of at most `width` columns, where words allow it, each behind the indent. */
export function wrapped(text: string, width: number, indent: string): string {
  return text
    .split('\n')
    .map((paragraph) => {
      const lines: string[] = []
      let line = ''
      for (const word of paragraph.split(' ')) {
        if (line !== '' && indent.length + widthOf(line) + 1 + widthOf(word) > width) {
          lines.push(line)
          line = word
        } else line = line === '' ? word : `${line} ${word}`
      }
      return [...lines, line].map((each) => `${indent}${each}`.trimEnd()).join('\n')
    })
    .join('\n')
}
